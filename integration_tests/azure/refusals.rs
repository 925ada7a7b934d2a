//! `check` on containers that cannot be used: all problems at once, each with its solution. Azurite refuses what it can; the proxy plays
//! what only Azure answers.

use chrono::TimeDelta;
use serde_json::{Value, json};

use super::place::Place;
use super::proxy::{Action, Fault, Proxy, Rule};
use super::sas::{Resource, Sas, at};
use super::server::{ACCOUNT, server};
use crate::messages::{append, records};
use crate::program::{Run, Sandbox};
use crate::table;

/// The message of a check that failed; no signature is told in it.
pub fn refused(run: &Run, secret: &str) -> String {
    assert_eq!(run.code, Some(0), "{run:#?}");
    let status = run.messages().into_iter().find(|message| message["type"] == "CONNECTION_STATUS").unwrap();
    assert_eq!(status["connectionStatus"]["status"], "FAILED", "{run:#?}");
    assert!(secret.is_empty() || !run.says(secret), "a secret is told: {run:#?}");
    status["connectionStatus"]["message"].as_str().unwrap().to_owned()
}

fn sandbox(source: Value) -> Sandbox {
    let mut sandbox = Sandbox::with(json!({"data_source": source}));
    sandbox.set_environment("DESTINATION_DATABRICKS_RETRY_MS", "2000");
    sandbox
}

/// What a check with the token `token` says.
fn with_token(place: &Place, token: &str) -> String {
    let sandbox = sandbox(place.source_with(&server().endpoint(), token));
    let signature = token.split("sig=").nth(1).unwrap_or_default().trim_end_matches("%3D");
    refused(&sandbox.check(), signature)
}

fn passes(place: &Place, token: &str) {
    let sandbox = sandbox(place.source_with(&server().endpoint(), token));
    let run = sandbox.check();
    assert!(run.says("SUCCEEDED"), "{token}: {run:#?}");
    sandbox.load(&append(&["users"]), records("users", 0..3));
    assert!(!table::read(&place.lake().join("default/users")).rows.is_empty(), "{token}");
}

#[test]
fn tokens_of_every_kind_that_allow_enough_are_used_and_leave_nothing_but_the_tables() {
    let place = Place::at("lakes/one");
    let container = Resource::Container(place.container().to_owned());
    assert_eq!(place.requests().set_policy("airbyte", "rwdl", &at(TimeDelta::hours(1))).0, 200);
    for token in [
        Sas::new("rwdlac").of_account(),
        format!("?{}", Sas::new("rwdl").of_account()),
        format!("https://{}.blob.core.windows.net/{}?{}", ACCOUNT.0, place.container(), Sas::new("rwdl").of_account()),
        Sas::new("racwdl").of_service(&container),
        Sas::new("rwdl").of_service(&container),
        Sas::by_policy("airbyte").of_service(&container),
    ] {
        passes(&place, &token);
    }
    let kept: Vec<String> = place.lake().objects().iter().map(|object| object.key().to_owned()).collect();
    assert!(kept.iter().all(|key| key.contains("/default/users/")), "{kept:?}");
}

#[test]
fn an_account_key_is_enough_also_to_create_the_container() {
    let place = Place::without_container("");
    let mut source = place.source();
    source.as_object_mut().unwrap().remove("azure_blob_storage_sas_token");
    source["azure_blob_storage_account_key"] = json!(ACCOUNT.1);
    let sandbox = sandbox(source.clone());
    let run = sandbox.check();
    assert!(run.says("SUCCEEDED") && run.says("did not exist and was created"), "{run:#?}");
    sandbox.load(&append(&["users"]), records("users", 0..3));
    assert_eq!(table::read(&place.lake().join("default/users")).rows.len(), 3);
    source["azure_blob_storage_account_key"] = json!("YW5vdGhlciBrZXk=");
    let message = refused(&super::refusals::sandbox(source).check(), "YW5vdGhlciBrZXk");
    assert!(message.contains("account key is not one of the account"), "{message}");
}

