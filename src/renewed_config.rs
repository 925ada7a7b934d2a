//! What becomes of a refresh token that replaces the one in the configuration: the platform is given the configuration with it, by a
//! CONTROL message, and uses that for the next sync.

use std::sync::Arc;

use crate::config::Config;
use crate::databricks::sign_in::keep_refresh_tokens;
use crate::sync::Context;

/// Has refresh tokens that replace the one in `config` told to the platform, from now on.
pub fn tell_platform(config: &Config, context: &Context) {
    let (original, writer) = (config.original.clone(), Arc::clone(&context.writer));
    let clock = Arc::clone(&context.clock_and_ids.clock);
    keep_refresh_tokens(Box::new(move |token| {
        writer.configuration(&original.with_refresh_token(token.expose()), clock.now_ms())?;
        tracing::info!(
            "The refresh token was used and is replaced: the platform is given a configuration with the new one."
        );
        Ok(())
    }));
}
