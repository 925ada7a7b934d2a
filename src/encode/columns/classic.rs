//! Scalar values by the rules of connector 1.1.x, with json-avro-converter 1.1.0:
//! <https://github.com/airbytehq/json-avro-converter/blob/1.1.0/converter/src/main/java/tech/allegro/schema/json2avro/converter/JsonGenericRecordReader.java>.

use base64::Engine;

use super::column::Values;
use super::json::{Json, Text};
use super::misfit::Misfit;
use super::number;
use super::plan::{Fields, Type};
use super::reader::Result;
use super::scalar::{BASE64, boolean, day_of_readers, micros_of_readers, text, word};
use super::times::{self, Style};
use crate::schema::kind::Bits;
use crate::schema::naming::avro_name;

/// Whether a key with the Avro name `name` holds more properties that the schema does not declare.
pub fn is_undeclared(name: &str) -> bool {
    matches!(name, "_airbyte_additional_properties" | "_ab_additional_properties")
}

/// The field of a key that no property has, by its name in Avro. `memory` is for keys with escapes.
pub fn named(fields: &Fields, key: Text<'_>, memory: &mut Vec<u8>) -> Option<usize> {
    let name = avro_name(&String::from_utf8_lossy(key.decoded(memory)));
    fields.named(&name).filter(|_| !is_undeclared(&name))
}

/// Whether that connector had values of the type; for those of others, the rules of the layout `columns` hold.
pub fn has_rule(kind: &Type) -> bool {
    match kind {
        Type::Json | Type::Decimal(_) | Type::LocalTimestamp | Type::Integer(Bits::B8 | Bits::B16) => false,
        Type::Text | Type::Boolean | Type::Integer(_) | Type::Float | Type::Double => true,
        Type::Date | Type::Time | Type::Timestamp | Type::Binary => true,
        Type::Struct(_) | Type::List(_) | Type::Union(..) | Type::TextMap => true,
    }
}

/// Appends the value that follows, which is not null. `as_text`: any value becomes a text.
pub fn append(
    kind: &Type,
    values: &mut Values,
    json: &mut Json<'_>,
    as_text: bool,
    memory: &mut Vec<u8>,
) -> Result<()> {
    match (kind, values) {
        (Type::Text, Values::Bytes(bytes)) => {
            if json.peek() == b'"' {
                let text = json.string()?;
                bytes.push(|out| _ = text.append_to(out));
            } else if as_text {
                let raw = json.skip()?;
                bytes.push(|out| raw.append_to(out));
            } else {
                return Err(Misfit::Type.into());
            }
        }
        (Type::Boolean, Values::Boolean(bits)) => bits.append(boolean(json)?),
        (Type::Integer(Bits::B64), Values::Int64(values)) => values.push(number(json, memory, number::wrapped, whole)?),
        (Type::Integer(_), Values::Int32(values)) => {
            values.push(number(json, memory, int, |text| i32::try_from(whole(text)?).ok())?);
        }
        (Type::Float, Values::Float(values)) => {
            values.push(number(
                json,
                memory,
                |text| Ok(parse::<f64>(text)? as f32),
                |text| real::<f32>(text, |word| word as f32),
            )?);
        }
        (Type::Double, Values::Double(values)) => {
            values.push(number(json, memory, parse::<f64>, |text| real::<f64>(text, |word| word))?);
        }
        (Type::Date, Values::Date(values)) => {
            values.push(day_of_readers(text(json, memory, |text| times::date(text, Style::Classic))?)?);
        }
        (Type::Time, Values::Int64(values)) => {
            values.push(text(json, memory, |text| times::time(text, Style::Classic))?.value);
        }
        (Type::Timestamp, Values::Timestamp(values)) => {
            let micros = text(json, memory, |text| times::timestamp(text, Style::Classic))?;
            values.push(micros_of_readers(micros.value)?);
        }
        (Type::Binary, Values::Bytes(bytes)) => {
            // What is decoded is taken for a text: bytes that are none become U+FFFD.
            let decoded = text(json, memory, |text| {
                Some(match BASE64.decode(text) {
                    Ok(decoded) => String::from_utf8_lossy(&decoded).into_owned().into_bytes(),
                    Err(_) => text.to_vec(),
                })
            })?;
            bytes.push(|out| out.extend_from_slice(&decoded));
        }
        _ => return Err(Misfit::Type.into()),
    }
    Ok(())
}

/// What `of_number` makes of a number, or `of_text` of a string.
fn number<T>(
    json: &mut Json<'_>,
    memory: &mut Vec<u8>,
    of_number: impl FnOnce(&[u8]) -> std::result::Result<T, Misfit>,
    of_text: impl FnOnce(&[u8]) -> Option<T>,
) -> Result<T> {
    match json.peek() {
        b'-' | b'0'..=b'9' => Ok(of_number(json.word()?)?),
        _ => text(json, memory, of_text),
    }
}

/// A number cast to 32 bits as Java does: one with a point or an exponent stops at the limits, another one keeps its lowest bits.
fn int(text: &[u8]) -> std::result::Result<i32, Misfit> {
    if text.iter().any(|byte| matches!(byte, b'.' | b'e' | b'E')) {
        return Ok(parse::<f64>(text)? as i32);
    }
    Ok(number::wrapped(text)? as i32)
}

/// A text as `Long.parseLong` reads it: a sign and digits.
fn whole(text: &[u8]) -> Option<i64> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// A text as `Double.parseDouble` reads it, but for hexadecimal notation: with blanks around it and Java's suffixes of types.
fn real<F: std::str::FromStr>(text: &[u8], of_word: fn(f64) -> F) -> Option<F> {
    let is_blank = |byte: &u8| *byte <= b' ';
    let begin = text.iter().position(|byte| !is_blank(byte))?;
    let end = text.iter().rposition(|byte| !is_blank(byte))?;
    let text = text.get(begin..=end)?;
    let unsigned = text.strip_prefix(b"+").or(text.strip_prefix(b"-")).unwrap_or(text);
    if let Some(value) = word(text).or((unsigned == b"NaN").then_some(f64::NAN)) {
        return Some(of_word(value));
    }
    let digits = match text {
        [digits @ .., b'd' | b'D' | b'f' | b'F'] => digits,
        digits => digits,
    };
    if number::is_number(digits) { std::str::from_utf8(digits).ok()?.parse().ok() } else { None }
}

fn parse<F: std::str::FromStr>(text: &[u8]) -> std::result::Result<F, Misfit> {
    std::str::from_utf8(text).ok().and_then(|text| text.parse().ok()).ok_or(Misfit::Type)
}
