//! The server's words: which of them are its own, and which may be shown.

use crate::databricks::server_error::ServerError;
use crate::secret::hide_in_answer;

/// The most characters of the server's words that are shown.
const SHOWN: usize = 400;

/// The server's own words in lower case, without names and paths, whether they are in quotes or not: a table may be called
/// `main.warehouse.cluster`.
pub(super) fn to_match(text: &str) -> String {
    let plain = without_quoted_names(text);
    let own = plain.split_whitespace().map(|word| if is_name(word) { "…" } else { word });
    own.collect::<Vec<_>>().join(" ").to_lowercase()
}

/// Whether `word` is a name of several parts, a path or an address. Java's exceptions have such names too, and count.
fn is_name(word: &str) -> bool {
    let word = word.trim_matches(|sign: char| !sign.is_alphanumeric());
    let is_exception = !word.contains('/') && (word.ends_with("Exception") || word.ends_with("Error"));
    word.contains(['.', '/']) && !is_exception
}

/// What the server said, as far as it may be shown: its first paragraph, and none of it where it tells of data.
pub(super) fn to_show(server_error: &ServerError, quoted: bool) -> Option<String> {
    let of_data =
        server_error.sqlstate.as_deref().is_some_and(|state| state.starts_with("22") || state.starts_with("23"));
    if of_data || server_error.message.is_empty() {
        return server_error.class.as_ref().map(|class| format!("[{class}]"));
    }
    // Before anything is cut: half a secret is one, too.
    let message = &*hide_in_answer(&server_error.message);
    // A page of many lines, the statement, the other writer's commit and the server's own stack follow behind the first
    // paragraph.
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

/// `text` without what stands in quotes: names, paths and values must not be taken for the server's own words.
pub(super) fn without_quoted_names(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(['\'', '`', '"']) {
        let (before, from) = rest.split_at_checked(at).unwrap_or((rest, ""));
        let quote = from.chars().next().unwrap_or('\'');
        let inside = from.get(1..).unwrap_or_default();
        // The apostrophe of "user's" opens nothing.
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
