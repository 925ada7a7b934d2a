//! Tables of Airbyte's connector 1.1.x go on where that connector put them; two syncs at once give one table their columns.

use serde_json::{Value, json};

use super::readers::{are_there, see};
use crate::messages::{catalog, configured, record_in, state};
use crate::program::Sandbox;
use crate::python::python;
use crate::table;

/// Writes the table of connector 1.1.x with one row into the folder `sys.argv[1]`, from the stream `sys.argv[2]`.
const WRITE: &str = r#"
import datetime, os, sys
import pyarrow as pa
from deltalake import write_deltalake
rest = pa.map_(pa.string(), pa.string())
union = lambda kind: pa.struct([("member0", kind), ("member1", pa.string())])
time = pa.timestamp("us", "UTC")
schema = pa.schema([
    ("_airbyte_ab_id", pa.string()), ("_airbyte_emitted_at", time), ("id", pa.int64()), ("at", union(time)),
    ("o", pa.struct([("x", pa.float64()), ("_airbyte_additional_properties", rest)])),
    ("_airbyte_additional_properties", rest),
])
day = datetime.datetime(1970, 1, 2, tzinfo=datetime.timezone.utc)
row = {
    "_airbyte_ab_id": "0", "_airbyte_emitted_at": day, "id": 1, "at": {"member0": day, "member1": None},
    "o": {"x": 1.5, "_airbyte_additional_properties": [("k", "v")]}, "_airbyte_additional_properties": None,
}
os.makedirs(sys.argv[1])
description = "Created from stream " + os.path.basename(sys.argv[2])
write_deltalake(sys.argv[1], pa.Table.from_pylist([row], schema=schema), description=description)
os._exit(0)
"#;

/// The same as that connector wrote it in its Azure mode: the time as a text with milliseconds.
const WRITE_WITH_A_TEXT: &str = r#"
import os, sys
import pyarrow as pa
from deltalake import write_deltalake
os.makedirs(sys.argv[1])
rows = [{"_airbyte_ab_id": str(id), "_airbyte_emitted_at": time, "id": id, "name": "old"} for id, time in
        ((1, "1672531200000"), (2, "9999999999999"))]
write_deltalake(sys.argv[1], pa.Table.from_pylist(rows), description="Created from stream users")
os._exit(0)
"#;

fn stream(namespace: Option<&str>, name: &str, mode: &str) -> Value {
    let mut stream = configured(name, mode);
    stream["stream"]["namespace"] = json!(namespace);
    stream["stream"]["json_schema"] = json!({"type": "object", "properties": {
        "id": {"type": "integer"}, "at": {"type": "string", "format": "date-time"},
        "o": {"type": "object", "properties": {"x": {"type": "number"}}},
    }});
    catalog([stream])
}

fn row(namespace: Option<&str>, name: &str) -> String {
    let data = r#"{"id":2,"at":"1970-01-03T00:00:00Z","o":{"x":2,"y":3},"more":1}"#;
    match namespace {
        Some(namespace) => record_in(namespace, name, data),
        None => crate::messages::record(name, data),
    }
}

