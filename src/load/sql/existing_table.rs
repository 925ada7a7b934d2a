//! Finds the existing table of a stream and checks that it can be loaded.
//!
//! Runs once for each stream, before the first record, and changes nothing. A table in the catalog is described by the server; a
//! Delta table in the bucket that is not registered in the catalog is read from its log. A table that cannot be loaded is a config
//! error that says what was found and what to do.

use std::collections::BTreeMap;
use std::sync::Arc;

use url::Url;

use super::answers::{Description, properties};
use super::inventory::Inventory;
use super::statements::{SchemaName, TableName, describe, show_properties};
use super::{SqlSession, generation_objects};
use crate::delta::DELTA_LOG;
use crate::error::{Error, Kind, Result, ResultExt};
use crate::load::columns::ensure_columns;
use crate::load::generation;
use crate::load::origin::{self, Origin, StoredDescription};
use crate::schema::columns::TableSchema;
use crate::target::Target;

/// What was found of a stream's table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExistingTable {
    /// Where the table is.
    pub existing: Existing,
    /// The generation of its rows, if it is stored and the stream has generations.
    pub generation: Option<i64>,
    /// Whether its columns have a collation.
    pub is_collated: bool,
}

impl ExistingTable {
    fn at(existing: Existing) -> Self {
        Self { existing, generation: None, is_collated: false }
    }
}

/// Where a stream's table is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Existing {
    /// Nowhere.
    Nowhere,
    /// In the bucket only: created by `direct`, or dropped from the catalog, which leaves the files.
    InBucket,
    /// In the catalog and in the bucket.
    InCatalog,
}

/// `target` with the older name of its table if an older version of this connector created the table under that name.
pub async fn named(session: &SqlSession, inventory: &Inventory, target: Arc<Target>) -> Result<Arc<Target>> {
    let Some(older) = target.older.as_deref() else { return Ok(target) };
    let in_bucket = async |table: &str| session.storage.has_any(&format!("{table}/{DELTA_LOG}")).await;
    if inventory.has(&target.table) || in_bucket(&target.table).await? {
        return Ok(target);
    }
    let is_own = if inventory.has(older) {
        let Some((schema, table)) = older.split_once('/') else { return Ok(target) };
        let name = SchemaName::new(&session.catalog, schema).table(table);
        let described = described(session, &target, older, &name).await?;
        let said = StoredDescription::InCatalog(described.comment.as_deref());
        let found = origin::find_origin(said, &target);
        // Otherwise two streams would load the same table.
        if found == Origin::PossiblyOwn && inventory.is_contested(older) {
            return Err(origin::possibly_own_error(&name, said, &target));
        }
        matches!(found, Origin::Own | Origin::PossiblyOwn)
    } else if in_bucket(older).await? {
        let shown = session.storage.shown(older);
        session.tables.run(|logs| origin::is_own_log(logs, older, &shown, &target)).await?
    } else {
        false
    };
    Ok(if is_own { Arc::new(Target { table: older.to_owned(), ..Target::clone(&target) }) } else { target })
}

/// Finds the table `name` of `target`.
///
/// # Errors
/// A config error if the table exists and cannot be loaded.
pub async fn find_existing(
    session: &SqlSession,
    inventory: &Inventory,
    target: &Target,
    name: &TableName,
) -> Result<ExistingTable> {
    if inventory.has(&target.table) {
        return in_the_catalog(session, target, name).await;
    }
    let storage = &session.storage;
    if !inventory.folders.may_have(&target.table) || !storage.has_any(&target.table).await? {
        return Ok(ExistingTable::at(Existing::Nowhere));
    }
    if storage.has_any(&format!("{}/{DELTA_LOG}", target.table)).await?
        && let Some(found) = in_the_bucket(session, target, name).await?
    {
        return Ok(found);
    }
    Err(Error::config(format!(
        "The folder {} of table {name} has files in it that are no Delta table. Move them away or rename the stream.",
        storage.shown(&target.table)
    )))
}

/// The description of the table `name`, which the stream of `target` may load into; `table` is the path of its folder.
///
/// A metastore may not keep every character of a comment. If the comment could therefore mean two streams, the description comes
/// from the Delta log, which keeps all characters, if the log exists and can be read.
async fn described(session: &SqlSession, target: &Target, table: &str, name: &TableName) -> Result<Description> {
    let answer = session.execute(&describe(name)).await.context(|| "describing the table".to_owned())?;
    let mut described = Description::read(&answer);
    let is_there = is_same_place(described.location.as_deref().unwrap_or_default(), &session.storage.uri(table));
    if is_there
        && origin::is_ambiguous(StoredDescription::InCatalog(described.comment.as_deref()), target)
        && session.storage.has_any(&format!("{table}/{DELTA_LOG}")).await?
    {
        let found = session.tables.run(|logs| logs.describe(table).ok().flatten()?.0.description).await;
        described.comment = found.or(described.comment);
    }
    Ok(described)
}

