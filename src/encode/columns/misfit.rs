//! Why a value does not fit its column, in the words of the Airbyte protocol.
//!
//! Source: `AirbyteRecordMessageMetaChange` in
//! <https://github.com/airbytehq/airbyte-protocol/blob/main/protocol-models/src/main/resources/airbyte_protocol/v0/airbyte_protocol.yaml>.

/// Why a value is not what the source sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Misfit {
    /// The value is of another type; the column is NULL.
    Type,
    /// The value is too large; the column is NULL.
    Size,
    /// Digits behind those that the column holds were rounded.
    Rounded,
    /// Characters that no text has became others.
    Replaced,
}

impl Misfit {
    /// The protocol's words for the change and for its reason.
    pub fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Type => ("NULLED", "DESTINATION_TYPECAST_ERROR"),
            Self::Size => ("NULLED", "DESTINATION_FIELD_SIZE_LIMITATION"),
            Self::Replaced => ("TRUNCATED", "DESTINATION_TYPECAST_ERROR"),
            Self::Rounded => ("TRUNCATED", "DESTINATION_FIELD_SIZE_LIMITATION"),
        }
    }
}
