//! The one table from what a service says when it gives no token to what it means: kind, problem, cure. `rows` and `azure_rows` are the
//! table, `row` is what a row consists of; `docs/sign-in-errors.md` shows it (test).
//!
//! Services say little and change their words, so what is known of a JWT and of the clocks comes first: see [`explain`].

use serde_json::Value;

use super::jwt::Claims;
use super::requests::Said;
use super::row::{Asker, Row};
use super::{azure_rows, rows};
use crate::error::{Error, Kind, code, shortened};
use crate::secret::hide_in_answer;

/// What is known of the request.
pub(super) struct About<'a> {
    pub(super) asker: Asker,
    /// The host that was asked.
    pub(super) host: &'a str,
    /// Who signs in.
    pub(super) who: &'a str,
    /// What names the host in the configuration.
    pub(super) setting: &'a str,
    /// The JWT that was sent.
    pub(super) claims: Option<&'a Claims>,
    /// Seconds since the epoch by the clock of this machine.
    pub(super) now: i64,
}

/// Clocks that differ by less do not matter.
const SKEW: i64 = 60;
/// The most characters of a description that are shown.
const SHOWN: usize = 400;

/// Where a description lists what may be wrong, it does not say what is. The first two are of RFC 6749, section 5.2.
const LISTS: [&str; 5] =
    ["(e.g.", "invalid, expired", "invalid or revoked", "expired, revoked", "invalid or was revoked"];
/// Settings, and the arguments of `login` in their place.
const ARGUMENTS: [(&str, &str); 6] = [
    (
        "set `authentication.client_secret` to the secret of the application (for `login`: --client-secret-file)",
        "name a file with the application's secret by --client-secret-file",
    ),
    ("use another `authentication.auth_type`, or another application", "name another application by --client-id"),
    ("correct what `authentication` says", "correct the arguments"),
    ("`authentication.account_id`", "--account-id"),
    ("`authentication.account_host`", "--account-host"),
    ("`authentication.client_secret`", "--client-secret-file"),
];
/// What a federation policy looks at.
const CLAIMS: [&str; 3] = ["issuer", "subject", "audience"];

/// What a refusal says.
struct Refusal {
    code: Option<String>,
    description: String,
}

impl Refusal {
    fn of(said: &Said) -> Self {
        let body: Option<Value> = serde_json::from_slice(&said.body).ok();
        let text = |name: &str| body.as_ref()?.get(name)?.as_str().map(str::to_owned);
        let description =
            ["error_description", "message", "error_summary", "errorSummary", "Message"].into_iter().find_map(text);
        let plain = || {
            let text = String::from_utf8_lossy(&said.body);
            if body.is_some() || text.trim_start().starts_with('<') { String::new() } else { text.trim().to_owned() }
        };
        let description = description.unwrap_or_else(plain);
        let aadsts = description.split_once("AADSTS");
        let aadsts = aadsts.map(|(_, rest)| rest.chars().take_while(char::is_ascii_digit).collect::<String>());
        let error = || {
            let named = text("error").or_else(|| text("error_code")).or_else(|| text("errorCode"));
            named.as_deref().and_then(code).map(str::to_owned)
        };
        Self { code: aadsts.filter(|number| !number.is_empty()).or_else(error), description }
    }

    /// The description in lower case, as far as it says what is wrong.
    fn telling(&self) -> String {
        // The name of a field says nothing of a claim.
        let said = self.description.to_lowercase().replace("subject_token", "jwt").replace("subject token", "jwt");
        // "invalid or has expired", "expired or was revoked", and so on.
        let offers = |sentence: &str| sentence.contains("expired") && sentence.contains(" or ");
        let lists = LISTS.iter().any(|words| said.contains(words))
            || said.split(['.', ';', ':']).any(offers)
            || CLAIMS.iter().all(|claim| said.contains(claim));
        if lists { String::new() } else { said }
    }

    /// The words in a message, without secrets and in short.
    fn shown(&self) -> Option<String> {
        let first = hide_in_answer(&self.description);
        let first = first.split(" Trace ID:").next().unwrap_or_default();
        let words = first.split_whitespace().collect::<Vec<_>>().join(" ");
        let words = match (&self.code, words.is_empty()) {
            (None, true) => return None,
            (Some(code), true) => code.clone(),
            (Some(code), false) if !code.bytes().all(|byte| byte.is_ascii_digit()) => format!("{code}: {words}"),
            _ => words,
        };
        Some(shortened(&words, SHOWN).into_owned())
    }
}

