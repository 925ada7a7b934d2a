//! How a bucket is addressed: with its name in the path or in the host, and over TLS.

use serde_json::json;

use super::proxy::{Action, Proxy};
use super::refusals::refused;
use super::server::{Server, server};
use crate::messages::{append, records};
use crate::program::Sandbox;
use crate::table;

/// A host whose name leads nowhere: requests reach it through a proxy that the environment names.
const DOMAIN: &str = "lake.test";

#[test]
fn the_bucket_stands_in_the_hosts_name_or_in_the_path() {
    let host_style = Server::beside(&["--virtual-domain", DOMAIN]);
    for path_style in [false, true] {
        let proxy = Proxy::start(if path_style { server().port() } else { host_style.port() }, Vec::new());
        let mut sandbox = Sandbox::new();
        let mut source = sandbox.place().source_through(&format!("http://{DOMAIN}"));
        source["s3_path_style"] = json!(path_style);
        source["s3_allow_http"] = json!(true);
        sandbox.set(json!({"data_source": source}));
        for name in ["HTTP_PROXY", "http_proxy"] {
            sandbox.set_environment(name, &proxy.endpoint());
        }
        let run = sandbox.check();
        assert!(run.says("SUCCEEDED") && !run.says("WARN"), "{run:#?}");
        sandbox.load(&append(&["users"]), records("users", 0..3));
        assert_eq!(table::read(&sandbox.table("default/users")).rows.len(), 3);
        let bucket = sandbox.place().bucket();
        let seen = proxy.seen();
        // Both clients: the object store's, and AWS's own, which lists uploads.
        for action in [Action::Put, Action::List, Action::Get, Action::Copy, Action::Delete, Action::ListUploads] {
            assert!(seen.iter().any(|request| request.action == action), "{action:?}");
        }
        for request in seen {
            let host = if path_style { DOMAIN.to_owned() } else { format!("{bucket}.{DOMAIN}") };
            assert_eq!(request.host, host, "{request:?}");
            assert_eq!(request.target.starts_with(&format!("/{bucket}")), path_style, "{request:?}");
        }
    }
}

/// A certificate that only says of itself that it is good, and its key; used nowhere but here.
const CERTIFICATE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/integration_tests/s3/tls/certificate.pem");
const KEY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/integration_tests/s3/tls/key.pem");

#[test]
fn a_certificate_that_this_machine_does_not_know_is_refused_until_ssl_cert_file_names_it() {
    let encrypted = Server::beside(&["--cert", CERTIFICATE, "--key", KEY]);
    let mut sandbox = Sandbox::new();
    let source = sandbox.place().source_through(&encrypted.endpoint().replace("http://", "https://"));
    sandbox.set(json!({"data_source": source, "memory_limit_mb": 128}));
    // Copies in parts go through AWS's own client.
    sandbox.set_environment("DESTINATION_DATABRICKS_COPIED_AT_ONCE_BYTES", "10485760");
    let begun = std::time::Instant::now();
    let message = refused(&sandbox.check());
    assert!(begun.elapsed().as_secs() < 10, "it is not repeated: {:?}", begun.elapsed());
    let written = sandbox.write(&append(&["users"]), records("users", 0..1)).failed_with("config_error");
    for message in [message, written] {
        assert!(["encrypted", "certificate", "SSL_CERT_FILE"].iter().all(|part| message.contains(part)), "{message}");
    }

    sandbox.set_environment("SSL_CERT_FILE", CERTIFICATE);
    let run = sandbox.check();
    assert!(run.says("SUCCEEDED") && !run.says("WARN"), "{run:#?}");
    sandbox.load(&append(&["large"]), super::faults::large());
    super::faults::assert_large_once(&sandbox, "TLS");
}
