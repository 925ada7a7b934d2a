//! The streams that a message names, where nothing else of it is read: a STATE of all streams, and a line that is refused.

use std::borrow::Cow;

use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::message::RawDescriptor;
use crate::error::StreamDescriptor;

/// What a STATE that speaks for all streams says of single ones.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Named {
    /// The streams that a GLOBAL STATE names, without those whose names cannot be read. A LEGACY STATE names none.
    pub streams: Vec<StreamDescriptor>,
    /// Whether it is empty: LEGACY without data, or GLOBAL without a shared state and without streams. Airbyte's platform sends
    /// that to clear the tables of a source whose STATEs name no streams (`EmptyAirbyteSource` of airbyte-platform).
    pub clears: bool,
}

/// Reads `line`, a STATE of all streams.
pub fn by_state_of_all(line: &str) -> Named {
    #[derive(Deserialize)]
    struct Envelope<'a> {
        #[serde(borrow)]
        state: Body<'a>,
    }
    #[derive(Deserialize)]
    struct Body<'a> {
        #[serde(rename = "type", borrow)]
        kind: Option<Cow<'a, str>>,
        #[serde(borrow, default, deserialize_with = "present")]
        data: Option<&'a RawValue>,
        #[serde(borrow)]
        global: Option<&'a RawValue>,
    }
    #[derive(Deserialize)]
    struct Global<'a> {
        #[serde(borrow)]
        shared_state: Option<&'a RawValue>,
        #[serde(borrow)]
        stream_states: Vec<&'a RawValue>,
    }
    // Such a STATE was accepted without looking at its fields. If they are wrong, it names no stream.
    let Ok(Envelope { state }) = serde_json::from_str::<Envelope<'_>>(line) else { return Named::default() };
    if state.kind.as_deref() != Some("GLOBAL") {
        let clears = state.data.is_some_and(|data| data.get() == "null" || is_empty_object(data));
        return Named { streams: Vec::new(), clears };
    }
    let global = state.global.and_then(|global| serde_json::from_str::<Global<'_>>(global.get()).ok());
    let Some(Global { shared_state, stream_states }) = global else { return Named::default() };
    let clears = shared_state.is_none() && stream_states.is_empty();
    Named { streams: stream_states.into_iter().filter_map(described).collect(), clears }
}

/// The stream that a refused `line` is about, if it is JSON and names one.
pub fn by_refused(line: &str) -> Option<StreamDescriptor> {
    #[derive(Deserialize)]
    struct Envelope<'a> {
        #[serde(borrow)]
        record: Option<&'a RawValue>,
        #[serde(borrow)]
        state: Option<&'a RawValue>,
        #[serde(borrow)]
        trace: Option<&'a RawValue>,
    }
    #[derive(Deserialize)]
    struct Record<'a> {
        #[serde(borrow)]
        stream: Cow<'a, str>,
        #[serde(borrow)]
        namespace: Option<Cow<'a, str>>,
    }
    #[derive(Deserialize)]
    struct Inner<'a> {
        #[serde(borrow, alias = "stream_status")]
        stream: &'a RawValue,
    }
    let Envelope { record, state, trace } = serde_json::from_str(line).ok()?;
    if let Some(record) = record {
        let Record { stream, namespace } = serde_json::from_str(record.get()).ok()?;
        return Some(RawDescriptor { name: stream, namespace }.into());
    }
    let Inner { stream } = serde_json::from_str(state.or(trace)?.get()).ok()?;
    described(stream)
}

/// The stream whose descriptor the object `raw` has.
fn described(raw: &RawValue) -> Option<StreamDescriptor> {
    #[derive(Deserialize)]
    struct Described<'a> {
        #[serde(borrow)]
        stream_descriptor: RawDescriptor<'a>,
    }
    serde_json::from_str(raw.get()).ok().map(|Described { stream_descriptor }| stream_descriptor.into())
}

fn is_empty_object(raw: &RawValue) -> bool {
    raw.get().strip_prefix('{').is_some_and(|rest| rest.trim_start() == "}")
}

/// A value that is there, also `null`.
fn present<'de: 'a, 'a, D: Deserializer<'de>>(deserializer: D) -> Result<Option<&'a RawValue>, D::Error> {
    <&RawValue>::deserialize(deserializer).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_empty_state_of_all_clears() {
        for (state, clears) in [
            (r#"{"type":"LEGACY","data":{}}"#, true),
            (r#"{"type":"LEGACY","data":{ } }"#, true),
            (r#"{"data":null}"#, true),
            (r#"{"type":"GLOBAL","global":{"shared_state":null,"stream_states":[]}}"#, true),
            (r#"{"type":"GLOBAL","data":{},"global":{"shared_state":{"n":1},"stream_states":[]}}"#, false),
            (r#"{"type":"GLOBAL","data":{}}"#, false),
            (r#"{"type":"GLOBAL","global":{"stream_states":[{}]}}"#, false),
            (r#"{"type":"LEGACY","data":{"n":1}}"#, false),
            (r#"{"type":"LEGACY"}"#, false),
            (r#"{}"#, false),
        ] {
            let named = by_state_of_all(&format!(r#"{{"type":"STATE","state":{state}}}"#));
            assert_eq!(named, Named { streams: Vec::new(), clears }, "{state}");
        }
    }

    #[test]
    fn streams_are_named_one_by_one() {
        let states = r#"[{"stream_descriptor":{}},7,{"stream_descriptor":{"name":"a","namespace":""}},{"stream_descriptor":{"name":7}}]"#;
        let line = format!(r#"{{"type":"STATE","state":{{"type":"GLOBAL","global":{{"stream_states":{states}}}}}}}"#);
        let streams = vec![StreamDescriptor { name: "a".into(), namespace: None }];
        assert_eq!(by_state_of_all(&line), Named { streams, clears: false });
    }
}
