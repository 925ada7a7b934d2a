//! Who this program is to Databricks. Asked for every request, so that a token may be replaced while a sync runs.

use async_trait::async_trait;

use crate::error::Result;
use crate::secret::Secret;

/// Gives the token of the next request.
#[async_trait]
pub trait TokenProvider: Send + Sync {
    /// A token that should be good now. Cheap: it is asked once for every request.
    ///
    /// # Errors
    /// A sentence that says what to do, when there is no token to be had.
    async fn token(&self) -> Result<Secret>;

    /// Told when the server has refused `token`: what was remembered of it is forgotten, and the next
    /// [`token`](TokenProvider::token) is looked up anew.
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
