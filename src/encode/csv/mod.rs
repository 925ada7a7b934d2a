//! Rows to CSV, for engines that read staged files as text: a header, then one record a row, as RFC 4180 has them.
//!
//! Every value is in quotes, quotes in it are doubled, and all other characters stay as they are, line breaks among them; records end
//! with a line feed. NULL is a value of which nothing is written, not even quotes: so it differs from the empty text. What the
//! values look like is in `values`; `load::sql` has the statements that read them back.
//!
//! Blocks are compressed apart from each other, on the threads that make them: a file is then several gzip members, which readers
//! take for one (RFC 1952, section 2.2).

mod gzip;
mod quoting;
mod texts;
mod values;

use arrow_array::ArrayRef;

use self::gzip::Gzip;
use self::values::Values;
use super::columns::{Built, Guarded, Plan, build};
use super::encoder::Encoded;
use super::ids::{ID_LENGTH, IdRange};
use super::rows::{self, Rows};
use crate::error::{Error, Result};
use crate::schema::columns::{Column, Source, TableSchema};
use crate::schema::stats::RowStats;

/// Bytes of text after which a file is ended: a reader takes a file with line breaks in its values as one piece, on one core.
const FILE_TEXT: usize = 64 << 20;
/// Bytes of text that are compressed at once.
const PIECE: usize = 256 << 10;

/// Turns blocks of rows into records.
pub struct CsvEncoder {
    header: Vec<u8>,
    schema: TableSchema,
    /// Makes typed values, where there are some.
    plan: Option<Plan>,
    gzip: bool,
}

/// An encoded block: the text of its records, compressed or not.
pub struct CsvBlock {
    bytes: Vec<u8>,
    /// Bytes of text.
    length: usize,
    stats: RowStats,
}

/// A file in the making.
pub struct CsvFile {
    /// Until it is written.
    header: Option<Vec<u8>>,
    length: usize,
    stats: Option<RowStats>,
}

/// Where the values of a column come from.
enum Cells<'a> {
    Ids,
    Times,
    /// In milliseconds since the epoch.
    TimesAsTexts,
    Records,
    Values(Values<'a>),
}

/// Text that is collected.
struct Text {
    buffer: Vec<u8>,
    compressor: Option<Gzip>,
    /// Bytes that have left the buffer.
    compressed: usize,
}

impl CsvEncoder {
    /// An encoder for rows of `schema`, of the sync `sync_id`, with the properties `guarded`; with `gzip`, its files are compressed.
    pub fn new(schema: &TableSchema, gzip: bool, sync_id: i64, guarded: &[Guarded]) -> Result<Self> {
        let is_typed = schema.record().iter().any(|column| column.source != Source::Record);
        let plan = is_typed.then(|| Plan::new(schema, sync_id, guarded));
        let mut text = Text::new(header(schema), gzip);
        text.compress()?;
        let (header, _) = text.finish()?;
        Ok(Self { header, schema: schema.clone(), plan, gzip })
    }

    /// Encodes `rows`, which must not be empty, with the ids of `ids`, one for each row.
    pub fn encode(&self, rows: Rows, ids: IdRange) -> Result<Encoded<CsvBlock>> {
        let emitted_at = rows.emitted_at_span();
        let (Some(emitted_at), true) = (emitted_at, ids.count() == rows.len() as u64) else {
            return Err(Error::system("A block of rows and its ids do not have the same length."));
        };
        let stats = RowStats { rows: ids.count(), ids: ids.span(), emitted_at };
        let (texts, times) = rows.into_parts();
        let Built { arrays, changes } = match &self.plan {
            Some(plan) => build(plan, &texts)?,
            None => Built { arrays: Vec::new(), changes: Default::default() },
        };
        let cells = self.cells(&arrays, times.len())?;
        let capacity = if self.gzip { 2 * PIECE } else { texts.len() + texts.len() / 4 };
        let mut text = Text::new(Vec::with_capacity(capacity), self.gzip);
        let (mut json, mut written) = (Vec::new(), 0);
        let ids = ids.texts();
        let all = ids.chunks_exact(ID_LENGTH).zip(&times).zip(rows::texts(&texts));
        for (row, ((id, time), record)) in all.enumerate() {
            let out = &mut text.buffer;
            for (at, cell) in cells.iter().enumerate() {
                if at > 0 {
                    out.push(b',');
                }
                match cell {
                    Cells::Ids => quoting::quote(id, out),
                    Cells::Times => {
                        out.push(b'"');
                        texts::timestamp(*time, out);
                        out.extend_from_slice(b"Z\"");
                    }
                    Cells::TimesAsTexts => {
                        out.push(b'"');
                        texts::number(time.div_euclid(1000), out);
                        out.push(b'"');
                    }
                    Cells::Records => quoting::quote(record, out),
                    Cells::Values(values) => values.cell(row, &mut json, out),
                }
            }
            out.push(b'\n');
            written += 1;
            if self.gzip && text.buffer.len() >= PIECE {
                text.compress()?;
            }
        }
        if written != stats.rows {
            return Err(Error::system("A block of rows has another number of texts than of times."));
        }
        text.compress()?;
        let (bytes, length) = text.finish()?;
        Ok(Encoded { group: CsvBlock { bytes, length, stats }, spare: texts, changes })
    }

