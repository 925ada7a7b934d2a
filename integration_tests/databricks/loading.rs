//! Every row is in its table once: as SQL, the tests' own reader and other readers see it.

use std::process::Command;

use serde_json::{Value, json};

use super::bucket::ARE_MANAGED;
use super::place::{Place, adds};
use super::stand_in::stand_in;
use crate::messages::{append, numbered, overwrite, padded, record, record_in, records, state, status};
use crate::program::Sandbox;
use crate::table;

over_one!(
    in_ci = statements:
    rows_are_there_once_for_sql_and_for_every_reader,
    streams_with_many_batches_get_few_statements,
    a_catalog_that_was_loaded_directly_is_loaded_on_by_sql,
    purging_leaves_nothing_but_the_tables,
    staging_is_kept_where_it_is_not_purged,
    a_table_of_the_older_connector_is_loaded_on,
    streams_without_records_get_their_empty_tables,
    a_schema_whose_name_begins_with_a_digit_is_found_again,
    a_stream_that_is_called_like_another_ones_namespace_is_staged_beside_it,
    a_table_that_was_dropped_after_somebody_had_changed_it_is_loaded_on,
    columns_with_a_collation_are_loaded,
    staging_tables_are_in_the_schema_that_is_set_for_them,
);

/// Prints the number of rows of the table `sys.argv[1]`, the number of different ids, and the data in order.
const WITH_DELTALAKE: &str = r#"
import json, os, sys
from deltalake import DeltaTable
store = json.loads(sys.argv[2])
options = store and {"AWS_ENDPOINT_URL": store["endpoint"], "AWS_ALLOW_HTTP": "true", "AWS_REGION": store["region"],
                     "AWS_ACCESS_KEY_ID": store["key"], "AWS_SECRET_ACCESS_KEY": store["secret"]}
rows = DeltaTable(sys.argv[1], storage_options=options).to_pyarrow_table().to_pydict()
print(json.dumps([len(set(rows["_airbyte_ab_id"])), sorted(rows["_airbyte_data"])]))
# Threads of the packages sometimes abort an interpreter that ends in order.
sys.stdout.flush()
os._exit(0)
"#;

/// The data of the table `default/<name>`, sorted: the same to SQL, to the bed's reader and to `deltalake`, its ids
/// all different.
pub fn data(place: &Place, name: &str) -> Vec<String> {
    let by_sql = place.sql(&format!("SELECT _airbyte_data, _airbyte_ab_id FROM {}", place.name(name)));
    let mut data: Vec<String> = by_sql.iter().map(|row| row[0].clone().unwrap()).collect();
    data.sort();
    let folder = format!("default/{name}");
    assert_eq!(table::data(&place.table(&folder)), data, "{name}: what SQL reads and what the files say");
    let (address, store) = place.for_readers(&folder);
    let arguments = [address, store.to_string()];
    let output = Command::new(stand_in().python()).args(["-c", WITH_DELTALAKE]).args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let (ids, by_deltalake): (usize, Vec<String>) = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((ids, &by_deltalake), (data.len(), &data), "{name}: what SQL and deltalake read");
    data
}

fn sorted(mut data: Vec<String>) -> Vec<String> {
    data.sort();
    data
}

/// A stream that appends and one that overwrites.
fn streams() -> Value {
    json!({"streams": [append(&["added"])["streams"][0], overwrite(&["replaced"])["streams"][0]]})
}

/// Both are.
fn complete() -> String {
    status("added", "COMPLETE") + &status("replaced", "COMPLETE")
}

