//! Values that decide which rows stay: the parts of a primary key, the cursor, and what says that a row was deleted.
//!
//! What does not fit a column is NULL, rounded or cut like in any other column, and [`Notes`](super::notes::Notes) has it. Of these
//! properties it is counted on its own, because rows would be taken for one another. Of a key more counts than is noted of other values:
//! what its type leaves out by its rules (the time behind a day, a zone), and what the rules of the older connector wrap, cut and round.
//! The digits that a floating-point number does not have are not counted: a WARN tells of them before the first record.

use base64::Engine;

use super::json::Json;
use super::misfit::Misfit;
use super::number;
use super::plan::{Rules, Type};
use super::reader::Result;
use super::scalar::BASE64;
use super::times;
use crate::schema::kind::Bits;

/// A property whose values decide which rows stay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Guarded {
    /// The names that lead to it, from the record.
    pub path: Vec<String>,
    /// What it decides.
    pub role: Role,
}

/// What a property decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// It is a part of the key: two values must not become one.
    Key,
    /// It says that a row was deleted: a value must not become none.
    Delete,
    /// It says which row is the newest of its key: a value that becomes none is the oldest.
    Cursor,
}

impl Role {
    /// Whether a value of which this has become decides otherwise.
    pub fn minds(self, misfit: Misfit) -> bool {
        match (self, misfit) {
            (Self::Key, _) | (Self::Delete | Self::Cursor, Misfit::Type | Misfit::Size) => true,
            (Self::Delete | Self::Cursor, Misfit::Rounded | Misfit::Replaced) => false,
        }
    }
}

/// What a value with this `role` that follows in `json`, which is read, loses without a note in a column of the type `kind`: of a cursor, only what
/// the older connector wraps and cuts.
pub fn unnoted(
    role: Role,
    kind: &Type,
    rules: Rules,
    json: &mut Json<'_>,
    memory: &mut Vec<u8>,
) -> Result<Option<Misfit>> {
    match role {
        Role::Key => unnoted_loss(kind, rules, json, memory),
        Role::Cursor if matches!((kind, rules), (Type::Integer(_), Rules::Classic)) => {
            Ok(unnoted_loss(kind, rules, json, memory)?.map(|_| Misfit::Size))
        }
        Role::Cursor | Role::Delete => Ok(None),
    }
}

/// What the value of a key that follows in `json`, which is read, loses without a note in a column of the type `kind`.
fn unnoted_loss(kind: &Type, rules: Rules, json: &mut Json<'_>, memory: &mut Vec<u8>) -> Result<Option<Misfit>> {
    let (text, is_text) = match json.peek() {
        b'"' => {
            let text = json.string()?;
            if matches!(kind, Type::Text) {
                memory.clear();
                return Ok(text.append_to(memory).then_some(Misfit::Replaced));
            }
            (text.decoded(memory), true)
        }
        b'-' | b'0'..=b'9' => (json.word()?, false),
        _ => return Ok(None),
    };
    let is_kept = match (kind, rules) {
        (Type::Date, _) => times::is_day(text),
        (Type::LocalTimestamp, _) => times::is_local(text),
        (Type::Time, _) => times::is_time_of_day(text),
        (Type::Timestamp, Rules::Classic) => times::is_kept_by_classic(text),
        (Type::Integer(bits), Rules::Classic) if !is_text => match (number::integer(text), bits) {
            (Ok(value), Bits::B32) => i32::try_from(value).is_ok(),
            (value, _) => value.is_ok(),
        },
        (Type::Float, Rules::Classic) if number::is_number(text) => number::single(text).is_ok(),
        (Type::Double, Rules::Classic) if number::is_number(text) => number::double(text).is_ok(),
        (Type::Binary, Rules::Classic) => BASE64.decode(text).is_ok_and(|bytes| String::from_utf8(bytes).is_ok()),
        _ => true,
    };
    Ok((!is_kept).then_some(Misfit::Rounded))
}
