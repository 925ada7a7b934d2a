//! A whole check on a folder, with a warehouse behind the Statement Execution API that refuses what it is told to.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures::FutureExt;
use serde_json::{Value, json};
use uuid::Uuid;

use super::find_problems;
use crate::clock::{ClockAndIds, SystemClock};
use crate::config::{Config, Engine};
use crate::databricks::SqlTransport;
use crate::databricks::testing::scripted_server::{
    Reaction, ReceivedRequest, ScriptedServer, answer, failure, timeouts,
};
use crate::error::Result;
use crate::load::sql::testing::fake_warehouse::FakeWarehouse;
use crate::protocol::writer::ProtocolWriter;
use crate::sync::Context;
use crate::tasks::stop::Stop;
use crate::tasks::threads::Threads;

const NO_CATALOG: &str = "User does not have USE CATALOG on Catalog 'main'.";
const NO_SCHEMA: &str = "User does not have CREATE SCHEMA on Catalog 'main'.";
const NO_TABLE: &str = "User does not have CREATE TABLE on Schema 'main.shop'.";
const NO_FILES: &str = "User does not have READ FILES on External Location 'lake'.";
const NO_WRITES: &str = "User does not have WRITE FILES on External Location 'lake'.";

struct Bed {
    _folder: tempfile::TempDir,
    root: PathBuf,
    warehouse: FakeWarehouse,
}

impl Bed {
    fn new(refusals: &[(&'static str, &'static str)]) -> Self {
        let warehouse = FakeWarehouse::default();
        warehouse.with(|state| state.refusals.extend(refusals));
        let folder = tempfile::tempdir().expect("a folder");
        Self { root: folder.path().to_owned(), _folder: folder, warehouse }
    }

    async fn check(&self) -> Result<()> {
        let warehouse = self.warehouse.clone();
        let server = ScriptedServer::new(move |received, _| serve(&warehouse, received));
        let path = self.root.display();
        let text = format!(
            r#"{{"data_source": {{"data_source_type": "LOCAL_STORAGE", "local_path": "{path}"}},
                "database": "main", "schema": "shop"}}"#
        );
        let mut config = Config::from_json(&text).expect("a configuration");
        config.engine = Engine::Databricks(Box::new(server.settings()));
        config.tuning.timeouts = timeouts();
        let context = Context {
            writer: Arc::new(ProtocolWriter::stdout()),
            clock_and_ids: ClockAndIds { clock: Arc::new(SystemClock), new_id: Uuid::now_v7 },
            stop: Stop::default(),
            threads: Threads::plenty(),
        };
        find_problems(&config, &context).await
    }

    /// What a check says, which leaves nothing behind whatever that is.
    async fn said(&self) -> String {
        let said = self.check().await.err().map(|error| error.message().to_owned()).unwrap_or_default();
        let tables: Vec<String> = self.warehouse.with(|state| state.tables.keys().cloned().collect());
        assert_eq!((tables, files(&self.root)), (Vec::new(), Vec::new()), "{said}");
        said
    }
}

fn files(folder: &Path) -> Vec<PathBuf> {
    std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path()).collect()
}

/// Answers as a warehouse does; what it kept in place of a check's row is the row.
fn serve(warehouse: &FakeWarehouse, received: &ReceivedRequest) -> Reaction {
    if received.method == "GET" {
        return answer(200, json!({"id": "abc", "state": "RUNNING"}));
    }
    let body: Value = serde_json::from_str(&received.body).expect("JSON");
    let statement = body["statement"].as_str().expect("a statement");
    let rows = match warehouse.execute(statement).now_or_never().expect("an answer") {
        Ok(rows) => rows,
        Err(error) => return failure("PERMISSION_DENIED", error.message()),
    };
    let columns: Vec<Value> = rows.columns.iter().map(|name| json!({"name": name})).collect();
    let mut data = rows.rows;
    if statement.starts_with("SELECT `_airbyte_data`") && !statement.contains("delta.") {
        let table = statement.split('`').nth(7).expect("a table");
        data.iter_mut().for_each(|row| *row = vec![Some(format!(r#"{{"check":"{table}"}}"#))]);
    }
    answer(
        200,
        json!({
            "statement_id": "01ef-a",
            "status": {"state": "SUCCEEDED"},
            "manifest": {"schema": {"columns": columns}, "total_row_count": data.len()},
            "result": {"data_array": data}
        }),
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_that_finds_nothing_leaves_nothing() {
    let bed = Bed::new(&[]);
    assert_eq!(bed.said().await, "");
    let said = bed.warehouse.sent();
    assert_eq!((said[1].as_str(), said.last().map(String::as_str)), ("CREATE SCHEMA", Some("DROP SCHEMA")));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_problem_is_told_once_with_its_cure_and_nothing_is_left() {
    let table = ("CREATE TABLE", NO_TABLE);
    let files = ("delta.`", NO_FILES);
    let staging = ("_airbyte_tmp_", NO_FILES);
    type Case<'a> = (&'a [(&'static str, &'static str)], &'a [&'a str]);
    let cases: [Case<'_>; 7] = [
        (&[("SHOW SCHEMAS", NO_CATALOG)], &["GRANT USE CATALOG ON CATALOG `main`"]),
        (&[("SHOW SCHEMAS", NO_CATALOG), files], &["GRANT USE CATALOG", "GRANT READ FILES"]),
        (&[("CREATE SCHEMA", NO_SCHEMA), files], &["GRANT CREATE SCHEMA", "GRANT READ FILES"]),
        (&[table], &["GRANT CREATE TABLE ON SCHEMA `main`.`shop`"]),
        (&[table, files], &["GRANT CREATE TABLE", "GRANT READ FILES ON EXTERNAL LOCATION `lake`"]),
        (&[staging], &["GRANT READ FILES"]),
        (&[("MERGE", NO_WRITES)], &["GRANT WRITE FILES"]),
    ];
    for (refusals, cures) in cases {
        let bed = Bed::new(refusals);
        let said = bed.said().await;
        assert!(cures.iter().all(|cure| said.contains(cure)), "{refusals:?}: {said}");
        assert_eq!(said.matches("GRANT ").count(), cures.len(), "{refusals:?}: {said}");
        let statements = bed.warehouse.sent();
        let made = statements.iter().any(|said| said == "CREATE SCHEMA") && refusals[0].0 != "CREATE SCHEMA";
        assert_eq!(made, statements.last().is_some_and(|said| said == "DROP SCHEMA"), "{statements:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn problems_of_the_storage_and_of_databricks_are_told_together() {
    let mut bed = Bed::new(&[("CREATE SCHEMA", NO_SCHEMA)]);
    let file = bed.root.join("file");
    std::fs::write(&file, "").expect("a file");
    bed.root = file.join("lake");
    let said = bed.check().await.expect_err("problems").message().to_owned();
    let lines: Vec<&str> = said.lines().collect();
    assert!(lines.len() == 2 && lines[0].contains("file/lake") && lines[1].contains("GRANT CREATE SCHEMA"), "{said}");
}