fn rows_are_there_once_for_sql_and_for_every_reader() {
    let sandbox = Sandbox::new();
    for round in 0..2 {
        let range = round * 100..round * 100 + 100;
        let input = records("added", range.clone()) + &state("added", range.end);
        let run = sandbox.load(&streams(), input + &records("replaced", range) + &state("replaced", 1) + &complete());
        assert_eq!(run.states().len(), 2);
    }
    let place = sandbox.place();
    assert_eq!(data(place, "added"), sorted((0..200).map(numbered).collect()));
    assert_eq!(data(place, "replaced"), sorted((100..200).map(numbered).collect()));
    let described = place.sql(&format!("DESCRIBE TABLE EXTENDED {}", place.name("added")));
    let says = |name: &str| {
        let row = described.iter().rfind(|row| row[0].as_deref() == Some(name));
        row.and_then(|row| row[1].clone()).unwrap_or_default()
    };
    let kind = if ARE_MANAGED { "MANAGED" } else { "EXTERNAL" };
    assert_eq!((says("Type"), says("Provider")), (kind.to_owned(), "delta".to_owned()));
    assert_eq!(says("Location"), place.location("default/added"));
    assert!(says("Comment").contains("added"), "{described:?}");
    assert!(says("Table Properties").contains("airbyte.destinationSyncMode=append"), "{described:?}");
    table::assert_tidy(&sandbox.lake());
}

fn streams_with_many_batches_get_few_statements() {
    const STREAMS: [&str; 8] = ["a", "b", "c", "d", "e", "f", "g", "h"];
    let input = |batches: u64| -> String {
        let batch = |n: u64| STREAMS.map(|name| record(name, &padded(n, 100_000)) + &state(name, n)).concat();
        (0..batches * 8).map(batch).collect()
    };
    let counts = [1, 4].map(|batches| {
        let sandbox = Sandbox::with(json!({"memory_limit_mb": 64, "flush_size_mb": 1}));
        // The first load of each stream takes long enough for all other batches to be staged meanwhile.
        sandbox.place().goes_wrong(json!([{"action": "hold", "statement": "^(MERGE|COPY)", "times": 8, "value": 4}]));
        sandbox.load(&append(&STREAMS), input(batches));
        let statements = sandbox.place().statements();
        for name in STREAMS {
            assert_eq!(table::data(&sandbox.table(&format!("default/{name}"))).len() as u64, batches * 8, "{name}");
        }
        let loads = statements.iter().filter(|statement| adds(statement)).count();
        (loads, statements.len() - loads)
    });
    let [(one, others), (four, others_of_four)] = counts;
    assert_eq!((one, others), (8, others_of_four), "{counts:?}");
    assert!(four <= 8 * 3, "every batch got a load of its own: {counts:?}");
    assert!(others <= 8 * 3 + 6, "{counts:?}");
}

fn a_catalog_that_was_loaded_directly_is_loaded_on_by_sql() {
    let mut sandbox = Sandbox::new();
    let input = |from: u64| {
        let both = records("added", from..from + 50) + &records("replaced", from..from + 50);
        both + &state("added", 1) + &state("replaced", 1) + &complete()
    };
    let streams = streams();
    sandbox.set(json!({
        "databricks_server_hostname": null, "databricks_http_path": null, "databricks_personal_access_token": null,
    }));
    sandbox.load(&streams, input(0));
    assert_eq!(sandbox.place().statements(), Vec::<String>::new());
    sandbox.set(json!({}));
    sandbox.load(&streams, input(50));
    sandbox.load(&streams, input(100));
    assert_eq!(data(sandbox.place(), "added"), sorted((0..150).map(numbered).collect()));
    assert_eq!(data(sandbox.place(), "replaced"), sorted((100..150).map(numbered).collect()));
    table::assert_tidy(&sandbox.lake());
}

fn purging_leaves_nothing_but_the_tables() {
    let sandbox = Sandbox::new();
    let streams = overwrite(&["users", "pets"]);
    for _ in 0..2 {
        let both = records("users", 0..3) + &records("pets", 0..3);
        sandbox.load(&streams, both + &status("users", "COMPLETE") + &status("pets", "COMPLETE"));
        let mut tables = sandbox.place().tables();
        tables.sort();
        assert_eq!(tables, ["pets", "users"]);
        table::assert_tidy(&sandbox.lake());
        assert_eq!(sandbox.place().bucket().unfinished_uploads(), 0);
    }
}

