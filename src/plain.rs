//! Makes text from servers, names of streams and contents of files safe for standard error.
//!
//! Control characters, which could move a terminal's cursor, and the marks that change the direction of text are written as
//! `\u{…}`.

/// Marks that change in which direction text is shown, and what breaks a line beside the control characters.
const MARKS: [std::ops::RangeInclusive<char>; 5] = [
    '\u{061c}'..='\u{061c}',
    '\u{200b}'..='\u{200f}',
    '\u{2028}'..='\u{202e}',
    '\u{2060}'..='\u{206f}',
    '\u{feff}'..='\u{feff}',
];

/// `text` with each such character written out, on one line.
pub fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for sign in text.chars() {
        if sign.is_control() || MARKS.iter().any(|marks| marks.contains(&sign)) {
            plain.extend(sign.escape_default());
        } else {
            plain.push(sign);
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_obeys_is_written_out_and_all_else_stays() {
        let hostile =
            "\u{1b}[2J\u{1b}]0;title\u{7}\0 a\u{202e}b\u{2066}c\r\n{\"type\":\"LOG\"}\u{9b}1m\u{2028}\u{200f}";
        let shown = plain(hostile);
        assert!(shown.chars().all(|sign| (' '..='~').contains(&sign)), "{shown}");
        assert!(shown.contains(r"\u{1b}[2J") && shown.contains(r"\u{202e}") && shown.contains(r"\r\n{"), "{shown}");
        assert_eq!(plain("Größe 日本 ñ 🦀 \\ \"'"), "Größe 日本 ñ 🦀 \\ \"'");
    }
}
