//! Tables as SQL warehouses create them today, with deletion vectors and row tracking.

use serde_json::json;

use super::place::Place;
use crate::messages::{append, numbered, overwrite, records, state, status};
use crate::program::Sandbox;

once!(
    tables_with_deletion_vectors_and_row_tracking_are_loaded_in_both_modes,
    a_table_that_a_warehouse_made_with_deletion_vectors_is_loaded_on_directly,
);

/// Databricks' defaults for new tables of a warehouse.
const DELETION_VECTORS: &str = "enableDeletionVectors";
const ROW_TRACKING: &str = "enableRowTracking";

fn sorted(range: std::ops::Range<u64>) -> Vec<String> {
    let mut data: Vec<String> = range.map(numbered).collect();
    data.sort();
    data
}

/// The rows of `table`, as SQL finds them: not every reader knows deletion vectors.
fn data(place: &Place, table: &str) -> Vec<String> {
    let rows = place.sql(&format!("SELECT _airbyte_data FROM {}", place.name(table)));
    let mut data: Vec<String> = rows.into_iter().map(|row| row[0].clone().unwrap()).collect();
    data.sort();
    data
}

/// A sandbox whose warehouse makes tables with `defaults`.
fn with(defaults: &[&str]) -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.place().set(json!({"new_tables": defaults}));
    sandbox
}

/// Rows `from..from + 20` into a table that gets them added and one that they replace.
fn load(sandbox: &Sandbox, from: u64) {
    let streams = json!({"streams": [append(&["added"])["streams"][0], overwrite(&["replaced"])["streams"][0]]});
    let rows = records("added", from..from + 20) + &records("replaced", from..from + 20);
    let ends = status("added", "COMPLETE") + &status("replaced", "COMPLETE");
    let run = sandbox.load(&streams, rows + &state("added", 1) + &state("replaced", 1) + &ends);
    assert_eq!(run.states().len(), 2);
}

fn tables_with_deletion_vectors_and_row_tracking_are_loaded_in_both_modes() {
    let sandbox = with(&[DELETION_VECTORS, ROW_TRACKING]);
    let place = sandbox.place();
    for round in 0..2 {
        load(&sandbox, round * 20);
    }
    for name in ["added", "replaced"] {
        let properties = place.sql(&format!("SHOW TBLPROPERTIES {}", place.name(name)));
        for property in [DELETION_VECTORS, ROW_TRACKING] {
            assert!(
                properties.contains(&vec![Some(format!("delta.{property}")), Some("true".into())]),
                "{properties:?}"
            );
        }
    }
    assert_eq!(data(place, "added"), sorted(0..40));
    assert_eq!(data(place, "replaced"), sorted(20..40));
    // Rows that somebody removes with a deletion vector stay away, and the table is loaded on.
    place.sql(&format!("DELETE FROM {} WHERE _airbyte_data = '{}'", place.name("added"), numbered(7)));
    load(&sandbox, 40);
    assert_eq!(data(place, "added"), sorted(0..60).into_iter().filter(|row| *row != numbered(7)).collect::<Vec<_>>());
    assert_eq!(data(place, "replaced"), sorted(40..60));
}

fn a_table_that_a_warehouse_made_with_deletion_vectors_is_loaded_on_directly() {
    let mut sandbox = with(&[DELETION_VECTORS, ROW_TRACKING]);
    load(&sandbox, 0);
    sandbox.set(json!({
        "databricks_server_hostname": null, "databricks_http_path": null, "databricks_personal_access_token": null,
    }));
    load(&sandbox, 20);
    assert_eq!(data(sandbox.place(), "added"), sorted(0..40));
    assert_eq!(data(sandbox.place(), "replaced"), sorted(20..40));
}
