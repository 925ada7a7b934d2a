//! The forms in which a secret can stand in a text: as it is, in base64 inside of something longer, in hexadecimal. Escapes
//! (`%2F`, `\u002f`, `&#47;`) are no forms of their own: a text is searched once more with its escapes undone.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};

/// A secret with fewer characters is hidden in encoded forms only: as it is, it would be found in every other word.
pub(super) const SHORTEST: usize = 4;
/// One with fewer, or one that is a word, is hidden in what servers say, but not in this program's own sentences.
const SHORTEST_EVERYWHERE: usize = 8;
/// Lower-case letters alone make a word up to so many. No service gives such keys.
const LONGEST_WORD: usize = 15;

/// One form of one secret.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Form {
    pub(super) text: String,
    /// Whether it may be a part of this program's own sentences, too.
    pub(super) is_word: bool,
}

/// All forms of `secret`.
pub(super) fn of(secret: &str) -> Vec<Form> {
    let mut forms = Vec::new();
    let mut add = |text: String, is_word: bool| {
        if text.len() >= SHORTEST && forms.iter().all(|form: &Form| form.text != text) {
            forms.push(Form { text, is_word });
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
    for before in 0..3 {
        encoded(inside(&STANDARD_NO_PAD, secret, before));
        encoded(inside(&URL_SAFE_NO_PAD, secret, before));
    }
    let hexadecimal = secret.bytes().fold(String::new(), |mut text, byte| {
        // Writing into a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    });
    encoded(hexadecimal.to_uppercase());
    encoded(hexadecimal);
    forms
}

fn is_word(secret: &str) -> bool {
    let lower = secret.bytes().skip(1).all(|byte| byte.is_ascii_lowercase());
    let first = secret.bytes().all(|byte| byte.is_ascii_alphabetic());
    secret.len() < SHORTEST_EVERYWHERE || lower && first && secret.len() <= LONGEST_WORD
}

/// The signs of base64 that say of `secret` alone, where `before` bytes more than a multiple of three stand before it.
fn inside(engine: &impl base64::Engine, secret: &str, before: usize) -> String {
    let mut bytes = vec![0; before];
    bytes.extend_from_slice(secret.as_bytes());
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
        let forms = of(secret);
        for before in ["", "a", "ab", "abc", "token:", "AKIA:", "user name:"] {
            for after in ["", "x", "yz", ", and more"] {
                let text = STANDARD_NO_PAD.encode(format!("{before}{secret}{after}"));
                assert!(forms.iter().any(|form| text.contains(&form.text)), "{before} {after}");
            }
        }
    }

    #[test]
    fn a_short_secret_and_a_word_are_not_searched_for_in_our_own_sentences() {
        let plain = |secret: &str| of(secret).into_iter().find(|form| form.text == secret).map(|form| form.is_word);
        assert_eq!([plain("a"), plain("abc"), plain("")], [None, None, None]);
        assert_eq!([plain("minio"), plain("warehouse"), plain("Databricks")], [Some(true); 3]);
        assert_eq!([plain("dapi0123"), plain("CANARYSECRET"), plain("abcdefghijklmnop")], [Some(false); 3]);
    }
}
