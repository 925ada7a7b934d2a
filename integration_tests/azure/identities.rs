//! Identities of Microsoft Entra: an application with a secret, a workload identity, the identity of a machine.

use serde_json::{Map, Value, json};

use super::entra::Entra;
use super::place::Place;
use super::refusals::refused;
use crate::messages::{append, records};
use crate::program::Sandbox;
use crate::table;

const TENANT: &str = "11111111-2222-3333-4444-555555555555";
const CLIENT: &str = "66666666-7777-8888-9999-000000000000";
const SECRET: &str = "the~secret.of-the-application";

/// A sandbox that signs in at `entra` by `ways`.
pub fn sandbox(entra: &Entra, place: &Place, ways: &Value) -> Sandbox {
    let mut source = place.source_through(&entra.endpoint());
    source.as_object_mut().unwrap().remove("azure_blob_storage_sas_token");
    source.as_object_mut().unwrap().append(&mut Map::clone(ways.as_object().unwrap()));
    let mut sandbox = Sandbox::with(json!({"data_source": source}));
    sandbox.set_environment("DESTINATION_DATABRICKS_RETRY_MS", "3000");
    sandbox.set_environment("AZURE_AUTHORITY_HOST", &entra.authority());
    sandbox
}

/// The settings of an application with a secret.
pub fn application() -> Value {
    json!({"azure_tenant_id": TENANT, "azure_client_id": CLIENT, "azure_client_secret": SECRET})
}

fn ensure_works(sandbox: &Sandbox, place: &Place) {
    let run = sandbox.check();
    assert!(run.says("SUCCEEDED") && !run.says("a-token-of-entra") && !run.says(SECRET), "{run:#?}");
    sandbox.load(&append(&["users"]), records("users", 0..3));
    assert_eq!(table::read(&place.lake().join("default/users")).rows.len(), 3);
}

#[test]
fn an_application_with_a_secret_gets_a_token_and_uses_it_for_everything() {
    let (place, entra) = (Place::at("lake"), Entra::start(3600, |_| None));
    ensure_works(&sandbox(&entra, &place, &application()), &place);
    for asked in entra.asked() {
        assert!(asked.starts_with(&format!("POST /{TENANT}/oauth2/v2.0/token ")), "{asked}");
        for part in [
            "grant_type=client_credentials",
            &format!("client_id={CLIENT}"),
            "client_secret=the%7Esecret.of-the-application",
        ] {
            assert!(asked.contains(part) || asked.contains(&part.replace("%7E", "~")), "{part}: {asked}");
        }
        assert!(asked.contains("scope=https%3A%2F%2Fstorage.azure.com%2F.default"), "{asked}");
    }
}

#[test]
fn a_workload_identity_sends_the_token_of_its_file() {
    let (place, entra) = (Place::at("lake"), Entra::start(3600, |_| None));
    let mut sandbox = sandbox(&entra, &place, &json!({}));
    let file = sandbox.file("token", "a-token-of-the-platform");
    sandbox.set_environment("AZURE_FEDERATED_TOKEN_FILE", file.to_str().unwrap());
    sandbox.set_environment("AZURE_TENANT_ID", TENANT);
    sandbox.set_environment("AZURE_CLIENT_ID", CLIENT);
    ensure_works(&sandbox, &place);
    assert!(entra.asked().iter().all(|asked| asked.contains("client_assertion=a-token-of-the-platform")));
    sandbox.set_environment("AZURE_FEDERATED_TOKEN_FILE", "/nonexistent/token");
    let message = refused(&sandbox.check(), "");
    assert!(message.contains("AZURE_FEDERATED_TOKEN_FILE"), "{message}");
}

#[test]
fn a_managed_identity_is_asked_for_at_the_machines_own_service() {
    let (place, entra) = (Place::at("lake"), Entra::start(3600, |_| None));
    let ways = json!({"azure_managed_identity": true, "azure_client_id": CLIENT});
    let mut sandbox = sandbox(&entra, &place, &ways);
    sandbox.set_environment("IDENTITY_ENDPOINT", &format!("{}/msi/token", entra.authority()));
    sandbox.set_environment("IDENTITY_HEADER", "the-header-of-the-machine");
    ensure_works(&sandbox, &place);
    for asked in entra.asked() {
        assert!(asked.starts_with("GET /msi/token?") && asked.contains(&format!("client_id={CLIENT}")), "{asked}");
        assert!(asked.contains("the-header-of-the-machine"), "{asked}");
    }
}

#[test]
fn each_reason_for_no_token_is_told_with_its_cure() {
    let place = Place::at("lake");
    for (status, body, kind, said) in [
        (
            401,
            r#"{"error":"invalid_client","error_description":"AADSTS7000215: Invalid client secret provided."}"#,
            "config",
            "`data_source.azure_client_secret`",
        ),
        (
            401,
            r#"{"error":"invalid_client","error_description":"AADSTS7000222: The provided client secret keys are expired."}"#,
            "config",
            "has ended",
        ),
        (
            400,
            r#"{"error":"unauthorized_client","error_description":"AADSTS700016: Application was not found in the directory."}"#,
            "config",
            "no such application",
        ),
        (
            400,
            r#"{"error":"invalid_request","error_description":"AADSTS90002: Tenant not found."}"#,
            "config",
            "no such directory",
        ),
        (400, r#"{"error":"anything"}"#, "config", "correct tenant, client id and secret"),
        (503, "busy", "transient", "no usable answer"),
    ] {
        let entra = Entra::start(3600, move |_| Some((status, body.to_owned())));
        let sandbox = sandbox(&entra, &place, &application());
        let message = refused(&sandbox.check(), SECRET);
        assert!(message.contains(said) && message.contains("No token of Microsoft Entra"), "{said}: {message}");
        let failed = sandbox.write(&append(&["users"]), records("users", 0..1)).failure();
        assert_eq!(failed["failure_type"], format!("{kind}_error"), "{failed}");
    }
}

#[test]
fn an_application_is_told_which_of_its_three_settings_lacks() {
    let (place, entra) = (Place::at(""), Entra::start(3600, |_| None));
    for name in ["azure_tenant_id", "azure_client_id"] {
        let mut ways = application();
        ways.as_object_mut().unwrap().remove(name);
        let message = refused(&sandbox(&entra, &place, &ways).check(), SECRET);
        assert!(message.contains(&format!("`data_source.{name}` is missing although")), "{message}");
    }
    assert!(entra.asked().is_empty());
}
