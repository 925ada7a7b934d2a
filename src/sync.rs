//! One sync from beginning to end, as `write` and `check` run it: prepare, transfer, clean up.
//!
//! [`Sync::prepare`] does everything that can fail for the user's sake before the first record is read: it takes a
//! lease on a staging folder, clears away what dead syncs left, and opens every stream's table.

use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use arrow_schema::SchemaRef;
use futures::{StreamExt, stream};
use tokio::runtime::Handle;
use tokio::time::{sleep, timeout};
use uuid::Uuid;

use crate::clock::Givens;
use crate::config::{Config, Engine};
use crate::counted::counted;
use crate::databricks::connect;
use crate::delta::actions::schema_string;
use crate::delta::table::TableLog;
use crate::encode::parquet::Encoder;
use crate::error::{Error, Kind, Result};
use crate::load::direct::Direct;
use crate::load::sql::Sql;
use crate::load::{Ending, Loader, Opened};
use crate::pipeline::progress::Progress;
use crate::pipeline::stop::Stop;
use crate::pipeline::threads::Threads;
use crate::pipeline::{self, Heartbeat, Limits, OpenStream, Outcome, Setup};
use crate::protocol::catalog::Catalog;
use crate::protocol::writer::ProtocolWriter;
use crate::schema::{arrow, avro};
use crate::stage::sweep::{clear_tables, sweep};
use crate::stage::{Stage, StagedStream};
use crate::storage::file_names::FileNames;
use crate::storage::layout::{Target, targets};
use crate::storage::{Lease, Storage};

/// Compressed bytes after which a file is ended and the next one begun.
const FILE_SIZE: u64 = 128 << 20;
/// Buffers and what is under way get this part of the memory limit: encoding, reading and the program need the rest.
const BUFFER_SHARE: usize = 8;
/// Tables opened at the same time.
const OPENING: usize = 16;

/// What a sync works with, whatever it does.
#[derive(Clone)]
pub struct Surroundings {
    /// Where messages go.
    pub writer: Arc<ProtocolWriter>,
    /// Where time and ids come from.
    pub givens: Givens,
    /// Set when somebody wishes to stop.
    pub stop: Stop,
    /// How many threads this machine has for it.
    pub threads: Threads,
}

/// What a sync stands on from its first moment to the end of its clean-up.
struct Ground {
    storage: Storage,
    tables: TableLog,
    /// Whether logs are read to their end although somebody wishes to stop: what is staged is to be loaded still.
    is_ready: Arc<AtomicBool>,
    loader: Box<dyn Loader>,
    lease: Lease,
    /// Keeps the lease young.
    renewal: Option<Heartbeat>,
    /// The rows' columns, as Delta writes them.
    schema: Arc<str>,
    purge: bool,
}

/// A sync that is ready to take records.
pub struct Sync {
    ground: Ground,
    setup: Setup,
}

/// What is left to do when the records are through.
pub struct CleanUp(Ground);

impl Sync {
    /// Gets everything ready for the streams of `catalog`. Reads nothing from the input and changes no table.
    pub async fn prepare(config: &Config, catalog: &Catalog, around: &Surroundings) -> Result<Self> {
        let stopped = || Error::transient("The sync was stopped before it began.");
        let (ground, row) = tokio::select! {
            made = Ground::new(config, catalog, around) => made?,
            () = around.stop.requested() => return Err(stopped()),
        };
        let opened = tokio::select! {
            // A log that is not read to its end because of the stop is an error of its own.
            opened = ground.open(config, catalog, around, &row) => opened.map_err(|error| match around.stop.reason() {
                Some(_) => stopped().with_source(error),
                None => error,
            }),
            () = around.stop.requested() => Err(stopped()),
        };
        match opened {
            Ok(setup) => {
                ground.is_ready.store(true, Ordering::Release);
                Ok(Self { ground, setup })
            }
            Err(error) => {
                let Ground { loader, lease, .. } = ground;
                let left = async { loader.end(Ending::Stopped).await.and(lease.remove().await) };
                let given_up = async {
                    let stopped = async {
                        around.stop.requested().await;
                        sleep(STOPPED).await;
                    };
                    let _ = timeout(config.tuning.patience.clean_up(), stopped).await;
                };
                // What is not done in time is the next sync's.
                tokio::select! {
                    left = left => left.unwrap_or_else(|left| tracing::warn!("{}", left.internal_message())),
                    () = given_up => {}
                }
                Err(error)
            }
        }
    }

    /// The sync's counters.
    pub fn progress(&self) -> Arc<Progress> {
        Arc::clone(&self.setup.progress)
    }

    /// The sync's id: the name of its staging folder.
    pub fn id(&self) -> Uuid {
        self.ground.lease.sync()
    }

    /// Moves everything that `input` gives into the tables.
    pub async fn transfer(self, input: impl Read + Send + 'static) -> (Outcome, CleanUp) {
        let Self { ground, setup } = self;
        let outcome = pipeline::run(input, setup).await;
        (outcome, CleanUp(ground))
    }
}

