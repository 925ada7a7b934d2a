//! Finds the existing table of a stream and checks that it can be loaded.
//!
//! Runs once for each stream, before the first record, and changes nothing. A table in the catalog is described by the server; a
//! Delta table in the bucket that is not registered in the catalog is read from its log. A table that cannot be loaded is a config
//! error that says what was found and what to do.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::answers::{Description, properties};
use super::inventory::Inventory;
use super::loadable::{ensure_loadable, ensure_managed, ensure_own, is_managed, is_same_place};
use super::statements::columns::Replaced;
use super::statements::{SchemaName, TableName, describe, show_properties};
use super::{SqlSession, TablePlace, found_columns, generation_objects};
use crate::delta::DELTA_LOG;
use crate::error::{Error, Kind, Result, ResultExt};
use crate::load::columns::{Fitted, FoundTable, ensure_written_alike, fit_table};
use crate::load::origin::{self, Origin, StoredDescription};
use crate::load::{RowsBefore, TableState, generation};
use crate::schema::alter::{columns_after, path_of, type_at};
use crate::schema::dedup;
use crate::schema::fit::Terms;
use crate::schema::table_type::{FoundColumn, TableType, are_same_names};
use crate::target::Target;

/// What was found of a stream's table.
pub struct ExistingTable {
    /// Where the table is.
    pub existing: Existing,
    /// The generation of its rows, if it is stored and the stream has generations.
    pub generation: Option<i64>,
    /// Whether its columns have a collation.
    pub is_collated: bool,
    /// It lies elsewhere than a new table would.
    pub is_away: bool,
    /// How the stream goes into it.
    pub fitted: Fitted,
    /// It takes wider types.
    pub widens: bool,
    /// What it is, where its columns change when its rows are replaced.
    pub replaced: Option<Replaced>,
    /// By which key it says that its rows were loaded; not read where no row is replaced, but there if it says so.
    pub key: Option<String>,
    /// Its columns that the files of the stream do not have.
    pub others: Vec<String>,
    /// Those among them that become NULL where a row is replaced.
    pub emptied: Vec<String>,
    /// Some of its columns show other values than they have.
    pub is_masked: bool,
}

