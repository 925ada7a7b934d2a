//! The ConfiguredAirbyteCatalog: the streams of a sync, and what the sync does with the rows that their tables have already.
//!
//! It is read once, before the first record. All problems that make a sync impossible (no streams, a stream twice, a sync mode
//! that is not supported, a JSON schema that makes no columns) are reported together; unknown fields are ignored. The streams'
//! JSON schemas are not kept, because ten thousand of them are large: whoever reads the catalog makes a stream's columns from the
//! schema's text while it is there.

mod keys;
mod renaming;

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;

use serde::de::{Error as _, IgnoredAny};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use self::keys::Keys;
use crate::error::{Error, Problems, Result, StreamDescriptor};
use crate::schema::columns::TableSchema;
use crate::schema::dedup::Dedup;

/// The mode in which rows replace those with the same key.
const DEDUP: &str = "append_dedup";

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
    /// What the sync does with the rows that the table has already.
    pub write_mode: WriteMode,
    /// The platform's number for this generation of the stream's data, where it sends one.
    pub generation_id: Option<i64>,
    /// The platform's number for this sync; 0 where it sends none.
    pub sync_id: i64,
    /// The columns of its table.
    pub columns: Arc<TableSchema>,
    /// How its rows take the place of one another; none where all of them are kept.
    pub dedup: Option<Arc<Dedup>>,
}

/// Makes the columns of a stream's table from the JSON text of its schema, which is that of an object; `None` where the catalog
/// has none.
pub type MakeColumns<'a> = &'a mut dyn FnMut(&StreamDescriptor, Option<&str>) -> Result<Arc<TableSchema>>;

/// What a sync does with the rows that a table has already. Airbyte's words for this (overwrite, truncate, refresh) are used
/// only where its JSON is read: here rows are added (append), or take the place of the old ones (replace).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WriteMode {
    /// It keeps them and adds its own: `append`.
    Append,
    /// It replaces rows of another generation when the source has said COMPLETE, and keeps rows of its own generation: `append`
    /// whose minimum generation is its generation.
    ///
    /// Airbyte's platform sends this only to destinations that declare to support refreshes. To those it sends COMPLETE for
    /// every stream when the source has ended well; without it, a failed source looks like a clean end (`DestinationWriter`
    /// and `StreamStatusCompletionTracker` in `airbytehq/airbyte-platform`). It keeps a generation only for an attempt that
    /// goes on from the last attempt's STATEs, whatever the sync mode (`AttemptHandler`).
    ReplaceOtherGenerations,
    /// It replaces them when the stream has ended well, whatever their generation: `overwrite`.
    Replace,
}

/// Who started the sync.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Caller {
    /// Airbyte's platform, which numbers jobs and generations.
    Platform,
    /// Another program, perhaps PyAirbyte, which writes generation 1, minimum 1 and sync 1 into every catalog
    /// (`validate_catalog` in `airbytehq/PyAirbyte`), so that these numbers mean nothing.
    Other,
    /// PyAirbyte, which sends what is in its cache. The catalog was read before, as one of [`Caller::Other`], so it warns no more.
    PyAirbyteCache,
}

impl WriteMode {
    /// Whether a sync replaces the rows of a table. `same_generation`: they are of the sync's own generation.
    pub fn replaces(self, same_generation: bool) -> bool {
        match self {
            WriteMode::Append => false,
            WriteMode::ReplaceOtherGenerations => !same_generation,
            WriteMode::Replace => true,
        }
    }

    /// Whether a sync may remove or change rows that a table has already.
    pub fn removes_rows(self) -> bool {
        match self {
            WriteMode::Append => false,
            WriteMode::Replace | WriteMode::ReplaceOtherGenerations => true,
        }
    }

    /// Whether a sync that removes rows keeps those of its own generation.
    pub fn keeps_own_generation(self) -> bool {
        self == WriteMode::ReplaceOtherGenerations
    }

