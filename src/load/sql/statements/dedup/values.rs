//! The values by which rows are compared, as expressions of SQL.
//!
//! A value in a JSON text is read in two steps: as its type, which most values have and which takes one pass over the text; else by what it
//! is, so that no two keys become one. `from_json` gives a STRING of whatever it finds: without the quotes of a JSON string, and with fractions
//! and exponents written again as a DOUBLE. So a text that could be another value begins with a quote, and a number is read as a DECIMAL. Those that none
//! holds are refused before they are staged, by `encode::sql_keys`.
//!
//! As a cursor, what does not fit the type that the stream's JSON schema says has no value. No expression depends on the session's time zone
//! or on its ANSI mode.

use super::super::literal;
use super::place_name;
use crate::schema::dedup::Place;
use crate::schema::kind::{Decimal, Kind};

/// What the JSON of a value that is no string begins with, and the quote, which marks strings that begin so.
const BEGINNINGS: &str = "\"-0123456789[ft{";
/// The type that numbers are read as: `encode::sql_keys` knows what it holds.
const EXACT: &str = "DECIMAL(38, 18)";

/// The value of `place` in a row of `alias`, to be compared with `<=>` and `=`. `is_collated`: texts are compared byte by byte in spite of
/// the column's collation.
pub(super) fn same(place: &Place, alias: &str, is_collated: bool) -> String {
    let text = text(place, alias);
    if place.json.is_empty() {
        return if is_text(&place.kind) { binary(text, is_collated) } else { text };
    }
    let or_any = |typed: String| format!("coalesce(CAST({typed} AS STRING), {})", any(place, alias));
    let value = match place.kind {
        // A source may write 1 as 1.0.
        Kind::Integer(_) | Kind::Float | Kind::Double | Kind::Decimal(_) => or_any(in_json(place, alias, "BIGINT")),
        Kind::Boolean => or_any(in_json(place, alias, "BOOLEAN")),
        Kind::Timestamp | Kind::LocalTimestamp => or_any(format!("unix_micros({})", moment(&text))),
        Kind::Date => or_any(format!("try_cast({text} AS DATE)")),
        Kind::Json => any(place, alias),
        _ => text,
    };
    binary(value, is_collated)
}

/// The same to be compared with `<` and `>`.
pub(super) fn ordered(place: &Place, alias: &str, is_collated: bool) -> String {
    let text = text(place, alias);
    if place.json.is_empty() {
        return if is_text(&place.kind) { binary(text, is_collated) } else { text };
    }
    let kind = match &place.kind {
        Kind::Integer(_) => Kind::Decimal(Decimal { precision: 38, scale: 10 }),
        Kind::Timestamp | Kind::LocalTimestamp => return moment(&text),
        kind @ (Kind::Float | Kind::Double | Kind::Decimal(_) | Kind::Date) => kind.clone(),
        _ => return binary(text, is_collated),
    };
    format!("try_cast({text} AS {})", kind.sql())
}

/// Whether a row of `alias` has a value at `place`, whatever it is.
pub(super) fn is_there(place: &Place, alias: &str) -> String {
    format!("{} IS NOT NULL", text(place, alias))
}

/// Whether the values of `place` have literals, by which files can be skipped.
pub(super) fn has_literals(place: &Place) -> bool {
    place.json.is_empty() && matches!(place.kind, Kind::Integer(_) | Kind::Date | Kind::Timestamp)
}

/// The literal of a value of `kind` whose text a server has told; `None` where it is no such text.
pub(super) fn literal_of(kind: &Kind, text: &str) -> Option<String> {
    let is_whole = || text.parse::<i64>().is_ok();
    match kind {
        Kind::Integer(_) => is_whole().then(|| text.to_owned()),
        Kind::Timestamp => is_whole().then(|| format!("timestamp_micros({text})")),
        Kind::Date => chrono::NaiveDate::parse_from_str(text, "%Y-%m-%d")
            .ok()
            .map(|day| format!("DATE '{}'", day.format("%Y-%m-%d"))),
        _ => None,
    }
}

/// The value itself, or its text where it is in a JSON text.
fn text(place: &Place, alias: &str) -> String {
    if place.json.is_empty() { place_name(place, alias) } else { in_json(place, alias, "STRING") }
}

fn is_text(kind: &Kind) -> bool {
    matches!(kind, Kind::Uuid | Kind::Text | Kind::Json)
}

/// COLLATE only if needed: old servers do not know it.
fn binary(text: String, is_collated: bool) -> String {
    if is_collated { format!("{text} COLLATE UTF8_BINARY") } else { text }
}

/// A text for any value in a JSON text, another one for each value: numbers by all of their digits, texts that could be another value with a
/// quote before them.
fn any(place: &Place, alias: &str) -> String {
    let read = |kind: &str| in_json(place, alias, kind);
    let (text, exact) = (text(place, alias), read(EXACT));
    format!(
        "CASE WHEN locate(substr({text}, 1, 1), {beginnings}) = 0 THEN {text} WHEN {double} IS NOT NULL THEN coalesce(IF({exact} % 1 = 0, \
         CAST(floor({exact}) AS STRING), CAST({exact} AS STRING)), {text}) WHEN {boolean} IS NOT NULL OR \
         {array} IS NOT NULL OR {object} IS NOT NULL THEN {text} ELSE concat('\"', {text}) END",
        beginnings = literal(BEGINNINGS),
        double = read("DOUBLE"),
        boolean = read("BOOLEAN"),
        array = read("ARRAY<STRING>"),
        object = read("MAP<STRING, STRING>"),
    )
}

/// The instant that a text means; a text without a zone is in UTC, one without a time is the beginning of its day.
fn moment(text: &str) -> String {
    format!(
        "coalesce(try_cast(concat({text}, 'Z') AS TIMESTAMP), try_cast(concat({text}, 'T00:00:00Z') AS TIMESTAMP), try_cast({text} AS TIMESTAMP))"
    )
}

/// A value in a JSON text, read as `kind`; NULL where it is of another kind. As STRING, a JSON string is without its quotes, and anything else is
/// its JSON.
fn in_json(place: &Place, alias: &str, kind: &str) -> String {
    let quoted = |name: &String| format!("`{}`", name.replace('`', "``"));
    let kind =
        place.json.iter().rev().fold(kind.to_owned(), |inner, name| format!("STRUCT<{}: {inner}>", quoted(name)));
    let path: Vec<String> = place.json.iter().map(quoted).collect();
    format!(
        "from_json({}, {}, map('maxStringLen', '2147483647', 'maxNumLen', '2147483647', 'maxNestingDepth', '2147483647')).{}",
        place_name(place, alias),
        literal(&kind),
        path.join(".")
    )
}
