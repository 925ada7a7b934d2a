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

use super::message::{self, Call, NoReply};
use crate::config::Patience;
use crate::databricks::conditions::{self, CommitState};
use crate::databricks::http::{HttpClient, Request, Sent, may_have_been_taken};
use crate::databricks::rate_limit::Priority;
use crate::databricks::server_error::ServerError;
use crate::databricks::waits::Waits;
use crate::databricks::workspace::Response;
use crate::error::{Error, Kind, Result, shortened};
use crate::secret::hide_in_answer;

const CONTENT_TYPE: &str = "application/x-thrift";
/// How often it is told that a cluster is waited for.
const PROGRESS: Duration = Duration::from_secs(30);
/// How often an answer that cannot be read is asked for again.
const MOST_UNREADABLE: u32 = 3;
/// How long a call may take that only tidies up.
const CLEAN_UP_TIMEOUT: Duration = Duration::from_secs(5);
/// How servers name sessions and statements that they do not have any more, in lower case. A session that has been idle for long
/// is such a one. The last is Spark's own, which says so where a session ends while a statement begins.
const UNKNOWN_HANDLE: [&str; 6] = [
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
pub(super) enum CallError {
    /// The session or the statement is not known to the server any more: what it said. The call has done nothing.
    HandleUnknown(String),
    /// The server does not know a statement any more that it has begun: what it said.
    StatementLost(String),
    /// The answer to a call that must not be made twice is lost: it may have done its work.
    MayHaveRun(Error),
    /// The server does not take the call at all: what it said. So do servers of another version.
    Exception(String),
    /// What the server said passes: the statement can be sent again after a while, if it may run twice.
    Transient(Error),
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

impl CallError {
    /// What this means for a statement if it was answered to a question about it: nothing beyond that there was no answer.
    fn of_status_query(self) -> Self {
        match self {
            CallError::RolledBack(error) | CallError::Committed(error) => CallError::Transient(error),
            CallError::Refused(error) => CallError::Failed(error),
            failure => failure,
        }
    }

    /// What this means for a statement that was not sent.
    pub(super) fn before_sending(self) -> Self {
        match self {
            CallError::Transient(error) => CallError::RolledBack(error),
            CallError::Failed(error) => CallError::Refused(error),
            failure => failure,
        }
    }
}

impl From<Error> for CallError {
    fn from(error: Error) -> Self {
        CallError::Failed(error)
    }
}

/// A server, and how to call it.
pub(super) struct Client {
    http: Arc<HttpClient>,
    path: String,
    patience: Patience,
    number: AtomicI32,
}

/// A reason to make a call again.
enum RetryReason {
    /// Not now, said the server.
    Starting(ServerError),
    /// The service itself is not available: what it said. It is waited for as any service is, not as a cluster that starts.
    Unavailable(ServerError),
    /// The connection was not made.
    NotConnected(Error),
    /// The connection was cut: the call may have arrived.
    ConnectionCut(Error),
    /// An answer that says nothing.
    Unreadable(String),
}

impl RetryReason {
    /// Whether the call may have done its work.
    fn may_have_been_taken(&self) -> bool {
        match self {
            RetryReason::ConnectionCut(_) | RetryReason::Unreadable(_) => true,
            RetryReason::NotConnected(_) => false,
            // By its status, whatever its words: a gateway that cannot hear a cluster any more may say that it starts.
            RetryReason::Starting(server_error) | RetryReason::Unavailable(server_error) => {
                server_error.status.is_some_and(may_have_been_taken)
            }
        }
    }
}

impl Client {
    pub(super) fn new(http: Arc<HttpClient>, path: &str, patience: Patience) -> Self {
        Self { http, path: path.to_owned(), patience, number: AtomicI32::new(1) }
    }

    /// What is called, for messages.
    pub(super) fn cluster(&self) -> String {
        let workspace = self.http.workspace();
        format!("the cluster {} of {}", workspace.http_path, workspace.host)
    }

    /// How long is waited for what passes.
    pub(super) fn waits(&self) -> Waits {
        Waits::of_retries(self.patience.databricks_retry)
    }

    /// How long is waited before a statement is sent again by whoever has settled its first copy.
    pub(super) fn waits_of_runs(&self) -> Waits {
        Waits::of_runs(self.patience.databricks_retry)
    }

    /// Makes `call` and waits for its answer, whose status is good.
    pub(super) async fn call<C: Call>(&self, call: &C) -> Result<C::Reply, CallError> {
        self.call_until_answered(call, true).await
    }

    /// Makes `call`, which must not do its work twice: again only while it has surely not been taken.
    pub(super) async fn call_once<C: Call>(&self, call: &C) -> Result<C::Reply, CallError> {
        self.call_until_answered(call, false).await
    }

    async fn call_until_answered<C: Call>(&self, call: &C, may_repeat: bool) -> Result<C::Reply, CallError> {
        let begun = Instant::now();
        let mut starting = Waits::of_retries(self.patience.databricks_start);
        let (mut cut, mut first_answer) = (self.waits(), self.http.waits());
        let (mut unreadable, mut last_logged) = (0, None::<Instant>);
        loop {
            let reason = match self.call_http(call).await? {
                Ok(reply) if may_repeat => return self.accept(reply),
                Ok(reply) => return self.check_statement(reply),
                Err(reason) => reason,
            };
            if !may_repeat && reason.may_have_been_taken() {
                return Err(CallError::MayHaveRun(self.error_of(reason)));
            }
            match reason {
                RetryReason::Starting(server_error) => {
                    if last_logged.is_none() {
                        last_logged = Some(Instant::now());
                        tracing::info!("Waiting for {}, which starts", self.cluster());
                    }
                    self.log_progress(&mut last_logged, begun);
                    if !starting.another(server_error.retry_after.filter(|after| !after.is_zero())).await {
                        return Err(self.start_timeout_error(server_error).into());
                    }
                }
                RetryReason::Unavailable(server_error) => {
                    self.log_progress(&mut last_logged, begun);
                    if !cut.another(server_error.retry_after).await {
                        return Err(conditions::explain(&server_error, self.http.workspace()).into());
                    }
                }
                RetryReason::NotConnected(error) | RetryReason::ConnectionCut(error) => {
                    self.log_progress(&mut last_logged, begun);
                    let waits = if self.http.is_known() { &mut cut } else { &mut first_answer };
                    if !waits.another(None).await {
                        return Err(error.into());
                    }
                }
                RetryReason::Unreadable(what) => {
                    unreadable += 1;
                    if unreadable >= MOST_UNREADABLE || !cut.another(None).await {
                        return Err(self.protocol_error(&what).into());
                    }
                }
            }
        }
    }

    fn error_of(&self, reason: RetryReason) -> Error {
        match reason {
            RetryReason::Starting(server_error) | RetryReason::Unavailable(server_error) => {
                conditions::explain(&server_error, self.http.workspace())
            }
            RetryReason::NotConnected(error) | RetryReason::ConnectionCut(error) => error,
            RetryReason::Unreadable(what) => self.protocol_error(&what),
        }
    }

    /// Says from time to time that the server is waited for.
    fn log_progress(&self, last_logged: &mut Option<Instant>, begun: Instant) {
        if last_logged.unwrap_or(begun).elapsed() >= PROGRESS {
            *last_logged = Some(Instant::now());
            tracing::info!("Still waiting for {}, for {} seconds so far", self.cluster(), begun.elapsed().as_secs());
        }
    }

    /// Makes `call` once, to tidy up. What comes of it changes nothing.
    pub(super) async fn send_best_effort<C: Call>(&self, call: &C) {
        let outcome = timeout(CLEAN_UP_TIMEOUT, self.call_http(call)).await;
        if !matches!(outcome, Ok(Ok(Ok(_)))) {
            tracing::debug!("{} did not succeed", C::NAME);
        }
    }

    /// `answer`, if its status is good. If it is not, that says nothing of what a statement has done.
    pub(super) fn accept<A: message::Reply>(&self, reply: A) -> Result<A, CallError> {
        self.check_statement(reply).map_err(CallError::of_status_query)
    }

    /// The answer to a statement itself, if its status is good.
    fn check_statement<A: message::Reply>(&self, reply: A) -> Result<A, CallError> {
        let status = reply.status();
        let is_unknown = status.status_code == tcli::TStatusCode::INVALID_HANDLE_STATUS;
        if !is_unknown && status.status_code != tcli::TStatusCode::ERROR_STATUS {
            return Ok(reply);
        }
        let texts = [&status.display_message, &status.error_message];
        Err(match self.classify(status.sql_state.as_deref(), texts) {
            CallError::Failed(_) | CallError::Refused(_) if is_unknown => {
                CallError::HandleUnknown("the handle is invalid".to_owned())
            }
            failure => failure,
        })
    }

    /// A statement that somebody else has ended.
    pub(super) fn cancelled(&self) -> CallError {
        let server_error = ServerError::of_statement(Some("CANCELLED"), None, "");
        CallError::Cancelled(conditions::explain(&server_error, self.http.workspace()))
    }

    /// What a statement failed with.
    pub(super) fn failed(&self, status: &tcli::TGetOperationStatusResp) -> CallError {
        self.classify(status.sql_state.as_deref(), [&status.display_message, &status.error_message])
    }

    /// What an error means; the first of `texts` that says something counts.
    fn classify(&self, sql_state: Option<&str>, texts: [&Option<String>; 2]) -> CallError {
        let text = texts.into_iter().flatten().find(|text| !text.trim().is_empty());
        // Behind the message comes where in the server's sources it was.
        let text = text.and_then(|text| text.split("\n\tat ").next()).unwrap_or_default();
        // Java's names of exceptions come before what Spark itself says.
        let text = text.find(SPARK_SAYS).and_then(|at| text.get(at + SPARK_SAYS.len() - 1..)).unwrap_or(text);
        if is_unknown_handle(text) {
            return CallError::HandleUnknown(first_line(text));
        }
        let server_error = ServerError::of_statement(None, sql_state, text);
        let error = conditions::explain(&server_error, self.http.workspace());
        match (conditions::commit_state(&server_error), conditions::is_transient(&server_error)) {
            _ if conditions::is_cancelled(&server_error) => CallError::Cancelled(error),
            (CommitState::Committed, _) => CallError::Committed(error),
            (CommitState::RolledBack, true) => CallError::RolledBack(error),
            (CommitState::RolledBack, false) => CallError::Refused(error),
            (CommitState::Unknown, true) => CallError::Transient(error),
            (CommitState::Unknown, false) => CallError::Failed(error),
        }
    }

    /// What the server does is no Thrift of Hive's kind.
    pub(super) fn protocol_error(&self, what: &str) -> Error {
        Error::system(format!(
            "No Databricks cluster or Spark Thrift server that is understood answers for {}: {what}. Look whether \
             `databricks_http_path` is the one that the cluster's page shows.",
            self.cluster()
        ))
    }

    /// A cluster that was waited for in vain.
    fn start_timeout_error(&self, server_error: ServerError) -> Error {
        let seconds = self.patience.databricks_start.as_secs();
        let cause = conditions::explain(&server_error, self.http.workspace());
        let advice = "Look at the cluster's event log, and start it by hand.";
        Error::transient(format!("For {seconds} seconds there was no answer from {}. {advice}", self.cluster()))
            .with_source(cause)
            .with_source(server_error.message)
    }

    async fn call_http<C: Call>(&self, call: &C) -> Result<Result<C::Reply, RetryReason>, CallError> {
        let number = self.number.fetch_add(1, Ordering::Relaxed);
        let body = message::encode(call, number)
            .map_err(|error| self.protocol_error("a call has no bytes").with_source(error))?;
        // The calls that come of a statement are few, and ask nothing of its clusters.
        let priority = match C::NAME {
            tcli::TExecuteStatementReq::NAME | tcli::TOpenSessionReq::NAME => Priority::Normal,
            tcli::TGetOperationStatusReq::NAME => Priority::Low,
            _ => Priority::Immediate,
        };
        let path = self.path.clone();
        let request = Request { method: Method::POST, path, content_type: CONTENT_TYPE, body: body.into(), priority };
        let reply = match self.http.try_send(&request).await {
            Ok(Sent::Answered(reply)) => reply,
            Ok(Sent::Unknown(error)) => return Ok(Err(RetryReason::ConnectionCut(error))),
            Err(error) if error.kind() == Kind::Transient => return Ok(Err(RetryReason::NotConnected(error))),
            Err(error) => return Err(error.into()),
        };
        if reply.status != StatusCode::OK {
            return self.classify_status::<C>(&reply).map(Err);
        }
        match message::decode::<C>(&reply.body, number) {
            Ok(reply) => Ok(Ok(reply)),
            Err(NoReply::Exception(said)) => Err(CallError::Exception(first_line(&said))),
            Err(NoReply::Unreadable(what)) => Ok(Err(RetryReason::Unreadable(first_line(&what)))),
        }
    }

    fn classify_status<C: Call>(&self, reply: &Response) -> Result<RetryReason, CallError> {
        let server_error = ServerError::of_response(reply);
        // A cluster that starts may say no more than 503.
        let is_starting = reply.status == StatusCode::SERVICE_UNAVAILABLE
            || STARTING.iter().any(|sign| server_error.message.contains(sign));
        let heard = || match ServerError::reason_header(reply) {
            Some(header) => first_line(&format!("HTTP {}, {header}: {}", reply.status.as_u16(), server_error.message)),
            None => first_line(&format!("HTTP {}: {}", reply.status.as_u16(), server_error.message)),
        };
        let is_gone = reply.status == StatusCode::NOT_FOUND && C::NAME != tcli::TOpenSessionReq::NAME;
        match conditions::is_transient(&server_error) {
            _ if is_unknown_handle(&server_error.message) => Err(CallError::HandleUnknown(heard())),
            _ if is_starting => Ok(RetryReason::Starting(server_error)),
            true => Ok(RetryReason::Unavailable(server_error)),
            false if is_gone => Err(CallError::HandleUnknown(heard())),
            false => Err(conditions::explain(&server_error, self.http.workspace()).into()),
        }
    }
}

fn is_unknown_handle(text: &str) -> bool {
    let text = text.to_lowercase();
    UNKNOWN_HANDLE.iter().any(|sign| text.contains(sign))
}

/// The first line of what was said, as far as a message shows it.
fn first_line(said: &str) -> String {
    let line: String = said.lines().next().unwrap_or_default().chars().take(10 * LONGEST_REASON).collect();
    shortened(&hide_in_answer(&line), LONGEST_REASON).into_owned()
}
