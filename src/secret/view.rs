//! Views of a text that are searched for secrets: the text itself, the text with escapes undone, and its letters and digits alone.
//! Each byte of a view has its position in the text.

use std::ops::Range;

use memchr::memmem;

/// Replaces in a view a character that no secret has.
const FOREIGN: u8 = 0xff;
/// The longest entity of HTML: numbers may begin with many zeros.
const LONGEST_ENTITY: usize = 32;
/// The longest tag of HTML with its attributes, and the longest control sequence of a terminal.
const LONGEST_TAG: usize = 200;
/// Invisible characters of Unicode: spaces, joiners, and marks of direction, of byte order and of variants.
const UNSEEN: [std::ops::RangeInclusive<u32>; 4] = [0x2000..=0x200f, 0x2028..=0x202f, 0x205f..=0x206f, 0xfeff..=0xfeff];

/// If a text begins with an escape: the byte that it stands for, and the length of the escape.
type Undoing = fn(&[u8]) -> Option<(u8, usize)>;

/// The kinds of escapes. Each gives a view of its own: the same text can be an escape of one kind and plain text of another.
const UNDOINGS: [Undoing; 5] = [escape, mail, tag, octal, style];

/// A view of a text, with the position of each of its bytes.
pub(super) struct View {
    bytes: Vec<u8>,
    /// Where in the text each byte begins and ends. Bytes beyond 4 GiB have no place; no message is that long.
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

    /// The range in the text that the bytes `range` come from; `None` if there are none.
    pub(super) fn place(&self, range: Range<usize>) -> Option<Range<usize>> {
        let places = self.places.get(range)?;
        Some(usize::try_from(places.first()?.0).ok()?..usize::try_from(places.last()?.1).ok()?)
    }

    /// The views with one level of escapes undone, one for each kind that occurs.
    pub(super) fn undone_once(&self) -> impl Iterator<Item = Self> {
        UNDOINGS.into_iter().filter_map(|escape| self.undone(escape))
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

    /// Its letters and digits alone, in lower case: without line breaks, separators and invisible marks.
    pub(super) fn condensed(&self) -> Self {
        let kept = self.bytes.iter().zip(&self.places).filter(|(byte, _)| byte.is_ascii_alphanumeric());
        let (bytes, places) = kept.map(|(byte, place)| (byte.to_ascii_lowercase(), *place)).unzip();
        Self { bytes, places }
    }
}

/// Escapes of URLs, JSON, C, logs, XML, HTML and terminals.
fn escape(text: &[u8]) -> Option<(u8, usize)> {
    match text {
        [b'%', b'u' | b'U', digits @ ..] => Some((number(digits.get(..4)?, 16)?, 6)),
        [b'%', digits @ ..] => Some((number(digits.get(..2)?, 16)?, 3)),
        [b'0', b'x' | b'X', digits @ ..] => Some((number(digits.get(..2)?, 16)?, 4)),
        [b'0', b'o' | b'O', digits @ ..] => {
            let length = digits.iter().take(3).take_while(|byte| matches!(byte, b'0'..=b'7')).count();
            Some((number(digits.get(..length)?, 8)?, length + 2))
        }
        [0x1b, b'[', rest @ ..] => sequence(rest).map(|length| (FOREIGN, length + 2)),
        [b'^', b'[', b'[', rest @ ..] => sequence(rest).map(|length| (FOREIGN, length + 3)),
        // The character U+241B, which stands for ESC.
        [0xe2, 0x90, 0x9b, b'[', rest @ ..] => sequence(rest).map(|length| (FOREIGN, length + 4)),
        [0x1b, b']', rest @ ..] => {
            let end = rest.iter().take(LONGEST_TAG).position(|byte| matches!(byte, 0x07 | 0x1b))?;
            let ended_by = if rest.get(end..)?.starts_with(b"\x1b\\") { 2 } else { 1 };
            Some((FOREIGN, end + ended_by + 2))
        }
        [b'\\', rest @ ..] => backslash(rest).map(|(byte, length)| (byte, length + 1)),
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
                [first, rest @ ..] if first.is_ascii_alphabetic() && rest.iter().all(u8::is_ascii_alphanumeric) => {
                    FOREIGN
                }
                _ => return None,
            };
            Some((byte, end + 2))
        }
        _ => None,
    }
}

/// Quoted-printable, `=2F`. A value after its name, as in `key=2f0a`, looks the same.
fn mail(text: &[u8]) -> Option<(u8, usize)> {
    match text {
        [b'=', b'\r', b'\n', ..] => Some((FOREIGN, 3)),
        [b'=', b'\n', ..] => Some((FOREIGN, 2)),
        [b'=', digits @ ..] => Some((number(digits.get(..2)?, 16)?, 3)),
        _ => None,
    }
}

