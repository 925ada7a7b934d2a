//! `setup`: all that it prints is pasted into a recorder, which takes only what the documentation of Databricks allows.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::{Value, json};

use super::workspace::{ID, SECRET, claims, jwt};
use crate::messages::append;
use crate::program::{Run, Sandbox};

/// The words of a shell command; quotes are those that shells know.
fn words(command: &str) -> Vec<String> {
    let (mut words, mut word, mut is_quoted, mut signs) = (Vec::new(), None, false, command.chars());
    while let Some(sign) = signs.next() {
        match sign {
            '\'' => {
                is_quoted = !is_quoted;
                word.get_or_insert_with(String::new);
            }
            _ if is_quoted => word.get_or_insert_with(String::new).push(sign),
            '\\' => word.get_or_insert_with(String::new).push(signs.next().expect("a sign behind the backslash")),
            ' ' => words.extend(word.take()),
            _ => {
                assert!(!"$`\"&|;<>()*?#~".contains(sign), "{sign} is no plain sign in {command}");
                word.get_or_insert_with(String::new).push(sign);
            }
        }
    }
    assert!(!is_quoted, "{command}");
    words.extend(word);
    words
}

/// What a command of the CLI is, with its arguments; `--json`: what keys its JSON has.
/// Source: <https://docs.databricks.com/dev-tools/cli/reference/>.
const COMMANDS: [(&[&str], usize, &[&str]); 13] = [
    (&["account", "service-principals", "list"], 0, &[]),
    (&["account", "service-principals", "create"], 0, &["applicationId"]),
    (&["account", "workspace-assignment", "update"], 2, &["permissions"]),
    (&["account", "workspace-assignment", "delete"], 2, &[]),
    (&["service-principals", "patch"], 1, &["schemas", "Operations"]),
    (&["account", "service-principal-federation-policy", "create"], 1, &["oidc_policy"]),
    (&["account", "service-principal-federation-policy", "list"], 1, &[]),
    (&["account", "service-principal-federation-policy", "delete"], 2, &[]),
    (&["account", "federation-policy", "create"], 0, &["oidc_policy"]),
    (&["account", "federation-policy", "list"], 0, &[]),
    (&["account", "federation-policy", "delete"], 1, &[]),
    (&["permissions", "update"], 2, &["access_control_list"]),
    (&["permissions", "set"], 2, &["access_control_list"]),
];
const PRIVILEGES: [(&str, &[&str]); 7] = [
    ("CATALOG", &["USE CATALOG", "CREATE SCHEMA", "USAGE"]),
    ("SCHEMA", &["USE SCHEMA", "CREATE TABLE", "CREATE VOLUME", "USAGE", "CREATE"]),
    ("TABLE", &["SELECT", "MODIFY"]),
    ("VOLUME", &["READ VOLUME", "WRITE VOLUME"]),
    ("EXTERNAL LOCATION", &["CREATE EXTERNAL TABLE", "READ FILES", "WRITE FILES"]),
    ("ANY FILE", &["SELECT", "MODIFY"]),
    ("WAREHOUSE", &[]),
];

/// Takes a shell command, or panics.
fn record_shell(command: &str) {
    let words = words(command);
    let (program, words) = words.split_first().unwrap();
    if program == "destination-databricks" {
        assert!(matches!(words[0].as_str(), "check" | "login" | "logout"), "{command}");
        return;
    }
    assert_eq!(program, "databricks", "{command}");
    if words[..2] == ["permissions", "get"] {
        return assert_eq!(words.len(), 4, "{command}");
    }
    let (_, arguments, keys) = COMMANDS
        .iter()
        .find(|(name, ..)| words.len() >= name.len() && words.iter().zip(*name).all(|(word, known)| word == known))
        .unwrap_or_else(|| panic!("no such command: {command}"));
    let start = COMMANDS
        .iter()
        .filter(|(name, ..)| words.iter().zip(*name).all(|(word, known)| word == known))
        .map(|(name, ..)| name.len())
        .max()
        .unwrap();
    let rest = &words[start..];
    let positional = rest.iter().take_while(|word| !word.starts_with("--")).count();
    assert_eq!(positional, *arguments, "{command}");
    if rest
        .first()
        .is_some_and(|_| words[1] == "service-principal-federation-policy" || words[1] == "workspace-assignment")
    {
        // The numeric id, never the application id.
        assert!(rest[..positional.min(1)].iter().all(|id| id.parse::<u64>().is_ok()), "{command}");
    }
    let json = rest
        .iter()
        .position(|word| word == "--json")
        .map(|at| serde_json::from_str::<Value>(&rest[at + 1]).expect(command));
    let found: BTreeSet<&str> =
        json.iter().flat_map(|json| json.as_object().unwrap().keys()).map(String::as_str).collect();
    assert_eq!(found, keys.iter().copied().collect(), "{command}");
    if let Some(policy) = json.as_ref().and_then(|json| json.get("oidc_policy")) {
        let known = ["issuer", "audiences", "subject"];
        assert!(policy.as_object().unwrap().keys().all(|key| known.contains(&key.as_str())), "{command}");
        assert!(policy["issuer"].is_string(), "{command}");
        assert_eq!(policy["subject"].is_string(), words[1].starts_with("service-principal-"), "{command}");
    }
    if let Some(entries) = json.as_ref().and_then(|json| json.get("access_control_list")) {
        for entry in entries.as_array().unwrap() {
            let level = if rest[0] == "warehouses" { "CAN_USE" } else { "CAN_RESTART" };
            assert_eq!(entry["permission_level"], level, "{command}");
            assert!(entry["user_name"].is_string() != entry["service_principal_name"].is_string(), "{command}");
        }
    }
}

