//! Takes secrets out of texts: what a server, a proxy or a library repeats of them becomes `***`.
//!
//! Known is every [`Secret`](super::Secret), and what was made known with [`know`]. A text is searched as it is and with its
//! escapes undone, up to twice, and without what stands between its letters and digits; of a long secret any 12 of them are
//! hidden. Beyond the known forms, what stands behind the words of a sign-in (`Bearer`, `Basic`, `Signature=`) goes too, and
//! in others' words whatever has the shape of a JSON web token. Texts are messages for people: STATEs and records do not pass here.

use std::borrow::Cow;
use std::collections::HashMap;
use std::ops::Range;
use std::sync::{LazyLock, PoisonError, RwLock};

use memchr::memmem;

use super::forms::{self, Form, RUN};
use super::view::View;

const HIDDEN: &str = "***";
/// The least that is left of a secret which a cut text ends with and that is worth hiding.
const LEAST_LEFT: usize = 6;
/// Behind these words, in lower case, stands what signs a request.
const SIGN_INS: [&str; 2] = ["bearer ", "basic "];
/// Behind these names, in lower case, and signs between them such as `=` or `":"`, stands a secret.
const NAMES: [&str; 15] = [
    "signature",
    "x-amz-security-token",
    "x-amz-sso_bearer_token",
    "x-aws-ec2-metadata-token",
    "webidentitytoken",
    "samlassertion",
    "sessiontoken",
    "secretaccesskey",
    "accesstoken",
    "access_token",
    "refresh_token",
    "id_token",
    "client_secret",
    "client_assertion",
    "assertion",
];
/// The most signs between a name and its value.
const BETWEEN: usize = 4;
/// What signs a request has a digit and at least so many characters; words do not.
const SHORTEST_SIGN_IN: usize = 8;
/// How a JSON web token begins, which is `{"` in base64.
const WEB_TOKEN: &str = "eyJ";
/// The least of its first part: no algorithm is named in less.
const SHORTEST_HEADER: usize = 12;

/// What is hidden.
#[derive(Default)]
struct Known {
    forms: Vec<Form>,
    /// Of long secrets: hidden in what others say, and in this program's own sentences where it is `true`.
    runs: HashMap<[u8; RUN], bool>,
}

static KNOWN: LazyLock<RwLock<Known>> = LazyLock::new(RwLock::default);

