//! Commands to be pasted into a POSIX shell.

use serde_json::Value;

/// A word in single quotes. Control characters, such as a line end, are written as escapes: a terminal might take them for keys.
pub fn quoted(word: &str) -> String {
    if word.chars().any(char::is_control) {
        let escaped = |c: char| match c {
            '\'' | '\\' => format!("\\{c}"),
            c if c.is_control() => c.to_string().bytes().map(|byte| format!("\\{byte:03o}")).collect(),
            c => c.to_string(),
        };
        return format!("$'{}'", word.chars().map(escaped).collect::<String>());
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// A JSON text as one word.
pub fn json(value: &Value) -> String {
    quoted(&value.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_stays_one_in_one_line() {
        assert_eq!(quoted("a $(b)"), "'a $(b)'");
        assert_eq!(quoted("it's"), r"'it'\''s'");
        assert_eq!(quoted("a\nb'c\\\u{1b}[201~\u{9b}"), r"$'a\012b\'c\\\033[201~\302\233'");
    }
}
