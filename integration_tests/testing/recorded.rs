//! Recorded messages of real sources and the protocol's own cases, which lie beside the project.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::messages::catalog;
use crate::program::skipped;

/// The folder of the shared data, or a printed reason why there is none.
pub fn shared_data(test: &str) -> Option<PathBuf> {
    let folder = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/data"));
    if folder.exists() {
        return Some(folder);
    }
    skipped(test, &format!("there is no {}", folder.display()));
    None
}

/// A ConfiguredAirbyteCatalog of the streams of a discovered one.
pub fn configure(discovered: &Value, mode: &str) -> Value {
    let configured =
        |stream: &Value| json!({"stream": stream, "sync_mode": "full_refresh", "destination_sync_mode": mode});
    catalog(discovered["streams"].as_array().unwrap().iter().map(configured))
}

/// The text of the file `name` in `folder`.
pub fn read(folder: &Path, name: &str) -> String {
    std::fs::read_to_string(folder.join(name)).unwrap()
}
