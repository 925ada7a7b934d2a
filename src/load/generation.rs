//! Which generation a table's rows are of, as either engine has written it down: `direct` as an application transaction in
//! the commit of the rows, `sql` as a table property after them.

use crate::delta::table::Snapshot;
use crate::error::Result;

/// Application transaction whose version is the generation.
pub const TRANSACTION: &str = "destination-databricks/generation";
/// Table property whose value is the generation.
pub const PROPERTY: &str = "destination-databricks.generation";

/// The newest generation that the log says of its table, whoever loaded that: generations ascend.
pub fn of(snapshot: &Snapshot) -> Result<Option<i64>> {
    let property = snapshot.property(PROPERTY).and_then(|value| value.parse().ok());
    Ok(snapshot.transaction(TRANSACTION)?.max(property))
}
