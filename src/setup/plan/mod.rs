//! From a configuration and the places of its streams to the steps that set it up. Nothing here reads, asks or waits.

mod azure;
mod cli;
mod compute;
mod hive_metastore;
mod identity;
mod objects;
mod principals;
mod reversal;
mod s3;
mod shell;
mod sql;
mod step;
mod unity_catalog;

use self::objects::Objects;
pub use self::principals::Trusted;
pub use self::reversal::Reversal;
pub use self::shell::quoted;
pub use self::step::{Plan, Step, Tool};
use crate::config::{Config, DatabricksSettings, Engine, StorageSettings};
use crate::databricks::{Compute, compute};
use crate::error::Result;
use crate::secret::know_open;
use crate::target::Target;

/// What is known beside a configuration.
#[derive(Debug, Default)]
pub struct Known<'a> {
    /// Where the streams go, if a catalog file names them.
    pub targets: Option<&'a [Target]>,
    /// What the JWT of a workload has.
    pub trusted: Option<Trusted>,
    /// The user who has signed in, if the login file names one.
    pub user: Option<String>,
    /// The configuration's file.
    pub file: String,
}

/// What has to be run for `config`.
///
/// # Errors
/// A config error where the HTTP path is none.
pub fn plan(config: &Config, known: &Known<'_>) -> Result<Plan> {
    let mut plan = Plan::default();
    let unknown =
        |field| format!("The configuration has the unknown field {field}, which is ignored. It may be misspelt.");
    plan.remarks.extend(config.unknown_fields.iter().map(unknown));
    if config.engine == Engine::Direct {
        plan.remarks.push("This configuration does without Databricks: nothing has to be set up there.".to_owned());
    }
    match &config.storage {
        StorageSettings::Local { path } => {
            let remark = format!("The user who runs the sync needs the right to write in {}.", path.display());
            plan.remarks.push(remark);
        }
        StorageSettings::S3(settings) => s3::add(&mut plan, settings),
        StorageSettings::Azure(settings) => azure::add(&mut plan, settings),
        StorageSettings::Managed(_) => {}
    }
    // After the storage, because Databricks tries an external location out.
    if let Engine::Databricks(settings) = &config.engine {
        databricks(&mut plan, config, settings, known)?;
    }
    let check = Step::new(Tool::Program, "whoever runs syncs", "Try it out: a row is loaded, read back and removed.");
    plan.steps.push(check.lasting(format!("destination-databricks check --config {}", shell::quoted(&known.file))));
    Ok(plan)
}

fn databricks(plan: &mut Plan, config: &Config, settings: &DatabricksSettings, known: &Known<'_>) -> Result<()> {
    let url = match &config.storage {
        StorageSettings::S3(settings) => Some(s3::url(settings)),
        StorageSettings::Azure(settings) => Some(azure::url(settings)),
        StorageSettings::Local { .. } | StorageSettings::Managed(_) => None,
    };
    // Its id may resemble a token.
    know_open(&settings.http_path);
    let compute = compute(&settings.http_path)?;
    if let Compute::Thrift(path) = &compute
        && compute::cluster(path).is_none()
    {
        plan.remarks.push(format!(
            "`databricks_http_path` is that of a Spark server, not of Databricks: it has no users and no rights to set up.{}",
            url.map(|url| format!(" Spark itself has to be able to read and write {url}.")).unwrap_or_default()
        ));
        return Ok(());
    }
    let identity = identity::add(plan, settings, known);
    plan.steps.push(cli::workspace(settings));
    if identity.is_service_principal && matches!(compute, Compute::Warehouse(_)) {
        principals::entitle(plan);
    }
    compute::add(plan, &compute, &identity);
    let objects = Objects::of(config, known.targets);
    match url {
        Some(url) if hive_metastore::is(&config.catalog) => {
            hive_metastore::add(plan, &config.storage, &url, &objects, &identity);
        }
        url => unity_catalog::add(plan, &config.storage, url.as_deref(), &objects, &identity),
    }
    Ok(())
}
