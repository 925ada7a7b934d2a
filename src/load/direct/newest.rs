//! Decides which rows of a load and of its table are not the newest of their keys.
//!
//! Rows contend for a key that several rows have: of the load, or of it and the table. Keys of a load that do not fit in memory are looked for
//! part by part. That marks rows, by the hashes of their keys, which are read out of each file once in a sync and kept. Only then the row
//! groups with marked rows are read, each once, and these rows contend.

mod contending;
mod entrant;
mod recalled;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::{StreamExt, TryStreamExt, stream};

use self::contending::Reading;
use self::entrant::Entrant;
use super::merging::Merging;
use crate::delta::actions::DataFile;
use crate::delta::table::TableFile;
use crate::error::{Error, Result, ResultExt};
use crate::merge::captured::Captured;
use crate::merge::contest::{Contest, keys_of, parts};
use crate::merge::known::{Hashes, Known};
use crate::merge::lost::RowSet;
use crate::merge::scratch::Scratch;
use crate::schema::columns::TableSchema;
use crate::schema::dedup::Places;
use crate::stage::staged::Watcher;
use crate::storage::Storage;

/// Bytes that a key takes in a filter, about.
const FILTERED: u64 = 8;
/// The part of a load's memory that a filter takes.
const FILTER_SHARE: u64 = 4;

/// How rows of a stream are compared, and what is known of its table's files.
pub struct Newest {
    storage: Storage,
    merging: Merging,
    places: Arc<Places>,
    files: Arc<TableSchema>,
    known: Arc<Mutex<Known>>,
    captured: Arc<Captured>,
}

/// A file of the table with rows that have to go.
pub struct Judged {
    /// Its path in the table's log.
    pub name: String,
    /// Its path in the storage.
    pub path: String,
    /// How many bytes it has.
    pub size: u64,
    /// Its rows that have to go.
    pub lost: RowSet,
}

/// What became of the files of a load and of its table.
pub struct Decision {
    /// The rows of each staged file that are not loaded, in the order of the files.
    pub staged: Vec<RowSet>,
    /// The files of the table with rows that go.
    pub table: Vec<Judged>,
    /// How many rows the table had beside one of each key, among those that contended.
    pub versions: u64,
}

impl Newest {
    /// For a stream whose rows are staged with the columns `files`, and compared by the values at `places`.
    pub fn new((storage, merging): (&Storage, &Merging), places: Arc<Places>, files: Arc<TableSchema>) -> Result<Self> {
        let captured = Arc::new(Captured::new(&places, &files, merging.secret(), merging.scratch().clone())?);
        let (storage, merging) = (storage.clone(), merging.clone());
        Ok(Self { storage, merging, places, files, known: Arc::default(), captured })
    }

    /// What has to see the rows when they are encoded.
    pub fn watcher(&self) -> Arc<dyn Watcher> {
        Arc::clone(&self.captured) as Arc<dyn Watcher>
    }

    /// The staged file `file` is loaded.
    pub fn loaded(&self, file: &DataFile) {
        self.captured.forget(&file.stats.ids);
    }

