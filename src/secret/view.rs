//! A text in the forms in which it is searched for secrets: as it came, with its escapes undone, and condensed to letters and
//! digits. Each byte has the position that it comes from.

use std::ops::Range;

use memchr::memmem;

/// What stands in a view for a sign that no secret has.
const FOREIGN: u8 = 0xff;
/// The longest entity of HTML; digits may begin with any number of zeros.
const LONGEST_ENTITY: usize = 32;
/// The longest tag of HTML, with its attributes, and the longest sequence for a terminal.
const LONGEST_TAG: usize = 200;
/// Signs of Unicode that nobody sees: spaces, joiners and marks of direction, of bytes and of variants.
const UNSEEN: [std::ops::RangeInclusive<u32>; 4] = [0x2000..=0x200f, 0x2028..=0x202f, 0x205f..=0x206f, 0xfeff..=0xfeff];

/// The byte that a text begins with as an escape, and how long the escape is.
type Undoing = fn(&[u8]) -> Option<(u8, usize)>;

/// How escapes are undone. Each is a view of its own: what one of them takes for an escape is to another what it seems.
const UNDOINGS: [Undoing; 5] = [escape, mail, tag, octal, style];

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

    /// The same with one level of escapes undone, in each way in which there are some.
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

    /// Its letters and digits alone, in lower case: without line breaks, separators and marks that nobody sees.
    pub(super) fn condensed(&self) -> Self {
        let kept = self.bytes.iter().zip(&self.places).filter(|(byte, _)| byte.is_ascii_alphanumeric());
        let (bytes, places) = kept.map(|(byte, place)| (byte.to_ascii_lowercase(), *place)).unzip();
        Self { bytes, places }
    }
}

/// The byte that `text` begins with as an escape, and how long the escape is: of URLs, of JSON, C and logs, of XML and HTML, of
/// terminals.
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
        // The sign that stands for ESC.
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

/// The escapes of mails, `=2F`. They are not told from a value behind its name, as in `key=2f0a`.
fn mail(text: &[u8]) -> Option<(u8, usize)> {
    match text {
        [b'=', b'\r', b'\n', ..] => Some((FOREIGN, 3)),
        [b'=', b'\n', ..] => Some((FOREIGN, 2)),
        [b'=', digits @ ..] => Some((number(digits.get(..2)?, 16)?, 3)),
        _ => None,
    }
}

/// A tag or comment of HTML: what it breaks up is one word still. It may as well be a word in angle brackets.
fn tag(text: &[u8]) -> Option<(u8, usize)> {
    let [b'<', rest @ ..] = text else { return None };
    rest.first().filter(|first| first.is_ascii_alphabetic() || matches!(first, b'/' | b'!'))?;
    rest.iter().take(LONGEST_TAG).position(|byte| *byte == b'>').map(|end| (FOREIGN, end + 2))
}

/// Octal escapes with a zero before them, as `printf` takes them: `\0144`. In C that is a form feed and a 4.
fn octal(text: &[u8]) -> Option<(u8, usize)> {
    match text {
        [b'\\', b'0', b'0'..=b'3', b'0'..=b'7', b'0'..=b'7', ..] => Some((number(text.get(2..5)?, 8)?, 5)),
        _ => None,
    }
}

/// The escapes of CSS: up to six digits, and a space that ends them.
fn style(text: &[u8]) -> Option<(u8, usize)> {
    let [b'\\', rest @ ..] = text else { return None };
    let digits = rest.iter().take(6).take_while(|byte| byte.is_ascii_hexdigit()).count();
    let end = usize::from(rest.get(digits) == Some(&b' '));
    Some((number(rest.get(..digits)?, 16)?, digits + end + 1))
}

/// How long what stands behind the beginning of a terminal's sequence is: `31m`.
fn sequence(text: &[u8]) -> Option<usize> {
    let length = text.iter().take(LONGEST_ENTITY).take_while(|byte| matches!(byte, 0x20..=0x3f)).count();
    matches!(text.get(length)?, 0x40..=0x7e).then_some(length + 1)
}

/// The byte with the number that `text` begins with, and how long that is; readers do without the `;`. Then a digit that follows
/// is taken for one of the number only as far as that stays a byte, or a sign that nobody sees.
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

/// The byte that is meant by what stands behind a backslash, and how long that is.
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

/// The byte with this number; `FOREIGN` for a sign that is more than a byte.
fn number(digits: &[u8], radix: u32) -> Option<u8> {
    let text = std::str::from_utf8(digits).ok().filter(|text| !text.starts_with('+'))?;
    let number = u32::from_str_radix(text, radix).ok()?;
    Some(u8::try_from(number).unwrap_or(FOREIGN))
}
