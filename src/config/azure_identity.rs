//! Whose requests to Azure these are: exactly one way to sign in.

use std::path::PathBuf;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use url::Url;

use super::environment::set;
use super::fields::Fields;
use crate::secret::Secret;

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AzureIdentity {
    /// A shared access signature, without a leading `?`.
    Sas(Secret),
    /// A key of the account, in base64.
    Key(Secret),
    /// An application of Microsoft Entra with a secret.
    ServicePrincipal {
        /// The directory that the application is in.
        tenant: String,
        /// The application.
        client_id: String,
        /// Its secret.
        client_secret: Secret,
    },
    /// An application of Microsoft Entra that trusts a token which the platform puts into a file.
    Workload {
        /// The directory that the application is in.
        tenant: String,
        /// The application.
        client_id: String,
        /// `AZURE_FEDERATED_TOKEN_FILE`
        token_file: PathBuf,
    },
    /// The identity of the machine.
    Managed {
        /// Which one, where the machine has several.
        client_id: Option<String>,
        /// Where it is asked for, if not at the usual address: `IDENTITY_ENDPOINT`.
        endpoint: Option<String>,
    },
}

const SAS: &str = "azure_blob_storage_sas_token";
const KEY: &str = "azure_blob_storage_account_key";
const TENANT: &str = "azure_tenant_id";
const CLIENT: &str = "azure_client_id";
const CLIENT_SECRET: &str = "azure_client_secret";
const MANAGED: &str = "azure_managed_identity";
const TOKEN_FILE: &str = "AZURE_FEDERATED_TOKEN_FILE";

impl AzureIdentity {
    /// Reads the identity for `container` of `account`.
    pub(super) fn read(fields: &Fields<'_>, account: &str, container: &str) -> Self {
        let is_managed = fields.boolean(MANAGED, false);
        let (tenant, client_id) = (name(fields, TENANT, "AZURE_TENANT_ID"), name(fields, CLIENT, "AZURE_CLIENT_ID"));
        // Not a secret as a whole: its end, for example, is told.
        let sas = fields.text(SAS).map(|text| signature(fields, &text, account, container));
        let key = fields.secret(KEY);
        let client_secret = fields.secret(CLIENT_SECRET);
        let ways = [
            (sas.is_some(), SAS),
            (key.is_some(), KEY),
            (client_secret.is_some(), CLIENT_SECRET),
            (is_managed, MANAGED),
        ];
        let given: Vec<&str> = ways.iter().filter(|(is_given, _)| *is_given).map(|(_, name)| *name).collect();
        if let [first, second, ..] = given.as_slice() {
            let rest = format!(
                "and `data_source.{second}` are both set, and each is a way to sign in of its own: remove all but one of {}.",
                given.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
            );
            fields.problem(first, &rest);
        }
        let required = |name: &str, value: Option<String>, of: &str| {
            value.unwrap_or_else(|| {
                fields.problem(name, &format!("is missing although {of} is set, which belongs to an application of Microsoft Entra: give all three of `azure_tenant_id`, `azure_client_id` and the secret or the token."));
                String::new()
            })
        };
        if let Some(sas) = sas {
            return Self::Sas(sas);
        }
        if let Some(key) = key {
            if BASE64_STANDARD.decode(key.expose()).is_err() {
                fields.problem(KEY, "is no account key, which is a text in base64 of 88 characters: copy it again, from \"Access keys\" of the account. A SAS goes into `data_source.azure_blob_storage_sas_token`.");
            }
            return Self::Key(key);
        }
        if let Some(client_secret) = client_secret {
            let of = format!("`data_source.{CLIENT_SECRET}`");
            return Self::ServicePrincipal {
                tenant: required(TENANT, tenant, &of),
                client_id: required(CLIENT, client_id, &of),
                client_secret,
            };
        }
        if is_managed {
            return Self::Managed { client_id, endpoint: set("IDENTITY_ENDPOINT") };
        }
        if let Some(token_file) = set(TOKEN_FILE) {
            let of = format!("the variable {TOKEN_FILE}");
            return Self::Workload {
                tenant: required(TENANT, tenant, &of),
                client_id: required(CLIENT, client_id, &of),
                token_file: token_file.into(),
            };
        }
        // A value of another type is a problem that is told already.
        if [SAS, KEY, CLIENT_SECRET].iter().any(|name| !fields.is_absent(name)) {
            return Self::Sas(Secret::new(""));
        }
        if let Some(given) = [TENANT, CLIENT].into_iter().find(|name| !fields.is_absent(name)) {
            fields.problem(CLIENT_SECRET, &format!("is missing although `data_source.{given}` is set, which belongs to an application of Microsoft Entra: give the application's secret, or set `{MANAGED}` or the variable {TOKEN_FILE} where none is needed."));
            return Self::Sas(Secret::new(""));
        }
        let rest = format!(
            "is missing or empty: create a shared access signature for the container, or sign in in another way: `{KEY}`, \
             or `{TENANT}`, `{CLIENT}` and `{CLIENT_SECRET}`, or `{MANAGED}`, or a workload identity (the variable {TOKEN_FILE})."
        );
        fields.problem(SAS, &rest);
        Self::Sas(Secret::new(""))
    }
}

