//! Readers for the fields of one JSON object, which collect problems instead of stopping at the first.
//!
//! Each reader takes a name, gives the value when it is there and right, and otherwise `None` with a sentence in the
//! shared [`Report`] that says what is wrong, at which path, and what to do. `null` and blank text count as not given.
//! The report also remembers which paths were asked for, so that fields nobody asked for can be named. Sentences show
//! types, names and ranges; a value only where the field is no secret, and then shortened.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::ops::RangeInclusive;

use serde_json::{Map, Value};

use crate::error::{Error, Problems, Result};
use crate::secret::Secret;

/// The most characters of a value or name in a message.
const SHOWN: usize = 60;

/// The result of reading: problems in the order in which they were found, and every path that was asked for.
#[derive(Debug, Default)]
pub(super) struct Report {
    problems: Problems,
    asked: BTreeSet<String>,
}

impl Report {
    /// Adds a problem as a sentence that begins with the path of the field.
    pub(super) fn problem(&mut self, sentence: String) {
        self.problems.add(Error::config(sentence));
    }

    /// `value`, unless there were problems: then one error with a line for each of them.
    pub(super) fn into_result<T>(self, subject: &str, value: T) -> Result<T> {
        let is_one = self.problems.iter().count() == 1;
        let result = self.problems.into_result_of(&format!("The {subject}")).map(|()| value);
        result.map_err(|error| if is_one { Error::config(format!("In the {subject}, {error}")) } else { error })
    }

    /// The paths that were asked for.
    #[cfg(test)]
    pub(super) fn asked(&self) -> &BTreeSet<String> {
        &self.asked
    }
}

/// One JSON object of the configuration, and its path.
pub(super) struct Fields<'a> {
    object: &'a Map<String, Value>,
    prefix: String,
    report: &'a RefCell<Report>,
}

impl<'a> Fields<'a> {
    /// The outermost object.
    pub(super) fn root(object: &'a Map<String, Value>, report: &'a RefCell<Report>) -> Self {
        Self { object, prefix: String::new(), report }
    }

    /// Reports that `name` is wrong; `rest` completes the sentence that begins with its path.
    pub(super) fn problem(&self, name: &str, rest: &str) {
        let sentence = format!("`{}{name}` {rest}", self.prefix);
        self.report.borrow_mut().problem(sentence);
    }

    /// Whether `name` has no value.
    pub(super) fn is_absent(&self, name: &str) -> bool {
        self.get(name).is_none()
    }

    /// Whether `name` is the text `value`.
    pub(super) fn is_text(&self, name: &str, value: &str) -> bool {
        matches!(self.get(name), Some(Value::String(text)) if text.trim() == value)
    }

    /// Text without the white space around it.
    pub(super) fn text(&self, name: &str) -> Option<String> {
        match self.get(name)? {
            Value::String(text) => Some(text.trim().to_owned()),
            other => self.wrong_type(name, "a string in double quotes", other),
        }
    }

    /// A name that somebody else has given: the text with the white space around it.
    pub(super) fn name(&self, name: &str) -> Option<String> {
        match self.get(name)? {
            Value::String(text) => Some(text.clone()),
            other => self.wrong_type(name, "a string in double quotes", other),
        }
    }

    /// Such a name that has to be there; `advice` says what to put in.
    pub(super) fn required_name(&self, name: &str, advice: &str) -> Option<String> {
        if self.is_absent(name) {
            self.problem(name, &format!("is missing or empty: {advice}."));
        }
        self.name(name)
    }

    /// Text that has to be there; `advice` says what to put in.
    pub(super) fn required_text(&self, name: &str, advice: &str) -> Option<String> {
        if self.is_absent(name) {
            self.problem(name, &format!("is missing or empty: {advice}."));
        }
        self.text(name)
    }

    /// Text that must never be shown.
    pub(super) fn secret(&self, name: &str) -> Option<Secret> {
        self.text(name).map(Secret::new)
    }

    /// The name of a key, which is not shown either.
    pub(super) fn key_id(&self, name: &str) -> Option<Secret> {
        self.text(name).map(Secret::key_id)
    }

    /// A secret that has to be there.
    pub(super) fn required_secret(&self, name: &str, advice: &str) -> Option<Secret> {
        self.required_text(name, advice).map(Secret::new)
    }

