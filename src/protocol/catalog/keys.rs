//! The primary key and the cursor of a configured stream. They are read only where a stream asks for deduplication.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::schema::dedup::Asked;

/// What a configured stream says of them, unread.
pub(super) struct Keys<'a> {
    /// `primary_key` of the connection.
    pub primary_key: Option<&'a RawValue>,
    /// `cursor_field` of the connection.
    pub cursor_field: Option<&'a RawValue>,
    /// `source_defined_primary_key`, which counts without one of the connection.
    pub of_source: Option<&'a RawValue>,
    /// `default_cursor_field`, which counts without one of the connection where the source defines it.
    pub default_cursor: Option<&'a RawValue>,
    /// `source_defined_cursor`.
    pub is_cursor_of_source: bool,
    /// Whether the cursor of the connection may be the source's own although nobody has chosen it: PyAirbyte copies it.
    pub may_be_copied: bool,
}

/// A path: a list of names, or one name alone, as some clients write it.
#[derive(Deserialize)]
#[serde(untagged)]
enum PathText {
    Name(String),
    Names(Vec<String>),
}

impl PathText {
    fn names(self) -> Vec<String> {
        match self {
            Self::Name(name) => vec![name],
            Self::Names(names) => names,
        }
    }
}

impl Keys<'_> {
    /// What they ask for.
    ///
    /// # Errors
    /// The name of the field that is not what the protocol says.
    pub fn asked(&self) -> Result<Asked, &'static str> {
        let mut key = paths(self.primary_key).ok_or("primary_key")?;
        if key.is_empty() {
            key = paths(self.of_source).ok_or("source_defined_primary_key")?;
        }
        let cursor = path(self.cursor_field).ok_or("cursor_field")?;
        let of_source = path(self.default_cursor).unwrap_or_default();
        let is_cursor_of_source = match cursor.is_empty() {
            true => self.is_cursor_of_source,
            false => cursor == of_source && (self.is_cursor_of_source || self.may_be_copied),
        };
        let cursor = if is_cursor_of_source { of_source } else { cursor };
        Ok(Asked { key, cursor, is_cursor_of_source })
    }
}

fn paths(text: Option<&RawValue>) -> Option<Vec<Vec<String>>> {
    let paths: Vec<PathText> = text.map_or(Ok(Vec::new()), |text| serde_json::from_str(text.get())).ok()?;
    Some(paths.into_iter().map(PathText::names).filter(|path| !path.is_empty()).collect())
}

fn path(text: Option<&RawValue>) -> Option<Vec<String>> {
    let path: Option<PathText> = text.map(|text| serde_json::from_str(text.get())).transpose().ok()?;
    Some(path.map(PathText::names).unwrap_or_default())
}

#[cfg(test)]
#[path = "keys_tests.rs"]
mod tests;
