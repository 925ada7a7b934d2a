//! The one table from what S3 answers, or does not, to what it means: a kind, what is wrong, what to do.
//!
//! The first row that matches counts. The rows are in `rows`; `docs/s3-errors.md` shows the same table, and a test keeps
//! the two equal.

use super::demands;
use super::rows::ROWS;
use crate::error::Kind;
use crate::storage::bucket::{Action, Failure, NoAnswer};

/// What a condition is recognized by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Key {
    /// There is no answer, for this reason.
    Unanswered(NoAnswer),
    /// The code in the answer.
    Code(&'static str),
    /// This code with this status.
    CodeAt(&'static str, u16),
    /// Any code that begins so.
    Codes(&'static str),
    /// A status from the first to the last, whatever the code.
    Status(u16, u16),
    /// The same without a code.
    Bare(u16, u16),
    /// The answer has no code, and S3 would have given one: a page, or a 404 for anything but an object's bytes.
    NotS3,
    /// A page, whatever code was found in it.
    Page,
    /// The object is under retention or a legal hold.
    Retained,
    /// Anything.
    Any,
}

/// What must be true besides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum When {
    /// Nothing.
    Always,
    /// The request was to write an object.
    Writing,
    /// The answer names another region than the one in use.
    OtherRegion,
    /// There is no `data_source.s3_endpoint`.
    Aws,
    /// The bucket's name is part of the host name in use.
    BucketInHost,
}

/// One row.
#[derive(Debug, Clone, Copy)]
pub(super) struct Condition {
    /// Any of these.
    pub(super) keys: &'static [Key],
    /// Words in lower case, one of which the message of the answer must contain; none: whatever it says.
    pub(super) contains: &'static [&'static str],
    /// What must be true besides.
    pub(super) when: When,
    /// What can be done about it.
    pub(super) kind: Kind,
    /// What is wrong. `{bucket}`, `{region}`, `{host}`, `{code}`, `{status}` and `{permission}` stand for those of the request.
    pub(super) problem: &'static str,
    /// What to do; empty where waiting is all. `{named}` is the region that the answer names.
    pub(super) hint: &'static str,
    /// What this program decides by, instead of by `problem`.
    pub(super) meaning: Option<Meaning>,
}

/// What a row means to this program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Meaning {
    /// The identity in use lacks a permission.
    Denied,
    /// Nothing is known.
    Unexplained,
}

/// Where requests go, for the message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BucketAddress {
    /// The bucket.
    pub(crate) bucket: String,
    /// The region that requests are signed for.
    pub(crate) region: String,
    /// The address that requests go to, with the bucket's name if that is part of the host name; none for AWS.
    pub(crate) endpoint: Option<String>,
}

impl BucketAddress {
    fn host(&self) -> String {
        self.endpoint.clone().unwrap_or_else(|| format!("S3 in {}", self.region))
    }

    /// Whether the bucket's name is the first part of the host name.
    fn has_bucket_in_host(&self) -> bool {
        let host = self.endpoint.as_deref().and_then(|endpoint| endpoint.split_once("://"));
        host.and_then(|(_, host)| host.strip_prefix(&self.bucket)).is_some_and(|rest| rest.starts_with('.'))
    }
}

/// The row for `failure` of `action` at `address`.
pub(super) fn find(failure: &Failure, action: Action, address: &BucketAddress) -> Option<&'static Condition> {
    let said = failure.message.as_deref().unwrap_or_default().to_ascii_lowercase();
    ROWS.iter().find(|row| {
        let is_met = match row.when {
            When::Always => true,
            When::Writing => matches!(action, Action::Put | Action::Copy),
            When::OtherRegion => failure.region.as_ref().is_some_and(|region| *region != address.region),
            When::Aws => address.endpoint.is_none(),
            When::BucketInHost => address.has_bucket_in_host(),
        };
        is_met
            && (row.contains.is_empty() || row.contains.iter().any(|word| said.contains(word)))
            && row.keys.iter().any(|key| is_met_by(*key, failure, action))
    })
}

