//! A warehouse for tests: runs the statements of this engine on ids instead of rows, and fails on demand.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;

use super::fake_files;
use crate::databricks::conditions;
use crate::databricks::server_error::ServerError;
use crate::databricks::workspace::Workspace;
use crate::databricks::{Changed, QueryResult, SqlTransport, Who};
use crate::error::{Error, Result};
use crate::retry::Backoff;

/// What goes wrong, once, with the next statement that begins with given words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// It is done; the server reports a transient error, so the transport sends it again and returns the second answer.
    RunTwice,
    /// It is done; the server reports a time limit.
    TimedOut,
    /// It is done; the caller gets a transient error.
    ReplyLost,
    /// It is not done; the caller gets a transient error.
    ServerDown,
    /// For statements that change rows: it is done, and the transport reports an unknown outcome.
    OutcomeUnknown,
    /// The same, but it has not begun: it runs beside the next statement that changes rows.
    StartsLate,
    /// For statements that change rows: it is refused, and will never be done.
    Denied,
    /// It is done, and its result has no numbers of rows.
    NoCounts,
    /// It is not done: the server reports that the object exists.
    AlreadyExists,
    /// It is done, and then somebody else adds rows with these ids.
    OthersWrote(&'static [&'static str]),
}

/// What a server says of a statement that ran into its limit; it may have committed.
pub const TIMED_OUT: &str = "[QUERY_EXECUTION_TIMEOUT_EXCEEDED] Query execution was cancelled due to exceeding the timeout (60s). SQLSTATE: 57KD0";

#[derive(Debug, Clone, Default)]
pub struct Table {
    pub location: String,
    pub kind: String,
    pub provider: String,
    pub columns: Vec<(String, String)>,
    pub comment: String,
    pub properties: BTreeMap<String, String>,
    pub ids: BTreeSet<String>,
    /// Lines of its description before the details: row filters and masks.
    pub policies: Vec<(String, String)>,
}

impl Table {
    /// As the older connector made it.
    pub fn older(location: &str, ids: &[&str]) -> Self {
        let column = |name: &str, kind: &str| (name.to_owned(), kind.to_owned());
        Self {
            location: location.into(),
            kind: "EXTERNAL".into(),
            provider: "delta".into(),
            columns: vec![
                column("_airbyte_data", "string"),
                column("_airbyte_emitted_at", "timestamp"),
                column("_airbyte_ab_id", "string"),
            ],
            comment: String::new(),
            properties: BTreeMap::new(),
            ids: ids.iter().map(|id| (*id).to_owned()).collect(),
            policies: Vec::new(),
        }
    }
}

#[derive(Default)]
pub struct State {
    pub statements: Vec<String>,
    pub tables: BTreeMap<String, Table>,
    /// What lies in staging folders, by the end of their names.
    pub staged: BTreeMap<String, BTreeSet<String>>,
    /// Staged rows that are not seen before a refresh.
    pub unseen: BTreeSet<String>,
    /// A policy hides the rows of final tables from whoever reads them; a MERGE inserts what it does not see.
    pub hidden: bool,
    /// Those that a policy hides where it does not hide all.
    pub filtered: BTreeSet<String>,
    pub faults: Vec<(&'static str, Fault)>,
    /// Words of statements that are always refused, and what is said then.
    pub refusals: Vec<(&'static str, &'static str)>,
    /// Files that a COPY INTO has loaded, each behind its table.
    pub loaded: BTreeSet<(String, String)>,
    /// The names of volumes, whatever their schema.
    pub volumes: Vec<String>,
    /// A statement that has not begun.
    pub late: Option<String>,
    pub closed: bool,
    /// The first of the waits between two copies of one statement.
    pub pause: Duration,
}

#[derive(Clone, Default)]
pub struct FakeWarehouse(pub Arc<Mutex<State>>);

impl FakeWarehouse {
    pub fn with<T>(&self, work: impl FnOnce(&mut State) -> T) -> T {
        work(&mut self.0.lock().unwrap())
    }

    /// The first words of the statements since the last call.
    pub fn sent(&self) -> Vec<String> {
        let statements = self.with(|state| std::mem::take(&mut state.statements));
        let brief = |statement: String| statement.split_whitespace().take(2).collect::<Vec<_>>().join(" ");
        statements.into_iter().map(brief).collect()
    }