    /// `true` or `false`.
    pub(super) fn boolean(&self, name: &str, default: bool) -> bool {
        match self.get(name) {
            None => default,
            Some(Value::Bool(value)) => *value,
            Some(other) => self.wrong_type(name, "true or false, without quotes", other).unwrap_or(default),
        }
    }

    /// A whole number in `range`.
    pub(super) fn whole(&self, name: &str, range: RangeInclusive<u64>) -> Option<u64> {
        match self.get(name)? {
            // JSON Schema counts 256.0 as an integer; an `f64` names every number of these ranges exactly.
            Value::Number(number) => {
                let count = number.as_u64().or_else(|| whole_float(number.as_f64()?));
                if count.is_none_or(|count| !range.contains(&count)) {
                    let (least, most) = range.into_inner();
                    let given = shortened(&number.to_string());
                    self.problem(name, &format!("must be a whole number from {least} to {most}, not {given}."));
                    return None;
                }
                count
            }
            other => self.wrong_type(name, "a whole number, without quotes", other),
        }
    }

    /// A port, as a number or as text.
    pub(super) fn port(&self, name: &str) -> Option<u16> {
        let (port, given) = match self.get(name)? {
            Value::Number(number) => {
                (number.as_u64().and_then(|port| port.try_into().ok()), shortened(&number.to_string()))
            }
            Value::String(text) => (text.trim().parse().ok(), shown(text)),
            other => return self.wrong_type(name, "a port such as \"443\"", other),
        };
        let port = port.filter(|port| *port > 0);
        if port.is_none() {
            self.problem(name, &format!("must be a port from 1 to 65535 such as \"443\", not {given}."));
        }
        port
    }

    /// One of a few words, each with what it stands for.
    pub(super) fn choice<T: Copy>(&self, name: &str, choices: &[(&str, T)]) -> Option<T> {
        let text = self.text(name)?;
        let chosen = choices.iter().find(|(word, _)| *word == text).map(|(_, meaning)| *meaning);
        if chosen.is_none() {
            let words: Vec<_> = choices.iter().map(|(word, _)| *word).collect();
            self.problem(name, &format!("must be one of {}, not {}.", words.join(", "), shown(&text)));
        }
        chosen
    }

    /// One of a few words, each with what it stands for, which has to be there; `advice` says why.
    pub(super) fn required_choice<T: Copy>(&self, name: &str, choices: &[(&str, T)], advice: &str) -> Option<T> {
        if self.is_absent(name) {
            let words: Vec<_> = choices.iter().map(|(word, _)| *word).collect();
            self.problem(name, &format!("is missing: choose one of {}; {advice}.", words.join(", ")));
        }
        self.choice(name, choices)
    }

    /// The objects of a list; none where it is not there.
    pub(super) fn sections(&self, name: &str) -> Vec<Fields<'a>> {
        let items = match self.get(name) {
            None => return Vec::new(),
            Some(Value::Array(items)) => items,
            Some(other) => {
                return self.wrong_type(name, "a list of objects in square brackets", other).unwrap_or_default();
            }
        };
        let section = |(position, item): (usize, &'a Value)| {
            let path = format!("{name}[{position}]");
            match item {
                Value::Object(object) => {
                    Some(Fields { object, prefix: format!("{}{path}.", self.prefix), report: self.report })
                }
                other => self.wrong_type(&path, "an object in braces", other),
            }
        };
        items.iter().enumerate().filter_map(section).collect()
    }

    /// The texts of a list; none where it is not there.
    pub(super) fn texts(&self, name: &str) -> Vec<String> {
        let items = match self.get(name) {
            None => return Vec::new(),
            Some(Value::Array(items)) => items,
            Some(other) => return self.wrong_type(name, "a list of strings", other).unwrap_or_default(),
        };
        let text = |item: &Value| match item {
            Value::String(text) => Some(text.clone()),
            other => self.wrong_type(name, "a list of strings", other),
        };
        items.iter().filter_map(text).collect()
    }

    /// An object inside this one, which has to be there.
    pub(super) fn required_section(&self, name: &str, advice: &str) -> Option<Fields<'a>> {
        match self.get(name) {
            None => {
                self.problem(name, &format!("is missing: {advice}."));
                None
            }
            Some(Value::Object(object)) => {
                Some(Fields { object, prefix: format!("{}{name}.", self.prefix), report: self.report })
            }
            Some(other) => self.wrong_type(name, "an object in braces", other),
        }
    }

    /// The paths in this object, and in the sections read from it, that no reader asked for.
    pub(super) fn unknown(&self) -> Vec<String> {
        let mut unknown = Vec::new();
        collect_unknown(self.object, &self.prefix, &self.report.borrow().asked, &mut unknown);
        unknown
    }

    fn get(&self, name: &str) -> Option<&'a Value> {
        self.report.borrow_mut().asked.insert(format!("{}{name}", self.prefix));
        self.object.get(name).filter(|value| match value {
            Value::Null => false,
            Value::String(text) => !text.trim().is_empty(),
            _ => true,
        })
    }

    fn wrong_type<T>(&self, name: &str, wanted: &str, found: &Value) -> Option<T> {
        self.problem(name, &format!("must be {wanted}, not {}.", kind_of(found)));
        None
    }
}