/// A tag or comment of HTML, which may be in the middle of a word. Words in angle brackets look the same.
fn tag(text: &[u8]) -> Option<(u8, usize)> {
    let [b'<', rest @ ..] = text else { return None };
    rest.first().filter(|first| first.is_ascii_alphabetic() || matches!(first, b'/' | b'!'))?;
    rest.iter().take(LONGEST_TAG).position(|byte| *byte == b'>').map(|end| (FOREIGN, end + 2))
}

/// Octal escapes with a leading zero, as `printf` reads them: `\0144`. C reads that as a form feed and a 4.
fn octal(text: &[u8]) -> Option<(u8, usize)> {
    match text {
        [b'\\', b'0', b'0'..=b'3', b'0'..=b'7', b'0'..=b'7', ..] => Some((number(text.get(2..5)?, 8)?, 5)),
        _ => None,
    }
}

/// Escapes of CSS: up to six digits and an optional space.
fn style(text: &[u8]) -> Option<(u8, usize)> {
    let [b'\\', rest @ ..] = text else { return None };
    let digits = rest.iter().take(6).take_while(|byte| byte.is_ascii_hexdigit()).count();
    let end = usize::from(rest.get(digits) == Some(&b' '));
    Some((number(rest.get(..digits)?, 16)?, digits + end + 1))
}

/// The length of a terminal's control sequence after its beginning: `31m`.
fn sequence(text: &[u8]) -> Option<usize> {
    let length = text.iter().take(LONGEST_ENTITY).take_while(|byte| matches!(byte, 0x20..=0x3f)).count();
    matches!(text.get(length)?, 0x40..=0x7e).then_some(length + 1)
}

/// The byte whose number `text` begins with, and the length of the number with its `;`. Readers accept a missing `;`: then as many
/// digits count as still give a byte or an invisible character.
fn entity(text: &[u8], radix: u32) -> Option<(u8, usize)> {
    let digits = text.iter().take(LONGEST_ENTITY).take_while(|byte| char::from(**byte).is_digit(radix)).count();
    if text.get(digits) == Some(&b';') {
        return Some((number(text.get(..digits)?, radix)?, digits + 1));
    }
    let code = |length: &usize| u32::from_str_radix(std::str::from_utf8(text.get(..*length)?).ok()?, radix).ok();
    let lengths = || (1..=digits).rev();
    let is_unseen = |length: &usize| code(length).is_some_and(|code| UNSEEN.iter().any(|range| range.contains(&code)));
    let is_byte = |length: &usize| code(length).is_some_and(|code| code <= u32::from(u8::MAX));
    let length = lengths().find(is_unseen).or_else(|| lengths().find(is_byte))?;
    Some((number(text.get(..length)?, radix)?, length))
}

/// The byte that an escape means, and its length, both without the backslash.
fn backslash(text: &[u8]) -> Option<(u8, usize)> {
    match text {
        [kind @ (b'u' | b'x' | b'o'), b'{', digits @ ..] => {
            let end = digits.iter().take(LONGEST_ENTITY).position(|byte| *byte == b'}')?;
            Some((number(digits.get(..end)?, if *kind == b'o' { 8 } else { 16 })?, end + 3))
        }
        [b'u', digits @ ..] => Some((number(digits.get(..4)?, 16)?, 5)),
        [b'U', digits @ ..] => Some((number(digits.get(..8)?, 16)?, 9)),
        [b'x', digits @ ..] => Some((number(digits.get(..2)?, 16)?, 3)),
        [b'0'..=b'3', b'0'..=b'7', b'0'..=b'7', ..] => Some((number(text.get(..3)?, 8)?, 3)),
        [b'4'..=b'7', b'0'..=b'7', ..] => Some((number(text.get(..2)?, 8)?, 2)),
        [b'e' | b'E', ..] => Some((0x1b, 1)),
        [b'0' | b'b' | b'f' | b'n' | b'r' | b't' | b'v', ..] => Some((FOREIGN, 1)),
        [sign @ (b'"' | b'\\' | b'/' | b'\''), ..] => Some((*sign, 1)),
        _ => None,
    }
}

/// The byte with this number; `FOREIGN` for a larger one.
fn number(digits: &[u8], radix: u32) -> Option<u8> {
    let text = std::str::from_utf8(digits).ok().filter(|text| !text.starts_with('+'))?;
    let number = u32::from_str_radix(text, radix).ok()?;
    Some(u8::try_from(number).unwrap_or(FOREIGN))
}
