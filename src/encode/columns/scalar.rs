//! Scalar values by the rules of the layout `columns`: a value is converted exactly, or does not fit.

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use super::column::Values;
use super::exact;
use super::json::Json;
use super::misfit::Misfit;
use super::number;
use super::plan::Type;
use super::reader::{Failure, Result};
use super::times::{self, Micros, Style};
use crate::schema::kind::Bits;

/// Base64 as RFC 4648 has it, with its padding. Bits that no byte takes may be anything, as in Java.
pub const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::RequireCanonical),
);

/// Appends the value that follows, which is not null; returns what it lost, if it did. `is_exact`: the column has a table's type and
/// not the stream's, and takes nothing that would not be read from it as the source sent it.
#[inline]
pub fn append(
    kind: &Type,
    values: &mut Values,
    json: &mut Json<'_>,
    memory: &mut Vec<u8>,
    is_exact: bool,
) -> Result<Option<Misfit>> {
    let (mut is_rounded, mut is_replaced) = (false, false);
    if is_exact {
        let begin = json.place();
        exact::ensure(kind, json, memory)?;
        json.back_to(begin);
    }
    match (kind, values) {
        (Type::Text, Values::Bytes(bytes)) => {
            if json.peek() == b'"' {
                let text = json.string()?;
                bytes.push(|out| is_replaced = text.append_to(out));
            } else {
                let raw = json.skip()?;
                bytes.push(|out| raw.append_to(out));
            }
        }
        (Type::Json, Values::Bytes(bytes)) => {
            let raw = json.skip()?;
            bytes.push(|out| raw.append_to(out));
        }
        (Type::Boolean, Values::Boolean(bits)) => bits.append(boolean(json)?),
        (Type::Integer(Bits::B64), Values::Int64(values)) => values.push(number(json, memory, number::integer)?),
        (Type::Integer(bits), Values::Int32(values)) => {
            let (least, most) = match bits {
                Bits::B8 => (i8::MIN.into(), i8::MAX.into()),
                Bits::B16 => (i16::MIN.into(), i16::MAX.into()),
                Bits::B32 | Bits::B64 => (i32::MIN, i32::MAX),
            };
            let value = i32::try_from(number(json, memory, number::integer)?).map_err(|_| Misfit::Size)?;
            if value < least || value > most {
                return Err(Misfit::Size.into());
            }
            values.push(value);
        }
        (Type::Float, Values::Float(values)) => values.push(number(json, memory, |text| match word(text) {
            Some(value) => Ok(value as f32),
            None => number::single(text),
        })?),
        (Type::Double, Values::Double(values)) => values.push(number(json, memory, |text| match word(text) {
            Some(value) => Ok(value),
            None => number::double(text),
        })?),
        (Type::Decimal(decimal), Values::Decimal(values, _)) => {
            let scaled = number(json, memory, |text| number::scaled(text, *decimal))?;
            if scaled.is_rounded && decimal.scale == 0 {
                // A column of whole numbers.
                return Err(Misfit::Type.into());
            }
            values.push(scaled.value);
            is_rounded = scaled.is_rounded;
        }
        (Type::Date, Values::Date(values)) => {
            values.push(day_of_readers(text(json, memory, |text| times::date(text, Style::Columns))?)?);
        }
        (Type::Time, Values::Int64(values)) => {
            values.push(micros(json, memory, |text| times::time(text, Style::Columns), &mut is_rounded)?);
        }
        (Type::Timestamp, Values::Timestamp(values)) => {
            let micros = micros(json, memory, |text| times::timestamp(text, Style::Columns), &mut is_rounded)?;
            values.push(micros_of_readers(micros)?);
        }
        (Type::LocalTimestamp, Values::LocalTimestamp(values)) => {
            let micros = micros(json, memory, |text| times::local_timestamp(text, Style::Columns), &mut is_rounded)?;
            values.push(micros_of_readers(micros)?);
        }
        (Type::Binary, Values::Bytes(bytes)) => {
            let decoded = text(json, memory, |text| BASE64.decode(text).ok())?;
            bytes.push(|out| out.extend_from_slice(&decoded));
        }
        _ => return Err(Misfit::Type.into()),
    }
    Ok(match (is_rounded, is_replaced) {
        (true, _) => Some(Misfit::Rounded),
        (_, true) => Some(Misfit::Replaced),
        _ => None,
    })
}

/// 0001-01-01 and the day behind 9999-12-31, in days since 1970-01-01. Python has no other days, so readers made with it fail on them:
/// <https://docs.python.org/3/library/datetime.html#datetime.MINYEAR>.
const DAYS: std::ops::Range<i32> = -719_162..2_932_897;
const MICROS_OF_DAY: i64 = 86_400_000_000;

/// A day that readers show.
pub fn day_of_readers(day: i32) -> Result<i32> {
    if DAYS.contains(&day) { Ok(day) } else { Err(Misfit::Size.into()) }
}

/// A time in microseconds since 1970-01-01 on a day that readers show.
pub fn micros_of_readers(micros: i64) -> Result<i64> {
    let day = micros.div_euclid(MICROS_OF_DAY);
    if (DAYS.start.into()..DAYS.end.into()).contains(&day) { Ok(micros) } else { Err(Misfit::Size.into()) }
}

/// A boolean; nothing else is one.
pub fn boolean(json: &mut Json<'_>) -> Result<bool> {
    if !matches!(json.peek(), b't' | b'f') {
        return Err(Misfit::Type.into());
    }
    match json.word()? {
        b"true" => Ok(true),
        b"false" => Ok(false),
        _ => Err(Failure::Malformed),
    }
}

/// What `read` makes of a string; a value that is none, or of which it makes nothing, does not fit.
#[inline]
pub fn text<T>(json: &mut Json<'_>, memory: &mut Vec<u8>, read: impl FnOnce(&[u8]) -> Option<T>) -> Result<T> {
    if json.peek() != b'"' {
        return Err(Misfit::Type.into());
    }
    Ok(read(json.string()?.decoded(memory)).ok_or(Misfit::Type)?)
}

#[inline]
fn micros(
    json: &mut Json<'_>,
    memory: &mut Vec<u8>,
    read: impl FnOnce(&[u8]) -> Option<Micros>,
    is_rounded: &mut bool,
) -> Result<i64> {
    let Micros { value, is_cut } = text(json, memory, read)?;
    *is_rounded = is_cut;
    Ok(value)
}

/// What `parse` makes of a number, or of a string that is one.
#[inline]
fn number<T>(
    json: &mut Json<'_>,
    memory: &mut Vec<u8>,
    parse: impl FnOnce(&[u8]) -> std::result::Result<T, Misfit>,
) -> Result<T> {
    match json.peek() {
        b'-' | b'0'..=b'9' => Ok(parse(json.word()?)?),
        b'"' => {
            let text = json.string()?.decoded(memory);
            if number::is_number(text) || word(text).is_some() { Ok(parse(text)?) } else { Err(Misfit::Type.into()) }
        }
        _ => Err(Misfit::Type.into()),
    }
}

/// The values that have no number: in JSON they are words in quotes.
pub fn word(text: &[u8]) -> Option<f64> {
    match text {
        b"NaN" => Some(f64::NAN),
        b"Infinity" | b"+Infinity" => Some(f64::INFINITY),
        b"-Infinity" => Some(f64::NEG_INFINITY),
        _ => None,
    }
}
