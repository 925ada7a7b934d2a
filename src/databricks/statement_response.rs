//! The JSON of the Statement Execution API: the fields of a response that are needed here.

use serde::de::{DeserializeSeed, Error as _, IgnoredAny, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::ResultLimits;
use super::server_error::ServerError;
use crate::error::{Error, Result, code};

/// The most columns of a result: results here have a few.
const MOST_COLUMNS: usize = 1000;

/// The state of a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum StatementState {
    /// It is queued, or waits for the warehouse to start.
    Pending,
    Running,
    Succeeded,
    Failed,
    Canceled,
    /// It succeeded, and its result is gone.
    Closed,
}

/// The response to a submit and to a poll.
#[derive(Debug, Deserialize)]
pub(super) struct StatementResponse {
    statement_id: String,
    status: Status,
    manifest: Option<Manifest>,
    /// The first chunk.
    pub result: Option<ResultChunk>,
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
    #[serde(default, deserialize_with = "columns")]
    columns: Vec<Column>,
}

#[derive(Debug, Deserialize)]
struct Column {
    name: String,
}

/// A part of the result.
#[derive(Debug, Default, Deserialize)]
pub(super) struct ResultChunk {
    /// Unparsed: rows take many times their text, and only as many are built as the limits allow.
    data_array: Option<Box<RawValue>>,
    next_chunk_index: Option<u64>,
    external_links: Option<IgnoredAny>,
}

impl StatementResponse {
    /// The statement's id, checked to be safe as a part of a path.
    pub fn id(&self) -> Result<String> {
        let id = &self.statement_id;
        let is_sign = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        if id.is_empty() || id.len() > 128 || !id.bytes().all(is_sign) {
            return Err(Error::system("Databricks gave a statement an invalid id."));
        }
        Ok(id.clone())
    }

    /// The state.
    pub fn state(&self) -> Result<StatementState> {
        Ok(match self.status.state.as_str() {
            "PENDING" => StatementState::Pending,
            "RUNNING" => StatementState::Running,
            "SUCCEEDED" => StatementState::Succeeded,
            "FAILED" => StatementState::Failed,
            "CANCELED" => StatementState::Canceled,
            "CLOSED" => StatementState::Closed,
            other => {
                let shown = code(other).unwrap_or("no word");
                return Err(Error::system(format!("A statement is in an unknown state: {shown}.")));
            }
        })
    }

    /// The error of a statement that failed.
    pub fn server_error(&self) -> ServerError {
        let error = self.status.error.as_ref();
        let code = error.and_then(|error| error.error_code.as_deref());
        let message = error.and_then(|error| error.message.as_deref()).unwrap_or_default();
        ServerError::of_statement(code, self.status.sql_state.as_deref(), message)
    }

    /// The columns' names and the number of rows, if the server says it.
    pub fn shape(&self) -> Result<(Vec<String>, Option<u64>)> {
        let Some(manifest) = &self.manifest else { return Ok((Vec::new(), None)) };
        if manifest.truncated {
            return Err(Error::system("Databricks truncated a result that should have been small."));
        }
        let columns = manifest.schema.iter().flat_map(|schema| &schema.columns).map(|column| column.name.clone());
        Ok((columns.collect(), manifest.total_row_count))
    }
}

impl ResultChunk {
    /// Moves its rows behind `rows`, within `limits`, and says which chunk comes next.
    pub fn into_rows(
        self,
        columns: usize,
        rows: &mut Vec<Vec<Option<String>>>,
        limits: &mut ResultLimits,
    ) -> Result<Option<u64>> {
        let unexpected_form = || Error::system("Databricks sent a result in another format than the requested one.");
        if self.external_links.is_some() {
            return Err(unexpected_form());
        }
        if let Some(text) = &self.data_array {
            let mut failed = None;
            let read = RowsReader { columns, rows, limits, failed: &mut failed };
            let ended = read.deserialize(&mut serde_json::Deserializer::from_str(text.get()));
            if let Some(error) = failed {
                return Err(error);
            }
            ended.map_err(|_| unexpected_form())?;
        }
        Ok(self.next_chunk_index)
    }
}

/// Reads columns one by one, and no more than [`MOST_COLUMNS`].
fn columns<'de, D: Deserializer<'de>>(input: D) -> Result<Vec<Column>, D::Error> {
    struct Columns;
    impl<'de> Visitor<'de> for Columns {
        type Value = Vec<Column>;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("columns")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut input: A) -> Result<Vec<Column>, A::Error> {
            let mut columns = Vec::new();
            while let Some(column) = input.next_element()? {
                if columns.len() == MOST_COLUMNS {
                    return Err(A::Error::custom("too many columns"));
                }
                columns.push(column);
            }
            Ok(columns)
        }
    }
    input.deserialize_seq(Columns)
}

/// Reads rows one by one, so that rows beyond the limits are never held.
struct RowsReader<'a> {
    columns: usize,
    rows: &'a mut Vec<Vec<Option<String>>>,
    limits: &'a mut ResultLimits,
    /// The limit that was exceeded, if one was: the parser's own error cannot carry it.
    failed: &'a mut Option<Error>,
}

impl<'de> DeserializeSeed<'de> for RowsReader<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, input: D) -> Result<(), D::Error> {
        input.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for RowsReader<'_> {
    type Value = ();

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("rows")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut input: A) -> Result<(), A::Error> {
        while input.next_element_seed(RowReader { columns: self.columns, rows: self.rows })?.is_some() {
            if let Err(error) = self.rows.last().map_or(Ok(()), |row| self.limits.count(row)) {
                *self.failed = Some(error);
                return Err(A::Error::custom("too much"));
            }
        }
        Ok(())
    }
}

struct RowReader<'a> {
    columns: usize,
    rows: &'a mut Vec<Vec<Option<String>>>,
}

impl<'de> DeserializeSeed<'de> for RowReader<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, input: D) -> Result<(), D::Error> {
        input.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for RowReader<'_> {
    type Value = ();

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a row of texts")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut input: A) -> Result<(), A::Error> {
        let mut row = Vec::with_capacity(self.columns);
        while row.len() < self.columns {
            row.push(input.next_element::<Option<String>>()?.ok_or_else(|| A::Error::custom("too few values"))?);
        }
        if input.next_element::<IgnoredAny>()?.is_some() {
            return Err(A::Error::custom("too many values"));
        }
        self.rows.push(row);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_with_more_columns_than_any_result_has_is_not_held() {
        let answer = |columns: usize| {
            let columns = vec![r#"{"name":"a"}"#; columns].join(",");
            let text = format!(
                r#"{{"statement_id":"1","status":{{"state":"SUCCEEDED"}},"manifest":{{"schema":{{"columns":[{columns}]}}}}}}"#
            );
            serde_json::from_str::<StatementResponse>(&text)
                .map(|answer| answer.shape().map(|shape| shape.0.len()).ok())
        };
        assert!(matches!(answer(1000), Ok(Some(1000))));
        assert!(answer(1001).is_err());
    }
}
