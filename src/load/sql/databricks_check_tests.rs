//! What a check creates, reads and tries in Databricks, and what it removes.

use std::sync::Arc;

use super::{CheckTable, DatabricksCheck};
use crate::load::sql::testing::fake_warehouse::{FakeWarehouse, Fault, Table};
use crate::schema::columns::TableSchema;

const TABLE: &str = "`main`.`shop`.`t`";
const NO_TABLES: (&str, &str) = ("CREATE TABLE", "No CREATE TABLE.");
const NO_FILES: (&str, &str) = ("delta.`", "No READ FILES.");

async fn begin(warehouse: &FakeWarehouse) -> DatabricksCheck {
    let mut check = DatabricksCheck::new(Arc::new(warehouse.clone()), "main", "shop", TableSchema::raw());
    check.ensure_schema().await.expect("a schema");
    check
}

async fn found(warehouse: &FakeWarehouse, is_staged: bool, has_schema: bool) -> (Vec<String>, Vec<String>) {
    let check = begin(warehouse).await;
    warehouse.sent();
    let place = |table: &str| CheckTable { table: table.into(), location: format!("s3://lake/shop/{table}") };
    let staged = place("staged");
    let problems = check.problems(&place("new"), Some(&staged).filter(|_| is_staged), has_schema).await;
    (problems.iter().map(|problem| problem.message().to_owned()).collect(), warehouse.sent())
}

#[tokio::test]
async fn a_schema_that_the_check_made_goes_again_and_another_one_stays() {
    let warehouse = FakeWarehouse::default();
    begin(&warehouse).await.end().await;
    assert_eq!(warehouse.sent(), ["SHOW SCHEMAS", "CREATE SCHEMA", "DROP SCHEMA"]);
    let warehouse = FakeWarehouse::default();
    warehouse.with(|state| state.tables.insert("`main`.`shop`.`other`".into(), Table::default()));
    begin(&warehouse).await.end().await;
    assert_eq!(warehouse.sent(), ["SHOW SCHEMAS"]);
    assert!(warehouse.with(|state| state.closed));
}

#[tokio::test]
async fn a_schema_that_may_have_been_made_is_dropped_and_one_that_was_refused_is_not() {
    for fault in [Fault::ReplyLost, Fault::TimedOut] {
        let warehouse = FakeWarehouse::default();
        warehouse.with(|state| state.faults.push(("CREATE SCHEMA", fault)));
        let mut check = DatabricksCheck::new(Arc::new(warehouse.clone()), "main", "shop", TableSchema::raw());
        assert!(check.ensure_schema().await.is_err());
        check.end().await;
        assert_eq!(warehouse.sent(), ["SHOW SCHEMAS", "CREATE SCHEMA", "DROP SCHEMA"]);
        assert!(warehouse.with(|state| state.closed));
    }
    let warehouse = FakeWarehouse::default();
    warehouse.with(|state| {
        state.refusals.push(("CREATE SCHEMA", "PERMISSION_DENIED: User does not have CREATE SCHEMA on Catalog 'main'."))
    });
    let mut check = DatabricksCheck::new(Arc::new(warehouse.clone()), "main", "shop", TableSchema::raw());
    assert!(check.ensure_schema().await.is_err());
    check.end().await;
    assert_eq!(warehouse.sent(), ["SHOW SCHEMAS", "CREATE SCHEMA"]);
}

#[tokio::test]
async fn a_schema_that_somebody_else_makes_in_between_stays() {
    let warehouse = FakeWarehouse::default();
    warehouse.with(|state| state.faults.push(("CREATE SCHEMA", Fault::AlreadyExists)));
    begin(&warehouse).await.end().await;
    assert_eq!(warehouse.sent(), ["SHOW SCHEMAS", "CREATE SCHEMA", "CREATE SCHEMA"]);
}

#[tokio::test]
async fn what_does_not_depend_on_what_failed_is_tried_too() {
    let with = |refusals: &[(&'static str, &'static str)]| {
        let warehouse = FakeWarehouse::default();
        warehouse.with(|state| state.refusals.extend(refusals));
        warehouse
    };
    let (problems, said) = found(&with(&[]), true, true).await;
    assert!(problems.is_empty(), "{problems:?}");
    assert_eq!(said, ["CREATE TABLE", "CREATE TABLE", "MERGE INTO"]);
    let (problems, said) = found(&with(&[NO_TABLES, NO_FILES]), true, true).await;
    assert_eq!(problems, ["No CREATE TABLE.", "No CREATE TABLE.", "No READ FILES."]);
    assert_eq!(said, ["CREATE TABLE", "CREATE TABLE", "SELECT `_airbyte_data`"]);
    let (problems, _) = found(&with(&[("MERGE", "No WRITE FILES.")]), true, true).await;
    assert_eq!(problems, ["No WRITE FILES."]);
    // Without a schema there are no tables; without staged files nothing can be read.
    let (problems, said) = found(&with(&[NO_TABLES, NO_FILES]), true, false).await;
    assert_eq!((problems.as_slice(), said.len()), (&["No READ FILES.".to_owned()][..], 1));
    let (problems, said) = found(&with(&[NO_TABLES, NO_FILES]), false, true).await;
    assert_eq!((problems.as_slice(), said.len()), (&["No CREATE TABLE.".to_owned()][..], 1));
}

#[tokio::test]
async fn nothing_more_is_asked_of_a_server_that_is_away() {
    let warehouse = FakeWarehouse::default();
    warehouse.with(|state| state.faults.push(("CREATE TABLE", Fault::ServerDown)));
    let (problems, said) = found(&warehouse, true, true).await;
    assert_eq!((problems.len(), said.len()), (1, 1));
}

#[tokio::test]
async fn a_row_has_to_come_back_once_and_as_it_was_sent() {
    for (rows, said) in [
        (&["sent"][..], None),
        (&[][..], Some("row filter")),
        (&["sent", "twice"][..], Some("2 came back")),
        (&["other"][..], Some("different content")),
    ] {
        let warehouse = FakeWarehouse::default();
        warehouse.with(|state| state.tables.insert(TABLE.into(), Table::older("s3://lake/shop/t", rows)));
        let check = begin(&warehouse).await;
        let found = check.ensure_row("t", "sent").await.err().map(|error| error.message().to_owned());
        assert_eq!(found.is_some(), said.is_some(), "{found:?}");
        assert!(said.is_none_or(|said| found.is_some_and(|found| found.contains(said))), "{rows:?}");
        check.drop_table("t").await.expect("dropped");
        assert!(warehouse.with(|state| state.tables.is_empty()));
    }
}
