//! A position in one line, and steps over JSON text from there, with the grammar that `serde_json` has for skipped values.
//!
//! This walk decides every case. The faster one in `bitmaps` either finds that an object is valid or leaves it to this one.

use std::borrow::Cow;

use super::grammar::{escape_len, number_len, scalar_len};
use super::simd;
use super::{Malformed, Reason};

/// A position in one line.
pub(super) struct Cursor<'a> {
    line: &'a str,
    at: usize,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(line: &'a str) -> Self {
        Self { line, at: 0 }
    }

    pub(super) fn position(&self) -> usize {
        self.at
    }

    pub(super) fn go_to(&mut self, at: usize) {
        self.at = at;
    }

    #[inline]
    pub(super) fn advance(&mut self) {
        self.at += 1;
    }

    /// The bytes from `from` to here.
    pub(super) fn since(&self, from: usize) -> &'a [u8] {
        self.line.as_bytes().get(from..self.at).unwrap_or_default()
    }

    #[cold]
    pub(super) fn malformed(&self, reason: Reason) -> Malformed {
        Malformed { at: self.at.min(self.line.len()), reason }
    }

    #[cold]
    fn not_json<T>(&self) -> Result<T, Malformed> {
        Err(self.malformed(Reason::NotJson))
    }

    #[inline]
    fn peek(&self) -> Option<u8> {
        self.line.as_bytes().get(self.at).copied()
    }

    /// The byte after the one here.
    #[inline]
    pub(super) fn second(&self) -> Option<u8> {
        self.line.as_bytes().get(self.at + 1).copied()
    }

    #[inline]
    fn rest(&self) -> &'a [u8] {
        self.line.as_bytes().get(self.at..).unwrap_or_default()
    }

    /// Steps over white space; the byte after it, not consumed.
    #[inline]
    pub(super) fn skip_space(&mut self) -> Option<u8> {
        loop {
            match self.peek() {
                Some(b' ' | b'\n' | b'\t' | b'\r') => self.at += 1,
                other => return other,
            }
        }
    }

    #[inline]
    pub(super) fn expect_colon(&mut self) -> Result<(), Malformed> {
        if self.skip_space() != Some(b':') {
            return self.not_json();
        }
        self.at += 1;
        Ok(())
    }

    /// Steps over `text` if it is here.
    #[inline]
    pub(super) fn take(&mut self, text: &[u8]) -> bool {
        let found = self.rest().starts_with(text);
        if found {
            self.at += text.len();
        }
        found
    }

    pub(super) fn literal(&mut self, word: &[u8]) -> Result<(), Malformed> {
        if !self.rest().starts_with(word) {
            return self.not_json();
        }
        self.at += word.len();
        Ok(())
    }

    /// The string whose opening quote is here, decoded: a lone surrogate is refused.
    #[inline]
    pub(super) fn decode_string(&mut self) -> Result<Cow<'a, str>, Malformed> {
        let from = self.at;
        if !self.skip_string()? {
            return Ok(Cow::Borrowed(self.line.get(from + 1..self.at - 1).unwrap_or_default()));
        }
        // Names with escapes are rare, and serde_json decides them as serde_json does.
        match serde_json::from_str::<String>(self.line.get(from..self.at).unwrap_or_default()) {
            Ok(text) => Ok(Cow::Owned(text)),
            Err(_) => Err(Malformed { at: from, reason: Reason::NotJson }),
        }
    }

    /// Steps over the string whose opening quote is here, and says whether it has escapes.
    #[inline]
    fn skip_string(&mut self) -> Result<bool, Malformed> {
        self.at += 1;
        let mut escaped = false;
        loop {
            self.at += plain_prefix(self.rest());
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(escaped);
                }
                Some(b'\\') => match escape_len(self.rest()) {
                    Some(len) => {
                        self.at += len;
                        escaped = true;
                    }
                    None => return self.not_json(),
                },
                _ => return self.not_json(),
            }
        }
    }

    /// Steps over the integer here. As serde does for an `i64`, it refuses `-0`, fractions and exponents, which make a float.
    #[inline]
    pub(super) fn integer(&mut self) -> Option<i64> {
        self.skip_space();
        if let Some((len, value)) = short_integer(self.rest()) {
            self.at += len;
            return Some(value);
        }
        let len = number_len(self.rest())?;
        let text = self.line.get(self.at..self.at + len)?;
        if text == "-0" {
            return None;
        }
        let value = text.parse().ok()?;
        self.at += len;
        Some(value)
    }

    /// Steps over one value of any type, however deeply nested.
    pub(super) fn skip_value(&mut self) -> Result<(), Malformed> {
        let mut open = Nesting::default();
        loop {
            match self.skip_space() {
                Some(b'"') => {
                    self.skip_string()?;
                }
                Some(b'{') => {
                    if open.is_empty()
                        && let Some(end) = simd::object_end(self.line.as_bytes(), self.at + 1)
                    {
                        self.at = end;
                        return Ok(());
                    }
                    self.at += 1;
                    if self.skip_space() == Some(b'}') {
                        self.at += 1;
                    } else {
                        open.push(true);
                        self.skip_key()?;
                        continue;
                    }
                }
                Some(b'[') => {
                    self.at += 1;
                    if self.skip_space() == Some(b']') {
                        self.at += 1;
                    } else {
                        open.push(false);
                        continue;
                    }
                }
                _ => match scalar_len(self.rest()) {
                    Some(len) => self.at += len,
                    None => return self.not_json(),
                },
            }
            loop {
                let Some(in_object) = open.top() else { return Ok(()) };
                match (self.skip_space(), in_object) {
                    (Some(b','), true) => {
                        self.at += 1;
                        self.skip_key()?;
                        break;
                    }
                    (Some(b','), false) => {
                        self.at += 1;
                        break;
                    }
                    (Some(b'}'), true) | (Some(b']'), false) => {
                        self.at += 1;
                        open.pop();
                    }
                    _ => return self.not_json(),
                }
            }
        }
    }

    fn skip_key(&mut self) -> Result<(), Malformed> {
        if self.skip_space() != Some(b'"') {
            return self.not_json();
        }
        self.skip_string()?;
        self.expect_colon()
    }
}

