//! One look at a schema's folders, where many tables are in one schema: most tables of a first sync need no look then.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use crate::error::Result;
use crate::storage::Storage;
use crate::storage::layout::Target;

/// Tables of one schema from which on the schema is looked at as a whole.
const MANY_TABLES: usize = 8;

/// The folders of the schemas that were looked at as a whole.
#[derive(Clone, Default)]
pub struct Survey(Arc<HashMap<String, HashSet<String>>>);

impl Survey {
    /// Looks once at each schema that many of `targets` are in.
    pub async fn of(storage: &Storage, targets: &[Target]) -> Result<Self> {
        let mut counts: HashMap<&str, usize> = HashMap::new();
        for (schema, _) in targets.iter().filter_map(|target| target.table.split_once('/')) {
            *counts.entry(schema).or_default() += 1;
        }
        let mut surveyed = HashMap::new();
        for (schema, _) in counts.into_iter().filter(|(_, count)| *count >= MANY_TABLES) {
            surveyed.insert(schema.to_owned(), storage.folders(schema).await?.into_iter().collect());
        }
        Ok(Self(Arc::new(surveyed)))
    }

    /// Whether the folder of `table` may be there; `false` is certain.
    pub fn may_have(&self, table: &str) -> bool {
        let folders = table.split_once('/').and_then(|(schema, name)| Some((self.0.get(schema)?, name)));
        folders.is_none_or(|(folders, name)| folders.contains(name))
    }
}
