//! The pipeline: takes records from stdin to their tables, and gives the STATEs back.
//!
//! A thread reads stdin in chunks. The router splits them into lines and puts each record into its stream's buffer. Full
//! buffers go down their stream's lane: a worker encodes them, then they are appended to the staged file, the batch is
//! closed, and it is loaded. The ledger releases a STATE when all records before it are durable. Nothing flows back toward
//! stdin, except that reading stops while the memory budget is used up.

pub mod beginning;
mod budget;
mod buffer;
mod buffers;
mod closing;
mod encoding;
mod endings;
mod flow;
mod lanes;
mod ledger;
mod misfits;
mod open_files;
pub mod progress;
mod refusals;
mod router;
mod serial_queue;
mod spill;
mod spill_file;
mod state_store;
mod strangers;
mod stream_flow;
mod stream_index;

use std::cell::Cell;
use std::io::Read;
use std::sync::Arc;
use std::sync::mpsc;

use self::budget::Budget;
use self::flow::Flow;
pub use self::flow::Limits;
use self::lanes::Lanes;
pub use self::lanes::OpenStream;
use self::ledger::{Ledger, StateCounts};
use self::progress::Progress;
use self::router::{Ended, InputChunk, Router};
use self::stream_index::PerStream;
use crate::clock::Clock;
use crate::counted::names;
use crate::error::{Error, Result, StreamDescriptor};
use crate::protocol::cache::Records;
use crate::protocol::reader::ChunkReader;
use crate::protocol::writer::ProtocolWriter;
use crate::stage::Stage;
use crate::tasks::stop::{GRACE, Stop, StopReason};
use crate::tasks::threads;

/// Chunks of input that wait for the router.
const CHUNKS_AHEAD: usize = 4;

/// What a run of the pipeline needs.
pub struct Setup {
    /// The streams, opened.
    pub streams: Vec<OpenStream>,
    /// Where and how they are staged.
    pub stage: Stage,
    /// What bounds the flow.
    pub limits: Limits,
    /// Tables that are loaded at the same time.
    pub loads: usize,
    /// The longest line, in bytes.
    pub max_line: usize,
    /// Where STATEs go.
    pub writer: Arc<ProtocolWriter>,
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
    /// Set when the sync has to stop.
    pub stop: Stop,
    /// Counters.
    pub progress: Arc<Progress>,
}

/// How a run ended.
pub struct Outcome {
    /// `Ok` if all of the input is in the tables, or the first thing that went wrong.
    pub result: Result<()>,
    /// Why it was stopped, if it was.
    pub stopped: Option<StopReason>,
    /// STATEs that were given back, and STATEs that were not.
    pub states: StateCounts,
    /// Whether all background work of the run has ended.
    pub idle: bool,
}

/// Moves all records of `input`, which `come_from` there, into the tables.
pub async fn run(input: impl Read + Send + 'static, come_from: Records, setup: Setup) -> Outcome {
    let Setup { streams, stage, limits, loads, max_line, writer, clock, stop, progress } = setup;
    let count = streams.len();
    let descriptors: PerStream<StreamDescriptor> = streams.iter().map(|stream| stream.descriptor.clone()).collect();
    let ledger = Arc::new(Ledger::new(count, limits.memory / 4, Arc::clone(&writer)));
    let budget = Arc::new(Budget::default());
    let lanes = Lanes::new(streams, loads, stage, Arc::clone(&ledger), Arc::clone(&progress), Arc::clone(&budget));

    let (chunks_in, chunks_out) = mpsc::sync_channel(CHUNKS_AHEAD);
    let (used_in, used_out) = mpsc::channel::<Vec<u8>>();
    // Not joined: a thread that waits for input cannot be woken; it ends with the process.
    let gate = Arc::clone(&budget);
    let read = move || {
        let large = Cell::new(None);
        let mut reader = ChunkReader::new(input, max_line, || large.set(Some(gate.large_chunk(limits.memory / 2))));
        loop {
            let memory = used_out.try_recv().unwrap_or_default();
            let Some(next) = reader.next_chunk(memory).transpose() else { return };
            let next = next.map(|bytes| InputChunk { bytes, _large: large.take() });
            let failed = next.is_err();
            if chunks_in.send(next).is_err() || failed {
                return;
            }
        }
    };
    let reading = std::thread::Builder::new().name("input".to_owned()).spawn(read);
    let flow = Flow::new(count, limits, lanes.clone(), Arc::clone(&ledger), budget, Arc::clone(&progress), clock);
    let router = Router::new(Arc::new(descriptors), come_from, flow, Arc::clone(&progress), stop.clone());
    let routed = match reading {
        Ok(_) => {
            let routed = tokio::task::spawn_blocking(move || router.run(&chunks_out, &used_in)).await;
            routed.unwrap_or_else(|error| {
                Err(Error::system("The thread that reads messages has failed.").with_source(error))
            })
        }
        Err(error) => Err(threads::refused("that reads the input", error)),
    };

    let finished = finish(&lanes, routed, &stop).await;
    progress.all_finished();
    // STATEs whose records are durable are given back also after a failure.
    let settled = ledger.settle();
    let starts_over = lanes.has_not_replaced();
    let result = finished.and(settled).map_err(|error| if starts_over { error.starting_over() } else { error });
    Outcome { result, stopped: stop.reason(), states: ledger.counts(), idle: lanes.is_idle() }
}

/// Waits for work that is under way. The first error is the one that counts.
async fn finish(lanes: &Lanes, routed: Result<Ended>, stop: &Stop) -> Result<()> {
    // When the input cannot be read on, rows that came before are still loaded, and their STATEs given back.
    let goes_on = matches!(routed, Ok(Ended::Input(_)) | Err(_));
    let idle = async {
        if goes_on {
            // A signal may also come while the last batches are loaded.
            tokio::select! {
                () = lanes.idle() => return,
                () = stop.requested() => {}
            }
        }
        if tokio::time::timeout(GRACE, lanes.idle()).await.is_err() {
            lanes.fail(Error::transient("The sync was stopped before what it had staged was loaded."));
        }
    };
    idle.await;
    let failed = lanes.end().await;
    let routed = routed?;
    if let Some(error) = failed {
        return Err(error);
    }
    match routed {
        Ended::Input(incomplete) if incomplete.is_empty() => Ok(()),
        // The source may have been stopped together with this program, which ends the input.
        Ended::Input(_) if matches!(stop.reason(), Some(StopReason::Terminated | StopReason::Interrupted)) => {
            Err(stopped())
        }
        Ended::Input(incomplete) => Err(not_complete(&incomplete)),
        Ended::Stopped(StopReason::OutputClosed) => Err(Error::system(
            "Standard output was closed before the sync ended, so nobody reads its answers any more.",
        )),
        Ended::Stopped(StopReason::Terminated | StopReason::Interrupted) => Err(stopped()),
        Ended::Failed => Err(Error::system("A stream failed without an error.")),
    }
}

fn stopped() -> Error {
    Error::transient("The sync was stopped by a signal before its input ended.")
}

fn not_complete(incomplete: &[StreamDescriptor]) -> Error {
    let error = Error::transient(format!(
        "The input ended, and these streams are not complete: {}. The source has sent no COMPLETE for them, or INCOMPLETE \
         after it: its log says why it stopped. What was acknowledged is loaded; tables that were still to be replaced are \
         unchanged.",
        names(incomplete)
    ));
    match incomplete {
        [one] => error.with_stream(one.clone()),
        _ => error,
    }
}
