//! Who signs in to Databricks, for messages and GRANTs.

use std::sync::{Mutex, PoisonError};

use serde::Deserialize;
use uuid::Uuid;

use crate::config::{Authentication, DatabricksSettings, JwtSource, RefreshToken, TokenSetting};
use crate::login_file::Login;

/// Who signs in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Who {
    /// As in "… lacks USE CATALOG": "the service principal `0123`".
    pub named: String,
    /// As a GRANT names it, with its backticks.
    pub principal: String,
    /// What to do when its token is refused: an imperative without a full stop.
    pub cure: &'static str,
    /// The same when the workspace takes no token of its kind.
    pub kind_cure: &'static str,
}

/// Where a workspace says who somebody is.
pub(super) const ME: &str = "/api/2.0/preview/scim/v2/Me";
/// Whose name is not known as long as nobody has asked the workspace.
const OF_TOKEN: &str = "the token's user";
const NEW_TOKEN: &str = "the token is wrong, has expired or belongs to another workspace: create a new one in the user settings of this \
                         workspace and set `databricks_personal_access_token` to it";
const NEW_TOKEN_OF_SECTION: &str = "the token is wrong, has expired or belongs to another workspace: create a new one in the user settings \
                                    of this workspace and set `authentication.personal_access_token` to it";
const NEW_TOKEN_OF_PROFILE: &str = "the token is wrong, has expired or belongs to another workspace: create a new one in the user settings \
                                    of this workspace and set `token` to it in the profile that `authentication.profile` names";
const OF_PRINCIPAL: &str = "its token was just made, so it is most likely not a member of this workspace, or was deactivated: assign it to \
                            the workspace (account console, Workspaces, Permissions)";
const OF_ENTRA: &str = "its token was just made, so it is most likely not a user of this workspace: add it (Settings, Identity and access, \
                        Service principals), or give it the role Contributor of the workspace in Azure and set \
                        `authentication.workspace_resource_id`";
const OF_USER: &str = "the user's token was just made, so the user most likely has no access to this workspace, or has lost it: have it \
                       given, or run `destination-databricks login` as another user";

const OF_ACCOUNT: &str =
    "the token is one of the account, which a workspace does not take: remove `authentication.account_id`";
const OF_WORKSPACE: &str = "the token is one of a workspace: set `databricks_server_hostname` to the workspace's own host name; where it is \
                            one of the whole account, set `authentication.account_id`";

impl Who {
    fn named(noun: &str, id: &str, cure: &'static str) -> Self {
        let (named, principal) = (format!("the {noun} `{id}`"), format!("`{}`", id.replace('`', "``")));
        Self { named, principal, cure, kind_cure: OF_WORKSPACE }
    }

    fn nameless(named: &str, cure: &'static str) -> Self {
        Self { named: named.to_owned(), principal: format!("`<{named}>`"), cure, kind_cure: OF_WORKSPACE }
    }

    /// Whether a name is known, which a GRANT can have.
    pub fn is_named(&self) -> bool {
        !self.principal.starts_with("`<")
    }

    /// Who signs in by `authentication`, without asking the workspace.
    pub fn of(authentication: &Authentication) -> Self {
        let by_id = Self::named;
        let nameless = Self::nameless;
        match authentication {
            Authentication::PersonalAccessToken(own) => {
                let cure = match own.setting {
                    TokenSetting::Flat => NEW_TOKEN,
                    TokenSetting::Section => NEW_TOKEN_OF_SECTION,
                    TokenSetting::Profile => NEW_TOKEN_OF_PROFILE,
                };
                Self { kind_cure: cure, ..nameless(OF_TOKEN, cure) }
            }
            Authentication::ClientCredentials { client_id, .. }
            | Authentication::WorkloadIdentity { client_id: Some(client_id), .. } => {
                by_id("service principal", client_id, OF_PRINCIPAL)
            }
            Authentication::WorkloadIdentity { client_id: None, source, .. } => nameless(
                match source {
                    JwtSource::GitHubActions => "the identity of the GitHub job",
                    JwtSource::AzureDevOps => "the identity of the Azure DevOps job",
                    _ => "the identity that the JWT names",
                },
                OF_PRINCIPAL,
            ),
            Authentication::AzureServicePrincipal { client_id, .. } => by_id("service principal", client_id, OF_ENTRA),
            Authentication::AzureManagedIdentity { client_id: Some(client_id), .. } => {
                by_id("managed identity", client_id, OF_ENTRA)
            }
            Authentication::AzureManagedIdentity { client_id: None, .. } => {
                nameless("the managed identity of this machine", OF_ENTRA)
            }
            Authentication::User { refresh_token: RefreshToken::File(path), .. } => match Login::user_in(path) {
                Some(user) => by_id("user", &user, OF_USER),
                None => nameless("the user who has signed in", OF_USER),
            },
            Authentication::User { .. } => nameless("the user who has signed in", OF_USER),
        }
    }

