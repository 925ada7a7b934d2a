//! The forms in which a secret can occur in a text: as it is, in base64 inside something longer, once or twice, in numbers, and
//! in UTF-16 in these. Escapes (`%2F`, `\u002f`, `&#47;`) are not forms of their own: a text is searched again with its escapes
//! undone.

use std::collections::HashSet;
use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};

/// A secret with fewer characters is hidden in encoded forms only: as it is, it would be found in every other word.
pub(super) const SHORTEST: usize = 4;
/// One with fewer, or one that is a word, is hidden in what servers say, but not in this program's own sentences.
const SHORTEST_EVERYWHERE: usize = 8;
/// Lower-case letters alone make a word up to so many. No service gives such keys.
const LONGEST_WORD: usize = 15;

/// So many letters and digits of a long secret are hidden wherever they stand.
pub(super) const RUN: usize = 12;
/// A secret with so many letters and digits is a long one.
const LONG: usize = 16;
/// Of longer forms than this, those that are rare are searched for as a whole only.
const LONGEST_IN_RUNS: usize = 16 << 10;
/// A run of fewer different signs may be anybody's: `000000000000`.
const LEAST_DIFFERENT: usize = 4;
/// A run without digits in which the case changes so often is no sentence.
const CHANGES: usize = 6;

/// One form of one secret.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Form {
    pub(super) text: String,
    /// Whether it may be a part of this program's own sentences, too.
    pub(super) is_word: bool,
    /// Whether it is the name of a key, which may be like other names: in this program's own sentences only what is exactly the
    /// same is hidden.
    pub(super) is_id: bool,
    /// Whether it is something else than the secret itself.
    pub(super) is_encoded: bool,
    /// Its letters and digits in lower case.
    pub(super) condensed: Vec<u8>,
}

impl Form {
    /// Whether it is searched for without regard to case and to what stands between its letters and digits. In this
    /// program's own sentences words follow each other: it must be longer, and have a digit.
    pub(super) fn is_told_apart(&self, is_answer: bool) -> bool {
        let least = if is_answer { SHORTEST_EVERYWHERE } else { RUN };
        let is_sure = is_answer || !self.is_id && has_digit(&self.condensed);
        !self.is_word && self.condensed.len() >= least && is_sure
    }

    /// Whether it is searched for in this program's own sentences.
    pub(super) fn is_in_own(&self) -> bool {
        !(self.is_word || self.is_id && self.is_encoded)
    }

    /// Each run of [`RUN`] letters and digits of a long secret, in lower case, and whether it cannot be a part of a sentence.
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

/// All forms of `secret`; `is_id`: it is the name of a key.
pub(super) fn of(secret: &str, is_id: bool) -> Vec<Form> {
    let mut forms = Vec::new();
    let mut add = |text: String, is_word: bool| {
        if text.len() >= SHORTEST && forms.iter().all(|form: &Form| form.text != text) {
            let (condensed, is_encoded) = (condensed(&text), text != secret);
            forms.push(Form { text, is_word, is_id, is_encoded, condensed });
        }
    };
    add(secret.to_owned(), is_word(secret));
    // How Spark's servers are signed in to.
    add(STANDARD_NO_PAD.encode(format!("token:{secret}")), false);
    let mut encoded = |text: String| {
        if text.len() >= SHORTEST_EVERYWHERE {
            add(text, false);
        }
    };
    // Either order of bytes, but for the zero at one of its ends.
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
    // As lists of numbers are written; what stands between them is passed over.
    let bytes = secret.as_bytes();
    encoded(numbers(bytes, |text, byte| write!(text, "{byte}")));
    encoded(numbers(bytes, |text, byte| write!(text, "{byte:o}")));
    encoded(numbers(bytes, |text, byte| write!(text, "{byte:03o}")));
    encoded(numbers(bytes, |text, byte| write!(text, "{byte:04o}")));
    forms
}

/// `bytes` as numbers, one behind the other.
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

/// The signs of base64 that say of `secret` alone, where `before` bytes more than a multiple of three stand before it.
fn inside(engine: &impl base64::Engine, secret: &[u8], before: usize) -> String {
    let mut bytes = vec![0; before];
    bytes.extend_from_slice(secret);
    let text = engine.encode(&bytes);
    // Six bits a sign; those that share bits with a neighbour differ from text to text.
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
        let forms = of(secret, false);
        for before in ["", "a", "ab", "abc", "token:", "AKIA:", "user name:"] {
            for after in ["", "x", "yz", ", and more"] {
                let text = STANDARD_NO_PAD.encode(format!("{before}{secret}{after}"));
                assert!(forms.iter().any(|form| text.contains(&form.text)), "{before} {after}");
            }
        }
    }

    #[test]
    fn a_short_secret_and_a_word_are_not_searched_for_in_our_own_sentences() {
        let plain =
            |secret: &str| of(secret, false).into_iter().find(|form| form.text == secret).map(|form| form.is_word);
        assert_eq!([plain("a"), plain("abc"), plain("")], [None, None, None]);
        assert_eq!([plain("minio"), plain("warehouse"), plain("Databricks")], [Some(true); 3]);
        assert_eq!([plain("dapi0123"), plain("CANARYSECRET"), plain("abcdefghijklmnop")], [Some(false); 3]);
    }
}