#[test]
fn everything_that_a_token_lacks_is_said_by_check_with_its_cure() {
    let place = Place::at("lakes/one");
    let container = Resource::Container(place.container().to_owned());
    let other = Resource::Container("another".to_owned());
    for (token, said) in [
        (Sas::new("rcwl").of_service(&container), "has no delete (sp=rcwl lacks d)"),
        (Sas::new("rd").of_account(), "has no write, no list"),
        (Sas { services: "q".to_owned(), ..Sas::new("rwdl") }.of_account(), "is for another service (ss=q)"),
        (Sas { types: "s".to_owned(), ..Sas::new("rwdl") }.of_account(), "Container and Object (srt=s)"),
        (Sas { types: "co".to_owned(), protocol: "https".to_owned(), ..Sas::new("rwdl") }.of_account(), "spr=https"),
        (Sas { ends: at(TimeDelta::hours(-2)), ..Sas::new("rwdl") }.of_account(), "ended at "),
        (Sas { starts: at(TimeDelta::hours(1)), ..Sas::new("rwdl") }.of_account(), "is not valid before "),
        (
            Sas::new("rwdl").of_service(&Resource::Blob(place.container().to_owned(), "x".to_owned())),
            "for a single blob",
        ),
        (Sas::new("rwdl").of_service(&other), "the signature of the SAS token is not right"),
        (format!("{}x", Sas::new("rwdl").of_account()), "the signature of the SAS token is not right"),
        (Sas::by_policy("unknown").of_service(&container), "a key or a policy that is no longer there"),
    ] {
        let message = with_token(&place, &token);
        assert!(message.contains(said), "{said}: {message}");
    }
    let all = Sas { services: "f".to_owned(), types: "s".to_owned(), ends: at(TimeDelta::hours(-1)), ..Sas::new("r") };
    let message = with_token(&place, &all.of_account());
    for said in ["4 problems", "ended at ", "has no write, no delete, no list", "(ss=f)", "(srt=s)"] {
        assert!(message.contains(said), "{said}: {message}");
    }
    assert_eq!(place.lake().objects(), []);
}

#[test]
fn a_sync_with_a_token_that_has_ended_or_may_not_write_fails_with_the_reason() {
    let place = Place::at("");
    for (token, said) in [
        (Sas { ends: at(TimeDelta::hours(-2)), ..Sas::new("rwdl") }, "azure_blob_storage_sas_token` ended at "),
        (Sas { starts: at(TimeDelta::hours(1)), ..Sas::new("rwdl") }, "is not valid before "),
        (Sas::new("rdl"), "has no write (sp=rdl lacks w)"),
        (Sas::new("rwd"), "has no list (sp=rwd lacks l)"),
        (Sas::new("rwl"), "has no delete (sp=rwl lacks d)"),
    ] {
        let sandbox = sandbox(place.source_with(&server().endpoint(), &token.of_account()));
        let failed = sandbox.write(&append(&["users"]), records("users", 0..1)).failure();
        assert_eq!(failed["failure_type"], "config_error", "{failed}");
        assert!(failed["message"].as_str().unwrap().contains(said), "{said}: {failed}");
        assert_eq!(place.lake().objects(), [], "{said}");
    }
}

#[test]
fn a_token_that_ends_soon_is_used_with_one_warning() {
    let place = Place::at("");
    let token = Sas { ends: at(TimeDelta::days(3) + TimeDelta::minutes(5)), ..Sas::new("rwdl") }.of_account();
    let run = sandbox(place.source_with(&server().endpoint(), &token)).check();
    assert!(run.says("SUCCEEDED") && run.says("ends in 3 days (20"), "{run:#?}");
    let warnings = run.messages().into_iter().filter(|message| message["log"]["level"] == "WARN");
    assert_eq!(warnings.count(), 1, "{run:#?}");
}

#[test]
fn a_folder_inside_of_a_table_is_refused_since_cleaning_the_table_up_would_empty_it() {
    let place = Place::at("");
    sandbox(place.source()).load(&append(&["users"]), records("users", 0..3));
    for inside in ["default/users", "default/users/more"] {
        let mut source = place.source();
        source["azure_base_path"] = json!(inside);
        let message = refused(&sandbox(source).check(), "");
        assert!(
            message.contains("inside of the Delta table abfss://") && message.contains("/default/users,"),
            "{message}"
        );
    }
}

