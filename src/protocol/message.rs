//! What a line of input means to a destination: a record, a state, a stream's status, or nothing.
//!
//! `scan` finds records without building a tree; every other message is rare and read here with serde. A STATE keeps
//! its text: what leaves again is what came in, with `destinationStats` added.

use std::borrow::Cow;
use std::fmt;

use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::scan::{self, Scanned};
use crate::error::StreamDescriptor;

pub use super::scan::Record;

/// One message of the input.
pub enum Message<'a> {
    /// A row of a stream.
    Record(Record<'a>),
    /// A checkpoint of the source, to be given back when what came before it is durable.
    State(State),
    /// What the source says of a stream.
    Status(StreamDescriptor, StreamStatus),
    /// A message that does not concern a destination.
    PassedOver,
    /// A message of a type that the protocol did not have when this was written.
    Unknown(Cow<'a, str>),
}

/// Whose records a STATE speaks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// One stream's.
    Stream(StreamDescriptor),
    /// Every stream's: GLOBAL, LEGACY, and a STATE without a type.
    All,
}

/// A STATE message, whole.
#[derive(Debug)]
pub struct State {
    /// Whose records it speaks for.
    pub scope: Scope,
    line: String,
}

/// What the source says of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StreamStatus {
    /// It has begun and not ended.
    Running,
    /// It has ended well: every record has been sent.
    Complete,
    /// It has ended, and not every record has been sent.
    Incomplete,
}

/// Why a line is refused. Names fields and offsets, never a value.
#[derive(Debug)]
pub struct Malformed {
    /// Byte offset in the line.
    pub at: usize,
    /// What is wrong, as a part of a sentence.
    pub reason: String,
}

/// Reads one line, without its line end.
pub fn read(line: &str) -> Result<Message<'_>, Malformed> {
    let scanned = scan::scan(line).map_err(|malformed| {
        let reason = malformed.reason.to_string();
        Malformed { at: malformed.at, reason }
    })?;
    let kind = match scanned {
        Scanned::Record(record) => return Ok(Message::Record(record)),
        Scanned::Other { kind } => kind,
    };
    match kind.as_ref() {
        "STATE" => read_state(line).map(Message::State),
        "TRACE" => read_trace(line),
        "LOG" | "CONTROL" | "CATALOG" | "SPEC" | "CONNECTION_STATUS" | "DESTINATION_CATALOG" => Ok(Message::PassedOver),
        _ => Ok(Message::Unknown(kind)),
    }
}

impl State {
    /// The message as it leaves: what came in, with `destinationStats` saying how many records came before it.
    pub fn acknowledge(&self, record_count: u64) -> Result<String, serde_json::Error> {
        let message: Fields<'_> = serde_json::from_str(&self.line)?;
        let stats = RawValue::from_string(format!("{{\"recordCount\":{record_count}.0}}"))?;
        let mut out = String::with_capacity(self.line.len() + 64);
        let mut separator = '{';
        for (key, value) in &message.0 {
            push_key(&mut out, &mut separator, key)?;
            if key == "state" {
                let mut state: Fields<'_> = serde_json::from_str(value.get())?;
                state.0.retain(|(key, _)| key != "destinationStats");
                state.0.push((Cow::Borrowed("destinationStats"), &stats));
                let mut separator = '{';
                for (key, value) in &state.0 {
                    push_key(&mut out, &mut separator, key)?;
                    out.push_str(value.get());
                }
                out.push('}');
            } else {
                out.push_str(value.get());
            }
        }
        out.push('}');
        Ok(out)
    }

    /// Bytes that it holds while it waits.
    pub fn size(&self) -> usize {
        self.line.len()
    }
}

fn push_key(out: &mut String, separator: &mut char, key: &str) -> Result<(), serde_json::Error> {
    out.push(std::mem::replace(separator, ','));
    out.push_str(&serde_json::to_string(key)?);
    out.push(':');
    Ok(())
}

#[derive(Deserialize)]
struct RawDescriptor {
    name: String,
    namespace: Option<String>,
}

impl From<RawDescriptor> for StreamDescriptor {
    fn from(raw: RawDescriptor) -> Self {
        Self { name: raw.name, namespace: raw.namespace.filter(|namespace| !namespace.is_empty()) }
    }
}

fn read_state(line: &str) -> Result<State, Malformed> {
    #[derive(Deserialize)]
    struct Envelope<'a> {
        #[serde(borrow)]
        state: Body<'a>,
    }
    #[derive(Deserialize)]
    struct Body<'a> {
        #[serde(rename = "type", borrow)]
        kind: Option<Cow<'a, str>>,
        stream: Option<StreamBody>,
    }
    #[derive(Deserialize)]
    struct StreamBody {
        stream_descriptor: RawDescriptor,
    }
    let Envelope { state } = serde_json::from_str(line).map_err(|error| undecodable(line, "STATE", &error))?;
    let scope = match (state.kind.as_deref(), state.stream) {
        (Some("STREAM"), Some(stream)) => Scope::Stream(stream.stream_descriptor.into()),
        (Some("STREAM"), None) => {
            return Err(Malformed { at: 0, reason: "`state.stream` is missing in a STATE of type STREAM".into() });
        }
        (Some("GLOBAL" | "LEGACY") | None, _) => Scope::All,
        (Some(_), _) => {
            return Err(Malformed { at: 0, reason: "`state.type` is none of STREAM, GLOBAL and LEGACY".into() });
        }
    };
    Ok(State { scope, line: line.to_owned() })
}

fn read_trace(line: &str) -> Result<Message<'static>, Malformed> {
    #[derive(Deserialize)]
    struct Envelope {
        trace: Body,
    }
    #[derive(Deserialize)]
    struct Body {
        #[serde(rename = "type")]
        kind: Option<String>,
        stream_status: Option<Box<RawValue>>,
    }
    #[derive(Deserialize)]
    struct Status {
        stream_descriptor: RawDescriptor,
        status: String,
    }
    let Ok(Envelope { trace: Body { kind: Some(kind), stream_status: Some(status) } }) = serde_json::from_str(line)
    else {
        return Ok(Message::PassedOver);
    };
    if kind != "STREAM_STATUS" {
        return Ok(Message::PassedOver);
    }
    let status: Status =
        serde_json::from_str(status.get()).map_err(|error| undecodable(line, "TRACE of type STREAM_STATUS", &error))?;
    let said = match status.status.as_str() {
        "STARTED" | "RUNNING" => StreamStatus::Running,
        "COMPLETE" => StreamStatus::Complete,
        "INCOMPLETE" => StreamStatus::Incomplete,
        _ => return Ok(Message::PassedOver),
    };
    Ok(Message::Status(status.stream_descriptor.into(), said))
}

/// serde_json's own text can quote a value; only its position is safe to tell.
fn undecodable(line: &str, what: &str, error: &serde_json::Error) -> Malformed {
    let at = error.column().min(line.len());
    Malformed { at, reason: format!("a {what} message has a field that is missing or of the wrong type") }
}

/// A JSON object's fields in their order, values untouched.
struct Fields<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Fields<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Collect;
        impl<'de> Visitor<'de> for Collect {
            type Value = Fields<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut fields = Vec::new();
                while let Some(key) = map.next_key::<String>()? {
                    fields.push((Cow::Owned(key), map.next_value()?));
                }
                Ok(Fields(fields))
            }
        }
        deserializer.deserialize_map(Collect)
    }
}

#[cfg(test)]
#[path = "message_tests.rs"]
mod tests;