/// An id of Microsoft Entra, which becomes part of an address.
fn name(fields: &Fields<'_>, name: &str, variable: &str) -> Option<String> {
    let text = fields.text(name).or_else(|| set(variable))?;
    if !text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.')) {
        fields.problem(name, "must be an id such as 00000000-0000-0000-0000-000000000000, or a tenant's domain: letters, digits, hyphens, dots.");
    }
    Some(text)
}

/// The signature in `text`, which may be a whole address with a signature for `container` of `account`.
fn signature(fields: &Fields<'_>, text: &str, account: &str, container: &str) -> Secret {
    let problem = |rest: &str| fields.problem(SAS, rest);
    let mut token = text;
    if text.contains("&amp;") {
        problem("has &amp; in it where & belongs, as in the source of a page: copy it again as plain text.");
        return Secret::new(text);
    }
    if text.contains("SharedAccessSignature=") {
        problem(
            "is a connection string: give only the part behind SharedAccessSignature=, which begins with sv= and has sig= in it.",
        );
    } else if let Some((address, query)) = text.split_once('?') {
        token = query;
        if let Ok(url) = Url::parse(address) {
            let host = url.host_str().unwrap_or_default();
            let path = url.path().trim_matches('/');
            let is_by_name = host.starts_with(&format!("{account}."));
            let (of_account, folder) = if is_by_name {
                (true, path)
            } else {
                (path.split('/').next() == Some(account), path.split_once('/').map_or("", |(_, rest)| rest))
            };
            if !of_account || !(folder.is_empty() || folder.split('/').next() == Some(container)) {
                problem(
                    "is an address with a SAS for another account or container than `data_source.azure_blob_storage_account_name` and \
                     `data_source.azure_blob_storage_container_name` name: correct these, or create a SAS for them.",
                );
            }
        }
    }
    let pairs: Vec<(String, String)> = url::form_urlencoded::parse(token.as_bytes())
        .map(|(name, value)| (name.into_owned(), value.into_owned()))
        .collect();
    let sig = pairs.iter().find(|(name, _)| name == "sig").map(|(_, value)| value.as_str()).unwrap_or_default();
    if sig.is_empty() && !text.contains("SharedAccessSignature=") {
        problem(
            "is no SAS: it has no sig=…. Copy the whole SAS token of the container again, which looks like \
             sv=2024-11-04&sp=racwdl&sr=c&se=…&sig=…; an account key goes into `data_source.azure_blob_storage_account_key`.",
        );
    } else if sig.contains("%2") || sig.contains("%3") {
        problem("is encoded twice (%25 in its signature): copy it again from where it was created.");
    } else if token.contains(['"', '\'', '`']) {
        problem("has a quotation mark in it: give the token without quotes around it.");
    } else if token.contains(|c: char| c.is_control() || c == ' ') {
        problem("has a space or a line break in it: copy it again, in one line.");
    } else if let Some((name, _)) = pairs.iter().find(|(name, _)| matches!(name.as_str(), "restype" | "comp")) {
        problem(&format!(
            "has {name}=… in it, which belongs to the address of one request: remove it, and give only the token, which begins with sv=."
        ));
    }
    // Without one, who knows what it is.
    if sig.is_empty() { Secret::new(token) } else { Secret::by_its_part(token, sig) }
}
