//! What a check's trial makes, reads, tries and takes away.

use std::sync::Arc;

use super::{Place, Trial};
use crate::load::sql::warehouse_tests::{Fault, Table, Warehouse};
use crate::schema::columns::TableSchema;

const TABLE: &str = "`main`.`shop`.`t`";
const NO_TABLES: (&str, &str) = ("CREATE TABLE", "No CREATE TABLE.");
const NO_FILES: (&str, &str) = ("delta.`", "No READ FILES.");

async fn begin(warehouse: &Warehouse) -> Trial {
    let mut trial = Trial::new(Arc::new(warehouse.clone()), "main", "shop", TableSchema::raw());
    trial.ensure_schema().await.expect("a schema");
    trial
}

async fn found(warehouse: &Warehouse, is_staged: bool, has_schema: bool) -> (Vec<String>, Vec<String>) {
    let trial = begin(warehouse).await;
    warehouse.said();
    let place = |table: &str| Place { table: table.into(), location: format!("s3://lake/shop/{table}") };
    let staged = place("staged");
    let problems = trial.problems(&place("new"), Some(&staged).filter(|_| is_staged), has_schema).await;
    (problems.iter().map(|problem| problem.message().to_owned()).collect(), warehouse.said())
}

#[tokio::test]
async fn a_schema_that_the_check_made_goes_again_and_another_one_stays() {
    let warehouse = Warehouse::default();
    begin(&warehouse).await.end().await;
    assert_eq!(warehouse.said(), ["SHOW SCHEMAS", "CREATE SCHEMA", "DROP SCHEMA"]);
    let warehouse = Warehouse::default();
    warehouse.with(|state| state.tables.insert("`main`.`shop`.`other`".into(), Table::default()));
    begin(&warehouse).await.end().await;
    assert_eq!(warehouse.said(), ["SHOW SCHEMAS"]);
    assert!(warehouse.with(|state| state.closed));
}

#[tokio::test]
async fn a_schema_that_may_have_been_made_is_dropped_and_one_that_was_refused_is_not() {
    for fault in [Fault::DoneAndLost, Fault::TimedOut] {
        let warehouse = Warehouse::default();
        warehouse.with(|state| state.faults.push(("CREATE SCHEMA", fault)));
        let mut trial = Trial::new(Arc::new(warehouse.clone()), "main", "shop", TableSchema::raw());
        assert!(trial.ensure_schema().await.is_err());
        trial.end().await;
        assert_eq!(warehouse.said(), ["SHOW SCHEMAS", "CREATE SCHEMA", "DROP SCHEMA"]);
        assert!(warehouse.with(|state| state.closed));
    }
    let warehouse = Warehouse::default();
    warehouse.with(|state| {
        state.refusals.push(("CREATE SCHEMA", "PERMISSION_DENIED: User does not have CREATE SCHEMA on Catalog 'main'."))
    });
    let mut trial = Trial::new(Arc::new(warehouse.clone()), "main", "shop", TableSchema::raw());
    assert!(trial.ensure_schema().await.is_err());
    trial.end().await;
    assert_eq!(warehouse.said(), ["SHOW SCHEMAS", "CREATE SCHEMA"]);
}

#[tokio::test]
async fn a_schema_that_somebody_else_makes_in_between_stays() {
    let warehouse = Warehouse::default();
    warehouse.with(|state| state.faults.push(("CREATE SCHEMA", Fault::ThereAlready)));
    begin(&warehouse).await.end().await;
    assert_eq!(warehouse.said(), ["SHOW SCHEMAS", "CREATE SCHEMA", "CREATE SCHEMA"]);
}

#[tokio::test]
async fn what_does_not_depend_on_what_failed_is_tried_too() {
    let with = |refusals: &[(&'static str, &'static str)]| {
        let warehouse = Warehouse::default();
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
    let warehouse = Warehouse::default();
    warehouse.with(|state| state.faults.push(("CREATE TABLE", Fault::Refused)));
    let (problems, said) = found(&warehouse, true, true).await;
    assert_eq!((problems.len(), said.len()), (1, 1));
}

#[tokio::test]
async fn a_row_has_to_come_back_once_and_as_it_was_sent() {
    for (rows, said) in [
        (&["sent"][..], None),
        (&[][..], Some("row filter")),
        (&["sent", "twice"][..], Some("2 came back")),
        (&["other"][..], Some("another one")),
    ] {
        let warehouse = Warehouse::default();
        warehouse.with(|state| state.tables.insert(TABLE.into(), Table::older("s3://lake/shop/t", rows)));
        let trial = begin(&warehouse).await;
        let found = trial.ensure_row("t", "sent").await.err().map(|error| error.message().to_owned());
        assert_eq!(found.is_some(), said.is_some(), "{found:?}");
        assert!(said.is_none_or(|said| found.is_some_and(|found| found.contains(said))), "{rows:?}");
        trial.drop_table("t").await.expect("dropped");
        assert!(warehouse.with(|state| state.tables.is_empty()));
    }
}
