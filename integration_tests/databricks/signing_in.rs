//! Every way to sign in, at the authorization server beside the stand-in: tokens that live for seconds, tokens that are refused in every
//! kind of request, and Databricks' own SDK signing in to the same server.

use serde_json::{Value, json};

use super::place::{Place, Transport, transport};
use super::stand_in::stand_in;
use crate::conformance::assert_landed;
use crate::messages::{append, numbered, records, state};
use crate::program::Sandbox;
use crate::recorded::{read, shared_data};

over_both!(
    a_long_load_outlives_its_tokens,
    a_refused_token_in_every_kind_of_request_is_replaced_once,
    tokens_that_nobody_takes_any_more_are_replaced_in_mid_sync,
);
once!(
    each_way_loads_the_faker_source_with_tokens_of_five_seconds,
    files_of_volumes_are_written_in_spite_of_refused_tokens,
    a_principal_without_rights_is_named_in_the_grant,
);

const RESOURCE: &str = "/subscriptions/0/resourceGroups/g/providers/Microsoft.Databricks/workspaces/w";

/// The id of the warehouse or cluster.
fn compute(place: &Place) -> String {
    place.settings()["databricks_http_path"].as_str().unwrap().rsplit('/').next().unwrap().to_owned()
}

/// Says who may sign in; what the server gives back.
fn principal(id: &str, place: &Place, mut settings: Value) -> Value {
    settings["compute"] = json!(compute(place));
    stand_in().control("PUT", &format!("authority/principals/{id}"), &settings)
}

/// How many tokens a principal was given.
fn given(id: &str) -> u64 {
    stand_in().control("GET", &format!("authority/principals/{id}"), &json!({}))["given"].as_u64().unwrap()
}

fn jwt(claims: &Value) -> String {
    stand_in().control("POST", "authority/jwt", claims)["jwt"].as_str().unwrap().to_owned()
}

fn new_id() -> String {
    uuid::Uuid::new_v4().to_string()
}

fn sign_in(sandbox: &mut Sandbox, authentication: &Value) {
    let mut settings = sandbox.settings().clone();
    settings["databricks_personal_access_token"] = Value::Null;
    settings["authentication"] = authentication.clone();
    sandbox.set(settings);
}

/// A sandbox whose service principal signs in with a secret; its tokens live for so many seconds.
fn with_secret(lives: f64) -> (Sandbox, String) {
    let (mut sandbox, id) = (Sandbox::new(), new_id());
    principal(&id, sandbox.place(), json!({"secret": "dose-of-the-bed-0123456789", "lives": lives}));
    let way = json!({"auth_type": "OAUTH_M2M", "client_id": id, "client_secret": "dose-of-the-bed-0123456789"});
    sign_in(&mut sandbox, &way);
    (sandbox, id)
}

