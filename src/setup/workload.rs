//! What the JWT of a workload says, for its federation policy: that of the configuration, if it is here, or what the command line says.

use std::path::Path;

use super::Options;
use super::plan::Trusted;
use crate::config::{Authentication, DatabricksSettings, JwtSource, Timeouts};
use crate::databricks::sign_in::{Claims, claims};
use crate::error::{Error, Result, shortened};
use crate::named_file;
use crate::secret::know;

/// No JWT is longer.
const LONGEST: u64 = 64 << 10;

/// What the JWT of `settings` has, as far as it is known; `None` for other ways to sign in.
///
/// # Errors
/// A config error where the file that `options` name has no JWT, or an option is empty.
pub(super) async fn trusted(
    options: &Options,
    settings: &DatabricksSettings,
    timeouts: &Timeouts,
) -> Result<Option<Trusted>> {
    ensure_told(options)?;
    let Authentication::WorkloadIdentity { source, audience, .. } = &settings.authentication else { return Ok(None) };
    let mut remarks: Vec<String> = settings.authentication.without_effect().into_iter().collect();
    // As a sync asks for it.
    let asked = audience.clone().or_else(|| settings.account.as_ref().map(|account| account.id.clone()));
    let asked = asked.unwrap_or_else(|| format!("https://{}/oidc/v1/token", settings.hostname));
    // Any other JWT has the audience that its issuer gave it, whatever the configuration says.
    let wanted = options.audience.as_ref().or(source.is_asked_by_audience().then_some(&asked));
    let found = match &options.jwt {
        Some(file) => Some(claims_in(file)?),
        None if options.issuer.is_none() || options.subject.is_none() => {
            // Where the workload runs elsewhere, its JWT is not here, which is no error.
            let found = claims(source, wanted.unwrap_or(&asked), timeouts).await;
            found.map_err(|error| remarks.push(unread(&error))).ok()
        }
        None => None,
    };
    remarks.extend(found.as_ref().and_then(refused));
    let found = found.unwrap_or_default();
    let some = |text: &String| !text.is_empty();
    Ok(Some(Trusted {
        issuer: options.issuer.clone().or(found.issuer.filter(some)).or_else(|| issuer_of(source).map(str::to_owned)),
        subject: options.subject.clone().or(found.subject.filter(some)),
        audiences: wanted.map_or(found.audiences, |audience| vec![audience.clone()]),
        remarks,
    }))
}

fn ensure_told(options: &Options) -> Result<()> {
    let texts = [("issuer", &options.issuer), ("subject", &options.subject), ("audience", &options.audience)];
    match texts.iter().find(|(_, text)| text.as_ref().is_some_and(|text| text.trim().is_empty())) {
        Some((name, _)) => Err(Error::config(format!(
            "--{name} is empty, which no federation policy can have: name what the JWT has, or leave the option out."
        ))),
        None => Ok(()),
    }
}

/// Why there are places where the JWT's claims belong.
fn unread(error: &Error) -> String {
    format!(
        "The JWT that the configuration leads to could not be read here, so what is not named by options is a place below: {error} Run setup \
         where the workload runs, or name a file with its JWT by --jwt."
    )
}

/// Why Databricks refuses the JWT with `claims` whatever the policy is, if it does.
fn refused(claims: &Claims) -> Option<String> {
    if claims.is_accepted() {
        return None;
    }
    let algorithm = shortened(&claims.algorithm, 40);
    Some(format!(
        "The JWT is signed by the algorithm {algorithm}: Databricks refuses it with every policy. Have its issuer sign by RS256 or ES256, which \
         are all that Databricks accepts."
    ))
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
