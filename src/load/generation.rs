//! The generation of a table's rows (`generation_id` of the Airbyte protocol). `direct` stores it as an application transaction in
//! the commit of the rows, `sql` as a table property after the rows.

use std::fmt::Display;

use crate::delta::table::TableSnapshot;
use crate::error::{Error, Result};
use crate::target::Target;

/// Application transaction whose version is the generation.
pub const TRANSACTION: &str = "destination-databricks/generation";
/// Table property whose value is the generation.
pub const PROPERTY: &str = "destination-databricks.generation";

/// The generation of the table's rows by its log, for a sync of generation `wanted`; `None` if none is stored.
pub fn read_generation(snapshot: &TableSnapshot, wanted: i64) -> Result<Option<i64>> {
    Ok(newest(snapshot.transaction(TRANSACTION)?, snapshot.property(PROPERTY), wanted))
}

/// The same from the values of `transaction` and `property`. Either engine may have loaded last, so the newer one counts. A
/// `transaction` that equals `wanted` counts in any case: a new connection starts its generations again, and `direct` then leaves
/// an old, larger property in place.
pub fn newest(transaction: Option<i64>, property: Option<&str>, wanted: i64) -> Option<i64> {
    if transaction == Some(wanted) {
        return transaction;
    }
    transaction.max(property.and_then(|value| value.parse().ok()))
}

/// Checks that no other sync has overtaken this one. `began` is the generation of the table's rows when this sync began, `now` the
/// present one; `replaces`: this load replaces the rows.
///
/// # Errors
/// - Transient: another sync has loaded rows of the same generation, which are acknowledged. The next attempt adds to them.
/// - Config: another sync has loaded a newer generation. A further attempt would find it when it begins and replace it.
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

/// Logs a WARN if the rows of `table` have a newer generation than the sync. They are replaced anyway: a new connection starts its
/// generations again, and looks the same as a sync that comes too late.
pub fn warn_of_newer(table: &impl Display, target: &Target, found: Option<i64>) {
    let (Some(wanted), Some(found)) = (target.generation_id, found) else { return };
    if found > wanted && target.write_mode.keeps_own_generation() {
        tracing::warn!(
            "Table {table} has rows of generation {found}, and this sync is of generation {wanted}: it replaces them, as those of \
             an older connection. If they are of this connection, a newer sync has loaded them."
        );
    }
}
