//! Refresh tokens that are good for once, against a scripted server.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde_json::json;

use super::tests::{client, field, not_found, refused, settings};
use super::*;
use crate::config::{Account, RefreshToken};
use crate::databricks::http::Request;
use crate::databricks::testing::scripted_server::{Reaction, ScriptedServer, answer, timeouts};
use crate::error::Kind;
use crate::login_file::{self, Login};
use crate::secret::Secret;

/// Gives refresh tokens that are each good for once, beginning with `refresh-0`.
fn single_use() -> ScriptedServer {
    let mut next = 0;
    ScriptedServer::new(move |received, _| {
        if received.path.contains(".well-known") {
            return not_found();
        }
        if received.path.ends_with("/token") {
            let form: Vec<(String, String)> =
                url::form_urlencoded::parse(received.body.as_bytes()).into_owned().collect();
            if field(&form, "refresh_token") != Some(format!("refresh-{next}").as_str()) {
                return answer(
                    400,
                    json!({"error": "invalid_grant", "error_description": "The refresh token was already used."}),
                );
            }
            next += 1;
            return answer(
                200,
                json!({"access_token": format!("t-{next}"), "expires_in": 0, "refresh_token": format!("refresh-{next}")}),
            );
        }
        answer(200, json!({}))
    })
}

async fn login_at(folder: &Path, host: &str) -> std::path::PathBuf {
    let path = folder.join("login.json");
    let refresh_token = Secret::new("refresh-0");
    let login = Login {
        host: host.to_owned(),
        account: None,
        client_id: "databricks-cli".to_owned(),
        user: Some("me@x".to_owned()),
        refresh_token,
    };
    login.write(&path).await.expect("written");
    path
}

fn user(refresh_token: RefreshToken) -> Authentication {
    Authentication::User { client_id: "databricks-cli".to_owned(), client_secret: None, refresh_token }
}

#[tokio::test]
async fn refresh_tokens_that_are_good_for_once_are_written_back_before_the_next_is_needed() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = login_at(folder.path(), "127.0.0.1").await;
    let server = single_use();
    let settings = settings(&server, user(RefreshToken::File(path.clone())));
    let client = client(&settings);
    assert_eq!(client.workspace().who.named, "the user `me@x`");
    let request = Request::get("/api/x");
    let all = (0..8).map(|_| client.send(&request));
    assert!(futures::future::join_all(all).await.into_iter().all(|answer| answer.is_ok()));
    assert_eq!(Login::read(&path).expect("a login").refresh_token, Secret::new("refresh-8"));
    assert_eq!(std::fs::metadata(&path).expect("a file").permissions().mode() & 0o777, 0o600);
    // As another process would: the file is read again.
    let other = SignedIn::new(&settings, &timeouts());
    assert!(other.token().await.is_ok());
    assert_eq!(Login::read(&path).expect("a login").refresh_token, Secret::new("refresh-9"));
}

#[tokio::test]
async fn a_renewal_whose_caller_has_gone_is_done_to_its_end_and_the_next_begins_with_what_it_brought() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = login_at(folder.path(), "127.0.0.1").await;
    let configured = RefreshToken::Configured(Secret::new("refresh-0"));
    for refresh_token in [RefreshToken::File(path.clone()), configured] {
        let mut next = 0;
        let server = ScriptedServer::new(move |received, _| {
            if !received.path.ends_with("/token") {
                return not_found();
            }
            let form: Vec<(String, String)> =
                url::form_urlencoded::parse(received.body.as_bytes()).into_owned().collect();
            if field(&form, "refresh_token") != Some(format!("refresh-{next}").as_str()) {
                return answer(400, json!({"error": "invalid_grant"}));
            }
            next += 1;
            let given = answer(
                200,
                json!({"access_token": format!("t-{next}"), "expires_in": 3600, "refresh_token": format!("refresh-{next}")}),
            );
            Reaction::RespondSlowly(std::time::Duration::from_millis(300), Box::new(given))
        });
        let signed_in = SignedIn::new(&settings(&server, user(refresh_token)), &timeouts());
        let short = tokio::time::timeout(std::time::Duration::from_millis(100), signed_in.token()).await;
        assert!(short.is_err());
        assert_eq!(signed_in.token().await.expect("the next token"), Secret::new("t-2"));
    }
    assert_eq!(Login::read(&path).expect("a login").refresh_token, Secret::new("refresh-2"));
}

#[tokio::test]
async fn a_refresh_token_is_not_used_up_where_the_next_one_could_not_be_kept() {
    use std::os::fd::AsRawFd;
    let folder = tempfile::tempdir().expect("a folder");
    let path = login_at(folder.path(), "127.0.0.1").await;
    // It can be read, and its folder is gone: not even the super-user writes there.
    let open = std::fs::File::open(&path).expect("a file");
    folder.close().expect("removed");
    let path = std::path::PathBuf::from(format!("/proc/self/fd/{}", open.as_raw_fd()));
    let server = single_use();
    let error = refused(&settings(&server, user(RefreshToken::File(path)))).await;
    assert!(
        error.message().contains("cannot be written") && error.message().contains("no token was asked for"),
        "{error}"
    );
    assert!(server.received().iter().all(|request| !request.path.ends_with("/token")), "{:?}", server.received());
}