#[test]
fn a_table_of_the_older_connector_goes_on_where_it_lies() {
    let test = "a_table_of_the_older_connector_goes_on_where_it_lies";
    if !are_there(test) {
        return;
    }
    for (namespace, name) in [(None, "Users"), (Some("Zoo"), "pets"), (Some("Zoo"), "Sheet 1")] {
        let mut sandbox = Sandbox::with(json!({"table_layout": "classic", "schema": "Public"}));
        let place = format!("Public/{name}");
        let output = python(WRITE, &[sandbox.path(&place), name.into()]).unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let run = sandbox.load(&stream(namespace, name, "append"), row(namespace, name));
        assert!(run.logs("INFO").iter().any(|told| told.contains(&place) && told.contains("goes on")), "{run:#?}");
        assert_eq!(table::tables(&sandbox.lake()).len(), 1, "{place}");
        let rows = see(test, &sandbox, &place).rows;
        let rest = "_airbyte_additional_properties";
        let of_day = |day: i64| json!({"member0": day * 86_400_000_000, "member1": null});
        let found: Vec<Value> = rows.iter().map(|row| json!([row["id"], row["at"], row["o"], row[rest]])).collect();
        let expected = [
            json!([1, of_day(1), {"x": 1.5, rest: [["k", "v"]]}, null]),
            json!([2, of_day(2), {"x": 2.0, rest: [["y", "3"]]}, [["more", "1"]]]),
        ];
        assert_eq!(found, expected, "{place}");
        for layout in ["raw", "columns"] {
            sandbox.set(json!({"table_layout": layout, "schema": "Public"}));
            let said = sandbox.write(&stream(namespace, name, "append"), "").failed_with("config_error");
            assert!(said.contains("layout `classic`"), "{said}");
        }
        sandbox.set(json!({"table_layout": "classic", "schema": "Public"}));
        sandbox.load(&stream(namespace, name, "overwrite"), row(namespace, name));
        assert_eq!(see(test, &sandbox, &place).rows.len(), 1);
    }
}

#[test]
fn two_syncs_at_once_give_one_table_the_columns_of_both() {
    let test = "two_syncs_at_once_give_one_table_the_columns_of_both";
    if !are_there(test) {
        return;
    }
    for layout in ["columns", "classic"] {
        let sandbox = Sandbox::with(json!({"table_layout": layout, "enable_schema_evolution": true}));
        let streams = |property: &str| {
            let mut stream = configured("s", "append");
            let properties = json!({"n": {"type": "integer"}, property: {"type": "integer"}});
            stream["stream"]["json_schema"] = json!({"type": "object", "properties": properties});
            catalog([stream])
        };
        for round in 0..3 {
            // The table is there from the second round on.
            let names = [format!("a{round}"), format!("b{round}")];
            let syncs = names.clone().map(|name| {
                let mut sync = sandbox.start(&streams(&name));
                sync.send(crate::messages::record("s", &json!({"n": round, &name: 7}).to_string()) + &state("s", 1));
                sync.has_read_so_far();
                sync
            });
            std::thread::scope(|scope| {
                let ends = syncs.map(|sync| scope.spawn(|| sync.end()));
                for run in ends.map(|end| end.join().unwrap()) {
                    assert_eq!((run.code, run.states().len()), (Some(0), 1), "{layout} {round}: {run:#?}");
                }
            });
            let seen = see(test, &sandbox, "default/s");
            assert_eq!(seen.rows.len(), 2 * (round + 1), "{layout} {round}");
            for name in &names {
                let with: Vec<&Value> = seen.rows.iter().filter(|row| row[name] == json!(7)).collect();
                assert_eq!(with.len(), 1, "{layout}: {name} in {:?}", seen.columns);
            }
        }
        table::assert_tidy(&sandbox.lake());
    }
}

#[test]
fn rows_are_merged_by_key_into_a_table_whose_times_are_texts() {
    let test = "rows_are_merged_by_key_into_a_table_whose_times_are_texts";
    if !are_there(test) {
        return;
    }
    let sandbox = Sandbox::with(json!({"table_layout": "classic", "enable_schema_evolution": true}));
    let output = python(WRITE_WITH_A_TEXT, &[sandbox.path("default/users"), "users".into()]).unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut users = configured("users", "append_dedup");
    users["primary_key"] = json!([["id"]]);
    let properties = json!({"id": {"type": "integer"}, "name": {"type": "string"}});
    users["stream"]["json_schema"] = json!({"type": "object", "properties": properties});
    for _ in 0..2 {
        let records: String =
            (1..4).map(|id| crate::messages::record("users", &format!(r#"{{"id":{id},"name":"new"}}"#))).collect();
        sandbox.load(&catalog([users.clone()]), records);
        let mut found: Vec<Value> =
            see(test, &sandbox, "default/users").rows.iter().map(|row| json!([row["id"], row["name"]])).collect();
        found.sort_by_key(|row| row[0].as_i64());
        assert_eq!(found, [json!([1, "new"]), json!([2, "old"]), json!([3, "new"])]);
    }
}