fn collect_unknown(object: &Map<String, Value>, prefix: &str, asked: &BTreeSet<String>, unknown: &mut Vec<String>) {
    for (name, value) in object {
        let path = format!("{prefix}{name}");
        if !asked.contains(&path) {
            unknown.push(format!("{prefix}{}", shortened(name)));
            continue;
        }
        match value {
            Value::Object(inner) => collect_unknown(inner, &format!("{path}."), asked, unknown),
            Value::Array(items) => {
                for (position, item) in items.iter().enumerate().filter_map(|(at, item)| Some((at, item.as_object()?)))
                {
                    collect_unknown(item, &format!("{path}[{position}]."), asked, unknown);
                }
            }
            _ => {}
        }
    }
}

fn whole_float(number: f64) -> Option<u64> {
    let whole = number.fract() == 0.0 && (0.0..=9_007_199_254_740_992.0).contains(&number);
    whole.then_some(number as u64)
}

/// What kind of JSON value it is, for "must be …, not …".
pub(super) fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

/// A value in quotes, cut where it is long; not one that may be, or hold, a secret in the wrong place.
pub(super) fn shown(text: &str) -> String {
    if may_hold_a_secret(text) { "a text that may hold a secret".to_owned() } else { format!("{:?}", shortened(text)) }
}

/// Whether `text` has a password in an address, names a signature or a key, or has a part that is as long and as mixed as keys are.
fn may_hold_a_secret(text: &str) -> bool {
    let host = text.split_once("://").and_then(|(_, rest)| rest.split(['/', '?', '#']).next());
    let is_named = ["sig=", "accountkey=", "sharedaccess", "password=", "token="];
    let has = |part: &str, is: fn(&u8) -> bool| part.bytes().any(|byte| is(&byte));
    let is_key = |part: &str| {
        let is_mixed = has(part, u8::is_ascii_digit) && has(part, u8::is_ascii_alphabetic);
        let is_cased = has(part, u8::is_ascii_uppercase) && has(part, u8::is_ascii_lowercase);
        let is_one_word = part.bytes().all(|byte| byte.is_ascii_alphanumeric());
        is_mixed && (part.len() >= 32 && is_one_word || part.len() >= 40 && is_cased)
    };
    let lower = text.to_ascii_lowercase();
    host.is_some_and(|host| host.contains('@'))
        || is_named.iter().any(|name| lower.contains(name))
        || text.split(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '='))).any(is_key)
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(SHOWN) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_a_secret_in_the_wrong_place_is_not_shown() {
        for text in [
            "https://user:p4ssw0rd@lake.example.com",
            "tables?sv=1&sig=c2VjcmV0",
            "AccountKey=c2VjcmV0",
            "dapi0123456789abcdef0123456789abcdef",
            "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==",
        ] {
            assert_eq!(shown(text), "a text that may hold a secret", "{text}");
        }
        for text in [
            "https://lake.blob.core.windows.net/tables",
            "My Tables",
            "00000000-0000-0000-0000-000000000000",
            "/sql/1.0/warehouses/0123456789abcdef",
            "/srv/airbyte/lakes/one/and/a/folder/of/many/parts/2026",
            "me@example.com",
        ] {
            assert_eq!(shown(text), format!("{:?}", shortened(text)));
        }
    }
}
