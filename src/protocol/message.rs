//! What a line of input means to a destination: a record, a STATE, a stream's status, a failed source, or nothing.
//!
//! `scan` reads records without building a tree; every other message is rare and read here with serde. A STATE keeps its
//! text: it is written as it came, with `destinationStats` added.

use std::borrow::Cow;
use std::fmt;

use serde::de::{IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::scan::{self, Scanned};
use super::wrong_field::{self, Wanted};
use crate::error::{Error, StreamDescriptor};

pub use super::scan::Record;

/// One message of the input.
pub enum Message<'a> {
    /// A row of a stream.
    Record(Record<'a>),
    /// A checkpoint of the source, to be given back when the records before it are durable.
    State(State),
    /// What the source says of a stream.
    Status(StreamDescriptor, StreamStatus),
    /// The source says that it has failed: a TRACE of type ERROR.
    SourceFailed,
    /// A message that does not concern a destination.
    Ignored,
    /// A message of a type that is not known here.
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
    /// Where in `line` the `state` object ends, if it has no `destinationStats` yet.
    insert_at: Option<usize>,
}

/// What the source says of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StreamStatus {
    /// It has begun and not ended: STARTED or RUNNING.
    Running,
    /// It has ended well: every record has been sent.
    Complete,
    /// It has ended, and not every record has been sent.
    Incomplete,
}

/// Why a line is refused. It names fields and offsets, never a value.
#[derive(Debug)]
pub struct Malformed {
    /// Byte offset in the line.
    pub at: usize,
    /// What is wrong, as a part of a sentence.
    pub reason: String,
}

/// Reads one line, given without its line end.
///
/// # Errors
/// The line is not one JSON object, or a field that is needed is missing or has the wrong type.
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
        "LOG" | "CONTROL" | "CATALOG" | "SPEC" | "CONNECTION_STATUS" | "DESTINATION_CATALOG" => Ok(Message::Ignored),
        _ => Ok(Message::Unknown(kind)),
    }
}

impl State {
    /// The message to be given back: its text with `destinationStats`, which says how many records came since the STATE before
    /// it.
    pub fn acknowledge(&self, record_count: u64) -> Result<String, serde_json::Error> {
        let stats = format!("{{\"recordCount\":{record_count}.0}}");
        let split = self.insert_at.and_then(|at| self.line.split_at_checked(at));
        let Some((before, after)) = split else { return self.with_stats_replaced(RawValue::from_string(stats)?) };
        let comma = if before.trim_end().ends_with('{') { "" } else { "," };
        Ok([before, comma, "\"destinationStats\":", &stats, after].concat())
    }

    fn with_stats_replaced(&self, stats: Box<RawValue>) -> Result<String, serde_json::Error> {
        let message: Fields<'_> = serde_json::from_str(&self.line)?;
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

    /// The message's text, as it came.
    pub fn line(&self) -> &str {
        &self.line
    }

    /// Reads the text of a STATE that [`State::line`] gave.
    pub fn read(line: &str) -> Result<Self, Error> {
        read_state(line)
            .map_err(|malformed| Error::system(format!("A stored STATE could not be read back: {}.", malformed.reason)))
    }
}

pub(super) fn push_key(out: &mut String, separator: &mut char, key: &str) -> Result<(), serde_json::Error> {
    out.push(std::mem::replace(separator, ','));
    out.push_str(&serde_json::to_string(key)?);
    out.push(':');
    Ok(())
}

/// A stream's descriptor, as a message has it.
#[derive(Deserialize)]
pub(super) struct RawDescriptor<'a> {
    #[serde(borrow)]
    pub(super) name: Cow<'a, str>,
    #[serde(borrow)]
    pub(super) namespace: Option<Cow<'a, str>>,
}

impl From<RawDescriptor<'_>> for StreamDescriptor {
    fn from(raw: RawDescriptor<'_>) -> Self {
        let namespace = raw.namespace.filter(|namespace| !namespace.is_empty());
        Self { name: raw.name.into_owned(), namespace: namespace.map(Cow::into_owned) }
    }
}

