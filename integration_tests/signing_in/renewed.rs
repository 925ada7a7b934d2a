//! Refresh tokens that are good for once: the platform is given the configuration with the next one, and the file of a login is
//! written back.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use serde_json::{Value, json};

use super::workspace::{REFRESH, field, is_for_token, json_reply, oauth, refusal, sandbox};
use crate::hostile::server::{Request, Server};
use crate::messages::append;
use crate::program::{Living, Run};

/// Gives the refresh tokens `next-1-CANARY…`, `next-2-CANARY…`, each good for once, after the first.
pub fn single_use() -> Server {
    let given = AtomicUsize::new(0);
    Server::start(move |request| {
        if request.path.contains(".well-known") {
            return json_reply(404, &json!({}));
        }
        if !is_for_token(request) {
            return refusal(403, "PERMISSION_DENIED", "You do not have permission to use the SQL Warehouse.");
        }
        let number = given.load(Ordering::SeqCst);
        if field(request, "refresh_token") != Some(next(number)) {
            return oauth(400, "invalid_grant", "The refresh token was already used.");
        }
        given.fetch_add(1, Ordering::SeqCst);
        // It ends at once: each request needs another one.
        json_reply(
            200,
            &json!({"access_token": format!("access-{number}-CANARY-01234"), "expires_in": 0, "refresh_token": next(number + 1)}),
        )
    })
}

/// Takes a while for a token, which it gives with the next refresh token.
pub fn slow() -> (Server, Receiver<()>) {
    let (begun, receiver) = channel();
    let begun = Mutex::new(begun);
    let server = Server::start(move |request| {
        if !is_for_token(request) {
            return json_reply(404, &json!({}));
        }
        // A test that has ended does not hear it.
        let _ = begun.lock().unwrap().send(());
        std::thread::sleep(Duration::from_millis(1500));
        json_reply(200, &json!({"access_token": "access-CANARY-01234", "expires_in": 3600, "refresh_token": next(1)}))
    });
    (server, receiver)
}

pub fn next(number: usize) -> String {
    if number == 0 { REFRESH.to_owned() } else { format!("next-{number}-CANARY-0123456789abcdef") }
}

pub fn login_at(path: &Path) {
    let login =
        json!({"host": "127.0.0.1", "client_id": "databricks-cli", "refresh_token": REFRESH, "user": "me@example.com"});
    std::fs::write(path, login.to_string()).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
}

/// What the CONTROL messages say the configuration is.
fn configurations(run: &Run) -> Vec<Value> {
    let control = run.messages().into_iter().filter(|message| message["type"] == "CONTROL");
    control
        .map(|message| {
            assert_eq!(message["control"]["type"], "CONNECTOR_CONFIG");
            assert!(message["control"]["emitted_at"].is_number());
            message["control"]["connectorConfig"]["config"].clone()
        })
        .collect()
}

pub fn renewals(server: &Server) -> usize {
    let is_renewal = |request: &&Request| field(request, "grant_type").as_deref() == Some("refresh_token");
    server.seen().iter().filter(is_renewal).count()
}

#[test]
fn the_platform_is_given_the_configuration_with_each_next_refresh_token() {
    let server = single_use();
    let mut sandbox =
        sandbox(&server, &json!({"auth_type": "OAUTH_U2M", "refresh_token": REFRESH, "client_id": "my-app"}));
    let first = sandbox.check();
    let told = configurations(&first);
    assert!(!told.is_empty() && told.len() == renewals(&server), "{first:#?}");
    for (number, config) in told.iter().enumerate() {
        let mut expected = sandbox.settings().clone();
        expected["authentication"]["refresh_token"] = json!(next(number + 1));
        assert_eq!(*config, expected);
    }
    // Nothing else says a secret.
    let others = first.lines.iter().filter(|line| !line.contains("\"CONTROL\""));
    assert!(others.clone().all(|line| !line.contains("CANARY")) && !first.stderr.contains("CANARY"), "{first:#?}");
    // The platform's next sync has the last of them, and it is good.
    sandbox.set(told.last().unwrap().clone());
    let second = sandbox.check();
    assert!(second.says("may not use the SQL warehouse") && !second.says("was used before"), "{second:#?}");
    assert_eq!(configurations(&second).len() + told.len(), renewals(&server));
}

#[test]
fn the_file_of_a_login_is_written_back_for_the_next_sync() {
    let server = single_use();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("login.json");
    login_at(&path);
    let sandbox = sandbox(&server, &json!({"auth_type": "OAUTH_U2M", "login_file": path}));
    for _ in 0..3 {
        let run = sandbox.check();
        assert!(run.says("The user `me@example.com` may not use the SQL warehouse"), "{run:#?}");
        assert!(configurations(&run).is_empty() && !run.says("CANARY"), "{run:#?}");
        let kept: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        assert_eq!(kept["refresh_token"], next(renewals(&server)));
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }
}

#[test]
fn a_signal_in_the_middle_of_a_renewal_loses_no_refresh_token() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("login.json");
    for is_check in [true, false] {
        for authentication in [
            json!({"auth_type": "OAUTH_U2M", "login_file": path}),
            json!({"auth_type": "OAUTH_U2M", "refresh_token": REFRESH}),
        ] {
            login_at(&path);
            let (server, begun) = slow();
            let mut sandbox = sandbox(&server, &authentication);
            sandbox.set_environment("DESTINATION_DATABRICKS_DATABRICKS_RETRY_MS", "60000");
            let mut command = sandbox.program();
            let running = if is_check {
                Living::start(command.arg("check").arg("--config").arg(sandbox.config()))
            } else {
                sandbox.start(&append(&["users"]))
            };
            begun.recv_timeout(Duration::from_secs(60)).unwrap();
            let run = running.signal("TERM");
            assert_eq!(run.signal, Some(15), "{authentication} {run:#?}");
            let kept = match authentication.get("login_file") {
                Some(_) => serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap(),
                None => configurations(&run).pop().unwrap()["authentication"].clone(),
            };
            assert_eq!(kept["refresh_token"], next(1), "{authentication} {run:#?}");
        }
    }
}
