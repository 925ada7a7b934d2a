//! What is recorded for a row beside its columns' values: changed values, and properties without a column.

use std::collections::HashSet;
use std::ops::Range;

use super::json::{Raw, Text};
use super::misfit::Misfit;

/// The notes of a row, in memory that the next row uses again.
#[derive(Default)]
pub struct Notes {
    changes: Vec<Change>,
    /// Where those of the column that is read begin.
    column: usize,
    entries: Vec<Entry>,
    bytes: Vec<u8>,
    sorted: Vec<usize>,
    /// Properties without a column are not recorded.
    drops_others: bool,
}

/// How many notes there are.
#[derive(Debug, Clone, Copy)]
pub struct Mark {
    changes: usize,
    entries: usize,
}

/// A value that is not what the source sent.
struct Change {
    path: Range<usize>,
    misfit: Misfit,
    /// Whether it counts by itself, because rows are taken for others.
    is_guarded: bool,
}

/// A property, as texts.
struct Entry {
    /// What tells it from all others: a path with [`KEY`] and [`ITEM`] between its steps.
    path: Range<usize>,
    /// Its name in the column.
    name: Range<usize>,
    /// `None`: the last value of its key is null.
    value: Option<Range<usize>>,
    /// Whether the value does not fit the column of its key.
    is_misfit: bool,
}

/// The way to a value.
#[derive(Clone, Copy)]
pub struct Path<'a> {
    /// The way to the object or the list that it is in; `None` for a column.
    pub parent: Option<&'a Path<'a>>,
    /// Its step from there.
    pub step: Step<'a>,
}

/// A step to a value.
#[derive(Clone, Copy)]
pub enum Step<'a> {
    /// The value of a key.
    Key(&'a [u8]),
    /// An item of a list, counted from 0.
    Item(usize),
}

/// In front of a key and of an item's number in paths: bytes that no text has, as keys may have dots.
const KEY: u8 = 0xff;
const ITEM: u8 = 0xfe;

impl Path<'_> {
    /// Appends the steps; with the numbers of items, too, if `items`.
    fn append_to(&self, out: &mut Vec<u8>, items: bool) {
        if let Some(parent) = self.parent {
            parent.append_to(out, items);
        }
        match self.step {
            Step::Key(key) => {
                if self.parent.is_some() {
                    out.push(KEY);
                }
                out.extend_from_slice(key);
            }
            Step::Item(number) if items => {
                out.push(ITEM);
                out.extend_from_slice(number.to_string().as_bytes());
            }
            Step::Item(_) => {}
        }
    }
}

fn with_dots(path: &mut [u8]) {
    path.iter_mut().filter(|byte| matches!(**byte, KEY | ITEM)).for_each(|byte| *byte = b'.');
}

impl Notes {
    /// Notes without properties that have no column.
    pub fn without_others(drops_others: bool) -> Self {
        Self { drops_others, ..Self::default() }
    }

    /// How many notes there are, to take later ones back.
    pub fn mark(&self) -> Mark {
        Mark { changes: self.changes.len(), entries: self.entries.len() }
    }

    /// Takes back all notes since `mark`.
    pub fn take_back(&mut self, mark: Mark) {
        self.changes.truncate(mark.changes);
        self.entries.truncate(mark.entries);
    }

    /// Takes back all properties that were kept since `mark`.
    pub fn take_back_kept(&mut self, mark: Mark) {
        self.entries.truncate(mark.entries);
    }

    /// Takes back all notes.
    pub fn clear(&mut self) {
        self.changes.clear();
        self.column = 0;
        self.entries.clear();
        self.bytes.clear();
    }

    /// Takes back the notes since `mark` on the value at `path` and on those in it; returns how many changes those were.
    pub fn forget(&mut self, mark: Mark, path: &Path<'_>) -> usize {
        if self.entries.len() > mark.entries {
            let (mut prefix, bytes) = (Vec::new(), &self.bytes);
            path.append_to(&mut prefix, true);
            retain_since(&mut self.entries, mark.entries, |entry| !is_within(bytes, &entry.path, &prefix));
        }
        self.forget_changes(mark, path)
    }

