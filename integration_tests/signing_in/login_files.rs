//! Which files `login` and `logout` write and remove, what opens a browser, and what is told of arguments that cannot be.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Output, Stdio};

use serde_json::json;

use super::login::{assert_signed_in, folder, workspace};
use super::workspace::{REFRESH, json_reply, oauth, token};
use crate::browser::{Login, get};
use crate::hostile::server::Server;
use crate::program::program;

fn logout(file: &Path) -> Output {
    program().args(["logout", "--file"]).arg(file).stdin(Stdio::null()).output().unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Signs in by a pasted answer, which `quoted` makes of the address.
fn sign_in(mut login: Login, quoted: impl Fn(&str) -> String) -> (Option<i32>, String) {
    let (_, back, _) = get(&login.address);
    login.paste(&quoted(&back.unwrap()));
    login.end()
}

#[test]
fn a_link_stays_one_and_the_secret_is_where_it_leads_to_until_logout() {
    let (server, (folder, file)) = (workspace(false), folder());
    std::fs::create_dir(file.parent().unwrap()).unwrap();
    std::fs::set_permissions(file.parent().unwrap(), std::fs::Permissions::from_mode(0o700)).unwrap();
    let link = folder.path().join("link.json");
    std::os::unix::fs::symlink("new/login.json", &link).unwrap();
    let (code, text) = sign_in(Login::start(&server.endpoint(), &link, &[]), str::to_owned);
    assert_eq!(code, Some(0), "{text}");
    assert!(std::fs::symlink_metadata(&link).unwrap().is_symlink());
    assert!(std::fs::read_to_string(&file).unwrap().contains(REFRESH));
    assert!(logout(&link).status.success());
    assert!(!file.exists() && std::fs::symlink_metadata(&link).is_err());
}

#[test]
fn what_is_no_login_file_is_neither_replaced_nor_removed() {
    let (server, (_folder, file)) = (workspace(false), folder());
    std::fs::create_dir(file.parent().unwrap()).unwrap();
    std::fs::write(&file, "dear diary").unwrap();
    let login = program()
        .args(["login", "--no-browser", "--host", &server.endpoint(), "--file"])
        .arg(&file)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    for run in [login, logout(&file)] {
        let text = said(&run);
        assert!(run.status.code() == Some(1) && text.contains("login.json is no login file"), "{text}");
    }
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "dear diary");
    // Nobody was sent to sign in.
    assert!(server.seen().is_empty());
}

#[test]
fn a_file_that_cannot_be_written_is_told_before_anybody_signs_in() {
    let server = workspace(false);
    // A folder in which nobody makes files, the super-user included.
    let run = program()
        .args(["login", "--no-browser", "--host", &server.endpoint(), "--file", "/proc/login.json"])
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = said(&run);
    assert!(run.status.code() == Some(1) && text.contains("/proc/login.json cannot be written"), "{text}");
    assert!(server.seen().is_empty());
}

#[test]
fn a_relative_file_is_told_with_its_whole_path() {
    let (server, (folder, file)) = (workspace(false), folder());
    let mut command = program();
    command.args(["login", "--no-browser", "--host", &server.endpoint(), "--file", "new/login.json"]);
    let (code, text) = sign_in(Login::of(command.current_dir(folder.path())), str::to_owned);
    assert_eq!(code, Some(0), "{text}");
    assert_signed_in(&text, &file.canonicalize().unwrap());
}

#[test]
fn a_pasted_address_may_be_quoted() {
    for quotes in [("\"", "\""), ("'", "'"), ("<", ">"), ("  <", "> ")] {
        let (server, (_folder, file)) = (workspace(false), folder());
        let login = Login::start(&server.endpoint(), &file, &[]);
        let (code, text) = sign_in(login, |address| format!("{}{address}{}", quotes.0, quotes.1));
        assert_eq!(code, Some(0), "{text}");
    }
}

#[test]
fn a_browser_counts_as_opened_only_where_something_has_opened_it() {
    let server = workspace(false);
    for (script, is_opened) in [("exit 3", false), ("exit 0", true), ("exec sleep 30", true)] {
        let (programs, (_folder, file)) = (tempfile::tempdir().unwrap(), folder());
        let opener = programs.path().join("xdg-open");
        std::fs::write(&opener, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(&opener, std::fs::Permissions::from_mode(0o755)).unwrap();
        let mut command = program();
        command.args(["login", "--host", &server.endpoint(), "--file"]).arg(&file);
        // No other one is found.
        std::os::unix::fs::symlink("/bin/sleep", programs.path().join("sleep")).unwrap();
        let login = Login::of(command.env("PATH", programs.path()));
        let (code, text) = sign_in(login, str::to_owned);
        assert_eq!(code, Some(0), "{text}");
        assert_eq!(text.contains("It was opened in a browser"), is_opened, "{script}: {text}");
    }
}

#[test]
fn arguments_that_cannot_be_are_told_by_their_names() {
    for (arguments, words) in [
        (
            ["--host", "abc.cloud.databricks.com", "--account-id", "../../x"],
            "--account-id must be the id of an account",
        ),
        (["--host", "http://127.0.0.1:9", "--account-host", "http://127.0.0.1:9"], "check --host"),
    ] {
        let file = tempfile::tempdir().unwrap().path().join("login.json");
        let run =
            program().arg("login").args(arguments).arg("--file").arg(&file).stdin(Stdio::null()).output().unwrap();
        let text = said(&run);
        assert!(run.status.code() == Some(1) && text.contains(words), "{text}");
        assert!(!text.contains("databricks_server_hostname") && !text.contains("authentication."), "{text}");
    }
}

#[test]
fn a_refresh_token_that_could_not_be_read_again_is_refused_at_once() {
    let endless = Server::start(|request| match request.path.as_str() {
        "/oidc/v1/token" => json_reply(200, &json!({"access_token": "a1", "refresh_token": "r".repeat(100_000)})),
        path if path.contains(".well-known") => oauth(404, "not_found", ""),
        _ => token(),
    });
    let (_folder, file) = folder();
    let login = Login::start(&endless.endpoint(), &file, &[]);
    let state = url::Url::parse(&login.address).unwrap();
    let state = state.query_pairs().find(|(name, _)| name == "state").unwrap().1.into_owned();
    let mut login = login;
    login.paste(&format!("http://localhost/?code=c&state={state}"));
    let (code, text) = login.end();
    assert!(code == Some(1) && text.contains("longer than any of Databricks") && !file.exists(), "{text}");
}