fn is_met_by(key: Key, failure: &Failure, action: Action) -> bool {
    let code = failure.code.as_deref().unwrap_or_default();
    let is_between = |first, last| failure.status.is_some_and(|status| (first..=last).contains(&status));
    let is_page = failure.foreign && !failure.is_gateway();
    match key {
        Key::Unanswered(why) => failure.no_answer == Some(why) && failure.status.is_none() && !failure.foreign,
        Key::Code(known) => code == known,
        Key::CodeAt(known, status) => code == known && failure.status == Some(status),
        Key::Codes(beginning) => code.starts_with(beginning),
        Key::Status(first, last) => is_between(first, last),
        Key::Bare(first, last) => code.is_empty() && is_between(first, last),
        Key::NotS3 => {
            let is_unlike = failure.status == Some(404) && !matches!(action, Action::Get | Action::Copy);
            code.is_empty() && (is_page || is_unlike)
        }
        Key::Page => is_page,
        Key::Retained => demands::is_retained(failure),
        Key::Any => true,
    }
}

impl Condition {
    /// What is wrong and what to do, as the second half of a sentence.
    pub(super) fn reason(&self, failure: &Failure, action: Action, address: &BucketAddress) -> String {
        let template = match self.hint {
            "" => self.problem.to_owned(),
            hint => format!("{}: {hint}", self.problem),
        };
        let status = failure.status.map_or_else(|| "none".to_owned(), |status| status.to_string());
        template
            .replace("{host}", &address.host())
            .replace("{bucket}", &address.bucket)
            .replace("{region}", &address.region)
            .replace("{named}", failure.region.as_deref().unwrap_or_default())
            .replace("{code}", failure.code.as_deref().unwrap_or("no code"))
            .replace("{status}", &status)
            .replace("{permission}", permission(action))
    }
}

/// What an IAM policy must allow for `action`.
pub(super) fn permission(action: Action) -> &'static str {
    match action {
        Action::List | Action::Locate => "s3:ListBucket",
        Action::Get => "s3:GetObject",
        Action::Put => "s3:PutObject",
        Action::Copy => "s3:GetObject and s3:PutObject",
        Action::Delete => "s3:DeleteObject",
        Action::Abort => "s3:AbortMultipartUpload",
        Action::ListUploads => "s3:ListBucketMultipartUploads",
    }
}

/// The table, for the docs: one line a row.
#[cfg(test)]
pub(super) fn markdown() -> String {
    let mut text = String::from("| what is wrong | what to do | known by | kind |\n|---|---|---|---|\n");
    let places = [
        ("{host}", "`<host>`"),
        ("{bucket}", "`<bucket>`"),
        ("{region}", "`<region>`"),
        ("{named}", "`<named region>`"),
        ("{code}", "`<code>`"),
        ("{status}", "`<status>`"),
        ("{permission}", "`<permission>`"),
    ];
    let fill =
        |template: &str| places.iter().fold(template.to_owned(), |text, (place, shown)| text.replace(place, shown));
    for row in ROWS {
        let keys = row.keys.iter().map(key_text).collect::<Vec<_>>().join(", ");
        let words = row.contains.iter().map(|word| format!("\"{word}\"")).collect::<Vec<_>>().join(" or ");
        let words = if words.is_empty() { words } else { format!("says {words}") };
        let when = match row.when {
            When::Always => "",
            When::Writing => "when an object is written",
            When::OtherRegion => "and another region is named",
            When::Aws => "without `s3_endpoint`",
            When::BucketInHost => "and the bucket's name is part of the host name",
        };
        let known = [keys, words, when.to_owned()].into_iter().filter(|part| !part.is_empty());
        let known = known.collect::<Vec<_>>().join("; ");
        let kind = row.kind.policy().failure_type.trim_end_matches("_error");
        text.push_str(&format!("| {} | {} | {known} | {kind} |\n", fill(row.problem), fill(row.hint)));
    }
    text
}

#[cfg(test)]
fn key_text(key: &Key) -> String {
    let statuses = |first: u16, last: u16| {
        if first == last { format!("HTTP {first}") } else { format!("HTTP {first} to {last}") }
    };
    match *key {
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
        Key::CodeAt(code, status) => format!("`{code}` with HTTP {status}"),
        Key::Codes(beginning) => format!("`{beginning}…`"),
        Key::Status(first, last) => statuses(first, last),
        Key::Bare(first, last) => format!("{} without a code", statuses(first, last)),
        Key::NotS3 => "no code where S3 gives one".to_owned(),
        Key::Page => "a page in HTML, or nothing that can be read".to_owned(),
        Key::Retained => "object lock, retention or a legal hold is named".to_owned(),
        Key::Any => "anything else".to_owned(),
    }
}

#[cfg(test)]
#[path = "conditions_tests.rs"]
mod tests;
