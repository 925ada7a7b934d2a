//! Which generation a table's rows are of, as either engine has written it down: `direct` as an application transaction in
//! the commit of the rows, `sql` as a table property after them.

use crate::delta::table::TableSnapshot;
use crate::error::Result;

/// Application transaction whose version is the generation.
pub const TRANSACTION: &str = "destination-databricks/generation";
/// Table property whose value is the generation.
pub const PROPERTY: &str = "destination-databricks.generation";

/// The generation of the table's rows, as far as the log tells it, for a sync of the generation `wanted`.
pub fn of(snapshot: &TableSnapshot, wanted: i64) -> Result<Option<i64>> {
    Ok(newest(snapshot.transaction(TRANSACTION)?, snapshot.property(PROPERTY), wanted))
}

/// The same of what its log says as a `transaction` and as a `property`. Either engine may have loaded last; generations ascend,
/// but for `direct` under a new connection, which began them anew.
pub fn newest(transaction: Option<i64>, property: Option<&str>, wanted: i64) -> Option<i64> {
    if transaction == Some(wanted) {
        return transaction;
    }
    transaction.max(property.and_then(|value| value.parse().ok()))
}
