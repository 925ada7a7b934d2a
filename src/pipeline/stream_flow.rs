//! What the flow keeps of one stream, beside its rows that wait: counters, and how far it is between two STATEs.

use super::ledger::Position;

/// What the flow keeps of one stream.
#[derive(Default)]
pub struct StreamFlow {
    /// Bytes of JSON that become a row group.
    pub block_size: usize,
    /// Rows of the open batch that have left the buffer.
    pub sealed_rows: usize,
    /// Bytes of JSON that no closed batch has.
    pub unclosed_bytes: u64,
    /// The ledger has been told where the open batch begins.
    pub opened: bool,
    /// The stream has ended well: its table is as it should be, or will be.
    pub finished: bool,
    /// The first record after the last STATE.
    pub after_state: Option<Position>,
    /// How many STATEs of all streams are marked in this stream's buffer, see [`StreamFlow::catch_up`].
    global_states: u64,
    /// Records that have come.
    pub records: u64,
    /// Bytes of their JSON.
    pub bytes: u64,
    /// Records since the last STATE of the stream.
    pub since_state: u64,
}

impl StreamFlow {
    /// A stream of which nothing has come; `block_size` bytes of its JSON become a row group.
    pub fn new(block_size: usize) -> Self {
        Self { block_size, ..Self::default() }
    }

    /// Takes note that `global_states` STATEs of all streams have come. If the answer is `true`, some of them are new to this
    /// stream, and its buffer has to be marked before anything else happens to it.
    ///
    /// Streams catch up only when something happens to them, so that a STATE of all streams costs nothing for idle ones. What
    /// is in the buffer by then came before that STATE.
    #[must_use]
    pub fn catch_up(&mut self, global_states: u64) -> bool {
        let is_behind = self.global_states != global_states;
        if is_behind {
            self.global_states = global_states;
            self.after_state = None;
        }
        is_behind
    }
}