/// The error for the user where `said` gives no token.
pub(super) fn explain(said: &Said, about: &About<'_>) -> Error {
    let refusal = Refusal::of(said);
    if let Some(address) = &said.led_to {
        return Error::config(format!(
            "{} redirects to {address} where it is asked for a token; redirections are not followed: check {}.",
            about.host, about.setting
        ));
    }
    let is_refusal = (400..500).contains(&said.status) && !matches!(said.status, 404 | 407 | 408 | 429);
    let known = about.claims.filter(|_| is_refusal).and_then(|claims| wrong_jwt(claims, said.now.unwrap_or(about.now)));
    let row = find(&refusal, said.status, about.asker);
    let (kind, problem, cure) = match (known, row) {
        (Some((problem, cure)), _) => (Kind::Config, problem, cure),
        (None, Some(row)) => (row.kind, row.problem, row.cure),
        (None, None) => (
            Kind::System,
            "it gives no reason that is known",
            "look at what it said, and at the audit log of the account",
        ),
    };
    let fill = |text: &str| {
        let text = text.replace("{host}", about.host).replace("{who}", about.who).replace("{setting}", about.setting);
        // `login` has no configuration.
        match about.asker {
            Asker::Code => ARGUMENTS.iter().fold(text, |text, (setting, argument)| text.replace(setting, argument)),
            _ => text,
        }
    };
    let mut sentence =
        format!("{} gives no token for {}: {}. To do: {}.", about.host, about.who, fill(problem), fill(cure));
    if let Some(claims) = about.claims.filter(|_| is_refusal) {
        sentence.push_str(&format!(" The JWT has {}.", claims.shown()));
    }
    if let Some(skew) =
        said.now.map(|theirs| about.now - theirs).filter(|skew| skew.abs() > SKEW && kind == Kind::Config)
    {
        let direction = if skew > 0 { "ahead of" } else { "behind" };
        sentence.push_str(&format!(
            " The clock of this machine is {} s {direction} that of {}: set it, which may be all that is wrong.",
            skew.abs(),
            about.host
        ));
    }
    let error = Error::new(kind, sentence);
    match refusal.shown() {
        Some(words) => error.with_detail(format!("{} said (status {}): {words}", about.host, said.status)),
        None => error.with_detail(format!("{} said: status {}", about.host, said.status)),
    }
}

/// What can be seen to be wrong with a JWT, whatever a service says of it. `now`: by the clock of the service.
fn wrong_jwt(claims: &Claims, now: i64) -> Option<(&'static str, &'static str)> {
    if !claims.is_accepted() {
        return Some((
            "the JWT is signed by an algorithm that Databricks does not accept",
            "have the identity provider sign with RS256 or ES256",
        ));
    }
    if claims.expires.is_some_and(|expires| expires <= now) {
        return Some((
            "the JWT has expired",
            "have whoever provides it replace it in time. It is had again for each token, and a variable of a running process stays as it \
             is: with the `authentication.jwt_source` ENVIRONMENT a sync can last as long as the JWT and one token, with FILE or COMMAND \
             longer",
        ));
    }
    if claims.begins.is_some_and(|begins| begins > now + SKEW) {
        return Some((
            "the JWT is from the future: it is not valid yet",
            "set the clock of the machine that issues it, and of this one",
        ));
    }
    None
}

fn find(refusal: &Refusal, status: u16, asker: Asker) -> Option<&'static Row> {
    let said = refusal.telling();
    let code = refusal.code.as_deref();
    all().find(|row| {
        (row.askers.is_empty() || row.askers.contains(&asker))
            && (row.codes.is_empty() || code.is_some_and(|code| row.codes.contains(&code)))
            && (row.statuses.is_empty() || row.statuses.contains(&status))
            && (row.says.is_empty() || row.says.iter().any(|words| said.contains(words)))
    })
}

fn all() -> impl Iterator<Item = &'static Row> {
    rows::ROWS.iter().chain(azure_rows::ROWS).chain(rows::SERVICE)
}

/// The table as Markdown, for the docs: one row for each condition.
pub fn markdown() -> String {
    let mut text = String::from("| what is wrong | what to do | asked | known by | kind |\n|---|---|---|---|---|\n");
    let fill = |text: &str| {
        text.replace("{host}", "`<host>`")
            .replace("{who}", "`<who signs in>`")
            .replace("{setting}", "the setting of the host")
    };
    for row in all() {
        let askers: Vec<&str> = row.askers.iter().map(|asker| asker.text()).collect();
        let askers = if askers.is_empty() { "anybody".to_owned() } else { askers.join(", ") };
        let codes = row.codes.iter().map(|code| match code.bytes().all(|byte| byte.is_ascii_digit()) {
            true => format!("AADSTS{code}"),
            false => format!("`{code}`"),
        });
        let statuses = row.statuses.iter().map(|status| format!("HTTP {status}"));
        let keys = codes.chain(statuses).collect::<Vec<_>>().join(", ");
        let words = row.says.iter().map(|words| format!("\"{words}\"")).collect::<Vec<_>>().join(" or ");
        let known = [keys, words].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("; says ");
        let kind = row.kind.policy().failure_type.trim_end_matches("_error");
        text.push_str(&format!("| {} | {} | {askers} | {known} | {kind} |\n", fill(row.problem), fill(row.cure)));
    }
    text
}

#[cfg(test)]
#[path = "conditions_tests.rs"]
mod tests;
