//! Reads files: looks for the rows that may have a key of a load, and lets rows contend for their keys.

use std::sync::{Arc, Mutex};

use futures::{StreamExt, TryStreamExt, stream};

use super::super::parquet_file::ParquetFile;
use super::entrant::{Entrant, Sought};
use super::{Newest, lock};
use crate::error::{Error, Result};
use crate::merge::contest::{Contender, Contest, filtered};
use crate::merge::known::Hashes;
use crate::merge::lost::RowSet;
use crate::merge::rows::{Parts, RowColumns, RowReader, Slice};

/// Rows that are marked at a time.
const ROWS: usize = 8192;

/// What is done with the rows of a file.
#[derive(Clone)]
pub enum Reading {
    /// All of them contend: those of the load.
    Staged,
    /// Those contend that lack no part of their key: those of a table that may have several rows of one key.
    Whole,
    /// Those contend that may have a key that is sought.
    Sought(Arc<Sought>),
    /// Those are marked that may have a key that is sought.
    Keys(Arc<Sought>),
    /// These contend.
    Marked(Arc<RowSet>),
}

impl Newest {
    /// Marks the rows of a file of the table that may have a key that is sought, or lets them contend.
    pub(super) async fn look(
        &self,
        file: Arc<Entrant>,
        sought: &Arc<Sought>,
        contest: &Arc<Mutex<Contest>>,
    ) -> Result<()> {
        let (known, sought) = (lock(&self.known).groups(&file.path), Arc::clone(sought));
        if let Some(groups) = known {
            let marked = move || {
                let mut first = 0;
                for group in groups {
                    for hashes in group.read()?.chunks(ROWS) {
                        file.mark(&sought, first, hashes.iter().copied());
                        first += hashes.len() as u64;
                    }
                }
                Ok(())
            };
            return self.merging.compute(marked).await;
        }
        // To read keys out of JSON costs almost as much as to read all that is compared. Rows that lack a part of their key are known.
        let is_at_once = self.places.key.iter().any(|place| !place.json.is_empty()) && !file.has_lacking();
        let reading = if is_at_once { Reading::Sought(sought) } else { Reading::Keys(sought) };
        self.read(file, reading, contest).await
    }

    /// Lets the marked rows of a file of the table contend.
    pub(super) async fn contend(&self, file: Arc<Entrant>, contest: &Arc<Mutex<Contest>>) -> Result<()> {
        let marked = file.take_marked();
        if marked.is_empty() {
            return Ok(());
        }
        self.read(file, Reading::Marked(Arc::new(marked)), contest).await
    }

    /// Reads the rows of a file, and keeps the hashes of their keys where all are read.
    pub(super) async fn read(&self, file: Arc<Entrant>, reading: Reading, contest: &Arc<Mutex<Contest>>) -> Result<()> {
        let opened = ParquetFile::open(&self.storage, file.path.clone(), file.size).await?;
        let columns = RowColumns { id: &self.files.id().name, emitted_at: &self.files.emitted_at().name };
        let schema = opened.metadata().file_metadata().schema_descr();
        let reader = Arc::new(RowReader::new(reading.parts(), &self.places, columns, schema, self.merging.secret())?);
        let groups: Vec<(usize, u64)> = (opened.groups().enumerate())
            .filter(|(_, (first, group))| reading.needs(*first, u64::try_from(group.num_rows()).unwrap_or(0)))
            .map(|(number, (first, _))| (number, first))
            .collect();
        let read = groups.into_iter().map(|group| {
            let (reader, reading) = (Arc::clone(&reader), reading.clone());
            self.read_group((Arc::clone(&file), &opened), group, reader, reading, contest)
        });
        let read = stream::iter(read.collect::<Vec<_>>()).buffered(self.merging.workers());
        let kept: Vec<_> = read.try_collect().await?;
        if !matches!(reading, Reading::Marked(_)) {
            lock(&self.known).insert(file.path.clone(), kept);
        }
        Ok(())
    }

