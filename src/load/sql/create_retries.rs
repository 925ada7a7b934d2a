//! Creates schemas and tables that somebody else may create at the same moment.
//!
//! `CREATE … IF NOT EXISTS` can still fail with "already exists": another session created the object while the statement ran, or
//! the object exists and this user may not see it. Only the second case fails again a moment later.

use std::time::Duration;

use crate::databricks::conditions::already_exists;
use crate::databricks::{QueryResult, SqlTransport};
use crate::error::Result;

/// The pauses before the second and the third try.
const WAITS: [Duration; 2] = [Duration::from_millis(250), Duration::from_secs(1)];

/// The outcome of a CREATE statement.
pub struct Created {
    /// The result of the last try.
    pub answer: Result<QueryResult>,
    /// The server reported at least once that the object exists: somebody else has created it.
    pub by_others: bool,
}

/// Runs `statement`, a `CREATE … IF NOT EXISTS`, up to three times while the server reports that the object exists.
pub async fn create_with_retries(transport: &dyn SqlTransport, statement: &str) -> Created {
    let mut by_others = false;
    for wait in WAITS {
        match transport.execute(statement).await {
            Err(error) if already_exists(&error) => by_others = true,
            answer => return Created { answer, by_others },
        }
        tokio::time::sleep(wait).await;
    }
    let answer = transport.execute(statement).await;
    by_others |= answer.as_ref().is_err_and(already_exists);
    Created { answer, by_others }
}
