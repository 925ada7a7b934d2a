//! The one table from what a server says to what it means: a kind, a sentence, a cure.
//!
//! A condition is known by its error class, a sub-class before its class, then by its SQLSTATE, then by its error code, then
//! by the HTTP status, then by words alone; the first row that fits at a level counts. Names never count as words. Where Databricks names a right that is missing, the GRANT that gives
//! it is printed. `docs/databricks-conditions.md` shows the same rows; a test holds it to them.

mod access;
mod grant;
mod rows;
mod sql;
mod words;

pub use self::rows::Fate;
use self::rows::{Condition, Sign};
use super::said::Said;
use super::workspace::Workspace;
use crate::error::{Error, Kind};

/// Whether the token was refused: another one might not be.
pub fn is_refused_token(said: &Said) -> bool {
    said.status == Some(401) || find(said).is_some_and(|row| row.meaning == access::TOKEN_REFUSED)
}

/// Whether the same request, or the same repeatable statement, is worth another try after a while.
pub fn passes(said: &Said) -> bool {
    find(said).is_some_and(|row| row.kind == Kind::Transient)
}

/// What a statement has done that ended in `said`: what its end says, not what is answered to a question about it.
pub fn fate(said: &Said) -> Fate {
    find(said).map_or(Fate::Open, |row| row.fate)
}

/// Whether somebody else than this program ended the statement.
pub fn is_cancelled(said: &Said) -> bool {
    find(said).is_some_and(|row| row.meaning == access::CANCELLED)
}

/// Whether `error`, as [`explain`] gave it, says that what was to be made is there already.
pub fn is_there_already(error: &Error) -> bool {
    error.message().starts_with(sql::THERE_ALREADY)
}

/// The error for the user: what is wrong, where, what to do, and what the server said as far as it may be shown.
pub fn explain(said: &Said, workspace: &Workspace) -> Error {
    let row = find(said);
    let (kind, mut sentence) = match row {
        Some(row) => (
            row.kind,
            format!(
                "{}: {}.",
                fill(row.meaning, &workspace.host, &workspace.http_path),
                fill(row.cure, &workspace.host, &workspace.http_path)
            ),
        ),
        None => {
            let where_from =
                said.status.map_or_else(|| "a statement failed".to_owned(), |status| format!("status {status}"));
            (
                Kind::System,
                format!(
                    "{} at {} reports something that this program does not know ({where_from}): look into the query \
                     history of the workspace.",
                    workspace.http_path, workspace.host
                ),
            )
        }
    };
    if let Some(grant) = row.filter(|row| row.kind == Kind::Config).and_then(|_| grant::of(&said.message)) {
        sentence.push_str(&format!(" Run: {grant};"));
    }
    if let Some(address) = &said.led_to {
        sentence.push_str(&format!(" It sends them to {address}, where this program does not follow."));
    }
    if let Some(words) = words::shown(said, row.is_some_and(|row| row.quoted)) {
        sentence.push_str(&format!(" Databricks said: {words}"));
    }
    Error::new(kind, sentence)
}

/// The table, for the docs: one row a condition.
pub fn markdown() -> String {
    let mut text = String::from("| what is wrong | what to do | known by | kind |\n|---|---|---|---|\n");
    for row in rows() {
        let signs = match row.signs {
            // One word for them, or they would fill the table.
            access::REFUSED => "refused".to_owned(),
            [Sign::Words] => String::new(),
            signs => signs.iter().map(sign_text).collect::<Vec<_>>().join(", "),
        };
        let words: Vec<String> = row.says.iter().map(|word| format!("\"{word}\"")).collect();
        let known = [signs, words.join(" or ")].into_iter().filter(|part| !part.is_empty());
        let known = known.collect::<Vec<_>>().join("; says ");
        let fill = |template: &str| fill(template, "`<host>`", "`<HTTP path>`");
        let kind = row.kind.policy().failure_type.trim_end_matches("_error");
        text.push_str(&format!("| {} | {} | {known} | {kind} |\n", fill(row.meaning), fill(row.cure)));
    }
    text
}

/// `template` with the host and the HTTP path in their places.
fn fill(template: &str, host: &str, http_path: &str) -> String {
    template.replace("{host}", host).replace("{path}", http_path)
}

fn sign_text(sign: &Sign) -> String {
    match sign {
        Sign::Class(class) => format!("`[{class}]`"),
        Sign::State(state) => format!("SQLSTATE {state}"),
        Sign::Code(code) => format!("`{code}`"),
        Sign::Status(status) => format!("HTTP {status}"),
        Sign::Words => "anything".to_owned(),
    }
}

fn rows() -> impl Iterator<Item = &'static Condition> {
    access::ENTRANCE.iter().chain(sql::STATEMENTS).chain(access::SERVICE)
}

fn find(said: &Said) -> Option<&'static Condition> {
    let spoken = words::spoken(&said.message);
    // Only what is answered to a request says whether we may come in: a statement that fails may name any token or endpoint.
    let rows = || {
        let entrance = if said.status.is_some() { access::ENTRANCE } else { &[] };
        entrance.iter().chain(sql::STATEMENTS).chain(access::SERVICE)
    };
    let says = |row: &Condition| row.says.is_empty() || row.says.iter().any(|word| spoken.contains(word));
    if let Some(row) = said.class.as_deref().and_then(|class| of_class(class, || rows().filter(|row| says(row)))) {
        return Some(row);
    }
    let levels: [&dyn Fn(&Sign) -> bool; 4] = [
        &|sign| matches!(sign, Sign::State(state) if said.sqlstate.as_deref() == Some(*state)),
        &|sign| matches!(sign, Sign::Code(code) if said.code.as_deref() == Some(*code)),
        &|sign| matches!(sign, Sign::Status(status) if said.status == Some(*status)),
        &|sign| matches!(sign, Sign::Words),
    ];
    levels.iter().find_map(|fits| rows().find(|row| says(row) && row.signs.iter().any(fits)))
}

/// The row that knows most of the parts of `class`; of several, the first.
fn of_class<I: Iterator<Item = &'static Condition>>(class: &str, rows: impl Fn() -> I) -> Option<&'static Condition> {
    let mut known = class;
    loop {
        let is_known = |sign: &Sign| matches!(sign, Sign::Class(name) | Sign::Code(name) if *name == known);
        let found = rows().find(|row| row.signs.iter().any(is_known));
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
