//! Commands that the recorder knows, with their arguments, flags and bodies. Sources:
//! <https://docs.databricks.com/dev-tools/cli/reference>, <https://docs.databricks.com/api>,
//! <https://docs.aws.amazon.com/cli/latest/reference/iam>, <https://learn.microsoft.com/cli/azure>.

use std::collections::BTreeSet;

use serde_json::Value;

use super::command::{Command, body};
use super::principals;
use super::rights::PERMISSIONS;
use super::world::{Refusal, World};

/// Runs `line` in `world`.
pub fn run(world: &mut World, line: &str) -> Result<(), Refusal> {
    let mut command = Command::of(line)?;
    let program = command.words.remove(0);
    match program.as_str() {
        "databricks" => databricks(world, command),
        "aws" => aws(world, command),
        "az" => az(world, command),
        _ => own(world, &command),
    }
}

fn own(world: &mut World, command: &Command) -> Result<(), Refusal> {
    match command.words.first().map(String::as_str) {
        Some("login") => {
            let flags = ["--host", "--file", "--client-id", "--client-secret-file", "--account-id", "--account-host"];
            command.only(&["login"], 0, &flags)?;
            command.flag("--host")?;
            world.give("signed in".to_owned());
        }
        Some("logout") => {
            command.only(&["logout"], 0, &["--host", "--file"])?;
            world.take("signed in")?;
        }
        _ => {
            command.only(&["check"], 0, &["--config"])?;
            command.flag("--config")?;
            world.checks += 1;
        }
    }
    Ok(())
}

fn databricks(world: &mut World, mut command: Command) -> Result<(), Refusal> {
    let words = command.words.clone();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    if words == ["auth", "login"] {
        command.only(&["auth", "login"], 0, &["--host", "--account-id", "--profile"])?;
        let host = command.flag("--host")?;
        if !host.starts_with("https://") || host["https://".len()..].contains('/') {
            return Err(format!("{host} is no address of a workspace or account console"));
        }
        let is_account = command.has("--account-id");
        if is_account != host.starts_with("https://accounts.") {
            return Err("an account id belongs to the account console, and only there".to_owned());
        }
        world.profiles.insert(command.flag("--profile")?, is_account);
        return Ok(());
    }
    let profile = command.take("--profile").ok_or("no profile is named: which workspace is meant?")?;
    let is_account = *world.profiles.get(&profile).ok_or_else(|| format!("nobody has signed in as {profile}"))?;
    if is_account != (words.first() == Some(&"account")) {
        return Err(format!("{profile} is a profile of {}", if is_account { "the account" } else { "a workspace" }));
    }
    match words.as_slice() {
        ["account", ..] | ["service-principals", ..] => return principals::run(world, &command),
        ["permissions", verb @ ("update" | "set" | "get"), kind, id] => {
            let levels = PERMISSIONS
                .iter()
                .find(|(name, _)| name == kind)
                .ok_or_else(|| format!("{kind} has no permissions"))?
                .1;
            let entries = match *verb {
                "get" => return command.only(&["permissions", "get"], 2, &[]),
                verb => {
                    command.only(&["permissions", verb], 2, &["--json"])?;
                    body(&command.json()?, &["access_control_list"], &[])?["access_control_list"].clone()
                }
            };
            let entries = entries.as_array().ok_or("access_control_list is no list")?;
            if *verb == "set" {
                let on = format!(" on {kind} {id}");
                world.rights.retain(|right| !right.ends_with(&on));
            }
            for entry in entries {
                let names = ["user_name", "group_name", "service_principal_name"];
                let name = names.iter().find_map(|name| entry[name].as_str()).ok_or("an entry names nobody")?;
                let level = entry["permission_level"].as_str().unwrap_or_default();
                if !levels.contains(&level) || entry.as_object().map(serde_json::Map::len) != Some(2) {
                    return Err(format!("{entry} is no entry for {kind}"));
                }
                world.give(format!("{name} {level} on {kind} {id}"));
            }
        }
        ["storage-credentials", "create"] => {
            command.only(&["storage-credentials", "create"], 0, &["--json"])?;
            let json =
                body(&command.json()?, &["name"], &["aws_iam_role", "azure_managed_identity", "comment", "read_only"])?;
            let role = json["aws_iam_role"]["role_arn"].as_str().is_some_and(|arn| arn.contains(":role/"));
            let connector = json["azure_managed_identity"]["access_connector_id"].as_str();
            let connector =
                connector.is_some_and(|id| id.contains("/providers/Microsoft.Databricks/accessConnectors/"));
            if role == connector {
                return Err(format!("{json} says not how the storage is reached"));
            }
            world.credentials.insert(json["name"].as_str().unwrap().to_owned());
        }
        ["storage-credentials", "delete", name] => {
            command.only(&["storage-credentials", "delete"], 1, &["--force"])?;
            if world.locations.values().any(|used| used == name) {
                return Err(format!("{name} is used by an external location"));
            }
            if !world.credentials.remove(*name) {
                return Err(format!("there is no storage credential {name}"));
            }
        }
        ["instance-profiles", verb @ ("add" | "remove"), arn] => {
            command.only(&["instance-profiles", verb], 1, &[])?;
            if !arn.contains(":instance-profile/") {
                return Err(format!("{arn} is no instance profile"));
            }
            let right = format!("instance profile {arn}");
            if *verb == "add" { world.give(right) } else { world.take(&right)? }
        }
        other => return Err(format!("databricks {other:?} is no command that is known")),
    }
    Ok(())
}

