//! Thrift over HTTP: the transport of clusters (`sql/protocolv1/o/<org>/<cluster>`) and of any Spark Thrift server.
//!
//! [`operation`] runs a statement on the shared session of [`session`], with calls through [`client`], which speaks HTTP and waits
//! for a cluster that is starting. `message` and `rows` only convert bytes.

mod client;
mod limited_protocol;
mod message;
mod open_statements;
mod operation;
mod rows;
mod session;

#[cfg(test)]
mod change_tests;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::future::join_all;
use tcli_service as tcli;
use tokio::sync::watch;
use tokio::time::timeout;

use self::client::{CallError, Client};
use self::open_statements::{OpenStatements, Slot};
use self::session::SharedSession;
use super::http::HttpClient;
use super::{Changed, QueryResult, SqlTransport, Who, table_of};
use crate::config::Timeouts;
use crate::error::{Error, Result};
use crate::retry::Backoff;

/// How often one statement is sent: sessions are lost in restarts and writers conflict, but not for ever.
const MOST_SUBMISSIONS: u32 = 10;
/// How often a statement is sent that somebody else cancels.
const MOST_CANCELLED_SUBMISSIONS: u32 = 3;
/// How long cancelling the running statements and closing the session may take in all.
const CLEAN_UP_TIMEOUT: Duration = Duration::from_secs(5);

/// Runs statements on one session of one server.
pub struct ThriftTransport {
    client: Client,
    session: SharedSession,
    open_statements: OpenStatements,
    closed: watch::Sender<bool>,
    statement_timeout: Duration,
}

#[async_trait]
impl SqlTransport for ThriftTransport {
    async fn execute(&self, statement: &str) -> Result<QueryResult> {
        match self.run_to_completion(statement, true).await? {
            Changed::Done(rows) => Ok(rows),
            Changed::Refused(error) | Changed::Unknown(error) | Changed::Cancelled(error) => Err(error),
        }
    }

    async fn change(&self, statement: &str) -> Result<Changed> {
        self.run_to_completion(statement, false).await
    }

    fn who(&self) -> Who {
        self.client.who()
    }

    fn waits(&self) -> Backoff {
        self.client.waits_of_runs()
    }

    async fn close(&self) {
        self.closed.send_replace(true);
        let clean_up = async {
            let running = self.open_statements.take_all();
            let cancel = |operation_handle| tcli::TCancelOperationReq { operation_handle };
            join_all(
                running.into_iter().map(|handle| async move { self.client.send_best_effort(&cancel(handle)).await }),
            )
            .await;
            self.session.close(&self.client).await;
        };
        // On timeout nothing is lost: the server closes idle sessions itself.
        let _ = timeout(CLEAN_UP_TIMEOUT, clean_up).await;
    }
}

impl ThriftTransport {
    /// A transport for the server at `path`; each statement may take at most `statement_timeout`. No connection is made yet.
    pub fn new(http: Arc<HttpClient>, path: &str, statement_timeout: Duration, timeouts: Timeouts) -> Self {
        Self {
            client: Client::new(http, path, timeouts),
            session: SharedSession::default(),
            open_statements: OpenStatements::default(),
            closed: watch::Sender::new(false),
            statement_timeout,
        }
    }

    async fn run_to_completion(&self, statement: &str, may_repeat: bool) -> Result<Changed> {
        let slot = self.open_statements.open_slot();
        let mut closed = self.closed.subscribe();
        let ended = tokio::select! {
            _ = closed.wait_for(|closed| *closed) => return Err(sync_ended()),
            ended = self.attempts(statement, may_repeat, &slot) => ended,
        };
        // Nobody waits for a statement that is still running: cancel it.
        if let Some(operation_handle) = slot.take() {
            self.client.send_best_effort(&tcli::TCancelOperationReq { operation_handle }).await;
        }
        ended
    }

    /// Sends the statement until its outcome is known; after an unknown outcome again only if `may_repeat`.
    async fn attempts(&self, statement: &str, may_repeat: bool, slot: &Slot<'_>) -> Result<Changed> {
        let mut waits = self.client.waits();
        let mut cancelled = 0;
        for submissions in 1.. {
            let failure = match self.attempt(statement, may_repeat, slot).await {
                Ok(rows) => return Ok(Changed::Done(rows)),
                Err(failure) => failure,
            };
            let error = match failure {
                CallError::MayHaveRun(error) => return Ok(Changed::Unknown(error)),
                CallError::Failed(error) => return Err(error),
                CallError::Exception(said) => {
                    return Err(self.client.protocol_error("it rejects a call").with_source(said));
                }
                CallError::Committed(error) => {
                    tracing::warn!("Table {}: {error}", table_of(statement));
                    return Ok(Changed::Done(QueryResult::default()));
                }
                CallError::Refused(error) => return Ok(Changed::Refused(error)),
                CallError::Transient(error) if !may_repeat => return Ok(Changed::Unknown(error)),
                CallError::Transient(error) | CallError::RolledBack(error) => error,
                CallError::Cancelled(error) if !may_repeat => return Ok(Changed::Cancelled(error)),
                CallError::Cancelled(error) => {
                    cancelled += 1;
                    if cancelled == MOST_CANCELLED_SUBMISSIONS {
                        return Err(error);
                    }
                    error
                }
                CallError::StatementLost(said) if !may_repeat => return Ok(Changed::Unknown(self.lost_error(said))),
                CallError::HandleUnknown(said) | CallError::StatementLost(said) => self.lost_error(said),
            };
            if submissions >= MOST_SUBMISSIONS || !waits.wait(None).await {
                return Ok(Changed::Refused(error));
            }
        }
        Err(Error::system("A statement was sent too often."))
    }

    async fn attempt(&self, statement: &str, may_repeat: bool, slot: &Slot<'_>) -> Result<QueryResult, CallError> {
        let session = self.session.get(&self.client).await.map_err(CallError::before_sending)?;
        let run = operation::run(&self.client, &session, statement, may_repeat, slot);
        let ended =
            timeout(self.statement_timeout, run).await.unwrap_or_else(|_| Err(self.statement_timeout_error().into()));
        if let Err(CallError::HandleUnknown(said) | CallError::StatementLost(said)) = &ended {
            tracing::info!("A session or a statement is lost on {}: {said}", self.client.cluster());
            self.session.forget(&session).await;
        }
        ended
    }

    fn lost_error(&self, said: String) -> Error {
        let advice = "Look whether the cluster restarts or is short of memory.";
        Error::transient(format!("A statement was repeatedly lost on {}. {advice}", self.client.cluster()))
            .with_source(said)
    }

    fn statement_timeout_error(&self) -> Error {
        let seconds = self.statement_timeout.as_secs();
        Error::transient(format!(
            "A statement on {} took longer than {seconds} seconds and was cancelled. Raise \
             `statement_timeout_seconds` or give the cluster more workers.",
            self.client.cluster()
        ))
    }
}

fn sync_ended() -> Error {
    Error::transient("A statement was abandoned because the sync has ended.")
}