    /// The name at the beginning of a sentence.
    pub fn at_the_beginning(&self) -> String {
        self.named.strip_prefix("the ").map_or_else(|| self.named.clone(), |rest| format!("The {rest}"))
    }

    /// The token of this one.
    fn token(&self) -> String {
        if self.named == OF_TOKEN { "the token".to_owned() } else { format!("the token of {}", self.named) }
    }

    /// `text` with this name in place of `{Who}`, `{who}` and, after "the token of", `{token}`, and this principal in place of
    /// `{principal}`.
    pub fn fill(&self, text: &str) -> String {
        text.replace("{Who}", &self.at_the_beginning())
            .replace("{who}", &self.named)
            .replace("{token}", &self.token())
            .replace("{principal}", &self.principal)
            .replace("{cure}", self.cure)
            .replace("{kind_cure}", self.kind_cure)
    }
}

/// Those of whom the workspace has said who they are.
static LEARNT: Mutex<Vec<(DatabricksSettings, Who)>> = Mutex::new(Vec::new());

/// Who signs in with `settings`, as far as that is known.
pub(super) fn of_settings(settings: &DatabricksSettings) -> Who {
    let learnt = LEARNT.lock().unwrap_or_else(PoisonError::into_inner);
    let known = learnt.iter().find(|(known, _)| known == settings).map(|(_, who)| who.clone());
    known.unwrap_or_else(|| unasked(settings))
}

/// The same as far as the configuration knows it.
fn unasked(settings: &DatabricksSettings) -> Who {
    let who = Who::of(&settings.authentication);
    let is_of_account =
        settings.account.is_some() && !matches!(settings.authentication, Authentication::PersonalAccessToken(_));
    if is_of_account { Who { kind_cure: OF_ACCOUNT, ..who } } else { who }
}

/// The name in `body`, which the workspace has answered at [`ME`].
pub(super) fn name_in(body: &[u8]) -> Option<String> {
    // Nothing else of the answer is kept: it may be long.
    #[derive(Deserialize)]
    struct Me {
        #[serde(rename = "userName")]
        user_name: String,
    }
    let Me { user_name } = serde_json::from_slice(body).ok()?;
    let is_name = (1..=256).contains(&user_name.len()) && !user_name.chars().any(char::is_control);
    is_name.then_some(user_name)
}

/// Notes that the workspace calls whoever signs in with `settings` by `name`.
pub(super) fn learn(settings: &DatabricksSettings, name: &str) {
    let who = unasked(settings);
    if !who.is_named() {
        // A service principal is called by its application id, a user by an address.
        let noun = if Uuid::parse_str(name).is_ok() { "service principal" } else { "user" };
        let learnt = Who { kind_cure: who.kind_cure, ..Who::named(noun, name, who.cure) };
        LEARNT.lock().unwrap_or_else(PoisonError::into_inner).push((settings.clone(), learnt));
    }
}

impl Default for Who {
    /// Nobody in particular.
    fn default() -> Self {
        Self { kind_cure: NEW_TOKEN, ..Self::nameless(OF_TOKEN, NEW_TOKEN) }
    }
}
