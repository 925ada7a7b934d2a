//! A server for the tests: HiveServer2 over HTTP with as much of Databricks as matters, and faults where a test wants them.
//!
//! Statements that it knows: `rows N` (N rows of a number and a text), `arrow N` (N rows in Arrow's format), `nothing`, `fail`,
//! `forever`; `wait N` runs for N questions for its state, `cancelled N` is cancelled by somebody N times; `dies WORDS` fails with
//! these words if it is the first.

use std::collections::{HashMap, HashSet, VecDeque};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;
use std::time::Duration;

use tcli_service as tcli;

use super::thrift_messages::{call_name, exception, failed, fine, refusal, reply, request};

/// What happens to one call in place of its answer.
#[derive(Clone)]
pub(in crate::databricks) enum Fault {
    /// Answered as usual.
    None,
    /// HTTP status, headers, body; nothing is done.
    RespondStatus(u16, &'static [(&'static str, &'static str)], &'static str),
    /// Nothing is done; the answer says ERROR_STATUS with this SQLSTATE and these words.
    RespondError(&'static str, &'static str),
    /// The connection is cut before anything is done.
    CutBeforeWork,
    /// It is done; the connection is cut before the answer.
    CutAfterWork,
    /// It is done; the answer comes so much later.
    RespondLate(Duration),
    /// Half of the answer, as if it were all.
    RespondHalf,
    /// 200 with these bytes.
    RespondBytes(Vec<u8>),
    /// All sessions and statements are forgotten, as after a restart, then it is answered.
    ForgetEverything,
}

#[derive(Default)]
pub(in crate::databricks) struct ServerState {
    /// The names of all calls that came.
    pub(in crate::databricks) calls: Vec<String>,
    /// The statements that were started.
    pub(in crate::databricks) statements: Vec<String>,
    /// The `Authorization` headers that came.
    pub(in crate::databricks) logins: Vec<String>,
    pub(in crate::databricks) cancelled: usize,
    pub(in crate::databricks) faults: HashMap<&'static str, VecDeque<Fault>>,
    /// Whether it speaks Databricks' version: direct results.
    pub(in crate::databricks) is_databricks: bool,
    /// The most rows of a page.
    pub(in crate::databricks) page: usize,
    pub(in crate::databricks) sessions: HashSet<Vec<u8>>,
    operations: HashMap<Vec<u8>, Operation>,
    /// How many statements somebody else has cancelled.
    cancels: usize,
    next: u8,
}

struct Operation {
    statement: String,
    read: usize,
    asked: usize,
    cancelled: bool,
}

pub(in crate::databricks) struct ThriftServer {
    pub(in crate::databricks) address: String,
    state: Arc<Mutex<ServerState>>,
}

impl ThriftServer {
    pub(in crate::databricks) fn start(is_databricks: bool) -> ThriftServer {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address").to_string();
        let state = Arc::new(Mutex::new(ServerState { is_databricks, page: 1000, ..ServerState::default() }));
        let shared = Arc::clone(&state);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = Arc::clone(&shared);
                thread::spawn(move || serve(stream, &shared));
            }
        });
        ThriftServer { address, state }
    }

    /// The next calls `name` meet these faults, one each.
    pub(in crate::databricks) fn with(self, name: &'static str, faults: &[Fault]) -> ThriftServer {
        self.state().faults.insert(name, faults.iter().cloned().collect());
        self
    }

    pub(in crate::databricks) fn state(&self) -> MutexGuard<'_, ServerState> {
        self.state.lock().expect("the state")
    }

    /// How many statements have been asked for their state.
    pub(in crate::databricks) fn polled(&self) -> usize {
        self.state().operations.values().filter(|operation| operation.asked > 0).count()
    }

    /// How often `name` was called.
    pub(in crate::databricks) fn count(&self, name: &str) -> usize {
        self.state().calls.iter().filter(|call| *call == name).count()
    }
}

