//! A set of hashes that may take a few others for its own, in a few bytes each: tells which rows of a table can have a key of a load.
//!
//! Most of the hashes that are asked for are not in the set, and most of these are told by a bit: bits of a million hashes are near to the
//! processor, their places are not.

/// In a free place.
const FREE: u32 = 0;
/// Knuth's multiplier: its products' upper bits depend on all bits of a hash.
const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;

/// A set of 64-bit hashes. It says yes to every one of its own, and to about one in a thousand million others.
#[derive(Debug, Default)]
pub struct Filter {
    /// Parts of the hashes, each at the place that the rest of the hash says or at the next free one.
    places: Vec<u32>,
    /// A bit for some hashes, set if one of them is in the set; their number is a power of two, 8 to 16 for each hash.
    bits: Vec<u64>,
}

impl Filter {
    /// An empty set with room for `hashes` hashes.
    pub fn with_room(hashes: u64) -> Self {
        let words = hashes.div_ceil(8).max(1).next_power_of_two();
        let size = |count| usize::try_from(count).unwrap_or(usize::MAX);
        Self { places: vec![FREE; size(places(hashes))], bits: vec![0; size(words)] }
    }

    /// Adds `hash`; whether the set may have had it before. Beyond its room, the set says yes to more others.
    pub fn insert(&mut self, hash: u64) -> bool {
        let part = part(hash);
        let (word, bit) = self.bit(hash);
        if let Some(word) = self.bits.get_mut(word) {
            *word |= bit;
        }
        let (first, count) = (self.first(hash), self.places.len());
        let (behind, before) = self.places.split_at_mut(first);
        for place in before.iter_mut().chain(behind).take(count) {
            if *place == part {
                return true;
            }
            if *place == FREE {
                *place = part;
                return false;
            }
        }
        true
    }

    /// Whether it may have `hash`.
    #[inline]
    pub fn may_have(&self, hash: u64) -> bool {
        let (word, bit) = self.bit(hash);
        self.bits.get(word).is_some_and(|word| word & bit != 0) && self.is_placed(hash)
    }

    fn is_placed(&self, hash: u64) -> bool {
        let part = part(hash);
        let first = self.first(hash);
        let (behind, before) = self.places.split_at(first);
        for place in before.iter().chain(behind) {
            if *place == part {
                return true;
            }
            if *place == FREE {
                return false;
            }
        }
        !self.places.is_empty()
    }

    /// The word that has the bit of a hash, and the bit.
    #[inline]
    fn bit(&self, hash: u64) -> (usize, u64) {
        let mask = (self.bits.len() as u64).wrapping_sub(1);
        // Buckets are told apart by the upper bits, places by all.
        (usize::try_from(hash >> 6 & mask).unwrap_or(0), 1 << (hash & 63))
    }

    /// The place of a hash. All of its bits count: the hashes of one set may begin alike.
    #[inline]
    fn first(&self, hash: u64) -> usize {
        let count = self.places.len() as u128;
        usize::try_from((u128::from(hash.wrapping_mul(SPREAD)) * count) >> 64).unwrap_or(0)
    }
}

/// The lower half of a hash, which is never that of a free place.
#[inline]
fn part(hash: u64) -> u32 {
    ((hash & 0xffff_ffff) as u32).max(1)
}

/// Three places for two hashes.
fn places(hashes: u64) -> u64 {
    hashes + hashes / 2 + 8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_hash_that_was_added_is_found_and_hardly_any_other() {
        let hash = |number: u64| {
            let mut bits = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
            bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            bits ^ (bits >> 31)
        };
        let mut filter = Filter::with_room(100_000);
        (0..100_000).for_each(|number| assert!(!filter.insert(hash(number))));
        assert!(filter.insert(hash(7)));
        assert!((0..100_000).all(|number| filter.may_have(hash(number))));
        let others = (100_000..1_100_000).filter(|number| filter.may_have(hash(*number))).count();
        assert!(others <= 1, "{others}");
        assert!(!Filter::default().may_have(7));
        // More than it has room for: it finds all of its own still.
        let mut small = Filter::with_room(10);
        (0..1000).for_each(|number| _ = small.insert(hash(number)));
        assert!((0..1000).all(|number| small.may_have(hash(number))));
    }
}
