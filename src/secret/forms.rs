//! The forms in which a secret can occur in a text: plain, in base64 (once or twice, also as part of a longer text), as numbers,
//! and in these as UTF-16. Escapes (`%2F`, `\u002f`, `&#47;`) are not forms: a text is searched again with its escapes undone.

use std::collections::HashSet;
use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};

/// A secret with fewer characters is hidden in encoded forms only: its plain form would be found inside ordinary words.
pub(super) const SHORTEST: usize = 4;
/// A secret with fewer characters, or one that looks like a word, is hidden in answers of servers, not in this program's messages.
const SHORTEST_EVERYWHERE: usize = 8;
/// Up to this length, lower-case letters alone count as a word. No service issues such keys.
const LONGEST_WORD: usize = 15;

/// Any this many consecutive letters and digits of a long secret are hidden.
pub(super) const RUN: usize = 12;
/// A secret with at least this many letters and digits is long.
const LONG: usize = 16;
/// Encoded forms longer than this are searched for only as a whole.
const LONGEST_IN_RUNS: usize = 16 << 10;
/// A run with fewer different characters is not specific: `000000000000`.
const LEAST_DIFFERENT: usize = 4;
/// A run without digits in which the case changes at least this often is no part of a sentence.
const CHANGES: usize = 6;

/// One form of one secret.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Form {
    pub(super) text: String,
    /// Whether it may also be a word of this program's messages.
    pub(super) is_word: bool,
    /// Whether it is the id of a key, which may resemble other names: this program's messages hide only exact matches.
    pub(super) is_id: bool,
    /// Whether it differs from the secret itself.
    pub(super) is_encoded: bool,
    /// Its letters and digits in lower case.
    pub(super) condensed: Vec<u8>,
}

impl Form {
    /// Whether it is also searched for by its letters and digits alone, ignoring case and everything between them. In this
    /// program's messages (`!is_answer`) adjacent words could match by chance: it must be longer, and have a digit.
    pub(super) fn matches_condensed(&self, is_answer: bool) -> bool {
        let least = if is_answer { SHORTEST_EVERYWHERE } else { RUN };
        let is_sure = is_answer || !self.is_id && has_digit(&self.condensed);
        !self.is_word && self.condensed.len() >= least && is_sure
    }

    /// Whether it is searched for in this program's messages.
    pub(super) fn applies_to_messages(&self) -> bool {
        !(self.is_word || self.is_id && self.is_encoded)
    }

    /// Each run of [`RUN`] letters and digits of a long secret, in lower case, and whether it is certainly no part of a sentence.
    pub(super) fn runs(&self) -> impl Iterator<Item = ([u8; RUN], bool)> {
        let signs: Vec<u8> = self.text.bytes().filter(u8::is_ascii_alphanumeric).collect();
        let is_long = !self.is_word && signs.len() >= LONG && !(self.is_encoded && signs.len() > LONGEST_IN_RUNS);
        let runs: Vec<_> = signs.windows(RUN).filter(|run| is_long && is_varied(run)).map(run).collect();
        runs.into_iter().flatten().map(|(run, is_no_sentence)| (run, is_no_sentence && !self.is_id))
    }
}

fn run(signs: &[u8]) -> Option<([u8; RUN], bool)> {
    let changes = signs.windows(2).filter(|two| two.iter().filter(|sign| sign.is_ascii_uppercase()).count() == 1);
    let is_no_sentence = has_digit(signs) || changes.count() >= CHANGES;
    Some((signs.to_ascii_lowercase().try_into().ok()?, is_no_sentence))
}

fn is_varied(signs: &[u8]) -> bool {
    signs.iter().collect::<HashSet<_>>().len() >= LEAST_DIFFERENT
}

pub(super) fn has_digit(signs: &[u8]) -> bool {
    signs.iter().any(u8::is_ascii_digit)
}

/// The letters and digits of `text`, in lower case.
pub(super) fn condensed(text: &str) -> Vec<u8> {
    text.bytes().filter(u8::is_ascii_alphanumeric).map(|byte| byte.to_ascii_lowercase()).collect()
}

