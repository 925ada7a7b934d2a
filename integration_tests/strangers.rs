//! Records of streams that are not in the catalog, and fields beside a record's data: nothing is ignored without a message.

use serde_json::{Value, json};

use crate::messages::{append, catalog, configured, overwrite, record, record_in, records, state, status};
use crate::program::{Run, Sandbox};
use crate::table;

fn in_namespace(name: &str, namespace: &str) -> Value {
    let mut stream = configured(name, "append");
    stream["stream"]["namespace"] = json!(namespace);
    stream
}

fn status_in(namespace: &str, name: &str, said: &str) -> String {
    status(name, said).replace("{\"name\":", &format!("{{\"namespace\":\"{namespace}\",\"name\":"))
}

/// The message of a sync that failed because of one stream.
fn about(run: &Run, stream: Value, failure_type: &str) -> String {
    let message = run.failed_with(failure_type);
    assert_eq!(run.failure()["stream_descriptor"], stream, "{message}");
    message
}

#[test]
fn a_record_or_state_of_a_stream_that_is_only_near_one_of_the_catalog_names_that_one() {
    let in_analytics = catalog([in_namespace("visits", "analytics"), configured("pets", "append")]);
    for (catalog, line, said) in [
        (in_analytics.clone(), record("visits", "{}"), "the catalog has analytics.visits"),
        (in_analytics.clone(), record_in("other", "visits", "{}"), "the catalog has analytics.visits"),
        (in_analytics, state("visits", 1), "the catalog has analytics.visits"),
        (append(&["Visits"]), record("visits", "{}"), "the catalog has Visits"),
        (append(&["visits "]), record("visits", "{}"), "the catalog has visits "),
        (append(&["vi_sits"]), record("visits", "{}"), "the catalog has vi_sits"),
    ] {
        let sandbox = Sandbox::new();
        let run = sandbox.write(&catalog, &line);
        let failure = run.failure();
        let message = about(&run, failure["stream_descriptor"].clone(), "config_error");
        assert_eq!(failure["stream_descriptor"]["name"], "visits", "{failure}");
        assert!(message.starts_with("Line 1 ") && message.contains(said), "{message}");
    }
    let message = Sandbox::new().write(&append(&["users"]), record("visits", "{}")).failed_with("config_error");
    assert!(message.contains("stream visits") && !message.contains("the catalog has"), "{message}");
    // A name as long as a message is told in short.
    let failure = Sandbox::new().write(&append(&["users"]), record(&"long".repeat(50_000), "{}")).failure();
    assert!(failure.to_string().len() < 5_000, "{}", failure.to_string().len());
}

#[test]
fn a_status_of_a_stream_that_is_not_in_the_catalog_is_told_once_a_name() {
    let sandbox = Sandbox::new();
    let input = [
        records("users", 0..2),
        status_in("public", "users", "STARTED"),
        status_in("public", "users", "COMPLETE"),
        status("pets", "COMPLETE"),
        status("users", "COMPLETE"),
    ];
    let warnings = sandbox.load(&append(&["users"]), input.concat()).logs("WARN");
    assert_eq!(warnings.len(), 2, "{warnings:#?}");
    assert!(warnings[0].contains("Line 3 ") && warnings[0].contains("public.users"), "{warnings:#?}");
    assert!(warnings[0].contains("the catalog has users"), "{warnings:#?}");
    assert!(warnings[1].contains("stream pets") && !warnings[1].contains("the catalog has"), "{warnings:#?}");
}

#[test]
fn where_only_the_namespace_of_complete_differs_the_end_says_so() {
    let sandbox = Sandbox::new();
    sandbox.load(&overwrite(&["users"]), records("users", 0..3));
    let run = sandbox.write(&overwrite(&["users"]), records("users", 5..6) + &status_in("public", "users", "COMPLETE"));
    let message = about(&run, json!({"name": "users"}), "config_error");
    assert!(message.contains("public.users") && message.contains("namespace"), "{message}");
    assert_eq!(table::read(&sandbox.table("default/users")).rows.len(), 3);
    // Another stream that is not complete either: the source is to be asked.
    let both = overwrite(&["users", "pets"]);
    let input = records("users", 5..6) + &status_in("public", "users", "COMPLETE") + &status("pets", "INCOMPLETE");
    let message = sandbox.write(&both, input).failed_with("transient_error");
    assert!(message.contains("users, pets"), "{message}");
}

#[test]
fn incomplete_after_complete_fails_the_sync_and_is_told_once() {
    let sandbox = Sandbox::new();
    let input = [record("users", "{}"), status("users", "COMPLETE"), status("users", "INCOMPLETE").repeat(2)];
    let run = sandbox.write(&overwrite(&["users"]), input.concat());
    let warnings = run.logs("WARN");
    assert_eq!(warnings.len(), 1, "{warnings:#?}");
    assert!(warnings[0].contains("users") && warnings[0].contains("INCOMPLETE"), "{warnings:#?}");
    assert!(run.failed_with("transient_error").contains("INCOMPLETE after it"), "{run:#?}");
    assert_eq!(table::read(&sandbox.table("default/users")).rows.len(), 1);
}