/// The id of the principal, the configuration, the settings of the principal, and the environment.
type Way = (String, Value, Value, Vec<(&'static str, String)>);

/// Every way to sign in.
fn ways(place: &Place, folder: &std::path::Path) -> Vec<Way> {
    let address = format!("http://127.0.0.1:{}", stand_in().port());
    let policy = |subject: &str, audience: &str| json!({"policy": {"issuer": "https://idp.example.com", "subject": subject, "audiences": [audience]}});
    let (rs, es) =
        (jwt(&json!({"sub": "a", "aud": "acme"})), jwt(&json!({"sub": "b", "aud": "acme", "algorithm": "ES256"})));
    let file = folder.join("jwt");
    std::fs::write(&file, &rs).unwrap();
    let workload = |source: Value| {
        let mut way = json!({"auth_type": "WORKLOAD_IDENTITY"});
        way.as_object_mut().unwrap().extend(source.as_object().unwrap().clone());
        way
    };
    let entra = json!({"auth_type": "AZURE_SERVICE_PRINCIPAL", "tenant_id": "contoso", "client_secret": "entra-0123456789",
        "workspace_resource_id": RESOURCE});
    let in_entra =
        json!({"secret": "entra-0123456789", "tenant": "contoso", "is_user": false, "resource_id": RESOURCE});
    let job = |name: &'static str, value: &str| (name, value.to_owned());
    let devops = vec![
        job("SYSTEM_ACCESSTOKEN", "token-of-the-job"),
        job("SYSTEM_TEAMFOUNDATIONCOLLECTIONURI", &format!("{address}/devops/acme/")),
        job("SYSTEM_TEAMPROJECTID", "p"),
        job("SYSTEM_PLANID", "l"),
        job("SYSTEM_JOBID", "j"),
        job("SYSTEM_HOSTTYPE", "build"),
    ];
    let github = vec![
        job("ACTIONS_ID_TOKEN_REQUEST_URL", &format!("{address}/github/token?api-version=2.0")),
        job("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "token-of-the-job"),
    ];
    let user = json!({"redirects": ["http://localhost"], "single_use": true});
    let refresh = |id: &str| principal(id, place, user.clone())["refresh_token"].as_str().unwrap().to_owned();
    let (inline, filed) = (new_id(), new_id());
    let login = folder.join("login.json");
    let kept =
        json!({"host": "127.0.0.1", "client_id": filed, "refresh_token": refresh(&filed), "user": "me@example.com"});
    std::fs::write(&login, kept.to_string()).unwrap();
    std::fs::set_permissions(&login, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let inline_token = refresh(&inline);
    vec![
        (
            new_id(),
            json!({"auth_type": "OAUTH_M2M", "client_secret": "dose-0123456789"}),
            json!({"secret": "dose-0123456789"}),
            vec![],
        ),
        (new_id(), workload(json!({"jwt_source": "FILE", "jwt_file": file})), policy("a", "acme"), vec![]),
        (
            new_id(),
            workload(json!({"jwt_source": "ENVIRONMENT", "jwt_variable": "THE_JWT"})),
            policy("b", "acme"),
            vec![job("THE_JWT", &es)],
        ),
        (
            new_id(),
            workload(json!({"jwt_source": "COMMAND", "jwt_command": ["cat", file]})),
            policy("a", "acme"),
            vec![],
        ),
        (
            new_id(),
            workload(json!({"jwt_source": "GITHUB_ACTIONS", "audience": "acme"})),
            policy("repo:acme/lake", "acme"),
            github,
        ),
        (
            new_id(),
            workload(json!({"jwt_source": "AZURE_DEVOPS"})),
            policy("sc://acme/lake", "api://AzureADTokenExchange"),
            devops,
        ),
        (new_id(), entra, in_entra, vec![job("AZURE_AUTHORITY_HOST", &format!("{address}/entra"))]),
        (
            new_id(),
            json!({"auth_type": "AZURE_MANAGED_IDENTITY"}),
            json!({}),
            vec![job("IDENTITY_ENDPOINT", &format!("{address}/metadata/identity/oauth2/token"))],
        ),
        (inline, json!({"auth_type": "OAUTH_U2M", "refresh_token": inline_token}), user.clone(), vec![]),
        (filed, json!({"auth_type": "OAUTH_U2M", "login_file": login}), user, vec![]),
    ]
}

fn each_way_loads_the_faker_source_with_tokens_of_five_seconds() {
    let Some(folder) = shared_data("each_way_loads_the_faker_source_with_tokens_of_five_seconds") else { return };
    let folder = folder.join("faker");
    let (streams, messages) = (read(&folder, "catalog.json"), read(&folder, "messages.jsonl"));
    let streams: Value = serde_json::from_str(&streams).unwrap();
    let count = {
        let sandbox = Sandbox::new();
        ways(sandbox.place(), sandbox.folder()).len()
    };
    for number in 0..count {
        let mut sandbox = Sandbox::new();
        let (id, mut way, mut settings, environment) = ways(sandbox.place(), sandbox.folder()).swap_remove(number);
        settings["lives"] = json!(5);
        principal(&id, sandbox.place(), settings);
        way["client_id"] = json!(id);
        sign_in(&mut sandbox, &way);
        for (name, value) in environment {
            sandbox.set_environment(name, &value);
        }
        let run = sandbox.load(&streams, &messages);
        assert_landed(&sandbox, &run, &messages, 1);
        assert!(given(&id) >= 1, "{way}");
        let controls = run.messages().iter().filter(|message| message["type"] == "CONTROL").count();
        let replaces = way["refresh_token"].is_string();
        assert_eq!(controls > 0, replaces, "{way}");
    }
}

fn a_long_load_outlives_its_tokens() {
    let (sandbox, id) = with_secret(3.0);
    let place = sandbox.place();
    place.goes_wrong(json!([{"action": "hold", "statement": "^MERGE", "value": 7, "times": 1}]));
    sandbox.load(&append(&["users"]), records("users", 0..20) + &state("users", 20));
    assert_eq!(rows(&sandbox), all(0..20));
    assert!(given(&id) >= 3, "{}", given(&id));
}

fn a_refused_token_in_every_kind_of_request_is_replaced_once() {
    let (sandbox, id) = with_secret(3600.0);
    let refused = json!({"status": 403, "body": "{\"error_code\":403,\"message\":\"Invalid access token.\"}"});
    let kinds: &[&str] = match transport() {
        Transport::Statements => &["submit", "poll", "warehouse"],
        Transport::Thrift => &["session", "submit", "poll", "chunk"],
    };
    let rules = kinds.iter().map(|kind| json!({"action": "reply", "on": kind, "times": 1, "value": refused.clone()}));
    let held = json!({"action": "hold", "statement": "^MERGE", "value": 2, "times": 1});
    sandbox.place().goes_wrong(rules.chain([held]).collect());
    let run = sandbox.check();
    assert!(run.says("SUCCEEDED"), "{run:#?}");
    sandbox.load(&append(&["users"]), records("users", 0..20) + &state("users", 20));
    assert_eq!(rows(&sandbox), all(0..20));
    // Each process begins with a token, and each refusal asks for one more. Not every kind of request need be sent.
    let most = 2 + u64::try_from(kinds.len()).unwrap();
    assert!((3..=most).contains(&given(&id)), "{}", given(&id));
}

fn tokens_that_nobody_takes_any_more_are_replaced_in_mid_sync() {
    let (sandbox, id) = with_secret(3600.0);
    let mut living = sandbox.start(&append(&["users"]));
    living.send(records("users", 0..20));
    living.has_read_so_far();
    stand_in().control("POST", &format!("authority/principals/{id}/expire"), &json!({}));
    living.send(records("users", 20..40) + &state("users", 40));
    let run = living.end();
    assert_eq!(run.code, Some(0), "{run:#?}");
    assert_eq!(rows(&sandbox), all(0..40));
    assert!(given(&id) >= 2, "{}", given(&id));
}

fn files_of_volumes_are_written_in_spite_of_refused_tokens() {
    let (mut sandbox, id) = with_secret(3600.0);
    let mut settings = sandbox.settings().clone();
    settings["data_source"] = json!({"data_source_type": "MANAGED_TABLES_STORAGE"});
    settings["database"] = json!("main");
    sandbox.set(settings);
    let refused = json!({"status": 403, "body": "{\"error_code\":403,\"message\":\"Invalid access token.\"}"});
    let methods = [
        "^PUT .*/fs/files",
        "^GET .*/fs/files",
        "^HEAD .*/fs/files",
        "^DELETE .*/fs/files",
        "^GET .*/fs/directories",
        "^PUT .*/fs/directories",
    ];
    let rules = methods.map(
        |method| json!({"action": "reply", "on": "file", "statement": method, "times": 1, "value": refused.clone()}),
    );
    sandbox.place().goes_wrong(json!(rules));
    sandbox.load(&append(&["users"]), records("users", 0..20) + &state("users", 20));
    let read = sandbox.place().sql(&format!("SELECT `_airbyte_data` FROM {}", sandbox.place().name("users")));
    let mut found: Vec<String> = read.into_iter().map(|row| row[0].clone().unwrap()).collect();
    found.sort();
    assert_eq!(found, all(0..20));
    assert!(given(&id) >= 2, "{}", given(&id));
}

fn a_principal_without_rights_is_named_in_the_grant() {
    let (mut sandbox, id) = with_secret(3600.0);
    let mut settings = sandbox.settings().clone();
    settings["data_source"] = json!({"data_source_type": "MANAGED_TABLES_STORAGE"});
    settings["database"] = json!("main");
    sandbox.set(settings);
    sandbox.place().set(json!({"lacks": ["CREATE VOLUME"]}));
    let run = sandbox.check();
    assert!(run.says("FAILED") && run.says(&format!("TO `{id}`")), "{run:#?}");
}

fn rows(sandbox: &Sandbox) -> Vec<String> {
    super::loading::data(sandbox.place(), "users")
}

fn all(range: std::ops::Range<u64>) -> Vec<String> {
    let mut data: Vec<String> = range.map(numbered).collect();
    data.sort();
    data
}
