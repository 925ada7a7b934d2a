//! Rows that take the place of those with the same key: what statements compare, and by which key the rows of a table were loaded.

use std::sync::Arc;

use super::super::answers;
use super::super::plan::{Answered, Plan};
use super::super::statements::{self, dedup::Keyed};
use super::SqlTable;
use crate::counted::counted;
use crate::databricks::Changed;
use crate::error::{Error, Kind, Result, ResultExt, Tag};
use crate::recovery::lease::Lease;
use crate::schema::columns::{Column, Layout, TableSchema};
use crate::schema::dedup::Place;
use crate::schema::kind::{Kind as Type, member};

/// How often a statement is sent at most if its answer is lost each time.
const MOST_SENDINGS: u32 = 8;
/// Of so many columns, fields counted, Delta has statistics, without which a table is not clustered.
/// Source: `delta.dataSkippingNumIndexedCols` in <https://docs.databricks.com/en/delta/data-skipping.html>.
const WITH_STATISTICS: usize = 32;
/// The most columns that Databricks clusters a table by.
/// Source: <https://docs.databricks.com/en/delta/clustering.html>.
const MOST_CLUSTERS: usize = 4;

impl SqlTable {
    /// Whether only the newest row of each key is kept.
    pub(super) fn is_keyed(&self) -> bool {
        self.fitted.places.is_some()
    }

