//! Where the tables of a test lie: where the stand-in keeps its managed ones. Staged files are in a volume of the test's own schema. Tests
//! see both on the stand-in's disk.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::on_disk::Folder;
use super::stand_in::stand_in;
use crate::lake::{Lake, Location};
use crate::place::{Transport, transport};

/// What the program is told through its environment: a request that cannot succeed is given up soon.
pub const ENVIRONMENT: [(&str, &str); 1] = [("DESTINATION_DATABRICKS_RETRY_MS", "20000")];
/// The catalog of tables over the Statement Execution API, and whether the catalog keeps them.
pub const CATALOG: &str = "main";
pub const ARE_MANAGED: bool = true;
/// How old the lease of a dead sync has to be.
pub const LEASE_AGE: Duration = Duration::from_millis(3000);
/// The volume of staged files.
const VOLUME: &str = "files";

/// A volume for staged files, beside the tables.
pub struct Place {
    schema: String,
    catalog: &'static str,
}

impl Place {
    /// A new one in the schema `schema` of the tables.
    pub fn of_schema(_sandbox: &Path, schema: &str) -> Self {
        let catalog = match transport() {
            Transport::Statements => CATALOG,
            Transport::Thrift => "spark_catalog",
        };
        Self { schema: schema.to_owned(), catalog }
    }

    /// All that is staged, and all tables in schemas that are called after this test's.
    pub fn lake(&self) -> Location {
        let folder = stand_in().folder();
        let volume = folder.join("volumes").join(self.catalog).join(&self.schema).join(VOLUME);
        let disk = Disk { volume, tables: folder.join("warehouse"), schema: self.schema.clone() };
        Location::new(Arc::new(disk), "")
    }

    /// How readers find the table in `folder`.
    pub fn for_readers_of(&self, folder: &Location) -> (String, Value) {
        (self.path(folder.key()).to_str().unwrap().to_owned(), Value::Null)
    }

    /// The address by which Spark knows what has this key.
    pub fn uri(&self, key: &str) -> String {
        format!("file:{}", self.path(key).display())
    }

    /// Spark has nothing open here that it would have to let go of.
    pub fn root(&self) -> Option<String> {
        None
    }

    /// `data_source` of the configuration.
    pub fn source(&self) -> Value {
        let volume = format!("{}.{}.{VOLUME}", self.catalog, self.schema);
        json!({"data_source_type": "MANAGED_TABLES_STORAGE", "staging_volume": volume})
    }

    /// The number of uploads that were never ended.
    pub fn unfinished_uploads(&self) -> usize {
        let told = stand_in().control("GET", &format!("uploads/{}/{}/{VOLUME}", self.catalog, self.schema), &json!({}));
        usize::try_from(told["begun"].as_u64().unwrap()).unwrap()
    }

    fn path(&self, key: &str) -> PathBuf {
        let tables = stand_in().folder().join("warehouse");
        key.split_once('/').map_or(tables.clone(), |(schema, table)| tables.join(format!("{schema}.db")).join(table))
    }
}

/// The stand-in's disk: `<sync id>/…` is in the volume, `<schema>/<table>/…` a table.
struct Disk {
    volume: PathBuf,
    tables: PathBuf,
    schema: String,
}

impl Disk {
    fn at(&self, key: &str) -> (Folder, String) {
        let (first, rest) = key.split_once('/').unwrap_or((key, ""));
        let is_staged = uuid::Uuid::parse_str(first).is_ok();
        match is_staged {
            true => (Folder::new(&self.volume), key.to_owned()),
            false => (Folder::new(&self.tables.join(format!("{first}.db"))), rest.to_owned()),
        }
    }

    /// The schemas of this test.
    fn schemas(&self) -> Vec<String> {
        let there = std::fs::read_dir(&self.tables).into_iter().flatten().flatten();
        let names = there.filter_map(|entry| entry.file_name().to_str()?.strip_suffix(".db").map(str::to_owned));
        names.filter(|name| name.contains(&self.schema)).collect()
    }
}

impl Lake for Disk {
    fn list(&self, prefix: &str) -> Vec<String> {
        let mut keys = Folder::new(&self.volume).list(prefix);
        for schema in self.schemas() {
            let within = format!("{schema}/");
            // All tables of the schema, those below `prefix`, or none.
            let rest = prefix.strip_prefix(&within).or_else(|| within.starts_with(prefix).then_some(""));
            let Some(rest) = rest else { continue };
            let (folder, _) = self.at(&within);
            keys.extend(folder.list(rest).into_iter().map(|key| format!("{within}{key}")));
        }
        // Checksums that Hadoop puts beside files on a disk.
        keys.retain(|key| !key.ends_with(".crc"));
        keys.sort();
        keys
    }

    fn get(&self, key: &str) -> Option<Vec<u8>> {
        let (folder, key) = self.at(key);
        folder.get(&key)
    }

    fn put(&self, key: &str, content: &[u8]) {
        let (folder, key) = self.at(key);
        folder.put(&key, content);
    }

    fn delete(&self, key: &str) {
        let (folder, key) = self.at(key);
        folder.delete(&key);
    }
}
