//! One sync from beginning to end, as `write` and `check` run it: prepare, transfer, clean up.
//!
//! [`Sync::prepare`] does, before the first record is read, everything that can fail because of the configuration: [`Begun::new`] opens the
//! storage and takes a lease on a staging folder, [`Begun::open`] clears away what dead syncs left and opens every stream's table. Who has to
//! know something of the input before the tables are opened looks at it in between.

use std::collections::HashMap;
use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::{sleep, timeout};
use uuid::Uuid;

use crate::clock::ClockAndIds;
use crate::config::{ClusterBy, Compression, Config, CsvCompression, Engine, StagingFormat, StorageSettings};
use crate::counted::counted;
use crate::delta::table::TableLog;
use crate::encode::encoder::Encoders;
use crate::encode::key_guard::KeyGuard;
use crate::encode::sql_keys::SqlKeys;
use crate::error::{Error, Kind, Problems, Result};
use crate::load::direct::Direct;
use crate::load::sql::{Sql, TablePlace};
use crate::load::{Ending, Loader, Opened};
use crate::opening;
use crate::pipeline::progress::Progress;
use crate::pipeline::{self, Limits, OpenStream, Outcome, Setup};
use crate::protocol::cache::Records;
use crate::protocol::catalog::Catalog;
use crate::protocol::writer::ProtocolWriter;
use crate::recovery::lease::Lease;
use crate::recovery::left_behind::write_list;
use crate::recovery::sweep::{clear_moved_files, sweep};
use crate::stage::staged::Format;
use crate::stage::{Stage, StagedStream};
use crate::storage::Storage;
use crate::storage::file_names::FileNames;
use crate::target::{Target, targets};
use crate::tasks::stop::Stop;
use crate::tasks::threads::Threads;
use crate::tasks::{self, Background};

/// Compressed bytes after which a file is ended and the next one begun.
const FILE_SIZE: u64 = 128 << 20;
/// One part in so many of the memory limit is for buffers and what is under way; encoding, reading and the program need the
/// rest.
const BUFFER_SHARE: usize = 8;
/// And one in so many for loads that replace rows by their keys.
const MERGE_SHARE: usize = 8;
/// How long the clean-up of a sync that was stopped may take: whoever stopped it does not wait for long.
pub const STOPPED: Duration = Duration::from_secs(2);

/// What every sync needs, whatever its configuration.
#[derive(Clone)]
pub struct Context {
    /// Where messages go.
    pub writer: Arc<ProtocolWriter>,
    /// The time of day, and new ids.
    pub clock_and_ids: ClockAndIds,
    /// Set when the sync has to stop.
    pub stop: Stop,
    /// How many threads it may use.
    pub threads: Threads,
}

/// What a sync holds from its first moment to the end of its clean-up.
struct Session {
    storage: Storage,
    tables: TableLog,
    /// Set when the records come. Before that, a stop ends the listing of a log; after it, logs are read in spite of a stop,
    /// because what is staged is still to be loaded.
    is_ready: Arc<AtomicBool>,
    loader: Box<dyn Loader>,
    lease: RenewedLease,
    purge: bool,
}

/// A lease, and the task that renews it where it has to be renewed.
struct RenewedLease {
    lease: Lease,
    _renewal: Option<Background>,
}

/// A sync that has its lease, and no tables yet.
pub struct Begun(Session);

/// A sync that is ready to take records.
pub struct Sync {
    session: Session,
    setup: Setup,
}

/// What is left to do after the transfer.
pub struct CleanUp(Session);

impl Sync {
    /// Gets everything ready for the streams of `catalog`. Reads nothing from the input and changes no table.
    ///
    /// # Errors
    /// What is wrong with the configuration, the storage, the server or a table. The sync then leaves nothing behind, or the
    /// next one clears it away.
    pub async fn prepare(config: &Config, catalog: &Catalog, context: &Context) -> Result<Self> {
        Begun::new(config, catalog, context).await?.open(config, catalog, context).await
    }

    /// The sync's counters.
    pub fn progress(&self) -> Arc<Progress> {
        Arc::clone(&self.setup.progress)
    }

    /// The sync's id: the name of its staging folder.
    pub fn id(&self) -> Uuid {
        self.session.lease.id()
    }

    /// Moves all records of `input`, which `come_from` there, into the tables. The clean-up has to be run, whatever the outcome.
    pub async fn transfer(self, input: impl Read + Send + 'static, come_from: Records) -> (Outcome, CleanUp) {
        let Self { session, setup } = self;
        let outcome = pipeline::run(input, come_from, setup).await;
        (outcome, CleanUp(session))
    }
}

