//! Databricks as this program sees it: something that runs SQL statements.
//!
//! Two transports stand behind one small interface: the Statement Execution API of warehouses, and Thrift over HTTP of
//! clusters and of any Spark Thrift server. Nothing here knows what the statements are for.

mod bounds;
pub mod conditions;
mod connect;
pub mod http;
pub mod said;
mod statement_answers;
mod statements;
mod thrift;
pub mod token;
mod unreached;
pub mod waits;
mod warehouse;

use async_trait::async_trait;

use self::bounds::Bounds;
pub use self::connect::{connect, warehouse};
pub use self::warehouse::{Warehouse, WarehouseState};
use crate::error::Result;

/// Runs statements, one after the other or many at the same time.
///
/// Every statement given to it has to be repeatable without harm: where an answer is lost, the statement is sent
/// again, also when the first one has run, or still does.
#[async_trait]
pub trait SqlTransport: Send + Sync {
    /// Runs `statement` to its end and answers with its whole result. Waits for a warehouse or cluster that starts.
    ///
    /// # Errors
    /// A sentence that says what the server found and what to do. Transient ones are told only after they were waited for.
    async fn execute(&self, statement: &str) -> Result<Rows>;

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
    /// Whether another copy of the statement is at large: its answer was lost, so it may have run, run beside this one, or
    /// begin later.
    pub copy_at_large: bool,
}

#[cfg(test)]
mod environment_tests;
#[cfg(test)]
mod http_tests;
#[cfg(test)]
mod said_tests;
#[cfg(test)]
pub(crate) mod server_for_tests;
#[cfg(test)]
mod statements_tests;
#[cfg(test)]
mod warehouse_tests;
