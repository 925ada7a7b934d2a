//! The one table from a server's error to its meaning: kind, problem, hint.
//!
//! An error is looked up by the reason in its details, by its error class, a sub-class before its class, then by SQLSTATE, by error code, by HTTP status, and by the
//! message alone; at each level the first row that matches counts. Names of tables and paths in the message never match. Where
//! Databricks names a missing privilege, the GRANT for it is printed. `docs/databricks-conditions.md` shows this table; a test
//! compares the two.

mod access;
mod condition;
mod files;
mod grant;
mod required;
mod server_text;
mod sql;

pub use self::condition::CommitState;
use self::condition::{Condition, Key, Meaning};
use super::server_error::ServerError;
use super::who::Who;
use super::workspace::Workspace;
use crate::error::{Error, Kind, Tag};

/// Part of the error classes about collations: `COLLATION_MISMATCH`, `INDETERMINATE_COLLATION_IN_EXPRESSION`.
const COLLATION: &str = "COLLATION";

/// Whether the token was refused, so that another one may be accepted. A refusal without words, as in answer to `HEAD`, may be of the
/// token too.
pub fn is_refused_token(server_error: &ServerError) -> bool {
    let says_why = server_error.code.is_some() || !server_error.message.is_empty();
    match server_error.status {
        Some(401) => true,
        Some(403) if !says_why => true,
        _ => means(server_error, Meaning::RefusedToken),
    }
}

/// Whether the same request, or the same repeatable statement, is worth another try after a while.
pub fn is_transient(server_error: &ServerError) -> bool {
    find(server_error).is_some_and(|row| row.kind == Kind::Transient)
}

/// What a statement has changed that ended with this error. Not for an error in reply to a query about a statement.
pub fn commit_state(server_error: &ServerError) -> CommitState {
    find(server_error).map_or(CommitState::Unknown, |row| row.commit_state)
}

/// Whether somebody else cancelled the statement.
pub fn is_cancelled(server_error: &ServerError) -> bool {
    means(server_error, Meaning::Cancelled)
}

/// Whether `error`, as [`explain`] returned it, means that the schema or table to create exists already.
pub fn already_exists(error: &Error) -> bool {
    error.has(Tag::AlreadyExists)
}

/// Whether `error`, as [`explain`] returned it, means that a statement did not begin because its user lacks a privilege.
pub fn lacks_privilege(error: &Error) -> bool {
    error.has(Tag::MissingPrivilege) || error.has(Tag::MissingParentPrivilege)
}

/// What callers recognize the error by for which `row` was found.
fn tag(server_error: &ServerError, row: &Condition) -> Option<Tag> {
    // The error of a request says nothing about the privileges of a statement.
    let is_refused = server_error.status.is_none() && row.keys == access::REFUSED;
    match row.meaning {
        Some(Meaning::AlreadyExists) => Some(Tag::AlreadyExists),
        Some(Meaning::NeedsValue) => Some(Tag::NeedsValue),
        Some(Meaning::ChecksValue) => Some(Tag::ChecksValue),
        Some(Meaning::UnseenRows) => Some(Tag::UnseenRows),
        Some(Meaning::MissingVolumePrivilege) => Some(Tag::AccessDenied),
        _ if !is_refused => None,
        Some(Meaning::MissingParentPrivilege) => Some(Tag::MissingParentPrivilege),
        _ => Some(Tag::MissingPrivilege),
    }
}

fn means(server_error: &ServerError, meaning: Meaning) -> bool {
    find(server_error).is_some_and(|row| row.meaning == Some(meaning))
}

/// The error for the user: what is wrong, where, what to do, and the server's message as far as it may be shown.
pub fn explain(server_error: &ServerError, workspace: &Workspace) -> Error {
    let row = find(server_error);
    let (kind, mut sentence) = match row {
        Some(row) => (
            row.kind,
            format!(
                "{}: {}.",
                fill(row.problem, &workspace.host, &workspace.http_path, &workspace.who),
                fill(row.hint, &workspace.host, &workspace.http_path, &workspace.who)
            ),
        ),
        None => {
            let where_from = server_error
                .status
                .map_or_else(|| "a statement failed".to_owned(), |status| format!("status {status}"));
            (
                Kind::System,
                format!(
                    "{} at {} reports an unknown error ({where_from}): look into the query \
                     history of the workspace.",
                    workspace.http_path, workspace.host
                ),
            )
        }
    };
    if let Some(grant) = row
        .filter(|row| row.kind == Kind::Config)
        .and_then(|_| grant::missing_grant(&server_error.message, &workspace.who.principal))
    {
        sentence.push_str(&format!(" Run: {grant};"));
    }
    if let Some(address) = &server_error.redirects_to {
        sentence.push_str(&format!(" It redirects to {address}; redirections are not followed."));
    }
    let words = server_text::to_show(server_error, row.is_some_and(|row| row.quoted));
    let is_of_collation = server_text::without_quoted_names(&server_error.message).contains(COLLATION);
    let tag = row.and_then(|row| tag(server_error, row)).or(is_of_collation.then_some(Tag::CollationMismatch));
    let error = Error::new(kind, sentence);
    let error = tag.into_iter().fold(error, Error::with_tag);
    let column = required::required_column(&server_error.message).filter(|_| error.has(Tag::NeedsValue));
    let error = match column {
        Some(column) => error.followed_by(&format!(" It is {column}.")).with_tag_of(Tag::NeedsValue, column),
        None => error,
    };
    match words {
        Some(words) => error.with_detail(format!("Databricks said: {words}")),
        None => error,
    }
}

