//! The Databricks CLI: which of its profiles a command uses, and how the profiles are made.
//!
//! Sources: <https://docs.databricks.com/dev-tools/cli/reference/auth-commands>, <https://docs.databricks.com/dev-tools/cli/authentication>.

use super::shell;
use super::step::{Plan, Step, Tool};
use crate::config::{Account, DatabricksSettings, account_of};

/// What makes a command one to the workspace.
pub const WORKSPACE: &str = "--profile setup";
/// What makes a command one to the account.
pub const ACCOUNT: &str = "--profile setup-account";

/// Signs in to the workspace of `settings`.
pub fn workspace(settings: &DatabricksSettings) -> Step {
    let address = settings.address();
    // The port of https, which nobody writes down.
    let address = address.strip_suffix(":443").filter(|_| settings.https).unwrap_or(&address);
    Step::new(
        Tool::Databricks,
        "whoever runs the commands with --profile setup below",
        "Sign in to the workspace, in a browser. The Databricks CLI, version 0.205 or later, keeps the sign-in as its profile setup.",
    )
    .lasting(format!("databricks auth login --host {} {WORKSPACE}", shell::quoted(address)))
}

/// Signs in to the account that the workspace of `settings` is in.
pub fn account(plan: &mut Plan, settings: &DatabricksSettings) -> Step {
    let (id, console) = match &settings.account {
        Some(Account { id, address }) => (Some(id.clone()), Some(address.clone())),
        None => (None, account_of(&settings.hostname)),
    };
    let console = console.unwrap_or_else(|| {
        plan.place("account-console", "the address of the account console, as https://accounts.cloud.databricks.com")
    });
    let id = id.unwrap_or_else(|| {
        let whence = "the account's id: the account console, behind the user's name at the top right";
        plan.place("account-id", whence)
    });
    Step::new(
        Tool::Databricks,
        "an administrator of the account",
        "Sign in to the account, in a browser. The Databricks CLI, version 0.205 or later, keeps the sign-in as its profile setup-account.",
    )
    .lasting(format!(
        "databricks auth login --host {} --account-id {} {ACCOUNT}",
        shell::quoted(&console),
        shell::quoted(&id)
    ))
}
