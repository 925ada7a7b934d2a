//! What the flow keeps of one stream: its rows that wait, and where it stands between two STATEs.

use super::buffer::StreamBuffer;
use super::ledger::Position;

/// What the flow keeps of one stream.
#[derive(Default)]
pub struct StreamFlow {
    /// Rows that wait.
    pub buffer: StreamBuffer,
    /// Rows of the open batch that have left the buffer.
    pub sealed_rows: usize,
    /// Raw bytes that no closed batch has.
    pub unclosed_bytes: u64,
    /// The ledger has been told where the open batch begins.
    pub opened: bool,
    /// The stream has ended well: its table is as it should be, or will be.
    pub finished: bool,
    /// The first record after the last STATE.
    pub after_state: Option<Position>,
    /// STATEs that speak for all streams and are marked in the buffer.
    pub epoch: u64,
    /// Records that have come.
    pub records: u64,
    /// Bytes of their JSON.
    pub bytes: u64,
    /// Records since the last STATE of the stream.
    pub since_state: u64,
}

impl StreamFlow {
    /// A STATE that speaks for all streams marks each stream only when something happens to it next: what has been
    /// buffered by then is what came before that STATE.
    pub fn catch_up(&mut self, epoch: u64) {
        if self.epoch != epoch {
            self.epoch = epoch;
            self.mark();
        }
    }

    /// All that is buffered came before a STATE of the stream.
    pub fn mark(&mut self) {
        self.buffer.mark();
        self.after_state = None;
    }
}
