//! The plans of configurations of each kind.

use serde_json::{Value, json};

use super::*;

const ID: &str = "6a1b2c3d-0000-4000-8000-000000000001";

fn config(storage: Value, authentication: Value) -> Config {
    let config = json!({
        "data_source": storage, "authentication": authentication, "database": "main", "schema": "shop",
        "databricks_server_hostname": "abc.cloud.databricks.com", "databricks_http_path": "/sql/1.0/warehouses/0123?o=77",
    });
    Config::from_json(&config.to_string()).expect("a configuration")
}

fn managed() -> Value {
    json!({"data_source_type": "MANAGED_TABLES_STORAGE"})
}

fn bucket() -> Value {
    json!({"data_source_type": "S3_STORAGE", "s3_bucket_name": "lake", "s3_bucket_path": "a/b"})
}

fn workload() -> Value {
    json!({"auth_type": "WORKLOAD_IDENTITY", "client_id": ID, "jwt_source": "ENVIRONMENT", "jwt_variable": "NOT_SET_HERE"})
}

fn plan_of(config: &Config, trusted: Trusted, tables: Option<&[(&str, &str)]>) -> Plan {
    let Engine::Databricks(settings) = &config.engine else { panic!("no Databricks") };
    let tables: Option<BTreeSet<(String, String)>> =
        tables.map(|tables| tables.iter().map(|(schema, name)| ((*schema).to_owned(), (*name).to_owned())).collect());
    let own = identifier(&config.schema);
    let schemas = tables.iter().flatten().map(|(schema, _)| schema.clone()).chain([own]).collect();
    let who = who(settings, &trusted);
    plan(&Facts { config, settings, who, trusted, schemas, tables }, Path::new("config.json"))
}

fn commands(steps: &[Step]) -> Vec<&str> {
    steps.iter().flat_map(|step| &step.commands).map(String::as_str).collect()
}

#[test]
fn a_workload_with_a_catalog_file_gets_exactly_what_its_streams_need() {
    let config = config(managed(), workload());
    let trusted = Trusted {
        issuer: Some("https://i.example".to_owned()),
        subject: Some("it's me".to_owned()),
        audiences: vec!["acme".to_owned()],
    };
    let plan = plan_of(&config, trusted, Some(&[("shop", "orders"), ("crm", "users")]));
    let all = commands(&plan.steps);
    let principal = format!("`{ID}`");
    for wanted in [
        "databricks account workspace-assignment update 77 <numeric id> --json '{\"permissions\":[\"USER\"]}'"
            .to_owned(),
        "databricks account service-principal-federation-policy create <numeric id> --json \
         '{\"oidc_policy\":{\"audiences\":[\"acme\"],\"issuer\":\"https://i.example\",\"subject\":\"it'\\''s me\"}}'"
            .to_owned(),
        format!(
            "databricks permissions update warehouses 0123 --json \
             '{{\"access_control_list\":[{{\"permission_level\":\"CAN_USE\",\"service_principal_name\":\"{ID}\"}}]}}'"
        ),
        "CREATE VOLUME IF NOT EXISTS `main`.`crm`.`airbyte_staging`".to_owned(),
        format!("GRANT USE CATALOG ON CATALOG `main` TO {principal}"),
        format!("GRANT USE SCHEMA, CREATE TABLE ON SCHEMA `main`.`crm` TO {principal}"),
        format!("GRANT READ VOLUME, WRITE VOLUME ON VOLUME `main`.`shop`.`airbyte_staging` TO {principal}"),
        format!("GRANT SELECT, MODIFY ON TABLE `main`.`shop`.`orders` TO {principal}"),
        "destination-databricks check --config config.json".to_owned(),
    ] {
        assert!(all.contains(&wanted.as_str()), "{wanted}\n{all:#?}");
    }
    let revoked = commands(&plan.revoke);
    for grant in all.iter().filter_map(|command| command.strip_prefix("GRANT ")) {
        let revoke = format!("REVOKE {}", grant.replace(" TO ", " FROM "));
        assert!(revoked.contains(&revoke.as_str()), "{revoke}");
    }
    assert!(
        revoked.contains(&"databricks account service-principal-federation-policy delete <numeric id> <policy id>")
    );
    assert!(!all.iter().any(|command| command.contains("CREATE SCHEMA ON")), "{all:#?}");
}

#[test]
fn what_is_not_known_is_asked_for_and_nothing_is_made_up() {
    let plan = plan_of(&config(bucket(), workload()), Trusted::default(), None);
    let unknown: BTreeSet<&str> = plan.steps.iter().flat_map(|step| &step.unknown).map(|one| one.placeholder).collect();
    let expected =
        ["<audience>", "<external location>", "<issuer>", "<numeric id>", "<storage credential>", "<subject>"];
    assert_eq!(unknown, expected.into());
    for step in plan.steps.iter().chain(&plan.revoke) {
        for (at, _) in
            step.commands.iter().flat_map(|command| command.match_indices('<').map(move |(at, _)| (&command[at..], at)))
        {
            let named = step.unknown.iter().any(|one| at.starts_with(one.placeholder));
            assert!(named, "{at} is not explained in {}", step.title);
        }
    }
    let all = commands(&plan.steps).join("\n");
    assert!(all.contains("CREATE EXTERNAL LOCATION IF NOT EXISTS `<external location>` URL 's3://lake/a/b'"), "{all}");
    assert!(all.contains("GRANT USE CATALOG, CREATE SCHEMA ON CATALOG `main`"), "{all}");
}

#[test]
fn a_policy_of_the_account_names_no_subject_and_its_users_are_granted_by_it() {
    let mut authentication = workload();
    authentication.as_object_mut().expect("an object").remove("client_id");
    let trusted = Trusted {
        issuer: Some("https://i.example".to_owned()),
        subject: Some("me@example.com".to_owned()),
        audiences: vec!["acme".to_owned()],
    };
    let all = plan_of(&config(managed(), authentication), trusted, None);
    let all = commands(&all.steps).join("\n");
    assert!(all.contains("databricks account federation-policy create --json"), "{all}");
    assert!(!all.contains("\"subject\"") && all.contains("TO `me@example.com`"), "{all}");
    assert!(all.contains("\"user_name\":\"me@example.com\""), "{all}");
}

#[test]
fn a_token_of_an_unknown_user_leaves_its_name_open_everywhere() {
    let plan = plan_of(
        &config(managed(), json!({"auth_type": "PERSONAL_ACCESS_TOKEN", "personal_access_token": "dapi-0123456789"})),
        Trusted::default(),
        None,
    );
    let all = commands(&plan.steps).join("\n");
    assert!(all.contains("TO `<user>`") && all.contains("\"user_name\":\"<user>\""), "{all}");
    assert!(!all.contains("dapi") && !plan.text().contains("dapi"), "{all}");
}

#[test]
fn the_plan_is_the_same_for_people_and_for_machines() {
    let plan = plan_of(&config(managed(), workload()), Trusted::default(), None);
    let value: Value = serde_json::from_str(&plan.json()).expect("JSON");
    let text = plan.text();
    for step in value["steps"].as_array().expect("steps").iter().chain(value["revoke"].as_array().expect("steps")) {
        assert!(text.contains(step["title"].as_str().expect("a title")));
        for command in step["commands"].as_array().expect("commands") {
            assert!(text.contains(command.as_str().expect("a command")), "{command}");
        }
    }
}
