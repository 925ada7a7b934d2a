//! The newest metadata of a table, also of one whose rows this program cannot read.
//!
//! The kernel refuses to open a table with a reader feature that it does not know. If a server reads and writes the rows, the
//! newest `metaData` action is enough: its form is the same in every version of the protocol.
//! Source: <https://github.com/delta-io/delta/blob/master/PROTOCOL.md>, "Change Metadata" and "Checkpoints".

use std::collections::{BTreeMap, HashMap};

use delta_kernel::actions::{LOG_METADATA_SCHEMA, Metadata};
use delta_kernel::schema::StructType;
use delta_kernel::{Engine, FileMeta, KernelResult};
use serde::Deserialize;
use serde_json::Value;
use url::Url;

use super::commit::{ensure_replaceable, ensure_unpartitioned};
use super::files::{LogFiles, checkpoint_version};
use super::found;
use crate::error::Result;
use crate::schema::table_type::FoundColumn;

/// A table's metadata.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Described {
    /// Names and types of its columns as Delta writes them.
    pub columns: Vec<(String, String)>,
    /// The same as they are compared with a stream's.
    pub found: Vec<FoundColumn>,
    /// Its description.
    pub description: Option<String>,
    partitions: Vec<String>,
    properties: HashMap<String, String>,
}

/// The `metaData` action as JSON, in commits and in JSON checkpoints.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Action {
    schema_string: String,
    #[serde(default)]
    partition_columns: Vec<String>,
    #[serde(default)]
    configuration: HashMap<String, String>,
    description: Option<String>,
}

impl Described {
    /// The same from the kernel's form; `None` if the columns cannot be read.
    pub fn of(metadata: &Metadata) -> Option<Self> {
        Self::new(Action {
            schema_string: metadata.schema_string().clone(),
            partition_columns: metadata.partition_columns().to_vec(),
            configuration: metadata.configuration().clone(),
            description: metadata.description().map(str::to_owned),
        })
    }

    /// The value of a table property.
    pub fn property(&self, key: &str) -> Option<&str> {
        self.properties.get(key).map(String::as_str)
    }

    /// All properties.
    pub fn properties(&self) -> BTreeMap<String, String> {
        self.properties.clone().into_iter().collect()
    }

    /// Checks that a server can be asked to write to the table, `shown` in messages. Which table features it knows is not checked.
    ///
    /// # Errors
    /// A config error for a partitioned table and, with `replace`, for one with `delta.appendOnly`.
    pub fn ensure_writable_by_server(&self, shown: &str, replace: bool) -> Result<()> {
        let append_only = self.property("delta.appendOnly").is_some_and(|value| value.eq_ignore_ascii_case("true"));
        ensure_replaceable(append_only, shown, replace)?;
        ensure_unpartitioned(shown, &self.partitions)
    }

    fn new(action: Action) -> Option<Self> {
        let schema: StructType = serde_json::from_str(&action.schema_string).ok()?;
        let columns = schema.fields().map(|field| (field.name().clone(), field.data_type().to_string())).collect();
        let found = found::columns(&schema);
        let Action { partition_columns: partitions, configuration: properties, description, .. } = action;
        Some(Self { columns, found, description, partitions, properties })
    }
}

/// Reads the metadata of the table at `url` from its newest commits, else from its newest checkpoint; `None` if neither has it, or
/// its columns cannot be read.
pub fn read(url: &Url, engine: &dyn Engine) -> KernelResult<Option<Described>> {
    let files = LogFiles::of(url, engine)?;
    let checkpoint = files.checkpoints.last().copied();
    let newer =
        files.commits.iter().rev().take_while(|commit| checkpoint.is_none_or(|version| commit.version > version));
    for commit in newer {
        if let Some(found) = in_lines(&commit.url, engine)? {
            return Ok(Described::new(found));
        }
    }
    match checkpoint {
        Some(version) => in_checkpoint(url, version, engine),
        None => Ok(None),
    }
}

/// The last `metaData` action in a file with one action a line.
fn in_lines(file: &Url, engine: &dyn Engine) -> KernelResult<Option<Action>> {
    let Some(bytes) = engine.storage_handler().read_files(vec![(file.clone(), None)])?.next().transpose()? else {
        return Ok(None);
    };
    let read = |line: &[u8]| {
        let mut action: Value = serde_json::from_slice(line).ok()?;
        serde_json::from_value(action.get_mut("metaData")?.take()).ok()
    };
    Ok(bytes.split(|byte| *byte == b'\n').rev().find_map(read))
}

fn in_checkpoint(url: &Url, version: u64, engine: &dyn Engine) -> KernelResult<Option<Described>> {
    let log = url.join("_delta_log/")?;
    let all: Vec<FileMeta> = engine.storage_handler().list_from(&log)?.collect::<KernelResult<_>>()?;
    let name = |file: &FileMeta| file.location.as_str().strip_prefix(log.as_str()).map(str::to_owned);
    let is_of_it = |file: &FileMeta| name(file).and_then(|name| checkpoint_version(&name)) == Some(version);
    let (texts, parts): (Vec<_>, Vec<_>) =
        all.into_iter().filter(is_of_it).partition(|file| file.location.path().ends_with(".json"));
    for text in texts {
        if let Some(found) = in_lines(&text.location, engine)? {
            return Ok(Described::new(found));
        }
    }
    for batch in engine.parquet_handler().read_parquet_files(&parts, LOG_METADATA_SCHEMA.clone(), None)? {
        if let Some(found) = Metadata::try_new_from_data(batch?.as_ref())? {
            return Ok(Described::of(&found));
        }
    }
    Ok(None)
}
