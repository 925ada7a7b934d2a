//! What statements say that fail: none of it is about the way in.

use super::*;

fn workspace() -> Workspace {
    Workspace { host: "abc.cloud.databricks.com".to_owned(), http_path: "/sql/1.0/warehouses/0123".to_owned() }
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
