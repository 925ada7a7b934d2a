//! Replaces secrets in texts by `***`: servers, proxies and libraries may repeat them in their errors.
//!
//! Every [`Secret`](super::Secret) and every text passed to [`know`] is replaced. A text is searched as it is, with its escapes
//! undone repeatedly, and by its letters and digits alone; any 12 consecutive characters of a long secret are hidden. In answers of
//! servers, values after the words of a sign-in (`Bearer`, `Basic`, `Signature=`) and JSON web tokens are hidden too, known or not.
//! Only texts for people are searched, never STATEs or records.
//!
//! Secrets that others replace, as tokens do, are forgotten some time after nobody has them any more: each takes memory and time.

use std::borrow::Cow;
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::Range;
use std::sync::{Arc, LazyLock, PoisonError, RwLock};

use memchr::memmem;

use super::forms::{self, Form, RUN, condensed};
use super::view::View;

const HIDDEN: &str = "***";
/// How many levels of escapes are undone.
const DEEPEST: usize = 6;
/// The most views of one text: different kinds of escapes can be undone in any order.
const MOST_VIEWS: usize = 40;
/// The most bytes of a text; the rest is cut off. Texts for people are much shorter.
const LONGEST: usize = 1 << 20;
/// Where a text was cut, a remaining part of a secret is hidden if it has at least this many bytes.
const LEAST_LEFT: usize = 6;
/// A sign-in token follows these words (in lower case).
const SIGN_INS: [&str; 2] = ["bearer ", "basic "];
/// A secret follows these names (in lower case) and a separator such as `=` or `":"`.
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
/// The most characters between a name and its value.
const BETWEEN: usize = 4;
/// A sign-in token has a digit and at least this many characters; words do not.
const SHORTEST_SIGN_IN: usize = 8;
/// After `basic` and `bearer`, which are also ordinary words, a token must have at least this many characters.
const SHORTEST_TOKEN: usize = 16;
/// A token with separators changes at least this often between letters and digits, or from lower to upper case; names with a year
/// do not.
const CHANGES_OF_TOKEN: usize = 3;
/// So many passing secrets stay known that nobody has any more: late answers may repeat them.
const LEFT: usize = 4;
/// The beginning of a JSON web token: `{"` in base64.
const WEB_TOKEN: &str = "eyJ";
/// The least length of its first part, which has to name an algorithm.
const SHORTEST_HEADER: usize = 12;

/// What is to be hidden.
#[derive(Default)]
struct Known {
    forms: Vec<Owned>,
    runs: HashMap<[u8; RUN], Run>,
    /// The secrets that pass, those that were used last at the end.
    passing: Vec<Arc<str>>,
    /// Settings that are no secrets although they may resemble one, and their letters and digits: messages show them.
    open: Vec<(String, Vec<u8>)>,
}

/// A form with the number of passing secrets that have it; `None`: a secret that stays has it.
struct Owned {
    form: Form,
    owners: Option<usize>,
}

/// A run of long secrets, which is hidden in answers of servers: how many times forms have it, and how many times as certainly no part
/// of a sentence, as which it is hidden in this program's messages too.
#[derive(Default)]
struct Run {
    all: u32,
    no_sentence: u32,
}

impl Known {
    /// Whether each of `new` is known and stays so.
    fn has(&self, new: &[Form]) -> bool {
        let is_it = |one: &Owned, form: &Form| one.form.text == form.text && (form.is_id || !one.form.is_id);
        new.iter().all(|form| self.forms.iter().any(|one| is_it(one, form) && one.owners.is_none()))
    }

    fn add(&mut self, new: Vec<Form>) {
        new.into_iter().for_each(|form| self.add_form(form, false));
    }

