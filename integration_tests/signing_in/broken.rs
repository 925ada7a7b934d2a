//! Set-ups that do not work: `check` says of each what is wrong and what to do, and shows no secret.

use serde_json::{Value, json};

use super::workspace::{
    ID, REFRESH, SECRET, TOKEN, claims, is_for_token, json_reply, jwt, oauth, refusal, sandbox, token,
};
use crate::hostile::server::{Reply, Server};

/// A set-up.
struct Case {
    authentication: Value,
    environment: Vec<(&'static str, String)>,
    /// What is answered to whoever asks for a token.
    token: Reply,
    /// What the workspace answers to everything else.
    workspace: Reply,
    /// What `check` has to say.
    says: Vec<&'static str>,
}

fn case(authentication: Value, token: Reply, says: &[&'static str]) -> Case {
    let workspace = refusal(403, "PERMISSION_DENIED", "never asked");
    Case { authentication, environment: Vec::new(), token, workspace, says: says.to_vec() }
}

impl Case {
    fn at(authentication: Value, workspace: Reply, says: &[&'static str]) -> Self {
        Case { workspace, ..case(authentication, token(), says) }
    }

    fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.environment.push((name, value.into()));
        self
    }

    fn run(self) {
        let (token, workspace) = (self.token, self.workspace);
        let server = Server::start(move |request| match () {
            () if request.path.contains(".well-known") => json_reply(404, &json!({})),
            () if is_for_token(request) => token.clone(),
            () => workspace.clone(),
        });
        let mut sandbox = sandbox(&server, &self.authentication);
        for (name, value) in &self.environment {
            sandbox.set_environment(name, &value.replace("{server}", &server.endpoint()));
        }
        let run = sandbox.check();
        let what = format!("{} {:?}", self.authentication, self.says);
        let status = run.messages().into_iter().find(|message| message["type"] == "CONNECTION_STATUS");
        let status = status.unwrap_or_else(|| panic!("{what}: {run:#?}"))["connectionStatus"].clone();
        assert_eq!(status["status"], "FAILED", "{what}");
        let message = status["message"].as_str().unwrap();
        for words in self.says {
            assert!(message.contains(words), "{words}\n{message}");
        }
        let canary = "CANARY";
        assert!(!run.says(canary) && !run.says("eyJ") && !run.says("Q0FOQVJZ"), "{what}: {run:#?}");
    }
}

fn m2m() -> Value {
    json!({"auth_type": "OAUTH_M2M", "client_id": ID, "client_secret": SECRET})
}

fn workload(source: &Value) -> Value {
    let mut settings = json!({"auth_type": "WORKLOAD_IDENTITY", "client_id": ID});
    settings.as_object_mut().unwrap().extend(source.as_object().unwrap().clone());
    settings
}

/// A JWT in the variable `THE_JWT`.
fn of_variable() -> Value {
    workload(&json!({"jwt_source": "ENVIRONMENT", "jwt_variable": "THE_JWT"}))
}

fn with_jwt(reply: Reply, says: &[&'static str]) -> Case {
    case(of_variable(), reply, says).with("THE_JWT", jwt("RS256", &claims()))
}

fn entra() -> Value {
    json!({"auth_type": "AZURE_SERVICE_PRINCIPAL", "tenant_id": "contoso.example", "client_id": ID, "client_secret": SECRET})
}

fn user() -> Value {
    json!({"auth_type": "OAUTH_U2M", "refresh_token": REFRESH})
}

const NAMED: &str = "the service principal `6a1b2c3d-0000-4000-8000-000000000001`";
const CLAIMS: &str =
    "issuer \"https://issuer.example\", subject \"system:serviceaccount:lake:loader\", audience \"acme\"";

#[test]
fn a_service_principal_with_a_secret() {
    let invalid = |words: &str| oauth(401, "invalid_client", words);
    for case in [
        case(m2m(), invalid("Client authentication failed"), &["client id or client secret is wrong", NAMED]),
        case(m2m(), invalid("The secret has expired"), &["the client secret has expired", "create a new secret"]),
        case(m2m(), invalid("Client not found"), &["no service principal with this application id", "client_id"]),
        case(m2m(), invalid("Service principal is disabled"), &["deactivated", "activate it"]),
        case(m2m(), oauth(403, "access_denied", "no"), &["may not use this workspace", "assign it"]),
        case(
            m2m(),
            oauth(400, "invalid_request", "Account-level client at a workspace"),
            &["wrong level", "account_id"],
        ),
        case(m2m(), oauth(400, "invalid_scope", "no"), &["may not ask for the scope all-apis"]),
        case(m2m(), oauth(403, "x", "Source IP address: 1.2.3.4 is blocked by Databricks IP ACL"), &["IP access list"]),
        case(
            m2m(),
            oauth(400, "invalid_request", "Workspace-level client at the account"),
            &["wrong level", "account_id"],
        ),
        case(m2m(), json_reply(404, &json!({})), &["nobody who gives tokens", "`databricks_server_hostname`"]),
        case(m2m(), json_reply(503, &json!({"error": "temporarily_unavailable"})), &["at the moment", "try again"]),
        case(
            m2m(),
            Reply::new(302, "text/html", "").with("Location", "https://sso.example/?x=1"),
            &["redirects to https://sso.example/"],
        ),
        case(m2m(), Reply::new(200, "text/html", "<html>hello</html>"), &["without one", "proxy"]),
        Case::at(
            m2m(),
            refusal(403, "403", "Invalid access token."),
            &["refuses the token", "assign it to the workspace"],
        ),
        Case::at(
            m2m(),
            refusal(403, "PERMISSION_DENIED", "User is not a member of this workspace"),
            &["The service principal `6a1b", "is not a member of 127.0.0.1"],
        ),
        Case::at(m2m(), refusal(403, "403", "Unauthorized access to Org: 12"), &["is not a member of", "assign it"]),
        Case::at(
            m2m(),
            refusal(401, "401", "Credential was not sent or was of an unsupported type for this API."),
            &["does not take a token of this kind", NAMED, "`databricks_server_hostname`"],
        ),
        Case::at(m2m(), refusal(401, "UNAUTHENTICATED", "no"), &["does not accept the token of", NAMED]),
        Case::at(m2m(), refusal(403, "403", "Invalid access token."), &["refuses the token of", NAMED]),
        Case::at(m2m(), refusal(403, "403", "IP access list"), &["does not admit the address", NAMED]),
        Case::at(
            m2m(),
            refusal(403, "PERMISSION_DENIED", "You do not have permission to use the SQL Warehouse."),
            &["The service principal `6a1b", "may not use the SQL warehouse", "CAN USE"],
        ),
        Case::at(
            m2m(),
            refusal(403, "PERMISSION_DENIED", "User does not have USE CATALOG on Catalog 'main'."),
            &["GRANT USE CATALOG ON CATALOG `main` TO `6a1b2c3d-0000-4000-8000-000000000001`"],
        ),
    ] {
        case.run();
    }
}

#[test]
fn an_account_that_is_another_one() {
    let mut at_account = m2m();
    at_account["account_id"] = json!("0000-of-nobody");
    case(at_account.clone(), token(), &["which account console belongs to", "account_host"]).run();
    let server = Server::start(|request| match request.path.contains(".well-known") {
        true => json_reply(404, &json!({})),
        false => oauth(404, "not_found", "Account not found"),
    });
    at_account["account_host"] = json!(server.endpoint());
    let run = sandbox(&server, &at_account).check();
    assert!(run.says("there is no such account") && run.says("`authentication.account_id`"), "{run:#?}");
    assert!(server.seen().iter().any(|request| request.path == "/oidc/accounts/0000-of-nobody/v1/token"));
    // The account gives a token, and the workspace does not take it.
    let server = Server::start(|request| match () {
        () if request.path.contains(".well-known") => json_reply(404, &json!({})),
        () if is_for_token(request) => token(),
        () => refusal(401, "401", "Credential was not sent or was of an unsupported type for this API."),
    });
    at_account["account_host"] = json!(server.endpoint());
    let run = sandbox(&server, &at_account).check();
    assert!(run.says("the token is one of the account") && run.says("remove `authentication.account_id`"), "{run:#?}");
}

#[test]
fn a_jwt_that_is_not_trusted() {
    let grant = |words: &str| oauth(400, "invalid_grant", words);
    let expired = json!({"iss": "i", "sub": "s", "aud": "a", "exp": 1_500_000_000});
    let future = json!({"iss": "i", "sub": "s", "aud": "a", "nbf": 3_900_000_000_u64, "exp": 4_000_000_000_u64});
    for case in [
        with_jwt(
            grant("No matching federation policy found"),
            &["no federation policy matches the JWT", CLAIMS, NAMED],
        ),
        with_jwt(
            grant(""),
            &["no federation policy matches its issuer, subject and audience", CLAIMS, "destination-databricks setup"],
        ),
        with_jwt(grant("audience mismatch"), &["expects another audience", CLAIMS]),
        with_jwt(grant("subject mismatch"), &["expects another subject", CLAIMS]),
        with_jwt(grant("unknown issuer"), &["trusts this issuer", CLAIMS]),
        with_jwt(grant("signature verification failed"), &["does not fit the keys of its issuer", "jwks_uri"]),
        with_jwt(grant("issuer, subject or audience is wrong"), &["matches its issuer, subject and audience", CLAIMS]),
        with_jwt(oauth(401, "invalid_client", ""), &["no service principal with this application id"]),
        with_jwt(oauth(400, "unsupported_grant_type", ""), &["does not exchange tokens"]),
        with_jwt(
            grant("Token is expired").with("Date", "Fri, 01 Jan 2100 00:00:00 GMT"),
            &["The clock of this machine is", "behind"],
        ),
        case(
            of_variable(),
            grant("no"),
            &["the JWT has expired", "as long as the JWT", "FILE or COMMAND", "issuer \"i\""],
        )
        .with("THE_JWT", jwt("RS256", &expired)),
        case(of_variable(), grant("no"), &["from the future", "clock"]).with("THE_JWT", jwt("ES256", &future)),
        case(of_variable(), grant("no"), &["RS256 or ES256"]).with("THE_JWT", jwt("HS256", &claims())),
    ] {
        case.run();
    }
}

#[test]
fn a_jwt_that_cannot_be_had() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        workload(&json!({"jwt_source": "FILE", "jwt_file": path}))
    };
    let command = |parts: &[&str]| workload(&json!({"jwt_source": "COMMAND", "jwt_command": parts}));
    let source = |name: &str| workload(&json!({"jwt_source": name}));
    let missing = workload(&json!({"jwt_source": "FILE", "jwt_file": "/no/such/file"}));
    let github = |case: Case| case.with("ACTIONS_ID_TOKEN_REQUEST_URL", "{server}/github/token?a=1");
    for case in [
        case(missing, token(), &["The file /no/such/file", "does not exist"]),
        case(workload(&json!({"jwt_source": "FILE", "jwt_file": folder.path()})), token(), &["is not a regular file"]),
        case(file("empty", " \n"), token(), &["is empty"]),
        case(file("other", "doseCANARY0123"), token(), &["gives something that is no JWT"]),
        case(of_variable(), token(), &["The environment variable THE_JWT", "is not set"]),
        case(of_variable(), token(), &["gives something that is no JWT"]).with("THE_JWT", "tokenCANARY0123456"),
        case(command(&["/no/such/program"]), token(), &["does not exist"]),
        case(command(&["sh", "-c", "echo tokenCANARY0123 >&2; exit 7"]), token(), &["failed (exit status: 7)"]),
        case(command(&["true"]), token(), &["wrote nothing"]),
        case(source("GITHUB_ACTIONS"), token(), &["ACTIONS_ID_TOKEN_REQUEST_URL is not set", "id-token: write"]),
        github(case(source("GITHUB_ACTIONS"), token(), &["ACTIONS_ID_TOKEN_REQUEST_TOKEN is not set"])),
        github(case(
            source("GITHUB_ACTIONS"),
            json_reply(403, &json!({})),
            &["GitHub does not issue a JWT", "id-token: write"],
        ))
        .with("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "tokenCANARY0123456"),
        case(source("AZURE_DEVOPS"), token(), &["SYSTEM_ACCESSTOKEN is not set", "$(System.AccessToken)"]),
    ] {
        case.run();
    }
}

#[test]
fn microsoft_entra_and_machines_in_azure() {
    let aadsts = |number: &str| oauth(401, "invalid_client", &format!("AADSTS{number}: no. Trace ID: 1"));
    let machine = json!({"auth_type": "AZURE_MANAGED_IDENTITY"});
    for case in [
        case(entra(), aadsts("7000215"), &["the client secret is wrong", "not to its id", NAMED]),
        case(entra(), aadsts("7000222"), &["the client secret has expired"]),
        case(entra(), aadsts("700016"), &["the directory has no such application"]),
        case(entra(), aadsts("90002"), &["there is no such directory", "`authentication.tenant_id`"]),
        case(entra(), aadsts("500011"), &["Databricks is not known in this directory"]),
        case(entra(), aadsts("53003"), &["conditional access"]),
        case(entra(), aadsts("7000112"), &["the application is disabled"]),
        Case::at(
            entra(),
            refusal(403, "403", "Invalid access token."),
            &["most likely not a user of this workspace", "workspace_resource_id"],
        ),
        Case::at(
            entra(),
            refusal(403, "403", "Invalid X-Databricks-Azure-Workspace-Resource-Id: resource id"),
            &["cannot have Azure vouch"],
        ),
        Case::at(entra(), refusal(403, "403", "Azure tenant does not match"), &["belongs to another directory"]),
        Case::at(
            entra(),
            refusal(
                400,
                "400",
                "io.jsonwebtoken.IncorrectClaimException: Expected iss claim to be: https://sts.windows.net/a/",
            ),
            &["belongs to another directory", "tenant_id"],
        ),
        case(entra(), aadsts("65001"), &["nobody has consented", "Grant admin consent"]),
        case(
            machine.clone(),
            oauth(400, "invalid_request", "Identity not found"),
            &["the machine has no such identity"],
        ),
        case(machine.clone(), json_reply(404, &json!({})), &["nobody there gives tokens of an identity"]),
        case(machine.clone(), token(), &["refuses connections"]).with("IDENTITY_ENDPOINT", "http://127.0.0.1:9/token"),
        case(machine, token(), &["without encryption", "IDENTITY_ENDPOINT"])
            .with("IDENTITY_ENDPOINT", "http://example.com/token"),
    ] {
        case.run();
    }
}

#[test]
fn a_user_whose_sign_in_has_ended() {
    let grant = |words: &str| oauth(400, "invalid_grant", words);
    let folder = tempfile::tempdir().unwrap();
    let of_file = |path: &str| json!({"auth_type": "OAUTH_U2M", "login_file": path});
    let login = |name: &str, host: &str, mode: u32| {
        use std::os::unix::fs::PermissionsExt;
        let path = folder.path().join(name);
        let text =
            json!({"host": host, "client_id": "databricks-cli", "refresh_token": REFRESH, "user": "me@example.com"});
        std::fs::write(&path, text.to_string()).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        of_file(path.to_str().unwrap())
    };
    for case in [
        case(user(), grant("refresh token was already used"), &["was used before", "login"]),
        case(user(), grant("expired"), &["the refresh token has expired", "destination-databricks login"]),
        case(user(), grant("User consent was revoked"), &["the consent of the user was revoked"]),
        case(user(), grant(""), &["wrong, has expired, was used before or was revoked"]),
        case(user(), oauth(401, "invalid_client", "client secret is missing"), &["confidential", "client_secret"]),
        case(user(), oauth(401, "invalid_client", ""), &["does not know the application"]),
        case(
            of_file("/no/such/login.json"),
            token(),
            &["There is no login file", "destination-databricks login --host"],
        ),
        case(login("open", "127.0.0.1", 0o644), token(), &["chmod 600"]),
        case(of_file(folder.path().to_str().unwrap()), token(), &["is no regular file", "login"]),
        case(login("other", "other.cloud.databricks.com", 0o600), token(), &["is for other.cloud.databricks.com"]),
        case(
            login("used", "127.0.0.1", 0o600),
            grant("already used"),
            &["the user `me@example.com`", "was used before"],
        ),
    ] {
        case.run();
    }
}

#[test]
fn a_personal_access_token() {
    let pat = || json!({"auth_type": "PERSONAL_ACCESS_TOKEN", "personal_access_token": TOKEN});
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("profiles");
    std::fs::write(&file, format!("[lake]\nhost = 127.0.0.1\ntoken = {TOKEN}\n")).unwrap();
    let profile = json!({"auth_type": "PROFILE", "profile": "lake", "profile_file": file});
    let wrong = || refusal(403, "403", "Invalid access token.");
    for case in [
        Case::at(
            pat(),
            wrong(),
            &["refuses the token", "create a new one", "set `authentication.personal_access_token`"],
        ),
        Case::at(profile, wrong(), &["refuses the token", "profile that `authentication.profile` names"]),
        Case::at(
            pat(),
            refusal(403, "FEATURE_DISABLED", "Personal access tokens are disabled for this workspace"),
            &["an administrator has switched them off", "OAUTH_M2M"],
        ),
        Case::at(
            pat(),
            refusal(403, "403", "Source IP address: 1.2.3.4 is blocked by Databricks IP ACL for workspace: 1"),
            &["does not admit the address"],
        ),
        Case::at(
            pat(),
            refusal(403, "PERMISSION_DENIED", "User does not have USE CATALOG on Catalog 'main'."),
            &["TO `<the token's user>`"],
        ),
    ] {
        case.run();
    }
}

#[test]
fn who_signs_in_is_asked_for_where_only_the_workspace_knows() {
    let pat = || json!({"auth_type": "PERSONAL_ACCESS_TOKEN", "personal_access_token": TOKEN});
    for (authentication, name, noun) in
        [(pat(), "me@example.com", "user"), (pat(), ID, "service principal"), (user(), "me@example.com", "user")]
    {
        let server = Server::start(move |request| match request.path.as_str() {
            "/api/2.0/preview/scim/v2/Me" => json_reply(200, &json!({"userName": name})),
            "/oidc/v1/token" => token(),
            path if path.contains("/warehouses/") => json_reply(200, &json!({"state": "RUNNING"})),
            path if path.contains(".well-known") => json_reply(404, &json!({})),
            _ => refusal(403, "PERMISSION_DENIED", "User does not have USE CATALOG on Catalog 'main'."),
        });
        let run = sandbox(&server, &authentication).check();
        assert!(run.says(&format!("GRANT USE CATALOG ON CATALOG `main` TO `{name}`")), "{run:#?}");
        assert!(run.says(&format!("The {noun} `{name}` ")), "{run:#?}");
    }
}