impl Ground {
    /// A place to stage in, and who loads; and the rows' columns.
    async fn new(config: &Config, catalog: &Catalog, around: &Surroundings) -> Result<(Self, SchemaRef)> {
        let storage = Storage::open(&config.storage, &config.tuning).await?;
        let (stop, is_ready) = (around.stop.clone(), Arc::new(AtomicBool::new(false)));
        let ready = Arc::clone(&is_ready);
        let tables = TableLog::new(&storage, &Handle::current(), around.threads.log_calls)
            .while_going_on(Arc::new(move || ready.load(Ordering::Acquire) || stop.reason().is_none()));
        // Before anything is made: two streams for one table must leave no trace.
        targets(catalog, &config.schema, Uuid::nil())?;
        let row = arrow::from_avro(&avro::raw_row()?)?;
        let schema: Arc<str> = schema_string(&row)?.into();
        let server = match &config.engine {
            Engine::Direct => None,
            Engine::Databricks(settings) => {
                Some((connect(settings, &config.tuning.patience)?, settings.load_parallelism))
            }
        };
        let lease = Lease::begin(&storage, around.givens.new_id).await?;
        let renewal = lease.renewal().map(pipeline::meanwhile);
        let loader: Box<dyn Loader> = match server {
            None => Box::new(Direct::new(&storage, &tables, around.givens.clone(), lease.sync(), Arc::clone(&schema))),
            Some((transport, parallelism)) => {
                let place = (config.catalog.as_str(), config.staging_schema.as_deref());
                Box::new(Sql::new(transport, &storage, &tables, place, lease.sync(), parallelism))
            }
        };
        let purge = config.purge_staging_data;
        Ok((Self { storage, tables, is_ready, loader, lease, renewal, schema, purge }, row))
    }

    async fn open(&self, config: &Config, catalog: &Catalog, around: &Surroundings, row: &SchemaRef) -> Result<Setup> {
        let sync = self.lease.sync();
        let targets = targets(catalog, &config.schema, sync)?;
        let open = async {
            self.loader.survey(&targets).await?;
            open_streams(&*self.loader, targets).await
        };
        // Beside each other: what is swept is in no table's log. Both to their end: half a sweep is for nobody to find.
        let (swept, streams) = tokio::join!(sweep(&self.storage, &self.tables, &*self.loader), open);
        let (swept, streams) = (swept?, streams?);
        if swept.cleared > 0 {
            let (syncs, they) = (
                counted(swept.cleared as u64, "earlier sync"),
                if swept.cleared == 1 { "it was" } else { "they were" },
            );
            tracing::info!("Cleared away what {syncs} left when {they} killed.");
        }
        let progress = Arc::new(Progress::new(streams.iter().map(|stream| &stream.descriptor)));
        Ok(Setup {
            streams,
            stage: Stage {
                storage: self.storage.clone(),
                encoder: Encoder::new(row, config.tuning.compression)?,
                givens: around.givens.clone(),
                sync,
                schema: Arc::clone(&self.schema),
                file_size: FILE_SIZE,
                names: FileNames::new(&config.storage.file_name_pattern(), sync),
                parts: AtomicU64::new(0),
            },
            limits: Limits {
                memory: config.tuning.memory_limit / BUFFER_SHARE,
                flush_size: config.tuning.flush_size,
                flush_interval: config.tuning.flush_interval,
                open_files: self.storage.open_files(),
            },
            loads: self.loader.parallelism(),
            max_line: config.tuning.max_line,
            writer: Arc::clone(&around.writer),
            clock: Arc::clone(&around.givens.clock),
            stop: around.stop.clone(),
            progress,
        })
    }
}

impl CleanUp {
    /// Removes the staging folder, or leaves it where the user asked for that. After a failure, files that reached a
    /// table's folder and no commit are removed first. A sync whose work goes on is left to the next one.
    pub async fn run(self, outcome: &Outcome) -> Result<()> {
        let Ground { storage, tables, loader, lease, renewal, purge, .. } = self.0;
        if !outcome.idle {
            tracing::warn!(
                "Something of sync {} was under way when it was stopped: what it staged is cleared away by the next sync.",
                lease.sync()
            );
            let ended = loader.end(Ending::Stopped).await;
            // Kept until the process ends: what still runs must not be taken for dead.
            std::mem::forget((lease, renewal));
            return ended;
        }
        let clear = async {
            match outcome.result {
                Ok(()) => Ok(()),
                Err(_) => clear_tables(&storage, &tables, &lease).await.map(|_| ()),
            }
        };
        let ending = if purge { Ending::Purged } else { Ending::Kept };
        // A staging table whose files are gone could not be told from one that is in use: the files stay with it.
        let (ended, cleared) = tokio::join!(loader.end(ending), clear);
        ended.and(cleared)?;
        if purge { lease.remove().await } else { lease.keep().await }
    }
}

/// Opens every table; the problems of all of them that a user can mend are told together.
async fn open_streams(loader: &dyn Loader, targets: Vec<Target>) -> Result<Vec<OpenStream>> {
    let open = |target: Target| async move {
        let target = Arc::new(target);
        let Opened { table, trace } = loader.open(Arc::clone(&target)).await?;
        Ok(OpenStream { descriptor: target.stream.clone(), table, staged: StagedStream::new(target, trace) })
    };
    let at_once = OPENING.min(loader.parallelism());
    let opened: Vec<Result<OpenStream>> = stream::iter(targets).map(open).buffered(at_once).collect().await;
    let mut streams = Vec::with_capacity(opened.len());
    let mut problems: Vec<Error> = Vec::new();
    for outcome in opened {
        match outcome {
            Ok(stream) => streams.push(stream),
            Err(error) => problems.push(error),
        }
    }
    if problems.len() > 1 && problems.iter().all(|problem| problem.kind() == Kind::Config) {
        let all: Vec<&str> = problems.iter().map(Error::message).collect();
        return Err(Error::config(all.join("\n")));
    }
    match problems.into_iter().next() {
        Some(problem) => Err(problem),
        None => Ok(streams),
    }
}

/// How long cleaning up may take for a sync that was stopped: whoever stopped it does not wait for long.
pub const STOPPED: Duration = Duration::from_secs(2);
/// How long between two looks at the counters for the line on the terminal.
pub const TERMINAL_INTERVAL: Duration = Duration::from_millis(200);
