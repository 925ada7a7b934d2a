//! Tables with a column for each property, as Spark loads and reads them: what becomes of an existing table when a stream has other
//! columns.

use serde_json::{Value, json};

use super::place::Place;
use crate::messages::{catalog, configured, record};
use crate::program::Sandbox;

over_one!(in_ci = thrift: new_properties_become_columns_and_fields,);
once!(
    without_evolution_new_properties_are_undeclared_and_another_type_is_refused_before_anything_is_loaded,
    types_are_widened_where_the_table_allows_it_and_else_values_that_do_not_fit_are_null_and_told,
    columns_that_must_have_a_value_are_relaxed_with_evolution_and_else_told,
    a_table_with_a_hundred_columns_of_others_gets_its_own_and_keeps_theirs,
    two_syncs_at_once_add_the_same_column_and_different_ones,
);

/// A configured stream with these properties.
pub fn stream(name: &str, mode: &str, properties: Value) -> Value {
    let mut stream = configured(name, mode);
    stream["stream"]["json_schema"] = json!({"type": "object", "properties": properties});
    stream
}

/// A catalog of the stream `users`, which appends.
pub fn users(properties: Value) -> Value {
    catalog([stream("users", "append", properties)])
}

/// A sandbox with tables of `layout`, which may get new columns or not.
pub fn sandbox(layout: &str, evolution: bool) -> Sandbox {
    Sandbox::with(json!({"table_layout": layout, "enable_schema_evolution": evolution}))
}

/// A record of `stream`.
pub fn row(stream: &str, data: &Value) -> String {
    record(stream, &data.to_string())
}

/// The rows of `table`, a name for SQL, in the order of their ids, without their ids and times: as Spark tells them, times as
/// microseconds.
pub fn rows(place: &Place, table: &str) -> Vec<Value> {
    let options = "map('ignoreNullFields', 'false', 'timestampFormat', \"'µ'yyyy-MM-dd'T'HH:mm:ss.SSSSSSXXX\", \
                   'timestampNTZFormat', \"yyyy-MM-dd'T'HH:mm:ss.SSSSSS\")";
    let told = place.sql(&format!("SELECT to_json(struct(*), {options}) FROM {table} ORDER BY _airbyte_ab_id"));
    let row = |told: &Vec<Option<String>>| {
        let mut row: Value = serde_json::from_str(told[0].as_deref().unwrap()).unwrap();
        let fields = row.as_object_mut().unwrap();
        assert!(fields.remove("_airbyte_ab_id").is_some_and(|id| id.is_string()));
        assert!(fields.remove("_airbyte_emitted_at").is_some_and(|time| time.is_string()));
        fields.values_mut().for_each(with_micros);
        for name in ["_airbyte_meta", "_airbyte_data"] {
            if let Some(Value::String(text)) = fields.get(name) {
                let value = serde_json::from_str(text).unwrap();
                fields.insert(name.to_owned(), value);
            }
        }
        row
    };
    told.iter().map(row).collect()
}

fn with_micros(value: &mut Value) {
    match value {
        Value::String(text) => {
            if let Some(time) = text.strip_prefix('µ') {
                let time = chrono::DateTime::parse_from_rfc3339(time).unwrap();
                *value = json!(time.timestamp_micros());
            }
        }
        Value::Array(items) => items.iter_mut().for_each(with_micros),
        Value::Object(fields) => fields.values_mut().for_each(with_micros),
        _ => {}
    }
}

/// Names and types of the columns of `default/<name>`, as `DESCRIBE` tells them.
pub fn described(place: &Place, name: &str) -> Vec<(String, String)> {
    let rows = place.sql(&format!("DESCRIBE TABLE {}", place.name(name)));
    let text = |row: &Vec<Option<String>>, at: usize| row[at].clone().unwrap_or_default();
    let columns = rows.iter().take_while(|row| !text(row, 0).is_empty() && !text(row, 0).starts_with('#'));
    columns.map(|row| (text(row, 0), text(row, 1))).collect()
}

/// The type of one column.
pub fn kind(place: &Place, name: &str, column: &str) -> String {
    let columns = described(place, name);
    columns.into_iter().find(|(found, _)| found == column).map(|(_, kind)| kind).unwrap_or_default()
}

/// The value of a property of `default/<name>`.
pub fn property(place: &Place, name: &str, key: &str) -> Option<String> {
    let properties = place.sql(&format!("SHOW TBLPROPERTIES {}", place.name(name)));
    properties.into_iter().find(|row| row[0].as_deref() == Some(key)).and_then(|row| row[1].clone())
}

