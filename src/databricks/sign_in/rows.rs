//! Rows: what Databricks' token endpoints refuse, and what every service may answer.

use super::row::Asker::{Code, DevOps, GitHub, Jwt, Refresh, Secret};
use super::row::{Asker, Row};
use crate::error::Kind::{Config, Transient};

const DATABRICKS: &[Asker] = &[Secret, Jwt, Refresh, Code];
const NEW_SECRET: &str =
    "create a new secret (the service principal, Secrets, Generate secret) and set `authentication.client_secret`";
const RIGHT_ID: &str = "correct `authentication.client_id`: the application id, a UUID, not the number of the service principal; it has to be \
                        of this account";
const ASSIGN: &str = "assign it to the workspace (account console, Workspaces, Permissions)";
const LOGIN: &str =
    "run `destination-databricks login` again, and where `authentication.refresh_token` is set, replace it";
const POLICY: &str = "compare with the policy what the JWT has, letter by letter; `destination-databricks setup` prints the command that \
                      creates a policy for it";
const ACCOUNT: &str =
    "correct `authentication.account_id` and `authentication.account_host`, or remove them to ask the workspace";

const NOT_ASSIGNED: &[&str] = &[
    "not assigned",
    "not a member",
    "no access to workspace",
    "does not have access to the workspace",
    "does not belong to workspace",
];
const DEACTIVATED: &[&str] = &["is disabled", "deactivated", "inactive", "is not active"];

/// A row without conditions on the status.
const fn row(
    askers: &'static [Asker],
    codes: &'static [&'static str],
    says: &'static [&'static str],
    problem: &'static str,
    cure: &'static str,
) -> Row {
    Row { askers, codes, statuses: &[], says, kind: Config, problem, cure }
}

/// The same with statuses in place of codes.
const fn by_status(
    askers: &'static [Asker],
    statuses: &'static [u16],
    problem: &'static str,
    cure: &'static str,
) -> Row {
    Row { askers, codes: &[], statuses, says: &[], kind: Config, problem, cure }
}

