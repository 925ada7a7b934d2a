//! Gives names to a table's columns, or to a structure's fields: no two are equal, whatever their case.
//!
//! Delta compares names without their case, so `id` and `ID` cannot both be columns. A property whose name is reserved gets a name
//! with a hash of the property's name. So does each of several properties with equal names, wherever they stand, but for the one
//! that is the name itself in small letters.

use std::collections::HashMap;

use super::path::Path;
use crate::error::{Result, shortened};
use crate::schema::columns::{RECORD, TableSchema};
use crate::schema::naming::{MAX_IDENTIFIER, avro_name, column_name, with_hash};

/// Columns that Delta or Spark have beside a table's own.
/// Sources: <https://docs.delta.io/latest/delta-change-data-feed.html>,
/// <https://docs.databricks.com/en/ingestion/file-metadata-column.html>.
const OF_READERS: [&str; 4] = ["_change_type", "_commit_version", "_commit_timestamp", "_metadata"];

/// Characters of another name that are shown.
const LONGEST_SHOWN: usize = 80;

/// The names that were given so far, in lower case, and the property that each is for; `None` for columns that are no property.
#[derive(Default)]
pub(super) struct ColumnNames(HashMap<String, Option<String>>);

impl ColumnNames {
    /// Those of the columns that a `table` has beside the properties.
    pub fn beside(table: &TableSchema) -> Self {
        Self(table.columns().map(|column| (column.name.to_ascii_lowercase(), None)).collect())
    }

    /// Those of the columns of `table`, and those that readers know.
    pub fn beside_and_of_readers(table: &TableSchema) -> Self {
        let mut names = Self::beside(table);
        names.0.extend(OF_READERS.map(|name| (name.to_owned(), None)));
        // A table with this column would be taken for one of the raw layout by earlier versions.
        names.reserve(RECORD);
        names
    }

    /// Keeps `name` from properties.
    pub fn reserve(&mut self, name: &str) {
        self.0.insert(name.to_ascii_lowercase(), None);
    }

    /// A name for each of `properties`, which gets a hash where it would be another's.
    pub fn give_all<'a>(&mut self, properties: impl Iterator<Item = &'a str> + Clone) -> Vec<String> {
        let mut equal: HashMap<String, usize> = HashMap::new();
        for property in properties.clone() {
            *equal.entry(column_name(property).to_ascii_lowercase()).or_default() += 1;
        }
        let is_plain = |property: &str| {
            let name = column_name(property).to_ascii_lowercase();
            name == property || equal.get(&name) == Some(&1)
        };
        // Plain names first, so that no hash takes one of them.
        let mut names: Vec<Option<String>> =
            properties.clone().map(|property| is_plain(property).then(|| self.give(property, true))).collect();
        for (name, property) in names.iter_mut().zip(properties) {
            name.get_or_insert_with(|| self.give(property, false));
        }
        names.into_iter().flatten().collect()
    }

    fn give(&mut self, property: &str, is_plain: bool) -> String {
        let mut name = column_name(property);
        let mut hashed = property.to_owned();
        let mut is_taken = !is_plain;
        while is_taken || self.0.contains_key(&name.to_ascii_lowercase()) {
            is_taken = false;
            name = with_hash(column_name(property), &hashed);
            hashed.push('\0');
        }
        self.0.insert(name.to_ascii_lowercase(), None);
        name
    }

    /// The name of `property`, at `path`, by Avro's rules alone.
    pub fn exact(&mut self, property: &str, path: &Path<'_>) -> Result<String> {
        let name = avro_name(property);
        self.claim(&name, property, path)?;
        Ok(name)
    }

    /// Makes `name` the one of `property`, at `path`.
    pub fn claim(&mut self, name: &str, property: &str, path: &Path<'_>) -> Result<()> {
        if name.is_empty() {
            return Err(refused(path, "has a name of which no letter, digit or `_` remains"));
        }
        if name.len() > MAX_IDENTIFIER {
            return Err(refused(path, &format!("has a name with more than {MAX_IDENTIFIER} characters")));
        }
        match self.0.insert(name.to_ascii_lowercase(), Some(property.to_owned())) {
            None => Ok(()),
            Some(None) => Err(refused(path, &format!("has the name of the column `{name}`, which every table has"))),
            Some(Some(other)) => Err(refused(
                path,
                &format!(
                    "would be the column `{}`, which property `{}` is already, as Delta does not tell capital letters",
                    shortened(name, LONGEST_SHOWN),
                    shortened(&other, LONGEST_SHOWN),
                ),
            )),
        }
    }
}

fn refused(path: &Path<'_>, what: &str) -> crate::error::Error {
    path.refused(what, "deselect this field or use `table_layout` `columns`, which finds another name")
}