async fn in_the_catalog(session: &SqlSession, target: &Target, name: &TableName) -> Result<ExistingTable> {
    let described = described(session, target, &target.table, name).await?;
    ensure_loadable(&session.columns, &described, target, name, &session.storage.uri(&target.table))?;
    let is_collated = described.columns.iter().any(|(_, kind)| without_collation(kind) != kind);
    let found = ExistingTable { is_collated, ..ExistingTable::at(Existing::InCatalog) };
    let replaces = target.write_mode.removes_rows();
    if !replaces && target.generation_id.is_none() {
        return Ok(found);
    }
    let properties = properties_of(session, name).await?;
    if replaces && properties.get("delta.appendOnly").is_some_and(|value| value.eq_ignore_ascii_case("true")) {
        return Err(Error::config(format!(
            "Table {name} has the property delta.appendOnly, so its rows cannot be replaced. Choose the sync mode append, \
             or remove the property: ALTER TABLE {name} UNSET TBLPROPERTIES ('delta.appendOnly')."
        )));
    }
    Ok(ExistingTable { generation: generation_in(session, target, &properties).await?, ..found })
}

/// The present generation of the rows of the table `name`.
pub async fn generation_of(session: &SqlSession, target: &Target, name: &TableName) -> Result<Option<i64>> {
    generation_in(session, target, &properties_of(session, name).await?).await
}

async fn properties_of(session: &SqlSession, name: &TableName) -> Result<BTreeMap<String, String>> {
    let answer = session.execute(&show_properties(name)).await.context(|| "reading its properties".to_owned())?;
    Ok(properties(&answer))
}

async fn generation_in(
    session: &SqlSession,
    target: &Target,
    properties: &BTreeMap<String, String>,
) -> Result<Option<i64>> {
    let generation = properties.get(generation::PROPERTY).and_then(|value| value.parse().ok());
    or_generation_object(session, target, generation.filter(|_| target.generation_id.is_some())).await
}

/// The table's generation: its `property`, or the sync's own generation if an object in the bucket has it.
async fn or_generation_object(session: &SqlSession, target: &Target, property: Option<i64>) -> Result<Option<i64>> {
    let Some(id) = target.generation_id.filter(|id| property != Some(*id)) else {
        return Ok(property);
    };
    let is_noted = generation_objects::has(&session.storage, &target.table, id).await?;
    Ok(if is_noted { Some(id) } else { property })
}

/// Reads a Delta table in the bucket; `None` if its log has neither a commit nor a checkpoint.
async fn in_the_bucket(session: &SqlSession, target: &Target, name: &TableName) -> Result<Option<ExistingTable>> {
    let (shown, uri) = (session.storage.shown(&target.table), session.storage.uri(&target.table));
    let found = session.tables.run(|logs| {
        // Databricks will read and write it, and knows table features that this program does not.
        let described = logs.describe(&target.table).map_err(|error| or_by_hand(error, name, &uri))?;
        let Some((described, readable)) = described else { return Ok(None) };
        let replaces = target.write_mode.removes_rows();
        described.ensure_writable_by_server(&shown, replaces)?;
        ensure_columns(&session.columns, &shown, &target.stream, described.columns.clone())?;
        origin::ensure_own(&shown, StoredDescription::InLog(described.description.as_deref()), target, replaces)?;
        let property = described.property(generation::PROPERTY);
        let transaction = match readable.filter(|_| target.generation_id.is_some()) {
            Some(snapshot) => snapshot.transaction(generation::TRANSACTION)?,
            None => None,
        };
        let generation = target.generation_id.and_then(|id| generation::newest(transaction, property, id));
        Ok::<_, Error>(Some(generation))
    });
    let Some(generation) = found.await? else { return Ok(None) };
    let generation = or_generation_object(session, target, generation).await?;
    Ok(Some(ExistingTable { generation, ..ExistingTable::at(Existing::InBucket) }))
}

