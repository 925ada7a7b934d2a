//! The ConfiguredAirbyteCatalog: which streams come, and what becomes of the rows that are there already.
//!
//! Read once before the first record. Whatever makes a sync impossible (no streams, a stream twice, a sync mode that
//! is not supported) is found here and reported in one go; unknown fields are tolerated. The streams' JSON schemas
//! are checked to be objects and not kept: the raw layout does not need them, and ten thousand of them are large.

use std::collections::HashSet;
use std::fmt;
use std::path::Path;

use serde::de::{IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use crate::error::{Error, Result, StreamDescriptor};

/// The streams of one sync, in the catalog's order; never empty, no stream twice.
#[derive(Debug)]
pub struct Catalog {
    /// The streams.
    pub streams: Vec<Stream>,
}

/// One configured stream.
#[derive(Debug, Clone)]
pub struct Stream {
    /// Name and namespace; a namespace that was null, missing or empty is `None`.
    pub descriptor: StreamDescriptor,
    /// What the sync does with rows that are in the table already.
    pub disposition: Disposition,
    /// The platform's number for this generation of the stream's data, where it sends one.
    pub generation_id: Option<i64>,
}

/// What becomes of the rows that are there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disposition {
    /// They stay.
    Append,
    /// They are replaced when the stream has ended well.
    Truncate(Resend),
}

impl Disposition {
    /// Whether a sync replaces the rows that are there, which are of its own generation already or not.
    pub fn truncates(self, same_generation: bool) -> bool {
        match self {
            Disposition::Append => false,
            // An earlier attempt has replaced the table and acknowledged it; what comes now goes on from there.
            Disposition::Truncate(Resend::Rest) => !same_generation,
            Disposition::Truncate(Resend::All) => true,
        }
    }

    /// Airbyte's name of the destination sync mode, as tables keep it.
    pub fn mode(self) -> &'static str {
        match self {
            Disposition::Append => "append",
            Disposition::Truncate(_) => "overwrite",
        }
    }
}

/// What a source sends when a sync is tried again in the same generation, after this stream had ended well.
///
/// STATEs of a stream that replaces its table are given back only when the table has been replaced. So a retry either
/// begins this stream from the start, or it knows that all of it is loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resend {
    /// Full refresh: everything, or nothing because all of it is loaded.
    All,
    /// Incremental: what has come since; the rows of the earlier attempt stay.
    Rest,
}

#[derive(Deserialize)]
struct RawCatalog {
    streams: Option<Vec<RawConfigured>>,
}

#[derive(Deserialize)]
struct RawConfigured {
    stream: Option<RawStream>,
    sync_mode: Option<String>,
    destination_sync_mode: Option<String>,
    generation_id: Option<i64>,
    minimum_generation_id: Option<i64>,
    include_files: Option<bool>,
    #[serde(default, rename = "name")]
    discovered_name: Option<IgnoredAny>,
}

#[derive(Deserialize)]
struct RawStream {
    name: Option<String>,
    namespace: Option<String>,
    #[serde(default, rename = "json_schema")]
    _json_schema: Option<PassedOver>,
}

/// An object whose fields are not kept.
struct PassedOver;

impl<'de> Deserialize<'de> for PassedOver {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields;
        impl<'de> Visitor<'de> for Fields {
            type Value = PassedOver;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(PassedOver)
            }
        }
        deserializer.deserialize_map(Fields)
    }
}

impl Catalog {
    /// Reads the catalog file at `path`; every problem in it is a config error.
    pub fn from_file(path: &Path) -> Result<Self> {
        let bytes = std::fs::read(path).map_err(|error| {
            Error::config(format!("The catalog file {} could not be read: {error}.", path.display())).with_source(error)
        })?;
        let text = std::str::from_utf8(&bytes).map_err(|error| {
            let message = format!(
                "The catalog is not UTF-8 text (first wrong byte at offset {}): save it as UTF-8.",
                error.valid_up_to()
            );
            Error::config(message).with_source(error)
        })?;
        Self::from_json(text)
    }

