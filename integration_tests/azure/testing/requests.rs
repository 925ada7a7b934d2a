//! A lake in a container: every look and every change is a request to the server, past the program and the proxy.

use std::future::Future;
use std::sync::OnceLock;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::{Client, Method, Response, StatusCode};
use tokio::runtime::Runtime;

use super::sas::{Sas, VERSION, sign};
use super::server::{ACCOUNT, Server};
use crate::lake::Lake;

/// What the names of blobs keep in an address.
const IN_PATH: &AsciiSet = &NON_ALPHANUMERIC.remove(b'/').remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// A container that is seen by someone who may do everything.
pub struct Container {
    client: Client,
    address: String,
    token: String,
}

/// What came back: the status, and the body as text.
pub type Answer = (StatusCode, String);

impl Container {
    /// The container `name` of `server`, whether it is there or not.
    pub fn new(server: &Server, name: &str) -> Self {
        // The server closes connections that nobody uses, which a request must not meet.
        let client = Client::builder().no_proxy().pool_max_idle_per_host(0).build().unwrap();
        let address = format!("{}/{}/{name}", server.endpoint(), ACCOUNT.0);
        Self { client, address, token: Sas::new("rwdlacup").of_account() }
    }

    /// The same with this SAS token.
    pub fn with(&self, token: &str) -> Self {
        Self { client: self.client.clone(), address: self.address.clone(), token: token.to_owned() }
    }

    /// Makes the container.
    pub fn create(&self) -> Answer {
        self.asked(Method::PUT, "", "restype=container", &[], b"")
    }

    /// Removes the container with all that is in it.
    pub fn remove(&self) -> Answer {
        self.asked(Method::DELETE, "", "restype=container", &[], b"")
    }

    /// Makes a policy `name` of the container, which says what tokens by its name may do until `ends`.
    pub fn set_policy(&self, name: &str, permissions: &str, ends: &str) -> Answer {
        let policy = format!("<Expiry>{ends}</Expiry><Permission>{permissions}</Permission>");
        let policy = format!(
            "<SignedIdentifiers><SignedIdentifier><Id>{name}</Id><AccessPolicy>{policy}</AccessPolicy>\
             </SignedIdentifier></SignedIdentifiers>"
        );
        // Only the account's key may do this.
        let date = chrono::Utc::now().format("%a, %d %b %Y %H:%M:%S GMT").to_string();
        let (length, container) = (policy.len(), self.address.rsplit('/').next().unwrap());
        let signed = format!(
            "PUT\n\n\n{length}\n\n\n\n\n\n\n\n\nx-ms-date:{date}\nx-ms-version:{VERSION}\n/{0}/{0}/{container}\ncomp:acl\n\
             restype:container",
            ACCOUNT.0
        );
        let authorization = format!("SharedKey {}:{}", ACCOUNT.0, sign(ACCOUNT.1, &signed));
        let headers = [("x-ms-date", date.as_str()), ("authorization", &authorization)];
        self.with("").asked(Method::PUT, "", "restype=container&comp=acl", &headers, policy.as_bytes())
    }

    /// Writes a whole blob, with these headers too.
    pub fn put_with(&self, key: &str, content: &[u8], headers: &[(&str, &str)]) -> Answer {
        let headers = [&[("x-ms-blob-type", "BlockBlob")], headers].concat();
        self.asked(Method::PUT, key, "", &headers, content)
    }

    /// The names of the blobs that have blocks and nothing else: uploads that were never ended.
    pub fn unfinished_uploads(&self) -> Vec<String> {
        let listed = self.pages("", "uncommittedblobs");
        let committed = self.pages("", "");
        listed.into_iter().filter(|key| !committed.contains(key)).collect()
    }

    /// What came back for a request about `key`; the container itself where it is empty.
    pub fn asked(&self, method: Method, key: &str, query: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        let (status, body) = self.bytes(method, key, query, headers, body);
        (status, String::from_utf8_lossy(&body).into_owned())
    }

    fn bytes(
        &self,
        method: Method,
        key: &str,
        query: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> (StatusCode, Vec<u8>) {
        let path = if key.is_empty() { String::new() } else { format!("/{}", utf8_percent_encode(key, IN_PATH)) };
        let address = format!("{}{path}?{query}&{}", self.address, self.token);
        let request = self.client.request(method, address).header("x-ms-version", VERSION).body(body.to_vec());
        let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        done(async {
            let answer: Response = request.send().await.unwrap();
            (answer.status(), answer.bytes().await.unwrap().to_vec())
        })
    }

    /// The names of all blobs below `prefix` but those that stand for folders; with those that `also` names.
    fn pages(&self, prefix: &str, also: &str) -> Vec<String> {
        let (mut keys, mut marker) = (Vec::new(), String::new());
        let prefix = utf8_percent_encode(prefix, NON_ALPHANUMERIC).to_string();
        loop {
            let query = format!("restype=container&comp=list&prefix={prefix}&marker={marker}&include=metadata,{also}");
            let (status, page) = self.asked(Method::GET, "", &query, &[], b"");
            assert_eq!(status, 200, "{page}");
            let blobs = page.split("<Blob>").skip(1).filter(|blob| !blob.contains("<hdi_isfolder>true</hdi_isfolder>"));
            let names = blobs.map(|blob| blob.split_once("<Name>").unwrap().1.split_once("</Name>").unwrap().0);
            keys.extend(names.map(unescaped));
            let next = page.split_once("<NextMarker>").and_then(|(_, rest)| rest.split_once("</NextMarker>"));
            let Some((next, _)) = next.filter(|(next, _)| !next.is_empty()) else { break };
            marker = utf8_percent_encode(&unescaped(next), NON_ALPHANUMERIC).to_string();
        }
        keys.sort();
        keys
    }
}

impl Lake for Container {
    fn list(&self, prefix: &str) -> Vec<String> {
        self.pages(prefix, "")
    }

    fn get(&self, key: &str) -> Option<Vec<u8>> {
        match self.bytes(Method::GET, key, "", &[], b"") {
            (StatusCode::OK, content) => Some(content),
            (StatusCode::NOT_FOUND, _) => None,
            (status, said) => panic!("{key}: {status} {}", String::from_utf8_lossy(&said)),
        }
    }

    fn put(&self, key: &str, content: &[u8]) {
        let (status, said) = self.put_with(key, content, &[]);
        assert_eq!(status, 201, "{key}: {said}");
    }

    fn delete(&self, key: &str) {
        let (status, said) = self.asked(Method::DELETE, key, "", &[], b"");
        assert_eq!(status, 202, "{key}: {said}");
    }
}

fn unescaped(text: &str) -> String {
    let text = text.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&apos;", "'");
    text.replace("&#39;", "'").replace("&amp;", "&")
}

/// Waits for what requests come to.
fn done<T>(requests: impl Future<Output = T>) -> T {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    let start = || tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    RUNTIME.get_or_init(start).block_on(requests)
}
