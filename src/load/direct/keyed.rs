//! Loads whose rows replace those of the table with the same key: files with rows that have to go are removed and written again without
//! them, in the commit that adds the load.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use futures::{StreamExt, TryStreamExt, stream};

use super::newest::{Decision, Newest};
use super::rewriting::Rewriting;
use super::{ATTEMPTS, COPIES, DirectTable, KnownVersion, transactions};
use crate::counted::counted;
use crate::delta::actions::DataFile;
use crate::delta::table::{Change, Committed, Removes, TableSnapshot};
use crate::error::{Error, Result, ResultExt};
use crate::merge::lost::RowSet;
use crate::retry::Backoff;
use crate::schema::dedup;
use crate::stage::Batch;
use crate::stage::staged::Watcher;
use crate::storage::Put;

/// How the rows of a table replace one another.
pub struct Keyed {
    newest: Newest,
    rewriting: Rewriting,
    /// By which key, see `schema::dedup`.
    key: String,
    /// Files that earlier attempts have moved into the table's folder, by their paths.
    moved: BTreeSet<String>,
}

/// A load that is ready to be committed.
struct Prepared {
    files: Vec<DataFile>,
    /// Files of the table that it removes, by their paths in its log.
    removed: BTreeSet<String>,
    /// Where each file of the table comes from: its path, its path in the table, and what it has lost.
    origins: Vec<(String, String, RowSet)>,
    /// Files of which nothing is left.
    gone: Vec<String>,
}

/// What is known of the table before a load.
enum Found {
    /// It is not there.
    Nothing,
    /// It has the load already.
    Loaded,
    /// At this version.
    Table(TableSnapshot),
}

impl Keyed {
    /// For `table`, whose rows are compared as `newest` says.
    pub fn new(newest: Newest, rewriting: Rewriting, key: String) -> Self {
        Self { newest, rewriting, key, moved: BTreeSet::new() }
    }

    /// What has to see the rows when they are encoded.
    pub fn watcher(&self) -> Arc<dyn Watcher> {
        self.newest.watcher()
    }
}

impl DirectTable {
    /// Loads `batches`, up to the batch number `through`; with `replace`, in the place of all rows of the table.
    pub(super) async fn load_by_key(
        &mut self,
        keyed: &mut Keyed,
        batches: &[Batch],
        through: i64,
        mut replace: Option<&mut Option<u64>>,
    ) -> Result<()> {
        let staged: Vec<DataFile> = batches.iter().flat_map(|batch| batch.files.iter().cloned()).collect();
        let rows = batches.iter().map(Batch::rows).sum();
        let merging = self.engine.merging.clone();
        let (memory, _permit) = merging.load(rows).await;
        let mut backoff = Backoff::new(Duration::from_millis(10), Duration::from_millis(1280), None);
        for _ in 0..ATTEMPTS {
            let found = self.find(through, replace.is_some()).await?;
            let (snapshot, table) = match found {
                Found::Loaded => return self.clear(keyed).await,
                Found::Nothing => (None, Vec::new()),
                Found::Table(snapshot) if replace.is_some() => (Some(snapshot), Vec::new()),
                Found::Table(snapshot) => {
                    let (snapshot, files) = self
                        .engine
                        .tables
                        .run(move |_| {
                            let files = snapshot.table_files();
                            (snapshot, files)
                        })
                        .await;
                    (Some(snapshot), files?)
                }
            };
            let is_of_key = snapshot.as_ref().is_none_or(|found| found.property(dedup::PROPERTY) == Some(&keyed.key));
            let has_versions = !is_of_key && replace.is_none();
            let decision = keyed
                .newest
                .decide((&self.target.staging, &staged), (&self.target.table, &table), has_versions, memory)
                .await?;
            let versions = if has_versions { decision.versions } else { 0 };
            let prepared = self.prepare_load(keyed, &staged, decision, through).await?;
            // A commit must not name a file that a power failure can still lose.
            self.engine.storage.flush().await?;
            let set = (!is_of_key || snapshot.is_none()).then_some((dedup::PROPERTY, keyed.key.as_str()));
            let committed = match snapshot {
                None => self.create_with(&prepared, through, set).await?,
                Some(snapshot) => self.commit_load(snapshot, &prepared, through, set, replace.as_deref_mut()).await?,
            };
            if let Committed::As(_) | Committed::Before = committed {
                self.exists = true;
                self.known = KnownVersion::None;
                self.engine.storage.flush().await?;
                if versions > 0 {
                    let (shown, versions) = (self.engine.storage.shown(&self.target.table), counted(versions, "row"));
                    tracing::warn!(
                        "Table {shown} had several rows of one primary key, because they were not loaded by it: {versions} were removed, \
                         and the newest row of each key stays."
                    );
                }
                for (from, to, lost) in &prepared.origins {
                    keyed.newest.remember(from, to, lost).await?;
                    keyed.newest.forget(from);
                    keyed.moved.remove(to);
                }
                prepared.gone.iter().for_each(|path| keyed.newest.forget(path));
                staged.iter().for_each(|file| keyed.newest.loaded(file));
                return self.clear(keyed).await;
            }
            // Before the next attempt: once that is committed, a sweep takes all files of the load for loaded.
            self.clear(keyed).await?;
            backoff.wait(None).await;
        }
        let shown = self.engine.storage.shown(&self.target.table);
        Err(Error::transient(format!(
            "Table {shown} is being written by somebody else: {ATTEMPTS} commits came in between."
        )))
    }

