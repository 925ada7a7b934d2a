//! What servers say, as their documentation and users report it, and what this program makes of it.

use super::*;
use crate::config::Authentication;
use crate::secret::Secret;

fn workspace() -> Workspace {
    Workspace {
        host: "abc.cloud.databricks.com".to_owned(),
        http_path: "/sql/1.0/warehouses/0123".to_owned(),
        who: Who::default(),
    }
}

fn statement(code: &str, message: &str) -> Error {
    explain(&ServerError::of_statement(Some(code), None, message), &workspace())
}

fn answered(status: u16, code: &str, message: &str) -> Error {
    let server_error = ServerError { status: Some(status), ..ServerError::of_statement(Some(code), None, message) };
    explain(&server_error, &workspace())
}

#[test]
fn every_broken_setup_is_named_with_its_cure() {
    let denied = "PERMISSION_DENIED";
    let cases = [
        (answered(403, "", "Invalid access token."), "refuses the token", "create a new one"),
        (answered(401, "", "Credential was not sent."), "does not accept the token", "create a new one"),
        (answered(403, denied, "Invalid Token"), "refuses the token", "create a new one"),
        (answered(403, "", "Token is expiring within 30 seconds."), "it is about to end", "set the clock"),
        (answered(403, denied, "blocked by network policy"), "does not admit the address", "network policy"),
        (
            answered(403, denied, "Source IP address: 1.2.3.4 is blocked by Databricks IP ACL for workspace: 12"),
            "does not admit the address of this machine",
            "IP access list",
        ),
        (
            answered(
                403,
                denied,
                "a@b.com is not authorized to use or monitor this SQL Endpoint. Please contact your administrator.",
            ),
            "may not use the SQL warehouse /sql/1.0/warehouses/0123",
            "CAN USE",
        ),
        (
            answered(404, "RESOURCE_DOES_NOT_EXIST", "SQL warehouse 0123 does not exist."),
            "no SQL warehouse",
            "copy `databricks_http_path`",
        ),
        (
            answered(400, "INVALID_PARAMETER_VALUE", "0123 is not a valid endpoint id."),
            "no SQL warehouse",
            "copy `databricks_http_path`",
        ),
        (answered(404, "ENDPOINT_NOT_FOUND", "Endpoint not found"), "no SQL warehouse", "connection details"),
        (
            answered(403, "", "PERMISSION_DENIED: You do not have permission to autostart 0101-123456-abc"),
            "is stopped, and the token's user may not start it",
            "CAN RESTART",
        ),
        (answered(400, "INVALID_PARAMETER_VALUE", "Cluster 0101 does not exist"), "no cluster", "JDBC/ODBC"),
        (
            statement("BAD_REQUEST", "[CATALOG_NOT_FOUND] The catalog `mian` was not found. SQLSTATE: 42P08"),
            "no such catalog",
            "correct `database`",
        ),
        (
            statement("BAD_REQUEST", "[NO_SUCH_CATALOG_EXCEPTION] Catalog 'mian' was not found. SQLSTATE: 42704"),
            "no such catalog",
            "correct `database`",
        ),
        (
            statement("BAD_REQUEST", "[SCHEMA_NOT_FOUND] The schema `main`.`x` cannot be found. SQLSTATE: 42704"),
            "no such schema",
            "CREATE SCHEMA",
        ),
        (
            statement(
                "BAD_REQUEST",
                "[NO_PARENT_EXTERNAL_LOCATION_FOR_PATH] No parent external location was found for path 's3://lake/x'. \
                 Please create an external location on one of the parent paths and then retry the query.",
            ),
            "No external location",
            "CREATE EXTERNAL LOCATION",
        ),
        (
            statement(
                "BAD_REQUEST",
                "[RequestId=1f ErrorClass=INVALID_PARAMETER_VALUE.LOCATION_OVERLAP] Input path url 's3://lake/x' \
                 overlaps with managed storage within 'CreateTable' call",
            ),
            "overlaps",
            "`data_source.s3_bucket_path`",
        ),
        (
            statement(
                "BAD_REQUEST",
                "[LOCATION_OVERLAP] Input path url 's3://lake/cluster' overlaps with other tables",
            ),
            "overlaps",
            "`data_source.s3_bucket_path`",
        ),
        (
            statement("INTERNAL_ERROR", "java.nio.file.AccessDeniedException: s3a://lake/x: getFileStatus"),
            "Databricks itself may not read or write the bucket",
            "storage credential",
        ),
        (
            statement(
                "BAD_REQUEST",
                "[UC_HIVE_METASTORE_DISABLED_EXCEPTION] The operation attempted to use Hive Metastore",
            ),
            "no hive_metastore",
            "set `database`",
        ),
        (
            statement("BAD_REQUEST", "[DELTA_TABLE_LOCATION_MISMATCH] The location of the existing table is `s3://x`."),
            "files at another path",
            "drop or rename",
        ),
    ];
    for (error, problem, hint) in cases {
        let message = error.to_string();
        assert_eq!(error.kind(), Kind::Config, "{message}");
        assert!(message.contains(problem) && message.contains(hint), "{message}");
        assert!(message.contains("Databricks said: "), "{message}");
    }
}

