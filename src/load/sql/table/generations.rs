//! The generation of one table's rows: stored after the rows, and read again if another sync may have loaded the table.

use super::super::existing_table::generation_of;
use super::super::{generation_objects, statements};
use super::SqlTable;
use crate::error::{Kind, Result, ResultExt};
use crate::load::generation;

impl SqlTable {
    /// Reads the generation again, and fails if another sync has loaded rows since this one began.
    pub(super) async fn ensure_not_overtaken(&self) -> Result<()> {
        if self.target.generation_id.is_none() || !self.target.write_mode.removes_rows() {
            return Ok(());
        }
        let now = generation_of(&self.session, (&self.target, self.is_away), &self.name).await?;
        generation::ensure_not_overtaken(&self.name, &self.target, (self.found, now), self.table_state.replaces)
    }

    /// Stores the generation. To be called after the rows are loaded: a sync that is killed in between loads the same rows again.
    pub(super) async fn write_down_generation(&mut self) -> Result<()> {
        let Some(generation) = self.target.generation_id.filter(|id| self.generation != Some(*id)) else {
            return Ok(());
        };
        let (storage, table) = (&self.session.storage, &self.session.noted_as(&self.target, self.is_away));
        match self.session.execute(&statements::set_generation(&self.name, generation)).await {
            Ok(_) => generation_objects::delete(storage, table).await?,
            // Setting a property may need a privilege that loading does not. Without a stored generation, a second attempt would
            // replace acknowledged rows.
            Err(error) if error.kind() == Kind::Config => {
                tracing::warn!(
                    "Generation {generation} of the rows of table {} could not be stored in its property; it is stored in {} \
                     instead: {error}",
                    self.name,
                    generation_objects::shown(storage, table)
                );
                generation_objects::put(storage, table, generation).await?;
            }
            Err(error) => return Err(error).context(|| "writing down the table's generation".to_owned()),
        }
        self.generation = Some(generation);
        Ok(())
    }

    /// The generation that a new table is created with: none if its rows are replaced later.
    pub(super) fn generation_of_new(&self) -> Option<i64> {
        self.target.generation_id.filter(|_| !self.table_state.replaces)
    }
}
