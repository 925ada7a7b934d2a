//! Statements that leave one row of each key, where a table has several: rows of an append, of another key, or of somebody else. Each can be
//! repeated at any moment: it looks at the table alone, and what it removes is no row's newest version later.
//!
//! Rows are told apart by their ids. Those that have the same one, or none, are removed together, and the newest of them is added again, all in
//! one statement.

use super::super::{TableName, quoted};
use super::{ADDED, KeyRange, Keyed, RANK, VERSIONS};

/// The rows of a load: a query, and between which values their keys lie.
pub type OfLoad<'a> = (&'a str, Option<&'a KeyRange>);

impl Keyed<'_> {
    /// Removes from the table the rows whose id is not that of the newest row of their key. Rows that lack a part of the key stay: they were
    /// loaded by another one.
    pub fn remove_older(&self, table: &TableName) -> String {
        let (id, key) = (quoted(&self.columns.id().name), self.key_names().join(", "));
        let [rank, versions] = [RANK, VERSIONS].map(|name| self.helper(name));
        format!(
            "MERGE INTO {table} AS target\nUSING (\n  SELECT *\n  FROM (\n    SELECT {id}, {key}, row_number() OVER (PARTITION BY {key} ORDER BY \
             {}) AS {rank},\n      count(*) OVER (PARTITION BY {key}) AS {versions}\n    FROM (\n      SELECT target.{id}, target.{}, \
             {}\n      FROM {table} AS target\n    )\n    WHERE {}\n  )\n  WHERE {rank} = 1 AND {versions} > 1\n) AS newest\nON {}\nWHEN \
             MATCHED AND NOT ({} <=> newest.{id}) THEN\n  DELETE",
            self.order(),
            quoted(&self.columns.emitted_at().name),
            self.helpers("target", table),
            self.has_key(),
            self.is_same_key(table, "newest"),
            table.compared("target", self.columns.id()),
        )
    }

    /// Leaves the newest row alone of each key that the table has several rows of, whatever their ids are: of all keys without a missing
    /// part, or of those of `load`. Reads and writes whole rows, so nothing may hide their values.
    pub fn remove_copies(&self, table: &TableName, load: Option<OfLoad<'_>>) -> String {
        let [rank, added] = [RANK, ADDED].map(|name| self.helper(name));
        let keys = self.key_names();
        let key = keys.join(", ");
        let same = |one: &str, other: &str| {
            keys.iter().map(|key| format!("{one}.{key} <=> {other}.{key}")).collect::<Vec<_>>().join(" AND ")
        };
        let own: Vec<String> =
            self.columns.columns().map(|column| &column.name).chain(self.others).map(|name| quoted(name)).collect();
        let named = |alias: &str| own.iter().map(|name| format!("{alias}.{name}")).collect::<Vec<_>>().join(", ");
        let range = load.and_then(|(_, range)| range);
        let within = self.within(table, range, "\n          WHERE ");
        let of = match load {
            Some((rows, _)) => {
                format!(
                    "\n        LEFT SEMI JOIN (\n{}\n        ) AS staged\n        ON {}",
                    self.winners(table, rows, false),
                    same("target", "staged")
                )
            }
            None => format!("\n        WHERE {}", self.has_key()),
        };
        format!(
            "MERGE INTO {table} AS target\nUSING (\n  SELECT *, explode(array(false, true)) AS {added}\n  FROM (\n    SELECT *, row_number() OVER \
             (PARTITION BY {key} ORDER BY {order}) AS {rank}\n    FROM (\n      SELECT *\n      FROM (\n        SELECT {columns}, {helpers}\n        FROM \
             {table} AS target{within}\n      ) AS target\n      LEFT SEMI JOIN (\n        SELECT {key}\n        FROM (\n          SELECT \
             {key_values}\n          FROM {table} AS target{within}\n        ) AS target{of}\n        GROUP BY {key}\n        HAVING count(*) > 1\n      ) AS \
             several\n      ON {same}\n    )\n  )\n  WHERE {rank} = 1\n) AS newest\nON NOT newest.{added}\n  AND {is_same}{on_within}\nWHEN MATCHED \
             THEN\n  DELETE\nWHEN NOT MATCHED AND newest.{added} THEN\n  INSERT ({names})\n  VALUES ({values})",
            order = self.order(),
            columns = named("target"),
            helpers = self.helpers("target", table),
            key_values = self.keys("target", table).join(", "),
            same = same("target", "several"),
            is_same = self.is_same_key(table, "newest"),
            on_within = self.within(table, range, "\n  AND "),
            names = own.join(", "),
            values = named("newest"),
        )
    }

    /// Whether a row lacks no part of its key.
    fn has_key(&self) -> String {
        format!("{} IS NOT NULL", self.key_names().join(" IS NOT NULL AND "))
    }
}