/// All forms of `secret`; `is_id`: it is the id of a key.
pub(super) fn forms_of(secret: &str, is_id: bool) -> Vec<Form> {
    let mut forms = Vec::new();
    let mut add = |text: String, is_word: bool| {
        if text.len() >= SHORTEST && forms.iter().all(|form: &Form| form.text != text) {
            let (condensed, is_encoded) = (condensed(&text), text != secret);
            forms.push(Form { text, is_word, is_id, is_encoded, condensed });
        }
    };
    add(secret.to_owned(), is_word(secret));
    // Basic authentication, as clients of Spark's servers send it.
    add(STANDARD_NO_PAD.encode(format!("token:{secret}")), false);
    let mut encoded = |text: String| {
        if text.len() >= SHORTEST_EVERYWHERE {
            add(text, false);
        }
    };
    // Both byte orders, except for the zero at one end.
    let utf_16: Vec<u8> = secret.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let utf_16 = utf_16.strip_suffix(&[0]).unwrap_or(&utf_16);
    for before in 0..3 {
        for once in
            [inside(&STANDARD_NO_PAD, secret.as_bytes(), before), inside(&URL_SAFE_NO_PAD, secret.as_bytes(), before)]
        {
            (0..3).for_each(|before| encoded(inside(&STANDARD_NO_PAD, once.as_bytes(), before)));
            encoded(once);
        }
        encoded(inside(&STANDARD_NO_PAD, utf_16, before));
        encoded(inside(&URL_SAFE_NO_PAD, utf_16, before));
    }
    for bytes in [secret.as_bytes(), utf_16] {
        let hexadecimal = numbers(bytes, |text, byte| write!(text, "{byte:02x}"));
        encoded(hexadecimal.to_uppercase());
        encoded(hexadecimal);
    }
    // Lists of numbers: the search ignores what is between the digits.
    let bytes = secret.as_bytes();
    encoded(numbers(bytes, |text, byte| write!(text, "{byte}")));
    encoded(numbers(bytes, |text, byte| write!(text, "{byte:o}")));
    encoded(numbers(bytes, |text, byte| write!(text, "{byte:03o}")));
    encoded(numbers(bytes, |text, byte| write!(text, "{byte:04o}")));
    forms
}

/// `bytes` as numbers, without separators.
fn numbers(bytes: &[u8], written: fn(&mut String, u8) -> std::fmt::Result) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing into a String cannot fail.
        let _ = written(&mut text, *byte);
        text
    })
}

fn is_word(secret: &str) -> bool {
    let lower = secret.bytes().skip(1).all(|byte| byte.is_ascii_lowercase());
    let first = secret.bytes().all(|byte| byte.is_ascii_alphabetic());
    secret.len() < SHORTEST_EVERYWHERE || lower && first && secret.len() <= LONGEST_WORD
}

/// The base64 characters that depend on `secret` alone, if the bytes before it are `before` more than a multiple of three.
fn inside(engine: &impl base64::Engine, secret: &[u8], before: usize) -> String {
    let mut bytes = vec![0; before];
    bytes.extend_from_slice(secret);
    let text = engine.encode(&bytes);
    // Six bits a character. Characters that share bits with neighbours of the secret are left out.
    let from = (before * 8).div_ceil(6);
    let to = bytes.len() * 8 / 6;
    text.get(from..to).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_found_wherever_the_secret_begins_in_what_was_encoded() {
        let secret = "dapi0123456789abcdef";
        let forms = forms_of(secret, false);
        for before in ["", "a", "ab", "abc", "token:", "AKIA:", "user name:"] {
            for after in ["", "x", "yz", ", and more"] {
                let text = STANDARD_NO_PAD.encode(format!("{before}{secret}{after}"));
                assert!(forms.iter().any(|form| text.contains(&form.text)), "{before} {after}");
            }
        }
    }

    #[test]
    fn a_short_secret_and_a_word_are_not_searched_for_in_messages() {
        let plain = |secret: &str| {
            forms_of(secret, false).into_iter().find(|form| form.text == secret).map(|form| form.is_word)
        };
        assert_eq!([plain("a"), plain("abc"), plain("")], [None, None, None]);
        assert_eq!([plain("minio"), plain("warehouse"), plain("Databricks")], [Some(true); 3]);
        assert_eq!([plain("dapi0123"), plain("CANARYSECRET"), plain("abcdefghijklmnop")], [Some(false); 3]);
    }
}