/// The statements with this beginning that the program has sent.
pub fn sent_with(place: &Place, beginning: &str) -> Vec<String> {
    place.statements().into_iter().filter(|statement| statement.starts_with(beginning)).collect()
}

/// The names of `_airbyte_meta` and of the column for what is undeclared in a row without changes.
fn plain(mut row: Value) -> Value {
    let fields = row.as_object_mut().unwrap();
    fields.insert("_airbyte_meta".to_owned(), json!({"sync_id": 0, "changes": []}));
    fields.entry("_airbyte_additional_properties").or_insert(Value::Null);
    row
}

fn new_properties_become_columns_and_fields() {
    let sandbox = sandbox("columns", true);
    let place = sandbox.place();
    let properties = json!({
        "id": {"type": "integer"}, "gone": {"type": "string"},
        "address": {"type": "object", "properties": {"city": {"type": "string"}}},
        "items": {"type": "array", "items": {"type": "object", "properties": {"sku": {"type": "string"}}}},
    });
    let first = json!({"id": 1, "gone": "x", "address": {"city": "Bern"}, "items": [{"sku": "a"}]});
    sandbox.load(&users(properties), row("users", &first));
    assert_eq!(property(place, "users", "delta.minReaderVersion").as_deref(), Some("1"));
    let mut properties = json!({
        "id": {"type": "integer"},
        "address": {"type": "object", "properties": {
            "city": {"type": "string"}, "zip": {"type": "integer"},
            "geo": {"type": "object", "properties": {"lat": {"type": "number"}}},
        }},
        "items": {"type": "array", "items": {"type": "object", "properties": {
            "sku": {"type": "string"}, "qty": {"type": "integer"},
        }}},
        "note": {"type": "string"},
    });
    let second = json!({
        "id": 2, "address": {"city": "Uri", "zip": 6460, "geo": {"lat": 46.5}},
        "items": [{"sku": "b", "qty": 3}, {"sku": "c"}], "note": "new",
    });
    sandbox.load(&users(properties.clone()), row("users", &second));
    assert_eq!(sent_with(place, "ALTER TABLE").len(), 1, "{:#?}", sent_with(place, "ALTER TABLE"));
    assert_eq!(property(place, "users", "delta.minReaderVersion").as_deref(), Some("1"));
    properties["at"] = json!({"type": "string", "format": "date-time", "airbyte_type": "timestamp_without_timezone"});
    let third = json!({"id": 3, "at": "2026-01-31T10:15:00.123456"});
    for _ in 0..2 {
        sandbox.load(&users(properties.clone()), row("users", &third));
    }
    assert_eq!(sent_with(place, "ALTER TABLE").len(), 3, "{:#?}", sent_with(place, "ALTER TABLE"));
    assert_eq!(property(place, "users", "delta.feature.timestampNtz").as_deref(), Some("supported"));
    let address = |city: &str, zip: Value, geo: Value| json!({"city": city, "zip": zip, "geo": geo});
    let third = plain(json!({
        "id": 3, "gone": null, "address": null, "items": null, "note": null, "at": "2026-01-31T10:15:00.123456",
    }));
    let expected = [
        plain(json!({
            "id": 1, "gone": "x", "address": address("Bern", Value::Null, Value::Null),
            "items": [{"sku": "a", "qty": null}], "note": null, "at": null,
        })),
        plain(json!({
            "id": 2, "gone": null, "address": address("Uri", json!(6460), json!({"lat": 46.5})),
            "items": [{"sku": "b", "qty": 3}, {"sku": "c", "qty": null}], "note": "new", "at": null,
        })),
        third.clone(),
        third,
    ];
    assert_eq!(rows(place, &place.name("users")), expected);
}

fn without_evolution_new_properties_are_undeclared_and_another_type_is_refused_before_anything_is_loaded() {
    let sandbox = sandbox("columns", false);
    let place = sandbox.place();
    sandbox.load(&users(json!({"id": {"type": "integer"}})), row("users", &json!({"id": 1})));
    let properties = json!({"id": {"type": "integer"}, "note": {"type": "string"}});
    sandbox.load(&users(properties), row("users", &json!({"id": 2, "note": "new"})));
    let expected =
        [plain(json!({"id": 1})), plain(json!({"id": 2, "_airbyte_additional_properties": {"note": "new"}}))];
    assert_eq!(rows(place, &place.name("users")), expected);
    let before = place.statements().len();
    let run = sandbox.write(&users(json!({"id": {"type": "string"}})), row("users", &json!({"id": "3"})));
    let said = run.failed_with("config_error");
    for part in ["column id is BIGINT", "STRING", "enable_schema_evolution"] {
        assert!(said.contains(part), "{part} is missing in: {said}");
    }
    let changes = place.statements().split_off(before);
    assert!(
        changes.iter().all(|text| ["SHOW", "DESCRIBE", "DROP"].iter().any(|known| text.starts_with(known))),
        "{changes:#?}"
    );
    assert_eq!(rows(place, &place.name("users")), expected);
}

