//! Can this bucket be used at all? Asks for one of everything that a sync asks for, and tells all that is in the way.
//!
//! A first list or put that fails for another reason than a missing permission (a wrong key, no such bucket, nobody there,
//! no S3) would fail with every other step too, so it ends the probe. A missing permission for one verb says nothing of
//! the others.

use object_store::ObjectStoreExt;
use object_store::path::Path;

use super::{Bucket, again};
use crate::error::{Error, Kind, Result};
use crate::storage::Put;
use crate::storage::s3::errors::{Action, DENIED};

const FIRST: &[u8] = b"written by the check of destination-databricks; may be deleted";
const SECOND: &[u8] = b"must not replace what is there";

impl Bucket {
    /// Tries everything below `folder`, which nobody else uses, and removes it again; all that is ever written lies below
    /// `root`.
    pub(in crate::storage) async fn probe(&self, root: &Path, folder: &Path) -> Result<()> {
        let mut problems = Problems::default();
        match self.has_any(folder).await {
            Err(error) if !is_denied(&error) => return Err(error),
            listed => problems.note(listed.map(drop)),
        };
        let (put, copied, parts) =
            (folder.clone().join("put"), folder.clone().join("copied"), folder.clone().join("parts"));
        let is_put = match self.put_new(put.clone(), FIRST.to_vec()).await {
            Err(error) if !is_denied(&error) => return Err(error),
            written => problems.note(written.map(drop)),
        };
        // Without a right to put, nothing is there: the right to read shows itself all the same.
        let is_got = problems.note(self.probe_get(&put, is_put).await);
        if is_put {
            problems.note(self.probe_parts(&parts).await);
            problems.note(self.probe_abort(&parts).await);
        }
        if is_put && is_got {
            problems.note(self.probe_condition(&put).await);
            problems.note(self.copy(put.clone(), copied.clone(), FIRST.len() as u64).await);
        }
        problems.note(self.remove_unfinished(folder, "").await);
        problems.note(self.delete(vec![put, copied, parts]).await);
        problems.into_result(&self.place.bucket, root)
    }

    /// A second put under the same condition has to be refused.
    async fn probe_condition(&self, path: &Path) -> Result<()> {
        match self.put_new(path.clone(), SECOND.to_vec()).await? {
            Put::Exists => Ok(()),
            Put::Created => Err(Error::config(format!(
                "The store of bucket {} ignores the condition If-None-Match: * of a put and replaced what was there. Two \
                 syncs that commit to a table at the same time would overwrite each other's commits there, and rows \
                 would be lost: use a store that honours conditional puts.",
                self.place.bucket
            ))),
        }
    }

    async fn probe_get(&self, path: &Path, is_there: bool) -> Result<()> {
        match again(self.patience.retry, || async move { self.store.get(path).await?.bytes().await }).await {
            Ok(bytes) if bytes == FIRST || !is_there => Ok(()),
            Ok(_) => Err(Error::config(format!(
                "What was written to bucket {} came back changed: use a store that gives back what it takes.",
                self.place.bucket
            ))),
            Err(object_store::Error::NotFound { .. }) if !is_there => Ok(()),
            Err(error) => Err(self.failed(Action::Get, path, error)),
        }
    }

    async fn probe_parts(&self, path: &Path) -> Result<()> {
        let patience = self.patience.retry;
        let id = again(patience, || self.parts.create_multipart(path)).await;
        let id = id.map_err(|error| self.failed(Action::Put, path, error))?;
        let sent = again(patience, || self.parts.put_part(path, &id, 0, FIRST.to_vec().into())).await;
        let ended = match sent {
            Ok(part) => {
                again(patience, || self.parts.complete_multipart(path, &id, vec![part.clone()])).await.map(drop)
            }
            Err(error) => Err(error),
        };
        ended.map_err(|error| self.failed(Action::Put, path, error))
    }

    async fn probe_abort(&self, path: &Path) -> Result<()> {
        let patience = self.patience.retry;
        let id = again(patience, || self.parts.create_multipart(path)).await;
        let id = id.map_err(|error| self.failed(Action::Put, path, error))?;
        let given_up = again(patience, || self.parts.abort_multipart(path, &id)).await;
        given_up.map_err(|error| self.failed(Action::Abort, path, error))
    }
}

