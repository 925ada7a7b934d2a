//! Makes schemas and tables that somebody else may make at the same moment.
//!
//! `IF NOT EXISTS` does not help whoever comes second by a moment, nor where the object is there and hidden. A second and a
//! third try tell the two apart.

use std::time::Duration;

use crate::databricks::conditions::already_exists;
use crate::databricks::{QueryResult, SqlTransport};
use crate::error::Result;

/// The waits before further tries.
const WAITS: [Duration; 2] = [Duration::from_millis(250), Duration::from_secs(1)];

/// What came of a statement that makes something.
pub struct Created {
    /// Its answer.
    pub answer: Result<QueryResult>,
    /// The server has said that it was there already: somebody else has made it.
    pub by_others: bool,
}

/// Runs `statement`, which makes something if it is not there.
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
