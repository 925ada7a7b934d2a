//! One call: sent over HTTP until it is answered, and its answer looked at.
//!
//! Where an answer is lost, the call is made again, but for one that must not do its work twice. What a server says while a
//! cluster starts (503, `TEMPORARILY_UNAVAILABLE`) is waited for.

use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::{Duration, Instant};

use reqwest::{Method, StatusCode};
use tcli_service as tcli;
use tokio::time::timeout;

use super::message::{self, Call, NoAnswer};
use crate::config::Timeouts;
use crate::databricks::conditions::{self, Fate};
use crate::databricks::http::{Answer, HttpClient, Request, Sent, may_have_been_taken};
use crate::databricks::pace::Turn;
use crate::databricks::said::Said;
use crate::error::{Error, Kind, Result, shortened};
use crate::retry::Backoff;
use crate::secret::hide_in_answer;

const CONTENT_TYPE: &str = "application/x-thrift";
/// How often it is told that a cluster is waited for.
const PROGRESS: Duration = Duration::from_secs(30);
/// How often an answer that cannot be read is asked for again.
const MOST_UNREADABLE: u32 = 3;
/// How long a call may take that only tidies up.
const PARTING: Duration = Duration::from_secs(5);
/// How servers name sessions and statements that they do not have any more, in lower case. A session that has been idle for long
/// is such a one. The last is Spark's own, which says so where a session ends while a statement begins.
const FORGOTTEN: [&str; 6] = [
    "invalid sessionhandle",
    "invalid session handle",
    "invalid operationhandle",
    "invalid operation handle",
    "invalid_handle",
    "has not been initialized or had already closed",
];

/// Where Spark's own message begins, at the bracket.
const SPARK_SAYS: &str = "Exception: [";
/// The most characters of what a server said that come into a message.
const LONGEST_REASON: usize = 200;
/// How Databricks says that a cluster cannot answer yet.
const STARTING: [&str; 4] = ["TEMPORARILY_UNAVAILABLE", "PENDING", "RESTARTING", "is starting"];

/// Why a call came to nothing.
pub(super) enum Fault {
    /// The session or the statement is not known to the server any more: what it said. The call has done nothing.
    Lost(String),
    /// The server does not know a statement any more that it has begun: what it said.
    Forgotten(String),
    /// The answer to a call that must not be made twice is lost: it may have done its work.
    Unknown(Error),
    /// The server does not take the call at all: what it said. So do servers of another version.
    Exception(String),
    /// What the server said passes: the statement can be sent again after a while, if it may run twice.
    Passing(Error),
    /// As `Passing`, and the statement has changed nothing: it was not sent, or was rolled back.
    RolledBack(Error),
    /// The statement has changed nothing, and would do no better another time.
    Refused(Error),
    /// The statement has changed what it should, and what follows a commit has failed.
    Committed(Error),
    /// Somebody else has ended the statement.
    Cancelled(Error),
    /// Everything else.
    Failed(Error),
}

impl Fault {
    /// What this means for a statement if it was answered to a question about it: nothing beyond that there was no answer.
    fn of_a_question(self) -> Self {
        match self {
            Fault::RolledBack(error) | Fault::Committed(error) => Fault::Passing(error),
            Fault::Refused(error) => Fault::Failed(error),
            fault => fault,
        }
    }

    /// What this means for a statement that was not sent.
    pub(super) fn before_it_was_sent(self) -> Self {
        match self {
            Fault::Passing(error) => Fault::RolledBack(error),
            Fault::Failed(error) => Fault::Refused(error),
            fault => fault,
        }
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Fault::Failed(error)
    }
}

/// A server, and how to call it.
pub(super) struct Client {
    http: Arc<HttpClient>,
    path: String,
    timeouts: Timeouts,
    number: AtomicI32,
}

/// A reason to make a call again.
enum Again {
    /// Not now, said the server.
    Later(Said),
    /// The service itself is not available: what it said. It is waited for as any service is, not as a cluster that starts.
    Unavailable(Said),
    /// The connection was not made.
    Away(Error),
    /// The connection was cut: the call may have arrived.
    Cut(Error),
    /// An answer that says nothing.
    Unreadable(String),
}

impl Again {
    /// Whether the call may have done its work.
    fn may_have_been_taken(&self) -> bool {
        match self {
            Again::Cut(_) | Again::Unreadable(_) => true,
            Again::Away(_) => false,
            // By its status, whatever its words: a gateway that cannot hear a cluster any more may say that it starts.
            Again::Later(said) | Again::Unavailable(said) => said.status.is_some_and(may_have_been_taken),
        }
    }
}

impl Client {
    pub(super) fn new(http: Arc<HttpClient>, path: &str, timeouts: Timeouts) -> Self {
        Self { http, path: path.to_owned(), timeouts, number: AtomicI32::new(1) }
    }

    /// What is called, for messages.
    pub(super) fn place(&self) -> String {
        let place = self.http.place();
        format!("the cluster {} of {}", place.http_path, place.host)
    }

