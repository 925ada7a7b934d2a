//! Stops a stream whose rows would be taken for one another: because its records do not have its primary key, or because a value of the
//! key does not fit its column, which would then have another one or NULL. So does a value that says that a row was deleted: without
//! it, the row would be a live one.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

use serde::Deserialize;
use serde_json::value::RawValue;

use super::changes::Changes;
use super::columns::{Guarded, Role};
use super::rows::texts;
use crate::counted::counted;
use crate::error::{Error, Result, StreamDescriptor};
use crate::schema::columns::{Column, Source, TableSchema};
use crate::schema::dedup::Dedup;
use crate::schema::kind::Kind;

/// Looks at the rows of one stream.
pub struct KeyGuard {
    stream: StreamDescriptor,
    guarded: Vec<Guarded>,
    /// The types of the columns, or fields, of the guarded properties and of what those are in, by their paths with dots.
    kinds: BTreeMap<String, String>,
    /// A block has had the key.
    is_seen: AtomicBool,
}

impl KeyGuard {
    /// For `stream`, whose rows replace one another as `dedup` says, in files with the columns `files`.
    pub fn new(stream: &StreamDescriptor, dedup: &Dedup, files: &TableSchema) -> Self {
        let of = |role| move |path: &Vec<String>| Guarded { path: path.clone(), role };
        let key = dedup.key.iter().map(|part| &part.path).map(of(Role::Key));
        let deleted = dedup.deleted.iter().map(|property| &property.path).map(of(Role::Delete));
        let cursor = dedup.cursor.iter().map(|property| &property.path).map(of(Role::Cursor));
        let guarded: Vec<Guarded> = key.chain(deleted).chain(cursor).collect();
        let mut kinds = BTreeMap::new();
        guarded.iter().for_each(|guarded| add_kinds(files.record(), &guarded.path, "", &mut kinds));
        Self { stream: stream.clone(), guarded, kinds, is_seen: AtomicBool::new(false) }
    }

    /// The properties whose values are looked at.
    pub fn guarded(&self) -> &[Guarded] {
        &self.guarded
    }

    /// Looks at the records `texts`, each behind its length, of the stream's first block: whether they have the key, if only as
    /// `null`. A part may be absent from all of them, unless they have it in another case.
    ///
    /// # Errors
    /// A config error: they have no part, or one in another case.
    pub fn look_at_names(&self, packed: &[u8]) -> Result<()> {
        if self.is_seen.load(Ordering::Relaxed) {
            return Ok(());
        }
        let mut missing: Vec<&[String]> = self.key().collect();
        for record in texts(packed).map(members) {
            missing.retain(|path| !has(record.as_ref(), path));
            if missing.is_empty() {
                break;
            }
        }
        let other = other_name(packed, &missing);
        let has_none = missing.len() == self.key().count();
        if other.is_none() && !has_none {
            self.is_seen.store(true, Ordering::Relaxed);
            return Ok(());
        }
        let names: Vec<String> = missing.iter().map(|path| format!("`{}`", path.join("."))).collect();
        Err(Error::config(format!(
            "Stream {}: the first {} not have {}, which the catalog says is {}.{} Correct the key, or choose another sync mode.",
            self.stream,
            match texts(packed).count() as u64 {
                1 => "record does".to_owned(),
                count => format!("{} do", counted(count, "record")),
            },
            names.join(" and "),
            if has_none {
                "the primary key: all rows would be taken for versions of one"
            } else {
                "a part of the primary key: rows that differ there would be taken for versions of one"
            },
            other.map(|name| format!(" They have `{name}`: the case of letters counts.")).unwrap_or_default(),
        )))
    }

    /// Looks at the values of a block that did not fit their columns. Rows without a cursor that fits are loaded: they are the oldest of their keys.
    ///
    /// # Errors
    /// A config error: there are parts of keys among them, or deletes.
    pub fn look_at_changes(&self, changes: &Changes) -> Result<()> {
        for (path, count) in changes.guarded() {
            let then = match self.role(path) {
                Role::Cursor => continue,
                Role::Key => "rows of different keys would be taken for versions of one",
                Role::Delete => "deleted rows would be taken for live ones",
            };
            let of = match (self.role(path), self.is_itself(path)) {
                (Role::Delete, _) => "the mark of deletes ",
                (_, true) => "the primary key ",
                (_, false) => "the object with the primary key, ",
            };
            return Err(Error::config(format!(
                "Stream {}: {} of {of}`{path}` {} not fit the column's type {} as {}, so that {then}. Correct the type in the source, \
                 replace the table's rows (a refresh) if its column is of an older type, or use `table_layout: raw`, which keeps every value \
                 as it is.",
                self.stream,
                counted(count, "value"),
                if count == 1 { "does" } else { "do" },
                self.kinds.get(path).map_or("", String::as_str),
                if count == 1 { "it is" } else { "they are" },
            )));
        }
        Ok(())
    }

