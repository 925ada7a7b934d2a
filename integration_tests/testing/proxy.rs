//! A proxy in front of a store's server that makes faults by rules, and counts requests. What requests are for is said by
//! `action`, which each kind of store has one of.
//!
//! Requests may be signed with the host they are sent to, so the proxy forwards their bytes unchanged and the server checks
//! the proxy's address. Each request is read whole, looked up in the rules, forwarded or not, and its answer returned or
//! not. One thread serves one connection.

use std::collections::BTreeMap;
use std::io::{BufReader, Error, Read, Result, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

pub use super::action::Action;
use super::action::{action, error_answer, signer};
use super::http::{Message, read_message};

/// A request, as far as rules look at it.
#[derive(Debug, Clone)]
pub struct Request {
    /// What it is for.
    pub action: Action,
    /// The path and the query, as they came.
    pub target: String,
    /// The host it is for.
    pub host: String,
    /// Who signed it, as far as the store tells users apart: in S3 the id of the access key.
    pub key: String,
    /// Its headers, as they came.
    pub headers: Vec<(String, String)>,
    /// What is sent with it, where that is no object.
    pub body: String,
}

impl Request {
    /// The query, without the question mark.
    pub fn query(&self) -> &str {
        self.target.split_once('?').map_or("", |(_, query)| query)
    }

    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(header, _)| header.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    /// Whether it writes a commit of a final table's log.
    pub fn is_commit(&self) -> bool {
        self.action == Action::Put && self.target.contains("/_delta_log/") && self.is_of_table()
    }

    /// Whether it is about something in the folder of a final table in the schema `default`: a staging folder has its sync's id,
    /// a UUID, above the schema, or `_rewritten`, which is in such a folder. So may a bucket be called, which comes first.
    pub fn is_of_table(&self) -> bool {
        let is_id = |name: &str| name.len() == 36 && name.matches('-').count() == 4;
        self.target.split_once("/default/").is_some_and(|(above, _)| match above.rsplit_once('/') {
            Some(("", _)) | None => true,
            Some((_, name)) => !is_id(name) && name != "_rewritten",
        })
    }
}

/// What goes wrong.
#[derive(Clone)]
pub enum Fault {
    /// Nothing is done; the connection ends.
    Refuse,
    /// Nothing is done; this status and error code of the store come back.
    Answer(u16, &'static str),
    /// Nothing is done; this status and body come back.
    Says(u16, String),
    /// The server does its work, and this status comes back.
    DoneButAnswer(u16, &'static str),
    /// The server does its work, and the connection ends.
    DoneButCut,
    /// The server gets half of the body.
    HalfRequest,
    /// Half of the answer's body comes back.
    HalfAnswer,
    /// Nothing is done, and no answer ever comes.
    Hold,
    /// Nothing is done; a page for people comes back with this status, as from a gateway in front of the store.
    Page(u16),
    /// A refusal because of a condition becomes a success, as if the condition had not been known.
    Forgive,
    /// The answer comes later.
    Slow(Duration),
    /// This is done, and the connection ends.
    Instead(Arc<dyn Fn() + Send + Sync>),
    /// This is done first, then all is well.
    First(Arc<dyn Fn() + Send + Sync>),
    /// All is well, and this is done before the answer goes back.
    Then(Arc<dyn Fn() + Send + Sync>),
}

/// Which requests meet a fault.
pub struct Rule {
    which: Box<dyn Fn(&Request) -> bool + Send>,
    skip: u32,
    times: u32,
    fault: Fault,
}

impl Rule {
    /// Every request for which `which` holds meets `fault`.
    pub fn every(which: impl Fn(&Request) -> bool + Send + 'static, fault: Fault) -> Self {
        Self { which: Box::new(which), skip: 0, times: u32::MAX, fault }
    }

    /// The `nth` such request, from 1, and no other.
    pub fn nth(nth: u32, which: impl Fn(&Request) -> bool + Send + 'static, fault: Fault) -> Self {
        Self { skip: nth - 1, times: 1, ..Self::every(which, fault) }
    }

    /// Only so many of them.
    pub fn times(self, times: u32) -> Self {
        Self { times, ..self }
    }
}

/// A proxy that runs until it is dropped.
pub struct Proxy {
    port: u16,
    shared: Arc<Shared>,
}

struct Shared {
    server: u16,
    rules: Mutex<Vec<Rule>>,
    counts: Mutex<BTreeMap<Action, u64>>,
    seen: Mutex<Vec<Request>>,
    ended: AtomicBool,
}

impl Proxy {
    /// A proxy for the server on the port `server` of the loopback.
    pub fn start(server: u16, rules: Vec<Rule>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared = Arc::new(Shared {
            server,
            rules: Mutex::new(rules),
            counts: Mutex::default(),
            seen: Mutex::default(),
            ended: AtomicBool::new(false),
        });
        let serving = Arc::clone(&shared);
        std::thread::spawn(move || {
            for client in listener.incoming() {
                if serving.ended.load(Ordering::Relaxed) {
                    return;
                }
                let (Ok(client), shared) = (client, Arc::clone(&serving)) else { return };
                // An error here is a client that has gone.
                std::thread::spawn(move || drop(shared.serve(&client)));
            }
        });
        Self { port, shared }
    }

    /// The address to give the program.
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Other rules from now on.
    pub fn set(&self, rules: Vec<Rule>) {
        *self.shared.rules.lock().unwrap() = rules;
    }

    /// How many requests of each kind there were.
    pub fn counts(&self) -> BTreeMap<Action, u64> {
        self.shared.counts.lock().unwrap().clone()
    }

    /// Every request so far.
    pub fn seen(&self) -> Vec<Request> {
        self.shared.seen.lock().unwrap().clone()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::Relaxed);
        // Wakes the thread that waits for a client.
        drop(TcpStream::connect(("127.0.0.1", self.port)));
    }
}

impl Shared {
    fn serve(&self, client: &TcpStream) -> Result<()> {
        client.set_nodelay(true)?;
        let mut from_client = BufReader::new(client);
        let mut upstream: Option<BufReader<TcpStream>> = None;
        while let Some(mut request) = read_message(&mut from_client, |_| Some(0), client)? {
            without_host(&mut request.head);
            let what = describe(&request.head, &request.body);
            let fault = self.note(&what);
            let no_body = request.head.starts_with(b"HEAD ");
            let mut answer = |body: &[u8]| -> Result<Message> {
                let server = match upstream.take() {
                    Some(server) => server,
                    None => BufReader::new(TcpStream::connect(("127.0.0.1", self.server))?),
                };
                let server = upstream.insert(server);
                server.get_ref().set_nodelay(true)?;
                let mut bytes = request.head.clone();
                bytes.extend_from_slice(body);
                server.get_ref().write_all(&bytes)?;
                if body.len() < request.body.len() {
                    server.get_ref().shutdown(Shutdown::Both)?;
                }
                loop {
                    let length = |status: u16| if no_body || status == 204 || status == 304 { Some(0) } else { None };
                    let answer = read_message(server, length, client)?.ok_or_else(|| Error::other("no answer"))?;
                    if !answer.head.starts_with(b"HTTP/1.1 1") {
                        return Ok(answer);
                    }
                }
            };
            let answered = match fault {
                None => answer(&request.body)?,
                Some(Fault::Forgive) => {
                    let answered = answer(&request.body)?;
                    let is_condition = answered.head.starts_with(b"HTTP/1.1 412")
                        || String::from_utf8_lossy(&answered.body).contains("BlobAlreadyExists");
                    if is_condition { forgiven() } else { answered }
                }
                Some(Fault::Slow(delay)) => {
                    let answered = answer(&request.body)?;
                    std::thread::sleep(delay);
                    answered
                }
                Some(Fault::First(hook)) => {
                    hook();
                    answer(&request.body)?
                }
                Some(Fault::Then(hook)) => {
                    let answered = answer(&request.body)?;
                    hook();
                    answered
                }
                Some(Fault::Instead(hook)) => {
                    hook();
                    return client.shutdown(Shutdown::Both);
                }
                Some(Fault::Refuse) => return client.shutdown(Shutdown::Both),
                Some(Fault::Answer(status, code)) => error_answer(status, code),
                Some(Fault::Says(status, body)) => Message::answer(status, "application/xml", &body),
                Some(Fault::Page(status)) => {
                    Message::answer(status, "text/html", "<html><body>Bad Gateway</body></html>")
                }
                // Until the client has gone.
                Some(Fault::Hold) => return from_client.read_to_end(&mut Vec::new()).map(drop),
                Some(Fault::DoneButAnswer(status, code)) => {
                    answer(&request.body)?;
                    error_answer(status, code)
                }
                Some(Fault::DoneButCut) => {
                    answer(&request.body)?;
                    return client.shutdown(Shutdown::Both);
                }
                Some(Fault::HalfRequest) => {
                    let half = request.body.len() / 2;
                    // What the server answers to that is not for the client.
                    drop(answer(request.body.get(..half).unwrap_or_default()));
                    return client.shutdown(Shutdown::Both);
                }
                Some(Fault::HalfAnswer) => {
                    let answered = answer(&request.body)?;
                    let mut client = client;
                    client.write_all(&answered.head)?;
                    client.write_all(answered.body.get(..answered.body.len() / 2).unwrap_or_default())?;
                    return client.shutdown(Shutdown::Both);
                }
            };
            let mut client = client;
            client.write_all(&answered.head)?;
            client.write_all(&answered.body)?;
            if answered.ends_connection || request.ends_connection {
                return client.shutdown(Shutdown::Both);
            }
        }
        Ok(())
    }

    /// Counts the request and finds its fault: that of the first rule which is for it and not used up.
    fn note(&self, request: &Request) -> Option<Fault> {
        *self.counts.lock().unwrap().entry(request.action).or_default() += 1;
        self.seen.lock().unwrap().push(request.clone());
        for rule in self.rules.lock().unwrap().iter_mut().filter(|rule| (rule.which)(request)) {
            if rule.skip > 0 {
                rule.skip -= 1;
            } else if rule.times > 0 {
                rule.times -= 1;
                return Some(rule.fault.clone());
            }
        }
        None
    }
}

fn forgiven() -> Message {
    let head = b"HTTP/1.1 200 OK\r\nETag: \"0\"\r\nContent-Length: 0\r\n\r\n".to_vec();
    Message { head, body: Vec::new(), ends_connection: false }
}

/// As a forward proxy has it: asked for `http://host/path`, it asks the host for `/path`.
fn without_host(head: &mut Vec<u8>) {
    let text = String::from_utf8_lossy(head);
    let Some((method, rest)) = text.split_once(" http://") else { return };
    if let Some(path) = rest.find('/').filter(|_| !method.contains(' ')) {
        *head = format!("{method} {}", &rest[path..]).into_bytes();
    }
}

fn describe(head: &[u8], body: &[u8]) -> Request {
    let text = String::from_utf8_lossy(head);
    let mut words = text.lines().next().unwrap_or_default().split(' ');
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let headers = text.lines().skip(1).filter_map(|line| line.split_once(':'));
    let headers = headers.map(|(name, value)| (name.to_owned(), value.trim().to_owned())).collect();
    let body = if method == "POST" { String::from_utf8_lossy(body).into_owned() } else { String::new() };
    let (host, key) = (String::new(), String::new());
    let mut request = Request { action: Action::Other, target: target.to_owned(), host, key, headers, body };
    request.host = request.header("host").unwrap_or_default().to_owned();
    request.key = signer(&request);
    request.action = action(method, &request);
    request
}
