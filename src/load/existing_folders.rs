//! The folders of schemas that many tables are in, listed once a schema: most tables of a first sync need no look of their own
//! then.

use std::collections::{HashMap, HashSet};

use crate::error::Result;
use crate::storage::Storage;

/// From so many tables in one schema on, the schema's folders are listed.
const MANY_TABLES: usize = 8;

/// The folders of the schemas that were listed.
pub struct ExistingFolders(HashMap<String, HashSet<String>>);

impl ExistingFolders {
    /// Lists the folders of each schema that many of `tables` are in: paths `<schema>/<table>`.
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

    /// Whether the folder of `table` may be there; `false` is certain.
    pub fn may_have(&self, table: &str) -> bool {
        let folders = table.split_once('/').and_then(|(schema, name)| Some((self.0.get(schema)?, name)));
        folders.is_none_or(|(folders, name)| folders.contains(name))
    }
}
