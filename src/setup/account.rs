//! Who signs in, and why that is trusted: the service principal, its place in the workspace, the federation policy.
//!
//! Commands: <https://docs.databricks.com/dev-tools/cli/reference/account-commands>. The numeric id of a service principal is not its
//! application id, and policies want the number.

use serde_json::{Map, Value, json};

use super::steps::{Step, Unknown, shell};
use super::{Facts, Trusted};
use crate::config::{Authentication, DatabricksSettings};

const NUMBER: &str = "<numeric id>";
const WORKSPACE: &str = "<workspace id>";
const USER: &str = "<user>";
const ISSUER: &str = "<issuer>";
const SUBJECT: &str = "<subject>";
const AUDIENCE: &str = "<audience>";
const POLICY: &str = "<policy id>";

/// The application id of the service principal that signs in, if it is one that is known.
pub(super) fn application(settings: &DatabricksSettings) -> Option<&str> {
    match &settings.authentication {
        Authentication::ClientCredentials { client_id, .. }
        | Authentication::AzureServicePrincipal { client_id, .. }
        | Authentication::WorkloadIdentity { client_id: Some(client_id), .. }
        | Authentication::AzureManagedIdentity { client_id: Some(client_id), .. } => Some(client_id),
        _ => None,
    }
}

pub(super) fn steps(facts: &Facts<'_>) -> Vec<Step> {
    let mut steps = Vec::new();
    let settings = facts.settings;
    if let Some(application) = application(settings) {
        steps.push(find(settings, application));
        steps.push(assign(settings));
        if is_warehouse(settings) {
            let value = json!({
                "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
                "Operations": [{"op": "add", "path": "entitlements", "value": [{"value": "databricks-sql-access"}]}],
            });
            let about = "Entitles it to Databricks SQL, which SQL warehouses ask for. A profile of the workspace.";
            let command = format!("databricks service-principals patch {NUMBER} --json {}", word(&value));
            steps.push(Step::shell("The entitlement", about, vec![command]).with(unknown(facts)));
        }
    }
    steps.extend(policy(facts));
    if matches!(settings.authentication, Authentication::User { .. }) {
        let about = "The user signs in once, with a browser, and names the file that comes of it in `authentication.login_file`.";
        let command = format!("destination-databricks login --host {}", shell(&settings.hostname));
        steps.push(Step::shell("The user", about, vec![command]));
    }
    steps
}

/// Finds the service principal, or makes the workspace know that of another directory.
fn find(settings: &DatabricksSettings, application: &str) -> Step {
    let filter = format!("applicationId eq \"{application}\"");
    let mut commands =
        vec![format!("databricks account service-principals list --filter {} --output json", shell(&filter))];
    let of_azure = matches!(
        settings.authentication,
        Authentication::AzureServicePrincipal { .. } | Authentication::AzureManagedIdentity { .. }
    );
    let about = if of_azure {
        commands.push(format!(
            "databricks account service-principals create --json {}",
            word(&json!({"applicationId": application}))
        ));
        "Shows the service principal; its `id` is the numeric id below. If the list is empty, the second command adds that of Microsoft Entra. \
         A profile of the account."
    } else {
        "Shows the service principal; its `id` is the numeric id below. If the list is empty, `authentication.client_id` is of another account. \
         A profile of the account."
    };
    Step::shell("The service principal", about, commands)
}

fn assign(settings: &DatabricksSettings) -> Step {
    let workspace = settings.workspace.as_deref().unwrap_or(WORKSPACE);
    let command = format!(
        "databricks account workspace-assignment update {workspace} {NUMBER} --json {}",
        word(&json!({"permissions": ["USER"]}))
    );
    let about = "Lets it into the workspace. A profile of the account.";
    Step::shell("The workspace", about, vec![command]).with([number(), workspace_id()])
}

/// The federation policy of a workload identity.
fn policy(facts: &Facts<'_>) -> Option<Step> {
    let Authentication::WorkloadIdentity { client_id, .. } = &facts.settings.authentication else { return None };
    let Trusted { issuer, subject, audiences } = &facts.trusted;
    let mut oidc = Map::from_iter([("issuer".to_owned(), json!(issuer.as_deref().unwrap_or(ISSUER)))]);
    let is_default =
        audiences.len() == 1 && facts.settings.account.as_ref().is_some_and(|account| audiences.contains(&account.id));
    if !is_default {
        let audiences = if audiences.is_empty() { json!([AUDIENCE]) } else { json!(audiences) };
        oidc.insert("audiences".to_owned(), audiences);
    }
    let (about, start) = match client_id {
        Some(_) => {
            oidc.insert("subject".to_owned(), json!(subject.as_deref().unwrap_or(SUBJECT)));
            (
                "Trusts exactly the JWTs with this issuer, subject and audience. A profile of the account.",
                format!("databricks account service-principal-federation-policy create {NUMBER}"),
            )
        }
        None => (
            "Trusts every JWT with this issuer and audience: each is the user or service principal of the account that its subject names. A \
             profile of the account.",
            "databricks account federation-policy create".to_owned(),
        ),
    };
    let command = format!("{start} --json {}", word(&json!({"oidc_policy": oidc})));
    Some(Step::shell("The federation policy", about, vec![command]).with(unknown(facts)))
}

