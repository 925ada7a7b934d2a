//! Finds the field of a message that is missing or has the wrong type; names it without its value.
//!
//! serde's own message can contain a value. So a message that serde refuses is checked again here, field by field.

use serde_json::Value;

/// The type that a field must have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// An object.
    Object,
    /// An object, `null`, or missing.
    MaybeObject,
    /// A string.
    Text,
    /// A string, `null`, or missing.
    MaybeText,
}

/// The fields of a STATE that are read, outer ones first.
pub const STATE: [(&str, Wanted); 6] = [
    ("state", Wanted::Object),
    ("state.type", Wanted::MaybeText),
    ("state.stream", Wanted::MaybeObject),
    ("state.stream.stream_descriptor", Wanted::Object),
    ("state.stream.stream_descriptor.name", Wanted::Text),
    ("state.stream.stream_descriptor.namespace", Wanted::MaybeText),
];

/// The fields of a TRACE of type STREAM_STATUS that are read, outer ones first.
pub const STREAM_STATUS: [(&str, Wanted); 6] = [
    ("trace", Wanted::Object),
    ("trace.stream_status", Wanted::Object),
    ("trace.stream_status.stream_descriptor", Wanted::Object),
    ("trace.stream_status.stream_descriptor.name", Wanted::Text),
    ("trace.stream_status.stream_descriptor.namespace", Wanted::MaybeText),
    ("trace.stream_status.status", Wanted::Text),
];

/// What is wrong with the first wrong one of `fields` in `line`, as a part of a sentence; `None` if all are right.
pub fn find(line: &str, fields: &[(&str, Wanted)]) -> Option<String> {
    let message: Value = serde_json::from_str(line).ok()?;
    fields.iter().find_map(|(path, wanted)| {
        let (outer, name) = path.rsplit_once('.').unwrap_or(("", path));
        let outer = outer.split('.').filter(|part| !part.is_empty()).try_fold(&message, |value, part| value.get(part));
        // A field of an object that is missing is not checked.
        let found = outer.and_then(Value::as_object)?.get(name);
        let is_right = match (wanted, found) {
            (Wanted::Object, Some(Value::Object(_))) | (Wanted::Text, Some(Value::String(_))) => true,
            (Wanted::MaybeObject, None | Some(Value::Null | Value::Object(_))) => true,
            (Wanted::MaybeText, None | Some(Value::Null | Value::String(_))) => true,
            (_, None) => return Some(format!("`{path}` is missing")),
            _ => false,
        };
        let kind = if matches!(wanted, Wanted::Object | Wanted::MaybeObject) { "an object" } else { "a string" };
        (!is_right).then(|| format!("`{path}` is not {kind}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_outermost_wrong_field_is_named() {
        for (line, said) in [
            (r#"{"type":"STATE","state_type":"LEGACY"}"#, Some("`state` is missing")),
            (r#"{"state":"secret"}"#, Some("`state` is not an object")),
            (r#"{"state":{"type":7}}"#, Some("`state.type` is not a string")),
            (r#"{"state":{"stream":[]}}"#, Some("`state.stream` is not an object")),
            (r#"{"state":{"stream":{"stream_state":{}}}}"#, Some("`state.stream.stream_descriptor` is missing")),
            (
                r#"{"state":{"stream":{"stream_descriptor":{"stream_name":"secret"}}}}"#,
                Some("`state.stream.stream_descriptor.name` is missing"),
            ),
            (
                r#"{"state":{"stream":{"stream_descriptor":{"name":"a","namespace":7}}}}"#,
                Some("`state.stream.stream_descriptor.namespace` is not a string"),
            ),
            (r#"{"state":{"type":null,"stream":null}}"#, None),
            ("{", None),
        ] {
            assert_eq!(find(line, &STATE).as_deref(), said, "{line}");
        }
        let status = r#"{"trace":{"stream_status":{"stream_descriptor":{"name":"a"},"stream_status":"COMPLETE"}}}"#;
        assert_eq!(find(status, &STREAM_STATUS).as_deref(), Some("`trace.stream_status.status` is missing"));
    }
}