    /// What rows are compared by, where only the newest of each key is kept.
    pub(super) fn keyed(&self) -> Option<Keyed<'_>> {
        let places = self.fitted.places.as_ref()?;
        Some(Keyed { columns: &self.fitted.files, places, others: &self.others, emptied: &self.emptied })
    }

    /// Gets the table ready for `plan`, with the range of its keys where that saves reading the table.
    pub(super) async fn ready(&mut self, plan: Plan) -> Result<Plan> {
        self.match_key().await?;
        // What has no rows has nothing to be passed over.
        let is_empty = !self.table_state.existed && !self.is_loaded;
        let has_range = self.keyed().is_some_and(|keyed| keyed.has_range());
        if is_empty || !has_range { Ok(plan) } else { self.survey(plan).await }
    }

    /// `plan` with what the staged rows say of their keys.
    async fn survey(&self, plan: Plan) -> Result<Plan> {
        let Some(asked) = plan.survey(&self.names()) else { return Ok(plan) };
        let answer =
            self.session.execute(&asked).await.context(|| "asking for the keys of the staged rows".to_owned())?;
        let survey = self.keyed().and_then(|keyed| keyed.surveyed(&answers::texts(&answer), plan.expected()));
        Ok(plan.surveyed(survey))
    }

    /// Leaves one row of each key of `plan`, which is loaded, where others have added rows with these keys. `answered`: the answer to its
    /// statement, which in most cases proves that there are none.
    pub(super) async fn leave_one_of_each(&self, plan: &Plan, answered: &Answered) -> Result<()> {
        if plan.leaves_one_of_each(answered) {
            return Ok(());
        }
        let mut plan = plan.clone();
        if answered.is_the_only_copy() {
            plan = self.survey(plan).await?;
            if plan.leaves_one_of_each(answered) {
                return Ok(());
            }
        }
        let (names, told) = (self.names(), plan.told());
        let (Some(statement), Some(told)) = (plan.removal(&names), told.removal(&names)) else { return Ok(()) };
        let removed = self.remove(&statement, &told, true).await?;
        if removed > 0 {
            tracing::warn!(
                "Table {} had several rows of primary keys of this load, which somebody else has added: {} were removed, and the newest \
                 row of each key stays.",
                self.name,
                counted(removed, "row")
            );
        }
        Ok(())
    }

    /// Makes what the table says of its key true before rows come: without one, it forgets it; with another than it has, it keeps the
    /// newest row of each key and remembers that.
    async fn match_key(&mut self) -> Result<()> {
        let wanted = self.target.dedup.as_ref().map(|dedup| dedup.id());
        if self.key == wanted {
            return Ok(());
        }
        if wanted.is_none() {
            let forgotten = self.session.execute(&statements::forget_key(&self.name)).await;
            forgotten.context(|| format!("noting that {} has rows that no key tells apart", self.name))?;
            self.key = None;
            return Ok(());
        }
        // Where all rows are replaced, the statement that does it keeps one of each key.
        if self.table_state.replaces {
            return Ok(());
        }
        let removed =
            self.remove_older().await.context(|| format!("keeping the newest row of each key in {}", self.name))?;
        if removed > 0 {
            tracing::warn!(
                "Table {} had several rows of one primary key, because they were not loaded by it: {} were removed, and the newest row \
                 of each key stays.",
                self.name,
                counted(removed, "row")
            );
        }
        self.write_down_key().await
    }

    /// Removes all rows but the newest of each key; returns how many.
    async fn remove_older(&self) -> Result<u64> {
        let Some(keyed) = self.keyed() else { return Ok(0) };
        let older = keyed.remove_older(&self.name);
        let copies = keyed.remove_copies(&self.name, None);
        Ok(self.remove(&older, &older, false).await? + self.remove(&copies, &copies, true).await?)
    }

    /// Runs a statement that leaves one row of each key, and shows it as `told`; returns how many rows went. `copies`: it writes whole rows
    /// again that it has read.
    async fn remove(&self, statement: &str, told: &str, copies: bool) -> Result<u64> {
        if copies && self.is_masked {
            tracing::info!(
                "Table {} has column masks: copies of one row would stay, because their values are not seen.",
                self.name
            );
            return Ok(0);
        }
        let mut waits = self.session.transport.waits();
        let mut sendings = 1;
        loop {
            Lease::ensure_held(&self.session.storage)?;
            match self.session.change(statement, told).await? {
                Changed::Done(answer) => {
                    let added = answers::inserted(&answer).unwrap_or_default();
                    return Ok(answers::affected(&answer).unwrap_or_default().saturating_sub(added.saturating_mul(2)));
                }
                Changed::Refused(error) => return Err(error),
                // A late copy finds nothing to remove, or fails, because the rows that it has found are gone.
                Changed::Unknown(why) | Changed::Cancelled(why) if sendings >= MOST_SENDINGS => return Err(why),
                Changed::Unknown(_) | Changed::Cancelled(_) => waits.wait(None).await,
            };
            sendings += 1;
        }
    }

    /// Stores by which key the rows were loaded. To be called after they are: without it, the next sync looks for rows of one key again.
    pub(super) async fn write_down_key(&mut self) -> Result<()> {
        let Some(wanted) =
            self.target.dedup.as_ref().map(|dedup| dedup.id()).filter(|id| self.key.as_ref() != Some(id))
        else {
            return Ok(());
        };
        match self.session.execute(&statements::set_key(&self.name, &wanted)).await {
            Ok(_) => {}
            Err(error) if error.kind() == Kind::Config => tracing::warn!(
                "The primary key of table {} could not be stored in its properties, so that each sync begins with a search for several \
                 rows of one key. Let {who} own the table: {error}",
                self.name,
                who = self.session.who().named
            ),
            Err(error) => return Err(error).context(|| "writing down the table's key".to_owned()),
        }
        self.key = Some(wanted);
        Ok(())
    }

    /// Whether a statement that was refused with `error` may succeed without changing columns that the staged files do not have: some of
    /// them are made of others, or must have a value.
    pub(super) fn spares_others(&mut self, error: &Error) -> bool {
        let is_about_them = error.has(Tag::NeedsValue) || error.has(Tag::ChecksValue);
        if self.emptied.is_empty() || !self.is_keyed() || !is_about_them {
            return false;
        }
        tracing::info!(
            "Columns of {} that the stream does not have keep their values where rows are replaced: {}",
            self.name,
            std::mem::take(&mut self.emptied).join(", ")
        );
        true
    }

    /// The columns or fields that a new table is clustered by: the parts of its key, where the settings say so.
    pub(super) fn clusters_of_new(&self) -> Vec<Vec<String>> {
        let Some(places) = self.fitted.places.as_ref().filter(|_| self.session.clusters_by_key) else {
            return Vec::new();
        };
        if self.fitted.files.layout() == Layout::Raw {
            return Vec::new();
        }
        let files = &self.fitted.files;
        let path = |place: &Place| {
            let is_counted = leaves_before(files, place) < WITH_STATISTICS && place.json.is_empty();
            let has_statistics = is_counted && !matches!(place.kind, Type::Boolean | Type::Binary);
            has_statistics.then(|| [&place.column].into_iter().chain(&place.fields).cloned().collect())
        };
        Arc::as_ref(places).key.iter().filter_map(path).take(MOST_CLUSTERS).collect()
    }
}

/// How many columns, fields counted, are before the value of `place`.
fn leaves_before(files: &TableSchema, place: &Place) -> usize {
    fn add<'a>(columns: impl Iterator<Item = &'a Column>, path: &[&String]) -> usize {
        let Some((name, inner)) = path.split_first() else { return 0 };
        let mut leaves = 0;
        for column in columns {
            if column.name == **name {
                return leaves + inside(&column.kind, inner);
            }
            leaves += column.kind.leaves();
        }
        leaves
    }
    fn inside(kind: &Type, path: &[&String]) -> usize {
        match kind {
            Type::Struct(record) => add(record.fields.iter(), path),
            Type::Union(members) => {
                let Some((name, inner)) = path.split_first() else { return 0 };
                let at = (0..members.len()).position(|at| member(at) == **name).unwrap_or(members.len());
                let before: usize = members.iter().take(at).map(Type::leaves).sum();
                before + members.get(at).map_or(0, |kind| inside(kind, inner))
            }
            _ => 0,
        }
    }
    let path: Vec<&String> = [&place.column].into_iter().chain(&place.fields).collect();
    add(files.columns(), &path)
}

#[cfg(test)]
#[path = "keys_tests.rs"]
mod tests;
