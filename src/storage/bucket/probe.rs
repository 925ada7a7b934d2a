//! Tries each request that a sync makes once, and reports all problems.
//!
//! A first list or put that fails for another reason than a missing permission (a wrong key, no such bucket, no answer,
//! no store) ends the probe: every other request would fail in the same way. A missing permission for one request says
//! nothing about the others.

use object_store::ObjectStoreExt;
use object_store::path::Path;

use super::{Action, Bucket, Provider, retry_while_cut};
use crate::error::{Error, Problems, Result, Tag};
use crate::storage::Put;

const FIRST: &[u8] = b"written by the check of destination-databricks; may be deleted";
const SECOND: &[u8] = b"must not replace what is there";

impl Bucket {
    /// Tries everything below `folder`, which nobody else uses, and removes what it wrote. The error has all problems and, where
    /// a permission is missing, a policy for `root`, below which all objects of this program are.
    pub(in crate::storage) async fn probe(&self, root: &Path, folder: &Path) -> Result<()> {
        let mut problems = Problems::default();
        let is_listed = match self.has_any(folder).await {
            Err(error) if !error.has(Tag::AccessDenied) => return Err(error),
            listed => problems.note(listed.map(drop)),
        };
        let (put, copied, parts) =
            (folder.clone().join("put"), folder.clone().join("copied"), folder.clone().join("parts"));
        let is_put = match self.put_new(put.clone(), FIRST.to_vec()).await {
            Err(error) if !error.has(Tag::AccessDenied) => return Err(error),
            written => problems.note(written.map(drop)),
        };
        // Without the permission to put, nothing is there; the answer still says whether reading is permitted.
        let is_got = problems.note(self.probe_get(&put, is_put).await);
        if is_put {
            problems.note(self.probe_parts(&parts).await);
            problems.note(self.probe_abort(&parts).await);
        }
        if is_put && is_got {
            problems.note(self.probe_condition(&put).await);
            if self.copies() {
                problems.note(self.copy(put.clone(), copied.clone(), FIRST.len() as u64).await);
            }
        }
        problems.note(self.remove_unfinished(folder, "").await);
        problems.note(self.delete(vec![put, copied, parts]).await);
        let above: Path = folder.parts().take(folder.parts_count().saturating_sub(1)).collect();
        for emptied in [Some(folder), Some(&above).filter(|above| *above != root)].into_iter().flatten() {
            // It lists them.
            if is_listed {
                problems.note(self.remove_folders(emptied).await);
            }
        }
        report(problems, &*self.provider, root)
    }

    /// A second put under the same condition must be refused.
    async fn probe_condition(&self, path: &Path) -> Result<()> {
        match self.put_new(path.clone(), SECOND.to_vec()).await? {
            Put::Exists => Ok(()),
            Put::Created => Err(Error::config(format!(
                "The store of {} ignores the condition If-None-Match: * of a put and replaced the object. Two syncs that \
                 commit to a table at the same time would overwrite each other's commits there, and rows would be lost: \
                 use a store that supports conditional puts.",
                self.uri(path)
            ))),
        }
    }

    async fn probe_get(&self, path: &Path, is_there: bool) -> Result<()> {
        match retry_while_cut(self.timeouts.request_retry, || async move { self.store.get(path).await?.bytes().await })
            .await
        {
            Ok(bytes) if bytes == FIRST || !is_there => Ok(()),
            Ok(_) => Err(Error::config(format!(
                "The object {} came back changed: use a store that returns what was written.",
                self.uri(path)
            ))),
            Err(object_store::Error::NotFound { .. }) if !is_there => Ok(()),
            Err(error) => Err(self.failed(Action::Get, path, error)),
        }
    }

    async fn probe_parts(&self, path: &Path) -> Result<()> {
        let timeouts = self.timeouts.request_retry;
        let id = retry_while_cut(timeouts, || self.parts.create_multipart(path)).await;
        let id = id.map_err(|error| self.failed(Action::Put, path, error))?;
        let sent = retry_while_cut(timeouts, || self.parts.put_part(path, &id, 0, FIRST.to_vec().into())).await;
        let ended = match sent {
            Ok(part) => retry_while_cut(timeouts, || self.parts.complete_multipart(path, &id, vec![part.clone()]))
                .await
                .map(drop),
            Err(error) => Err(error),
        };
        ended.map_err(|error| self.failed(Action::Put, path, error))
    }

    async fn probe_abort(&self, path: &Path) -> Result<()> {
        let timeouts = self.timeouts.request_retry;
        let id = retry_while_cut(timeouts, || self.parts.create_multipart(path)).await;
        let id = id.map_err(|error| self.failed(Action::Put, path, error))?;
        let given_up = retry_while_cut(timeouts, || self.parts.abort_multipart(path, &id)).await;
        given_up.map_err(|error| self.failed(Action::Abort, path, error))
    }
}

/// All `problems` as one error, with a policy that is enough where a permission is missing.
fn report(problems: Problems, provider: &dyn Provider, root: &Path) -> Result<()> {
    let is_denied = problems.iter().any(|error| error.has(Tag::AccessDenied));
    let reported = problems.into_result_of(&format!("The {} of {}", provider.noun(), provider.uri(root)));
    let policy =
        if is_denied { format!("\nA policy that is enough: {}", provider.permissions(root)) } else { String::new() };
    reported.map_err(|error| error.followed_by(&policy))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;
    use crate::storage::bucket::{Failure, explained};
    use crate::storage::testing::memory::provider;

    #[test]
    fn all_problems_are_reported_once_with_a_policy_where_a_permission_is_missing() {
        let provider = provider();
        let denied = Failure { status: Some(403), ..Failure::default() };
        let error = |path: &str| {
            explained(&*provider, Action::List, &Path::from(path), &denied).with_source("what the store said")
        };
        let mut problems = Problems::default();
        assert!(problems.note(Ok(())));
        assert!(!problems.note(Err(error("x"))) && !problems.note(Err(error("y"))));
        assert!(!problems.note(Err(Error::transient("Could not read s3://lake/y: no answer."))));
        let error = report(problems, &*provider, &Path::from("a/c")).expect_err("problems");
        let message = error.message();
        assert_eq!(error.kind(), Kind::Config);
        assert!(error.internal_message().contains("what the store said"), "{}", error.internal_message());
        assert!(
            message.starts_with("The bucket of s3://lake/a/c has 2 problems:\n- Could not list s3://lake/x"),
            "{message}"
        );
        let policy =
            message.split_once("enough: ").map(|(_, policy)| serde_json::from_str::<serde_json::Value>(policy));
        assert!(policy.is_some_and(|policy| policy.is_ok()), "{message}");
        assert!(report(Problems::default(), &*provider, &Path::default()).is_ok());
    }
}
