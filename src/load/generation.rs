//! Which generation a table's rows are of, as either engine has written it down: `direct` as an application transaction in
//! the commit of the rows, `sql` as a table property after them.

use crate::delta::table::Snapshot;
use crate::error::Result;

/// Application transaction whose version is the generation.
pub const TRANSACTION: &str = "destination-databricks/generation";
/// Table property whose value is the generation.
pub const PROPERTY: &str = "destination-databricks.generation";

/// The generation of the table's rows, as far as the log tells it, for a sync of the generation `wanted`. Either engine may
/// have loaded last; generations ascend, but for `direct` under a new connection, which began them anew.
pub fn of(snapshot: &Snapshot, wanted: i64) -> Result<Option<i64>> {
    let transaction = snapshot.transaction(TRANSACTION)?;
    if transaction == Some(wanted) {
        return Ok(transaction);
    }
    let property = snapshot.property(PROPERTY).and_then(|value| value.parse().ok());
    Ok(transaction.max(property))
}
