//! Accepts statements and commands that the documentation allows, and remembers what they do. Anything else is refused with a reason.

use std::collections::BTreeSet;

use super::cases::Case;
use super::principals::member;
use super::world::{Refusal, World};
use super::{cli, sql};

/// Runs what is pasted.
pub struct Recorder {
    world: World,
}

impl Recorder {
    /// A workspace in which nobody has any rights, with the catalogs of `case` and nothing in them.
    pub fn new(case: &Case) -> Self {
        let catalog = case.config["database"].as_str().unwrap_or("hive_metastore");
        let catalogs = [catalog, "files"].map(str::to_owned).into();
        Self { world: World { catalogs, ..World::default() } }
    }

    /// Makes the tables of `case`, which are somebody else's.
    pub fn make_tables(&mut self, case: &Case) {
        for table in &case.tables {
            self.world.tables.insert((*table).to_owned(), "someone@example.com".to_owned());
        }
    }

    /// Makes an administrator of the workspace of the service principal.
    pub fn make_administrator(&mut self, principal: &str, workspace: &str) {
        self.world.give(member(principal, "ADMIN", workspace));
    }

    /// Runs one statement of SQL, without its semicolon, or one command.
    pub fn accept(&mut self, line: &str) -> Result<(), Refusal> {
        match line.split(' ').next() {
            Some("databricks" | "aws" | "az" | "destination-databricks") => cli::run(&mut self.world, line),
            _ => sql::run(&mut self.world, line),
        }
    }

    /// All rights that were given and not taken back, and what was made to give them.
    pub fn rights(&self) -> Vec<String> {
        let made = self.world.credentials.iter().map(|name| format!("credential {name}"));
        let made = made.chain(self.world.locations.keys().map(|name| format!("external location {name}")));
        let of_policies = self.world.policies.values().flatten();
        self.world.rights.iter().chain(of_policies).cloned().chain(made).collect::<BTreeSet<_>>().into_iter().collect()
    }

    /// Whether the configuration was tried out.
    pub fn has_checked(&self) -> bool {
        self.world.checks == 1
    }
}
