//! The generation of one stream's table: written down after its rows, and asked for again where another sync came in between.

use super::super::existing_table::generation_of;
use super::super::{generation_objects, statements};
use super::SqlTable;
use crate::error::{Kind, Result, ResultExt};
use crate::load::generation;

impl SqlTable {
    /// Asks for the generation again, and refuses to touch rows that another sync has loaded since this one began.
    pub(super) async fn ensure_not_overtaken(&self) -> Result<()> {
        if self.target.generation_id.is_none() || !self.target.write_mode.removes_rows() {
            return Ok(());
        }
        let now = generation_of(&self.session, (&self.target, self.is_away), &self.name).await?;
        generation::ensure_not_overtaken(&self.name, &self.target, (self.found, now), self.table_state.replaces)
    }

    /// After the rows: a sync that is killed in between loads them again, and the same rows come of it.
    pub(super) async fn write_down_generation(&mut self) -> Result<()> {
        let Some(generation) = self.target.generation_id.filter(|id| self.generation != Some(*id)) else {
            return Ok(());
        };
        let (storage, table) = (&self.session.storage, &self.session.noted_as(&self.target, self.is_away));
        match self.session.execute(&statements::set_generation(&self.name, generation)).await {
            Ok(_) => generation_objects::delete(storage, table).await?,
            // Who may load a table need not own it. Without a generation, a second attempt would replace what was acknowledged.
            Err(error) if error.kind() == Kind::Config => {
                tracing::warn!(
                    "Table {} does not say that its rows are of generation {generation}, because that property could not be \
                     set; {} says so for this program instead: {error}",
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

    /// What a new table says before it has rows: one whose rows are replaced has those of the generation only later.
    pub(super) fn generation_of_new(&self) -> Option<i64> {
        self.target.generation_id.filter(|_| !self.table_state.replaces)
    }
}
