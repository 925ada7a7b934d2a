//! The SPEC message: what the connector can do and which settings it takes, for the orchestrator and its forms.
//!
//! `spec.json` at the top of the project is the text that people edit; it is embedded at build time and printed as
//! one line. `config` reads the fields that it describes.

use serde::de::IgnoredAny;

use crate::error::{Error, Result};

const SPEC: &str = include_str!("../spec.json");

/// The SPEC protocol message on one line, without a line end.
pub fn message() -> Result<String> {
    serde_json::from_str::<IgnoredAny>(SPEC)
        .map_err(|error| Error::system("The connector's own specification is not valid JSON.").with_source(error))?;
    // A JSON string cannot span lines, so line ends and indentation never belong to one.
    let spec: String = SPEC.lines().map(str::trim).collect();
    Ok(format!(r#"{{"type":"SPEC","spec":{spec}}}"#))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    #[test]
    fn the_message_is_the_golden_one() {
        let golden = include_str!("../integration_tests/golden/spec.json");
        assert_eq!(message().expect("a message"), golden.trim_end(), "update the golden file if the change is meant");
    }

    #[test]
    fn the_message_is_one_line_that_holds_exactly_the_specification() {
        let message = message().expect("a message");
        assert!(!message.contains('\n'));
        let message: Value = serde_json::from_str(&message).expect("JSON");
        let spec: Value = serde_json::from_str(SPEC).expect("JSON");
        assert_eq!(message, serde_json::json!({"type": "SPEC", "spec": spec}));
    }
}
