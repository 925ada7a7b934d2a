//! The tables from what a store answers, or does not, to what it means: a kind, what is wrong, what to do.
//!
//! Each kind of bucket has a table, whose first row that matches counts. Beside the keys that every store has, a kind has keys `K` of its
//! own, and circumstances `W` that must be true besides.

use super::failure::{Failure, NoAnswer};
use super::provider::Explanation;
use crate::error::Kind;

/// What a condition is recognized by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Key<K> {
    /// There is no answer, for this reason.
    Unanswered(NoAnswer),
    /// The code in the answer.
    Code(&'static str),
    /// A status from the first to the last, whatever the code.
    Status(u16, u16),
    /// The same without a code.
    Bare(u16, u16),
    /// What only this kind of store has.
    Own(K),
    /// Anything.
    Any,
}

/// One row.
#[derive(Debug, Clone, Copy)]
pub struct Condition<K: 'static, W> {
    /// Any of these.
    keys: &'static [Key<K>],
    /// Words in lower case, one of which the message of the answer must contain; none: whatever it says.
    contains: &'static [&'static str],
    /// What must be true besides.
    when: Option<W>,
    /// What can be done about it.
    kind: Kind,
    /// What is wrong. Names in braces stand for what is known of the request.
    problem: &'static str,
    /// What to do; empty where waiting is all.
    hint: &'static str,
    /// What this program decides by, instead of by `problem`.
    meaning: Option<Meaning>,
}

/// What a row means to this program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Meaning {
    /// The identity in use lacks a permission.
    Denied,
    /// Nothing is known.
    Unexplained,
}

/// A failed request, as the kind of bucket sees it that it was made to.
pub trait Failed<K, W> {
    /// Whether it is recognized by `key`.
    fn is_known_by(&self, key: K) -> bool;

    /// Whether `when` is true of it.
    fn is(&self, when: W) -> bool;

    /// What `name` in braces stands for; `None` for a name that is not known.
    fn value(&self, name: &str) -> Option<String>;
}

/// Something that the user has to change.
pub const fn config<K, W>(keys: &'static [Key<K>], problem: &'static str, hint: &'static str) -> Condition<K, W> {
    Condition { keys, contains: &[], when: None, kind: Kind::Config, problem, hint, meaning: None }
}

/// Something that the next sync may not meet.
pub const fn transient<K, W>(keys: &'static [Key<K>], problem: &'static str, hint: &'static str) -> Condition<K, W> {
    Condition { keys, contains: &[], when: None, kind: Kind::Transient, problem, hint, meaning: None }
}

impl<K: Copy, W: Copy> Condition<K, W> {
    /// Only where the answer has one of these words.
    pub const fn contains(self, contains: &'static [&'static str]) -> Self {
        Self { contains, ..self }
    }

    /// The identity in use lacks a permission.
    pub const fn denied(self) -> Self {
        Self { meaning: Some(Meaning::Denied), ..self }
    }

    /// Nothing is known.
    pub const fn unexplained(self) -> Self {
        Self { meaning: Some(Meaning::Unexplained), ..self }
    }

    /// Only where this is true.
    pub const fn when(self, when: W) -> Self {
        Self { when: Some(when), ..self }
    }

    fn matches(&self, failure: &Failure, said: &str, failed: &impl Failed<K, W>) -> bool {
        self.when.is_none_or(|when| failed.is(when))
            && (self.contains.is_empty() || self.contains.iter().any(|word| said.contains(word)))
            && self.keys.iter().any(|key| is_met_by(*key, failure, failed))
    }

    /// What is wrong and what to do, as the second half of a sentence.
    fn reason(&self, failed: &impl Failed<K, W>) -> String {
        let template = match self.hint {
            "" => self.problem.to_owned(),
            hint => format!("{}: {hint}", self.problem),
        };
        filled(&template, |name| failed.value(name))
    }
}

/// What the first row of `rows` says that matches `failure`.
pub fn explain<K: Copy, W: Copy>(
    rows: &[Condition<K, W>],
    failure: &Failure,
    failed: &impl Failed<K, W>,
) -> Explanation {
    let said = failure.message.as_deref().unwrap_or_default().to_ascii_lowercase();
    let row = rows.iter().find(|row| row.matches(failure, &said, failed));
    match row.filter(|row| row.meaning != Some(Meaning::Unexplained)) {
        Some(row) => Explanation {
            kind: row.kind,
            reason: Some(row.reason(failed)),
            is_denied: row.meaning == Some(Meaning::Denied),
        },
        None => Explanation { kind: Kind::Transient, reason: None, is_denied: false },
    }
}

