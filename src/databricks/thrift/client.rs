//! One call: sent over HTTP until it is answered, and its answer looked at.
//!
//! Every call here can be repeated: where an answer is lost, the call is made again. What a server says while a cluster
//! starts (503, `TEMPORARILY_UNAVAILABLE`) is waited for.

use std::sync::atomic::{AtomicI32, Ordering};
use std::time::{Duration, Instant};

use tcli_service as tcli;
use tokio::time::{sleep, timeout};

use super::message::{self, Answer, Call, NoAnswer};
use super::wire::{Response, Wire};
use crate::error::{Error, Result};

/// The first pause before a call is made again; each later one is twice as long, up to the longest.
const PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// How often it is told that a cluster is waited for.
const PROGRESS: Duration = Duration::from_secs(30);
/// How often an answer that cannot be read is asked for again.
const MOST_UNREADABLE: u32 = 3;
/// How long a call may take that only tidies up.
const PARTING: Duration = Duration::from_secs(5);
/// How servers name sessions and statements that they do not have any more.
const FORGOTTEN: [&str; 3] = ["Invalid SessionHandle", "Invalid OperationHandle", "INVALID_HANDLE"];

/// How Databricks says that a cluster cannot answer yet.
const STARTING: [&str; 4] = ["TEMPORARILY_UNAVAILABLE", "PENDING", "RESTARTING", "is starting"];

/// Why a call came to nothing.
pub(super) enum Fault {
    /// The session or the statement is not known to the server any more: what it said. The statement can be sent again.
    Lost(String),
    /// The server does not take the call at all: what it said. So do servers of another version.
    Exception(String),
    /// Everything else.
    Failed(Error),
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Fault::Failed(error)
    }
}

/// How long is waited for what.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// For a cluster that starts.
    pub(super) start: Duration,
    /// For answers while connections are cut.
    pub(super) retry: Duration,
}

/// A server, and how to call it.
pub(super) struct Client {
    wire: Wire,
    limits: Limits,
    number: AtomicI32,
}

/// A reason to make a call again.
enum Again {
    /// Not now, says the server; perhaps after this time.
    Later(String, Option<Duration>),
    /// The connection was cut, or not made.
    Cut(Error),
    /// An answer that says nothing.
    Unreadable(String),
}

impl Client {
    pub(super) fn new(wire: Wire, limits: Limits) -> Self {
        Self { wire, limits, number: AtomicI32::new(1) }
    }

    /// What is called, for messages.
    pub(super) fn place(&self) -> &str {
        self.wire.place()
    }

