//! Statements by which rows take the place of those with the same key. `schema::dedup` has the rules, and the reasons for what is
//! compared with what.
//!
//! Each statement reads the staged rows through [`Keyed::winners`]: with the values of their keys, of their cursors and of deletes as
//! columns of their own, and of each key the newest row alone. All of it runs in open-source Spark with Delta Lake, too.
//!
//! Source: <https://docs.databricks.com/en/sql/language-manual/delta-merge-into.html>.

mod values;

use std::fmt::Write as _;

use self::values::{ordered, same};
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
    /// Columns of the table that no staged row has: they become NULL where a row is replaced.
    pub others: &'a [String],
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
            .chain(self.others.iter().map(|name| format!("{} = NULL", quoted(name))))
            .collect();
        let mut on = self.is_same_key(table);
        if let (Some(KeyRange { low, high }), Some(place)) = (range, self.places.key.first()) {
            let _ = write!(on, "\n  AND {} BETWEEN {low} AND {high}", same(place, "target", table.collated));
        }
        let newer = self.is_newer(table, "\n    ");
        let (mut delete, mut insert) = (String::new(), String::new());
        if self.deletes() {
            let deleted = self.helper(DELETED);
            delete = format!("WHEN MATCHED AND staged.{deleted}\n  AND ({newer}\n  ) THEN\n  DELETE\n");
            insert = format!(" AND NOT staged.{deleted}");
        }
        format!(
            "MERGE INTO {table} AS target\nUSING (\n{}\n) AS staged\nON {on}\n{delete}WHEN MATCHED AND ({newer}\n  ) THEN\n  UPDATE SET\n    \
             {}\nWHEN NOT MATCHED{insert} THEN\n  INSERT ({names})\n  VALUES ({})",
            self.winners(rows, false),
            set.join(",\n    "),
            list(self.columns.columns(), "staged."),
        )
    }

    /// Replaces all rows by the newest of each key of `rows`, a query.
    pub fn overwrite(&self, table: &TableName, rows: &str) -> String {
        let names = list(self.columns.columns(), "");
        format!("INSERT OVERWRITE TABLE {table} ({names})\n{}", self.kept(&format!(" {names}"), rows))
    }

    /// Replaces all rows and the columns by the newest of each key of `rows`, a query. Columns that are not staged stay, without
    /// values.
    pub fn recreate(&self, table: &TableName, replaced: &Replaced, rows: &str) -> String {
        let values = columns_after(self.columns, table, replaced, |column| quoted(&column.name));
        let values = format!("\n{}", values.join(",\n"));
        format!("CREATE OR REPLACE TABLE {table}\n{}AS {}", clauses(replaced), self.kept(&values, rows))
    }

    /// Counts those of `rows`, a query, that need not be loaded any more: the newest of their key is in the table, or a newer one is;
    /// of a delete, no older row of its key is there.
    pub fn count(&self, table: &TableName, rows: &str) -> String {
        let (key, newer) = (self.is_same_key(table), self.is_newer(table, "\n    "));
        let versions = format!("coalesce(sum(staged.{}), 0)", self.helper(VERSIONS));
        let winners = self.winners(rows, true);
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

    /// Asks between which values the first part of the keys of `rows`, a query, lies, how many rows there are, and how many of them have
    /// a value there. `None` where no file could be skipped by it.
    pub fn range(&self, rows: &str) -> Option<String> {
        let place = self.places.key.first().filter(|place| place.json.is_empty())?;
        let value = place_name(place, "staged");
        let shown = match place.kind {
            Kind::Integer(_) => value.clone(),
            Kind::Date => format!("CAST({value} AS STRING)"),
            Kind::Timestamp => format!("unix_micros({value})"),
            _ => return None,
        };
        Some(format!("SELECT min({shown}), max({shown}), count(*), count({value})\nFROM (\n{rows}\n) AS staged"))
    }

    /// The range of keys that `texts`, the answer to [`Self::range`], tells. `rows`: how many rows are staged. `None` where a row has no
    /// key, whose kind would be passed over by a comparison, or where the server does not see all rows yet.
    pub fn key_range(&self, texts: &[String], rows: u64) -> Option<KeyRange> {
        let [low, high, counted, with_key] = texts else { return None };
        let all = rows.to_string();
        let kind = &self.places.key.first()?.kind;
        let bound = |text: &str| values::literal_of(kind, text);
        (*counted == all && *with_key == all).then(|| Some(KeyRange { low: bound(low)?, high: bound(high)? }))?
    }

    /// Removes from the table all rows but the newest of each key. Repeatable at any moment: what is removed once is no row's newest
    /// version later. Rows that lack a part of the key stay: they were loaded by another key. Rows with one id are copies of each other,
    /// and stay, too.
    pub fn remove_older(&self, table: &TableName) -> String {
        let id = quoted(&self.columns.id().name);
        let [rank, best] = [RANK, BEST].map(|name| self.helper(name));
        let columns = self.helpers("target");
        let order = self.order();
        let keys = self.key_names();
        let (key, has_key) = (keys.join(", "), keys.join(" IS NOT NULL AND "));
        format!(
            "MERGE INTO {table} AS target\nUSING (\n  SELECT DISTINCT {id}\n  FROM (\n    SELECT {id}, min({rank}) OVER (PARTITION BY {id}) AS \
             {best}\n    FROM (\n      SELECT {id}, row_number() OVER (PARTITION BY {key} ORDER BY {order}) AS {rank}\n      FROM (\n        \
             SELECT target.{id}, target.{}, {columns}\n        FROM {table} AS target\n      )\n      WHERE {has_key} IS NOT NULL\n    )\n  )\n  WHERE {best} > 1\n) AS older\nON {} = \
             older.{id}\nWHEN MATCHED THEN\n  DELETE",
            quoted(&self.columns.emitted_at().name),
            table.compared("target", self.columns.id()),
        )
    }

    /// The newest of each key of `rows` that stay; `names`, what is read of them, begins with a space or a line.
    fn kept(&self, names: &str, rows: &str) -> String {
        let only = if self.deletes() { format!("\nWHERE NOT {}", self.helper(DELETED)) } else { String::new() };
        format!("SELECT{names}\nFROM (\n{}\n) AS staged{only}", self.winners(rows, false))
    }

    /// The newest of each key of `rows`, a query, with the values that they are compared by. `counts`: and with the number of rows that
    /// have its key.
    fn winners(&self, rows: &str, counts: bool) -> String {
        let [rank, versions] = [RANK, VERSIONS].map(|name| self.helper(name));
        let key = self.key_names().join(", ");
        let counted =
            if counts { format!(",\n    count(*) OVER (PARTITION BY {key}) AS {versions}") } else { String::new() };
        let text = format!(
            "SELECT *\nFROM (\n  SELECT *, row_number() OVER (PARTITION BY {key} ORDER BY {}) AS {rank}{counted}\n  FROM (\n    SELECT \
             staged.*, {}\n    FROM (\n{}\n    ) AS staged\n  )\n)\nWHERE {rank} = 1",
            self.order(),
            self.helpers("staged"),
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
    fn helpers(&self, alias: &str) -> String {
        let named = |what: &'static str, place: String, at| format!("{place} AS {}", self.numbered(what, at));
        let key = self.places.key.iter().enumerate().map(|(at, place)| named(KEY, same(place, alias, false), at));
        let cursor =
            self.places.cursor.iter().enumerate().map(|(at, place)| named(CURSOR, ordered(place, alias, false), at));
        let is_deleted: Vec<String> =
            self.places.deleted.iter().map(|place| format!("{} IS NOT NULL", same(place, alias, false))).collect();
        let deleted = self.deletes().then(|| format!("({}) AS {}", is_deleted.join(" OR "), self.helper(DELETED)));
        key.chain(cursor).chain(deleted).collect::<Vec<_>>().join(", ")
    }

    fn key_names(&self) -> Vec<String> {
        (0..self.places.key.len()).map(|at| self.numbered(KEY, at)).collect()
    }

    /// Whether a row of the table, `target`, and a staged one have the same key.
    fn is_same_key(&self, table: &TableName) -> String {
        let parts = self.places.key.iter().enumerate().map(|(at, place)| {
            format!("{} <=> staged.{}", same(place, "target", table.collated), self.numbered(KEY, at))
        });
        parts.collect::<Vec<_>>().join("\n  AND ")
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
            "{inner}staged.{time} > target.{time}{inner}OR staged.{time} = target.{time} AND {new} > {old}"
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

    /// The name of a column that only the statement has: no staged column has it.
    fn helper(&self, name: &str) -> String {
        let mut name = name.to_owned();
        while self.columns.columns().any(|column: &Column| are_same_names(&column.name, &name)) {
            name.push('_');
        }
        quoted(&name)
    }
}

const KEY: &str = "_airbyte_key";
const CURSOR: &str = "_airbyte_cursor";
const DELETED: &str = "_airbyte_deleted";
const RANK: &str = "_airbyte_rank";
const BEST: &str = "_airbyte_best_rank";
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
