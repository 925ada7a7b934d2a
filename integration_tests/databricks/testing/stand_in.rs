//! The stand-in for Databricks: one Spark with Delta Lake, with its tables on the S3 server, the Azure one or its own disk, behind the Statement Execution
//! API and, for clusters, behind its own Thrift server. Started once for all tests, on a free port.
//!
//! `TEST_DATABRICKS` names the folder that `integration_tests/databricks/server` fills. Without it the tests are skipped
//! and count as passed, with a printed reason; under CI that is a failure.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::server::server;

/// Spark ends with its standard input, and so with this process, however that ends.
const SCRIPT: &str = r#"
cd "$1" && "$2/bin/python" "$3" --jars "$2/jars" --folder "$1/spark" --quick $4 2> "$1/log"
cd / && rm -rf "$1"
"#;

/// The stand-in that runs.
pub struct StandIn {
    port: u16,
    folder: PathBuf,
    python: PathBuf,
    _child: Child,
}

impl StandIn {
    /// Its port of the loopback.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// A Python with other people's clients and Delta readers.
    pub fn python(&self) -> &Path {
        &self.python
    }

    /// The folder of its volumes and of Spark's own tables.
    pub fn folder(&self) -> PathBuf {
        self.folder.join("spark")
    }

    /// What it and Spark have said so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }

    /// Asks it for something that Databricks has not: see `stand_in/control.py`.
    pub fn control(&self, method: &str, path: &str, body: &Value) -> Value {
        let (status, answer) = self.request(method, &format!("/stand-in/{path}"), &body.to_string());
        assert_eq!(status, 200, "{method} {path}: {answer}\n{}", self.log());
        serde_json::from_str(&answer).unwrap()
    }

    /// Runs `statement` at once, whatever was said to go wrong; the rows.
    pub fn sql(&self, statement: &str) -> Vec<Vec<Option<String>>> {
        let answer = self.control("POST", "sql", &json!({"statement": statement}));
        serde_json::from_value(answer["rows"].clone()).unwrap()
    }

    /// What is said of `statement`, which runs at once: its rows, or why it fails.
    pub fn said(&self, statement: &str) -> Value {
        let (_, answer) = self.request("POST", "/stand-in/sql", &json!({"statement": statement}).to_string());
        serde_json::from_str(&answer).unwrap()
    }

    /// What is said of `statement`, which has to fail.
    pub fn refused(&self, statement: &str) -> String {
        let body = json!({"statement": statement}).to_string();
        let (status, answer) = self.request("POST", "/stand-in/sql", &body);
        assert_ne!(status, 200, "{statement}: {answer}");
        answer
    }

    /// One request by a connection of its own.
    fn request(&self, method: &str, path: &str, body: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        let length = body.len();
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nHost: bed\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap();
        (status, body.to_owned())
    }

    fn start(installed: &Path) -> Self {
        let folder = TempDir::new().unwrap().keep();
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("integration_tests/databricks/stand_in");
        let mut child = Command::new("sh")
            .args(["-c", SCRIPT, "sh"])
            .args([folder.as_os_str(), installed.as_os_str(), script.as_os_str()])
            .arg(server().for_spark())
            // Its caches would lie in the checkout.
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .env("TMPDIR", &folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut said).unwrap();
        let port = said.trim().parse().unwrap_or_else(|_| {
            let log = std::fs::read_to_string(folder.join("log")).unwrap_or_default();
            panic!("the stand-in did not start: {log}")
        });
        Self { port, folder, python: installed.join("bin/python"), _child: child }
    }
}

/// The one stand-in of this process. Ends the process well, with a printed reason, where there can be none.
pub fn stand_in() -> &'static StandIn {
    static STAND_IN: OnceLock<StandIn> = OnceLock::new();
    STAND_IN.get_or_init(|| {
        let Some(installed) = std::env::var_os("TEST_DATABRICKS").filter(|named| !named.is_empty()) else {
            let reason = "TEST_DATABRICKS names no folder with Spark: \
                          TEST_DATABRICKS=\"$(integration_tests/databricks/server)\" cargo test --test databricks";
            assert!(std::env::var_os("CI").is_none(), "{reason}");
            // Past the test harness, which would otherwise keep it to itself.
            let _ = writeln!(std::io::stderr(), "skipped: all tests with Databricks' stand-in: {reason}");
            std::process::exit(0);
        };
        StandIn::start(Path::new(&installed))
    })
}
