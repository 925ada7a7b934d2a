//! Which messages about each stream have come, and what follows from them when the input ends. Pure.
//!
//! The end of the input proves nothing: Airbyte's platform closes it in the same way after a source that has ended well and
//! after one that died in its first stream. Where the caller sends COMPLETE, a stream has ended well only with it. Where it
//! never does, a stream of which nothing came keeps the rows in its table.

use super::stream_index::{PerStream, StreamIndex};
use crate::error::Result;
use crate::load::TableState;
use crate::protocol::message::StreamStatus;

/// What the messages have said about all streams.
pub struct Endings {
    streams: PerStream<Heard>,
    /// The source sends statuses.
    tells_statuses: bool,
    /// A stream needs a COMPLETE, so the caller sends one for every stream that has ended well.
    owes_statuses: bool,
    /// The source has said that it failed.
    source_failed: bool,
    /// An empty STATE of all streams has come: so the platform clears the tables of a source whose STATEs name no streams.
    clears: bool,
    /// A STATE of all streams has come that names none and is not empty: a checkpoint, which proves nothing.
    is_checkpointed: bool,
}

#[derive(Clone, Default)]
struct Heard {
    last: Option<StreamStatus>,
    /// It was declared COMPLETE, and then INCOMPLETE.
    taken_back: bool,
    /// Its COMPLETE takes effect when the input ends.
    put_off: bool,
    /// A STATE has named it, or it makes no difference whether one does.
    in_state: bool,
}

/// What the flow has to do because of a status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Nothing.
    Nothing,
    /// Finish the stream at once.
    Finish,
}

/// What the flow has to do with a stream when the input has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing: it was finished when its COMPLETE came.
    Finished,
    /// Finish it: it has ended well.
    Finish,
    /// Load its rows up to its last STATE. Another stream fails the sync, so that later rows will be sent again.
    UpToItsState,
    /// Leave its table as it is, with a warning: nothing of it has come.
    Leave,
    /// Fail the sync: it has not ended well. If it adds to its table, its rows up to its last STATE are loaded.
    Fail,
}

impl Endings {
    /// For streams whose tables are as `table_states` say, before the first message.
    pub fn new(table_states: impl Iterator<Item = TableState>) -> Self {
        let mut owes_statuses = false;
        let heard = |table_state: TableState| {
            owes_statuses |= table_state.write_mode.needs_complete();
            let keeps_rows = table_state.replaces && table_state.existed && !table_state.write_mode.needs_complete();
            Heard { in_state: !keeps_rows, ..Heard::default() }
        };
        let streams = table_states.map(heard).collect();
        Self {
            streams,
            tells_statuses: false,
            owes_statuses,
            source_failed: false,
            clears: false,
            is_checkpointed: false,
        }
    }

    /// Whether a COMPLETE of `stream` has come.
    #[inline]
    pub fn is_complete(&self, stream: StreamIndex) -> Result<bool> {
        self.streams.get(stream).map(|heard| heard.last == Some(StreamStatus::Complete))
    }

    /// Whether an INCOMPLETE of `stream` has come after its COMPLETE.
    pub fn is_taken_back(&self, stream: StreamIndex) -> Result<bool> {
        self.streams.get(stream).map(|heard| heard.taken_back)
    }

    /// A status has come, perhaps of a stream that is not in the catalog.
    pub fn hear_any_status(&mut self) {
        self.tells_statuses = true;
    }

    /// The source says `status` of `stream`. If finishing it now `empties` its table, that waits for the end of the input,
    /// and is not done if the source takes COMPLETE back.
    pub fn hear_status(&mut self, stream: StreamIndex, status: StreamStatus, empties: bool) -> Result<Action> {
        let heard = self.streams.get_mut(stream)?;
        if heard.last == Some(StreamStatus::Complete) {
            // The stream stays finished. Whether the sync fails is decided at the end: the last status counts.
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

    /// Whether it matters which streams a STATE of all streams names.
    pub fn wants_names(&self) -> bool {
        !self.tells_statuses && !self.source_failed && self.streams.values().iter().any(|heard| !heard.in_state)
    }

    /// A STATE names `stream`.
    pub fn hear_state(&mut self, stream: StreamIndex) -> Result<()> {
        self.streams.get_mut(stream).map(|heard| heard.in_state = true)
    }

    /// A STATE of all streams names none. If it is empty, it `clears` their tables.
    pub fn hear_nameless_state(&mut self, clears: bool) {
        self.clears |= clears;
        self.is_checkpointed |= !clears;
    }

    /// The source says that it has failed: only streams with a COMPLETE have ended well then.
    pub fn hear_failure(&mut self) {
        self.source_failed = true;
    }

    /// What becomes of `stream`, of which `records` came, now that the input has ended. `any_message`: a message of any kind
    /// came at all; `any_record`: a record of any stream.
    pub fn verdict(
        &self,
        stream: StreamIndex,
        table_state: TableState,
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
        if self.tells_statuses || self.source_failed || table_state.write_mode.needs_complete() {
            return Ok(Verdict::Fail);
        }
        if !table_state.replaces {
            return Ok(if self.owes_statuses { Verdict::UpToItsState } else { Verdict::Finish });
        }
        if table_state.existed && !any_message {
            return Ok(Verdict::Fail);
        }
        // A new table has no rows that could be lost.
        let is_cleared = self.clears && !self.is_checkpointed && !any_record;
        Ok(match !table_state.existed || records > 0 || heard.in_state || is_cleared {
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