fn read_state(line: &str) -> Result<State, Malformed> {
    #[derive(Deserialize)]
    struct Envelope<'a> {
        #[serde(borrow)]
        state: &'a RawValue,
    }
    #[derive(Deserialize)]
    struct Body<'a> {
        #[serde(rename = "type", borrow)]
        kind: Option<Cow<'a, str>>,
        #[serde(borrow)]
        stream: Option<StreamBody<'a>>,
        #[serde(rename = "destinationStats", default)]
        stats: Present,
    }
    #[derive(Deserialize)]
    struct StreamBody<'a> {
        #[serde(borrow)]
        stream_descriptor: RawDescriptor<'a>,
    }
    let undecodable = |error: serde_json::Error| undecodable(line, "STATE", &wrong_field::STATE, &error);
    let Envelope { state: raw } = serde_json::from_str(line).map_err(undecodable)?;
    if !raw.get().starts_with('{') {
        return Err(Malformed { at: 0, reason: "`state` is not an object in a STATE message".into() });
    }
    let state: Body<'_> = serde_json::from_str(raw.get()).map_err(undecodable)?;
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
    // `raw` is a part of `line`: the distance between the two pointers is its offset.
    let end = (raw.get().as_ptr() as usize).checked_sub(line.as_ptr() as usize).map(|start| start + raw.get().len());
    let insert_at = end.and_then(|end| end.checked_sub(1)).filter(|_| !state.stats.0);
    Ok(State { scope, line: line.to_owned(), insert_at })
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
    struct Status<'a> {
        #[serde(borrow)]
        stream_descriptor: RawDescriptor<'a>,
        status: String,
    }
    let Ok(Envelope { trace: Body { kind: Some(kind), stream_status } }) = serde_json::from_str(line) else {
        return Ok(Message::Ignored);
    };
    let status = match (kind.as_str(), stream_status) {
        ("STREAM_STATUS", Some(status)) => status,
        ("ERROR", _) => return Ok(Message::SourceFailed),
        _ => return Ok(Message::Ignored),
    };
    let kind = "TRACE of type STREAM_STATUS";
    let status: Status<'_> = serde_json::from_str(status.get())
        .map_err(|error| undecodable(line, kind, &wrong_field::STREAM_STATUS, &error))?;
    let said = match status.status.as_str() {
        "STARTED" | "RUNNING" => StreamStatus::Running,
        "COMPLETE" => StreamStatus::Complete,
        "INCOMPLETE" => StreamStatus::Incomplete,
        _ => return Ok(Message::Ignored),
    };
    Ok(Message::Status(status.stream_descriptor.into(), said))
}

/// Whether `line` is JSON whose end is missing.
pub fn is_cut_off(line: &str) -> bool {
    let read = serde_json::from_str::<IgnoredAny>(line);
    // serde_json calls a number without digits a wrong syntax, not an early end.
    let lacks_digits = line.ends_with(['-', '+', '.', 'e', 'E']);
    read.is_err_and(|error| error.is_eof() || (lacks_digits && error.column() >= line.len()))
}

/// serde_json's own message can contain a value; only its position is shown.
fn undecodable(line: &str, what: &str, fields: &[(&str, Wanted)], error: &serde_json::Error) -> Malformed {
    let at = error.column().min(line.len());
    // If no value is wrong, only a duplicate field is left as the reason.
    let wrong = wrong_field::find(line, fields).unwrap_or_else(|| "one of its fields is there twice".to_owned());
    Malformed { at, reason: format!("{wrong} in a {what} message") }
}

/// Whether a field is there, with any value, also `null`.
#[derive(Default)]
struct Present(bool);

impl<'de> Deserialize<'de> for Present {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        IgnoredAny::deserialize(deserializer).map(|_| Self(true))
    }
}

/// The fields of a JSON object, in their order, with the texts of their values.
pub(super) struct Fields<'a>(pub(super) Vec<(Cow<'a, str>, &'a RawValue)>);

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
