//! The warehouse or the cluster: who may use it is one of its permissions, and no GRANT.

use serde_json::json;

use super::Facts;
use super::account::{principal, unknown, word};
use super::steps::{Step, Unknown};
use crate::config::DatabricksSettings;

const OTHERS: &str = "<all other entries>";

/// The kind of object, as the Permissions API calls it, and its id; `None` for a server that is not Databricks.
pub(super) fn of(settings: &DatabricksSettings) -> Option<(&'static str, String)> {
    let path = settings.http_path.split('?').next().unwrap_or_default().trim_matches('/');
    match path.split('/').collect::<Vec<_>>().as_slice() {
        ["sql", "1.0", "warehouses" | "endpoints", id] => Some(("warehouses", (*id).to_owned())),
        ["sql", "protocolv1", "o", _, id] => Some(("clusters", (*id).to_owned())),
        _ => None,
    }
}

pub(super) fn steps(facts: &Facts<'_>) -> Vec<Step> {
    let Some((kind, id)) = of(facts.settings) else { return Vec::new() };
    let (field, name) = principal(facts);
    let (title, level, about) = match kind {
        "warehouses" => ("The warehouse", "CAN_USE", "Lets it run statements there. A profile of the workspace."),
        _ => (
            "The cluster",
            "CAN_RESTART",
            "Lets it run statements there, and start the cluster where it is stopped. A profile of the workspace.",
        ),
    };
    let entries = json!({"access_control_list": [{field: name, "permission_level": level}]});
    let command = format!("databricks permissions update {kind} {id} --json {}", word(&entries));
    vec![Step::shell(title, about, vec![command]).with(unknown(facts))]
}

/// What takes it back: an entry goes by setting all others.
pub(super) fn revoked(facts: &Facts<'_>) -> Vec<Step> {
    let Some((kind, id)) = of(facts.settings) else { return Vec::new() };
    let title = if kind == "warehouses" { "The warehouse" } else { "The cluster" };
    let commands = vec![
        format!("databricks permissions get {kind} {id}"),
        format!("databricks permissions set {kind} {id} --json '{{\"access_control_list\": [{OTHERS}]}}'"),
    ];
    let others = Unknown {
        placeholder: OTHERS,
        found: "those that the command before shows and that are not inherited, without the one of this setup."
            .to_owned(),
    };
    let about = "An entry is removed by setting the others. A profile of the workspace.";
    vec![Step::shell(title, about, commands).with([others])]
}
