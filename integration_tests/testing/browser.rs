//! Signs in as a user does: `login` that runs, and a client that follows the real redirections as a browser does.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use url::Url;

use crate::program::program;

/// A `login` that runs.
pub struct Login {
    child: Child,
    stderr: BufReader<std::process::ChildStderr>,
    /// What it has said so far on stderr.
    said: String,
    /// The address for the browser.
    pub address: String,
}

impl Login {
    /// Starts it for the workspace at `address`.
    pub fn start(address: &str, file: &Path, more: &[&str]) -> Self {
        let mut command = program();
        command.args(["login", "--no-browser", "--host", address, "--file"]).arg(file).args(more);
        Self::of(&mut command)
    }

    /// Starts `command`.
    pub fn of(command: &mut Command) -> Self {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        let mut said = String::new();
        let address = loop {
            let mut line = String::new();
            assert!(stderr.read_line(&mut line).unwrap() > 0, "{said}");
            said.push_str(&line);
            if line.starts_with("http") {
                break line.trim().to_owned();
            }
        };
        Self { child, stderr, said, address }
    }

    /// Gives it `text` as the answer of a browser.
    pub fn paste(&mut self, text: &str) {
        self.child.stdin.as_mut().unwrap().write_all(format!("{text}\n").as_bytes()).unwrap();
    }

    /// The exit code, and all that it has said.
    pub fn end(mut self) -> (Option<i32>, String) {
        drop(self.child.stdin.take());
        self.stderr.read_to_string(&mut self.said).unwrap();
        self.child.stdout.take().unwrap().read_to_string(&mut self.said).unwrap();
        (self.child.wait().unwrap().code(), self.said)
    }
}

/// The status, the header Location and the body of the answer at `address`.
pub fn get(address: &str) -> (u16, Option<String>, String) {
    let url = Url::parse(address).unwrap();
    let mut stream = TcpStream::connect(("127.0.0.1", url.port().unwrap())).unwrap();
    let path = url.path().to_owned() + &url.query().map(|query| format!("?{query}")).unwrap_or_default();
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: {}:{}\r\nConnection: close\r\n\r\n",
        url.host_str().unwrap(),
        url.port().unwrap()
    );
    stream.write_all(request.as_bytes()).unwrap();
    let (mut lines, mut length, mut location) = (BufReader::new(stream), 0, None);
    let mut first = String::new();
    lines.read_line(&mut first).unwrap();
    loop {
        let mut line = String::new();
        lines.read_line(&mut line).unwrap();
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        match name.to_lowercase().as_str() {
            "content-length" => length = value.parse().unwrap(),
            "location" => location = Some(value.to_owned()),
            _ => {}
        }
    }
    let mut body = vec![0; length];
    lines.read_exact(&mut body).unwrap();
    (first.split(' ').nth(1).unwrap().parse().unwrap(), location, String::from_utf8(body).unwrap())
}
