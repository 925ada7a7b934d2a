//! The one table from what Azure answers, or does not, to what it means: a kind, what is wrong, what to do.
//!
//! The first row that matches counts. The rows are in `rows`; `docs/azure-errors.md` shows the same table, and a test keeps
//! the two equal. Codes: <https://learn.microsoft.com/rest/api/storageservices/blob-service-error-codes>.

use super::provider::{Azure, SignedIn};
use super::rows::ROWS;
use crate::config::AzureSettings;
use crate::error::Kind;
use crate::storage::bucket::{Action, Failure, NoAnswer};

/// What a condition is recognized by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Key {
    /// There is no answer, for this reason.
    Unanswered(NoAnswer),
    /// The code in the answer.
    Code(&'static str),
    /// A status from the first to the last, whatever the code.
    Status(u16, u16),
    /// The same without a code.
    Bare(u16, u16),
    /// A page, or a 404 without a code for anything but a blob's bytes.
    NotAzure,
    /// Anything.
    Any,
}

/// What must be true besides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum When {
    /// Nothing.
    Always,
    /// Requests are signed by a SAS.
    Sas,
    /// By one that has ended, by the server's time.
    SasEnded,
    /// By one that has not begun.
    SasEarly,
    /// By one that says that it allows what was asked.
    SasAllows,
    /// Requests are signed by a key of the account.
    AccountKey,
    /// By a token of Microsoft Entra.
    Entra,
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
    /// What is wrong. Words in braces stand for those of the request: see `Condition::reason`.
    pub(super) problem: &'static str,
    /// What to do; empty where waiting is all.
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
pub(super) struct ContainerAddress {
    /// The account.
    pub(super) account: String,
    /// The container.
    pub(super) container: String,
    /// The URL of the account's blob service.
    pub(super) endpoint: String,
    /// The host in `abfss://` addresses.
    pub(super) dfs_host: String,
}

impl ContainerAddress {
    pub(super) fn of(settings: &AzureSettings) -> Self {
        let (account, container) = (settings.account.clone(), settings.container.clone());
        let address = settings.address.clone();
        Self { account, container, endpoint: address.endpoint, dfs_host: address.dfs_host }
    }
}

/// The row for `failure` of `action`.
pub(super) fn find(failure: &Failure, action: Action, azure: &Azure) -> Option<&'static Condition> {
    let said = failure.message.as_deref().unwrap_or_default().to_ascii_lowercase();
    ROWS.iter().find(|row| {
        is_met(row.when, action, azure)
            && (row.contains.is_empty() || row.contains.iter().any(|word| said.contains(word)))
            && row.keys.iter().any(|key| is_met_by(*key, failure, action))
    })
}

fn is_met(when: When, action: Action, azure: &Azure) -> bool {
    let time = azure.heard.time();
    match (when, &azure.signed_in) {
        (When::Always, _)
        | (When::Sas, SignedIn::Sas(_))
        | (When::AccountKey, SignedIn::Key)
        | (When::Entra, SignedIn::Entra) => true,
        (When::SasEnded, SignedIn::Sas(sas)) => time.is_some_and(|now| sas.has_ended(now)),
        (When::SasEarly, SignedIn::Sas(sas)) => time.is_some_and(|now| sas.is_early(now)),
        (When::SasAllows, SignedIn::Sas(sas)) => sas.allows(permission(action).1),
        _ => false,
    }
}

fn is_met_by(key: Key, failure: &Failure, action: Action) -> bool {
    let code = failure.code.as_deref().unwrap_or_default();
    let is_between = |first, last| failure.status.is_some_and(|status| (first..=last).contains(&status));
    match key {
        Key::Unanswered(why) => failure.no_answer == Some(why) && failure.status.is_none() && !failure.foreign,
        Key::Code(known) => code == known,
        Key::Status(first, last) => is_between(first, last),
        Key::Bare(first, last) => code.is_empty() && is_between(first, last),
        Key::NotAzure => {
            let is_unlike =
                failure.status == Some(404) && !matches!(action, Action::Get | Action::Copy | Action::Locate);
            code.is_empty() && (failure.foreign && !failure.is_gateway() || is_unlike)
        }
        Key::Any => true,
    }
}