    /// Takes back the changes since `mark` of the value at `path` and of those in it; returns how many those were.
    pub fn forget_changes(&mut self, mark: Mark, path: &Path<'_>) -> usize {
        let (before, bytes) = (self.changes.len(), &self.bytes);
        if before > mark.changes {
            let mut prefix = Vec::new();
            path.append_to(&mut prefix, false);
            retain_since(&mut self.changes, mark.changes, |change| !is_within(bytes, &change.path, &prefix));
        }
        before - self.changes.len()
    }

    /// Takes back the values since `mark` that do not fit the column of `key`; returns how many those were.
    pub fn forget_misfits(&mut self, mark: Mark, key: &[u8]) -> usize {
        let (before, bytes) = (self.entries.len(), &self.bytes);
        retain_since(&mut self.entries, mark.entries, |entry| {
            !entry.is_misfit || bytes.get(entry.path.clone()) != Some(key)
        });
        before - self.entries.len()
    }

    /// The value of a column begins.
    pub fn begin_column(&mut self) {
        self.column = self.changes.len();
    }

    /// Notes that the value at `path` is not what the source sent; `is_guarded`: rows are then taken for others. Of the items of a list,
    /// one is enough.
    pub fn change(&mut self, path: &Path<'_>, misfit: Misfit, is_guarded: bool) -> bool {
        let begin = self.bytes.len();
        path.append_to(&mut self.bytes, false);
        let new = self.bytes.get(begin..).unwrap_or_default();
        let is_same = |change: &Change| change.misfit == misfit && self.bytes.get(change.path.clone()) == Some(new);
        if self.changes.iter().skip(self.column).any(is_same) {
            self.bytes.truncate(begin);
            return false;
        }
        self.changes.push(Change { path: begin..self.bytes.len(), misfit, is_guarded });
        true
    }

    /// The changes: field, and what became of its value.
    pub fn changes(&self) -> impl Iterator<Item = (String, Misfit)> {
        self.changes.iter().map(|change| (self.field(change), change.misfit))
    }

    /// The fields of the changes for which rows are taken for others.
    pub fn guarded(&self) -> impl Iterator<Item = String> {
        self.changes.iter().filter(|change| change.is_guarded).map(|change| self.field(change))
    }

    fn field(&self, change: &Change) -> String {
        let mut field = self.bytes.get(change.path.clone()).unwrap_or_default().to_vec();
        with_dots(&mut field);
        String::from_utf8_lossy(&field).into_owned()
    }

    /// Whether a property was kept since `mark`.
    pub fn has_kept_since(&self, mark: Mark) -> bool {
        self.entries.len() > mark.entries
    }

    /// Keeps the property `key` of the object at `parent` as text under its path; `None` if it is null.
    pub fn keep_at(&mut self, parent: Option<&Path<'_>>, key: Text<'_>, value: Option<Raw<'_>>) {
        if self.drops_others {
            return;
        }
        let begin = self.bytes.len();
        if let Some(parent) = parent {
            parent.append_to(&mut self.bytes, true);
            self.bytes.push(KEY);
        }
        let name = self.bytes.len();
        key.append_exactly_to(&mut self.bytes);
        let path = begin..self.bytes.len();
        let name = if parent.is_none() && !key.is_escaped() {
            path.clone()
        } else {
            self.bytes.extend_from_within(begin..name);
            if let Some(copy) = self.bytes.get_mut(path.end..) {
                with_dots(copy);
            }
            key.append_to(&mut self.bytes);
            path.end..self.bytes.len()
        };
        self.keep_behind(path, name, value, false);
    }

    /// Keeps a property as text under `name`; `None` if it is null.
    pub fn keep(&mut self, name: &[u8], value: Option<Raw<'_>>, is_misfit: bool) {
        let begin = self.bytes.len();
        self.bytes.extend_from_slice(name);
        let name = begin..self.bytes.len();
        self.keep_behind(name.clone(), name, value, is_misfit);
    }

    /// Keeps a property that the value of the key `holder` has as text under its key.
    pub fn keep_under(&mut self, holder: &[u8], key: Text<'_>, value: Raw<'_>) {
        let begin = self.bytes.len();
        self.bytes.extend_from_slice(holder);
        self.bytes.push(KEY);
        key.append_exactly_to(&mut self.bytes);
        let path = begin..self.bytes.len();
        key.append_to(&mut self.bytes);
        self.keep_behind(path.clone(), path.end..self.bytes.len(), Some(value), false);
    }

