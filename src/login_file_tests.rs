//! The file of a login: what is kept, where, and what is refused.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;

use super::*;

const MINUTE: Duration = Duration::from_secs(60);

fn login() -> Login {
    Login {
        host: "abc.cloud.databricks.com".to_owned(),
        account: Some(("0000-1".to_owned(), "https://accounts.cloud.databricks.com".to_owned())),
        client_id: "databricks-cli".to_owned(),
        user: Some("me@example.com".to_owned()),
        refresh_token: Secret::new("doau-0123456789"),
    }
}

#[tokio::test]
async fn a_login_is_read_as_it_was_written_and_only_by_its_owner() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("login.json");
    login().write(&path).await.expect("written");
    assert_eq!(std::fs::metadata(&path).expect("a file").mode() & 0o777, 0o600);
    assert_eq!(Login::read(&path).expect("a login"), login());
    let bare = Login { account: None, user: None, ..login() };
    bare.write(&path).await.expect("replaced");
    assert_eq!(Login::read(&path).expect("a login"), bare);
    assert_eq!(std::fs::read_dir(folder.path()).expect("a folder").count(), 1);
    std::fs::set_permissions(&path, Permissions::from_mode(0o640)).expect("a mode");
    assert!(Login::read(&path).expect_err("open").message().contains("chmod 600"));
}

#[test]
fn a_login_that_is_none_is_said_to_be_so() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("login.json");
    assert!(Login::read(&path).expect_err("none").message().contains("There is no login file"));
    for text in ["", "{", "[]", r#"{"host": "a"}"#, r#"{"host":"a","client_id":"b","refresh_token":"c\nd"}"#] {
        std::fs::write(&path, text).expect("written");
        std::fs::set_permissions(&path, Permissions::from_mode(0o600)).expect("a mode");
        assert!(Login::read(&path).expect_err(text).message().contains("is damaged"), "{text}");
    }
}

#[tokio::test(start_paused = true)]
async fn one_process_renews_at_a_time() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("login.json");
    login().write(&path).await.expect("written");
    let turn = Turn::take(&path, MINUTE).await.expect("a turn");
    assert!(Turn::take(&path, MINUTE).await.is_err_and(|error| error.message().contains("Another process")));
    // Another file in its place is another lock.
    login().write(&path).await.expect("written");
    let next = Turn::take(&path, MINUTE).await.expect("a turn");
    drop((turn, next));
    Turn::take(&path, MINUTE).await.expect("a turn");
}

#[tokio::test]
async fn a_login_is_written_where_links_lead_to_and_removed_there() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name);
    std::fs::create_dir(at("real")).expect("a folder");
    // The last file of the chain is not there yet.
    std::os::unix::fs::symlink("middle.json", at("link.json")).expect("a link");
    std::os::unix::fs::symlink("real/login.json", at("middle.json")).expect("a link");
    for _ in 0..2 {
        login().write(&at("link.json")).await.expect("written");
        assert!(std::fs::symlink_metadata(at("link.json")).expect("a link").is_symlink());
        assert_eq!(Login::read(&at("real/login.json")).expect("a login"), login());
    }
    assert_eq!(std::fs::read_dir(at("real")).expect("a folder").count(), 1);
    assert!(remove(&at("link.json")).await.expect("removed"));
    assert!(!at("real/login.json").exists() && std::fs::symlink_metadata(at("link.json")).is_err());
    assert!(!remove(&at("link.json")).await.expect("there is none"));
    std::os::unix::fs::symlink("circle", at("circle")).expect("a link");
    assert!(login().write(&at("circle")).await.is_err());
}

#[tokio::test]
async fn only_logins_are_removed_and_replaced() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("file.json");
    for (text, is_ours) in [
        (r#"{"host": "a", "client_id": "b", "refresh_token": "c", "later": 1}"#, true),
        (r#"{"refresh_token": "c"}"#, true),
        ("{\n  \"client_id\": \"b\",\n  \"refresh_token\": \"cut of", true),
        ("dear diary", false),
        ("{}", false),
        (r#"["refresh_token"]"#, false),
        (r#"{"access_token": "a", "refresh_token": "of another program"}"#, false),
        (r#"{"authentication": {"auth_type": "OAUTH_U2M", "refresh_token": "c"}}"#, false),
        (r#"{"tokens": {"https://a": {"refresh_token": "c"}}}"#, false),
    ] {
        std::fs::write(&path, text).expect("written");
        assert_eq!(ensure_replaceable(&path).is_ok(), is_ours, "{text}");
        match remove(&path).await {
            Ok(removed) => assert!(is_ours && removed && !path.exists(), "{text}"),
            Err(error) => {
                assert!(!is_ours && error.message().contains("is no login file"), "{text}: {error}");
                assert!(error.message().contains("file.json") && path.exists(), "{text}: {error}");
            }
        }
    }
    // Of an empty file nothing can be lost, and it is no login.
    std::fs::write(&path, "").expect("written");
    assert!(ensure_replaceable(&path).is_ok() && remove(&path).await.is_err());
    assert!(ensure_replaceable(folder.path()).is_err() && remove(folder.path()).await.is_err());
}

#[tokio::test]
async fn a_login_that_could_not_be_read_again_is_not_written() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("login.json");
    let long = Login { refresh_token: Secret::new("a1".repeat(50_000)), ..login() };
    let error = long.write(&path).await.expect_err("too long");
    assert!(error.message().contains("longer than any") && !path.exists(), "{error}");
}

#[tokio::test]
async fn a_login_that_cannot_be_put_in_place_is_written_into_the_file_that_is_there() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("login.json");
    let long = Login { refresh_token: Secret::new("a1".repeat(500)), ..login() };
    for (before, after) in [(login(), long.clone()), (long, login())] {
        before.write(&path).await.expect("written");
        let room = Room::for_login(&path).expect("room");
        for file in std::fs::read_dir(folder.path()).expect("a folder").flatten().filter(|file| file.path() != path) {
            std::fs::remove_file(file.path()).expect("removed");
        }
        room.fill(&after).expect("written");
        assert_eq!(Login::read(&path).expect("a login"), after);
        assert_eq!(std::fs::read_to_string(&path).expect("a text"), after.text());
    }
}

#[test]
fn a_pipe_is_no_login_file_and_nobody_waits_for_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&path).status().expect("a pipe").success());
    let (tell, told) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let turn = runtime.block_on(Turn::take(&path, MINUTE)).err();
        tell.send([Login::read(&path).err(), turn]).expect("heard");
    });
    for error in told.recv_timeout(MINUTE / 6).expect("it ends").into_iter().map(|error| error.expect("no login")) {
        assert!(error.message().contains("is no regular file"), "{error}");
    }
}
