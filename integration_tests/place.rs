//! Where the tables of a test lie: a folder. The tests of the bed (`s3`) have a module of the same name for a bucket,
//! and run the same cases there.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Map, Value, json};

/// What the program is told through its environment.
pub const ENVIRONMENT: [(&str, &str); 0] = [];

/// Not a measurement: a program that is silent for so long hangs, and the test must end.
pub const HANGS: Duration = Duration::from_secs(60);
/// Whether the line of a complete stream says how many rows its table had.
pub const TELLS_ROWS_BEFORE: bool = true;

/// A folder for tables.
pub struct Place {
    lake: PathBuf,
}

impl Place {
    /// A new one for the sandbox in `folder`.
    pub fn new(folder: &Path) -> Self {
        let lake = folder.join("lake");
        std::fs::create_dir(&lake).unwrap();
        Self { lake }
    }

    /// The folder in which all that is written can be looked at.
    pub fn lake(&self) -> PathBuf {
        self.lake.clone()
    }

    /// The folder of a table.
    pub fn table(&self, schema_and_name: &str) -> PathBuf {
        self.lake.join(schema_and_name)
    }

    /// The settings that lead here, where a test does not say otherwise.
    pub fn settings(&self) -> Map<String, Value> {
        Map::from_iter([("data_source".to_owned(), self.source())])
    }

    /// `data_source` of the configuration.
    pub fn source(&self) -> Value {
        // Tests that act as Airbyte's platform may run in a container themselves.
        json!({"data_source_type": "LOCAL_STORAGE", "local_path": self.lake, "local_path_is_ephemeral": true})
    }
}