    /// How long is waited for what passes.
    pub(super) fn waits(&self) -> Backoff {
        Backoff::within(self.timeouts.databricks_retry)
    }

    /// How long is waited before a statement is sent again by whoever has settled its first copy.
    pub(super) fn waits_of_runs(&self) -> Backoff {
        Backoff::counted(self.timeouts.databricks_retry)
    }

    /// Makes `call` and waits for its answer, whose status is good.
    pub(super) async fn call<C: Call>(&self, call: &C) -> Result<C::Answer, Fault> {
        self.until_answered(call, true).await
    }

    /// Makes `call`, which must not do its work twice: again only while it has surely not been taken.
    pub(super) async fn call_once<C: Call>(&self, call: &C) -> Result<C::Answer, Fault> {
        self.until_answered(call, false).await
    }

    async fn until_answered<C: Call>(&self, call: &C, may_repeat: bool) -> Result<C::Answer, Fault> {
        let begun = Instant::now();
        let mut starting = Backoff::within(self.timeouts.databricks_start);
        let (mut cut, mut first_answer) = (self.waits(), self.http.waits());
        let (mut unreadable, mut told) = (0, None::<Instant>);
        loop {
            let again = match self.once(call).await? {
                Ok(answer) if may_repeat => return self.accept(answer),
                Ok(answer) => return self.judge(answer),
                Err(again) => again,
            };
            if !may_repeat && again.may_have_been_taken() {
                return Err(Fault::Unknown(self.explained(again)));
            }
            match again {
                Again::Later(said) => {
                    if told.is_none() {
                        told = Some(Instant::now());
                        tracing::info!("Waiting for {}, which starts", self.place());
                    }
                    self.tell(&mut told, begun);
                    if !starting.wait(said.retry_after.filter(|after| !after.is_zero())).await {
                        return Err(self.never_started(said).into());
                    }
                }
                Again::Unavailable(said) => {
                    self.tell(&mut told, begun);
                    if !cut.wait(said.retry_after).await {
                        return Err(conditions::explain(&said, self.http.place()).into());
                    }
                }
                Again::Away(error) | Again::Cut(error) => {
                    self.tell(&mut told, begun);
                    let waits = if self.http.is_known() { &mut cut } else { &mut first_answer };
                    if !waits.wait(None).await {
                        return Err(error.into());
                    }
                }
                Again::Unreadable(what) => {
                    unreadable += 1;
                    if unreadable >= MOST_UNREADABLE || !cut.wait(None).await {
                        return Err(self.misfit(&what).into());
                    }
                }
            }
        }
    }

    fn explained(&self, again: Again) -> Error {
        match again {
            Again::Later(said) | Again::Unavailable(said) => conditions::explain(&said, self.http.place()),
            Again::Away(error) | Again::Cut(error) => error,
            Again::Unreadable(what) => self.misfit(&what),
        }
    }

    /// Says from time to time that the server is waited for.
    fn tell(&self, told: &mut Option<Instant>, begun: Instant) {
        if told.unwrap_or(begun).elapsed() >= PROGRESS {
            *told = Some(Instant::now());
            tracing::info!("Still waiting for {}, for {} seconds so far", self.place(), begun.elapsed().as_secs());
        }
    }

    /// Makes `call` once, to tidy up. What comes of it changes nothing.
    pub(super) async fn part<C: Call>(&self, call: &C) {
        let outcome = timeout(PARTING, self.once(call)).await;
        if !matches!(outcome, Ok(Ok(Ok(_)))) {
            tracing::debug!("{} did not succeed", C::NAME);
        }
    }

    /// `answer`, if its status is good. If it is not, that says nothing of what a statement has done.
    pub(super) fn accept<A: message::Answer>(&self, answer: A) -> Result<A, Fault> {
        self.judge(answer).map_err(Fault::of_a_question)
    }

    /// The answer to a statement itself, if its status is good.
    fn judge<A: message::Answer>(&self, answer: A) -> Result<A, Fault> {
        let status = answer.status();
        let is_unknown = status.status_code == tcli::TStatusCode::INVALID_HANDLE_STATUS;
        if !is_unknown && status.status_code != tcli::TStatusCode::ERROR_STATUS {
            return Ok(answer);
        }
        let texts = [&status.display_message, &status.error_message];
        Err(match self.judged(status.sql_state.as_deref(), texts) {
            Fault::Failed(_) | Fault::Refused(_) if is_unknown => Fault::Lost("the handle is invalid".to_owned()),
            fault => fault,
        })
    }

    /// A statement that somebody else has ended.
    pub(super) fn cancelled(&self) -> Fault {
        let said = Said::of_statement(Some("CANCELLED"), None, "");
        Fault::Cancelled(conditions::explain(&said, self.http.place()))
    }

    /// What a statement failed with.
    pub(super) fn failed(&self, status: &tcli::TGetOperationStatusResp) -> Fault {
        self.judged(status.sql_state.as_deref(), [&status.display_message, &status.error_message])
    }

