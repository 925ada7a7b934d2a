//! The volumes in which files are staged for managed tables: found, or created, before anything is staged.

use std::collections::BTreeSet;

use super::answers::names;
use super::create_retries::create_with_retries;
use super::statements::volumes::{create_volume, show_volumes};
use super::statements::{self, SchemaName};
use crate::databricks::SqlTransport;
use crate::error::{Error, Kind, Result, ResultExt};

/// Creates those of `volumes` that do not exist, each given by its catalog, its schema and its own name, and their schemas. One
/// statement lists the schemas of a catalog, and one for each schema its volume.
///
/// # Errors
/// What the server says: the catalog has no volumes, or the token's user lacks a privilege.
pub async fn ensure_volumes(transport: &dyn SqlTransport, volumes: &[(&str, &str, &str)]) -> Result<()> {
    let catalogs: BTreeSet<&str> = volumes.iter().map(|(catalog, ..)| *catalog).collect();
    for catalog in catalogs {
        let own: Vec<_> = volumes.iter().filter(|(of, ..)| *of == catalog).collect();
        let schemas: Vec<&str> = own.iter().map(|(_, schema, _)| *schema).collect();
        let shown = transport.execute(&statements::show_schemas(catalog, &schemas)).await;
        let there = names(&shown.context(|| "looking for the schemas of staged files".to_owned())?, "namespace", 0);
        for (_, schema, volume) in own {
            ensure_volume(transport, &SchemaName::new(catalog, schema), volume, there.contains(*schema)).await?;
        }
    }
    Ok(())
}

async fn ensure_volume(
    transport: &dyn SqlTransport,
    schema: &SchemaName,
    volume: &str,
    has_schema: bool,
) -> Result<()> {
    if has_schema {
        let shown = transport.execute(&show_volumes(schema, volume)).await.map_err(without_volumes);
        let shown = shown.context(|| format!("looking for the volumes of schema {schema}"))?;
        if names(&shown, "volume_name", 1).contains(volume) {
            return Ok(());
        }
    } else {
        let made = create_with_retries(transport, &statements::create_schema(schema)).await.answer;
        made.context(|| format!("creating schema {schema}"))?;
    }
    let made = create_with_retries(transport, &create_volume(schema, volume)).await.answer.map_err(without_volumes);
    made.context(|| format!("creating the volume {schema}.`{volume}` for staged files")).map(|_| ())
}

/// A server that does not understand the statement has no volumes.
fn without_volumes(error: Error) -> Error {
    if error.kind() != Kind::System {
        return error;
    }
    let said = format!(
        "The server knows no volumes, in which files are staged for managed tables: it is no Databricks, or has no Unity Catalog, or \
         its runtime is too old. Use a SQL warehouse, or a cluster with Unity Catalog and Databricks Runtime 13.3 LTS or later; in a workspace \
         without Unity Catalog use the `data_source_type` S3_STORAGE or AZURE_BLOB_STORAGE. {error}"
    );
    Error::config(said).with_source(error)
}

#[cfg(test)]
mod tests {
    use super::super::testing::bed::Bed;
    use super::super::testing::fake_warehouse::Table;
    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn volumes_that_are_there_are_looked_for_and_others_are_created_with_their_schemas() {
        let bed = Bed::new().await;
        bed.has(Table::older("s3://lake/shop/users", &[]));
        let volumes = [("main", "shop", "airbyte_staging"), ("main", "zoo", "airbyte_staging")];
        ensure_volumes(&bed.warehouse, &volumes).await.unwrap();
        assert_eq!(
            bed.warehouse.sent(),
            ["SHOW SCHEMAS", "SHOW VOLUMES", "CREATE VOLUME", "CREATE SCHEMA", "CREATE VOLUME"]
        );
        ensure_volumes(&bed.warehouse, &volumes[..1]).await.unwrap();
        assert_eq!(bed.warehouse.sent(), ["SHOW SCHEMAS", "SHOW VOLUMES"]);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_server_without_volumes_is_told_as_one() {
        for said in [
            "[UC_VOLUMES_NOT_ENABLED] Support for Unity Catalog Volumes is not enabled on this instance. SQLSTATE: 56038",
            "[PARSE_SYNTAX_ERROR] Syntax error at or near 'VOLUMES'. SQLSTATE: 42601",
        ] {
            let bed = Bed::new().await;
            bed.has(Table::older("s3://lake/shop/users", &[]));
            bed.warehouse.with(|state| state.refusals.push(("SHOW VOLUMES", said)));
            let error = ensure_volumes(&bed.warehouse, &[("main", "shop", "files")]).await.expect_err(said);
            assert_eq!(error.kind(), crate::error::Kind::Config);
            assert!(error.message().contains("volumes") && error.message().contains("S3_STORAGE"), "{error}");
            // Where the schema is new, nothing is listed before.
            bed.warehouse.with(|state| state.refusals.push(("CREATE VOLUME", said)));
            let error = ensure_volumes(&bed.warehouse, &[("main", "zoo", "files")]).await.expect_err(said);
            assert_eq!(error.kind(), crate::error::Kind::Config);
            assert!(error.message().contains("volumes") && error.message().contains("S3_STORAGE"), "{error}");
        }
    }
}
