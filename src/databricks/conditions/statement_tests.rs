//! Errors of failed statements: they never mean that the token, the warehouse or the path is wrong, whatever their text says.

use super::*;

fn workspace() -> Workspace {
    Workspace {
        host: "abc.cloud.databricks.com".to_owned(),
        http_path: "/sql/1.0/warehouses/0123".to_owned(),
        who: Who::default(),
    }
}

fn failed(code: Option<&str>, message: &str) -> Error {
    explain(&ServerError::of_statement(code, None, message), &workspace())
}

#[test]
fn a_statement_that_fails_says_nothing_of_the_token_or_the_warehouse() {
    for message in [
        "[RequestId=1f ErrorClass=RESOURCE_DOES_NOT_EXIST] Storage credential for the private endpoint does not exist.",
        "[RequestId=1f ErrorClass=RESOURCE_DOES_NOT_EXIST.X] The cluster policy of the location is gone.",
        "[RequestId=1f ErrorClass=INVALID_PARAMETER_VALUE.PATH_ACCESS] invalid token in path",
        "[RequestId=1f ErrorClass=PERMISSION_DENIED] The access token of the storage credential was refused.",
        "[RequestId=1f ErrorClass=UNAUTHENTICATED] The metastore could not be asked.",
        "RESOURCE_DOES_NOT_EXIST: Storage credential for the private endpoint does not exist.",
        "INVALID_PARAMETER_VALUE: invalid token in path",
    ] {
        for code in [None, Some("BAD_REQUEST"), Some("RESOURCE_DOES_NOT_EXIST"), Some("INVALID_PARAMETER_VALUE")] {
            let server_error = ServerError::of_statement(code, None, message);
            let error = explain(&server_error, &workspace());
            for sentence in
                ["There is no SQL warehouse", "There is no cluster", "refuses the token", "not accept the token"]
            {
                assert!(!error.message().contains(sentence), "{message}: {error}");
            }
            assert!(!is_refused_token(&server_error), "{message}");
        }
    }
    let refused =
        failed(Some("BAD_REQUEST"), "[RequestId=1f ErrorClass=PERMISSION_DENIED] The access token is no good.");
    assert_eq!(refused.kind(), Kind::Config, "{refused}");
}

#[test]
fn an_answer_400_tells_of_a_missing_warehouse_or_cluster_only_where_it_says_so() {
    let answered = |code: Option<&str>, message: &str| {
        explain(&ServerError { status: Some(400), ..ServerError::of_statement(code, None, message) }, &workspace())
    };
    for (message, missing) in [
        ("0123 is not a valid endpoint id.", "There is no SQL warehouse"),
        ("SQL warehouse 0123 does not exist", "There is no SQL warehouse"),
        ("The endpoint was not found.", "There is no SQL warehouse"),
        ("Cluster 0101-abc does not exist", "There is no cluster"),
        ("warehouse is PENDING RESTARTING is starting", ""),
        ("The warehouse takes no parameter `row_limit`.", ""),
        ("The cluster is restarting.", ""),
        ("The statement is too long for this endpoint.", ""),
    ] {
        for code in [None, Some("INVALID_PARAMETER_VALUE"), Some("BAD_REQUEST")] {
            let error = answered(code, message);
            assert_eq!(error.message().contains("There is no "), !missing.is_empty(), "{code:?} {message}: {error}");
            assert!(error.message().contains(missing), "{code:?} {message}: {error}");
        }
    }
}

#[test]
fn only_a_right_that_the_statement_itself_lacks_tells_that_it_was_not_begun() {
    let lacks = |status: Option<u16>, message: &str| {
        lacks_privilege(&explain(
            &ServerError { status, ..ServerError::of_statement(None, None, message) },
            &workspace(),
        ))
    };
    for message in [
        "PERMISSION_DENIED: User does not have MODIFY on Table 'main.shop.users'.",
        "[INSUFFICIENT_PERMISSIONS] Insufficient privileges: User does not own Table a. SQLSTATE: 42501",
        "[RequestId=1f ErrorClass=PERMISSION_DENIED] Whatever.",
    ] {
        assert!(lacks(None, message), "{message}");
        assert!(!lacks(Some(403), message), "{message}");
    }
    for message in [
        "[QUERY_EXECUTION_TIMEOUT_EXCEEDED] It took too long. SQLSTATE: 57KD0",
        "[TABLE_OR_VIEW_NOT_FOUND] The table or view `a` cannot be found. SQLSTATE: 42P01",
        "PERMISSION_DENIED: Access Denied (Service: Amazon S3; Status Code: 403)",
        "[SCHEMA_ALREADY_EXISTS] Cannot create schema `shop`.",
        "[SOMETHING_NEW] Whatever.",
    ] {
        assert!(!lacks(None, message), "{message}");
    }
}

#[test]
fn a_statement_that_exceeded_the_time_that_it_has_says_where_it_is_set() {
    for message in [
        "Statement execution exceeded the timeout of 3600 seconds",
        "The query timed out after 3600 seconds.",
        "DEADLINE_EXCEEDED: The statement timed out after 3600 s",
    ] {
        for code in [None, Some("DEADLINE_EXCEEDED"), Some("CANCELLED"), Some("BAD_REQUEST")] {
            let error = failed(code, message);
            assert_eq!(error.kind(), Kind::Config, "{code:?}: {error}");
            assert!(error.message().contains("raise STATEMENT_TIMEOUT"), "{error}");
        }
    }
    let inside = "java.util.concurrent.TimeoutException: Futures timed out after [300 seconds]";
    assert_eq!(failed(Some("INTERNAL_ERROR"), inside).kind(), Kind::Transient);
}

#[test]
fn a_missing_privilege_on_the_catalog_or_schema_is_not_one_on_the_table() {
    let tagged = |message: &str, tag: Tag| failed(None, message).has(tag);
    let table = "PERMISSION_DENIED: User does not have MODIFY on Table 'main.shop.users'.";
    assert!(tagged(table, Tag::MissingPrivilege) && !tagged(table, Tag::MissingParentPrivilege));
    for parent in [
        "PERMISSION_DENIED: User does not have USE SCHEMA on Schema 'main.shop'.",
        "[INSUFFICIENT_PERMISSIONS] User does not have USE CATALOG on Catalog 'main'. SQLSTATE: 42501",
    ] {
        assert!(!tagged(parent, Tag::MissingPrivilege) && tagged(parent, Tag::MissingParentPrivilege), "{parent}");
        assert!(lacks_privilege(&failed(None, parent)), "{parent}");
    }
}

#[test]
fn only_a_message_about_collations_is_taken_for_one() {
    for (message, is_of_collation) in [
        ("[COLLATION_MISMATCH.IMPLICIT] Could not determine which collation to use. SQLSTATE: 42P21", true),
        ("[INDETERMINATE_COLLATION_IN_EXPRESSION] Use the COLLATE clause. SQLSTATE: 42P22", true),
        ("[TABLE_OR_VIEW_NOT_FOUND] The table or view `COLLATION` cannot be found. SQLSTATE: 42P01", false),
    ] {
        let error = failed(Some("BAD_REQUEST"), message);
        assert_eq!(error.has(Tag::CollationMismatch), is_of_collation, "{error}");
    }
}
