//! What statements and commands change: what there is, and who has which rights.

use std::collections::{BTreeMap, BTreeSet};

/// Why something is refused.
pub type Refusal = String;

/// What there is.
#[derive(Default)]
pub struct World {
    pub catalogs: BTreeSet<String>,
    pub schemas: BTreeSet<String>,
    pub volumes: BTreeSet<String>,
    /// Tables with their owners.
    pub tables: BTreeMap<String, String>,
    pub credentials: BTreeSet<String>,
    /// External locations with their credentials.
    pub locations: BTreeMap<String, String>,
    /// Profiles of the Databricks CLI, each with whether it is one of the account.
    pub profiles: BTreeMap<String, bool>,
    /// Users and roles of AWS with the names of their policies, each with its rights.
    pub policies: BTreeMap<(String, String), BTreeSet<String>>,
    pub rights: BTreeSet<String>,
    pub checks: u32,
}

impl World {
    /// Adds `right`.
    pub fn give(&mut self, right: String) {
        self.rights.insert(right);
    }

    /// Takes all rights away that begin so.
    pub fn take_all(&mut self, start: &str) {
        self.rights.retain(|right| !right.starts_with(start));
    }

    /// Takes `right` away, which has to be there.
    pub fn take(&mut self, right: &str) -> Result<(), Refusal> {
        if self.rights.remove(right) { Ok(()) } else { Err(format!("{right} was never given")) }
    }
}
