//! The Statement Execution API of SQL warehouses: submit a statement, poll until it has ended, fetch its result.
//!
//! A statement that changes rows is submitted without waiting, so that its id is known at once and it can be cancelled. For any
//! other one the server delays its response until the statement ends, for some seconds, so that one request is usually enough. When
//! a response, a statement or a result is lost, the statement is run again from the start, unless it changes rows: then the caller
//! learns that its outcome is unknown. A conflict with another writer or another transient failure is retried a few times; for a
//! statement that changes rows only if it was rolled back.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use futures::future::join_all;

use super::conditions::{self, CommitState};
use super::http::{Request, Sent};
use super::polling::pause;
use super::rate_limit::Priority;
use super::server_error::ServerError;
use super::statement_response::{ResultChunk, StatementResponse, StatementState};
use super::warehouse::{Warehouse, WarehouseState};
use super::workspace::Response;
use super::{Changed, QueryResult, ResultLimits, SqlTransport, Who, table_of};
use crate::config::Timeouts;
use crate::error::{Error, Kind, Result};
use crate::retry::Backoff;

const PATH: &str = "/api/2.0/sql/statements";
/// How often a statement is run that fails with a transient error.
const MOST_RUNS: u32 = 8;
/// How often a statement is run that somebody else cancels: a restart of the warehouse does so once.
const MOST_CANCELLED_RUNS: u32 = 3;
/// How long the server may delay its response to a statement that does not change rows: its own default.
const SERVER_WAIT: Duration = Duration::from_secs(10);
/// The shortest delay that the API accepts, beside none.
const SHORTEST_SERVER_WAIT: Duration = Duration::from_secs(5);
/// How long a cancel request may take.
const CANCEL_TIMEOUT: Duration = Duration::from_secs(5);
/// The most chunks of one result: each holds up to 25 MiB, and the results here fit into a few.
const MOST_CHUNKS: u32 = 100;
/// The time between two queries, and log messages, about a warehouse while a statement is pending.
const LOG_INTERVAL: Duration = Duration::from_secs(30);

/// Runs statements on a SQL warehouse.
pub struct StatementApi {
    warehouse: Warehouse,
    timeout: Duration,
    timeouts: Timeouts,
    /// The ids of statements that have not ended.
    running: Mutex<BTreeSet<String>>,
    closed: AtomicBool,
    /// When waiting for the warehouse was last logged: one message for all pending statements.
    last_logged: Mutex<Instant>,
}

/// How one run of a statement ended.
enum RunOutcome {
    Done(QueryResult),
    /// It failed and is worth another run; if it changes rows, it was rolled back.
    Failed(Error),
    /// It failed and has changed nothing; another run would fail too.
    Refused(Error),
    /// Its outcome is unknown: it may have run, and may still run.
    Lost(Error),
    /// Somebody else cancelled it.
    Cancelled(Error),
}

/// Whether a statement may be run again while an earlier copy may have run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rerun {
    Allowed,
    Forbidden,
}

/// Since when a statement has been submitted and been able to run.
struct StatementClock {
    begun: Instant,
    /// Since when the warehouse could run it; `None` while the warehouse is starting.
    running: Option<Instant>,
    asked: Instant,
}

impl StatementApi {
    /// Runs statements on `warehouse`, each for at most `timeout`.
    pub(super) fn new(warehouse: Warehouse, timeout: Duration, timeouts: &Timeouts) -> Self {
        Self {
            warehouse,
            timeout,
            timeouts: *timeouts,
            running: Mutex::default(),
            closed: AtomicBool::new(false),
            last_logged: Mutex::new(Instant::now()),
        }
    }

    async fn run(&self, statement: &str, rerun: Rerun) -> Result<RunOutcome> {
        let server_wait = self.server_wait(rerun);
        let body = serde_json::json!({
            "warehouse_id": self.warehouse.id(),
            "statement": statement,
            "disposition": "INLINE",
            "format": "JSON_ARRAY",
            "wait_timeout": format!("{}s", server_wait.as_secs()),
            "on_wait_timeout": "CONTINUE",
        });
        let submitted = Instant::now();
        let mut response = match self.submit(&Request::post(PATH, body.to_string()), rerun).await? {
            Sent::Answered(response) => self.read(&response)?,
            Sent::Unknown(error) => return Ok(RunOutcome::Lost(error)),
        };
        let id = response.id()?;
        self.running().insert(id.clone());
        let now = Instant::now();
        // Failed tries of the submit do not count.
        let begun = now.checked_sub(submitted.elapsed().min(server_wait)).unwrap_or(now);
        let mut clock = StatementClock { begun, running: None, asked: now };
        let ended = loop {
            match response.state()? {
                StatementState::Succeeded => {
                    let fetched = tokio::time::timeout(self.timeout, self.fetch(&id, response)).await;
                    break fetched.unwrap_or_else(|_| Err(self.statement_timeout_error()));
                }
                StatementState::Failed => break self.classify(statement, &response.server_error(), rerun),
                StatementState::Canceled => break self.ended_by_others(&response.server_error()),
                StatementState::Closed => break Ok(RunOutcome::Lost(self.lost_error())),
                state @ (StatementState::Pending | StatementState::Running) => {
                    if let Err(error) = self.check_limits(state, &mut clock).await {
                        self.cancel(&id).await;
                        break Err(error);
                    }
                }
            }
            pause(clock.begun).await;
            match self.ask(&Request::get(format!("{PATH}/{id}")).with_priority(Priority::Low)).await? {
                Some(next) => response = next,
                None => break Ok(RunOutcome::Lost(self.lost_error())),
            }
        };
        self.running().remove(&id);
        ended
    }