    /// Whether the stream has ended well only with a COMPLETE, and not with the end of the input.
    pub fn needs_complete(self) -> bool {
        self == WriteMode::ReplaceOtherGenerations
    }

    /// The value of the table property `airbyte.destinationSyncMode`. `is_dedup`: rows replace those with the same key.
    pub fn airbyte_mode(self, is_dedup: bool) -> &'static str {
        match self {
            WriteMode::Append if is_dedup => DEDUP,
            WriteMode::Append => "append",
            WriteMode::ReplaceOtherGenerations | WriteMode::Replace => "overwrite",
        }
    }
}

#[derive(Deserialize)]
#[serde(expecting = "a ConfiguredAirbyteCatalog, an object")]
struct RawCatalog<'a> {
    #[serde(borrow)]
    streams: Option<Vec<RawConfigured<'a>>>,
}

#[derive(Deserialize)]
#[serde(expecting = "a configured stream, an object")]
struct RawConfigured<'a> {
    #[serde(borrow)]
    stream: Option<RawStream<'a>>,
    destination_sync_mode: Option<String>,
    generation_id: Option<i64>,
    minimum_generation_id: Option<i64>,
    sync_id: Option<i64>,
    include_files: Option<bool>,
    #[serde(borrow)]
    primary_key: Option<&'a RawValue>,
    #[serde(borrow)]
    cursor_field: Option<&'a RawValue>,
    #[serde(default, rename = "name")]
    discovered_name: Option<IgnoredAny>,
}

#[derive(Deserialize)]
#[serde(expecting = "a stream, an object")]
struct RawStream<'a> {
    name: Option<String>,
    namespace: Option<String>,
    #[serde(borrow)]
    json_schema: Option<ObjectText<'a>>,
    #[serde(borrow)]
    source_defined_primary_key: Option<&'a RawValue>,
    #[serde(borrow)]
    default_cursor_field: Option<&'a RawValue>,
    #[serde(borrow)]
    source_defined_cursor: Option<&'a RawValue>,
}

impl RawStream<'_> {
    /// `None` where it has no name.
    fn descriptor(&self) -> Option<StreamDescriptor> {
        let filled = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        Some(StreamDescriptor { name: filled(&self.name)?, namespace: filled(&self.namespace) })
    }
}

/// The text of a JSON object.
struct ObjectText<'a>(&'a str);

impl<'de: 'a, 'a> Deserialize<'de> for ObjectText<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <&RawValue>::deserialize(deserializer)?.get();
        if text.starts_with('{') { Ok(Self(text)) } else { Err(D::Error::custom("`json_schema` is not an object")) }
    }
}

/// The most bytes of a catalog file: those of 50,000 wide streams are far shorter.
const LONGEST: u64 = 512 << 20;

impl Catalog {
    /// The text of the catalog file at `path`.
    ///
    /// # Errors
    /// A config error: it cannot be read, or is no UTF-8.
    pub fn text(path: &Path) -> Result<String> {
        let bytes = crate::named_file::read(path, LONGEST).map_err(|error| {
            Error::config(format!("The catalog file {} could not be read: {error}.", path.display())).with_source(error)
        })?;
        String::from_utf8(bytes).map_err(|error| {
            let message = format!(
                "The catalog is not UTF-8 text (first wrong byte at offset {}): save it as UTF-8.",
                error.utf8_error().valid_up_to()
            );
            Error::config(message).with_source(error.utf8_error())
        })
    }

