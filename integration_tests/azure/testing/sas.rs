//! Makes shared access signatures of every kind, by the rules of
//! <https://learn.microsoft.com/rest/api/storageservices/create-account-sas> and its neighbours `create-service-sas` and
//! `create-user-delegation-sas`.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, TimeDelta, Utc};
use hmac::{Hmac, KeyInit, Mac};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use sha2::Sha256;

use super::server::ACCOUNT;

/// The version of the rules.
pub const VERSION: &str = "2022-11-02";

/// What a service SAS is for.
#[derive(Debug, Clone)]
pub enum Resource {
    /// A container, `sr=c`.
    Container(String),
    /// One blob of a container, `sr=b`.
    Blob(String, String),
    /// A folder of a container whose account has a hierarchical namespace, `sr=d`.
    Folder(String, String),
}

/// The key that Microsoft Entra gives for signatures in a user's name.
#[derive(Debug, Clone)]
pub struct DelegationKey {
    /// Object id and tenant id of the user.
    pub user: (String, String),
    /// From when and until when the key is valid, as Azure wrote it.
    pub valid: (String, String),
    /// The key, in base64.
    pub value: String,
}

/// What a token says besides what it is for. An empty text is left out of the token.
#[derive(Debug, Clone)]
pub struct Sas {
    /// `sp`, such as `rwdlac`.
    pub permissions: String,
    /// `st`
    pub starts: String,
    /// `se`
    pub ends: String,
    /// `sip`
    pub ip: String,
    /// `spr`
    pub protocol: String,
    /// `ss` of an account SAS.
    pub services: String,
    /// `srt` of an account SAS.
    pub types: String,
    /// `si` of a service SAS: the name of a policy that the container keeps.
    pub policy: String,
}

impl Sas {
    /// A token that may do `permissions`, for sixty days from an hour ago.
    pub fn new(permissions: &str) -> Self {
        Self {
            permissions: permissions.to_owned(),
            starts: at(TimeDelta::hours(-1)),
            ends: at(TimeDelta::days(60)),
            ip: String::new(),
            protocol: String::new(),
            services: "b".to_owned(),
            types: "sco".to_owned(),
            policy: String::new(),
        }
    }

    /// Whatever the policy `name` of the container says.
    pub fn by_policy(name: &str) -> Self {
        let policy = name.to_owned();
        Self { policy, starts: String::new(), ends: String::new(), ..Self::new("") }
    }

    /// The token of an account SAS.
    pub fn of_account(&self) -> String {
        let (account, key) = ACCOUNT;
        let signed = [
            account,
            &self.permissions,
            &self.services,
            &self.types,
            &self.starts,
            &self.ends,
            &self.ip,
            &self.protocol,
            VERSION,
            // An encryption scope.
            "",
            "",
        ];
        let signature = sign(key, &signed.join("\n"));
        token(&[
            ("sv", VERSION),
            ("ss", &self.services),
            ("srt", &self.types),
            ("sp", &self.permissions),
            ("st", &self.starts),
            ("se", &self.ends),
            ("sip", &self.ip),
            ("spr", &self.protocol),
            ("sig", &signature),
        ])
    }

    /// The token of a service SAS.
    pub fn of_service(&self, resource: &Resource) -> String {
        let (name, kind, depth) = described(resource);
        // After the kind: a snapshot, an encryption scope, and five headers of answers.
        let signed = [
            &self.permissions,
            &self.starts,
            &self.ends,
            &name,
            &self.policy,
            &self.ip,
            &self.protocol,
            VERSION,
            kind,
            "\n\n\n\n\n\n",
        ];
        let signature = sign(ACCOUNT.1, &signed.join("\n"));
        token(&[
            ("sv", VERSION),
            ("sr", kind),
            ("sdd", &depth),
            ("si", &self.policy),
            ("sp", &self.permissions),
            ("st", &self.starts),
            ("se", &self.ends),
            ("sip", &self.ip),
            ("spr", &self.protocol),
            ("sig", &signature),
        ])
    }

    /// The token of a user delegation SAS.
    pub fn of_user(&self, resource: &Resource, key: &DelegationKey) -> String {
        let (name, kind, depth) = described(resource);
        // After the version of the key: who else it was given to, and a correlation id.
        let signed = [
            &self.permissions,
            &self.starts,
            &self.ends,
            &name,
            &key.user.0,
            &key.user.1,
            &key.valid.0,
            &key.valid.1,
            "b",
            VERSION,
            "\n\n",
            &self.ip,
            &self.protocol,
            VERSION,
            kind,
            "\n\n\n\n\n\n",
        ];
        let signature = sign(&key.value, &signed.join("\n"));
        token(&[
            ("sv", VERSION),
            ("sr", kind),
            ("sdd", &depth),
            ("sp", &self.permissions),
            ("st", &self.starts),
            ("se", &self.ends),
            ("sip", &self.ip),
            ("spr", &self.protocol),
            ("skoid", &key.user.0),
            ("sktid", &key.user.1),
            ("skt", &key.valid.0),
            ("ske", &key.valid.1),
            ("sks", "b"),
            ("skv", VERSION),
            ("sig", &signature),
        ])
    }
}

/// A time as tokens have it, so long from now.
pub fn at(from_now: TimeDelta) -> String {
    text(Utc::now() + from_now)
}

fn text(time: DateTime<Utc>) -> String {
    time.format("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// What is signed of a resource, `sr` and `sdd`.
fn described(resource: &Resource) -> (String, &'static str, String) {
    let account = ACCOUNT.0;
    match resource {
        Resource::Container(container) => (format!("/blob/{account}/{container}"), "c", String::new()),
        Resource::Blob(container, blob) => (format!("/blob/{account}/{container}/{blob}"), "b", String::new()),
        Resource::Folder(container, folder) => {
            (format!("/blob/{account}/{container}/{folder}"), "d", folder.split('/').count().to_string())
        }
    }
}

/// The signature of `text` by a key in base64.
pub fn sign(key: &str, text: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(&STANDARD.decode(key).unwrap()).unwrap();
    mac.update(text.as_bytes());
    STANDARD.encode(mac.finalize().into_bytes())
}

fn token(parts: &[(&str, &str)]) -> String {
    let parts = parts.iter().filter(|(_, value)| !value.is_empty());
    let parts: Vec<String> =
        parts.map(|(name, value)| format!("{name}={}", utf8_percent_encode(value, NON_ALPHANUMERIC))).collect();
    parts.join("&")
}
