//! Replaces secrets in texts: what a server, a proxy or a library repeats of them becomes `***`.
//!
//! Known are every [`Secret`](super::Secret) and every text given to [`know`]. A text is searched as it is, with its escapes
//! undone until there are none, and without the characters between its letters and digits; any 12 characters of a long secret
//! are hidden. Beyond the known forms, in texts of others what follows the words of a sign-in (`Bearer`, `Basic`,
//! `Signature=`) is hidden too, and anything shaped like a JSON web token. Only messages for people are searched, never STATEs
//! or records.

use std::borrow::Cow;
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::Range;
use std::sync::{LazyLock, PoisonError, RwLock};

use memchr::memmem;

use super::forms::{self, Form, RUN, condensed};
use super::view::View;

const HIDDEN: &str = "***";
/// So often a text's escapes are undone.
const DEEPEST: usize = 6;
/// The most views of one text: several kinds of escapes may be undone in any order.
const MOST_VIEWS: usize = 40;
/// The most bytes of a text: what is behind them is left out. Whatever is shown to people is much shorter.
const LONGEST: usize = 1 << 20;
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
/// Behind a word that is one of the language, too, a token has so many characters.
const SHORTEST_TOKEN: usize = 16;
/// A token in pieces goes so often from letters to digits, or from small letters to capitals; names with a year do not.
const CHANGES_OF_TOKEN: usize = 3;
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
    /// Settings that are no secrets and may be like one, and their letters and digits: they stay in our own sentences.
    open: Vec<(String, Vec<u8>)>,
}

impl Known {
    /// Whether `form` is what a setting says openly.
    fn is_open(&self, form: &Form) -> bool {
        self.open.iter().any(|(open, _)| *open == form.text || form.is_id && open.contains(&form.text))
    }

    /// Whether a setting has these letters and digits in it.
    fn has_open(&self, condensed: &[u8]) -> bool {
        self.open.iter().any(|(_, open)| memmem::find(open, condensed).is_some())
    }
}

static KNOWN: LazyLock<RwLock<Known>> = LazyLock::new(RwLock::default);

/// From now on `secret` is hidden, in all its forms.
pub fn know(secret: &str) {
    add(forms::of(secret, false));
}

/// From now on the name of a key is hidden: in others' words in all its forms, in this program's own sentences as it is.
pub fn know_key_id(id: &str) {
    add(forms::of(id, true));
}

/// From now on this program's own sentences may show `setting`, which is no secret, though a secret is like it.
pub fn know_open(setting: &str) {
    let mut known = KNOWN.write().unwrap_or_else(PoisonError::into_inner);
    if !setting.is_empty() && known.open.iter().all(|(open, _)| open != setting) {
        known.open.push((setting.to_owned(), condensed(setting)));
    }
}

