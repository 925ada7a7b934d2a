//! Keys that come again and again in one object: of each field only the last value is read.
//!
//! A key that comes twice is read twice, and what was noted of its first value is searched and forgotten. From [`MANY`] such keys on
//! that would take a time that grows with the square of the object's length, so the rest of the object is looked through for the
//! last value of each field, and the others are passed over.

use super::json::{Json, Malformed};
use super::plan::Fields;

/// So many repeated keys are read as they come.
const MANY: u32 = 16;

/// The repeated keys of an object so far.
#[derive(Default)]
pub struct Repeated {
    count: u32,
    /// Where the last value of each field begins; known from [`MANY`] repeated keys on.
    last: Option<Vec<usize>>,
}

impl Repeated {
    /// A value of the field `at` follows in `json`, which had one before if `again`: whether a later one replaces it. `memory` is for
    /// keys with escapes.
    #[inline]
    pub fn is_replaced(
        &mut self,
        at: usize,
        again: bool,
        fields: &Fields,
        json: &mut Json<'_>,
        memory: &mut Vec<u8>,
    ) -> Result<bool, Malformed> {
        if again {
            self.count += 1;
            if self.count == MANY {
                self.last = Some(last_values(at, fields, json, memory)?);
            }
        }
        Ok(self.last.as_ref().and_then(|last| last.get(at)).is_some_and(|last| *last != json.place()))
    }
}

/// Where the last value of each field begins that follows in the object, the first of which is one of the field `at`.
fn last_values(
    mut at: usize,
    fields: &Fields,
    json: &mut Json<'_>,
    memory: &mut Vec<u8>,
) -> Result<Vec<usize>, Malformed> {
    let begin = json.place();
    let mut last = vec![0; fields.all.len()];
    let mut next = at + 1;
    loop {
        if let Some(last) = last.get_mut(at) {
            *last = json.place();
        }
        json.skip()?;
        let Some(key) = json.key(&mut false)? else { break };
        at = fields.find(key.exact(memory), &mut next).unwrap_or(usize::MAX);
    }
    json.back_to(begin);
    Ok(last)
}
