//! A user who has signed in with a browser: refresh tokens, each of which may be good for one renewal.
//!
//! A new one is kept before the token that came with it is used: in the login file, or by whoever [`keep_refresh_tokens`] names. A
//! renewal that has begun is not given up when its caller is: its answer may hold the only refresh token that is good. Nor does the
//! process end before it, see [`no_renewals`].

use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::sync::{Mutex, OnceCell, RwLock, RwLockWriteGuard};
use tokio::time::timeout;

use super::endpoints::{Endpoints, Issuer};
use super::grants::{Asking, Granted, of_databricks};
use super::requests::Patience;
use super::row::Asker;
use crate::config::{Account, RefreshToken};
use crate::error::{Error, Result};
use crate::login_file::{Login, Room, Turn};
use crate::secret::Secret;

/// Keeps a refresh token that has replaced the configured one.
pub type KeepRefreshToken = Box<dyn Fn(&Secret) -> Result<()> + Send + Sync>;

static KEEPER: OnceLock<KeepRefreshToken> = OnceLock::new();

/// Says, once in a process, who keeps the refresh tokens that replace the one in the configuration.
pub fn keep_refresh_tokens(keeper: KeepRefreshToken) {
    // A second one would be for the same configuration.
    let _ = KEEPER.set(keeper);
}

/// Renewals read it while their answer may hold a refresh token that nobody has kept.
static RENEWALS: RwLock<()> = RwLock::const_new(());

/// While it is held, no renewal begins.
#[must_use]
pub struct NoRenewals(#[allow(dead_code, reason = "holds the lock")] Option<RwLockWriteGuard<'static, ()>>);

/// Waits, at most for `most`, until no renewal is under way.
pub async fn no_renewals(most: Duration) -> NoRenewals {
    NoRenewals(timeout(most, RENEWALS.write()).await.ok())
}

/// The user's tokens.
pub(super) struct User {
    /// Who gives tokens for a refresh token, if its file names no account.
    pub(super) issuer: Issuer,
    pub(super) hostname: String,
    pub(super) client_id: String,
    pub(super) client_secret: Option<Secret>,
    /// As configured; a later one is in `newest`, which one renewal at a time holds.
    pub(super) refresh_token: RefreshToken,
    pub(super) newest: Mutex<Option<Secret>>,
    pub(super) endpoints: OnceCell<Endpoints>,
    pub(super) who: String,
}

impl User {
    /// Renews the token, to the end even if this future is dropped.
    pub(super) async fn renew(self: &Arc<Self>, patience: Patience, now: i64) -> Result<Granted> {
        let user = Arc::clone(self);
        let renewal = tokio::spawn(async move { user.renew_now(patience, now).await });
        renewal.await.unwrap_or_else(|error| Err(Error::system("The renewal of a token failed.").with_source(error)))
    }

    async fn renew_now(&self, patience: Patience, now: i64) -> Result<Granted> {
        match &self.refresh_token {
            RefreshToken::File(path) => {
                let turn = Turn::take(path, patience.longest()).await?;
                let _under_way = RENEWALS.read().await;
                // Read again: another process may have renewed it.
                let login = Login::read(path)?;
                self.ensure_own(path, &login)?;
                let issuer = login.account.clone().map(|(id, address)| Issuer::account(&Account { id, address }));
                let issuer = issuer.as_ref().unwrap_or(&self.issuer);
                // Where it cannot be written back, it must not be used up.
                let room = Room::for_login(path)?;
                let granted = self.ask(issuer, &login.client_id, &login.refresh_token, patience, now).await?;
                if let Some(next) = granted.refresh_token.clone().filter(|next| *next != login.refresh_token) {
                    turn.replace(&login, &Login { refresh_token: next, ..login.clone() }, room)?;
                }
                Ok(granted)
            }
            RefreshToken::Configured(configured) => {
                let mut newest = self.newest.lock().await;
                let _under_way = RENEWALS.read().await;
                let current = newest.clone().unwrap_or_else(|| configured.clone());
                let granted = self.ask(&self.issuer, &self.client_id, &current, patience, now).await?;
                if let Some(next) = granted.refresh_token.as_ref().filter(|next| **next != current) {
                    *newest = Some(next.clone());
                    if let Some(keep) = KEEPER.get() {
                        keep(next)?;
                    }
                }
                Ok(granted)
            }
        }
    }

    async fn ask(
        &self,
        issuer: &Issuer,
        client_id: &str,
        refresh_token: &Secret,
        patience: Patience,
        now: i64,
    ) -> Result<Granted> {
        let endpoints = self.endpoints.get_or_try_init(|| issuer.endpoints(patience)).await?;
        let mut form =
            vec![("grant_type", "refresh_token"), ("refresh_token", refresh_token.expose()), ("client_id", client_id)];
        form.extend(self.client_secret.as_ref().map(|secret| ("client_secret", secret.expose())));
        let setting = issuer.setting();
        let asking = Asking { asker: Asker::Refresh, who: &self.who, setting, patience, now };
        of_databricks(&endpoints.token, &form, None, None, asking).await
    }

    /// The refresh token must not go to another host than the one it is of.
    fn ensure_own(&self, path: &Path, login: &Login) -> Result<()> {
        if login.host.eq_ignore_ascii_case(&self.hostname) {
            return Ok(());
        }
        Err(Error::config(format!(
            "The login file {} is for {}, and `databricks_server_hostname` is {}: run `destination-databricks login --host {}`, and let \
             `authentication.login_file` name the file that it makes.",
            path.display(),
            login.host,
            self.hostname,
            self.hostname
        )))
    }
}
