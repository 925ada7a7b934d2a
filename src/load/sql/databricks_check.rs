//! What `check` asks of Databricks beside a sync of one row: the catalog and the schema before it, the row after it, and
//! where something fails, each thing that a sync needs by itself.
//!
//! What is asked for first fails for what everything else needs too: the server's name, the token, the warehouse. What a
//! trial has made goes again; a schema only if nothing else has come into it.

use std::sync::Arc;

use super::answers::names;
use super::create_retries::{Created, create_with_retries};
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
    /// The schema was not there before.
    made: bool,
}

/// A table of a check: its name, and the folder of its files as a URL.
#[derive(Debug, Clone)]
pub struct CheckTable {
    /// The name, in the schema of the trial.
    pub table: String,
    /// The folder.
    pub location: String,
}

impl DatabricksCheck {
    /// A trial of the schema `schema` in `catalog`, with tables of `columns`. Nothing is sent yet.
    pub fn new(transport: Arc<dyn SqlTransport>, catalog: &str, schema: &str, columns: Arc<TableSchema>) -> Self {
        let name = SchemaName::new(catalog, schema);
        Self { transport, catalog: catalog.to_owned(), schema: schema.to_owned(), name, columns, made: false }
    }

    /// Makes the schema if it is not there.
    pub async fn ensure_schema(&mut self) -> Result<()> {
        let shown = self.transport.execute(&statements::show_schemas(&self.catalog, &[&self.schema])).await;
        let shown = shown.context(|| format!("looking for schema {}", self.name))?;
        if !names(&shown, "namespace", 0).contains(&self.schema) {
            let Created { answer: made, by_others } =
                create_with_retries(self.transport.as_ref(), &statements::create_schema(&self.name)).await;
            // Also where the answer is lost, or a time limit ended it: what may have been made is dropped if it is empty.
            self.made = !by_others && made.as_ref().err().is_none_or(|error| !lacks_privilege(error));
            made.context(|| format!("creating schema {}", self.name))?;
        }
        Ok(())
    }

    /// Tries by itself each thing that a sync has Databricks do: to make a table in `new`, which is empty, to read the
    /// Delta table in `staged`, where one could be put there, and to write what is staged. What depends on something
    /// that failed is not tried; without a schema, `has_schema`, there are no tables. The tables stay.
    pub async fn problems(&self, new: &CheckTable, staged: Option<&CheckTable>, has_schema: bool) -> Vec<Error> {
        let (table, mut problems) = (self.name.table(&new.table), Vec::new());
        let mut is_made = false;
        if has_schema {
            let new = NewTable {
                name: &table,
                columns: &self.columns,
                location: &new.location,
                stream: StreamDescriptor { name: new.table.clone(), namespace: None },
                mode: "append",
                generation: None,
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
            // The right to make a table and the right to read the bucket do not depend on each other.
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

    async fn execute(&self, statement: &str, what: impl FnOnce() -> String) -> Result<()> {
        self.transport.execute(statement).await.context(what).map(|_| ())
    }

    /// Reads `table` back: it has to have one row, with the record `sent`.
    pub async fn ensure_row(&self, table: &str, sent: &str) -> Result<()> {
        let table = self.name.table(table);
        let read = self.transport.execute(&statements::read(&self.columns, &table)).await;
        let read = read.context(|| format!("reading table {table}"))?;
        match read.rows.as_slice() {
            [row] if matches!(row.as_slice(), [Some(data)] if data == sent) => Ok(()),
            // The MERGE has counted it: it is there.
            [] => Err(Error::config(format!(
                "A row was written to {table}, and the token's user does not see it: a row filter or a policy of Unity Catalog \
                 hides it. Exempt the token's user from the filters of this schema: what was loaded has to be counted."
            ))),
            [_] => Err(Error::system(format!("A row was written to {table} and came back as another one."))),
            rows => Err(Error::system(format!("One row was written to {table}, and {} came back.", rows.len()))),
        }
    }

    /// Drops `table`, if it is there; its files stay.
    pub async fn drop_table(&self, table: &str) -> Result<()> {
        let table = self.name.table(table);
        let dropped = self.transport.execute(&statements::drop_table(&table.to_string())).await;
        dropped.context(|| format!("dropping table {table}")).map(|_| ())
    }

    /// Ends the trial: a schema that it made goes, unless something has come into it.
    pub async fn end(self) {
        if self.made
            && let Err(error) = self.transport.execute(&statements::drop_schema(&self.name)).await
        {
            tracing::info!("Schema {}, which the check made, stays: {}", self.name, error.internal_message());
        }
        self.transport.close().await;
    }
}

/// Whether the server answers: what is refused says nothing of the next thing.
fn may_go_on(problems: &[Error]) -> bool {
    problems.iter().all(|problem| problem.kind() == Kind::Config)
}

#[cfg(test)]
#[path = "databricks_check_tests.rs"]
mod tests;