fn add(new: Vec<Form>) {
    // One that is a secret and the name of a key is a secret.
    let is_known =
        |known: &Known, form: &Form| known.forms.iter().any(|one| one.text == form.text && (form.is_id || !one.is_id));
    if new.iter().all(|form| is_known(&KNOWN.read().unwrap_or_else(PoisonError::into_inner), form)) {
        return;
    }
    let mut known = KNOWN.write().unwrap_or_else(PoisonError::into_inner);
    for form in new {
        if !is_known(&known, &form) {
            form.runs().for_each(|(run, is_no_sentence)| *known.runs.entry(run).or_default() |= is_no_sentence);
            known.forms.retain(|one| one.text != form.text);
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
    if text.len() > LONGEST {
        let end = (0..=LONGEST).rev().find(|end| text.is_char_boundary(*end)).unwrap_or_default();
        let beginning = format!("{}…", text.get(..end).unwrap_or_default());
        return Cow::Owned(hidden_in(&beginning, is_answer).into_owned());
    }
    hidden_in(text, is_answer)
}

fn hidden_in(text: &str, is_answer: bool) -> Cow<'_, str> {
    let mut spans = Vec::new();
    {
        let known = KNOWN.read().unwrap_or_else(PoisonError::into_inner);
        let is_searched = |form: &&Form| is_answer || form.is_in_own() && !known.is_open(form);
        let forms: Vec<&Form> = known.forms.iter().filter(is_searched).collect();
        let mut search = |view: &View| {
            if is_answer {
                sign_ins(view, &mut spans);
                web_tokens(view, &mut spans);
            }
            forms.iter().for_each(|form| view.find(form.text.as_bytes(), &mut spans));
            let condensed = view.condensed();
            let is_told_apart =
                |form: &&&Form| form.is_told_apart(is_answer) && (is_answer || !known.has_open(&form.condensed));
            let told_apart = forms.iter().filter(is_told_apart);
            told_apart.for_each(|form| condensed.find(&form.condensed, &mut spans));
            for (at, run) in condensed.bytes().windows(RUN).enumerate() {
                let is_no_sentence = known.runs.get(run);
                if is_no_sentence.is_some_and(|is_sure| is_answer || *is_sure && !known.has_open(run)) {
                    spans.extend(condensed.place(at..at + RUN));
                }
            }
        };
        each_view(&View::of(text), DEEPEST, &mut HashMap::new(), &mut search);
        let cut: Vec<&Form> = forms.iter().filter(|form| is_answer || !form.is_id).copied().collect();
        left_by_cuts(text, &cut, is_answer, &mut spans);
    }
    without(text, spans)
}

/// `text` with `***` in the place of each of `spans`.
fn without(text: &str, mut spans: Vec<Range<usize>>) -> Cow<'_, str> {
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

/// Does `search` in `view`, and in what it is with its escapes undone `deeper` times. `seen`: how much deeper each view was gone into.
fn each_view(view: &View, deeper: usize, seen: &mut HashMap<u64, usize>, search: &mut impl FnMut(&View)) {
    search(view);
    if deeper == 0 {
        return;
    }
    for next in view.undone_once() {
        let mut hasher = DefaultHasher::new();
        next.bytes().hash(&mut hasher);
        let hash = hasher.finish();
        if seen.len() < MOST_VIEWS && seen.get(&hash).is_none_or(|before| *before < deeper) {
            seen.insert(hash, deeper);
            each_view(&next, deeper - 1, seen, search);
        }
    }
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
        let between: Vec<u8> = lower.get(at..)?.iter().take(BETWEEN).take_while(is_between).copied().collect();
        between.iter().any(|byte| b"=:>".contains(byte)).then_some((at + between.len(), false))
    });
    let tokens = SIGN_INS.into_iter().flat_map(behind).map(|at| (at, true));
    for (start, is_behind_word) in tokens.chain(values) {
        let value = view.bytes().get(start..).unwrap_or_default();
        let value = value.get(..word(value, b"-._~+/=%")).unwrap_or_default();
        let is_long = value.len() >= SHORTEST_SIGN_IN && forms::has_digit(value);
        if is_long && (!is_behind_word || is_token(value)) {
            spans.extend(view.place(start..start + value.len()));
        }
    }
}

/// Whether `value` is no name: `2024-plan-basic` follows the word "basic", too.
fn is_token(value: &[u8]) -> bool {
    let is_one = value.split(|byte| !byte.is_ascii_alphanumeric()).any(|piece| piece.len() >= SHORTEST_TOKEN);
    let is_change = |two: &&[u8]| match two {
        [one, other] if one.is_ascii_alphanumeric() && other.is_ascii_alphanumeric() => {
            one.is_ascii_digit() != other.is_ascii_digit() || one.is_ascii_lowercase() && other.is_ascii_uppercase()
        }
        _ => false,
    };
    value.len() >= SHORTEST_TOKEN && (is_one || value.windows(2).filter(is_change).count() >= CHANGES_OF_TOKEN)
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
