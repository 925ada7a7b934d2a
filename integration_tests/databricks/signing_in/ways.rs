//! Every way to sign in loads the recorded messages of a source, with tokens that live five seconds, while a statement takes longer than
//! that. One of each kind runs always, the others with `--include-ignored`.

use std::path::PathBuf;

use serde_json::{Value, json};

use super::{given, new_id, principal, sign_in};
use crate::browser::{Login, get};
use crate::conformance::assert_landed;
use crate::place::Place;
use crate::program::Sandbox;
use crate::recorded::{read, shared_data};
use crate::stand_in::stand_in;

/// Makes a test of each way; those behind `others` are ignored.
macro_rules! each {
    ($($way:ident),+; others: $($other:ident),+ $(,)?) => {
        mod each_way_loads_the_faker_source_with_tokens_of_five_seconds {
            $(#[test]
            fn $way() {
                super::loads(stringify!($way), super::$way);
            })+
            $(#[test]
            #[ignore = "there is time for one of each kind"]
            fn $other() {
                super::loads(stringify!($other), super::$other);
            })+
        }
    };
}

each!(
    workload_with_a_file, user_with_a_refresh_token_in_the_configuration;
    others: secret_of_a_service_principal, secret_at_the_account, workload_with_a_variable, workload_with_a_command,
    workload_in_github_actions, workload_in_azure_devops, workload_by_a_policy_of_the_account, application_of_entra,
    application_of_entra_that_azure_vouches_for, managed_identity, managed_identity_that_azure_vouches_for,
    user_who_has_logged_in_with_a_browser, user_of_a_confidential_application, profile_with_a_secret,
);

const RESOURCE: &str = "/subscriptions/0/resourceGroups/g/providers/Microsoft.Databricks/workspaces/w";

/// What a way to sign in needs.
struct Way {
    /// The setting.
    authentication: Value,
    /// Who the authorization server has to know.
    principal: Value,
    environment: Vec<(&'static str, String)>,
    /// What is done before the sync.
    before: fn(&Bed),
}

impl Way {
    fn new(authentication: Value, principal: Value) -> Self {
        Self { authentication, principal, environment: Vec::new(), before: |_| () }
    }

    fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.environment.push((name, value.into()));
        self
    }
}

/// Where somebody signs in.
struct Bed<'a> {
    /// The id of the principal.
    id: String,
    address: String,
    place: &'a Place,
    folder: PathBuf,
}

impl Bed<'_> {
    fn file(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.folder.join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    /// A JWT of this bed's workload.
    fn jwt(&self, algorithm: &str) -> String {
        let claims = json!({"sub": self.id, "aud": "acme", "algorithm": algorithm});
        stand_in().control("POST", "authority/jwt", &claims)["jwt"].as_str().unwrap().to_owned()
    }

    fn login_file(&self) -> PathBuf {
        self.folder.join("login/of_the_user.json")
    }

    /// A workload identity whose JWTs have this subject and audience.
    fn workload(&self, source: Value, subject: &str, audience: &str) -> Way {
        let mut authentication = json!({"auth_type": "WORKLOAD_IDENTITY", "client_id": self.id});
        authentication.as_object_mut().unwrap().extend(source.as_object().unwrap().clone());
        Way::new(authentication, policy(subject, audience))
    }
}

fn policy(subject: &str, audience: &str) -> Value {
    json!({"policy": {"issuer": "https://idp.example.com", "subject": subject, "audiences": [audience]}})
}

fn loads(name: &str, way: fn(&Bed) -> Way) {
    let Some(folder) = shared_data(name) else { return };
    let folder = folder.join("faker");
    let (streams, messages) = (read(&folder, "catalog.json"), read(&folder, "messages.jsonl"));
    let streams: Value = serde_json::from_str(&streams).unwrap();
    let mut sandbox = Sandbox::new();
    let id = new_id();
    let bed = Bed {
        id: id.clone(),
        address: format!("http://127.0.0.1:{}", stand_in().port()),
        place: sandbox.place(),
        folder: sandbox.folder().to_owned(),
    };
    let Way { authentication, principal: mut settings, environment, before } = way(&bed);
    settings["lives"] = json!(5);
    principal(&id, sandbox.place(), settings);
    before(&bed);
    // Whoever has signed in was given tokens for it.
    let earlier = given(&id);
    sign_in(&mut sandbox, &authentication);
    for (name, value) in environment {
        sandbox.set_environment(name, &value);
    }
    sandbox.place().goes_wrong(json!([{"action": "hold", "statement": "^(MERGE|COPY)", "value": 6, "times": 1}]));
    let run = sandbox.load(&streams, &messages);
    assert_landed(&sandbox, &run, &messages, 1);
    let tokens = given(&id) - earlier;
    assert!(tokens >= 2, "{name}: {tokens} tokens");
    // Each refresh token that is good for once is given to the platform.
    let controls = run.messages().iter().filter(|message| message["type"] == "CONTROL").count();
    let expected = if authentication["refresh_token"].is_string() { usize::try_from(tokens).unwrap() } else { 0 };
    assert_eq!(controls, expected, "{name}");
}

fn secret_of_a_service_principal(bed: &Bed) -> Way {
    let authentication = json!({"auth_type": "OAUTH_M2M", "client_id": bed.id, "client_secret": "dose-0123456789"});
    Way::new(authentication, json!({"secret": "dose-0123456789"}))
}

fn secret_at_the_account(bed: &Bed) -> Way {
    let mut way = secret_of_a_service_principal(bed);
    way.authentication["account_id"] = json!("0000-account");
    way.authentication["account_host"] = json!(bed.address);
    way
}

