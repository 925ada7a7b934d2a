//! The fast walk over an object that is skipped: in *windows* of 64 bytes, with bitmaps of one bit a byte.
//!
//! Outside strings, each token must be one that may follow the token before it. The tokens after commas are the bitmap of the
//! commas moved up by one bit, and past white space by the carry of an addition; so a few operations on 64-bit words check
//! all tokens of a window at once. What bitmaps cannot check is checked one by one: brackets, which need a stack, words,
//! exponents and escapes.
//!
//! It never accepts what `cursor` refuses. In any wrong or unusual case (a control character, even as white space; more than
//! 63 open containers) it gives up, and `cursor` decides.

use super::grammar::{escape_len, exponent_len, scalar_len};

/// The bitmaps of a window, one for each class of bytes; the first byte has the lowest bit.
pub(super) struct Classes {
    pub(super) quote: u64,
    pub(super) backslash: u64,
    pub(super) space: u64,
    /// `{` and `[`.
    pub(super) open: u64,
    /// `}` and `]`.
    pub(super) close: u64,
    pub(super) comma: u64,
    pub(super) colon: u64,
    /// Bytes with the bit that tells a brace from a bracket.
    pub(super) braced: u64,
    pub(super) digit: u64,
    pub(super) zero: u64,
    pub(super) dot: u64,
    pub(super) control: bool,
}

/// What the next window needs to know. Fields without a comment are bitmaps of the window before: only the bit of its last
/// byte is used.
struct ScanState {
    /// All ones inside a string.
    in_string: u64,
    /// 1 when the first byte of the next window is escaped.
    escaped: u64,
    /// The open containers, innermost lowest, 1 for an object; above them a 1 that marks the end.
    containers: u64,
    scalar: u64,
    digit: u64,
    dot: u64,
    leading_zero: u64,
    /// 1 when the digits of a fraction reach the end of the window.
    in_fraction: u64,
    key_wanted: u64,
    value_wanted: u64,
    opened: u64,
    key_ended: u64,
    value_ended: u64,
    /// 1 when the end of the window is inside a key.
    in_key: u64,
}

/// The tokens of one window, as bitmaps of their bytes; all but `string` are outside strings.
struct Tokens {
    /// Each string from its opening quote up to, not including, the closing one.
    string: u64,
    opening: u64,
    closing: u64,
    open: u64,
    close: u64,
    comma: u64,
    colon: u64,
    space: u64,
    /// Which brackets are braces.
    braced: u64,
    /// What is directly inside an object.
    in_object: u64,
    /// The bytes of numbers and words, and of anything that is no token at all.
    scalar: u64,
    scalar_start: u64,
    after_scalar: u64,
}

/// The offset behind the object whose opening brace is just before `start`; `None` unless it is certainly valid JSON.
#[inline(always)]
pub(super) fn object_end(bytes: &[u8], start: usize, classes: impl Fn(&[u8; 64]) -> Classes) -> Option<usize> {
    const LAST: u64 = 1 << 63;
    let mut state = ScanState {
        in_string: 0,
        escaped: 0,
        containers: 0b11,
        scalar: 0,
        digit: 0,
        dot: 0,
        leading_zero: 0,
        in_fraction: 0,
        key_wanted: LAST,
        value_wanted: 0,
        opened: LAST,
        key_ended: 0,
        value_ended: 0,
        in_key: 0,
    };
    let mut at = start;
    let mut rest = bytes.get(start..)?;
    let mut last = [b' '; 64];
    while !rest.is_empty() {
        let window = match rest.split_first_chunk() {
            Some((window, more)) => {
                rest = more;
                window
            }
            None => {
                last.get_mut(..rest.len())?.copy_from_slice(rest);
                rest = &[];
                &last
            }
        };
        if let Some(end) = step(&mut state, &classes(window), bytes, at)? {
            return Some(end);
        }
        at += 64;
    }
    None
}

