//! Finds the container, creates it where it is missing and that is allowed, and reads what it says of itself.

use object_store::path::Path;

use super::provider::Azure;
use super::requests::{Asked, Requests};
use crate::error::{Error, Result};
use crate::storage::bucket::{Action, Failure, explained};

/// Container requests have this in their query.
const CONTAINER: [(&str, &str); 1] = [("restype", "container")];

/// Makes sure that the container exists. Who may not ask goes on: a SAS for a container may do everything in it, and not ask for it.
pub(super) async fn ensure(requests: &Requests, azure: &Azure) -> Result<()> {
    let asked = Asked { method: "HEAD", path: None, query: &CONTAINER, headers: &[] };
    let error = match requests.send(asked).await {
        Ok(answer) => {
            let is_set = |name: &str| answer.headers().get(name).is_some_and(|value| value == "true");
            return refuse_immutable(
                azure,
                is_set("x-ms-has-immutability-policy"),
                is_set("x-ms-has-legal-hold"),
                is_set("x-ms-immutable-storage-with-versioning-enabled"),
            );
        }
        Err(error) => error,
    };
    let failure = Failure::of(&error);
    match (failure.status, failure.code.as_deref()) {
        (Some(404), Some("ContainerNotFound") | None) => create(requests, azure).await,
        (Some(403), _) => Ok(()),
        _ => Err(explained(azure, Action::Locate, &Path::default(), &failure).with_source(error)),
    }
}

async fn create(requests: &Requests, azure: &Azure) -> Result<()> {
    let asked = Asked { method: "PUT", path: None, query: &CONTAINER, headers: &[] };
    let Err(error) = requests.send(asked).await else {
        tracing::info!("The container {} did not exist and was created.", azure.address.container);
        return Ok(());
    };
    let failure = Failure::of(&error);
    match (failure.status, failure.code.as_deref()) {
        // Somebody else was first.
        (_, Some("ContainerAlreadyExists")) => Ok(()),
        (Some(403), _) => Err(Error::config(format!(
            "There is no container {} in the account {}, and this identity may not create it: create it, or correct \
             `data_source.azure_blob_storage_container_name`.",
            azure.address.container, azure.address.account
        ))
        .with_source(error)),
        _ => Err(explained(azure, Action::Locate, &Path::default(), &failure).with_source(error)),
    }
}

/// Nothing may be replaced or deleted in such a container, and a sync does both: its lease is rewritten every minute.
fn refuse_immutable(azure: &Azure, has_policy: bool, has_hold: bool, by_version: bool) -> Result<()> {
    let what = match (has_policy, has_hold) {
        (false, false) => return Ok(()),
        (true, _) => "an immutability policy",
        (false, true) => "a legal hold",
    };
    // Policies of single versions leave the newest one replaceable.
    if by_version {
        tracing::warn!(
            "The container {} keeps versions of blobs under {what}: what this program replaces or deletes stays there as older versions.",
            azure.address.container
        );
        return Ok(());
    }
    Err(Error::config(format!(
        "The container {} has {what}, under which no blob can be replaced or deleted, and a sync does both: remove it, or use another \
         container.",
        azure.address.container
    )))
}