/// Makes the table `users` with the columns of `columns` in front of those of others.
pub fn made_by_hand(place: &Place, columns: &str, clauses: &str) {
    place.sql(&format!("CREATE SCHEMA IF NOT EXISTS `spark_catalog`.`{}`", place.schema()));
    place.sql(&format!(
        "CREATE TABLE {} (_airbyte_ab_id STRING, _airbyte_emitted_at TIMESTAMP, _airbyte_meta STRING, {columns}, \
         _airbyte_additional_properties MAP<STRING, STRING>) USING delta {} {clauses}",
        place.name("users"),
        place.lies_at("default/users"),
    ));
}

fn types_are_widened_where_the_table_allows_it_and_else_values_that_do_not_fit_are_null_and_told() {
    for widens in [false, true] {
        let sandbox = sandbox("columns", true);
        let place = sandbox.place();
        made_by_hand(place, "n INT, day DATE", &format!("TBLPROPERTIES ('delta.enableTypeWidening' = '{widens}')"));
        let local = json!({"type": "string", "format": "date-time", "airbyte_type": "timestamp_without_timezone"});
        let streams = users(json!({"n": {"type": "integer"}, "day": local}));
        let large = 1_i64 << 40;
        let data = [json!({"n": 7, "day": "2026-01-31T10:15:00"}), json!({"n": large, "day": "x"})];
        let run = sandbox.load(&streams, data.iter().map(|data| row("users", data)).collect::<String>());
        let found = rows(place, &place.name("users"));
        let kinds = ["n", "day"].map(|column| kind(place, "users", column));
        let warnings = run.logs("WARN");
        let changes = |at: usize| found[at]["_airbyte_meta"]["changes"].as_array().unwrap().clone();
        let of_day = json!({"field": "day", "change": "NULLED", "reason": "DESTINATION_TYPECAST_ERROR"});
        if widens {
            assert_eq!(kinds, ["bigint", "timestamp_ntz"]);
            assert_eq!((&found[0]["n"], &found[1]["n"]), (&json!(7), &json!(large)));
            assert_eq!(found[0]["day"], "2026-01-31T10:15:00.000000");
            assert_eq!((changes(0), changes(1)), (Vec::new(), vec![of_day]));
            assert_eq!(warnings.len(), 1, "{warnings:?}");
        } else {
            assert_eq!(kinds, ["int", "date"]);
            assert_eq!((&found[0]["n"], &found[1]["n"]), (&json!(7), &Value::Null));
            // Half a value is none: the time of day does not fit.
            assert_eq!(found[0]["day"], Value::Null);
            let of_n = json!({"field": "n", "change": "NULLED", "reason": "DESTINATION_FIELD_SIZE_LIMITATION"});
            assert_eq!((changes(0), changes(1)), (vec![of_day.clone()], vec![of_day, of_n]));
            let of_type = |warning: &&String| warning.contains("The table's type stays");
            let told: Vec<&String> = warnings.iter().filter(of_type).collect();
            assert_eq!(told.len(), 2, "{warnings:?}");
            assert!(
                told[1].contains("is INT") && told[1].contains("BIGINT") && told[1].contains("refresh"),
                "{told:?}"
            );
        }
    }
}

fn columns_that_must_have_a_value_are_relaxed_with_evolution_and_else_told() {
    for mode in ["append", "overwrite"] {
        let mut sandbox = sandbox("columns", false);
        let columns = "n BIGINT NOT NULL, place STRUCT<city: STRING NOT NULL, `zip`: BIGINT>, theirs STRING NOT NULL, \
                       also STRUCT<a: INT NOT NULL> NOT NULL";
        made_by_hand(sandbox.place(), columns, "");
        let city = json!({"type": "object", "properties": {"city": {"type": "string"}, "zip": {"type": "integer"}}});
        let streams = catalog([stream("users", mode, json!({"n": {"type": "integer"}, "place": city}))]);
        let data = json!({"n": null, "place": {"zip": 1}});
        if mode == "append" {
            let run = sandbox.write(&streams, row("users", &data));
            let said = run.failed_with("config_error");
            for part in ["NOT NULL", "enable_schema_evolution", "DROP NOT NULL"] {
                assert!(said.contains(part), "{part} is missing in: {said}");
            }
            assert_eq!(rows(sandbox.place(), &sandbox.place().name("users")), [json!(null); 0]);
            sandbox.set(json!({"table_layout": "columns", "enable_schema_evolution": true}));
        }
        // A table whose rows are replaced may change without the setting.
        for _ in 0..2 {
            sandbox.load(&streams, row("users", &data));
        }
        let row = plain(json!({"n": null, "place": {"city": null, "zip": 1}, "theirs": null, "also": null}));
        let expected = vec![row; if mode == "append" { 2 } else { 1 }];
        assert_eq!(rows(sandbox.place(), &sandbox.place().name("users")), expected, "{mode}");
    }
}

