//! The Azure Blob Storage server: Azurite, started once for all tests, on a free port of the loopback interface.
//!
//! It checks signatures, permissions, times, resources and protocols of SAS tokens (but not IP addresses), and honours
//! `If-None-Match` and `If-Match`. `TEST_AZURE` names its program, which `integration_tests/azure/server` installs. Without `TEST_AZURE` the
//! tests are skipped and count as passed, with a printed reason; under CI that is a failure.

use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// The storage account, and its key as Azure writes keys: in base64.
pub const ACCOUNT: (&str, &str) = ("lakeofthebed", "a2V5IG9mIHRoZSBiZWQsIGtleSBvZiB0aGUgYmVkLCBrZXkgb2YgdGhlIGJlZA==");
/// The server ends with its standard input, and so with this process, however that ends. It keeps everything in memory.
const SCRIPT: &str = r#"
program="$1" port="$2" own="$3"
shift 3
cd "$own"
"$program" --blobHost 127.0.0.1 --blobPort "$port" --inMemoryPersistence --skipApiVersionCheck --silent --disableTelemetry "$@" > log 2>&1 < /dev/null &
server=$!
cat > /dev/null
kill -9 $server
wait
cd / && rm -rf "$own"
"#;

/// A server that runs.
pub struct Server {
    port: u16,
    _child: Child,
}

impl Server {
    /// Its address; requests have the account as the first part of their path.
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The options of the stand-in for Databricks whose Spark has its tables here.
    pub fn for_spark(&self) -> String {
        format!("--azure {} --account {} --key {}", self.port, ACCOUNT.0, ACCOUNT.1)
    }

    fn start(program: &Path) -> Self {
        let folder = TempDir::new().unwrap().keep();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut child = Command::new("sh")
            .args(["-c", SCRIPT, "sh"])
            .arg(program)
            .arg(port.to_string())
            .arg(&folder)
            .env("AZURITE_ACCOUNTS", format!("{}:{}", ACCOUNT.0, ACCOUNT.1))
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        let deadline = Instant::now() + Duration::from_secs(60);
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            if Instant::now() > deadline {
                let said = std::fs::read_to_string(folder.join("log")).unwrap_or_default();
                drop(child.stdin.take());
                panic!("Azurite does not answer; it said: {said}");
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Self { port, _child: child }
    }
}

/// The one server of this process. Ends the process well, with a printed reason, where there can be none.
pub fn server() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(|| {
        let Some(program) = std::env::var_os("TEST_AZURE").filter(|named| !named.is_empty()) else {
            let reason = "TEST_AZURE names no Azure Blob Storage server: TEST_AZURE=\"$(integration_tests/azure/server)\" cargo test --test azure";
            assert!(std::env::var_os("CI").is_none(), "{reason}");
            // Past the test harness, which would otherwise keep it to itself.
            let _ = writeln!(std::io::stderr(), "skipped: all tests with an Azure Blob Storage server: {reason}");
            std::process::exit(0);
        };
        Server::start(Path::new(&program))
    })
}
