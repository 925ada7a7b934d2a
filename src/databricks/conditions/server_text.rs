//! The server's message: the part that conditions are matched against, and the part that may be shown.

use crate::databricks::server_error::ServerError;
use crate::secret::hide_in_answer;

/// The most characters of the message that are shown.
const SHOWN: usize = 400;

/// The message in lower case, without names and paths, quoted or not: a table may be called `main.warehouse.cluster`.
pub(super) fn to_match(text: &str) -> String {
    let plain = without_quoted_names(text);
    let own = plain.split_whitespace().map(|word| if is_name(word) { "…" } else { word });
    own.collect::<Vec<_>>().join(" ").to_lowercase()
}

/// Whether `word` is a name of several parts, a path or an address. Names of Java exceptions look alike and are kept.
fn is_name(word: &str) -> bool {
    let word = word.trim_matches(|sign: char| !sign.is_alphanumeric());
    let is_exception = !word.contains('/') && (word.ends_with("Exception") || word.ends_with("Error"));
    word.contains(['.', '/']) && !is_exception
}

/// The message as far as it may be shown: its first paragraph; only the error class where SQLSTATE says that it is about data.
pub(super) fn to_show(server_error: &ServerError, quoted: bool) -> Option<String> {
    let of_data =
        server_error.sqlstate.as_deref().is_some_and(|state| state.starts_with("22") || state.starts_with("23"));
    if of_data || server_error.message.is_empty() {
        return server_error.class.as_ref().map(|class| format!("[{class}]"));
    }
    // Before anything is cut: half a secret is a secret too.
    let message = &*hide_in_answer(&server_error.message);
    // After the first paragraph come long pages, the statement, the other writer's commit and the server's stack trace.
    let end = ["\n\n", "\n\tat ", "\n - ", "== SQL", "; line ", "Conflicting commit: {"]
        .iter()
        .filter_map(|sign| message.find(sign))
        .min();
    let first = message.get(..end.unwrap_or(message.len())).unwrap_or_default();
    let first = first.split_whitespace().collect::<Vec<_>>().join(" ");
    let first = if quoted { first } else { without_quoted_names(&first) };
    let mut shown: String = first.chars().take(SHOWN).collect();
    if shown.len() < first.len() {
        shown.push('…');
    }
    Some(shown).filter(|shown| !shown.is_empty())
}

/// `text` without quoted parts: names, paths and values, which must not match a condition.
pub(super) fn without_quoted_names(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(['\'', '`', '"']) {
        let (before, from) = rest.split_at_checked(at).unwrap_or((rest, ""));
        let quote = from.chars().next().unwrap_or('\'');
        let inside = from.get(1..).unwrap_or_default();
        // The apostrophe of "user's" opens no quote.
        let opens = !before.ends_with(|sign: char| sign.is_alphanumeric());
        plain.push_str(before);
        plain.push(quote);
        rest = match inside.find(quote).filter(|_| opens) {
            Some(end) => {
                plain.push('…');
                plain.push(quote);
                inside.get(end + 1..).unwrap_or_default()
            }
            None => inside,
        };
    }
    plain.push_str(rest);
    plain
}
