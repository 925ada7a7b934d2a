//! The JSON of the Statement Execution API: what a statement's answer says, and nothing beyond what is needed of it.

use serde::Deserialize;
use serde_json::Value;

use super::said::Said;
use crate::error::{Error, Result};

/// Where a statement is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// It waits for its turn, or for the warehouse.
    Pending,
    Running,
    Succeeded,
    Failed,
    Canceled,
    /// It has succeeded, and its result is gone.
    Closed,
}

/// The answer to a submit and to a question.
#[derive(Debug, Deserialize)]
pub(super) struct StatementAnswer {
    statement_id: String,
    status: Status,
    manifest: Option<Manifest>,
    /// The first chunk.
    pub result: Option<Chunk>,
}

#[derive(Debug, Deserialize)]
struct Status {
    state: String,
    error: Option<ServiceError>,
    sql_state: Option<String>,
}

#[derive(Debug, Deserialize)]
struct ServiceError {
    error_code: Option<String>,
    message: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Manifest {
    schema: Option<Schema>,
    total_row_count: Option<u64>,
    #[serde(default)]
    truncated: bool,
}

#[derive(Debug, Deserialize)]
struct Schema {
    #[serde(default)]
    columns: Vec<Column>,
}

#[derive(Debug, Deserialize)]
struct Column {
    name: String,
}

/// A part of the result.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Chunk {
    #[serde(default)]
    data_array: Vec<Vec<Value>>,
    next_chunk_index: Option<u64>,
    external_links: Option<Value>,
}

impl StatementAnswer {
    /// The statement's id, which is safe as a part of a path.
    pub fn id(&self) -> Result<String> {
        let id = &self.statement_id;
        let is_sign = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        if id.is_empty() || id.len() > 128 || !id.bytes().all(is_sign) {
            return Err(Error::system("Databricks gave a statement an id that cannot be one."));
        }
        Ok(id.clone())
    }

    /// The state.
    pub fn state(&self) -> Result<State> {
        Ok(match self.status.state.as_str() {
            "PENDING" => State::Pending,
            "RUNNING" => State::Running,
            "SUCCEEDED" => State::Succeeded,
            "FAILED" => State::Failed,
            "CANCELED" => State::Canceled,
            "CLOSED" => State::Closed,
            other => {
                let shown: String = other.chars().take(40).collect();
                return Err(Error::system(format!(
                    "A statement is in a state that this program does not know: {shown}."
                )));
            }
        })
    }

    /// What is said of a statement that failed.
    pub fn said(&self) -> Said {
        let error = self.status.error.as_ref();
        let code = error.and_then(|error| error.error_code.as_deref());
        let message = error.and_then(|error| error.message.as_deref()).unwrap_or_default();
        Said::of_statement(code, self.status.sql_state.as_deref(), message)
    }

    /// The columns' names, and how many rows there are.
    pub fn shape(&self) -> Result<(Vec<String>, Option<u64>)> {
        let Some(manifest) = &self.manifest else { return Ok((Vec::new(), None)) };
        if manifest.truncated {
            return Err(Error::system("Databricks cut off a result, which should have been small."));
        }
        let columns = manifest.schema.iter().flat_map(|schema| &schema.columns).map(|column| column.name.clone());
        Ok((columns.collect(), manifest.total_row_count))
    }
}

impl Chunk {
    /// Moves its rows behind `rows`, and says which chunk comes next.
    pub fn into_rows(self, columns: usize, rows: &mut Vec<Vec<Option<String>>>) -> Result<Option<u64>> {
        let unlike = || Error::system("Databricks sent a result in another form than the one that was asked for.");
        if self.external_links.is_some() {
            return Err(unlike());
        }
        for values in self.data_array {
            if values.len() != columns {
                return Err(unlike());
            }
            let text = |value| match value {
                Value::Null => Ok(None),
                Value::String(text) => Ok(Some(text)),
                _ => Err(unlike()),
            };
            rows.push(values.into_iter().map(text).collect::<Result<_>>()?);
        }
        Ok(self.next_chunk_index)
    }
}