    /// What an error means; the first of `texts` that says something counts.
    fn judged(&self, sql_state: Option<&str>, texts: [&Option<String>; 2]) -> Fault {
        let text = texts.into_iter().flatten().find(|text| !text.trim().is_empty());
        // Behind the message comes where in the server's sources it was.
        let text = text.and_then(|text| text.split("\n\tat ").next()).unwrap_or_default();
        // Java's names of exceptions come before what Spark itself says.
        let text = text.find(SPARK_SAYS).and_then(|at| text.get(at + SPARK_SAYS.len() - 1..)).unwrap_or(text);
        if is_forgotten(text) {
            return Fault::Lost(reason(text));
        }
        let said = Said::of_statement(None, sql_state, text);
        let error = conditions::explain(&said, self.http.place());
        match (conditions::fate(&said), conditions::passes(&said)) {
            _ if conditions::is_cancelled(&said) => Fault::Cancelled(error),
            (Fate::Committed, _) => Fault::Committed(error),
            (Fate::RolledBack, true) => Fault::RolledBack(error),
            (Fate::RolledBack, false) => Fault::Refused(error),
            (Fate::Open, true) => Fault::Passing(error),
            (Fate::Open, false) => Fault::Failed(error),
        }
    }

    /// What the server does is no Thrift of Hive's kind.
    pub(super) fn misfit(&self, what: &str) -> Error {
        Error::system(format!(
            "No Databricks cluster or Spark Thrift server that is understood answers for {}: {what}. Look whether \
             `databricks_http_path` is the one that the cluster's page shows.",
            self.place()
        ))
    }

    /// A cluster that was waited for in vain.
    fn never_started(&self, said: Said) -> Error {
        let seconds = self.timeouts.databricks_start.as_secs();
        let cause = conditions::explain(&said, self.http.place());
        let advice = "Look at the cluster's event log, and start it by hand.";
        Error::transient(format!("For {seconds} seconds there was no answer from {}. {advice}", self.place()))
            .with_source(cause)
            .with_source(said.message)
    }

    async fn once<C: Call>(&self, call: &C) -> Result<Result<C::Answer, Again>, Fault> {
        let number = self.number.fetch_add(1, Ordering::Relaxed);
        let body =
            message::encode(call, number).map_err(|error| self.misfit("a call has no bytes").with_source(error))?;
        // The calls that come of a statement are few, and ask nothing of its clusters.
        let turn = match C::NAME {
            tcli::TExecuteStatementReq::NAME | tcli::TOpenSessionReq::NAME => Turn::Next,
            tcli::TGetOperationStatusReq::NAME => Turn::Spare,
            _ => Turn::AtOnce,
        };
        let path = self.path.clone();
        let request = Request { method: Method::POST, path, content_type: CONTENT_TYPE, body: body.into(), turn };
        let answer = match self.http.try_send(&request).await {
            Ok(Sent::Answered(answer)) => answer,
            Ok(Sent::Unknown(error)) => return Ok(Err(Again::Cut(error))),
            Err(error) if error.kind() == Kind::Transient => return Ok(Err(Again::Away(error))),
            Err(error) => return Err(error.into()),
        };
        if answer.status != StatusCode::OK {
            return self.refused::<C>(&answer).map(Err);
        }
        match message::decode::<C>(&answer.body, number) {
            Ok(answer) => Ok(Ok(answer)),
            Err(NoAnswer::Exception(said)) => Err(Fault::Exception(reason(&said))),
            Err(NoAnswer::Unreadable(what)) => Ok(Err(Again::Unreadable(reason(&what)))),
        }
    }

    fn refused<C: Call>(&self, answer: &Answer) -> Result<Again, Fault> {
        let said = Said::of_answer(answer);
        // A cluster that starts may say no more than 503.
        let is_starting =
            answer.status == StatusCode::SERVICE_UNAVAILABLE || STARTING.iter().any(|sign| said.message.contains(sign));
        let heard = || match Said::reason_header(answer) {
            Some(header) => reason(&format!("HTTP {}, {header}: {}", answer.status.as_u16(), said.message)),
            None => reason(&format!("HTTP {}: {}", answer.status.as_u16(), said.message)),
        };
        let is_gone = answer.status == StatusCode::NOT_FOUND && C::NAME != tcli::TOpenSessionReq::NAME;
        match conditions::passes(&said) {
            _ if is_forgotten(&said.message) => Err(Fault::Lost(heard())),
            _ if is_starting => Ok(Again::Later(said)),
            true => Ok(Again::Unavailable(said)),
            false if is_gone => Err(Fault::Lost(heard())),
            false => Err(conditions::explain(&said, self.http.place()).into()),
        }
    }
}

fn is_forgotten(text: &str) -> bool {
    let text = text.to_lowercase();
    FORGOTTEN.iter().any(|sign| text.contains(sign))
}

/// The first line of what was said, as far as a message shows it.
fn reason(said: &str) -> String {
    let line: String = said.lines().next().unwrap_or_default().chars().take(10 * LONGEST_REASON).collect();
    shortened(&hide_in_answer(&line), LONGEST_REASON).into_owned()
}
