//! The type of a column in an existing table, read from SQL's text for it or from a Delta log.
//!
//! Unlike a [`Kind`], which says how this program fills a column, this is any type that a table can have. Source of the texts:
//! <https://spark.apache.org/docs/latest/sql-ref-datatypes.html>, and what DESCRIBE TABLE prints.

use std::fmt;

use serde_json::{Value, json};

use super::columns::Column;
use super::kind::{Kind, member};

/// A column that a table has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundColumn {
    /// Its name, as the table spells it.
    pub name: String,
    /// Its type.
    pub kind: TableType,
    /// Whether its rows may have no value; also where that is not known.
    pub nullable: bool,
}

/// A type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TableType {
    /// A type that is made of no others, in lower case: `bigint`, `decimal(38,10)`; also a text that is not understood.
    Simple(String),
    /// A structure.
    Struct(Vec<FoundColumn>),
    /// A list.
    List(Box<Item>),
    /// Values by keys.
    Map(Box<TableType>, Box<TableType>),
}

/// What a list holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// Its type.
    pub kind: TableType,
    /// Whether an item may have no value; also where that is not known.
    pub nullable: bool,
}

impl FoundColumn {
    /// A column with the type that the text `kind` says, which may have no value.
    pub fn new(name: impl Into<String>, kind: &str) -> Self {
        Self { name: name.into(), kind: TableType::parse(kind), nullable: true }
    }
}

impl TableType {
    /// A list of items that may have no value.
    pub fn list(kind: TableType) -> Self {
        Self::List(Box::new(Item { kind, nullable: true }))
    }

    /// Reads a type as SQL prints it. What is not understood is kept as a simple type of that text.
    pub fn parse(text: &str) -> Self {
        let mut reader = Reader { rest: text.trim() };
        match reader.kind() {
            Some(kind) if reader.rest.is_empty() => kind,
            _ => Self::Simple(text.trim().to_owned()),
        }
    }

    /// The type of the columns that are made for `kind`.
    pub fn of(kind: &Kind) -> Self {
        let fields = |fields: &mut dyn Iterator<Item = (String, &Kind)>| {
            let field = |(name, kind)| FoundColumn { name, kind: Self::of(kind), nullable: true };
            Self::Struct(fields.map(field).collect())
        };
        match kind {
            Kind::Struct(record) => {
                fields(&mut record.fields.iter().map(|Column { name, kind, .. }| (name.clone(), kind)))
            }
            Kind::Union(members) => fields(&mut members.iter().enumerate().map(|(at, kind)| (member(at), kind))),
            Kind::List(item) => Self::list(Self::of(item)),
            Kind::TextMap => Self::Map(Box::new(Self::string()), Box::new(Self::string())),
            simple => Self::Simple(simple.sql().to_lowercase()),
        }
    }

    /// Whether both are the same, whatever may have no value and however names are spelled.
    pub fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Simple(one), Self::Simple(other)) => one == other,
            (Self::Struct(one), Self::Struct(other)) => {
                let same = |(one, other): (&FoundColumn, &FoundColumn)| {
                    are_same_names(&one.name, &other.name) && one.kind.is_same(&other.kind)
                };
                one.len() == other.len() && one.iter().zip(other).all(same)
            }
            (Self::List(one), Self::List(other)) => one.kind.is_same(&other.kind),
            (Self::Map(keys, values), Self::Map(other_keys, other_values)) => {
                keys.is_same(other_keys) && values.is_same(other_values)
            }
            _ => false,
        }
    }

    /// Whether it was understood, so that its text can stand in a statement.
    pub fn is_understood(&self) -> bool {
        match self {
            Self::Simple(name) => name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '(' | ')' | ',')),
            Self::Struct(fields) => fields.iter().all(|field| field.kind.is_understood()),
            Self::List(item) => item.kind.is_understood(),
            Self::Map(keys, values) => keys.is_understood() && values.is_understood(),
        }
    }

    /// Whether it or a type that it is made of is the simple type `name`.
    pub fn has(&self, name: &str) -> bool {
        match self {
            Self::Simple(own) => own == name,
            Self::Struct(fields) => fields.iter().any(|field| field.kind.has(name)),
            Self::List(item) => item.kind.has(name),
            Self::Map(keys, values) => keys.has(name) || values.has(name),
        }
    }

    /// Whether it is a text.
    pub fn is_text(&self) -> bool {
        matches!(self, Self::Simple(name) if name == "string")
    }

    /// The type as a Delta log writes it.
    pub fn delta(&self) -> Value {
        match self {
            Self::Simple(name) => Value::from(match name.as_str() {
                "bigint" => "long",
                "int" => "integer",
                "smallint" => "short",
                "tinyint" => "byte",
                name => name,
            }),
            Self::Struct(fields) => {
                let field = |field: &FoundColumn| json!({"name": field.name, "type": field.kind.delta(), "nullable": field.nullable, "metadata": {}});
                json!({"type": "struct", "fields": fields.iter().map(field).collect::<Vec<_>>()})
            }
            Self::List(item) => {
                json!({"type": "array", "elementType": item.kind.delta(), "containsNull": item.nullable})
            }
            Self::Map(keys, values) => {
                json!({"type": "map", "keyType": keys.delta(), "valueType": values.delta(), "valueContainsNull": true})
            }
        }
    }

    fn string() -> Self {
        Self::Simple("string".to_owned())
    }
}

