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
use crate::config::DatabricksSettings;
use crate::error::{Error, Kind, Tag};

/// The workspace and the compute that sentences name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The workspace's host name.
    pub host: String,
    /// The HTTP path of the warehouse or cluster.
    pub http_path: String,
}

impl Place {
    /// The place that `settings` lead to.
    pub fn of(settings: &DatabricksSettings) -> Self {
        Self { host: settings.hostname.clone(), http_path: settings.http_path.clone() }
    }

    /// Whether the path is one of Databricks' own. Other servers are of Spark alone, and know no `Bearer`.
    pub fn is_databricks(&self) -> bool {
        self.http_path.trim_start_matches('/').starts_with("sql/")
    }

    fn fill(&self, template: &str) -> String {
        template.replace("{host}", &self.host).replace("{path}", &self.http_path)
    }
}

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
    error.has(Tag::AlreadyExists)
}

/// Whether `error`, as [`explain`] gave it, says that nothing in the catalog or the schema can be reached.
pub fn is_shut_out(error: &Error) -> bool {
    error.message().starts_with(sql::SHUT_OUT)
}

/// Whether `row` says that the statement itself, which ended in `said`, was refused for a right. What is answered to a request
/// says nothing of the statement.
fn is_refused_right(said: &Said, row: &Condition) -> bool {
    said.status.is_none() && row.signs == access::REFUSED && row.meaning != sql::THERE_ALREADY
}

/// The error for the user: what is wrong, where, what to do, and what the server said as far as it may be shown.
pub fn explain(said: &Said, place: &Place) -> Error {
    let row = find(said);
    let (kind, mut sentence) = match row {
        Some(row) => (row.kind, format!("{}: {}.", place.fill(row.meaning), place.fill(row.cure))),
        None => {
            let where_from =
                said.status.map_or_else(|| "a statement failed".to_owned(), |status| format!("status {status}"));
            (
                Kind::System,
                format!(
                    "{} at {} reports something that this program does not know ({where_from}): look into the query \
                     history of the workspace.",
                    place.http_path, place.host
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
    let mut error = Error::new(kind, sentence);
    if row.is_some_and(|row| row.meaning == sql::THERE_ALREADY) {
        error = error.with_tag(Tag::AlreadyExists);
    }
    if row.is_some_and(|row| is_refused_right(said, row)) {
        error = error.lacking_right();
    }
    match words::shown(said, row.is_some_and(|row| row.quoted)) {
        Some(words) => error.with_detail(format!("Databricks said: {words}")),
        None => error,
    }
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
        let words = [row.says, row.besides]
            .map(|words| words.iter().map(|word| format!("\"{word}\"")).collect::<Vec<_>>().join(" or "));
        let words: Vec<String> = words.into_iter().filter(|words| !words.is_empty()).collect();
        let known = [signs, words.join(", and ")].into_iter().filter(|part| !part.is_empty());
        let known = known.collect::<Vec<_>>().join("; says ");
        let fill = |template: &str| template.replace("{host}", "`<host>`").replace("{path}", "`<HTTP path>`");
        let kind = row.kind.policy().failure_type.trim_end_matches("_error");
        text.push_str(&format!("| {} | {} | {known} | {kind} |\n", fill(row.meaning), fill(row.cure)));
    }
    text
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
    let any = |words: &[&str]| words.is_empty() || words.iter().any(|word| spoken.contains(word));
    let says = |row: &Condition| any(row.says) && any(row.besides);
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
