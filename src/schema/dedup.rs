//! Append + dedup: which rows of a stream are versions of one another, and which of them is the newest. Pure, the same for both engines.
//!
//! [`Dedup`] is what a catalog asks for, checked against the stream's JSON schema before the first record. [`Places`] says where its
//! values are in a table's columns, once these are known.
//!
//! The rules, which `docs/append_dedup.md` tells users:
//!
//! - **Key.** Two rows are versions of one another if all parts of their keys are equal. A part without a value (absent, `null`, or a
//!   value that did not fit its column) is equal to another one without a value, and to nothing else: `<=>` in SQL.
//! - **Order.** Of two versions, the newer one has the greater cursor. A row whose cursor has no value is older than every row whose
//!   cursor has one. Where cursors are equal, or there is none, the later `_airbyte_emitted_at` is newer, and where these are equal,
//!   too, the greater `_airbyte_ab_id`: the ids of this program ascend, so it is the row that came later. A cursor of several places
//!   (a union of the classic layout) is compared place by place. Numbers are compared as numbers, times as times, texts by their bytes
//!   in UTF-8, `false` is less than `true`.
//! - **Load.** The newest staged version of each key is its *winner*. A winner takes the place of a row of the table with its key if the
//!   winner is newer, and is added if the table has no such row; else it is dropped. Columns that the winner does not have become NULL.
//! - **Deletes.** Where [`Dedup::deleted`] is set, a winner with a value there is not added, and removes the row of its key if the
//!   winner is newer.
//! - **Tables that were not loaded by this key** ([`Dedup::id`], stored with the table) may have several rows of one key. Before the
//!   first load, the newest row of each key stays, and the others are removed. Rows that lack a part of the key stay.
//! - **Replaced rows** (`overwrite`, a refresh): the table gets the winners of all staged rows, without those that are deletes.

mod places;

use serde_json::{Value, json};

pub use self::places::{Place, Places};
use super::columns::{Column, Source};
use super::json_schema::{ColumnOptions, Nested, Number, columns};
use super::kind::Kind;

/// The property of a table that says by which key its rows were loaded: see [`Dedup::id`]. A table without it, or with another key,
/// may have several rows of one key.
pub const PROPERTY: &str = "destination-databricks.primaryKey";

/// The property in which change data capture says that a row was deleted.
/// Source: `AirbyteDebeziumHandler` in `airbytehq/airbyte`.
const DELETED_AT: &str = "_ab_cdc_deleted_at";

/// A stream without a schema has no property that is known.
const NO_SCHEMA: &str = r#"{"type":"object","properties":{}}"#;

/// How rows of a stream take the place of one another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dedup {
    /// The parts of the key: at least one, none twice, in the catalog's order.
    pub key: Vec<Property>,
    /// What tells which row is newer, before the time at which it was emitted.
    pub cursor: Option<Property>,
    /// The property that has a value in rows that delete their key; `None` where such rows are kept like others.
    pub deleted: Option<Property>,
}

/// A property of a stream's records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Property {
    /// The names that lead to it, from the record: at least one.
    pub path: Vec<String>,
    /// The type that the layout `columns` has for it, made of no others, with DOUBLE for numbers.
    pub kind: Kind,
}

/// What a catalog says of a stream's key and cursor.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Asked {
    /// The paths of the key's parts.
    pub key: Vec<Vec<String>>,
    /// The path of the cursor; empty where there is none.
    pub cursor: Vec<String>,
    /// The source named the cursor and not the connection: it is left out where it cannot be used.
    pub is_cursor_of_source: bool,
}

/// What values are compared as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Family {
    Number,
    Text,
    Boolean,
    Moment,
    TimeOfDay,
    Binary,
    Json,
}

impl Dedup {
    /// What `asked` means for a stream whose JSON schema is the text `json_schema`, if it has one.
    ///
    /// # Errors
    /// Everything that is wrong with it: parts of sentences whose subject is the stream.
    pub fn new(json_schema: Option<&str>, asked: &Asked) -> Result<Self, Vec<String>> {
        // Objects stay structures, so that a part of a key is found in them, whatever the tables of the stream look like.
        let options = ColumnOptions { number: Number::Double, nested: Nested::Typed };
        let schema = columns(json_schema.unwrap_or(NO_SCHEMA), options)
            .map_err(|error| vec![format!("has a JSON schema in which no key can be found: {}", error.message())])?;
        let properties = schema.record();
        let mut problems = Vec::new();
        if asked.key.is_empty() {
            problems.push("has no primary key".to_owned());
        }
        let mut key: Vec<Property> = Vec::new();
        for path in &asked.key {
            match Property::find(properties, path).and_then(Property::into_key) {
                Ok(part) if key.contains(&part) => {}
                Ok(part) => key.push(part),
                Err(why) => problems.push(format!("has the primary key {}, {why}", shown(path))),
            }
        }
        let cursor = match Property::find(properties, &asked.cursor).and_then(Property::into_cursor) {
            _ if asked.cursor.is_empty() => None,
            Ok(cursor) => Some(cursor),
            Err(_) if asked.is_cursor_of_source => None,
            Err(why) => {
                problems.push(format!("has the cursor {}, {why}", shown(&asked.cursor)));
                None
            }
        };
        let deleted = Property::find(properties, &[DELETED_AT.to_owned()]).ok();
        if problems.is_empty() { Ok(Self { key, cursor, deleted }) } else { Err(problems) }
    }

