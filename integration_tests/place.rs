//! Where the tables of a test lie: a folder. The tests of the bed (`s3`) have a module of the same name for a bucket,
//! and run the same cases there.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

/// What the program is told through its environment.
pub const ENVIRONMENT: [(&str, &str); 0] = [];

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

    /// `data_source` of the configuration.
    pub fn source(&self) -> Value {
        json!({"data_source_type": "LOCAL_STORAGE", "local_path": self.lake})
    }
}
