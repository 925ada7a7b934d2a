//! Which certificates TLS connections trust: certificate files that are missing, empty or damaged, and a machine that has
//! none.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use super::place::ENVIRONMENT;
use super::refusals::refused;
use super::server::Server;
use crate::messages::{append, records};
use crate::program::{Living, Run, Sandbox, program, skipped};
use crate::table;

/// A certificate that only says of itself that it is good, and its key; used nowhere but here.
const CERTIFICATE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/integration_tests/s3/tls/certificate.pem");
const KEY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/integration_tests/s3/tls/key.pem");

/// Settings of S3 with TLS, and of Databricks with TLS in front of a bucket without: nobody listens at either.
fn clients(sandbox: &Sandbox) -> [(&'static str, Value); 2] {
    let encrypted = sandbox.place().source_through("https://127.0.0.1:9");
    let databricks = json!({
        "data_source": sandbox.place().source(), "databricks_server_hostname": "127.0.0.1", "databricks_port": "9",
        "databricks_http_path": "/sql/1.0/warehouses/0123456789abcdef", "databricks_personal_access_token": "dapi0",
        "accept_terms": true,
    });
    [("S3", json!({"data_source": encrypted})), ("Databricks", databricks)]
}

#[test]
fn a_store_of_certificates_that_is_named_and_holds_none_is_told_as_that_by_every_client() {
    let mut sandbox = Sandbox::new();
    let empty = sandbox.file("empty.pem", "");
    let garbage = sandbox.file("garbage.pem", "no certificate\n");
    let folder = sandbox.folder().join("no certificates");
    std::fs::create_dir(&folder).unwrap();
    let nothing = sandbox.folder().join("nothing");
    for (client, settings) in clients(&sandbox) {
        sandbox.set(settings);
        for (file, folder, what) in [
            (Some(&nothing), None, "which does not exist"),
            (Some(&empty), None, "which is empty"),
            (Some(&garbage), None, "which holds no certificate"),
            (Some(&folder), None, "which is no file"),
            (None, Some(&nothing), "which does not exist"),
            (None, Some(&folder), "which holds no file with a certificate"),
            (None, Some(&garbage), "which is no folder"),
        ] {
            let variable =
                |path: Option<&std::path::PathBuf>| path.map_or_else(String::new, |path| path.display().to_string());
            sandbox.set_environment("SSL_CERT_FILE", &variable(file));
            sandbox.set_environment("SSL_CERT_DIR", &variable(folder));
            let check = refused(&sandbox.check());
            let write = sandbox.write(&append(&["users"]), records("users", 0..1)).failed_with("config_error");
            for message in [check, write] {
                let name = if file.is_some() { "SSL_CERT_FILE names" } else { "SSL_CERT_DIR names" };
                assert!(message.contains(what) && message.contains(name), "{client}: {message}");
                assert!(
                    !message.contains("usable address") && message.matches(what).count() == 1,
                    "{client}: {message}"
                );
            }
        }
    }
}

/// `arguments` of the program where the system has no certificates; `None` where this user may not take them away.
fn without_certificates(sandbox: &Sandbox, command: &str, files: &[(&str, &Path)]) -> Option<Run> {
    let hide = "for folder in /etc/ssl /usr/lib/ssl /etc/pki /usr/share/ca-certificates; do \
                [ ! -d $folder ] || mount -t tmpfs nothing $folder || exit 99; done; exec \"$@\"";
    let mut command_line = Command::new("unshare");
    command_line.args(["-m", "sh", "-c", hide, "sh"]).arg(program().get_program()).arg(command);
    for (option, file) in files {
        command_line.arg(option).arg(file);
    }
    command_line.env_remove("SSL_CERT_FILE").env_remove("SSL_CERT_DIR").envs(ENVIRONMENT);
    command_line
        .env("DESTINATION_DATABRICKS_RETRY_MS", "2000")
        .env("DESTINATION_DATABRICKS_DATABRICKS_RETRY_MS", "2000");
    let may = Command::new("unshare").args(["-m", "sh", "-c", "mount -t tmpfs nothing /mnt"]).output();
    if !may.is_ok_and(|may| may.status.success()) {
        return None;
    }
    let mut living = Living::start(&mut command_line);
    living.send(if command == "write" { records("users", 0..3) } else { String::new() });
    assert!(sandbox.folder().exists());
    Some(living.end())
}

#[test]
fn a_machine_without_certificates_trusts_those_of_mozilla_and_says_so() {
    const NAME: &str = "a_machine_without_certificates_trusts_those_of_mozilla_and_says_so";
    let mut sandbox = Sandbox::new();
    let encrypted = Server::beside(&["--cert", CERTIFICATE, "--key", KEY]);
    let nobody = clients(&sandbox);
    let source = sandbox.place().source_through(&encrypted.endpoint().replace("http://", "https://"));
    let settings = [nobody[0].1.clone(), nobody[1].1.clone(), json!({"data_source": source})];
    let answers = ["accepts no connection", "refuses connections", "its certificate must be valid"];
    for (settings, answer) in settings.into_iter().zip(answers) {
        sandbox.set(settings);
        let Some(run) = without_certificates(&sandbox, "check", &[("--config", &sandbox.config())]) else {
            return skipped(NAME, "only root may hide the system's certificates from a process");
        };
        // A connection was tried: authorities are there, and they do not know the bed's own certificate.
        let message = refused(&run);
        assert!(message.contains(answer), "{run:#?}");
        let told: Vec<String> = run.logs("WARN").into_iter().filter(|text| text.contains("Mozilla")).collect();
        assert_eq!(told.len(), 1, "{run:#?}");
    }
    // What encrypts nothing needs no certificates.
    sandbox.set(json!({"data_source": sandbox.place().source()}));
    let catalog = sandbox.file("catalog.json", append(&["users"]).to_string());
    let files: [(&str, &Path); 2] = [("--config", &sandbox.config()), ("--catalog", &catalog)];
    let run = without_certificates(&sandbox, "write", &files).unwrap();
    assert!(run.code == Some(0) && run.logs("WARN").is_empty(), "{run:#?}");
    assert_eq!(table::read(&sandbox.table("default/users")).rows.len(), 3);
}
