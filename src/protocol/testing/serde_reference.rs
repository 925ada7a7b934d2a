//! A line read by code that serde derives: what the scanner is held against. The tests, the fuzz target and the benches include
//! this file, each with `Record` and `Scanned` in scope; the program does not.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{Record, Scanned};

/// A message; `R` reads its record.
#[derive(Deserialize)]
pub struct Envelope<'a, R> {
    #[serde(rename = "type", borrow)]
    pub kind: Cow<'a, str>,
    pub record: Option<R>,
}

/// A record.
#[derive(Deserialize)]
pub struct Body<'a> {
    #[serde(borrow)]
    pub stream: Cow<'a, str>,
    #[serde(borrow)]
    pub namespace: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub data: &'a RawValue,
    pub emitted_at: i64,
}

/// What serde makes of `line`; `None` if it refuses it. Asks for braces because a derived struct takes arrays too.
pub fn reference(line: &str) -> Option<Scanned<'_>> {
    let envelope: Envelope<'_, &RawValue> = serde_json::from_str(line).ok()?;
    if !line.trim_start().starts_with('{') {
        return None;
    }
    if envelope.kind != "RECORD" {
        return Some(Scanned::Other { kind: envelope.kind });
    }
    let raw = envelope.record?.get();
    let body: Body<'_> = serde_json::from_str(raw).ok()?;
    if !raw.starts_with('{') || !body.data.get().starts_with('{') {
        return None;
    }
    Some(Scanned::Record(Record {
        stream: body.stream,
        namespace: body.namespace.filter(|namespace| !namespace.is_empty()),
        data: body.data.get().as_bytes(),
        emitted_at: body.emitted_at,
        meta: None,
        has_file: false,
    }))
}

/// `scanned` without the fields that the reference does not read.
pub fn comparable(scanned: Scanned<'_>) -> Scanned<'_> {
    match scanned {
        Scanned::Record(record) => Scanned::Record(Record { meta: None, has_file: false, ..record }),
        other => other,
    }
}