impl Begun {
    /// Opens the storage and takes the lease. Of `catalog` the names of the streams count.
    ///
    /// # Errors
    /// What is wrong with the configuration, the storage or the server.
    pub async fn new(config: &Config, catalog: &Catalog, context: &Context) -> Result<Self> {
        tokio::select! {
            begun = Session::begin(config, catalog, context) => begun.map(Self),
            () = context.stop.requested() => Err(stopped()),
        }
    }

    /// Opens the tables of the streams of `catalog`.
    ///
    /// # Errors
    /// What is wrong with the storage, the server or a table; the sync has given up then.
    pub async fn open(self, config: &Config, catalog: &Catalog, context: &Context) -> Result<Sync> {
        let Self(session) = self;
        let opened = tokio::select! {
            opened = session.open(config, catalog, context) => opened.map_err(|error| match context.stop.reason() {
                // Most likely the stop has ended the listing of a log.
                Some(_) => stopped().with_source(error),
                None => error,
            }),
            () = context.stop.requested() => Err(stopped()),
        };
        match opened {
            Ok(setup) => {
                session.is_ready.store(true, Ordering::Release);
                Ok(Sync { session, setup })
            }
            Err(error) => {
                session.give_up(config, context).await;
                Err(error)
            }
        }
    }

    /// Removes what it has made, if there is time for it; the next sync does what is left.
    pub async fn give_up(self, config: &Config, context: &Context) {
        self.0.give_up(config, context).await;
    }
}

impl Session {
    /// Takes the lease and makes the loader.
    async fn begin(config: &Config, catalog: &Catalog, context: &Context) -> Result<Self> {
        // Before anything is made: a catalog with two streams for one table must leave nothing behind.
        let targets = targets(catalog, &config.schema, Uuid::nil())?;
        let schemas: Vec<&str> = targets.iter().filter_map(|target| target.table.split('/').next()).collect();
        let (storage, transport) = Box::pin(opening::open(config, &schemas)).await?;
        let (stop, is_ready) = (context.stop.clone(), Arc::new(AtomicBool::new(false)));
        let ready = Arc::clone(&is_ready);
        let tables = TableLog::new(&storage, &Handle::current(), context.threads.log_calls)
            .while_going_on(Arc::new(move || ready.load(Ordering::Acquire) || stop.reason().is_none()));
        let parallelism = match &config.engine {
            Engine::Direct => 1,
            Engine::Databricks(settings) => settings.load_parallelism,
        };
        let lease = Lease::begin(&storage, context.clock_and_ids.new_id).await?;
        let lease = RenewedLease { _renewal: lease.renewal().map(tasks::run), lease };
        let evolution = config.enable_schema_evolution;
        let loader: Box<dyn Loader> = match transport {
            None => {
                let (memory, workers) = (config.tuning.memory_limit / MERGE_SHARE, context.threads.workers);
                let direct = Direct::new(&storage, &tables, context.clock_and_ids.clone(), lease.id(), evolution);
                Box::new(direct.with_memory(memory, workers))
            }
            Some(transport) => {
                let tables_at = table_place(config);
                let place = (config.catalog.as_str(), config.staging_schema.as_deref());
                let engine =
                    Sql::new(transport, &storage, &tables, place, (lease.id(), evolution), tables_at, parallelism);
                Box::new(engine.clustering_by_key(config.tables.cluster_by == ClusterBy::PrimaryKey))
            }
        };
        let purge = config.purge_staging_data;
        Ok(Self { storage, tables, is_ready, loader, lease, purge })
    }

    /// Removes what the session has made, if there is time for it; the next sync does what is left.
    async fn give_up(self, config: &Config, context: &Context) {
        let Self { loader, lease, .. } = self;
        let left = async { loader.end(Ending::Stopped).await.and(lease.lease.remove().await) };
        let out_of_time = async {
            let stopped = async {
                context.stop.requested().await;
                sleep(STOPPED).await;
            };
            // Whichever comes first.
            let _ = timeout(config.tuning.timeouts.clean_up(), stopped).await;
        };
        tokio::select! {
            left = left => left.unwrap_or_else(|left| tracing::warn!("{}", left.internal_message())),
            () = out_of_time => {}
        }
    }

