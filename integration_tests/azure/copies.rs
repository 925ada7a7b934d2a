//! Copies that Azure only accepts (202): Azurite ends each at once, so a gate before it says that they go on.

use std::io::{BufReader, Result, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::json;

use super::http::{Message, read_message};
use super::place::Place;
use super::server::server;
use crate::messages::{append, records};
use crate::program::Sandbox;
use crate::table;

/// How often a copy is still under way when it is asked about.
const LOOKS: u32 = 2;

/// A gate that says of each copy that it goes on, and of those that it was asked about twice that they are `ended`.
struct Gate {
    port: u16,
    looks: Arc<AtomicU32>,
}

impl Gate {
    fn start(ended: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let looks = Arc::new(AtomicU32::new(0));
        let counted = Arc::clone(&looks);
        std::thread::spawn(move || {
            for client in listener.incoming() {
                let (Ok(client), looks) = (client, Arc::clone(&counted)) else { return };
                // An error here is a client that has gone.
                std::thread::spawn(move || drop(pass(client, &looks, ended)));
            }
        });
        Self { port, looks }
    }
}

fn pass(mut client: TcpStream, looks: &AtomicU32, ended: &str) -> Result<()> {
    let mut reader = BufReader::new(client.try_clone()?);
    while let Some(request) = read_message(&mut reader, |_| Some(0), &client)? {
        let head = String::from_utf8_lossy(&request.head).into_owned();
        let is_head = head.starts_with("HEAD ");
        let mut there = TcpStream::connect(("127.0.0.1", server().port()))?;
        there.write_all(&request.head)?;
        there.write_all(&request.body)?;
        let mut answers = BufReader::new(there.try_clone()?);
        let length = |_| is_head.then_some(0);
        let Some(mut answer) = read_message(&mut answers, length, &there)? else { return Ok(()) };
        let of_copy = head.to_ascii_lowercase().contains("x-ms-copy-source:");
        // The server itself looks at the source before it copies it.
        let of_program = head.contains("destination-databricks/");
        let is_of_table = head.lines().next().is_some_and(|line| line.contains("/default/users/2"));
        if of_copy {
            looks.store(0, Ordering::Relaxed);
            say(&mut answer, "pending");
        } else if is_head && of_program && is_of_table {
            let looked = looks.fetch_add(1, Ordering::Relaxed);
            say(&mut answer, if looked < LOOKS { "pending" } else { ended });
        }
        client.write_all(&answer.head)?;
        client.write_all(&answer.body)?;
    }
    Ok(())
}

/// Makes `answer` say that a copy is in the state `state`.
fn say(answer: &mut Message, state: &str) {
    let head = String::from_utf8_lossy(&answer.head).into_owned();
    let lines =
        head.trim_end().split("\r\n").filter(|line| !line.to_ascii_lowercase().starts_with("x-ms-copy-status:"));
    answer.head =
        format!("{}\r\nx-ms-copy-status: {state}\r\n\r\n", lines.collect::<Vec<_>>().join("\r\n")).into_bytes();
}

fn sandbox(place: &Place, gate: &Gate) -> Sandbox {
    let mut sandbox =
        Sandbox::with(json!({"data_source": place.source_through(&format!("http://127.0.0.1:{}", gate.port))}));
    sandbox.set_environment("DESTINATION_DATABRICKS_RETRY_MS", "5000");
    sandbox
}

#[test]
fn a_copy_that_is_only_accepted_is_waited_for() {
    let (place, gate) = (Place::at("lake"), Gate::start("success"));
    sandbox(&place, &gate).load(&append(&["users"]), records("users", 0..3));
    assert_eq!(gate.looks.load(Ordering::Relaxed), LOOKS + 1);
    assert_eq!(table::read(&place.lake().join("default/users")).rows.len(), 3);
}

#[test]
fn a_copy_that_fails_after_it_was_accepted_is_in_no_table() {
    let (place, gate) = (Place::at("lake"), Gate::start("failed"));
    let failed = sandbox(&place, &gate).write(&append(&["users"]), records("users", 0..3)).failure();
    assert_eq!(failed["failure_type"], "transient_error");
    assert!(failed["message"].as_str().unwrap().contains("the copy ended in an error"), "{failed}");
    assert!(!place.lake().join("default/users/_delta_log/00000000000000000000.json").exists());
}
