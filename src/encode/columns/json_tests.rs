//! Escapes, compact texts, nesting, and texts that are not JSON.

use proptest::prelude::*;
use serde_json::Value;

use super::*;

fn decoded(text: &str) -> String {
    let mut json = Json::new(text.as_bytes());
    let mut out = Vec::new();
    json.string().expect("a string").append_to(&mut out);
    String::from_utf8(out).expect("UTF-8")
}

#[test]
fn escapes_are_undone_and_lone_surrogates_replaced() {
    assert_eq!(decoded(r#""a\"\\\/\b\f\n\r\t\u00e9\ud83d\ude00""#), "a\"\\/\u{8}\u{c}\n\r\té😀");
    assert_eq!(decoded(r#""\ud83d""#), "\u{fffd}");
    assert_eq!(decoded(r#""\ud83d\u0041\ude00\n""#), "\u{fffd}A\u{fffd}\n");
}

#[test]
fn a_value_is_compact_as_it_was_written() {
    let mut json = Json::new(b" { \"b\" : [ 1.50 , \"x y\\u00e9\" ],\n\"a\":1e3, \"a\" : null } x");
    let mut out = Vec::new();
    json.skip().expect("a value").append_to(&mut out);
    assert_eq!(out, br#"{"b":[1.50,"x y\u00e9"],"a":1e3,"a":null}"#);
    assert_eq!(json.rest(), b"x");
}

#[test]
fn a_key_is_passed_over_only_where_the_text_has_it_letter_for_letter() {
    for (text, is_first, rest) in [
        (r#""id":1}"#, true, Some("1}")),
        (r#","id":1}"#, false, Some("1}")),
        (r#","id":1}"#, true, None),
        (r#""id":1}"#, false, None),
        (r#","id" :1}"#, false, None),
        (r#", "id":1}"#, false, None),
        (r#","\u0069d":1}"#, false, None),
        (r#","ids":1}"#, false, None),
        (r#","i"#, false, None),
        ("}", false, None),
        ("", false, None),
    ] {
        let (mut json, mut first) = (Json::new(text.as_bytes()), is_first);
        assert_eq!(json.eat_key(b"\"id\":", &mut first), rest.is_some(), "{text}");
        assert_eq!(json.rest(), rest.unwrap_or(text).as_bytes(), "{text}");
        assert_eq!(first, is_first && rest.is_none(), "{text}");
    }
}

#[test]
fn a_value_nested_a_hundred_thousand_levels_is_skipped() {
    let text = ["[".repeat(100_000), "]".repeat(100_000)].concat();
    assert_eq!(Json::new(text.as_bytes()).skip().expect("a value").text, text.as_bytes());
}

#[test]
fn what_is_cut_short_is_malformed() {
    for text in ["", "{", "[1", "\"a", "\"a\\", "{\"a\":[}"] {
        assert_eq!(Json::new(text.as_bytes()).skip().map(|raw| raw.text.len()), Err(Malformed), "{text}");
    }
}

proptest! {
    #[test]
    fn strings_are_what_serde_makes_of_them(text in ".*") {
        let written = Value::from(text.clone()).to_string();
        prop_assert_eq!(decoded(&written), text);
    }

    #[test]
    fn any_text_is_walked_over_without_a_panic(text in "[\\[\\]{}\",:\\\\u0-9a-f \n]*") {
        let mut json = Json::new(text.as_bytes());
        while let Ok(raw) = json.skip() {
            raw.append_to(&mut Vec::new());
            raw.append_as_text(&mut Vec::new());
            json.eat(b',');
        }
    }
}
