//! Sends one call over HTTP, retries it until there is a reply, and checks the reply's status.
//!
//! When a reply is lost, the call is sent again, unless it must not do its work twice. While a cluster starts (503,
//! `TEMPORARILY_UNAVAILABLE`), the call waits.

use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::{Duration, Instant};

use reqwest::StatusCode;
use tcli_service as tcli;
use tokio::time::timeout;

use super::message::{self, Call, NoReply};
use crate::config::Timeouts;
use crate::databricks::conditions::{self, CommitState};
use crate::databricks::http::{HttpClient, Request, Sent, may_have_been_taken};
use crate::databricks::rate_limit::Priority;
use crate::databricks::server_error::ServerError;
use crate::databricks::who::Who;
use crate::databricks::workspace::Response;
use crate::error::{Error, Kind, Result, shortened};
use crate::retry::Backoff;
use crate::secret::hide_in_answer;

const CONTENT_TYPE: &str = "application/x-thrift";
/// The time between two log messages about waiting for a cluster.
const PROGRESS: Duration = Duration::from_secs(30);
/// How many unreadable replies to one call are accepted.
const MOST_UNREADABLE: u32 = 3;
/// How long a call may take that only cleans up.
const CLEAN_UP_TIMEOUT: Duration = Duration::from_secs(5);
/// How servers report a session or statement that they no longer have, in lower case; idle sessions are closed, for example. The last
/// is Spark's own, when a session ends while a statement begins.
const UNKNOWN_HANDLE: [&str; 6] = [
    "invalid sessionhandle",
    "invalid session handle",
    "invalid operationhandle",
    "invalid operation handle",
    "invalid_handle",
    "has not been initialized or had already closed",
];

/// What precedes Spark's own message, which begins at the bracket.
const SPARK_SAYS: &str = "Exception: [";
/// The most characters of a server's message that are quoted.
const LONGEST_REASON: usize = 200;
/// How Databricks reports that a cluster is not ready yet.
const STARTING: [&str; 4] = ["TEMPORARILY_UNAVAILABLE", "PENDING", "RESTARTING", "is starting"];

/// Why a call failed. The texts are the server's messages.
pub(super) enum CallError {
    /// The server no longer knows the session or the statement. The call has done nothing.
    HandleUnknown(String),
    /// The server no longer knows a statement that it had begun.
    StatementLost(String),
    /// The reply to a call that must not be repeated is lost: the call may have done its work.
    MayHaveRun(Error),
    /// The server rejects the call itself, as servers of another protocol version do.
    Exception(String),
    /// A transient error: the statement can be sent again after a while, if it may run twice.
    Transient(Error),
    /// As `Transient`, and the statement has changed nothing: it was not sent, or was rolled back.
    RolledBack(Error),
    /// The statement has changed nothing, and another run would fail too.
    Refused(Error),
    /// The statement has committed; a step after the commit failed.
    Committed(Error),
    /// Somebody else cancelled the statement.
    Cancelled(Error),
    /// Any other error.
    Failed(Error),
}

impl CallError {
    /// The same error in reply to a query about a statement: it says nothing about what the statement has changed.
    fn of_status_query(self) -> Self {
        match self {
            CallError::RolledBack(error) | CallError::Committed(error) => CallError::Transient(error),
            CallError::Refused(error) => CallError::Failed(error),
            failure => failure,
        }
    }

    /// The same error where the statement was not sent: it has changed nothing.
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

/// Sends calls to one server.
pub(super) struct Client {
    http: Arc<HttpClient>,
    path: String,
    timeouts: Timeouts,
    number: AtomicI32,
}

/// A reason to send a call again.
enum RetryReason {
    /// The cluster is starting.
    Starting(ServerError),
    /// The service is not available; it is waited for as long as in any outage, not as long as for a cluster that starts.
    Unavailable(ServerError),
    /// The connection was not made.
    NotConnected(Error),
    /// The connection broke: the call may have arrived.
    ConnectionCut(Error),
    /// The reply cannot be read.
    Unreadable(String),
}

impl RetryReason {
    /// Whether the call may have done its work.
    fn may_have_been_taken(&self) -> bool {
        match self {
            RetryReason::ConnectionCut(_) | RetryReason::Unreadable(_) => true,
            RetryReason::NotConnected(_) => false,
            // By the status, whatever the message: a gateway that has lost its cluster may say that the cluster is starting.
            RetryReason::Starting(server_error) | RetryReason::Unavailable(server_error) => {
                server_error.status.is_some_and(may_have_been_taken)
            }
        }
    }
}

impl Client {
    pub(super) fn new(http: Arc<HttpClient>, path: &str, timeouts: Timeouts) -> Self {
        Self { http, path: path.to_owned(), timeouts, number: AtomicI32::new(1) }
    }

    /// Who signs in, for messages.
    pub(super) fn who(&self) -> Who {
        self.http.workspace().who.clone()
    }

    /// The cluster and its workspace, for messages.
    pub(super) fn cluster(&self) -> String {
        let workspace = self.http.workspace();
        format!("the cluster {} of {}", workspace.http_path, workspace.host)
    }

    /// The waits between tries during an outage.
    pub(super) fn waits(&self) -> Backoff {
        Backoff::within(self.timeouts.databricks_retry)
    }

    /// The waits before a caller sends a statement again whose unknown outcome it has resolved.
    pub(super) fn waits_of_runs(&self) -> Backoff {
        Backoff::counted(self.timeouts.databricks_retry)
    }

