//! What this program's own identity needs in a container of Azure Blob Storage, as commands of the Azure CLI.
//!
//! Sources: <https://learn.microsoft.com/cli/azure/role/assignment>, <https://learn.microsoft.com/cli/azure/storage/container>.

use super::shell;
use super::step::{Plan, Step, Tool};
use crate::config::{AzureIdentity, AzureSettings};

/// The role that *Owner* and *Contributor* do not contain.
const ROLE: &str = "Storage Blob Data Contributor";

/// The container and the folder in it, as Databricks names them.
pub fn url(settings: &AzureSettings) -> String {
    let container = format!("abfss://{}@{}", settings.container, settings.address.dfs_host);
    if settings.path.is_empty() { container } else { format!("{container}/{}", settings.path) }
}

/// Adds the steps that give the identity of `settings` its rights in the container.
pub fn add(plan: &mut Plan, settings: &AzureSettings) {
    let signed_in = match &settings.identity {
        AzureIdentity::Sas(_) => {
            plan.remarks.push(format!(
                "The SAS token in the configuration gives the sync its rights in {}: it needs sp=racwdl, and `check` reads what it has. A \
                 token of a stored access policy is taken back with that policy, any other one with the key that signed it.",
                url(settings)
            ));
            return;
        }
        AzureIdentity::Key(_) => {
            plan.remarks.push(format!(
                "The account key in the configuration may do everything in {}. It is taken back by rotating it.",
                settings.account
            ));
            return;
        }
        AzureIdentity::ServicePrincipal { client_id, .. } | AzureIdentity::Workload { client_id, .. } => client_id.clone(),
        AzureIdentity::Managed { client_id: Some(client_id), .. } => client_id.clone(),
        AzureIdentity::Managed { client_id: None, .. } => plan.place(
            "managed-identity",
            "the object id, or principal id, of the managed identity of the machine on which the sync runs: the machine's page in the Azure \
             portal, Identity",
        ),
    };
    if settings.address.is_here {
        return;
    }
    let subscription = plan.place("subscription-id", "the storage account's page in the Azure portal, Overview");
    let group = plan.place("resource-group", "the storage account's page in the Azure portal, Overview");
    let scope = format!(
        "/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.Storage/storageAccounts/{}/blobServices/default/\
         containers/{}",
        settings.account, settings.container
    );
    let mut step = Step::new(
        Tool::Azure,
        "an owner of the storage account, or whoever may assign roles there",
        format!("Let the sync read and write {}: staged files, tables and their logs.", url(settings)),
    );
    step = step.lasting(format!(
        "az storage container create --account-name {} --name {} --auth-mode login",
        shell::quoted(&settings.account),
        shell::quoted(&settings.container)
    ));
    let assigned = format!(
        "--assignee {} --role {} --scope {}",
        shell::quoted(&signed_in),
        shell::quoted(ROLE),
        shell::quoted(&scope)
    );
    let step =
        step.run(format!("az role assignment create {assigned}"), format!("az role assignment delete {assigned}"));
    plan.steps.push(step);
}
