//! A server on a free loopback port that answers as a script says: the right thing, the wrong thing, late, or never.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::{Value, json};

use crate::config::{Authentication, DatabricksSettings, Timeouts, TokenSetting};
use crate::secret::Secret;

/// The token that the settings hold.
pub const TOKEN: &str = "dapi-very-secret-0123";

/// One request, as it arrived.
#[derive(Debug, Clone)]
pub struct ReceivedRequest {
    pub method: String,
    pub path: String,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl ReceivedRequest {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub fn is(&self, method: &str, path: &str) -> bool {
        self.method == method && self.path == path
    }
}

/// What happens to a request.
#[derive(Debug, Clone)]
pub enum Reaction {
    Respond(u16, Vec<(&'static str, String)>, String),
    /// The work is done, and the connection breaks before the answer.
    DropConnection,
    /// Nothing ever comes.
    HoldResponse,
    RespondSlowly(Duration, Box<Reaction>),
}

/// An answer in JSON.
pub fn answer(status: u16, body: Value) -> Reaction {
    Reaction::Respond(status, vec![("content-type", "application/json".to_owned())], body.to_string())
}

/// A statement's state.
pub fn state(state: &str) -> Reaction {
    answer(200, json!({"statement_id": "01ef-a", "status": {"state": state}}))
}

/// A statement that failed.
pub fn failure(code: &str, message: &str) -> Reaction {
    let error = json!({"error_code": code, "message": message});
    answer(200, json!({"statement_id": "01ef-a", "status": {"state": "FAILED", "error": error}}))
}

/// A statement that has ended with one row and one column.
pub fn success(value: &str) -> Reaction {
    answer(
        200,
        json!({
            "statement_id": "01ef-a",
            "status": {"state": "SUCCEEDED"},
            "manifest": {"schema": {"columns": [{"name": "n"}]}, "total_row_count": 1},
            "result": {"chunk_index": 0, "data_array": [[value]]}
        }),
    )
}

type Script = Box<dyn FnMut(&ReceivedRequest, usize) -> Reaction + Send>;

/// The server. It goes on until the process ends, or it is stopped.
pub struct ScriptedServer {
    port: u16,
    is_over: Arc<AtomicBool>,
    listening: JoinHandle<()>,
    received: Arc<Mutex<Vec<ReceivedRequest>>>,
}

impl ScriptedServer {
    /// Answers each request with what `script` says of it and of the number of those before it.
    pub fn new(script: impl FnMut(&ReceivedRequest, usize) -> Reaction + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        let received = Arc::new(Mutex::new(Vec::new()));
        let script: Arc<Mutex<Script>> = Arc::new(Mutex::new(Box::new(script)));
        let (all, is_over) = (received.clone(), Arc::new(AtomicBool::new(false)));
        let is_stopped = is_over.clone();
        let listening = std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if is_stopped.load(Ordering::SeqCst) {
                    return;
                }
                let (script, received) = (script.clone(), all.clone());
                std::thread::spawn(move || serve(stream, &script, &received));
            }
        });
        Self { port, is_over, listening, received }
    }

    /// Answers with `steps`, one after the other, and the last of them for ever.
    pub fn with(reactions: Vec<Reaction>) -> Self {
        Self::new(move |_, before| reactions[before.min(reactions.len() - 1)].clone())
    }

    /// What leads here.
    pub fn settings(&self) -> DatabricksSettings {
        DatabricksSettings {
            hostname: "127.0.0.1".to_owned(),
            https: false,
            workspace: None,
            http_path: "/sql/1.0/warehouses/abc".to_owned(),
            port: self.port,
            authentication: Authentication::token(Secret::new(TOKEN), TokenSetting::Flat),
            account: None,
            statement_timeout: Duration::from_secs(60),
            load_parallelism: 8,
        }
    }

    /// From now on it refuses connections.
    pub fn stop(self) {
        self.is_over.store(true, Ordering::SeqCst);
        drop(TcpStream::connect(("127.0.0.1", self.port)).expect("it listens"));
        self.listening.join().expect("no panic");
    }

    /// Every request so far.
    pub fn received(&self) -> Vec<ReceivedRequest> {
        self.received.lock().expect("no panic").clone()
    }

    /// How many requests so far have this method and a path that ends so.
    pub fn count(&self, method: &str, end: &str) -> usize {
        self.received().iter().filter(|received| received.method == method && received.path.ends_with(end)).count()
    }
}

/// Timeouts for tests: what takes minutes takes a few hundred milliseconds.
pub fn timeouts() -> Timeouts {
    Timeouts {
        lease_age: Duration::from_secs(6),
        lease_renewal: Duration::from_secs(1),
        request_retry: Duration::from_secs(1),
        databricks_retry: Duration::from_millis(1200),
        databricks_start: Duration::from_millis(500),
    }
}

fn serve(stream: TcpStream, script: &Mutex<Script>, all: &Mutex<Vec<ReceivedRequest>>) {
    let mut reader = BufReader::new(stream.try_clone().expect("a second handle"));
    let mut writer = stream;
    while let Some(received) = read(&mut reader) {
        let mut reaction = {
            let mut all = all.lock().expect("no panic");
            let before = all.len();
            all.push(received.clone());
            (script.lock().expect("no panic"))(&received, before)
        };
        if let Reaction::RespondSlowly(time, then) = reaction {
            std::thread::sleep(time);
            reaction = *then;
        }
        match reaction {
            Reaction::Respond(status, headers, body) => {
                let mut head = format!("HTTP/1.1 {status} Status\r\n");
                // The answer to a HEAD says how long the body would be.
                if !headers.iter().any(|(name, _)| *name == "content-length") {
                    head.push_str(&format!("content-length: {}\r\n", body.len()));
                }
                for (name, value) in headers {
                    head.push_str(&format!("{name}: {value}\r\n"));
                }
                if writer.write_all(format!("{head}\r\n{body}").as_bytes()).is_err() {
                    return;
                }
            }
            Reaction::HoldResponse => std::thread::sleep(Duration::from_secs(30)),
            Reaction::DropConnection | Reaction::RespondSlowly(..) => {
                let _ = writer.shutdown(std::net::Shutdown::Both);
                return;
            }
        }
    }
}

fn read(reader: &mut impl BufRead) -> Option<ReceivedRequest> {
    let mut line = || {
        let mut text = String::new();
        reader.read_line(&mut text).ok().filter(|length| *length > 0)?;
        Some(text.trim_end().to_owned())
    };
    let first = line()?;
    let mut words = first.split(' ');
    let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut headers = Vec::new();
    loop {
        let header = line()?;
        let Some((name, value)) = header.split_once(':') else { break };
        headers.push((name.to_lowercase(), value.trim().to_owned()));
    }
    let length = headers.iter().find(|(name, _)| name == "content-length").and_then(|(_, value)| value.parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    reader.read_exact(&mut body).ok()?;
    Some(ReceivedRequest { method, path, headers, body: String::from_utf8(body).ok()? })
}
