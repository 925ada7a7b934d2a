//! One sync from beginning to end, as `write` and `check` run it: prepare, transfer, clean up.
//!
//! [`Sync::prepare`] does everything that can fail for the user's sake before the first record is read: it takes a
//! lease on a staging folder, clears away what dead syncs left, and opens every stream's table.

use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use arrow_schema::SchemaRef;
use futures::{StreamExt, stream};
use tokio::runtime::Handle;
use tokio::time::timeout;
use uuid::Uuid;

use crate::clock::ClockAndIds;
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
use crate::pipeline::{self, Limits, OpenStream, Outcome, Setup};
use crate::protocol::catalog::Catalog;
use crate::protocol::writer::ProtocolWriter;
use crate::schema::{arrow, avro};
use crate::stage::sweep::{clear_tables, sweep};
use crate::stage::{Stage, StagedStream};
use crate::storage::file_names::FileNames;
use crate::storage::layout::{Target, targets};
use crate::storage::{Lease, Storage};
use crate::tasks::stop::Stop;
use crate::tasks::threads::Threads;
use crate::tasks::{self, Background};

/// Compressed bytes after which a file is ended and the next one begun.
const FILE_SIZE: u64 = 128 << 20;
/// Buffers and what is under way get this part of the memory limit: encoding, reading and the program need the rest.
const BUFFER_SHARE: usize = 8;
/// Tables opened at the same time.
const OPENING: usize = 16;

/// What a sync works with, whatever it does.
#[derive(Clone)]
pub struct Context {
    /// Where messages go.
    pub writer: Arc<ProtocolWriter>,
    /// Where time and ids come from.
    pub clock_and_ids: ClockAndIds,
    /// Set when somebody wishes to stop.
    pub stop: Stop,
    /// How many threads this machine has for it.
    pub threads: Threads,
}

/// What a sync stands on from its first moment to the end of its clean-up.
struct Session {
    storage: Storage,
    tables: TableLog,
    loader: Box<dyn Loader>,
    lease: Lease,
    /// Keeps the lease young.
    renewal: Option<Background>,
    /// The rows' columns, as Delta writes them.
    schema: Arc<str>,
    purge: bool,
}

/// A sync that is ready to take records.
pub struct Sync {
    session: Session,
    setup: Setup,
}

/// What is left to do when the records are through.
pub struct CleanUp(Session);

impl Sync {
    /// Gets everything ready for the streams of `catalog`. Reads nothing from the input and changes no table.
    pub async fn prepare(config: &Config, catalog: &Catalog, context: &Context) -> Result<Self> {
        let storage = Storage::open(&config.storage, &config.tuning).await?;
        let tables = TableLog::new(&storage, &Handle::current(), context.threads.log_calls);
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
        let lease = Lease::begin(&storage, context.clock_and_ids.new_id).await?;
        let renewal = lease.renewal().map(tasks::run);
        let loader: Box<dyn Loader> = match server {
            None => Box::new(Direct::new(
                &storage,
                &tables,
                context.clock_and_ids.clone(),
                lease.sync(),
                Arc::clone(&schema),
            )),
            Some((transport, parallelism)) => {
                let place = (config.catalog.as_str(), config.staging_schema.as_deref());
                Box::new(Sql::new(transport, &storage, &tables, place, lease.sync(), parallelism))
            }
        };
        let purge = config.purge_staging_data;
        let session = Session { storage, tables, loader, lease, renewal, schema, purge };
        let opened = tokio::select! {
            opened = session.open(config, catalog, context, &row) => opened,
            () = context.stop.requested() => Err(Error::transient("The sync was stopped before it began.")),
        };
        match opened {
            Ok(setup) => Ok(Self { session, setup }),
            Err(error) => {
                let Session { loader, lease, .. } = session;
                let left = async { loader.end(Ending::Stopped).await.and(lease.remove().await) };
                // What is not done in time is the next sync's.
                if let Ok(Err(left)) = timeout(config.tuning.patience.clean_up(), left).await {
                    tracing::warn!("{}", left.internal_message());
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
        self.session.lease.sync()
    }

    /// Moves everything that `input` gives into the tables.
    pub async fn transfer(self, input: impl Read + Send + 'static) -> (Outcome, CleanUp) {
        let Self { session, setup } = self;
        let outcome = pipeline::run(input, setup).await;
        (outcome, CleanUp(session))
    }
}

impl Session {
    async fn open(&self, config: &Config, catalog: &Catalog, context: &Context, row: &SchemaRef) -> Result<Setup> {
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
                clock_and_ids: context.clock_and_ids.clone(),
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
            writer: Arc::clone(&context.writer),
            clock: Arc::clone(&context.clock_and_ids.clock),
            stop: context.stop.clone(),
            progress,
        })
    }
}

impl CleanUp {
    /// Removes the staging folder, or leaves it where the user asked for that. After a failure, files that reached a
    /// table's folder and no commit are removed first. A sync whose work goes on is left to the next one.
    pub async fn run(self, outcome: &Outcome) -> Result<()> {
        let Session { storage, tables, loader, lease, renewal, purge, .. } = self.0;
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
