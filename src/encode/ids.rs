//! Ids of rows: UUIDs version 7 that ascend within a sync, given out a whole block at a time.
//!
//! A range of ids is a first id and a count; row i has the first plus i. Nothing is stored per row, and the ids of a
//! block are known before it is encoded. Layout (RFC 9562, section 5.7, method 1 and 3): 48 bits of milliseconds, 12
//! bits that count ranges within one millisecond, 61 random bits per range that then count up.

use uuid::Uuid;

use crate::schema::stats::Span;

/// Gives out ranges of ids, each above all earlier ones.
pub struct IdGenerator {
    last_ms: u64,
    sequence: u64,
    random: fn() -> u64,
}

/// Consecutive ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IdRange {
    first: u128,
    count: u64,
}

/// Length of an id's text.
pub const ID_LENGTH: usize = uuid::fmt::Hyphenated::LENGTH;

/// 12 bits count the ranges of one millisecond.
const SEQUENCES: u64 = 1 << 12;

impl IdGenerator {
    /// A generator; `random` returns 64 random bits.
    pub fn new(random: fn() -> u64) -> Self {
        Self { last_ms: 0, sequence: 0, random }
    }

    /// A range of `count` ids at `now_ms`, milliseconds since the epoch. The ids ascend even if the clock goes back.
    pub fn range(&mut self, now_ms: i64, count: u64) -> IdRange {
        let now = u64::try_from(now_ms).unwrap_or(0);
        if now > self.last_ms {
            self.last_ms = now;
            self.sequence = 0;
        } else {
            self.sequence += 1;
            if self.sequence == SEQUENCES {
                self.last_ms += 1;
                self.sequence = 0;
            }
        }
        let random = (self.random)() >> 3;
        let high = (self.last_ms & 0xffff_ffff_ffff) << 16 | 0x7000 | self.sequence;
        let low = 0x8000_0000_0000_0000 | random;
        IdRange { first: u128::from(high) << 64 | u128::from(low), count }
    }
}

impl IdRange {
    /// How many ids it has.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The number of the first id: its 16 bytes. Those of the others follow.
    pub fn first_number(&self) -> u128 {
        self.first
    }

    /// The texts of the first and the last id.
    pub fn span(&self) -> Span<String> {
        Span { first: self.first(), last: self.last() }
    }

    /// The text of the first id.
    fn first(&self) -> String {
        Uuid::from_u128(self.first).hyphenated().to_string()
    }

    /// The text of the last id; the first one's for an empty range.
    fn last(&self) -> String {
        Uuid::from_u128(self.first + u128::from(self.count.saturating_sub(1))).hyphenated().to_string()
    }

    /// All texts, one after the other, each [`ID_LENGTH`] bytes.
    pub fn texts(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(usize::try_from(self.count).unwrap_or(0) * ID_LENGTH);
        let mut text = [0; ID_LENGTH];
        for i in 0..u128::from(self.count) {
            let id = Uuid::from_u128(self.first + i).hyphenated();
            out.extend_from_slice(id.encode_lower(&mut text).as_bytes());
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::random;

    #[test]
    fn ids_are_version_7_and_ascend_whatever_the_clock_does() {
        let mut generator = IdGenerator::new(random);
        let mut all = Vec::new();
        for now in [1_795_177_271_874, 1_795_177_271_874, 5, 1_795_177_271_900, -1] {
            let range = generator.range(now, 3);
            let texts = range.texts();
            assert!(texts.starts_with(range.first().as_bytes()) && texts.ends_with(range.last().as_bytes()));
            all.extend(texts.chunks(ID_LENGTH).map(|text| String::from_utf8_lossy(text).into_owned()));
        }
        for _ in 0..2 * SEQUENCES {
            all.push(generator.range(0, 1).first());
        }
        assert!(all.is_sorted_by(|a, b| a < b));
        for id in all {
            let id = Uuid::parse_str(&id).unwrap_or_default();
            assert_eq!((id.get_version_num(), id.get_variant()), (7, uuid::Variant::RFC4122));
        }
    }

    #[test]
    fn the_time_in_an_id_is_the_clocks() {
        let range = IdGenerator::new(|| u64::MAX).range(0x0123_4567_89ab, 1);
        assert_eq!(range.first(), "01234567-89ab-7000-9fff-ffffffffffff");
    }
}
