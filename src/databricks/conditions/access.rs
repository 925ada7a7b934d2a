//! Rows: authentication, access to the workspace and its compute, and transient conditions of the service.

use super::condition::Key::{Class, Code, SqlState, Status, Text};
use super::condition::{CommitState, Condition, Key, Meaning, config, transient};

/// All the ways in which a service reports a refusal.
pub(super) const REFUSED: &[Key] = &[
    Class("PERMISSION_DENIED"),
    Class("INSUFFICIENT_PERMISSIONS"),
    Class("UNAUTHORIZED_ACCESS"),
    SqlState("42501"),
    Code("PERMISSION_DENIED"),
    Code("UNAUTHORIZED"),
    Status(403),
];

const NEW_TOKEN: &str = "{cure}; or `databricks_http_path` is not the one of the connection details";

/// All the ways in which a request is refused because of who sends it.
const ANY_REFUSAL: &[Key] = &[
    Class("PERMISSION_DENIED"),
    Code("PERMISSION_DENIED"),
    Code("UNAUTHENTICATED"),
    Code("UNAUTHORIZED"),
    Code("CUSTOMER_UNAUTHORIZED"),
    Code("FEATURE_DISABLED"),
    Status(401),
    Status(403),
];

/// All the ways in which a token is refused, whoever sends it.
const REFUSED_TOKEN: &[Key] = &[
    Class("PERMISSION_DENIED"),
    Code("PERMISSION_DENIED"),
    Code("UNAUTHENTICATED"),
    Code("BAD_REQUEST"),
    Code("INVALID_PARAMETER_VALUE"),
    Status(401),
    Status(403),
    Status(400),
];

/// All the ways in which the token of another directory is refused.
const A_TOKEN_OF_ANOTHER: &[Key] = &[
    Class("PERMISSION_DENIED"),
    Code("PERMISSION_DENIED"),
    Code("UNAUTHENTICATED"),
    Code("BAD_REQUEST"),
    Code("INVALID_PARAMETER_VALUE"),
    Status(400),
    Status(401),
    Status(403),
];

const NO_CLUSTER: &str = "There is no cluster {path} in {host}";
const CLUSTER_PATH: &str =
    "copy `databricks_http_path` from the connection details of the cluster (Advanced options, JDBC/ODBC)";
const NO_WAREHOUSE: &str = "There is no SQL warehouse {path} in {host}";
const WAREHOUSE_PATH: &str =
    "copy `databricks_http_path` from the connection details of the warehouse, and check that it is in this workspace";
/// What a response with status 400 must contain for the compute to count as missing: 400 can refuse anything.
const MISSING: &[&str] = &["does not exist", "not found", "not a valid"];

const TOO_LONG: &str = "A statement took longer than the workspace allows";
const RAISE: &str = "raise STATEMENT_TIMEOUT (SQL configuration parameters of the workspace's SQL warehouses; of a cluster \
                     spark.databricks.execution.timeout), or use a larger warehouse";