#[test]
fn each_missing_right_is_named_with_the_statement_that_grants_it() {
    for (right, on, grant) in [
        ("USE CATALOG", "Catalog 'main'", "CATALOG `main`"),
        ("USE SCHEMA", "Schema 'main.warehouse'", "SCHEMA `main`.`warehouse`"),
        ("CREATE SCHEMA", "Catalog 'main'", "CATALOG `main`"),
        ("CREATE TABLE", "Schema 'main.cluster'", "SCHEMA `main`.`cluster`"),
        ("CREATE EXTERNAL TABLE", "External Location 'lake'", "EXTERNAL LOCATION `lake`"),
        ("READ FILES", "External Location 'use catalog'", "EXTERNAL LOCATION `use catalog`"),
        ("WRITE FILES", "External Location 'lake'", "EXTERNAL LOCATION `lake`"),
        ("SELECT", "Table 'main.a.b'", "TABLE `main`.`a`.`b`"),
    ] {
        for message in [
            format!("PERMISSION_DENIED: User does not have {right} on {on}."),
            format!(
                "[INSUFFICIENT_PERMISSIONS] Insufficient privileges:\nUser does not have {right} on {on}. SQLSTATE: 42501"
            ),
            format!(
                "[UNAUTHORIZED_ACCESS] Unauthorized access:\nPERMISSION_DENIED: User does not have {right} on {on}. SQLSTATE: 42501"
            ),
        ] {
            let error = statement("BAD_REQUEST", &message);
            assert_eq!(error.kind(), Kind::Config, "{message}");
            let text = error.to_string();
            assert!(text.contains(&format!("Run: GRANT {right} ON {grant} TO `<the token's user>`;")), "{text}");
            assert!(right == "SELECT" || text.contains(&format!("lacks {right},")), "{text}");
        }
    }
}

#[test]
fn what_passes_is_known_in_all_its_shapes() {
    let server_error = [
        ServerError::of_statement(
            None,
            None,
            "[DELTA_CONCURRENT_APPEND] Transaction conflict detected. SQLSTATE: 2D521",
        ),
        ServerError::of_statement(
            None,
            None,
            "[DELTA_CONCURRENT_APPEND.WHOLE_TABLE_READ] Transaction conflict detected.",
        ),
        ServerError::of_statement(None, Some("2D521"), "Conflict"),
        ServerError::of_statement(None, None, "io.delta.exceptions.ConcurrentAppendException: Files were added"),
        ServerError::of_statement(
            Some("BAD_REQUEST"),
            None,
            "[DELTA_METADATA_CHANGED] MetadataChangedException: The metadata",
        ),
        ServerError::of_statement(Some("TEMPORARILY_UNAVAILABLE"), None, ""),
        ServerError::of_statement(Some("SERVICE_UNDER_MAINTENANCE"), None, ""),
        ServerError::of_statement(Some("RESOURCE_EXHAUSTED"), None, ""),
        ServerError { status: Some(429), ..ServerError::default() },
        ServerError { status: Some(500), ..ServerError::default() },
        ServerError { status: Some(502), ..ServerError::default() },
        ServerError { status: Some(503), ..ServerError::default() },
        ServerError { status: Some(504), ..ServerError::default() },
        ServerError { status: Some(554), ..ServerError::default() },
    ];
    for server_error in server_error {
        assert!(is_transient(&server_error), "{server_error:?}");
    }
    for server_error in [
        ServerError::of_statement(Some("BAD_REQUEST"), None, "[DELTA_CONCURRENT] no such class"),
        ServerError { status: Some(400), ..ServerError::default() },
        ServerError { status: Some(403), ..ServerError::default() },
        ServerError::default(),
    ] {
        assert!(!is_transient(&server_error), "{server_error:?}");
    }
}

