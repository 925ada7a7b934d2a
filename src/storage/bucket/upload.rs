//! A file that is written to a bucket: one put if it is small, else parts that are sent in the background.
//!
//! Bytes are collected until they make a part. A part waits for its turn among all uploads' parts, and the caller waits with
//! it, so that a slow store slows reading. Parts are sent at the same time, in any order, and each may be repeated. Parts have
//! equal lengths, as some stores demand; after every thousand the length doubles, so that the ten thousand parts that a store
//! allows make the largest object it accepts, 5 TiB.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use object_store::multipart::PartId;
use object_store::path::Path;
use object_store::{MultipartId, ObjectStoreExt, PutMode, PutPayload, Result as StoreResult};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::{Action, Bucket, retry_while_cut};
use crate::error::{Error, Result};

/// Length of the first parts. No part but the last may be shorter than 5 MiB.
pub(super) const SMALLEST_PART: usize = 6 << 20;
/// Parts of one length.
const PARTS_OF_ONE_LENGTH: usize = 1000;

/// A file that is being written.
pub struct ObjectUpload {
    bucket: Arc<Bucket>,
    path: Path,
    waiting: VecDeque<Bytes>,
    waiting_bytes: usize,
    size: u64,
    parts: Option<Parts>,
}

struct Parts {
    id: MultipartId,
    begun: usize,
    sending: JoinSet<StoreResult<(usize, PartId)>>,
    sent: Vec<(usize, PartId)>,
}

/// The length of the part with the number `part`, counted from 0.
fn part_length(part: usize) -> usize {
    SMALLEST_PART << (part / PARTS_OF_ONE_LENGTH).min(10)
}

impl ObjectUpload {
    pub(super) fn new(bucket: Arc<Bucket>, path: Path) -> Self {
        Self { bucket, path, waiting: VecDeque::new(), waiting_bytes: 0, size: 0, parts: None }
    }

    /// Takes the next bytes.
    pub(in crate::storage) async fn write(&mut self, bytes: Vec<u8>) -> Result<()> {
        self.size += bytes.len() as u64;
        self.waiting_bytes += bytes.len();
        self.waiting.push_back(bytes.into());
        loop {
            let length = part_length(self.parts.as_ref().map_or(0, |parts| parts.begun));
            if self.waiting_bytes < length {
                return Ok(());
            }
            self.send(length).await?;
        }
    }

    /// Ends the file.
    pub(in crate::storage) async fn finish(mut self) -> Result<()> {
        if self.parts.is_none() {
            let payload = self.take(self.waiting_bytes);
            let _permit = self.permit(payload.content_length()).await;
            let put = self.bucket.store.put_opts(&self.path, payload, PutMode::Overwrite.into()).await;
            return put.map(|_| ()).map_err(|error| self.failed(error));
        }
        let ended = self.end_parts().await;
        if ended.is_err() {
            self.abort_parts().await;
        }
        ended
    }

    /// Aborts the file.
    pub(in crate::storage) async fn abort(mut self) {
        self.abort_parts().await;
    }

    async fn end_parts(&mut self) -> Result<()> {
        if self.waiting_bytes > 0 {
            self.send(self.waiting_bytes).await?;
        }
        let Some(mut parts) = self.parts.take() else { return Ok(()) };
        while let Some(sent) = parts.sending.join_next().await {
            parts.sent.push(self.arrived(sent)?);
        }
        parts.sent.sort_by_key(|(number, _)| *number);
        let ids: Vec<PartId> = parts.sent.iter().map(|(_, id)| id.clone()).collect();
        let (bucket, path, id) = (&self.bucket, &self.path, &parts.id);
        let ended =
            retry_while_cut(bucket.timeouts.request_retry, || bucket.parts.complete_multipart(path, id, ids.clone()));
        match ended.await {
            Ok(_) => Ok(()),
            // It may have ended and the answer be lost. No other file ever has this name.
            Err(error) => match timeout(bucket.timeouts.clean_up(), bucket.store.head(path)).await {
                Ok(Ok(there)) if there.size == self.size => Ok(()),
                _ => {
                    self.parts = Some(parts);
                    Err(self.failed(error))
                }
            },
        }
    }

