//! What a check's trial makes, reads and takes away.

use std::sync::Arc;

use super::Trial;
use crate::load::sql::warehouse_tests::{Fault, Table, Warehouse};

const TABLE: &str = "`main`.`shop`.`t`";

async fn begin(warehouse: &Warehouse) -> Trial {
    Trial::begin(Arc::new(warehouse.clone()), "main", "shop").await.expect("begun")
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
async fn a_trial_that_cannot_begin_ends_what_it_has_with_the_server() {
    let warehouse = Warehouse::default();
    warehouse.with(|state| state.faults.push(("CREATE SCHEMA", Fault::Refused)));
    assert!(Trial::begin(Arc::new(warehouse.clone()), "main", "shop").await.is_err());
    assert!(warehouse.with(|state| state.closed));
}

#[tokio::test]
async fn a_row_has_to_come_back_once_and_as_it_was_sent() {
    for (rows, said) in [
        (&["sent"][..], None),
        (&[][..], Some("0 came back")),
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
