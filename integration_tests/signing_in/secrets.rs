//! Servers that repeat what they hear: no output has a token, a secret, a refresh token or a JWT, whatever the way to sign in.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD as BASE64, URL_SAFE};
use serde_json::{Value, json};

use super::workspace::{ID, NEXT, REFRESH, SECRET, TOKEN, claims, field, is_for_token, json_reply, jwt, sandbox};
use crate::browser::Login;
use crate::hostile::server::{Reply, Request, Server};
use crate::messages::{append, records};
use crate::program::Run;

/// The forms in which a secret is looked for.
pub fn forms(secret: &str) -> Vec<String> {
    let percent = |text: &str| url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    vec![
        secret.to_owned(),
        BASE64.encode(secret).trim_end_matches('=').to_owned(),
        URL_SAFE.encode(secret).trim_end_matches('=').to_owned(),
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

/// The ways to sign in, those with a file in `folder`.
fn ways(folder: &Path) -> Vec<Way> {
    let file = |name: &str, text: &str| {
        let path = folder.join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        path
    };
    let login = json!({"host": "127.0.0.1", "client_id": "my-app", "refresh_token": REFRESH, "user": "me@example.com"});
    let profiles = format!(
        "[lake]\nhost = http://127.0.0.1\nclient_id = {ID}\nclient_secret = {SECRET}\n[other]\ntoken = {REFRESH}\n"
    );
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
        (by(&json!({"jwt_source": "FILE", "jwt_file": file("jwt", &jwt)})), vec![jwt.clone()], vec![]),
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
        (
            by(&json!({"jwt_source": "AZURE_DEVOPS"})),
            vec![SECRET.to_owned()],
            vec![
                ("SYSTEM_ACCESSTOKEN", SECRET.to_owned()),
                ("SYSTEM_TEAMFOUNDATIONCOLLECTIONURI", "{server}/devops".to_owned()),
                ("SYSTEM_TEAMPROJECTID", "p".to_owned()),
                ("SYSTEM_PLANID", "l".to_owned()),
                ("SYSTEM_JOBID", "j".to_owned()),
                ("SYSTEM_HOSTTYPE", "build".to_owned()),
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
        (
            json!({"auth_type": "OAUTH_U2M", "login_file": file("login.json", &login.to_string()), "client_secret": SECRET}),
            vec![REFRESH.to_owned(), SECRET.to_owned()],
            vec![],
        ),
        (
            json!({"auth_type": "PROFILE", "profile": "lake", "profile_file": file("databrickscfg", &profiles)}),
            vec![SECRET.to_owned()],
            vec![],
        ),
    ]
}

/// What was heard, in the form `form`.
fn repeated(request: &Request, known: &str, form: &str) -> String {
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
            let folder = tempfile::tempdir().unwrap();
            for (authentication, mut secrets, environment) in ways(folder.path()) {
                // The platform is told the next one, and it alone: `renewed`.
                let next = if authentication["login_file"].is_null() { REFRESH } else { NEXT };
                let known = secrets.join(" ");
                let server = Server::start(move |request| {
                    if request.path.contains(".well-known") {
                        return json_reply(404, &json!({}));
                    }
                    if is_for_token(request) && is_signed_in {
                        let jwt = jwt("RS256", &claims());
                        return json_reply(
                            200,
                            &json!({"access_token": TOKEN, "expires_in": 3600, "refresh_token": next, "value": jwt, "oidcToken": jwt}),
                        );
                    }
                    let said = repeated(request, &known, form);
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
                secrets.extend([TOKEN.to_owned(), NEXT.to_owned(), jwt("RS256", &claims())]);
                assert_hidden(&run, &secrets, &what);
            }
        }
    }
}

#[test]
fn what_the_service_repeats_of_a_sign_in_with_a_browser_is_hidden() {
    let folder = tempfile::tempdir().unwrap();
    let secret = folder.path().join("secret");
    std::fs::write(&secret, SECRET).unwrap();
    let (code, file) = ("code-CANARY+0123456789/abcdef", folder.path().join("login.json"));
    for form in ["plain", "base64", "percent"] {
        let server = Server::start(move |request| {
            if request.path.contains(".well-known") {
                return json_reply(404, &json!({}));
            }
            let said = repeated(request, code, form);
            json_reply(400, &json!({"error": "invalid_grant", "error_description": said}))
        });
        let mut login = Login::start(&server.endpoint(), &file, &["--client-secret-file", secret.to_str().unwrap()]);
        let begun = url::Url::parse(&login.address).unwrap();
        let state = begun.query_pairs().find(|(name, _)| name == "state").unwrap().1.into_owned();
        let back = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("code", code)
            .append_pair("state", &state)
            .finish();
        login.paste(&format!("http://localhost:8020/?{back}"));
        let (status, said) = login.end();
        assert!(status == Some(1) && said.contains("the code of the browser is wrong"), "{said}");
        let verifier = server.seen().iter().find_map(|request| field(request, "code_verifier")).unwrap();
        for secret in [SECRET, code, &verifier] {
            for form in forms(secret) {
                assert!(!said.contains(&form), "{form} is told: {said}");
            }
        }
        assert!(!file.exists());
    }
}
