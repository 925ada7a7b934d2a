//! Whether a type keeps all that a value says: other values may become the same as one that loses something.

use super::json::Json;
use super::times::{self, Micros, Style};
use crate::schema::kind::Kind;

/// Whether all of the value with the JSON text `text` is kept where it is read as `kind`, if that takes it.
pub fn is_kept(kind: &Kind, text: &[u8]) -> bool {
    // The types of numbers and booleans take no value that they do not keep.
    let Ok(text) = Json::new(text).string() else { return true };
    let mut memory = Vec::new();
    if text.append_to(&mut memory) {
        return false;
    }
    let is_fine = |read: Option<Micros>| read.is_none_or(|micros| !micros.is_cut);
    match kind {
        Kind::Date => times::is_day(&memory),
        Kind::Timestamp => is_fine(times::timestamp(&memory, Style::Columns)),
        Kind::LocalTimestamp => times::is_local(&memory) && is_fine(times::local_timestamp(&memory, Style::Columns)),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_that_loses_something_is_not_kept() {
        for (kind, text, is_it) in [
            (Kind::Text, r#""a\u0041\ud83d\ude00""#, true),
            (Kind::Text, r#""a\ud83d""#, false),
            (Kind::Text, r#"{"a":"\ud83d"}"#, true),
            (Kind::Text, "7", true),
            (Kind::Date, r#""2024-01-01""#, true),
            (Kind::Date, r#""2024-01-01T00:00:00Z""#, true),
            (Kind::Date, r#""2024-01-01T00:00:01Z""#, false),
            (Kind::Timestamp, r#""2024-01-01T00:00:00.123456000-05:00""#, true),
            (Kind::Timestamp, r#""2024-01-01T00:00:00.1234561Z""#, false),
            (Kind::LocalTimestamp, r#""2024-01-01T00:00:00.5Z""#, true),
            (Kind::LocalTimestamp, r#""2024-01-01T00:00:00+01:00""#, false),
            (Kind::LocalTimestamp, r#""2024-01-01T00:00:00.0000001""#, false),
            (Kind::Boolean, "true", true),
        ] {
            assert_eq!(is_kept(&kind, text.as_bytes()), is_it, "{kind:?} {text}");
        }
    }
}