    /// Reads a row group, whose first row in the file is `first`; returns the hashes of its keys if they are kept.
    async fn read_group(
        &self,
        (file, opened): (Arc<Entrant>, &ParquetFile),
        (number, first): (usize, u64),
        reader: Arc<RowReader>,
        reading: Reading,
        contest: &Arc<Mutex<Contest>>,
    ) -> Result<Option<Arc<Hashes>>> {
        let lost = || Error::system("A row group is not there.");
        let group = opened.metadata().row_groups().get(number).ok_or_else(lost)?;
        let permit = self.merging.group(reader.memory(group)).await;
        let chunks = opened.columns(number, &reader.leaves()).await?;
        let (metadata, contest, scratch) =
            (Arc::clone(opened.metadata()), Arc::clone(contest), self.merging.scratch().clone());
        let read = move || {
            let _permit = permit;
            let group = metadata.row_groups().get(number).ok_or_else(lost)?;
            let (keeps, mut hashes) = (!matches!(reading, Reading::Marked(_)), Vec::new());
            reader.read(
                group,
                chunks,
                |row, hash, lacks| reading.lets_contend(first + row as u64, hash, lacks),
                |at, slice| {
                    if keeps {
                        hashes.extend(slice.hashes.iter().map(|hash| filtered(*hash)));
                    }
                    reading.take(&file, first + at as u64, slice, &contest)
                },
            )?;
            Ok(keeps.then(|| Hashes::keep(&scratch, &hashes)).flatten())
        };
        self.merging.compute(read).await
    }
}

impl Reading {
    fn parts(&self) -> Parts {
        if matches!(self, Self::Keys(_)) { Parts::Hashes } else { Parts::All }
    }

    /// Whether it needs some of the `rows` rows from `first` on.
    fn needs(&self, first: u64, rows: u64) -> bool {
        if let Self::Marked(marked) = self { marked.count_in(first, rows) > 0 } else { true }
    }

    /// Whether a row contends, with the number `row` in its file and this hash, which `lacks` a part of its key or not.
    #[inline]
    fn lets_contend(&self, row: u64, hash: u128, lacks: bool) -> bool {
        match self {
            Self::Staged => true,
            Self::Whole => !lacks,
            Self::Sought(sought) => sought.has(filtered(hash)),
            Self::Keys(_) => false,
            Self::Marked(marked) => marked.contains(row),
        }
    }

    /// Takes rows of `file`, from `first` on.
    fn take(&self, file: &Entrant, first: u64, slice: &Slice, contest: &Mutex<Contest>) -> Result<()> {
        // Who does not contend has no place in the order.
        let rows = || (first..).zip(&slice.hashes).enumerate().filter(|(_, (row, _))| !file.is_deleted(*row));
        let contends = |at: usize| !slice.order(at).is_empty();
        match self {
            Self::Keys(sought) => {
                file.mark(sought, first, slice.hashes.iter().map(|hash| filtered(*hash)));
                return Ok(());
            }
            Self::Sought(sought) => {
                sought.meet(rows().filter(|(at, _)| contends(*at)).map(|(_, (_, hash))| filtered(*hash)));
            }
            Self::Whole => file.lack(rows().filter(|(at, _)| !contends(*at)).map(|(_, (row, _))| row)),
            Self::Staged | Self::Marked(_) => {}
        }
        let (is_of_table, mut contest) = (!matches!(self, Self::Staged), lock(contest));
        for (at, (row, hash)) in rows().filter(|(at, _)| contends(*at)) {
            let deletes = !is_of_table && slice.deletes.get(at) == Some(&true);
            contest.add(Contender {
                hash: *hash,
                order: slice.order(at),
                file: file.number,
                row: number_of(row)?,
                deletes,
                is_of_table,
            });
        }
        Ok(())
    }
}

/// The number of a row in its file, as it contends.
pub fn number_of(row: u64) -> Result<u32> {
    u32::try_from(row).map_err(|_| Error::config("A Parquet file has more than 4,294,967,295 rows."))
}
