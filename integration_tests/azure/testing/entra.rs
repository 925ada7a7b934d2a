//! A scripted service that gives tokens as Microsoft Entra and a machine's identity service do, and a gate before the server that lets
//! requests with such a token through: Azurite itself accepts tokens only over TLS.

use std::io::{BufReader, Result, Write};
use std::net::TcpStream;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::gate::{forward, listen, whole};
use super::http::{Message, read_message};

/// What the service says to a request for a token: a status and a body; `None`: the next token.
type Script = dyn Fn(&str) -> Option<(u16, String)> + Send + Sync;

/// The service and the gate.
pub struct Entra {
    tokens: u16,
    gate: u16,
    asked: Arc<Mutex<Vec<String>>>,
    let_in: Arc<Mutex<Vec<Instant>>>,
}

impl Entra {
    /// Gives tokens that are valid for `seconds`.
    pub fn start(seconds: u64, script: impl Fn(&str) -> Option<(u16, String)> + Send + Sync + 'static) -> Self {
        let (asked, script) = (Arc::new(Mutex::new(Vec::new())), Arc::new(script));
        let noted = Arc::clone(&asked);
        let let_in = Arc::new(Mutex::new(Vec::new()));
        let (given, looked_up) = (Arc::clone(&let_in), Arc::clone(&let_in));
        let tokens = listen(move |client| {
            let script: &Script = &*script;
            give(client, (&noted, &given), seconds, script)
        });
        let gate = listen(move |client| pass(client, &looked_up));
        Self { tokens, gate, asked, let_in }
    }

    /// The gate refuses all tokens that were given so far, whatever they say of their end.
    pub fn revoke(&self) {
        self.let_in.lock().unwrap().iter_mut().for_each(|end| *end = Instant::now());
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

/// The token with this number.
fn token(number: usize) -> String {
    format!("a-token-of-entra-{number}")
}

/// Until when the gate accepts each token, by its number.
type Ends = Mutex<Vec<Instant>>;

fn give(
    mut client: TcpStream,
    (asked, let_in): (&Mutex<Vec<String>>, &Ends),
    seconds: u64,
    script: &Script,
) -> Result<()> {
    let mut reader = BufReader::new(client.try_clone()?);
    let Some(request) = read_message(&mut reader, |_| Some(0), &client)? else { return Ok(()) };
    let text = format!("{}{}", String::from_utf8_lossy(&request.head), String::from_utf8_lossy(&request.body));
    let number = {
        let mut asked = asked.lock().unwrap();
        asked.push(text.clone());
        let_in.lock().unwrap().push(Instant::now() + Duration::from_secs(seconds));
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
fn pass(mut client: TcpStream, let_in: &Ends) -> Result<()> {
    let mut reader = BufReader::new(client.try_clone()?);
    let Some(request) = read_message(&mut reader, |_| Some(0), &client)? else { return Ok(()) };
    let head = String::from_utf8_lossy(&request.head).into_owned();
    let is_head = head.starts_with("HEAD ");
    let ends = let_in.lock().unwrap().clone();
    let lower = head.to_ascii_lowercase();
    let is_let = ends.iter().zip(1..).any(|(end, number)| {
        *end > Instant::now() && lower.contains(&format!("authorization: bearer {}\r\n", token(number)))
    });
    if !is_let {
        let mut answer = super::action::error_answer(401, "InvalidAuthenticationInfo");
        if is_head {
            answer.body.clear();
        }
        return client.write_all(&whole(answer));
    }
    forward(client, &request, |target| target.to_owned())
}