    /// Decides between the rows of `staged`, files in the folder `staging`, and those of `table`, files of the table in the folder
    /// `folder`; in at most about `memory` bytes. `all`: the table may have several rows of one key, of which the newest stays.
    pub async fn decide(
        &self,
        (staging, staged): (&str, &[DataFile]),
        (folder, table): (&str, &[TableFile]),
        all: bool,
        memory: usize,
    ) -> Result<Decision> {
        let contest = Arc::new(Mutex::new(Contest::new(memory / 2, self.merging.scratch().clone())));
        let first = u32::try_from(staged.len()).map_err(|_| Error::system("A load has too many files."))?;
        let in_table = |(number, file)| Entrant::of_table(folder, file, number).map(Arc::new);
        let files: Result<Vec<Arc<Entrant>>> = (first..).zip(table).map(in_table).collect();
        let files = files.context(|| self.storage.shown(folder))?;
        let load = if all { None } else { self.recall(staging, staged)? };
        if load.is_none() {
            self.read_staged((staging, staged), &contest).await?;
        }
        let mut looked_at: &[Arc<Entrant>] = &files;
        let mut lacking = Vec::new();
        if all {
            let reads = files.iter().map(|file| self.read(Arc::clone(file), Reading::Whole, &contest));
            self.all(folder, reads.collect()).await?;
            lacking.extend(files.iter().filter(|file| file.has_lacking()).cloned());
            looked_at = &lacking;
        }
        let most = (memory as u64 / FILTER_SHARE / FILTERED).max(1);
        let rows =
            load.as_ref().map_or_else(|| lock(&contest).rows(), |_| staged.iter().map(|file| file.stats.rows).sum());
        for part in parts(rows, most) {
            if looked_at.is_empty() && load.is_none() {
                break;
            }
            let sought = match &load {
                Some(load) => self.survey(load, part.clone(), keys_of(rows, &part)).await?,
                None => self.sought_of(&contest, part).await?,
            };
            let sought = Arc::new(sought);
            let looks = looked_at.iter().map(|file| self.look(Arc::clone(file), &sought, &contest));
            self.all(folder, looks.collect()).await?;
            if let Some(load) = &load {
                self.mark(load, sought).await?;
            }
        }
        let contends = files.iter().map(|file| self.contend(Arc::clone(file), &contest));
        self.all(folder, contends.collect()).await?;
        if let Some(load) = load {
            self.contend_of_load(load, &contest).await?;
        }
        let finished = move || {
            let contest = std::mem::replace(&mut *lock(&contest), Contest::new(0, Scratch::default()));
            contest.finish()
        };
        let mut lost = self.merging.compute(finished).await?;
        let versions = lost.versions();
        let staged = (0..first).map(|number| lost.take(number)).collect();
        let mut changed = Vec::new();
        for ((number, file), entrant) in (first..).zip(table).zip(files) {
            let mut lost = lost.take(number);
            if !lost.is_empty() {
                file.deleted.iter().for_each(|row| lost.insert(*row));
                let (name, path, size) = (file.path.clone(), entrant.path.clone(), file.size);
                changed.push(Judged { name, path, size, lost });
            }
        }
        Ok(Decision { staged, table: changed, versions })
    }

    /// Remembers what the file `from`, of which the rows `lost` are left out, has in the table as `to`.
    pub async fn remember(&self, from: &str, to: &str, lost: &RowSet) -> Result<()> {
        let Some(groups) = lock(&self.known).groups(from) else { return Ok(()) };
        if lost.is_empty() {
            lock(&self.known).insert(to.to_owned(), groups.into_iter().map(Some).collect());
            return Ok(());
        }
        let (known, scratch, lost, to) =
            (Arc::clone(&self.known), self.merging.scratch().clone(), lost.clone(), to.to_owned());
        let copied = move || {
            let (mut row, mut copied) = (0, Vec::with_capacity(groups.len()));
            for group in groups {
                let mut hashes = group.read()?;
                hashes.retain(|_| {
                    row += 1;
                    !lost.contains(row - 1)
                });
                // A row group of which nothing is left is not in the file.
                if !hashes.is_empty() {
                    copied.push(Hashes::keep(&scratch, &hashes));
                }
            }
            lock(&known).insert(to, copied);
            Ok(())
        };
        self.merging.compute(copied).await
    }

    /// The file `path` is no longer in the table, or the load.
    pub fn forget(&self, path: &str) {
        lock(&self.known).forget(path);
    }

    /// Does `works` with files in the folder `folder`, several at a time.
    async fn all<F: Future<Output = Result<()>>>(&self, folder: &str, works: Vec<F>) -> Result<()> {
        let works = stream::iter(works).buffer_unordered(self.merging.workers());
        works.try_collect::<()>().await.context(|| self.storage.shown(folder))
    }
}

/// The value in `mutex`.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
