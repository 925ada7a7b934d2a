//! Reads a catalog in the spelling of PyAirbyte's cache, whose records have other names than the source's schemas and keys.

use std::collections::HashMap;

use serde_json::value::RawValue;

use super::{Catalog, Stream};
use crate::protocol::cache::{is_spelled, spelled};
use crate::protocol::message::{Fields, push_key};
use crate::schema::columns::Source;
use crate::schema::dedup::Asked;

impl Catalog {
    /// Whether the cache has another name for a property that this sync reads: one with a column, or of a key or a cursor.
    pub fn is_renamed_by_cache(&self) -> bool {
        self.streams.iter().any(Stream::is_renamed_by_cache)
    }
}

impl Stream {
    fn is_renamed_by_cache(&self) -> bool {
        let of_columns = self.columns.record().iter().filter_map(|column| match &column.source {
            Source::Property(name) => Some(name),
            _ => None,
        });
        let compared = self.dedup.iter().flat_map(|dedup| dedup.key.iter().chain(&dedup.cursor));
        of_columns.chain(compared.filter_map(|property| property.path.first())).any(|name| !is_spelled(name))
    }
}

/// The JSON schema of this text with the names that the cache has for properties of records; `None` where no name is another one.
pub(super) fn schema(text: &str) -> Option<String> {
    let Fields(schema) = serde_json::from_str(text).ok()?;
    let (mut out, mut separator, mut is_renamed) = (String::with_capacity(text.len() + 64), '{', false);
    for (key, value) in schema {
        push_key(&mut out, &mut separator, &key).ok()?;
        let renamed = if key == "properties" { properties(value) } else { None };
        is_renamed |= renamed.is_some();
        out.push_str(renamed.as_deref().unwrap_or(value.get()));
    }
    out.push('}');
    is_renamed.then_some(out)
}

/// Of several properties that have one name in the cache, the one with that name already has it, else the first one. The others keep
/// theirs, as no record has them.
fn properties(object: &RawValue) -> Option<String> {
    let Fields(properties) = serde_json::from_str(object.get()).ok()?;
    let of_cache = properties.iter().filter(|(name, _)| is_spelled(name));
    let mut owners: HashMap<String, &str> = of_cache.map(|(name, _)| (name.to_string(), &**name)).collect();
    let (mut out, mut separator, mut is_renamed) = (String::with_capacity(object.get().len()), '{', false);
    for (name, schema) in &properties {
        let of_cache = spelled(name);
        let gets_it = *owners.entry(of_cache.clone()).or_insert(name) == name;
        is_renamed |= gets_it && of_cache != *name;
        push_key(&mut out, &mut separator, if gets_it { &of_cache } else { name }).ok()?;
        out.push_str(schema.get());
    }
    out.push('}');
    is_renamed.then_some(out)
}

/// The names that the cache has for a key and a cursor.
pub(super) fn asked(asked: &mut Asked) {
    for name in asked.key.iter_mut().chain([&mut asked.cursor]).filter_map(|path| path.first_mut()) {
        *name = spelled(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_properties_of_records_change() {
        for (text, expected) in [
            (
                r#"{"Type":"object","properties":{"Id":{"properties":{"Id":{}}},"b":{ }},"required":["Id"]}"#,
                Some(r#"{"Type":"object","properties":{"id":{"properties":{"Id":{}}},"b":{ }},"required":["Id"]}"#),
            ),
            (r#"{"properties":{"a \"b":1,"ü":2}}"#, Some(r#"{"properties":{"a__b":1,"ü":2}}"#)),
            (r#"{"properties":{"A":1,"a":2,"A ":3,"a!":4}}"#, Some(r#"{"properties":{"A":1,"a":2,"a_":3,"a!":4}}"#)),
            (r#"{"properties":{"A B":1,"A.B":2,"A B":3}}"#, Some(r#"{"properties":{"a_b":1,"A.B":2,"a_b":3}}"#)),
            (r#"{"properties":{"id":{}}}"#, None),
            (r#"{"properties":{"A":1,"a":2}}"#, None),
            (r#"{"properties":["Id"]}"#, None),
            ("{}", None),
            ("{", None),
        ] {
            assert_eq!(schema(text).as_deref(), expected, "{text}");
        }
    }
}
