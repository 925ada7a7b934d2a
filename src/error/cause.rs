//! What a library says of an error, shortened for the internal message.

use super::{code, shortened};
use crate::secret::hide_in_answer;

/// The most characters of one cause.
const LONGEST_CAUSE: usize = 300;
/// How pages and documents in answers begin. They are long, and may contain the user's identity and key id.
const DOCUMENTS: [&str; 4] = ["<?xml", "<Error>", "<!DOCTYPE", "<html"];

/// `text` without the document that a server sent: only the document's error code and message stay.
pub(super) fn summary(text: &str) -> String {
    let text = &*hide_in_answer(text);
    let begin = DOCUMENTS.iter().filter_map(|sign| text.find(sign)).min().unwrap_or(text.len());
    let (words, document) = text.split_at_checked(begin).unwrap_or((text, ""));
    let document_code =
        document.split_once("<Code>").and_then(|(_, rest)| rest.split_once('<')).and_then(|(word, _)| code(word));
    let words = words.trim_end_matches([' ', ':', '"']);
    let mut short = shortened(words, LONGEST_CAUSE).into_owned();
    if let Some(code) = document_code {
        short.push_str(": ");
        short.push_str(code);
    }
    let message = document.split_once("<Message>").and_then(|(_, rest)| rest.split_once('<'));
    if let Some((message, _)) = message {
        short.push_str(": ");
        short.push_str(&shortened(&unescaped(message), LONGEST_CAUSE));
    }
    short
}

/// Text as it was before it was escaped for XML.
fn unescaped(text: &str) -> String {
    let escapes = [
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&quot;", "\""),
        ("&#34;", "\""),
        ("&apos;", "'"),
        ("&#39;", "'"),
        ("&amp;", "&"),
    ];
    let text = escapes.iter().fold(text.to_owned(), |text, (escape, sign)| text.replace(escape, sign));
    text.replace(char::is_control, " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_and_a_page_are_cut() {
        assert_eq!(summary("404 Not Found: <html><p>Nothing</p></html>"), "404 Not Found");
        let long = summary(&"ä".repeat(10_000));
        assert_eq!((long.chars().count(), long.ends_with('…')), (LONGEST_CAUSE + 1, true));
    }
}