fn workload_with_a_file(bed: &Bed) -> Way {
    let file = bed.file("jwt", format!("{}\n", bed.jwt("RS256")));
    bed.workload(json!({"jwt_source": "FILE", "jwt_file": file}), &bed.id, "acme")
}

fn workload_with_a_variable(bed: &Bed) -> Way {
    let source = json!({"jwt_source": "ENVIRONMENT", "jwt_variable": "THE_JWT"});
    bed.workload(source, &bed.id, "acme").with("THE_JWT", bed.jwt("ES256"))
}

fn workload_with_a_command(bed: &Bed) -> Way {
    let file = bed.file("jwt", bed.jwt("RS256"));
    bed.workload(json!({"jwt_source": "COMMAND", "jwt_command": ["cat", file]}), &bed.id, "acme")
}

fn workload_in_github_actions(bed: &Bed) -> Way {
    bed.workload(json!({"jwt_source": "GITHUB_ACTIONS", "audience": "acme"}), "repo:acme/lake", "acme")
        .with("ACTIONS_ID_TOKEN_REQUEST_URL", format!("{}/github/token?api-version=2.0", bed.address))
        .with("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "token-of-the-job")
}

fn workload_in_azure_devops(bed: &Bed) -> Way {
    bed.workload(json!({"jwt_source": "AZURE_DEVOPS"}), "sc://acme/lake", "api://AzureADTokenExchange")
        .with("SYSTEM_ACCESSTOKEN", "token-of-the-job")
        .with("SYSTEM_TEAMFOUNDATIONCOLLECTIONURI", format!("{}/devops/acme/", bed.address))
        .with("SYSTEM_TEAMPROJECTID", "p")
        .with("SYSTEM_PLANID", "l")
        .with("SYSTEM_JOBID", "j")
        .with("SYSTEM_HOSTTYPE", "build")
}

fn workload_by_a_policy_of_the_account(bed: &Bed) -> Way {
    let mut way = workload_with_a_file(bed);
    way.authentication.as_object_mut().unwrap().remove("client_id");
    way.principal["policy"]["of_account"] = json!(true);
    way
}

fn application_of_entra(bed: &Bed) -> Way {
    let authentication = json!({"auth_type": "AZURE_SERVICE_PRINCIPAL", "tenant_id": "contoso", "client_id": bed.id,
        "client_secret": "entra-0123456789"});
    Way::new(authentication, json!({"secret": "entra-0123456789", "tenant": "contoso"}))
        .with("AZURE_AUTHORITY_HOST", format!("{}/entra", bed.address))
}

fn managed_identity(bed: &Bed) -> Way {
    Way::new(json!({"auth_type": "AZURE_MANAGED_IDENTITY", "client_id": bed.id}), json!({}))
        .with("IDENTITY_ENDPOINT", format!("{}/metadata/identity/oauth2/token", bed.address))
}

/// The same for a principal that is not yet a user of the workspace.
fn vouched_for(mut way: Way) -> Way {
    way.authentication["workspace_resource_id"] = json!(RESOURCE);
    way.principal["is_user"] = json!(false);
    way.principal["resource_id"] = json!(RESOURCE);
    way
}

fn application_of_entra_that_azure_vouches_for(bed: &Bed) -> Way {
    vouched_for(application_of_entra(bed))
}

fn managed_identity_that_azure_vouches_for(bed: &Bed) -> Way {
    vouched_for(managed_identity(bed))
}

/// An application whose refresh tokens are good for once.
fn application_for_users() -> Value {
    json!({"redirects": ["http://localhost"], "single_use": true})
}

fn user_with_a_refresh_token_in_the_configuration(bed: &Bed) -> Way {
    let known = principal(&bed.id, bed.place, application_for_users());
    let authentication =
        json!({"auth_type": "OAUTH_U2M", "client_id": bed.id, "refresh_token": known["refresh_token"]});
    Way::new(authentication, application_for_users())
}

fn user_who_has_logged_in_with_a_browser(bed: &Bed) -> Way {
    let way = Way::new(json!({"auth_type": "OAUTH_U2M", "login_file": bed.login_file()}), application_for_users());
    Way { before: |bed| log_in(bed, &[]), ..way }
}

fn user_of_a_confidential_application(bed: &Bed) -> Way {
    let mut way = user_who_has_logged_in_with_a_browser(bed);
    way.authentication["client_secret"] = json!("confidential-0123456789");
    way.principal["secret"] = json!("confidential-0123456789");
    let before = |bed: &Bed| {
        let file = bed.file("secret", "confidential-0123456789\n");
        log_in(bed, &["--client-secret-file", file.to_str().unwrap()]);
    };
    Way { before, ..way }
}

/// A user signs in with a browser, which follows the redirections.
fn log_in(bed: &Bed, more: &[&str]) {
    let arguments = [&["--client-id", bed.id.as_str()], more].concat();
    let login = Login::start(&bed.address, &bed.login_file(), &arguments);
    let (_, back, _) = get(&login.address);
    assert_eq!(get(&back.unwrap()).0, 200);
    let (code, said) = login.end();
    assert!(code == Some(0) && said.contains("me@example.com"), "{said}");
}

fn profile_with_a_secret(bed: &Bed) -> Way {
    let text = format!(
        "[DEFAULT]\nhost = https://other.cloud.databricks.com\ntoken = dapi-of-nobody\n\n[lake]\nhost = {}\nclient_id = {}\n\
         client_secret = dose-0123456789\n",
        bed.address, bed.id
    );
    let file = bed.file("databrickscfg", text);
    let authentication = json!({"auth_type": "PROFILE", "profile": "lake", "profile_file": file});
    Way::new(authentication, json!({"secret": "dose-0123456789"}))
}