    /// What the property at `path` decides, or what is in it; of several, what is worst to lose.
    fn role(&self, path: &str) -> Role {
        let roles = || {
            self.guarded.iter().filter(|guarded| is_within(&guarded.path.join("."), path)).map(|guarded| guarded.role)
        };
        let has = |wanted: Role| roles().any(|role| role == wanted);
        [Role::Key, Role::Delete].into_iter().find(|role| has(*role)).unwrap_or(Role::Cursor)
    }

    fn is_itself(&self, path: &str) -> bool {
        self.key().any(|part| part.join(".") == path)
    }

    /// The paths of the key's parts.
    fn key(&self) -> impl Iterator<Item = &[String]> {
        self.guarded.iter().filter(|guarded| guarded.role == Role::Key).map(|guarded| guarded.path.as_slice())
    }
}

/// Whether the property at `path` is the one at `outer`, or in it.
fn is_within(path: &str, outer: &str) -> bool {
    path.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// Adds the types of all that `path` leads through among `columns`, which are at the path `parent`.
fn add_kinds(columns: &[Column], path: &[String], parent: &str, kinds: &mut BTreeMap<String, String>) {
    let Some((name, rest)) = path.split_first() else { return };
    let is_it = |column: &&Column| matches!(&column.source, Source::Property(own) if own == name);
    let Some(column) = columns.iter().find(is_it) else { return };
    let here = if parent.is_empty() { name.clone() } else { format!("{parent}.{name}") };
    kinds.insert(here.clone(), column.kind.sql());
    match &column.kind {
        Kind::Struct(record) => add_kinds(&record.fields, rest, &here, kinds),
        Kind::Union(members) => members.iter().for_each(|kind| {
            if let Kind::Struct(record) = kind {
                add_kinds(&record.fields, rest, &here, kinds);
            }
        }),
        _ => {}
    }
}

/// The members of an object at the beginning of `text`.
type Members<'a> = BTreeMap<String, &'a RawValue>;

/// Those of `text`; `None` where it begins with no object that can be read.
fn members(text: &[u8]) -> Option<Members<'_>> {
    Members::deserialize(&mut serde_json::Deserializer::from_slice(text)).ok()
}

/// Whether there is anything at `path` in an object, if only `null`, there or on the way. Of what cannot be read, nothing is known to
/// be missing.
fn has(object: Option<&Members<'_>>, path: &[String]) -> bool {
    let (Some(object), Some((name, rest))) = (object, path.split_first()) else { return true };
    let Some(value) = object.get(name).map(|value| value.get()) else { return false };
    value == "null" || rest.is_empty() || value.starts_with('{') && has(members(value.as_bytes()).as_ref(), rest)
}

/// The path in one of the records `packed` that is one of `missing` but for the case of letters, with dots.
fn other_name(packed: &[u8], missing: &[&[String]]) -> Option<String> {
    missing.first()?;
    let named = |record: Members<'_>| missing.iter().find_map(|path| alike(&record, path));
    texts(packed).filter_map(members).find_map(named)
}

/// The path in `object` that is `path` but for the case of letters, with dots.
fn alike(object: &Members<'_>, path: &[String]) -> Option<String> {
    let (name, rest) = path.split_first()?;
    let is_alike = |own: &&String| own.to_lowercase() == name.to_lowercase();
    let found = object.get_key_value(name).or_else(|| object.iter().find(|(own, _)| is_alike(own)));
    let (found, value) = found?;
    match rest {
        [] => Some(found.clone()),
        _ => alike(&members(value.get().as_bytes())?, rest).map(|inner| format!("{found}.{inner}")),
    }
}

#[cfg(test)]
#[path = "key_guard_tests.rs"]
mod tests;
