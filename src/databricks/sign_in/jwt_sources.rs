//! Where a JWT for an exchange comes from: a file, a variable, the service of a job in GitHub Actions or Azure DevOps, a program. It is
//! asked for again for each exchange.

use std::path::Path;
use std::time::Duration;

use reqwest::Method;
use serde_json::Value;
use url::Url;

use super::conditions::{About, explain};
use super::jwt::Claims;
use super::jwt_command::of_command;
use super::requests::{Asked, Patience, ask, host_of};
use super::row::Asker;
use crate::config::JwtSource;
use crate::error::{Error, Result};
use crate::named_file;
use crate::secret::Secret;

/// No JWT is longer.
pub(super) const LONGEST: u64 = 64 << 10;
/// How long a program may take.
const COMMAND: Duration = Duration::from_secs(30);

/// A JWT from `source`, for `audience` where it can be chosen, with its claims. `now`: seconds since the epoch.
///
/// # Errors
/// Which source gives none, and what to do.
pub(super) async fn jwt(
    source: &JwtSource,
    audience: &str,
    patience: Patience,
    who: &str,
    now: i64,
) -> Result<(Secret, Claims)> {
    let (text, from) = match source {
        JwtSource::File(path) => {
            (of_file(path)?, format!("The file {}, which `authentication.jwt_file` names,", path.display()))
        }
        JwtSource::Variable(name) => {
            let found = JwtSource::variable(name);
            let found = found.ok_or_else(|| {
                Error::config(format!(
                    "The environment variable {name}, which `authentication.jwt_variable` names, is not set: have it set to the JWT \
                     where the sync runs."
                ))
            })?;
            (found, format!("The environment variable {name}"))
        }
        JwtSource::GitHubActions => (of_github(audience, patience, who, now).await?, "GitHub Actions".to_owned()),
        JwtSource::AzureDevOps => (of_devops(patience, who, now).await?, "Azure DevOps".to_owned()),
        JwtSource::Command(parts) => {
            let limit = COMMAND.min(patience.timeout());
            (of_command(parts, limit).await?, "The program that `authentication.jwt_command` names".to_owned())
        }
    };
    let claims = Claims::of(text.expose()).ok_or_else(|| {
        Error::config(format!(
            "{from} gives something that is no JWT, which has three parts in base64 with dots between them: let it give the JWT alone."
        ))
    })?;
    Ok((text, claims))
}

fn of_file(path: &Path) -> Result<Secret> {
    let shown = path.display();
    let named = |what: &str| format!("The file {shown}, which `authentication.jwt_file` names, {what}");
    // Of a pipe nobody knows whether something comes.
    if std::fs::metadata(path).is_ok_and(|file| !file.is_file()) {
        return Err(Error::config(named("is not a regular file: name the file with the JWT.")));
    }
    let bytes = named_file::read(path, LONGEST).map_err(|error| {
        let what = match error.kind() {
            std::io::ErrorKind::NotFound => "does not exist: correct the path, or have the token put there.",
            std::io::ErrorKind::PermissionDenied => "may not be read: give this user the right to read it.",
            std::io::ErrorKind::FileTooLarge => "is longer than any JWT: name the file with the JWT.",
            _ => "could not be read: check that it is a readable file.",
        };
        Error::config(named(what)).with_source(error)
    })?;
    let text = String::from_utf8_lossy(&bytes);
    match text.trim() {
        "" => Err(Error::config(named("is empty: have the JWT put there."))),
        text => Ok(Secret::passing(text)),
    }
}

async fn of_github(audience: &str, patience: Patience, who: &str, now: i64) -> Result<Secret> {
    const URL: &str = "ACTIONS_ID_TOKEN_REQUEST_URL";
    let missing = |name: &str| {
        Error::config(format!(
            "The variable {name} is not set, from which a job of GitHub Actions gets its JWT: give the job the permission \
             `id-token: write`, pass the variable on where the sync runs in a container, or choose another `authentication.jwt_source`."
        ))
    };
    let url = JwtSource::plain_variable(URL).ok_or_else(|| missing(URL))?;
    let name = "ACTIONS_ID_TOKEN_REQUEST_TOKEN";
    let token = JwtSource::variable(name).ok_or_else(|| missing(name))?;
    let mut url = address(&url, URL)?;
    url.query_pairs_mut().append_pair("audience", audience);
    let asked = Asked {
        method: Method::GET,
        url: &url,
        form: &[],
        login: Some(bearer(&token)),
        headers: &[],
        setting: "the variable ACTIONS_ID_TOKEN_REQUEST_URL",
        may_repeat: true,
    };
    of_service(&asked, patience, Asker::GitHub, "value", (who, now)).await
}

async fn of_devops(patience: Patience, who: &str, now: i64) -> Result<Secret> {
    let missing = |name: &str| {
        let cure = match name {
            "SYSTEM_ACCESSTOKEN" => "map it to $(System.AccessToken) in the step's env",
            _ => "Azure DevOps sets it in each job; pass it on where the sync runs in a container",
        };
        Error::config(format!(
            "The variable {name} is not set, from which a job of Azure DevOps gets its JWT: {cure}, or choose another \
             `authentication.jwt_source`."
        ))
    };
    let variable = |name: &str| JwtSource::plain_variable(name).ok_or_else(|| missing(name));
    let name = "SYSTEM_ACCESSTOKEN";
    let token = JwtSource::variable(name).ok_or_else(|| missing(name))?;
    let collection = variable("SYSTEM_TEAMFOUNDATIONCOLLECTIONURI")?;
    let url = format!(
        "{}/{}/_apis/distributedtask/hubs/{}/plans/{}/jobs/{}/oidctoken?api-version=7.2-preview.1",
        collection.trim_end_matches('/'),
        variable("SYSTEM_TEAMPROJECTID")?,
        variable("SYSTEM_HOSTTYPE")?,
        variable("SYSTEM_PLANID")?,
        variable("SYSTEM_JOBID")?
    );
    let url = address(&url, "SYSTEM_TEAMFOUNDATIONCOLLECTIONURI")?;
    let asked = Asked {
        method: Method::POST,
        url: &url,
        form: &[],
        login: Some(bearer(&token)),
        headers: &[],
        setting: "the variable SYSTEM_TEAMFOUNDATIONCOLLECTIONURI",
        may_repeat: true,
    };
    of_service(&asked, patience, Asker::DevOps, "oidcToken", (who, now)).await
}

async fn of_service(
    asked: &Asked<'_>,
    patience: Patience,
    asker: Asker,
    field: &str,
    (who, now): (&str, i64),
) -> Result<Secret> {
    let said = ask(asked, patience).await?;
    let host = host_of(asked.url);
    if said.status != 200 {
        let about = About { asker, host: &host, who, setting: asked.setting, claims: None, now };
        return Err(explain(&said, &about));
    }
    let body: Option<Value> = serde_json::from_slice(&said.body).ok();
    let text = body.as_ref().and_then(|body| body.get(field)).and_then(Value::as_str);
    text.map(Secret::passing)
        .ok_or_else(|| Error::config(format!("{host} answered without a JWT: check {}.", asked.setting)))
}

fn address(text: &str, variable: &str) -> Result<Url> {
    Url::parse(text).map_err(|error| {
        Error::config(format!("The variable {variable} holds no address: correct it.")).with_source(error)
    })
}

pub(super) fn bearer(token: &Secret) -> Secret {
    Secret::new(format!("Bearer {}", token.expose()))
}
