//! The words for types in JSON schemas.
//!
//! Sources: `JsonSchemaType` in `airbytehq/airbyte`, and
//! <https://github.com/airbytehq/airbyte-protocol/blob/main/protocol-models/src/main/resources/airbyte_protocol/well_known_types.yaml>.

/// The type of `type` or `$ref`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Word {
    Null,
    Boolean,
    Integer,
    Number,
    /// What the field's `format` and `airbyte_type` say more of.
    String,
    Object,
    Array,
    PlainString,
    PlainNumber,
    BinaryData,
    Date,
    TimestampWithZone,
    TimestampWithoutZone,
    TimeWithZone,
    TimeWithoutZone,
}

impl Word {
    /// The type that `text` names; the older connector took the words of `$ref` in `type` too, and the other way round.
    pub fn read(text: &str) -> Option<Self> {
        Some(match text {
            "null" => Self::Null,
            "boolean" => Self::Boolean,
            "integer" => Self::Integer,
            "number" => Self::Number,
            "string" => Self::String,
            "object" => Self::Object,
            "array" => Self::Array,
            reference => match reference.strip_prefix("WellKnownTypes.json#/definitions/")? {
                "String" => Self::PlainString,
                "Boolean" => Self::Boolean,
                "Integer" => Self::Integer,
                "Number" => Self::PlainNumber,
                "BinaryData" => Self::BinaryData,
                "Date" => Self::Date,
                "TimestampWithTimezone" => Self::TimestampWithZone,
                "TimestampWithoutTimezone" => Self::TimestampWithoutZone,
                "TimeWithTimezone" => Self::TimeWithZone,
                "TimeWithoutTimezone" => Self::TimeWithoutZone,
                _ => return None,
            },
        })
    }
}
