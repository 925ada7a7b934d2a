//! Lengths of JSON's smallest parts: escapes, numbers, `true`, `false` and `null`. Both walks of the scan ask here.

/// The length of the escape that `text` starts with. Surrogates are not looked at: a skipped string may have any.
#[inline]
pub(super) fn escape_len(text: &[u8]) -> Option<usize> {
    match text.get(1)? {
        b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Some(2),
        b'u' => text.get(2..6)?.iter().all(u8::is_ascii_hexdigit).then_some(6),
        _ => None,
    }
}

/// The length of the number, `true`, `false` or `null` that `text` starts with.
#[inline]
pub(super) fn scalar_len(text: &[u8]) -> Option<usize> {
    match text.first()? {
        b'n' => text.starts_with(b"null").then_some(4),
        b't' => text.starts_with(b"true").then_some(4),
        b'f' => text.starts_with(b"false").then_some(5),
        _ => number_len(text),
    }
}

/// The length of the number that `text` starts with.
#[inline]
pub(super) fn number_len(text: &[u8]) -> Option<usize> {
    let digits = |from: usize| digits_len(text.get(from..).unwrap_or_default());
    let sign = usize::from(text.first() == Some(&b'-'));
    let whole = digits(sign);
    if whole == 0 || (whole > 1 && text.get(sign) == Some(&b'0')) {
        return None;
    }
    let mut len = sign + whole;
    if text.get(len) == Some(&b'.') {
        let fraction = digits(len + 1);
        if fraction == 0 {
            return None;
        }
        len += 1 + fraction;
    }
    let exponent = text.get(len..).unwrap_or_default();
    if let Some(b'e' | b'E') = exponent.first() {
        len += exponent_len(exponent)?;
    }
    Some(len)
}

/// The length of the exponent that `text` starts with.
pub(super) fn exponent_len(text: &[u8]) -> Option<usize> {
    let sign = match text {
        [b'e' | b'E', b'+' | b'-', ..] => 1,
        [b'e' | b'E', ..] => 0,
        _ => return None,
    };
    let digits = digits_len(text.get(1 + sign..)?);
    (digits != 0).then_some(1 + sign + digits)
}

#[inline]
fn digits_len(text: &[u8]) -> usize {
    text.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(text.len())
}