    pub fn ids(&self, table: &str) -> Vec<String> {
        self.with(|state| state.tables[table].ids.iter().cloned().collect())
    }
}

impl FakeWarehouse {
    fn answer(&self, statement: &str) -> Result<Changed> {
        self.with(|state| {
            assert!(!state.closed, "closed: {statement}");
            let at = state.faults.iter().position(|(words, _)| statement.starts_with(words));
            let fault = at.map(|at| state.faults.remove(at).1);
            state.statements.push(statement.to_owned());
            if let Some((_, said)) = state.refusals.iter().find(|(words, _)| statement.contains(words)) {
                return Err(refusal(said));
            }
            if fault == Some(Fault::StartsLate) {
                state.late = Some(statement.to_owned());
                return Ok(Changed::Unknown(Error::transient("The answer was lost.")));
            }
            let answer = match fault {
                None | Some(Fault::StartsLate) => state.run(statement),
                Some(Fault::RunTwice) => state.run(statement).and_then(|_| state.run(statement)),
                Some(Fault::OutcomeUnknown) => {
                    state.run(statement)?;
                    return Ok(Changed::Unknown(Error::transient("The answer was lost.")));
                }
                Some(Fault::NoCounts) => state.run(statement).map(|_| QueryResult::default()),
                Some(Fault::TimedOut) => state.run(statement).and(Err(refusal(TIMED_OUT))),
                Some(Fault::ReplyLost) => state.run(statement).and(Err(Error::transient("The answer was lost."))),
                Some(Fault::OthersWrote(ids)) => state.run(statement).map(|_| {
                    state.tables.values_mut().filter(|table| !table.ids.is_empty()).for_each(|table| {
                        table.ids.extend(ids.iter().map(|id| (*id).to_owned()));
                    });
                    QueryResult::default()
                }),
                Some(Fault::Denied) => return Ok(Changed::Refused(Error::config("MODIFY is missing."))),
                Some(Fault::AlreadyExists) => Err(already_exists_error()),
                Some(Fault::ServerDown) => Err(Error::transient("The server is away.")),
            };
            answer.map(Changed::Done)
        })
    }
}

#[async_trait]
impl SqlTransport for FakeWarehouse {
    async fn execute(&self, statement: &str) -> Result<QueryResult> {
        match self.answer(statement)? {
            Changed::Done(rows) => Ok(rows),
            Changed::Refused(error) => Err(error),
            Changed::Unknown(error) | Changed::Cancelled(error) => panic!("{statement} may be repeated: {error}"),
        }
    }

    async fn change(&self, statement: &str) -> Result<Changed> {
        self.with(|state| {
            if let Some(late) = state.late.take().filter(|late| !late.contains(".parquet")) {
                let staging = between(&late, "FROM ", "\n").to_owned();
                assert!(!state.tables.contains_key(&staging), "it runs beside {statement}: {late}");
            }
        });
        self.answer(statement)
    }

    fn waits(&self) -> Backoff {
        Backoff::new(self.with(|state| state.pause), Duration::MAX, None)
    }

    async fn close(&self) {
        self.with(|state| state.closed = true);
    }
}

/// As a server says it of a schema.
pub fn already_exists_error() -> Error {
    explained(&ServerError::of_statement(
        Some("BAD_REQUEST"),
        None,
        "[SCHEMA_ALREADY_EXISTS] Cannot create schema `shop`.",
    ))
}

/// What a refusal is: words with an error class or a status, `403 …`, are those of a server.
pub(super) fn refusal(said: &str) -> Error {
    if said.starts_with('[') || said.starts_with("PERMISSION_DENIED") {
        return explained(&ServerError::of_statement(Some("BAD_REQUEST"), None, said));
    }
    let status = said.split_once(' ').and_then(|(status, words)| Some((status.parse().ok()?, words)));
    status.map_or_else(
        || Error::config(said),
        |(status, words)| {
            explained(&ServerError { status: Some(status), ..ServerError::of_statement(None, None, words) })
        },
    )
}

fn explained(said: &ServerError) -> Error {
    conditions::explain(
        said,
        &Workspace { host: "example.com".into(), http_path: "/sql/1.0/warehouses/1".into(), who: Who::default() },
    )
}

pub(super) fn answer(columns: &[&str], rows: Vec<Vec<String>>) -> QueryResult {
    QueryResult {
        columns: columns.iter().map(|name| (*name).to_owned()).collect(),
        rows: rows.into_iter().map(|row| row.into_iter().map(Some).collect()).collect(),
    }
}

/// What stands between `before` and `after` for the first time.
pub(super) fn between<'a>(text: &'a str, before: &str, after: &str) -> &'a str {
    let rest = text.split_once(before).unwrap_or_else(|| panic!("no {before} in {text}")).1;
    rest.split_once(after).map_or(rest, |(found, _)| found).trim()
}

