//! How a stream is loaded into a table that exists, by the table's columns. Pure, the same for both engines.

use std::sync::Arc;

use crate::error::{Error, Result, StreamDescriptor};
use crate::schema::alter::Alter;
use crate::schema::columns::{Layout, TableSchema};
use crate::schema::dedup::{Place, Places};
use crate::schema::fit::{Fit, Shown, Terms, fit, fitting_layout, lacks_only_vacant_fields};
use crate::schema::kind::Kind;
use crate::schema::table_type::FoundColumn;
use crate::target::Target;

/// A table's columns.
pub struct FoundTable<'a> {
    /// What the user calls the table.
    pub shown: &'a str,
    /// Names and types, for tables of the raw layout and for messages.
    pub named: Vec<(String, String)>,
    /// The same to be compared with a stream's.
    pub columns: &'a [FoundColumn],
}

/// How the files of a stream go into a table.
#[derive(Debug, Clone)]
pub struct Fitted {
    /// Their columns.
    pub files: Arc<TableSchema>,
    /// What the table needs before it takes them.
    pub changes: Vec<Alter>,
    /// What users should know.
    pub warnings: Vec<String>,
    /// Where the values are by which rows take the place of one another; none where all rows are kept.
    pub places: Option<Arc<Places>>,
}

impl Fitted {
    /// How the files of `target` go into a table that is made for them, `shown` to users.
    ///
    /// # Errors
    /// A config error: its layout has no column for a key.
    pub fn new_table(target: &Target, shown: &str) -> Result<Self> {
        let files = Arc::clone(&target.columns);
        let places = places(target, &files, shown)?;
        Ok(Self { warnings: rounded_keys(target, places.as_deref()), places, files, changes: Vec::new() })
    }
}

/// Fits the stream of `target` to the table `found`.
///
/// # Errors
/// A config error that says what differs and what to do.
pub fn fit_table(target: &Target, found: FoundTable<'_>, terms: Terms) -> Result<Fitted> {
    if target.columns.layout() == Layout::Raw {
        ensure_columns(&target.columns, found.shown, &target.stream, found.named)?;
        return Fitted::new_table(target, found.shown);
    }
    let shown = Shown { table: found.shown, stream: &target.stream };
    let Fit { files, changes, mut warnings } = fit(&target.columns, found.columns, terms, shown)?;
    let files = if files == *target.columns { Arc::clone(&target.columns) } else { Arc::new(files) };
    let places = places(target, &files, found.shown)?;
    warnings.extend(rounded_keys(target, places.as_deref()));
    Ok(Fitted { files, changes, warnings, places })
}

/// Checks that the parts of `target`'s key are written in its table's columns as they were by the key `stored` with the table.
///
/// # Errors
/// A config error that names the part.
pub fn ensure_written_alike(target: &Target, shown: &str, stored: Option<&str>) -> Result<()> {
    let has_texts = target.columns.layout() != Layout::Raw;
    let dedup = target.dedup.as_ref().filter(|_| has_texts);
    let part = dedup.zip(stored).and_then(|(dedup, stored)| dedup.written_otherwise_than(stored));
    let Some(part) = part else { return Ok(()) };
    Err(Error::config(format!(
        "Stream {} cannot be loaded into table {shown} by its primary key: the type of {part} has changed from or to several \
         types (or none), which the column has as JSON, so that one key would be there twice, with quotes and without. Replace the rows \
         (a refresh), or correct the type.",
        target.stream
    )))
}

/// What users of keys should know that are DOUBLE columns.
fn rounded_keys(target: &Target, places: Option<&Places>) -> Vec<String> {
    let keys = places.map(|places| places.key.as_slice()).unwrap_or_default();
    let rounded = keys.iter().filter(|place| place.json.is_empty() && matches!(place.kind, Kind::Float | Kind::Double));
    let warning = |place: &Place| {
        format!(
            "Stream {}: the column {} of its primary key is {}, which tells about {} digits apart: keys that differ behind those are one. \
             In new tables, `number_type: decimal` tells 28 digits and 10 decimals apart.",
            target.stream,
            place.column,
            place.kind.sql(),
            if place.kind == Kind::Float { 7 } else { 15 }
        )
    };
    rounded.map(warning).collect()
}

/// Where the values are in `files` by which rows of `target` take the place of one another.
fn places(target: &Target, files: &TableSchema, shown: &str) -> Result<Option<Arc<Places>>> {
    let Some(dedup) = &target.dedup else { return Ok(None) };
    let found = dedup.places(files).map_err(|problems| {
        Error::config(format!(
            "Stream {} cannot be loaded into table {shown} by its primary key: the table {}. Set `enable_schema_evolution` to have \
             columns added, or replace the rows (a refresh) to have their types changed, or move the table away.",
            target.stream,
            problems.join(" and ")
        ))
    })?;
    Ok(Some(Arc::new(found)))
}

/// The changes that a table, which may have changed since it was opened, needs for files with the columns `files`. `may_lack`: who
/// reads them takes fields of structures that they lack for NULL.
///
/// # Errors
/// A transient error where they do not go into it any more: the next attempt fits the stream to what is there then.
pub fn fit_files(
    files: &Arc<TableSchema>,
    (shown, stream): (&str, &StreamDescriptor),
    found: impl FnOnce() -> Vec<FoundColumn>,
    terms: Terms,
    may_lack: bool,
) -> Result<Vec<Alter>> {
    if files.layout() == Layout::Raw {
        return Ok(Vec::new());
    }
    let changed = |error: Option<Error>| {
        let said = format!(
            "The columns of table {shown} have changed since the sync began, and what was read of stream {stream} does not go \
             into them any more. Run the sync again: it then begins with the columns that are there."
        );
        let transient = Error::transient(said);
        match error {
            Some(error) => transient.with_source(error),
            None => transient,
        }
    };
    let fitted = fit(files, &found(), terms, Shown { table: shown, stream }).map_err(|error| changed(Some(error)))?;
    let go = fitted.files == **files || may_lack && lacks_only_vacant_fields(files, &fitted.files);
    if go { Ok(fitted.changes) } else { Err(changed(None)) }
}

/// Checks that a table has the columns `expected`. `found`: its names and types as Delta writes them, in any order; `shown`: the
/// table as the user knows it.
///
/// # Errors
/// A config error that lists both sets of columns, if they differ.
fn ensure_columns(
    expected: &TableSchema,
    shown: &str,
    stream: &StreamDescriptor,
    mut found: Vec<(String, String)>,
) -> Result<()> {
    if expected.matches(&found) {
        return Ok(());
    }
    let layout = fitting_layout(found.iter().map(|(name, _)| &**name));
    found.sort();
    let found: Vec<_> = found.iter().map(|(name, kind)| format!("{name} {kind}")).collect();
    let expected: Vec<_> =
        expected.columns().map(|column| format!("{} {}", column.name, column.kind.delta().trim_matches('"'))).collect();
    Err(Error::config(format!(
        "Table {shown} has other columns than stream {stream} needs. It has: {}. Expected: {}. {layout}Move the table \
         away or rename the stream.",
        found.join(", "),
        expected.join(", ")
    )))
}