    /// Keeps rows that say that they were deleted, like any other version of their key.
    pub fn keep_deleted(&mut self) {
        self.deleted = None;
    }

    /// What a table stores to say by which key its rows were loaded: a JSON list of paths, sorted, because the order of the parts
    /// means nothing. A part whose column has JSON texts is an object with its path.
    pub fn id(&self) -> String {
        let mut parts: Vec<&Property> = self.key.iter().collect();
        parts.sort_by(|a, b| a.path.cmp(&b.path));
        let stored = |part: &Property| match part.kind {
            Kind::Json => json!({ "json": part.path }),
            _ => json!(part.path),
        };
        Value::from_iter(parts.into_iter().map(stored)).to_string()
    }

    /// Whether the column of a part of the key has other texts for the same values than the rows that were loaded by the key `stored`,
    /// see [`Dedup::id`]: `"a"` with its quotes and `a`. Which part, for messages.
    pub fn written_otherwise_than(&self, stored: &str) -> Option<String> {
        let stored: Vec<Value> = serde_json::from_str(stored).ok()?;
        let differs = |part: &&Property| {
            let (plain, json) = (json!(part.path), json!({ "json": part.path }));
            let other = if part.kind == Kind::Json { plain } else { json };
            is_text_in_json(&part.kind) && stored.contains(&other)
        };
        self.key.iter().find(differs).map(|part| shown(&part.path))
    }
}

impl Property {
    /// The property at `path` among `columns`, or why there is none.
    fn find(columns: &[Column], path: &[String]) -> Result<Self, String> {
        let absent = || "which its JSON schema does not have".to_owned();
        let (name, inner) = path.split_first().ok_or_else(absent)?;
        let mut here = property(columns, name).ok_or_else(absent)?;
        for name in inner {
            here = match &here.kind {
                Kind::Struct(record) => property(&record.fields, name).ok_or_else(absent)?,
                Kind::List(_) => return Err("which is inside of an array".to_owned()),
                _ => return Err(absent()),
            };
        }
        Ok(Self { path: path.to_vec(), kind: here.kind.clone() })
    }

    fn into_key(self) -> Result<Self, String> {
        match Family::of(&self.kind) {
            Some(_) => Ok(self),
            None => Err(format!("which is {}: those cannot be compared", what_it_is(&self.kind))),
        }
    }

    fn into_cursor(self) -> Result<Self, String> {
        match Family::of(&self.kind) {
            Some(Family::Json) => {
                Err("whose type its JSON schema does not say, or which has several: their values have no order".into())
            }
            Some(Family::Binary) => Err("which is binary data: it has no order".into()),
            Some(_) => Ok(self),
            None => Err(format!("which is {}: those have no order", what_it_is(&self.kind))),
        }
    }
}

impl Family {
    /// That of the values of `kind`; `None` for types that are made of others.
    fn of(kind: &Kind) -> Option<Self> {
        Some(match kind {
            Kind::Uuid | Kind::Text => Self::Text,
            Kind::Json => Self::Json,
            Kind::Boolean => Self::Boolean,
            Kind::Integer(_) | Kind::Float | Kind::Double | Kind::Decimal(_) => Self::Number,
            Kind::Date | Kind::Timestamp | Kind::LocalTimestamp => Self::Moment,
            Kind::Time => Self::TimeOfDay,
            Kind::Binary => Self::Binary,
            Kind::Struct(_) | Kind::List(_) | Kind::Union(_) | Kind::TextMap => return None,
        })
    }
}

/// Whether values of `kind` may have quotes in a JSON text.
fn is_text_in_json(kind: &Kind) -> bool {
    !matches!(Family::of(kind), Some(Family::Number | Family::Boolean) | None)
}

/// The column of the property `name`.
fn property<'a>(columns: &'a [Column], name: &str) -> Option<&'a Column> {
    columns.iter().find(|column| matches!(&column.source, Source::Property(own) if own == name))
}

/// A path for messages.
fn shown(path: &[String]) -> String {
    format!("`{}`", path.join("."))
}

fn what_it_is(kind: &Kind) -> &'static str {
    match kind {
        Kind::List(_) => "an array",
        _ => "an object",
    }
}

#[cfg(test)]
#[path = "dedup/tests.rs"]
mod tests;
