//! The session that all statements share: opened by the first one, and opened again when the server has lost it.
//!
//! One session is enough: its statements run side by side, as the statements of one connection do in the drivers for
//! Java. No statement here changes the session's state, so that statements do not affect each other.

use std::collections::BTreeMap;

use tcli_service as tcli;
use tokio::sync::Mutex;

use super::client::{CallError, Client};
use crate::error::Result;

/// The version that Databricks' drivers use: columnar results, direct results. Newer versions only add Arrow.
const DATABRICKS_V8: i64 = 0xA508;
/// Databricks' versions begin here; those of Hive are far below.
const DATABRICKS_V1: i32 = 0xA501;

/// A protocol version, Databricks' number for it if it has one, and the key of Spark's time zone setting in it.
type ProtocolOffer = (tcli::TProtocolVersion, Option<i64>, &'static str);
/// The versions offered one after the other; the first that the server accepts is used.
const PROTOCOL_OFFERS: [ProtocolOffer; 3] = [
    (tcli::TProtocolVersion::DATABRICKS_SEE_I64, Some(DATABRICKS_V8), "spark.sql.session.timeZone"),
    (tcli::TProtocolVersion::HIVE_CLI_SERVICE_PROTOCOL_V10, None, "set:hiveconf:spark.sql.session.timeZone"),
    (tcli::TProtocolVersion::HIVE_CLI_SERVICE_PROTOCOL_V8, None, "set:hiveconf:spark.sql.session.timeZone"),
];

/// An open session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Session {
    pub(super) handle: tcli::TSessionHandle,
    /// Whether `has_more_rows` can be trusted: Hive's server always says that there are none.
    pub(super) reports_more_rows: bool,
}

/// The current session, if one is open.
#[derive(Default)]
pub(super) struct SharedSession {
    current: Mutex<Option<Session>>,
}

impl SharedSession {
    /// The session; opens it if there is none. Concurrent callers wait for the one that opens it.
    pub(super) async fn get(&self, client: &Client) -> Result<Session, CallError> {
        let mut current = self.current.lock().await;
        match &*current {
            Some(session) => Ok(session.clone()),
            None => Ok(current.insert(open(client).await?).clone()),
        }
    }

    /// Drops `session`, which the server no longer knows.
    pub(super) async fn forget(&self, session: &Session) {
        let mut current = self.current.lock().await;
        if current.as_ref() == Some(session) {
            *current = None;
        }
    }

    /// Closes the session, if one is open.
    pub(super) async fn close(&self, client: &Client) {
        if let Some(session) = self.current.lock().await.take() {
            client.send_best_effort(&tcli::TCloseSessionReq { session_handle: session.handle }).await;
        }
    }
}

async fn open(client: &Client) -> Result<Session, CallError> {
    let mut refused = None;
    for offer in PROTOCOL_OFFERS {
        match client.call(&request(offer)).await {
            Ok(answer) => {
                let Some(handle) = answer.session_handle else {
                    return Err(client.protocol_error("it opened a session and gave no handle for it").into());
                };
                return Ok(Session { handle, reports_more_rows: answer.server_protocol_version >= DATABRICKS_V1 });
            }
            Err(CallError::Exception(said)) => refused = Some(CallError::Exception(said)),
            Err(other) => return Err(other),
        }
    }
    Err(refused.unwrap_or_else(|| client.protocol_error("it understands no version of the protocol").into()))
}

fn request((client_protocol, client_protocol_i64, zone): ProtocolOffer) -> tcli::TOpenSessionReq {
    tcli::TOpenSessionReq {
        client_protocol,
        configuration: Some(BTreeMap::from([(zone.to_owned(), "UTC".to_owned())])),
        client_protocol_i64,
        can_use_multiple_catalogs: client_protocol_i64.map(|_| true),
    }
}
