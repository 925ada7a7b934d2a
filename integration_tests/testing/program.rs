//! Runs the program: to its end on given input, or step by step with a test that reads its output.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::lake::Location;
use crate::place::{ENVIRONMENT, HANGS, Place};

/// A lake, and a folder with configurations and catalogs; gone when the test is.
pub struct Sandbox {
    folder: TempDir,
    place: Place,
    settings: Value,
    environment: Vec<(String, String)>,
}

impl Sandbox {
    /// A sandbox with the default settings.
    pub fn new() -> Self {
        Self::with(json!({}))
    }

    /// A sandbox whose configuration has `settings` besides the data source.
    pub fn with(settings: Value) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let place = Place::new(folder.path());
        Self { folder, place, settings, environment: Vec::new() }
    }

    /// The same folder with other settings from now on.
    pub fn set(&mut self, settings: Value) {
        self.settings = settings;
    }

    /// The settings of now.
    pub fn settings(&self) -> &Value {
        &self.settings
    }

    /// Sets a variable of the environment in which the program runs from now on.
    pub fn set_environment(&mut self, name: &str, value: &str) {
        self.environment.push((name.to_owned(), value.to_owned()));
    }

    /// The program, without arguments.
    pub fn program(&self) -> Command {
        let mut command = program();
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }

    /// The sandbox's folder.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Where the lake is.
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// Where everything lies that the program writes for good.
    pub fn lake(&self) -> Location {
        self.place.lake()
    }

    /// The folder of a table in the lake.
    pub fn table(&self, schema_and_name: &str) -> Location {
        self.place.table(schema_and_name)
    }

    /// Writes a file into the sandbox's folder.
    pub fn file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.folder().join(name);
        std::fs::write(&path, content).unwrap();
        path
    }

    /// The configuration file for this sandbox's lake.
    pub fn config(&self) -> PathBuf {
        let mut config = self.settings.clone();
        for (name, value) in self.place.settings() {
            config.as_object_mut().unwrap().entry(name).or_insert(value);
        }
        self.file(&unique("config"), config.to_string())
    }

    /// `check` with this sandbox's configuration.
    pub fn check(&self) -> Run {
        Living::start(self.program().arg("check").arg("--config").arg(self.config())).end()
    }

    /// `write` with this sandbox's configuration, to the end.
    pub fn write(&self, catalog: &Value, input: impl AsRef<[u8]>) -> Run {
        let mut living = self.start(catalog);
        living.send(input.as_ref());
        living.end()
    }

    /// `write` that must succeed.
    pub fn load(&self, catalog: &Value, input: impl AsRef<[u8]>) -> Run {
        let run = self.write(catalog, input);
        assert_eq!(run.code, Some(0), "{run:#?}");
        run
    }

    /// Begins a `write` and leaves its input open.
    pub fn start(&self, catalog: &Value) -> Living {
        let catalog = self.file(&unique("catalog"), catalog.to_string());
        Living::start(self.program().arg("write").arg("--config").arg(self.config()).arg("--catalog").arg(catalog))
    }
}

/// A file name that no other sync has: several may begin in one sandbox at the same time.
pub fn unique(name: &str) -> String {
    format!("{name}-{}.json", uuid::Uuid::now_v7())
}

/// The program, without arguments.
pub fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_destination-databricks"));
    // Whoever runs the tests may be a job of the platform; the program shall not take itself for one.
    command.envs(ENVIRONMENT).env_remove("WORKER_JOB_ID");
    command
}

/// Runs the program with `arguments` on `input`, to the end.
pub fn run<'a>(arguments: impl IntoIterator<Item = &'a OsStr>, input: &[u8]) -> Run {
    let mut living = Living::start(program().args(arguments));
    living.send(input);
    living.end()
}

/// What a run left: its exit code and what it said.
#[derive(Debug)]
pub struct Run {
    /// The exit code; `None` where it died of a signal.
    pub code: Option<i32>,
    /// The signal that it died of.
    pub signal: Option<i32>,
    /// The lines of stdout.
    pub lines: Vec<String>,
    /// All of stderr.
    pub stderr: String,
}