fn a_table_with_a_hundred_columns_of_others_gets_its_own_and_keeps_theirs() {
    let sandbox = sandbox("columns", true);
    let place = sandbox.place();
    let properties = json!({"n": {"type": "integer"}});
    sandbox.load(&users(properties), row("users", &json!({"n": 1})));
    let kinds = ["INT", "STRUCT<a: INT, `b c`: ARRAY<STRING>>", "MAP<STRING, INT>", "DECIMAL(20, 4)"];
    let theirs = (0..99).map(|n| format!("o{n} {}", kinds[n % 4])).collect::<Vec<_>>().join(", ");
    let wide = (0..40).map(|n| format!("f{n}: INT")).collect::<Vec<_>>().join(", ");
    place.sql(&format!(
        "ALTER TABLE {} SET TBLPROPERTIES ('delta.columnMapping.mode' = 'name', 'delta.minReaderVersion' = '2', \
         'delta.minWriterVersion' = '5')",
        place.name("users")
    ));
    place.sql(&format!("ALTER TABLE {} ADD COLUMNS ({theirs}, wide STRUCT<{wide}>)", place.name("users")));
    let properties = json!({"n": {"type": "integer"}, "o4": {"type": "integer"}, "note": {"type": "string"}});
    sandbox.load(&users(properties), row("users", &json!({"n": 2, "o4": 4, "note": "x"})));
    let found = rows(place, &place.name("users"));
    assert_eq!(found.len(), 2);
    for (name, value) in
        [("n", json!(2)), ("o4", json!(4)), ("note", json!("x")), ("o1", Value::Null), ("wide", Value::Null)]
    {
        assert_eq!(found[1][name], value, "{name}");
    }
    let before = described(place, "users");
    let properties = json!({"n": {"type": "string"}, "more": {"type": "boolean"}});
    sandbox.load(&catalog([stream("users", "overwrite", properties)]), row("users", &json!({"n": "3", "more": true})));
    let after = described(place, "users");
    let expected: Vec<(String, String)> = before
        .into_iter()
        .map(|(name, kind)| if name == "n" { (name, "string".to_owned()) } else { (name, kind) })
        .chain([("more".to_owned(), "boolean".to_owned())])
        .collect();
    assert_eq!(after, expected);
    let found = rows(place, &place.name("users"));
    assert_eq!((found.len(), &found[0]["n"], &found[0]["more"]), (1, &json!("3"), &json!(true)));
}

fn two_syncs_at_once_add_the_same_column_and_different_ones() {
    let sandbox = sandbox("columns", true);
    let place = sandbox.place();
    let schema = |names: &[&str]| {
        let properties = names.iter().map(|name| ((*name).to_owned(), json!({"type": "integer"})));
        users(Value::Object(properties.collect()))
    };
    sandbox.load(&schema(&["n"]), row("users", &json!({"n": 0})));
    for (round, names) in [["same", "same"], ["left", "right"]].into_iter().enumerate() {
        // Both have found the table as it was before one of them changes it.
        place.goes_wrong(json!([{"action": "hold", "statement": "^DESCRIBE", "times": 2, "value": 3}]));
        let mut syncs = names.map(|name| sandbox.start(&schema(&["n", name])));
        for (sync, name) in syncs.iter_mut().zip(names) {
            sync.send(row("users", &json!({"n": round + 1, name: 5})));
        }
        for run in syncs.map(|sync| std::thread::spawn(move || sync.end())).map(|run| run.join().unwrap()) {
            assert_eq!(run.code, Some(0), "{run:#?}");
        }
    }
    let found = rows(place, &place.name("users"));
    let values = |name: &str| found.iter().filter(|row| row[name] == json!(5)).count();
    assert_eq!((found.len(), values("same"), values("left"), values("right")), (5, 2, 1, 1), "{found:#?}");
}
