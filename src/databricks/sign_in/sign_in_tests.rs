//! Every way to sign in, against a scripted server.

use std::path::Path;

use serde_json::json;

use super::*;
use crate::config::{Account, Authentication};
use crate::databricks::http::{HttpClient, Request};
use crate::databricks::testing::scripted_server::{Reaction, ReceivedRequest, ScriptedServer, answer, timeouts};
use crate::error::{Error, Kind};
use crate::secret::Secret;

pub(super) const ID: &str = "6a1b2c3d-0000-4000-8000-000000000001";
/// `{"alg":"ES256"}` and `{"iss":"https://i.example","sub":"s","aud":"a"}`.
const JWT: &str = "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJodHRwczovL2kuZXhhbXBsZSIsInN1YiI6InMiLCJhdWQiOiJhIn0.c2lnbmF0dXJl";

pub(super) fn not_found() -> Reaction {
    answer(404, json!({}))
}

/// Gives tokens `token-1`, `token-2` … for `lives` seconds; the workspace takes those for which `is_good`.
fn workspace(lives: u64, is_good: fn(usize) -> bool) -> ScriptedServer {
    let mut given = 0;
    ScriptedServer::new(move |received, _| match received.path.as_str() {
        path if path.contains("/token") => {
            given += 1;
            answer(200, json!({"access_token": format!("token-{given}"), "token_type": "Bearer", "expires_in": lives}))
        }
        path if path.contains(".well-known") => not_found(),
        _ => {
            let number =
                received.header("authorization").and_then(|login| login.strip_prefix("Bearer token-")?.parse().ok());
            match number {
                Some(number) if is_good(number) => answer(200, json!({})),
                _ => answer(403, json!({"error_code": 403, "message": "Invalid access token."})),
            }
        }
    })
}

pub(super) fn settings(server: &ScriptedServer, authentication: Authentication) -> DatabricksSettings {
    DatabricksSettings { authentication, ..server.settings() }
}

pub(super) fn m2m() -> Authentication {
    Authentication::ClientCredentials { client_id: ID.to_owned(), client_secret: Secret::new("dose-0123456789") }
}

fn jwt_in(file: &Path, client_id: Option<&str>) -> Authentication {
    let source = JwtSource::File(file.to_owned());
    Authentication::WorkloadIdentity { client_id: client_id.map(str::to_owned), source, audience: None }
}

pub(super) fn client(settings: &DatabricksSettings) -> HttpClient {
    let tokens = tokens(settings, &timeouts());
    HttpClient::new(settings, tokens, &timeouts()).expect("a client")
}

async fn send(settings: &DatabricksSettings) -> u16 {
    client(settings).send(&Request::get("/api/x")).await.expect("an answer").status.as_u16()
}

pub(super) async fn refused(settings: &DatabricksSettings) -> Error {
    client(settings).send(&Request::get("/api/x")).await.expect_err("no token")
}

/// The forms of the requests for tokens, and their headers.
fn asked(server: &ScriptedServer) -> Vec<(ReceivedRequest, Vec<(String, String)>)> {
    let all = server.received().into_iter().filter(|received| received.path.contains("/token"));
    all.map(|received| {
        let form = url::form_urlencoded::parse(received.body.as_bytes()).into_owned().collect();
        (received, form)
    })
    .collect()
}

pub(super) fn field<'a>(form: &'a [(String, String)], name: &str) -> Option<&'a str> {
    form.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
}

#[tokio::test]
async fn a_service_principal_gets_one_token_for_all_requests_and_clients() {
    let server = workspace(3600, |_| true);
    let settings = settings(&server, m2m());
    let (one, other) = (client(&settings), client(&settings));
    let request = Request::get("/api/x");
    let all = (0..20).map(|number| if number % 2 == 0 { one.send(&request) } else { other.send(&request) });
    assert!(futures::future::join_all(all).await.into_iter().all(|answer| answer.expect("an answer").status == 200));
    let asked = asked(&server);
    let [(received, form)] = asked.as_slice() else { panic!("{asked:?}") };
    assert!(received.is("POST", "/oidc/v1/token"));
    assert_eq!(received.header("content-type"), Some("application/x-www-form-urlencoded"));
    // The id, a colon and the secret in base64.
    let login = "Basic NmExYjJjM2QtMDAwMC00MDAwLTgwMDAtMDAwMDAwMDAwMDAxOmRvc2UtMDEyMzQ1Njc4OQ==";
    assert_eq!(received.header("authorization"), Some(login));
    assert_eq!([field(form, "grant_type"), field(form, "scope")], [Some("client_credentials"), Some("all-apis")]);
}