#[test]
fn two_ways_to_sign_in_are_an_error_that_names_both_and_none_one_that_names_all() {
    let mut source = Place::at("").source();
    source["azure_blob_storage_account_key"] = json!(ACCOUNT.1);
    let message = refused(&sandbox(source.clone()).check(), ACCOUNT.1);
    let said = "azure_blob_storage_sas_token` and `data_source.azure_blob_storage_account_key` are both set";
    assert!(message.contains(said), "{message}");
    source.as_object_mut().unwrap().retain(|name, _| !name.contains("sas") && !name.contains("key"));
    let message = refused(&sandbox(source).check(), "");
    for name in [
        "azure_blob_storage_sas_token",
        "azure_blob_storage_account_key",
        "azure_client_secret",
        "azure_managed_identity",
    ] {
        assert!(message.contains(name), "{message}");
    }
}

#[test]
fn what_only_azure_answers_is_told_with_its_cure() {
    let place = Place::at("lake");
    for (status, code, said) in [
        (403, "AuthorizationFailure", "Networking"),
        (403, "KeyBasedAuthenticationNotPermitted", "does not allow account keys"),
        (403, "InsufficientAccountPermissions", "the identity may not do this"),
        (403, "AuthorizationProtocolMismatch", "for https alone"),
        (403, "AuthorizationServiceMismatch", "for another service"),
        (403, "AuthorizationResourceTypeMismatch", "not for containers and blobs"),
        (401, "NoAuthenticationInformation", "how the request is signed"),
        (409, "PublicAccessNotPermitted", "no request without a signature"),
        (403, "AuthorizationSourceIPMismatch", "other IP addresses"),
        (403, "AccountIsDisabled", "is disabled"),
        (403, "AuthorizationPermissionMismatch", "and yet it is refused"),
        (404, "ResourceNotFound", "or no account lakeofthebed, at http"),
        (400, "AccountRequiresHttps", "https alone"),
        (409, "ContainerBeingDeleted", "is being deleted"),
        (400, "FeatureNotSupportedForAccount", "StorageV2"),
    ] {
        let proxy = Proxy::start(server().port(), vec![Rule::every(|_| true, Fault::Answer(status, code))]);
        let source = place.source_through(&proxy.endpoint());
        let message = refused(&sandbox(source).check(), "");
        assert!(message.contains(said), "{code}: {message}");
    }
    let immutable =
        vec![Rule::every(|request| request.action == Action::Put, Fault::Answer(409, "BlobImmutableDueToPolicy"))];
    let proxy = Proxy::start(server().port(), immutable);
    let message = refused(&sandbox(place.source_through(&proxy.endpoint())).check(), "");
    assert!(message.contains("immutability policy"), "{message}");
}

#[test]
fn a_container_that_is_missing_and_may_not_be_created_is_a_config_error() {
    let place = Place::without_container("");
    // As for a container, `c` would be enough to create one.
    let token = Sas::new("rdl").of_account();
    let sandbox = sandbox(place.source_with(&server().endpoint(), &token));
    let failed = sandbox.write(&append(&["users"]), records("users", 0..1)).failure();
    assert_eq!(failed["failure_type"], "config_error");
    let said = failed["message"].as_str().unwrap();
    assert!(said.contains("There is no container") && said.contains("may not create it"), "{said}");
}

#[test]
fn an_account_that_does_not_exist_and_a_server_that_is_no_store_are_told() {
    let mut source = Place::at("").source();
    source["azure_blob_storage_endpoint_domain_name"] = json!("blob.storage.invalid");
    let message = refused(&sandbox(source.clone()).check(), "");
    assert!(
        message.contains("there is no account") && message.contains("azure_blob_storage_account_name"),
        "{message}"
    );
    let proxy = Proxy::start(server().port(), vec![Rule::every(|_| true, Fault::Page(200))]);
    source["azure_blob_storage_endpoint_domain_name"] = json!(proxy.endpoint());
    let message = refused(&sandbox(source).check(), "");
    assert!(message.contains("does not answer like Azure Blob Storage"), "{message}");
}

#[test]
fn the_end_of_a_token_is_told_however_the_token_is_written() {
    let place = Place::at("lakes/one");
    let ended = at(TimeDelta::hours(-2));
    let token = Sas { ends: ended.clone(), ..Sas::new("rwdl") }.of_account();
    // As other programs and people write it.
    let plain = token.replace("%3A", ":").replace("%2D", "-");
    assert!(plain.contains(&format!("se={ended}")), "{plain}");
    for token in [plain, token] {
        let message = with_token(&place, &token);
        assert!(message.contains(&format!("ended at {ended}")), "{ended}: {message}");
    }
}
