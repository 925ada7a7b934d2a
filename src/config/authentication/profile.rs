//! `PROFILE`: a named profile of `.databrickscfg`, the file of Databricks' own tools. Without a name no profile is ever read.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::workload::JwtSource;
use super::{Authentication, TokenSetting, authority, is_id, is_tenant};
use crate::config::fields::Fields;
use crate::config::profiles::in_home;
use crate::named_file;
use crate::secret::{Secret, know_open};

/// A longer file holds no profiles.
const LONGEST: u64 = 1 << 20;
const USUAL: &str = "~/.databrickscfg";
/// What in a profile is a secret.
const SECRETS: [&str; 4] = ["token", "client_secret", "azure_client_secret", "password"];

/// A profile: its fields by their names.
#[derive(Debug, Default)]
pub struct Profile(BTreeMap<String, String>);

impl Profile {
    /// The profile `name` of the file at `path`, or the sentence that says why there is none.
    pub fn find(path: &Path, name: &str) -> Result<Self, String> {
        let shown = path.display();
        let bytes = named_file::read(path, LONGEST)
            .map_err(|error| format!("leads to {shown}, which cannot be read ({}): create the profile with `databricks configure`, or name the right file.", error.kind()))?;
        let text = String::from_utf8(bytes).map_err(|_| format!("leads to {shown}, which is not UTF-8 text."))?;
        let all = sections(&text);
        for (field, value) in all.iter().flat_map(|(_, fields)| fields) {
            if SECRETS.contains(&field.as_str()) {
                drop(Secret::new(value.as_str()));
            }
        }
        let (_, own) = all.iter().find(|(section, _)| section == name).ok_or_else(|| {
            format!("names a profile that {shown} does not have: correct the name, or create the profile.")
        })?;
        Ok(Self(own.iter().cloned().collect()))
    }

    /// A field that is not empty.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }
}

/// The sections of an INI file with their fields, in their order.
fn sections(text: &str) -> Vec<(String, Vec<(String, String)>)> {
    let mut all: Vec<(String, Vec<(String, String)>)> = Vec::new();
    for line in text.lines().map(str::trim).filter(|line| !line.starts_with(['#', ';'])) {
        if let Some(name) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            all.push((name.trim().to_owned(), Vec::new()));
        } else if let (Some((name, value)), Some((_, fields))) = (line.split_once('='), all.last_mut()) {
            fields.push((name.trim().to_ascii_lowercase(), value.trim().to_owned()));
        }
    }
    all
}

/// Where profiles are, if no other file is named.
pub fn usual_file() -> PathBuf {
    in_home(USUAL)
}

pub(super) fn read(fields: &Fields<'_>, hostname: &str) -> Authentication {
    let name = fields.required_text("profile", "give the profile's name, such as DEFAULT").unwrap_or_default();
    let file = fields.text("profile_file").map_or_else(usual_file, |file| in_home(&file));
    if name.is_empty() {
        return Authentication::unknown();
    }
    match Profile::find(&file, &name).and_then(|profile| meant(&profile, hostname)) {
        Ok(authentication) => authentication,
        Err(rest) => {
            fields.problem("profile", &rest);
            Authentication::unknown()
        }
    }
}

/// How the profile signs in; a profile of another workspace is refused, and one that does not say of which it is, so that no secret
/// goes to the wrong one.
fn meant(profile: &Profile, hostname: &str) -> Result<Authentication, String> {
    let Some(host) = profile.get("host") else {
        return Err(format!(
            "names a profile without a `host`, which does not say whose secret it has: add `host = https://{hostname}` to the profile."
        ));
    };
    let bare = host.split_once("://").map_or(host, |(_, rest)| rest).split(['/', '?', ':']).next().unwrap_or_default();
    if !bare.eq_ignore_ascii_case(hostname) {
        return Err(
            "names a profile for another host than `databricks_server_hostname`: correct one of them.".to_owned()
        );
    }
    let id = |name: &str| {
        let is_right = if name == "azure_tenant_id" { is_tenant } else { is_id };
        let found = profile.get(name).filter(|text| is_right(text)).map(str::to_owned);
        found.iter().for_each(|id| know_open(id));
        found
    };
    let secret =
        |name: &str| profile.get(name).filter(|text| text.bytes().all(|byte| byte.is_ascii_graphic())).map(Secret::new);
    let wants = |kind: &str| profile.get("auth_type").is_none_or(|own| own == kind);
    let source = |source| Authentication::WorkloadIdentity {
        client_id: id("client_id"),
        source,
        audience: profile.get("token_audience").map(str::to_owned),
    };
    if let Some(token) = secret("token").filter(|_| wants("pat")) {
        return Ok(Authentication::token(token, TokenSetting::Profile));
    }
    if let (Some(client_id), Some(client_secret), true) = (id("client_id"), secret("client_secret"), wants("oauth-m2m"))
    {
        return Ok(Authentication::ClientCredentials { client_id, client_secret });
    }
    if let (Some(tenant), Some(client_id), Some(client_secret), true) =
        (id("azure_tenant_id"), id("azure_client_id"), secret("azure_client_secret"), wants("azure-client-secret"))
    {
        let resource_id = profile.get("azure_workspace_resource_id").map(str::to_owned);
        let authority = authority(hostname);
        return Ok(Authentication::AzureServicePrincipal { tenant, client_id, client_secret, resource_id, authority });
    }
    match profile.get("auth_type") {
        Some("file-oidc") => match profile.get("oidc_token_filepath") {
            Some(file) => Ok(source(JwtSource::File(in_home(file)))),
            None => Err("names a profile with `file-oidc` that has no `oidc_token_filepath`.".to_owned()),
        },
        Some("env-oidc") => {
            Ok(source(JwtSource::Variable(profile.get("oidc_token_env").unwrap_or("DATABRICKS_OIDC_TOKEN").to_owned())))
        }
        Some("github-oidc") => Ok(source(JwtSource::GitHubActions)),
        Some("azure-devops-oidc") => Ok(source(JwtSource::AzureDevOps)),
        Some("azure-msi") => Ok(Authentication::AzureManagedIdentity {
            client_id: id("azure_client_id"),
            resource_id: profile.get("azure_workspace_resource_id").map(str::to_owned),
            endpoint: None,
            header: None,
        }),
        Some("databricks-cli" | "external-browser") => Err(
            "names a profile that signs in with a browser, whose tokens belong to another program: run `destination-databricks login`, \
             and use OAUTH_U2M with the file that it makes."
                .to_owned(),
        ),
        _ => Err("names a profile without a way to sign in that works here: it needs `token`, or `client_id` and `client_secret`, or \
                  `azure_tenant_id`, `azure_client_id` and `azure_client_secret`, or an `auth_type` of file-oidc, env-oidc, \
                  github-oidc, azure-devops-oidc or azure-msi."
            .to_owned()),
    }
}