#[test]
fn the_class_counts_before_the_sqlstate_before_the_code_before_the_status() {
    let server_error = ServerError {
        status: Some(503),
        code: Some("RESOURCE_EXHAUSTED".to_owned()),
        sqlstate: Some("2D521".to_owned()),
        class: Some("CATALOG_NOT_FOUND".to_owned()),
        ..ServerError::default()
    };
    let problem = |server_error: &ServerError| explain(server_error, &workspace()).to_string();
    assert!(problem(&server_error).contains("no such catalog"));
    let server_error = ServerError { class: None, ..server_error };
    assert!(problem(&server_error).contains("Somebody else repeatedly wrote"));
    let server_error = ServerError { sqlstate: None, ..server_error };
    assert!(problem(&server_error).contains("beyond its rate limit"));
    let server_error = ServerError { code: None, ..server_error };
    assert!(problem(&server_error).contains("not available"));
}

#[test]
fn no_value_of_a_cell_and_no_statement_is_shown() {
    for message in [
        "[CAST_INVALID_INPUT] The value 'alice@example.com' of the type \"STRING\" cannot be cast. SQLSTATE: 22018",
        "[SOMETHING_NEW] It is about 'alice@example.com'.",
        "It's about \"alice@example.com\" and `alice@example.com`",
        "Syntax error\n\n== SQL ==\nINSERT INTO t VALUES ('alice@example.com')",
        "[PARSE_SYNTAX_ERROR] at 'alice@example.com'. SQLSTATE: 42601 (line 1, pos 0)\n\n== SQL ==\nalice@example.com",
        "[DELTA_VIOLATE_CONSTRAINT_WITH_VALUES] violated:\n - name : alice@example.com SQLSTATE: 23001",
    ] {
        let text = statement("BAD_REQUEST", message).to_string();
        assert!(!text.contains("alice"), "{text}");
    }
    let long = statement("BAD_REQUEST", &"word ".repeat(1000)).to_string();
    assert!(long.chars().count() < 700 && long.ends_with('…'), "{long}");
}

#[test]
fn what_is_not_known_is_told_with_what_was_said_of_it() {
    let error = statement("BAD_REQUEST", "[SOMETHING_NEW] The table is blue.");
    assert_eq!(error.kind(), Kind::System);
    assert!(error.to_string().contains("[SOMETHING_NEW] The table is blue."), "{error}");
    assert!(answered(418, "", "").to_string().contains("status 418"));
}

#[test]
fn a_sub_class_is_looked_for_before_its_class_and_no_name_decides() {
    let both =
        "[INVALID_PARAMETER_VALUE.LOCATION_OVERLAP] It is taken, and no external location was found for 's3://lake/x'.";
    assert!(statement("BAD_REQUEST", both).to_string().contains("overlaps with"), "{both}");
    for name in ["main.warehouse.orders", "main.shop.cluster", "lake.endpoint.x", "main.entitlement.x"] {
        let overlap = format!(
            "[RequestId=4c2efc34-3ea5-4d1b-9afa-155f5ecae9be ErrorClass=INVALID_PARAMETER_VALUE.LOCATION_OVERLAP] Input path \
             url 's3://lake/x' overlaps with other external tables or volumes within 'CreateTable' call. Conflicting \
             tables/volumes: {name}."
        );
        for error in [statement("BAD_REQUEST", &overlap), statement("INVALID_PARAMETER_VALUE", &overlap)] {
            assert!(error.to_string().contains("overlaps with a table or managed storage"), "{error}");
            assert!(error.to_string().contains("DROP TABLE") && error.to_string().contains(name), "{error}");
        }
        let denied = format!("PERMISSION_DENIED: User does not have SELECT on Table {name}.");
        assert!(statement("BAD_REQUEST", &denied).to_string().contains("lacks a right that a sync needs"), "{name}");
        let new = format!("[SOMETHING_NEW] It is about {name} in s3://lake/cluster/Warehouse/the.endpoint/x.");
        assert_eq!(statement("BAD_REQUEST", &new).kind(), Kind::System, "{name}");
        let other = format!("[INVALID_PARAMETER_VALUE.SOMETHING_NEW] It is about the cluster and warehouse of {name}.");
        assert!(!statement("BAD_REQUEST", &other).to_string().contains("There is no"), "{name}");
    }
}

