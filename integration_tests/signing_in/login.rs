//! `login` and `logout`: a client follows the real redirections, as a browser does.

use std::collections::HashMap;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Mutex;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use url::Url;

use super::workspace::{REFRESH, SECRET, TOKEN, field, json_reply, oauth, sandbox, token};
use crate::browser::{Login, get};
use crate::hostile::server::{Reply, Request, Server};
use crate::program::program;

/// A workspace whose users agree at once, if they are not `refuses`.
pub fn workspace(refuses: bool) -> Server {
    let challenges: Mutex<HashMap<String, (String, String)>> = Mutex::default();
    Server::start(move |request| {
        let host = format!("http://{}", request.header("host").unwrap());
        match request.path.as_str() {
            "/oidc/.well-known/oauth-authorization-server" => {
                let endpoints = json!({"authorization_endpoint": format!("{host}/oidc/v1/authorize"), "token_endpoint": format!("{host}/oidc/v1/token")});
                json_reply(200, &endpoints)
            }
            "/oidc/v1/authorize" => authorize(request, refuses, &challenges),
            "/oidc/v1/token" if field(request, "grant_type").as_deref() == Some("authorization_code") => {
                redeem(request, &challenges)
            }
            "/oidc/v1/token" => token(),
            "/api/2.0/preview/scim/v2/Me" => json_reply(200, &json!({"userName": "me@example.com"})),
            _ => json_reply(
                403,
                &json!({"error_code": "PERMISSION_DENIED", "message": "You do not have permission to use the SQL Warehouse."}),
            ),
        }
    })
}

fn authorize(request: &Request, refuses: bool, challenges: &Mutex<HashMap<String, (String, String)>>) -> Reply {
    let asked = |name: &str| request.parameter(name).unwrap_or_default();
    let right = [
        ("response_type", "code"),
        ("client_id", "databricks-cli"),
        ("code_challenge_method", "S256"),
        ("scope", "all-apis offline_access"),
    ];
    assert!(right.iter().all(|(name, value)| asked(name) == *value), "{}", request.query);
    let (back, state) = (asked("redirect_uri"), asked("state"));
    assert!(back.starts_with("http://localhost:") && state.len() >= 32, "{}", request.query);
    let answer = if refuses {
        "error=access_denied&error_description=no".to_owned()
    } else {
        let mut challenges = challenges.lock().unwrap();
        let code = format!("code-{}-CANARY-0123456789", challenges.len());
        challenges.insert(code.clone(), (asked("code_challenge"), back.clone()));
        format!("code={code}")
    };
    Reply::new(302, "text/html", "").with("Location", &format!("{back}/?{answer}&state={state}"))
}

fn redeem(request: &Request, challenges: &Mutex<HashMap<String, (String, String)>>) -> Reply {
    let sent = |name: &str| field(request, name).unwrap_or_default();
    let known = challenges.lock().unwrap().remove(&sent("code"));
    let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(sent("code_verifier")));
    if known != Some((challenge, sent("redirect_uri"))) || sent("client_id") != "databricks-cli" {
        return oauth(400, "invalid_grant", "The authorization code is invalid.");
    }
    json_reply(
        200,
        &json!({"access_token": TOKEN, "expires_in": 3600, "refresh_token": REFRESH, "token_type": "Bearer"}),
    )
}

pub fn folder() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("new/login.json");
    (folder, file)
}

