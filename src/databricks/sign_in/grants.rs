//! The requests for tokens, one function for each kind of service, and the answer that they have in common.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use reqwest::Method;
use serde_json::Value;
use url::Url;

use super::conditions::{About, explain};
use super::jwt::Claims;
use super::requests::{Asked, Patience, Said, ask, host_of};
use super::row::Asker;
use crate::error::{Error, Result};
use crate::secret::Secret;

/// The scope of everything that a sync does.
pub(super) const SCOPE: &str = "all-apis";
/// The address at which a machine in Azure learns who it is.
const MACHINE: &str = "http://169.254.169.254/metadata/identity/oauth2/token";

/// What a service has given.
#[derive(Debug)]
pub(crate) struct Granted {
    /// The token.
    pub(crate) token: Secret,
    /// How long it is good, if that was said.
    pub(crate) lasts: Option<Duration>,
    /// The refresh token, if there is one.
    pub(crate) refresh_token: Option<Secret>,
}

/// Who asks, and how.
#[derive(Clone, Copy)]
pub(super) struct Asking<'a> {
    pub(super) asker: Asker,
    /// Who signs in.
    pub(super) who: &'a str,
    /// What names the service in the configuration.
    pub(super) setting: &'a str,
    pub(super) patience: Patience,
    /// Seconds since the epoch.
    pub(super) now: i64,
}

/// Asks Databricks at `url` by `form`; `basic`: id and secret of the client in the header.
pub(super) async fn of_databricks(
    url: &Url,
    form: &[(&str, &str)],
    basic: Option<(&str, &Secret)>,
    claims: Option<&Claims>,
    asking: Asking<'_>,
) -> Result<Granted> {
    let login =
        basic.map(|(id, secret)| Secret::new(format!("Basic {}", BASE64.encode(format!("{id}:{}", secret.expose())))));
    // A code is used up when its answer is lost. A refresh token may be too, and is of no use then, asked again or not.
    let may_repeat = asking.asker != Asker::Code;
    // It has said itself where it gives tokens.
    let asking = Asking { patience: asking.patience.of_host(true), ..asking };
    let asked = Asked { method: Method::POST, url, form, login, headers: &[], setting: asking.setting, may_repeat };
    granted(&asked, claims, asking).await
}

/// Asks Microsoft Entra for a token for `resource`.
pub(super) async fn of_entra(
    authority: &str,
    tenant: &str,
    (client_id, client_secret): (&str, &Secret),
    resource: &str,
    asking: Asking<'_>,
) -> Result<Granted> {
    let url = parsed(&format!("{authority}/{tenant}/oauth2/token"), asking.setting)?;
    let form = [
        ("grant_type", "client_credentials"),
        ("client_id", client_id),
        ("client_secret", client_secret.expose()),
        ("resource", resource),
    ];
    let asked = Asked {
        method: Method::POST,
        url: &url,
        form: &form,
        login: None,
        headers: &[],
        setting: asking.setting,
        may_repeat: true,
    };
    granted(&asked, None, asking).await
}

/// Asks the metadata service of the machine for a token for `resource`. `endpoint` and `header`: where it is another one, that of
/// Azure's App Service.
pub(super) async fn of_machine(
    endpoint: Option<&str>,
    header: Option<&Secret>,
    client_id: Option<&str>,
    resource: &str,
    asking: Asking<'_>,
) -> Result<Granted> {
    let mut url = Url::parse(endpoint.unwrap_or(MACHINE)).map_err(|error| {
        Error::config("The variable IDENTITY_ENDPOINT holds no address: correct it, or remove it to ask the usual one.")
            .with_source(error)
    })?;
    let version = if header.is_some() { "2019-08-01" } else { "2018-02-01" };
    url.query_pairs_mut().append_pair("api-version", version).append_pair("resource", resource);
    if let Some(client_id) = client_id {
        url.query_pairs_mut().append_pair("client_id", client_id);
    }
    let mut headers = vec![("metadata", "true")];
    headers.extend(header.map(|header| ("x-identity-header", header.expose())));
    let asked = Asked {
        method: Method::GET,
        url: &url,
        form: &[],
        login: None,
        headers: &headers,
        setting: asking.setting,
        may_repeat: true,
    };
    granted(&asked, None, asking).await
}

fn parsed(text: &str, setting: &str) -> Result<Url> {
    Url::parse(text)
        .map_err(|error| Error::config(format!("{setting} leads to no address: correct it.")).with_source(error))
}

async fn granted(asked: &Asked<'_>, claims: Option<&Claims>, asking: Asking<'_>) -> Result<Granted> {
    let Asking { asker, who, setting, patience, now } = asking;
    let said = ask(asked, patience).await?;
    let host = host_of(asked.url);
    if said.status != 200 {
        return Err(explain(&said, &About { asker, host: &host, who, setting, claims, now }));
    }
    read(&said, now).ok_or_else(|| {
        Error::config(format!(
            "{host} answered the request for a token without one: check {setting}, and whether a proxy responds in its place."
        ))
    })
}

/// The token in an answer; `None` if there is none that can go into a header.
fn read(said: &Said, now: i64) -> Option<Granted> {
    let body: Value = serde_json::from_slice(&said.body).ok()?;
    let text = |name: &str| {
        let text = body.get(name)?.as_str()?;
        (!text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic())).then(|| Secret::passing(text))
    };
    // Microsoft writes numbers as texts, and its App Service says only when a token ends.
    let number = |name: &str| {
        let value = body.get(name)?;
        value.as_i64().or_else(|| Some(value.as_f64()? as i64)).or_else(|| value.as_str()?.trim().parse().ok())
    };
    let lasts = number("expires_in").or_else(|| number("expires_on").map(|end| end - now));
    let lasts = lasts.map(|seconds| Duration::from_secs(u64::try_from(seconds).unwrap_or(0)));
    Some(Granted { token: text("access_token")?, lasts, refresh_token: text("refresh_token") })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(body: &str) -> Option<Granted> {
        read(&Said { status: 200, body: body.to_owned().into(), now: None, retry_after: None, led_to: None }, 1000)
    }

    #[test]
    fn the_time_of_a_token_is_read_in_every_form() {
        for (body, lasts) in [
            (r#"{"access_token":"a1","expires_in":3600}"#, Some(3600)),
            (r#"{"access_token":"a1","expires_in":"3599","expires_on":"9"}"#, Some(3599)),
            (r#"{"access_token":"a1","expires_in":5.5}"#, Some(5)),
            (r#"{"access_token":"a1","expires_on":"1600"}"#, Some(600)),
            (r#"{"access_token":"a1","expires_on":"900"}"#, Some(0)),
            (r#"{"access_token":"a1"}"#, None),
        ] {
            let granted = of(body).expect(body);
            assert_eq!(granted.lasts, lasts.map(Duration::from_secs), "{body}");
        }
    }

    #[test]
    fn an_answer_without_a_token_that_a_header_takes_is_none() {
        for body in ["", "[]", "{}", r#"{"access_token":""}"#, r#"{"access_token":7}"#, r#"{"access_token":"a\nb"}"#] {
            assert!(of(body).is_none(), "{body}");
        }
    }
}
