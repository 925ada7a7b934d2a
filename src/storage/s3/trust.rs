//! Which certificate authorities requests to a store trust.

use crate::config::S3Settings;
use crate::error::Result;
use crate::tls::Trust;

/// Nobody where no request for `settings` is encrypted.
pub(super) fn store_trust(settings: &S3Settings) -> Result<Trust> {
    let is_plain = settings.endpoint.as_ref().is_some_and(|endpoint| endpoint.starts_with("http://"));
    // A role, and what gives keys where none are set, is asked for at AWS.
    let asks_aws = settings.role.is_some() || settings.credentials.is_none();
    if is_plain && !asks_aws { Ok(Trust::nobody()) } else { Trust::found() }
}