impl Condition {
    /// What is wrong and what to do, as the second half of a sentence.
    pub(super) fn reason(&self, failure: &Failure, action: Action, azure: &Azure) -> String {
        let template = match self.hint {
            "" => self.problem.to_owned(),
            hint => format!("{}: {hint}", self.problem),
        };
        let status = failure.status.map_or_else(|| "none".to_owned(), |status| status.to_string());
        let sas = if let SignedIn::Sas(sas) = &azure.signed_in { Some(sas) } else { None };
        let moment = |of: Option<&super::sas::Moment>| {
            of.map_or("a time that its policy says", |moment| &moment.text).to_owned()
        };
        let field = |name: &str, value: Option<&str>| {
            value.map_or_else(|| "by its policy".to_owned(), |value| format!("{name}={value}"))
        };
        template
            .replace("{host}", &azure.address.endpoint)
            .replace("{account}", &azure.address.account)
            .replace("{container}", &azure.address.container)
            .replace("{code}", failure.code.as_deref().unwrap_or("no code"))
            .replace("{status}", &status)
            .replace("{end}", &moment(sas.and_then(|sas| sas.end.as_ref())))
            .replace("{start}", &moment(sas.and_then(|sas| sas.start.as_ref())))
            .replace("{sp}", &field("sp", sas.and_then(|sas| sas.permissions.as_deref())))
            .replace("{sip}", &field("sip", sas.and_then(|sas| sas.addresses.as_deref())))
            .replace("{permission}", permission(action).0)
    }
}

/// What a SAS must allow for `action`, with its letters, and these alone.
fn permission(action: Action) -> (&'static str, &'static str) {
    match action {
        Action::List | Action::Locate | Action::ListUploads => ("list (l)", "l"),
        Action::Get => ("read (r)", "r"),
        Action::Put | Action::Abort => ("write (w)", "w"),
        Action::Copy => ("read (r) and write (w)", "rw"),
        Action::Delete => ("delete (d)", "d"),
    }
}

/// The table, for the docs: one line a row.
#[cfg(test)]
pub(super) fn markdown() -> String {
    let mut text = String::from("| what is wrong | what to do | known by | kind |\n|---|---|---|---|\n");
    let names = ["host", "account", "container", "code", "status", "end", "start", "sp", "sip", "permission"];
    let fill = |template: &str| {
        names
            .iter()
            .fold(template.to_owned(), |text, name| text.replace(&format!("{{{name}}}"), &format!("`<{name}>`")))
    };
    for row in ROWS {
        let keys = row.keys.iter().map(key_text).collect::<Vec<_>>().join(", ");
        let words = row.contains.iter().map(|word| format!("\"{word}\"")).collect::<Vec<_>>().join(" or ");
        let words = if words.is_empty() { words } else { format!("says {words}") };
        let when = match row.when {
            When::Always => "",
            When::Sas => "with a SAS",
            When::SasEnded => "with a SAS whose `se` has passed",
            When::SasEarly => "with a SAS whose `st` has not come",
            When::SasAllows => "with a SAS whose `sp` has the letter",
            When::AccountKey => "with an account key",
            When::Entra => "with Microsoft Entra",
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
        Key::Status(first, last) => statuses(first, last),
        Key::Bare(first, last) => format!("{} without a code", statuses(first, last)),
        Key::NotAzure => "a page in HTML, or nothing that can be read, or no code where Azure gives one".to_owned(),
        Key::Any => "anything else".to_owned(),
    }
}

#[cfg(test)]
#[path = "conditions_tests.rs"]
mod tests;
