//! Counts values that the source or the platform changed, by the `meta` of records.

use super::Router;
use crate::error::Result;
use crate::pipeline::stream_index::StreamIndex;

/// More memory than this is not kept for the next such record.
const WORTH_KEEPING: usize = 1 << 20;

impl Router {
    /// Takes a record of `stream` whose JSON text is `data` and whose `meta`, an object, has `count` changes. Where the stream's
    /// table has a column for them, the row's text is that of the record and that of `meta`, one behind the other.
    #[cold]
    pub(super) fn changed_record(
        &mut self,
        stream: StreamIndex,
        data: &[u8],
        meta: &[u8],
        count: u64,
        emitted_at: i64,
    ) -> Result<()> {
        let is_first = !self.changes.contains_key(&stream);
        *self.changes.entry(stream).or_default() += count;
        if self.flow.keeps_meta(stream)? {
            self.joined.clear();
            self.joined.extend_from_slice(data);
            self.joined.extend_from_slice(meta);
            self.flow.record(stream, self.position, &self.joined, emitted_at)?;
            self.joined.shrink_to(WORTH_KEEPING);
            return Ok(());
        }
        if is_first {
            tracing::warn!(
                "Line {} and perhaps more records of stream {} say in meta.changes that values were changed or left out on \
                 their way here. Its table has no column for that: the summary counts them.",
                self.line,
                self.streams.get(stream)?
            );
        }
        self.flow.record(stream, self.position, data, emitted_at)
    }
}