/// Adds to the error of an unreadable log how to register the table in the catalog: the next sync then asks the server, which may
/// be able to read the table.
fn or_by_hand(error: Error, name: &TableName, uri: &str) -> Error {
    if error.kind() != Kind::Config {
        return error;
    }
    let said = format!(
        "{} If Databricks can read it, register it in the catalog, and the next sync uses it: CREATE TABLE {name} USING \
         delta LOCATION '{}'",
        error,
        uri.replace('\'', "\\'")
    );
    Error::config(said).with_source(error)
}

/// A column type of Databricks without its collation: `string` for `string collate utf8_lcase`.
fn without_collation(kind: &str) -> &str {
    kind.split_once(" collate ").map_or(kind, |(kind, _)| kind)
}

/// Refuses a table that the engine cannot load.
fn ensure_loadable(
    expected: &TableSchema,
    found: &Description,
    target: &Target,
    name: &TableName,
    folder: &str,
) -> Result<()> {
    let kind = found.kind.as_deref().unwrap_or_default();
    let advice = "Drop or rename it, or rename the stream.";
    if kind.to_uppercase().contains("VIEW") {
        return Err(Error::config(format!(
            "{name} is a view, and the table of stream {} would have the same name. {advice}",
            target.stream
        )));
    }
    let provider = found.provider.as_deref().unwrap_or_default();
    if !provider.eq_ignore_ascii_case("delta") {
        let provider = if provider.is_empty() { "no known format" } else { provider };
        return Err(Error::config(format!(
            "Table {name} of stream {} is in the format {provider}, and only delta can be loaded. {advice}",
            target.stream
        )));
    }
    let location = found.location.as_deref().unwrap_or_default();
    if !is_same_place(location, folder) {
        let location = if location.is_empty() { "a place that the server does not tell" } else { location };
        let managed = if kind.eq_ignore_ascii_case("MANAGED") { "a managed table" } else { "a table" };
        return Err(Error::config(format!(
            "{name} is {managed} in {location}, but stream {} is loaded into {folder}. {advice} If the table is the \
             right one, correct `data_source.s3_bucket_name` and `data_source.s3_bucket_path`.",
            target.stream
        )));
    }
    ensure_all_is_seen(expected, found, target, name)?;
    if found.partitioned {
        return Err(Error::config(format!(
            "Table {name} is partitioned. Tables are loaded without partitions: move it away or rename the stream."
        )));
    }
    let columns = found.columns.iter().map(|(name, kind)| (name.clone(), without_collation(kind).to_owned()));
    ensure_columns(expected, &name.to_string(), &target.stream, columns.collect())?;
    let replaces = target.write_mode.removes_rows();
    origin::ensure_own(name, StoredDescription::InCatalog(found.comment.as_deref()), target, replaces)
}

/// Refuses a table with a row filter, or with a mask on a column that statements compare: a MERGE would insert again the rows that
/// it does not see, and no count would show it. Whether a filter exempts the token's user cannot be asked. A mask on the records
/// alone does no harm.
fn ensure_all_is_seen(expected: &TableSchema, found: &Description, target: &Target, name: &TableName) -> Result<()> {
    let may_be_masked = |name: &String| expected.record().iter().any(|column| column.name == *name);
    let masked = found.masked.iter().find(|column| !may_be_masked(column));
    let (what, how) = match masked {
        _ if found.filtered => ("it has a row filter".to_owned(), format!("ALTER TABLE {name} DROP ROW FILTER")),
        Some(column) => (
            format!("its column {column} has a mask"),
            format!("ALTER TABLE {name} ALTER COLUMN `{}` DROP MASK", column.replace('`', "``")),
        ),
        None => return Ok(()),
    };
    Err(Error::config(format!(
        "Table {name} of stream {} cannot be loaded, because {what}: what was loaded has to be found again, or it would be \
         loaded twice. Remove it ({how}) and put it on a view that people read, or rename the stream.",
        target.stream
    )))
}

/// Whether two URLs mean the same folder; `s3a` and `s3n` are `s3`, and percent-encoding does not matter.
fn is_same_place(one: &str, other: &str) -> bool {
    let normal = |location: &str| {
        let (scheme, rest) = location.split_once("://").unwrap_or(("file", location));
        let scheme = if matches!(scheme, "s3a" | "s3n") { "s3" } else { scheme };
        Some(Url::parse(&format!("{scheme}://{}", rest.trim_end_matches('/'))).ok()?.to_string())
    };
    normal(one).is_some_and(|one| normal(other) == Some(one))
}

#[cfg(test)]
#[path = "existing_table_tests.rs"]
mod tests;