/// The table as Markdown, for the docs: one row for each condition.
pub fn markdown() -> String {
    let who = Who {
        named: "`<who signs in>`".to_owned(),
        principal: "`<who signs in>`".to_owned(),
        cure: "what to do about a refused token depends on the way to sign in",
        kind_cure: "remove `authentication.account_id` where it is set, and otherwise set it or the workspace's own host name",
    };
    let mut text = String::from("| what is wrong | what to do | known by | kind |\n|---|---|---|---|\n");
    for row in rows() {
        let keys = match row.keys {
            // One word in place of a long list.
            access::REFUSED => "refused".to_owned(),
            [Key::Text] => String::new(),
            keys => keys.iter().map(key_text).collect::<Vec<_>>().join(", "),
        };
        let words = [row.contains, row.also_contains]
            .map(|words| words.iter().map(|word| format!("\"{word}\"")).collect::<Vec<_>>().join(" or "));
        let words: Vec<String> = words.into_iter().filter(|words| !words.is_empty()).collect();
        let known = [keys, words.join(", and ")].into_iter().filter(|part| !part.is_empty());
        let known = known.collect::<Vec<_>>().join("; says ");
        let fill = |template: &str| fill(template, "`<host>`", "`<HTTP path>`", &who);
        let kind = row.kind.policy().failure_type.trim_end_matches("_error");
        text.push_str(&format!("| {} | {} | {known} | {kind} |\n", fill(row.problem), fill(row.hint)));
    }
    text
}

/// `template` with the host, the HTTP path and who signs in in their places.
fn fill(template: &str, host: &str, http_path: &str, who: &Who) -> String {
    who.fill(template).replace("{host}", host).replace("{path}", http_path)
}

fn key_text(key: &Key) -> String {
    match key {
        Key::Class(class) => format!("`[{class}]`"),
        Key::SqlState(state) => format!("SQLSTATE {state}"),
        Key::Code(code) => format!("`{code}`"),
        Key::Reason(reason) => format!("`{reason}`"),
        Key::Status(status) => format!("HTTP {status}"),
        Key::Text => "anything".to_owned(),
    }
}

fn rows() -> impl Iterator<Item = &'static Condition> {
    access::ACCESS.iter().chain(files::FILES).chain(sql::STATEMENTS).chain(access::SERVICE)
}

fn find(server_error: &ServerError) -> Option<&'static Condition> {
    let spoken = server_text::to_match(&server_error.message);
    // The rows about access only apply to HTTP responses: the message of a failed statement may name any token or endpoint.
    let rows = || {
        let is_response = server_error.status.is_some();
        let (access, files) = if is_response { (access::ACCESS, files::FILES) } else { (&[][..], &[][..]) };
        access.iter().chain(files).chain(sql::STATEMENTS).chain(access::SERVICE)
    };
    let any = |words: &[&str]| words.is_empty() || words.iter().any(|word| spoken.contains(word));
    let says = |row: &Condition| any(row.contains) && any(row.also_contains);
    let named = |key: &Key| matches!(key, Key::Reason(reason) if server_error.reason.as_deref() == Some(*reason));
    if let Some(row) = rows().find(|row| row.keys.iter().any(named) && says(row)) {
        return Some(row);
    }
    if let Some(row) =
        server_error.class.as_deref().and_then(|class| find_by_class(class, || rows().filter(|row| says(row))))
    {
        return Some(row);
    }
    let levels: [&dyn Fn(&Key) -> bool; 4] = [
        &|key| matches!(key, Key::SqlState(state) if server_error.sqlstate.as_deref() == Some(*state)),
        &|key| matches!(key, Key::Code(code) if server_error.code.as_deref() == Some(*code)),
        &|key| matches!(key, Key::Status(status) if server_error.status == Some(*status)),
        &|key| matches!(key, Key::Text),
    ];
    levels.iter().find_map(|fits| rows().find(|row| says(row) && row.keys.iter().any(fits)))
}

/// The row that matches most parts of `class`; of several, the first.
fn find_by_class<I: Iterator<Item = &'static Condition>>(
    class: &str,
    rows: impl Fn() -> I,
) -> Option<&'static Condition> {
    let mut known = class;
    loop {
        let is_known = |key: &Key| matches!(key, Key::Class(name) | Key::Code(name) if *name == known);
        let found = rows().find(|row| row.keys.iter().any(is_known));
        if found.is_some() {
            return found;
        }
        known = known.rsplit_once('.')?.0;
    }
}

#[cfg(test)]
mod statement_tests;
#[cfg(test)]
mod tests;
