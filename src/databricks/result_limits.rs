//! How much of a statement's result is held in memory: results here are counts, names and descriptions.

use crate::error::{Error, Result};

/// The most rows of a result.
const MOST_ROWS: u64 = 1_000_000;
/// The most bytes of a result, as it is held.
const MOST_BYTES: usize = 64 << 20;

/// Counts the rows of one result.
#[derive(Debug)]
pub(super) struct ResultLimits {
    /// How many rows there are, if the server says so.
    expected: Option<u64>,
    rows: u64,
    bytes: usize,
}

impl ResultLimits {
    /// Limits for a result of `expected` rows.
    pub(super) fn new(expected: Option<u64>) -> Self {
        Self { expected, rows: 0, bytes: 0 }
    }

    /// Counts one more row.
    ///
    /// # Errors
    /// [`Kind::System`](crate::error::Kind::System) if a limit is exceeded.
    pub(super) fn count(&mut self, row: &[Option<String>]) -> Result<()> {
        self.rows += 1;
        let texts: usize = row.iter().flatten().map(String::len).sum();
        self.bytes += size_of::<Vec<Option<String>>>() + size_of_val(row) + texts;
        if self.expected.is_some_and(|expected| self.rows > expected) {
            return Err(Error::system(format!(
                "Databricks announced a result of {} rows and sent more.",
                self.expected.unwrap_or_default()
            )));
        }
        if self.rows > MOST_ROWS || self.bytes > MOST_BYTES {
            return Err(Error::system(
                "Databricks sent a result of more than a million rows or 64 MiB, more than any statement here asks for.",
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_result_is_bounded_in_rows_and_in_bytes_empty_rows_and_values_included() {
        let most = |expected, row: &[Option<String>]| {
            let mut limits = ResultLimits::new(expected);
            (0..2_000_000).take_while(|_| limits.count(row).is_ok()).count()
        };
        assert_eq!(most(Some(3), &[]), 3);
        assert_eq!(most(None, &[]), 1_000_000);
        assert_eq!(most(None, &[Some("x".repeat(1 << 20))]), 63);
        assert!(most(None, &vec![None; 1000]) < 3000);
    }
}
