//! A SQL warehouse: which state it is in, and starting it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Deserialize;

use super::conditions;
use super::http::{Answer, HttpClient, Request};
use super::pace::Turn;
use super::said::Said;
use crate::config::Timeouts;
use crate::error::{Error, Result, code};
use crate::retry::Backoff;

/// The time between two messages that a warehouse is still waited for.
const TELL: Duration = Duration::from_secs(30);
/// How often a warehouse that stops again is started.
const STARTS: u32 = 3;

/// A state that a warehouse can come back from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WarehouseState {
    /// It runs statements.
    Running,
    /// It will soon.
    Starting,
    /// It has to be started; a statement does so too.
    Stopped,
    /// It will be stopped soon.
    Stopping,
}

/// A SQL warehouse.
pub struct Warehouse {
    http: Arc<HttpClient>,
    id: String,
    start: Duration,
}

#[derive(Deserialize)]
struct Described {
    state: String,
    health: Option<Health>,
}

#[derive(Deserialize)]
struct Health {
    failure_reason: Option<FailureReason>,
}

#[derive(Deserialize)]
struct FailureReason {
    code: Option<String>,
}

impl Warehouse {
    /// The warehouse `id` of the workspace that `http` speaks to.
    pub(super) fn new(http: Arc<HttpClient>, id: String, timeouts: &Timeouts) -> Self {
        Self { http, id, start: timeouts.databricks_start }
    }

    /// The client that reaches it.
    pub(super) fn http(&self) -> &HttpClient {
        &self.http
    }

    /// Its id.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The state it is in.
    ///
    /// # Errors
    /// A sentence that says why it cannot be told; a deleted warehouse is one.
    pub async fn state(&self) -> Result<WarehouseState> {
        Ok(self.describe().await?.0)
    }

    /// Starts it where it is stopped, and waits until it runs statements.
    ///
    /// # Errors
    /// [`Kind::Transient`](crate::error::Kind::Transient) when it takes longer than its timeout; otherwise why it
    /// cannot be started.
    pub async fn ensure_started(&self) -> Result<()> {
        let begun = Instant::now();
        let mut waits =
            Backoff::new(self.start.min(Duration::from_secs(100)) / 100, TELL.min(self.start / 10), Some(self.start));
        let (mut starts, mut told) = (0, begun);
        loop {
            match self.describe().await? {
                (WarehouseState::Running, _) => return Ok(()),
                (WarehouseState::Stopped, reason) if starts == STARTS => {
                    let reason = reason.map(|code| format!(" ({code})")).unwrap_or_default();
                    return Err(Error::transient(format!(
                        "The SQL warehouse {} was started {STARTS} times and stopped each time{reason}: look at its page \
                         in the workspace.",
                        self.id
                    )));
                }
                (WarehouseState::Stopped, _) => {
                    starts += 1;
                    tracing::info!("The SQL warehouse {} is stopped and will be started.", self.id);
                    let request = Request::post(format!("{}/start", self.path()), "{}").at(Turn::AtOnce);
                    self.successful(self.http.repeat(&request).await?)?;
                }
                (WarehouseState::Starting | WarehouseState::Stopping, _) => {}
            }
            if told.elapsed() >= TELL {
                told = Instant::now();
                tracing::info!("{}", self.waiting(begun.elapsed()));
            }
            if !waits.wait(None).await {
                return Err(self.too_long());
            }
        }
    }

    /// Says that it is starting, and for how long it will be waited for.
    pub(super) fn waiting(&self, since: Duration) -> String {
        format!(
            "The SQL warehouse {} is starting; waiting for {} s so far, at most {} s.",
            self.id,
            since.as_secs(),
            self.start.as_secs()
        )
    }

    /// That its timeout has passed.
    pub(super) fn too_long(&self) -> Error {
        Error::transient(format!(
            "The SQL warehouse {} did not start within {} s: look at its page in the workspace, or start it before syncs.",
            self.id,
            self.start.as_secs()
        ))
    }

    fn path(&self) -> String {
        format!("/api/2.0/sql/warehouses/{}", self.id)
    }

    fn successful(&self, answer: Answer) -> Result<Answer> {
        if answer.status.is_success() {
            return Ok(answer);
        }
        Err(conditions::explain(&Said::of_answer(&answer), self.http.place()))
    }

    /// The state, and why it failed if it did.
    async fn describe(&self) -> Result<(WarehouseState, Option<String>)> {
        let answer = self.successful(self.http.repeat(&Request::get(self.path()).at(Turn::AtOnce)).await?)?;
        let described: Described = answer.json(self.http.place())?;
        let state = match described.state.as_str() {
            "RUNNING" => WarehouseState::Running,
            "STARTING" => WarehouseState::Starting,
            "STOPPED" => WarehouseState::Stopped,
            "STOPPING" => WarehouseState::Stopping,
            "DELETED" | "DELETING" => {
                return Err(Error::config(format!(
                    "The SQL warehouse {} has been deleted: set `databricks_http_path` to another one.",
                    self.id
                )));
            }
            other => {
                return Err(Error::system(format!(
                    "The SQL warehouse {} is in a state that this program does not know: {}.",
                    self.id,
                    code(other).unwrap_or("no word")
                )));
            }
        };
        let reason = described.health.and_then(|health| health.failure_reason).and_then(|reason| reason.code);
        Ok((state, reason.filter(|reason| code(reason).is_some())))
    }
}
