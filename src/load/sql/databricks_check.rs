//! What `check` asks of Databricks beside a sync of one row: before it the catalog and the schema, after it the row, and if
//! something fails, each single thing that a sync needs.
//!
//! The first statement also shows what all others need: the server's name, the token, the warehouse. Everything that the check
//! creates is removed; a schema only if it is empty.

use std::sync::Arc;

use super::answers::names;
use super::create_retries::{Created, create_with_retries};
use super::staging_volume::ensure_volumes;
use super::statements::{self, NewTable, SchemaName};
use crate::databricks::SqlTransport;
use crate::databricks::conditions::lacks_privilege;
use crate::error::{Error, Kind, Result, ResultExt, StreamDescriptor};
use crate::schema::columns::TableSchema;
use crate::schema::stats::{RowStats, Span};

/// A schema in which a check may make tables.
pub struct DatabricksCheck {
    transport: Arc<dyn SqlTransport>,
    catalog: String,
    schema: String,
    name: SchemaName,
    columns: Arc<TableSchema>,
    /// The check has created the schema, or may have.
    made: bool,
}

/// A table of a check.
#[derive(Debug, Clone)]
pub struct CheckTable {
    /// Its name, in the schema of the check.
    pub table: String,
    /// The folder of its files, as a URL.
    pub location: String,
}

impl DatabricksCheck {
    /// A check in the schema `schema` of `catalog`, with tables of `columns`. Sends nothing.
    pub fn new(transport: Arc<dyn SqlTransport>, catalog: &str, schema: &str, columns: Arc<TableSchema>) -> Self {
        let name = SchemaName::new(catalog, schema);
        Self { transport, catalog: catalog.to_owned(), schema: schema.to_owned(), name, columns, made: false }
    }

    /// Creates the schema if it does not exist.
    pub async fn ensure_schema(&mut self) -> Result<()> {
        let shown = self.transport.execute(&statements::show_schemas(&self.catalog, &[&self.schema])).await;
        let shown = shown.context(|| format!("looking for schema {}", self.name))?;
        if !names(&shown, "namespace", 0).contains(&self.schema) {
            let Created { answer: made, by_others } =
                create_with_retries(self.transport.as_ref(), &statements::create_schema(&self.name)).await;
            // Also after a lost answer or a time limit: a schema that may have been created is dropped if it is empty.
            self.made = !by_others && made.as_ref().err().is_none_or(|error| !lacks_privilege(error));
            made.context(|| format!("creating schema {}", self.name))?;
        }
        Ok(())
    }

    /// Tries each thing that a sync makes Databricks do, and returns what failed: creating the table `new` over an empty folder,
    /// reading the Delta table in `staged`, if one could be written, and adding its rows to `new`. Skips what depends on a failed
    /// step; creates no tables without `has_schema`. The caller drops the tables.
    pub async fn problems(&self, new: &CheckTable, staged: Option<&CheckTable>, has_schema: bool) -> Vec<Error> {
        let (table, mut problems) = (self.name.table(&new.table), Vec::new());
        let mut is_made = false;
        if has_schema {
            let new = NewTable {
                name: &table,
                columns: &self.columns,
                location: Some(&new.location),
                stream: StreamDescriptor { name: new.table.clone(), namespace: None },
                mode: "append",
                generation: None,
                key: None,
                clustered_by: Vec::new(),
            };
            let made = self.execute(&statements::create_table(&new), || format!("creating table {table}")).await;
            is_made = made.is_ok();
            problems.extend(made.err());
        }
        let Some(staged) = staged.filter(|_| may_go_on(&problems)) else { return problems };
        let name = self.name.table(&staged.table);
        let mut is_read = false;
        if has_schema {
            let over = statements::create_over(&name, &staged.location);
            let made = self.execute(&over, || format!("creating a table over {}", staged.location)).await;
            is_read = made.is_ok();
            problems.extend(made.err());
        }
        if !is_read && may_go_on(&problems) {
            // The privileges to create a table and to read the bucket are independent.
            let read = statements::read_folder(&self.columns, &staged.location);
            let read = self.execute(&read, || format!("reading the folder {}", staged.location)).await;
            problems.extend(read.err());
        }
        if is_made && is_read {
            let ids = Span { first: String::new(), last: "~".to_owned() };
            let all = RowStats { rows: 1, ids, emitted_at: Span { first: i64::MIN, last: i64::MAX } };
            let merged = self
                .execute(&statements::merge(&self.columns, &table, &name, &all), || format!("writing to {table}"))
                .await;
            problems.extend(merged.err());
        }
        problems
    }