impl Run {
    /// The messages of stdout; every line must be one.
    pub fn messages(&self) -> Vec<Value> {
        self.lines.iter().map(|line| message(line)).collect()
    }

    /// The STATE messages, in order.
    pub fn states(&self) -> Vec<Value> {
        self.messages().into_iter().filter(|message| message["type"] == "STATE").collect()
    }

    /// The texts of the LOG messages of `level`.
    pub fn logs(&self, level: &str) -> Vec<String> {
        let of_level = |message: &Value| message["type"] == "LOG" && message["log"]["level"] == level;
        let text = |message: Value| message["log"]["message"].as_str().unwrap().to_owned();
        self.messages().into_iter().filter(of_level).map(text).collect()
    }

    /// `trace.error` of the one TRACE ERROR message of a sync that failed with exit code 1.
    pub fn failure(&self) -> Value {
        assert_eq!(self.code, Some(1), "{self:#?}");
        self.error()
    }

    /// `trace.error` of the one TRACE ERROR message.
    pub fn error(&self) -> Value {
        let errors: Vec<Value> = self.messages().into_iter().filter(|message| message["type"] == "TRACE").collect();
        assert_eq!(errors.len(), 1, "{self:#?}");
        assert_eq!(errors[0]["trace"]["type"], "ERROR");
        assert!(errors[0]["trace"]["emitted_at"].is_number(), "{self:#?}");
        let error = errors[0]["trace"]["error"].clone();
        for field in ["message", "internal_message", "failure_type"] {
            assert!(error[field].as_str().is_some_and(|text| !text.is_empty()), "{field}: {error}");
        }
        error
    }

    /// The failure's `message`, after a look at its `failure_type`.
    pub fn failed_with(&self, failure_type: &str) -> String {
        let failure = self.failure();
        assert_eq!(failure["failure_type"], failure_type, "{failure}");
        failure["message"].as_str().unwrap().to_owned()
    }

    /// Whether `text` is anywhere in what the program said.
    pub fn says(&self, text: &str) -> bool {
        self.stderr.contains(text) || self.lines.iter().any(|line| line.contains(text))
    }
}

/// A line of stdout as the protocol message that it has to be.
pub fn message(line: &str) -> Value {
    const TYPES: [&str; 6] = ["LOG", "TRACE", "STATE", "CONNECTION_STATUS", "SPEC", "CONTROL"];
    let message: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error} in {line:?}"));
    assert!(message["type"].as_str().is_some_and(|kind| TYPES.contains(&kind)), "{line:?}");
    message
}

/// A program that runs.
pub struct Living {
    child: Child,
    input: Option<ChildStdin>,
    output: Option<Receiver<String>>,
    stderr: Option<JoinHandle<String>>,
    lines: Vec<String>,
    questions: u32,
}

impl Living {
    /// Starts `command` with pipes.
    pub fn start(command: &mut Command) -> Self {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (stdout, mut stderr) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
        let (sender, output) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines() {
                let Ok(line) = line else { return };
                // A test that hears no more closes the pipe this way.
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        let stderr = std::thread::spawn(move || {
            let mut text = Vec::new();
            stderr.read_to_end(&mut text).unwrap();
            String::from_utf8_lossy(&text).into_owned()
        });
        let input = child.stdin.take();
        Self { child, input, output: Some(output), stderr: Some(stderr), lines: Vec::new(), questions: 0 }
    }

    /// Writes to its stdin; a program that has ended meanwhile is no error here.
    pub fn send(&mut self, input: impl AsRef<[u8]>) {
        if let Some(stdin) = &mut self.input {
            match stdin.write_all(input.as_ref()).and_then(|()| stdin.flush()) {
                Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => panic!("{error}"),
                _ => {}
            }
        }
    }

    /// The next line of stdout, or `None` when it is at its end.
    fn next_line(&mut self, deadline: Instant) -> Option<String> {
        let output = self.output.as_ref().expect("stdout is read");
        match output.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(line) => {
                self.lines.push(line.clone());
                Some(line)
            }
            Err(std::sync::mpsc::RecvTimeoutError::Disconnected) => None,
            Err(std::sync::mpsc::RecvTimeoutError::Timeout) => panic!("the program hangs after {:#?}", self.lines),
        }
    }

