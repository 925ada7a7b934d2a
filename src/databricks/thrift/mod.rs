//! Thrift over HTTP: the transport of clusters (`sql/protocolv1/o/<org>/<cluster>`) and of any Spark Thrift server.
//!
//! A statement goes through [`operation`], on the one session of [`session`], by calls of [`client`], which knows HTTP and
//! waits for a cluster that starts. `message` and `rows` are about bytes alone.

mod client;
mod counted;
mod message;
mod operation;
mod rows;
mod running;
mod session;

#[cfg(test)]
mod fate_tests;
#[cfg(test)]
mod peer_tests;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod wire_tests;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::future::join_all;
use tcli_service as tcli;
use tokio::sync::watch;
use tokio::time::timeout;

use self::client::{Client, Fault};
use self::running::{Entry, Running};
use self::session::Sessions;
use super::http::HttpClient;
use super::{Changed, Rows, SqlTransport, table_of};
use crate::config::Timeouts;
use crate::error::{Error, Result};
use crate::retry::Backoff;

/// How often one statement is sent. Servers lose sessions when they restart, and meet other writers, but not for ever.
const MOST_SENDINGS: u32 = 10;
/// How often one is sent that somebody else cancels.
const CANCELLED_SENDINGS: u32 = 3;
/// How long the server is given to cancel what runs, and to end the session.
const PARTING: Duration = Duration::from_secs(5);

/// Statements of one session on one server.
pub struct ThriftTransport {
    client: Client,
    sessions: Sessions,
    running: Running,
    closed: watch::Sender<bool>,
    statement_timeout: Duration,
}

#[async_trait]
impl SqlTransport for ThriftTransport {
    async fn execute(&self, statement: &str) -> Result<Rows> {
        match self.run_to_its_end(statement, true).await? {
            Changed::Done(rows) => Ok(rows),
            Changed::Refused(error) | Changed::Unknown(error) | Changed::Cancelled(error) => Err(error),
        }
    }

    async fn change(&self, statement: &str) -> Result<Changed> {
        self.run_to_its_end(statement, false).await
    }

    fn waits(&self) -> Backoff {
        self.client.waits_of_runs()
    }

    async fn close(&self) {
        self.closed.send_replace(true);
        let parting = async {
            let running = self.running.take_all();
            let cancel = |operation_handle| tcli::TCancelOperationReq { operation_handle };
            join_all(running.into_iter().map(|handle| async move { self.client.part(&cancel(handle)).await })).await;
            self.sessions.close(&self.client).await;
        };
        // Who does not answer ends the session when it has been idle for long.
        let _ = timeout(PARTING, parting).await;
    }
}

impl ThriftTransport {
    /// Statements for the server at `path`, each for at most `statement_timeout`. No connection is made yet.
    pub fn new(http: Arc<HttpClient>, path: &str, statement_timeout: Duration, timeouts: Timeouts) -> Self {
        Self {
            client: Client::new(http, path, timeouts),
            sessions: Sessions::default(),
            running: Running::default(),
            closed: watch::Sender::new(false),
            statement_timeout,
        }
    }

    async fn run_to_its_end(&self, statement: &str, may_repeat: bool) -> Result<Changed> {
        let entry = self.running.enter();
        let mut closed = self.closed.subscribe();
        let ended = tokio::select! {
            _ = closed.wait_for(|closed| *closed) => return Err(stopped()),
            ended = self.attempts(statement, may_repeat, &entry) => ended,
        };
        // Whatever still runs is given up: nobody waits for it any more.
        if let Some(operation_handle) = entry.take() {
            self.client.part(&tcli::TCancelOperationReq { operation_handle }).await;
        }
        ended
    }

    /// Sends the statement until it was heard to its end; one of unknown fate only if `may_repeat`.
    async fn attempts(&self, statement: &str, may_repeat: bool, entry: &Entry<'_>) -> Result<Changed> {
        let mut waits = self.client.waits();
        let mut cancelled = 0;
        for sendings in 1.. {
            let fault = match self.attempt(statement, may_repeat, entry).await {
                Ok(rows) => return Ok(Changed::Done(rows)),
                Err(fault) => fault,
            };
            let error = match fault {
                Fault::Unknown(error) => return Ok(Changed::Unknown(error)),
                Fault::Failed(error) => return Err(error),
                Fault::Exception(said) => return Err(self.client.misfit("it does not take a call").with_source(said)),
                Fault::Committed(error) => {
                    tracing::warn!("Table {}: {error}", table_of(statement));
                    return Ok(Changed::Done(Rows::default()));
                }
                Fault::Refused(error) => return Ok(Changed::Refused(error)),
                Fault::Passing(error) if !may_repeat => return Ok(Changed::Unknown(error)),
                Fault::Passing(error) | Fault::RolledBack(error) => error,
                Fault::Cancelled(error) if !may_repeat => return Ok(Changed::Cancelled(error)),
                Fault::Cancelled(error) => {
                    cancelled += 1;
                    if cancelled == CANCELLED_SENDINGS {
                        return Err(error);
                    }
                    error
                }
                Fault::Forgotten(said) if !may_repeat => return Ok(Changed::Unknown(self.lost(said))),
                Fault::Lost(said) | Fault::Forgotten(said) => self.lost(said),
            };
            if sendings >= MOST_SENDINGS || !waits.wait(None).await {
                return Ok(Changed::Refused(error));
            }
        }
        Err(Error::system("A statement was sent more often than can be counted."))
    }

    async fn attempt(&self, statement: &str, may_repeat: bool, entry: &Entry<'_>) -> Result<Rows, Fault> {
        let session = self.sessions.get(&self.client).await.map_err(Fault::before_it_was_sent)?;
        let run = operation::run(&self.client, &session, statement, may_repeat, entry);
        let ended = timeout(self.statement_timeout, run).await.unwrap_or_else(|_| Err(self.too_slow().into()));
        if let Err(Fault::Lost(said) | Fault::Forgotten(said)) = &ended {
            tracing::info!("A session or a statement is lost on {}: {said}", self.client.place());
            self.sessions.lose(&session).await;
        }
        ended
    }

    fn lost(&self, said: String) -> Error {
        let advice = "Look whether the cluster restarts or is short of memory.";
        Error::transient(format!("A statement was lost again and again on {}. {advice}", self.client.place()))
            .with_source(said)
    }

    fn too_slow(&self) -> Error {
        let seconds = self.statement_timeout.as_secs();
        Error::transient(format!(
            "A statement on {} took longer than {seconds} seconds and was cancelled. Raise \
             `statement_timeout_seconds` or give the cluster more workers.",
            self.client.place()
        ))
    }
}

fn stopped() -> Error {
    Error::transient("A statement was given up because the sync ends.")
}
