//! The way of a record through the program, and all tasks that work on it.
//!
//! A thread reads stdin in blocks; the router splits them into lines and puts records into their streams' buffers;
//! full buffers go down their stream's lane (encode on a worker, append to the staged file, close the batch, load it);
//! the ledger lets a STATE go when all before it is durable. Nothing flows back toward stdin but the refusal to read
//! more while the memory budget is used up. This is the only module that starts tasks and threads.

mod budget;
mod buffer;
mod closing;
mod endings;
mod flow;
mod lanes;
mod ledger;
pub mod progress;
mod refusals;
mod room;
mod router;
mod spill;
mod spill_file;
mod state_store;
pub mod stop;
mod strand;
mod strangers;
mod stream_flow;
pub mod threads;

use std::cell::Cell;
use std::io::Read;
use std::sync::Arc;
use std::sync::mpsc;
use std::time::Duration;

use self::budget::Budget;
use self::flow::Flow;
pub use self::flow::Limits;
use self::lanes::Lanes;
pub use self::lanes::OpenStream;
use self::ledger::Ledger;
use self::progress::Progress;
use self::refusals::names;
use self::router::{Ended, InputBlock, Router};
use self::stop::{Reason, Stop};
use crate::clock::Clock;
use crate::error::{Error, Result, StreamDescriptor};
use crate::protocol::reader::BlockReader;
use crate::protocol::writer::ProtocolWriter;
use crate::stage::Stage;

/// Blocks of input that wait for the router.
const BLOCKS_AHEAD: usize = 4;
/// How long a sync that was asked to stop goes on loading what is complete.
const STOP_GRACE: Duration = Duration::from_secs(6);
/// How long it then has to clean up and say why.
const LAST_WORDS: Duration = Duration::from_secs(3);

/// How long writing one message may take in the end.
const WRITING: Duration = Duration::from_millis(300);

/// What a run needs.
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
    /// Set when somebody wishes to stop.
    pub stop: Stop,
    /// Counters.
    pub progress: Arc<Progress>,
}

/// How a run ended.
pub struct Outcome {
    /// All of the input is in the tables, or the first thing that went wrong.
    pub result: Result<()>,
    /// Who stopped it, if somebody did.
    pub stopped: Option<Reason>,
    /// STATEs that were given back, and STATEs that were not.
    pub states: (u64, usize),
    /// Nothing of the run goes on in the background.
    pub idle: bool,
}

/// Moves everything that `input` gives into the tables.
pub async fn run(input: impl Read + Send + 'static, setup: Setup) -> Outcome {
    let Setup { streams, stage, limits, loads, max_line, writer, clock, stop, progress } = setup;
    let descriptors: Arc<[StreamDescriptor]> = streams.iter().map(|stream| stream.descriptor.clone()).collect();
    let ledger = Arc::new(Ledger::new(streams.len(), limits.memory / 4, Arc::clone(&writer)));
    let budget = Arc::new(Budget::default());
    let lanes = Lanes::new(streams, loads, stage, Arc::clone(&ledger), Arc::clone(&progress), Arc::clone(&budget));

    let (blocks_in, blocks_out) = mpsc::sync_channel(BLOCKS_AHEAD);
    let (used_in, used_out) = mpsc::channel::<Vec<u8>>();
    // Not joined: nothing can wake a thread that waits for input, and it ends with the process.
    let gate = Arc::clone(&budget);
    let read = move || {
        let large = Cell::new(None);
        let mut reader = BlockReader::new(input, max_line, || large.set(Some(gate.large_block(limits.memory / 2))));
        loop {
            let memory = used_out.try_recv().unwrap_or_default();
            let Some(next) = reader.next_block(memory).transpose() else { return };
            let next = next.map(|bytes| InputBlock { bytes, _large: large.take() });
            let failed = next.is_err();
            if blocks_in.send(next).is_err() || failed {
                return;
            }
        }
    };
    let reading = std::thread::Builder::new().name("input".to_owned()).spawn(read);
    let flow =
        Flow::new(descriptors.len(), limits, lanes.clone(), Arc::clone(&ledger), budget, Arc::clone(&progress), clock);
    let router = Router::new(&descriptors, flow, Arc::clone(&progress), stop.clone());
    let routed = match reading {
        Ok(_) => {
            let routed = tokio::task::spawn_blocking(move || router.run(&blocks_out, &used_in, &descriptors)).await;
            routed.unwrap_or_else(|error| Err(Error::system("The router died.").with_source(error)))
        }
        Err(error) => Err(threads::refused("that reads the input", error)),
    };

    let finished = finish(&lanes, routed, &stop).await;
    progress.all_finished();
    // What is durable is told even when something else failed; a reader that is gone has been noticed already.
    let settled = ledger.settle();
    let starts_over = lanes.has_not_replaced();
    let result = finished.and(settled).map_err(|error| if starts_over { error.starting_over() } else { error });
    Outcome { result, stopped: stop.reason(), states: ledger.counts(), idle: lanes.is_idle() }
}

