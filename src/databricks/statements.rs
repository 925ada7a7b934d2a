//! The Statement Execution API of SQL warehouses: submit, ask until it has ended, fetch.
//!
//! A statement that changes rows is submitted without waiting, so that its id is known at once and it can be cancelled. For any
//! other one the server waits a while with its answer, which most often is all that has to be asked. What the server
//! lost (an answer, a statement, a result) is done again from the start, but for a statement that changes rows: whoever has
//! sent that is told. One that met another writer or a failure that passes is repeated a few times; of those that change rows
//! only one that was surely rolled back.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use futures::future::join_all;

use super::conditions::{self, Fate};
use super::http::{Answer, Request, Sent};
use super::pace::Turn;
use super::polling::pause;
use super::said::Said;
use super::statement_answers::{Chunk, State, StatementAnswer};
use super::warehouse::{Warehouse, WarehouseState};
use super::{Bounds, Changed, Rows, SqlTransport, table_of};
use crate::config::Timeouts;
use crate::error::{Error, Kind, Result};
use crate::retry::Backoff;

const PATH: &str = "/api/2.0/sql/statements";
/// How often a statement is run that fails in a way that passes.
const RUNS: u32 = 8;
/// How often a statement is run that somebody else cancels: one who restarts a warehouse does not do so for ever.
const CANCELLED_RUNS: u32 = 3;
/// How long the server may keep the answer to a statement that does not change rows: as long as it does by itself.
const KEPT: Duration = Duration::from_secs(10);
/// The shortest time that a server can be asked to keep an answer.
const SHORTEST_KEPT: Duration = Duration::from_secs(5);
/// How long the cancelling of what still runs may take at the end.
const CANCELLING: Duration = Duration::from_secs(5);
/// The most chunks of one result: each holds up to 25 MiB, and a result of ours fits into a few.
const MOST_CHUNKS: u32 = 100;
/// The time between two questions, and messages, about a warehouse that lets a statement wait.
const TELL: Duration = Duration::from_secs(30);

/// Runs statements on a SQL warehouse.
pub struct Statements {
    warehouse: Warehouse,
    timeout: Duration,
    timeouts: Timeouts,
    /// The ids of statements that have not ended.
    running: Mutex<BTreeSet<String>>,
    closed: AtomicBool,
    /// When the last message about a warehouse that starts was told: one for all statements that wait.
    told: Mutex<Instant>,
}

/// How one run of a statement ended.
enum Run {
    Done(Rows),
    /// It has ended, has changed nothing if it changes rows, and is worth another run.
    Failed(Error),
    /// It has ended and has changed nothing; another run would do no better.
    Refused(Error),
    /// Nobody knows what came of it: it may have run, and may still run.
    Lost(Error),
    /// Somebody else has ended it.
    Cancelled(Error),
}

/// Whether a statement may run twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Twice {
    Harmless,
    Never,
}

/// How long a statement has been under way, and in what.
struct Course {
    begun: Instant,
    /// Since when the warehouse could have run it.
    running: Option<Instant>,
    asked: Instant,
}

impl Statements {
    /// Runs statements on `warehouse`, each for at most `timeout`.
    pub(super) fn new(warehouse: Warehouse, timeout: Duration, timeouts: &Timeouts) -> Self {
        Self {
            warehouse,
            timeout,
            timeouts: *timeouts,
            running: Mutex::default(),
            closed: AtomicBool::new(false),
            told: Mutex::new(Instant::now()),
        }
    }

    async fn run(&self, statement: &str, twice: Twice) -> Result<Run> {
        let kept = self.kept(twice);
        let body = serde_json::json!({
            "warehouse_id": self.warehouse.id(),
            "statement": statement,
            "disposition": "INLINE",
            "format": "JSON_ARRAY",
            "wait_timeout": format!("{}s", kept.as_secs()),
            "on_wait_timeout": "CONTINUE",
        });
        let submitted = Instant::now();
        let mut answer = match self.submit(&Request::post(PATH, body.to_string()), twice).await? {
            Sent::Answered(answer) => self.read(&answer)?,
            Sent::Unknown(error) => return Ok(Run::Lost(error)),
        };
        let id = answer.id()?;
        self.running().insert(id.clone());
        let now = Instant::now();
        // Tries that came to nothing are no part of its time.
        let begun = now.checked_sub(submitted.elapsed().min(kept)).unwrap_or(now);
        let mut course = Course { begun, running: None, asked: now };
        let ended = loop {
            match answer.state()? {
                State::Succeeded => {
                    let fetched = tokio::time::timeout(self.timeout, self.fetch(&id, answer)).await;
                    break fetched.unwrap_or_else(|_| Err(self.too_slow()));
                }
                State::Failed => break self.failed(statement, &answer.said(), twice),
                State::Canceled => break self.ended_by_others(&answer.said()),
                State::Closed => break Ok(Run::Lost(self.lost())),
                state @ (State::Pending | State::Running) => {
                    if let Err(error) = self.may_go_on(state, &mut course).await {
                        self.cancel(&id).await;
                        break Err(error);
                    }
                }
            }
            pause(course.begun).await;
            match self.ask(&Request::get(format!("{PATH}/{id}")).at(Turn::Spare)).await? {
                Some(next) => answer = next,
                None => break Ok(Run::Lost(self.lost())),
            }
        };
        self.running().remove(&id);
        ended
    }