#[tokio::test]
async fn the_end_of_the_process_waits_for_a_renewal_whose_caller_has_gone_but_not_for_ever() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = login_at(folder.path(), "127.0.0.1").await;
    let server = ScriptedServer::new(move |received, _| {
        if !received.path.ends_with("/token") {
            return not_found();
        }
        let given = answer(200, json!({"access_token": "t-1", "expires_in": 3600, "refresh_token": "refresh-1"}));
        Reaction::RespondSlowly(std::time::Duration::from_millis(400), Box::new(given))
    });
    let signed_in = SignedIn::new(&settings(&server, user(RefreshToken::File(path.clone()))), &timeouts());
    let short = tokio::time::timeout(std::time::Duration::from_millis(100), signed_in.token()).await;
    assert!(short.is_err());
    drop(no_renewals(std::time::Duration::ZERO).await);
    let none_begins = no_renewals(std::time::Duration::from_secs(60)).await;
    assert_eq!(Login::read(&path).expect("a login").refresh_token, Secret::new("refresh-1"));
    let later = SignedIn::new(&settings(&server, user(RefreshToken::File(path))), &timeouts());
    let short = tokio::time::timeout(std::time::Duration::from_millis(300), later.token()).await;
    assert!(short.is_err() && server.count("POST", "/oidc/v1/token") == 1, "{:?}", server.received());
    drop(none_begins);
}

/// Gives `refresh-1` for `refresh-0`, after a while.
fn slow() -> ScriptedServer {
    ScriptedServer::new(move |received, _| {
        if !received.path.ends_with("/token") {
            return not_found();
        }
        let given = answer(200, json!({"access_token": "t-1", "expires_in": 3600, "refresh_token": "refresh-1"}));
        Reaction::RespondSlowly(std::time::Duration::from_millis(400), Box::new(given))
    })
}

#[tokio::test]
async fn what_happens_to_the_login_file_during_a_renewal_is_not_undone_by_it() {
    let other = Login {
        host: "127.0.0.1".to_owned(),
        account: None,
        client_id: "databricks-cli".to_owned(),
        user: Some("other@x".to_owned()),
        refresh_token: Secret::new("refresh-of-another"),
    };
    for what in ["logout", "login", "another file by hand", "other content by hand", "removed by hand"] {
        let folder = tempfile::tempdir().expect("a folder");
        let path = login_at(folder.path(), "127.0.0.1").await;
        let server = slow();
        let signed_in = SignedIn::new(&settings(&server, user(RefreshToken::File(path.clone()))), &timeouts());
        let meanwhile = async {
            tokio::time::sleep(std::time::Duration::from_millis(150)).await;
            let by_hand = folder.path().join("by-hand");
            match what {
                "logout" => assert!(login_file::remove(&path).await.expect("removed")),
                "login" => other.write(&path).await.expect("written"),
                "removed by hand" => std::fs::remove_file(&path).expect("removed"),
                _ => {
                    other.write(&by_hand).await.expect("written");
                    let put = match what {
                        "another file by hand" => std::fs::rename(&by_hand, &path),
                        _ => std::fs::copy(&by_hand, &path).map(|_| ()),
                    };
                    put.expect("put there");
                }
            }
        };
        let (token, ()) = tokio::join!(signed_in.token(), meanwhile);
        assert_eq!(token.expect("a token"), Secret::new("t-1"), "{what}");
        let is_there = !matches!(what, "logout" | "removed by hand");
        assert_eq!(path.exists(), is_there, "{what}");
        if is_there {
            assert_eq!(Login::read(&path).expect("a login"), other, "{what}");
        }
    }
}

#[tokio::test]
async fn a_login_of_the_workspace_stays_there_whatever_account_the_configuration_names() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = login_at(folder.path(), "127.0.0.1").await;
    let (server, account) = (single_use(), ScriptedServer::with(vec![not_found()]));
    let named = Some(Account { id: "0001".to_owned(), address: account.settings().address() });
    let settings = DatabricksSettings { account: named, ..settings(&server, user(RefreshToken::File(path))) };
    let answer = client(&settings).send(&Request::get("/api/x")).await.expect("an answer");
    assert_eq!((answer.status.as_u16(), account.received().len()), (200, 0), "{:?}", account.received());
}

#[tokio::test]
async fn a_login_of_another_host_is_not_sent_to_this_one() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = login_at(folder.path(), "other.cloud.databricks.com").await;
    let server = single_use();
    let error = refused(&settings(&server, user(RefreshToken::File(path)))).await;
    assert!(error.message().contains("is for other.cloud.databricks.com"), "{error}");
    assert_eq!(server.received().len(), 0);
}

#[tokio::test]
async fn a_used_refresh_token_is_said_to_be_so() {
    let server = single_use();
    let configured = user(RefreshToken::Configured(Secret::new("refresh-of-yesterday-0123")));
    let error = refused(&settings(&server, configured)).await;
    assert_eq!(error.kind(), Kind::Config);
    assert!(error.message().contains("was used before"), "{error}");
    assert!(!error.internal_message().contains("yesterday"));
}
