//! What is loaded at once: all batches that have piled up, as one range of ids and times.
//!
//! Ids ascend within a stream, and a staging folder holds the rows of one sync's stream alone: so the range names the
//! rows of these batches, all of them and nothing else, in the staging table as in the final one.

use crate::schema::stats::{RowStats, Span};
use crate::stage::Batch;

/// The rows of some batches that follow each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Load {
    /// How many they are.
    pub rows: u64,
    /// Their ids.
    pub ids: Span<String>,
    /// The times at which they were emitted, in microseconds since the epoch.
    pub emitted_at: Span<i64>,
}

impl Load {
    /// The load of `batches`; `None` where they have no rows.
    pub fn of(batches: &[Batch]) -> Option<Self> {
        let stats = batches.iter().flat_map(|batch| &batch.files).map(|file| file.stats.clone());
        let RowStats { rows, ids, emitted_at } = stats.reduce(RowStats::merged)?;
        Some(Self { rows, ids, emitted_at })
    }
}
