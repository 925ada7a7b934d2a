//! Who signs in to the workspace: how rights name it, and what has to be made for it first.
//!
//! This is the only place that looks at the way to sign in; a new way is an arm here. `principals` has the steps for service principals.

use uuid::Uuid;

use super::Known;
use super::principals::{self, Application};
use super::shell;
use super::step::{Plan, Step, Tool};
use crate::config::{Account, Authentication, DatabricksSettings, PUBLIC_CLIENT, RefreshToken};

/// Who signs in.
#[derive(Debug)]
pub struct Identity {
    /// The name in rights: an application id, a user name, or a place for one.
    pub principal: String,
    /// The field of an access control list that has such a name, or a place for it.
    pub kind: String,
    /// Whether it is a service principal, which has entitlements of its own.
    pub is_service_principal: bool,
}

impl Identity {
    fn service_principal(application: &str) -> Self {
        Self {
            principal: application.to_owned(),
            kind: "service_principal_name".to_owned(),
            is_service_principal: true,
        }
    }

    fn user(name: &str) -> Self {
        Self { principal: name.to_owned(), kind: "user_name".to_owned(), is_service_principal: false }
    }
}

/// The identity of `settings`. Adds the steps that make it, if there are any.
pub fn add(plan: &mut Plan, settings: &DatabricksSettings, known: &Known<'_>) -> Identity {
    plan.remarks.extend(known.trusted.iter().flat_map(|trusted| trusted.remarks.clone()));
    match &settings.authentication {
        Authentication::PersonalAccessToken(_) => {
            let whence = "who owns the token of the configuration: a user's e-mail address, or the application id of a service principal. \
                          `databricks current-user me`, signed in with that token, shows it as userName";
            let principal = plan.place("principal", whence);
            either(plan, principal)
        }
        Authentication::ClientCredentials { client_id, .. } => {
            principals::add(plan, settings, Application::OfDatabricks(client_id));
            Identity::service_principal(client_id)
        }
        Authentication::WorkloadIdentity { client_id: Some(client_id), .. } => {
            principals::add(plan, settings, Application::OfDatabricks(client_id));
            principals::trust(plan, known.trusted.as_ref());
            Identity::service_principal(client_id)
        }
        Authentication::WorkloadIdentity { client_id: None, .. } => {
            principals::trust_all(plan, settings, known.trusted.as_ref());
            let is_known = known.trusted.as_ref().is_some_and(|trusted| trusted.subject.is_some());
            let subject = principals::subject(plan, known.trusted.as_ref());
            if !is_known || Uuid::parse_str(&subject).is_ok() {
                return either(plan, subject);
            }
            if !subject.contains('@') {
                plan.remarks.push(format!(
                    "A policy of the account takes the JWT for the user or service principal that its subject names, {subject}. That is \
                     neither an e-mail address nor an application id: rights are given to a user of exactly this name, who has to exist in \
                     the account and in the workspace. Nobody signs in otherwise: set `authentication.client_id`, the application id of a \
                     service principal, to trust this subject for that one."
                ));
            }
            Identity::user(&subject)
        }
        Authentication::AzureServicePrincipal { client_id, resource_id, .. }
        | Authentication::AzureManagedIdentity { client_id: Some(client_id), resource_id, .. } => {
            azure(plan, settings, client_id, resource_id.is_some())
        }
        Authentication::AzureManagedIdentity { client_id: None, resource_id, .. } => {
            let whence = "the client id, or application id, of the managed identity of the machine on which the sync runs: its page in the Azure \
                          portal, or in Microsoft Entra under Enterprise applications";
            let client_id = plan.place("managed-identity-client-id", whence);
            azure(plan, settings, &client_id, resource_id.is_some())
        }
        Authentication::User { client_id, client_secret, refresh_token } => {
            if let RefreshToken::File(path) = refresh_token {
                let file = path.display().to_string();
                login(plan, settings, (client_id, client_secret.is_some()), &file);
            }
            match &known.user {
                Some(user) => Identity::user(user),
                None => {
                    let whence = "the e-mail address of the user who signs in with the browser, as the workspace knows it: Settings, \
                                  Identity and access, Users";
                    Identity::user(&plan.place("user", whence))
                }
            }
        }
    }
}

/// A user or a service principal.
fn either(plan: &mut Plan, principal: String) -> Identity {
    let whence = format!(
        "user_name if {principal} is an e-mail address, service_principal_name if it is the application id of a service principal"
    );
    let kind = plan.place("principal-kind", whence);
    Identity { principal, kind, is_service_principal: false }
}

fn azure(plan: &mut Plan, settings: &DatabricksSettings, client_id: &str, has_resource: bool) -> Identity {
    if has_resource {
        plan.remarks.push(
            "`authentication.workspace_resource_id` is needed only until the identity is a member of the workspace, which the steps below \
             make it. As long as it has the role Contributor of the workspace in Azure, it is an administrator there, with all rights."
                .to_owned(),
        );
    }
    principals::add(plan, settings, Application::OfEntra(client_id));
    Identity::service_principal(client_id)
}

fn login(plan: &mut Plan, settings: &DatabricksSettings, (client_id, is_confidential): (&str, bool), file: &str) {
    let place = format!("--host {} --file {}", shell::quoted(&settings.hostname), shell::quoted(file));
    let mut application = String::new();
    if let Some(Account { id, address }) = &settings.account {
        let (id, address) = (shell::quoted(id), shell::quoted(address));
        application = format!(" --account-id {id} --account-host {address}");
    }
    if client_id != PUBLIC_CLIENT {
        application.push_str(&format!(" --client-id {}", shell::quoted(client_id)));
    }
    if is_confidential {
        let whence = "a file with the secret of the application, for this command alone";
        let secret = plan.place("client-secret-file", whence);
        application.push_str(&format!(" --client-secret-file {}", shell::quoted(&secret)));
    }
    let step = Step::new(
        Tool::Program,
        "the user as whom the sync signs in",
        "Sign in with a browser. It makes the login file.",
    );
    plan.steps.push(step.run(
        format!("destination-databricks login {place}{application}"),
        format!("destination-databricks logout {place}"),
    ));
}