/// What takes it back.
pub(super) fn revoked(facts: &Facts<'_>) -> Vec<Step> {
    let mut steps = Vec::new();
    if let Authentication::WorkloadIdentity { client_id, .. } = &facts.settings.authentication {
        let (list, delete) = match client_id {
            Some(_) => (
                format!("databricks account service-principal-federation-policy list {NUMBER}"),
                format!("databricks account service-principal-federation-policy delete {NUMBER} {POLICY}"),
            ),
            None => (
                "databricks account federation-policy list".to_owned(),
                format!("databricks account federation-policy delete {POLICY}"),
            ),
        };
        let about = "Without the policy nobody gets a token any more. A profile of the account.";
        steps.push(Step::shell("The federation policy", about, vec![list, delete]).with(unknown(facts)));
    }
    if application(facts.settings).is_some() {
        let workspace = facts.settings.workspace.as_deref().unwrap_or(WORKSPACE);
        let command = format!("databricks account workspace-assignment delete {workspace} {NUMBER}");
        let about = "Takes the service principal out of the workspace. A profile of the account.";
        steps.push(Step::shell("The workspace", about, vec![command]).with(unknown(facts)));
    }
    if matches!(facts.settings.authentication, Authentication::User { .. }) {
        let command = format!("destination-databricks logout --host {}", shell(&facts.settings.hostname));
        steps.push(Step::shell(
            "The user",
            "Removes the login file; name it with --file where it has another name.",
            vec![command],
        ));
    }
    steps
}

/// Everything that such commands may leave open.
pub(super) fn unknown(facts: &Facts<'_>) -> Vec<Unknown> {
    let of_jwt = |placeholder, claim: &str| Unknown {
        placeholder,
        found: format!(
            "`{claim}` of a JWT of the workload. Run setup where the workload runs, or give it a JWT with --jwt FILE, or the claim with \
             --{}.",
            placeholder.trim_matches(['<', '>'])
        ),
    };
    let policy = Unknown { placeholder: POLICY, found: "`policy_id` in what the command before shows.".to_owned() };
    let user = Unknown { placeholder: USER, found: format!("the user name or application id of {}.", facts.who.named) };
    let claims = [of_jwt(ISSUER, "iss"), of_jwt(SUBJECT, "sub"), of_jwt(AUDIENCE, "aud")];
    [number(), workspace_id(), policy, user].into_iter().chain(claims).collect()
}

fn number() -> Unknown {
    Unknown { placeholder: NUMBER, found: "`id` in what the step \"The service principal\" shows.".to_owned() }
}

fn workspace_id() -> Unknown {
    Unknown {
        placeholder: WORKSPACE,
        found: "the number behind ?o= in the address of the workspace, or `databricks account workspaces list`."
            .to_owned(),
    }
}

/// Who signs in, as the permissions of a warehouse name it.
pub(super) fn principal(facts: &Facts<'_>) -> (&'static str, String) {
    match application(facts.settings) {
        Some(application) => ("service_principal_name", application.to_owned()),
        None => ("user_name", bare(&facts.who.principal).unwrap_or(USER).to_owned()),
    }
}

/// The name in a GRANT, without its backticks; `None` where it is not known.
fn bare(principal: &str) -> Option<&str> {
    let name = principal.strip_prefix('`')?.strip_suffix('`')?;
    (!name.starts_with('<')).then_some(name)
}

/// The principal of GRANTs, with a placeholder that can be filled in where it is not known.
pub(super) fn grantee(facts: &Facts<'_>) -> String {
    match bare(&facts.who.principal) {
        Some(_) => facts.who.principal.clone(),
        None => format!("`{USER}`"),
    }
}

fn is_warehouse(settings: &DatabricksSettings) -> bool {
    super::compute::of(settings).is_some_and(|(kind, _)| kind == "warehouses")
}

/// JSON as a word of a shell.
pub(super) fn word(value: &Value) -> String {
    shell(&value.to_string())
}
