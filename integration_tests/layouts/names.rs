//! Names that no table can have as they are, and schemas of unusual size: each becomes what docs/types.md says, for every reader, or is
//! refused before the first record.

use serde_json::{Map, Value, json};

use super::readers::{are_there, see};
use crate::messages::{catalog, configured, record};
use crate::program::Sandbox;
use crate::table;

const REST: &str = "_airbyte_additional_properties";

fn streams(mode: &str, properties: Value) -> Value {
    let mut stream = configured("s", mode);
    stream["stream"]["json_schema"] = json!({"type": "object", "properties": properties});
    catalog([stream])
}

fn integers<'a>(names: impl IntoIterator<Item = &'a str>) -> Value {
    names.into_iter().map(|name| (name.to_owned(), json!({"type": "integer"}))).collect::<Map<_, _>>().into()
}

fn sandbox(layout: &str) -> Sandbox {
    Sandbox::with(json!({"table_layout": layout}))
}

/// What a column is called: by its name alone, or by a name with a hash behind it.
#[derive(Clone, Copy)]
enum Called {
    Exactly(&'static str),
    Hashed(&'static str),
}

use Called::{Exactly, Hashed};

/// Properties of one table, and the columns that they get.
const TOGETHER: [(&str, Called); 33] = [
    // Case is kept, and two names that differ in it alone are two columns.
    ("firstName", Exactly("firstName")),
    ("SHOUT", Exactly("SHOUT")),
    ("id", Exactly("id")),
    ("ID", Hashed("ID_")),
    ("Id", Hashed("Id_")),
    // Names that Airbyte, Delta and Spark use, in any case.
    ("_airbyte_ab_id", Hashed("_airbyte_ab_id_")),
    ("_AIRBYTE_AB_ID", Hashed("_AIRBYTE_AB_ID_")),
    ("_airbyte_emitted_at", Hashed("_airbyte_emitted_at_")),
    ("_airbyte_data", Hashed("_airbyte_data_")),
    ("_airbyte_meta", Hashed("_airbyte_meta_")),
    ("_change_type", Hashed("_change_type_")),
    ("_Change_Type", Hashed("_Change_Type_")),
    ("_commit_version", Hashed("_commit_version_")),
    ("_commit_timestamp", Hashed("_commit_timestamp_")),
    ("_metadata", Hashed("_metadata_")),
    ("_airbyte_raw_id", Exactly("_airbyte_raw_id")),
    // Characters that Delta refuses in names: ` ,;{}()\n\t=`.
    ("a b", Exactly("a_b")),
    ("c,d", Exactly("c_d")),
    ("e;f", Exactly("e_f")),
    ("{g}", Exactly("_g_")),
    ("(h)", Exactly("_h_")),
    ("i\n\tj", Exactly("i_j")),
    ("k=l", Exactly("k_l")),
    // Those of SQL, of paths and of nothing at all.
    ("m.n", Exactly("m_n")),
    ("o`p", Exactly("o_p")),
    ("q'r\"s", Exactly("q_r_s")),
    ("select", Exactly("select")),
    ("1st", Exactly("_1st")),
    ("caf\u{e9}", Exactly("cafe")),
    // Without any letter.
    ("", Hashed("_")),
    (" ", Hashed("_")),
    ("\u{437}\u{430}\u{43a}\u{430}\u{437}", Hashed("_")),
    ("\u{0}", Hashed("_")),
];

fn is(name: &str, called: Called) -> bool {
    match called {
        Exactly(exact) => name == exact,
        Hashed(beginning) => {
            let hash = name.strip_prefix(beginning).unwrap_or_default();
            hash.len() >= 8 && hash.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'_')
        }
    }
}

#[test]
fn a_property_of_any_name_has_a_column_that_every_reader_finds() {
    let test = "a_property_of_any_name_has_a_column_that_every_reader_finds";
    if !are_there(test) {
        return;
    }
    let long = "x".repeat(300);
    let names: Vec<&str> = TOGETHER.iter().map(|(name, _)| *name).chain([long.as_str()]).collect();
    let data: Value =
        names.iter().zip(0..).map(|(name, n)| ((*name).to_owned(), json!(n))).collect::<Map<_, _>>().into();
    // At the root, in a structure, and in the items of a list.
    let object = json!({"type": "object", "properties": integers(names.iter().copied())});
    let mut properties = integers(names.iter().copied());
    properties["inside"] = object.clone();
    properties["items"] = json!({"type": "array", "items": object});
    let mut row = data.clone();
    row["inside"] = data.clone();
    row["items"] = json!([data]);
    for mode in ["append", "overwrite"] {
        let sandbox = sandbox("columns");
        for _ in 0..2 {
            let run = sandbox.load(&streams(mode, properties.clone()), record("s", &row.to_string()));
            assert!(run.logs("WARN").is_empty(), "{:?}", run.logs("WARN"));
        }
        let seen = see(test, &sandbox, "default/s");
        assert_eq!(seen.rows.len(), if mode == "append" { 2 } else { 1 });
        for row in &seen.rows {
            assert_eq!(row[REST], Value::Null, "{row}");
            for (place, found) in [("root", row), ("inside", &row["inside"]), ("items", &row["items"][0])] {
                let fields = found.as_object().unwrap();
                let expected = TOGETHER.iter().zip(0..);
                for ((property, called), n) in expected {
                    // Inside of a structure no name is a column's of Airbyte.
                    let is_it = |(name, value): (&String, &Value)| {
                        *value == json!(n) && (is(name, *called) || place != "root" && name == property)
                    };
                    assert!(fields.iter().any(is_it), "{place}: {property:?} is missing in {found}");
                }
                let cut = fields.iter().find(|(_, value)| **value == json!(TOGETHER.len())).unwrap().0;
                assert!(cut.len() == 255 && cut.starts_with("xxx"), "{cut}");
            }
        }
        table::assert_tidy(&sandbox.lake());
    }
}

#[test]
fn names_that_the_older_connector_could_not_give_are_refused_before_the_first_record() {
    let long = "x".repeat(300);
    for (names, said) in [
        (vec!["id", "ID"], "ID"),
        (vec!["a b", "a_b"], "a_b"),
        (vec![""], "name"),
        (vec![long.as_str()], "255"),
        (vec!["_airbyte_ab_id"], "_airbyte_ab_id"),
        (vec!["_airbyte_emitted_at"], "_airbyte_emitted_at"),
        (vec!["_AIRBYTE_AB_ID"], "_AIRBYTE_AB_ID"),
    ] {
        let sandbox = sandbox("classic");
        let inside = json!({"o": {"type": "object", "properties": integers(names.clone())}});
        let tried = [integers(names.clone()), inside];
        // Inside of an object no name is Airbyte's.
        let tried = if names[0].to_lowercase().starts_with("_airbyte") { &tried[..1] } else { &tried[..] };
        for properties in tried {
            let run = sandbox.start(&streams("append", properties.clone())).wait();
            let error = run.failed_with("config_error");
            assert!(error.contains(said) && error.contains("Stream s"), "{names:?}: {error}");
            assert!(sandbox.lake().is_empty(), "{names:?}");
        }
    }
}

/// The properties of a table of the older connector, and the columns that it made of them.
const OLDER: [(&str, &str); 10] = [
    ("firstName", "firstName"),
    ("a b", "a_b"),
    ("c,d", "c_d"),
    ("{g}", "_g_"),
    ("k=l", "k_l"),
    ("1st", "_1st"),
    ("m.n", "m_n"),
    ("_change_type", "_change_type"),
    ("_metadata", "_metadata"),
    ("select", "select"),
];

#[test]
fn names_that_the_older_connector_changed_are_changed_in_the_same_way() {
    let test = "names_that_the_older_connector_changed_are_changed_in_the_same_way";
    if !are_there(test) {
        return;
    }
    let properties = integers(OLDER.map(|(property, _)| property));
    let data = OLDER.iter().zip(0..).map(|((name, _), n)| ((*name).to_owned(), json!(n))).collect::<Map<_, _>>();
    let sandbox = sandbox("classic");
    for _ in 0..2 {
        sandbox.load(&streams("append", properties.clone()), record("s", &Value::Object(data.clone()).to_string()));
    }
    let seen = see(test, &sandbox, "default/s");
    assert_eq!((seen.rows.len(), seen.columns.len()), (2, OLDER.len() + 3));
    for row in &seen.rows {
        for ((_, column), n) in OLDER.iter().zip(0..) {
            assert_eq!(row[column], json!(n), "{column}");
        }
        assert_eq!(row[REST], Value::Null);
    }
}

#[test]
fn two_thousand_columns_and_a_schema_of_five_megabytes_become_tables() {
    let test = "two_thousand_columns_and_a_schema_of_five_megabytes_become_tables";
    if !are_there(test) {
        return;
    }
    let names: Vec<String> = (0..2000).map(|n| format!("Column{n}")).collect();
    let mut properties = integers(names.iter().map(String::as_str));
    // What describes a property and makes no column.
    let schema = properties.as_object_mut().unwrap();
    schema.values_mut().for_each(|property| property["description"] = json!("d".repeat(2600)));
    assert!(json!(schema).to_string().len() > 5_000_000);
    let row = |n: usize| names.iter().map(|name| (name.clone(), json!(n))).collect::<Map<_, _>>();
    let input: String = (0..3).map(|n| record("s", &Value::Object(row(n)).to_string())).collect();
    for layout in ["columns", "classic"] {
        let sandbox = sandbox(layout);
        for mode in ["append", "overwrite"] {
            sandbox.load(&streams(mode, properties.clone()), &input);
            let seen = see(test, &sandbox, "default/s");
            assert_eq!(seen.columns.len(), 2000 + if layout == "columns" { 4 } else { 3 });
            assert_eq!(seen.rows.len(), 3, "{layout} {mode}");
            for (n, found) in seen.rows.iter().enumerate() {
                assert!(names.iter().all(|name| found[name] == json!(n)), "{layout} {mode}: row {n}");
            }
        }
    }
}

/// An object in an object, `levels` times, with an integer in the innermost.
fn nested(levels: usize) -> (Value, Value) {
    let leaf = (json!({"type": "integer"}), json!(7));
    (0..levels)
        .fold(leaf, |(schema, data), _| (json!({"type": "object", "properties": {"o": schema}}), json!({"o": data})))
}

#[test]
fn fifty_levels_of_objects_are_a_column_or_refused_before_the_first_record() {
    let test = "fifty_levels_of_objects_are_a_column_or_refused_before_the_first_record";
    if !are_there(test) {
        return;
    }
    let (schema, data) = nested(50);
    let properties = json!({"deep": schema});
    let input = record("s", &json!({"deep": data}).to_string());
    let sandbox = sandbox("columns");
    for _ in 0..2 {
        sandbox.load(&streams("append", properties.clone()), &input);
    }
    let rows = see(test, &sandbox, "default/s").rows;
    assert_eq!(rows.len(), 2);
    for row in rows {
        // Forty of them are structures, and the last one has the rest as text.
        let innermost = (0..39).fold(&row["deep"], |object, _| &object["o"]);
        let text = innermost["o"].as_str().unwrap_or_else(|| panic!("{innermost}"));
        assert_eq!(serde_json::from_str::<Value>(text).unwrap(), nested(10).1);
    }
    let sandbox = self::sandbox("classic");
    let error = sandbox.start(&streams("append", properties)).wait().failed_with("config_error");
    assert!(error.contains("deep") && error.contains("table_layout"), "{error}");
    assert!(sandbox.lake().is_empty());
}

#[test]
fn more_columns_than_a_table_has_are_refused_before_the_first_record() {
    let names: Vec<String> = (0..100_001).map(|n| format!("c{n}")).collect();
    for layout in ["columns", "classic"] {
        let sandbox = sandbox(layout);
        let run = sandbox.start(&streams("append", integers(names.iter().map(String::as_str)))).wait();
        let error = run.failed_with("config_error");
        assert!(error.contains("100000 columns and fields"), "{error}");
        assert!(sandbox.lake().is_empty(), "{layout}");
    }
}
