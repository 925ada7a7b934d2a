//! Where the browser comes back to: a listener on the loopback interface that reads the first line of a request and answers a sentence.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use crate::error::{Error, Result};

/// The ports that Databricks' public application may be sent back to. Source: databricks-sdk-go, `credentials/u2m`.
const PORTS: std::ops::RangeInclusive<u16> = 8020..=8040;
/// A longer request is no answer.
const LONGEST: usize = 16 << 10;
/// How long a browser may take to send its request.
const READING: Duration = Duration::from_secs(2);

/// The listener.
pub(super) struct Listener {
    port: u16,
    /// A browser may look for `localhost` at either address.
    sockets: Vec<TcpListener>,
}

/// A request.
pub(super) struct Visit {
    /// The path, with its query.
    pub(super) path: String,
    stream: TcpStream,
}

impl Listener {
    /// Listens at `port`, or at the first of the usual ones that is free.
    pub(super) fn open(port: Option<u16>) -> Result<Self> {
        let ports: Vec<u16> = port.map_or_else(|| PORTS.collect(), |port| vec![port]);
        for port in &ports {
            let listen = |address: SocketAddr| {
                let socket = TcpListener::bind(address)?;
                socket.set_nonblocking(true)?;
                std::io::Result::Ok(socket)
            };
            if let Ok(first) = listen((Ipv4Addr::LOCALHOST, *port).into()) {
                let port = first.local_addr().map_or(*port, |address| address.port());
                let second = listen((Ipv6Addr::LOCALHOST, port).into());
                return Ok(Self { port, sockets: std::iter::once(first).chain(second).collect() });
            }
        }
        Err(Error::config(match ports.as_slice() {
            [port] => format!("Port {port} of this machine is in use: choose another one with --port."),
            _ => format!(
                "The ports {} to {} of this machine are all in use: end what uses them, or choose another one with --port.",
                PORTS.start(),
                PORTS.end()
            ),
        }))
    }

    /// Its address, as the browser is given it.
    pub(super) fn address(&self) -> String {
        format!("http://localhost:{}", self.port)
    }

    /// A request that has come; `None` if there is none. Waits at most a moment.
    pub(super) fn visit(&self) -> Option<Visit> {
        self.sockets.iter().find_map(|socket| read(socket.accept().ok()?.0))
    }
}

impl Visit {
    /// Answers a page with `text`.
    pub(super) fn reply(mut self, status: u16, text: &str) {
        let page =
            format!("<!doctype html><meta charset=\"utf-8\"><title>destination-databricks</title><p>{text}</p>\n");
        let head = format!(
            "HTTP/1.1 {status} Answer\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: {}\r\nConnection: close\r\n\
             Cache-Control: no-store\r\nReferrer-Policy: no-referrer\r\n\r\n",
            page.len()
        );
        // A browser that has gone needs no answer.
        let _ = self.stream.write_all(format!("{head}{page}").as_bytes());
    }
}

/// The request that comes over `stream`, if it is one.
fn read(mut stream: TcpStream) -> Option<Visit> {
    stream.set_nonblocking(false).ok()?;
    stream.set_read_timeout(Some(READING)).ok()?;
    stream.set_write_timeout(Some(READING)).ok()?;
    let (mut head, mut piece) = (Vec::new(), [0; 1024]);
    while head.len() < LONGEST && !head.windows(4).any(|end| end == b"\r\n\r\n") {
        match stream.read(&mut piece) {
            Ok(0) => break,
            Ok(length) => head.extend_from_slice(piece.get(..length)?),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(_) => break,
        }
    }
    let first = String::from_utf8(head).ok()?;
    let mut words = first.lines().next()?.split(' ');
    let (method, path) = (words.next()?, words.next()?.to_owned());
    (method == "GET").then_some(Visit { path, stream })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(port: u16, request: &str) -> String {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).expect("somebody listens");
        stream.write_all(request.as_bytes()).expect("sent");
        let mut answer = String::new();
        // Of what is no request nothing comes back.
        let _ = stream.read_to_string(&mut answer);
        answer
    }

    #[test]
    fn a_browser_is_heard_and_answered_and_others_are_not() {
        let listener = Listener::open(Some(0)).expect("a port");
        let port = listener.port;
        assert!(listener.visit().is_none());
        let asking = std::thread::spawn(move || {
            let nonsense = ask(port, "\0\0\r\n\r\n");
            (nonsense, ask(port, "GET /?code=1&state=2 HTTP/1.1\r\nHost: localhost\r\n\r\n"))
        });
        let visit = std::iter::repeat_with(|| listener.visit()).flatten().next().expect("a visit");
        assert_eq!(visit.path, "/?code=1&state=2");
        visit.reply(200, "Yes.");
        let (nonsense, answer) = asking.join().expect("no panic");
        assert_eq!(nonsense, "");
        assert!(answer.starts_with("HTTP/1.1 200 ") && answer.contains("<p>Yes.</p>"), "{answer}");
    }

    #[test]
    fn a_port_in_use_is_named_and_the_next_usual_one_is_taken() {
        let listener = Listener::open(Some(0)).expect("a port");
        let error = Listener::open(Some(listener.port)).map(|_| ()).expect_err("in use");
        assert!(error.message().contains(&format!("Port {} of this machine is in use", listener.port)), "{error}");
        let (one, other) = (Listener::open(None).expect("a port"), Listener::open(None).expect("another port"));
        assert_ne!(one.address(), other.address());
    }
}