fn serve(stream: TcpStream, state: &Mutex<ServerState>) {
    let mut reader = BufReader::new(stream.try_clone().expect("a clone"));
    let mut stream = stream;
    loop {
        let (mut length, mut login, mut line) = (0, String::new(), String::new());
        while reader.read_line(&mut line).is_ok_and(|read| read > 2) {
            if let Some((name, value)) = line.split_once(':') {
                match name.to_ascii_lowercase().as_str() {
                    "content-length" => length = value.trim().parse().expect("a length"),
                    "authorization" => login = value.trim().to_owned(),
                    _ => {}
                }
            }
            line.clear();
        }
        let mut body = vec![0; length];
        if line.is_empty() || reader.read_exact(&mut body).is_err() || body.is_empty() {
            return;
        }
        let name = call_name(&body);
        let fault = {
            let mut state = state.lock().expect("the state");
            state.calls.push(name.clone());
            state.logins.push(login);
            state.faults.get_mut(name.as_str()).and_then(VecDeque::pop_front).unwrap_or(Fault::None)
        };
        let (status, headers, answer) = match fault {
            Fault::RespondStatus(status, headers, body) => (status, headers, body.as_bytes().to_vec()),
            Fault::RespondBytes(bytes) => (200, &[][..], bytes),
            Fault::RespondError(state, message) => (200, &[][..], refusal(&body, state, message)),
            Fault::CutBeforeWork => return,
            other => {
                if matches!(other, Fault::ForgetEverything) {
                    let mut state = state.lock().expect("the state");
                    state.sessions.clear();
                    state.operations.clear();
                }
                let mut answer = state.lock().expect("the state").answer(&name, &body);
                match other {
                    Fault::CutAfterWork => return,
                    Fault::RespondLate(time) => thread::sleep(time),
                    Fault::RespondHalf => answer.truncate(answer.len() / 2),
                    _ => {}
                }
                (200, &[][..], answer)
            }
        };
        let kind = if status == 200 { "application/x-thrift" } else { "text/html" };
        let mut head = format!("HTTP/1.1 {status} So\r\ncontent-type: {kind}\r\ncontent-length: {}\r\n", answer.len());
        headers.iter().for_each(|(name, value)| head.push_str(&format!("{name}: {value}\r\n")));
        head.push_str("\r\n");
        if stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&answer)).is_err() {
            return;
        }
    }
}

impl ServerState {
    fn answer(&mut self, name: &str, body: &[u8]) -> Vec<u8> {
        match name {
            "OpenSession" => {
                let asked: tcli::TOpenSessionReq = request(body).1;
                let is_foreign = asked.client_protocol == tcli::TProtocolVersion::DATABRICKS_SEE_I64;
                if is_foreign && !self.is_databricks {
                    return exception(body, "Required field 'client_protocol' is unset!");
                }
                let id = self.id();
                self.sessions.insert(id.guid.clone());
                reply(body, |_: tcli::TOpenSessionReq| tcli::TOpenSessionResp {
                    status: fine(),
                    server_protocol_version: if self.is_databricks { 0xA508 } else { 9 },
                    session_handle: Some(tcli::TSessionHandle { session_id: id }),
                })
            }
            "CloseSession" => reply(body, |asked: tcli::TCloseSessionReq| {
                self.sessions.remove(&asked.session_handle.session_id.guid);
                tcli::TCloseSessionResp { status: fine() }
            }),
            "ExecuteStatement" => reply(body, |asked| self.execute(asked)),
            "GetOperationStatus" => reply(body, |asked: tcli::TGetOperationStatusReq| {
                self.status(&asked.operation_handle.operation_id.guid)
            }),
            "GetResultSetMetadata" => reply(body, |asked: tcli::TGetResultSetMetadataReq| {
                let status = self.known(&asked.operation_handle.operation_id.guid);
                tcli::TGetResultSetMetadataResp { status, schema: Some(schema()), result_format: None }
            }),
            "FetchResults" => reply(body, |asked: tcli::TFetchResultsReq| {
                let rewind = asked.orientation == tcli::TFetchOrientation::FETCH_FIRST;
                self.page(&asked.operation_handle.operation_id.guid, rewind)
            }),
            "CancelOperation" => reply(body, |asked: tcli::TCancelOperationReq| {
                let guid = asked.operation_handle.operation_id.guid;
                self.cancelled += 1;
                self.operations.get_mut(&guid).into_iter().for_each(|operation| operation.cancelled = true);
                tcli::TCancelOperationResp { status: self.known(&guid) }
            }),
            "CloseOperation" => reply(body, |asked: tcli::TCloseOperationReq| {
                let guid = asked.operation_handle.operation_id.guid;
                let status = self.known(&guid);
                self.operations.remove(&guid);
                tcli::TCloseOperationResp { status }
            }),
            other => exception(body, &format!("Invalid method name: '{other}'")),
        }
    }

    fn id(&mut self) -> tcli::THandleIdentifier {
        self.next += 1;
        tcli::THandleIdentifier { guid: vec![self.next; 16], secret: vec![0; 16] }
    }

    fn execute(&mut self, asked: tcli::TExecuteStatementReq) -> tcli::TExecuteStatementResp {
        if !self.sessions.contains(&asked.session_handle.session_id.guid) {
            let status = failed("08S01", "Invalid SessionHandle: SessionHandle [01]");
            return tcli::TExecuteStatementResp { status, operation_handle: None, direct_results: None };
        }
        let operation_id = self.id();
        let guid = operation_id.guid.clone();
        self.statements.push(asked.statement.clone());
        let operation = Operation { statement: asked.statement, read: 0, asked: 0, cancelled: false };
        self.operations.insert(guid.clone(), operation);
        let operation_handle = Some(tcli::TOperationHandle {
            operation_id,
            operation_type: tcli::TOperationType::EXECUTE_STATEMENT,
            has_result_set: true,
            modified_row_count: None,
        });
        let direct_results = (self.is_databricks && asked.get_direct_results.is_some()).then(|| {
            let status = self.status(&guid);
            if status.operation_state != Some(tcli::TOperationState::FINISHED_STATE) {
                return tcli::TSparkDirectResults { operation_status: Some(status), ..Default::default() };
            }
            let page = self.page(&guid, false);
            let is_arrow = self.operations.get(&guid).is_some_and(|operation| operation.statement.starts_with("arrow"));
            let format = if is_arrow {
                tcli::TSparkRowSetType::ARROW_BASED_SET
            } else {
                tcli::TSparkRowSetType::COLUMN_BASED_SET
            };
            let is_all = page.has_more_rows == Some(false);
            tcli::TSparkDirectResults {
                operation_status: Some(status),
                result_set_metadata: Some(tcli::TGetResultSetMetadataResp {
                    status: fine(),
                    schema: Some(schema()),
                    result_format: Some(format),
                }),
                result_set: Some(page),
                close_operation: is_all.then(|| {
                    self.operations.remove(&guid);
                    tcli::TCloseOperationResp { status: fine() }
                }),
            }
        });
        tcli::TExecuteStatementResp { status: fine(), operation_handle, direct_results }
    }

