//! Stops a stream whose rows would be taken for one another: because its records do not have its primary key at all, or because a key does not
//! fit its column, which would then be NULL.

use std::sync::atomic::{AtomicBool, Ordering};

use memchr::memmem;
use serde_json::{Map, Value, json};

use super::changes::Changes;
use super::json_values::JsonValues;
use super::rows::texts;
use crate::counted::counted;
use crate::error::{Error, Result, StreamDescriptor};
use crate::schema::columns::{Source, TableSchema};
use crate::schema::dedup::Dedup;
use crate::schema::kind::Kind;

/// Looks at the rows of one stream.
pub struct KeyGuard {
    stream: StreamDescriptor,
    /// The properties in which the parts of the key are, or which are such parts.
    names: Vec<String>,
    /// Columns that are a part of the key, and their types.
    columns: Vec<(String, String)>,
    /// A block has had the key.
    is_seen: AtomicBool,
}

impl KeyGuard {
    /// For `stream`, whose rows replace one another as `dedup` says, in files with the columns `files`.
    pub fn new(stream: &StreamDescriptor, dedup: &Dedup, files: &TableSchema) -> Self {
        let paths = || dedup.key.iter().map(|part| part.path.as_slice());
        let names = paths().filter_map(|path| path.first().cloned()).collect();
        let is_key = |source: &Source| match source {
            Source::Property(name) => paths().any(|path| path == [name.as_str()]),
            _ => false,
        };
        let columns = files.record().iter().filter(|column| is_key(&column.source));
        let columns = columns.map(|column| (column.name.clone(), column.kind.sql())).collect();
        Self { stream: stream.clone(), names, columns, is_seen: AtomicBool::new(false) }
    }

    /// Looks at the records `texts`, each behind its length, of the stream's first block: whether any of them has a part of the key,
    /// if only as `null`.
    ///
    /// # Errors
    /// A config error: none has.
    pub fn look_at_names(&self, packed: &[u8]) -> Result<()> {
        if self.is_seen.load(Ordering::Relaxed) || self.has_name(packed)? {
            self.is_seen.store(true, Ordering::Relaxed);
            return Ok(());
        }
        let first = texts(packed).next().and_then(|text| serde_json::from_slice::<Map<String, Value>>(text).ok());
        let alike = |name: &String| self.names.iter().any(|own| own.eq_ignore_ascii_case(name));
        let alike = first.into_iter().flat_map(|record| record.into_iter().map(|(name, _)| name)).find(alike);
        let alike = alike.map(|name| format!(" They have `{name}`: the case of letters counts.")).unwrap_or_default();
        let names: Vec<String> = self.names.iter().map(|name| format!("`{name}`")).collect();
        Err(Error::config(format!(
            "Stream {}: the first {} not have {}, which the catalog says is the primary key: all rows would be taken for versions of \
             one.{alike} Correct the key, or choose another sync mode.",
            self.stream,
            match texts(packed).count() as u64 {
                1 => "record does".to_owned(),
                count => format!("{} do", counted(count, "record")),
            },
            names.join(" and ")
        )))
    }

    /// Looks at the values of a block that did not fit their columns.
    ///
    /// # Errors
    /// A config error: there are parts of keys among them.
    pub fn look_at_changes(&self, changes: &Changes) -> Result<()> {
        for (name, count) in changes.iter() {
            if let Some((name, kind)) = self.columns.iter().find(|(own, _)| own == name) {
                return Err(Error::config(format!(
                    "Stream {}: {} of the primary key `{name}` {} not fit the column's type {kind}, so that rows of different keys would \
                     be taken for versions of one. Correct the type in the source, replace the table's rows (a refresh) if its column \
                     is of an older type, or use `table_layout: raw`, which keeps every key as it is.",
                    self.stream,
                    counted(count, "value"),
                    if count == 1 { "does" } else { "do" },
                )));
            }
        }
        Ok(())
    }

    fn has_name(&self, packed: &[u8]) -> Result<bool> {
        let written = |name: &String| memmem::find(packed, json!(name).to_string().as_bytes()).is_some();
        if self.names.iter().any(written) {
            return Ok(true);
        }
        // A name may be written with escapes.
        let paths: Vec<[String; 1]> = self.names.iter().map(|name| [name.clone()]).collect();
        let values = JsonValues::new(paths.iter().map(|path| (path.as_slice(), &Kind::Json))).read(packed)?;
        Ok(values.iter().any(|array| array.null_count() < array.len()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encode::rows::Rows;
    use crate::schema::dedup::Asked;
    use crate::schema::json_schema::{ColumnOptions, columns};

    const SCHEMA: &str = r#"{"properties":{"Id":{"type":"integer"},"o":{"properties":{"n":{"type":"integer"}}},"x":{"type":"integer"}}}"#;

    fn guard() -> KeyGuard {
        let key = vec![vec!["Id".to_owned()], vec!["o".to_owned(), "n".to_owned()]];
        let asked = Asked { key, ..Asked::default() };
        let dedup = Dedup::new(Some(SCHEMA), &asked).unwrap();
        KeyGuard::new(
            &StreamDescriptor { name: "s".to_owned(), namespace: None },
            &dedup,
            &columns(SCHEMA, ColumnOptions::default()).unwrap(),
        )
    }

    fn names(texts: &[&str]) -> Result<()> {
        let mut rows = Rows::default();
        texts.iter().for_each(|text| rows.push(text.as_bytes(), 0, 64));
        guard().look_at_names(rows.parts().0)
    }

    #[test]
    fn records_that_do_not_have_the_key_are_refused_and_nulls_are_a_key() {
        for texts in
            [&[r#"{"x":1}"#, r#"{"Id":null}"#][..], &[r#"{"\u0049d":1}"#], &[r#"{"o":{"n":2}}"#], &[r#"{"o":3}"#]]
        {
            assert!(names(texts).is_ok(), "{texts:?}");
        }
        let said = names(&[r#"{"id":7}"#, r#"{"id":8}"#]).unwrap_err().to_string();
        assert!(said.contains("first 2 records do not have `Id` and `o`"), "{said}");
        assert!(said.contains("They have `id`"), "{said}");
        assert!(names(&["{}"]).unwrap_err().to_string().contains("the first record does not have"));
    }

    #[test]
    fn only_the_first_block_is_looked_at() {
        let guard = guard();
        let packed = |text: &str| {
            let mut rows = Rows::default();
            rows.push(text.as_bytes(), 0, 64);
            rows.into_parts().0
        };
        assert!(guard.look_at_names(&packed(r#"{"Id":1}"#)).is_ok());
        assert!(guard.look_at_names(&packed(r#"{"x":1}"#)).is_ok());
    }

    #[test]
    fn a_key_that_does_not_fit_its_column_is_refused_and_other_values_are_not() {
        let look = |name| guard().look_at_changes(&[(name, 2)].into_iter().collect());
        assert!(look("x").is_ok() && look("o").is_ok());
        let said = look("Id").unwrap_err().to_string();
        assert!(said.contains("2 values of the primary key `Id` do not fit"), "{said}");
        assert!(said.contains("BIGINT"), "{said}");
    }
}
