//! Whose key and cursor count, and what is told of wrong ones.

use crate::error::{Error, Result};
use crate::protocol::catalog::{Caller, Catalog, Stream, WriteMode};
use crate::schema::columns::TableSchema;

const SCHEMA: &str = r#"{"properties":{"id":{"type":"integer"},"at":{"type":"string","format":"date-time"},
    "_ab_cdc_deleted_at":{"type":"string"},"o":{"type":"object","properties":{"id":{"type":"string"}}}}}"#;

/// The stream with these fields, and these of its own.
fn one(configured: &str, own: &str) -> Result<Stream> {
    one_of(configured, own, Caller::Platform)
}

fn one_of(configured: &str, own: &str, caller: Caller) -> Result<Stream> {
    let text = format!(
        r#"{{"streams":[{{"stream":{{"name":"users","namespace":"s","json_schema":{SCHEMA}{own}}},
            "destination_sync_mode":"append_dedup"{configured}}}]}}"#
    );
    let mut catalog = Catalog::from_json(&text, caller, &mut |_, _| Ok(TableSchema::raw()))?;
    catalog.streams.pop().ok_or_else(|| Error::system("empty"))
}

fn keys(configured: &str, own: &str) -> Result<(String, Option<String>)> {
    let dedup = one(configured, own)?.dedup.ok_or_else(|| Error::system("no keys"))?;
    Ok((dedup.id(), dedup.cursor.as_ref().map(|cursor| cursor.path.join("."))))
}

#[test]
fn the_connection_has_the_word_and_else_the_source() -> Result<()> {
    let own = r#","source_defined_primary_key":[["o","id"]],"default_cursor_field":["at"]"#;
    let of_source = format!(r#"{own},"source_defined_cursor":true"#);
    let (id, inner) = (r#"[["id"]]"#, r#"[["o","id"]]"#);
    for (configured, own, key, cursor) in [
        (r#","primary_key":[["id"]],"cursor_field":["at"]"#, "", id, Some("at")),
        (r#","primary_key":[["id"],["o","id"]]"#, "", r#"[["id"],["o","id"]]"#, None),
        (r#","primary_key":["id"],"cursor_field":"at""#, own, id, Some("at")),
        (r#","primary_key":[],"cursor_field":[]"#, own, inner, None),
        (r#","primary_key":null,"cursor_field":null"#, &of_source, inner, Some("at")),
        ("", &of_source, inner, Some("at")),
        (r#","primary_key":[["id"]],"cursor_field":["id"]"#, &of_source, id, Some("id")),
        ("", &of_source.replace("\"at\"", "\"gone\""), inner, None),
        ("", &of_source.replace("[\"at\"]", "7"), inner, None),
    ] {
        let found = keys(configured, own)?;
        assert_eq!((found.0.as_str(), found.1.as_deref()), (key, cursor), "{configured} {own}");
    }
    Ok(())
}

#[test]
fn a_key_or_a_cursor_that_cannot_be_used_is_a_config_error_that_names_the_stream_and_the_field() {
    for (configured, own, part) in [
        ("", "", "has no primary key"),
        (r#","primary_key":[]"#, r#","source_defined_primary_key":[[]]"#, "has no primary key"),
        (r#","primary_key":"id""#, "", "has a `primary_key` that is no list"),
        ("", r#","source_defined_primary_key":[[7]]"#, "a `source_defined_primary_key` that is no list"),
        (r#","primary_key":[["id"]],"cursor_field":{}"#, "", "a `cursor_field` that is no list"),
        (r#","primary_key":[["ID"]]"#, "", "the primary key `ID`, which its JSON schema does not have"),
        (r#","primary_key":[["o"]],"cursor_field":["at","x"]"#, "", "`o`, which is an object"),
        (r#","primary_key":[["id"]],"cursor_field":["at","x"]"#, "", "the cursor `at.x`, which"),
    ] {
        let error = one(configured, own).expect_err(part);
        let said = error.message();
        assert!(said.starts_with("Stream s.users asks for destination_sync_mode append_dedup and "), "{said}");
        assert!(said.contains(part) && error.stream().is_some(), "{said}");
    }
}

#[test]
fn keys_of_other_modes_are_not_read() -> Result<()> {
    let text = r#"{"streams":[{"stream":{"name":"a","source_defined_primary_key":7},"primary_key":"x","cursor_field":7,
        "destination_sync_mode":"append"}]}"#;
    let catalog = Catalog::from_json(text, Caller::Platform, &mut |_, _| Ok(TableSchema::raw()))?;
    assert!(catalog.streams.iter().all(|stream| stream.dedup.is_none()));
    Ok(())
}

#[test]
fn a_refresh_with_keys_replaces_other_generations_and_an_upsert_replaces_none() -> Result<()> {
    let key = r#","primary_key":[["id"]],"generation_id":3,"minimum_generation_id":"#;
    assert_eq!(one(&format!("{key}3"), "")?.write_mode, WriteMode::ReplaceOtherGenerations);
    assert_eq!(one(&format!("{key}0"), "")?.write_mode, WriteMode::Append);
    assert_eq!(WriteMode::Append.airbyte_mode(true), "append_dedup");
    Ok(())
}

#[test]
fn deleted_rows_are_kept_where_the_settings_say_so() -> Result<()> {
    let stream = one(r#","primary_key":[["id"]]"#, "")?;
    let is_deleted = |catalog: &Catalog| {
        catalog.streams.iter().all(|stream| stream.dedup.as_ref().is_some_and(|dedup| dedup.deleted.is_some()))
    };
    let mut catalog = Catalog { streams: vec![stream.clone(), Stream { dedup: stream.dedup.clone(), ..stream }] };
    assert!(is_deleted(&catalog));
    catalog.keep_deleted();
    assert!(!is_deleted(&catalog));
    Ok(())
}

#[test]
fn a_cursor_that_pyairbyte_copied_from_the_source_is_left_out_where_it_cannot_be_used() -> Result<()> {
    let configured = r#","primary_key":[["id"]],"cursor_field":["gone"]"#;
    let own = r#","default_cursor_field":["gone"]"#;
    let cursor = |own: &str, caller| {
        one_of(configured, own, caller).map(|stream| stream.dedup.and_then(|dedup| dedup.cursor.clone()))
    };
    assert_eq!(cursor(own, Caller::Other)?, None);
    assert_eq!(cursor(&format!(r#"{own},"source_defined_cursor":true"#), Caller::Platform)?, None);
    assert!(cursor(own, Caller::Platform).is_err() && cursor("", Caller::Other).is_err());
    Ok(())
}
