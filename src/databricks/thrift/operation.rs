//! One statement on one session: sent, waited for, its rows fetched, closed.
//!
//! Databricks puts all of that into the answer to ExecuteStatement where a statement is done within a few seconds (its
//! direct results); what an answer does not hold is asked for. Other servers never put anything there.

use std::time::{Duration, Instant};

use tcli_service as tcli;

use super::client::{Client, Fault};
use super::rows;
use super::running::Entry;
use super::session::Session;
use crate::databricks::polling::pause;
use crate::databricks::{Bounds, Rows};
use crate::error::Error;

/// The pause after a page that is empty and not the last.
const EMPTY_PAGE: Duration = Duration::from_millis(50);
/// The most rows of one page.
const PAGE_ROWS: i64 = 10_000;
/// How often a result is read from its first row again, because a page was lost on its way.
const MOST_REWINDS: u32 = 3;

/// Runs `statement` to its end; sends it again, where its answer is lost, only if `may_repeat`. What runs is noted in
/// `entry`, so that somebody else can cancel it.
pub(super) async fn run(
    client: &Client,
    session: &Session,
    statement: &str,
    may_repeat: bool,
    entry: &Entry<'_>,
) -> Result<Rows, Fault> {
    let request = request(&session.handle, statement);
    let answer = match may_repeat {
        true => client.call(&request).await?,
        false => client.call_once(&request).await?,
    };
    let Some(handle) = answer.operation_handle else {
        return Err(client.misfit("it started a statement and gave no handle for it").into());
    };
    entry.note(handle.clone());
    let direct = answer.direct_results.unwrap_or_default();
    let is_closed = direct.close_operation.is_some();
    let ended = finish(client, session, &handle, direct).await;
    match &ended {
        // What is lost to us or to the server needs no end.
        Err(Fault::Lost(_)) => {}
        _ if is_closed => {}
        _ => client.part(&tcli::TCloseOperationReq { operation_handle: handle }).await,
    }
    entry.clear();
    ended.map_err(|fault| match fault {
        Fault::Lost(said) => Fault::Forgotten(said),
        fault => fault,
    })
}

fn request(session: &tcli::TSessionHandle, statement: &str) -> tcli::TExecuteStatementReq {
    tcli::TExecuteStatementReq {
        session_handle: session.clone(),
        statement: statement.to_owned(),
        run_async: Some(true),
        query_timeout: None,
        get_direct_results: Some(tcli::TSparkGetDirectResults { max_rows: PAGE_ROWS, max_bytes: None }),
        can_read_arrow_result: Some(false),
        can_download_result: Some(false),
        can_decompress_l_z4_result: Some(false),
    }
}

async fn finish(
    client: &Client,
    session: &Session,
    handle: &tcli::TOperationHandle,
    direct: tcli::TSparkDirectResults,
) -> Result<Rows, Fault> {
    let has_rows = wait(client, handle, direct.operation_status).await?;
    if !has_rows.unwrap_or(handle.has_result_set) {
        return Ok(Rows::default());
    }
    let metadata = match direct.result_set_metadata {
        Some(metadata) => client.accept(metadata)?,
        None => client.call(&tcli::TGetResultSetMetadataReq { operation_handle: handle.clone() }).await?,
    };
    let columns = metadata.schema.map(|schema| schema.columns).unwrap_or_default();
    let columns = columns.into_iter().map(|column| column.column_name).collect();
    fetch(client, session, handle, columns, direct.result_set).await
}

/// Waits for the end, and answers whether there are rows, where the server says so.
async fn wait(
    client: &Client,
    handle: &tcli::TOperationHandle,
    mut known: Option<tcli::TGetOperationStatusResp>,
) -> Result<Option<bool>, Fault> {
    let begun = Instant::now();
    loop {
        let status = match known.take() {
            Some(status) => client.accept(status)?,
            None => client.call(&tcli::TGetOperationStatusReq { operation_handle: handle.clone() }).await?,
        };
        match status.operation_state {
            Some(tcli::TOperationState::FINISHED_STATE) => return Ok(status.has_result_set),
            Some(
                tcli::TOperationState::INITIALIZED_STATE
                | tcli::TOperationState::PENDING_STATE
                | tcli::TOperationState::RUNNING_STATE,
            ) => {}
            Some(tcli::TOperationState::CLOSED_STATE) => {
                return Err(Fault::Lost("the server closed the statement".to_owned()));
            }
            Some(tcli::TOperationState::CANCELED_STATE) => {
                return Err(client.cancelled());
            }
            Some(tcli::TOperationState::TIMEDOUT_STATE) => {
                let text = "A statement took longer than the time that {} gives to statements. Raise that limit there.";
                return Err(Error::config(text.replace("{}", &client.place())).into());
            }
            Some(tcli::TOperationState::ERROR_STATE) => return Err(client.failed(&status)),
            _ => return Err(client.misfit("a statement is in a state that does not exist").into()),
        }
        pause(begun).await;
    }
}

/// All rows. A page whose answer was lost is gone on the server too, which its offset shows; then all is read again.
async fn fetch(
    client: &Client,
    session: &Session,
    handle: &tcli::TOperationHandle,
    columns: Vec<String>,
    mut known: Option<tcli::TFetchResultsResp>,
) -> Result<Rows, Fault> {
    let mut rows = Rows { columns, ..Rows::default() };
    let mut orientation = tcli::TFetchOrientation::FETCH_NEXT;
    let (mut rewinds, mut bounds) = (0, Bounds::new(None));
    loop {
        let page = match known.take() {
            Some(page) => client.accept(page)?,
            None => {
                let request =
                    tcli::TFetchResultsReq { operation_handle: handle.clone(), orientation, max_rows: PAGE_ROWS };
                client.call(&request).await?
            }
        };
        orientation = tcli::TFetchOrientation::FETCH_NEXT;
        let Some(set) = page.results else {
            return Err(client.misfit("a page of a result is missing").into());
        };
        if usize::try_from(set.start_row_offset) != Ok(rows.rows.len()) {
            rewinds += 1;
            if rewinds > MOST_REWINDS {
                return Err(client.misfit("pages of a result do not follow each other").into());
            }
            rows.rows.clear();
            bounds = Bounds::new(None);
            orientation = tcli::TFetchOrientation::FETCH_FIRST;
            continue;
        }
        // A result without rows may say that it is in another format.
        if set.arrow_batches.is_some_and(|batches| !batches.is_empty())
            || set.result_links.is_some_and(|links| !links.is_empty())
        {
            return Err(client.misfit("it writes rows in another format than the one that was asked for").into());
        }
        let added = match set.columns {
            Some(columns) => rows::append(&mut rows, columns, &mut bounds).map_err(|what| client.misfit(&what))?,
            None => 0,
        };
        // Spark's own server always says that there are no more; there are none when a page is empty.
        let is_last = if session.tells_of_more { page.has_more_rows != Some(true) } else { added == 0 };
        if is_last {
            return Ok(rows);
        }
        if added == 0 {
            tokio::time::sleep(EMPTY_PAGE).await;
        }
    }
}