    fn keep_behind(&mut self, path: Range<usize>, name: Range<usize>, value: Option<Raw<'_>>, is_misfit: bool) {
        let begin = self.bytes.len();
        let value = value.map(|value| {
            value.append_as_text(&mut self.bytes);
            begin..self.bytes.len()
        });
        self.entries.push(Entry { path, name, value, is_misfit });
    }

    /// The properties kept since `mark`; of those with the same path, the last. `None` if there are none.
    ///
    /// Of different paths with the same name, all but the one with the fewest steps get a suffix: `a.b`, `a.b#2`.
    pub fn kept_since(&mut self, mark: Mark) -> Option<impl Iterator<Item = (&[u8], &[u8])>> {
        self.sorted.clear();
        self.sorted.extend(mark.entries..self.entries.len());
        if self.sorted.len() > 1 {
            let (entries, bytes) = (&self.entries, &self.bytes);
            let path =
                |at: &usize| entries.get(*at).and_then(|entry| bytes.get(entry.path.clone())).unwrap_or_default();
            self.sorted.sort_unstable_by(|one, other| path(one).cmp(path(other)).then(other.cmp(one)));
            self.sorted.dedup_by(|later, kept| path(later) == path(kept));
            self.sorted.retain(|at| entries.get(*at).is_some_and(|entry| entry.value.is_some()));
            if self.sorted.iter().any(|at| entries.get(*at).is_some_and(|entry| entry.path != entry.name)) {
                self.give_names();
            }
            self.sorted.sort_unstable();
        }
        if self.sorted.is_empty() {
            return None;
        }
        let bytes = |range: &Range<usize>| self.bytes.get(range.clone()).unwrap_or_default();
        let entries = self.sorted.iter().filter_map(|at| self.entries.get(*at));
        Some(entries.filter_map(move |entry| Some((bytes(&entry.name), bytes(entry.value.as_ref()?)))))
    }

    /// Makes the names of the sorted entries different. Which one keeps its name depends on the paths alone, not on their order.
    fn give_names(&mut self) {
        let (entries, bytes) = (&self.entries, &self.bytes);
        let text = |range: fn(&Entry) -> &Range<usize>, at: &usize| {
            entries.get(*at).and_then(|entry| bytes.get(range(entry).clone())).unwrap_or_default()
        };
        let name = |at: &usize| text(|entry| &entry.name, at);
        let path = |at: &usize| text(|entry| &entry.path, at);
        let steps = |at: &usize| path(at).iter().filter(|byte| matches!(**byte, KEY | ITEM)).count();
        self.sorted.sort_by(|one, other| {
            let by_name = name(one).cmp(name(other));
            by_name.then_with(|| steps(one).cmp(&steps(other))).then_with(|| path(one).cmp(path(other)))
        });
        let pairs = self.sorted.iter().zip(self.sorted.iter().skip(1));
        let later: Vec<usize> =
            pairs.filter(|(one, other)| name(one) == name(other)).map(|(_, other)| *other).collect();
        if later.is_empty() {
            return;
        }
        let mut taken: HashSet<Vec<u8>> = self.sorted.iter().map(|at| name(at).to_vec()).collect();
        let (mut before, mut number) = (Vec::new(), 2_usize);
        for at in later {
            let Some(entry) = self.entries.get_mut(at) else { continue };
            let name = self.bytes.get(entry.name.clone()).unwrap_or_default().to_vec();
            if name != before {
                (before, number) = (name, 2);
            }
            let given = loop {
                let given = [&before, format!("#{number}").as_bytes()].concat();
                number += 1;
                if taken.insert(given.clone()) {
                    break given;
                }
            };
            let begin = self.bytes.len();
            self.bytes.extend_from_slice(&given);
            entry.name = begin..self.bytes.len();
        }
    }
}

/// Whether the path at `range` in `bytes` leads to what `prefix` leads to, or into it.
fn is_within(bytes: &[u8], range: &Range<usize>, prefix: &[u8]) -> bool {
    let rest = bytes.get(range.clone()).and_then(|path| path.strip_prefix(prefix));
    rest.is_some_and(|rest| matches!(rest.first(), None | Some(&(KEY | ITEM))))
}

/// Removes those of `all` behind the first `begin` that are not to be kept.
fn retain_since<T>(all: &mut Vec<T>, begin: usize, mut is_kept: impl FnMut(&T) -> bool) {
    let mut at = 0;
    all.retain(|one| {
        at += 1;
        at <= begin || is_kept(one)
    });
}
