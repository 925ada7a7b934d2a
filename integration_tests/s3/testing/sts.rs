//! A scripted service that gives credentials as AWS STS and a container's endpoint do, and records what it was asked. It
//! gives the server's users one after the other, so that the user of a request shows when credentials were renewed.

use std::io::{BufReader, Read, Result, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::json;

use super::http::{Message, read_message};
use super::server::{ASSUMED, assumed};

/// The role that tests assume.
pub const ROLE: &str = "arn:aws:iam::123456789012:role/airbyte";

/// What it was asked.
#[derive(Debug, Clone)]
pub struct Call {
    /// Its number, from 0.
    pub number: usize,
    /// `AssumeRole`, `AssumeRoleWithWebIdentity`, or the path of a container's credentials.
    pub action: String,
    /// All parameters, as they came.
    pub parameters: String,
}

/// What it says.
#[derive(Debug, Clone, Copy)]
pub enum Say {
    /// The next user, who is one for so long.
    Keys(Duration),
    /// No.
    Refused(u16, &'static str),
    /// Nothing, ever.
    Nothing,
    /// A page for people.
    Page(u16),
}

/// A service that runs as long as the test's process.
pub struct Sts {
    port: u16,
    calls: Arc<Mutex<Vec<Call>>>,
}

impl Sts {
    /// A service that answers as `script` says.
    pub fn start(script: impl Fn(&Call) -> Say + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let calls: Arc<Mutex<Vec<Call>>> = Arc::default();
        let (noted, script) = (Arc::clone(&calls), Arc::new(script));
        std::thread::spawn(move || {
            for client in listener.incoming() {
                let (Ok(client), noted, script) = (client, Arc::clone(&noted), Arc::clone(&script)) else { return };
                // An error here is a client that has gone.
                std::thread::spawn(move || drop(serve(&client, &noted, &*script)));
            }
        });
        Self { port, calls }
    }

    /// Its address.
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// What it was asked so far.
    pub fn calls(&self) -> Vec<Call> {
        self.calls.lock().unwrap().clone()
    }
}

fn serve(mut client: &TcpStream, calls: &Mutex<Vec<Call>>, script: &dyn Fn(&Call) -> Say) -> Result<()> {
    let Some(request) = read_message(&mut BufReader::new(client), |_| Some(0), client)? else { return Ok(()) };
    let parameters = String::from_utf8_lossy(&request.body).into_owned();
    let action = parameters.split('&').find_map(|parameter| parameter.strip_prefix("Action="));
    let path = String::from_utf8_lossy(&request.head).split(' ').nth(1).unwrap_or_default().to_owned();
    let (call, is_sts) = {
        let mut calls = calls.lock().unwrap();
        let action = action.map_or(path, ToOwned::to_owned);
        let number = calls.len();
        calls.push(Call { number, action, parameters: parameters.clone() });
        (calls[number].clone(), parameters.contains("Action="))
    };
    let answer = match script(&call) {
        Say::Keys(valid) if is_sts => Message::answer(200, "text/xml", &assumed_role(&call, valid)),
        Say::Keys(valid) => {
            let (key, secret) = assumed(call.number % ASSUMED);
            let keys = json!({"AccessKeyId": key, "SecretAccessKey": secret, "Token": "", "Expiration": until(valid)});
            Message::answer(200, "application/json", &keys.to_string())
        }
        Say::Refused(status, code) => Message::answer(
            status,
            "text/xml",
            &format!(
                "<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><Error><Type>Sender</Type><Code>{code}\
                 </Code><Message>as the test wishes</Message></Error><RequestId>1</RequestId></ErrorResponse>"
            ),
        ),
        Say::Nothing => return client.read_to_end(&mut Vec::new()).map(drop),
        Say::Page(status) => Message::answer(status, "text/html", "<html><body>Bad Gateway</body></html>"),
    };
    client.write_all(&answer.head)?;
    client.write_all(&answer.body)
}

fn assumed_role(call: &Call, valid: Duration) -> String {
    let (key, secret) = assumed(call.number % ASSUMED);
    let action = &call.action;
    format!(
        "<{action}Response xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><{action}Result><Credentials>\
         <AccessKeyId>{key}</AccessKeyId><SecretAccessKey>{secret}</SecretAccessKey><SessionToken></SessionToken>\
         <Expiration>{}</Expiration></Credentials><AssumedRoleUser><Arn>arn:aws:sts::123456789012:assumed-role/airbyte/s</Arn>\
         <AssumedRoleId>A:s</AssumedRoleId></AssumedRoleUser></{action}Result>\
         <ResponseMetadata><RequestId>1</RequestId></ResponseMetadata></{action}Response>",
        until(valid)
    )
}

fn until(valid: Duration) -> String {
    (chrono::Utc::now() + valid).format("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
}
