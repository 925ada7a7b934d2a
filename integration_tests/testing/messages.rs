//! Makes the input of a sync: protocol messages and catalogs.

use serde_json::{Value, json};

/// `emitted_at` of every record that does not say otherwise, in milliseconds.
pub const EMITTED_AT: i64 = 1_700_000_000_123;

/// A record of `stream`, without a namespace; `data` is taken as it is.
pub fn record(stream: &str, data: &str) -> String {
    format!(
        "{{\"type\":\"RECORD\",\"record\":{{\"stream\":{},\"data\":{data},\"emitted_at\":{EMITTED_AT}}}}}\n",
        json!(stream)
    )
}

/// A record of `stream` in `namespace`.
pub fn record_in(namespace: &str, stream: &str, data: &str) -> String {
    format!(
        "{{\"type\":\"RECORD\",\"record\":{{\"namespace\":{},\"stream\":{},\"data\":{data},\
         \"emitted_at\":{EMITTED_AT}}}}}\n",
        json!(namespace),
        json!(stream)
    )
}

/// Records `from..to` of `stream`, as [`numbered`] makes their data.
pub fn records(stream: &str, range: std::ops::Range<u64>) -> String {
    range.map(|n| record(stream, &numbered(n))).collect()
}

/// The data of record `n`.
pub fn numbered(n: u64) -> String {
    format!("{{\"n\":{n}}}")
}

/// The data of record `n`, with so many bytes more.
pub fn padded(n: u64, bytes: usize) -> String {
    format!("{{\"n\":{n},\"pad\":\"{}\"}}", "x".repeat(bytes))
}

/// `n` of a record's data.
pub fn number_of(data: &str) -> u64 {
    serde_json::from_str::<Value>(data).unwrap()["n"].as_u64().unwrap()
}

/// A STATE of `stream` that says `n`.
pub fn state(stream: &str, n: u64) -> String {
    let state = json!({"type": "STREAM", "stream": {
        "stream_descriptor": {"name": stream}, "stream_state": {"n": n},
    }});
    format!("{}\n", json!({"type": "STATE", "state": state}))
}

/// A STATE of type GLOBAL that says `n`.
pub fn global_state(n: u64) -> String {
    let state = json!({"type": "GLOBAL", "global": {"shared_state": {"n": n}, "stream_states": []}});
    format!("{}\n", json!({"type": "STATE", "state": state}))
}

/// What a STATE from [`state`] or [`global_state`] says.
pub fn said(state: &Value) -> u64 {
    let state = &state["state"];
    let said = [&state["stream"]["stream_state"]["n"], &state["global"]["shared_state"]["n"]];
    said.into_iter().find_map(Value::as_u64).unwrap_or_else(|| panic!("{state}"))
}

/// The stream that a STATE from [`state`] is of.
pub fn stream_of(state: &Value) -> &str {
    state["state"]["stream"]["stream_descriptor"]["name"].as_str().unwrap()
}

/// A TRACE that says that `stream` is `status`.
pub fn status(stream: &str, status: &str) -> String {
    let status = json!({"stream_descriptor": {"name": stream}, "status": status});
    let trace = json!({"type": "STREAM_STATUS", "emitted_at": EMITTED_AT, "stream_status": status});
    format!("{}\n", json!({"type": "TRACE", "trace": trace}))
}

/// A configured stream.
pub fn configured(name: &str, destination_sync_mode: &str) -> Value {
    json!({
        "stream": {"name": name, "json_schema": {"type": "object"}, "supported_sync_modes": ["full_refresh"]},
        "sync_mode": "full_refresh",
        "destination_sync_mode": destination_sync_mode,
    })
}

/// A catalog of streams that append.
pub fn append(names: &[&str]) -> Value {
    catalog(names.iter().map(|name| configured(name, "append")))
}

/// A catalog of streams that overwrite.
pub fn overwrite(names: &[&str]) -> Value {
    catalog(names.iter().map(|name| configured(name, "overwrite")))
}

/// A catalog of configured streams.
pub fn catalog(streams: impl IntoIterator<Item = Value>) -> Value {
    json!({"streams": streams.into_iter().collect::<Vec<_>>()})
}
