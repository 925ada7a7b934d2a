//! Where a storage account is: `azure_blob_storage_endpoint_domain_name`, in every form that people have at hand.
//!
//! A domain (`blob.core.windows.net`), with the account before it or not; a full URL; the address of a server for tests on this machine,
//! which has the account as its path (`http://127.0.0.1:10000/devstoreaccount1`).

use url::{Host, Url};

use super::fields::{Fields, shown};
use super::host::{is_host, is_loopback};

/// The setting.
const NAME: &str = "azure_blob_storage_endpoint_domain_name";
/// The domain of Microsoft's public cloud.
const PUBLIC: &str = "blob.core.windows.net";
/// Where tables lie for Databricks, unless the endpoint says otherwise.
const DFS: &str = "dfs.core.windows.net";

/// Where an account is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AzureAddress {
    /// The URL of the account's blob service, without a slash at its end.
    pub endpoint: String,
    /// The host in `abfss://` addresses: `<account>.dfs.<suffix>`.
    pub dfs_host: String,
    /// Whether the server runs on the same machine as this program.
    pub is_here: bool,
}

impl AzureAddress {
    /// Reads the address of `account`.
    pub(super) fn read(fields: &Fields<'_>, account: &str, container: &str) -> Self {
        let text = fields.text(NAME).unwrap_or_else(|| PUBLIC.to_owned());
        Self::of(&text, account, container).unwrap_or_else(|rest| {
            fields.problem(NAME, &rest);
            Self { endpoint: String::new(), dfs_host: String::new(), is_here: false }
        })
    }

    /// The address that `text` is for `account`, or what is wrong with it.
    fn of(text: &str, account: &str, container: &str) -> Result<Self, String> {
        let example = "a domain such as blob.core.windows.net, or a URL such as https://account.blob.core.windows.net";
        let wrong = || format!("must be {example}, not {}.", shown(text));
        let written = if text.contains("://") { text.to_owned() } else { format!("https://{text}") };
        let mut url = Url::parse(&written).map_err(|_| wrong())?;
        if url.query().is_some() {
            return Err(format!(
                "has a query behind a ?: give only {example}; a SAS goes into `data_source.azure_blob_storage_sas_token`."
            ));
        }
        if !is_host(&url) || url.fragment().is_some() || !url.username().is_empty() || url.password().is_some() {
            return Err(wrong());
        }
        let is_here = is_loopback(&url);
        if url.scheme() != "https" && !(url.scheme() == "http" && is_here) {
            return Err(format!(
                "must begin with https://, not {}: only a server on this machine is spoken to without encryption.",
                shown(text)
            ));
        }
        let path = url.path().trim_matches('/').to_owned();
        if let (Some(Host::Domain(host)), false) = (url.host(), is_here) {
            let host = host.trim_end_matches('.');
            // The address of Data Lake Storage's own interface, beside that of blobs.
            let host = if host.starts_with("dfs.") || host.starts_with(&format!("{account}.dfs.")) {
                host.replacen("dfs.", "blob.", 1)
            } else {
                host.to_owned()
            };
            if let Some(other) = other_account(&host, account) {
                return Err(format!(
                    "is the address of the account {}, and `data_source.azure_blob_storage_account_name` is another one: correct \
                     one of them.",
                    shown(other)
                ));
            }
            let is_full =
                host.starts_with(&format!("{account}.")) || text.contains("://") && !host.starts_with("blob.");
            let host = if is_full { host } else { format!("{account}.{host}") };
            if !path.is_empty() && path != container {
                return Err(format!("has a path behind the host: give only {example}, not {}.", shown(text)));
            }
            let dfs_host = dfs_host(account, &host);
            url.set_host(Some(&host)).map_err(|_| wrong())?;
            url.set_path("");
            let endpoint = url.as_str().trim_end_matches('/').to_owned();
            return Ok(Self { endpoint, dfs_host, is_here });
        }
        // Without a name there is no place for the account but the path.
        if path.is_empty() {
            url.set_path(account);
        } else if path != account {
            return Err(format!(
                "has the path /{path} where the account `data_source.azure_blob_storage_account_name` belongs: give /{account}, or no path."
            ));
        }
        let endpoint = url.as_str().trim_end_matches('/').to_owned();
        Ok(Self { endpoint, dfs_host: format!("{account}.{DFS}"), is_here })
    }

    /// The authority that gives tokens for this cloud.
    /// Source: <https://learn.microsoft.com/entra/identity-platform/authentication-national-cloud>.
    pub(super) fn authority(&self) -> &'static str {
        match self.dfs_host.split_once(".dfs.").map(|(_, suffix)| suffix) {
            Some("core.chinacloudapi.cn") => "https://login.chinacloudapi.cn",
            Some("core.usgovcloudapi.net") => "https://login.microsoftonline.us",
            _ => "https://login.microsoftonline.com",
        }
    }
}

