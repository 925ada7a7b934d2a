//! Service principals: their place in the account and in the workspace, and the federation policies that trust JWTs for them.
//!
//! Commands: <https://docs.databricks.com/dev-tools/cli/reference>, groups `account service-principals`, `account workspace-assignment`,
//! `account service-principal-federation-policy`, `account federation-policy` and `service-principals`. They take the number of a service
//! principal; rights and sign-ins its application id.

use serde_json::{Map, Value, json};

use super::cli::{self, ACCOUNT, WORKSPACE};
use super::shell;
use super::step::{Plan, Step, Tool};
use crate::config::DatabricksSettings;
use crate::schema::naming::with_hash;

const ADMIN: &str = "an administrator of the account";
/// The name that a service principal gets, and how the ids of policies begin.
const NAME: &str = "destination-databricks";

/// When a service principal may leave the workspace.
const ALONE: &str = "nothing else signs in to the workspace as this service principal";

/// What a federation policy has to match, as far as it is known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Trusted {
    /// `iss`
    pub issuer: Option<String>,
    /// `sub`
    pub subject: Option<String>,
    /// `aud`
    pub audiences: Vec<String>,
    /// What is wrong with the JWT, or why it is not known, a sentence each.
    pub remarks: Vec<String>,
}

/// The application id of a service principal.
#[derive(Debug, Clone, Copy)]
pub enum Application<'a> {
    /// Of one that Databricks itself has made.
    OfDatabricks(&'a str),
    /// Of an application or a managed identity of Microsoft Entra.
    OfEntra(&'a str),
}

/// Adds the steps that find the service principal, or make it known, and let it into the workspace.
pub fn add(plan: &mut Plan, settings: &DatabricksSettings, application: Application<'_>) {
    let sign_in = cli::account(plan, settings);
    plan.steps.push(sign_in);
    let (Application::OfDatabricks(id) | Application::OfEntra(id)) = application;
    let list = format!(
        "databricks account service-principals list --filter {} --output json {ACCOUNT}",
        shell::quoted(&format!("applicationId eq \"{id}\""))
    );
    if let Application::OfEntra(_) = application {
        let step = Step::new(
            Tool::Databricks,
            ADMIN,
            format!(
                "Make {id}, which Microsoft Entra has, known in the account. The next step shows nothing as long as it is not."
            ),
        );
        let step = step.only_if("it is not there yet");
        let create = json!({"applicationId": id, "displayName": NAME});
        let command = format!("databricks account service-principals create --json {} {ACCOUNT}", shell::json(&create));
        let number = number(plan);
        let remove = format!("databricks account service-principals delete {number} {ACCOUNT}");
        plan.steps.push(step.make(command, remove).removed_if("nothing else in the account uses it"));
    }
    let purpose = match application {
        Application::OfDatabricks(_) => {
            "Find the service principal's number. Nothing is shown if it is one of another account."
        }
        Application::OfEntra(_) => "Find the service principal's number.",
    };
    plan.steps.push(Step::new(Tool::Databricks, ADMIN, purpose).lasting(list));
    let workspace = shell::quoted(&workspace(plan, settings));
    let number = number(plan);
    let step = Step::new(
        Tool::Databricks,
        ADMIN,
        "See who is in the workspace already, as USER or as ADMIN. Whoever is stays as it is.",
    );
    plan.steps.push(
        step.lasting(format!("databricks account workspace-assignment list {workspace} --output json {ACCOUNT}")),
    );
    let user = shell::json(&json!({"permissions": ["USER"]}));
    let step = Step::new(
        Tool::Databricks,
        ADMIN,
        "Let the service principal into the workspace. Of one that is an administrator there, this would make a user.",
    );
    let step = step.only_if("the list of the step before does not have its number").run(
        format!("databricks account workspace-assignment update {workspace} {number} --json {user} {ACCOUNT}"),
        format!("databricks account workspace-assignment delete {workspace} {number} {ACCOUNT}"),
    );
    plan.steps.push(step.revoked_if(ALONE));
}

/// Adds the step that entitles the service principal to Databricks SQL, without which no warehouse takes it.
pub fn entitle(plan: &mut Plan) {
    let patch = |operation: Value| {
        shell::json(&json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": [operation]}))
    };
    let number = number(plan);
    let command =
        |operation| format!("databricks service-principals patch {number} --json {} {WORKSPACE}", patch(operation));
    let entitlement = "databricks-sql-access";
    let add = json!({"op": "add", "path": "entitlements", "value": [{"value": entitlement}]});
    let remove = json!({"op": "remove", "path": format!("entitlements[value eq \"{entitlement}\"]")});
    let step = Step::new(
        Tool::Databricks,
        "an administrator of the workspace",
        "Entitle the service principal to Databricks SQL, as members of the group users are from the start.",
    );
    plan.steps.push(step.run(command(add), command(remove)).revoked_if(ALONE));
}

/// Adds the policy that trusts one subject's JWTs for the service principal.
pub fn trust(plan: &mut Plan, trusted: Option<&Trusted>) {
    let mut policy = base(plan, trusted);
    policy.insert("subject".to_owned(), json!(subject(plan, trusted)));
    let is_known = trusted.is_some_and(|trusted| trusted.subject.is_some());
    let id = id(plan, trusted.filter(|_| is_known), &policy);
    let number = number(plan);
    let group = "databricks account service-principal-federation-policy";
    let step = Step::new(
        Tool::Databricks,
        ADMIN,
        "Trust the JWTs of the workload: those with exactly this issuer and subject and with one of these audiences, and no others.",
    );
    plan.steps.push(step.run(
        format!("{group} create {number} --policy-id {id} --json {} {ACCOUNT}", body(policy)),
        format!("{group} delete {number} {id} {ACCOUNT}"),
    ));
}

/// Adds the policy that trusts every JWT of an issuer, for the user or service principal that its subject names.
pub fn trust_all(plan: &mut Plan, settings: &DatabricksSettings, trusted: Option<&Trusted>) {
    let sign_in = cli::account(plan, settings);
    plan.steps.push(sign_in);
    let mut policy = base(plan, trusted);
    policy.insert("subject_claim".to_owned(), json!("sub"));
    let id = id(plan, trusted, &policy);
    let group = "databricks account federation-policy";
    let step = Step::new(
        Tool::Databricks,
        ADMIN,
        "Trust every JWT with this issuer and one of these audiences: each is the user or the service principal of the account that its \
         subject names. With `authentication.client_id`, one service principal and one subject are trusted instead.",
    );
    let step = step.run(
        format!("{group} create --policy-id {id} --json {} {ACCOUNT}", body(policy)),
        format!("{group} delete {id} {ACCOUNT}"),
    );
    plan.steps.push(step.revoked_if("no other workload signs in by this policy"));
}

/// The id of `policy`: another one for another policy, whose creation would be refused otherwise, and whose deletion would remove this one.
/// A place where `policy` itself has places.
fn id(plan: &mut Plan, trusted: Option<&Trusted>, policy: &Map<String, Value>) -> String {
    let is_known = trusted.is_some_and(|trusted| trusted.issuer.is_some() && !trusted.audiences.is_empty());
    if !is_known {
        let whence = "a name for the policy, another one for each workload: at most 63 of the letters a to z, digits and dashes, as \
                      destination-databricks-1";
        return shell::quoted(&plan.place("policy-id", whence));
    }
    let hash = with_hash(String::new(), &json!(policy).to_string());
    format!("{NAME}-{}", hash.trim_start_matches('_'))
}

/// The subject of the JWT, or a place for it.
pub fn subject(plan: &mut Plan, trusted: Option<&Trusted>) -> String {
    claim(plan, trusted.and_then(|trusted| trusted.subject.clone()), "subject", "sub")
}

fn base(plan: &mut Plan, trusted: Option<&Trusted>) -> Map<String, Value> {
    let issuer = claim(plan, trusted.and_then(|trusted| trusted.issuer.clone()), "issuer", "iss");
    let audiences = match trusted.map(|trusted| trusted.audiences.as_slice()) {
        Some(audiences @ [_, ..]) => json!(audiences),
        _ => json!([claim(plan, None, "audience", "aud")]),
    };
    Map::from_iter([("issuer".to_owned(), json!(issuer)), ("audiences".to_owned(), audiences)])
}

fn claim(plan: &mut Plan, known: Option<String>, place: &str, name: &str) -> String {
    known.unwrap_or_else(|| {
        let whence = format!(
            "{name} of a JWT of the workload. Run setup where the workload runs, or give it a JWT by --jwt FILE, or this alone by --{place}"
        );
        plan.place(place, whence)
    })
}

fn body(policy: Map<String, Value>) -> String {
    shell::json(&json!({"oidc_policy": policy}))
}

/// The place for the number of the service principal, as a word of a shell.
fn number(plan: &mut Plan) -> String {
    let whence = "the number of the service principal: id in what `databricks account service-principals list` shows";
    shell::quoted(&plan.place("service-principal-id", whence))
}

/// The workspace's number. Source of that in names of Azure: <https://learn.microsoft.com/azure/databricks/workspace/workspace-details>.
fn workspace(plan: &mut Plan, settings: &DatabricksSettings) -> String {
    let is_number = |text: &&str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let in_name = settings.hostname.strip_prefix("adb-").and_then(|name| name.split('.').next()).filter(is_number);
    let known = settings.workspace.as_deref().or(in_name).map(str::to_owned);
    known.unwrap_or_else(|| {
        let whence = "the number of the workspace: behind o= in the browser's address, or in what `databricks account workspaces list` shows";
        plan.place("workspace-id", whence)
    })
}