/// Authentication and access: in response to a request, never the error of a statement.
pub(super) const ACCESS: &[Condition] = &[
    config(
        &[Class("PERMISSION_DENIED"), Code("PERMISSION_DENIED"), Code("UNAUTHORIZED"), Status(403), Status(401)],
        &["ip acl", "ip access list", "not in the allow list", "not in the allowlist", "network policy"],
        "{host} does not admit the address of this machine, from which {who} signs in",
        "add the address from which it reaches the internet to the IP access list of the workspace, or let the account's network policy \
         admit it",
    ),
    config(
        ANY_REFUSAL,
        &[
            "tokens are disabled",
            "tokens is disabled",
            "tokens are not enabled",
            "tokens are not allowed",
            "token authentication is disabled",
            "token-based authentication",
            "token based authentication",
            "permission to use tokens",
        ],
        "{host} does not accept personal access tokens: an administrator has switched them off",
        "sign in as a service principal: `authentication` with OAUTH_M2M or WORKLOAD_IDENTITY; or have an administrator allow them for \
         {who} (Settings, Advanced, Personal access tokens)",
    ),
    config(
        ANY_REFUSAL,
        &[
            "not a member of this workspace",
            "not a member of workspace",
            "not assigned to this workspace",
            "not assigned to workspace",
            "does not belong to workspace",
            "does not have access to this workspace",
            "unauthorized access to workspace",
            "unauthorized access to org",
            "not authorized to access this organization",
            "user not found",
            "principal not found",
        ],
        "{Who} is not a member of {host}",
        "assign it to the workspace (account console, Workspaces, Permissions; in Azure also Settings, Identity and access)",
    ),
    config(
        ANY_REFUSAL,
        &["workspace-resource-id", "workspace resource id", "invalid resource id", "management token"],
        "{host} cannot have Azure vouch for {who}",
        "set `authentication.workspace_resource_id` to the id of this workspace in Azure, and give the principal the role Contributor there; or \
         add it to the users of the workspace and remove the setting",
    ),
    config(
        A_TOKEN_OF_ANOTHER,
        &["azure tenant", "tenant id", "tenant mismatch", "tenant does not match", "wrong tenant", "iss claim"],
        "{host} belongs to another directory of Microsoft Entra than {who}",
        "set `authentication.tenant_id` to the directory of the workspace",
    ),
    config(
        ANY_REFUSAL,
        &["unsupported type for this api"],
        "{host} does not take a token of this kind: {token}",
        "{kind_cure}",
    ),
    config(
        REFUSED_TOKEN,
        &["is expiring", "expires within", "about to expire"],
        "{host} refuses {token}, because it is about to end",
        "give tokens a longer lifetime (in Microsoft Entra a policy of token lifetimes), and set the clock of this machine, which may be slow",
    )
    .means(Meaning::RefusedToken),
    config(
        REFUSED_TOKEN,
        &["access token", "invalid token", "token is expired", "jsonwebtoken"],
        "{host} refuses {token}",
        NEW_TOKEN,
    )
    .means(Meaning::RefusedToken),
    config(
        &[Code("UNAUTHENTICATED"), Code("CUSTOMER_UNAUTHORIZED"), Status(401)],
        &[],
        "{host} does not accept {token}",
        NEW_TOKEN,
    ),
    config(
        REFUSED,
        &["entitlement"],
        "{Who} may not use Databricks SQL in {host}",
        "have an administrator give it the entitlement \"Databricks SQL access\"",
    ),
    config(
        REFUSED,
        &["autostart", "can_restart", "can restart"],
        "The cluster {path} is stopped, and {who} may not start it",
        "give it the permission CAN RESTART (Compute, the cluster, Permissions), or start the cluster before syncs",
    ),
    config(
        REFUSED,
        &["attach to", "can_attach_to", "attach permission"],
        "{Who} may not use the cluster {path}",
        "give it the permission CAN RESTART: Compute, the cluster, Permissions",
    ),
    config(
        REFUSED,
        &["sql endpoint", "sql warehouse", "the warehouse", "this warehouse"],
        "{Who} may not use the SQL warehouse {path}",
        "give it the permission CAN USE: SQL Warehouses, the warehouse, Permissions",
    ),
    config(&[Code("RESOURCE_DOES_NOT_EXIST"), Status(404)], &["cluster"], NO_CLUSTER, CLUSTER_PATH),
    config(&[Status(400)], &["cluster"], NO_CLUSTER, CLUSTER_PATH).also_contains(MISSING),
    config(
        &[Code("RESOURCE_DOES_NOT_EXIST"), Code("ENDPOINT_NOT_FOUND"), Code("NOT_FOUND")],
        &["endpoint", "warehouse"],
        NO_WAREHOUSE,
        WAREHOUSE_PATH,
    ),
    config(&[Status(400)], &["endpoint", "warehouse"], NO_WAREHOUSE, WAREHOUSE_PATH).also_contains(MISSING),
    config(
        &[Status(300), Status(301), Status(302), Status(303), Status(305), Status(307), Status(308)],
        &[],
        "{host} redirects requests to another page, most likely to sign in",
        "set `databricks_server_hostname` to the host name of the workspace itself, or where several workspaces share \
         one, add the workspace's number to it as its address in the browser shows it: ?o=1234567890123456; a workspace \
         behind a private link is reached only through the link",
    ),
    config(
        &[Status(407)],
        &[],
        "The proxy in front of {host} requires a login",
        "put user and password into the address in HTTPS_PROXY",
    ),
];

