//! Finds the keys that more than one row may have, by a part of their hashes: only rows of these have to be compared.

use super::filter::Filter;

/// The keys of the rows of a load, and those of them that came more than once.
pub struct Shared {
    once: Filter,
    again: Vec<u64>,
    most: usize,
}

impl Shared {
    /// No key yet, with room for `keys`. It keeps `most` hashes of those that come again.
    pub fn with_room(keys: u64, most: usize) -> Self {
        Self { once: Filter::with_room(keys), again: Vec::new(), most }
    }

    /// Adds the key of a row.
    #[inline]
    pub fn add(&mut self, hash: u64) {
        if self.once.insert(hash) && self.again.len() < self.most {
            self.again.push(hash);
        }
    }

    /// All keys, and those that came more than once; `None` where these are too many.
    pub fn end(self) -> (Filter, Option<Vec<u64>>) {
        let is_whole = self.again.len() < self.most;
        (self.once, is_whole.then_some(self.again))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_that_come_again_are_told_as_long_as_they_are_few() {
        let told = |most| {
            let mut shared = Shared::with_room(10, most);
            [3 << 40, 5 << 40, 3 << 40, 7 << 40, 3 << 40].into_iter().for_each(|hash| shared.add(hash));
            let (all, again) = shared.end();
            assert!([3, 5, 7].into_iter().all(|key| all.may_have(key << 40)) && !all.may_have(9 << 40));
            again
        };
        assert_eq!(told(3), Some(vec![3 << 40, 3 << 40]));
        assert_eq!(told(2), None);
    }
}
