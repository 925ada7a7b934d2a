//! When a source emitted a record: in milliseconds, but for PyAirbyte's cache, which sends seconds.

use super::Router;
use crate::error::Result;
use crate::pipeline::refusals;
use crate::protocol::cache::{self, Records};
use crate::protocol::message::Record;

impl Router {
    /// The time in microseconds since 1970; `None` where that is beyond all times.
    ///
    /// # Errors
    /// The record shows that the tables were opened with names that the records do not have.
    pub(super) fn emitted_at(&mut self, record: &Record<'_>) -> Result<Option<i64>> {
        if let Records::Unknown { are_renamed } = self.come_from {
            self.see_first(record, are_renamed)?;
        }
        Ok(match self.come_from {
            Records::OfCache => cache::emitted_at(record),
            Records::OfSource | Records::Unknown { .. } => record.emitted_at.checked_mul(1000),
        })
    }

    #[cold]
    fn see_first(&mut self, record: &Record<'_>, are_renamed: bool) -> Result<()> {
        // Two columns alone may also be those of a source that reads tables which Airbyte has loaded.
        let is_of_cache = cache::is_in_seconds(record) && cache::is_of_cache(record.data);
        if is_of_cache && are_renamed {
            return Err(refusals::renamed(self.at(0)));
        }
        self.come_from = if is_of_cache { Records::OfCache } else { Records::OfSource };
        Ok(())
    }
}
