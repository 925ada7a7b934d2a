//! Reads a JSON text without building a tree: every value is a slice of the text.
//!
//! `protocol` has already checked that the text is JSON, so this only finds where values begin and end. For any other text it
//! returns [`Malformed`] or some part of the text, and never panics. Skipped values may be nested to any depth.

use memchr::memchr2;

/// The text ends within a value, or has something else where a value must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Malformed;

/// A place in a JSON text.
pub struct Json<'a> {
    text: &'a [u8],
    at: usize,
}

/// A string, as it stands between its quotes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Text<'a> {
    /// The bytes between the quotes.
    pub raw: &'a [u8],
    /// Whether there are escapes in it.
    escaped: bool,
}

/// Any value, as it stands in the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Raw<'a> {
    /// Its bytes.
    pub text: &'a [u8],
    /// Whether there may be white space between its parts.
    spaced: bool,
}

type Result<T> = std::result::Result<T, Malformed>;

impl<'a> Json<'a> {
    /// The beginning of `text`.
    pub fn new(text: &'a [u8]) -> Self {
        Self { text, at: 0 }
    }

    /// The place, for [`Json::back_to`].
    pub fn place(&self) -> usize {
        self.at
    }

    /// Goes back to a place where it was before.
    pub fn back_to(&mut self, place: usize) {
        self.at = place;
    }

    /// The first byte of what follows, white space aside; 0 at the end.
    #[inline]
    pub fn peek(&mut self) -> u8 {
        loop {
            match self.text.get(self.at) {
                Some(b' ' | b'\n' | b'\r' | b'\t') => self.at += 1,
                Some(byte) => return *byte,
                None => return 0,
            }
        }
    }

    /// What follows, white space aside.
    pub fn rest(&mut self) -> &'a [u8] {
        self.peek();
        self.text.get(self.at..).unwrap_or_default()
    }

    /// Passes over `byte` if it is what follows.
    #[inline]
    pub fn eat(&mut self, byte: u8) -> bool {
        let is = self.peek() == byte;
        self.at += usize::from(is);
        is
    }

    /// The next key of an object, and passes over its colon; `None` at the object's end, which it passes too. `is_first` is set
    /// behind the opening brace.
    #[inline]
    pub fn key(&mut self, is_first: &mut bool) -> Result<Option<Text<'a>>> {
        if self.eat(b'}') {
            return Ok(None);
        }
        if !std::mem::take(is_first) && !self.eat(b',') {
            return Err(Malformed);
        }
        self.peek();
        let key = self.string()?;
        if self.eat(b':') { Ok(Some(key)) } else { Err(Malformed) }
    }

    /// Passes over the next key of an object and its colon if they are `token`, letter for letter: much faster than [`Json::key`],
    /// which takes any way to write a key. `is_first` is the same.
    #[inline]
    pub fn eat_key(&mut self, token: &[u8], is_first: &mut bool) -> bool {
        let begin = match (*is_first, self.text.get(self.at)) {
            (true, _) => self.at,
            (false, Some(b',')) => self.at + 1,
            (false, _) => return false,
        };
        let is = self.text.get(begin..).is_some_and(|rest| rest.starts_with(token));
        if is {
            self.at = begin + token.len();
            *is_first = false;
        }
        is
    }

    /// Whether another item of a list follows; passes over the comma before it, or over the list's end.
    #[inline]
    pub fn item(&mut self, is_first: &mut bool) -> Result<bool> {
        if self.eat(b']') {
            return Ok(false);
        }
        if std::mem::take(is_first) || self.eat(b',') { Ok(true) } else { Err(Malformed) }
    }

    /// The string that follows.
    #[inline]
    pub fn string(&mut self) -> Result<Text<'a>> {
        if self.text.get(self.at) != Some(&b'"') {
            return Err(Malformed);
        }
        let begin = self.at + 1;
        let (mut end, mut escaped) = (begin, false);
        loop {
            let rest = self.text.get(end..).ok_or(Malformed)?;
            end += memchr2(b'"', b'\\', rest).ok_or(Malformed)?;
            if self.text.get(end) == Some(&b'"') {
                break;
            }
            escaped = true;
            end += 2;
        }
        self.at = end + 1;
        Ok(Text { raw: self.text.get(begin..end).ok_or(Malformed)?, escaped })
    }

    /// Passes over a number, `true`, `false` or `null`, and returns its text.
    #[inline]
    pub fn word(&mut self) -> Result<&'a [u8]> {
        let rest = self.rest();
        let ends =
            |byte: &u8| matches!(byte, b',' | b'}' | b']' | b' ' | b'\n' | b'\r' | b'\t' | b'{' | b'[' | b'"' | b':');
        let length = rest.iter().position(ends).unwrap_or(rest.len());
        self.at += length;
        rest.get(..length).filter(|word| !word.is_empty()).ok_or(Malformed)
    }

    /// Passes over any value, and returns its text.
    pub fn skip(&mut self) -> Result<Raw<'a>> {
        let first = self.peek();
        let begin = self.at;
        let mut spaced = false;
        match first {
            b'"' => _ = self.string()?,
            b'{' | b'[' => spaced = self.skip_nested()?,
            _ => return Ok(Raw { text: self.word()?, spaced: false }),
        }
        Ok(Raw { text: self.text.get(begin..self.at).ok_or(Malformed)?, spaced })
    }

    /// Passes over an object or a list; returns whether there is white space in it, outside of strings.
    fn skip_nested(&mut self) -> Result<bool> {
        let (mut depth, mut spaced) = (0_usize, false);
        loop {
            match self.text.get(self.at).ok_or(Malformed)? {
                b'"' => {
                    self.string()?;
                    continue;
                }
                b'{' | b'[' => depth += 1,
                b'}' | b']' => {
                    depth = depth.checked_sub(1).ok_or(Malformed)?;
                    if depth == 0 {
                        self.at += 1;
                        return Ok(spaced);
                    }
                }
                b' ' | b'\n' | b'\r' | b'\t' => spaced = true,
                _ => {}
            }
            self.at += 1;
        }
    }
}

