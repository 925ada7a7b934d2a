//! Refuses a platform that sends records through sockets: this program reads standard input only.

use super::fields::shown;
use crate::error::{Error, Result};

/// Refuses a platform that sends records in another way: a sync would wait for ever, or end without a record.
///
/// # Errors
/// A config error where `DATA_CHANNEL_MEDIUM` is set to anything but STDIO.
pub fn ensure_standard_input() -> Result<()> {
    ensure(&std::env::var_os("DATA_CHANNEL_MEDIUM").unwrap_or_default().to_string_lossy())
}

fn ensure(medium: &str) -> Result<()> {
    let medium = medium.trim();
    if medium.is_empty() || medium.eq_ignore_ascii_case("STDIO") {
        return Ok(());
    }
    Err(Error::config(format!(
        "DATA_CHANNEL_MEDIUM is {}, but this destination reads records from standard input only. Set it \
         to STDIO, or remove `connectorIPCOptions` from the definition of this destination.",
        shown(medium)
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_standard_input_is_read() {
        assert!(["", " ", "STDIO", "stdio"].iter().all(|medium| ensure(medium).is_ok()));
        assert!(["SOCKET", "socket", "CARRIER_PIGEON"].iter().all(|medium| ensure(medium).is_err()));
    }
}
