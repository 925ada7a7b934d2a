//! What Azure's failures mean: by what they are recognized beside the keys of every store, and what is known of the failed request.
//!
//! The rows are in `rows`; `docs/azure-errors.md` shows the same table, and a test keeps the two equal.
//! Codes: <https://learn.microsoft.com/rest/api/storageservices/blob-service-error-codes>.

use super::provider::{Azure, SignedIn};
use super::rows::ROWS;
use super::sas::Moment;
use crate::config::AzureSettings;
use crate::storage::bucket::conditions::{self, Failed};
use crate::storage::bucket::{Action, Explanation, Failure};

/// One row.
pub(super) type Condition = conditions::Condition<NotAzure, When>;

/// What only Azure has to recognize a condition by: a page, or a 404 without a code for anything but a blob's bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NotAzure;

/// What must be true besides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum When {
    /// Requests are signed by a SAS.
    Sas,
    /// By one that has ended, by the server's time.
    SasEnded,
    /// By one that has not begun.
    SasEarly,
    /// By one that says that it allows what was asked.
    SasAllows,
    /// Requests are signed by a key of the account.
    AccountKey,
    /// By a token of Microsoft Entra.
    Entra,
}

/// Where requests go, for the message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ContainerAddress {
    /// The account.
    pub(super) account: String,
    /// The container.
    pub(super) container: String,
    /// The URL of the account's blob service.
    pub(super) endpoint: String,
    /// The host in `abfss://` addresses.
    pub(super) dfs_host: String,
}

impl ContainerAddress {
    pub(super) fn of(settings: &AzureSettings) -> Self {
        let (account, container) = (settings.account.clone(), settings.container.clone());
        let address = settings.address.clone();
        Self { account, container, endpoint: address.endpoint, dfs_host: address.dfs_host }
    }
}

/// What it means that `action` ended in `failure`.
pub(super) fn explain(failure: &Failure, action: Action, azure: &Azure) -> Explanation {
    conditions::explain(ROWS, failure, &Request { failure, action, azure })
}

/// A request that failed.
struct Request<'a> {
    failure: &'a Failure,
    action: Action,
    azure: &'a Azure,
}

impl Failed<NotAzure, When> for Request<'_> {
    fn is_known_by(&self, NotAzure: NotAzure) -> bool {
        let failure = self.failure;
        let is_unlike =
            failure.status == Some(404) && !matches!(self.action, Action::Get | Action::Copy | Action::Locate);
        failure.code.is_none() && (failure.foreign && !failure.is_gateway() || is_unlike)
    }

    fn is(&self, when: When) -> bool {
        let time = self.azure.heard.time();
        match (when, &self.azure.signed_in) {
            (When::Sas, SignedIn::Sas(_)) | (When::AccountKey, SignedIn::Key) | (When::Entra, SignedIn::Entra) => true,
            (When::SasEnded, SignedIn::Sas(sas)) => time.is_some_and(|now| sas.has_ended(now)),
            (When::SasEarly, SignedIn::Sas(sas)) => time.is_some_and(|now| sas.is_early(now)),
            (When::SasAllows, SignedIn::Sas(sas)) => sas.allows(permission(self.action).1),
            _ => false,
        }
    }

    fn value(&self, name: &str) -> Option<String> {
        let address = &self.azure.address;
        let sas = if let SignedIn::Sas(sas) = &self.azure.signed_in { Some(sas) } else { None };
        let moment = |of: Option<&Moment>| of.map_or("a time that its policy says", |moment| &moment.text).to_owned();
        let field = |value: Option<&String>| {
            value.map_or_else(|| "by its policy".to_owned(), |value| format!("{name}={value}"))
        };
        Some(match name {
            "host" => address.endpoint.clone(),
            "account" => address.account.clone(),
            "container" => address.container.clone(),
            "code" => self.failure.code.clone().unwrap_or_else(|| "no code".to_owned()),
            "status" => self.failure.status.map_or_else(|| "none".to_owned(), |status| status.to_string()),
            "end" => moment(sas.and_then(|sas| sas.end.as_ref())),
            "start" => moment(sas.and_then(|sas| sas.start.as_ref())),
            "sp" => field(sas.and_then(|sas| sas.permissions.as_ref())),
            "sip" => field(sas.and_then(|sas| sas.addresses.as_ref())),
            "permission" => permission(self.action).0.to_owned(),
            _ => return None,
        })
    }
}

/// What a SAS must allow for `action`, with its letters, and these alone.
fn permission(action: Action) -> (&'static str, &'static str) {
    match action {
        Action::List | Action::Locate | Action::ListUploads => ("list (l)", "l"),
        Action::Get => ("read (r)", "r"),
        Action::Put | Action::Abort => ("write (w)", "w"),
        Action::Copy => ("read (r) and write (w)", "rw"),
        Action::Delete => ("delete (d)", "d"),
    }
}

/// The table, for the docs.
#[cfg(test)]
pub(super) fn markdown() -> String {
    let own = |NotAzure| "a page in HTML, or nothing that can be read, or no code where Azure gives one".to_owned();
    let when = |when| match when {
        When::Sas => "with a SAS",
        When::SasEnded => "with a SAS whose `se` has passed",
        When::SasEarly => "with a SAS whose `st` has not come",
        When::SasAllows => "with a SAS whose `sp` has the letter",
        When::AccountKey => "with an account key",
        When::Entra => "with Microsoft Entra",
    };
    conditions::markdown(ROWS, own, when)
}

#[cfg(test)]
#[path = "conditions_tests.rs"]
mod tests;
