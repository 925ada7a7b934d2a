//! What exists when a sync begins: schemas and tables in the catalog, folders in the bucket. One statement lists the schemas of all
//! streams, and one for each schema its tables.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use futures::{StreamExt, TryStreamExt, stream};

use super::statements::{self, SchemaName};
use super::{SqlSession, answers};
use crate::error::{Result, ResultExt};
use crate::load::existing_folders::ExistingFolders;

/// What exists of the tables of a sync.
pub struct Inventory {
    /// Folders in the bucket.
    pub folders: ExistingFolders,
    /// Existing tables and views by existing schema; at least those with the name of a stream's table.
    tables: HashMap<String, HashSet<String>>,
    /// Older names that several streams would have got.
    contested: HashSet<String>,
}

impl Inventory {
    /// Looks for `tables` and for `older`, the names that older versions gave them: paths `<schema>/<table>`. Notes existing
    /// schemas in `session`.
    pub async fn take(session: &SqlSession, tables: &[&str], older: &[&str]) -> Result<Self> {
        let mut wanted: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (schema, table) in tables.iter().chain(older).filter_map(|path| path.split_once('/')) {
            wanted.entry(schema).or_default().push(table);
        }
        let staging = session.staging_schema.as_deref();
        let names: Vec<&str> = wanted.keys().copied().chain(staging).collect::<BTreeSet<_>>().into_iter().collect();
        let shown = session.execute(&statements::show_schemas(&session.catalog, &names)).await;
        let existing = answers::names(&shown.context(|| "looking for the schemas".to_owned())?, "namespace", 0);
        for name in names.into_iter().filter(|name| existing.contains(*name)) {
            session.schema_exists(&SchemaName::new(&session.catalog, name));
        }
        let look = |(schema, tables): (&str, Vec<&str>)| {
            let statement = statements::show_tables(&SchemaName::new(&session.catalog, schema), &tables);
            let schema = schema.to_owned();
            async move {
                let shown = session.execute(&statement).await;
                let shown = shown.context(|| format!("looking for the tables of schema {schema}"))?;
                Ok((schema, answers::names(&shown, "tableName", 1)))
            }
        };
        let looks: Vec<_> = wanted.into_iter().filter(|(schema, _)| existing.contains(*schema)).map(look).collect();
        let found = stream::iter(looks).buffer_unordered(session.parallelism).try_collect().await?;
        let mut once = HashSet::new();
        let contested = older.iter().filter(|path| !once.insert(**path)).map(|path| (*path).to_owned()).collect();
        // Managed tables have no folders here.
        let in_storage = tables.iter().chain(older).copied().filter(|_| !session.is_managed());
        let folders = ExistingFolders::list(&session.storage, in_storage).await?;
        Ok(Self { folders, tables: found, contested })
    }

    /// Whether the catalog has a table or view at the path `table`.
    pub fn has(&self, table: &str) -> bool {
        let found = table.split_once('/').and_then(|(schema, table)| Some((self.tables.get(schema)?, table)));
        found.is_some_and(|(tables, table)| tables.contains(table))
    }

    /// Whether several streams would have got the older name `older`.
    pub fn is_contested(&self, older: &str) -> bool {
        self.contested.contains(older)
    }
}
