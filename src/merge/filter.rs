//! A set of hashes that may take a few others for its own, in a few bytes each: tells which rows of a table can have a key of a load.

/// In a free place.
const FREE: u32 = 0;
/// Knuth's multiplier: its products' upper bits depend on all bits of a hash.
const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;

/// A set of 64-bit hashes. It says yes to every one of its own, and to about one in a thousand million others.
#[derive(Debug, Default)]
pub struct Filter {
    /// Parts of the hashes, each at the place that the rest of the hash says or at the next free one.
    places: Vec<u32>,
}

impl Filter {
    /// An empty set with room for `hashes` hashes.
    pub fn with_room(hashes: u64) -> Self {
        Self { places: vec![FREE; usize::try_from(places(hashes)).unwrap_or(usize::MAX)] }
    }

    /// Adds `hash`; whether the set may have had it before. Beyond its room, the set says yes to everything.
    pub fn insert(&mut self, hash: u64) -> bool {
        let part = part(hash);
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
