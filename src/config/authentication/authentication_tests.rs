//! The ways to sign in, as a configuration spells them, and what is wrong with those that no way can be made of.

use serde_json::{Value, json};

use super::*;
use crate::config::{Config, Engine};

fn config(authentication: &Value) -> String {
    json!({
        "data_source": {"data_source_type": "LOCAL_STORAGE", "local_path": "/tmp/x"},
        "databricks_server_hostname": "abc.cloud.databricks.com", "databricks_http_path": "/sql/1.0/warehouses/abc",
        "authentication": authentication,
    })
    .to_string()
}

fn read(authentication: &Value) -> (Authentication, Option<Account>) {
    match Config::from_json(&config(authentication)).expect("a configuration").engine {
        Engine::Databricks(settings) => (settings.authentication, settings.account),
        Engine::Direct => panic!("no Databricks"),
    }
}

fn problem(authentication: &Value) -> String {
    Config::from_json(&config(authentication)).expect_err("a problem").message().to_owned()
}

const ID: &str = "6a1b2c3d-0000-4000-8000-000000000001";

#[test]
fn each_way_to_sign_in_is_read() {
    let secret = || Secret::new("dose-0123456789");
    let id = || ID.to_owned();
    let jwt = |client_id, source, audience| Authentication::WorkloadIdentity { client_id, source, audience };
    for (settings, meant) in [
        (
            json!({"auth_type": "PERSONAL_ACCESS_TOKEN", "personal_access_token": "dapi-0123456789"}),
            Authentication::token(Secret::new("dapi-0123456789"), TokenSetting::Section),
        ),
        (
            json!({"auth_type": "OAUTH_M2M", "client_id": ID, "client_secret": "dose-0123456789"}),
            Authentication::ClientCredentials { client_id: id(), client_secret: secret() },
        ),
        (
            json!({"auth_type": "WORKLOAD_IDENTITY", "client_id": ID, "jwt_source": "FILE", "jwt_file": "/run/token"}),
            jwt(Some(id()), JwtSource::File("/run/token".into()), None),
        ),
        (
            json!({"auth_type": "WORKLOAD_IDENTITY", "jwt_source": "ENVIRONMENT", "jwt_variable": "MY_JWT"}),
            jwt(None, JwtSource::Variable("MY_JWT".into()), None),
        ),
        (
            json!({"auth_type": "WORKLOAD_IDENTITY", "jwt_source": "GITHUB_ACTIONS", "audience": "me"}),
            jwt(None, JwtSource::GitHubActions, Some("me".into())),
        ),
        (
            json!({"auth_type": "WORKLOAD_IDENTITY", "jwt_source": "AZURE_DEVOPS"}),
            jwt(None, JwtSource::AzureDevOps, None),
        ),
        (
            json!({"auth_type": "WORKLOAD_IDENTITY", "jwt_source": "COMMAND", "jwt_command": ["a", "b c"]}),
            jwt(None, JwtSource::Command(vec!["a".into(), "b c".into()]), None),
        ),
        (
            json!({"auth_type": "OAUTH_U2M", "refresh_token": "doau-0123456789"}),
            Authentication::User {
                client_id: "databricks-cli".into(),
                client_secret: None,
                refresh_token: RefreshToken::Configured(Secret::new("doau-0123456789")),
            },
        ),
        (
            json!({"auth_type": "OAUTH_U2M", "login_file": "/a/login.json", "client_id": ID, "client_secret": "dose-0123456789"}),
            Authentication::User {
                client_id: id(),
                client_secret: Some(secret()),
                refresh_token: RefreshToken::File("/a/login.json".into()),
            },
        ),
    ] {
        assert_eq!(read(&settings), (meant, None), "{settings}");
    }
    let azure = json!({"auth_type": "AZURE_SERVICE_PRINCIPAL", "tenant_id": ID, "client_id": ID, "client_secret": "dose-0123456789"});
    let (azure, _) = read(&azure);
    assert!(matches!(azure, Authentication::AzureServicePrincipal { resource_id: None, .. }), "{azure:?}");
    let (machine, _) = read(&json!({"auth_type": "AZURE_MANAGED_IDENTITY"}));
    assert!(matches!(machine, Authentication::AzureManagedIdentity { client_id: None, .. }), "{machine:?}");
}

