//! The text of every statement that is sent: pure functions, one statement each, with golden files in `golden`.
//!
//! Names always have three parts and are quoted; literals are escaped. Every text is valid for Databricks and for open-source
//! Spark, and every statement can be repeated without harm, as transports require.

pub mod columns;
pub mod csv;
pub mod dedup;
pub mod files;
pub mod volumes;

use std::fmt;

use chrono::{DateTime, Datelike};
use uuid::Uuid;

use crate::error::StreamDescriptor;
use crate::load::{generation, origin};
use crate::recovery::catalog_table::{CatalogTable, staging_table_prefix};
use crate::schema::columns::{Column, TableSchema};
use crate::schema::dedup as dedup_rules;
use crate::schema::naming::identifier;
use crate::schema::stats::RowStats;

/// Table property whose change is the fence: statements of unknown outcome fail at it.
const FENCE: &str = "destination-databricks.fence";
/// With more names than this, SHOW gets no pattern and lists everything.
const NAMED: usize = 50;

/// A schema, by its full name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SchemaName {
    catalog: String,
    schema: String,
}

/// A table, by its full name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableName {
    schema: SchemaName,
    table: String,
    /// Whether its columns are known to have a collation.
    collated: bool,
    /// Whether all its columns are texts, of which values of the columns' types are made.
    texts: bool,
}

/// A final table to create.
pub struct NewTable<'a> {
    /// Its name.
    pub name: &'a TableName,
    /// Its columns.
    pub columns: &'a TableSchema,
    /// The folder of its files, as a URL; none for a managed table.
    pub location: Option<&'a str>,
    /// The stream, for the table's comment: see [`origin`].
    pub stream: StreamDescriptor,
    /// Airbyte's name of the destination sync mode.
    pub mode: &'static str,
    /// The generation of its rows.
    pub generation: Option<i64>,
    /// By which key its rows are loaded: see [`Dedup::id`](crate::schema::dedup::Dedup::id).
    pub key: Option<String>,
    /// The paths of the columns that it is clustered by.
    pub clustered_by: Vec<Vec<String>>,
}

impl SchemaName {
    /// The schema `schema` of `catalog`.
    pub fn new(catalog: &str, schema: &str) -> Self {
        Self { catalog: catalog.to_owned(), schema: schema.to_owned() }
    }

    /// Its catalog.
    pub fn catalog(&self) -> &str {
        &self.catalog
    }

    /// Its own name.
    pub fn schema(&self) -> &str {
        &self.schema
    }

    /// The table `table` in it.
    pub fn table(&self, table: &str) -> TableName {
        TableName { schema: self.clone(), table: table.to_owned(), collated: false, texts: false }
    }
}

impl TableName {
    /// The schema it is in.
    pub fn schema(&self) -> &SchemaName {
        &self.schema
    }

    /// Its own name.
    pub fn table(&self) -> &str {
        &self.table
    }

    /// The name of `table`; in the catalog `own` if it names no catalog.
    pub fn of(table: &CatalogTable, own: &str) -> TableName {
        SchemaName::new(table.catalog.as_deref().unwrap_or(own), &table.schema).table(&table.table)
    }

    /// The staging table of the sync `sync` for this table: in `schema`, else beside it. `renamed`: how often it got another name.
    pub fn staging_table(&self, schema: Option<&str>, sync: Uuid, renamed: u32) -> TableName {
        let prefix = staging_table_prefix(sync);
        let again = if renamed == 0 { String::new() } else { format!("x{renamed}") };
        let (own, table) = (&self.schema.schema, &self.table);
        match schema {
            None => self.schema.table(&identifier(&format!("{prefix}{again}_{table}"))),
            // The length keeps tables of different schemas apart: it shows where the schema's name ends.
            Some(schema) => SchemaName::new(&self.schema.catalog, schema)
                .table(&identifier(&format!("{prefix}{again}_{}_{own}_{table}", own.len()))),
        }
    }

    /// The same table, known to have a collation: statements then say by which collation columns are compared.
    pub fn with_collation(self) -> Self {
        Self { collated: true, ..self }
    }

