//! Runs one statement on one session: submits it, polls its status, fetches its rows, closes it.
//!
//! If a statement ends within a few seconds, Databricks returns all of that in the reply to ExecuteStatement (direct results); what is
//! missing there is requested. Other servers never return direct results.

use std::time::{Duration, Instant};

use tcli_service as tcli;

use super::client::{CallError, Client};
use super::open_statements::Slot;
use super::rows;
use super::session::Session;
use crate::databricks::polling::pause;
use crate::databricks::{QueryResult, ResultLimits};
use crate::error::Error;

/// The pause after an empty page that is not the last.
const EMPTY_PAGE: Duration = Duration::from_millis(50);
/// The most rows of one page.
const PAGE_ROWS: i64 = 10_000;
/// How often a result is read again from its first row because a page was lost.
const MOST_REWINDS: u32 = 3;

/// Runs `statement` and returns its result; sends it again after a lost reply only if `may_repeat`. The running statement is noted in
/// `slot`, so that another task can cancel it.
pub(super) async fn run(
    client: &Client,
    session: &Session,
    statement: &str,
    may_repeat: bool,
    slot: &Slot<'_>,
) -> Result<QueryResult, CallError> {
    let request = request(&session.handle, statement);
    let answer = match may_repeat {
        true => client.call(&request).await?,
        false => client.call_once(&request).await?,
    };
    let Some(handle) = answer.operation_handle else {
        return Err(client.protocol_error("it started a statement and gave no handle for it").into());
    };
    slot.note(handle.clone());
    let direct = answer.direct_results.unwrap_or_default();
    let is_closed = direct.close_operation.is_some();
    let ended = finish(client, session, &handle, direct).await;
    match &ended {
        // The server no longer has it: nothing to close.
        Err(CallError::HandleUnknown(_)) => {}
        _ if is_closed => {}
        _ => client.send_best_effort(&tcli::TCloseOperationReq { operation_handle: handle }).await,
    }
    slot.clear();
    ended.map_err(|failure| match failure {
        CallError::HandleUnknown(said) => CallError::StatementLost(said),
        failure => failure,
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
) -> Result<QueryResult, CallError> {
    let has_rows = wait(client, handle, direct.operation_status).await?;
    if !has_rows.unwrap_or(handle.has_result_set) {
        return Ok(QueryResult::default());
    }
    let metadata = match direct.result_set_metadata {
        Some(metadata) => client.accept(metadata)?,
        None => client.call(&tcli::TGetResultSetMetadataReq { operation_handle: handle.clone() }).await?,
    };
    let columns = metadata.schema.map(|schema| schema.columns).unwrap_or_default();
    let columns = columns.into_iter().map(|column| column.column_name).collect();
    fetch(client, session, handle, columns, direct.result_set).await
}

/// Waits for the end of the statement; returns whether there are rows, if the server says so.
async fn wait(
    client: &Client,
    handle: &tcli::TOperationHandle,
    mut known: Option<tcli::TGetOperationStatusResp>,
) -> Result<Option<bool>, CallError> {
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
                return Err(CallError::HandleUnknown("the server closed the statement".to_owned()));
            }
            Some(tcli::TOperationState::CANCELED_STATE) => {
                return Err(client.cancelled());
            }
            Some(tcli::TOperationState::TIMEDOUT_STATE) => {
                let text = "A statement took longer than the time that {} gives to statements. Raise that limit there.";
                return Err(Error::config(text.replace("{}", &client.cluster())).into());
            }
            Some(tcli::TOperationState::ERROR_STATE) => return Err(client.failed(&status)),
            _ => return Err(client.protocol_error("a statement is in a state that does not exist").into()),
        }
        pause(begun).await;
    }
}

/// All rows. The server drops a page once it has sent it: if its reply was lost, the next offset shows that, and all is read again.
async fn fetch(
    client: &Client,
    session: &Session,
    handle: &tcli::TOperationHandle,
    columns: Vec<String>,
    mut known: Option<tcli::TFetchResultsResp>,
) -> Result<QueryResult, CallError> {
    let mut rows = QueryResult { columns, ..QueryResult::default() };
    let mut orientation = tcli::TFetchOrientation::FETCH_NEXT;
    let (mut rewinds, mut limits) = (0, ResultLimits::new(None));
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
            return Err(client.protocol_error("a page of a result is missing").into());
        };
        if usize::try_from(set.start_row_offset) != Ok(rows.rows.len()) {
            rewinds += 1;
            if rewinds > MOST_REWINDS {
                return Err(client.protocol_error("pages of a result do not follow each other").into());
            }
            rows.rows.clear();
            limits = ResultLimits::new(None);
            orientation = tcli::TFetchOrientation::FETCH_FIRST;
            continue;
        }
        // An empty result may claim another format.
        if set.arrow_batches.is_some_and(|batches| !batches.is_empty())
            || set.result_links.is_some_and(|links| !links.is_empty())
        {
            return Err(client.protocol_error("it writes rows in another format than the requested one").into());
        }
        let added = match set.columns {
            Some(columns) => {
                rows::append(&mut rows, columns, &mut limits).map_err(|what| client.protocol_error(&what))?
            }
            None => 0,
        };
        // Spark's own server always says that there are no more rows; the end is an empty page.
        let is_last = if session.reports_more_rows { page.has_more_rows != Some(true) } else { added == 0 };
        if is_last {
            return Ok(rows);
        }
        if added == 0 {
            tokio::time::sleep(EMPTY_PAGE).await;
        }
    }
}