/// Checks one window: `None` gives up, `Some(Some(end))` is the end of the object.
#[inline(always)]
fn step(state: &mut ScanState, class: &Classes, bytes: &[u8], at: usize) -> Option<Option<usize>> {
    if class.control {
        return None;
    }
    let quote = class.quote & !escaped(state, class.backslash, bytes, at)?;
    let string = prefix_xor(quote) ^ state.in_string;
    state.in_string = (string >> 63).wrapping_neg();

    let outside = !(string | quote);
    let (open, close) = (class.open & outside, class.close & outside);
    let (comma, colon) = (class.comma & outside, class.colon & outside);
    let space = class.space & outside;
    let (in_object, end) = follow_brackets(&mut state.containers, open, close, class.braced)?;
    let scalar = outside & !(open | close | comma | colon | space);
    let before = up(scalar, state.scalar);
    state.scalar = scalar;
    let tokens = Tokens {
        string,
        opening: quote & string,
        closing: quote & !string,
        open,
        close,
        comma,
        colon,
        space,
        braced: class.braced,
        in_object,
        scalar,
        scalar_start: scalar & !before,
        after_scalar: !scalar & before,
    };

    let (wrong_number, mut singly) = check_numbers(state, &tokens, class);
    // Without white space, as many sources write, nothing has to be carried past it.
    let wrong_order =
        if space == 0 { check_order::<false>(state, &tokens) } else { check_order::<true>(state, &tokens) };
    let within = end.map_or(u64::MAX, |end| u64::MAX >> (63 - end));
    if (wrong_number | wrong_order) & within != 0 {
        return None;
    }
    singly &= within;
    while singly != 0 {
        let index = singly.trailing_zeros();
        let starts = tokens.scalar_start >> index & 1 == 1;
        word_fits(bytes, at + index as usize, starts)?;
        singly &= singly - 1;
    }
    Some(end.map(|end| at + end as usize + 1))
}

/// The tokens that may not follow the one before them.
#[inline(always)]
fn check_order<const SPACED: bool>(state: &mut ScanState, t: &Tokens) -> u64 {
    // For the last bytes of some tokens: the bytes where the tokens after them begin, and what the next window needs of them.
    let next = |ends: u64, before: u64, extra: u64| {
        let moved = up(ends, before) | extra;
        if SPACED {
            // A bit that lands on white space is carried to the first byte behind it.
            let (sum, over) = moved.overflowing_add(t.space);
            (sum & !t.space, ends | u64::from(over) << 63)
        } else {
            (moved, ends)
        }
    };
    let (after_key_sep, after_value_sep, after_open, after_key, after_value);
    let key_sep = (t.open & t.braced) | (t.comma & t.in_object);
    (after_key_sep, state.key_wanted) = next(key_sep, state.key_wanted, 0);
    let value_sep = (t.open & !t.braced) | (t.comma & !t.in_object) | t.colon;
    (after_value_sep, state.value_wanted) = next(value_sep, state.value_wanted, 0);
    (after_open, state.opened) = next(t.open, state.opened, 0);

    // Added to the string, a key's opening quote is carried to the closing one.
    let (sum, over) = (t.opening & after_key_sep | state.in_key).overflowing_add(t.string);
    state.in_key = u64::from(over);
    let key_end = sum & t.closing;
    (after_key, state.key_ended) = next(key_end, state.key_ended, 0);
    let value_end = (t.closing & !key_end) | t.close;
    (after_value, state.value_ended) = next(value_end, state.value_ended, t.after_scalar);

    let closed_empty = t.close & after_open;
    (after_key_sep & !(t.opening | closed_empty))
        | (after_value_sep & !(t.opening | t.scalar_start | t.open | closed_empty))
        | (after_key ^ t.colon)
        | (after_value & !(t.comma | t.close))
}