    /// The same table, of which all columns are texts in CSV files: statements then make values of them.
    pub fn of_texts(self) -> Self {
        Self { texts: true, ..self }
    }

    /// Whether its columns are known to have a collation.
    pub fn is_collated(&self) -> bool {
        self.collated
    }

    /// Its `column` as part of a comparison, under the name `alias`. COLLATE only if needed: old servers do not know it.
    fn compared(&self, alias: &str, column: &Column) -> String {
        let how = if self.collated { " COLLATE UTF8_BINARY" } else { "" };
        format!("{alias}.{}{how}", quoted(&column.name))
    }

    /// Schema and table as a path.
    pub fn path(&self) -> String {
        format!("{}/{}", self.schema.schema, self.table)
    }
}

impl fmt::Display for SchemaName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", quoted(&self.catalog), quoted(&self.schema))
    }
}

impl fmt::Display for TableName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.schema, quoted(&self.table))
    }
}

/// Lists `schemas` as far as they exist, and possibly others; the first column of the result has the names.
pub fn show_schemas(catalog: &str, schemas: &[&str]) -> String {
    format!("SHOW SCHEMAS IN {}{}", quoted(catalog), pattern(schemas))
}

/// Lists `tables` and views of these names as far as they exist, and possibly others.
pub fn show_tables(schema: &SchemaName, tables: &[&str]) -> String {
    format!("SHOW TABLES IN {schema}{}", pattern(tables))
}

/// Describes a table: its columns, then its kind, format, location and comment.
pub fn describe(table: &TableName) -> String {
    format!("DESCRIBE TABLE EXTENDED {table}")
}

/// Lists a table's properties.
pub fn show_properties(table: &TableName) -> String {
    format!("SHOW TBLPROPERTIES {table}")
}

/// Creates a schema.
pub fn create_schema(schema: &SchemaName) -> String {
    format!("CREATE SCHEMA IF NOT EXISTS {schema}")
}

/// Drops an empty schema.
pub fn drop_schema(schema: &SchemaName) -> String {
    format!("DROP SCHEMA IF EXISTS {schema} RESTRICT")
}

/// Registers the Delta table whose log is in `location`; does not change it.
pub fn create_over(table: &TableName, location: &str) -> String {
    format!("CREATE TABLE IF NOT EXISTS {table}\nUSING delta\nLOCATION {}", literal(location))
}

/// Creates an empty final table.
pub fn create_table(new: &NewTable<'_>) -> String {
    let column = |column: &Column| format!("  {} {}", quoted(&column.name), column.kind.sql());
    let columns: Vec<String> = new.columns.columns().map(column).collect();
    format!("CREATE TABLE IF NOT EXISTS {} (\n{}\n)\n{}", new.name, columns.join(",\n"), clauses(new))
}

/// Adds the staged rows of `stats` that the table does not have yet. The ranges let the server skip all other files.
pub fn merge(columns: &TableSchema, table: &TableName, staging: &TableName, stats: &RowStats) -> String {
    let (names, values) = (list(columns.columns(), ""), list(columns.columns(), "staged."));
    format!(
        "MERGE INTO {table} AS target\nUSING (\n{}\n) AS staged\nON {} = {}\n  AND {}\nWHEN NOT \
         MATCHED THEN\n  INSERT ({names})\n  VALUES ({values})",
        staged(columns, staging, stats, &read_values(columns, staging), "  "),
        table.compared("target", columns.id()),
        staging.compared("staged", columns.id()),
        ranges(columns, stats, table),
    )
}

/// Replaces all rows by the staged rows of `stats`.
pub fn overwrite(columns: &TableSchema, table: &TableName, staging: &TableName, stats: &RowStats) -> String {
    let names = list(columns.columns(), "");
    let values = read_values(columns, staging);
    format!("INSERT OVERWRITE TABLE {table} ({names})\n{}", staged(columns, staging, stats, &values, ""))
}

/// Removes all rows, by replacing them with those of the empty table `staging`. A copy that begins after the end of the sync fails,
/// because its staging table is gone; a DELETE would remove rows that were loaded since.
pub fn empty(columns: &TableSchema, table: &TableName, staging: &TableName) -> String {
    let names = list(columns.columns(), "");
    format!("INSERT OVERWRITE TABLE {table} ({names})\nSELECT {}\nFROM {staging}", read_values(columns, staging))
}

