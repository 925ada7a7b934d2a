//! A text as it is searched for secrets: as it came, with its escapes undone, and condensed to letters and digits. Each byte
//! knows where it comes from.

use std::ops::Range;

use memchr::memmem;

/// What stands in a view for a sign that no secret has.
const FOREIGN: u8 = 0xff;
/// The longest entity of HTML; digits may begin with any number of zeros.
const LONGEST_ENTITY: usize = 32;
/// The longest tag that breaks a line, `<wbr />`.
const LONGEST_TAG: usize = 8;

/// A text, or what it says with its escapes undone, and where each byte of it comes from.
pub(super) struct View {
    bytes: Vec<u8>,
    /// Where in the text each byte begins and ends. Texts are messages; what is beyond 4 GiB has no place.
    places: Vec<(u32, u32)>,
}

impl View {
    pub(super) fn of(text: &str) -> Self {
        let places = (0..u32::MAX).zip(1..).take(text.len()).collect();
        Self { bytes: text.as_bytes().to_vec(), places }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(super) fn find(&self, form: &[u8], spans: &mut Vec<Range<usize>>) {
        memmem::find_iter(&self.bytes, form).for_each(|at| spans.extend(self.place(at..at + form.len())));
    }

    /// Where in the text the bytes `range` are; `None` where there are none.
    pub(super) fn place(&self, range: Range<usize>) -> Option<Range<usize>> {
        let places = self.places.get(range)?;
        Some(usize::try_from(places.first()?.0).ok()?..usize::try_from(places.last()?.1).ok()?)
    }

    /// The same with one level of escapes undone; `None` where there are none.
    pub(super) fn unescaped(&self) -> Option<Self> {
        self.undone(escape)
    }

    /// The same with the escapes of mails undone, `=2F`. They are not told from a value behind its name, as in `key=2f0a`.
    pub(super) fn unquoted(&self) -> Option<Self> {
        self.undone(|text| match text {
            [b'=', b'\r', b'\n', ..] => Some((FOREIGN, 3)),
            [b'=', b'\n', ..] => Some((FOREIGN, 2)),
            [b'=', digits @ ..] => Some((number(digits.get(..2)?, 16)?, 3)),
            _ => None,
        })
    }

    fn undone(&self, escape: impl Fn(&[u8]) -> Option<(u8, usize)>) -> Option<Self> {
        let (mut bytes, mut places) = (Vec::with_capacity(self.bytes.len()), Vec::with_capacity(self.places.len()));
        let mut at = 0;
        while let Some(byte) = self.bytes.get(at) {
            let (said, length) = escape(self.bytes.get(at..).unwrap_or_default()).unwrap_or((*byte, 1));
            bytes.push(said);
            places.push((self.places.get(at)?.0, self.places.get(at + length - 1)?.1));
            at += length;
        }
        (bytes.len() < self.bytes.len()).then_some(Self { bytes, places })
    }

    /// Its letters and digits alone, in lower case: without line breaks, separators and marks that nobody sees.
    pub(super) fn condensed(&self) -> Self {
        let kept = self.bytes.iter().zip(&self.places).filter(|(byte, _)| byte.is_ascii_alphanumeric());
        let (bytes, places) = kept.map(|(byte, place)| (byte.to_ascii_lowercase(), *place)).unzip();
        Self { bytes, places }
    }
}

/// The byte that `text` begins with as an escape, and how long the escape is: of URLs, of JSON, C and logs, of XML and HTML. A
/// tag of HTML is none: what it breaks up is one word still.
fn escape(text: &[u8]) -> Option<(u8, usize)> {
    match text {
        [b'%', b'u' | b'U', digits @ ..] => Some((number(digits.get(..4)?, 16)?, 6)),
        [b'%', digits @ ..] => Some((number(digits.get(..2)?, 16)?, 3)),
        [b'0', b'x' | b'X', digits @ ..] => Some((number(digits.get(..2)?, 16)?, 4)),
        [b'\\', rest @ ..] => backslash(rest).map(|(byte, length)| (byte, length + 1)),
        [b'<', rest @ ..] => {
            let end = rest.iter().take(LONGEST_TAG).position(|byte| *byte == b'>')?;
            let is_tag = |byte: &u8| byte.is_ascii_alphabetic() || matches!(byte, b'/' | b' ');
            rest.get(..end)?.iter().all(is_tag).then_some((FOREIGN, end + 2))
        }
        [b'U' | b'u', b'+', digits @ ..] => Some((number(digits.get(..4)?, 16)?, 6)),
        [b'&', b'#', b'x' | b'X', rest @ ..] => entity(rest, 16).map(|(byte, length)| (byte, length + 3)),
        [b'&', b'#', rest @ ..] => entity(rest, 10).map(|(byte, length)| (byte, length + 2)),
        [b'&', rest @ ..] => {
            let end = rest.iter().take(LONGEST_ENTITY).position(|byte| *byte == b';')?;
            let byte = match rest.get(..end)? {
                b"amp" => b'&',
                b"lt" => b'<',
                b"gt" => b'>',
                b"quot" => b'"',
                b"apos" => b'\'',
                b"plus" => b'+',
                b"sol" => b'/',
                b"equals" => b'=',
                b"nbsp" | b"shy" | b"zwj" | b"zwnj" | b"ZeroWidthSpace" => FOREIGN,
                _ => return None,
            };
            Some((byte, end + 2))
        }
        _ => None,
    }
}

/// The byte with the number that `text` begins with, and how long that is; readers do without the `;`.
fn entity(text: &[u8], radix: u32) -> Option<(u8, usize)> {
    let digits = text.iter().take(LONGEST_ENTITY).take_while(|byte| char::from(**byte).is_digit(radix)).count();
    let end = usize::from(text.get(digits) == Some(&b';'));
    Some((number(text.get(..digits)?, radix)?, digits + end))
}

/// The byte that is meant by what stands behind a backslash, and how long that is.
fn backslash(text: &[u8]) -> Option<(u8, usize)> {
    match text {
        [b'u' | b'x', b'{', digits @ ..] => {
            let end = digits.iter().take(LONGEST_ENTITY).position(|byte| *byte == b'}')?;
            Some((number(digits.get(..end)?, 16)?, end + 3))
        }
        [b'u', digits @ ..] => Some((number(digits.get(..4)?, 16)?, 5)),
        [b'U', digits @ ..] => Some((number(digits.get(..8)?, 16)?, 9)),
        [b'x', digits @ ..] => Some((number(digits.get(..2)?, 16)?, 3)),
        [b'0'..=b'3', b'0'..=b'7', b'0'..=b'7', ..] => Some((number(text.get(..3)?, 8)?, 3)),
        [b'0' | b'b' | b'f' | b'n' | b'r' | b't' | b'v', ..] => Some((FOREIGN, 1)),
        [sign @ (b'"' | b'\\' | b'/' | b'\''), ..] => Some((*sign, 1)),
        _ => None,
    }
}

/// The byte with this number; `FOREIGN` for a sign that is more than a byte.
fn number(digits: &[u8], radix: u32) -> Option<u8> {
    let text = std::str::from_utf8(digits).ok().filter(|text| !text.starts_with('+'))?;
    let number = u32::from_str_radix(text, radix).ok()?;
    Some(u8::try_from(number).unwrap_or(FOREIGN))
}
