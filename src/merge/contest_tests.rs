//! Held against a map of keys.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;

fn hash(key: u8) -> u128 {
    u128::from(key).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835) ^ (u128::from(key) << 58)
}

fn is_written(contest: &Contest) -> bool {
    contest.buckets.iter().any(|bucket| !bucket.written.is_empty())
}

proptest! {
    #[test]
    fn the_newest_row_of_each_key_stays_however_little_memory_there_is(
        rows in prop::collection::vec((0_u8..20, 0_u8..5, any::<bool>()), 0..200),
        limit in prop_oneof![Just(0_usize), 100_usize..3000, Just(usize::MAX / 4)],
    ) {
        let mut contest = Contest::new(limit, Scratch::default());
        let mut newest: BTreeMap<u8, (u8, u32, u32, bool)> = BTreeMap::new();
        let mut versions: BTreeMap<u8, u64> = BTreeMap::new();
        for (number, (key, order, deletes)) in (0_u32..).zip(&rows) {
            let (file, row) = (number % 3, number);
            let is_of_table = file > 0;
            contest.add(Contender { hash: hash(*key), order: &[*order], file, row, deletes: *deletes, is_of_table });
            *versions.entry(*key).or_default() += u64::from(is_of_table);
            let this = (*order, file, row, *deletes);
            newest.entry(*key).and_modify(|best| *best = this.max(*best)).or_insert(this);
        }
        let mut found = BTreeSet::new();
        let parts = parts(rows.len() as u64, 3);
        prop_assert_eq!(parts.iter().map(ExactSizeIterator::len).sum::<usize>(), BUCKETS);
        for part in parts {
            let filter = contest.filter(part.clone())?;
            for key in 0..=u8::MAX {
                let filtered = filtered(hash(key));
                let is_found = is_in(&part, filtered) && filter.may_have(filtered);
                prop_assert!(!is_found || newest.contains_key(&key));
                found.extend(is_found.then_some(key));
            }
        }
        prop_assert_eq!(found, newest.keys().copied().collect());
        let kept: BTreeSet<u32> = newest.values().filter(|best| !best.3).map(|best| best.2).collect();
        let mut lost = contest.finish()?;
        prop_assert_eq!(lost.versions(), versions.values().map(|rows| rows.saturating_sub(1)).sum::<u64>());
        for file in 0..3 {
            let lost = lost.take(file);
            for row in (0..).take(rows.len()).filter(|row| row % 3 == file) {
                prop_assert_eq!(lost.contains(row.into()), !kept.contains(&row), "row {}", row);
            }
        }
    }
}

#[test]
fn equal_rows_leave_one_and_a_hot_key_takes_no_memory() {
    let mut contest = Contest::new(10_000, Scratch::default());
    for row in 0_u32..10_000 {
        let order = &row.to_be_bytes();
        contest.add(Contender { hash: 7, order, file: 0, row, deletes: false, is_of_table: false });
    }
    assert!(!is_written(&contest), "one key stays in memory");
    assert_eq!(contest.finish().unwrap().take(0).len(), 9_999);
}

#[test]
fn buckets_take_no_more_memory_than_they_may_however_it_grows() {
    let limit = 1 << 20;
    let mut contest = Contest::new(limit, Scratch::default());
    let mut most = 0;
    for row in 0_u32..100_000 {
        let hash = u128::from(row).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        contest.add(Contender { hash, order: &[7; 35], file: 0, row, deletes: false, is_of_table: false });
        let taken = |bucket: &Bucket| bucket.entries.capacity() * size_of::<Entry>() + bucket.orders.capacity();
        if row % 16 == 0 {
            most = most.max(contest.buckets.iter().map(taken).sum());
        }
    }
    assert!(is_written(&contest));
    assert!(most <= limit, "{most} bytes");
    assert_eq!(contest.finish().unwrap().take(0).len(), 0);
}