    /// What is known of the table.
    async fn find(&mut self, through: i64, replaces: bool) -> Result<Found> {
        match std::mem::replace(&mut self.known, KnownVersion::None) {
            // The log cannot have a load of this sync yet.
            KnownVersion::Opened(snapshot, _permit) => return Ok(Found::Table(snapshot)),
            KnownVersion::None | KnownVersion::Own { .. } => {}
        }
        if !self.exists {
            return Ok(Found::Nothing);
        }
        self.engine
            .tables
            .run(|logs| {
                let snapshot = logs.read(&self.target.table)?;
                if self.is_loaded(&snapshot, through, replaces)? {
                    Ok(Found::Loaded)
                } else {
                    Ok(Found::Table(snapshot))
                }
            })
            .await
    }

    /// Writes files again that have lost rows, and moves all files of the load into the table's folder.
    async fn prepare_load(
        &self,
        keyed: &mut Keyed,
        staged: &[DataFile],
        decision: Decision,
        through: i64,
    ) -> Result<Prepared> {
        let (folder, staging, storage) = (&self.target.table, &self.target.staging, &self.engine.storage);
        let in_table = |name: &str| format!("{folder}/{name}");
        let mut prepared =
            Prepared { files: Vec::new(), removed: BTreeSet::new(), origins: Vec::new(), gone: Vec::new() };
        let mut copies: Vec<(String, String, u64)> = Vec::new();
        let mut again = Vec::new();
        for (file, lost) in staged.iter().zip(decision.staged) {
            let path = format!("{staging}/{}", file.name);
            if lost.is_empty() {
                copies.push((path.clone(), in_table(&file.name), file.size));
                prepared.origins.push((path, in_table(&file.name), lost));
                prepared.files.push(file.clone());
            } else if lost.len() < file.stats.rows {
                again.push((path, file.size, lost));
            } else {
                prepared.gone.push(path);
            }
        }
        for judged in decision.table {
            prepared.removed.insert(judged.name);
            again.push((judged.path, judged.size, judged.lost));
        }
        let names: Vec<String> = again.iter().map(|_| keyed.rewriting.next_name()).collect();
        let rewriting = &keyed.rewriting;
        let written = again.into_iter().zip(names).map(|((path, size, lost), name)| async move {
            let (shown, lost) = (storage.shown(&path), Arc::new(lost));
            let written = rewriting.write((path.clone(), size), &lost, name).await.context(|| shown)?;
            Ok::<_, Error>((path, lost, written))
        });
        let written = stream::iter(written.collect::<Vec<_>>()).buffered(self.engine.merging.workers());
        let written: Vec<_> = written.try_collect().await?;
        let made: Vec<DataFile> = written.iter().filter_map(|(_, _, made)| made.clone()).collect();
        keyed.rewriting.log(&made, through).await?;
        for (path, lost, made) in written {
            let Some(made) = made else {
                prepared.gone.push(path);
                continue;
            };
            let from = format!("{}/{}", keyed.rewriting.folder(), made.name);
            copies.push((from, in_table(&made.name), made.size));
            prepared.origins.push((path, in_table(&made.name), Arc::unwrap_or_clone(lost)));
            prepared.files.push(made);
        }
        keyed.moved.extend(copies.iter().map(|(_, to, _)| to.clone()));
        let copies = copies.iter().map(|(from, to, size)| storage.copy_new(from, to, *size));
        let copied = stream::iter(copies.collect::<Vec<_>>()).buffer_unordered(COPIES).try_collect::<()>();
        copied.await.context(|| "moving files into the table's folder".to_owned())?;
        Ok(prepared)
    }

    async fn create_with(
        &mut self,
        prepared: &Prepared,
        through: i64,
        property: Option<(&str, &str)>,
    ) -> Result<Committed> {
        let transactions = transactions(self.engine.sync, &self.target, through);
        let created = self.create(&prepared.files, transactions, property).await?;
        // Somebody else may have created it in the meantime.
        self.exists = true;
        Ok(if created == Put::Created { Committed::As(0) } else { Committed::Conflict })
    }

    async fn commit_load(
        &self,
        snapshot: TableSnapshot,
        prepared: &Prepared,
        through: i64,
        property: Option<(&str, &str)>,
        replace: Option<&mut Option<u64>>,
    ) -> Result<Committed> {
        let transactions = transactions(self.engine.sync, &self.target, through);
        let committed = self.engine.tables.run(|_| {
            let changes = self.changes(&snapshot, replace.is_some())?;
            let left = Cell::new(None);
            let removes = if replace.is_some() { Removes::All(&left) } else { Removes::Files(&prepared.removed) };
            let (schema, files, transactions) = (&*self.files, &prepared.files[..], &transactions[..]);
            let property = property.map(|(key, value)| (key, Some(value)));
            let change = Change { schema, files, transactions, changes: &changes, property, removes };
            Ok::<_, Error>((snapshot.commit(&change)?, left.get()))
        });
        let (committed, left) = committed.await?;
        replace.into_iter().for_each(|removed| *removed = left);
        Ok(committed)
    }

    /// Deletes what attempts of a load have left in the table's folder that no version names, once they have been overtaken: none of them
    /// can be committed any more.
    async fn clear(&self, keyed: &mut Keyed) -> Result<()> {
        if keyed.moved.is_empty() {
            return Ok(());
        }
        let folder = &self.target.table;
        let files = self.engine.tables.run(|logs| logs.read(folder)?.files()).await?;
        let named: BTreeSet<String> = files.iter().map(|file| format!("{folder}/{file}")).collect();
        let left: Vec<String> =
            std::mem::take(&mut keyed.moved).into_iter().filter(|file| !named.contains(file)).collect();
        self.engine.storage.delete(&left).await
    }
}
