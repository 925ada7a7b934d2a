//! Random records, as texts of JSON, of random schemas: whatever is special to CSV, JSON or SQL.

use std::fmt::Write;

use fastrand::Rng;
use serde_json::{Map, Value, json};

/// Another one in each run, or the one that `TEST_SEED` names.
pub fn seed() -> u64 {
    let named = std::env::var("TEST_SEED").ok().map(|seed| seed.parse().expect("TEST_SEED is a number"));
    named.unwrap_or_else(|| Rng::new().u64(..))
}

/// Twelve properties of random types, and one of each type that a format or an extension tells.
pub fn properties(random: &mut Rng) -> Map<String, Value> {
    let mut properties = Map::new();
    for (at, special) in special_types().into_iter().enumerate() {
        properties.insert(format!("special{at}"), special);
    }
    for at in 0..12 {
        let name = *random.choice(["plain", "With Capitals", "a\"quote", "comma,", "ü"].iter()).unwrap();
        properties.insert(format!("{name}{at}"), property(random, 2));
    }
    // Readers keep what they cannot read in a column of this name, unless they are told another one.
    let kept =
        |kind| json!({"type": "object", "properties": {"_corrupt_record": {"type": kind}, "a": {"type": "string"}}});
    properties
        .insert("_corrupt_record".to_owned(), json!({"type": *random.choice(["string", "integer"].iter()).unwrap()}));
    properties.insert("kept text".to_owned(), kept("string"));
    properties.insert("kept number".to_owned(), kept("integer"));
    properties
}