/// Takes a statement, or panics.
fn record_sql(statement: &str) {
    assert!(statement.ends_with(';') && !statement[..statement.len() - 1].contains(';'), "{statement}");
    let statement = statement.trim_end_matches(';');
    for (verb, to) in [("GRANT ", " TO "), ("REVOKE ", " FROM ")] {
        if let Some(rest) = statement.strip_prefix(verb) {
            let (privileges, rest) = rest.split_once(" ON ").expect(statement);
            let (on, principal) = rest.rsplit_once(to).expect(statement);
            let (kind, known) = PRIVILEGES.iter().find(|(kind, _)| on.starts_with(kind)).expect(statement);
            assert!(privileges.split(", ").all(|privilege| known.contains(&privilege)), "{statement}");
            assert!(*kind == "ANY FILE" || on[kind.len()..].starts_with(" `") && on.ends_with('`'), "{statement}");
            return assert!(
                principal.starts_with('`') && principal.ends_with('`') && principal.len() > 2,
                "{statement}"
            );
        }
    }
    let starts =
        ["CREATE SCHEMA IF NOT EXISTS `", "CREATE VOLUME IF NOT EXISTS `", "CREATE EXTERNAL LOCATION IF NOT EXISTS `"];
    let is_location = statement.contains(" URL '") && statement.contains("' WITH (STORAGE CREDENTIAL `");
    assert!(
        statement == "SHOW EXTERNAL LOCATIONS" || starts.iter().any(|start| statement.starts_with(start)),
        "{statement}"
    );
    assert_eq!(is_location, statement.starts_with(starts[2]), "{statement}");
}

/// Everything that a plan prints, with its placeholders filled in, is taken. `text` and `json` are the same plan.
fn record(text: &str, json: &Value) {
    let mut recorded = 0;
    let mut language = "";
    let filled = fill(text, json);
    for line in filled.lines().filter(|line| !line.is_empty()) {
        if line.starts_with("# ") || line.starts_with("-- ") {
            language = if line.starts_with('#') { "shell" } else { "sql" };
            continue;
        }
        recorded += 1;
        if language == "sql" { record_sql(line) } else { record_shell(line) }
    }
    let steps = json["steps"].as_array().unwrap().iter().chain(json["revoke"].as_array().unwrap());
    let commands: usize = steps.map(|step| step["commands"].as_array().unwrap().len()).sum();
    assert!(recorded == commands && commands > 6, "{recorded} of {commands}");
}

fn fill(text: &str, json: &Value) -> String {
    let mut text = text.to_owned();
    for step in json["steps"].as_array().unwrap().iter().chain(json["revoke"].as_array().unwrap()) {
        for one in step["fill_in"].as_array().unwrap() {
            let placeholder = one["placeholder"].as_str().unwrap();
            let value = match placeholder {
                "<numeric id>" | "<workspace id>" => "1234567890",
                "<all other entries>" => "",
                _ => "filled-in",
            };
            assert!(!one["how_to_find"].as_str().unwrap().is_empty());
            text = text.replace(&format!("Fill in {placeholder}"), "Fill in").replace(placeholder, value);
        }
    }
    let commands = || text.lines().filter(|line| !line.starts_with("# ") && !line.starts_with("-- "));
    assert!(commands().all(|line| !line.contains('<')), "{text}");
    text
}

fn run(config: &Path, more: &[&str], environment: &[(&str, &str)]) -> Run {
    let mut command = crate::program::program();
    command.args(["setup", "--config"]).arg(config).args(more).envs(environment.iter().copied());
    crate::program::Living::start(&mut command).end()
}

fn storages() -> Vec<Value> {
    vec![
        json!({"data_source_type": "MANAGED_TABLES_STORAGE"}),
        json!({"data_source_type": "MANAGED_TABLES_STORAGE", "staging_volume": "other.loading.files"}),
        json!({"data_source_type": "S3_STORAGE", "s3_bucket_name": "lake", "s3_bucket_path": "a/b", "s3_bucket_region": "eu-west-1"}),
        json!({"data_source_type": "AZURE_BLOB_STORAGE", "azure_blob_storage_account_name": "lake",
            "azure_blob_storage_container_name": "tables", "azure_blob_storage_sas_token": "sv=1&sp=rl&sig=CANARY0123456789"}),
    ]
}