fn is_met_by<K, W>(key: Key<K>, failure: &Failure, failed: &impl Failed<K, W>) -> bool {
    let code = failure.code.as_deref().unwrap_or_default();
    let is_between = |first, last| failure.status.is_some_and(|status| (first..=last).contains(&status));
    match key {
        Key::Unanswered(why) => failure.no_answer == Some(why) && failure.status.is_none() && !failure.foreign,
        Key::Code(known) => code == known,
        Key::Status(first, last) => is_between(first, last),
        Key::Bare(first, last) => code.is_empty() && is_between(first, last),
        Key::Own(key) => failed.is_known_by(key),
        Key::Any => true,
    }
}

/// `template` with the values of its names in braces.
fn filled(template: &str, mut value: impl FnMut(&str) -> Option<String>) -> String {
    let mut text = String::with_capacity(template.len());
    let mut rest = template;
    while let Some((before, behind)) = rest.split_once('{') {
        text.push_str(before);
        let Some((name, behind)) = behind.split_once('}') else { break };
        text.push_str(&value(name).unwrap_or_default());
        rest = behind;
    }
    text + rest
}

/// The table, for the docs: one line a row. `own` and `when` are the words for what only this kind has.
#[cfg(test)]
pub fn markdown<K: Copy, W: Copy>(
    rows: &[Condition<K, W>],
    own: impl Fn(K) -> String,
    when: impl Fn(W) -> &'static str,
) -> String {
    let mut text = String::from("| what is wrong | what to do | known by | kind |\n|---|---|---|---|\n");
    let fill = |template: &str| filled(template, |name| Some(format!("`<{name}>`")));
    for row in rows {
        let keys = row.keys.iter().map(|key| key_text(*key, &own)).collect::<Vec<_>>().join(", ");
        let words = row.contains.iter().map(|word| format!("\"{word}\"")).collect::<Vec<_>>().join(" or ");
        let words = if words.is_empty() { words } else { format!("says {words}") };
        let when = row.when.map(&when).unwrap_or_default().to_owned();
        let known = [keys, words, when].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("; ");
        let kind = row.kind.policy().failure_type.trim_end_matches("_error");
        text.push_str(&format!("| {} | {} | {known} | {kind} |\n", fill(row.problem), fill(row.hint)));
    }
    text
}

#[cfg(test)]
fn key_text<K>(key: Key<K>, own: impl Fn(K) -> String) -> String {
    let statuses = |first: u16, last: u16| {
        if first == last { format!("HTTP {first}") } else { format!("HTTP {first} to {last}") }
    };
    match key {
        Key::Unanswered(why) => {
            let why = match why {
                NoAnswer::Refused => "the connection is refused",
                NoAnswer::UnknownHost => "the host name cannot be resolved",
                NoAnswer::LostHost => "the host name cannot be resolved any more",
                NoAnswer::Tls => "TLS fails",
                NoAnswer::TimedOut => "no answer in time",
                NoAnswer::Cut => "the connection breaks",
            };
            why.to_owned()
        }
        Key::Code(code) => format!("`{code}`"),
        Key::Status(first, last) => statuses(first, last),
        Key::Bare(first, last) => format!("{} without a code", statuses(first, last)),
        Key::Own(key) => own(key),
        Key::Any => "anything else".to_owned(),
    }
}

/// The names in braces in `rows` that `failed` does not know.
#[cfg(test)]
pub fn unknown_names<K, W>(rows: &[Condition<K, W>], failed: &impl Failed<K, W>) -> Vec<String> {
    let mut unknown = Vec::new();
    for template in rows.iter().flat_map(|row| [row.problem, row.hint]) {
        filled(template, |name| {
            unknown.extend(failed.value(name).is_none().then(|| name.to_owned()));
            None
        });
    }
    unknown
}

/// Compares `documented`, the text of `docs/<name>`, with `table`, and otherwise says where the right table is.
#[cfg(test)]
pub fn assert_documented(documented: &str, name: &str, table: &str) {
    if !documented.contains(table) {
        let place = std::env::temp_dir().join(format!("{}-{name}", std::process::id()));
        std::fs::write(&place, table).expect("a temporary file");
        panic!("docs/{name} has another table: copy the one in {}", place.display());
    }
}
