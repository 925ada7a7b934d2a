//! `check` where Databricks shows a certificate.

use serde_json::json;

use super::check::{assert_says, impatient, refused};
use super::server::Server;

/// What answers over TLS is the S3 server, which shows a certificate that only says of itself that it is good.
#[test]
fn a_certificate_that_this_machine_does_not_know_is_refused_until_ssl_cert_file_names_it() {
    let certificate = concat!(env!("CARGO_MANIFEST_DIR"), "/integration_tests/s3/tls/certificate.pem");
    let key = concat!(env!("CARGO_MANIFEST_DIR"), "/integration_tests/s3/tls/key.pem");
    let encrypted = Server::beside(&["--cert", certificate, "--key", key]);
    let mut sandbox = impatient();
    let port = encrypted.port().to_string();
    sandbox.set(json!({"databricks_server_hostname": "127.0.0.1", "databricks_port": port}));
    assert_says("unknown", &refused(&sandbox, "unknown"), &["certificate", "is not trusted", "SSL_CERT_FILE"]);
    sandbox.set_environment("SSL_CERT_FILE", certificate);
    // It has been spoken to: what it says is not what a workspace says.
    let message = refused(&sandbox, "known");
    assert!(!message.contains("certificate") && !message.contains("TLS"), "{message}");
}
