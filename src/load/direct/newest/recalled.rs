//! Rows of a load whose keys were kept when they were encoded: only those contend whose keys other rows have, too.

use std::ops::Range;
use std::sync::{Arc, Mutex};

use futures::{StreamExt, TryStreamExt, stream};

use super::super::parquet_file::ParquetFile;
use super::contending::{Rivals, Rows};
use super::{Newest, lock};
use crate::delta::actions::DataFile;
use crate::error::{Error, Result, ResultExt};
use crate::merge::captured::Block;
use crate::merge::contest::{Contender, Contest, filtered, is_in};
use crate::merge::filter::Filter;
use crate::merge::shared::Shared;

/// Rows beyond its share that a part of a load may have: parts are not all of one size.
const MARGIN: u64 = 1000;

/// Where the keys of the rows of each file of a load are kept.
pub type Recalled = Arc<Vec<(u32, Vec<Block>)>>;

impl Newest {
    /// Where the keys of all rows of `staged`, files in the folder `staging`, are kept; `None` if some are not.
    pub(super) async fn recall(&self, staging: &str, staged: &[DataFile]) -> Result<Option<Recalled>> {
        let blocks = |file: &DataFile| self.captured.blocks(&file.stats.ids, file.stats.rows);
        let Some(blocks) = staged.iter().map(blocks).collect::<Option<Vec<_>>>() else { return Ok(None) };
        for (file, blocks) in staged.iter().zip(&blocks) {
            let (captured, known, blocks) = (Arc::clone(&self.captured), Arc::clone(&self.known), blocks.clone());
            let keep = move || {
                let keep = |block| Ok(lock(&known).keep(&captured.filtered(block)?));
                blocks.iter().map(keep).collect::<Result<Vec<_>>>()
            };
            let kept = self.merging.compute(keep).await?;
            lock(&self.known).insert(format!("{staging}/{}", file.name), kept);
        }
        Ok(Some(Arc::new((0..).zip(blocks).collect())))
    }

    /// The keys of the load in the buckets `part`, of which there are at most about `keys`, and those that come more than once there;
    /// `None` where these are too many.
    pub(super) async fn survey(
        &self,
        load: &Recalled,
        part: Range<usize>,
        keys: u64,
    ) -> Result<(Filter, Option<Vec<u64>>)> {
        let (captured, load) = (Arc::clone(&self.captured), Arc::clone(load));
        let survey = move || {
            // As many as take a part of the memory that the filter takes.
            let most = usize::try_from(keys / 4).unwrap_or(usize::MAX).max(1);
            let mut shared = Shared::with_room(keys + MARGIN, most);
            for block in load.iter().flat_map(|(_, blocks)| blocks) {
                let hashes = captured.filtered(block)?;
                hashes.into_iter().filter(|hash| is_in(&part, *hash)).for_each(|hash| shared.add(hash));
            }
            Ok(shared.end())
        };
        self.merging.compute(survey).await
    }

    /// Lets the rows of the load in the buckets `part` contend that delete their keys, or whose keys are among `again` or those of the rows
    /// that contend already; without `again`, all rows of that part.
    pub(super) async fn contend_again(
        &self,
        load: &Recalled,
        part: Range<usize>,
        again: Option<Vec<u64>>,
        contest: &Arc<Mutex<Contest>>,
    ) -> Result<()> {
        let filter = match again {
            Some(again) => {
                let (contest, part) = (Arc::clone(contest), part.clone());
                Some(self.merging.compute(move || lock(&contest).filter(part, &again)).await?)
            }
            None => None,
        };
        let filter = Arc::new(filter);
        let contends = load.iter().map(|(number, blocks)| {
            let (captured, contest, filter) = (Arc::clone(&self.captured), Arc::clone(contest), Arc::clone(&filter));
            let (number, blocks, part) = (*number, blocks.clone(), part.clone());
            let contend = move || {
                let is_wanted =
                    |hash| is_in(&part, hash) && filter.as_ref().as_ref().is_none_or(|filter| filter.may_have(hash));
                let mut first = 0_usize;
                for block in &blocks {
                    let hashes = captured.filtered(block)?;
                    if block.has_deletes() || hashes.iter().any(|hash| is_wanted(*hash)) {
                        let (slice, mut contest) = (captured.read(block)?, lock(&contest));
                        for (at, hash) in slice.hashes.iter().enumerate() {
                            let deletes = slice.deletes.get(at) == Some(&true);
                            let contends = is_wanted(filtered(*hash)) || deletes && is_in(&part, filtered(*hash));
                            if !contends {
                                continue;
                            }
                            let row = u32::try_from(first + at)
                                .map_err(|_| Error::config("A Parquet file has more than 4,294,967,295 rows."))?;
                            contest.add(Contender {
                                hash: *hash,
                                order: slice.order(at),
                                file: number,
                                row,
                                deletes,
                                is_of_table: false,
                            });
                        }
                    }
                    first += hashes.len();
                }
                Ok(())
            };
            self.merging.compute(contend)
        });
        let contends = stream::iter(contends.collect::<Vec<_>>()).buffer_unordered(self.merging.workers());
        contends.try_collect::<()>().await
    }

    /// Lets all rows of `staged`, files in the folder `staging`, contend.
    pub(super) async fn read_staged(
        &self,
        (staging, staged): (&str, &[DataFile]),
        contest: &Arc<Mutex<Contest>>,
    ) -> Result<()> {
        let reads = (0_u32..).zip(staged).map(|(number, file)| {
            let contest = Arc::clone(contest);
            async move {
                let path = format!("{staging}/{}", file.name);
                if self.recall_all(file, &path, number, &contest).await? {
                    return Ok(());
                }
                let opened = ParquetFile::open(&self.storage, path, file.size).await?;
                let read = self.read(&opened, (number, &[]), Arc::new(Rivals::All), &contest).await;
                read.context(|| self.storage.shown(opened.path()))?;
                Ok::<_, Error>(())
            }
        });
        let reads = stream::iter(reads.collect::<Vec<_>>()).buffer_unordered(self.merging.workers());
        reads.try_collect::<()>().await
    }

    /// Lets the rows of a staged file contend whose keys were kept when they were encoded; `false` where they were not.
    async fn recall_all(
        &self,
        file: &DataFile,
        path: &str,
        number: u32,
        contest: &Arc<Mutex<Contest>>,
    ) -> Result<bool> {
        let Some(blocks) = self.captured.blocks(&file.stats.ids, file.stats.rows) else { return Ok(false) };
        let (captured, known, contest) = (Arc::clone(&self.captured), Arc::clone(&self.known), Arc::clone(contest));
        let recalled = move || {
            let (mut first, mut kept) = (0, Vec::with_capacity(blocks.len()));
            for block in blocks {
                let slice = captured.read(&block)?;
                let rows = Rows { slice: &slice, file: number, first, deleted: &[] };
                rows.contend(&Rivals::All, Some(&contest))?;
                first += slice.hashes.len() as u64;
                let hashes: Vec<u64> = slice.hashes.iter().map(|hash| filtered(*hash)).collect();
                kept.push(lock(&known).keep(&hashes));
            }
            Ok(kept)
        };
        let kept = self.merging.compute(recalled).await?;
        lock(&self.known).insert(path.to_owned(), kept);
        Ok(true)
    }
}
