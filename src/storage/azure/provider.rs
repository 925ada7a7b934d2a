//! A container as a [`Provider`]: URIs, what failures mean, and what a sync must be allowed to do.

use std::sync::{Arc, Once};

use object_store::path::Path;

use super::answers::Heard;
use super::conditions::{ContainerAddress, explain};
use super::sas::Sas;
use crate::config::{AzureIdentity, AzureSettings};
use crate::error::{Error, Problems, Result};
use crate::storage::bucket::{Action, Explanation, Failure, Provider};

/// A container in Azure Blob Storage.
#[derive(Debug, Clone)]
pub(super) struct Azure {
    pub(super) address: ContainerAddress,
    pub(super) signed_in: SignedIn,
    pub(super) heard: Arc<Heard>,
}

/// How requests are signed.
#[derive(Debug, Clone)]
pub(super) enum SignedIn {
    /// By a shared access signature.
    Sas(Box<Sas>),
    /// By a key of the account.
    Key,
    /// By a token of Microsoft Entra.
    Entra,
}

impl SignedIn {
    pub(super) fn of(settings: &AzureSettings) -> Self {
        match &settings.identity {
            AzureIdentity::Sas(token) => Self::Sas(Box::new(Sas::read(token.expose()))),
            AzureIdentity::Key(_) => Self::Key,
            AzureIdentity::ServicePrincipal { .. } | AzureIdentity::Workload { .. } | AzureIdentity::Managed { .. } => {
                Self::Entra
            }
        }
    }
}

impl Azure {
    /// Refuses a signature that cannot be enough, and warns once of one that ends soon, by the server's time.
    pub(super) fn judge_signature(&self) -> Result<()> {
        static END: Once = Once::new();
        let SignedIn::Sas(sas) = &self.signed_in else { return Ok(()) };
        let now = self.heard.time();
        let mut problems = Problems::default();
        for rest in sas.problems(now, self.address.endpoint.starts_with("http://")) {
            problems.add(Error::config(format!("The SAS token in `data_source.azure_blob_storage_sas_token` {rest}.")));
        }
        problems.into_result_of(&format!("The identity for {}", self.uri(&Path::default())))?;
        if let Some(sentence) = now.and_then(|now| sas.ends_soon(now)) {
            END.call_once(|| tracing::warn!("{sentence}"));
        }
        Ok(())
    }
}

impl Provider for Azure {
    fn noun(&self) -> &'static str {
        "container"
    }

    fn uri(&self, path: &Path) -> String {
        let ContainerAddress { container, dfs_host, .. } = &self.address;
        match path.as_ref() {
            "" => format!("abfss://{container}@{dfs_host}"),
            path => format!("abfss://{container}@{dfs_host}/{path}"),
        }
    }

    fn explain(&self, action: Action, failure: &Failure) -> Explanation {
        explain(failure, action, self)
    }

    fn permissions(&self, _root: &Path) -> String {
        let ContainerAddress { account, container, .. } = &self.address;
        match &self.signed_in {
            SignedIn::Entra => {
                format!("the role Storage Blob Data Contributor on the container {container} of the account {account}")
            }
            SignedIn::Sas(_) | SignedIn::Key => {
                format!("a SAS for the container {container} of the account {account} (sr=c) with sp=racwdl")
            }
        }
    }

    fn is_retained(&self, failure: &Failure) -> bool {
        matches!(failure.code.as_deref(), Some("BlobImmutableDueToPolicy" | "BlobImmutableDueToLegalHold"))
    }
}
