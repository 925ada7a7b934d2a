//! Decides which rows of a load and of its table are not the newest of their keys.
//!
//! All staged rows contend for their keys. Of the table, only rows that may have one of these keys do: each file's keys are read once
//! in a sync, their hashes are kept, and later loads read no more of the file than the row groups with a row that may be meant.

use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::{StreamExt, TryStreamExt, stream};
use percent_encoding::percent_decode_str;

use super::merging::Merging;
use super::parquet_file::ParquetFile;
use crate::delta::actions::DataFile;
use crate::delta::table::TableFile;
use crate::error::{Error, Result, ResultExt};
use crate::merge::captured::Captured;
use crate::merge::contest::{BUCKETS, Contender, Contest, filtered, is_in};
use crate::merge::filter::Filter;
use crate::merge::known::{Hashes, Known};
use crate::merge::lost::RowSet;
use crate::merge::rows::{Parts, RowColumns, RowReader, Slice};
use crate::schema::columns::TableSchema;
use crate::schema::dedup::Places;
use crate::stage::staged::Watcher;
use crate::storage::Storage;

/// Bytes that a key takes in a filter, about.
const FILTERED: u64 = 6;

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

/// What a file's rows are compared with.
enum Rivals {
    /// All of them contend: those of the load.
    All,
    /// All that lack no part of their key, or may have a key of the filter: those of a table that may have several rows of one key.
    AllWithKeys(Arc<Filter>),
    /// Those contend that may have a key of the filter, which is one of these buckets.
    Of(Arc<Filter>, Range<usize>),
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
        let reads = (0_u32..).zip(staged).map(|(number, file)| {
            let contest = Arc::clone(&contest);
            async move {
                let path = format!("{staging}/{}", file.name);
                if self.recall(file, &path, number, &contest).await? {
                    return Ok(());
                }
                let opened = ParquetFile::open(&self.storage, path, file.size).await?;
                let read = self.read(&opened, (number, &[]), Arc::new(Rivals::All), &contest, true).await;
                read.context(|| self.storage.shown(opened.path()))?;
                Ok::<_, Error>(())
            }
        });
        let reads = stream::iter(reads.collect::<Vec<_>>()).buffer_unordered(self.merging.workers());
        reads.try_collect::<()>().await?;
        let first = u32::try_from(staged.len()).map_err(|_| Error::system("A load has too many files."))?;
        let mut judged: Vec<Option<ParquetFile>> = std::iter::repeat_with(|| None).take(table.len()).collect();
        let parts = lock(&contest).parts((memory as u64 / 4 / FILTERED).max(1));
        let parts = if all { std::iter::once(0..BUCKETS).collect() } else { parts };
        for part in parts {
            if table.is_empty() {
                break;
            }
            let rivals = {
                let (contest, part) = (Arc::clone(&contest), part.clone());
                let made = move || {
                    let filter = Arc::new(lock(&contest).filter(part.clone())?);
                    Ok(if all { Rivals::AllWithKeys(filter) } else { Rivals::Of(filter, part) })
                };
                Arc::new(self.merging.compute(made).await?)
            };
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
            let (mut row, mut copied) = (0, Vec::with_capacity(groups.len()));
            for group in groups {
                let mut hashes = lock(&known).read(group)?;
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

    /// Lets the rows of a staged file contend whose keys were kept when they were encoded; `false` where they were not.
    async fn recall(&self, file: &DataFile, path: &str, number: u32, contest: &Arc<Mutex<Contest>>) -> Result<bool> {
        let Some(blocks) = self.captured.blocks(&file.stats.ids, file.stats.rows) else { return Ok(false) };
        let (captured, known, contest) = (Arc::clone(&self.captured), Arc::clone(&self.known), Arc::clone(contest));
        let recalled = move || {
            let (mut first, mut kept) = (0, Vec::with_capacity(blocks.len()));
            for block in blocks {
                let slice = captured.read(&block)?;
                let hashes: Vec<u64> = slice.hashes.iter().map(|hash| filtered(*hash)).collect();
                Rows { slice: &slice, file: number, first, deleted: &[] }.contend(
                    &Rivals::All,
                    Some(&contest),
                    true,
                )?;
                first += hashes.len() as u64;
                kept.push(lock(&known).keep(&hashes));
            }
            Ok(kept)
        };
        let kept = self.merging.compute(recalled).await?;
        lock(&self.known).insert(path.to_owned(), kept);
        Ok(true)
    }

    /// Lets the rows of a file of the table contend that may have a key of `rivals`. `None` if it has none.
    async fn look(
        &self,
        folder: &str,
        file: &TableFile,
        number: u32,
        rivals: Arc<Rivals>,
        contest: &Arc<Mutex<Contest>>,
    ) -> Result<Option<ParquetFile>> {
        let path = format!("{folder}/{}", name_of(&file.path)?);
        let groups = lock(&self.known).groups(&path).map(<[Hashes]>::to_vec);
        let wanted: Option<Vec<usize>> = match (groups, &*rivals) {
            (Some(groups), Rivals::Of(filter, part)) => {
                let (known, filter, part) = (Arc::clone(&self.known), Arc::clone(filter), part.clone());
                let hits = move || {
                    let mut hits = Vec::new();
                    for (number, group) in groups.into_iter().enumerate() {
                        let hashes = lock(&known).read(group)?;
                        if hashes.iter().any(|hash| is_in(&part, *hash) && filter.may_have(*hash)) {
                            hits.push(number);
                        }
                    }
                    Ok(hits)
                };
                Some(self.merging.compute(hits).await?)
            }
            _ => None,
        };
        if wanted.as_ref().is_some_and(Vec::is_empty) {
            return Ok(None);
        }
        let opened = ParquetFile::open(&self.storage, path, file.size).await?;
        match wanted {
            Some(wanted) => {
                let rows = (number, &file.deleted[..]);
                self.read_groups(&opened, rows, wanted, Parts::All, rivals, contest, false).await.map(drop)?;
            }
            None => self.read(&opened, (number, &file.deleted), rivals, contest, false).await?,
        };
        Ok(Some(opened))
    }

    /// Reads all rows of a file, and keeps the hashes of their keys.
    async fn read(
        &self,
        file: &ParquetFile,
        (number, deleted): (u32, &[u64]),
        rivals: Arc<Rivals>,
        contest: &Arc<Mutex<Contest>>,
        is_staged: bool,
    ) -> Result<()> {
        let all: Vec<usize> = (0..file.metadata().num_row_groups()).collect();
        // Where only few rows contend, columns of keys are read first, and the others where they are needed.
        let keys_first = matches!(*rivals, Rivals::Of(..)) && self.places.key.iter().all(|place| place.json.is_empty());
        let parts = if keys_first { Parts::Hashes } else { Parts::All };
        let read =
            self.read_groups(file, (number, deleted), all, parts, Arc::clone(&rivals), contest, is_staged).await?;
        let hits = read.iter().filter(|(_, _, is_hit)| *is_hit).map(|(group, _, _)| *group).collect();
        let kept = read.into_iter().map(|(_, kept, _)| kept).collect();
        lock(&self.known).insert(file.path().to_owned(), kept);
        if keys_first {
            self.read_groups(file, (number, deleted), hits, Parts::All, rivals, contest, is_staged).await?;
        }
        Ok(())
    }

    /// Reads row groups; returns of each where its hashes are kept, and whether one of its rows contends.
    #[allow(clippy::too_many_arguments)]
    async fn read_groups(
        &self,
        file: &ParquetFile,
        (number, deleted): (u32, &[u64]),
        groups: Vec<usize>,
        parts: Parts,
        rivals: Arc<Rivals>,
        contest: &Arc<Mutex<Contest>>,
        is_staged: bool,
    ) -> Result<Vec<(usize, Option<Hashes>, bool)>> {
        let columns = RowColumns { id: &self.files.id().name, emitted_at: &self.files.emitted_at().name };
        let schema = file.metadata().file_metadata().schema_descr();
        let reader = Arc::new(RowReader::new(parts, &self.places, columns, schema, self.merging.secret())?);
        let (leaves, firsts): (_, Vec<u64>) = (reader.leaves(), file.groups().map(|(first, _)| first).collect());
        let deleted: Arc<[u64]> = deleted.into();
        let read = groups.into_iter().map(|group| {
            let (reader, rivals, deleted) = (Arc::clone(&reader), Arc::clone(&rivals), Arc::clone(&deleted));
            let (contest, known, metadata) =
                (Arc::clone(contest), Arc::clone(&self.known), Arc::clone(file.metadata()));
            let (leaves, first) = (&leaves, firsts.get(group).copied().unwrap_or(0));
            async move {
                let chunks = file.columns(group, leaves).await?;
                self.merging
                    .compute(move || {
                        let metadata = metadata.row_groups().get(group);
                        let metadata = metadata.ok_or_else(|| Error::system("A row group is not there."))?;
                        let (mut hashes, mut is_hit) = (Vec::new(), false);
                        reader.read(
                            metadata,
                            chunks,
                            |hash, lacks| rivals.have(hash, lacks),
                            |at, slice| {
                                hashes.extend(slice.hashes.iter().map(|hash| filtered(*hash)));
                                let rows = Rows { slice, file: number, first: first + at as u64, deleted: &deleted };
                                is_hit |=
                                    rows.contend(&rivals, (parts == Parts::All).then_some(&*contest), is_staged)?;
                                Ok(())
                            },
                        )?;
                        let kept = lock(&known).keep(&hashes);
                        Ok((group, kept, is_hit))
                    })
                    .await
            }
        });
        stream::iter(read.collect::<Vec<_>>()).buffered(self.merging.workers()).try_collect().await
    }
}

impl Rivals {
    /// Whether a row with this hash, which `lacks` a part of its key or not, contends.
    #[inline]
    fn have(&self, hash: u128, lacks: bool) -> bool {
        match self {
            Self::All => true,
            Self::AllWithKeys(filter) => !lacks || filter.may_have(filtered(hash)),
            Self::Of(filter, part) => is_in(part, filtered(hash)) && filter.may_have(filtered(hash)),
        }
    }
}

/// Some rows of a file.
struct Rows<'a> {
    slice: &'a Slice,
    file: u32,
    /// The number of the first of them in the file.
    first: u64,
    deleted: &'a [u64],
}

impl Rows<'_> {
    /// Lets those contend that are asked for by `rivals`, if there is a `contest`; whether there are any.
    fn contend(&self, rivals: &Rivals, contest: Option<&Mutex<Contest>>, is_staged: bool) -> Result<bool> {
        let mut contest = contest.map(lock);
        let mut is_hit = false;
        for (at, hash) in self.slice.hashes.iter().enumerate() {
            let row = self.first + at as u64;
            // Who does not contend has no place in the order.
            let is_rival = if contest.is_some() { !self.slice.order(at).is_empty() } else { rivals.have(*hash, false) };
            if !is_rival || self.deleted.binary_search(&row).is_ok() {
                continue;
            }
            is_hit = true;
            let Some(contest) = &mut contest else { return Ok(true) };
            let row =
                u32::try_from(row).map_err(|_| Error::config("A Parquet file has more than 4,294,967,295 rows."))?;
            let deletes = is_staged && self.slice.deletes.get(at) == Some(&true);
            let (order, is_of_table) = (self.slice.order(at), !is_staged);
            contest.add(Contender { hash: *hash, order, file: self.file, row, deletes, is_of_table });
        }
        Ok(is_hit)
    }
}

/// The name of a file in its table's folder, by its path in the log.
fn name_of(path: &str) -> Result<String> {
    let is_elsewhere = path.contains("://") || path.starts_with('/') || path.split('/').any(|part| part == "..");
    let decoded = percent_decode_str(path).decode_utf8().ok().filter(|_| !is_elsewhere);
    decoded.map(std::borrow::Cow::into_owned).ok_or_else(|| {
        Error::config(
            "The table has files outside of its folder (it is a shallow clone), whose rows this version cannot replace by their \
             primary key. Load it through Databricks, or make a deep clone of it.",
        )
    })
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