    /// Reads stdout up to the first message for which `wanted` holds.
    pub fn next_message(&mut self, wanted: impl Fn(&Value) -> bool) -> Value {
        // For all lines together: a program that hangs still says now and then how it is.
        let deadline = Instant::now() + HANGS;
        loop {
            let Some(line) = self.next_line(deadline) else { panic!("the program ended after {:#?}", self.lines) };
            let message = message(&line);
            if wanted(&message) {
                return message;
            }
        }
    }

    /// Reads stdout up to the next STATE.
    pub fn next_state(&mut self) -> Value {
        self.next_message(|message| message["type"] == "STATE")
    }

    /// Waits until the program has read all that was sent: a message of a type that no protocol has is answered by a
    /// warning, at once.
    pub fn has_read_so_far(&mut self) {
        self.questions += 1;
        let kind = format!("QUESTION_{}", self.questions);
        self.send(format!("{{\"type\":\"{kind}\"}}\n"));
        let quoted = format!("{kind:?}");
        self.next_message(|message| message["log"]["message"].as_str().is_some_and(|text| text.contains(&quoted)));
    }

    /// The STATEs that have been heard so far.
    pub fn states_heard(&self) -> Vec<Value> {
        self.lines.iter().map(|line| message(line)).filter(|message| message["type"] == "STATE").collect()
    }

    /// Closes its stdin.
    pub fn close(&mut self) {
        self.input = None;
    }

    /// Closes its stdin and waits for its end.
    pub fn end(mut self) -> Run {
        self.input = None;
        self.wait()
    }

    /// Sends it a signal by name, such as `TERM`, and waits for its end with stdin open.
    pub fn signal(mut self, name: &str) -> Run {
        self.send_signal(name);
        self.wait()
    }

    /// Sends it a signal by name.
    pub fn send_signal(&mut self, name: &str) {
        let kill = format!("kill -{name} {}", self.child.id());
        assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
    }

    /// The number of its process.
    pub fn process(&self) -> u32 {
        self.child.id()
    }

    /// SIGKILL.
    pub fn kill(mut self) -> Run {
        self.child.kill().unwrap();
        self.wait()
    }

    /// Waits for its end with stdin as it is.
    pub fn wait(mut self) -> Run {
        let deadline = Instant::now() + HANGS;
        while self.output.is_some() && self.next_line(deadline).is_some() {}
        let status = self.wait_for_exit();
        let stderr = self.stderr.take().unwrap().join().unwrap();
        assert!(!stderr.contains("panicked"), "{stderr}");
        Run { code: status.code(), signal: status.signal(), lines: std::mem::take(&mut self.lines), stderr }
    }

    /// Waits for the process, but not for ever.
    fn wait_for_exit(&mut self) -> ExitStatus {
        let deadline = Instant::now() + HANGS;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < deadline, "the program does not end; it said {:#?}", self.lines);
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Living {
    fn drop(&mut self) {
        // After a failed assertion; one that has ended already cannot be killed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Starts `command` with a stdout that nobody reads any more.
pub fn start_unheard(command: &mut Command) -> Living {
    // Closed before the program starts: a short answer would be through before a test could close it.
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut child = command.stdin(Stdio::piped()).stdout(writer).stderr(Stdio::piped()).spawn().unwrap();
    let mut stderr = child.stderr.take().unwrap();
    let stderr = std::thread::spawn(move || {
        let mut text = String::new();
        stderr.read_to_string(&mut text).unwrap();
        text
    });
    let input = child.stdin.take();
    Living { child, input, output: None, stderr: Some(stderr), lines: Vec::new(), questions: 0 }
}

/// Waits until `happened`, which the program is bound to bring about.
pub fn until(what: &str, happened: impl Fn() -> bool) {
    let deadline = Instant::now() + HANGS;
    while !happened() {
        assert!(Instant::now() < deadline, "never came: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Says on the real stderr, past the test harness, why a test does nothing here.
pub fn skipped(test: &str, why: &str) {
    let _ = writeln!(std::io::stderr(), "skipped: {test}: {why}");
}