/// From now on `secret` is hidden, in all its forms.
pub fn know(secret: &str) {
    let is_known = |known: &Known, form: &Form| known.forms.iter().any(|one| one.text == form.text);
    let new = forms::of(secret);
    if new.iter().all(|form| is_known(&KNOWN.read().unwrap_or_else(PoisonError::into_inner), form)) {
        return;
    }
    let mut known = KNOWN.write().unwrap_or_else(PoisonError::into_inner);
    for form in new {
        if !is_known(&known, &form) {
            known.runs.extend(form.runs());
            known.forms.push(form);
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
    let mut spans = Vec::new();
    {
        let known = KNOWN.read().unwrap_or_else(PoisonError::into_inner);
        let forms: Vec<&Form> = known.forms.iter().filter(|form| is_answer || !form.is_word).collect();
        let mut search = |view: &View| {
            sign_ins(view, &mut spans);
            if is_answer {
                web_tokens(view, &mut spans);
            }
            forms.iter().for_each(|form| view.find(form.text.as_bytes(), &mut spans));
            let condensed = view.condensed();
            let told_apart = forms.iter().filter(|form| form.is_told_apart(is_answer));
            told_apart.for_each(|form| condensed.find(&form.condensed, &mut spans));
            for (at, run) in condensed.bytes().windows(RUN).enumerate() {
                if known.runs.get(run).is_some_and(|is_no_sentence| is_answer || *is_no_sentence) {
                    spans.extend(condensed.place(at..at + RUN));
                }
            }
        };
        let mut view = View::of(text);
        for _ in 0..3 {
            search(&view);
            view.unquoted().iter().for_each(&mut search);
            match view.unescaped() {
                Some(next) => view = next,
                None => break,
            }
        }
        left_by_cuts(text, &forms, is_answer, &mut spans);
    }
    if spans.is_empty() {
        return Cow::Borrowed(text);
    }
    spans.sort_by_key(|span| span.start);
    let (mut shown, mut at) = (String::with_capacity(text.len()), None);
    for span in spans {
        if at.is_none_or(|at| span.start > at) {
            shown.push_str(text.get(at.unwrap_or_default()..span.start).unwrap_or_default());
            shown.push_str(HIDDEN);
        }
        at = at.max(Some(span.end));
    }
    shown.push_str(text.get(at.unwrap_or_default()..).unwrap_or_default());
    Cow::Owned(shown)
}

/// What is left of a form where the text, or words in it that begin or end with `…`, was cut in the middle of it.
fn left_by_cuts(text: &str, forms: &[&Form], is_answer: bool, spans: &mut Vec<Range<usize>>) {
    let cuts = || ["…", "..."].into_iter().flat_map(|sign| text.match_indices(sign));
    let longest = |form: &Form, room: usize| form.text.len().saturating_sub(1).min(room);
    for end in cuts().map(|(at, _)| at).chain([text.len()]) {
        let before = text.as_bytes().get(..end).unwrap_or_default();
        for form in forms {
            let is_left =
                |length: &usize| form.text.as_bytes().get(..*length).is_some_and(|left| before.ends_with(left));
            let left = (LEAST_LEFT..=longest(form, end)).rev().find(is_left);
            spans.extend(left.map(|length| end - length..end));
        }
    }
    for begin in cuts().map(|(at, sign)| at + sign.len()).chain([0]) {
        let behind = text.as_bytes().get(begin..).unwrap_or_default();
        for form in forms {
            let left = |length: usize| form.text.as_bytes().get(form.text.len().checked_sub(length)?..);
            // The last word of a passphrase may be the first of a sentence.
            let is_left = |length: &usize| {
                left(*length).is_some_and(|left| behind.starts_with(left) && (is_answer || forms::has_digit(left)))
            };
            let left = (LEAST_LEFT..=longest(form, behind.len())).rev().find(is_left);
            spans.extend(left.map(|length| begin..begin + length));
        }
    }
}

/// How many of `bytes` are letters, digits, or among `others`.
fn word(bytes: &[u8], others: &[u8]) -> usize {
    bytes.iter().take_while(|byte| byte.is_ascii_alphanumeric() || others.contains(byte)).count()
}

/// What signs a request, behind the words that say so.
fn sign_ins(view: &View, spans: &mut Vec<Range<usize>>) {
    let lower = view.bytes().to_ascii_lowercase();
    let behind = |word: &'static str| memmem::find_iter(&lower, word).map(|at| at + word.len()).collect::<Vec<_>>();
    let is_between = |byte: &&u8| b"=:\"'> \\".contains(byte);
    let values = NAMES.into_iter().flat_map(behind).filter_map(|at| {
        let between = lower.get(at..)?.iter().take(BETWEEN).take_while(is_between).count();
        (between > 0).then_some(at + between)
    });
    for start in SIGN_INS.into_iter().flat_map(behind).chain(values) {
        let value = view.bytes().get(start..).unwrap_or_default();
        let length = word(value, b"-._~+/=%");
        if length >= SHORTEST_SIGN_IN && value.iter().take(length).any(u8::is_ascii_digit) {
            spans.extend(view.place(start..start + length));
        }
    }
}

/// What has the shape of a JSON web token, whoever it is of: a header that is JSON, and the parts behind it.
fn web_tokens(view: &View, spans: &mut Vec<Range<usize>>) {
    for at in memmem::find_iter(view.bytes(), WEB_TOKEN) {
        let token = view.bytes().get(at..).unwrap_or_default();
        let (header, whole) = (word(token, b"-_="), word(token, b"-_=."));
        if header >= SHORTEST_HEADER && token.get(header) == Some(&b'.') && whole > header + 1 {
            spans.extend(view.place(at..at + whole));
        }
    }
}

#[cfg(test)]
#[path = "hiding_tests.rs"]
mod tests;
