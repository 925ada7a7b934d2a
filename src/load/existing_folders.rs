//! One listing of the folders of each schema that has many tables: most tables of a first sync then need no request of their own.

use std::collections::{HashMap, HashSet};

use crate::error::Result;
use crate::storage::Storage;

/// A schema with at least this many tables of the sync is listed.
const MANY_TABLES: usize = 8;

/// The folders of the listed schemas, by schema.
pub struct ExistingFolders(HashMap<String, HashSet<String>>);

impl ExistingFolders {
    /// Lists the schemas that have many of `tables`, which are paths `<schema>/<table>`.
    pub async fn list(storage: &Storage, tables: impl Iterator<Item = &str>) -> Result<Self> {
        let mut counts: HashMap<&str, usize> = HashMap::new();
        for (schema, _) in tables.filter_map(|table| table.split_once('/')) {
            *counts.entry(schema).or_default() += 1;
        }
        let mut listed = HashMap::new();
        for (schema, _) in counts.into_iter().filter(|(_, count)| *count >= MANY_TABLES) {
            listed.insert(schema.to_owned(), storage.folders(schema).await?.into_iter().collect());
        }
        Ok(Self(listed))
    }

    /// Whether the folder of `table` may exist. `false` is certain; `true` has to be checked.
    pub fn may_have(&self, table: &str) -> bool {
        let folders = table.split_once('/').and_then(|(schema, name)| Some((self.0.get(schema)?, name)));
        folders.is_none_or(|(folders, name)| folders.contains(name))
    }
}
