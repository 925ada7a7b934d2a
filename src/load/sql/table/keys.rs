//! Rows that take the place of those with the same key: what statements compare, and by which key the rows of a table were loaded.

use std::sync::Arc;

use super::super::answers;
use super::super::plan::Plan;
use super::super::statements::{self, dedup::Keyed};
use super::SqlTable;
use crate::counted::counted;
use crate::databricks::Changed;
use crate::error::{Error, Kind, Result, ResultExt};
use crate::recovery::lease::Lease;
use crate::schema::columns::Layout;
use crate::schema::dedup::Place;
use crate::schema::kind::Kind as Type;

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
        Some(Keyed { columns: &self.fitted.files, places, others: &self.others })
    }

    /// Gets the table ready for `plan`, with the range of its keys where that saves reading the table.
    pub(super) async fn ready(&mut self, plan: Plan) -> Result<Plan> {
        self.match_key().await?;
        // A table that is new has nothing to be passed over.
        if !self.table_state.existed {
            return Ok(plan);
        }
        let Some(asked) = plan.range(&self.names()) else { return Ok(plan) };
        let answer = self.session.execute(&asked).await.context(|| "asking for the range of keys".to_owned())?;
        let range = self.keyed().and_then(|keyed| keyed.key_range(&answers::texts(&answer), plan.expected()));
        Ok(plan.within(range))
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
        let Some(statement) = self.keyed().map(|keyed| keyed.remove_older(&self.name)) else { return Ok(0) };
        let mut waits = self.session.transport.waits();
        let mut sendings = 1;
        loop {
            Lease::ensure_held(&self.session.storage)?;
            match self.session.change(&statement, &statement).await? {
                Changed::Done(answer) => return Ok(answers::affected(&answer).unwrap_or_default()),
                Changed::Refused(error) => return Err(error),
                // A late copy finds nothing to remove.
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
        if self.others.is_empty() || !self.is_keyed() || error.kind() == Kind::Transient {
            return false;
        }
        tracing::info!(
            "Columns of {} that the stream does not have keep their values where rows are replaced: {}",
            self.name,
            std::mem::take(&mut self.others).join(", ")
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
            let before = files.columns().take_while(|column| column.name != place.column);
            let end: usize = before.map(|column| column.kind.leaves()).sum();
            let is_counted = end < WITH_STATISTICS && place.json.is_empty();
            let has_statistics = is_counted && !matches!(place.kind, Type::Boolean | Type::Binary);
            has_statistics.then(|| [&place.column].into_iter().chain(&place.fields).cloned().collect())
        };
        Arc::as_ref(places).key.iter().filter_map(path).take(MOST_CLUSTERS).collect()
    }
}
