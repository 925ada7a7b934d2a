//! Servers that repeat what they hear: no output has a token, a secret, a refresh token or a JWT, whatever the way to sign in.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value, json};

use super::workspace::{ID, REFRESH, SECRET, TOKEN, claims, is_for_token, json_reply, jwt, sandbox};
use crate::hostile::server::{Reply, Request, Server};
use crate::messages::{append, records};
use crate::program::Run;

/// The forms in which a secret is looked for.
fn forms(secret: &str) -> Vec<String> {
    let percent = |text: &str| url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    vec![
        secret.to_owned(),
        BASE64.encode(secret).trim_end_matches('=').to_owned(),
        BASE64.encode(format!("{ID}:{secret}")).trim_end_matches('=').to_owned(),
        percent(secret),
        percent(&percent(secret)),
        percent(&BASE64.encode(secret)),
        secret[..14].to_owned(),
        secret[secret.len() - 14..].to_owned(),
    ]
}

fn assert_hidden(run: &Run, secrets: &[String], what: &str) {
    for form in secrets.iter().flat_map(|secret| forms(secret)) {
        assert!(!run.says(&form), "{what}: {form} is told: {run:#?}");
    }
}

/// The configuration, the secrets in it, and the environment that it needs.
type Way = (Value, Vec<String>, Vec<(&'static str, String)>);

/// The ways to sign in.
fn ways() -> Vec<Way> {
    let jwt = jwt("RS256", &claims());
    let entra = json!({"auth_type": "AZURE_SERVICE_PRINCIPAL", "tenant_id": "t", "client_id": ID, "client_secret": SECRET,
        "workspace_resource_id": "/subscriptions/0/resourceGroups/g/providers/Microsoft.Databricks/workspaces/w"});
    let by = |source: &Value| {
        let mut settings = json!({"auth_type": "WORKLOAD_IDENTITY", "client_id": ID});
        settings.as_object_mut().unwrap().extend(source.as_object().unwrap().clone());
        settings
    };
    vec![
        (
            json!({"auth_type": "PERSONAL_ACCESS_TOKEN", "personal_access_token": SECRET}),
            vec![SECRET.to_owned()],
            vec![],
        ),
        (json!({"auth_type": "OAUTH_M2M", "client_id": ID, "client_secret": SECRET}), vec![SECRET.to_owned()], vec![]),
        (
            by(&json!({"jwt_source": "ENVIRONMENT", "jwt_variable": "THE_JWT"})),
            vec![jwt.clone()],
            vec![("THE_JWT", jwt.clone())],
        ),
        (
            by(&json!({"jwt_source": "COMMAND", "jwt_command": ["printenv", "THE_JWT"]})),
            vec![jwt.clone()],
            vec![("THE_JWT", jwt)],
        ),
        (
            by(&json!({"jwt_source": "GITHUB_ACTIONS"})),
            vec![SECRET.to_owned()],
            vec![
                ("ACTIONS_ID_TOKEN_REQUEST_URL", "{server}/github/token?a=1".to_owned()),
                ("ACTIONS_ID_TOKEN_REQUEST_TOKEN", SECRET.to_owned()),
            ],
        ),
        (entra, vec![SECRET.to_owned()], vec![]),
        (
            json!({"auth_type": "AZURE_MANAGED_IDENTITY"}),
            vec![SECRET.to_owned()],
            vec![("IDENTITY_HEADER", SECRET.to_owned())],
        ),
        (
            json!({"auth_type": "OAUTH_U2M", "refresh_token": REFRESH, "client_secret": SECRET}),
            vec![REFRESH.to_owned(), SECRET.to_owned()],
            vec![],
        ),
    ]
}

/// What was heard, in the form `form`.
fn echo(request: &Request, known: &str, form: &str) -> String {
    let heard = format!("{} {known}", request.whole());
    match form {
        "plain" => heard,
        "base64" => BASE64.encode(heard),
        _ => url::form_urlencoded::byte_serialize(heard.as_bytes()).collect(),
    }
}

#[test]
fn what_the_services_and_the_workspace_repeat_is_hidden_for_every_way_to_sign_in() {
    for form in ["plain", "base64", "percent"] {
        for is_signed_in in [false, true] {
            for (authentication, mut secrets, environment) in ways() {
                let known = secrets.join(" ");
                let server = Server::start(move |request| {
                    if request.path.contains(".well-known") {
                        return json_reply(404, &json!({}));
                    }
                    if is_for_token(request) && is_signed_in {
                        return json_reply(
                            200,
                            &json!({"access_token": TOKEN, "value": jwt("RS256", &claims()), "expires_in": 3600}),
                        );
                    }
                    let said = echo(request, &known, form);
                    let body = json!({"error": said, "error_description": said, "error_code": "PERMISSION_DENIED", "message": said});
                    Reply::new(403, "application/json", body.to_string()).with("x-databricks-reason-phrase", &said)
                });
                let mut sandbox = sandbox(&server, &authentication);
                for (name, value) in &environment {
                    sandbox.set_environment(name, &value.replace("{server}", &server.endpoint()));
                }
                // One in three is a sync.
                let run = match form {
                    "plain" => sandbox.write(&append(&["users"]), records("users", 0..1)),
                    _ => sandbox.check(),
                };
                let what = format!("{form} {is_signed_in} {}", authentication["auth_type"]);
                assert!(run.says("FAILED") || run.code == Some(1), "{what}: {run:#?}");
                secrets.push(TOKEN.to_owned());
                assert_hidden(&run, &secrets, &what);
            }
        }
    }
}
