//! Runs SQL statements on Databricks.
//!
//! One small trait has two implementations: the Statement Execution API for SQL warehouses, and Thrift over HTTP for clusters and any
//! Spark Thrift server. Nothing here knows what the statements are for.

pub mod conditions;
mod connect;
mod connection;
pub mod http;
mod no_response;
mod polling;
pub mod rate_limit;
mod result_limits;
pub mod server_error;
pub mod sign_in;
mod statement_api;
mod statement_response;
mod thrift;
pub mod token;
mod warehouse;
pub mod who;
pub mod workspace;

use async_trait::async_trait;

pub use self::connect::{Compute, client, compute, connect, connect_over, learn_who, warehouse};
use self::result_limits::ResultLimits;
pub use self::warehouse::{Warehouse, WarehouseState};
pub use self::who::Who;
use crate::error::{Error, Result};
use crate::retry::Backoff;

/// Runs statements, also many at the same time.
#[async_trait]
pub trait SqlTransport: Send + Sync {
    /// Runs `statement` and returns its whole result. Waits for a warehouse or cluster that is starting.
    ///
    /// The statement must be safe to repeat: when a response is lost, it is sent again, even if the first copy has run or is still
    /// running.
    ///
    /// # Errors
    /// What the server reports and what the user can do. A transient error is returned only after the retries are used up.
    async fn execute(&self, statement: &str) -> Result<QueryResult>;

    /// Runs `statement`, which changes rows of a table, like [`SqlTransport::execute`], but never sends it again while a copy may
    /// still run on the server: both copies could commit. It is sent again only if the server refused it before it began, or if it
    /// failed with a transient error and was rolled back. If it committed and only a step after the commit failed, the result is
    /// `Done` with an empty `QueryResult`.
    ///
    /// # Errors
    /// As for `execute`. Whether the statement has changed rows, or still will, is unknown.
    async fn change(&self, statement: &str) -> Result<Changed>;

    /// Who signs in, for messages.
    fn who(&self) -> Who {
        Who::default()
    }

    /// The waits for a caller of [`SqlTransport::change`] who has resolved an unknown outcome and sends the statement again.
    fn waits(&self) -> Backoff;

    /// Cancels running statements and closes the session. Statements that are run afterwards fail.
    async fn close(&self);
}

/// The result of a statement: small, every value as text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct QueryResult {
    /// The columns' names.
    pub columns: Vec<String>,
    /// A value for each column in each row; `None` is NULL.
    pub rows: Vec<Vec<Option<String>>>,
}

/// The outcome of a statement that changes rows.
#[derive(Debug)]
pub enum Changed {
    /// It has run, exactly once.
    Done(QueryResult),
    /// It has changed nothing and never will, for this reason.
    Refused(Error),
    /// Its response was lost, or says nothing about the statement: it may have run, may be running, or may still begin. A caller who
    /// sends it again must first make sure that only one copy can commit.
    Unknown(Error),
    /// Somebody else cancelled it: as `Unknown`, but worth only a few more tries.
    Cancelled(Error),
}

impl Changed {
    /// The error of a statement that was refused, whether or not its outcome is known.
    pub fn why_refused(ended: &Result<Self>) -> Option<&Error> {
        match ended {
            Err(error) | Ok(Changed::Refused(error)) => Some(error),
            Ok(_) => None,
        }
    }
}

/// The table that `statement` names first, for messages: all that stands before its columns, its alias or its next line.
fn table_of(statement: &str) -> &str {
    let line = statement.lines().next().unwrap_or_default();
    let named = line.find('`').and_then(|at| line.get(at..)).unwrap_or(line);
    let end = ["` (", "` AS "].iter().filter_map(|end| named.find(end)).min();
    end.and_then(|end| named.get(..=end)).unwrap_or(named)
}

#[cfg(test)]
mod change_tests;
#[cfg(test)]
mod environment_tests;
#[cfg(test)]
mod http_tests;
#[cfg(test)]
mod request_rate_tests;
#[cfg(test)]
mod server_error_tests;
#[cfg(test)]
mod statement_api_tests;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod warehouse_tests;