fn with(record: &str, field: &str) -> String {
    record.replace("\"record\":{", &format!("\"record\":{{{field},"))
}

#[test]
fn changes_on_the_way_are_counted_and_told_once_a_stream() {
    let sandbox = Sandbox::new();
    let change = r#"{"field":"a","change":"NULLED","reason":"SOURCE_RETRIEVAL_ERROR"}"#;
    let none = with(&record("pets", "{}"), r#""meta":{"changes":[]}"#);
    let one = with(&record("users", "{}"), &format!(r#""meta":{{"changes":[{change}]}}"#));
    let two = with(&record("users", "{}"), &format!(r#""meta":{{"changes":[{change},{change}]}}"#));
    let run = sandbox.load(&append(&["users", "pets"]), [none, one.clone(), two, one].concat());
    let warnings = run.logs("WARN");
    assert_eq!(warnings.len(), 1, "{warnings:#?}");
    assert!(warnings[0].contains("stream users") && warnings[0].contains("meta.changes"), "{warnings:#?}");
    let logs = run.logs("INFO");
    let told = |text: &&String| text.contains("values changed on their way here 4");
    assert_eq!(logs.iter().filter(told).count(), 2, "of the stream and of the sync: {logs:#?}");
    assert!(!logs.iter().any(|text| text.contains("Stream pets") && text.contains("changed")), "{logs:#?}");
    assert_eq!(table::read(&sandbox.table("default/users")).rows.len(), 3);
}

#[test]
fn files_are_refused_in_the_catalog_and_in_records() {
    let mut stream = configured("users", "append");
    stream["include_files"] = json!(true);
    let sandbox = Sandbox::new();
    let run = sandbox.write(&catalog([stream]), record("users", "{}"));
    assert!(about(&run, json!({"name": "users"}), "config_error").contains("include_files"), "{run:#?}");
    for field in [
        r#""file_reference":{"staging_file_url":"/f","source_file_relative_path":"f","file_size_bytes":7}"#,
        r#""file":{"file_url":"/f","bytes":7}"#,
    ] {
        let good = records("users", 0..2) + &state("users", 2);
        let run = sandbox.write(&append(&["users"]), good + &with(&record("users", "{}"), field));
        assert!(about(&run, json!({"name": "users"}), "config_error").starts_with("Line 4 "), "{run:#?}");
        assert_eq!(run.states().len(), 1);
    }
    assert_eq!(table::read(&sandbox.table("default/users")).rows.len(), 4);
    sandbox.load(&append(&["users"]), with(&record("users", "{}"), r#""file":null,"file_reference":null"#));
}

#[test]
fn an_error_of_a_catalog_about_one_stream_carries_it() {
    let mut partial = in_namespace("users", "shop");
    (partial["generation_id"], partial["minimum_generation_id"]) = (json!(3), json!(2));
    for stream in [partial, in_namespace("_delta_log", "shop")] {
        let expected = json!({"name": stream["stream"]["name"], "namespace": "shop"});
        let run = Sandbox::new().write(&catalog([stream, configured("pets", "append")]), "");
        about(&run, expected, "config_error");
    }
}

#[test]
fn an_error_about_a_line_of_one_stream_carries_it() {
    let good = record_in("shop", "users", "{}");
    let without = |part: &str| good.replace(part, "");
    let of_state =
        r#"{"type":"STATE","state":{"type":7,"stream":{"stream_descriptor":{"name":"users","namespace":"shop"}}}}"#;
    let of_status = r#"{"type":"TRACE","trace":{"type":"STREAM_STATUS","stream_status":{"stream_descriptor":{"name":"users","namespace":"shop"}}}}"#;
    for line in [
        status_in("shop", "users", "COMPLETE") + &good,
        good.replace("1700000000123", "9223372036854775807"),
        good.replace("1700000000123", "\"now\""),
        good.replace("1700000000123", "null"),
        without(",\"emitted_at\":1700000000123"),
        without("\"data\":{},"),
        good.replace("\"data\":{}", "\"data\":7"),
        good.replace("\"data\":{}", "\"data\":null"),
        good.replace("\"data\":{}", "\"data\":{},\"data\":{}"),
        format!("{of_state}\n"),
        format!("{of_status}\n"),
    ] {
        let streams = catalog([in_namespace("users", "shop"), configured("pets", "append")]);
        let run = Sandbox::new().write(&streams, &line);
        assert_eq!(run.failure()["stream_descriptor"], json!({"name": "users", "namespace": "shop"}), "{line}");
    }
    // What cannot be read names nobody.
    let run = Sandbox::new().write(&append(&["users"]), "{\"type\":\"RECORD\",\"record\":{\"stream\":\"users\",]}\n");
    assert_eq!(run.failure()["stream_descriptor"], Value::Null);
}
