//! Statements by which rows take the place of those with the same key. `schema::dedup` has the rules, and the reasons for what is
//! compared with what.
//!
//! Each statement reads the staged rows through [`Keyed::winners`]: with the values of their keys, of their cursors and of deletes as
//! columns of their own, and of each key the newest row alone. All of it runs in open-source Spark with Delta Lake, too.
//!
//! [`Keyed::upsert`] changes each row of the table that has a key of the load, if only to what it is. So its counts tell whether the table
//! had several rows of one of these keys: then it changed and added more rows than there are winners that stay ([`Survey::live`]).
//! `removal` has what leaves one of them.
//!
//! Source: <https://docs.databricks.com/en/sql/language-manual/delta-merge-into.html>.

mod removal;
mod values;

use std::fmt::Write as _;

use self::values::{has_literals, is_there, ordered, same};
use super::columns::{Replaced, clauses, values as columns_after};
use super::{TableName, list, quoted};
use crate::schema::columns::{Column, TableSchema};
use crate::schema::dedup::{Place, Places};
use crate::schema::kind::Kind;
use crate::schema::table_type::are_same_names;

/// What rows are compared by, and the columns that they have.
#[derive(Clone, Copy)]
pub struct Keyed<'a> {
    /// The columns of the staged rows.
    pub columns: &'a TableSchema,
    /// Where their keys are.
    pub places: &'a Places,
    /// Columns of the table that no staged row has.
    pub others: &'a [String],
    /// Those among them that become NULL where a row is replaced.
    pub emptied: &'a [String],
}

/// What the staged rows of a load say of their keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Survey {
    /// Between which values the first part of the keys lies, where files can be skipped by it.
    pub range: Option<KeyRange>,
    /// How many keys get a row, or keep a newer one: those whose newest row is no delete.
    pub live: u64,
}

/// Between which values the first part of the keys of a load lies, as literals.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRange {
    low: String,
    high: String,
}