#[test]
fn the_account_belongs_to_the_cloud_of_the_workspace() {
    for (host, console) in [
        ("abc.cloud.databricks.com", Some("https://accounts.cloud.databricks.com")),
        ("abc.cloud.databricks.us", Some("https://accounts.cloud.databricks.us")),
        ("1.2.gcp.databricks.com", Some("https://accounts.gcp.databricks.com")),
        ("adb-1.2.azuredatabricks.net", Some("https://accounts.azuredatabricks.net")),
        ("adb-1.2.databricks.azure.us", Some("https://accounts.databricks.azure.us")),
        ("adb-1.2.databricks.azure.cn", Some("https://accounts.databricks.azure.cn")),
        ("acme.databricks.com", Some("https://acme.databricks.com")),
        ("databricks.example.com", None),
        ("cloud.databricks.com.example.com", None),
    ] {
        assert_eq!(account_of(host).as_deref(), console, "{host}");
    }
    let mut settings =
        json!({"auth_type": "OAUTH_M2M", "client_id": ID, "client_secret": "s-0123456789", "account_id": ID});
    let account = |address: &str| Some(Account { id: ID.to_owned(), address: address.to_owned() });
    assert_eq!(read(&settings).1, account("https://accounts.cloud.databricks.com"));
    settings["account_host"] = json!("accounts.example.com");
    assert_eq!(read(&settings).1, account("https://accounts.example.com"));
    for wrong in ["http://accounts.example.com", "accounts.example.com/login", "a b"] {
        settings["account_host"] = json!(wrong);
        assert!(problem(&settings).contains("`authentication.account_host` must be only a host name"), "{wrong}");
    }
}

#[test]
fn what_is_missing_or_wrong_is_named_with_its_path() {
    for (settings, words) in [
        (json!({}), "`authentication.auth_type` is missing: choose one of PERSONAL_ACCESS_TOKEN, OAUTH_M2M"),
        (json!({"auth_type": "KERBEROS"}), "`authentication.auth_type` must be one of"),
        (json!([]), "`authentication` must be an object in braces"),
        (json!({"auth_type": "PERSONAL_ACCESS_TOKEN"}), "`authentication.personal_access_token` is missing or empty"),
        (json!({"auth_type": "OAUTH_M2M", "client_secret": "s-0"}), "`authentication.client_id` is missing or empty"),
        (json!({"auth_type": "OAUTH_M2M", "client_id": ID}), "`authentication.client_secret` is missing or empty"),
        (
            json!({"auth_type": "OAUTH_M2M", "client_id": "a b", "client_secret": "s-0"}),
            "`authentication.client_id` must be an id",
        ),
        (
            json!({"auth_type": "OAUTH_M2M", "client_id": ID, "client_secret": "s-0", "account_id": ".."}),
            "`authentication.account_id` must be an id",
        ),
        (
            json!({"auth_type": "AZURE_SERVICE_PRINCIPAL", "tenant_id": "..", "client_id": ID, "client_secret": "s-0"}),
            "`authentication.tenant_id` must be the id of a directory",
        ),
        (
            json!({"auth_type": "OAUTH_M2M", "client_id": ID, "client_secret": "s 0"}),
            "`authentication.client_secret` must be only a token",
        ),
        (json!({"auth_type": "WORKLOAD_IDENTITY"}), "`authentication.jwt_source` is missing: choose one of FILE"),
        (json!({"auth_type": "WORKLOAD_IDENTITY", "jwt_source": "FILE"}), "`authentication.jwt_file` is missing"),
        (
            json!({"auth_type": "WORKLOAD_IDENTITY", "jwt_source": "ENVIRONMENT"}),
            "`authentication.jwt_variable` is missing",
        ),
        (
            json!({"auth_type": "WORKLOAD_IDENTITY", "jwt_source": "ENVIRONMENT", "jwt_variable": "eyJ.x.y"}),
            "must be the name of a variable",
        ),
        (json!({"auth_type": "WORKLOAD_IDENTITY", "jwt_source": "COMMAND"}), "`authentication.jwt_command` is missing"),
        (
            json!({"auth_type": "WORKLOAD_IDENTITY", "jwt_source": "COMMAND", "jwt_command": "cat x"}),
            "`authentication.jwt_command` must be a list of strings",
        ),
        (json!({"auth_type": "OAUTH_U2M"}), "and so is `authentication.login_file`: run `destination-databricks login"),
        (
            json!({"auth_type": "OAUTH_U2M", "login_file": "/a", "refresh_token": "b"}),
            "and `authentication.login_file` are both set",
        ),
        (
            json!({"auth_type": "AZURE_MANAGED_IDENTITY", "workspace_resource_id": "123"}),
            "`authentication.workspace_resource_id` must be the workspace's id in Azure",
        ),
        (json!({"auth_type": "PROFILE"}), "`authentication.profile` is missing or empty"),
    ] {
        assert!(problem(&settings).contains(words), "{settings}: {}", problem(&settings));
    }
    let mut both: Value = serde_json::from_str(&config(&json!({"auth_type": "AZURE_MANAGED_IDENTITY"}))).expect("JSON");
    both["databricks_personal_access_token"] = json!("dapi-0123456789");
    let told = Config::from_json(&both.to_string()).expect_err("both").message().to_owned();
    assert!(told.contains("`databricks_personal_access_token` and `authentication` are both set"), "{told}");
}