fn ways() -> Vec<Value> {
    vec![
        json!({"auth_type": "PERSONAL_ACCESS_TOKEN", "personal_access_token": SECRET}),
        json!({"auth_type": "OAUTH_M2M", "client_id": ID, "client_secret": SECRET}),
        json!({"auth_type": "WORKLOAD_IDENTITY", "client_id": ID, "jwt_source": "ENVIRONMENT", "jwt_variable": "THE_JWT"}),
        json!({"auth_type": "WORKLOAD_IDENTITY", "jwt_source": "ENVIRONMENT", "jwt_variable": "THE_JWT"}),
        json!({"auth_type": "AZURE_SERVICE_PRINCIPAL", "tenant_id": "t", "client_id": ID, "client_secret": SECRET}),
        json!({"auth_type": "AZURE_MANAGED_IDENTITY", "client_id": ID}),
        json!({"auth_type": "OAUTH_U2M", "refresh_token": SECRET}),
    ]
}

#[test]
fn everything_that_is_printed_can_be_pasted() {
    let sandbox = Sandbox::new();
    let catalog = sandbox.file("catalog.json", append(&["orders", "my users"]).to_string());
    let jwt = jwt("RS256", &claims());
    for storage in storages() {
        for authentication in ways() {
            for (path, with_catalog) in
                [("/sql/1.0/warehouses/abc123", true), ("sql/protocolv1/o/77/0101-000000-abc", false)]
            {
                let config = json!({
                    "data_source": storage, "authentication": authentication, "database": "main", "schema": "my shop",
                    "databricks_server_hostname": "abc.cloud.databricks.com", "databricks_http_path": path,
                });
                let config = sandbox.file("config.json", config.to_string());
                let catalog = ["--catalog", catalog.to_str().unwrap()];
                let more: &[&str] = if with_catalog { &catalog } else { &[] };
                let environment = [("THE_JWT", jwt.as_str())];
                let text = run(&config, more, &environment);
                let json = run(&config, &[more, &["--json"]].concat(), &environment);
                assert!(text.code == Some(0) && json.code == Some(0), "{text:#?}");
                let plan: Value = serde_json::from_str(&json.lines.join("\n")).unwrap();
                record(&text.lines.join("\n"), &plan);
                assert!([&text, &json].iter().all(|run| !run.says("CANARY") && !run.says("eyJ")), "{text:#?}");
                let of_tables =
                    text.lines.iter().filter(|line| line.contains(" ON TABLE `main`.`my_shop`.`my_users` ")).count();
                assert_eq!(of_tables, if with_catalog { 2 } else { 0 }, "{text:#?}");
                assert_eq!(text.says("CREATE SCHEMA ON CATALOG"), !with_catalog, "{text:#?}");
            }
        }
    }
}

#[test]
fn the_policy_is_that_of_the_jwt_at_hand_or_of_what_is_given() {
    let sandbox = Sandbox::new();
    let config = json!({
        "data_source": storages()[0], "database": "main", "authentication": ways()[2],
        "databricks_server_hostname": "abc.cloud.databricks.com", "databricks_http_path": "/sql/1.0/warehouses/abc?o=77",
    });
    let config = sandbox.file("config.json", config.to_string());
    let jwt = jwt("RS256", &claims());
    let policy = "'{\"oidc_policy\":{\"audiences\":[\"acme\"],\"issuer\":\"https://issuer.example\",\"subject\":\"system:serviceaccount:lake:loader\"}}'";
    assert!(run(&config, &[], &[("THE_JWT", &jwt)]).says(policy));
    let file = sandbox.file("jwt", &jwt);
    assert!(run(&config, &["--jwt", file.to_str().unwrap()], &[]).says(policy));
    let given =
        ["--issuer", "https://issuer.example", "--subject", "system:serviceaccount:lake:loader", "--audience", "acme"];
    assert!(run(&config, &given, &[]).says(policy));
    let unknown = run(&config, &[], &[]);
    assert!(
        unknown.says("Fill in <issuer>") && unknown.says("Fill in <subject>") && unknown.says("Fill in <audience>")
    );
}

#[test]
fn a_configuration_that_needs_nothing_or_is_wrong_is_told_so() {
    let sandbox = Sandbox::new();
    let local = json!({"data_source": {"data_source_type": "LOCAL_STORAGE", "local_path": "/tmp/x"}});
    for (config, words) in
        [(local.to_string(), "there is nothing to set up"), ("{}".to_owned(), "`data_source` is missing")]
    {
        let told = run(&sandbox.file("config.json", config), &[], &[]);
        assert!(told.code == Some(1) && told.stderr.contains(words) && told.lines.is_empty(), "{told:#?}");
    }
}
