//! What the stand-in for Databricks keeps its tables on: its own disk, and no server beside it.

/// No store.
pub struct Server;

impl Server {
    /// The options of the stand-in for Databricks.
    pub fn for_spark(&self) -> String {
        String::new()
    }
}

/// The same for all tests.
pub fn server() -> Server {
    Server
}
