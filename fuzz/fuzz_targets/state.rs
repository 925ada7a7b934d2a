//! A STATE that is accepted leaves as valid JSON: every field as it came and in its order, `destinationStats` added.
#![no_main]

use std::fmt;

use destination_databricks::protocol::message::{self, Message};
use libfuzzer_sys::fuzz_target;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

const STATS: &str = "destinationStats";

fuzz_target!(|input: &[u8]| {
    // A line, as the reader cuts them.
    let line = input.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let Ok(line) = std::str::from_utf8(line) else { return };
    let state = match message::read(line) {
        Ok(Message::State(state)) => state,
        Ok(_) => return,
        Err(malformed) => return assert!(malformed.at <= line.len(), "an error behind the line's end"),
    };
    let given_back = state.acknowledge(7).expect("an accepted STATE can be given back");
    assert!(!given_back.contains('\n'), "one line stays one line");

    let mut expected = message(line);
    expected.1.retain(|(key, _)| key != STATS);
    expected.1.push((STATS.to_owned(), r#"{"recordCount":7.0}"#.to_owned()));
    assert_eq!(message(&given_back), expected);

    // What has left can come in again, and means the same.
    let Ok(Message::State(again)) = message::read(&given_back) else { panic!("what left is refused") };
    assert_eq!(again.scope, state.scope);
    assert_eq!(again.acknowledge(7).map(|text| message(&text)).ok(), Some(expected));
});

/// The fields of a message, without the value of `state`, and those of `state`.
fn message(line: &str) -> (Vec<(String, String)>, Vec<(String, String)>) {
    let mut outer = fields(line);
    let state = outer.iter_mut().find(|(key, _)| key == "state").expect("a STATE has a state");
    let inner = fields(&std::mem::take(&mut state.1));
    (outer, inner)
}

/// The fields of an object, values as their text; the order and what comes twice are kept.
fn fields(object: &str) -> Vec<(String, String)> {
    serde_json::from_str::<Fields>(object).expect("a JSON object").0
}

struct Fields(Vec<(String, String)>);

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Collect;
        impl<'de> Visitor<'de> for Collect {
            type Value = Fields;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut fields = Vec::new();
                while let Some((key, value)) = map.next_entry::<String, Box<RawValue>>()? {
                    fields.push((key, value.get().to_owned()));
                }
                Ok(Fields(fields))
            }
        }
        deserializer.deserialize_map(Collect)
    }
}