    async fn open(&self, config: &Config, catalog: &Catalog, context: &Context) -> Result<Setup> {
        let sync = self.lease.id();
        let targets = targets(catalog, &config.schema, sync)?;
        let open = open_streams(&*self.loader, targets, config.tuning.compression);
        // At the same time: what is swept is in no table's log. Both run to completion: a cancelled sweep leaves a state that
        // the next sync cannot interpret.
        let (swept, streams) = tokio::join!(sweep(&self.storage, &self.tables, &*self.loader), open);
        let (swept, streams) = (swept?, streams?);
        write_list(&self.storage, sync, streams.iter().filter_map(|stream| stream.staged.left_behind())).await?;
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
                clock_and_ids: context.clock_and_ids.clone(),
                sync,
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
    /// Removes the staging folder, or leaves it where the user asked for that. After a failure, files that were moved to a
    /// table's folder and not committed are removed first. Where work of the sync is still under way, nothing is removed:
    /// the next sync clears it away.
    pub async fn run(self, outcome: &Outcome) -> Result<()> {
        let Session { storage, tables, loader, lease, purge, .. } = self.0;
        if !outcome.idle {
            tracing::warn!(
                "Work of sync {} was still under way when it was stopped: the next sync clears away what it staged.",
                lease.id()
            );
            let ended = loader.end(Ending::Stopped).await;
            lease.hold_until_exit();
            return ended;
        }
        let clear = async {
            match outcome.result {
                Ok(()) => Ok(()),
                Err(_) => clear_moved_files(&storage, &tables, lease.id()).await,
            }
        };
        let ending = if purge { Ending::Purged } else { Ending::Kept };
        // A staging table without files looks like one that is in use: if it cannot be dropped, its files stay, too.
        let (ended, cleared) = tokio::join!(loader.end(ending), clear);
        ended.and(cleared)?;
        if purge { lease.lease.remove().await } else { lease.lease.keep().await }
    }
}

impl RenewedLease {
    /// The sync's id.
    fn id(&self) -> Uuid {
        self.lease.sync()
    }

    /// Goes on renewing the lease until the process ends, so that other syncs do not clear away what still runs.
    fn hold_until_exit(self) {
        std::mem::forget(self);
    }
}

fn stopped() -> Error {
    Error::transient("The sync was stopped before it began.")
}

/// Where the tables lie that Databricks loads, and how their rows are staged.
fn table_place(config: &Config) -> TablePlace {
    match &config.storage {
        StorageSettings::Azure(settings) if settings.staging_format == StagingFormat::Csv => {
            TablePlace::InStorage(Format::Csv { gzip: settings.csv_compression == CsvCompression::Gzip })
        }
        StorageSettings::Azure(_) | StorageSettings::Local { .. } | StorageSettings::S3(_) => {
            TablePlace::InStorage(Format::Parquet)
        }
        StorageSettings::Managed(settings) => {
            TablePlace::Managed { purges: config.purge_staging_data, has_raw_prefix: settings.raw_table_prefix }
        }
    }
}

/// Opens every table. If each problem is one of the configuration, one error tells all of them.
async fn open_streams(loader: &dyn Loader, targets: Vec<Target>, compression: Compression) -> Result<Vec<OpenStream>> {
    // The platform gives all streams of a sync the same number.
    let mut encoders: HashMap<i64, Encoders> = HashMap::new();
    let targets: Vec<Arc<Target>> = targets.into_iter().map(Arc::new).collect();
    let opened = loader.open_all(&targets).await?;
    let mut streams = Vec::with_capacity(opened.len());
    let mut problems = Problems::default();
    for (target, outcome) in targets.into_iter().zip(opened) {
        match outcome {
            Ok(Opened { table, schema, staging, watcher, compares_in_sql }) => {
                let descriptor = target.stream.clone();
                let of_sync = encoders.entry(target.sync_id);
                let of_sync = of_sync.or_insert_with_key(|sync_id| Encoders::new(compression).of_sync(*sync_id));
                let format = staging.staged.format();
                let encoder = match &target.dedup {
                    Some(dedup) => {
                        let guard = KeyGuard::new(&target.stream, dedup, &schema);
                        let in_sql = || SqlKeys::new(&target.stream, dedup, &schema);
                        of_sync.keyed(&schema, format, guard, (watcher, compares_in_sql.then(in_sql).flatten()))
                    }
                    None => of_sync.get(&schema, format),
                };
                let staged = StagedStream::new(target, staging, encoder);
                streams.push(OpenStream { descriptor, table, staged });
            }
            Err(error) if error.kind() == Kind::Config || problems.is_empty() => problems.add(error),
            // What is out of reach is so for many tables at once: the first one says it.
            Err(_) => {}
        }
    }
    problems.into_result().map(|()| streams)
}