/// Waits for what is under way; the first error is the one that counts.
async fn finish(lanes: &Lanes, routed: Result<Ended>, stop: &Stop) -> Result<()> {
    // Input that cannot be read does not end what was read before: its rows are staged, and their STATEs can be given back.
    let goes_on = matches!(routed, Ok(Ended::Input(_)) | Err(_));
    let idle = async {
        if goes_on {
            // A signal that comes while the last batches are loaded still stops the waiting.
            tokio::select! {
                () = lanes.idle() => return,
                () = stop.requested() => {}
            }
        }
        if tokio::time::timeout(STOP_GRACE, lanes.idle()).await.is_err() {
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
        // A source that is stopped together with this program closes its end.
        Ended::Input(_) if matches!(stop.reason(), Some(Reason::Terminated | Reason::Interrupted)) => Err(stopped()),
        Ended::Input(incomplete) => Err(not_complete(&incomplete)),
        Ended::Stopped(Reason::OutputClosed) => Err(Error::system(
            "Standard output was closed before the sync ended, so nobody reads its answers any more.",
        )),
        Ended::Stopped(Reason::Terminated | Reason::Interrupted) => Err(stopped()),
        Ended::Failed => Err(Error::system("A stream failed without saying why.")),
    }
}

fn stopped() -> Error {
    Error::transient("The sync was stopped by a signal before its input ended.")
}

fn not_complete(incomplete: &[StreamDescriptor]) -> Error {
    let error = Error::transient(format!(
        "The input ended, and these streams are not complete: {}. No COMPLETE has come of them, or it was taken back: look \
         in the log of the source why it has stopped. What was acknowledged is loaded; tables that were still to be \
         replaced are as they were.",
        names(incomplete)
    ));
    match incomplete {
        [one] => error.with_stream(one.clone()),
        _ => error,
    }
}

/// Sets `stop` when the process is asked to end, or when nobody reads stdout any more.
///
/// Signals are waited for on a thread of their own: every other one may hang on a stdout that is open and not read.
/// A process that cannot stop in time ends as if it had been killed, which the next sync knows how to clear away.
pub fn watch_for_stop(stop: &Stop, writer: &Arc<ProtocolWriter>, clock: &Arc<dyn Clock>) -> Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let failed = |error: std::io::Error| Error::system("Signals cannot be listened for.").with_source(error);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
    let listening = {
        let _inside = runtime.enter();
        (signal(SignalKind::terminate()).map_err(failed)?, signal(SignalKind::interrupt()).map_err(failed)?)
    };
    let (wish, last, clock) = (stop.clone(), Arc::clone(writer), Arc::clone(clock));
    let wait = move || {
        runtime.block_on(async move {
            let (mut terminate, mut interrupt) = listening;
            let reason = tokio::select! {
                _ = terminate.recv() => Reason::Terminated,
                _ = interrupt.recv() => Reason::Interrupted,
            };
            wish.request(reason);
            tokio::time::sleep(STOP_GRACE + LAST_WORDS).await;
            let error =
                Error::transient("The sync was stopped while it waited for something that nothing ends in time.");
            // On a thread of its own: whoever reads no answers keeps no process alive.
            let tell = std::thread::Builder::new().spawn(move || last.error(&error, clock.now_ms()));
            if tell.is_ok() {
                tokio::time::sleep(WRITING).await;
            }
            reason.end_process();
        });
    };
    let waiting = std::thread::Builder::new().name("signals".to_owned()).spawn(wait);
    waiting.map_err(|error| threads::refused("that waits for signals", error))?;
    let (stop, writer) = (stop.clone(), Arc::clone(writer));
    tokio::spawn(async move {
        while !writer.is_closed() {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        stop.request(Reason::OutputClosed);
    });
    Ok(())
}

/// Calls `beat` every `interval` until the answer is dropped.
pub fn heartbeat(interval: Duration, mut beat: impl FnMut() + Send + 'static) -> Heartbeat {
    Heartbeat(tokio::spawn(async move {
        let mut ticks = tokio::time::interval_at(tokio::time::Instant::now() + interval, interval);
        loop {
            ticks.tick().await;
            beat();
        }
    }))
}

/// Does `work` beside everything else, until it is done or the answer is dropped.
pub fn meanwhile(work: impl Future<Output = ()> + Send + 'static) -> Heartbeat {
    Heartbeat(tokio::spawn(work))
}

/// A beat that goes on until this is dropped.
pub struct Heartbeat(tokio::task::JoinHandle<()>);

impl Drop for Heartbeat {
    fn drop(&mut self) {
        self.0.abort();
    }
}
