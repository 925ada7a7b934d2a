//! `setup`: everything that an administrator of Databricks has to run for one configuration, in order, ready to paste. Nothing is sent to
//! Databricks, and nothing is made up: what the configuration does not know is a placeholder, with how to find it.
//!
//! `steps` is what a step is and how it looks, `account` who signs in and why that is trusted, `compute` the warehouse or cluster,
//! `grants` the statements.

mod account;
mod compute;
mod grants;
mod steps;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use uuid::Uuid;

use self::steps::{Plan, Step, shell};
use crate::config::{Account, Authentication, Config, DatabricksSettings, Engine, JwtSource};
use crate::databricks::Who;
use crate::databricks::sign_in::{Claims, claims};
use crate::error::{Error, Result};
use crate::named_file;
use crate::protocol::catalog::{Caller, Catalog};
use crate::schema::naming::identifier;
use crate::stream_schemas::StreamSchemas;
use crate::target::targets;

/// No JWT is longer.
const LONGEST: u64 = 64 << 10;

/// What is asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Options {
    /// The configuration.
    pub config: PathBuf,
    /// The configured catalog, which says which tables there are.
    pub catalog: Option<PathBuf>,
    /// For machines.
    pub json: bool,
    /// A file with a JWT of the workload.
    pub jwt: Option<PathBuf>,
    /// What a JWT has that is not at hand.
    pub issuer: Option<String>,
    /// The same.
    pub subject: Option<String>,
    /// The same.
    pub audience: Option<String>,
}

/// What a federation policy is about, as far as it is known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Trusted {
    issuer: Option<String>,
    subject: Option<String>,
    audiences: Vec<String>,
}

/// What the steps are made from.
struct Facts<'a> {
    config: &'a Config,
    settings: &'a DatabricksSettings,
    who: Who,
    trusted: Trusted,
    /// The schemas of tables.
    schemas: BTreeSet<String>,
    /// The tables, as schema and name, if a catalog says which there are.
    tables: Option<BTreeSet<(String, String)>>,
}

/// The steps for the configuration that `options` name, as text or JSON.
///
/// # Errors
/// What is wrong with the configuration or the catalog; a configuration without Databricks needs no steps.
pub async fn run(options: &Options) -> Result<String> {
    let config = Config::from_file(&options.config)?;
    config.ensure_supported()?;
    let Engine::Databricks(settings) = &config.engine else {
        return Err(Error::config(
            "This configuration does without Databricks (`databricks_server_hostname` is not set), so there is nothing to set up there.",
        ));
    };
    let tables = options.catalog.as_deref().map(|path| tables(path, &config)).transpose()?;
    let own = identifier(&config.schema);
    let schemas = tables.iter().flatten().map(|(schema, _)| schema.clone()).chain([own]).collect();
    let trusted = trusted(options, settings, &config).await?;
    let who = who(settings, &trusted);
    let facts = Facts { config: &config, settings, who, trusted, schemas, tables };
    let plan = plan(&facts, &options.config);
    Ok(if options.json { plan.json() } else { plan.text() })
}

fn plan(facts: &Facts<'_>, config: &Path) -> Plan {
    let mut steps = account::steps(facts);
    steps.extend(compute::steps(facts));
    let (granted, revoked) = grants::steps(facts);
    steps.extend(granted);
    steps.push(Step::shell(
        "Try it",
        "Writes, loads, reads back and removes one row, and says what is still missing.",
        vec![format!("destination-databricks check --config {}", shell(&config.display().to_string()))],
    ));
    let revoke = revoked.into_iter().chain(compute::revoked(facts)).chain(account::revoked(facts)).collect();
    Plan { steps, revoke }
}

/// Who signs in; without a client id, the JWT's subject says it.
fn who(settings: &DatabricksSettings, trusted: &Trusted) -> Who {
    let who = Who::of(&settings.authentication);
    match (&settings.authentication, &trusted.subject) {
        (Authentication::WorkloadIdentity { client_id: None, .. }, Some(subject)) => Who {
            named: format!("the user or service principal `{subject}`"),
            principal: grants::quoted(subject),
            ..who
        },
        _ => who,
    }
}

/// The tables of the catalog at `path`.
fn tables(path: &Path, config: &Config) -> Result<BTreeSet<(String, String)>> {
    let mut schemas = StreamSchemas::new(&config.tables);
    let catalog = Catalog::from_file(path, Caller::Other, &mut |stream, json| schemas.columns(stream, json))?;
    let all = targets(&catalog, &config.schema, Uuid::nil())?;
    let pair = |table: &str| table.split_once('/').map(|(schema, name)| (schema.to_owned(), name.to_owned()));
    Ok(all.iter().filter_map(|target| pair(&target.table)).collect())
}

/// What the JWT has that the policy has to match: of the options, of a JWT at hand, or nothing.
async fn trusted(options: &Options, settings: &DatabricksSettings, config: &Config) -> Result<Trusted> {
    let Authentication::WorkloadIdentity { source, audience, .. } = &settings.authentication else {
        return Ok(Trusted::default());
    };
    let found = match &options.jwt {
        Some(path) => Some(claims_in(path)?),
        None => {
            let wanted = audience.clone().unwrap_or_else(|| default_audience(settings));
            // Where the workload runs elsewhere, its JWT is not here.
            let is_here = options.issuer.is_none() || options.subject.is_none();
            match is_here {
                true => claims(source, &wanted, &config.tuning.timeouts).await.ok(),
                false => None,
            }
        }
    };
    let Claims { issuer, subject, audiences, .. } = found.unwrap_or_default();
    let asked = options.audience.iter().chain(audience).next().cloned();
    let usual = || issuer_of(source).map(str::to_owned);
    Ok(Trusted {
        issuer: options.issuer.clone().or(issuer).or_else(usual),
        subject: options.subject.clone().or(subject),
        audiences: asked.map_or(audiences, |audience| vec![audience]),
    })
}

fn claims_in(path: &Path) -> Result<Claims> {
    let wrong = || Error::config(format!("{} holds no JWT: name a file with one for --jwt.", path.display()));
    let bytes = named_file::read(path, LONGEST).map_err(|error| wrong().with_source(error))?;
    let text = String::from_utf8(bytes).map_err(|_| wrong())?;
    crate::secret::know(text.trim());
    Claims::of(text.trim()).ok_or_else(wrong)
}

/// For whom a JWT is asked for where that is not configured.
fn default_audience(settings: &DatabricksSettings) -> String {
    match &settings.account {
        Some(Account { id, .. }) => id.clone(),
        None => format!("https://{}/oidc/v1/token", settings.hostname),
    }
}

/// The issuer of a source that has only one.
fn issuer_of(source: &JwtSource) -> Option<&'static str> {
    match source {
        JwtSource::GitHubActions => Some("https://token.actions.githubusercontent.com"),
        _ => None,
    }
}

#[cfg(test)]
#[path = "setup_tests.rs"]
mod tests;