    fn add_form(&mut self, form: Form, is_passing: bool) {
        match self.forms.iter_mut().find(|one| one.form.text == form.text) {
            Some(one) => {
                one.owners = one.owners.filter(|_| is_passing).map(|owners| owners + 1);
                // A text that is both a secret and the id of a key counts as a secret.
                if one.form.is_id && !form.is_id {
                    remove_runs(&mut self.runs, &one.form);
                    add_runs(&mut self.runs, &form);
                    one.form = form;
                }
            }
            None => {
                add_runs(&mut self.runs, &form);
                self.forms.push(Owned { form, owners: is_passing.then_some(1) });
            }
        }
    }

    /// The text of a secret that others replace: known as long as somebody has this.
    fn add_passing(&mut self, secret: &str) -> Arc<str> {
        let text = match self.passing.iter().position(|known| **known == *secret) {
            Some(at) => self.passing.remove(at),
            None => {
                forms::forms_of(secret, false).into_iter().for_each(|form| self.add_form(form, true));
                Arc::from(secret)
            }
        };
        let is_left = |known: &Arc<str>| Arc::strong_count(known) == 1;
        while self.passing.iter().filter(|known| is_left(known)).count() > LEFT {
            let Some(oldest) = self.passing.iter().position(is_left) else { break };
            let oldest = self.passing.remove(oldest);
            forms::forms_of(&oldest, false).iter().for_each(|form| self.forget_form(form));
        }
        self.passing.push(Arc::clone(&text));
        text
    }

    fn forget_form(&mut self, form: &Form) {
        let Some(at) = self.forms.iter().position(|one| one.form.text == form.text) else { return };
        let Some(owners) = self.forms.get_mut(at).and_then(|one| one.owners.as_mut()) else { return };
        *owners -= 1;
        if *owners == 0 {
            remove_runs(&mut self.runs, &self.forms.remove(at).form);
        }
    }

    fn add_open(&mut self, setting: &str) {
        if !setting.is_empty() && self.open.iter().all(|(open, _)| open != setting) {
            self.open.push((setting.to_owned(), condensed(setting)));
        }
    }

    /// Whether `form` is the text of such a setting, or a key id inside one.
    fn is_open(&self, form: &Form) -> bool {
        self.open.iter().any(|(open, _)| *open == form.text || form.is_id && open.contains(&form.text))
    }

    /// Whether such a setting contains these letters and digits.
    fn has_open(&self, condensed: &[u8]) -> bool {
        self.open.iter().any(|(_, open)| memmem::find(open, condensed).is_some())
    }

    /// `text` without what is to be hidden.
    fn hidden<'a>(&self, text: &'a str, is_answer: bool) -> Cow<'a, str> {
        if text.len() <= LONGEST {
            return without(text, self.spans(text, is_answer));
        }
        let end = (0..=LONGEST).rev().find(|end| text.is_char_boundary(*end)).unwrap_or_default();
        let beginning = format!("{}…", text.get(..end).unwrap_or_default());
        Cow::Owned(without(&beginning, self.spans(&beginning, is_answer)).into_owned())
    }

    /// Where `text` has what is to be hidden.
    fn spans(&self, text: &str, is_answer: bool) -> Vec<Range<usize>> {
        let mut spans = Vec::new();
        let is_searched = |form: &&Form| is_answer || form.applies_to_messages() && !self.is_open(form);
        let forms: Vec<&Form> = self.forms.iter().map(|one| &one.form).filter(is_searched).collect();
        let mut search = |view: &View| {
            if is_answer {
                sign_ins(view, &mut spans);
                web_tokens(view, &mut spans);
            }
            forms.iter().for_each(|form| view.find(form.text.as_bytes(), &mut spans));
            let condensed = view.condensed();
            let is_condensed =
                |form: &&&Form| form.matches_condensed(is_answer) && (is_answer || !self.has_open(&form.condensed));
            forms.iter().filter(is_condensed).for_each(|form| condensed.find(&form.condensed, &mut spans));
            for (at, run) in condensed.bytes().windows(RUN).enumerate() {
                let is_hidden = |found: &Run| is_answer || found.no_sentence > 0 && !self.has_open(run);
                if self.runs.get(run).is_some_and(is_hidden) {
                    spans.extend(condensed.place(at..at + RUN));
                }
            }
        };
        each_view(&View::of(text), DEEPEST, &mut HashMap::new(), &mut search);
        let cut: Vec<&Form> = forms.iter().filter(|form| is_answer || !form.is_id).copied().collect();
        left_by_cuts(text, &cut, is_answer, &mut spans);
        spans
    }
}

