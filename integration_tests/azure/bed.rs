//! What the bed itself does, without the program: the server keeps what is put and honours conditions, and tokens allow what
//! they say.

use chrono::TimeDelta;
use reqwest::Method;

use super::place::Place;
use super::sas::{Resource, Sas, at};

const NAMES: [&str; 4] = ["a/b.txt", "a b/ü&<>'\"%2F+.txt", "a/_delta_log/0.json", "z"];

#[test]
fn what_is_put_is_listed_and_read() {
    let place = Place::at("");
    let lake = place.whole_container();
    NAMES.iter().for_each(|name| lake.join(name).put(name));
    let mut names = NAMES.to_vec();
    names.sort_unstable();
    assert_eq!(lake.objects().iter().map(|object| object.key().to_owned()).collect::<Vec<_>>(), names);
    for name in NAMES {
        assert_eq!(lake.join(name).text(), name);
    }
    lake.join("z").delete();
    assert!(!lake.join("z").exists() && lake.join("a").objects().len() == 2);
}

#[test]
fn a_put_that_must_not_replace_is_refused_where_something_is() {
    let place = Place::at("");
    let only_new = [("If-None-Match", "*")];
    assert_eq!(place.requests().put_with("x", b"1", &only_new).0, 201);
    let (status, said) = place.requests().put_with("x", b"2", &only_new);
    assert!(status == 409 && said.contains("BlobAlreadyExists"), "{status} {said}");
    assert_eq!(place.whole_container().join("x").text(), "1");
}

#[test]
fn blocks_without_a_list_are_an_unfinished_upload() {
    let place = Place::at("");
    let block = |id: &str| place.requests().asked(Method::PUT, "x", &format!("comp=block&blockid={id}"), &[], b"12");
    assert_eq!(block("MDAx").0, 201);
    assert!(place.unfinished_uploads() == 1 && place.whole_container().is_empty());
}

#[test]
fn a_token_of_any_kind_allows_what_it_says() {
    let place = Place::at("");
    let container = place.container().to_owned();
    let (all, there) = (Resource::Container(container.clone()), Resource::Blob(container, "x".to_owned()));
    assert_eq!(place.requests().set_policy("of-the-bed", "rw", &at(TimeDelta::hours(1))).0, 200);
    let put = |token: &str, name: &str| place.requests().with(token).put_with(name, b"1", &[]);
    for token in [
        Sas::new("rw").of_account(),
        Sas { protocol: "https,http".to_owned(), ip: "127.0.0.1".to_owned(), ..Sas::new("c") }.of_account(),
        Sas::new("rw").of_service(&all),
        Sas::new("w").of_service(&there),
        Sas::by_policy("of-the-bed").of_service(&all),
    ] {
        let (status, said) = put(&token, "x");
        assert_eq!(status, 201, "{token}: {said}");
        place.whole_container().join("x").delete();
    }
    let https = Sas { protocol: "https".to_owned(), ..Sas::new("rw") };
    for (token, code) in [
        (Sas::new("rl").of_account(), "AuthorizationPermissionMismatch"),
        (Sas { services: "q".to_owned(), ..Sas::new("rw") }.of_account(), "AuthorizationServiceMismatch"),
        (Sas { types: "sc".to_owned(), ..Sas::new("rw") }.of_account(), "AuthorizationResourceTypeMismatch"),
        (https.of_account(), "AuthorizationProtocolMismatch"),
        (Sas { ends: at(TimeDelta::hours(-2)), ..Sas::new("rw") }.of_account(), "AuthorizationFailure"),
        (Sas { starts: at(TimeDelta::hours(1)), ..Sas::new("rw") }.of_account(), "AuthorizationFailure"),
        (Sas::new("r").of_service(&all), "AuthorizationPermissionMismatch"),
        (format!("{}x", Sas::new("rw").of_account()), "AuthorizationFailure"),
        (Sas::by_policy("another").of_service(&all), "AuthorizationFailure"),
    ] {
        let (status, said) = put(&token, "x");
        assert!(status == 403 && said.contains(&format!("<Code>{code}</Code>")), "{token}: {status} {said}");
    }
    assert_eq!(put(&Sas::new("w").of_service(&there), "y").0, 403, "another blob");
}
