//! What is loaded at once: all batches that have piled up, as one range of ids and times.
//!
//! Ids ascend within a stream, and a staging folder holds the rows of one sync's stream alone: so the range names the
//! rows of these batches, all of them and nothing else, in the staging table as in the final one.

use crate::delta::actions::DataFile;
use crate::stage::Batch;

/// The rows of some batches that follow each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Load {
    /// How many they are.
    pub rows: u64,
    /// The first and the last id.
    pub ids: (String, String),
    /// The earliest and the latest time, in microseconds since the epoch.
    pub emitted_at: (i64, i64),
}

impl Load {
    /// The load of `batches`; `None` where they have no rows.
    pub fn of(batches: &[Batch]) -> Option<Self> {
        batches.iter().flat_map(|batch| &batch.files).map(Self::of_file).reduce(|load, next| Self {
            rows: load.rows + next.rows,
            ids: (load.ids.0.min(next.ids.0), load.ids.1.max(next.ids.1)),
            emitted_at: (load.emitted_at.0.min(next.emitted_at.0), load.emitted_at.1.max(next.emitted_at.1)),
        })
    }

    fn of_file(file: &DataFile) -> Self {
        let stats = &file.stats;
        Self { rows: stats.rows, ids: stats.ids.clone(), emitted_at: stats.emitted_at }
    }
}
