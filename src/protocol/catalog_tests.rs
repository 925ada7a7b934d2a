//! What a catalog may say, and what each wrong one is told.

use super::*;

fn read(text: &str, caller: Caller) -> Result<Catalog> {
    Catalog::from_json(text, caller, &mut |_, _| Ok(TableSchema::raw()))
}

fn one(fields: &str) -> Result<Stream> {
    one_of(fields, Caller::Platform)
}

fn one_of(fields: &str, caller: Caller) -> Result<Stream> {
    let text = format!(r#"{{"streams":[{{"stream":{{"name":"users","json_schema":{{}}}},{fields}}}]}}"#);
    let mut catalog = read(&text, caller)?;
    catalog.streams.pop().ok_or_else(|| Error::system("empty"))
}

fn refused(text: &str) -> String {
    match read(text, Caller::Other) {
        Ok(catalog) => format!("accepted: {catalog:?}"),
        Err(error) => error.message().to_owned(),
    }
}

#[test]
fn sync_modes_and_generations_decide_what_becomes_of_old_rows() -> Result<()> {
    for (fields, expected) in [
        (r#""destination_sync_mode":"append""#, WriteMode::Append),
        (r#""destination_sync_mode":"overwrite""#, WriteMode::Replace),
        (r#""destination_sync_mode":"overwrite","generation_id":3,"minimum_generation_id":0"#, WriteMode::Replace),
        (r#""destination_sync_mode":"overwrite","generation_id":3,"minimum_generation_id":3"#, WriteMode::Replace),
        (r#""destination_sync_mode":"append","generation_id":3,"minimum_generation_id":0"#, WriteMode::Append),
        (r#""destination_sync_mode":"append","generation_id":3"#, WriteMode::Append),
        (
            r#""destination_sync_mode":"append","generation_id":3,"minimum_generation_id":3"#,
            WriteMode::ReplaceOtherGenerations,
        ),
        (
            r#""sync_mode":"incremental","destination_sync_mode":"append","generation_id":3,"minimum_generation_id":3"#,
            WriteMode::ReplaceOtherGenerations,
        ),
        (
            r#""sync_mode":"full_refresh","destination_sync_mode":"append","generation_id":3,"minimum_generation_id":3"#,
            WriteMode::ReplaceOtherGenerations,
        ),
        (r#""destination_sync_mode":"append","generation_id":null,"minimum_generation_id":null"#, WriteMode::Append),
        (r#""destination_sync_mode":"append","generation_id":0,"minimum_generation_id":0"#, WriteMode::Append),
    ] {
        assert_eq!(one(fields)?.write_mode, expected, "{fields}");
    }
    Ok(())
}

#[test]
fn the_numbers_that_pyairbyte_puts_into_every_catalog_say_nothing_unless_the_platform_sends_them() -> Result<()> {
    let numbers = |generation, minimum, sync| {
        format!(r#""generation_id":{generation},"minimum_generation_id":{minimum},"sync_id":{sync}"#)
    };
    for (mode, alone, from_platform) in [
        ("append", WriteMode::Append, WriteMode::ReplaceOtherGenerations),
        ("overwrite", WriteMode::Replace, WriteMode::Replace),
    ] {
        let fields = |numbers: &str| format!(r#""destination_sync_mode":"{mode}",{numbers}"#);
        let found = |numbers: &str, caller| {
            one_of(&fields(numbers), caller).map(|stream| (stream.write_mode, stream.generation_id))
        };
        assert_eq!(found(&numbers(1, 1, 1), Caller::Other)?, (alone, None), "{mode}");
        assert_eq!(found(&numbers(1, 1, 1), Caller::Platform)?, (from_platform, Some(1)), "{mode}");
        // Whoever numbers syncs means it.
        assert_eq!(found(&numbers(1, 1, 2), Caller::Other)?, (from_platform, Some(1)), "{mode}");
        assert_eq!(found(&numbers(2, 2, 1), Caller::Other)?, (from_platform, Some(2)), "{mode}");
        assert_eq!(found(&numbers(1, 0, 1), Caller::Other)?, (alone, Some(1)), "{mode}");
        let without_sync = r#""generation_id":1,"minimum_generation_id":1"#;
        assert_eq!(found(without_sync, Caller::Other)?, (from_platform, Some(1)), "{mode}");
    }
    Ok(())
}

#[test]
fn a_sync_has_the_number_that_the_platform_gave_it_and_else_none() -> Result<()> {
    let found = |numbers: &str, caller| {
        one_of(&format!(r#""destination_sync_mode":"append"{numbers}"#), caller).map(|stream| stream.sync_id)
    };
    for (numbers, alone, from_platform) in [
        ("", 0, 0),
        (r#","sync_id":null"#, 0, 0),
        (r#","sync_id":-1"#, 0, 0),
        (r#","generation_id":1,"minimum_generation_id":1,"sync_id":1"#, 0, 1),
        (r#","generation_id":1,"minimum_generation_id":0,"sync_id":9223372036854775807"#, i64::MAX, i64::MAX),
    ] {
        assert_eq!((found(numbers, Caller::Other)?, found(numbers, Caller::Platform)?), (alone, from_platform));
    }
    Ok(())
}

#[test]
fn columns_are_made_from_the_text_of_each_schema_and_their_problems_are_told_with_the_others() {
    let text = r#"{"streams":[
        {"stream":{"name":"a","json_schema":{"b": 1, "a": 1.0}},"destination_sync_mode":"append"},
        {"stream":{"name":"b","json_schema":null,"namespace":"s"},"destination_sync_mode":"append"},
        {"stream":{"name":"c","json_schema":{}},"destination_sync_mode":"upsert"},
        {"stream":{"name":"d"},"destination_sync_mode":"append"}]}"#;
    let mut asked = Vec::new();
    let mut make_columns = |stream: &StreamDescriptor, json: Option<&str>| {
        asked.push((stream.to_string(), json.map(ToOwned::to_owned)));
        if json.is_some() { Ok(TableSchema::raw()) } else { Err(Error::config(format!("No columns for {stream}."))) }
    };
    let error = Catalog::from_json(text, Caller::Other, &mut make_columns).expect_err("problems");
    for part in ["No columns for s.b.", "No columns for d.", "unknown destination_sync_mode"] {
        assert!(error.message().contains(part), "{error}");
    }
    let of_a = Some(r#"{"b": 1, "a": 1.0}"#.to_owned());
    assert_eq!(asked, [("a".to_owned(), of_a), ("s.b".to_owned(), None), ("d".to_owned(), None)]);
}

#[test]
fn a_namespace_that_is_null_missing_or_empty_is_none() -> Result<()> {
    for namespace in ["", r#""namespace":null,"#, r#""namespace":"","#] {
        let text =
            format!(r#"{{"streams":[{{"stream":{{{namespace}"name":"a"}},"destination_sync_mode":"append"}}]}}"#);
        assert!(read(&text, Caller::Other)?.streams.iter().all(|stream| stream.descriptor.namespace.is_none()));
    }
    Ok(())
}

#[test]
fn every_problem_of_a_catalog_is_told_at_once() {
    let said = refused(
        r#"{"streams":[{"stream":{"name":"a"},"destination_sync_mode":"append"},
            {"stream":{"name":"a","namespace":""},"destination_sync_mode":"append"},
            {"stream":{"name":"b"},"destination_sync_mode":"upsert"},
            {"stream":{"name":"c"},"destination_sync_mode":"append_dedup"},
            {"stream":{"name":"d"}}, {"stream":{}}, {"name":"e"},
            {"stream":{"name":"f"},"destination_sync_mode":"append","generation_id":3,"minimum_generation_id":2}]}"#,
    );
    for part in [
        "Stream a is in the catalog twice",
        "unknown destination_sync_mode \"upsert\"",
        "Stream c asks for destination_sync_mode append_dedup and has no primary key",
        "Stream d has no destination_sync_mode",
        "streams[5].stream has no `name`",
        "streams[6] is a discovered stream",
        "partial refresh",
    ] {
        assert!(said.contains(part), "{part} is missing in: {said}");
    }
}

#[test]
fn an_error_about_one_stream_carries_it() {
    let bad =
        |name: &str| format!(r#"{{"stream":{{"name":"{name}","namespace":"s"}},"destination_sync_mode":"upsert"}}"#);
    let twice = r#"{"stream":{"name":"a"},"destination_sync_mode":"append"}"#;
    for (streams, expected) in [
        (bad("a"), Some("s.a")),
        ([twice, twice].join(","), Some("a")),
        ([twice, twice, twice].join(","), Some("a")),
        ([bad("a"), bad("b")].join(","), None),
        ([bad("a").as_str(), r#"{"stream":{}}"#].join(","), None),
        (r#"{"stream":{"name":"a"},"destination_sync_mode":"append","include_files":true}"#.into(), Some("a")),
        (
            r#"{"stream":{"name":"a"},"destination_sync_mode":"append","generation_id":3,"minimum_generation_id":2}"#
                .into(),
            Some("a"),
        ),
    ] {
        let error = read(&format!(r#"{{"streams":[{streams}]}}"#), Caller::Other).expect_err("a wrong catalog");
        assert_eq!(error.stream().map(ToString::to_string).as_deref(), expected, "{error}");
    }
    for fine in ["false", "null"] {
        assert!(one(&format!(r#""destination_sync_mode":"append","include_files":{fine}"#)).is_ok());
    }
}

#[test]
fn a_byte_order_mark_in_front_is_none_of_the_catalog() {
    let text = "\u{feff}{\"streams\":[{\"stream\":{\"name\":\"a\"},\"destination_sync_mode\":\"append\"}]}";
    assert!(read(text, Caller::Other).is_ok());
    for empty in ["", " \n", "\u{feff}"] {
        assert!(refused(empty).contains("is empty"), "{}", refused(empty));
    }
}

#[test]
fn a_catalog_without_streams_or_without_json_is_a_config_error() {
    for (text, part) in [
        (r#"{"streams":[]}"#, "no streams"),
        (r#"{}"#, "no streams"),
        ("[]", "not a valid"),
        ("{", "line 1"),
        (r#"{"streams":[{"stream":{"name":7}}]}"#, "line 1"),
        (r#"{"streams":[{"stream":{"name":"a","json_schema":[]}}]}"#, "`json_schema` is not an object"),
        (r#"{"streams":[{"stream":{"name":"a","json_schema":"{}"}}]}"#, "`json_schema` is not an object"),
    ] {
        assert!(refused(text).contains(part), "{text}: {}", refused(text));
    }
}