impl ExistingTable {
    fn at(existing: Existing, target: &Target) -> Result<Self> {
        let fitted = Fitted::new_table(target, &target.table)?;
        Ok(Self {
            existing,
            generation: None,
            is_collated: false,
            is_away: false,
            fitted,
            widens: false,
            replaced: None,
            key: None,
            others: Vec::new(),
            emptied: Vec::new(),
            is_masked: false,
        })
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
    if let Some(raw) = target.raw.clone().filter(|_| session.is_managed())
        && is_called_raw(session, inventory, &target, &raw).await?
    {
        return Ok(Arc::new(Target { table: raw, ..Target::clone(&target) }));
    }
    let Some(older) = target.older.as_deref() else { return Ok(target) };
    let in_bucket = async |table: &str| {
        Ok::<_, Error>(!session.is_managed() && session.storage.has_any(&format!("{table}/{DELTA_LOG}")).await?)
    };
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

/// Whether the table of `target` is called `raw`, as connector 1.1.x called it: by the settings, or because there is one and none of the
/// stream's own name.
async fn is_called_raw(session: &SqlSession, inventory: &Inventory, target: &Target, raw: &str) -> Result<bool> {
    if matches!(session.place, TablePlace::Managed { has_raw_prefix: true, .. }) {
        return Ok(true);
    }
    let Some((schema, table)) = raw.split_once('/').filter(|_| inventory.has(raw) && !inventory.has(&target.table))
    else {
        return Ok(false);
    };
    let name = SchemaName::new(&session.catalog, schema).table(table);
    let described = described(session, target, raw, &name).await?;
    // The older connector gave its managed tables no comment.
    Ok(origin::find_origin(StoredDescription::InCatalog(described.comment.as_deref()), target) != Origin::Other)
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
    if session.is_managed() {
        return ExistingTable::at(Existing::Nowhere, target);
    }
    if !inventory.folders.may_have(&target.table) || !storage.has_any(&target.table).await? {
        return ExistingTable::at(Existing::Nowhere, target);
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
    ensure_loadable(&described, target, name)?;
    if session.is_managed() {
        ensure_managed(&described, target, name)?;
    }
    let (is_typed, removes_rows) = (found_columns::are_typed(target), target.removes_rows());
    if !is_typed {
        found_columns::fit(target, name, &described, &[], Terms::default())?;
        ensure_own(&described, target, name)?;
    }
    let location = described.location.clone().unwrap_or_default();
    let is_away = !is_same_place(&location, &session.storage.uri(&target.table));
    if is_away && !session.is_managed() {
        tracing::info!("Table {name} of stream {} is loaded where it lies: {location}", target.stream);
    }
    let mut found = ExistingTable {
        is_collated: found_columns::is_collated(&described),
        is_away,
        is_masked: !described.masked.is_empty(),
        key: described.is_keyed.then(String::new),
        ..ExistingTable::at(Existing::InCatalog, target)?
    };
    let names = described.columns.iter().map(|(name, _)| name);
    found.others = others(names, &found.fitted);
    let mut properties = None;
    if removes_rows || target.generation_id.is_some() {
        let read = properties_of(session, name).await?;
        if removes_rows && is_set(&read, "delta.appendOnly") {
            return Err(Error::config(format!(
                "Table {name} has the property delta.appendOnly, so its rows cannot be replaced. Choose the sync mode append, \
                 or remove the property: ALTER TABLE {name} UNSET TBLPROPERTIES ('delta.appendOnly')."
            )));
        }
        found.generation = generation_in(session, (target, is_away), &read).await?;
        found.key = read.get(dedup::PROPERTY).cloned();
        properties = Some(read);
    }
    if is_typed {
        let columns = found_columns::columns(session, name, &described).await?;
        let replaces = TableState::of(target, true, found.generation, RowsBefore::NotAsked).replaces;
        if !replaces {
            ensure_written_alike(target, &name.to_string(), found.key.as_deref())?;
        }
        let terms = Terms { evolution: session.evolution, replaces, widens: false };
        found.fitted = found_columns::fit(target, name, &described, &columns, terms)?;
        if session.evolution && !found.fitted.warnings.is_empty() {
            let read = match properties {
                Some(read) => read,
                None => properties_of(session, name).await?,
            };
            found.widens = is_set(&read, "delta.enableTypeWidening");
            found.fitted =
                found_columns::fit(target, name, &described, &columns, Terms { widens: found.widens, ..terms })?;
            properties = Some(read);
        }
        ensure_own(&described, target, name)?;
        found.others = others(columns.iter().map(|column| &column.name), &found.fitted);
        found.emptied = found.others.clone();
        found.replaced = (replaces && !found.fitted.changes.is_empty()).then(|| {
            let (mut properties, columns) =
                (properties.unwrap_or_default(), columns_after(&columns, &found.fitted.changes));
            with_key(&mut properties, target);
            Replaced {
                location: described.location.filter(|_| described.kind.is_some_and(|kind| !is_managed(&kind))),
                comment: described.comment,
                clustered_by: clusters(described.clustered_by, &properties, &columns),
                properties,
                columns,
            }
        });
    }
    Ok(found)
}

/// The names among `found` that no column of a staged file has.
fn others<'a>(found: impl Iterator<Item = &'a String>, fitted: &Fitted) -> Vec<String> {
    let is_other = |name: &&String| fitted.files.columns().all(|own| !are_same_names(&own.name, name));
    found.filter(is_other).cloned().collect()
}

/// Makes the properties of a table whose rows are replaced say by which key they are loaded.
fn with_key(properties: &mut BTreeMap<String, String>, target: &Target) {
    match &target.dedup {
        Some(dedup) => properties.insert(dedup::PROPERTY.to_owned(), dedup.id()),
        None => properties.remove(dedup::PROPERTY),
    };
}

/// The columns that a table is clustered by, by its description or its properties, as far as it can be when it has `columns`.
fn clusters(
    described: Vec<String>,
    properties: &BTreeMap<String, String>,
    columns: &[FoundColumn],
) -> Vec<Vec<String>> {
    let mut names = Vec::new();
    if described.is_empty() {
        let told = properties.get("clusteringColumns").and_then(|told| serde_json::from_str(told).ok());
        names = told.unwrap_or_default();
    }
    names.extend(described.iter().filter_map(|name| path_of(columns, name)));
    names.retain(|path: &Vec<String>| type_at(columns, path).is_some_and(can_be_clustered_by));
    names
}

/// Whether Delta has statistics of the type by which it skips files.
fn can_be_clustered_by(kind: &TableType) -> bool {
    matches!(kind, TableType::Simple(name) if !matches!(name.as_str(), "boolean" | "binary" | "variant"))
}

fn is_set(properties: &BTreeMap<String, String>, key: &str) -> bool {
    properties.get(key).is_some_and(|value| value.eq_ignore_ascii_case("true"))
}

/// The present generation of the rows of the table `name`.
pub async fn generation_of(session: &SqlSession, target: (&Target, bool), name: &TableName) -> Result<Option<i64>> {
    generation_in(session, target, &properties_of(session, name).await?).await
}

async fn properties_of(session: &SqlSession, name: &TableName) -> Result<BTreeMap<String, String>> {
    let answer = session.execute(&show_properties(name)).await.context(|| "reading its properties".to_owned())?;
    Ok(properties(&answer))
}

async fn generation_in(
    session: &SqlSession,
    (target, is_away): (&Target, bool),
    properties: &BTreeMap<String, String>,
) -> Result<Option<i64>> {
    let generation = properties.get(generation::PROPERTY).and_then(|value| value.parse().ok());
    or_generation_object(session, (target, is_away), generation.filter(|_| target.generation_id.is_some())).await
}

/// The table's generation: its `property`, or the sync's own generation if an object in the bucket has it.
async fn or_generation_object(
    session: &SqlSession,
    (target, is_away): (&Target, bool),
    property: Option<i64>,
) -> Result<Option<i64>> {
    let Some(id) = target.generation_id.filter(|id| property != Some(*id)) else {
        return Ok(property);
    };
    let is_noted = generation_objects::has(&session.storage, &session.noted_as(target, is_away), id).await?;
    Ok(if is_noted { Some(id) } else { property })
}

/// Reads a Delta table in the bucket; `None` if its log has neither a commit nor a checkpoint.
async fn in_the_bucket(session: &SqlSession, target: &Target, name: &TableName) -> Result<Option<ExistingTable>> {
    let (shown, uri) = (session.storage.shown(&target.table), session.storage.uri(&target.table));
    let found = session.tables.run(|logs| {
        // Databricks will read and write it, and knows table features that this program does not.
        let described = logs.describe(&target.table).map_err(|error| or_by_hand(error, name, &uri))?;
        let Some((described, readable)) = described else { return Ok(None) };
        let replaces = target.removes_rows();
        described.ensure_writable_by_server(&shown, replaces)?;
        let property = described.property(generation::PROPERTY);
        let transaction = match readable.filter(|_| target.generation_id.is_some()) {
            Some(snapshot) => snapshot.transaction(generation::TRANSACTION)?,
            None => None,
        };
        let generation = target.generation_id.and_then(|id| generation::newest(transaction, property, id));
        let key = described.property(dedup::PROPERTY).map(ToOwned::to_owned);
        Ok::<_, Error>(Some((described, generation, key)))
    });
    let Some((described, generation, key)) = found.await? else { return Ok(None) };
    let generation = or_generation_object(session, (target, false), generation).await?;
    let replaces = TableState::of(target, true, generation, RowsBefore::NotAsked).replaces;
    let terms = Terms { evolution: session.evolution, replaces, widens: false };
    let named = described.columns.clone();
    let fitted = fit_table(target, FoundTable { shown: &shown, named, columns: &described.found }, terms)?;
    let said = StoredDescription::InLog(described.description.as_deref());
    origin::ensure_own(&shown, said, target, target.removes_rows())?;
    let mut properties = described.properties();
    with_key(&mut properties, target);
    let others = others(described.found.iter().map(|column| &column.name), &fitted);
    let replaced = (replaces && !fitted.changes.is_empty()).then(|| Replaced {
        location: Some(uri),
        comment: described.description.clone(),
        properties,
        clustered_by: Vec::new(),
        columns: columns_after(&described.found, &fitted.changes),
    });
    Ok(Some(ExistingTable {
        generation,
        fitted,
        replaced,
        key,
        emptied: others.clone(),
        others,
        ..ExistingTable::at(Existing::InBucket, target)?
    }))
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
