//! Which generation a table's rows are of, as either engine has written it down: `direct` as an application transaction in
//! the commit of the rows, `sql` as a table property after them.

use std::fmt::Display;

use crate::delta::table::TableSnapshot;
use crate::error::{Error, Result};
use crate::storage::layout::Target;

/// Application transaction whose version is the generation.
pub const TRANSACTION: &str = "destination-databricks/generation";
/// Table property whose value is the generation.
pub const PROPERTY: &str = "destination-databricks.generation";

/// The generation of the table's rows, as far as the log tells it, for a sync of the generation `wanted`.
pub fn read_generation(snapshot: &TableSnapshot, wanted: i64) -> Result<Option<i64>> {
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

/// Refuses to touch what another sync has loaded into `table` since this one began: rows of its own generation, which would be
/// replaced although they were acknowledged (`replaces`), and those of a newer one. `found` is the generation when it began, and
/// the one now.
///
/// # Errors
/// For its own generation a transient error: the next attempt adds to those rows. For a newer one a config error: another
/// attempt would find that generation as it begins, and replace it.
pub fn ensure_not_overtaken(
    table: &impl Display,
    target: &Target,
    (began, now): (Option<i64>, Option<i64>),
    replaces: bool,
) -> Result<()> {
    let (Some(wanted), Some(now)) = (target.generation_id, now) else { return Ok(()) };
    if now == wanted && replaces && !target.write_mode.replaces(true) {
        return Err(Error::transient(format!(
            "Another sync has loaded generation {wanted} into table {table} since this one began. Run this one again: it then \
             adds to those rows."
        )));
    }
    if now > wanted && began.is_none_or(|began| now > began) && target.write_mode.removes_rows() {
        return Err(Error::config(format!(
            "Another sync has loaded generation {now} into table {table} since this one, of generation {wanted}, began. This sync \
             is out of date and has left those rows as they are: let the platform start a new one."
        )));
    }
    Ok(())
}

/// Tells that the rows of `table` are of a generation that is newer than the sync's. They are replaced all the same: a new
/// connection numbers its generations anew, and cannot be told from a sync that comes too late.
pub fn warn_of_newer(table: &impl Display, target: &Target, found: Option<i64>) {
    let (Some(wanted), Some(found)) = (target.generation_id, found) else { return };
    if found > wanted && target.write_mode.keeps_own_generation() {
        tracing::warn!(
            "Table {table} has rows of generation {found}, and this sync is of generation {wanted}: it replaces them, as those of \
             an older connection. If they are of this connection, a newer sync has loaded them."
        );
    }
}