impl Keyed<'_> {
    /// Brings `rows`, a query, into the table: the newest of each key takes the place of an older one that is there, or is added. Rows
    /// of other keys need not be read where there is a `range`.
    pub fn upsert(&self, table: &TableName, rows: &str, range: Option<&KeyRange>) -> String {
        let names = list(self.columns.columns(), "");
        let set: Vec<String> = self
            .columns
            .columns()
            .map(|column| format!("{0} = staged.{0}", quoted(&column.name)))
            .chain(self.emptied.iter().map(|name| format!("{} = NULL", quoted(name))))
            .collect();
        let on = format!("{}{}", self.is_same_key(table, "staged"), self.within(table, range, "\n  AND "));
        let newer = self.is_newer(table, "\n    ");
        let (mut delete, mut insert) = (String::new(), String::new());
        if self.deletes() {
            let deleted = self.helper(DELETED);
            delete = format!("WHEN MATCHED AND staged.{deleted}\n  AND ({newer}\n  ) THEN\n  DELETE\n");
            insert = format!(" AND NOT staged.{deleted}");
        }
        format!(
            "MERGE INTO {table} AS target\nUSING (\n{}\n) AS staged\nON {on}\n{delete}WHEN MATCHED AND ({newer}\n  ) THEN\n  UPDATE SET\n    \
             {}\nWHEN MATCHED THEN\n  UPDATE SET {id} = target.{id}\nWHEN NOT MATCHED{insert} THEN\n  INSERT ({names})\n  VALUES ({})",
            self.winners(table, rows, false),
            set.join(",\n    "),
            list(self.columns.columns(), "staged."),
            id = quoted(&self.columns.id().name),
        )
    }

    /// Replaces all rows by the newest of each key of `rows`, a query.
    pub fn overwrite(&self, table: &TableName, rows: &str) -> String {
        let names = list(self.columns.columns(), "");
        format!("INSERT OVERWRITE TABLE {table} ({names})\n{}", self.kept(table, &format!(" {names}"), rows))
    }

    /// Replaces all rows and the columns by the newest of each key of `rows`, a query. Columns that are not staged stay, without
    /// values.
    pub fn recreate(&self, table: &TableName, replaced: &Replaced, rows: &str) -> String {
        let values = columns_after(self.columns, table, replaced, |column| quoted(&column.name));
        let values = format!("\n{}", values.join(",\n"));
        format!("CREATE OR REPLACE TABLE {table}\n{}AS {}", clauses(replaced), self.kept(table, &values, rows))
    }

    /// Counts those of `rows`, a query, that need not be loaded any more: the newest of their key is in the table, or a newer one is;
    /// of a delete, no older row of its key is there.
    pub fn count(&self, table: &TableName, rows: &str, range: Option<&KeyRange>) -> String {
        let key = format!("{}{}", self.is_same_key(table, "staged"), self.within(table, range, "\n  AND "));
        let newer = self.is_newer(table, "\n    ");
        let versions = format!("coalesce(sum(staged.{}), 0)", self.helper(VERSIONS));
        let winners = self.winners(table, rows, true);
        let sum = |join: &str, is: &str, kept: &str| {
            format!(
                "{versions} AS `rows`\nFROM (\n{winners}\n) AS staged\n{join} JOIN {table} AS target\nON {key}\n  AND {is}coalesce({newer}\n  , false){kept}"
            )
        };
        if !self.deletes() {
            return format!("SELECT {}", sum("LEFT SEMI", "NOT ", ""));
        }
        let deleted = self.helper(DELETED);
        let there = sum("LEFT SEMI", "NOT ", &format!("\nWHERE NOT staged.{deleted}"));
        let gone = sum("LEFT ANTI", "", &format!("\nWHERE staged.{deleted}"));
        format!("SELECT sum(`rows`) AS `rows`\nFROM (\nSELECT {there}\nUNION ALL\nSELECT {gone}\n)")
    }

    /// Whether files of the table can be skipped by the keys of a load.
    pub fn has_range(&self) -> bool {
        self.places.key.first().is_some_and(has_literals)
    }

    /// Asks for the [`Survey`] of `rows`, a query.
    pub fn survey(&self, table: &TableName, rows: &str) -> String {
        let range = match self.places.key.first().filter(|place| has_literals(place)) {
            Some(place) => {
                let value = place_name(place, "staged");
                let shown = match place.kind {
                    Kind::Date => format!("CAST({value} AS STRING)"),
                    Kind::Timestamp => format!("unix_micros({value})"),
                    _ => value.clone(),
                };
                format!("min({shown}), max({shown}), count({value})")
            }
            None => "'', '', 0".to_owned(),
        };
        let live = if self.deletes() {
            format!("count_if(NOT staged.{})", self.helper(DELETED))
        } else {
            "count(*)".to_owned()
        };
        format!(
            "SELECT {range}, count(*), {live}, coalesce(sum(staged.{}), 0)\nFROM (\n{}\n) AS staged",
            self.helper(VERSIONS),
            self.winners(table, rows, true)
        )
    }

    /// The survey that `texts` tells, the answer to [`Self::survey`]. `rows`: how many rows are staged. `None` where the server does not
    /// see all of them yet. Without a range where a key has no value, whose kind would be passed over by a comparison.
    pub fn surveyed(&self, texts: &[String], rows: u64) -> Option<Survey> {
        let [low, high, with_value, keys, live, seen] = texts else { return None };
        let live = live.parse().ok().filter(|_| *seen == rows.to_string())?;
        let kind = &self.places.key.first()?.kind;
        let bound = |text: &str| values::literal_of(kind, text).filter(|_| with_value == keys);
        let range = bound(low).zip(bound(high)).map(|(low, high)| KeyRange { low, high });
        Some(Survey { range: range.filter(|_| self.has_range()), live })
    }

    /// The newest of each key of `rows` that stay; `names`, what is read of them, begins with a space or a line.
    fn kept(&self, table: &TableName, names: &str, rows: &str) -> String {
        let only = if self.deletes() { format!("\nWHERE NOT {}", self.helper(DELETED)) } else { String::new() };
        format!("SELECT{names}\nFROM (\n{}\n) AS staged{only}", self.winners(table, rows, false))
    }

    /// The newest of each key of `rows`, a query, with the values that they are compared by: byte by byte as in `table`, because staged
    /// texts may get its collation from their schema. `counts`: and with the number of rows that have its key.
    fn winners(&self, table: &TableName, rows: &str, counts: bool) -> String {
        let [rank, versions] = [RANK, VERSIONS].map(|name| self.helper(name));
        let key = self.key_names().join(", ");
        let counted =
            if counts { format!(",\n    count(*) OVER (PARTITION BY {key}) AS {versions}") } else { String::new() };
        let text = format!(
            "SELECT *\nFROM (\n  SELECT *, row_number() OVER (PARTITION BY {key} ORDER BY {}) AS {rank}{counted}\n  FROM (\n    SELECT \
             staged.*, {}\n    FROM (\n{}\n    ) AS staged\n  )\n)\nWHERE {rank} = 1",
            self.order(),
            self.helpers("staged", table),
            indented(rows, "      "),
        );
        indented(&text, "  ")
    }

    /// Newest first.
    fn order(&self) -> String {
        let cursor = (0..self.places.cursor.len()).map(|at| format!("{} DESC NULLS LAST", self.numbered(CURSOR, at)));
        let rest =
            [self.columns.emitted_at(), self.columns.id()].map(|column| format!("{} DESC", quoted(&column.name)));
        cursor.chain(rest).collect::<Vec<_>>().join(", ")
    }

    /// The values that rows of `alias` are compared by, as columns.
    fn helpers(&self, alias: &str, table: &TableName) -> String {
        let cursor =
            self.places.cursor.iter().enumerate().map(|(at, place)| {
                format!("{} AS {}", ordered(place, alias, table.collated), self.numbered(CURSOR, at))
            });
        let is_deleted: Vec<String> = self.places.deleted.iter().map(|place| is_there(place, alias)).collect();
        let deleted = self.deletes().then(|| format!("({}) AS {}", is_deleted.join(" OR "), self.helper(DELETED)));
        self.keys(alias, table).into_iter().chain(cursor).chain(deleted).collect::<Vec<_>>().join(", ")
    }

    /// The parts of the key of rows of `alias`, as columns.
    fn keys(&self, alias: &str, table: &TableName) -> Vec<String> {
        let named = |(at, place)| format!("{} AS {}", same(place, alias, table.collated), self.numbered(KEY, at));
        self.places.key.iter().enumerate().map(named).collect()
    }

    fn key_names(&self) -> Vec<String> {
        (0..self.places.key.len()).map(|at| self.numbered(KEY, at)).collect()
    }

    /// Whether a row of the table, `target`, has the key that a row of `other` has in columns of its own.
    fn is_same_key(&self, table: &TableName, other: &str) -> String {
        let parts = self.places.key.iter().enumerate().map(|(at, place)| {
            format!("{} <=> {other}.{}", same(place, "target", table.collated), self.numbered(KEY, at))
        });
        parts.collect::<Vec<_>>().join("\n  AND ")
    }

    /// Whether the first part of the key of a row of the table, `target`, is in `range`, behind `before`; empty without one.
    fn within(&self, table: &TableName, range: Option<&KeyRange>, before: &str) -> String {
        let Some((KeyRange { low, high }, place)) = range.zip(self.places.key.first()) else { return String::new() };
        format!("{before}{} BETWEEN {low} AND {high}", same(place, "target", table.collated))
    }

    /// Whether a staged row is newer than the row of the table, `target`; each alternative behind `line`.
    fn is_newer(&self, table: &TableName, line: &str) -> String {
        let mut text = String::new();
        let mut inner = line.to_owned();
        for (at, place) in self.places.cursor.iter().enumerate() {
            let (old, new) =
                (ordered(place, "target", table.collated), format!("staged.{}", self.numbered(CURSOR, at)));
            let _ = write!(
                text,
                "{inner}{new} > {old}{inner}OR {new} IS NOT NULL AND {old} IS NULL{inner}OR {new} <=> {old} AND ("
            );
            inner.push_str("  ");
        }
        let time = quoted(&self.columns.emitted_at().name);
        let (old, new) =
            (table.compared("target", self.columns.id()), format!("staged.{}", quoted(&self.columns.id().name)));
        let _ = write!(
            text,
            "{inner}staged.{time} > target.{time}{inner}OR target.{time} IS NULL{inner}OR staged.{time} = target.{time} AND ({new} > {old} OR {old} IS NULL)"
        );
        for _ in &self.places.cursor {
            inner.truncate(inner.len().saturating_sub(2));
            let _ = write!(text, "{inner})");
        }
        text
    }

    fn deletes(&self) -> bool {
        !self.places.deleted.is_empty()
    }

    fn numbered(&self, what: &str, at: usize) -> String {
        self.helper(&format!("{what}_{at}"))
    }

    /// The name of a column that only the statement has: no column of the staged rows or the table has it.
    fn helper(&self, name: &str) -> String {
        let mut name = name.to_owned();
        let own = || self.columns.columns().map(|column: &Column| &column.name);
        while own().chain(self.others).any(|taken| are_same_names(taken, &name)) {
            name.push('_');
        }
        quoted(&name)
    }
}

const KEY: &str = "_airbyte_key";
const CURSOR: &str = "_airbyte_cursor";
const DELETED: &str = "_airbyte_deleted";
const RANK: &str = "_airbyte_rank";
const ADDED: &str = "_airbyte_is_added";
const VERSIONS: &str = "_airbyte_versions";

fn indented(text: &str, indent: &str) -> String {
    text.lines().map(|line| format!("{indent}{line}")).collect::<Vec<_>>().join("\n")
}

/// The column or field of a place under the name `alias`.
fn place_name(place: &Place, alias: &str) -> String {
    let path = [&place.column].into_iter().chain(&place.fields).map(|name| quoted(name));
    [alias.to_owned()].into_iter().chain(path).collect::<Vec<_>>().join(".")
}

#[cfg(test)]
#[path = "dedup_tests.rs"]
mod tests;