#[tokio::test]
async fn a_refused_token_is_forgotten_and_asked_for_once_more() {
    let server = workspace(3600, |number| number == 2);
    let settings = settings(&server, m2m());
    assert_eq!(send(&settings).await, 200);
    assert_eq!(send(&settings).await, 200);
    assert_eq!(asked(&server).len(), 2);
    let never = workspace(3600, |_| false);
    assert_eq!(send(&self::settings(&never, m2m())).await, 403);
    assert_eq!(asked(&never).len(), 2);
}

#[tokio::test]
async fn the_endpoints_are_those_that_the_workspace_or_the_account_names() {
    let own = |server: &ScriptedServer| server.settings().address();
    let with = |config: &'static [(&'static str, &'static str)]| {
        ScriptedServer::new(move |received, _| {
            let host = format!("http://{}", received.header("host").unwrap_or_default());
            match config.iter().find(|(path, _)| *path == received.path) {
                Some((path, endpoint)) if path.ends_with("server") => {
                    let (authorize, token) = (format!("{host}/a"), format!("{host}{endpoint}"));
                    answer(200, json!({"authorization_endpoint": authorize, "token_endpoint": token}))
                }
                Some((_, endpoint)) => {
                    answer(200, json!({"oidc_endpoint": format!("{host}{endpoint}"), "account_id": "of-host"}))
                }
                None if received.path.ends_with("/token") => {
                    answer(200, json!({"access_token": "t-1", "expires_in": 3600}))
                }
                None if received.path == "/api/x" => answer(200, json!({})),
                None => not_found(),
            }
        })
    };
    let account = Account { id: "0001".to_owned(), address: String::new() };
    for (server, account, path) in [
        (with(&[("/oidc/.well-known/oauth-authorization-server", "/named/token")]), None, "/named/token"),
        (
            with(&[("/oidc/accounts/0001/.well-known/oauth-authorization-server", "/of-account/token")]),
            Some(account.clone()),
            "/of-account/token",
        ),
        (with(&[]), None, "/oidc/v1/token"),
        (with(&[]), Some(account.clone()), "/oidc/accounts/0001/v1/token"),
        (
            with(&[
                ("/.well-known/databricks-config", "/unified/{account_id}"),
                ("/unified/of-host/.well-known/oauth-authorization-server", "/unified/token"),
            ]),
            None,
            "/unified/token",
        ),
        // Its documents are behind something that does not let them through.
        (with(&[("/.well-known/databricks-config", "/unified/{account_id}")]), None, "/unified/of-host/v1/token"),
    ] {
        let account = account.map(|account| Account { address: own(&server), ..account });
        let settings = DatabricksSettings { account, ..settings(&server, m2m()) };
        assert_eq!(send(&settings).await, 200, "{path}");
        assert_eq!(server.count("POST", path), 1, "{:?}", server.received());
    }
}

#[tokio::test]
async fn no_secret_goes_to_an_address_that_is_not_of_databricks() {
    let thief = ScriptedServer::with(vec![answer(200, json!({"access_token": "t-1", "expires_in": 3600}))]);
    let elsewhere = thief.settings().address();
    type Document = Box<dyn Fn() -> Reaction + Send + Sync>;
    let documents: [(&str, Document); 4] = [
        (
            "names an address for tokens",
            Box::new(move || answer(200, json!({"authorization_endpoint": elsewhere, "token_endpoint": elsewhere}))),
        ),
        (
            "names an address for tokens",
            Box::new(|| {
                let evil = "https://cloud.databricks.com.evil.example/token";
                answer(200, json!({"authorization_endpoint": evil, "token_endpoint": evil}))
            }),
        ),
        ("does not say where it gives tokens", Box::new(|| Reaction::Respond(200, vec![], "<html>".to_owned()))),
        (
            "redirects to",
            Box::new(|| {
                Reaction::Respond(302, vec![("location", "https://evil.example/x?y".to_owned())], String::new())
            }),
        ),
    ];
    for (words, document) in documents {
        let server = ScriptedServer::new(move |_, _| document());
        let error = refused(&settings(&server, m2m())).await;
        assert_eq!(error.kind(), Kind::Config);
        assert!(error.message().contains(words), "{error}");
        assert!(server.received().iter().all(|received| received.header("authorization").is_none()));
    }
    assert_eq!(thief.received().len(), 0);
}