    /// How long the server may delay its response to a submit: whole seconds, 0 or at least 5, at most half the request timeout.
    fn server_wait(&self, rerun: Rerun) -> Duration {
        let most = Duration::from_secs((self.warehouse.http().timeout() / 2).as_secs()).min(SERVER_WAIT);
        if rerun == Rerun::Forbidden || most < SHORTEST_SERVER_WAIT { Duration::ZERO } else { most }
    }

    async fn submit(&self, request: &Request, rerun: Rerun) -> Result<Sent> {
        let http = self.warehouse.http();
        match rerun {
            Rerun::Allowed => http.repeat(request).await.map(Sent::Answered),
            Rerun::Forbidden => http.submit(request).await,
        }
    }

    /// The response; `None` if the server no longer knows the statement or the result.
    async fn ask(&self, request: &Request) -> Result<Option<StatementResponse>> {
        let response = self.warehouse.http().repeat(request).await?;
        if matches!(response.status.as_u16(), 404 | 410) {
            return Ok(None);
        }
        self.read(&response).map(Some)
    }

    fn read(&self, response: &Response) -> Result<StatementResponse> {
        let workspace = self.warehouse.http().workspace();
        if response.status.is_success() {
            response.json(workspace)
        } else {
            Err(conditions::explain(&ServerError::of_response(response), workspace))
        }
    }

    /// Fails if a statement in `state` must not be waited for any longer: a time limit has passed, or the transport was closed.
    async fn check_limits(&self, state: StatementState, clock: &mut StatementClock) -> Result<()> {
        if self.closed.load(Ordering::SeqCst) {
            return Err(self.cancelled_error());
        }
        let log_interval = LOG_INTERVAL.min(self.timeouts.databricks_start / 10);
        if state == StatementState::Running {
            clock.running.get_or_insert_with(Instant::now);
        } else if clock.running.is_none() && clock.asked.elapsed() >= log_interval {
            clock.asked = Instant::now();
            // In a running warehouse the statement is queued, and its own time limit counts. If the state cannot be queried, the
            // limit for a start counts.
            if let Ok(WarehouseState::Running) = self.warehouse.state().await {
                clock.running = Some(clock.begun);
            } else {
                let mut last_logged = self.last_logged.lock().unwrap_or_else(PoisonError::into_inner);
                if last_logged.elapsed() >= log_interval {
                    *last_logged = Instant::now();
                    tracing::info!("{}", self.warehouse.starting_message(clock.begun.elapsed()));
                }
            }
        }
        match clock.running {
            Some(since) if since.elapsed() > self.timeout => Err(self.statement_timeout_error()),
            None if clock.begun.elapsed() > self.timeouts.databricks_start => Err(self.warehouse.start_timeout_error()),
            _ => Ok(()),
        }
    }

    fn statement_timeout_error(&self) -> Error {
        Error::transient(format!(
            "A statement took longer than {} s on the SQL warehouse {} and was cancelled: use a larger warehouse, or \
             raise `statement_timeout_seconds`.",
            self.timeout.as_secs(),
            self.warehouse.id()
        ))
    }

    fn classify(&self, statement: &str, server_error: &ServerError, rerun: Rerun) -> Result<RunOutcome> {
        if conditions::is_cancelled(server_error) {
            return self.ended_by_others(server_error);
        }
        let error = conditions::explain(server_error, self.warehouse.http().workspace());
        match (conditions::commit_state(server_error), conditions::is_transient(server_error)) {
            (CommitState::Committed, _) => {
                tracing::warn!("Table {}: {error}", table_of(statement));
                Ok(RunOutcome::Done(QueryResult::default()))
            }
            (CommitState::RolledBack, false) => Ok(RunOutcome::Refused(error)),
            (CommitState::Unknown, true) if rerun == Rerun::Forbidden => Ok(RunOutcome::Lost(error)),
            (_, true) => Ok(RunOutcome::Failed(error)),
            (CommitState::Unknown, false) => Err(error),
        }
    }

    /// The outcome of a statement that was cancelled by somebody else. A configuration error as the reason is returned as it is.
    fn ended_by_others(&self, server_error: &ServerError) -> Result<RunOutcome> {
        if self.closed.load(Ordering::SeqCst) {
            return Err(self.cancelled_error());
        }
        let workspace = self.warehouse.http().workspace();
        let error = conditions::explain(server_error, workspace);
        if error.kind() == Kind::Config {
            return Err(error);
        }
        let cancelled = ServerError::of_statement(Some("CANCELLED"), None, &server_error.message);
        Ok(RunOutcome::Cancelled(conditions::explain(
            &ServerError { class: None, sqlstate: None, ..cancelled },
            workspace,
        )))
    }