/// Whether `error` is about a permission: only the sentence for that says so.
fn is_denied(error: &Error) -> bool {
    error.kind() == Kind::Config && error.message().contains(DENIED)
}

/// What was in the way so far.
#[derive(Default)]
struct Problems(Vec<Error>);

impl Problems {
    /// Whether it went well.
    fn note(&mut self, outcome: Result<()>) -> bool {
        let Err(error) = outcome else { return true };
        let why = |error: &Error| error.message().split_once(": ").map(|(_, why)| why.to_owned());
        if !self.0.iter().any(|told| why(told) == why(&error)) {
            self.0.push(error);
        }
        false
    }

    /// One error that tells all of them, and what to allow where a permission is missing.
    fn into_result(mut self, bucket: &str, root: &Path) -> Result<()> {
        let Some(last) = self.0.pop() else { return Ok(()) };
        let denied = self.0.iter().chain([&last]).any(is_denied);
        let kind = if self.0.iter().all(|error| error.kind() == last.kind()) { last.kind() } else { Kind::Config };
        let mut message = if self.0.is_empty() {
            last.message().to_owned()
        } else {
            let all: Vec<&str> = self.0.iter().chain([&last]).map(Error::message).collect();
            format!("Bucket {bucket} has {} problems:\n- {}", all.len(), all.join("\n- "))
        };
        if denied {
            message.push_str("\nA policy that is enough: ");
            message.push_str(&policy(bucket, root));
        }
        Err(Error::new(kind, message).with_source(last))
    }
}

/// All that a sync needs, and no more. Names are asked for in the whole bucket: that right is one of buckets, not of objects.
fn policy(bucket: &str, root: &Path) -> String {
    let objects = match root.as_ref() {
        "" => format!("arn:aws:s3:::{bucket}/*"),
        root => format!("arn:aws:s3:::{bucket}/{root}/*"),
    };
    // As JSON has it: a folder's name may hold quotes.
    let objects = serde_json::Value::from(objects);
    format!(
        r#"{{"Version": "2012-10-17", "Statement": [{{"Effect": "Allow", "Action": ["s3:ListBucket", "s3:ListBucketMultipartUploads"], "Resource": "arn:aws:s3:::{bucket}"}}, {{"Effect": "Allow", "Action": ["s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload"], "Resource": {objects}}}]}}"#
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_problems_are_told_once_with_a_policy_where_one_is_missing() {
        let mut problems = Problems::default();
        assert!(problems.note(Ok(())));
        assert!(!problems.note(Err(Error::config("Could not list s3://b/x: access is denied; allow s3:ListBucket."))));
        assert!(!problems.note(Err(Error::config("Could not list s3://b/y: access is denied; allow s3:ListBucket."))));
        assert!(!problems.note(Err(Error::transient("Could not read s3://b/y: no answer."))));
        let error =
            problems.into_result("b", &Path::from("a/c")).err().map(|error| (error.kind(), error.message().to_owned()));
        let (kind, message) = error.unwrap_or((Kind::System, String::new()));
        assert_eq!(kind, Kind::Config);
        assert!(message.starts_with("Bucket b has 2 problems:\n- Could not list s3://b/x"), "{message}");
        let policy =
            message.split_once("enough: ").map(|(_, policy)| serde_json::from_str::<serde_json::Value>(policy));
        assert!(policy.is_some_and(|policy| policy.is_ok()), "{message}");
        assert!(Problems::default().into_result("b", &Path::default()).is_ok());
    }

    #[test]
    fn the_policy_reaches_no_further_than_the_configured_folder() {
        for (root, objects) in [
            ("", "arn:aws:s3:::lake/*"),
            ("airbyte/production", "arn:aws:s3:::lake/airbyte/production/*"),
            ("a \"b\"", "arn:aws:s3:::lake/a \"b\"/*"),
        ] {
            let text = policy("lake", &Path::parse(root).unwrap());
            let policy: serde_json::Value = serde_json::from_str(&text).unwrap();
            assert_eq!(policy["Statement"][0]["Resource"], "arn:aws:s3:::lake");
            assert_eq!(policy["Statement"][1]["Resource"], objects);
        }
    }
}
