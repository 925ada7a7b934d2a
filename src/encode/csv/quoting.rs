//! Texts in quotes: those of CSV, and those of JSON.

/// Appends `text` as a CSV value: in quotes, with quotes doubled.
#[inline]
pub fn quote(text: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    double_quotes(text, out);
    out.push(b'"');
}

fn double_quotes(text: &[u8], out: &mut Vec<u8>) {
    let mut begin = 0;
    for quote in memchr::memchr_iter(b'"', text) {
        // The part up to the quote and with it; the next part begins with it once more.
        out.extend_from_slice(text.get(begin..=quote).unwrap_or_default());
        begin = quote;
    }
    out.extend_from_slice(text.get(begin..).unwrap_or_default());
}

/// Appends `text` as a JSON string. Beside what JSON asks for, nothing is escaped.
pub fn json_string(text: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    let mut rest = text;
    while let Some(at) = rest.iter().position(|byte| matches!(byte, b'"' | b'\\' | 0..=0x1f)) {
        let (plain, special) = rest.split_at(at);
        out.extend_from_slice(plain);
        let Some((byte, behind)) = special.split_first() else { break };
        match byte {
            b'"' | b'\\' => out.extend([b'\\', *byte]),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            control => {
                let digit = |value: u8| char::from_digit(u32::from(value), 16).map_or(b'0', |digit| digit as u8);
                out.extend([b'\\', b'u', b'0', b'0', digit(control >> 4), digit(control & 15)]);
            }
        }
        rest = behind;
    }
    out.extend_from_slice(rest);
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_are_doubled_and_nothing_else_changes() {
        for (text, quoted) in [
            ("", r#""""#),
            ("a", r#""a""#),
            ("\"", r#""""""#),
            ("\"\"a\"", r#""""""a""""#),
            ("a\\\"\r\n\0,\u{feff}\u{2028} ", "\"a\\\"\"\r\n\0,\u{feff}\u{2028} \""),
        ] {
            let mut out = Vec::new();
            quote(text.as_bytes(), &mut out);
            assert_eq!(String::from_utf8(out).expect("UTF-8"), quoted);
        }
    }

    #[test]
    fn every_text_is_the_json_string_that_means_it() {
        let all: String = (0..=0x200).filter_map(char::from_u32).chain("\u{2028}\u{feff}😀".chars()).collect();
        for text in ["", "a\"b\\c\n", &all] {
            let mut out = Vec::new();
            json_string(text.as_bytes(), &mut out);
            assert_eq!(serde_json::from_slice::<String>(&out).expect("a JSON string"), text);
        }
    }
}
