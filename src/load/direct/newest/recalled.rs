//! Rows of a load whose keys were kept when they were encoded: only those contend whose keys other rows have, too.

use std::ops::Range;
use std::sync::{Arc, Mutex};

use futures::{StreamExt, TryStreamExt, stream};

use super::contending::{Reading, number_of};
use super::entrant::{Entrant, Sought};
use super::{Newest, lock};
use crate::delta::actions::DataFile;
use crate::error::{Result, ResultExt};
use crate::merge::captured::Block;
use crate::merge::contest::{Contender, Contest, is_in};
use crate::merge::filter::Filter;
use crate::merge::lost::RowSet;
use crate::merge::shared::Shared;

/// Rows beyond its share that a part of a load may have: parts are not all of one size.
const MARGIN: u64 = 1000;

/// The files of a load.
pub type Recalled = Arc<Vec<RecalledFile>>;

/// Where the keys of the rows of a file of a load are kept.
pub struct RecalledFile {
    number: u32,
    blocks: Vec<Block>,
    /// The rows that contend.
    marked: Mutex<RowSet>,
}

impl Newest {
    /// Where the keys of all rows of `staged`, files in the folder `staging`, are kept; `None` if some are not.
    pub(super) fn recall(&self, staging: &str, staged: &[DataFile]) -> Result<Option<Recalled>> {
        let blocks = |file: &DataFile| self.captured.blocks(&file.stats.ids, file.stats.rows);
        let Some(blocks) = staged.iter().map(blocks).collect::<Option<Vec<_>>>() else { return Ok(None) };
        let mut known = lock(&self.known);
        for (file, blocks) in staged.iter().zip(&blocks) {
            let kept = blocks.iter().map(|block| Some(Arc::clone(block.hashes()))).collect();
            known.insert(format!("{staging}/{}", file.name), kept);
        }
        let file = |(number, blocks)| RecalledFile { number, blocks, marked: Mutex::default() };
        Ok(Some(Arc::new((0..).zip(blocks).map(file).collect())))
    }

    /// The keys of the load in the buckets `part`, of which there are at most about `keys`.
    pub(super) async fn survey(&self, load: &Recalled, part: Range<usize>, keys: u64) -> Result<Sought> {
        let load = Arc::clone(load);
        let survey = move || {
            // As many as take a part of the memory that the filter takes.
            let most = usize::try_from(keys / 4).unwrap_or(usize::MAX).max(1);
            let mut shared = Shared::with_room(keys + MARGIN, most);
            for block in load.iter().flat_map(|file| &file.blocks) {
                let hashes = block.hashes().read()?;
                hashes.into_iter().filter(|hash| is_in(&part, *hash)).for_each(|hash| shared.add(hash));
            }
            let (all, again) = shared.end();
            let met = again.map(|again| {
                let mut met = Filter::with_room(keys + MARGIN);
                again.into_iter().for_each(|hash| _ = met.insert(hash));
                met
            });
            Ok(Sought::new(all, part, met))
        };
        self.merging.compute(survey).await
    }

    /// The keys of all rows that contend already, in the buckets `part`.
    pub(super) async fn sought_of(&self, contest: &Arc<Mutex<Contest>>, part: Range<usize>) -> Result<Sought> {
        let contest = Arc::clone(contest);
        let sought = move || Ok(Sought::new(lock(&contest).filter(part.clone())?, part, None));
        self.merging.compute(sought).await
    }

    /// Marks the rows of the load that have a key that was sought and several rows have.
    pub(super) async fn mark(&self, load: &Recalled, sought: Arc<Sought>) -> Result<()> {
        let (part, met) = sought.met();
        drop(sought);
        let met = Arc::new(met);
        let marks = (0..load.len()).map(|at| {
            let (load, part, met) = (Arc::clone(load), part.clone(), Arc::clone(&met));
            let mark = move || {
                let Some(file) = load.get(at) else { return Ok(()) };
                let mut row = 0;
                for block in &file.blocks {
                    let (hashes, mut marked) = (block.hashes().read()?, lock(&file.marked));
                    for hash in hashes {
                        if is_in(&part, hash) && met.as_ref().as_ref().is_none_or(|met| met.may_have(hash)) {
                            marked.insert(row);
                        }
                        row += 1;
                    }
                }
                Ok(())
            };
            self.merging.compute(mark)
        });
        let marks = stream::iter(marks.collect::<Vec<_>>()).buffer_unordered(self.merging.workers());
        marks.try_collect::<()>().await
    }

    /// Lets the marked rows of the load contend, and those that delete their keys.
    pub(super) async fn contend_of_load(&self, load: Recalled, contest: &Arc<Mutex<Contest>>) -> Result<()> {
        let contends = (0..load.len()).map(|at| {
            let (load, contest) = (Arc::clone(&load), Arc::clone(contest));
            let contend = move || load.get(at).map_or(Ok(()), |file| file.contend(&contest));
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
                let Some(blocks) = self.captured.blocks(&file.stats.ids, file.stats.rows) else {
                    let shown = self.storage.shown(&path);
                    let entrant = Arc::new(Entrant::staged(path, file.size, number));
                    return self.read(entrant, Reading::Staged, &contest).await.context(|| shown);
                };
                let kept = blocks.iter().map(|block| Some(Arc::clone(block.hashes()))).collect();
                lock(&self.known).insert(path, kept);
                let file = RecalledFile { number, blocks, marked: Mutex::default() };
                let contend = move || {
                    file.mark_all();
                    file.contend(&contest)
                };
                self.merging.compute(contend).await
            }
        });
        let reads = stream::iter(reads.collect::<Vec<_>>()).buffer_unordered(self.merging.workers());
        reads.try_collect::<()>().await
    }
}

impl RecalledFile {
    fn mark_all(&self) {
        let rows = self.blocks.iter().map(Block::rows).sum();
        let mut marked = lock(&self.marked);
        (0..rows).for_each(|row| marked.insert(row));
    }

    /// Lets the marked rows contend, and those that delete their keys.
    fn contend(&self, contest: &Mutex<Contest>) -> Result<()> {
        let (mut first, marked) = (0, std::mem::take(&mut *lock(&self.marked)));
        for block in &self.blocks {
            let rows = block.rows();
            if block.has_deletes() || marked.count_in(first, rows) > 0 {
                let (slice, mut contest) = (block.read()?, lock(contest));
                for (at, (row, hash)) in (first..).zip(&slice.hashes).enumerate() {
                    let deletes = slice.deletes.get(at) == Some(&true);
                    if deletes || marked.contains(row) {
                        let (order, file, row) = (slice.order(at), self.number, number_of(row)?);
                        contest.add(Contender { hash: *hash, order, file, row, deletes, is_of_table: false });
                    }
                }
            }
            first += rows;
        }
        Ok(())
    }
}
