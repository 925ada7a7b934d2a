//! The text of every statement that is sent: pure functions, one statement each, with golden files in `golden`.
//!
//! Names are always of three parts and quoted, literals escaped. Databricks' parser and that of open-source Spark both
//! take every text here. Each statement can be repeated without harm, which is what a transport asks of them.

pub mod columns;

use std::fmt;

use chrono::{DateTime, Datelike};
use uuid::Uuid;

use crate::error::StreamDescriptor;
use crate::load::{generation, origin};
use crate::recovery::catalog_table::{CatalogTable, staging_table_prefix};
use crate::schema::columns::{Column, TableSchema};
use crate::schema::naming::identifier;
use crate::schema::stats::RowStats;

/// Table property that is set so that statements whose fate nobody knows do not commit any more.
const FENCE: &str = "destination-databricks.fence";
/// More names than this make no pattern any more: everything is listed then.
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
    /// Its texts are compared by other rules than byte by byte.
    collated: bool,
}

/// What a new table is.
pub struct NewTable<'a> {
    /// Its name.
    pub name: &'a TableName,
    /// Its columns.
    pub columns: &'a TableSchema,
    /// The folder of its files, as a URL.
    pub location: &'a str,
    /// The stream, for people and for whoever loads a table of the same name.
    pub stream: StreamDescriptor,
    /// Airbyte's name of the destination sync mode.
    pub mode: &'static str,
    /// The generation of its rows.
    pub generation: Option<i64>,
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
        TableName { schema: self.clone(), table: table.to_owned(), collated: false }
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

    /// The table `table`, in the catalog `own` where it names none.
    pub fn of(table: &CatalogTable, own: &str) -> TableName {
        SchemaName::new(table.catalog.as_deref().unwrap_or(own), &table.schema).table(&table.table)
    }

    /// The staging table of the sync `sync` for this one: beside it, or in `schema`; `renamed`, how often it got another name.
    pub fn staging_table(&self, schema: Option<&str>, sync: Uuid, renamed: u32) -> TableName {
        let prefix = staging_table_prefix(sync);
        let again = if renamed == 0 { String::new() } else { format!("x{renamed}") };
        let (own, table) = (&self.schema.schema, &self.table);
        match schema {
            None => self.schema.table(&identifier(&format!("{prefix}{again}_{table}"))),
            // Tables of many schemas: the length says where the schema's name ends.
            Some(schema) => SchemaName::new(&self.schema.catalog, schema)
                .table(&identifier(&format!("{prefix}{again}_{}_{own}_{table}", own.len()))),
        }
    }

    /// The same table, whose columns have a collation: a server compares them with others only where it is told how.
    pub fn with_collation(self) -> Self {
        Self { collated: true, ..self }
    }

    /// Whether its columns are known to have a collation.
    pub fn is_collated(&self) -> bool {
        self.collated
    }

    /// Its `column` under the name `alias`, to compare. Old servers do not know the word COLLATE.
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

/// Which of `schemas` are there; the answer's first column has the names.
pub fn show_schemas(catalog: &str, schemas: &[&str]) -> String {
    format!("SHOW SCHEMAS IN {}{}", quoted(catalog), pattern(schemas))
}

/// Which of `tables`, views too, are there.
pub fn show_tables(schema: &SchemaName, tables: &[&str]) -> String {
    format!("SHOW TABLES IN {schema}{}", pattern(tables))
}

/// A table's columns, and then what it is and where it lies.
pub fn describe(table: &TableName) -> String {
    format!("DESCRIBE TABLE EXTENDED {table}")
}

/// A table's properties.
pub fn show_properties(table: &TableName) -> String {
    format!("SHOW TBLPROPERTIES {table}")
}

/// Makes a schema.
pub fn create_schema(schema: &SchemaName) -> String {
    format!("CREATE SCHEMA IF NOT EXISTS {schema}")
}

/// Drops a schema that has nothing in it.
pub fn drop_schema(schema: &SchemaName) -> String {
    format!("DROP SCHEMA IF EXISTS {schema} RESTRICT")
}

/// Gives a name to the Delta table whose log lies in `location` already; it stays what it is.
pub fn create_over(table: &TableName, location: &str) -> String {
    format!("CREATE TABLE IF NOT EXISTS {table}\nUSING delta\nLOCATION {}", literal(location))
}

/// Makes an empty final table.
pub fn create_table(new: &NewTable<'_>) -> String {
    let column = |column: &Column| format!("  {} {}", quoted(&column.name), column.kind.sql());
    let columns: Vec<String> = new.columns.columns().map(column).collect();
    format!("CREATE TABLE IF NOT EXISTS {} (\n{}\n)\n{}", new.name, columns.join(",\n"), clauses(new))
}

/// Adds the staged rows of `load` that the table does not have yet. Its own ranges let it pass over all other files.
pub fn merge(columns: &TableSchema, table: &TableName, staging: &TableName, load: &RowStats) -> String {
    let (names, values) = (list(columns.columns(), ""), list(columns.columns(), "staged."));
    format!(
        "MERGE INTO {table} AS target\nUSING (\n{}\n) AS staged\nON {} = {}\n  AND {}\nWHEN NOT \
         MATCHED THEN\n  INSERT ({names})\n  VALUES ({values})",
        staged(columns, staging, load, &names, "  "),
        table.compared("target", columns.id()),
        staging.compared("staged", columns.id()),
        ranges(columns, load, table),
    )
}

/// Replaces all rows by the staged rows of `load`.
pub fn overwrite(columns: &TableSchema, table: &TableName, staging: &TableName, load: &RowStats) -> String {
    let names = list(columns.columns(), "");
    format!("INSERT OVERWRITE TABLE {table} ({names})\n{}", staged(columns, staging, load, &names, ""))
}

