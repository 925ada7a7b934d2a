//! Parses one level of a JSON schema: the keywords that decide about types. Deeper levels stay text.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt;

use serde::de::{IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::path::Path;
use super::unreadable;
use super::words::Word;
use crate::error::{Error, Result, shortened};

/// Characters of a word that are shown.
const LONGEST_WORD: usize = 60;

/// A schema, one level deep.
#[derive(Default)]
pub(super) struct Node<'a> {
    /// `type`.
    kind: Option<&'a RawValue>,
    /// `$ref`.
    reference: Option<&'a RawValue>,
    /// `format`.
    pub format: Option<String>,
    /// `airbyte_type`.
    pub airbyte_type: Option<String>,
    /// Whether a string is base64.
    pub is_base64: bool,
    /// `properties`, where that is an object.
    pub properties: Option<&'a RawValue>,
    /// `items`.
    pub items: Option<&'a RawValue>,
    /// `anyOf`, `allOf` and `oneOf`, in the order in which the older connector looked for them.
    pub combined: [Option<&'a RawValue>; 3],
}

/// What a schema says of its type.
pub(super) enum Types<W = Word> {
    /// Nothing.
    Missing,
    /// One word.
    One(W),
    /// A list of words.
    Several(Vec<W>),
}

impl<W> Types<W> {
    /// All words.
    pub fn words(&self) -> &[W] {
        match self {
            Self::Missing => &[],
            Self::One(word) => std::slice::from_ref(word),
            Self::Several(words) => words,
        }
    }
}

/// The place of `allOf` in [`Node::combined`].
pub(super) const ALL_OF: usize = 1;

impl<'a> Node<'a> {
    /// Reads `text`. What is no object says nothing.
    pub fn read(text: &'a RawValue) -> Result<Self> {
        if !is_object(text) {
            return Ok(Self::default());
        }
        let keywords: Keywords<'a> = serde_json::from_str(text.get()).map_err(unreadable)?;
        let given = |value: &Option<&'a RawValue>| value.filter(|value| value.get() != "null");
        let word = |value: &Option<&RawValue>| value.and_then(text_of);
        Ok(Self {
            kind: keywords.kind.filter(|kind| kind.get().starts_with(['"', '['])),
            reference: keywords.reference.filter(|reference| reference.get().starts_with('"')),
            format: word(&keywords.format),
            airbyte_type: word(&keywords.airbyte_type),
            is_base64: word(&keywords.content_encoding).is_some_and(|encoding| encoding.eq_ignore_ascii_case("base64")),
            properties: keywords.properties.filter(|value| is_object(value)),
            items: given(&keywords.items),
            combined: keywords.combined.each_ref().map(given),
        })
    }

    /// What it says of its type; an error names `path`, where it stands, and the word that is no type.
    pub fn types(&self, path: &Path<'_>) -> Result<Types> {
        self.types_as(|text| known_word(text).ok_or_else(|| unknown(text, path)))
    }

    /// The same, with nothing for a word that is no type.
    pub fn types_or_unknown(&self) -> Result<Types<Option<Word>>> {
        self.types_as(|text| Ok(known_word(text)))
    }

    fn types_as<W>(&self, read: impl Fn(&RawValue) -> Result<W>) -> Result<Types<W>> {
        if let Some(list) = self.kind.filter(|kind| kind.get().starts_with('[')) {
            let words: Vec<&RawValue> = serde_json::from_str(list.get()).map_err(unreadable)?;
            return Ok(Types::Several(words.into_iter().map(read).collect::<Result<_>>()?));
        }
        Ok(match self.kind.or(self.reference) {
            Some(text) => Types::One(read(text)?),
            None => Types::Missing,
        })
    }

    /// Whether it says nothing about what values are.
    pub fn is_untyped(&self) -> bool {
        let said = [self.kind, self.reference, self.properties, self.items];
        said.iter().chain(&self.combined).all(Option::is_none)
    }
}

/// The schemas of a list: those of `anyOf`, or of the `items` of a tuple.
pub(super) fn members<'a>(list: &'a RawValue, path: &Path<'_>) -> Result<Vec<&'a RawValue>> {
    if !list.get().starts_with('[') {
        return Err(
            path.refused("combines schemas with a keyword whose value is no list", "let the source's makers know")
        );
    }
    serde_json::from_str(list.get()).map_err(unreadable)
}

/// The entries of an object in the text's order. Of a key that comes twice, the last value counts, at the first place.
pub(super) fn entries(object: &RawValue) -> Result<Vec<(String, &RawValue)>> {
    let entries: Entries<'_> = serde_json::from_str(object.get()).map_err(unreadable)?;
    Ok(entries.0)
}

pub(super) fn is_object(text: &RawValue) -> bool {
    text.get().starts_with('{')
}

fn known_word(text: &RawValue) -> Option<Word> {
    text_of(text).as_deref().and_then(Word::read)
}

fn unknown(text: &RawValue, path: &Path<'_>) -> Error {
    let read = text_of(text);
    let read = read.as_deref().unwrap_or(text.get());
    let what = format!("has the type `{}`, which is no type of Airbyte's schemas", shortened(read, LONGEST_WORD));
    path.refused(&what, "deselect this field or use `table_layout` `columns`, where it is JSON text")
}

fn text_of(value: &RawValue) -> Option<String> {
    serde_json::from_str(value.get()).ok()
}

#[derive(Default)]
struct Keywords<'a> {
    kind: Option<&'a RawValue>,
    reference: Option<&'a RawValue>,
    format: Option<&'a RawValue>,
    airbyte_type: Option<&'a RawValue>,
    content_encoding: Option<&'a RawValue>,
    properties: Option<&'a RawValue>,
    items: Option<&'a RawValue>,
    combined: [Option<&'a RawValue>; 3],
}

impl<'de> Deserialize<'de> for Keywords<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(KeywordsVisitor)
    }
}

struct KeywordsVisitor;

impl<'de> Visitor<'de> for KeywordsVisitor {
    type Value = Keywords<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON schema, an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut found = Keywords::default();
        let [any_of, all_of, one_of] = &mut found.combined;
        while let Some(key) = map.next_key::<String>()? {
            let value = match key.as_str() {
                "type" => &mut found.kind,
                "$ref" => &mut found.reference,
                "format" => &mut found.format,
                "airbyte_type" => &mut found.airbyte_type,
                "contentEncoding" => &mut found.content_encoding,
                "properties" => &mut found.properties,
                "items" => &mut found.items,
                "anyOf" => &mut *any_of,
                "allOf" => &mut *all_of,
                "oneOf" => &mut *one_of,
                _ => {
                    map.next_value::<IgnoredAny>()?;
                    continue;
                }
            };
            *value = Some(map.next_value()?);
        }
        Ok(found)
    }
}

struct Entries<'a>(Vec<(String, &'a RawValue)>);

impl<'de> Deserialize<'de> for Entries<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(EntriesVisitor)
    }
}

struct EntriesVisitor;

impl<'de> Visitor<'de> for EntriesVisitor {
    type Value = Entries<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("properties, an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut entries: Vec<(String, &'de RawValue)> = Vec::new();
        let mut places: HashMap<String, usize> = HashMap::new();
        while let Some((key, value)) = map.next_entry::<String, &'de RawValue>()? {
            match places.entry(key) {
                Entry::Vacant(place) => {
                    let key = place.key().clone();
                    place.insert(entries.len());
                    entries.push((key, value));
                }
                Entry::Occupied(place) => {
                    if let Some(entry) = entries.get_mut(*place.get()) {
                        entry.1 = value;
                    }
                }
            }
        }
        Ok(Entries(entries))
    }
}
