//! The statements: rights in the catalog, the schemas and the tables, and where the files of tables lie.

use super::Facts;
use super::account::{grantee, unknown};
use super::steps::{Step, Unknown};
use crate::config::{AzureSettings, DEFAULT_VOLUME, ManagedSettings, S3Settings, StorageSettings};
use crate::schema::naming::identifier;

const LOCATION: &str = "<external location>";
const CREDENTIAL: &str = "<storage credential>";
/// The catalog of workspaces without Unity Catalog, whose rights have other names.
const LEGACY: &str = "hive_metastore";

/// A right that can be given and taken back.
struct Right {
    privileges: &'static str,
    /// `CATALOG main`, with backticks.
    on: String,
}

/// `name` in backticks.
pub(super) fn quoted(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

fn full(parts: &[&str]) -> String {
    parts.iter().map(|part| quoted(part)).collect::<Vec<_>>().join(".")
}

/// The steps, and what takes them back.
pub(super) fn steps(facts: &Facts<'_>) -> (Vec<Step>, Vec<Step>) {
    let legacy = facts.config.catalog == LEGACY;
    let mut steps = Vec::new();
    let mut rights = if legacy { legacy_rights(facts) } else { rights(facts) };
    let mut made = Vec::new();
    if facts.tables.is_some() || !legacy {
        let schemas = facts.schemas.iter().map(|schema| ("SCHEMA", full(&[&facts.config.catalog, schema])));
        made.extend(schemas.map(|(kind, name)| format!("CREATE {kind} IF NOT EXISTS {name}")));
    }
    match &facts.config.storage {
        StorageSettings::Managed(settings) => volumes(facts, settings, &mut made, &mut rights),
        StorageSettings::S3(settings) if !legacy => steps.push(location(&s3_url(settings), &mut rights)),
        StorageSettings::Azure(settings) if !legacy => steps.push(location(&azure_url(settings), &mut rights)),
        _ => {}
    }
    if !made.is_empty() {
        let about = "Makes what a sync uses, so that it needs no right to make it.";
        steps.push(Step::sql("Schemas and volumes", about, made));
    }
    let all = || unknown(facts).into_iter().chain(of_location());
    let principal = grantee(facts);
    let give = |right: &Right| format!("GRANT {} ON {} TO {principal}", right.privileges, right.on);
    let take = |right: &Right| format!("REVOKE {} ON {} FROM {principal}", right.privileges, right.on);
    steps.push(Step::sql("Rights", "As an owner or an administrator.", rights.iter().map(give).collect()).with(all()));
    let mut back =
        vec![Step::sql("Rights", "As an owner or an administrator.", rights.iter().map(take).collect()).with(all())];
    let tables = existing(facts);
    if !tables.is_empty() {
        let about = "Only for tables that exist already and belong to somebody else: whoever creates a table owns it.";
        steps.push(Step::sql("Existing tables", about, tables.iter().map(give).collect()).with(all()));
        back.insert(
            0,
            Step::sql("Existing tables", "Where they were given.", tables.iter().map(take).collect()).with(all()),
        );
    }
    (steps, back)
}

/// Rights of Unity Catalog.
fn rights(facts: &Facts<'_>) -> Vec<Right> {
    let catalog = &facts.config.catalog;
    // Without a catalog file any namespace may come.
    let on_catalog = if facts.tables.is_some() { "USE CATALOG" } else { "USE CATALOG, CREATE SCHEMA" };
    let mut rights = vec![Right { privileges: on_catalog, on: format!("CATALOG {}", quoted(catalog)) }];
    for schema in &facts.schemas {
        rights
            .push(Right { privileges: "USE SCHEMA, CREATE TABLE", on: format!("SCHEMA {}", full(&[catalog, schema])) });
    }
    if let Some(staging) = staging(facts) {
        rights.push(Right {
            privileges: "USE SCHEMA, CREATE TABLE",
            on: format!("SCHEMA {}", full(&[catalog, &staging])),
        });
    }
    rights
}

/// Rights of the Hive metastore.
fn legacy_rights(facts: &Facts<'_>) -> Vec<Right> {
    let catalog = &facts.config.catalog;
    let mut rights = vec![Right { privileges: "USAGE", on: format!("CATALOG {}", quoted(catalog)) }];
    for schema in facts.schemas.iter().cloned().chain(staging(facts)) {
        rights.push(Right { privileges: "USAGE, CREATE", on: format!("SCHEMA {}", full(&[catalog, &schema])) });
    }
    rights.push(Right { privileges: "SELECT, MODIFY", on: "ANY FILE".to_owned() });
    rights
}

/// The schema of staging tables, where it is one of its own.
fn staging(facts: &Facts<'_>) -> Option<String> {
    let is_used = !matches!(facts.config.storage, StorageSettings::Managed(_));
    let own = facts.config.staging_schema.as_deref().map(identifier);
    own.filter(|schema| is_used && !facts.schemas.contains(schema))
}

fn existing(facts: &Facts<'_>) -> Vec<Right> {
    let table = |(schema, name): &(String, String)| Right {
        privileges: "SELECT, MODIFY",
        on: format!("TABLE {}", full(&[&facts.config.catalog, schema, name])),
    };
    facts.tables.iter().flatten().map(table).collect()
}

/// The volumes of staged files, and the rights on them.
fn volumes(facts: &Facts<'_>, settings: &ManagedSettings, made: &mut Vec<String>, rights: &mut Vec<Right>) {
    let mut add = |catalog: &str, schema: &str, volume: &str| {
        let name = full(&[catalog, schema, volume]);
        made.push(format!("CREATE VOLUME IF NOT EXISTS {name}"));
        rights.push(Right { privileges: "READ VOLUME, WRITE VOLUME", on: format!("VOLUME {name}") });
    };
    let Some(name) = &settings.staging_volume else {
        for schema in &facts.schemas {
            add(&facts.config.catalog, schema, DEFAULT_VOLUME);
        }
        // A schema that a stream brings gets a volume of its own, made by whoever creates the schema.
        return;
    };
    let is_known = name.catalog == facts.config.catalog && facts.schemas.contains(&name.schema);
    if !is_known {
        made.push(format!("CREATE SCHEMA IF NOT EXISTS {}", full(&[&name.catalog, &name.schema])));
    }
    made.push(format!("CREATE VOLUME IF NOT EXISTS {}", full(&[&name.catalog, &name.schema, &name.volume])));
    if name.catalog != facts.config.catalog {
        rights.push(Right { privileges: "USE CATALOG", on: format!("CATALOG {}", quoted(&name.catalog)) });
    }
    if !is_known {
        rights.push(Right { privileges: "USE SCHEMA", on: format!("SCHEMA {}", full(&[&name.catalog, &name.schema])) });
    }
    let on = format!("VOLUME {}", full(&[&name.catalog, &name.schema, &name.volume]));
    rights.push(Right { privileges: "READ VOLUME, WRITE VOLUME", on });
}

/// The external location that covers `url`, and the rights on it.
fn location(url: &str, rights: &mut Vec<Right>) -> Step {
    let name = quoted(LOCATION);
    rights.push(Right {
        privileges: "CREATE EXTERNAL TABLE, READ FILES, WRITE FILES",
        on: format!("EXTERNAL LOCATION {name}"),
    });
    let commands = vec![
        "SHOW EXTERNAL LOCATIONS".to_owned(),
        format!(
            "CREATE EXTERNAL LOCATION IF NOT EXISTS {name} URL '{}' WITH (STORAGE CREDENTIAL {})",
            url.replace('\\', "\\\\").replace('\'', "\\'"),
            quoted(CREDENTIAL)
        ),
    ];
    let about = "The tables and the staged files lie there. Where a location covers it already, the second statement is not needed.";
    Step::sql("The external location", about, commands).with(of_location())
}

fn of_location() -> [Unknown; 2] {
    [
        Unknown { placeholder: LOCATION, found: "the name of the location that covers it, or a new one.".to_owned() },
        Unknown {
            placeholder: CREDENTIAL,
            found: "one that may read and write there; SHOW STORAGE CREDENTIALS lists them.".to_owned(),
        },
    ]
}

fn s3_url(settings: &S3Settings) -> String {
    with_path(&format!("s3://{}", settings.bucket), &settings.path)
}

fn azure_url(settings: &AzureSettings) -> String {
    with_path(&format!("abfss://{}@{}", settings.container, settings.address.dfs_host), &settings.path)
}

fn with_path(root: &str, path: &str) -> String {
    if path.is_empty() { root.to_owned() } else { format!("{root}/{path}") }
}