/// Replaces all rows by those of `staging`, which has none. A copy of it that begins when the sync has ended finds no staging
/// table and removes nothing; a DELETE would remove what is there by then.
pub fn empty(columns: &TableSchema, table: &TableName, staging: &TableName) -> String {
    let names = list(columns.columns(), "");
    format!("INSERT OVERWRITE TABLE {table} ({names})\nSELECT {names}\nFROM {staging}")
}

/// How many rows of the table are of `load`: those whose ids are among the staged ones. Somebody else who loads at the same
/// time has ids in the same range.
pub fn count(columns: &TableSchema, table: &TableName, staging: &TableName, load: &RowStats) -> String {
    format!(
        "SELECT count(*) AS `rows`\nFROM {table} AS target\nLEFT SEMI JOIN (\n{}\n) AS staged\nON {} = {}\nWHERE {}",
        staged(columns, staging, load, &quoted(&columns.id().name), "  "),
        table.compared("target", columns.id()),
        staging.compared("staged", columns.id()),
        ranges(columns, load, table),
    )
}

/// How many rows of `load` the staging table has.
pub fn count_staged(columns: &TableSchema, staging: &TableName, load: &RowStats) -> String {
    let ids = between(&quoted(&columns.id().name), &literal(&load.ids.first), &literal(&load.ids.last));
    format!("SELECT count(*) AS `rows`\nFROM {staging}\nWHERE {ids}")
}

/// What a table that has few rows has of the records.
pub fn read(columns: &TableSchema, table: &TableName) -> String {
    format!("SELECT {}\nFROM {table}\nLIMIT 2", list(columns.record(), ""))
}

/// What the Delta table in the folder `location`, which has few rows and needs no name, has of the records.
pub fn read_folder(columns: &TableSchema, location: &str) -> String {
    format!("SELECT {}\nFROM delta.{}\nLIMIT 2", list(columns.record(), ""), quoted(location))
}

/// Writes down which generation the table's rows are of.
pub fn set_generation(table: &TableName, id: i64) -> String {
    format!("ALTER TABLE {table} SET TBLPROPERTIES ({} = {})", literal(generation::PROPERTY), literal(&id.to_string()))
}

/// Changes nothing but the table's metadata, which no transaction that began before survives, whatever rows it touches. It is
/// the fence `number` of the sync `by`: with a value that the property has already, it would stop nothing.
pub fn fence(table: &TableName, by: Uuid, number: u64) -> String {
    format!("ALTER TABLE {table} SET TBLPROPERTIES ({} = {})", literal(FENCE), literal(&format!("{by}/{number}")))
}

/// Forgets what was read of a table before.
pub fn refresh(table: &TableName) -> String {
    format!("REFRESH TABLE {table}")
}

/// Drops a table whose full name is `table`; the files of an unmanaged one stay.
pub fn drop_table(table: &str) -> String {
    format!("DROP TABLE IF EXISTS {table}")
}

/// A name in backticks.
fn quoted(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

/// A text as a literal. Spark replaces `${…}` anywhere in a statement by its settings, so that is taken apart too.
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

/// `LIKE` with all of `names`, which are identifiers; SHOW statements know `|` as "or". Spark compares it with the name as
/// it would have to be quoted, so that it does not find what begins with a digit.
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

fn clauses(new: &NewTable<'_>) -> String {
    let mut properties = vec![
        ("airbyte.destinationSyncMode", new.mode.to_owned()),
        ("delta.autoOptimize.optimizeWrite", "true".to_owned()),
        ("delta.autoOptimize.autoCompact", "true".to_owned()),
    ];
    properties.extend(new.generation.map(|id| (generation::PROPERTY, id.to_string())));
    let properties: Vec<String> =
        properties.iter().map(|(key, value)| format!("  {} = {}", literal(key), literal(value))).collect();
    format!(
        "USING delta\nLOCATION {}\nCOMMENT {}\nTBLPROPERTIES (\n{}\n)",
        literal(new.location),
        literal(&origin::description(&new.stream)),
        properties.join(",\n")
    )
}

/// The columns `names` of the staged rows of `load`, and of no others that are in the same folder.
fn staged(columns: &TableSchema, staging: &TableName, load: &RowStats, names: &str, indent: &str) -> String {
    format!(
        "{indent}SELECT {names}\n{indent}FROM {staging}\n{indent}WHERE {}",
        between(&quoted(&columns.id().name), &literal(&load.ids.first), &literal(&load.ids.last))
    )
}

fn ranges(columns: &TableSchema, load: &RowStats, table: &TableName) -> String {
    let ids = between(&table.compared("target", columns.id()), &literal(&load.ids.first), &literal(&load.ids.last));
    match (time(load.emitted_at.first), time(load.emitted_at.last)) {
        (Some(first), Some(last)) => {
            let emitted_at = format!("target.{}", quoted(&columns.emitted_at().name));
            format!("{ids}\n  AND {}", between(&emitted_at, &first, &last))
        }
        _ => ids,
    }
}

fn between(what: &str, low: &str, high: &str) -> String {
    format!("{what} BETWEEN {low} AND {high}")
}

/// A time as a literal that no session's time zone changes; `micros` since the epoch. `None` where a year has not four
/// digits: the range is there to save work, and can be left out.
fn time(micros: i64) -> Option<String> {
    let time = DateTime::from_timestamp_micros(micros)?;
    (1..=9999).contains(&time.year()).then(|| format!("TIMESTAMP '{}'", time.format("%Y-%m-%dT%H:%M:%S%.6fZ")))
}

#[cfg(test)]
#[path = "statements_tests.rs"]
mod tests;
