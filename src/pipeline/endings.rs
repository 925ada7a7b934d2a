//! What was heard of each stream, and what follows from it when the input ends. Pure.
//!
//! The end of the input proves nothing: Airbyte's platform closes it in the same way behind a source that has ended well and
//! behind one that died in its first stream. Where a COMPLETE is to be expected, nothing else ends a stream; where none ever
//! comes, a stream of which nothing was heard keeps its rows.

use super::stream_index::{PerStream, StreamIndex};
use crate::error::Result;
use crate::load::Standing;
use crate::protocol::message::StreamStatus;

/// What was heard of all streams.
pub struct Endings {
    streams: PerStream<Heard>,
    /// The source, or whoever speaks for it, tells statuses.
    tells_statuses: bool,
    /// A stream needs a COMPLETE, so whoever runs this sync says COMPLETE of every stream that has ended well.
    owes_statuses: bool,
    /// The source says that it has failed.
    source_failed: bool,
    /// A STATE of all streams has come that has nothing in it: that is how the platform clears the tables of a source whose
    /// STATEs name no streams.
    clears: bool,
    /// A STATE of all streams has come that names none and is a place to go on from: it proves nothing.
    is_checkpointed: bool,
}

#[derive(Clone, Default)]
struct Heard {
    last: Option<StreamStatus>,
    /// It was declared COMPLETE, and then INCOMPLETE.
    taken_back: bool,
    /// Its COMPLETE is acted upon when the input ends.
    put_off: bool,
    /// A STATE has named it, or that makes no difference.
    in_state: bool,
}

/// What a status asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Nothing.
    Nothing,
    /// The stream is to be finished at once.
    Finish,
}

/// What becomes of a stream when the input has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing: it was finished when it was declared COMPLETE.
    Finished,
    /// It has ended well.
    Finish,
    /// What a STATE speaks for is loaded; what came after it will be sent again, since another stream fails the sync.
    UpToItsState,
    /// Nothing was heard of it: its table is left as it is, which is worth a warning.
    Leave,
    /// It has not ended well: what a STATE speaks for is loaded if it adds to its table, and the sync fails.
    Fail,
}

impl Endings {
    /// Nothing heard yet of streams that stand to their tables as `standings` say.
    pub fn new(standings: impl Iterator<Item = Standing>) -> Self {
        let mut owes_statuses = false;
        let heard = |standing: Standing| {
            owes_statuses |= standing.needs_complete;
            let keeps_rows = standing.replaces && standing.existed && !standing.needs_complete;
            Heard { in_state: !keeps_rows, ..Heard::default() }
        };
        let streams = standings.map(heard).collect();
        Self {
            streams,
            tells_statuses: false,
            owes_statuses,
            source_failed: false,
            clears: false,
            is_checkpointed: false,
        }
    }

    /// Whether `stream` was declared COMPLETE.
    #[inline]
    pub fn is_complete(&self, stream: StreamIndex) -> Result<bool> {
        self.streams.get(stream).map(|heard| heard.last == Some(StreamStatus::Complete))
    }

    /// Whether `stream` was declared COMPLETE, and then INCOMPLETE.
    pub fn is_taken_back(&self, stream: StreamIndex) -> Result<bool> {
        self.streams.get(stream).map(|heard| heard.taken_back)
    }

    /// Statuses are told, perhaps of streams that are not in the catalog.
    pub fn hear_any_status(&mut self) {
        self.tells_statuses = true;
    }

    /// The source says `status` of `stream`. To finish it would remove rows and put none in their place if it `empties` its
    /// table: that has time until the input ends, and is not done if the source takes COMPLETE back.
    pub fn hear_status(&mut self, stream: StreamIndex, status: StreamStatus, empties: bool) -> Result<Action> {
        let heard = self.streams.get_mut(stream)?;
        if heard.last == Some(StreamStatus::Complete) {
            // What was finished stays finished. What comes of it is told at the end: the last word counts.
            heard.taken_back = match status {
                StreamStatus::Complete => false,
                StreamStatus::Incomplete => true,
                StreamStatus::Running => heard.taken_back,
            };
            return Ok(Action::Nothing);
        }
        heard.last = Some(status);
        heard.put_off = status == StreamStatus::Complete && empties;
        Ok(if status == StreamStatus::Complete && !empties { Action::Finish } else { Action::Nothing })
    }

    /// Whether it matters which streams a STATE names that speaks for all.
    pub fn wants_names(&self) -> bool {
        !self.tells_statuses && !self.source_failed && self.streams.values().iter().any(|heard| !heard.in_state)
    }

    /// A STATE names `stream`.
    pub fn hear_state(&mut self, stream: StreamIndex) -> Result<()> {
        self.streams.get_mut(stream).map(|heard| heard.in_state = true)
    }

    /// A STATE speaks for all streams and names none. It `clears` their tables if it has nothing in it.
    pub fn hear_nameless_state(&mut self, clears: bool) {
        self.clears |= clears;
        self.is_checkpointed |= !clears;
    }

    /// The source says that it has failed: from now on nothing but COMPLETE ends a stream well.
    pub fn hear_failure(&mut self) {
        self.source_failed = true;
    }

    /// What becomes of `stream`, of which `records` came, now that the input has ended. `any_message`: a message of any kind
    /// came at all; `any_record`: a record of any stream.
    pub fn verdict(
        &self,
        stream: StreamIndex,
        standing: Standing,
        records: u64,
        any_message: bool,
        any_record: bool,
    ) -> Result<Verdict> {
        let heard = self.streams.get(stream)?;
        if heard.last == Some(StreamStatus::Complete) {
            return Ok(match heard {
                Heard { taken_back: true, .. } => Verdict::Fail,
                Heard { put_off: true, .. } => Verdict::Finish,
                _ => Verdict::Finished,
            });
        }
        if self.tells_statuses || self.source_failed || standing.needs_complete {
            return Ok(Verdict::Fail);
        }
        if !standing.replaces {
            return Ok(if self.owes_statuses { Verdict::UpToItsState } else { Verdict::Finish });
        }
        if standing.existed && !any_message {
            return Ok(Verdict::Fail);
        }
        // A new table has no rows that could be lost.
        let is_cleared = self.clears && !self.is_checkpointed && !any_record;
        Ok(match !standing.existed || records > 0 || heard.in_state || is_cleared {
            // Another stream fails the sync for certain: only a part of this one may have come, too.
            true if self.owes_statuses => Verdict::Fail,
            true => Verdict::Finish,
            false => Verdict::Leave,
        })
    }
}

#[cfg(test)]
#[path = "endings_tests.rs"]
mod tests;