/// What Databricks says.
pub(super) const ROWS: &[Row] = &[
    row(
        DATABRICKS,
        &[],
        &[
            "ip access list",
            "ip acl",
            "source ip address",
            "blocked by databricks ip",
            "not in the allow list",
            "not in the allowlist",
            "network policy",
        ],
        "it does not admit the address of this machine",
        "add the address from which this machine reaches the internet to the IP access list of the workspace, or of the account, or let the \
         account's network policy admit it",
    ),
    row(
        DATABRICKS,
        &[],
        &["account-level", "account level", "not supported at the account", "workspace-level", "workspace level"],
        "it is asked at the wrong level: a workspace and its account take different sign-ins",
        "remove `authentication.account_id` to ask the workspace, or set it to ask the account",
    ),
    row(
        DATABRICKS,
        &[],
        &["account not found", "account does not exist", "invalid account", "unknown account", "no such account"],
        "there is no such account",
        ACCOUNT,
    ),
    row(&[Secret, Jwt], &[], NOT_ASSIGNED, "it is not assigned to this workspace", ASSIGN),
    row(
        &[Refresh, Code],
        &[],
        NOT_ASSIGNED,
        "the user is not assigned to this workspace",
        "assign the user to the workspace (account console, Workspaces, Permissions), or run `destination-databricks login` as another one",
    ),
    row(
        &[Secret, Jwt],
        &[],
        DEACTIVATED,
        "the service principal is deactivated",
        "activate it (account console, User management, Service principals)",
    ),
    row(
        &[Refresh, Code],
        &["invalid_grant", "access_denied"],
        DEACTIVATED,
        "the user is deactivated",
        "activate the user (account console, User management, Users), or run `destination-databricks login` as another one",
    ),
    row(&[Secret], &["invalid_client", "invalid_grant"], &["expired"], "the client secret has expired", NEW_SECRET),
    row(
        &[Secret],
        &["invalid_client", "invalid_request", "unauthorized_client"],
        &[
            "not found",
            "does not exist",
            "unknown client",
            "no such client",
            "client_id is invalid",
            "client id is invalid",
            "client_id is not valid",
            "client id is not valid",
            "invalid client_id",
            "invalid client id",
        ],
        "there is no service principal with this application id",
        RIGHT_ID,
    ),
    row(
        &[Secret],
        &["invalid_client", "invalid_grant"],
        &[],
        "client id or client secret is wrong, or the secret was deleted or has expired",
        "create a new secret (the service principal, Secrets, Generate secret), and set `authentication.client_id` and \
         `authentication.client_secret`",
    ),
    row(
        DATABRICKS,
        &["invalid_scope"],
        &[],
        "the application may not ask for the scope all-apis",
        "allow the scope all-apis, and for users offline_access, in the application's settings (account console, Settings, App connections)",
    ),
    row(
        &[Jwt],
        &["unsupported_grant_type"],
        &[],
        "it does not exchange tokens",
        "ask an administrator of the account whether token federation is enabled, and check {setting}",
    ),
    row(
        &[Jwt],
        &[],
        &[
            "jwks",
            "signature",
            "signing key",
            "key id",
            "no key",
            "public key",
            "kid not",
            "no kid",
            "matching kid",
            "unknown kid",
            "the kid",
        ],
        "the signature of the JWT does not fit the keys of its issuer",
        "let Databricks reach the issuer's keys, or set `jwks_uri` or `jwks_json` in the federation policy; after a change of keys wait some \
         minutes",
    ),
    row(
        &[Jwt],
        &[],
        &["no matching", "policy not found", "federation policy", "no policy", "does not match any"],
        "no federation policy matches the JWT, or it was removed",
        POLICY,
    ),
    row(&[Secret, Jwt], &["access_denied", "PERMISSION_DENIED"], &[], "it may not use this workspace", ASSIGN),
    row(
        &[Jwt],
        &[],
        &["algorithm", "unsupported alg"],
        "the algorithm of the JWT is not accepted",
        "have the identity provider sign with RS256 or ES256",
    ),
    row(
        &[Jwt],
        &[],
        &["expired"],
        "the JWT has expired",
        "have whoever provides it replace it in time, and check the clock of this machine",
    ),
    row(
        &[Jwt],
        &[],
        &["not yet valid", "not valid yet", "in the future", "before nbf", "before issued", "before it was issued"],
        "the JWT is not valid yet: a clock is wrong",
        "set the clock of the machine that issues it, and of this one",
    ),
    row(&[Jwt], &[], &["audience"], "the federation policy expects another audience", POLICY),
    row(&[Jwt], &[], &["subject"], "the federation policy expects another subject", POLICY),
    row(&[Jwt], &[], &["issuer"], "no federation policy trusts this issuer", POLICY),
    row(
        &[Jwt],
        &["invalid_client", "unauthorized_client"],
        &[],
        "there is no service principal with this application id, or it has no federation policy",
        RIGHT_ID,
    ),
    row(
        &[Jwt],
        &["invalid_request"],
        &["client_id", "client id"],
        "without a client id only a policy of the whole account counts, and there is none for this JWT",
        "set `authentication.client_id` to the application id of the service principal that has the policy",
    ),
    row(
        &[Jwt],
        &["invalid_request"],
        &[],
        "it cannot read the JWT",
        "check that `authentication.jwt_source` gives the whole JWT and nothing else",
    ),
    row(
        &[Jwt],
        &["invalid_grant", "invalid_token"],
        &[],
        "the JWT is not accepted: no federation policy matches its issuer, subject and audience, or it was removed",
        POLICY,
    ),
    row(
        &[Refresh],
        &["invalid_grant"],
        &["consent", "revoked"],
        "the consent of the user was revoked, or an administrator has ended the session",
        LOGIN,
    ),
    row(
        &[Refresh],
        &["invalid_grant"],
        &["already used", "reuse", "been used", "rotated", "single"],
        "the refresh token was used before, and each can be used once: another program or sync has taken the next one, or the answer to a \
         renewal was lost",
        "run `destination-databricks login` once for each connection, and do not use one refresh token in two places",
    ),
    row(&[Refresh], &["invalid_grant"], &["expired"], "the refresh token has expired", LOGIN),
    row(
        &[Refresh],
        &["invalid_grant"],
        &[],
        "the refresh token is wrong, has expired, was used before or was revoked",
        LOGIN,
    ),
    row(
        &[Refresh, Code],
        &["invalid_client", "unauthorized_client"],
        &["secret"],
        "the application is a confidential one and its secret is missing or wrong",
        "set `authentication.client_secret` to the secret of the application (for `login`: --client-secret-file)",
    ),
    row(
        &[Refresh, Code],
        &["invalid_client", "unauthorized_client"],
        &[],
        "it does not know the application",
        "correct the client id; an administrator lists applications under Settings, App connections, in the account console",
    ),
    row(
        &[Code],
        &["invalid_grant"],
        &[],
        "the code of the browser is wrong, was used before or is too old",
        "run `destination-databricks login` again, and give it the answer within some minutes",
    ),
    row(
        &[Code],
        &["invalid_request"],
        &["redirect"],
        "the application does not allow the address to which the browser is sent back",
        "add http://localhost:8020 to the redirect URLs of the application, or choose another port with --port",
    ),
    row(
        &[Code, Refresh],
        &["access_denied"],
        &[],
        "the user may not use this workspace, or has not agreed",
        "have the user given access to the workspace, and agree in the browser",
    ),
    row(
        DATABRICKS,
        &["unsupported_grant_type", "unauthorized_client"],
        &[],
        "the application may not sign in in this way",
        "use another `authentication.auth_type`, or another application",
    ),
    row(
        &[GitHub],
        &[],
        &["audience"],
        "GitHub does not issue a JWT for this audience",
        "correct `authentication.audience`",
    ),
    by_status(
        &[GitHub],
        &[400, 401, 403, 404],
        "GitHub does not issue a JWT to this job",
        "give the job the permission `id-token: write` (permissions in the workflow file); a token of a job ends with it",
    ),
    by_status(
        &[DevOps],
        &[400, 401, 403, 404],
        "Azure DevOps does not issue a JWT to this job",
        "map SYSTEM_ACCESSTOKEN to $(System.AccessToken) in the step's env, and give the job a service connection with workload identity \
         federation",
    ),
];

/// What every service may answer.
pub(super) const SERVICE: &[Row] = &[
    by_status(
        DATABRICKS,
        &[404],
        "there is nobody who gives tokens",
        "check {setting}: a workspace's own host name, and the id of its account",
    ),
    by_status(
        &[],
        &[407],
        "a proxy in front of it requires a login",
        "put user and password into the address in HTTPS_PROXY",
    ),
    Row {
        askers: &[],
        codes: &[
            "temporarily_unavailable",
            "server_error",
            "slow_down",
            "TEMPORARILY_UNAVAILABLE",
            "RESOURCE_EXHAUSTED",
        ],
        statuses: &[],
        says: &[],
        kind: Transient,
        problem: "it cannot do so at the moment",
        cure: "try again later",
    },
    Row {
        askers: &[],
        codes: &[],
        statuses: &[408, 410, 429, 500, 502, 503, 504],
        says: &[],
        kind: Transient,
        problem: "it cannot do so at the moment",
        cure: "try again later",
    },
    by_status(
        DATABRICKS,
        &[400, 401, 403],
        "it refuses the request",
        "look at what it said; correct what `authentication` says",
    ),
];