    async fn fetch(&self, id: &str, mut response: StatementResponse) -> Result<RunOutcome> {
        let (columns, expected) = response.shape()?;
        let mut rows = Vec::new();
        let mut limits = ResultLimits::new(expected);
        let mut chunk = response.result.take().unwrap_or_default();
        let (mut index, mut chunks) = (0, 0);
        while let Some(next) = chunk.into_rows(columns.len(), &mut rows, &mut limits)? {
            chunks += 1;
            if next <= index || chunks >= MOST_CHUNKS {
                return Err(Error::system("Databricks numbered the chunks of a result in a circle or without an end."));
            }
            index = next;
            chunk = match self.chunk(id, index).await? {
                Some(chunk) => chunk,
                None => return Ok(RunOutcome::Lost(self.lost_error())),
            };
        }
        if expected.is_some_and(|expected| expected != rows.len() as u64) {
            return Err(Error::system(format!(
                "Databricks sent {} rows of a result and announced {}.",
                rows.len(),
                expected.unwrap_or_default()
            )));
        }
        Ok(RunOutcome::Done(QueryResult { columns, rows }))
    }

    async fn chunk(&self, id: &str, index: u64) -> Result<Option<ResultChunk>> {
        let http = self.warehouse.http();
        let response = http.repeat(&Request::get(format!("{PATH}/{id}/result/chunks/{index}"))).await?;
        match response.status.as_u16() {
            404 | 410 => Ok(None),
            _ if response.status.is_success() => response.json(http.workspace()).map(Some),
            _ => Err(conditions::explain(&ServerError::of_response(&response), http.workspace())),
        }
    }

    async fn cancel(&self, id: &str) {
        let request = Request::post(format!("{PATH}/{id}/cancel"), "{}").with_priority(Priority::Immediate);
        let sent = tokio::time::timeout(CANCEL_TIMEOUT, self.warehouse.http().send(&request)).await;
        let has_ended = |status: u16| matches!(status, 200..=299 | 400 | 404 | 409);
        match sent {
            Ok(Ok(response)) if has_ended(response.status.as_u16()) => {}
            _ => tracing::warn!("The statement {id} could not be cancelled; it may still run in the SQL warehouse."),
        }
    }

    fn running(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lost_error(&self) -> Error {
        Error::transient(format!(
            "The SQL warehouse {} repeatedly lost a statement: look at its page in the workspace.",
            self.warehouse.id()
        ))
    }

    fn cancelled_error(&self) -> Error {
        if self.closed.load(Ordering::SeqCst) {
            return Error::transient("The statement was cancelled, because the sync has ended.");
        }
        conditions::explain(&ServerError::of_statement(Some("CANCELLED"), None, ""), self.warehouse.http().workspace())
    }

    async fn run_to_completion(&self, statement: &str, rerun: Rerun) -> Result<Changed> {
        let mut waits = Backoff::counted(self.timeouts.databricks_retry);
        let (mut runs, mut cancelled) = (1, 0);
        loop {
            if self.closed.load(Ordering::SeqCst) {
                return Err(self.cancelled_error());
            }
            let error = match self.run(statement, rerun).await? {
                RunOutcome::Done(rows) => return Ok(Changed::Done(rows)),
                RunOutcome::Lost(error) if rerun == Rerun::Forbidden => return Ok(Changed::Unknown(error)),
                RunOutcome::Cancelled(error) if rerun == Rerun::Forbidden => return Ok(Changed::Cancelled(error)),
                RunOutcome::Refused(error) => return Ok(Changed::Refused(error)),
                RunOutcome::Failed(error) if runs == MOST_RUNS => return Ok(Changed::Refused(error)),
                RunOutcome::Failed(error) | RunOutcome::Lost(error) => error,
                RunOutcome::Cancelled(error) => {
                    cancelled += 1;
                    if cancelled == MOST_CANCELLED_RUNS {
                        return Err(error);
                    }
                    error
                }
            };
            if runs == MOST_RUNS {
                return Err(error);
            }
            tracing::info!("A statement failed and will be repeated ({runs} of {MOST_RUNS}): {error}");
            runs += 1;
            waits.wait(None).await;
        }
    }
}

#[async_trait]
impl SqlTransport for StatementApi {
    async fn execute(&self, statement: &str) -> Result<QueryResult> {
        match self.run_to_completion(statement, Rerun::Allowed).await? {
            Changed::Done(rows) => Ok(rows),
            Changed::Refused(error) | Changed::Unknown(error) | Changed::Cancelled(error) => Err(error),
        }
    }

    async fn change(&self, statement: &str) -> Result<Changed> {
        self.run_to_completion(statement, Rerun::Forbidden).await
    }

    fn who(&self) -> Who {
        self.warehouse.http().workspace().who.clone()
    }

    fn waits(&self) -> Backoff {
        Backoff::counted(self.timeouts.databricks_retry)
    }

    async fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
        let running = std::mem::take(&mut *self.running());
        join_all(running.iter().map(|id| self.cancel(id))).await;
    }
}
