//! The steps of a sign-in with a browser that concern Databricks: the address that the browser opens, and the exchange of what it brings
//! back. Nothing here opens a browser or listens.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use url::Url;

use super::endpoints::{Endpoints, Issuer};
use super::grants::{Asking, Granted, SCOPE, of_databricks};
use super::jwt_sources::bearer;
use super::requests::{Asked, Patience, ask};
use super::row::Asker;
use crate::clock::{Clock, SystemClock};
use crate::config::{Account, Timeouts};
use crate::databricks::who;
use crate::error::{Error, Result, code, shortened};
use crate::secret::{Secret, hide_in_answer};

/// The most characters of a description that are shown.
const SHOWN: usize = 300;
/// What may be around a pasted address, and is in none.
const QUOTES: [char; 9] = ['"', '\'', '`', '<', '>', '“', '”', '‘', '’'];

/// Where and as which application a user signs in.
#[derive(Debug, Clone)]
pub struct Application {
    /// Scheme, host and port of the workspace.
    pub address: String,
    /// The account, if the user signs in there.
    pub account: Option<Account>,
    /// The application.
    pub client_id: String,
    /// Its secret, if it is a confidential one.
    pub client_secret: Option<Secret>,
}

/// What the browser has brought.
pub enum Answer {
    /// Something else, such as the request for the picture of a page.
    Nothing,
    /// The answer of another sign-in, or one that somebody has made up.
    OfAnother,
    /// The user was refused.
    Refused(Error),
    /// The code that is exchanged for tokens.
    Code(Secret),
}

/// A sign-in that has begun.
pub struct SignIn {
    application: Application,
    issuer: Issuer,
    endpoints: Endpoints,
    redirect: String,
    state: String,
    verifier: Secret,
    patience: Patience,
}

impl SignIn {
    /// Begins to sign in to `application`; the browser is to come back to `redirect`.
    ///
    /// # Errors
    /// Where Databricks does not say where users sign in.
    pub async fn begin(application: Application, redirect: &str, timeouts: &Timeouts) -> Result<Self> {
        let issuer = match &application.account {
            Some(account) => Issuer::account(account),
            None => Issuer::workspace(application.address.clone()),
        };
        let issuer = issuer.of_command_line();
        let patience = Patience::of(timeouts);
        let endpoints = issuer.endpoints(patience).await?;
        let (state, verifier) = (random()?, Secret::new(random()?));
        Ok(Self { application, issuer, endpoints, redirect: redirect.to_owned(), state, verifier, patience })
    }

    /// The address that the user's browser has to open.
    pub fn address(&self) -> String {
        let mut url = self.endpoints.authorize.clone();
        // RFC 7636, S256.
        let challenge = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, self.verifier.expose().as_bytes());
        url.query_pairs_mut()
            .append_pair("response_type", "code")
            .append_pair("client_id", &self.application.client_id)
            .append_pair("redirect_uri", &self.redirect)
            .append_pair("scope", &format!("{SCOPE} offline_access"))
            .append_pair("state", &self.state)
            .append_pair("code_challenge", &URL_SAFE_NO_PAD.encode(challenge.as_ref()))
            .append_pair("code_challenge_method", "S256");
        url.into()
    }

    /// What is in what the browser has brought: the address that it was sent back to, its path with its query, or the query alone.
    pub fn answer(&self, text: &str) -> Answer {
        // As mail programs and shells quote addresses.
        let text = text.trim_matches(|sign: char| sign.is_whitespace() || QUOTES.contains(&sign));
        let query = text.rsplit_once('?').map_or(text, |(_, query)| query);
        let query = query.split('#').next().unwrap_or_default();
        let pairs: Vec<(String, String)> = url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        let value = |name: &str| pairs.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
        if value("code").is_none() && value("error").is_none() {
            return Answer::Nothing;
        }
        if value("state") != Some(self.state.as_str()) {
            return Answer::OfAnother;
        }
        match (value("error"), value("code")) {
            (Some(error), _) => Answer::Refused(self.refusal(error, value("error_description").unwrap_or_default())),
            (None, code) => code.map_or(Answer::Nothing, |code| Answer::Code(Secret::new(code))),
        }
    }

    fn refusal(&self, error: &str, words: &str) -> Error {
        let what = match error {
            "access_denied" => "the user has not agreed, or may not use this workspace: agree, or have access given",
            "invalid_scope" => {
                "the application may not ask for the scopes all-apis and offline_access: allow them in its settings"
            }
            "unauthorized_client" | "invalid_client" => "it does not know the application: correct --client-id",
            "invalid_request" => {
                "something is missing, or it does not allow the address that the browser is sent back to: add it to the redirect URLs of \
                 the application, or choose another port with --port"
            }
            "temporarily_unavailable" | "server_error" => "it cannot do so at the moment: try again later",
            _ => "it gives no reason that is known: look at what it said",
        };
        let words = hide_in_answer(words);
        let said = format!("It said: {} {}", code(error).unwrap_or("an error"), shortened(&words, SHOWN));
        Error::config(format!("{} does not sign the user in: {what}.", self.application.address))
            .with_detail(said.trim_end().to_owned())
    }

    /// Exchanges `code` for a refresh token; and says who the user is, if the workspace says so.
    ///
    /// # Errors
    /// Where Databricks refuses it, or gives no refresh token.
    pub async fn finish(&self, code: &Secret) -> Result<(Secret, Option<String>)> {
        let mut form = vec![
            ("grant_type", "authorization_code"),
            ("code", code.expose()),
            ("redirect_uri", self.redirect.as_str()),
            ("code_verifier", self.verifier.expose()),
            ("client_id", self.application.client_id.as_str()),
        ];
        form.extend(self.application.client_secret.as_ref().map(|secret| ("client_secret", secret.expose())));
        let asking = Asking {
            asker: Asker::Code,
            who: "the user",
            setting: self.issuer.setting(),
            patience: self.patience,
            now: SystemClock.now_ms() / 1000,
        };
        let granted = of_databricks(&self.endpoints.token, &form, None, None, asking).await?;
        let user = self.user(&granted).await;
        let Some(refresh_token) = granted.refresh_token else {
            return Err(Error::config(
                "Databricks gives no refresh token, without which a sync cannot sign in: allow the scope offline_access in the settings of \
                 the application.",
            ));
        };
        Ok((refresh_token, user))
    }

    /// Who the user is; `None` if the workspace does not say.
    async fn user(&self, granted: &Granted) -> Option<String> {
        let url = Url::parse(&format!("{}{}", self.application.address, who::ME)).ok()?;
        let asked = Asked {
            method: reqwest::Method::GET,
            url: &url,
            form: &[],
            login: Some(bearer(&granted.token)),
            headers: &[],
            setting: self.issuer.setting(),
            may_repeat: true,
        };
        let said = ask(&asked, self.patience.when(false)).await.ok().filter(|said| said.status == 200)?;
        who::name_in(&said.body)
    }
}

/// 32 random bytes in base64 for addresses.
fn random() -> Result<String> {
    let mut bytes = [0; 32];
    aws_lc_rs::rand::fill(&mut bytes)
        .map_err(|_| Error::system("The system gives no random numbers, without which nobody can sign in."))?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}
