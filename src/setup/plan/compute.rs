//! Rights to the warehouse or cluster. They are no GRANTs of SQL but permissions of the workspace.
//!
//! Source: <https://docs.databricks.com/api/workspace/permissions/update>.

use serde_json::json;

use super::cli::WORKSPACE;
use super::identity::Identity;
use super::shell;
use super::step::{Plan, Step, Tool};
use crate::databricks::Compute;

/// Adds the step that lets `identity` use `compute`.
pub fn add(plan: &mut Plan, compute: &Compute, identity: &Identity) {
    let (kind, id, level, purpose, who) = match compute {
        Compute::Warehouse(id) => (
            "warehouses",
            id.as_str(),
            "CAN_USE",
            "Use the SQL warehouse. This starts it too. It is a permission of the warehouse: SQL has no GRANT for it.",
            "whoever has CAN MANAGE on the warehouse, or an administrator of the workspace",
        ),
        Compute::Thrift(path) => {
            let Some(id) = cluster(path) else { return };
            (
                "clusters",
                id,
                "CAN_RESTART",
                "Use the cluster, and start it when it is stopped. It is a permission of the cluster: SQL has no GRANT for it.",
                "whoever has CAN MANAGE on the cluster, or an administrator of the workspace",
            )
        }
    };
    let entry = json!({&identity.kind: &identity.principal, "permission_level": level});
    let allow = json!({"access_control_list": [entry]});
    let remaining = plan.place(
        "remaining-entries",
        format!(
            "only to take the permission back: the list that `databricks permissions get` has printed in access_control_list, without {} \
             and without what is inherited, as a list in JSON of objects with permission_level and one of user_name, group_name and \
             service_principal_name",
            identity.principal,
        ),
    );
    let id = shell::quoted(id);
    let mut step = Step::new(Tool::Databricks, who, purpose)
        .lasting(format!("databricks permissions update {kind} {id} --json {} {WORKSPACE}", shell::json(&allow)));
    // A permission is removed by setting all others: that is what the API has.
    step.rights.run = vec![
        format!("databricks permissions get {kind} {id} {WORKSPACE}"),
        format!("databricks permissions set {kind} {id} --json '{{\"access_control_list\":{remaining}}}' {WORKSPACE}"),
    ];
    plan.steps.push(step);
}

/// The cluster's id in the path `sql/protocolv1/o/<workspace>/<cluster>`; `None` if it is another one, that of a Spark server.
pub fn cluster(path: &str) -> Option<&str> {
    match path.split('/').collect::<Vec<_>>().as_slice() {
        ["sql", "protocolv1", "o", _, id] => Some(id),
        _ => None,
    }
}
