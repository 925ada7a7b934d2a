//! Where the browser comes back to: a listener on the loopback interface that reads the first line of a request and answers a sentence.
//! Nothing here waits: a connection over which nothing comes, as browsers open them in advance, holds up no other.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use crate::error::{Error, Result};

/// The ports that Databricks' public application may be sent back to. Source: databricks-sdk-go, `credentials/u2m`.
const PORTS: std::ops::RangeInclusive<u16> = 8020..=8040;
/// A longer request is no answer.
const LONGEST: usize = 16 << 10;
/// How long a browser may take to send its request.
const READING: Duration = Duration::from_secs(10);
/// How long it may take to read the answer, which fits into what the system keeps for it.
const ANSWERING: Duration = Duration::from_secs(2);
/// Of more connections, the oldest are closed.
const MOST: usize = 64;

/// The listener.
pub(super) struct Listener {
    port: u16,
    /// A browser may look for `localhost` at either address.
    sockets: Vec<TcpListener>,
    /// Those whose request is not complete, the oldest first.
    connections: VecDeque<Connection>,
}

/// A connection, and what has come over it.
struct Connection {
    stream: TcpStream,
    head: Vec<u8>,
    begun: Instant,
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
            let Ok(first) = listen((Ipv4Addr::LOCALHOST, *port).into()) else { continue };
            let port = first.local_addr().map_or(*port, |address| address.port());
            let second = listen((Ipv6Addr::LOCALHOST, port).into());
            // Whoever listens there would get the code. A machine without such addresses is fine.
            if second.as_ref().is_err_and(|error| error.kind() == ErrorKind::AddrInUse) {
                continue;
            }
            return Ok(Self {
                port,
                sockets: std::iter::once(first).chain(second).collect(),
                connections: VecDeque::new(),
            });
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

    /// A request that has come; `None` if there is none.
    pub(super) fn visit(&mut self) -> Option<Visit> {
        for socket in &self.sockets {
            while let Ok((stream, _)) = socket.accept() {
                if stream.set_nonblocking(true).is_ok() {
                    self.connections.push_back(Connection { stream, head: Vec::new(), begun: Instant::now() });
                }
                if self.connections.len() > MOST {
                    self.connections.pop_front();
                }
            }
        }
        let mut found = None;
        for mut connection in std::mem::take(&mut self.connections) {
            match if found.is_none() { connection.read() } else { Reading::Incomplete } {
                Reading::Incomplete => self.connections.push_back(connection),
                Reading::Complete => found = connection.visit(),
                Reading::Ended => {}
            }
        }
        found
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
        let _ = self.stream.set_nonblocking(false);
        let _ = self.stream.set_write_timeout(Some(ANSWERING));
        let _ = self.stream.write_all(format!("{head}{page}").as_bytes());
    }
}

/// What a look at a connection shows.
enum Reading {
    Incomplete,
    Complete,
    /// Nobody sends anything any more, or it took too long.
    Ended,
}

impl Connection {
    /// Reads what has come.
    fn read(&mut self) -> Reading {
        let mut piece = [0; 1024];
        loop {
            if self.head.windows(4).any(|end| end == b"\r\n\r\n") {
                return Reading::Complete;
            }
            match self.stream.read(&mut piece) {
                Ok(length) if length > 0 && self.head.len() < LONGEST => {
                    self.head.extend_from_slice(piece.get(..length).unwrap_or_default());
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock && self.begun.elapsed() < READING => {
                    return Reading::Incomplete;
                }
                _ => return Reading::Ended,
            }
        }
    }

    /// The request, if it is one.
    fn visit(self) -> Option<Visit> {
        let first = String::from_utf8(self.head).ok()?;
        let mut words = first.lines().next()?.split(' ');
        let (method, path) = (words.next()?, words.next()?.to_owned());
        (method == "GET").then_some(Visit { path, stream: self.stream })
    }
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
        let mut listener = Listener::open(Some(0)).expect("a port");
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

    #[test]
    fn a_port_that_another_process_has_at_the_other_address_is_in_use() {
        let Ok(other) = TcpListener::bind((Ipv6Addr::LOCALHOST, 0)) else { return };
        let port = other.local_addr().expect("an address").port();
        let error = Listener::open(Some(port)).map(|_| ()).expect_err("in use");
        assert!(error.message().contains("is in use"), "{error}");
    }

    #[test]
    fn connections_over_which_little_or_nothing_comes_hold_up_no_other() {
        let mut listener = Listener::open(Some(0)).expect("a port");
        let port = listener.port;
        let connect = || TcpStream::connect((Ipv4Addr::LOCALHOST, port)).expect("somebody listens");
        let mut idle: Vec<TcpStream> = (0..MOST).map(|_| connect()).collect();
        let mut slow = connect();
        slow.write_all(b"GET /?code=slow HTT").expect("sent");
        assert!(listener.visit().is_none());
        let asking = std::thread::spawn(move || ask(port, "GET /?code=1 HTTP/1.1\r\n\r\n"));
        let begun = Instant::now();
        let visit = std::iter::repeat_with(|| listener.visit()).flatten().next().expect("a visit");
        assert!(visit.path == "/?code=1" && begun.elapsed() < READING);
        visit.reply(200, "Yes.");
        asking.join().expect("no panic");
        slow.write_all(b"P/1.1\r\n\r\n").expect("sent");
        let visit = std::iter::repeat_with(|| listener.visit()).flatten().next().expect("a visit");
        assert_eq!(visit.path, "/?code=slow");
        // Of too many, the oldest were closed.
        assert_eq!(idle.remove(0).read(&mut [0]).expect("the end"), 0);
    }
}