fn staging_is_kept_where_it_is_not_purged() {
    let sandbox = Sandbox::with(json!({"purge_staging_data": false}));
    sandbox.load(&append(&["users"]), records("users", 0..3) + &state("users", 3));
    let staging = table::staging(&sandbox.lake());
    assert_eq!(staging.len(), 1);
    assert_eq!(table::data(&staging[0].join(sandbox.place().schema()).join("users")).len(), 3);
    let place = sandbox.place();
    let tables = place.tables();
    let temporary: Vec<&String> = tables.iter().filter(|name| name.starts_with("_airbyte_tmp_")).collect();
    assert_eq!((tables.len(), temporary.len()), (2, 1), "{tables:?}");
    assert!(temporary[0].ends_with("_users"), "{tables:?}");
    let count = place.sql(&format!("SELECT count(*) FROM {}", place.name(temporary[0])));
    assert_eq!(count, [[Some("3".to_owned())]]);
}

/// Columns in its order, random ids, another time for each row, and the properties that it set.
fn a_table_of_the_older_connector_is_loaded_on() {
    let sandbox = Sandbox::new();
    let place = sandbox.place();
    place.sql(&format!("CREATE SCHEMA `spark_catalog`.`{}`", place.schema()));
    place.sql(&format!(
        "CREATE TABLE {} (_airbyte_ab_id STRING, _airbyte_emitted_at TIMESTAMP, _airbyte_data STRING) USING delta \
         {} COMMENT 'Created from stream users' TBLPROPERTIES ('airbyte.destinationSyncMode' = 'append', \
         'airbyte.primaryKeys' = '', 'delta.autoOptimize.optimizeWrite' = 'true')",
        place.name("users"),
        place.lies_at("default/users")
    ));
    place.sql(&format!(
        "INSERT INTO {} SELECT uuid(), timestamp_millis(1700000000000 + id), concat('{{\"n\":', id, '}}') FROM range(200)",
        place.name("users")
    ));
    sandbox.load(&append(&["users"]), records("users", 200..300) + &state("users", 300));
    assert_eq!(data(place, "users"), sorted((0..300).map(numbered).collect()));
    sandbox.load(&overwrite(&["users"]), records("users", 0..10) + &status("users", "COMPLETE"));
    assert_eq!(data(place, "users"), sorted((0..10).map(numbered).collect()));
}

fn a_schema_whose_name_begins_with_a_digit_is_found_again() {
    let sandbox = Sandbox::new();
    let namespace = format!("2024_{}", sandbox.place().schema());
    let mut streams = append(&["users", "2024_users"]);
    for stream in streams["streams"].as_array_mut().unwrap() {
        stream["stream"]["namespace"] = json!(namespace);
    }
    let row = |n: u64| ["users", "2024_users"].map(|stream| record_in(&namespace, stream, &numbered(n))).concat();
    sandbox.load(&streams, row(1));
    let before = sandbox.place().statements().len();
    sandbox.load(&streams, row(2));
    let described = sandbox.place().statements().split_off(before);
    assert_eq!(described.iter().filter(|text| text.starts_with("DESCRIBE")).count(), 2, "{described:#?}");
    for stream in ["users", "2024_users"] {
        assert_eq!(table::data(&sandbox.table(&format!("{namespace}/{stream}"))).len(), 2);
    }
}

/// Unity Catalog refuses a table whose folder lies in another one's, and so does the stand-in.
fn a_stream_that_is_called_like_another_ones_namespace_is_staged_beside_it() {
    let sandbox = Sandbox::new();
    let shop = format!("shop_{}", sandbox.place().schema());
    let mut streams = append(&[&shop, "orders"]);
    streams["streams"][1]["stream"]["namespace"] = json!(shop);
    for round in 0..2 {
        sandbox.load(&streams, record(&shop, &numbered(round)) + &record_in(&shop, "orders", &numbered(round)));
    }
    assert_eq!(data(sandbox.place(), &shop).len(), 2);
    assert_eq!(table::data(&sandbox.table(&format!("{shop}/orders"))).len(), 2);
}