    /// Reads the JSON `text` of a catalog that `caller` wrote; `make_columns` is asked once for each stream, in their order.
    ///
    /// # Errors
    /// One config error with all problems of the catalog, those of `make_columns` among them.
    pub fn from_json(text: &str, caller: Caller, make_columns: MakeColumns<'_>) -> Result<Self> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        if text.trim().is_empty() {
            return Err(Error::config("The catalog is empty: it must be a ConfiguredAirbyteCatalog, one JSON object."));
        }
        // serde would read a list as the fields of the object, in their order.
        if text.trim_start().starts_with('[') {
            return Err(Error::config(
                "The catalog is not a valid ConfiguredAirbyteCatalog: it is a list, and has to be an object with a list `streams`.",
            ));
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
        let mut problems = Problems::default();
        let mut streams = Vec::with_capacity(raw.len());
        let mut seen = HashSet::with_capacity(raw.len());
        for (position, configured) in raw.into_iter().enumerate() {
            let descriptor = configured.descriptor();
            match Stream::from_raw(configured, position, caller, make_columns) {
                Ok(stream) if !seen.insert(stream.descriptor.clone()) => {
                    problems.add(about(descriptor, format!("Stream {} is in the catalog twice.", stream.descriptor)));
                }
                Ok(stream) => streams.push(stream),
                Err(problem) => problems.add(problem),
            }
        }
        problems.into_result().map(|()| Self { streams })
    }

    /// Keeps rows of deleted records like others, instead of removing the row of their key.
    pub fn keep_deleted(&mut self) {
        self.streams
            .iter_mut()
            .filter_map(|stream| stream.dedup.as_mut())
            .for_each(|dedup| Arc::make_mut(dedup).keep_deleted());
    }
}

impl Stream {
    /// A stream that adds its rows to a table of the raw layout, as one of a catalog without generations.
    pub fn append(descriptor: StreamDescriptor) -> Self {
        let (write_mode, columns) = (WriteMode::Append, TableSchema::raw());
        Self { descriptor, write_mode, generation_id: None, sync_id: 0, columns, dedup: None }
    }

    fn from_raw(
        raw: RawConfigured<'_>,
        position: usize,
        caller: Caller,
        make_columns: MakeColumns<'_>,
    ) -> Result<Self> {
        let descriptor = raw.descriptor();
        let renamed = raw.json_schema().filter(|_| caller == Caller::PyAirbyteCache).and_then(renaming::schema);
        let json_schema = renamed.as_deref().or(raw.json_schema());
        let (write_mode, [generation_id, sync_id]) =
            raw.modes(position, caller).map_err(|problem| about(descriptor.clone(), problem))?;
        let descriptor = descriptor.ok_or_else(|| Error::system("A stream of the catalog has lost its name."))?;
        let dedup = raw.dedup(&descriptor, json_schema, caller);
        let dedup = dedup.map_err(|problem| about(Some(descriptor.clone()), problem));
        let columns = make_columns(&descriptor, json_schema).map_err(|error| error.with_stream(descriptor.clone()))?;
        let dedup = dedup?.map(Arc::new);
        Ok(Self { descriptor, write_mode, generation_id, sync_id: sync_id.unwrap_or(0), columns, dedup })
    }
}

impl<'a> RawConfigured<'a> {
    /// The stream's descriptor, if it has one.
    fn descriptor(&self) -> Option<StreamDescriptor> {
        self.stream.as_ref()?.descriptor()
    }

