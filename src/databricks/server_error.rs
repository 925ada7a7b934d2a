//! An error as the server reports it: status, code, error class, SQLSTATE and message, read from any of its shapes.
//!
//! Shapes: `{"error_code", "message", "details"}` with text or a number as the code, `{"error": …}`, plain `CODE: message`, an HTML
//! page, an empty body; and the headers that Databricks adds.

use std::time::Duration;

use chrono::DateTime;
use serde_json::Value;

use super::workspace::Response;
use crate::error::code as code_of;
use crate::redirect;

/// The headers that carry the message where the body does not, best first.
const REASONS: [&str; 2] = ["x-thriftserver-error-message", "x-databricks-reason-phrase"];
/// The most characters of the message that are kept.
const LONGEST: usize = 2000;
/// A longer body is no error of Databricks and is not parsed: a JSON tree takes many times its length.
const LONGEST_READ: usize = 1 << 20;

/// One error of the server.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ServerError {
    /// The HTTP status, where the response itself was the error; `None` for a statement that failed.
    pub status: Option<u16>,
    /// `error_code`, such as `PERMISSION_DENIED`.
    pub code: Option<String>,
    /// The error class, such as `DELTA_CONCURRENT_APPEND` or `UNAUTHORIZED.SUB_CLASS`.
    pub class: Option<String>,
    /// Five characters.
    pub sqlstate: Option<String>,
    /// The message. It may hold cell values and secrets: only `conditions` decides what is shown.
    pub message: String,
    /// Where the response redirects to.
    pub redirects_to: Option<String>,
    /// How long the server asks to wait before the next request.
    pub retry_after: Option<Duration>,
    /// The reason in the details, such as `FILES_API_DIRECTORY_IS_NOT_EMPTY`.
    pub reason: Option<String>,
}

impl ServerError {
    /// The error of a statement that failed: `error_code`, SQLSTATE and message, each if there was one.
    pub fn of_statement(code: Option<&str>, sqlstate: Option<&str>, message: &str) -> Self {
        let message: String = message.trim().chars().take(LONGEST).collect();
        let class = class(&message);
        // `RESOURCE_EXHAUSTED: …` is a code where there is no other.
        let leading = || class.clone().filter(|class| message.starts_with(class));
        Self {
            status: None,
            code: code.and_then(code_of).map(str::to_owned).or_else(leading),
            class,
            sqlstate: sqlstate.and_then(code_of).map(str::to_owned).or_else(|| sqlstate_in(&message)),
            message,
            redirects_to: None,
            retry_after: None,
            reason: None,
        }
    }

    /// The error that an HTTP response reports.
    pub fn of_response(answer: &Response) -> Self {
        let body: Option<Value> = match answer.body.len() {
            0..=LONGEST_READ => serde_json::from_slice(&answer.body).ok(),
            _ => None,
        };
        let text = |name: &str| body.as_ref().and_then(|body| body.get(name)).and_then(Value::as_str);
        let code = body.as_ref().and_then(|body| body.get("error_code")).and_then(|code| match code {
            Value::String(code) => Some(code.clone()),
            _ => None,
        });
        let details = body.as_ref().and_then(|body| body.get("details")).and_then(Value::as_array);
        // `google.rpc.ErrorInfo`.
        let reason_of =
            |detail: &Value| detail.get("reason").and_then(Value::as_str).and_then(code_of).map(str::to_owned);
        let details = details.and_then(|details| details.iter().find_map(reason_of));
        let header = |name: &str| header(answer, name);
        let plain = || if body.is_some() { None } else { page(&answer.body) };
        let reason = || Self::reason_header(answer).and_then(header).map(str::to_owned);
        let message = text("message").or_else(|| text("error")).map(str::to_owned);
        let message = message.filter(|words| !words.trim().is_empty()).or_else(reason).or_else(plain);
        Self {
            status: Some(answer.status.as_u16()),
            redirects_to: header("location")
                .filter(|_| redirect::is_one(answer.status.as_u16()))
                .map(|location| redirect::address(location, &answer.address)),
            retry_after: header("retry-after").and_then(|after| pause(after, header("date"))),
            reason: details,
            ..Self::of_statement(code.as_deref(), text("sql_state"), &message.unwrap_or_default())
        }
    }

    /// The name of the header that carries the message, if one does.
    pub fn reason_header(answer: &Response) -> Option<&'static str> {
        REASONS.into_iter().find(|name| header(answer, name).is_some())
    }
}

fn header<'a>(answer: &'a Response, name: &str) -> Option<&'a str> {
    answer.headers.get(name).and_then(|value| value.to_str().ok())
}

/// `[CLASS.SUBCLASS]`, `ErrorClass=CLASS`, or a `CODE:` at the beginning.
fn class(message: &str) -> Option<String> {
    let is_class = |word: &&str| {
        (4..=128).contains(&word.len())
            && *word != "SQLSTATE"
            && word.contains(|sign: char| sign.is_ascii_uppercase())
            && word
                .bytes()
                .all(|sign| sign.is_ascii_uppercase() || sign.is_ascii_digit() || matches!(sign, b'_' | b'.'))
    };
    let named = message.split("ErrorClass=").nth(1).and_then(|rest| rest.split([']', ' ']).next());
    let bracketed = || message.split('[').skip(1).filter_map(|rest| Some(rest.split_once(']')?.0)).find(is_class);
    let first = || message.split_once(':').map(|(word, _)| word.trim());
    named.filter(is_class).or_else(bracketed).or_else(|| first().filter(is_class)).map(str::to_owned)
}

fn sqlstate_in(message: &str) -> Option<String> {
    let rest = message.split("SQLSTATE").nth(1)?.trim_start_matches([':', '=', ' ']);
    rest.get(..5).filter(|state| state.bytes().all(|sign| sign.is_ascii_alphanumeric())).map(str::to_owned)
}

/// The message of a body that is no JSON; of an HTML page its title or its preformatted text.
fn page(body: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(body.get(..LONGEST_READ).unwrap_or(body));
    let between = |begin: &str, end: &str| Some(text.split_once(begin)?.1.split_once(end)?.0.trim().to_owned());
    if text.trim_start().starts_with('<') {
        return between("<pre>", "</pre>").or_else(|| between("<title>", "</title>"));
    }
    Some(text.trim().to_owned()).filter(|text| !text.is_empty())
}

/// `Retry-After`: seconds, or a date, which is compared with the server's own `Date`.
pub(super) fn pause(after: &str, date: Option<&str>) -> Option<Duration> {
    if let Ok(seconds) = after.trim().parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    let until = DateTime::parse_from_rfc2822(after.trim()).ok()?;
    let now = DateTime::parse_from_rfc2822(date?.trim()).ok()?;
    Some((until - now).to_std().unwrap_or(Duration::ZERO))
}
