//! The values by which rows are compared, as expressions of SQL.
//!
//! A value in a JSON text is read as text first. What does not fit the type that the stream's JSON schema says has no value as a cursor,
//! and as a part of a key counts as the text that it is, so that no two keys become one. No expression depends on the session's time zone
//! or on its ANSI mode.

use super::super::literal;
use super::place_name;
use crate::schema::dedup::Place;
use crate::schema::kind::{Decimal, Kind};

/// The value of `place` in a row of `alias`, to be compared with `<=>` and `=`. `is_collated`: texts are compared byte by byte in spite of
/// the column's collation.
pub(super) fn same(place: &Place, alias: &str, is_collated: bool) -> String {
    let text = text(place, alias, is_collated);
    if place.json.is_empty() {
        return text;
    }
    match place.kind {
        // A source may write 1 as 1.0.
        Kind::Integer(_) | Kind::Float | Kind::Double | Kind::Decimal(_) => {
            format!("regexp_replace({text}, '[.]0+$', '')")
        }
        Kind::Timestamp | Kind::LocalTimestamp => {
            format!("coalesce(CAST(unix_micros({}) AS STRING), {text})", moment(&text))
        }
        Kind::Date => format!("coalesce(CAST(try_cast({text} AS DATE) AS STRING), {text})"),
        _ => text,
    }
}

/// The same to be compared with `<` and `>`.
pub(super) fn ordered(place: &Place, alias: &str, is_collated: bool) -> String {
    let text = text(place, alias, is_collated);
    if place.json.is_empty() {
        return text;
    }
    let kind = match &place.kind {
        Kind::Integer(_) => Kind::Decimal(Decimal { precision: 38, scale: 10 }),
        Kind::Timestamp | Kind::LocalTimestamp => return moment(&text),
        kind @ (Kind::Float | Kind::Double | Kind::Decimal(_) | Kind::Date) => kind.clone(),
        _ => return text,
    };
    format!("try_cast({text} AS {})", kind.sql())
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
fn text(place: &Place, alias: &str, is_collated: bool) -> String {
    let value = if place.json.is_empty() { place_name(place, alias) } else { in_json(place, alias) };
    let is_text = !place.json.is_empty() || matches!(place.kind, Kind::Uuid | Kind::Text | Kind::Json);
    if is_collated && is_text { format!("{value} COLLATE UTF8_BINARY") } else { value }
}

/// The instant that a text means; a text without a zone is in UTC, one without a time is the beginning of its day.
fn moment(text: &str) -> String {
    format!(
        "coalesce(try_cast(concat({text}, 'Z') AS TIMESTAMP), try_cast(concat({text}, 'T00:00:00Z') AS TIMESTAMP), try_cast({text} AS TIMESTAMP))"
    )
}

/// The text of a value in a JSON text: that of a JSON string without its quotes, of anything else its JSON.
fn in_json(place: &Place, alias: &str) -> String {
    let quoted = |name: &String| format!("`{}`", name.replace('`', "``"));
    let kind =
        place.json.iter().rev().fold("STRING".to_owned(), |inner, name| format!("STRUCT<{}: {inner}>", quoted(name)));
    let path: Vec<String> = place.json.iter().map(quoted).collect();
    format!(
        "from_json({}, {}, map('maxStringLen', '2147483647', 'maxNumLen', '2147483647')).{}",
        place_name(place, alias),
        literal(&kind),
        path.join(".")
    )
}