    fn known(&self, guid: &[u8]) -> tcli::TStatus {
        match self.operations.contains_key(guid) {
            true => fine(),
            false => failed("08000", "Invalid OperationHandle: OperationHandle [02]"),
        }
    }

    fn status(&mut self, guid: &[u8]) -> tcli::TGetOperationStatusResp {
        let mut answer = tcli::TGetOperationStatusResp {
            status: self.known(guid),
            operation_state: None,
            sql_state: None,
            error_code: None,
            error_message: None,
            has_result_set: Some(true),
            display_message: None,
        };
        let (cancelled, is_first) = (self.cancels, self.statements.len() == 1);
        let Some(operation) = self.operations.get_mut(guid) else { return answer };
        operation.asked += 1;
        let (what, number) = operation.statement.split_once(' ').unwrap_or((&operation.statement, "0"));
        let number: usize = number.parse().unwrap_or(0);
        answer.operation_state = Some(match what {
            _ if operation.cancelled => tcli::TOperationState::CANCELED_STATE,
            "fail" => {
                answer.sql_state = Some("42P01".to_owned());
                answer.error_message = Some(
                    "org.apache.hive.service.cli.HiveSQLException: Error running query: [TABLE_OR_VIEW_NOT_FOUND] \
                     org.apache.spark.sql.AnalysisException: [TABLE_OR_VIEW_NOT_FOUND] The table or view `a`.`b` cannot \
                     be found. SQLSTATE: 42P01"
                        .to_owned(),
                );
                tcli::TOperationState::ERROR_STATE
            }
            "forever" => tcli::TOperationState::RUNNING_STATE,
            "dies" if is_first => {
                answer.error_message = operation.statement.strip_prefix("dies ").map(str::to_owned);
                tcli::TOperationState::ERROR_STATE
            }
            "cancelled" if cancelled < number => {
                self.cancels += 1;
                tcli::TOperationState::CANCELED_STATE
            }
            "wait" if operation.asked <= number => tcli::TOperationState::PENDING_STATE,
            _ => tcli::TOperationState::FINISHED_STATE,
        });
        answer
    }

    fn page(&mut self, guid: &[u8], rewind: bool) -> tcli::TFetchResultsResp {
        let (status, page, is_databricks) = (self.known(guid), self.page, self.is_databricks);
        let Some(operation) = self.operations.get_mut(guid) else {
            return tcli::TFetchResultsResp { status, has_more_rows: None, results: None };
        };
        if let Some(number) = operation.statement.strip_prefix("arrow ") {
            let batches = (0..number.parse().expect("a number")).map(|_| tcli::TSparkRows {}).collect();
            let results =
                tcli::TRowSet { start_row_offset: 0, columns: None, arrow_batches: Some(batches), result_links: None };
            return tcli::TFetchResultsResp { status, has_more_rows: Some(false), results: Some(results) };
        }
        let all = operation.statement.strip_prefix("rows ").map_or(0, |number| number.parse().expect("a number"));
        let from = if rewind { 0 } else { operation.read };
        let to = all.min(from + page);
        operation.read = to;
        let numbers = (from..to).map(|number| i64::try_from(number).expect("small")).collect();
        let texts = (from..to).map(|number| format!("text {number}")).collect();
        let columns = vec![
            tcli::TColumn { i64_val: Some(tcli::TI64Column { values: numbers, nulls: vec![0] }), ..Default::default() },
            tcli::TColumn {
                string_val: Some(tcli::TStringColumn { values: texts, nulls: vec![] }),
                ..Default::default()
            },
        ];
        tcli::TFetchResultsResp {
            status,
            has_more_rows: Some(is_databricks && to < all),
            results: Some(tcli::TRowSet {
                start_row_offset: i64::try_from(from).expect("small"),
                columns: Some(columns),
                arrow_batches: None,
                result_links: None,
            }),
        }
    }
}

fn schema() -> tcli::TTableSchema {
    let column = |name: &str| tcli::TColumnDesc { column_name: name.to_owned() };
    tcli::TTableSchema { columns: vec![column("number"), column("text")] }
}
