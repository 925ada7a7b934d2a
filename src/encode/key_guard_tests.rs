//! Records without the key, by whatever name, and values of guarded properties that do not fit.

use super::*;
use crate::config::Compression;
use crate::encode::encoder::Encoder;
use crate::encode::ids::IdGenerator;
use crate::encode::rows::Rows;
use crate::schema::dedup::Asked;
use crate::schema::json_schema::{ColumnOptions, classic, columns};

const SCHEMA: &str = r#"{"properties":{
    "Id":{"type":"integer"}, "o":{"type":"object","properties":{"n":{"type":"integer"},"p":{"type":"integer"}}}, "x":{"type":"integer"}}}"#;

fn key(parts: &[&str]) -> Asked {
    let path = |part: &&str| part.split('.').map(ToOwned::to_owned).collect();
    Asked { key: parts.iter().map(path).collect(), ..Asked::default() }
}

fn guard(schema: &str, parts: &[&str], files: &TableSchema) -> KeyGuard {
    let dedup = Dedup::new(Some(schema), &key(parts)).unwrap();
    KeyGuard::new(&StreamDescriptor { name: "s".to_owned(), namespace: None }, &dedup, files)
}

fn rows(texts: &[impl AsRef<str>]) -> Rows {
    let mut rows = Rows::default();
    texts.iter().for_each(|text| rows.push(text.as_ref().as_bytes(), 0, 64));
    rows
}

/// What is said of the names of `texts` as a first block.
fn names(parts: &[&str], texts: &[&str]) -> String {
    let guard = guard(SCHEMA, parts, &columns(SCHEMA, ColumnOptions::default()).unwrap());
    guard.look_at_names(rows(texts).parts().0).map_or_else(|error| error.to_string(), |()| String::new())
}