    /// Makes `call` and waits for its answer, whose status is good.
    pub(super) async fn call<C: Call>(&self, call: &C) -> Result<C::Answer, Fault> {
        let begun = Instant::now();
        let (mut pause, mut unreadable, mut told) = (PAUSE, 0, None::<Instant>);
        loop {
            let again = match self.once(call).await? {
                Ok(answer) => return self.accept(answer),
                Err(again) => again,
            };
            let mut wait = pause;
            match again {
                Again::Later(said, after) => {
                    wait = after.map_or(pause, |after| after.min(LONGEST_PAUSE).max(pause));
                    if begun.elapsed() + wait > self.limits.start {
                        return Err(self.never_started(&said).into());
                    }
                    if told.is_none_or(|at| at.elapsed() >= PROGRESS) {
                        told = Some(Instant::now());
                        let seconds = begun.elapsed().as_secs();
                        tracing::info!("Waiting for {} to start, for {seconds} seconds so far: {said}", self.place());
                    }
                }
                Again::Cut(error) => {
                    if begun.elapsed() + wait > self.limits.retry {
                        return Err(error.into());
                    }
                    tracing::debug!("{} is called again: {error}", C::NAME);
                }
                Again::Unreadable(what) => {
                    unreadable += 1;
                    if unreadable >= MOST_UNREADABLE {
                        return Err(self.misfit(&what).into());
                    }
                }
            }
            sleep(wait).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// Makes `call` once, to tidy up. What comes of it changes nothing.
    pub(super) async fn part<C: Call>(&self, call: &C) {
        let outcome = timeout(PARTING, self.once(call)).await;
        if !matches!(outcome, Ok(Ok(Ok(_)))) {
            tracing::debug!("{} did not succeed", C::NAME);
        }
    }

    /// `answer`, if its status is good.
    pub(super) fn accept<A: Answer>(&self, answer: A) -> Result<A, Fault> {
        let status = answer.status();
        let said = status.display_message.as_ref().or(status.error_message.as_ref());
        match status.status_code {
            tcli::TStatusCode::INVALID_HANDLE_STATUS => {
                Err(Fault::Lost(first_line(said.map_or("the handle is invalid", String::as_str)).to_owned()))
            }
            tcli::TStatusCode::ERROR_STATUS => {
                let text = status.error_message.as_ref().or(said).map_or("", String::as_str);
                Err(self.explain(status.sql_state.as_deref(), status.error_code, text))
            }
            _ => Ok(answer),
        }
    }

    /// What a statement failed with.
    pub(super) fn failed(&self, status: &tcli::TGetOperationStatusResp) -> Fault {
        let said = status.error_message.as_ref().or(status.display_message.as_ref()).map_or("", String::as_str);
        self.explain(status.sql_state.as_deref(), status.error_code, said)
    }

    /// What the server does is no Thrift of Hive's kind.
    pub(super) fn misfit(&self, what: &str) -> Error {
        Error::system(format!(
            "{} does not speak as a Databricks cluster or a Spark Thrift server does: {what}. Look whether \
             `databricks_http_path` is the one that the cluster's page shows.",
            self.place()
        ))
    }

    /// A cluster that was waited for in vain.
    fn never_started(&self, said: &str) -> Error {
        Error::transient(format!(
            "{} did not start within {} seconds. Look at the cluster's event log, and start it by hand.",
            self.place(),
            self.limits.start.as_secs()
        ))
        .with_source(said)
    }

    fn explain(&self, sql_state: Option<&str>, error_code: Option<i32>, said: &str) -> Fault {
        if FORGOTTEN.iter().any(|sign| said.contains(sign)) {
            return Fault::Lost(first_line(said).to_owned());
        }
        self.wire.explain(None, sql_state, error_code, said).into()
    }

    async fn once<C: Call>(&self, call: &C) -> Result<Result<C::Answer, Again>, Fault> {
        let number = self.number.fetch_add(1, Ordering::Relaxed);
        let body =
            message::encode(call, number).map_err(|error| self.misfit("a call has no bytes").with_source(error))?;
        let response = match self.wire.post(body).await {
            Ok(response) => response,
            Err(error) if error.kind().policy().retry => return Ok(Err(Again::Cut(error))),
            Err(error) => return Err(error.into()),
        };
        if response.status != 200 {
            return self.refused::<C>(&response).map(Err);
        }
        match message::decode::<C>(&response.body, number) {
            Ok(answer) => Ok(Ok(answer)),
            Err(NoAnswer::Exception(said)) => Err(Fault::Exception(said)),
            Err(NoAnswer::Unreadable(what)) => Ok(Err(Again::Unreadable(what))),
        }
    }

    fn refused<C: Call>(&self, response: &Response) -> Result<Again, Fault> {
        let said = response.said();
        let is_starting = STARTING.iter().any(|sign| said.contains(sign));
        match response.status {
            429 | 502..=504 => Ok(Again::Later(format!("{} {said}", response.status), response.retry_after)),
            400.. if is_starting => Ok(Again::Later(said, response.retry_after)),
            404 if C::NAME != tcli::TOpenSessionReq::NAME => Err(Fault::Lost(said)),
            status => Err(self.wire.explain(Some(status), None, None, &said).into()),
        }
    }
}

/// What a server says goes on with where in its sources it was.
fn first_line(said: &str) -> &str {
    said.lines().next().unwrap_or_default()
}
