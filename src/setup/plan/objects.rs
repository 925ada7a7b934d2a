//! The schemas, tables and volumes that a configuration uses, as far as it and the catalog file name them.

use std::collections::{BTreeMap, BTreeSet};

use super::sql;
use crate::config::{Config, DEFAULT_VOLUME, StorageSettings};
use crate::schema::columns::Layout;
use crate::schema::naming::identifier;
use crate::target::Target;

/// What the right to make schemas is for.
pub const NAMESPACES: &str = "Make the schemas of namespaces: each namespace of a stream gets a schema of its name, which the sync makes. With \
                              `--catalog`, this command names the schemas instead.";

/// What is used in Databricks.
#[derive(Debug)]
pub struct Objects {
    /// The catalog of the tables.
    pub catalog: String,
    /// Schemas with tables, of streams or of their staging, by catalog and name.
    pub schemas: BTreeSet<(String, String)>,
    /// Schemas with nothing but a volume.
    pub volume_schemas: BTreeSet<(String, String)>,
    /// Volumes of staged files: catalog, schema, name.
    pub volumes: BTreeSet<(String, String, String)>,
    /// Names of tables that may exist, in SQL, each with whether it may get columns.
    pub tables: BTreeMap<String, bool>,
    /// Whether the streams are known, and with them all schemas.
    pub has_streams: bool,
}

impl Objects {
    /// What `config` uses for the streams that go to `targets`, if they are known.
    pub fn of(config: &Config, targets: Option<&[Target]>) -> Self {
        let own = |schema: &str| (config.catalog.clone(), schema.to_owned());
        let streams = targets.unwrap_or_default();
        // `check` makes its table in the configured schema, whatever the streams have.
        let mut of_tables = BTreeSet::from([own(&identifier(&config.schema))]);
        of_tables
            .extend(streams.iter().filter_map(|target| target.table.split_once('/')).map(|(schema, _)| own(schema)));
        let mut objects = Self {
            catalog: config.catalog.clone(),
            schemas: of_tables,
            volume_schemas: BTreeSet::new(),
            volumes: BTreeSet::new(),
            tables: BTreeMap::new(),
            has_streams: targets.is_some(),
        };
        match &config.storage {
            StorageSettings::Managed(settings) => match &settings.staging_volume {
                Some(name) => {
                    let schema = (name.catalog.clone(), name.schema.clone());
                    if !objects.schemas.contains(&schema) {
                        objects.volume_schemas.insert(schema);
                    }
                    objects.volumes.insert((name.catalog.clone(), name.schema.clone(), name.volume.clone()));
                }
                None => {
                    let volume = |(catalog, schema): &(String, String)| {
                        (catalog.clone(), schema.clone(), DEFAULT_VOLUME.to_owned())
                    };
                    objects.volumes = objects.schemas.iter().map(volume).collect();
                }
            },
            _ => objects.schemas.extend(config.staging_schema.as_deref().map(identifier).map(|schema| own(&schema))),
        }
        for target in streams {
            let evolves = config.enable_schema_evolution && target.columns.layout() != Layout::Raw;
            for table in names(config, target) {
                let name = table.split_once('/').map(|(schema, table)| sql::path(&[&config.catalog, schema, table]));
                objects.tables.extend(name.map(|name| (name, evolves)));
            }
        }
        objects
    }

    /// The catalogs that have to be used.
    pub fn catalogs(&self) -> BTreeSet<&str> {
        let of_volumes = self.volumes.iter().map(|(catalog, ..)| catalog.as_str());
        of_volumes.chain([self.catalog.as_str()]).collect()
    }
}

/// The paths that the table of `target` may have, if it exists: its own, and those that older versions gave it.
fn names<'a>(config: &Config, target: &'a Target) -> impl Iterator<Item = &'a str> {
    let raw = matches!(config.storage, StorageSettings::Managed(_)).then_some(target.raw.as_deref()).flatten();
    [Some(target.table.as_str()), target.older.as_deref(), raw].into_iter().flatten()
}