/// A record with values for most of `properties`, mostly not of their types.
pub fn record_of(properties: &Map<String, Value>, random: &mut Rng) -> String {
    let mut text = String::from("{");
    for (name, property) in properties {
        if random.u8(..3) == 0 {
            continue;
        }
        // Now and then a key is repeated.
        for _ in 0..if random.u8(..) < 8 { 2 } else { 1 } {
            string(name, random, &mut text);
            text.push_str(": ");
            match random.bool() {
                true => fitting(property, random, &mut text),
                false => value(random, 2, &mut text),
            }
            text.push(',');
        }
    }
    text.push_str(r#""undeclared":"#);
    value(random, 1, &mut text);
    text.push('}');
    text
}

fn special_types() -> Vec<Value> {
    let date_time = |airbyte_type: &str| json!({"type": "string", "format": "date-time", "airbyte_type": airbyte_type});
    vec![
        json!({"type": "string", "format": "date"}),
        json!({"type": "string", "format": "time"}),
        date_time("timestamp_with_timezone"),
        date_time("timestamp_without_timezone"),
        json!({"type": "string", "contentEncoding": "base64"}),
        json!({"oneOf": [{"type": "integer"}, {"type": "string"}, {"type": "boolean"}]}),
        json!({}),
        json!({"type": "object"}),
    ]
}

fn property(random: &mut Rng, depth: u32) -> Value {
    match random.u8(..if depth == 0 { 6 } else { 8 }) {
        0 => json!({"type": "string"}),
        1 => json!({"type": "integer"}),
        2 => json!({"type": "number"}),
        3 => json!({"type": "boolean"}),
        4 | 5 => {
            let all = special_types();
            random.choice(all).unwrap()
        }
        6 => json!({"type": "array", "items": property(random, depth - 1)}),
        _ => {
            let members: Map<String, Value> =
                (0..random.usize(1..4)).map(|at| (format!("m{at}"), property(random, depth - 1))).collect();
            json!({"type": "object", "properties": members})
        }
    }
}

/// A value of the type of `property`, as a text.
fn fitting(property: &Value, random: &mut Rng, text: &mut String) {
    let formats = ["date", "time", "date-time"];
    if property["format"].as_str().is_some_and(|format| formats.contains(&format)) {
        return string(random.choice(TEXTS).unwrap(), random, text);
    }
    match property["type"].as_str() {
        Some("integer") => text.push_str(&random.i64(..).to_string()),
        Some("number") => number(random, text),
        Some("boolean") => text.push_str(if random.bool() { "true" } else { "false" }),
        Some("array") => {
            text.push('[');
            for at in 0..random.usize(..4) {
                text.push_str(if at == 0 { "" } else { ", " });
                fitting(&property["items"], random, text);
            }
            text.push(']');
        }
        Some("object") if property["properties"].is_object() => {
            text.push('{');
            for (at, (name, member)) in property["properties"].as_object().unwrap().iter().enumerate() {
                text.push_str(if at == 0 { "" } else { "\t," });
                string(name, random, text);
                text.push(':');
                fitting(member, random, text);
            }
            text.push('}');
        }
        Some("string") => string(&any_text(random), random, text),
        _ => value(random, 1, text),
    }
}

const TEXTS: [&str; 14] = [
    "0001-01-01",
    "9999-12-31",
    "2021-01-31T12:34:56.123456+05:30",
    "2021-01-31T12:34:56.1234567",
    "12:34:56.000001",
    "2021-01-31T02:30:00",
    "1883-11-18T12:03:57.999999Z",
    "0044-03-15 BC",
    "NaN",
    "-Infinity",
    "AP8=",
    "1e5",
    "12345678901234567890.5",
    "true",
];

fn value(random: &mut Rng, depth: u32, text: &mut String) {
    match random.u8(..if depth == 0 { 10 } else { 14 }) {
        0 => text.push_str("null"),
        1 => text.push_str(if random.bool() { "true" } else { "false" }),
        2..=4 => number(random, text),
        5 => text.push_str("\"\""),
        6 | 7 => string(random.choice(TEXTS).unwrap(), random, text),
        8 | 9 => string(&any_text(random), random, text),
        10 | 11 => {
            text.push_str("[ ");
            for at in 0..random.usize(..4) {
                text.push_str(if at == 0 { "" } else { "," });
                value(random, depth - 1, text);
            }
            text.push(']');
        }
        _ => {
            text.push('{');
            let keys = ["m0", "m1", "m2", "text", "m0", "other \"key\"\n"];
            for (at, key) in keys.into_iter().filter(|_| random.bool()).collect::<Vec<_>>().into_iter().enumerate() {
                text.push_str(if at == 0 { "" } else { "," });
                string(key, random, text);
                text.push(':');
                value(random, depth - 1, text);
            }
            text.push('}');
        }
    }
}

fn number(random: &mut Rng, text: &mut String) {
    let written = match random.u8(..8) {
        0 => random.i64(..).to_string(),
        1 => random.i64(-9..9).to_string(),
        2 => Value::from(f64::from_bits(random.u64(..))).to_string(),
        3 => "-0.0".to_owned(),
        4 => (f64::from(random.i32(..)) / 1000.0).to_string(),
        5 => format!("{}E{}", random.i32(..), random.i32(-400..400)),
        6 => format!("{}.{:020}0", random.i32(..), random.u64(..)),
        _ => format!("{}{}", random.u64(1..), random.u64(..)),
    };
    text.push_str(&written);
}

fn any_text(random: &mut Rng) -> String {
    const PARTS: [&str; 26] = [
        "\"", "\"\"", ",", "\r", "\n", "\r\n", "\0", "\u{2028}", "\u{feff}", "\\", "\\\"", " ", "\t", "#", "a", "é",
        "😀", "null", "NULL", "\u{1}", "\u{85}", "\u{b}", "'", "\u{ffff}", "\u{1a}", "${x}",
    ];
    let length = if random.u8(..) == 0 { random.usize(..5000) } else { random.usize(..7) };
    (0..length).map(|_| random.choice(PARTS).unwrap()).collect()
}

/// Appends `value` as a JSON string, in which some characters are escaped that need not be.
fn string(value: &str, random: &mut Rng, text: &mut String) {
    text.push('"');
    for character in value.chars() {
        let must = matches!(character, '"' | '\\' | '\0'..='\u{1f}');
        if !must && random.u8(..) > 8 {
            text.push(character);
            continue;
        }
        for unit in character.encode_utf16(&mut [0; 2]) {
            write!(text, "\\u{unit:04X}").unwrap();
        }
    }
    text.push('"');
}