/// Counts the rows of `stats` in the table: those whose ids are among the staged ones. The range of ids alone does not do: other
/// syncs that load at the same time have ids in it.
pub fn count(columns: &TableSchema, table: &TableName, staging: &impl fmt::Display, stats: &RowStats) -> String {
    format!(
        "SELECT count(*) AS `rows`\nFROM {table} AS target\nLEFT SEMI JOIN (\n{}\n) AS staged\nON {} = {}\nWHERE {}",
        staged(columns, staging, stats, &quoted(&columns.id().name), "  "),
        table.compared("target", columns.id()),
        format_args!("staged.{}", quoted(&columns.id().name)),
        ranges(columns, stats, table),
    )
}

/// Counts the rows of `stats` in the staging table.
pub fn count_staged(columns: &TableSchema, staging: &impl fmt::Display, stats: &RowStats) -> String {
    let ids = between(&quoted(&columns.id().name), &literal(&stats.ids.first), &literal(&stats.ids.last));
    format!("SELECT count(*) AS `rows`\nFROM {staging}\nWHERE {ids}")
}

/// Reads the records of up to two rows of a table.
pub fn read(columns: &TableSchema, table: &TableName) -> String {
    format!("SELECT {}\nFROM {table}\nLIMIT 2", list(columns.record(), ""))
}

/// The same for the Delta table in the folder `location`, which need not be registered.
pub fn read_folder(columns: &TableSchema, location: &str) -> String {
    format!("SELECT {}\nFROM delta.{}\nLIMIT 2", list(columns.record(), ""), quoted(location))
}

/// Stores the generation of the table's rows.
pub fn set_generation(table: &TableName, id: i64) -> String {
    format!("ALTER TABLE {table} SET TBLPROPERTIES ({} = {})", literal(generation::PROPERTY), literal(&id.to_string()))
}

/// Stores by which key the table's rows are loaded.
pub fn set_key(table: &TableName, key: &str) -> String {
    format!("ALTER TABLE {table} SET TBLPROPERTIES ({} = {})", literal(dedup_rules::PROPERTY), literal(key))
}

/// Forgets it, because rows come that are not.
pub fn forget_key(table: &TableName) -> String {
    format!("ALTER TABLE {table} UNSET TBLPROPERTIES IF EXISTS ({})", literal(dedup_rules::PROPERTY))
}

/// Sets a fence: a change of the table's metadata, which makes every transaction that began before it fail. `number` counts the
/// fences of the sync `by`: each must have a new value, because setting the same value again stops nothing.
pub fn fence(table: &TableName, by: Uuid, number: u64) -> String {
    format!("ALTER TABLE {table} SET TBLPROPERTIES ({} = {})", literal(FENCE), literal(&format!("{by}/{number}")))
}

/// Makes the server read the table's log again.
pub fn refresh(table: &TableName) -> String {
    format!("REFRESH TABLE {table}")
}

/// Drops the table with the full name `table`; the files of an unmanaged table stay.
pub fn drop_table(table: &str) -> String {
    format!("DROP TABLE IF EXISTS {table}")
}

