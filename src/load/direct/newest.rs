//! Decides which rows of a load and of its table are not the newest of their keys.
//!
//! Rows contend for a key that several rows have: of the load, or of it and the table. Each file's keys are read once in a sync, their hashes
//! are kept, and later loads read no more of the file than the row groups with a row that may be meant.

mod contending;
mod recalled;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::{StreamExt, TryStreamExt, stream};

use self::contending::Rivals;
use super::merging::Merging;
use super::parquet_file::ParquetFile;
use crate::delta::actions::DataFile;
use crate::delta::table::TableFile;
use crate::error::{Error, Result, ResultExt};
use crate::merge::captured::Captured;
use crate::merge::contest::{BUCKETS, Contest, keys_of, parts};
use crate::merge::known::{Hashes, Known};
use crate::merge::lost::RowSet;
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

/// A file of a load or of a table, and its rows that have to go.
pub struct Judged {
    /// The file.
    pub file: ParquetFile,
    /// Its rows that have to go.
    pub lost: RowSet,
}

/// What became of the files of a load and of its table.
pub struct Decision {
    /// The rows of each staged file that are not loaded, in the order of the files.
    pub staged: Vec<RowSet>,
    /// The files of the table with rows that go, by their paths in the log.
    pub table: Vec<(String, Judged)>,
    /// How many rows the table had beside one of each key, among those that contended.
    pub versions: u64,
}

impl Newest {
    /// For a stream whose rows are staged with the columns `files`, and compared by the values at `places`.
    pub fn new((storage, merging): (&Storage, &Merging), places: Arc<Places>, files: Arc<TableSchema>) -> Result<Self> {
        let captured = Arc::new(Captured::new(&places, &files, merging.secret())?);
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
        let contest = Arc::new(Mutex::new(Contest::new(memory / 2)));
        let recalled = if all { None } else { self.recall(staging, staged).await? };
        if recalled.is_none() {
            self.read_staged((staging, staged), &contest).await?;
        }
        let first = u32::try_from(staged.len()).map_err(|_| Error::system("A load has too many files."))?;
        let mut judged: Vec<Option<ParquetFile>> = std::iter::repeat_with(|| None).take(table.len()).collect();
        let rows = staged.iter().map(|file| file.stats.rows).sum();
        let most = (memory as u64 / FILTER_SHARE / FILTERED).max(1);
        let parts = if all { std::iter::once(0..BUCKETS).collect() } else { parts(rows, most) };
        for part in parts {
            if table.is_empty() && recalled.is_none() {
                break;
            }
            let (filter, again) = match &recalled {
                Some(recalled) => self.survey(recalled, part.clone(), keys_of(rows, &part)).await?,
                None => {
                    let (contest, part) = (Arc::clone(&contest), part.clone());
                    (self.merging.compute(move || lock(&contest).filter(part, &[])).await?, None)
                }
            };
            let filter = Arc::new(filter);
            let rivals = if all { Rivals::AllWithKeys(filter) } else { Rivals::Of(filter, part.clone()) };
            let rivals = Arc::new(rivals);
            let looks = (first..).zip(table).map(|(number, file)| {
                let (rivals, contest) = (Arc::clone(&rivals), Arc::clone(&contest));
                async move {
                    let opened = self.look(folder, file, number, rivals, &contest).await;
                    Ok::<_, Error>((number, opened.context(|| self.storage.shown(folder))?))
                }
            });
            let looks = stream::iter(looks.collect::<Vec<_>>()).buffer_unordered(self.merging.workers());
            let opened: Vec<_> = looks.try_collect().await?;
            for (number, opened) in opened {
                if let (Some(place), Some(opened)) = (judged.get_mut((number - first) as usize), opened) {
                    *place = Some(opened);
                }
            }
            drop(rivals);
            if let Some(recalled) = &recalled {
                self.contend_again(recalled, part, again, &contest).await?;
            }
        }
        let finished = move || {
            let contest = std::mem::replace(&mut *lock(&contest), Contest::new(0));
            contest.finish()
        };
        let mut lost = self.merging.compute(finished).await?;
        let versions = lost.versions();
        let staged = (0..first).map(|number| lost.take(number)).collect();
        let mut changed = Vec::new();
        for ((number, file), opened) in (first..).zip(table).zip(judged) {
            let mut lost = lost.take(number);
            if let Some(opened) = opened.filter(|_| !lost.is_empty()) {
                file.deleted.iter().for_each(|row| lost.insert(*row));
                changed.push((file.path.clone(), Judged { file: opened, lost }));
            }
        }
        Ok(Decision { staged, table: changed, versions })
    }

    /// Remembers what the file `from`, of which the rows `lost` are left out, has in the table as `to`.
    pub async fn remember(&self, from: &str, to: &str, lost: &RowSet) -> Result<()> {
        let Some(groups) = lock(&self.known).groups(from).map(<[Hashes]>::to_vec) else { return Ok(()) };
        if lost.is_empty() {
            lock(&self.known).insert(to.to_owned(), groups.into_iter().map(Some).collect());
            return Ok(());
        }
        let (known, lost, to) = (Arc::clone(&self.known), lost.clone(), to.to_owned());
        let copied = move || {
            let (mut row, mut copied, reader) = (0, Vec::with_capacity(groups.len()), lock(&known).reader());
            for group in groups {
                let mut hashes = reader.read(group)?;
                hashes.retain(|_| {
                    row += 1;
                    !lost.contains(row - 1)
                });
                // A row group of which nothing is left is not in the file.
                if !hashes.is_empty() {
                    copied.push(lock(&known).keep(&hashes));
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
}

/// The value in `mutex`.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