/// The bytes that are wrong in a number of digits and a dot, and those where a word, a sign or an exponent has to be checked.
#[inline(always)]
fn check_numbers(state: &mut ScanState, t: &Tokens, class: &Classes) -> (u64, u64) {
    let (digit, dot) = (class.digit & t.scalar, class.dot & t.scalar);
    let leading_zero = class.zero & t.scalar_start;
    let (after_digit, after_dot) = (up(digit, state.digit), up(dot, state.dot));
    let after_leading_zero = up(leading_zero, state.leading_zero);
    // Added to the digits, the start of a fraction is carried to what ends it.
    let (sum, over) = (after_dot | state.in_fraction).overflowing_add(digit);
    let fraction_end = sum & !digit;
    (state.digit, state.dot, state.leading_zero) = (digit, dot, leading_zero);
    state.in_fraction = u64::from(over);
    let wrong = (dot & !after_digit) | (after_dot & !digit) | (after_leading_zero & digit) | (fraction_end & dot);
    (wrong, t.scalar & !(digit | dot) & (t.scalar_start | after_digit | after_dot))
}

/// Moves each bit up by one byte; the lowest comes from the last byte of the window before.
#[inline(always)]
fn up(bits: u64, before: u64) -> u64 {
    bits << 1 | before >> 63
}

/// From each odd quote up to the next one.
#[inline(always)]
fn prefix_xor(mut bits: u64) -> u64 {
    bits ^= bits << 1;
    bits ^= bits << 2;
    bits ^= bits << 4;
    bits ^= bits << 8;
    bits ^= bits << 16;
    bits ^ bits << 32
}

/// The bytes that a backslash escapes; gives up at an escape that does not exist.
#[inline(always)]
fn escaped(state: &mut ScanState, backslash: u64, bytes: &[u8], at: usize) -> Option<u64> {
    const ODD: u64 = 0xaaaa_aaaa_aaaa_aaaa;
    if backslash == 0 {
        return Some(std::mem::take(&mut state.escaped));
    }
    // In a run of backslashes the first, third, … begin an escape. The subtraction makes the bits of each run alternate with
    // the parity that belongs to the run's start.
    let starts = backslash & !state.escaped;
    let parity = ((starts << 1 | ODD).wrapping_sub(starts)) ^ ODD;
    let escaped = parity ^ (backslash | state.escaped);
    let begin = parity & backslash;
    state.escaped = begin >> 63;
    let mut left = begin;
    while left != 0 {
        escape_len(bytes.get(at + left.trailing_zeros() as usize..)?)?;
        left &= left - 1;
    }
    Some(escaped)
}

/// Follows the brackets of a window: which bytes are directly inside an object, and where the outermost one closes.
#[inline(always)]
fn follow_brackets(containers: &mut u64, open: u64, close: u64, braced: u64) -> Option<(u64, Option<u32>)> {
    let innermost = |stack: u64| (stack & 1).wrapping_neg();
    let mut stack = *containers;
    let mut inside = innermost(stack);
    let mut wrong = 0;
    let mut left = open | close;
    while left != 0 {
        let index = left.trailing_zeros();
        // No branch on what the bracket is: it could not be predicted.
        let (opens, brace) = (open >> index & 1, braced >> index & 1);
        let (pushed, popped) = (stack << 1 | brace, stack >> 1);
        wrong |= if opens == 1 { stack >> 63 } else { (stack & 1) ^ brace };
        stack = if opens == 1 { pushed } else { popped };
        if stack <= 1 {
            return (wrong == 0).then_some((inside, Some(index)));
        }
        let above = u64::MAX << index;
        inside = inside & !above | innermost(stack) & above;
        left &= left - 1;
    }
    *containers = stack;
    (wrong == 0).then_some((inside, None))
}

/// Gives up unless a word, a negative number, or an exponent fills the place up to the next delimiter.
#[inline(always)]
fn word_fits(bytes: &[u8], at: usize, starts: bool) -> Option<()> {
    let text = bytes.get(at..)?;
    let delimits = |byte: u8| matches!(byte, b',' | b'}' | b']' | b' ');
    if let Some([a, b, c, d, e, f]) = text.first_chunk() {
        let word = [*a, *b, *c, *d];
        let four = (word == *b"null" || word == *b"true") && delimits(*e);
        let five = word == *b"fals" && *e == b'e' && delimits(*f);
        if starts && (four | five) {
            return Some(());
        }
    }
    let len = if starts { scalar_len(text) } else { exponent_len(text) }?;
    delimits(*text.get(len)?).then_some(())
}
