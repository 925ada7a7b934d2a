//! The S3 server: versitygw, started once for all tests, on a free port of the loopback interface.
//!
//! It checks signatures, regions and checksums, honours `If-None-Match`, lists unfinished uploads below a prefix, and
//! allows and denies single actions by a bucket's policy. `TEST_S3` names its binary, which `integration_tests/s3/server`
//! builds. Without `TEST_S3` the tests are skipped and count as passed, with a printed reason; under CI that is a failure.

use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use serde_json::json;
use tempfile::TempDir;

/// Access key and secret of the user who may do everything.
pub const ROOT: (&str, &str) = ("root-of-the-bed", "secret-of-the-bed-1234567890");
/// Access key and secret of a user who may do what a bucket's policy says.
pub const LIMITED: (&str, &str) = ("limited-in-the-bed", "secret-of-the-limited-0987654321");
/// How many users there are whom [`assumed`] knows.
pub const ASSUMED: usize = 100;
const REGION: &str = "eu-west-1";
/// The server ends with its standard input, and so with this process, however that ends.
const SCRIPT: &str = r#"
binary="$1" address="$2" region="$3" own="$4" data="$5"
shift 5
"$binary" --port "$address" --region "$region" "$@" --iam-dir "$data/users" --iam-cache-disable --keep-alive --quiet posix "$data/buckets" > "$own/log" 2>&1 < /dev/null &
server=$!
cat > /dev/null
kill -9 $server
wait
rm -rf "$own"
"#;

/// A server that runs.
pub struct Server {
    port: u16,
    folder: PathBuf,
    _child: Child,
}

impl Server {
    /// Its address.
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The region that its buckets are in.
    pub fn region(&self) -> &'static str {
        REGION
    }

    /// The options of the stand-in for Databricks whose Spark has its tables here.
    pub fn for_spark(&self) -> String {
        format!("--s3 {} --region {REGION} --key {} --secret {}", self.endpoint(), ROOT.0, ROOT.1)
    }

    /// The folder that holds its buckets.
    pub fn root(&self) -> PathBuf {
        self.folder.join("buckets")
    }

    /// Another server in front of the same buckets, with other `options`, until it is dropped.
    pub fn beside(options: &[&str]) -> Self {
        let binary = std::env::var_os("TEST_S3").unwrap();
        Self::run(Path::new(&binary), TempDir::new().unwrap().keep(), &server().folder, options, None)
    }

    /// Another server in front of the same buckets that knows versions, where a bucket has them.
    pub fn with_versions() -> Self {
        let binary = std::env::var_os("TEST_S3").unwrap();
        let folder = TempDir::new().unwrap().keep();
        std::fs::create_dir(folder.join("versions")).unwrap();
        let versions = folder.join("versions");
        Self::run(Path::new(&binary), folder, &server().folder, &[], Some(&versions))
    }

    fn start(binary: &Path) -> Self {
        let folder = TempDir::new().unwrap().keep();
        std::fs::create_dir(folder.join("buckets")).unwrap();
        std::fs::create_dir(folder.join("users")).unwrap();
        let limited = json!({"access": LIMITED.0, "secret": LIMITED.1, "role": "user"});
        let mut users = json!({LIMITED.0: limited});
        for (key, secret) in (0..ASSUMED).map(assumed) {
            users[&key] = json!({"access": key, "secret": secret, "role": "admin"});
        }
        std::fs::write(folder.join("users/users.json"), json!({"accessAccounts": users}).to_string()).unwrap();
        Self::run(binary, folder.clone(), &folder, &[], None)
    }

    /// Keeps its log in `folder`, which goes when it ends, and users and buckets in `data`.
    fn run(binary: &Path, folder: PathBuf, data: &Path, options: &[&str], versions: Option<&Path>) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut child = Command::new("sh")
            .args(["-c", SCRIPT, "sh"])
            .arg(binary)
            .arg(format!("127.0.0.1:{port}"))
            .arg(REGION)
            .args([folder.as_path(), data])
            .args(options)
            .envs(versions.map(|folder| ("VGW_VERSIONING_DIR", folder)))
            .env("ROOT_ACCESS_KEY", ROOT.0)
            .env("ROOT_SECRET_KEY", ROOT.1)
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        let deadline = Instant::now() + Duration::from_secs(20);
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            if Instant::now() > deadline {
                let said = std::fs::read_to_string(folder.join("log")).unwrap_or_default();
                drop(child.stdin.take());
                panic!("the S3 server does not answer; it said: {said}");
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Self { port, folder, _child: child }
    }
}

/// Access key and secret of the user that a role becomes when it is assumed for the `number`th time: one who may do everything.
pub fn assumed(number: usize) -> (String, String) {
    (format!("assumed-in-the-bed-{number}"), format!("secret-of-the-assumed-{number}-13579"))
}

/// The one server of this process. Ends the process well, with a printed reason, where there can be none.
pub fn server() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(|| {
        let Some(binary) = std::env::var_os("TEST_S3").filter(|named| !named.is_empty()) else {
            let reason = "TEST_S3 names no S3 server: TEST_S3=\"$(integration_tests/s3/server)\" cargo test --test s3";
            assert!(std::env::var_os("CI").is_none(), "{reason}");
            // Past the test harness, which would otherwise keep it to itself.
            let _ = writeln!(std::io::stderr(), "skipped: all tests with an S3 server: {reason}");
            std::process::exit(0);
        };
        Server::start(Path::new(&binary))
    })
}
