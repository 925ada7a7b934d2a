//! What `check` asks of Databricks beside a sync of one row: the catalog and the schema before it, the row after it.
//!
//! What is asked for first fails for what everything else needs too: the server's name, the token, the warehouse. What a
//! trial has made goes again; a schema only if nothing else has come into it.

use std::sync::Arc;

use super::answers::names;
use super::statements::{self, SchemaName};
use crate::databricks::SqlTransport;
use crate::error::{Error, Result, ResultExt};

/// A schema in which a check may make tables.
pub struct Trial {
    transport: Arc<dyn SqlTransport>,
    schema: SchemaName,
    /// The schema was not there before.
    made: bool,
}

impl Trial {
    /// Reaches the server, and makes `schema` in `catalog` if it is not there.
    pub async fn begin(transport: Arc<dyn SqlTransport>, catalog: &str, schema: &str) -> Result<Self> {
        let name = SchemaName::new(catalog, schema);
        let mut trial = Self { transport, schema: name, made: false };
        match trial.ensure_schema(catalog, schema).await {
            Ok(()) => Ok(trial),
            Err(error) => {
                trial.transport.close().await;
                Err(error)
            }
        }
    }

    async fn ensure_schema(&mut self, catalog: &str, schema: &str) -> Result<()> {
        let shown = self.transport.execute(&statements::show_schemas(catalog, &[schema])).await;
        let shown = shown.context(|| format!("looking for schema {}", self.schema))?;
        if !names(&shown, "namespace", 0).contains(schema) {
            // Also where the answer is lost: what may have been made is dropped if it is empty.
            self.made = true;
            let made = self.transport.execute(&statements::create_schema(&self.schema)).await;
            made.context(|| format!("creating schema {}", self.schema))?;
        }
        Ok(())
    }

    /// Reads `table` back: it has to have one row, with the record `sent`.
    pub async fn ensure_row(&self, table: &str, sent: &str) -> Result<()> {
        let table = self.schema.table(table);
        let read = self.transport.execute(&statements::read(&table)).await;
        let read = read.context(|| format!("reading table {table}"))?;
        match read.rows.as_slice() {
            [row] if matches!(row.as_slice(), [Some(data)] if data == sent) => Ok(()),
            [_] => Err(Error::system(format!("A row was written to {table} and came back as another one."))),
            rows => Err(Error::system(format!("One row was written to {table}, and {} came back.", rows.len()))),
        }
    }

    /// Drops `table`, if it is there; its files stay.
    pub async fn drop_table(&self, table: &str) -> Result<()> {
        let table = self.schema.table(table);
        let dropped = self.transport.execute(&statements::drop_table(&table.to_string())).await;
        dropped.context(|| format!("dropping table {table}")).map(|_| ())
    }

    /// Ends the trial: a schema that it made goes, unless something has come into it.
    pub async fn end(self) {
        if self.made
            && let Err(error) = self.transport.execute(&statements::drop_schema(&self.schema)).await
        {
            tracing::info!("Schema {}, which the check made, stays: {}", self.schema, error.internal_message());
        }
        self.transport.close().await;
    }
}

#[cfg(test)]
#[path = "trial_tests.rs"]
mod tests;