    /// Begins a file.
    pub fn begin_file(&self) -> CsvFile {
        CsvFile { header: Some(self.header.clone()), length: 0, stats: None }
    }

    fn cells<'a>(&self, arrays: &'a [ArrayRef], rows: usize) -> Result<Vec<Cells<'a>>> {
        let mut arrays = arrays.iter();
        let cell = |column: &Column| {
            let Column { source, kind, .. } = column;
            Ok(match source {
                Source::Id => Cells::Ids,
                Source::EmittedAt if column.is_time_as_text() => Cells::TimesAsTexts,
                Source::EmittedAt => Cells::Times,
                Source::Record if self.plan.is_none() => Cells::Records,
                _ => {
                    let array = arrays.next().filter(|array| array.len() == rows);
                    let array = array.ok_or_else(|| Error::system("A column of a block has no values."))?;
                    Cells::Values(Values::new(kind, array)?)
                }
            })
        };
        self.schema.columns().map(cell).collect()
    }
}

impl CsvBlock {
    /// Bytes of memory that it holds.
    pub fn size(&self) -> usize {
        self.bytes.len()
    }
}

impl CsvFile {
    /// Appends a block and returns the next bytes of the file.
    pub fn append(&mut self, block: CsvBlock) -> Vec<u8> {
        self.length += block.length;
        self.stats = Some(match self.stats.take() {
            Some(stats) => stats.merged(block.stats),
            None => block.stats,
        });
        match self.header.take() {
            Some(mut bytes) => {
                bytes.extend_from_slice(&block.bytes);
                bytes
            }
            None => block.bytes,
        }
    }

    /// Whether the file should end.
    pub fn is_full(&self) -> bool {
        self.length >= FILE_TEXT
    }

    /// Ends the file: the statistics of its rows, if it has rows.
    pub fn finish(self) -> Option<RowStats> {
        self.stats
    }
}

/// The first line of every file: the names of the columns of `schema`.
pub fn header(schema: &TableSchema) -> Vec<u8> {
    let mut line = Vec::new();
    for (at, column) in schema.columns().enumerate() {
        if at > 0 {
            line.push(b',');
        }
        quoting::quote(column.name.as_bytes(), &mut line);
    }
    line.push(b'\n');
    line
}

impl Text {
    fn new(buffer: Vec<u8>, gzip: bool) -> Self {
        Self { buffer, compressor: gzip.then(Gzip::new), compressed: 0 }
    }

    /// Compresses what is in the buffer, if text is compressed.
    fn compress(&mut self) -> Result<()> {
        if let Some(compressor) = &mut self.compressor {
            compressor.append(&self.buffer)?;
            self.compressed += self.buffer.len();
            self.buffer.clear();
        }
        Ok(())
    }

    /// The bytes, and how many bytes of text they are.
    fn finish(self) -> Result<(Vec<u8>, usize)> {
        match self.compressor {
            Some(compressor) => Ok((compressor.finish()?, self.compressed)),
            None => {
                let length = self.buffer.len();
                Ok((self.buffer, length))
            }
        }
    }
}

#[cfg(test)]
mod property_tests;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
