//! The `meta` of a record: how many values the source or the platform say they have changed on the way here.

use serde::Deserialize;
use serde::de::IgnoredAny;

/// The `meta` of most records.
const NOTHING: &[u8] = br#"{"changes":[]}"#;

/// The number of `changes` in the JSON text `meta`; 0 where that is not a list.
pub fn changes(meta: &[u8]) -> u64 {
    #[derive(Deserialize)]
    struct Meta {
        changes: Option<Vec<IgnoredAny>>,
    }
    // Only a text with the word is parsed, which is rare.
    if meta == NOTHING || !meta.starts_with(b"{") || memchr::memmem::find(meta, b"changes").is_none() {
        return 0;
    }
    let meta: Option<Meta> = serde_json::from_slice(meta).ok();
    meta.and_then(|meta| meta.changes).map_or(0, |changes| changes.len() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_counted_and_what_is_none_is_none() {
        for (meta, expected) in [
            (r#"{"changes":[]}"#, 0),
            (r#"{"changes":[{"field":"a","change":"NULLED","reason":"SOURCE_RETRIEVAL_ERROR"},{}]}"#, 2),
            (r#"{ "sync_id" : 7, "changes" : [ {"field":"[,]"} ] }"#, 1),
            (r#"{"changes":null}"#, 0),
            (r#"{"changes":{"field":"a"}}"#, 0),
            (r#"{"other":[1]}"#, 0),
            ("null", 0),
            ("[]", 0),
            (r#""changes""#, 0),
            (r#"[["changes"]]"#, 0),
        ] {
            assert_eq!(changes(meta.as_bytes()), expected, "{meta}");
        }
    }
}