    /// The text of the stream's JSON schema, if it has one.
    fn json_schema(&self) -> Option<&'a str> {
        Some(self.stream.as_ref()?.json_schema.as_ref()?.0)
    }

    /// What becomes of the rows that the table has already, and the numbers of the generation and of the sync, where they mean
    /// something; or the first problem of the stream at `position`.
    fn modes(&self, position: usize, caller: Caller) -> Result<(WriteMode, [Option<i64>; 2]), String> {
        let Some(stream) = &self.stream else {
            return Err(if self.discovered_name.is_some() {
                format!(
                    "The catalog's streams[{position}] is a discovered stream, not a configured one: wrap it as \
                     {{\"stream\": {{…}}, \"sync_mode\": …, \"destination_sync_mode\": …}}."
                )
            } else {
                format!("The catalog's streams[{position}] has no `stream`.")
            });
        };
        let descriptor = stream.descriptor();
        let descriptor =
            descriptor.ok_or_else(|| format!("The catalog's streams[{position}].stream has no `name`."))?;
        if self.include_files == Some(true) {
            return Err(format!(
                "Stream {descriptor} asks for its files to be copied too (include_files), which this destination does not \
                 do: it writes tables. Choose to replicate records, not files, in the source or the connection."
            ));
        }
        let overwrite = match self.destination_sync_mode.as_deref() {
            Some("append" | DEDUP) => false,
            Some("overwrite") => true,
            Some(other) => {
                return Err(format!(
                    "Stream {descriptor} has the unknown destination_sync_mode {other:?}. Known are append, \
                     append_dedup and overwrite."
                ));
            }
            None => {
                return Err(format!(
                    "Stream {descriptor} has no destination_sync_mode. Choose append, append_dedup or overwrite."
                ));
            }
        };
        let says_nothing = caller != Caller::Platform
            && [self.generation_id, self.minimum_generation_id, self.sync_id].iter().all(|number| *number == Some(1));
        let number = |id: Option<i64>| id.filter(|id| *id > 0 && !says_nothing);
        let generation = number(self.generation_id);
        let write_mode = match (overwrite, number(self.minimum_generation_id)) {
            (_, Some(minimum)) if generation != Some(minimum) => {
                return Err(format!(
                    "Stream {descriptor} has a minimum_generation_id that is neither 0 nor its generation_id; such a \
                     partial refresh is not supported."
                ));
            }
            (true, _) => WriteMode::Replace,
            (false, Some(_)) => WriteMode::ReplaceOtherGenerations,
            (false, None) => WriteMode::Append,
        };
        Ok((write_mode, [generation, number(self.sync_id)]))
    }

    /// How the rows of the stream `descriptor` take the place of one another, if it asks for that, or what is wrong with its key or
    /// its cursor.
    fn dedup(
        &self,
        descriptor: &StreamDescriptor,
        json_schema: Option<&str>,
        caller: Caller,
    ) -> Result<Option<Dedup>, String> {
        let stream = self.stream.as_ref().filter(|_| self.destination_sync_mode.as_deref() == Some(DEDUP));
        let Some(stream) = stream else { return Ok(None) };
        let keys = Keys {
            primary_key: self.primary_key,
            cursor_field: self.cursor_field,
            of_source: stream.source_defined_primary_key,
            default_cursor: stream.default_cursor_field,
            is_cursor_of_source: stream.source_defined_cursor.is_some_and(|text| text.get() == "true"),
            may_be_copied: caller != Caller::Platform,
        };
        let mut asked = keys.asked().map_err(|field| {
            format!("Stream {descriptor} asks for destination_sync_mode append_dedup and has a `{field}` that is no list of paths.")
        })?;
        if caller == Caller::PyAirbyteCache {
            renaming::asked(&mut asked);
        }
        let dedup = Dedup::new(json_schema, &asked).map_err(|problems| {
            format!(
                "Stream {descriptor} asks for destination_sync_mode append_dedup and {}. Choose a primary key and a cursor that \
                 its records have, each a single value, or append or overwrite. In Airbyte's UI that is on the connection's page \
                 of streams, in PyAirbyte source.set_primary_key(…), source.set_cursor_key(…) or write(…, write_strategy=…).",
                problems.join(" and ")
            )
        })?;
        if dedup.cursor.is_none() && !asked.cursor.is_empty() && caller != Caller::PyAirbyteCache {
            tracing::warn!(
                "The cursor `{}` of stream {descriptor}, which its source names, cannot order rows: its JSON schema does not have it, or \
                 its values do not compare. Of rows with one primary key, the one that was emitted last counts as the newest.",
                asked.cursor.join(".")
            );
        }
        Ok(Some(dedup))
    }
}

/// A config error about one stream, where it is about one.
fn about(stream: Option<StreamDescriptor>, message: String) -> Error {
    let error = Error::config(message);
    match stream {
        Some(stream) => error.with_stream(stream),
        None => error,
    }
}

#[cfg(test)]
#[path = "catalog_tests.rs"]
mod tests;
