//! The token that authenticates requests. It is asked for with every request, so that it may be replaced while a sync runs.

use async_trait::async_trait;

use crate::error::Result;
use crate::secret::Secret;

/// Gives the token of the next request.
#[async_trait]
pub trait TokenProvider: Send + Sync {
    /// A token that should be valid now. Must be cheap: it is called once for every request.
    ///
    /// # Errors
    /// If no token can be obtained; the message says what to do.
    async fn token(&self) -> Result<Secret>;

    /// Headers that a request needs beside the token: their names and values.
    ///
    /// # Errors
    /// As for `token`.
    async fn headers(&self) -> Result<Vec<(&'static str, String)>> {
        Ok(Vec::new())
    }

    /// Called when the server has refused `token`: an implementation drops it from its cache, so that the next
    /// [`token`](TokenProvider::token) is looked up again.
    async fn forget(&self, token: &Secret);
}

/// A personal access token, as the user set it: it never changes.
pub struct PersonalAccessToken(pub Secret);

#[async_trait]
impl TokenProvider for PersonalAccessToken {
    async fn token(&self) -> Result<Secret> {
        Ok(self.0.clone())
    }

    async fn forget(&self, _token: &Secret) {}
}
