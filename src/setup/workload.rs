//! What the JWT of a workload says, for its federation policy: that of the configuration, if it is here, or what the command line says.

use std::path::Path;

use super::Options;
use super::plan::Trusted;
use crate::config::{Authentication, DatabricksSettings, JwtSource, Timeouts};
use crate::databricks::sign_in::{Claims, claims};
use crate::error::{Error, Result};
use crate::named_file;
use crate::secret::know;

/// No JWT is longer.
const LONGEST: u64 = 64 << 10;

/// What the JWT of `settings` has, as far as it is known; `None` for other ways to sign in.
///
/// # Errors
/// A config error where the file that `options` name has no JWT.
pub(super) async fn trusted(
    options: &Options,
    settings: &DatabricksSettings,
    timeouts: &Timeouts,
) -> Result<Option<Trusted>> {
    let Authentication::WorkloadIdentity { source, audience, .. } = &settings.authentication else { return Ok(None) };
    let wanted = options.audience.as_ref().or(audience.as_ref());
    let found = match &options.jwt {
        Some(file) => claims_in(file)?,
        // Where the workload runs elsewhere, its JWT is not here, which is no error.
        None if options.issuer.is_none() || options.subject.is_none() => {
            let usual = || format!("https://{}/oidc/v1/token", settings.hostname);
            let of_account = settings.account.as_ref().map(|account| account.id.clone());
            let audience = wanted.cloned().or(of_account).unwrap_or_else(usual);
            claims(source, &audience, timeouts).await.unwrap_or_default()
        }
        None => Claims::default(),
    };
    Ok(Some(Trusted {
        issuer: options.issuer.clone().or(found.issuer).or_else(|| issuer_of(source).map(str::to_owned)),
        subject: options.subject.clone().or(found.subject),
        audiences: wanted.map_or(found.audiences, |audience| vec![audience.clone()]),
    }))
}

fn claims_in(file: &Path) -> Result<Claims> {
    let wrong = || Error::config(format!("{} holds no JWT: name a file with one for --jwt.", file.display()));
    let bytes = named_file::read(file, LONGEST).map_err(|error| wrong().with_source(error))?;
    let text = String::from_utf8(bytes).map_err(|_| wrong())?;
    know(text.trim());
    Claims::of(text.trim()).ok_or_else(wrong)
}

/// The issuer of a source that has only one.
fn issuer_of(source: &JwtSource) -> Option<&'static str> {
    match source {
        JwtSource::GitHubActions => Some("https://token.actions.githubusercontent.com"),
        _ => None,
    }
}