    /// How long the server keeps the answer to a submit: whole seconds, none or at least five, and well within a request's time.
    fn kept(&self, twice: Twice) -> Duration {
        let most = Duration::from_secs((self.warehouse.http().timeout() / 2).as_secs()).min(KEPT);
        if twice == Twice::Never || most < SHORTEST_KEPT { Duration::ZERO } else { most }
    }

    async fn submit(&self, request: &Request, twice: Twice) -> Result<Sent> {
        let http = self.warehouse.http();
        match twice {
            Twice::Harmless => http.repeat(request).await.map(Sent::Answered),
            Twice::Never => http.submit(request).await,
        }
    }

    /// The answer; `None` where the server does not know the statement or the result any more.
    async fn ask(&self, request: &Request) -> Result<Option<StatementAnswer>> {
        let answer = self.warehouse.http().repeat(request).await?;
        if matches!(answer.status.as_u16(), 404 | 410) {
            return Ok(None);
        }
        self.read(&answer).map(Some)
    }

    fn read(&self, answer: &Answer) -> Result<StatementAnswer> {
        let place = self.warehouse.http().place();
        if answer.status.is_success() {
            answer.json(place)
        } else {
            Err(conditions::explain(&Said::of_answer(answer), place))
        }
    }

    /// Whether a statement in `state` is waited for any longer.
    async fn may_go_on(&self, state: State, course: &mut Course) -> Result<()> {
        if self.closed.load(Ordering::SeqCst) {
            return Err(self.canceled());
        }
        let tell = TELL.min(self.timeouts.databricks_start / 10);
        if state == State::Running {
            course.running.get_or_insert_with(Instant::now);
        } else if course.running.is_none() && course.asked.elapsed() >= tell {
            course.asked = Instant::now();
            // A statement that waits for its turn has its own limit; who may not ask waits as for a start.
            if let Ok(WarehouseState::Running) = self.warehouse.state().await {
                course.running = Some(course.begun);
            } else {
                let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
                if told.elapsed() >= tell {
                    *told = Instant::now();
                    tracing::info!("{}", self.warehouse.waiting(course.begun.elapsed()));
                }
            }
        }
        match course.running {
            Some(since) if since.elapsed() > self.timeout => Err(self.too_slow()),
            None if course.begun.elapsed() > self.timeouts.databricks_start => Err(self.warehouse.too_long()),
            _ => Ok(()),
        }
    }

    fn too_slow(&self) -> Error {
        Error::transient(format!(
            "A statement took longer than {} s on the SQL warehouse {} and was cancelled: use a larger warehouse, or \
             raise `statement_timeout_seconds`.",
            self.timeout.as_secs(),
            self.warehouse.id()
        ))
    }

    fn failed(&self, statement: &str, said: &Said, twice: Twice) -> Result<Run> {
        if conditions::is_cancelled(said) {
            return self.ended_by_others(said);
        }
        let error = conditions::explain(said, self.warehouse.http().place());
        match (conditions::fate(said), conditions::passes(said)) {
            (Fate::Committed, _) => {
                tracing::warn!("Table {}: {error}", table_of(statement));
                Ok(Run::Done(Rows::default()))
            }
            (Fate::RolledBack, false) => Ok(Run::Refused(error)),
            (Fate::Open, true) if twice == Twice::Never => Ok(Run::Lost(error)),
            (_, true) => Ok(Run::Failed(error)),
            (Fate::Open, false) => Err(error),
        }
    }

    /// A statement that was cancelled, if not by this program. A reason that somebody has to mend is believed.
    fn ended_by_others(&self, said: &Said) -> Result<Run> {
        if self.closed.load(Ordering::SeqCst) {
            return Err(self.canceled());
        }
        let place = self.warehouse.http().place();
        let error = conditions::explain(said, place);
        if error.kind() == Kind::Config {
            return Err(error);
        }
        let said = Said::of_statement(Some("CANCELLED"), None, &said.message);
        Ok(Run::Cancelled(conditions::explain(&Said { class: None, sqlstate: None, ..said }, place)))
    }

