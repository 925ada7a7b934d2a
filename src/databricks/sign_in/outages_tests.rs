//! Services that are overloaded or out of reach while a token is renewed, or needed, or just given.

use std::time::Duration;

use serde_json::json;
use tokio::time::{Instant, timeout};

use super::browser::{Answer, Application, SignIn};
use super::tests::{ID, client, m2m, not_found, refused, settings};
use super::*;
use crate::config::RefreshToken;
use crate::databricks::http::Request;
use crate::databricks::testing::scripted_server::{Reaction, ScriptedServer, answer, timeouts};
use crate::error::Kind;
use crate::secret::Secret;

const SOON: Duration = Duration::from_secs(10);

/// Gives a first token for an hour, and answers later requests for tokens with `later`.
fn first_then(later: Reaction) -> ScriptedServer {
    let mut is_first = true;
    ScriptedServer::new(move |received, _| match received.path.as_str() {
        path if !path.ends_with("/token") => not_found(),
        _ if std::mem::take(&mut is_first) => answer(200, json!({"access_token": "t-1", "expires_in": 3600})),
        _ => later.clone(),
    })
}

async fn pass(time: Duration) {
    tokio::time::pause();
    tokio::time::advance(time).await;
    tokio::time::resume();
}

fn entra(authority: String) -> Authentication {
    Authentication::AzureServicePrincipal {
        tenant: "tenant".to_owned(),
        client_id: ID.to_owned(),
        client_secret: Secret::new("entra-0123456789"),
        resource_id: None,
        authority,
    }
}

#[tokio::test]
async fn a_renewal_before_the_end_asks_once_and_the_old_token_goes_on() {
    for later in [answer(429, json!({})), answer(503, json!({})), Reaction::DropConnection] {
        let server = first_then(later);
        let signed_in = SignedIn::new(&settings(&server, m2m()), &timeouts());
        let token = signed_in.token().await.expect("a token");
        pass(Duration::from_secs(3500)).await;
        let again = timeout(SOON, signed_in.token()).await.expect("it ends").expect("the old token");
        assert_eq!(again, token);
        assert_eq!(server.count("POST", "/token"), 2, "{:?}", server.received());
    }
    let server = first_then(not_found());
    let signed_in = SignedIn::new(&settings(&server, m2m()), &timeouts());
    let token = signed_in.token().await.expect("a token");
    server.stop();
    pass(Duration::from_secs(3500)).await;
    assert_eq!(timeout(SOON, signed_in.token()).await.expect("it ends").expect("the old token"), token);
}

#[tokio::test]
async fn who_has_given_a_token_is_waited_for_when_it_is_out_of_reach() {
    let usual = Timeouts { databricks_retry: Duration::from_secs(900), ..timeouts() };
    for is_entra in [false, true] {
        let server = first_then(not_found());
        let own = server.settings().address();
        let authentication = if is_entra { entra(own) } else { m2m() };
        let signed_in = SignedIn::new(&settings(&server, authentication), &usual);
        let token = signed_in.token().await.expect("a token");
        server.stop();
        signed_in.forget(&token).await;
        tokio::time::pause();
        let begun = Instant::now();
        let error = signed_in.token().await.expect_err("nobody there");
        tokio::time::resume();
        assert_eq!(error.kind(), Kind::Transient, "{error}");
        assert!(error.message().contains("refuses connections"), "{error}");
        assert!(begun.elapsed() > Duration::from_secs(800), "{:?}", begun.elapsed());
    }
}

#[tokio::test]
async fn who_has_never_answered_is_most_likely_wrong() {
    let server = ScriptedServer::with(vec![not_found()]);
    let (own, settings) = (server.settings().address(), settings(&server, m2m()));
    server.stop();
    for authentication in [m2m(), entra(own)] {
        let error = refused(&DatabricksSettings { authentication, ..settings.clone() }).await;
        assert_eq!(error.kind(), Kind::Config, "{error}");
    }
}

#[tokio::test]
async fn a_refresh_whose_answer_is_lost_is_asked_for_again() {
    let failures = [500, 502, 504].map(|status| answer(status, json!({})));
    for failure in failures.into_iter().chain([Reaction::DropConnection]) {
        let mut is_first = true;
        let server = ScriptedServer::new(move |received, _| match received.path.as_str() {
            path if path.contains(".well-known") => not_found(),
            "/oidc/v1/token" if std::mem::take(&mut is_first) => failure.clone(),
            "/oidc/v1/token" => answer(200, json!({"access_token": "t-1", "expires_in": 3600})),
            _ => answer(200, json!({})),
        });
        let authentication = Authentication::User {
            client_id: "databricks-cli".to_owned(),
            client_secret: None,
            refresh_token: RefreshToken::Configured(Secret::new("refresh-0123456789")),
        };
        let client = client(&settings(&server, authentication));
        assert_eq!(client.send(&Request::get("/api/x")).await.expect("an answer").status.as_u16(), 200);
        assert_eq!(server.count("POST", "/token"), 2);
    }
}

/// Signs in with a browser at `server`, which has the code at once.
async fn sign_in(server: &ScriptedServer) -> Result<(Secret, Option<String>)> {
    let application = Application {
        address: server.settings().address(),
        account: None,
        client_id: "databricks-cli".to_owned(),
        client_secret: None,
    };
    let sign_in = SignIn::begin(application, "http://localhost:8020", &timeouts()).await.expect("a sign-in");
    let address = url::Url::parse(&sign_in.address()).expect("an address");
    let (_, state) = address.query_pairs().find(|(name, _)| name == "state").expect("a state");
    let Answer::Code(code) = sign_in.answer(&format!("code=c-0123456789&state={state}")) else { panic!("no code") };
    timeout(SOON, sign_in.finish(&code)).await.expect("it ends")
}

#[tokio::test]
async fn who_the_user_is_is_asked_once_and_the_refresh_token_is_there_all_the_same() {
    for status in [429, 503] {
        let server = ScriptedServer::new(move |received, _| match received.path.as_str() {
            "/oidc/v1/token" => answer(200, json!({"access_token": "t-1", "refresh_token": "refresh-0123456789"})),
            path if path.ends_with("/Me") => answer(status, json!({})),
            _ => not_found(),
        });
        let (refresh_token, user) = sign_in(&server).await.expect("signed in");
        assert_eq!((refresh_token.expose(), user), ("refresh-0123456789", None));
        assert_eq!(server.count("GET", "/Me"), 1);
    }
}

#[tokio::test]
async fn a_code_whose_answer_is_lost_is_used_up() {
    let server = ScriptedServer::new(|received, _| match received.path.ends_with("/token") {
        true => answer(500, json!({})),
        false => not_found(),
    });
    assert!(sign_in(&server).await.is_err());
    assert_eq!(server.count("POST", "/token"), 1);
}
