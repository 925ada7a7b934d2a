//! Thrift over HTTP: the transport of clusters (`sql/protocolv1/o/<org>/<cluster>`) and of any Spark Thrift server.
//!
//! A statement goes through [`operation`], on the one session of [`session`], by calls of [`client`], which knows HTTP and
//! waits for a cluster that starts. `message` and `rows` are about bytes alone.

mod client;
mod message;
mod operation;
mod rows;
mod running;
mod session;
mod wire;

#[cfg(test)]
mod peer_tests;
#[cfg(test)]
mod tests;

use std::time::Duration;

use async_trait::async_trait;
use futures::future::join_all;
use tcli_service as tcli;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use self::client::{Client, Fault};
use self::running::{Entry, Running};
use self::session::Sessions;
use super::{Rows, SqlTransport};
use crate::error::{Error, Result};

/// How often one statement is sent: servers lose a session when they restart, which none does every few minutes.
const MOST_SENDINGS: u32 = 4;
/// The pause before a statement is sent again, for each time that it was sent.
const RESEND_PAUSE: Duration = Duration::from_secs(1);
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
        let entry = self.running.enter();
        let mut closed = self.closed.subscribe();
        let ended = tokio::select! {
            _ = closed.wait_for(|closed| *closed) => return Err(stopped()),
            ended = self.attempts(statement, &entry) => ended,
        };
        // Whatever still runs is given up: nobody waits for it any more.
        if let Some(operation_handle) = entry.take() {
            self.client.part(&tcli::TCancelOperationReq { operation_handle }).await;
        }
        ended
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
    fn new(client: Client, statement_timeout: Duration) -> Self {
        let (closed, _) = watch::channel(false);
        Self { client, sessions: Sessions::default(), running: Running::default(), closed, statement_timeout }
    }

    /// Sends the statement until it was heard to its end.
    async fn attempts(&self, statement: &str, entry: &Entry<'_>) -> Result<Rows> {
        let mut sendings = 0;
        loop {
            sendings += 1;
            let session = self.sessions.get(&self.client).await.map_err(|fault| self.told(fault))?;
            let run = operation::run(&self.client, &session, statement, entry);
            match timeout(self.statement_timeout, run).await.unwrap_or_else(|_| Err(self.too_slow().into())) {
                Ok(rows) => return Ok(rows),
                Err(Fault::Lost(said)) if sendings < MOST_SENDINGS => {
                    tracing::info!(
                        "{} does not know a session or a statement any more ({said}); the statement is sent again",
                        self.client.place()
                    );
                    self.sessions.lose(&session).await;
                    sleep(RESEND_PAUSE * sendings).await;
                }
                Err(fault) => return Err(self.told(fault)),
            }
        }
    }

    fn told(&self, fault: Fault) -> Error {
        match fault {
            Fault::Failed(error) => error,
            Fault::Lost(said) => Error::transient(format!(
                "{} lost a statement {MOST_SENDINGS} times. Look whether the cluster restarts or is short of memory.",
                self.client.place()
            ))
            .with_source(said),
            Fault::Exception(said) => self.client.misfit("it does not take a call").with_source(said),
        }
    }

    fn too_slow(&self) -> Error {
        let seconds = self.statement_timeout.as_secs();
        Error::transient(format!(
            "A statement on {} took longer than {seconds} seconds and was cancelled. Raise the statement timeout or give \
             the cluster more workers.",
            self.client.place()
        ))
    }
}

fn stopped() -> Error {
    Error::transient("A statement was given up because the sync ends.")
}