/// Transient conditions, and those known only by a status.
pub(super) const SERVICE: &[Condition] = &[
    // A statement that a timeout ends may be committing.
    config(&[Class("QUERY_EXECUTION_TIMEOUT_EXCEEDED"), SqlState("57KD0")], &[], TOO_LONG, RAISE)
        .with(CommitState::Unknown),
    config(
        &[
            Class("OPERATION_CANCELED"),
            Code("BAD_REQUEST"),
            Code("CANCELLED"),
            Code("DEADLINE_EXCEEDED"),
            Code("INTERNAL_ERROR"),
            Code("UNKNOWN"),
            Text,
        ],
        &[
            "statement_timeout",
            "statement timeout",
            "exceeding the timeout",
            // Not any timeout: a job may fail because a part of it was too slow.
            "execution exceeded the timeout",
            "query exceeded the timeout",
            "statement exceeded the timeout",
            "execution timed out",
            "query timed out after",
            "statement timed out after",
        ],
        TOO_LONG,
        RAISE,
    )
    .with(CommitState::Unknown),
    transient(&[Code("SERVICE_UNDER_MAINTENANCE"), Status(554)], &[], "{host} is under maintenance", "try again later"),
    transient(
        &[Code("RESOURCE_EXHAUSTED"), Code("REQUEST_LIMIT_EXCEEDED"), Status(429)],
        &[],
        "{host} refuses requests beyond its rate limit",
        "run fewer syncs at the same time, or lower `load_parallelism`",
    )
    .with(CommitState::RolledBack),
    transient(
        &[Code("TEMPORARILY_UNAVAILABLE"), Code("WORKSPACE_TEMPORARILY_UNAVAILABLE"), SqlState("08KD1"), Status(503)],
        &[],
        "{host} is not available at the moment",
        "wait until the warehouse or cluster {path} has started; if it lasts, look at its page and at \
         status.databricks.com",
    ),
    transient(
        &[Code("DEADLINE_EXCEEDED"), Status(502), Status(504), Status(408)],
        &[],
        "A gateway in front of {host} did not respond in time",
        "try again later; if it lasts, look at the proxy and at status.databricks.com",
    ),
    transient(
        &[Text],
        &[
            "connection reset",
            "connection refused",
            "connectexception",
            "connect timed out",
            "read timed out",
            "socketexception",
            "no route to host",
            "unable to execute http request",
            "executor lost",
            "executorlostfailure",
            "sparkcontext was shut down",
            "stopped sparkcontext",
            "spark driver has stopped",
        ],
        "{path} lost a connection that it needs",
        "try again later; if it lasts, look at the page of the warehouse or cluster",
    ),
    transient(
        &[Code("INTERNAL_ERROR"), Code("IO_ERROR"), Code("ABORTED"), Code("UNKNOWN"), Status(500)],
        &[],
        "Something failed inside Databricks",
        "try again later; if it lasts, look at the query history of the workspace and ask Databricks",
    ),
    transient(
        &[
            Code("CANCELLED"),
            Code("CANCELED"),
            Class("OPERATION_CANCELED"),
            Class("OPERATION_CANCELLED"),
            SqlState("HY008"),
        ],
        &[],
        "A statement was cancelled",
        "look in the query history of the workspace who did so, or whether the warehouse or cluster was restarted; where \
         it had run for long, raise STATEMENT_TIMEOUT (SQL configuration parameters of the workspace's SQL warehouses) or \
         use a larger warehouse",
    )
    .means(Meaning::Cancelled),
    config(
        REFUSED,
        &[],
        "{Who} may not do what a sync needs",
        "give it what Databricks names, then run check",
    ),
    config(
        &[Status(404)],
        &[],
        "There is nothing at {path} on {host}",
        "copy `databricks_server_hostname` and `databricks_http_path` from the same connection details again",
    ),
];