#[test]
fn a_profile_is_read_only_where_it_is_named_and_only_for_its_own_host() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("profiles");
    let text = format!(
        "; a comment\n[DEFAULT]\nhost = https://abc.cloud.databricks.com/\ntoken = dapi-0123456789\n\n[m2m]\nHOST=abc.cloud.databricks.com\n\
         client_id = {ID}\nclient_secret=dose-0123456789\n[other]\nhost = https://other.cloud.databricks.com\ntoken = dapi-98765\n\
         [file]\nhost = abc.cloud.databricks.com\nauth_type = file-oidc\noidc_token_filepath = /run/token\nclient_id = {ID}\n\
         [cli]\nhost = abc.cloud.databricks.com\nauth_type = databricks-cli\n[empty]\nhost = abc.cloud.databricks.com\n\
         [nowhere]\ntoken = dapi-98765\n"
    );
    std::fs::write(&file, text).expect("written");
    let settings = |name: &str| json!({"auth_type": "PROFILE", "profile": name, "profile_file": file});
    assert_eq!(
        read(&settings("DEFAULT")).0,
        Authentication::token(Secret::new("dapi-0123456789"), TokenSetting::Profile)
    );
    let m2m = Authentication::ClientCredentials { client_id: ID.into(), client_secret: Secret::new("dose-0123456789") };
    assert_eq!(read(&settings("m2m")).0, m2m);
    let source = JwtSource::File("/run/token".into());
    let of_file = Authentication::WorkloadIdentity { client_id: Some(ID.into()), source, audience: None };
    assert_eq!(read(&settings("file")).0, of_file);
    for (name, words) in [
        ("other", "for another host than `databricks_server_hostname`"),
        ("cli", "run `destination-databricks login`"),
        ("nowhere", "names a profile without a `host`"),
        ("empty", "without a way to sign in that works here"),
        ("nobody", "names a profile that"),
    ] {
        let told = problem(&settings(name));
        assert!(told.contains(words) && !told.contains("98765"), "{name}: {told}");
    }
    let told = problem(&json!({"auth_type": "PROFILE", "profile": "x", "profile_file": "/nowhere"}));
    assert!(told.contains("leads to /nowhere, which cannot be read"), "{told}");
}
