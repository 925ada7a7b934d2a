//! Which column of a table a column of the stream is, by their names.
//!
//! Names alone do not say it where properties clash, such as `id` and `ID`: one of them has the name, the other one a hash, and
//! which is which must not depend on the properties that a later schema happens to have. So what the table has decides.

use std::collections::HashMap;

use crate::schema::columns::{Column, Source};
use crate::schema::naming::{column_name, with_hash};
use crate::schema::table_type::FoundColumn;

/// The pairs of a stream's columns and a table's.
pub struct Pairs {
    /// For each column of the stream, the place of the table's.
    pub found: Vec<Option<usize>>,
    /// For each column of the table, that of the stream's.
    pub wanted: Vec<Option<usize>>,
    /// For each column of the stream, the name that the table does not have yet where it has to be added.
    pub new_names: Vec<String>,
}

/// Pairs `wanted` with `found`.
pub fn pairs(wanted: &[&Column], found: &[FoundColumn]) -> Pairs {
    let exact: HashMap<&str, usize> = found.iter().enumerate().map(|(at, column)| (&*column.name, at)).collect();
    let folded: HashMap<String, usize> =
        found.iter().enumerate().rev().map(|(at, column)| (column.name.to_lowercase(), at)).collect();
    let (mut equal, mut clashing): (HashMap<String, usize>, HashMap<String, usize>) = Default::default();
    for name in wanted.iter().filter_map(|column| property(column)).map(column_name) {
        *clashing.entry(name.to_lowercase()).or_default() += 1;
        *equal.entry(name).or_default() += 1;
    }
    let of_folded = |name: &str| folded.get(&name.to_lowercase()).copied();
    let of_exact = |name: &str| exact.get(name).copied();
    let mut pairs = Pairs { found: vec![None; wanted.len()], wanted: vec![None; found.len()], new_names: Vec::new() };
    pairs.claim(wanted, |column| property(column).is_none().then(|| of_folded(&column.name)).flatten());
    pairs.claim(wanted, |column| of_folded(&hashed(property(column)?)));
    pairs.claim(wanted, |column| {
        let name = column_name(property(column)?);
        // Which of several properties the table's name comes from, nobody knows.
        if equal.get(&name) == Some(&1) { of_exact(&name) } else { None }
    });
    pairs.claim(wanted, |column| match property(column) {
        // The table's may be another's of them.
        Some(property) if clashing.get(&column_name(property).to_lowercase()) > Some(&1) => of_exact(&column.name),
        _ => of_folded(&column.name),
    });
    let name = |column: &&Column| match property(column) {
        Some(property) if of_folded(&column.name).is_some() => hashed(property),
        _ => column.name.clone(),
    };
    pairs.new_names = wanted.iter().map(name).collect();
    pairs
}

impl Pairs {
    /// Gives each column that has none yet the one that `place` says, unless it is another's.
    fn claim(&mut self, wanted: &[&Column], place: impl Fn(&Column) -> Option<usize>) {
        for (at, (column, pair)) in wanted.iter().zip(&mut self.found).enumerate() {
            if pair.is_none()
                && let Some(place) = place(column)
                && let Some(claimed @ None) = self.wanted.get_mut(place)
            {
                (*pair, *claimed) = (Some(place), Some(at));
            }
        }
    }
}

fn property(column: &Column) -> Option<&str> {
    if let Source::Property(property) = &column.source { Some(property) } else { None }
}

fn hashed(property: &str) -> String {
    with_hash(column_name(property), property)
}