pub fn assert_signed_in(said: &str, file: &Path) {
    assert!(said.contains("Signed in to 127.0.0.1 as me@example.com") && said.contains("\"OAUTH_U2M\""), "{said}");
    assert!(said.contains(file.to_str().unwrap()), "{said}");
    let kept: Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    let expected =
        json!({"host": "127.0.0.1", "client_id": "databricks-cli", "user": "me@example.com", "refresh_token": REFRESH});
    assert_eq!(kept, expected);
    assert_eq!(std::fs::metadata(file).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(std::fs::metadata(file.parent().unwrap()).unwrap().permissions().mode() & 0o777, 0o700);
    assert!(!said.contains("CANARY"), "{said}");
}

#[test]
fn a_browser_that_follows_the_redirections_signs_the_user_in_and_a_check_uses_it() {
    let (server, (_folder, file)) = (workspace(false), folder());
    let login = Login::start(&server.endpoint(), &file, &[]);
    let (status, back, _) = get(&login.address);
    assert_eq!(status, 302);
    let (status, _, page) = get(&back.unwrap());
    assert!(status == 200 && page.contains("this page can be closed"), "{page}");
    let (code, said) = login.end();
    assert_eq!(code, Some(0), "{said}");
    assert_signed_in(&said, &file);
    let run = sandbox(&server, &json!({"auth_type": "OAUTH_U2M", "login_file": file})).check();
    assert!(run.says("The user `me@example.com` may not use the SQL warehouse"), "{run:#?}");
}

#[test]
fn the_answer_of_another_sign_in_is_refused_and_the_right_one_still_waited_for() {
    let (server, (_folder, file)) = (workspace(false), folder());
    let login = Login::start(&server.endpoint(), &file, &[]);
    let (_, back, _) = get(&login.address);
    let back = Url::parse(&back.unwrap()).unwrap();
    let forged = format!("http://localhost:{}/?code=code-of-a-thief&state=made-up", back.port().unwrap());
    assert_eq!(get(&forged).0, 400);
    assert_eq!(get(&format!("http://localhost:{}/favicon.ico", back.port().unwrap())).0, 404);
    assert_eq!(get(back.as_str()).0, 200);
    let (code, said) = login.end();
    assert_eq!(code, Some(0), "{said}");
    assert_signed_in(&said, &file);
    assert!(server.seen().iter().all(|request| field(request, "code").as_deref() != Some("code-of-a-thief")));
}

#[test]
fn where_the_browser_is_elsewhere_its_last_address_is_pasted() {
    let (server, (_folder, file)) = (workspace(false), folder());
    let mut login = Login::start(&server.endpoint(), &file, &[]);
    let (_, back, _) = get(&login.address);
    login.paste("what?");
    login.paste("http://localhost:1/?code=x&state=made-up");
    login.paste(&back.unwrap());
    let (code, said) = login.end();
    assert_eq!(code, Some(0), "{said}");
    assert_signed_in(&said, &file);
    assert!(said.contains("paste the whole address") && said.contains("belongs to another sign-in"), "{said}");
}

#[test]
fn a_user_who_does_not_agree_is_not_signed_in() {
    let (server, (_folder, file)) = (workspace(true), folder());
    let login = Login::start(&server.endpoint(), &file, &[]);
    let (_, back, _) = get(&login.address);
    let (status, _, page) = get(&back.unwrap());
    assert!(status == 400 && page.contains("does not sign you in"), "{page}");
    let (code, said) = login.end();
    assert!(code == Some(1) && said.contains("error: ") && said.contains("the user has not agreed"), "{said}");
    assert!(!file.exists());
}

#[test]
fn a_code_that_was_used_before_is_told_with_its_cure() {
    let (server, (_folder, file)) = (workspace(false), folder());
    let mut login = Login::start(&server.endpoint(), &file, &[]);
    let (_, back, _) = get(&login.address);
    let used = back.unwrap().replace("code=code-0", "code=code-7");
    login.paste(&used);
    let (code, said) = login.end();
    assert!(
        code == Some(1) && said.contains("the code of the browser is wrong, was used before or is too old"),
        "{said}"
    );
    assert!(!said.contains("CANARY") && !file.exists(), "{said}");
}

#[test]
fn the_file_is_in_the_users_folder_and_logout_removes_it() {
    let server = workspace(false);
    let home = tempfile::tempdir().unwrap();
    let profiles = format!("[lake]\nhost = {}\ntoken = {SECRET}\n", server.endpoint());
    std::fs::write(home.path().join(".databrickscfg"), profiles).unwrap();
    let at_home = |arguments: &[&str]| {
        let mut command = program();
        command.args(arguments).env("HOME", home.path()).env_remove("XDG_CONFIG_HOME");
        command
    };
    let mut login = Login::of(&mut at_home(&["login", "--profile", "lake", "--no-browser"]));
    let (_, back, _) = get(&login.address);
    login.paste(&back.unwrap());
    let (code, said) = login.end();
    assert_eq!(code, Some(0), "{said}");
    let file = home.path().join(".config/destination-databricks/lake.json");
    assert_signed_in(&said, &file);
    let out = at_home(&["logout", "--profile", "lake"]).output().unwrap();
    assert!(out.status.success() && !file.exists(), "{out:?}");
    let again = at_home(&["logout", "--profile", "lake"]).output().unwrap();
    assert!(
        again.status.code() == Some(1) && String::from_utf8_lossy(&again.stderr).contains("Nobody has signed in here"),
        "{again:?}"
    );
}

#[test]
fn what_is_missing_or_wrong_is_told() {
    let used = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = used.local_addr().unwrap().port().to_string();
    for (arguments, words) in [
        (vec!["login"], "The workspace is missing: give --host"),
        (vec!["login", "--host", "http://example.com"], "The host must be the host name of a workspace"),
        (vec!["login", "--host", "a b"], "The host must be the host name of a workspace"),
        (vec!["login", "--host", "abc.example.com", "--account-id", "1"], "give its host name with --account-host"),
        (vec!["login", "--host", "abc.cloud.databricks.com", "--port", &port], "is in use"),
        (vec!["login", "--host", "abc.cloud.databricks.com", "--client-secret-file", "/no/such"], "holds no secret"),
        (vec!["logout"], "The workspace is missing"),
    ] {
        let run = program().args(&arguments).stdin(Stdio::null()).output().unwrap();
        let said = String::from_utf8_lossy(&run.stderr);
        assert!(run.status.code() == Some(1) && said.contains(words) && run.stdout.is_empty(), "{arguments:?}: {said}");
    }
}