impl<'a> Text<'a> {
    /// A string that has no escapes.
    pub fn plain(raw: &'a [u8]) -> Self {
        Self { raw, escaped: false }
    }

    /// Appends the string that is meant. A lone half of a surrogate pair, which is no character, becomes U+FFFD.
    /// Returns whether there was one.
    #[inline]
    pub fn append_to(&self, out: &mut Vec<u8>) -> bool {
        if self.escaped {
            return unescape(self.raw, out, Lone::Replaced);
        }
        out.extend_from_slice(self.raw);
        false
    }

    /// Appends the string that is meant. A lone half of a surrogate pair is written as if it were a character, as WTF-8 has it: so
    /// no two strings become the same.
    pub fn append_exactly_to(&self, out: &mut Vec<u8>) {
        if self.escaped { _ = unescape(self.raw, out, Lone::Kept) } else { out.extend_from_slice(self.raw) }
    }

    /// Whether it may be another string than its bytes are.
    pub fn is_escaped(&self) -> bool {
        self.escaped
    }

    /// What [`Text::append_exactly_to`] appends, in `memory` where the string has escapes.
    pub fn exact<'m>(self, memory: &'m mut Vec<u8>) -> &'m [u8]
    where
        'a: 'm,
    {
        if !self.escaped {
            return self.raw;
        }
        memory.clear();
        self.append_exactly_to(memory);
        memory
    }

    /// The string that is meant, in `memory` where it has escapes.
    pub fn decoded<'m>(self, memory: &'m mut Vec<u8>) -> &'m [u8]
    where
        'a: 'm,
    {
        if !self.escaped {
            return self.raw;
        }
        memory.clear();
        self.append_to(memory);
        memory
    }
}

impl Raw<'_> {
    /// Appends the value's text without the white space between its parts.
    pub fn append_to(&self, out: &mut Vec<u8>) {
        if !self.spaced {
            return out.extend_from_slice(self.text);
        }
        let mut json = Json::new(self.text);
        loop {
            match json.peek() {
                0 => return,
                b'"' => {
                    let begin = json.at;
                    if json.string().is_err() {
                        return;
                    }
                    out.extend_from_slice(self.text.get(begin..json.at).unwrap_or_default());
                }
                byte => {
                    out.push(byte);
                    json.at += 1;
                }
            }
        }
    }

    /// Appends a string as it is, any other value as its JSON text.
    pub fn append_as_text(&self, out: &mut Vec<u8>) {
        match Json::new(self.text).string() {
            Ok(text) => _ = text.append_to(out),
            Err(Malformed) => self.append_to(out),
        }
    }
}

/// What becomes of lone halves of surrogate pairs.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Lone {
    Replaced,
    Kept,
}

/// Returns whether there are any.
fn unescape(mut raw: &[u8], out: &mut Vec<u8>, lone: Lone) -> bool {
    let mut has_lone = false;
    while let Some(at) = memchr::memchr(b'\\', raw) {
        let (before, rest) = raw.split_at(at);
        out.extend_from_slice(before);
        let Some(escape) = rest.get(1) else { return has_lone };
        raw = rest.get(2..).unwrap_or_default();
        let byte = match escape {
            b'b' => 8,
            b'f' => 12,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'u' => {
                let mut unit = hex(&mut raw);
                if (0xd800..0xdc00).contains(&unit) && raw.starts_with(b"\\u") {
                    let mut behind = raw.get(2..).unwrap_or_default();
                    let low = hex(&mut behind);
                    if (0xdc00..0xe000).contains(&low) {
                        unit = 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00);
                        raw = behind;
                    }
                }
                if (0xd800..0xe000).contains(&unit) {
                    has_lone = true;
                    if lone == Lone::Kept {
                        out.extend(
                            [0xe0 | (unit >> 12), 0x80 | (unit >> 6 & 0x3f), 0x80 | (unit & 0x3f)]
                                .map(|byte| byte as u8),
                        );
                        continue;
                    }
                }
                let character = char::from_u32(unit).unwrap_or(char::REPLACEMENT_CHARACTER);
                out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
                continue;
            }
            other => *other,
        };
        out.push(byte);
    }
    out.extend_from_slice(raw);
    has_lone
}

/// Takes four hexadecimal digits off `text`. What is none counts as 0.
fn hex(text: &mut &[u8]) -> u32 {
    let (digits, rest) = text.split_at(text.len().min(4));
    *text = rest;
    digits.iter().fold(0, |sum, digit| sum << 4 | char::from(*digit).to_digit(16).unwrap_or(0))
}

#[cfg(test)]
#[path = "json_tests.rs"]
mod tests;