/// How many bytes come before the first quote, backslash or control character.
#[inline]
fn plain_prefix(text: &[u8]) -> usize {
    const ONES: u64 = u64::MAX / 255;
    let (words, tail) = text.as_chunks::<8>();
    for (index, word) in words.iter().enumerate() {
        let word = u64::from_le_bytes(*word);
        let quote = word ^ (ONES * b'"' as u64);
        let backslash = word ^ (ONES * b'\\' as u64);
        // Mycroft's test for a byte below a limit: false hits occur only above a true one, and only the lowest hit counts.
        let hits = ((word.wrapping_sub(ONES * 0x20) & !word)
            | (quote.wrapping_sub(ONES) & !quote)
            | (backslash.wrapping_sub(ONES) & !backslash))
            & (ONES << 7);
        if hits != 0 {
            return index * 8 + hits.trailing_zeros() as usize / 8;
        }
    }
    let stop = tail.iter().position(|&byte| byte < 0x20 || byte == b'"' || byte == b'\\');
    text.len() - tail.len() + stop.unwrap_or(tail.len())
}

/// The length and value of an integer in the usual form of a time: up to 18 digits, then a comma or a brace.
#[inline]
fn short_integer(text: &[u8]) -> Option<(usize, i64)> {
    let mut value = 0;
    for (len, byte) in text.iter().take(19).enumerate() {
        match byte {
            b'0'..=b'9' if len < 18 && (value != 0 || len == 0) => value = value * 10 + i64::from(byte - b'0'),
            b',' | b'}' if len != 0 => return Some((len, value)),
            _ => return None,
        }
    }
    None
}

/// Which of the open containers are objects, one bit each, so that a long line of brackets takes little memory.
#[derive(Default)]
struct Nesting {
    top: u64,
    depth: usize,
    below: Vec<u64>,
}

impl Nesting {
    fn is_empty(&self) -> bool {
        self.depth == 0
    }

    fn push(&mut self, object: bool) {
        if self.depth != 0 && self.depth.is_multiple_of(64) {
            self.below.push(self.top);
        }
        self.top = self.top << 1 | u64::from(object);
        self.depth += 1;
    }

    fn top(&self) -> Option<bool> {
        (self.depth != 0).then_some(self.top & 1 == 1)
    }

    fn pop(&mut self) {
        self.depth = self.depth.saturating_sub(1);
        self.top >>= 1;
        if self.depth != 0 && self.depth.is_multiple_of(64) {
            self.top = self.below.pop().unwrap_or_default();
        }
    }
}