/// A name in backticks.
fn quoted(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

/// A text as a literal. The `$` of `${…}` is escaped too: Spark would replace it by one of its settings.
fn literal(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('\'');
    let mut characters = text.chars().peekable();
    while let Some(c) = characters.next() {
        match c {
            '\'' | '\\' => out.extend(['\\', c]),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '$' if characters.peek() == Some(&'{') => out.push_str("\\u0024"),
            c if c.is_control() => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('\'');
    out
}

/// `LIKE` with all of `names`, which are identifiers; in SHOW statements `|` means "or". Empty for many names, and for names that
/// begin with a digit: Spark compares the pattern with the quoted name and would not find them.
fn pattern(names: &[&str]) -> String {
    let is_quoted = |name: &&str| name.starts_with(|first: char| first.is_ascii_digit());
    if names.len() > NAMED || names.iter().any(is_quoted) {
        return String::new();
    }
    format!(" LIKE {}", literal(&names.join("|")))
}

/// The names of `columns`, each behind `prefix`.
fn list<'a>(columns: impl IntoIterator<Item = &'a Column>, prefix: &str) -> String {
    let names = columns.into_iter().map(|column| format!("{prefix}{}", quoted(&column.name)));
    names.collect::<Vec<_>>().join(", ")
}

/// The values of `columns` in a SELECT from the staging table `staging`, by their names.
fn read_values(columns: &TableSchema, staging: &TableName) -> String {
    if staging.texts { csv::values(columns) } else { list(columns.columns(), "") }
}

fn clauses(new: &NewTable<'_>) -> String {
    let mut properties = vec![
        ("airbyte.destinationSyncMode", new.mode.to_owned()),
        ("delta.autoOptimize.optimizeWrite", "true".to_owned()),
        ("delta.autoOptimize.autoCompact", "true".to_owned()),
    ];
    properties.extend(new.generation.map(|id| (generation::PROPERTY, id.to_string())));
    properties.extend(new.key.clone().map(|key| (dedup_rules::PROPERTY, key)));
    let properties: Vec<String> =
        properties.iter().map(|(key, value)| format!("  {} = {}", literal(key), literal(value))).collect();
    let location = new.location.map(|location| format!("LOCATION {}\n", literal(location))).unwrap_or_default();
    let clusters = columns::cluster_by(&new.clustered_by);
    format!(
        "USING delta\n{clusters}{location}COMMENT {}\nTBLPROPERTIES (\n{}\n)",
        literal(&origin::description(&new.stream)),
        properties.join(",\n")
    )
}

/// All columns of the staged rows of `stats`: a query for [`dedup::Keyed`], which fails unless they are all seen.
pub fn all_staged_rows(columns: &TableSchema, staging: &TableName, stats: &RowStats) -> String {
    let rows = staged(columns, staging, stats, &read_values(columns, staging), "  ");
    format!(
        "WITH staged AS (\n{rows}\n)\nSELECT {}\nFROM staged\n{}",
        list(columns.columns(), ""),
        files::only_if_whole(stats.rows)
    )
}

/// The same, of those that are seen.
pub fn staged_rows(columns: &TableSchema, staging: &TableName, stats: &RowStats) -> String {
    staged(columns, staging, stats, &read_values(columns, staging), "")
}

/// The columns `names` of the staged rows of `stats`, and of no others that are in the same folder.
fn staged(columns: &TableSchema, staging: &impl fmt::Display, stats: &RowStats, names: &str, indent: &str) -> String {
    format!(
        "{indent}SELECT {names}\n{indent}FROM {staging}\n{indent}WHERE {}",
        between(&quoted(&columns.id().name), &literal(&stats.ids.first), &literal(&stats.ids.last))
    )
}

fn ranges(columns: &TableSchema, stats: &RowStats, table: &TableName) -> String {
    let ids = between(&table.compared("target", columns.id()), &literal(&stats.ids.first), &literal(&stats.ids.last));
    match (time(stats.emitted_at.first), time(stats.emitted_at.last)) {
        (Some(first), Some(last)) if !columns.emitted_at().is_time_as_text() => {
            let emitted_at = format!("target.{}", quoted(&columns.emitted_at().name));
            format!("{ids}\n  AND {}", between(&emitted_at, &first, &last))
        }
        _ => ids,
    }
}

fn between(what: &str, low: &str, high: &str) -> String {
    format!("{what} BETWEEN {low} AND {high}")
}

/// A time as a literal that does not depend on the session's time zone; `micros` since the epoch. `None` for years without four
/// digits: the range only saves work and can be left out.
fn time(micros: i64) -> Option<String> {
    let time = DateTime::from_timestamp_micros(micros)?;
    (1..=9999).contains(&time.year()).then(|| format!("TIMESTAMP '{}'", time.format("%Y-%m-%dT%H:%M:%S%.6fZ")))
}

#[cfg(test)]
#[path = "statements_tests.rs"]
mod tests;
