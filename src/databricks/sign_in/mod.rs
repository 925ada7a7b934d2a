//! Signing in to Databricks: tokens by every way that it has.
//!
//! `provider` is the token provider of all ways but the personal access token. `endpoints` finds out where tokens are given, `grants` asks
//! for them, `requests` is how; `jwt_sources` brings JWTs for an exchange, of a program by `jwt_command`, `jwt` reads them; `user` keeps refresh tokens;
//! `conditions` with its `rows` (a `row` each) knows what refusals mean. `browser` is what `login` needs.

mod azure_rows;
pub mod browser;
pub mod conditions;
mod endpoints;
mod grants;
mod jwt;
mod jwt_command;
mod jwt_sources;
mod provider;
mod requests;
mod row;
mod rows;
mod user;

use std::sync::{Arc, Mutex, PoisonError};

pub use self::jwt::Claims;
use self::provider::SignedIn;
pub use self::user::{keep_refresh_tokens, no_renewals};
use super::token::{PersonalAccessToken, TokenProvider};
use crate::clock::{Clock, SystemClock};
use crate::config::{Authentication, DatabricksSettings, JwtSource, Timeouts};
use crate::error::Result;

/// The tokens of this process: all clients of one workspace share them, so that one of them renews.
static SIGNED_IN: Mutex<Vec<(DatabricksSettings, Arc<SignedIn>)>> = Mutex::new(Vec::new());

/// The tokens for `settings`. Nothing is asked for yet.
pub(super) fn tokens(settings: &DatabricksSettings, timeouts: &Timeouts) -> Arc<dyn TokenProvider> {
    if let Authentication::PersonalAccessToken(own) = &settings.authentication {
        return Arc::new(PersonalAccessToken(own.token.clone()));
    }
    let mut all = SIGNED_IN.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((_, known)) = all.iter().find(|(known, _)| known == settings) {
        return Arc::clone(known) as Arc<dyn TokenProvider>;
    }
    let new = Arc::new(SignedIn::new(settings, timeouts));
    all.push((settings.clone(), Arc::clone(&new)));
    new
}

/// What the JWT of `source` says of itself now, for `audience` where it can be chosen.
///
/// # Errors
/// Why there is no JWT.
pub async fn claims(source: &JwtSource, audience: &str, timeouts: &Timeouts) -> Result<Claims> {
    let patience = requests::Patience::of(timeouts);
    let now = SystemClock.now_ms() / 1000;
    jwt_sources::jwt(source, audience, patience, "the JWT", now).await.map(|(_, claims)| claims)
}

#[cfg(test)]
mod outages_tests;
#[cfg(test)]
#[path = "sign_in_tests.rs"]
mod tests;
#[cfg(test)]
mod user_tests;
