//! Tokens that end while a sync runs, tokens that are refused before their end, and SAS tokens that Azurite cannot judge.

use std::time::Duration;

use chrono::TimeDelta;
use serde_json::json;

use super::entra::Entra;
use super::gate::Gate;
use super::identities::{application, sandbox};
use super::place::Place;
use super::refusals::refused;
use super::sas::{DelegationKey, Resource, Sas, at};
use super::server::{ACCOUNT, server};
use crate::messages::{append, records, state};
use crate::program::Sandbox;
use crate::table;

#[test]
fn a_sync_that_lasts_longer_than_its_token_has_a_new_one_in_time() {
    const SECONDS: u64 = 2;
    let (place, entra) = (Place::at("lake"), Entra::start(SECONDS, |_| None));
    let sandbox = sandbox(&entra, &place, &application());
    let mut living = sandbox.start(&append(&["users"]));
    living.send(records("users", 0..3));
    living.has_read_so_far();
    let before = entra.asked().len();
    // Until the token of the first requests has ended, after which the rows are staged and committed.
    std::thread::sleep(Duration::from_secs(SECONDS) + Duration::from_millis(200));
    living.send(state("users", 3));
    let run = living.end();
    assert_eq!((run.code, run.states().len()), (Some(0), 1), "{run:#?}");
    assert!(before > 0 && entra.asked().len() > before, "{before}");
    assert_eq!(table::read(&place.lake().join("default/users")).rows.len(), 3);
    table::assert_tidy(&place.lake());
}

#[test]
fn a_token_that_is_refused_in_mid_sync_is_forgotten_and_asked_for_once_more() {
    let (place, entra) = (Place::at("lake"), Entra::start(3600, |_| None));
    let sandbox = sandbox(&entra, &place, &application());
    let mut living = sandbox.start(&append(&["users"]));
    living.send(records("users", 0..1) + &state("users", 1));
    living.has_read_so_far();
    assert_eq!(entra.asked().len(), 1);
    entra.revoke();
    living.send(records("users", 1..2) + &state("users", 2));
    let run = living.end();
    assert_eq!((run.code, run.states().len()), (Some(0), 2), "{run:#?}");
    assert_eq!(entra.asked().len(), 2);
    assert_eq!(table::read(&place.lake().join("default/users")).rows.len(), 2);
    table::assert_tidy(&place.lake());
}

#[test]
fn tokens_that_are_all_refused_end_a_sync_with_the_reason() {
    let (place, entra) = (Place::at("lake"), Entra::start(0, |_| None));
    let sandbox = sandbox(&entra, &place, &application());
    let failed = sandbox.write(&append(&["users"]), records("users", 0..1)).failure();
    assert_eq!(failed["failure_type"], "config_error", "{failed}");
    assert!(failed["message"].as_str().unwrap().contains("does not accept the identity"), "{failed}");
    let asked = entra.asked().len();
    assert!(asked <= 4, "{asked} tokens were asked for");
}

/// A whole sync with `token` at a gate that lets in what is in `folder`.
fn works(place: &Place, token: &str, folder: &str) {
    let gate = Gate::start(token, folder);
    let sandbox = Sandbox::with(json!({"data_source": place.source_with(&gate.endpoint(), token)}));
    let run = sandbox.check();
    assert!(run.says("SUCCEEDED"), "{token}: {run:#?}");
    for round in 1..=2 {
        sandbox.load(&append(&["users"]), records("users", 0..3));
        assert_eq!(table::read(&place.lake().join("default/users")).rows.len(), 3 * round, "{token}");
    }
    table::assert_tidy(&place.lake());
}

fn delegation_key() -> DelegationKey {
    DelegationKey {
        user: ("11111111-2222-3333-4444-555555555555".to_owned(), "66666666-7777-8888-9999-000000000000".to_owned()),
        valid: (at(TimeDelta::hours(-1)), at(TimeDelta::days(6))),
        value: ACCOUNT.1.to_owned(),
    }
}

#[test]
fn a_token_for_the_folder_of_the_tables_is_enough() {
    let place = Place::at("lakes/one");
    let folder = Resource::Folder(place.container().to_owned(), "lakes/one".to_owned());
    works(&place, &Sas::new("racwdl").of_service(&folder), "lakes/one/");
}

#[test]
fn a_token_that_a_user_delegated_is_enough_for_a_container_and_for_a_folder() {
    for (resource, folder) in [(None, ""), (Some("lakes/one"), "lakes/one/")] {
        let place = Place::at("lakes/one");
        let container = place.container().to_owned();
        let resource = match resource {
            None => Resource::Container(container),
            Some(folder) => Resource::Folder(container, folder.to_owned()),
        };
        works(&place, &Sas::new("racwdl").of_user(&resource, &delegation_key()), folder);
    }
}

#[test]
fn a_delegated_token_that_was_changed_or_is_for_another_folder_is_told() {
    let place = Place::at("lakes/one");
    let folder = |name: &str| Resource::Folder(place.container().to_owned(), name.to_owned());
    let good = Sas::new("racwdl").of_user(&folder("lakes/one"), &delegation_key());
    let said = |token: &str, gate: &Gate| {
        let sandbox = Sandbox::with(json!({"data_source": place.source_with(&gate.endpoint(), token)}));
        refused(&sandbox.check(), token.split("sig=").nth(1).unwrap().trim_end_matches("%3D"))
    };
    let changed = Sas::new("racwdlm").of_user(&folder("lakes/one"), &delegation_key());
    let message = said(&changed, &Gate::start(&good, "lakes/one/"));
    assert!(message.contains("the signature of the SAS token is not right"), "{message}");
    let other = Sas::new("racwdl").of_user(&folder("lakes/two"), &delegation_key());
    let message = said(&other, &Gate::start(&other, "lakes/two/"));
    assert!(message.contains("(sp=racwdl) has the letter for this, and yet it is refused"), "{message}");
    assert_eq!(message.matches("has the letter").count(), 1, "{message}");
    assert_eq!(place.lake().objects(), []);
}

#[test]
fn each_letter_that_a_token_of_any_kind_lacks_is_named_by_check() {
    let place = Place::at("");
    let container = Resource::Container(place.container().to_owned());
    for (letter, word) in [('r', "read"), ('w', "write"), ('d', "delete"), ('l', "list")] {
        let sas = Sas::new(&"racwdl".replace(letter, ""));
        for token in [sas.of_account(), sas.of_service(&container), sas.of_user(&container, &delegation_key())] {
            let source = place.source_with(&server().endpoint(), &token);
            let message = refused(&Sandbox::with(json!({"data_source": source})).check(), "");
            assert!(message.contains(&format!("has no {word} (")), "{letter}: {message}");
            assert!(message.contains(&format!("lacks {letter})")), "{letter}: {message}");
        }
    }
}

#[test]
fn an_address_with_a_token_for_another_account_or_container_is_refused_before_any_request() {
    let place = Place::at("");
    let token = Sas::new("racwdl").of_account();
    for (account, container) in [("another", place.container()), (ACCOUNT.0, "another")] {
        let address = format!("https://{account}.blob.core.windows.net/{container}?{token}");
        let source = place.source_with("http://127.0.0.1:9", &address);
        let message = refused(&Sandbox::with(json!({"data_source": source})).check(), "");
        assert!(message.contains("is an address with a SAS for another account or container"), "{message}");
    }
}
