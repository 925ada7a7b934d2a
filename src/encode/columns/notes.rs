//! What is recorded for a row beside its columns' values: changed values, and properties without a column.

use std::ops::Range;

use super::json::{Raw, Text};
use super::misfit::Misfit;

/// The notes of a row, in memory that the next row uses again.
#[derive(Default)]
pub struct Notes {
    changes: Vec<Change>,
    entries: Vec<Entry>,
    bytes: Vec<u8>,
    sorted: Vec<usize>,
}

/// How many notes there are.
#[derive(Debug, Clone, Copy)]
pub struct Mark {
    changes: usize,
    entries: usize,
}

/// A value that is not what the source sent.
struct Change {
    field: Range<usize>,
    misfit: Misfit,
}

/// A property, as texts.
struct Entry {
    key: Range<usize>,
    value: Range<usize>,
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

impl Path<'_> {
    /// Appends the keys, joined by dots; with the numbers of items, too, if `items`.
    fn append_to(&self, out: &mut Vec<u8>, items: bool) {
        if let Some(parent) = self.parent {
            parent.append_to(out, items);
        }
        match self.step {
            Step::Key(key) => {
                if self.parent.is_some() {
                    out.push(b'.');
                }
                out.extend_from_slice(key);
            }
            Step::Item(number) if items => out.extend_from_slice(format!(".{number}").as_bytes()),
            Step::Item(_) => {}
        }
    }
}

impl Notes {
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
        self.entries.clear();
        self.bytes.clear();
    }

    /// Takes back the notes on the value at `path` and on those in it.
    pub fn forget(&mut self, path: &Path<'_>) {
        if self.changes.is_empty() && self.entries.is_empty() {
            return;
        }
        let mut with_items = Vec::new();
        path.append_to(&mut with_items, true);
        let mut prefix = Vec::new();
        path.append_to(&mut prefix, false);
        let bytes = &self.bytes;
        let within = |range: &Range<usize>, prefix: &[u8]| {
            let rest = bytes.get(range.clone()).and_then(|name| name.strip_prefix(prefix));
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(b"."))
        };
        self.changes.retain(|change| !within(&change.field, &prefix));
        self.entries.retain(|entry| !within(&entry.key, &with_items));
    }

    /// Notes that the value at `path` is not what the source sent. Of the items of a list, one is enough.
    pub fn change(&mut self, path: &Path<'_>, misfit: Misfit) -> bool {
        let begin = self.bytes.len();
        path.append_to(&mut self.bytes, false);
        let field = self.bytes.get(begin..).unwrap_or_default();
        let is_same = |change: &Change| change.misfit == misfit && self.bytes.get(change.field.clone()) == Some(field);
        if self.changes.iter().any(is_same) {
            self.bytes.truncate(begin);
            return false;
        }
        self.changes.push(Change { field: begin..self.bytes.len(), misfit });
        true
    }

    /// The changes: field, and what became of its value.
    pub fn changes(&self) -> impl Iterator<Item = (&[u8], Misfit)> {
        self.changes.iter().map(|change| (self.bytes.get(change.field.clone()).unwrap_or_default(), change.misfit))
    }

    /// Keeps a property as text under its path.
    pub fn keep_at(&mut self, path: &Path<'_>, value: Raw<'_>) {
        let begin = self.bytes.len();
        path.append_to(&mut self.bytes, true);
        self.keep_behind(begin, value);
    }

    /// Keeps a property as text under `name`.
    pub fn keep(&mut self, name: &[u8], value: Raw<'_>) {
        let begin = self.bytes.len();
        self.bytes.extend_from_slice(name);
        self.keep_behind(begin, value);
    }

    /// Keeps a property as text under its key.
    pub fn keep_under(&mut self, key: Text<'_>, value: Raw<'_>) {
        let begin = self.bytes.len();
        key.append_to(&mut self.bytes);
        self.keep_behind(begin, value);
    }

    fn keep_behind(&mut self, begin: usize, value: Raw<'_>) {
        let key = begin..self.bytes.len();
        value.append_as_text(&mut self.bytes);
        self.entries.push(Entry { value: key.end..self.bytes.len(), key });
    }

    /// The properties kept since `mark`; of those with the same name, the last. `None` if there are none.
    pub fn kept_since(&mut self, mark: Mark) -> Option<impl Iterator<Item = (&[u8], &[u8])>> {
        let new = self.entries.get(mark.entries..).filter(|new| !new.is_empty())?;
        let bytes = |range: &Range<usize>| self.bytes.get(range.clone()).unwrap_or_default();
        let key = |at: &usize| new.get(*at).map(|entry| bytes(&entry.key)).unwrap_or_default();
        self.sorted.clear();
        self.sorted.extend(0..new.len());
        if new.len() > 1 {
            self.sorted.sort_by(|one, other| key(one).cmp(key(other)).then(other.cmp(one)));
            self.sorted.dedup_by(|later, kept| key(later) == key(kept));
            self.sorted.sort_unstable();
        }
        Some(
            self.sorted
                .iter()
                .filter_map(move |at| new.get(*at))
                .map(move |entry| (bytes(&entry.key), bytes(&entry.value))),
        )
    }
}
