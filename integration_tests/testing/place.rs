//! Where the tables of a test lie: in a folder. The tests in `s3` and `databricks` have a module of the same name for a
//! bucket, and run the same cases there.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::lake::Location;
use crate::on_disk;
use crate::program::Sandbox;

/// What the program is told through its environment.
pub const ENVIRONMENT: [(&str, &str); 0] = [];

/// Not a measurement: a program that is silent for so long hangs, and the test must end.
pub const HANGS: Duration = Duration::from_secs(60);
/// Whether the line of a complete stream says how many rows its table had.
pub const TELLS_ROWS_BEFORE: bool = true;

/// A folder for tables.
pub struct Place {
    folder: PathBuf,
}

impl Place {
    /// How long a small sync takes, about.
    pub const SYNC: Duration = Duration::from_millis(60);
    /// Whether a sync removes at once what a killed one has left: the lock of its lease went with the process.
    pub const SWEEPS_AT_ONCE: bool = true;

    /// A new one for the sandbox in `folder`.
    pub fn new(folder: &Path) -> Self {
        let folder = folder.join("lake");
        std::fs::create_dir(&folder).unwrap();
        Self { folder }
    }

    /// All that is written.
    pub fn lake(&self) -> Location {
        on_disk::at(&self.folder)
    }

    /// The folder of a table.
    pub fn table(&self, schema_and_name: &str) -> Location {
        self.lake().join(schema_and_name)
    }

    /// How readers find a table: its address, and what they have to know of its store.
    pub fn for_readers(&self, schema_and_name: &str) -> (String, Value) {
        (self.folder.join(schema_and_name).display().to_string(), Value::Null)
    }

    /// The settings that lead here, where a test does not say otherwise.
    pub fn settings(&self) -> Map<String, Value> {
        Map::from_iter([("data_source".to_owned(), self.source())])
    }

    /// `data_source` of the configuration.
    pub fn source(&self) -> Value {
        // Tests that act as Airbyte's platform may run in a container themselves.
        json!({"data_source_type": "LOCAL_STORAGE", "local_path": self.folder, "local_path_is_ephemeral": true})
    }
}

/// For tests of what only folders have, such as links, locks and permissions: the path of a file or folder of the lake.
impl Sandbox {
    /// The path of the lake.
    pub fn root(&self) -> &Path {
        &self.place().folder
    }

    /// The path of what has this key in the lake.
    pub fn path(&self, key: &str) -> PathBuf {
        self.root().join(key)
    }
}
