//! Unity Catalog: the external location over the bucket or container, and the rights to catalogs, schemas, volumes and tables.
//!
//! Privileges and what they can be granted on: <https://docs.databricks.com/data-governance/unity-catalog/access-control/privileges-reference>.

use serde_json::json;

use super::cli::WORKSPACE;
use super::identity::Identity;
use super::objects::{NAMESPACES, Objects};
use super::step::{Plan, Step, Tool};
use super::{shell, sql};
use crate::config::StorageSettings;

const METASTORE_ADMIN: &str =
    "an administrator of the metastore, or whoever has CREATE STORAGE CREDENTIAL and CREATE EXTERNAL LOCATION on it";
const CATALOG_OWNER: &str = "the owner of the catalog, whoever has MANAGE on it, or an administrator of the metastore";
const TABLE_OWNER: &str =
    "the owner of the table or of its schema, whoever has MANAGE on it, or an administrator of the metastore";

/// Adds the steps that let `identity` use `objects`, and Databricks the storage with the address `url`, if tables lie in one.
pub fn add(plan: &mut Plan, storage: &StorageSettings, url: Option<&str>, objects: &Objects, identity: &Identity) {
    if let Some(url) = url {
        external_location(plan, storage, url, identity);
    }
    let principal = identity.principal.as_str();
    let mut catalogs = Step::new(Tool::Sql, CATALOG_OWNER, "Use the catalog, which has to exist.");
    for catalog in objects.catalogs() {
        catalogs = sql::grant(catalogs, "USE CATALOG", &format!("CATALOG {}", sql::quoted(catalog)), principal);
    }
    plan.steps.push(catalogs);
    schemas(plan, objects, principal);
    if !objects.volumes.is_empty() {
        volumes(plan, objects, principal);
    }
    if !objects.tables.is_empty() {
        tables(plan, objects, principal);
    }
}

fn external_location(plan: &mut Plan, storage: &StorageSettings, url: &str, identity: &Identity) {
    let location = plan.place(
        "external-location",
        format!("a name for the external location of {url}; if `SHOW EXTERNAL LOCATIONS` lists one that covers it, the name of that one"),
    );
    let credential =
        plan.place("storage-credential", "a name for the storage credential, or the name of the one that is there");
    let trusted = match storage {
        StorageSettings::Azure(_) => {
            let connector = plan.place(
                "access-connector-id",
                format!(
                    "the resource id of an access connector for Azure Databricks whose managed identity has the role Storage Blob Data \
                     Contributor on {url}: its page in the Azure portal, Properties"
                ),
            );
            json!({"name": credential, "azure_managed_identity": {"access_connector_id": connector}})
        }
        _ => {
            let role = plan.place(
                "databricks-role-arn",
                format!(
                    "the ARN of an IAM role that Unity Catalog may assume and that may read and write {url}: \
                     https://docs.databricks.com/aws/en/connect/unity-catalog/cloud-storage/s3/s3-external-location-manual says how to make one"
                ),
            );
            json!({"name": credential, "aws_iam_role": {"role_arn": role}})
        }
    };
    let create = Step::new(
        Tool::Databricks,
        METASTORE_ADMIN,
        format!(
            "Let Databricks reach {url}. If an external location covers this place already, as `SHOW EXTERNAL LOCATIONS` lists them, leave \
             this step and the next out, and what takes them back. If only the storage credential is there, leave out this step."
        ),
    );
    let create = create.make(
        format!("databricks storage-credentials create --json {} {WORKSPACE}", shell::json(&trusted)),
        format!("databricks storage-credentials delete {} {WORKSPACE}", shell::quoted(&credential)),
    );
    plan.steps.push(
        create.removed_if("the step made the storage credential, and no other external location or table uses it"),
    );
    let named = sql::quoted(&location);
    let create = Step::new(
        Tool::Sql,
        METASTORE_ADMIN,
        "Make the external location, below which staged files and tables lie. Do not put volumes or managed tables there.",
    );
    let create = create.make(
        format!(
            "CREATE EXTERNAL LOCATION IF NOT EXISTS {named} URL {} WITH (STORAGE CREDENTIAL {})",
            sql::literal(url),
            sql::quoted(&credential)
        ),
        format!("DROP EXTERNAL LOCATION IF EXISTS {named}"),
    );
    plan.steps.push(
        create.removed_if("the step made the external location, and nobody else has tables, volumes or files there"),
    );
    let step = Step::new(
        Tool::Sql,
        "the owner of the external location, whoever has MANAGE on it, or an administrator of the metastore",
        "Create tables over files in the external location, read them and write them.",
    );
    let privileges = "CREATE EXTERNAL TABLE, READ FILES, WRITE FILES";
    plan.steps.push(sql::grant(step, privileges, &format!("EXTERNAL LOCATION {named}"), &identity.principal));
}

fn schemas(plan: &mut Plan, objects: &Objects, principal: &str) {
    let mut step = Step::new(Tool::Sql, CATALOG_OWNER, "Make tables in these schemas.");
    for (catalog, schema) in &objects.schemas {
        let path = sql::path(&[catalog, schema]);
        step = sql::create_schema(step, &path);
        step = sql::grant(step, "USE SCHEMA, CREATE TABLE", &format!("SCHEMA {path}"), principal);
    }
    plan.steps.push(step);
    for (catalog, schema) in &objects.volume_schemas {
        let step = Step::new(Tool::Sql, CATALOG_OWNER, "Use the schema of the volume.");
        let path = sql::path(&[catalog, schema]);
        plan.steps.push(sql::grant(
            sql::create_schema(step, &path),
            "USE SCHEMA",
            &format!("SCHEMA {path}"),
            principal,
        ));
    }
    if !objects.has_streams {
        let step = Step::new(Tool::Sql, CATALOG_OWNER, NAMESPACES).only_if("streams have namespaces");
        let catalog = format!("CATALOG {}", sql::quoted(&objects.catalog));
        plan.steps.push(sql::grant(step, "CREATE SCHEMA", &catalog, principal));
    }
}

fn volumes(plan: &mut Plan, objects: &Objects, principal: &str) {
    let mut step = Step::new(
        Tool::Sql,
        CATALOG_OWNER,
        "Stage files in these volumes. Volumes are not dropped when the rights are taken back: DROP VOLUME deletes all files in one.",
    );
    for (catalog, schema, volume) in &objects.volumes {
        let path = sql::path(&[catalog, schema, volume]);
        step = step.lasting(format!("CREATE VOLUME IF NOT EXISTS {path}"));
        step = sql::grant(step, "READ VOLUME, WRITE VOLUME", &format!("VOLUME {path}"), principal);
    }
    plan.steps.push(step);
}

fn tables(plan: &mut Plan, objects: &Objects, principal: &str) {
    let mut step = Step::new(
        Tool::Sql,
        TABLE_OWNER,
        "Load tables of others. Whoever makes a table owns it. MANAGE, where it is named, is for adding columns, with \
         `enable_schema_evolution`.",
    )
    .only_if("the table exists already and belongs to somebody else");
    for (table, evolves) in &objects.tables {
        let privileges = if *evolves { "SELECT, MODIFY, MANAGE" } else { "SELECT, MODIFY" };
        step = sql::grant(step, privileges, &format!("TABLE {table}"), principal);
    }
    plan.steps.push(step);
}
