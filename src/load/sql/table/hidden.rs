//! Rows that were written and are not counted: hidden from the token's user, or not read from the staging table yet.

use super::super::load::Load;
use super::super::{answers, statements};
use super::{Done, SqlTable};
use crate::error::{Error, Result, ResultExt};

impl SqlTable {
    /// Refuses to insert rows of `load` once more where nothing tells how many `done` has inserted in all, and fewer of them are
    /// `found` than the staging table has: those that are missing may be there and hidden.
    pub(super) async fn ensure_not_hidden(&self, done: &Done, load: &Load, found: u64) -> Result<()> {
        if !done.again && answers::inserted(&done.answer).is_some() {
            return Ok(());
        }
        let staged = self.execute(&statements::count_staged(&self.shared.columns, &self.staging, load)).await;
        let staged = answers::number(&staged.context(|| "counting the staged rows".to_owned())?)?;
        if found >= staged { Ok(()) } else { Err(self.hides(load.rows, found, load.rows)) }
    }

    /// What to say where `written` rows were written and the token's user sees fewer than the `expected` ones.
    pub(super) fn hides(&self, written: u64, found: u64, expected: u64) -> Error {
        Error::config(format!(
            "{} were written to {}, and the token's user sees {found} of the {expected} that should be there: a row filter or a \
             policy of Unity Catalog hides them, or somebody else has removed them in the meantime. Exempt the token's user from \
             the filters of this table: what was loaded has to be counted. The rows are not acknowledged.",
            crate::counted::counted(written, "row"),
            self.name,
        ))
    }
}
