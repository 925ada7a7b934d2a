//! Gates before the server that let requests in which Azurite itself cannot judge: they look at a request, and where it is let in, it goes
//! on with a token of the account in place of its own.

use std::io::{BufReader, Result, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;

use super::action::error_answer;
use super::http::{Message, read_message};
use super::sas::Sas;
use super::server::server;

/// A gate for those who have one SAS token.
pub struct Gate {
    port: u16,
}

impl Gate {
    /// Lets requests in that are signed by `token` and are about something in `folder` of a container, as Azure does for a token of a
    /// folder or a user.
    pub fn start(token: &str, folder: &str) -> Self {
        let (token, folder) = (token.to_owned(), folder.to_owned());
        Self { port: listen(move |client| pass(client, &token, &folder)) }
    }

    /// The storage account, for those who have the token.
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}

fn pass(mut client: TcpStream, token: &str, folder: &str) -> Result<()> {
    let mut reader = BufReader::new(client.try_clone()?);
    let Some(request) = read_message(&mut reader, |_| Some(0), &client)? else { return Ok(()) };
    let head = String::from_utf8_lossy(&request.head).into_owned();
    let target = head.split(' ').nth(1).unwrap_or_default();
    // With the account and the container before it.
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let name = path.splitn(4, '/').nth(3).unwrap_or_default();
    let decoded = |text: &str| percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned();
    let has = |pair: &str| query.split('&').any(|found| decoded(found) == decoded(pair));
    let prefix = query.split('&').find_map(|pair| pair.strip_prefix("prefix=")).map(decoded).unwrap_or_default();
    let is_inside = folder.is_empty() || name.starts_with(folder) || name.is_empty() && prefix.starts_with(folder);
    let code = match (token.split('&').all(has), is_inside) {
        (true, true) => return forward(client, &request, |target| without(target, token)),
        (true, false) => "AuthorizationPermissionMismatch",
        (false, _) => "AuthenticationFailed",
    };
    let mut answer = error_answer(403, code);
    if head.starts_with("HEAD ") {
        answer.body.clear();
    }
    client.write_all(&whole(answer))
}

/// `target` without the pairs of `token`.
fn without(target: &str, token: &str) -> String {
    let names: Vec<&str> = token.split('&').filter_map(|pair| pair.split('=').next()).collect();
    let Some((path, query)) = target.split_once('?') else { return target.to_owned() };
    let kept: Vec<&str> = query.split('&').filter(|pair| !names.contains(&pair.split('=').next().unwrap())).collect();
    if kept.is_empty() { path.to_owned() } else { format!("{path}?{}", kept.join("&")) }
}

/// Serves each connection to a new port by `serve`.
pub fn listen(serve: impl Fn(TcpStream) -> Result<()> + Send + Sync + 'static) -> u16 {
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

/// Sends one request on, signed for the account; `stripped` takes off an address what signs it now.
pub fn forward(mut client: TcpStream, request: &Message, stripped: impl Fn(&str) -> String) -> Result<()> {
    let sas = Sas::new("rwdlac").of_account();
    let signed = |address: &str| {
        let address = stripped(address);
        format!("{address}{}{sas}", if address.contains('?') { "&" } else { "?" })
    };
    // The server copies only from an address that it was asked at.
    let host = format!("127.0.0.1:{}", server().port());
    let head = String::from_utf8_lossy(&request.head).into_owned();
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

/// An answer as it goes over a connection.
pub fn whole(answer: Message) -> Vec<u8> {
    [answer.head, answer.body].concat()
}
