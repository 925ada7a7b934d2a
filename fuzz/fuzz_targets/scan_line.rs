//! The scanner against code that serde derives: each line is accepted by both with the same values, or by neither.
#![no_main]

use std::borrow::Cow;

use destination_databricks::protocol::scan::{Record, Scanned, scan};
use libfuzzer_sys::fuzz_target;
use serde::Deserialize;
use serde_json::value::RawValue;

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    record: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Body<'a> {
    #[serde(borrow)]
    stream: Cow<'a, str>,
    #[serde(borrow)]
    namespace: Option<Cow<'a, str>>,
    #[serde(borrow)]
    data: &'a RawValue,
    emitted_at: i64,
}

/// What serde makes of the line. The brace is asked for because a derived struct takes arrays too.
fn reference(line: &str) -> Option<Scanned<'_>> {
    let envelope: Envelope<'_> = serde_json::from_str(line).ok()?;
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

/// Without what the reference does not look for.
fn envelope(scanned: Scanned<'_>) -> Scanned<'_> {
    match scanned {
        Scanned::Record(record) => Scanned::Record(Record { meta: None, has_file: false, ..record }),
        other => other,
    }
}

fuzz_target!(|input: &[u8]| {
    // The caller of the scanner has checked the block to be UTF-8.
    let Ok(block) = std::str::from_utf8(input) else { return };
    for line in block.split('\n') {
        let scanned = scan(line);
        if let Err(malformed) = &scanned {
            assert!(malformed.at <= line.len(), "an error behind the line's end");
        }
        assert_eq!(scanned.clone().ok().map(envelope), reference(line), "{:?}", scanned.as_ref().err());
    }
});
