//! Opens the tables of a sync: finds each one under one of its names, reads its log, and fits its stream to it.

use std::sync::Arc;

use super::keyed::Keyed;
use super::newest::Newest;
use super::rewriting::Rewriting;
use super::{Direct, DirectTable, KnownVersion};
use crate::delta::DELTA_LOG;
use crate::error::{Error, Result};
use crate::load::columns::Fitted;
use crate::load::existing_folders::ExistingFolders;
use crate::load::{Opened, RowsBefore, TableState, generation, origin};
use crate::recovery::left_behind::LeftBehind;
use crate::stage::staged::{Begins, Staged, Staging};
use crate::target::Target;

/// What opening the tables of a sync needs.
pub struct Opening<'a> {
    /// The engine.
    pub engine: &'a Direct,
    /// The folders that are there.
    pub folders: ExistingFolders,
    /// Whether the rows of each table are counted: only if there are few tables.
    pub counts_rows: bool,
}

impl Opening<'_> {
    /// Opens the table of `target`, or says how it would be made.
    pub async fn open(&self, target: Arc<Target>) -> Result<Opened> {
        let target = self.named(target).await?;
        let staging = Staging {
            // Its log tells a later sync which files of which batch may lie in the table's folder.
            staged: Staged::DeltaTable { folder: target.staging.clone() },
            begins: Begins::AtFirstBatch,
            left_behind: Some(LeftBehind::Files(target.table.clone())),
        };
        let table = Box::new(self.open_table(target).await?);
        let (schema, watcher) = (Arc::clone(&table.files), table.keyed.as_ref().map(|keyed| keyed.watcher()));
        Ok(Opened { table, schema, staging, watcher, compares_in_sql: false })
    }

    async fn exists(&self, table: &str) -> Result<bool> {
        if !self.folders.may_have(table) {
            return Ok(false);
        }
        self.engine.storage.has_any(&format!("{table}/{DELTA_LOG}")).await
    }

    async fn open_table(&self, target: Arc<Target>) -> Result<DirectTable> {
        let mut exists = self.exists(&target.table).await?;
        let mut table_state = TableState::of(&target, false, None, RowsBefore::NotAsked);
        let (mut known, mut generation) = (KnownVersion::None, None);
        let mut fitted = Fitted::new_table(&target, &target.table)?;
        if exists {
            let found = self.engine.tables.run(|logs| {
                let Some(snapshot) = logs.find(&target.table)? else { return Ok(None) };
                let generation =
                    target.generation_id.map(|id| generation::read_generation(&snapshot, id)).transpose()?.flatten();
                let mut table_state = TableState::of(&target, true, generation, RowsBefore::NotAsked);
                let fitted = self.engine.fit(&target, &snapshot, table_state.replaces)?;
                // Rows to be replaced are counted when they are removed. A failed count does not fail the sync: it is only shown.
                if self.counts_rows && !table_state.replaces {
                    table_state.rows = snapshot.rows().ok().flatten().into();
                }
                Ok::<_, Error>(Some((table_state, generation, fitted, snapshot)))
            });
            // A log without a commit: a sync was killed before it created the table.
            let found = found.await?;
            exists = found.is_some();
            if let Some((found, of_its_rows, how, snapshot)) = found {
                (table_state, generation, fitted) = (found, of_its_rows, how);
                if let Ok(permit) = Arc::clone(&self.engine.kept).try_acquire_owned() {
                    known = KnownVersion::Opened(snapshot, permit);
                }
            }
        }
        generation::warn_of_newer(&self.engine.storage.shown(&target.table), &target, generation);
        fitted.warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
        let (engine, files) = (self.engine.clone(), fitted.files);
        let keyed = target.dedup.as_ref().zip(fitted.places).map(|(dedup, places)| {
            let shared = (&engine.storage, &engine.merging);
            let newest = Newest::new(shared, places, Arc::clone(&files))?;
            let rewriting = Rewriting::new(shared, &engine.clock_and_ids, engine.sync, &target.table, &files);
            Ok::<_, Error>(Box::new(Keyed::new(newest, rewriting, dedup.id())))
        });
        let keyed = keyed.transpose()?;
        Ok(DirectTable { engine, target, exists, known, table_state, files, found: generation, keyed })
    }

    /// `target` with the older name of its table if an older version of this connector created the table under that name.
    async fn named(&self, target: Arc<Target>) -> Result<Arc<Target>> {
        let places = [target.older.as_deref(), target.earlier.as_deref()];
        if places.iter().all(Option::is_none) || self.exists(&target.table).await? {
            return Ok(target);
        }
        for place in places.into_iter().flatten() {
            if !self.exists(place).await? {
                continue;
            }
            let shown = self.engine.storage.shown(place);
            if self.engine.tables.run(|logs| origin::is_own_log(logs, place, &shown, &target)).await? {
                tracing::info!(
                    "Stream {} goes on in table {shown}, which an older version or connector made.",
                    target.stream
                );
                return Ok(Arc::new(Target { table: place.to_owned(), ..Target::clone(&target) }));
            }
        }
        Ok(target)
    }
}
