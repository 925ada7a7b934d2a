//! What differs between kinds of bucket in what people and engines are told.

use object_store::path::Path;

use super::failure::{Action, Failure};
use crate::error::{Error, Kind, Tag, UNEXPLAINED};

/// Says what a bucket of one kind is called, and what its failures mean.
pub trait Provider: Send + Sync {
    /// What users call such a bucket: `bucket`, or `container`.
    fn noun(&self) -> &'static str;

    /// The URI of the object or folder `path`, without a `/` at its end; that of the bucket for an empty path.
    fn uri(&self, path: &Path) -> String;

    /// The URI of `relative`, whose parts are names as they are, below the folder `root`.
    fn uri_below(&self, root: &Path, relative: &str) -> String {
        format!("{}/{relative}", self.uri(root))
    }

    /// What it means that `action` ended in `failure`.
    fn explain(&self, action: Action, failure: &Failure) -> Explanation;

    /// A policy that allows all that a sync needs below the folder `root`, and no more.
    fn permissions(&self, root: &Path) -> String;

    /// Whether `failure` says that an object stays because it is under retention or a legal hold.
    fn is_retained(&self, failure: &Failure) -> bool;
}

/// What a failure means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// What can be done about it.
    pub kind: Kind,
    /// What is wrong and what to do, as the second half of a sentence; `None` where only the failure itself tells it.
    pub reason: Option<String>,
    /// Whether the identity in use lacks a permission.
    pub is_denied: bool,
}

/// The error for the user where `action` on `path` ended in `failure`.
pub fn explained(provider: &dyn Provider, action: Action, path: &Path, failure: &Failure) -> Error {
    if let Some((kind, message)) = &failure.explained {
        let error = Error::new(*kind, message.clone());
        return if failure.is_denied { error.with_tag(Tag::AccessDenied) } else { error };
    }
    let Explanation { kind, reason, is_denied } = provider.explain(action, failure);
    let what = format!("Could not {} {}", action.verb(), provider.uri(path));
    let error = match reason {
        Some(reason) => Error::new(kind, format!("{what}: {reason}.")).with_reason(reason),
        None => Error::unexplained(kind, &what).with_reason(UNEXPLAINED),
    };
    if is_denied { error.with_tag(Tag::AccessDenied) } else { error }
}
