//! Takes secrets out of texts: what a server, a proxy or a library repeats of them becomes `***`.
//!
//! Known is every [`Secret`](super::Secret), and what was made known with [`know`]. A text is searched as it is and with its
//! escapes undone, up to twice; beyond the known forms, what stands behind the words of a sign-in (`Bearer`, `Basic`,
//! `Signature=`) goes too. Texts are messages for people: STATEs and records do not pass here.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::{PoisonError, RwLock};

use memchr::memmem;

use super::forms::{self, Form};

const HIDDEN: &str = "***";
/// The least that is left of a secret which a cut text ends with and that is worth hiding.
const LEAST_LEFT: usize = 6;
/// Behind these words, in lower case, stands what signs a request.
const SIGN_INS: [&str; 6] =
    ["bearer ", "basic ", "signature=", "x-amz-security-token: ", "x-amz-security-token=", "x-amz-signature="];
/// What signs a request has a digit and at least so many characters; words do not.
const SHORTEST_SIGN_IN: usize = 8;

static KNOWN: RwLock<Vec<Form>> = RwLock::new(Vec::new());

/// From now on `secret` is hidden, in all its forms.
pub fn know(secret: &str) {
    let is_known = |known: &[Form], form: &Form| known.iter().any(|one| one.text == form.text);
    let new = forms::of(secret);
    if new.iter().all(|form| is_known(&KNOWN.read().unwrap_or_else(PoisonError::into_inner), form)) {
        return;
    }
    let mut known = KNOWN.write().unwrap_or_else(PoisonError::into_inner);
    for form in new {
        if !is_known(&known, &form) {
            known.push(form);
        }
    }
}

/// A text of this program, as it may leave.
pub fn hide(text: &str) -> Cow<'_, str> {
    hidden(text, false)
}

/// What somebody else says, as it may become a part of our texts: before it is cut, which could leave half a secret.
/// Secrets that are words are hidden here too, which in our own sentences would be garbage.
pub fn hide_in_answer(text: &str) -> Cow<'_, str> {
    hidden(text, true)
}

fn hidden(text: &str, is_answer: bool) -> Cow<'_, str> {
    let mut spans = sign_ins(text);
    {
        let known = KNOWN.read().unwrap_or_else(PoisonError::into_inner);
        let forms: Vec<&Form> = known.iter().filter(|form| is_answer || !form.is_word).collect();
        let mut view = View::of(text);
        for _ in 0..3 {
            forms.iter().for_each(|form| view.find(&form.text, &mut spans));
            match view.unescaped() {
                Some(next) => view = next,
                None => break,
            }
        }
        left_by_cuts(text, &forms, &mut spans);
    }
    if spans.is_empty() {
        return Cow::Borrowed(text);
    }
    spans.sort_by_key(|span| span.start);
    let (mut shown, mut at) = (String::with_capacity(text.len()), 0);
    for span in spans {
        if span.start >= at {
            shown.push_str(text.get(at..span.start).unwrap_or_default());
            shown.push_str(HIDDEN);
        }
        at = at.max(span.end);
    }
    shown.push_str(text.get(at..).unwrap_or_default());
    Cow::Owned(shown)
}

/// A text, or what it says with its escapes undone, and where each byte of it comes from.
struct View {
    bytes: Vec<u8>,
    /// The place in the text of each byte, and of the end.
    places: Vec<usize>,
}

impl View {
    fn of(text: &str) -> Self {
        Self { bytes: text.as_bytes().to_vec(), places: (0..=text.len()).collect() }
    }

    fn find(&self, form: &str, spans: &mut Vec<Range<usize>>) {
        for at in memmem::find_iter(&self.bytes, form) {
            if let (Some(start), Some(end)) = (self.places.get(at), self.places.get(at + form.len())) {
                spans.push(*start..*end);
            }
        }
    }

    /// The same with one level of escapes undone; `None` where there are none.
    fn unescaped(&self) -> Option<Self> {
        let (mut bytes, mut places) = (Vec::with_capacity(self.bytes.len()), Vec::with_capacity(self.places.len()));
        let mut at = 0;
        while let Some(byte) = self.bytes.get(at) {
            let (said, length) = escape(self.bytes.get(at..).unwrap_or_default()).unwrap_or((*byte, 1));
            bytes.push(said);
            places.push(*self.places.get(at)?);
            at += length;
        }
        places.push(*self.places.last()?);
        (bytes.len() < self.bytes.len()).then_some(Self { bytes, places })
    }
}

/// The byte that `text` begins with as an escape, and how long the escape is: of URLs, of JSON, of XML and HTML.
fn escape(text: &[u8]) -> Option<(u8, usize)> {
    let number = |digits: &[u8], radix| u8::from_str_radix(std::str::from_utf8(digits).ok()?, radix).ok();
    match text {
        [b'%', digits @ ..] => Some((number(digits.get(..2)?, 16)?, 3)),
        [b'\\', b'u', b'0', b'0', digits @ ..] => Some((number(digits.get(..2)?, 16)?, 6)),
        [b'\\', sign @ (b'"' | b'\\' | b'/' | b'\''), ..] => Some((*sign, 2)),
        [b'&', rest @ ..] => {
            let end = rest.iter().take(8).position(|byte| *byte == b';')?;
            let byte = match rest.get(..end)? {
                b"amp" => b'&',
                b"lt" => b'<',
                b"gt" => b'>',
                b"quot" => b'"',
                b"apos" => b'\'',
                [b'#', b'x' | b'X', digits @ ..] => number(digits, 16)?,
                [b'#', digits @ ..] => number(digits, 10)?,
                _ => return None,
            };
            Some((byte, end + 2))
        }
        _ => None,
    }
}

/// What is left of a form where the text, or words in it that end with `…`, was cut in the middle of it.
fn left_by_cuts(text: &str, forms: &[&Form], spans: &mut Vec<Range<usize>>) {
    let ends = text.match_indices('…').chain(text.match_indices("...")).map(|(at, _)| at);
    for end in ends.chain([text.len()]) {
        let before = text.as_bytes().get(..end).unwrap_or_default();
        for form in forms {
            let longest = form.text.len().saturating_sub(1).min(end);
            let left = (LEAST_LEFT..=longest)
                .rev()
                .find(|length| form.text.as_bytes().get(..*length).is_some_and(|left| before.ends_with(left)));
            spans.extend(left.map(|length| end - length..end));
        }
    }
}

/// What signs a request, behind the words that say so.
fn sign_ins(text: &str) -> Vec<Range<usize>> {
    let lower = text.to_ascii_lowercase();
    let is_sign = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~+/=%".contains(byte);
    let mut spans = Vec::new();
    for word in SIGN_INS {
        for start in memmem::find_iter(lower.as_bytes(), word).map(|at| at + word.len()) {
            let value = text.as_bytes().get(start..).unwrap_or_default();
            let length = value.iter().take_while(|byte| is_sign(byte)).count();
            let has_digit = value.iter().take(length).any(u8::is_ascii_digit);
            if has_digit && length >= SHORTEST_SIGN_IN {
                spans.push(start..start + length);
            }
        }
    }
    spans
}

#[cfg(test)]
#[path = "hiding_tests.rs"]
mod tests;
