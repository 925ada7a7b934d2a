//! Whether a value goes unchanged into a column whose type is the table's and not the stream's.
//!
//! A stream whose column has the type itself says what its values mean: a text is base64, a number has the digits of a DOUBLE. Here
//! it does not, so a value that the column would hold in part, or with another meaning, does not fit.

use super::json::Json;
use super::misfit::Misfit;
use super::number;
use super::plan::Type;
use super::reader::Result;
use super::scalar::word;
use super::times;
use crate::schema::kind::Decimal;

/// Fails where the value that follows in `json`, which is read, does not fit a column of the type `kind` as it is. Values that are of
/// no use for the type at all pass: reading them fails.
pub fn ensure(kind: &Type, json: &mut Json<'_>, memory: &mut Vec<u8>) -> Result<()> {
    if !matches!(
        kind,
        Type::Binary
            | Type::Date
            | Type::LocalTimestamp
            | Type::Integer(_)
            | Type::Float
            | Type::Double
            | Type::Decimal(_)
    ) {
        return Ok(());
    }
    let (text, is_text) = match json.peek() {
        b'"' => (json.string()?.decoded(memory), true),
        b'-' | b'0'..=b'9' => (json.word()?, false),
        _ => return Ok(()),
    };
    let fits = match kind {
        Type::Binary => false,
        Type::Date => times::is_day(text),
        Type::LocalTimestamp => times::is_local(text),
        Type::Integer(_) | Type::Decimal(Decimal { scale: 0, .. }) if is_text => is_whole(text),
        _ if is_text && has_idle_digits(text) => false,
        Type::Float if word(text).is_none() && number::is_number(text) => {
            number::single(text).map_or(true, |value| number::is_kept(text, value.into(), &format!("{value:e}")))
        }
        Type::Double if word(text).is_none() && number::is_number(text) => {
            number::double(text).map_or(true, |value| number::is_kept(text, value, &format!("{value:e}")))
        }
        _ => true,
    };
    if fits { Ok(()) } else { Err(Misfit::Type.into()) }
}

/// Whether a text is what a whole number is written as; one that is no number at all passes. `1.0` and `1e3` may be names.
fn is_whole(text: &[u8]) -> bool {
    match text.strip_prefix(b"-").unwrap_or(text) {
        [b'0'] => text == b"0",
        [b'1'..=b'9', rest @ ..] if rest.iter().all(u8::is_ascii_digit) => true,
        _ => !number::is_number(text),
    }
}

/// Whether a text that is a number, such as `007` or `+7`, is not what the number is written as.
fn has_idle_digits(text: &[u8]) -> bool {
    let digits = text.strip_prefix(b"-").unwrap_or(text);
    matches!(digits, [b'0', b'0'..=b'9', ..] | [b'+', ..]) && number::is_number(text)
}
