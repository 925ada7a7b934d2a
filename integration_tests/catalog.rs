//! The configured catalog: which catalogs are refused before the first record, and in which folder each stream's table is.

use serde_json::{Value, json};

use crate::lake::Location;
use crate::messages::{append, catalog, configured, record, record_in};
use crate::program::{Run, Sandbox, run};
use crate::table;

/// The message of a sync that is refused because of its catalog; nothing may have been made.
fn refused(catalog: &Value) -> String {
    let sandbox = Sandbox::new();
    let run: Run = sandbox.write(catalog, record("users", "{}"));
    let message = run.failed_with("config_error");
    assert!(sandbox.lake().is_empty(), "{message}");
    message
}

fn in_namespace(name: &str, namespace: &str) -> Value {
    let mut stream = configured(name, "append");
    stream["stream"]["namespace"] = json!(namespace);
    stream
}

#[test]
fn a_catalog_without_streams_is_a_config_error() {
    for empty in [json!({"streams": []}), json!({}), json!({"streams": null})] {
        assert!(refused(&empty).contains("no streams"), "{empty}");
    }
}

#[test]
fn a_catalog_file_that_is_none_is_a_config_error() {
    let sandbox = Sandbox::new();
    let config = sandbox.config();
    let files = [
        sandbox.folder().join("missing.json"),
        sandbox.file("broken.json", "{\"streams\":["),
        sandbox.file("list.json", "[1]"),
        sandbox.file("bytes.json", b"{\"streams\":\"\xff\"}"),
        sandbox.folder().to_owned(),
    ];
    for file in files {
        let words = ["write".as_ref(), "--config".as_ref(), config.as_os_str(), "--catalog".as_ref(), file.as_os_str()];
        run(words, b"").failed_with("config_error");
    }
    assert!(sandbox.lake().is_empty());
}

#[test]
fn json_that_is_no_catalog_is_refused_in_words_of_the_protocol() {
    for (text, said) in [
        ("[]", "ConfiguredAirbyteCatalog"),
        ("[null]", "ConfiguredAirbyteCatalog"),
        ("7", "ConfiguredAirbyteCatalog"),
        ("{\"streams\":[7]}", "configured stream"),
        ("{\"streams\":{}}", "line 1"),
        ("{\"streams\":[{\"stream\":7}]}", "stream"),
    ] {
        let sandbox = Sandbox::new();
        let (config, file) = (sandbox.config(), sandbox.file("catalog.json", text));
        let words = ["write".as_ref(), "--config".as_ref(), config.as_os_str(), "--catalog".as_ref(), file.as_os_str()];
        let message = run(words, b"").failed_with("config_error");
        assert!(message.contains(said) && !message.contains("struct") && !message.contains("Raw"), "{text}: {message}");
    }
}

#[test]
fn a_stream_that_is_there_twice_is_a_config_error() {
    let message = refused(&append(&["users", "pets", "users"]));
    assert!(message.contains("users") && !message.contains("pets"), "{message}");
    // A namespace that is empty is none.
    let message = refused(&catalog([configured("users", "append"), in_namespace("users", "")]));
    assert!(message.contains("users"), "{message}");
}

#[test]
fn two_streams_that_end_in_one_table_are_a_config_error_that_names_both() {
    for pair in [
        [configured("Users", "append"), configured("users", "append")],
        [configured("a b", "append"), configured("a_b", "overwrite")],
        [configured("users", "append"), in_namespace("users", "default")],
        [in_namespace("users", "Sales"), in_namespace("users", "sales")],
        [configured("spécial", "append"), configured("special", "append")],
    ] {
        let names = [0, 1].map(|i: usize| pair[i]["stream"]["name"].as_str().unwrap().to_owned());
        let message = refused(&catalog(pair));
        assert!(names.iter().all(|name| message.contains(name.as_str())), "{names:?}: {message}");
    }
}

#[test]
fn a_destination_sync_mode_that_is_not_supported_is_a_config_error() {
    for mode in [json!("append_dedup"), json!("upsert"), json!(""), Value::Null] {
        let mut stream = configured("users", "append");
        stream["destination_sync_mode"] = mode.clone();
        let message = refused(&catalog([stream]));
        assert!(message.contains("users") && message.contains("destination_sync_mode"), "{mode}: {message}");
    }
}

#[test]
fn a_key_or_a_cursor_that_no_row_can_be_compared_by_is_a_config_error_before_the_first_record() {
    let properties = json!({
        "id": {"type": "integer"}, "tags": {"type": "array", "items": {"type": "string"}}, "any": {},
        "owner": {"type": "object", "properties": {"id": {"type": "string"}}},
    });
    for (key, cursor, part) in [
        (json!([]), json!([]), "no primary key"),
        (json!([["gone"]]), json!([]), "primary key `gone`, which its JSON schema does not have"),
        (json!([["owner"]]), json!([]), "primary key `owner`, which is an object"),
        (json!([["id"], ["tags"]]), json!([]), "primary key `tags`, which is an array"),
        (json!([["owner", "id"]]), json!(["gone"]), "cursor `gone`, which its JSON schema does not have"),
        (json!([["id"]]), json!(["any"]), "cursor `any`, whose type"),
        (json!("id"), json!([]), "`primary_key` that is no list"),
    ] {
        let mut stream = configured("users", "append_dedup");
        stream["stream"]["json_schema"] = json!({"type": "object", "properties": properties});
        stream["primary_key"] = key;
        stream["cursor_field"] = cursor;
        let message = refused(&catalog([stream]));
        assert!(message.contains("Stream users asks for") && message.contains(part), "{message}");
    }
}