/// With a feature that Databricks, and Spark, can write, and this program not.
fn a_table_that_was_dropped_after_somebody_had_changed_it_is_loaded_on() {
    let sandbox = Sandbox::new();
    let place = sandbox.place();
    let load = |from: u64| {
        let both = records("added", from..from + 20) + &records("replaced", from..from + 20);
        sandbox.load(&streams(), both + &state("added", 1) + &state("replaced", 1) + &complete());
    };
    load(0);
    for name in ["added", "replaced"] {
        let name = place.name(name);
        place.sql(&format!("ALTER TABLE {name} ADD CONSTRAINT short CHECK (length(_airbyte_data) < 100)"));
        place.sql(&format!("DROP TABLE {name}"));
    }
    load(20);
    for (name, expected) in [("added", 0..40), ("replaced", 20..40)] {
        assert_eq!(data(place, name), sorted(expected.map(numbered).collect()));
        let properties = place.sql(&format!("SHOW TBLPROPERTIES {}", place.name(name)));
        assert!(properties.iter().any(|row| row[0].as_deref() == Some("delta.constraints.short")), "{properties:?}");
    }
}

/// Which they have where a schema has one: somebody has made the tables, or this program's own take it.
fn columns_with_a_collation_are_loaded() {
    let sandbox = Sandbox::new();
    let place = sandbox.place();
    place.sql(&format!("CREATE SCHEMA `spark_catalog`.`{}`", place.schema()));
    for name in ["added", "replaced"] {
        place.sql(&format!(
            "CREATE TABLE {} (_airbyte_ab_id STRING COLLATE UTF8_LCASE, _airbyte_emitted_at TIMESTAMP, _airbyte_data STRING \
             COLLATE UTF8_LCASE) USING delta {}",
            place.name(name),
            place.lies_at(&format!("default/{name}"))
        ));
    }
    for round in 0..2 {
        let rows = round * 20..round * 20 + 20;
        let both = records("added", rows.clone()) + &records("replaced", rows);
        // Counted too: the answer to each load is lost.
        place.goes_wrong(json!([{"action": "lose", "on": "submit", "statement": "^(MERGE|COPY|INSERT)", "times": 2}]));
        sandbox.load(&streams(), both + &state("added", 1) + &state("replaced", 1) + &complete());
    }
    let rows = |name: &str| {
        let rows = place.sql(&format!("SELECT _airbyte_data FROM {}", place.name(name)));
        sorted(rows.into_iter().map(|row| row[0].clone().unwrap()).collect())
    };
    assert_eq!(rows("added"), sorted((0..40).map(numbered).collect()));
    assert_eq!(rows("replaced"), sorted((20..40).map(numbered).collect()));
}

fn staging_tables_are_in_the_schema_that_is_set_for_them() {
    let apart = format!("tmp_{}", uuid::Uuid::new_v4().simple());
    let sandbox = Sandbox::with(json!({"staging_schema": apart, "purge_staging_data": false}));
    let place = sandbox.place();
    for round in 0..2 {
        sandbox.load(&append(&["users"]), records("users", round * 3..round * 3 + 3) + &state("users", 3));
    }
    assert_eq!(data(place, "users").len(), 6);
    assert_eq!(place.tables(), ["users"]);
    let staged = place.sql(&format!("SHOW TABLES IN `spark_catalog`.`{apart}`"));
    assert!(staged.len() == 2 && staged.iter().all(|row| row[1].as_deref().unwrap().ends_with("_users")), "{staged:?}");
    assert_eq!(
        place.statements().iter().filter(|text| text.contains("CREATE SCHEMA") && text.contains(&apart)).count(),
        1
    );
    place.sql(&format!("DROP SCHEMA `spark_catalog`.`{apart}` CASCADE"));
}

fn streams_without_records_get_their_empty_tables() {
    let sandbox = Sandbox::new();
    let streams = streams();
    for _ in 0..2 {
        sandbox.load(&streams, r#"{"type":"LOG","log":{"level":"INFO","message":"nothing new"}}"#);
        for name in ["added", "replaced"] {
            assert_eq!(data(sandbox.place(), name), Vec::<String>::new());
        }
    }
    sandbox.load(&streams, records("added", 0..3) + &records("replaced", 0..3));
    sandbox.load(&streams, complete());
    assert_eq!(data(sandbox.place(), "replaced"), Vec::<String>::new());
    let left: Vec<Value> =
        data(sandbox.place(), "added").iter().map(|text| serde_json::from_str(text).unwrap()).collect();
    assert_eq!(left.len(), 3);
}