fn aws(world: &mut World, command: Command) -> Result<(), Refusal> {
    let words: Vec<&str> = command.words.iter().map(String::as_str).collect();
    let ["iam", verb] = words.as_slice() else { return Err(format!("aws {words:?}")) };
    let (puts, kind) = match *verb {
        "put-user-policy" => (true, "user"),
        "put-role-policy" => (true, "role"),
        "delete-user-policy" => (false, "user"),
        "delete-role-policy" => (false, "role"),
        other => return Err(format!("aws iam {other}")),
    };
    let name_flag = format!("--{kind}-name");
    let mut flags = vec![name_flag.as_str(), "--policy-name"];
    if puts {
        flags.push("--policy-document");
    }
    command.only(&["iam", verb], 0, &flags)?;
    let (name, policy) = (command.flag(&name_flag)?, command.flag("--policy-name")?);
    for text in [&name, &policy] {
        if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+=,.@_-".contains(&byte)) {
            return Err(format!("{text} is no name of AWS"));
        }
    }
    let who = format!("aws {kind} {name} ");
    let key = (who.clone(), policy.clone());
    if !puts {
        return world.policies.remove(&key).map(|_| ()).ok_or_else(|| format!("{name} has no policy {policy}"));
    }
    let mut given = BTreeSet::new();
    let document: Value =
        serde_json::from_str(&command.flag("--policy-document")?).map_err(|error| error.to_string())?;
    let document = body(&document, &["Statement", "Version"], &[])?;
    if document["Version"] != "2012-10-17" {
        return Err(format!("{} is no version of the language of policies", document["Version"]));
    }
    for statement in document["Statement"].as_array().ok_or("Statement is no list")? {
        let statement = body(statement, &["Action", "Effect", "Resource"], &[])?;
        let resource =
            statement["Resource"].as_str().filter(|arn| arn.starts_with("arn:")).ok_or("a resource is no ARN")?;
        for action in statement["Action"].as_array().ok_or("Action is no list")? {
            let action = action.as_str().filter(|action| action.contains(':')).ok_or("an action has no service")?;
            let is_of_bucket = ["s3:ListBucket", "s3:ListBucketMultipartUploads"].contains(&action);
            if action.starts_with("s3:") && is_of_bucket == resource.contains('/') {
                return Err(format!("{action} does not apply to {resource}"));
            }
            given.insert(format!("{who}{action} on {resource}"));
        }
    }
    world.policies.insert(key, given);
    Ok(())
}

fn az(world: &mut World, command: Command) -> Result<(), Refusal> {
    let words: Vec<&str> = command.words.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["storage", "container", "create"] => {
            command.only(&words, 0, &["--account-name", "--name", "--auth-mode"])?;
            if command.flag("--auth-mode")? != "login" {
                return Err("a key would be asked for".to_owned());
            }
            Ok(())
        }
        ["role", "assignment", verb @ ("create" | "delete")] => {
            command.only(&words, 0, &["--assignee", "--role", "--scope"])?;
            let scope = command.flag("--scope")?;
            let parts: Vec<&str> = scope.split('/').collect();
            let [
                "",
                "subscriptions",
                _,
                "resourceGroups",
                _,
                "providers",
                "Microsoft.Storage",
                "storageAccounts",
                account,
                "blobServices",
                "default",
                "containers",
                container,
            ] = parts.as_slice()
            else {
                return Err(format!("{scope} is no container"));
            };
            let (assignee, role) = (command.flag("--assignee")?, command.flag("--role")?);
            let right = format!("azure {assignee} {role} on {account}/{container}");
            if *verb == "create" {
                world.give(right);
                Ok(())
            } else {
                world.take(&right)
            }
        }
        other => Err(format!("az {other:?}")),
    }
}