/// Whether a table takes both for the same column: Delta tells no case apart.
pub fn are_same_names(one: &str, other: &str) -> bool {
    one == other || one.to_lowercase() == other.to_lowercase()
}

/// As SQL writes it, names in backticks.
impl fmt::Display for TableType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Simple(name) => f.write_str(&name.to_uppercase()),
            Self::Struct(fields) => {
                f.write_str("STRUCT<")?;
                for (at, field) in fields.iter().enumerate() {
                    let comma = if at == 0 { "" } else { ", " };
                    write!(f, "{comma}`{}`: {}", field.name.replace('`', "``"), field.kind)?;
                }
                f.write_str(">")
            }
            Self::List(item) => write!(f, "ARRAY<{}>", item.kind),
            Self::Map(keys, values) => write!(f, "MAP<{keys}, {values}>"),
        }
    }
}

/// Reads types from the beginning of a text.
struct Reader<'a> {
    rest: &'a str,
}

impl<'a> Reader<'a> {
    fn kind(&mut self) -> Option<TableType> {
        let end = self.rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(self.rest.len());
        let (name, rest) = self.rest.split_at_checked(end)?;
        let name = name.to_lowercase();
        self.rest = rest.trim_start();
        let kind = match name.as_str() {
            "" => return None,
            "array" => {
                self.takes('<')?;
                let item = self.kind()?;
                self.takes('>')?;
                TableType::list(item)
            }
            "map" => {
                self.takes('<')?;
                let keys = self.kind()?;
                self.takes(',')?;
                let values = self.kind()?;
                self.takes('>')?;
                TableType::Map(Box::new(keys), Box::new(values))
            }
            "struct" => {
                self.takes('<')?;
                TableType::Struct(self.fields()?)
            }
            _ => TableType::Simple(self.simple(&name)?),
        };
        Some(kind)
    }

    /// A type of one word, with its size; other words for the same types become those of `Kind`. A collation is passed over: it
    /// says how texts are compared, not what they are.
    fn simple(&mut self, name: &str) -> Option<String> {
        let mut name = match name {
            "int" | "integer" => "int",
            "long" => "bigint",
            "short" => "smallint",
            "byte" => "tinyint",
            "real" => "float",
            "dec" | "numeric" => "decimal",
            "timestamp_ltz" => "timestamp",
            name => name,
        }
        .to_owned();
        if self.rest.starts_with('(') {
            let end = self.rest.find(')')?;
            let (size, rest) = self.rest.split_at_checked(end + 1)?;
            name.extend(size.chars().filter(|c| !c.is_whitespace()));
            self.rest = rest.trim_start();
        } else if name == "decimal" {
            name.push_str("(10,0)");
        }
        if let Some(collation) = self.after_word("collate") {
            let end = collation.find(|c: char| matches!(c, ',' | '>') || c.is_whitespace()).unwrap_or(collation.len());
            self.rest = collation.get(end..)?.trim_start();
        }
        Some(name)
    }

    fn fields(&mut self) -> Option<Vec<FoundColumn>> {
        let mut fields = Vec::new();
        if self.takes('>').is_some() {
            return Some(fields);
        }
        loop {
            let name = self.name()?;
            // Not everybody writes the colon.
            let _ = self.takes(':');
            let kind = self.kind()?;
            let nullable = match self.after_word("not").and_then(|rest| rest.trim_start().get(..4)) {
                Some(null) if null.eq_ignore_ascii_case("null") => {
                    self.rest = self.after_word("not")?.trim_start().get(4..)?.trim_start();
                    false
                }
                _ => true,
            };
            if let Some(comment) = self.after_word("comment") {
                self.rest = after_literal(comment.trim_start())?.trim_start();
            }
            fields.push(FoundColumn { name, kind, nullable });
            if self.takes(',').is_none() {
                self.takes('>')?;
                return Some(fields);
            }
        }
    }

    /// A field's name, in backticks or not.
    fn name(&mut self) -> Option<String> {
        let Some(quoted) = self.rest.strip_prefix('`') else {
            let end = self.rest.find(|c: char| c == ':' || c.is_whitespace())?;
            let (name, rest) = self.rest.split_at_checked(end)?;
            self.rest = rest.trim_start();
            return Some(name.to_owned()).filter(|name| !name.is_empty());
        };
        let (mut name, mut rest) = (String::new(), quoted);
        loop {
            let (before, after) = rest.split_once('`')?;
            name.push_str(before);
            rest = after;
            let Some(again) = rest.strip_prefix('`') else { break };
            name.push('`');
            rest = again;
        }
        self.rest = rest.trim_start();
        Some(name)
    }

    fn takes(&mut self, expected: char) -> Option<()> {
        self.rest = self.rest.strip_prefix(expected)?.trim_start();
        Some(())
    }

    /// What follows `word`, if that comes next.
    fn after_word(&self, word: &str) -> Option<&'a str> {
        let (found, rest) = self.rest.split_at_checked(word.len())?;
        (found.eq_ignore_ascii_case(word) && rest.starts_with(char::is_whitespace)).then(|| rest.trim_start())
    }
}

/// What follows a text in single quotes.
fn after_literal(text: &str) -> Option<&str> {
    let mut characters = text.strip_prefix('\'')?.char_indices();
    while let Some((at, c)) = characters.next() {
        match c {
            '\\' => drop(characters.next()),
            '\'' => return text.get(at + 2..),
            _ => {}
        }
    }
    None
}

#[cfg(test)]
#[path = "table_type_tests.rs"]
mod tests;
