//! What the environment changes: proxies and certificates. Each case runs in a process of its own, because a process has
//! one environment.

use std::io::Write;
use std::process::Command;
use std::sync::Arc;

use super::http::{HttpClient, Request};
use super::testing::scripted_server::{Reaction, ScriptedServer, TOKEN, timeouts};
use super::token::PersonalAccessToken;
use crate::config::DatabricksSettings;
use crate::secret::Secret;

/// The variable that tells the process for whom it asks.
const HOST: &str = "ASKED_HOST";

/// Asks one workspace and prints what comes of it; only in a process that was started for it.
#[tokio::test]
async fn asks_for_another_process() {
    let Ok(hostname) = std::env::var(HOST) else { return };
    let server = ScriptedServer::with(vec![Reaction::DropConnection]);
    let settings = DatabricksSettings { hostname, https: true, port: 443, ..server.settings() };
    let tokens = Arc::new(PersonalAccessToken(Secret::new(TOKEN)));
    let said = match HttpClient::new(&settings, tokens, &timeouts()) {
        Err(error) => error,
        Ok(client) => client.repeat(&Request::get("/")).await.expect_err("no workspace"),
    };
    writeln!(std::io::stdout(), "{:?}: {}", said.kind(), said.internal_message()).expect("somebody who reads");
}

/// What asking `host` comes to where these variables are set and no others.
fn asked(host: &str, variables: &[(&str, &str)]) -> String {
    let program = std::env::current_exe().expect("this program");
    let output = Command::new(program)
        .args(["--exact", "databricks::environment_tests::asks_for_another_process", "--nocapture"])
        .env_clear()
        .env(HOST, host)
        .envs(variables.iter().copied())
        .output()
        .expect("a process");
    String::from_utf8(output.stdout).expect("text")
}

#[test]
fn the_proxy_of_the_environment_is_asked_but_for_hosts_that_are_excepted() {
    let host = "abc.databricks.test";
    let proxy = ScriptedServer::with(vec![Reaction::Respond(407, vec![], String::new())]);
    let address = format!("http://127.0.0.1:{}", proxy.settings().port);
    let said = asked(host, &[("HTTPS_PROXY", &address)]);
    assert!(said.contains("The proxy did not connect to"), "{said}");
    let received = proxy.received();
    assert!(
        received.iter().all(|received| received.is("CONNECT", "abc.databricks.test:443")) && !received.is_empty(),
        "{received:?}"
    );

    asked(host, &[("HTTPS_PROXY", &address), ("NO_PROXY", "other.test,.databricks.test")]);
    asked("127.0.0.1", &[("HTTPS_PROXY", &address)]);
    assert_eq!(proxy.received().len(), received.len());
}

#[test]
fn a_file_of_certificates_that_holds_none_is_told() {
    let empty = tempfile::NamedTempFile::new().expect("a file");
    let path = empty.path().to_str().expect("a text").to_owned();
    for name in [path.as_str(), "/no/such/file.pem"] {
        let said = asked("abc.databricks.test", &[("SSL_CERT_FILE", name)]);
        assert!(said.contains("Config: ") && said.contains("SSL_CERT_FILE"), "{said}");
    }
}