/// The account that `host` is the address of, where that is not `account`. Before `blob` there may also be a zone or `privatelink`.
fn other_account<'a>(host: &'a str, account: &str) -> Option<&'a str> {
    let (first, rest) = host.split_once('.')?;
    let is_zone = first.strip_prefix('z').is_some_and(|zone| zone.bytes().all(|byte| byte.is_ascii_digit()));
    let names_an_account = ["blob.", "dfs.", "privatelink.blob."].iter().any(|next| rest.starts_with(next));
    (names_an_account && first != account && !is_zone && first != "privatelink").then_some(first)
}

/// The host of tables' addresses: that of Data Lake Storage beside the blob endpoint `host`. A private endpoint has the same name inside its
/// network; a domain of the user's own has none.
fn dfs_host(account: &str, host: &str) -> String {
    match host.split_once("blob.") {
        Some((before, suffix)) if before.starts_with(account) => {
            format!("{}dfs.{suffix}", before.replace(".privatelink.", "."))
        }
        _ => format!("{account}.{DFS}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_understood_in_every_form_that_people_have_at_hand() {
        let public = ("https://lake.blob.core.windows.net", "lake.dfs.core.windows.net");
        let china = ("https://lake.blob.core.chinacloudapi.cn", "lake.dfs.core.chinacloudapi.cn");
        let azurite = ("http://127.0.0.1:10000/lake", "lake.dfs.core.windows.net");
        for (text, (endpoint, dfs_host)) in [
            ("blob.core.windows.net", public),
            ("BLOB.core.windows.net", public),
            ("lake.blob.core.windows.net", public),
            ("https://lake.blob.core.windows.net/", public),
            ("https://blob.core.windows.net", public),
            ("https://lake.blob.core.windows.net/tables", public),
            ("dfs.core.windows.net", public),
            ("https://lake.dfs.core.windows.net", public),
            ("blob.core.chinacloudapi.cn", china),
            ("https://lake.blob.core.chinacloudapi.cn", china),
            (
                "blob.core.usgovcloudapi.net",
                ("https://lake.blob.core.usgovcloudapi.net", "lake.dfs.core.usgovcloudapi.net"),
            ),
            (
                "z12.blob.storage.azure.net",
                ("https://lake.z12.blob.storage.azure.net", "lake.z12.dfs.storage.azure.net"),
            ),
            (
                "privatelink.blob.core.windows.net",
                ("https://lake.privatelink.blob.core.windows.net", "lake.dfs.core.windows.net"),
            ),
            ("https://data.example.com", ("https://data.example.com", "lake.dfs.core.windows.net")),
            ("http://127.0.0.1:10000/lake", azurite),
            ("http://127.0.0.1:10000", azurite),
            ("http://localhost:1/lake/", ("http://localhost:1/lake", "lake.dfs.core.windows.net")),
        ] {
            let found = AzureAddress::of(text, "lake", "tables").map(|address| (address.endpoint, address.dfs_host));
            assert_eq!(found, Ok((endpoint.to_owned(), dfs_host.to_owned())), "{text}");
        }
    }

    #[test]
    fn a_wrong_endpoint_is_refused_with_what_is_wrong() {
        for (text, said) in [
            ("http://lake.blob.core.windows.net", "must begin with https://"),
            ("https://lake.blob.core.windows.net/tables?sv=1", "has a query"),
            ("https://lake.blob.core.windows.net/other", "has a path behind the host"),
            ("http://127.0.0.1:10000/other", "has the path /other"),
            ("https://user:pass@lake.blob.core.windows.net", "not a text that may hold a secret"),
            ("https://other.blob.core.windows.net", "the account \"other\""),
            ("other.blob.core.windows.net", "the account \"other\""),
            ("other.dfs.core.windows.net", "the account \"other\""),
            ("https://other.privatelink.blob.core.windows.net", "the account \"other\""),
            ("https://lake.blob.core.windows.net/#sig=c2VjcmV0", "a text that may hold a secret"),
            ("not a host", "must be a domain"),
            ("ftp://blob.core.windows.net", "must begin with https://"),
        ] {
            let wrong = AzureAddress::of(text, "lake", "tables").expect_err(text);
            assert!(wrong.contains(said), "{text}: {wrong}");
        }
    }

    #[test]
    fn the_authority_follows_the_cloud() {
        let authority = |text| AzureAddress::of(text, "lake", "tables").expect("an address").authority();
        assert_eq!(authority("blob.core.windows.net"), "https://login.microsoftonline.com");
        assert_eq!(authority("blob.core.chinacloudapi.cn"), "https://login.chinacloudapi.cn");
        assert_eq!(authority("blob.core.usgovcloudapi.net"), "https://login.microsoftonline.us");
    }
}