    /// Creates the managed table `table`; the caller drops it.
    pub async fn try_to_create(&self, table: &str) -> Result<()> {
        let stream = StreamDescriptor { name: table.to_owned(), namespace: None };
        let name = self.name.table(table);
        let new = NewTable {
            name: &name,
            columns: &self.columns,
            location: None,
            stream,
            mode: "append",
            generation: None,
            key: None,
            clustered_by: Vec::new(),
        };
        self.execute(&statements::create_table(&new), || format!("creating table {name}")).await
    }

    /// Creates those of `volumes` that do not exist: see [`ensure_volumes`].
    pub async fn ensure_volumes(&self, volumes: &[(&str, &str, &str)]) -> Result<()> {
        ensure_volumes(self.transport.as_ref(), volumes).await
    }

    /// The tables of the schema whose names are like `pattern`, in which `*` stands for anything.
    pub async fn tables(&self, pattern: &str) -> Result<Vec<String>> {
        let shown = self.transport.execute(&statements::show_tables(&self.name, &[pattern])).await;
        let shown = shown.context(|| format!("looking for the tables of schema {}", self.name))?;
        Ok(names(&shown, "tableName", 1).into_iter().collect())
    }

    async fn execute(&self, statement: &str, what: impl FnOnce() -> String) -> Result<()> {
        self.transport.execute(statement).await.context(what).map(|_| ())
    }

    /// Reads `table` back: it must have exactly one row, with the record `sent`.
    pub async fn ensure_row(&self, table: &str, sent: &str) -> Result<()> {
        let table = self.name.table(table);
        let read = self.transport.execute(&statements::read(&self.columns, &table)).await;
        let read = read.context(|| format!("reading table {table}"))?;
        match read.rows.as_slice() {
            [row] if matches!(row.as_slice(), [Some(data)] if data == sent) => Ok(()),
            // The MERGE has counted the row, so it is in the table.
            [] => Err(Error::config(format!(
                "A row was written to {table}, and {who} does not see it: a row filter or a policy of Unity Catalog \
                 hides it. Exempt {who} from the filters of this schema: a sync must be able to read the rows it has loaded.",
                who = self.transport.who().named
            ))),
            [_] => {
                Err(Error::system(format!("A row was written to {table} and was read back with different content.")))
            }
            rows => Err(Error::system(format!("One row was written to {table}, and {} came back.", rows.len()))),
        }
    }

    /// Drops `table`, if it exists; its files stay.
    pub async fn drop_table(&self, table: &str) -> Result<()> {
        let table = self.name.table(table);
        let dropped = self.transport.execute(&statements::drop_table(&table.to_string())).await;
        dropped.context(|| format!("dropping table {table}")).map(|_| ())
    }

    /// Ends the check: drops a schema that it created, unless something is in it.
    pub async fn end(self) {
        if self.made
            && let Err(error) = self.transport.execute(&statements::drop_schema(&self.name)).await
        {
            tracing::info!("Schema {}, which the check made, stays: {}", self.name, error.internal_message());
        }
        self.transport.close().await;
    }
}

/// Whether the server answered each time: a refusal says nothing about the next step, a missing answer does.
fn may_go_on(problems: &[Error]) -> bool {
    problems.iter().all(|problem| problem.kind() == Kind::Config)
}

#[cfg(test)]
#[path = "databricks_check_tests.rs"]
mod tests;