    async fn fetch(&self, id: &str, mut answer: StatementAnswer) -> Result<Run> {
        let (columns, expected) = answer.shape()?;
        let mut rows = Vec::new();
        let mut bounds = Bounds::new(expected);
        let mut chunk = answer.result.take().unwrap_or_default();
        let (mut index, mut chunks) = (0, 0);
        while let Some(next) = chunk.into_rows(columns.len(), &mut rows, &mut bounds)? {
            chunks += 1;
            if next <= index || chunks >= MOST_CHUNKS {
                return Err(Error::system("Databricks numbers the chunks of a result in circles, or without an end."));
            }
            index = next;
            chunk = match self.chunk(id, index).await? {
                Some(chunk) => chunk,
                None => return Ok(Run::Lost(self.lost())),
            };
        }
        if expected.is_some_and(|expected| expected != rows.len() as u64) {
            return Err(Error::system(format!(
                "Databricks sent {} rows of a result that has {}.",
                rows.len(),
                expected.unwrap_or_default()
            )));
        }
        Ok(Run::Done(Rows { columns, rows }))
    }

    async fn chunk(&self, id: &str, index: u64) -> Result<Option<Chunk>> {
        let http = self.warehouse.http();
        let answer = http.repeat(&Request::get(format!("{PATH}/{id}/result/chunks/{index}"))).await?;
        match answer.status.as_u16() {
            404 | 410 => Ok(None),
            _ if answer.status.is_success() => answer.json(http.place()).map(Some),
            _ => Err(conditions::explain(&Said::of_answer(&answer), http.place())),
        }
    }

    async fn cancel(&self, id: &str) {
        let request = Request::post(format!("{PATH}/{id}/cancel"), "{}").at(Turn::AtOnce);
        let sent = tokio::time::timeout(CANCELLING, self.warehouse.http().send(&request)).await;
        let has_ended = |status: u16| matches!(status, 200..=299 | 400 | 404 | 409);
        match sent {
            Ok(Ok(answer)) if has_ended(answer.status.as_u16()) => {}
            _ => tracing::warn!("The statement {id} could not be cancelled; it may still run in the SQL warehouse."),
        }
    }

    fn running(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lost(&self) -> Error {
        Error::transient(format!(
            "The SQL warehouse {} lost a statement again and again: look at its page in the workspace.",
            self.warehouse.id()
        ))
    }

    fn canceled(&self) -> Error {
        if self.closed.load(Ordering::SeqCst) {
            return Error::transient("The statement was cancelled, because the sync has ended.");
        }
        conditions::explain(&Said::of_statement(Some("CANCELLED"), None, ""), self.warehouse.http().place())
    }

    async fn run_to_its_end(&self, statement: &str, twice: Twice) -> Result<Changed> {
        let mut waits = Backoff::counted(self.timeouts.databricks_retry);
        let (mut runs, mut cancelled) = (1, 0);
        loop {
            if self.closed.load(Ordering::SeqCst) {
                return Err(self.canceled());
            }
            let error = match self.run(statement, twice).await? {
                Run::Done(rows) => return Ok(Changed::Done(rows)),
                Run::Lost(error) if twice == Twice::Never => return Ok(Changed::Unknown(error)),
                Run::Cancelled(error) if twice == Twice::Never => return Ok(Changed::Cancelled(error)),
                Run::Refused(error) => return Ok(Changed::Refused(error)),
                Run::Failed(error) if runs == RUNS => return Ok(Changed::Refused(error)),
                Run::Failed(error) | Run::Lost(error) => error,
                Run::Cancelled(error) => {
                    cancelled += 1;
                    if cancelled == CANCELLED_RUNS {
                        return Err(error);
                    }
                    error
                }
            };
            if runs == RUNS {
                return Err(error);
            }
            tracing::info!("A statement failed and will be repeated ({runs} of {RUNS}): {error}");
            runs += 1;
            waits.wait(None).await;
        }
    }
}

#[async_trait]
impl SqlTransport for Statements {
    async fn execute(&self, statement: &str) -> Result<Rows> {
        match self.run_to_its_end(statement, Twice::Harmless).await? {
            Changed::Done(rows) => Ok(rows),
            Changed::Refused(error) | Changed::Unknown(error) | Changed::Cancelled(error) => Err(error),
        }
    }

    async fn change(&self, statement: &str) -> Result<Changed> {
        self.run_to_its_end(statement, Twice::Never).await
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
