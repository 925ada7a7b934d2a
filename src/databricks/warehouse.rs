//! A SQL warehouse: its state, and starting it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Deserialize;

use super::conditions;
use super::http::{HttpClient, Request};
use super::rate_limit::Priority;
use super::server_error::ServerError;
use super::workspace::Response;
use crate::config::Timeouts;
use crate::error::{Error, Result, code};
use crate::retry::Backoff;

/// The time between two messages that a warehouse is still waited for.
const LOG_INTERVAL: Duration = Duration::from_secs(30);
/// How often a warehouse is started that stops again.
const STARTS: u32 = 3;

/// A state from which a warehouse can reach `Running`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WarehouseState {
    /// It runs statements.
    Running,
    /// It will run them soon.
    Starting,
    /// It has to be started; a statement starts it too.
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
    /// Why the state is unknown; a deleted warehouse is an error too.
    pub async fn state(&self) -> Result<WarehouseState> {
        Ok(self.describe().await?.0)
    }

    /// Starts it where it is stopped, and waits until it runs statements.
    ///
    /// # Errors
    /// [`Kind::Transient`](crate::error::Kind::Transient) when it takes longer than the time limit; otherwise why it
    /// cannot be started.
    pub async fn ensure_started(&self) -> Result<()> {
        let begun = Instant::now();
        let mut waits = Backoff::new(
            self.start.min(Duration::from_secs(100)) / 100,
            LOG_INTERVAL.min(self.start / 10),
            Some(self.start),
        );
        let (mut starts, mut last_logged) = (0, begun);
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
                    let request =
                        Request::post(format!("{}/start", self.path()), "{}").with_priority(Priority::Immediate);
                    self.ensure_success(self.http.repeat(&request).await?)?;
                }
                (WarehouseState::Starting | WarehouseState::Stopping, _) => {}
            }
            if last_logged.elapsed() >= LOG_INTERVAL {
                last_logged = Instant::now();
                tracing::info!("{}", self.starting_message(begun.elapsed()));
            }
            if !waits.wait(None).await {
                return Err(self.start_timeout_error());
            }
        }
    }

    /// The progress message while it starts.
    pub(super) fn starting_message(&self, since: Duration) -> String {
        format!(
            "The SQL warehouse {} is starting; waiting for {} s so far, at most {} s.",
            self.id,
            since.as_secs(),
            self.start.as_secs()
        )
    }

    /// The error when it did not start in time.
    pub(super) fn start_timeout_error(&self) -> Error {
        Error::transient(format!(
            "The SQL warehouse {} did not start within {} s: look at its page in the workspace, or start it before syncs.",
            self.id,
            self.start.as_secs()
        ))
    }

    fn path(&self) -> String {
        format!("/api/2.0/sql/warehouses/{}", self.id)
    }

    fn ensure_success(&self, response: Response) -> Result<Response> {
        if response.status.is_success() {
            return Ok(response);
        }
        Err(conditions::explain(&ServerError::of_response(&response), self.http.workspace()))
    }

    /// The state, and the code of its last failure if there is one.
    async fn describe(&self) -> Result<(WarehouseState, Option<String>)> {
        let response = self
            .ensure_success(self.http.repeat(&Request::get(self.path()).with_priority(Priority::Immediate)).await?)?;
        let described: Described = response.json(self.http.workspace())?;
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
                    "The SQL warehouse {} is in an unknown state: {}.",
                    self.id,
                    code(other).unwrap_or("no word")
                )));
            }
        };
        let reason = described.health.and_then(|health| health.failure_reason).and_then(|reason| reason.code);
        Ok((state, reason.filter(|reason| code(reason).is_some())))
    }
}
