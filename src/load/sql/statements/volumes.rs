//! Statements about volumes of Unity Catalog.
//!
//! Source: <https://docs.databricks.com/en/sql/language-manual/sql-ref-syntax-ddl-create-volume.html>.

use super::{SchemaName, literal, quoted};

/// Lists the volume `volume` of `schema` if it exists, and possibly others.
pub fn show_volumes(schema: &SchemaName, volume: &str) -> String {
    format!("SHOW VOLUMES IN {schema} LIKE {}", literal(volume))
}

/// Creates the managed volume `volume` in `schema`.
pub fn create_volume(schema: &SchemaName, volume: &str) -> String {
    format!("CREATE VOLUME IF NOT EXISTS {schema}.{} COMMENT 'Files that Airbyte has staged'", quoted(volume))
}