#[test]
fn a_code_that_unity_catalog_says_as_a_class_means_the_same() {
    let within = |class: &str| format!("[RequestId=1f ErrorClass={class}] It went wrong. SQLSTATE: XXKUC");
    for class in [
        "RESOURCE_EXHAUSTED",
        "REQUEST_LIMIT_EXCEEDED",
        "TEMPORARILY_UNAVAILABLE",
        "DEADLINE_EXCEEDED",
        "INTERNAL_ERROR",
        "IO_ERROR",
        "ABORTED",
        "SERVICE_UNDER_MAINTENANCE",
        "WORKSPACE_TEMPORARILY_UNAVAILABLE",
        "TEMPORARILY_UNAVAILABLE.SOMETHING",
    ] {
        let server_error = ServerError::of_statement(Some("BAD_REQUEST"), None, &within(class));
        assert!(is_transient(&server_error), "{class}");
        assert_eq!(explain(&server_error, &workspace()).kind(), Kind::Transient, "{class}");
    }
    let gone = statement("BAD_REQUEST", &within("TABLE_DOES_NOT_EXIST"));
    assert!(gone.to_string().contains("may not see it"), "{gone}");
    let more = statement("BAD_REQUEST", &within("ABORTEDLY"));
    assert_eq!(more.kind(), Kind::System, "{more}");
    for class in ["DELTA_MAX_COMMIT_RETRIES_EXCEEDED", "DELTA_MERGE_MATERIALIZE_SOURCE_FAILED_REPEATEDLY"] {
        let message = format!("[{class}] Again and again. SQLSTATE: 40000");
        assert!(is_transient(&ServerError::of_statement(Some("BAD_REQUEST"), None, &message)), "{class}");
    }
    for message in [
        "org.apache.spark.SparkException: Job 3 cancelled because SparkContext was shut down",
        "Job aborted due to stage failure: ExecutorLostFailure (executor 3 exited)",
    ] {
        assert!(is_transient(&ServerError::of_statement(None, None, message)), "{message}");
    }
}

#[test]
fn what_may_not_be_seen_is_told_from_what_is_not_there() {
    let hidden_schema = [
        "PERMISSION_DENIED: User does not have CREATE SCHEMA on Catalog 'main'.",
        "[INSUFFICIENT_PERMISSIONS] Insufficient privileges:\nUser does not have permission CREATE on CATALOG. SQLSTATE: 42501",
    ];
    for message in hidden_schema {
        let error = statement("BAD_REQUEST", message);
        assert!(error.to_string().contains("lacks CREATE SCHEMA"), "{error}");
        assert!(error.to_string().contains("lacks USE SCHEMA"), "{error}");
    }
    let message = "[TABLE_OR_VIEW_NOT_FOUND] The table or view `main`.`a`.`b` cannot be found. SQLSTATE: 42P01";
    let hidden_table = statement("BAD_REQUEST", message);
    assert!(hidden_table.to_string().contains("SELECT and MODIFY"), "{hidden_table}");
    let filtered = statement("BAD_REQUEST", "[ROW_COLUMN_ACCESS.SOMETHING] Error using row filters or column masks");
    assert_eq!(filtered.kind(), Kind::Config, "{filtered}");
    assert!(filtered.to_string().contains("row filter"), "{filtered}");
}