    /// Sends `call` until there is a reply, whose status is success.
    pub(super) async fn call<C: Call>(&self, call: &C) -> Result<C::Reply, CallError> {
        self.call_until_answered(call, true).await
    }

    /// Sends `call`, which must not do its work twice: again only while the server cannot have accepted it.
    pub(super) async fn call_once<C: Call>(&self, call: &C) -> Result<C::Reply, CallError> {
        self.call_until_answered(call, false).await
    }

    async fn call_until_answered<C: Call>(&self, call: &C, may_repeat: bool) -> Result<C::Reply, CallError> {
        let begun = Instant::now();
        let mut starting = Backoff::within(self.timeouts.databricks_start);
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
                    if !starting.wait(server_error.retry_after.filter(|after| !after.is_zero())).await {
                        return Err(self.start_timeout_error(server_error).into());
                    }
                }
                RetryReason::Unavailable(server_error) => {
                    self.log_progress(&mut last_logged, begun);
                    if !cut.wait(server_error.retry_after).await {
                        return Err(conditions::explain(&server_error, self.http.workspace()).into());
                    }
                }
                RetryReason::NotConnected(error) | RetryReason::ConnectionCut(error) => {
                    self.log_progress(&mut last_logged, begun);
                    let waits = if self.http.is_known() { &mut cut } else { &mut first_answer };
                    if !waits.wait(None).await {
                        return Err(error.into());
                    }
                }
                RetryReason::Unreadable(what) => {
                    unreadable += 1;
                    if unreadable >= MOST_UNREADABLE || !cut.wait(None).await {
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

    /// Logs from time to time that the server is waited for.
    fn log_progress(&self, last_logged: &mut Option<Instant>, begun: Instant) {
        if last_logged.unwrap_or(begun).elapsed() >= PROGRESS {
            *last_logged = Some(Instant::now());
            tracing::info!("Still waiting for {}, for {} seconds so far", self.cluster(), begun.elapsed().as_secs());
        }
    }

    /// Sends `call` once, to clean up; a failure is ignored.
    pub(super) async fn send_best_effort<C: Call>(&self, call: &C) {
        let outcome = timeout(CLEAN_UP_TIMEOUT, self.call_http(call)).await;
        if !matches!(outcome, Ok(Ok(Ok(_)))) {
            tracing::debug!("{} did not succeed", C::NAME);
        }
    }

    /// `reply`, if its status is success. An error says nothing about what the statement has changed.
    pub(super) fn accept<A: message::Reply>(&self, reply: A) -> Result<A, CallError> {
        self.check_statement(reply).map_err(CallError::of_status_query)
    }

    /// The reply to the statement itself, if its status is success.
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

    /// The error of a statement that somebody else cancelled.
    pub(super) fn cancelled(&self) -> CallError {
        let server_error = ServerError::of_statement(Some("CANCELLED"), None, "");
        CallError::Cancelled(conditions::explain(&server_error, self.http.workspace()))
    }

    /// The error of a statement that failed.
    pub(super) fn failed(&self, status: &tcli::TGetOperationStatusResp) -> CallError {
        self.classify(status.sql_state.as_deref(), [&status.display_message, &status.error_message])
    }

    /// Classifies an error by the first of `texts` that is not empty.
    fn classify(&self, sql_state: Option<&str>, texts: [&Option<String>; 2]) -> CallError {
        let text = texts.into_iter().flatten().find(|text| !text.trim().is_empty());
        // The server's stack trace follows the message.
        let text = text.and_then(|text| text.split("\n\tat ").next()).unwrap_or_default();
        // Names of Java exceptions precede Spark's own message.
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

    /// The error when the server does not follow Hive's Thrift protocol.
    pub(super) fn protocol_error(&self, what: &str) -> Error {
        Error::system(format!(
            "No Databricks cluster or Spark Thrift server of a known kind responds for {}: {what}. Check whether \
             `databricks_http_path` is the one that the cluster's page shows.",
            self.cluster()
        ))
    }

    /// The error when a cluster did not start in time.
    fn start_timeout_error(&self, server_error: ServerError) -> Error {
        let seconds = self.timeouts.databricks_start.as_secs();
        let cause = conditions::explain(&server_error, self.http.workspace());
        let advice = "Check the cluster's event log, and start it by hand.";
        Error::transient(format!("For {seconds} seconds there was no response from {}. {advice}", self.cluster()))
            .with_source(cause)
            .with_source(server_error.message)
    }

    async fn call_http<C: Call>(&self, call: &C) -> Result<Result<C::Reply, RetryReason>, CallError> {
        let number = self.number.fetch_add(1, Ordering::Relaxed);
        let body = message::encode(call, number)
            .map_err(|error| self.protocol_error("a call cannot be encoded").with_source(error))?;
        // The other calls of a statement are few and cost the cluster nothing.
        let priority = match C::NAME {
            tcli::TExecuteStatementReq::NAME | tcli::TOpenSessionReq::NAME => Priority::Normal,
            tcli::TGetOperationStatusReq::NAME => Priority::Low,
            _ => Priority::Immediate,
        };
        let path = self.path.clone();
        let request = Request { content_type: CONTENT_TYPE, ..Request::post(path, body) }.with_priority(priority);
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

/// The first line of the server's message, as far as it is quoted.
fn first_line(said: &str) -> String {
    let line: String = said.lines().next().unwrap_or_default().chars().take(10 * LONGEST_REASON).collect();
    shortened(&hide_in_answer(&line), LONGEST_REASON).into_owned()
}
