//! The end of the input: ends each stream, and tells the user about those that have not ended well.

use std::sync::Arc;

use super::Router;
use crate::counted::names;
use crate::error::{Error, Result, StreamDescriptor};
use crate::pipeline::endings::Verdict;
use crate::pipeline::refusals;

impl Router {
    /// Ends the streams that have not ended yet. The answer names those that are not complete.
    pub(super) fn end_streams(&mut self) -> Result<Vec<StreamDescriptor>> {
        let streams = Arc::clone(&self.streams);
        let (mut incomplete, mut left, mut taken_back) = (Vec::new(), Vec::new(), Vec::new());
        for (stream, descriptor) in streams.iter() {
            let (table_state, records) = (*self.table_states.get(stream)?, self.flow.records(stream)?);
            match self.endings.verdict(stream, table_state, records, self.position > 0, self.records > 0)? {
                Verdict::Finished => {}
                Verdict::Finish => self.flow.finish(stream)?,
                Verdict::UpToItsState => self.flow.close_at_cut(stream)?,
                Verdict::Leave => {
                    self.flow.leave(stream)?;
                    left.push(descriptor);
                }
                Verdict::Fail => {
                    if self.endings.is_taken_back(stream)? {
                        taken_back.push(descriptor);
                    }
                    self.flow.close_at_cut(stream)?;
                    incomplete.push(descriptor.clone());
                }
            }
        }
        if !left.is_empty() {
            tracing::warn!(
                "No record, state or COMPLETE was received for these streams, so their tables are left as they are: {}. If the \
                 source has failed, run the sync again. If a stream is really empty, the source must send COMPLETE.",
                names(&left)
            );
        }
        if !taken_back.is_empty() {
            tracing::warn!(
                "The source sent COMPLETE and later INCOMPLETE for these streams: {}. Rows received before COMPLETE are in their \
                 tables; tables of streams without such rows are left as they are.",
                names(&taken_back)
            );
        }
        Ok(incomplete)
    }

    /// The error that explains why the streams `incomplete` are not complete, if more is known than their names.
    pub(super) fn explain(&self, incomplete: &[StreamDescriptor]) -> Option<Error> {
        let explained = self.strangers.explain(incomplete);
        let Some(at) = self.source_failed.filter(|_| explained.is_none()) else { return explained };
        if incomplete.is_empty() {
            tracing::warn!(
                "{at} is a TRACE of type ERROR: the source reports that it has failed. It had sent COMPLETE for every stream, so \
                 all of them are loaded."
            );
            return None;
        }
        Some(refusals::source_failed(at, incomplete))
    }
}
