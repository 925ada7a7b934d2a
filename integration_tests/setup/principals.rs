//! Commands of the Databricks CLI about service principals and federation policies. Sources, below
//! <https://docs.databricks.com/dev-tools/cli/reference/>: `account-service-principals-commands`, `account-workspace-assignment-commands`,
//! `account-service-principal-federation-policy-commands`, `account-federation-policy-commands`, `service-principals-commands`; bodies:
//! <https://docs.databricks.com/api/account/serviceprincipalfederationpolicy/create>.

use serde_json::Value;

use super::command::{Command, body};
use super::world::{Refusal, World};

/// Runs `command`, whose profile was looked at.
pub fn run(world: &mut World, command: &Command) -> Result<(), Refusal> {
    let words: Vec<&str> = command.words.iter().map(String::as_str).collect();
    let group = words.iter().take(3).copied().collect::<Vec<_>>();
    match words.as_slice() {
        ["account", "service-principals", "list"] => {
            command.only(&group, 0, &["--filter", "--output"])?;
            let filter = command.flag("--filter")?;
            let id = filter.strip_prefix("applicationId eq \"").and_then(|rest| rest.strip_suffix('"'));
            id.filter(|id| !id.is_empty()).map(|_| ()).ok_or_else(|| format!("{filter} is no filter"))
        }
        ["account", "service-principals", "create"] => {
            command.only(&group, 0, &["--json"])?;
            let json = body(&command.json()?, &["displayName"], &["applicationId", "active", "externalId", "roles"])?;
            json["displayName"].as_str().map(|_| ()).ok_or_else(|| "displayName is no text".to_owned())
        }
        ["account", "service-principals", "delete", id] => {
            command.only(&group, 1, &[])?;
            number(id)
        }
        ["account", "workspace-assignment", "list", workspace] => {
            command.only(&group, 1, &["--output"])?;
            number(workspace)
        }
        ["account", "workspace-assignment", verb @ ("update" | "delete"), workspace, principal] => {
            number(workspace)?;
            number(principal)?;
            let right = member(principal, "USER", workspace);
            if *verb == "delete" {
                command.only(&group, 2, &[])?;
                return world.take(&right);
            }
            command.only(&group, 2, &["--json"])?;
            if body(&command.json()?, &["permissions"], &[])?["permissions"] != serde_json::json!(["USER"]) {
                return Err("more than a user is made of it".to_owned());
            }
            // What it was before, it is no more.
            world.take_all(&format!("principal {principal} ADMIN "));
            world.give(right);
            Ok(())
        }
        ["account", "service-principal-federation-policy", "create", principal] => {
            command.only(&group, 1, &["--json", "--policy-id"])?;
            number(principal)?;
            let policy = policy(command, &["audiences", "issuer", "subject"], &["subject_claim"])?;
            let subject =
                policy["subject"].as_str().filter(|subject| !subject.is_empty()).ok_or("no subject is named")?;
            let (issuer, id) = (policy["issuer"].as_str().unwrap_or_default(), id(command)?);
            world.give(format!("policy {id} of {principal}: {issuer} {} {subject}", policy["audiences"]));
            Ok(())
        }
        ["account", "service-principal-federation-policy", "delete", principal, id] => {
            command.only(&group, 2, &[])?;
            number(principal)?;
            take_policy(world, &format!("policy {id} of {principal}: "))
        }
        ["account", "federation-policy", "create"] => {
            command.only(&group, 0, &["--json", "--policy-id"])?;
            // A policy of the account has no subject.
            let policy = policy(command, &["audiences", "issuer"], &["subject_claim"])?;
            let (issuer, id) = (policy["issuer"].as_str().unwrap_or_default(), id(command)?);
            let claim = policy["subject_claim"].as_str().unwrap_or("sub");
            world.give(format!("policy {id} of all: {issuer} {} by {claim}", policy["audiences"]));
            Ok(())
        }
        ["account", "federation-policy", "delete", id] => {
            command.only(&group, 1, &[])?;
            take_policy(world, &format!("policy {id} of all: "))
        }
        ["service-principals", "patch", principal] => {
            command.only(&["service-principals", "patch"], 1, &["--json"])?;
            number(principal)?;
            let json = body(&command.json()?, &["Operations", "schemas"], &[])?;
            if json["schemas"] != serde_json::json!(["urn:ietf:params:scim:api:messages:2.0:PatchOp"]) {
                return Err(format!("{} is no schema of a patch", json["schemas"]));
            }
            for operation in json["Operations"].as_array().ok_or("Operations is no list")? {
                entitle(world, principal, operation)?;
            }
            Ok(())
        }
        other => Err(format!("databricks {other:?} is no command that is known")),
    }
}

/// The right of a principal in a workspace, as `USER` or as `ADMIN`.
pub fn member(principal: &str, level: &str, workspace: &str) -> String {
    format!("principal {principal} {level} in workspace {workspace}")
}

fn entitle(world: &mut World, principal: &str, operation: &Value) -> Result<(), Refusal> {
    let right = |name: &str| format!("principal {principal} is entitled to {name}");
    let path = operation["path"].as_str().unwrap_or_default();
    match operation["op"].as_str() {
        Some("add") if path == "entitlements" => {
            let values = operation["value"].as_array().ok_or("value is no list")?;
            for value in values {
                world.give(right(value["value"].as_str().ok_or("an entitlement has no name")?));
            }
            Ok(())
        }
        Some("remove") => {
            let name = path.strip_prefix("entitlements[value eq \"").and_then(|rest| rest.strip_suffix("\"]"));
            world.take(&right(name.ok_or_else(|| format!("{path} is no entitlement"))?))
        }
        _ => Err(format!("{operation} is no operation")),
    }
}

/// The policy of a body, whose keys and values can be those of one.
fn policy(command: &Command, required: &[&str], optional: &[&str]) -> Result<Value, Refusal> {
    let json = body(&command.json()?, &["oidc_policy"], &["description"])?;
    let policy = body(&json["oidc_policy"], required, optional)?;
    let issuer = policy["issuer"].as_str().unwrap_or_default();
    let audiences = policy["audiences"].as_array().filter(|audiences| !audiences.is_empty());
    if !issuer.starts_with("https://") {
        return Err(format!("{issuer} is no address of an issuer"));
    }
    audiences.map(|_| policy.clone()).ok_or_else(|| "no audience is named".to_owned())
}

/// The id that is chosen for a policy.
fn id(command: &Command) -> Result<String, Refusal> {
    let id = command.flag("--policy-id")?;
    let is_id = (2..=63).contains(&id.len())
        && id.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    if is_id { Ok(id) } else { Err(format!("{id} is no id of a policy")) }
}

fn take_policy(world: &mut World, start: &str) -> Result<(), Refusal> {
    let found = world.rights.iter().find(|right| right.starts_with(start)).cloned();
    world.take(&found.ok_or_else(|| format!("there is no {start}"))?)
}

fn number(text: &str) -> Result<(), Refusal> {
    text.parse::<u64>().map(|_| ()).map_err(|_| format!("{text} is no number: an application id is none"))
}