/// What is said of `values` of the key `id` of the type `kind` in the layout `columns`, or else `classic`.
fn of_key(kind: &str, is_classic: bool, values: &[&str]) -> String {
    let schema = format!(r#"{{"properties":{{"id":{kind}}}}}"#);
    let files = if is_classic { classic(&schema) } else { columns(&schema, ColumnOptions::default()) }.unwrap();
    let guard = guard(&schema, &["id"], &files);
    encoded(files, guard, &values.iter().map(|value| format!(r#"{{"id":{value}}}"#)).collect::<Vec<_>>())
}

fn encoded(files: TableSchema, guard: KeyGuard, texts: &[impl AsRef<str>]) -> String {
    let encoder = Encoder::new(files.into(), Compression::Zstd).guarded_by(guard);
    let ids = IdGenerator::new(|| 7).range(0, texts.len() as u64);
    encoder.encode(rows(texts), ids).map_or_else(|error| error.to_string(), |_| String::new())
}

#[test]
fn records_that_do_not_have_the_key_are_refused_and_nulls_are_a_key() {
    for texts in [
        &[r#"{"x":1}"#, r#"{"Id":null}"#][..],
        &[r#"{"\u0049d":1}"#],
        &[r#"{"o":{"n":2}}"#],
        &[r#"{"o":null}"#],
        &[r#"{"x":1}"#, r#"{"o":{"n":null}} {"changes":[]}"#],
    ] {
        assert_eq!(names(&["Id", "o.n"], texts), "", "{texts:?}");
    }
    for (parts, texts, said) in [
        (
            &["Id", "o.n"][..],
            &[r#"{"x":7}"#, r#"{"x":8}"#][..],
            "the first 2 records do not have `Id` and `o.n`, which",
        ),
        (&["Id"], &["{}"], "the first record does not have `Id`, which the catalog says is the primary key"),
        (&["Id"], &[r#"{"o":{"Id":1},"x":"Id"}"#], "does not have `Id`"),
        (&["o.n"], &[r#"{"o":{"p":1}}"#, r#"{"o":3}"#], "do not have `o.n`"),
    ] {
        let found = names(parts, texts);
        assert!(found.contains(said) && !found.contains("case of letters"), "{texts:?}: {found}");
    }
}

#[test]
fn a_part_that_has_another_case_in_the_records_is_refused_though_the_others_are_there() {
    for (parts, text, part, alike) in [
        (&["Id", "x"][..], r#"{"Id":1,"X":2}"#, "`x`, which the catalog says is a part of", "`X`"),
        (&["Id", "x"], r#"{"id":1,"X":2}"#, "`Id` and `x`, which the catalog says is the primary key", "`id`"),
        (&["o.n"], r#"{"o":{"N":1}}"#, "`o.n`, which", "`o.N`"),
        (&["o.n", "o.p"], r#"{"o":{"n":1,"P":1}} {"changes":[]}"#, "`o.p`, which the catalog says is a part", "`o.P`"),
        (&["Id", "o.n"], r#"{"Id":1,"O":{"N":1}}"#, "`o.n`", "`O.N`"),
    ] {
        for texts in [&[text][..], &["{}", text]] {
            let said = names(parts, texts);
            assert!(said.contains(part) && said.contains(&format!("They have {alike}: the case")), "{texts:?}: {said}");
        }
    }
    // Of a part that may be absent, nothing is known.
    assert_eq!(names(&["Id", "x"], &[r#"{"Id":1,"y":2}"#]), "");
    assert_eq!(names(&["Id", "x"], &[r#"{"Id":1,"X":2}"#, r#"{"x":2}"#]), "");
}

#[test]
fn only_the_first_block_is_looked_at() {
    let guard = guard(SCHEMA, &["Id"], &columns(SCHEMA, ColumnOptions::default()).unwrap());
    assert!(guard.look_at_names(rows(&[r#"{"Id":1}"#]).parts().0).is_ok());
    assert!(guard.look_at_names(rows(&[r#"{"x":1}"#]).parts().0).is_ok());
}

#[test]
fn values_of_a_key_inside_of_an_object_are_refused_where_they_do_not_fit_and_other_values_are_not() {
    for (text, said) in [
        (r#"{"o":{"n":1.5}}"#, "1 value of the primary key `o.n` does not fit the column's type BIGINT as it is"),
        (r#"{"o":{"n":9223372036854775808}}"#, "`o.n`"),
        (r#"{"o":{"n":"x","n":"y"}}"#, "1 value of the primary key `o.n`"),
        (r#"{"o":3}"#, "1 value of the object with the primary key, `o` does not fit the column's type STRUCT<"),
        (r#"{"o":{"n":"x","n":1}}"#, ""),
        (r#"{"o":{"n":"x"},"o":null}"#, ""),
        (r#"{"o":{"n":1,"p":"x"},"x":1.5}"#, ""),
        (r#"{"o":{}}"#, ""),
        (r#"{"o":null,"n":1.5}"#, ""),
    ] {
        for files in [columns(SCHEMA, ColumnOptions::default()), classic(SCHEMA)] {
            let files = files.unwrap();
            let guard = guard(SCHEMA, &["Id", "o.n"], &files);
            let found = encoded(files, guard, &[format!(r#"{{"Id":7,{}"#, &text[1..])]);
            assert!(found.contains(said) && found.is_empty() == said.is_empty(), "{text}: {found}");
        }
    }
}

#[test]
fn values_of_a_key_that_its_type_or_the_older_connector_would_make_equal_are_refused() {
    let [integer, number, text] = ["integer", "number", "string"].map(|name| format!(r#"{{"type":"{name}"}}"#));
    let [time, day, hour] =
        ["date-time", "date", "time"].map(|format| format!(r#"{{"type":"string","format":"{format}"}}"#));
    let local = r#"{"type":"string","format":"date-time","airbyte_type":"timestamp_without_timezone"}"#.to_owned();
    let binary = r#"{"type":"string","contentEncoding":"base64"}"#.to_owned();
    let either = r#"{"type":["integer","string"]}"#.to_owned();
    for (kind, refused, kept) in [
        (
            &integer,
            &["1.2", "1e30", "18446744073709551617"][..],
            &["1", "1.0", "-9223372036854775808", r#""7""#, "null"][..],
        ),
        (&number, &["1e400", r#""x""#], &["0.1", "1e300", r#""NaN""#, "18446744073709551617"]),
        (&text, &[r#""\ud800""#], &[r#""a""#, r#""\u00e4""#, r#""""#]),
        (
            &time,
            &[r#""2021-01-01T00:00:00.1234567Z""#],
            &[r#""2021-01-01T00:00:00.123Z""#, r#""2021-01-01T00:00:00+01:00""#],
        ),
        (
            &day,
            &[r#""2021-01-01T10:00:00Z""#, r#""2021-01-01T00:00:00+01:00""#],
            &[r#""2021-01-01""#, r#""2021-01-01T00:00:00Z""#],
        ),
    ] {
        for is_classic in [false, true] {
            for value in refused {
                // What is no time at all is a text in the older connector's tables, and stays what it is.
                let is_text = is_classic && *value == r#""2021-01-01T00:00:00.1234567Z""#;
                let said = of_key(kind, is_classic, &[value]);
                assert_eq!(said.contains("of the primary key `id`"), !is_text, "{kind} {value} {is_classic}: {said}");
            }
            assert_eq!(of_key(kind, is_classic, kept), "", "{kind} {is_classic}");
        }
    }
    for (kind, is_classic, refused, kept) in [
        (&time, true, r#""2021-01-01T00:00:00.1234Z""#, r#""2021-01-01T00:00:00.123Z""#),
        (&time, true, r#""2021-02-30T00:00:00Z""#, r#""1634982000000001""#),
        (&time, false, r#""2021-02-30T00:00:00Z""#, r#""2021-01-01T00:00:00.123456Z""#),
        (&hour, true, r#""10:00:00+01:00""#, r#""10:00:00.123456Z""#),
        (&hour, true, r#""2021-01-01T10:00:00""#, r#""10:00:00""#),
        (&day, true, r#""2021-02-31""#, r#""2021-02-28""#),
        (&local, false, r#""2021-01-01T00:00:00+01:00""#, r#""2021-01-01T00:00:00Z""#),
        (&either, true, "1.5", r#""1.5""#),
        (&either, true, "18446744073709551617", "1"),
    ] {
        let said = of_key(kind, is_classic, &[refused]);
        assert!(said.contains("1 value of the primary key `id`"), "{kind} {refused}: {said}");
        assert_eq!(of_key(kind, is_classic, &[kept]), "", "{kind} {kept}");
    }
    assert_eq!(of_key(&binary, true, &[r#""aGk=""#]), "");
}

#[test]
fn a_delete_whose_mark_would_be_lost_is_refused_and_one_that_is_only_rounded_is_not() {
    let schema = r#"{"properties":{"Id":{"type":"integer"},"_ab_cdc_deleted_at":{"type":["null","string"],"format":"date-time"}}}"#;
    for (deleted, said) in [
        (
            "1700000000123",
            "1 value of the mark of deletes `_ab_cdc_deleted_at` does not fit the column's type TIMESTAMP",
        ),
        (r#""yesterday""#, "deleted rows would be taken for live ones"),
        (r#""2024-01-01T00:00:00.123456789Z""#, ""),
        ("null", ""),
    ] {
        let files = columns(schema, ColumnOptions::default()).unwrap();
        let guard = guard(schema, &["Id"], &files);
        let found = encoded(files, guard, &[format!(r#"{{"Id":1,"_ab_cdc_deleted_at":{deleted}}}"#)]);
        assert!(found.contains(said) && found.is_empty() == said.is_empty(), "{deleted}: {found}");
    }
}
