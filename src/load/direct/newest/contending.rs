//! Lets rows of files contend for their keys: all of them, or those that may have a key of a load.

use std::ops::Range;
use std::sync::{Arc, Mutex};

use futures::{StreamExt, TryStreamExt, stream};

use super::super::parquet_file::ParquetFile;
use super::{Newest, lock};
use crate::delta::table::{TableFile, name_of};
use crate::error::{Error, Result};
use crate::merge::contest::{Contender, Contest, filtered, is_in};
use crate::merge::filter::Filter;
use crate::merge::known::Hashes;
use crate::merge::rows::{Parts, RowColumns, RowReader, Slice};

/// What a file's rows are compared with.
pub enum Rivals {
    /// All of them contend: those of the load.
    All,
    /// All that lack no part of their key, or may have a key of the filter: those of a table that may have several rows of one key.
    AllWithKeys(Arc<Filter>),
    /// Those contend that may have a key of the filter, which is one of these buckets.
    Of(Arc<Filter>, Range<usize>),
}

impl Newest {
    /// Lets the rows of a file of the table contend that may have a key of `rivals`. `None` if it has none.
    pub(super) async fn look(
        &self,
        folder: &str,
        file: &TableFile,
        number: u32,
        rivals: Arc<Rivals>,
        contest: &Arc<Mutex<Contest>>,
    ) -> Result<Option<ParquetFile>> {
        let path = format!("{folder}/{}", name_of(&file.path, &self.storage.shown(folder))?);
        let groups = lock(&self.known).groups(&path).map(<[Hashes]>::to_vec);
        let wanted: Option<Vec<usize>> = match (groups, &*rivals) {
            (Some(groups), Rivals::Of(filter, part)) => {
                let (known, filter, part) = (Arc::clone(&self.known), Arc::clone(filter), part.clone());
                let hits = move || {
                    let (mut hits, reader) = (Vec::new(), lock(&known).reader());
                    for (number, group) in groups.into_iter().enumerate() {
                        let hashes = reader.read(group)?;
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
                self.read_groups(&opened, rows, wanted, Parts::All, rivals, contest).await.map(drop)?;
            }
            None => self.read(&opened, (number, &file.deleted), rivals, contest).await?,
        };
        Ok(Some(opened))
    }

    /// Reads all rows of a file, and keeps the hashes of their keys.
    pub(super) async fn read(
        &self,
        file: &ParquetFile,
        (number, deleted): (u32, &[u64]),
        rivals: Arc<Rivals>,
        contest: &Arc<Mutex<Contest>>,
    ) -> Result<()> {
        let all: Vec<usize> = (0..file.metadata().num_row_groups()).collect();
        // Where only few rows contend, columns of keys are read first, and the others where they are needed.
        let keys_first = matches!(*rivals, Rivals::Of(..)) && self.places.key.iter().all(|place| place.json.is_empty());
        let parts = if keys_first { Parts::Hashes } else { Parts::All };
        let read = self.read_groups(file, (number, deleted), all, parts, Arc::clone(&rivals), contest).await?;
        let hits = read.iter().filter(|(_, _, is_hit)| *is_hit).map(|(group, _, _)| *group).collect();
        let kept = read.into_iter().map(|(_, kept, _)| kept).collect();
        lock(&self.known).insert(file.path().to_owned(), kept);
        if keys_first {
            self.read_groups(file, (number, deleted), hits, Parts::All, rivals, contest).await?;
        }
        Ok(())
    }

    /// Reads row groups; returns of each where its hashes are kept, and whether one of its rows contends.
    async fn read_groups(
        &self,
        file: &ParquetFile,
        (number, deleted): (u32, &[u64]),
        groups: Vec<usize>,
        parts: Parts,
        rivals: Arc<Rivals>,
        contest: &Arc<Mutex<Contest>>,
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
                                is_hit |= rows.contend(&rivals, (parts == Parts::All).then_some(&*contest))?;
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
pub struct Rows<'a> {
    pub slice: &'a Slice,
    /// The number of their file.
    pub file: u32,
    /// The number of the first of them in the file.
    pub first: u64,
    /// Rows of the file that count as none.
    pub deleted: &'a [u64],
}

impl Rows<'_> {
    /// Lets those contend that are asked for by `rivals`, if there is a `contest`; whether there are any.
    pub fn contend(&self, rivals: &Rivals, contest: Option<&Mutex<Contest>>) -> Result<bool> {
        let is_staged = matches!(rivals, Rivals::All);
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
