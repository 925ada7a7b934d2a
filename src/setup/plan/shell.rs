//! Commands to be pasted into a POSIX shell.

use serde_json::Value;

/// A word in single quotes.
pub fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// A JSON text as one word.
pub fn json(value: &Value) -> String {
    quoted(&value.to_string())
}
