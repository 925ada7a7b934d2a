//! `setup`: prints what an administrator has to run, so that syncs with a configuration work.
//!
//! Everything is computed (`plan`) from the configuration and, if there are any, a catalog file and a JWT (`workload`); nothing is asked of
//! Databricks, and nothing is run there. What the configuration does not know is a place with a name, `<account-id>`, and a sentence that
//! says where its value is found. Every statement and command is one that the documentation of Databricks, AWS or Azure has; no secret is in
//! any.

mod comment;
mod json;
mod plan;
mod text;
mod workload;

use std::path::{Path, PathBuf};

use uuid::Uuid;

use self::plan::{Known, plan};
use crate::config::{Authentication, Config, Engine, RefreshToken};
use crate::error::Result;
use crate::login_file::Login;
use crate::protocol::catalog::{Caller, Catalog};
use crate::stream_schemas::StreamSchemas;
use crate::target::{Target, targets};

/// What is asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Options {
    /// The configuration.
    pub config: PathBuf,
    /// The configured catalog, if the schemas and tables of its streams are to be named.
    pub catalog: Option<PathBuf>,
    /// JSON for programs, not text for people.
    pub json: bool,
    /// A file with a JWT of the workload, if that of the configuration is not here.
    pub jwt: Option<PathBuf>,
    /// The issuer of the JWT, if none is at hand.
    pub issuer: Option<String>,
    /// Its subject.
    pub subject: Option<String>,
    /// Its audience.
    pub audience: Option<String>,
}

/// What has to be run for the configuration and the streams that `options` name, without a line end and without secrets.
///
/// # Errors
/// What is wrong with the files: the same as for a sync.
pub async fn run(options: &Options) -> Result<String> {
    let config = Config::from_file(&options.config)?;
    config.ensure_supported()?;
    let targets = options.catalog.as_deref().map(|catalog| targets_of(&config, catalog)).transpose()?;
    let (trusted, user) = match &config.engine {
        Engine::Databricks(settings) => {
            (workload::trusted(options, settings, &config.tuning.timeouts).await?, user(&settings.authentication))
        }
        Engine::Direct => (None, None),
    };
    let file = options.config.display().to_string();
    let mut plan = plan(&config, &Known { targets: targets.as_deref(), trusted, user, file })?;
    plan.hide_secrets();
    Ok(if options.json { json::print(&plan) } else { text::print(&plan) })
}

/// The user who has signed in with a browser, if the file of that names one.
fn user(authentication: &Authentication) -> Option<String> {
    let Authentication::User { refresh_token: RefreshToken::File(path), .. } = authentication else { return None };
    Login::user_in(path)
}

fn targets_of(config: &Config, catalog: &Path) -> Result<Vec<Target>> {
    let mut schemas = StreamSchemas::new(&config.tables);
    // Names and layouts alone count, whoever made the catalog.
    let text = Catalog::text(catalog)?;
    let catalog = Catalog::from_json(&text, Caller::Other, &mut |stream, json| schemas.columns(stream, json))?;
    targets(&catalog, &config.schema, Uuid::nil())
}