#[tokio::test]
async fn a_jwt_in_a_file_is_read_again_for_each_exchange() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("jwt");
    std::fs::write(&file, format!("{JWT}\n")).expect("written");
    let server = workspace(3600, |number| number > 1);
    let of_principal = settings(&server, jwt_in(&file, Some(ID)));
    let first = client(&of_principal);
    let other = JWT.replace("c2ln", "b3Ro");
    let tokens = tokens(&of_principal, &timeouts());
    let token = tokens.token().await.expect("a token");
    std::fs::write(&file, &other).expect("written");
    tokens.forget(&token).await;
    assert_eq!(first.send(&Request::get("/api/x")).await.expect("an answer").status, 200);
    let sent: Vec<_> = asked(&server).into_iter().map(|(_, form)| form).collect();
    assert_eq!(
        sent.iter().map(|form| field(form, "subject_token")).collect::<Vec<_>>(),
        [Some(JWT), Some(other.as_str())]
    );
    for form in &sent {
        assert_eq!(field(form, "grant_type"), Some("urn:ietf:params:oauth:grant-type:token-exchange"));
        assert_eq!(field(form, "subject_token_type"), Some("urn:ietf:params:oauth:token-type:jwt"));
        assert_eq!([field(form, "client_id"), field(form, "scope")], [Some(ID), Some("all-apis")]);
    }
    let server = workspace(3600, |_| true);
    assert_eq!(send(&settings(&server, jwt_in(&file, None))).await, 200);
    assert_eq!(field(&asked(&server)[0].1, "client_id"), None);
}

#[tokio::test]
async fn a_program_prints_a_jwt_or_its_failure_is_named() {
    let command = |script: &str| Authentication::WorkloadIdentity {
        client_id: None,
        source: JwtSource::Command(["sh", "-c", script].map(str::to_owned).to_vec()),
        audience: None,
    };
    let server = workspace(3600, |_| true);
    assert_eq!(send(&settings(&server, command(&format!("echo {JWT}")))).await, 200);
    assert_eq!(field(&asked(&server)[0].1, "subject_token"), Some(JWT));
    for (script, words) in [
        ("exit 3", "failed (exit status: 3)"),
        ("true", "wrote nothing"),
        ("echo dapi-0123", "gives something that is no JWT"),
        ("sleep 60", "did not end within"),
    ] {
        let error = refused(&settings(&server, command(script))).await;
        assert!(error.message().contains(words) && error.kind() == Kind::Config, "{script}: {error}");
    }
    let nowhere = Authentication::WorkloadIdentity {
        client_id: None,
        source: JwtSource::Command(vec!["/no/such/program".to_owned()]),
        audience: None,
    };
    assert!(refused(&settings(&server, nowhere)).await.message().contains("does not exist"));
}

#[tokio::test]
async fn an_application_of_entra_that_is_no_user_yet_is_vouched_for_by_azure() {
    let mut given = 0;
    let server = ScriptedServer::new(move |received, _| match received.path.as_str() {
        "/tenant/oauth2/token" => {
            given += 1;
            answer(200, json!({"access_token": format!("t-{given}"), "expires_in": "3599"}))
        }
        _ if received.header("authorization").is_some() => answer(200, json!({})),
        _ => not_found(),
    });
    let resource = "/subscriptions/0/resourceGroups/g/providers/Microsoft.Databricks/workspaces/w";
    let of = |resource_id: Option<&str>| {
        let authentication = Authentication::AzureServicePrincipal {
            tenant: "tenant".to_owned(),
            client_id: ID.to_owned(),
            client_secret: Secret::new("entra-0123456789"),
            resource_id: resource_id.map(str::to_owned),
            authority: server.settings().address(),
        };
        settings(&server, authentication)
    };
    assert_eq!(send(&of(None)).await, 200);
    let (_, form) = &asked(&server)[0];
    assert_eq!(field(form, "resource"), Some("2ff814a6-3304-4ab8-85cb-cd0e6f879c1d"));
    assert_eq!([field(form, "client_id"), field(form, "client_secret")], [Some(ID), Some("entra-0123456789")]);
    assert!(
        server.received().iter().all(|received| received.header("x-databricks-azure-sp-management-token").is_none())
    );
    assert_eq!(send(&of(Some(resource))).await, 200);
    let last = server.received().pop().expect("a request");
    assert_eq!(last.header("authorization"), Some("Bearer t-2"));
    assert_eq!(last.header("x-databricks-azure-sp-management-token"), Some("t-3"));
    assert_eq!(last.header("x-databricks-azure-workspace-resource-id"), Some(resource));
    assert_eq!(field(&asked(&server)[2].1, "resource"), Some("https://management.core.windows.net/"));
}

