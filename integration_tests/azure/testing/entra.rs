//! A scripted service that gives tokens as Microsoft Entra and a machine's identity service do, and a gate before the server that lets
//! requests with such a token through: Azurite itself accepts tokens only over TLS.

use std::io::{BufReader, Result, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use super::http::{Message, read_message};
use super::sas::Sas;
use super::server::server;

/// What the service says to a request for a token: a status and a body; `None`: the next token.
type Script = dyn Fn(&str) -> Option<(u16, String)> + Send + Sync;

/// The service and the gate.
pub struct Entra {
    tokens: u16,
    gate: u16,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Entra {
    /// Gives tokens that are valid for `seconds`.
    pub fn start(seconds: u64, script: impl Fn(&str) -> Option<(u16, String)> + Send + Sync + 'static) -> Self {
        let (asked, script) = (Arc::new(Mutex::new(Vec::new())), Arc::new(script));
        let (noted, given) = (Arc::clone(&asked), Arc::clone(&asked));
        let tokens = listen(move |client| {
            let script: &Script = &*script;
            give(client, &noted, seconds, script)
        });
        let gate = listen(move |client| pass(client, &given));
        Self { tokens, gate, asked }
    }

    /// Where tokens are asked for.
    pub fn authority(&self) -> String {
        format!("http://127.0.0.1:{}", self.tokens)
    }

    /// The storage account, for those who have a token.
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.gate)
    }

    /// What the service was asked, head and body.
    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

fn listen(serve: impl Fn(TcpStream) -> Result<()> + Send + Sync + 'static) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (port, serve) = (listener.local_addr().unwrap().port(), Arc::new(serve));
    std::thread::spawn(move || {
        for client in listener.incoming() {
            let (Ok(client), serve) = (client, Arc::clone(&serve)) else { return };
            // An error here is a client that has gone.
            std::thread::spawn(move || drop(serve(client)));
        }
    });
    port
}

/// The token with this number.
fn token(number: usize) -> String {
    format!("a-token-of-entra-{number}")
}

fn give(mut client: TcpStream, asked: &Mutex<Vec<String>>, seconds: u64, script: &Script) -> Result<()> {
    let mut reader = BufReader::new(client.try_clone()?);
    let Some(request) = read_message(&mut reader, |_| Some(0), &client)? else { return Ok(()) };
    let text = format!("{}{}", String::from_utf8_lossy(&request.head), String::from_utf8_lossy(&request.body));
    let number = {
        let mut asked = asked.lock().unwrap();
        asked.push(text.clone());
        asked.len()
    };
    let (status, body) = script(&text).unwrap_or_else(|| {
        let ends = chrono::Utc::now().timestamp() + i64::try_from(seconds).unwrap();
        let token = token(number);
        (
            200,
            format!(
                r#"{{"access_token":"{token}","expires_in":{seconds},"expires_on":"{ends}","token_type":"Bearer"}}"#
            ),
        )
    });
    client.write_all(&whole(Message::answer(status, "application/json", &body)))
}

/// Lets one request through: with a token of the account in place of that of Entra.
fn pass(mut client: TcpStream, asked: &Mutex<Vec<String>>) -> Result<()> {
    let mut reader = BufReader::new(client.try_clone()?);
    let Some(request) = read_message(&mut reader, |_| Some(0), &client)? else { return Ok(()) };
    let head = String::from_utf8_lossy(&request.head).into_owned();
    let is_head = head.starts_with("HEAD ");
    let given = asked.lock().unwrap().len();
    let lower = head.to_ascii_lowercase();
    let is_let = (1..=given).any(|number| lower.contains(&format!("authorization: bearer {}\r\n", token(number))));
    if !is_let {
        let mut answer = super::action::error_answer(401, "InvalidAuthenticationInfo");
        if is_head {
            answer.body.clear();
        }
        return client.write_all(&whole(answer));
    }
    let sas = Sas::new("rwdlac").of_account();
    let signed = |address: &str| format!("{address}{}{sas}", if address.contains('?') { "&" } else { "?" });
    // The server copies only from an address that it was asked at.
    let host = format!("127.0.0.1:{}", server().port());
    let lines = head.trim_end().split("\r\n").filter_map(|line| {
        let lower = line.to_ascii_lowercase();
        if ["authorization:", "connection:", "host:"].iter().any(|name| lower.starts_with(name)) {
            return None;
        }
        if let Some((method, target)) = line.split_once(" /") {
            let (target, version) = target.split_once(' ')?;
            return Some(format!("{method} {} {version}", signed(&format!("/{target}"))));
        }
        if lower.starts_with("x-ms-copy-source:") {
            let (_, source) = line.split_once(": ")?;
            let path = source.splitn(4, '/').nth(3)?;
            return Some(format!("x-ms-copy-source: http://{host}/{}", signed(path)));
        }
        Some(line.to_owned())
    });
    let head = format!("{}\r\nHost: {host}\r\nConnection: close\r\n\r\n", lines.collect::<Vec<_>>().join("\r\n"));
    let mut there = TcpStream::connect(("127.0.0.1", server().port()))?;
    there.write_all(head.as_bytes())?;
    there.write_all(&request.body)?;
    std::io::copy(&mut there, &mut client).map(drop)
}

fn whole(answer: Message) -> Vec<u8> {
    [answer.head, answer.body].concat()
}
