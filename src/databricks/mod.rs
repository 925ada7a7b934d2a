//! Databricks as this program sees it: something that runs SQL statements.
//!
//! Two transports stand behind one small interface: the Statement Execution API of warehouses, and Thrift over HTTP of
//! clusters and of any Spark Thrift server. Nothing here knows what the statements are for.

mod bounds;
pub mod conditions;
mod connect;
pub mod http;
pub mod pace;
mod polling;
pub mod said;
mod statement_answers;
mod statements;
mod thrift;
pub mod token;
mod unreached;
mod warehouse;

use async_trait::async_trait;

use self::bounds::Bounds;
pub use self::connect::{connect, warehouse};
pub use self::warehouse::{Warehouse, WarehouseState};
use crate::error::{Error, Result};
use crate::retry::Backoff;

/// Runs statements, one after the other or many at the same time.
#[async_trait]
pub trait SqlTransport: Send + Sync {
    /// Runs `statement` to its end and answers with its whole result. Waits for a warehouse or cluster that starts.
    ///
    /// The statement has to be repeatable without harm: where an answer is lost, it is sent again, also when the first one
    /// has run, or still does.
    ///
    /// # Errors
    /// A sentence that says what the server found and what to do. Transient ones are told only after they were waited for.
    async fn execute(&self, statement: &str) -> Result<Rows>;

    /// Runs `statement`, which changes the rows of a table, like [`SqlTransport::execute`], but never sends it again while
    /// the server may have it: two copies that run beside each other could both commit. It is sent again where the server
    /// has refused it before it began, and where it has ended in a failure that passes and has surely changed nothing. Where
    /// it has committed and only what follows a commit has failed, it is done, and has no answer.
    ///
    /// # Errors
    /// As for `execute`. What the statement has done by then, or will do, is not known.
    async fn change(&self, statement: &str) -> Result<Changed>;

    /// The waits before one statement of [`SqlTransport::change`] is sent again by whoever has settled what was unknown of it.
    fn waits(&self) -> Backoff;

    /// Cancels what still runs, and ends what the server keeps for us. Nothing is executed after it.
    async fn close(&self);
}

/// The result of a statement; small, every value as text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rows {
    /// The columns' names.
    pub columns: Vec<String>,
    /// A value for each column in each row; `None` is NULL.
    pub rows: Vec<Vec<Option<String>>>,
}

/// What came of a statement that changes rows.
#[derive(Debug)]
pub enum Changed {
    /// It has run to its end, once.
    Done(Rows),
    /// It has changed nothing, and never will, for this reason.
    Refused(Error),
    /// Its answer was lost, or tells only of the server, for this reason: it may have run, run at this moment, or begin later. Who sends it again has to
    /// see to it first that only one of the two commits.
    Unknown(Error),
    /// Somebody else has ended it, for this reason: as `Unknown`, but not worth many tries.
    Cancelled(Error),
}

impl Changed {
    /// Why a statement was refused, whatever is known of its fate.
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
mod environment_tests;
#[cfg(test)]
mod fate_tests;
#[cfg(test)]
mod http_tests;
#[cfg(test)]
mod manners_tests;
#[cfg(test)]
mod said_tests;
#[cfg(test)]
pub(crate) mod server_for_tests;
#[cfg(test)]
mod statements_tests;
#[cfg(test)]
mod warehouse_tests;