static KNOWN: LazyLock<RwLock<Known>> = LazyLock::new(RwLock::default);

/// Hides `secret` from now on, in all its forms.
pub fn know(secret: &str) {
    add(forms::forms_of(secret, false));
}

/// Hides the id of a key from now on: in answers of servers in all its forms, in this program's messages only its plain form.
pub fn know_key_id(id: &str) {
    add(forms::forms_of(id, true));
}

/// Hides `secret`, which another one replaces before long, as long as somebody has the text that this gives, and some time after.
pub fn know_passing(secret: &str) -> Arc<str> {
    KNOWN.write().unwrap_or_else(PoisonError::into_inner).add_passing(secret)
}

/// Lets this program's messages show `setting` from now on: it is no secret, although it may resemble one.
pub fn know_open(setting: &str) {
    KNOWN.write().unwrap_or_else(PoisonError::into_inner).add_open(setting);
}

fn add(new: Vec<Form>) {
    if !KNOWN.read().unwrap_or_else(PoisonError::into_inner).has(&new) {
        KNOWN.write().unwrap_or_else(PoisonError::into_inner).add(new);
    }
}

/// A message of this program without secrets. Every text for people passes through here before it leaves.
pub fn hide(text: &str) -> Cow<'_, str> {
    KNOWN.read().unwrap_or_else(PoisonError::into_inner).hidden(text, false)
}

/// The answer of a server or a library without secrets, to become part of a message. To be called before the text is cut, which
/// could leave half a secret. Secrets that look like words are hidden here too; in messages that would hide ordinary words.
pub fn hide_in_answer(text: &str) -> Cow<'_, str> {
    KNOWN.read().unwrap_or_else(PoisonError::into_inner).hidden(text, true)
}

fn add_runs(runs: &mut HashMap<[u8; RUN], Run>, form: &Form) {
    for (run, is_no_sentence) in form.runs() {
        let found = runs.entry(run).or_default();
        found.all += 1;
        found.no_sentence += u32::from(is_no_sentence);
    }
}

fn remove_runs(runs: &mut HashMap<[u8; RUN], Run>, form: &Form) {
    for (run, is_no_sentence) in form.runs() {
        if let Some(found) = runs.get_mut(&run) {
            found.all -= 1;
            found.no_sentence -= u32::from(is_no_sentence);
            if found.all == 0 {
                runs.remove(&run);
            }
        }
    }
}

/// `text` with `***` in place of each of `spans`; overlapping ones become one.
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

/// Calls `search` for `view` and for its views with up to `deeper` levels of escapes undone. `seen`: the levels below each view
/// that was searched.
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

/// Finds parts of forms that remain where the text was cut: at its ends, and beside `…` and `...`.
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
            // The end of a passphrase may also be the first word of a sentence.
            let is_left = |length: &usize| {
                left(*length).is_some_and(|left| behind.starts_with(left) && (is_answer || forms::has_digit(left)))
            };
            let left = (LEAST_LEFT..=longest(form, behind.len())).rev().find(is_left);
            spans.extend(left.map(|length| begin..begin + length));
        }
    }
}

/// How many of the first `bytes` are letters, digits, or among `others`.
fn word(bytes: &[u8], others: &[u8]) -> usize {
    bytes.iter().take_while(|byte| byte.is_ascii_alphanumeric() || others.contains(byte)).count()
}

/// Finds values after the words of a sign-in.
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

/// Whether `value` looks like a token rather than a name such as `2024-plan-basic`, which may follow the word "basic" too.
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

/// Finds JSON web tokens by their shape: a header in base64 that is a JSON object, then further parts.
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