#[test]
fn a_catalog_that_was_only_discovered_is_a_config_error_that_says_so() {
    let message = refused(&json!({"streams": [{"name": "users", "json_schema": {}}]}));
    assert!(message.contains("discovered"), "{message}");
}

#[test]
fn a_stream_without_a_name_or_with_a_schema_that_is_no_object_is_a_config_error() {
    for (field, value) in [("name", json!("")), ("name", Value::Null), ("name", json!(7)), ("json_schema", json!([]))] {
        let mut stream = configured("users", "append");
        stream["stream"][field] = value;
        refused(&catalog([stream]));
    }
}

#[test]
fn all_problems_of_a_catalog_are_told_together() {
    let streams = [configured("users", "upsert"), configured("pets", "append"), configured("pets", "append")];
    let message = refused(&catalog(streams));
    assert!(message.contains("users") && message.contains("pets"), "{message}");
}

#[test]
fn all_fields_of_a_configured_catalog_are_read_and_unknown_ones_tolerated() {
    let sandbox = Sandbox::new();
    let stream = json!({
        "stream": {
            "name": "users", "namespace": "sales", "json_schema": {"type": "object", "properties": {}},
            "supported_sync_modes": ["full_refresh", "incremental"], "source_defined_cursor": true,
            "default_cursor_field": ["a"], "source_defined_primary_key": [["id"]], "is_resumable": true,
            "is_file_based": false, "future": {},
        },
        "sync_mode": "incremental", "destination_sync_mode": "append", "cursor_field": ["a"],
        "primary_key": [["id"]], "generation_id": 7, "minimum_generation_id": 0, "sync_id": 12, "fields": null,
        "mappers": [], "future": 1,
    });
    sandbox.load(&json!({"streams": [stream], "future": []}), record_in("sales", "users", "{}"));
    assert_eq!(table::data(&sandbox.table("sales/users")), ["{}"]);
}

#[test]
fn tables_lie_where_the_identifier_rule_says() {
    let long = "Long".repeat(100);
    let names = [
        ("streamWithCamelCase", "streamwithcamelcase"),
        ("stream-with:spécial:character_names", "stream_with_special_character_names"),
        ("a \t b", "a_b"),
        ("ﬁancé", "fiance"),
        ("../../etc/passwd", "______etc_passwd"),
        ("_airbyte_tmp", "_airbyte_tmp"),
        ("99 bottles#1", "99_bottles_1"),
        ("100%", "100_"),
    ];
    let sandbox = Sandbox::with(json!({"schema": "Mein Schéma"}));
    let mut streams: Vec<Value> = names.iter().map(|(name, _)| configured(name, "append")).collect();
    streams.push(configured(&long, "append"));
    streams.push(in_namespace("users", "Ünïcode Space"));
    let mut input: String = names.iter().map(|(name, _)| record(name, &json!({"of": name}).to_string())).collect();
    input += &record(&long, "{}");
    input += &record_in("Ünïcode Space", "users", "{}");
    sandbox.load(&catalog(streams), input);
    for (name, folder) in names {
        let data = table::data(&sandbox.table(&format!("mein_schema/{folder}")));
        assert_eq!(data, [json!({"of": name}).to_string()], "{name}");
    }
    assert_eq!(table::data(&sandbox.table("unicode_space/users")), ["{}"]);
    let of_long = |folder: &&Location| folder.name().starts_with("longlong") && folder.name().len() == 255;
    assert_eq!(table::tables(&sandbox.lake()).iter().filter(of_long).count(), 1);
    table::assert_tidy(&sandbox.lake());
}

#[test]
fn the_longest_names_that_begin_with_an_underscore_land_too() {
    let (name, namespace) = (format!("_{}", "a".repeat(300)), format!("_{}", "b".repeat(300)));
    let sandbox = Sandbox::new();
    sandbox.load(&catalog([in_namespace(&name, &namespace)]), record_in(&namespace, &name, "{}"));
    let tables = table::tables(&sandbox.lake());
    assert_eq!(tables.len(), 1, "{tables:?}");
    assert_eq!(table::data(&tables[0]), ["{}"]);
}

#[test]
fn streams_of_one_name_in_different_namespaces_do_not_meet() {
    let sandbox = Sandbox::new();
    let streams = [configured("users", "append"), in_namespace("users", "a"), in_namespace("users", "b")];
    let input =
        [record_in("b", "users", r#"{"of":"b"}"#), record("users", "{}"), record_in("a", "users", r#"{"of":"a"}"#)];
    sandbox.load(&catalog(streams), input.concat());
    assert_eq!(table::data(&sandbox.table("default/users")), ["{}"]);
    assert_eq!(table::data(&sandbox.table("a/users")), [r#"{"of":"a"}"#]);
    assert_eq!(table::data(&sandbox.table("b/users")), [r#"{"of":"b"}"#]);
}

#[test]
fn names_that_leave_nothing_behind_land_inside_the_lake() {
    let sandbox = Sandbox::new();
    let mut catalog = append(&["\u{301}", "users"]);
    catalog["streams"][1]["stream"]["namespace"] = json!("\u{301}");
    sandbox.load(&catalog, record("\u{301}", "{}") + &record_in("\u{301}", "users", "{}"));
    let tables = table::tables(&sandbox.lake());
    assert_eq!(tables.len(), 2, "{tables:?}");
    assert!(tables.iter().all(|folder| table::read(folder).rows.len() == 1), "{tables:?}");
}

#[test]
fn names_that_delta_keeps_for_itself_are_config_errors() {
    let sandbox = Sandbox::new();
    let message = sandbox.write(&append(&["_delta_log"]), "").failed_with("config_error");
    assert!(message.contains("_delta_log"), "{message}");
    assert!(sandbox.lake().is_empty());
}