#[tokio::test]
async fn a_machine_in_azure_is_asked_who_it_is() {
    let server = workspace(3600, |_| true);
    let of = |client_id: Option<&str>, header: Option<&str>| {
        let authentication = Authentication::AzureManagedIdentity {
            client_id: client_id.map(str::to_owned),
            resource_id: None,
            endpoint: Some(format!("{}/metadata/identity/oauth2/token", server.settings().address())),
            header: header.map(Secret::new),
        };
        settings(&server, authentication)
    };
    assert_eq!(send(&of(None, None)).await, 200);
    assert_eq!(send(&of(Some(ID), Some("header-0123456789"))).await, 200);
    let asked = asked(&server);
    let path = "/metadata/identity/oauth2/token?api-version";
    let application = "resource=2ff814a6-3304-4ab8-85cb-cd0e6f879c1d";
    assert!(asked[0].0.is("GET", &format!("{path}=2018-02-01&{application}")), "{asked:?}");
    assert!(asked[1].0.is("GET", &format!("{path}=2019-08-01&{application}&client_id={ID}")), "{asked:?}");
    assert_eq!(asked[1].0.header("x-identity-header"), Some("header-0123456789"));
    assert!(asked.iter().all(|(received, _)| received.header("metadata") == Some("true")));
}

#[tokio::test]
async fn a_service_that_is_overloaded_is_asked_again() {
    for status in [429, 503, 500] {
        let mut left = 2;
        let server = ScriptedServer::new(move |received, _| {
            if received.path.contains(".well-known") {
                return not_found();
            }
            if received.path.ends_with("/token") && left > 0 {
                left -= 1;
                return answer(status, json!({"error": "temporarily_unavailable"}));
            }
            answer(200, json!({"access_token": "t-1", "expires_in": 3600}))
        });
        assert_eq!(send(&settings(&server, m2m())).await, 200, "{status}");
    }
    let server = ScriptedServer::new(|received, _| match received.path.ends_with("/token") {
        true => answer(503, json!({})),
        false => not_found(),
    });
    assert_eq!(refused(&settings(&server, m2m())).await.kind(), Kind::Transient);
}

#[tokio::test]
async fn a_service_that_asks_for_a_pause_gets_it() {
    let server = ScriptedServer::new(|received, _| match received.path.ends_with("/token") {
        // Longer than anything is repeated.
        true => Reaction::Respond(429, vec![("retry-after", "99999".to_owned())], String::new()),
        false => not_found(),
    });
    assert_eq!(refused(&settings(&server, m2m())).await.kind(), Kind::Transient);
    assert_eq!(asked(&server).len(), 1);
}

#[tokio::test]
async fn nothing_is_asked_without_encryption_beyond_this_machine() {
    let authentication = Authentication::AzureServicePrincipal {
        tenant: "t".to_owned(),
        client_id: ID.to_owned(),
        client_secret: Secret::new("entra-0123456789"),
        resource_id: None,
        authority: "http://login.example.com".to_owned(),
    };
    let server = ScriptedServer::with(vec![not_found()]);
    let error = refused(&settings(&server, authentication)).await;
    assert!(error.message().contains("without encryption"), "{error}");
}

#[tokio::test]
async fn an_answer_that_is_too_long_or_never_comes_is_given_up() {
    let long = || Reaction::Respond(200, vec![], "x".repeat(2 << 20));
    let server =
        ScriptedServer::new(move |received, _| if received.path.ends_with("/token") { long() } else { not_found() });
    assert!(refused(&settings(&server, m2m())).await.message().contains("a longer answer than any token has"));
    let server = ScriptedServer::new(|received, _| match received.path.ends_with("/token") {
        true => Reaction::HoldResponse,
        false => not_found(),
    });
    let error = refused(&settings(&server, m2m())).await;
    assert_eq!(error.kind(), Kind::Transient);
    assert!(error.message().contains("its answer did not arrive"), "{error}");
}