    /// Reads a catalog's JSON text.
    pub fn from_json(text: &str) -> Result<Self> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        if text.trim().is_empty() {
            return Err(Error::config("The catalog is empty: it must be a ConfiguredAirbyteCatalog, one JSON object."));
        }
        let raw: RawCatalog = serde_json::from_str(text).map_err(|error| {
            Error::config(format!("The catalog is not a valid ConfiguredAirbyteCatalog: {error}.")).with_source(error)
        })?;
        let raw = raw.streams.unwrap_or_default();
        if raw.is_empty() {
            return Err(Error::config(
                "The catalog has no streams. Select at least one stream for the connection (the file must be a \
                 ConfiguredAirbyteCatalog: an object with a list `streams`).",
            ));
        }
        let mut problems = Vec::new();
        let mut streams = Vec::with_capacity(raw.len());
        let mut seen = HashSet::with_capacity(raw.len());
        for (position, configured) in raw.into_iter().enumerate() {
            let descriptor = configured.descriptor();
            match Stream::from_raw(configured, position) {
                Ok(stream) if !seen.insert(stream.descriptor.clone()) => {
                    problems.push((descriptor, format!("Stream {} is in the catalog twice.", stream.descriptor)));
                }
                Ok(stream) => streams.push(stream),
                Err(problem) => problems.push((descriptor, problem)),
            }
        }
        if problems.is_empty() { Ok(Self { streams }) } else { Err(Error::of_problems(problems)) }
    }
}

impl RawConfigured {
    /// The stream that it is about, if it says so.
    fn descriptor(&self) -> Option<StreamDescriptor> {
        let stream = self.stream.as_ref()?;
        let name = stream.name.clone().filter(|name| !name.is_empty())?;
        Some(StreamDescriptor { name, namespace: stream.namespace.clone().filter(|text| !text.is_empty()) })
    }
}

impl Stream {
    fn from_raw(raw: RawConfigured, position: usize) -> Result<Self, String> {
        let Some(stream) = raw.stream else {
            return Err(if raw.discovered_name.is_some() {
                format!(
                    "The catalog's streams[{position}] is a discovered stream, not a configured one: wrap it as \
                     {{\"stream\": {{…}}, \"sync_mode\": …, \"destination_sync_mode\": …}}."
                )
            } else {
                format!("The catalog's streams[{position}] has no `stream`.")
            });
        };
        let name = stream.name.filter(|name| !name.is_empty());
        let name = name.ok_or_else(|| format!("The catalog's streams[{position}].stream has no `name`."))?;
        let descriptor = StreamDescriptor { name, namespace: stream.namespace.filter(|text| !text.is_empty()) };
        if raw.include_files == Some(true) {
            return Err(format!(
                "Stream {descriptor} asks for its files to be copied too (include_files), which this destination does not \
                 do: it writes tables. Choose to replicate records, not files, in the source or the connection."
            ));
        }
        let overwrite = match raw.destination_sync_mode.as_deref() {
            Some("append") => false,
            Some("overwrite") => true,
            Some("append_dedup") => {
                return Err(format!(
                    "Stream {descriptor} asks for destination_sync_mode append_dedup, which this version does not \
                     have. Choose append or overwrite."
                ));
            }
            Some(other) => {
                return Err(format!(
                    "Stream {descriptor} has the unknown destination_sync_mode {other:?}. Known are append and \
                     overwrite."
                ));
            }
            None => {
                return Err(format!("Stream {descriptor} has no destination_sync_mode. Choose append or overwrite."));
            }
        };
        let generation = raw.generation_id.filter(|id| *id > 0);
        let minimum = raw.minimum_generation_id.filter(|id| *id > 0);
        let refresh = match (generation, minimum) {
            (_, None) => false,
            (Some(generation), Some(minimum)) if generation == minimum => true,
            _ => {
                return Err(format!(
                    "Stream {descriptor} has a minimum_generation_id that is neither 0 nor its generation_id; such a \
                     partial refresh is not supported."
                ));
            }
        };
        let resend = if raw.sync_mode.as_deref() == Some("incremental") { Resend::Rest } else { Resend::All };
        let disposition = if overwrite || refresh { Disposition::Truncate(resend) } else { Disposition::Append };
        Ok(Self { descriptor, disposition, generation_id: generation })
    }
}

#[cfg(test)]
#[path = "catalog_tests.rs"]
mod tests;