#[test]
fn a_runtime_that_is_too_old_for_the_staged_files_is_named() {
    let message = "Job aborted due to stage failure: Lost task 0.3 in stage 1.0: java.lang.UnsupportedOperationException: \
                   Unsupported encoding: DELTA_BYTE_ARRAY";
    for code in [None, Some("INTERNAL_ERROR"), Some("BAD_REQUEST"), Some("UNKNOWN")] {
        let error = explain(&ServerError::of_statement(code, None, message), &workspace());
        assert_eq!(error.kind(), Kind::Config, "{error}");
        assert!(error.to_string().contains("11.3"), "{error}");
    }
}

#[test]
fn a_statement_that_was_cancelled_says_where_its_time_is_set() {
    for server_error in [
        ServerError::of_statement(Some("CANCELLED"), None, ""),
        ServerError::of_statement(Some("BAD_REQUEST"), Some("HY008"), "The query was cancelled."),
        ServerError::of_statement(None, None, "[OPERATION_CANCELED] Operation has been canceled. SQLSTATE: HY008"),
    ] {
        assert!(is_cancelled(&server_error) && is_transient(&server_error), "{server_error:?}");
        assert!(explain(&server_error, &workspace()).to_string().contains("STATEMENT_TIMEOUT"), "{server_error:?}");
    }
    for message in [
        "Query was canceled: it exceeded the STATEMENT_TIMEOUT of 3600 seconds.",
        "[QUERY_EXECUTION_TIMEOUT_EXCEEDED] Query execution was cancelled due to exceeding the timeout (3600s). SQLSTATE: 57KD0",
        "[QUERY_EXECUTION_TIMEOUT_EXCEEDED] It took too long.",
    ] {
        for code in [None, Some("CANCELLED"), Some("BAD_REQUEST"), Some("INTERNAL_ERROR")] {
            let server_error = ServerError::of_statement(code, None, message);
            assert!(!is_cancelled(&server_error), "{code:?}");
            assert_eq!(explain(&server_error, &workspace()).kind(), Kind::Config, "{code:?}");
            assert!(explain(&server_error, &workspace()).to_string().contains("raise STATEMENT_TIMEOUT"), "{code:?}");
        }
    }
    assert!(!is_cancelled(&ServerError::of_statement(Some("ABORTED"), None, "")));
}

#[test]
fn names_in_quotes_are_not_the_servers_own_words() {
    for (text, plain) in [
        ("on Schema 'a.b'.", "on Schema '…'."),
        ("the user's table `x` and \"y\"", "the user's table `…` and \"…\""),
        ("an open 'quote", "an open 'quote"),
        ("", ""),
    ] {
        assert_eq!(server_text::without_quoted_names(text), plain);
    }
}

#[test]
fn the_documentation_shows_the_table() {
    let shown = include_str!("../../../docs/databricks-conditions.md");
    let right = std::env::temp_dir().join(format!("databricks-conditions-{}.md", std::process::id()));
    if !shown.contains(&markdown()) {
        std::fs::write(&right, markdown()).expect("a file for the right table");
        panic!("docs/databricks-conditions.md has another table; the right one is in {}", right.display());
    }
}

#[test]
fn a_token_that_is_about_to_end_is_refused_and_who_signs_in_is_named() {
    let ending = ServerError::of_statement(None, None, "Token is expiring within 30 seconds");
    assert!(is_refused_token(&ServerError { status: Some(403), ..ending }));
    let authentication = Authentication::ClientCredentials {
        client_id: "my-app".to_owned(),
        client_secret: Secret::new("s-0123456789"),
    };
    let workspace = Workspace { who: Who::of(&authentication), ..workspace() };
    let lacks =
        ServerError::of_statement(None, None, "User does not have USE CATALOG on Catalog 'main'. SQLSTATE: 42501");
    let text = explain(&lacks, &workspace).to_string();
    assert!(text.contains("The service principal `my-app` lacks USE CATALOG"), "{text}");
    assert!(text.contains("GRANT USE CATALOG ON CATALOG `main` TO `my-app`;"), "{text}");
}
