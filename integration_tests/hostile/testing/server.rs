//! An HTTP server that answers each request as a test says: any status, headers and body, also with a false length or
//! without an end.

use std::io::{BufRead, BufReader, Result, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// A request, whole.
#[derive(Debug, Clone)]
pub struct Request {
    pub method: String,
    /// The path, as it came.
    pub path: String,
    /// The query, as it came.
    pub query: String,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    /// How many came before it.
    pub number: usize,
}

impl Request {
    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The value of a parameter of the query, decoded.
    pub fn parameter(&self, name: &str) -> Option<String> {
        let mut pairs = url::form_urlencoded::parse(self.query.as_bytes());
        pairs.find(|(known, _)| known == name).map(|(_, value)| value.into_owned())
    }

    /// Everything that it says: headers and body.
    pub fn whole(&self) -> String {
        let headers: Vec<String> = self.headers.iter().map(|(name, value)| format!("{name}: {value}")).collect();
        format!("{} {}\n{}", headers.join("\n"), self.path, String::from_utf8_lossy(&self.body))
    }
}

/// An answer.
#[derive(Debug, Clone)]
pub struct Reply {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Body,
}

/// What comes behind the headers.
#[derive(Debug, Clone)]
pub enum Body {
    Whole(Vec<u8>),
    /// Another length than it has; the connection stays open.
    Lie(u64, Vec<u8>),
    /// This again and again, for as long as somebody reads.
    Endless(Vec<u8>),
}

impl Reply {
    /// An answer with `body`.
    pub fn new(status: u16, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        let headers = vec![("Content-Type".to_owned(), content_type.to_owned())];
        Self { status, headers, body: Body::Whole(body.into()) }
    }

    /// The same with a header more; line breaks in its value are spaces.
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.replace(['\r', '\n'], " ")));
        self
    }

    /// The same with another body.
    pub fn but(self, body: Body) -> Self {
        Self { body, ..self }
    }
}

type Script = Box<dyn Fn(&Request) -> Reply + Send + Sync>;

/// A server that runs as long as the test's process.
pub struct Server {
    port: u16,
    seen: Arc<Mutex<Vec<Request>>>,
}

impl Server {
    /// Answers as `script` says.
    pub fn start(script: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let seen: Arc<Mutex<Vec<Request>>> = Arc::default();
        let (noted, script): (_, Arc<Script>) = (Arc::clone(&seen), Arc::new(Box::new(script)));
        std::thread::spawn(move || {
            for client in listener.incoming() {
                let (Ok(client), noted, script) = (client, Arc::clone(&noted), Arc::clone(&script)) else { return };
                // An error here is a client that has gone.
                std::thread::spawn(move || drop(serve(&client, &noted, &script)));
            }
        });
        Self { port, seen }
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Its address.
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// What it was asked so far.
    pub fn seen(&self) -> Vec<Request> {
        self.seen.lock().unwrap().clone()
    }
}

fn serve(client: &TcpStream, seen: &Mutex<Vec<Request>>, script: &Script) -> Result<()> {
    client.set_nodelay(true)?;
    let mut from = BufReader::new(client);
    while let Some(mut request) = read(&mut from)? {
        {
            let mut seen = seen.lock().unwrap();
            request.number = seen.len();
            seen.push(request.clone());
        }
        write(client, &script(&request), request.method == "HEAD")?;
    }
    Ok(())
}

fn write(mut to: &TcpStream, reply: &Reply, is_head: bool) -> Result<()> {
    let mut head = format!("HTTP/1.1 {} As the test wishes\r\n", reply.status);
    for (name, value) in &reply.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    let is_sized = reply.headers.iter().any(|(name, _)| name == "Content-Length");
    match &reply.body {
        Body::Whole(body) => {
            if !is_sized {
                head.push_str(&format!("Content-Length: {}\r\n", body.len()));
            }
            to.write_all(format!("{head}\r\n").as_bytes())?;
            if is_head { Ok(()) } else { to.write_all(body) }
        }
        Body::Lie(length, body) => {
            to.write_all(format!("{head}Content-Length: {length}\r\n\r\n").as_bytes())?;
            to.write_all(body)
        }
        Body::Endless(piece) => {
            to.write_all(format!("{head}Transfer-Encoding: chunked\r\n\r\n").as_bytes())?;
            loop {
                to.write_all(format!("{:x}\r\n", piece.len()).as_bytes())?;
                to.write_all(piece)?;
                to.write_all(b"\r\n")?;
            }
        }
    }
}

fn read(from: &mut impl BufRead) -> Result<Option<Request>> {
    let mut line = String::new();
    if from.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let mut words = line.split(' ').map(str::to_owned);
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    let mut headers = Vec::new();
    loop {
        let mut header = String::new();
        from.read_line(&mut header)?;
        let Some((name, value)) = header.trim_end().split_once(':') else { break };
        headers.push((name.to_lowercase(), value.trim().to_owned()));
    }
    let (path, query) = (path.to_owned(), query.to_owned());
    let mut request = Request { method, path, query, headers, body: Vec::new(), number: 0 };
    let length = request.header("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    request.body.resize(length, 0);
    from.read_exact(&mut request.body)?;
    Ok(Some(request))
}
