//! What is known of rows without reading them: how many there are, and between which ids and times they lie.

/// A first and a last value; both belong to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span<T> {
    /// The smallest value.
    pub first: T,
    /// The largest value.
    pub last: T,
}

impl<T: Ord> Span<T> {
    /// The smallest span that holds both.
    #[must_use]
    pub fn merged(self, other: Self) -> Self {
        Self { first: self.first.min(other.first), last: self.last.max(other.last) }
    }
}

/// Between which texts records lie, whatever they are: that of a JSON object begins with `{`, and white space, `"` or `}` follows
/// (RFC 8259, section 4), all of them less than `~`.
pub const RECORDS: Span<&str> = Span { first: "{", last: "{~" };

/// The statistics of some rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowStats {
    /// How many rows.
    pub rows: u64,
    /// Their ids.
    pub ids: Span<String>,
    /// The times at which they were emitted, in microseconds since the epoch.
    pub emitted_at: Span<i64>,
}

impl RowStats {
    /// `rows` rows of which nothing else is known.
    pub fn counted(rows: u64) -> Self {
        let (ids, emitted_at) =
            (Span { first: String::new(), last: String::new() }, Span { first: i64::MIN, last: i64::MAX });
        Self { rows, ids, emitted_at }
    }

    /// Whether nothing but their number is known.
    pub fn is_only_counted(&self) -> bool {
        self.ids.last.is_empty()
    }

    /// The statistics of both together.
    #[must_use]
    pub fn merged(self, other: Self) -> Self {
        Self {
            rows: self.rows + other.rows,
            ids: self.ids.merged(other.ids),
            emitted_at: self.emitted_at.merged(other.emitted_at),
        }
    }
}