    async fn send(&mut self, length: usize) -> Result<()> {
        let permit = self.permit(length).await;
        let payload = self.take(length);
        let mut parts = match self.parts.take() {
            Some(parts) => parts,
            None => {
                let begun = retry_while_cut(self.bucket.timeouts.request_retry, || {
                    self.bucket.parts.create_multipart(&self.path)
                });
                let id = begun.await.map_err(|error| self.failed(error))?;
                Parts { id, begun: 0, sending: JoinSet::new(), sent: Vec::new() }
            }
        };
        let (bucket, path, id, number) = (Arc::clone(&self.bucket), self.path.clone(), parts.id.clone(), parts.begun);
        parts.begun += 1;
        parts.sending.spawn(async move {
            let sent = retry_while_cut(bucket.timeouts.request_retry, || {
                bucket.parts.put_part(&path, &id, number, payload.clone())
            });
            let sent = sent.await.map(|id| (number, id));
            drop(permit);
            sent
        });
        // A failure is returned as soon as it is known.
        let mut arrived = Ok(());
        while let Some(sent) = parts.sending.try_join_next() {
            match self.arrived(sent) {
                Ok(sent) => parts.sent.push(sent),
                Err(error) => arrived = Err(error),
            }
        }
        self.parts = Some(parts);
        arrived
    }

    fn arrived(&self, sent: Result<StoreResult<(usize, PartId)>, tokio::task::JoinError>) -> Result<(usize, PartId)> {
        match sent {
            Ok(sent) => sent.map_err(|error| self.failed(error)),
            Err(error) => Err(Error::system("A task of an upload ended unexpectedly.").with_source(error)),
        }
    }

    /// A permit to have `bytes` in flight; a part larger than the limit is in flight alone.
    async fn permit(&self, bytes: usize) -> Option<tokio::sync::OwnedSemaphorePermit> {
        let bytes = u32::try_from(bytes.min(self.bucket.sent_at_once)).unwrap_or(u32::MAX);
        // Never closed.
        Arc::clone(&self.bucket.sending).acquire_many_owned(bytes).await.ok()
    }

    /// The first `length` bytes that wait.
    fn take(&mut self, length: usize) -> PutPayload {
        let mut taken = Vec::new();
        let mut missing = length;
        while missing > 0
            && let Some(mut bytes) = self.waiting.pop_front()
        {
            if bytes.len() > missing {
                self.waiting.push_front(bytes.split_off(missing));
            }
            missing -= bytes.len();
            taken.push(bytes);
        }
        self.waiting_bytes -= length - missing;
        taken.into_iter().collect()
    }

    async fn abort_parts(&mut self) {
        let Some(mut parts) = self.parts.take() else { return };
        // A part that arrives after the abort would stay.
        parts.sending.shutdown().await;
        let timeouts = self.bucket.timeouts;
        let ended =
            retry_while_cut(timeouts.request_retry, || self.bucket.parts.abort_multipart(&self.path, &parts.id));
        match timeout(timeouts.clean_up(), ended).await {
            Ok(Ok(()) | Err(object_store::Error::NotFound { .. })) => {}
            Err(_) => tracing::warn!("The upload of {} was not aborted in time: the next sync does it.", self.path),
            Ok(Err(error)) => {
                let error = self.bucket.failed(Action::Abort, &self.path, error);
                tracing::warn!("{}", error.internal_message());
            }
        }
    }

    fn failed(&self, error: object_store::Error) -> Error {
        self.bucket.failed(Action::Put, &self.path, error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_thousand_parts_make_the_largest_object() {
        let largest: u64 = (0..10_000).map(|part| part_length(part) as u64).sum();
        assert!(largest >= 5 << 40, "{largest}");
        assert!(part_length(0) >= 5 << 20 && part_length(999) == part_length(0));
    }
}