impl State {
    fn staged_ids(&self, statement: &str) -> BTreeSet<String> {
        if let Some(files) = fake_files::ids_of_folder(statement) {
            return files;
        }
        let staging = between(statement, "FROM ", "\n").to_owned();
        let staging = staging.as_str();
        let location = &self.tables.get(staging).unwrap_or_else(|| panic!("no table {staging}")).location;
        if !statement.contains("BETWEEN") {
            // A staging table that was made without rows.
            return BTreeSet::new();
        }
        let (low, high) = range(statement);
        let Some((_, ids)) = self.staged.iter().find(|(folder, _)| location.ends_with(*folder)) else {
            // Staged by others: one row.
            return BTreeSet::from([low]);
        };
        ids.iter().filter(|id| **id >= low && **id <= high && !self.unseen.contains(*id)).cloned().collect()
    }

    fn run(&mut self, statement: &str) -> Result<QueryResult> {
        let words: Vec<&str> = statement.split_whitespace().collect();
        let last = words.last().copied().unwrap_or_default();
        match words.as_slice() {
            ["SHOW", "SCHEMAS", ..] => {
                let schemas: BTreeSet<&str> = self.tables.keys().filter_map(|name| name.split('`').nth(3)).collect();
                Ok(answer(&["namespace"], schemas.into_iter().map(|name| vec![name.to_owned()]).collect()))
            }
            ["SHOW", "TABLES", "IN", schema, ..] => {
                let names = self.tables.keys().filter_map(|name| name.strip_prefix(&format!("{schema}.")));
                let row = |name: &str| vec![String::new(), name.trim_matches('`').to_owned(), "false".to_owned()];
                Ok(answer(&["namespace", "tableName", "isTemporary"], names.map(row).collect()))
            }
            ["DESCRIBE", ..] => {
                let table = &self.tables[last];
                let mut rows: Vec<_> =
                    table.columns.iter().map(|(name, kind)| vec![name.clone(), kind.clone()]).collect();
                rows.extend(table.policies.iter().map(|(name, value)| vec![name.clone(), value.clone()]));
                rows.push(vec!["# Detailed Table Information".into(), String::new()]);
                let details = [("Type", &table.kind), ("Provider", &table.provider), ("Location", &table.location)];
                let comment = Some(("Comment", &table.comment)).filter(|(_, comment)| !comment.is_empty());
                for (key, value) in details.into_iter().chain(comment) {
                    rows.push(vec![key.to_owned(), value.clone()]);
                }
                Ok(answer(&["col_name", "data_type"], rows))
            }
            ["SHOW", "TBLPROPERTIES", ..] => {
                let row = |(key, value): (&String, &String)| vec![key.clone(), value.clone()];
                Ok(answer(&["key", "value"], self.tables[last].properties.iter().map(row).collect()))
            }
            ["SHOW", "VOLUMES", ..] => {
                let rows = self.volumes.iter().map(|name| vec![String::new(), name.clone()]).collect();
                Ok(answer(&["database", "volume_name"], rows))
            }
            ["CREATE", "VOLUME", ..] => {
                let name = words.get(5).copied().unwrap_or_default();
                self.volumes.push(name.rsplit_once(".`").unwrap().1.trim_matches('`').to_owned());
                Ok(QueryResult::default())
            }
            ["CREATE", "SCHEMA", ..] | ["REFRESH", ..] => {
                if last.contains("_airbyte_tmp_") {
                    self.unseen.clear();
                }
                Ok(QueryResult::default())
            }
            ["CREATE", "TABLE", _, _, _, name, ..] => {
                let name = (*name).to_owned();
                self.tables.entry(name).or_insert_with(|| new_table(statement));
                Ok(QueryResult::default())
            }
            ["MERGE", "INTO", name, ..] => {
                let staged = self.staged_ids(statement);
                let ids = &mut self.tables.get_mut(*name).unwrap().ids;
                let hides = |id: &String| self.hidden || self.filtered.contains(id);
                let inserted = staged.iter().filter(|id| hides(id) || !ids.contains(*id)).count().to_string();
                ids.extend(staged);
                Ok(answer(&["num_affected_rows", "num_inserted_rows"], vec![vec![inserted.clone(), inserted]]))
            }
            ["COPY", "INTO", name, ..] => self.copy_into(name, statement),
            ["INSERT", "OVERWRITE", "TABLE", name, ..] => {
                fake_files::ensure_whole(statement).map_err(|said| refusal(&said))?;
                let staged = self.staged_ids(statement);
                let inserted = staged.len().to_string();
                self.tables.get_mut(*name).unwrap().ids = staged;
                Ok(answer(&["num_affected_rows", "num_inserted_rows"], vec![vec![inserted.clone(), inserted]]))
            }
            ["SELECT", "count(*)", _, _, _, name, ..] if name.contains("_airbyte_tmp_") => {
                Ok(answer(&["rows"], vec![vec![self.staged_ids(statement).len().to_string()]]))
            }
            ["SELECT", "count(*)", _, _, _, name, ..] => {
                let (low, high) = range(statement.rsplit_once("\nWHERE ").unwrap().1);
                let staged =
                    statement.contains("SEMI JOIN").then(|| self.staged_ids(between(statement, "SEMI JOIN (", ")")));
                let counts = |id: &&String| {
                    !self.hidden
                        && !self.filtered.contains(*id)
                        && **id >= low
                        && **id <= high
                        && staged.as_ref().is_none_or(|s| s.contains(*id))
                };
                let count = self.tables[*name].ids.iter().filter(counts).count();
                Ok(answer(&["rows"], vec![vec![count.to_string()]]))
            }
            ["SELECT", _, "FROM", folder, ..] if folder.starts_with("delta.") => Ok(QueryResult::default()),
            ["SELECT", "`_airbyte_data`", "FROM", name, ..] => {
                let rows = self.tables[*name].ids.iter().map(|id| vec![id.clone()]).collect();
                Ok(answer(&["_airbyte_data"], rows))
            }
            ["DROP", "SCHEMA", ..] => Ok(QueryResult::default()),
            ["ALTER", "TABLE", name, ..] => {
                let property = between(statement, "TBLPROPERTIES (", ")").replace('\'', "");
                let (key, value) = property.split_once(" = ").unwrap();
                self.tables.get_mut(*name).unwrap().properties.insert(key.into(), value.into());
                Ok(QueryResult::default())
            }
            ["DROP", "TABLE", ..] => {
                self.tables.remove(last);
                Ok(QueryResult::default())
            }
            _ => panic!("an unknown statement: {statement}"),
        }
    }
}

fn new_table(statement: &str) -> Table {
    let is_managed = !statement.contains("\nLOCATION '");
    let location = if is_managed { "s3://metastore/tables/1" } else { between(statement, "LOCATION '", "'") };
    let mut table = Table::older(location, &[]);
    if is_managed {
        table.kind = "MANAGED".into();
    }
    if statement.contains("COMMENT '") {
        table.comment = between(statement, "COMMENT '", "'").to_owned();
    }
    for line in statement.lines().filter(|line| line.starts_with("  '")) {
        let (key, value) = line.trim().trim_end_matches(',').split_once(" = ").unwrap();
        table.properties.insert(key.replace('\'', ""), value.replace('\'', ""));
    }
    table
}

fn range(statement: &str) -> (String, String) {
    let rest = between(statement, "BETWEEN '", "\n");
    let (low, rest) = rest.split_once('\'').unwrap();
    (low.to_owned(), between(rest, "AND '", "'").to_owned())
}
