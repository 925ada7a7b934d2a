//! Federation policies: what they trust, and what is said of a JWT with which no policy works.

use serde_json::json;

use super::cases::{self, Case};
use super::{as_json, case, printed, run};
use crate::program::Sandbox;

/// The command that creates the policy of `case`.
fn policy(case: &Case, arguments: &[&str]) -> String {
    let text = printed(case, arguments);
    text.lines().find(|line| line.contains("federation-policy create")).unwrap().to_owned()
}

/// The text of `case` and its JSON have `sentence`, or neither has.
fn says(case: &Case, sentence: &str) -> bool {
    let words: Vec<String> =
        printed(case, &[]).split_whitespace().filter(|word| *word != "#").map(str::to_owned).collect();
    let (in_text, in_json) =
        (words.join(" ").contains(sentence), as_json(case)["remarks"].to_string().replace('`', "").contains(sentence));
    assert_eq!(in_text, in_json, "{}: {sentence}", case.name);
    in_text
}

#[test]
fn the_policy_is_that_of_the_jwt_or_of_what_the_command_line_says() {
    let with_jwt = policy(&case("way_workload"), &[]);
    let case = case("way_workload_without_jwt");
    let sandbox = Sandbox::new();
    let file = sandbox.file("jwt", format!("{}\n", cases::jwt()));
    assert_eq!(policy(&case, &["--jwt", file.to_str().unwrap()]), with_jwt);
    let given =
        ["--issuer", "https://issuer.example", "--subject", "system:serviceaccount:lake:loader", "--audience", "acme"];
    let body = |policy: &str| policy.split_once(" --json ").unwrap().1.to_owned();
    assert_eq!(body(&policy(&case, &given)), body(&with_jwt).replace(r#","other""#, ""));
    let subject = policy(&case, &given[2..4]);
    assert!(
        subject.contains("<issuer>") && subject.contains("<audience>") && subject.contains("lake:loader"),
        "{subject}"
    );
    let wrong = sandbox.file("no-jwt", "dapi0123456789");
    let refused = run(&case.config, None, &["--jwt", wrong.to_str().unwrap()]);
    assert_eq!(refused.code, Some(1), "{refused:#?}");
    assert!(refused.stderr.contains("holds no JWT") && !refused.says("dapi0123456789"), "{refused:#?}");
}

#[test]
fn an_audience_counts_only_where_the_jwt_is_asked_for_by_it() {
    let mut case = case("way_workload");
    let of_jwt = policy(&case, &[]);
    let sentence = "authentication.audience or in a profile token_audience, has no effect";
    assert!(!says(&case, sentence));
    case.config["authentication"]["audience"] = json!("another");
    assert_eq!(policy(&case, &[]), of_jwt);
    assert!(says(&case, sentence));
    let checked = check(&case);
    assert!(checked.contains("`token_audience`, has no effect"), "{checked}");

    case.config["authentication"]["jwt_source"] = json!("GITHUB_ACTIONS");
    assert!(policy(&case, &[]).contains(r#""audiences":["another"]"#));
    assert!(!says(&case, sentence));
    assert!(!check(&case).contains("has no effect"));
}

/// What `check` logs and says with the configuration of `case`, whose workspace is not there.
fn check(case: &Case) -> String {
    let sandbox = Sandbox::new();
    let mut config = case.config.clone();
    config["databricks_server_hostname"] = json!("127.0.0.1");
    config["databricks_port"] = json!("9");
    sandbox.file("config.json", config.to_string());
    let mut command = crate::program::program();
    command.current_dir(sandbox.folder()).args(["check", "--config", "config.json"]);
    let run = crate::program::Living::start(&mut command).end();
    format!("{}\n{}", run.lines.join("\n"), run.stderr)
}

#[test]
fn a_jwt_with_an_algorithm_that_databricks_refuses_is_told() {
    let mut case = case("way_workload");
    for (algorithm, is_refused) in [("RS256", false), ("ES256", false), ("HS256", true), ("none", true)] {
        case.environment[0].1 = cases::jwt_of(algorithm, "s");
        assert_eq!(says(&case, "Databricks refuses it with every policy"), is_refused, "{algorithm}");
    }
}

#[test]
fn why_the_jwt_is_not_known_is_told() {
    let without = case("way_workload_without_jwt");
    assert!(says(&without, "The environment variable THE_JWT, which authentication.jwt_variable names, is not set"));
    assert!(!says(&case("way_workload"), "could not be read here"));
    let given = ["--issuer", "https://issuer.example", "--subject", "s", "--audience", "acme"];
    assert!(!printed(&without, &given).contains("could not be read here"));
}

#[test]
fn the_audience_that_a_sync_asks_for_is_known_where_the_jwt_is_not() {
    let mut case = case("way_workload_without_jwt");
    case.config["authentication"] = json!({
        "auth_type": "WORKLOAD_IDENTITY", "jwt_source": "GITHUB_ACTIONS", "client_id": "6a1b2c3d-0000-4000-8000-000000000001",
    });
    let of_host = r#""audiences":["https://abc-12345678-wxyz.cloud.databricks.com/oidc/v1/token"]"#;
    assert!(policy(&case, &[]).contains(of_host), "{}", policy(&case, &[]));
    let known = policy(&case, &["--subject", "repo:acme/lake:ref:refs/heads/main"]);
    assert!(known.contains("--policy-id destination-databricks-") && !known.contains("<audience>"), "{known}");
    case.config["authentication"]["account_id"] = json!("99999999-bbbb-cccc-dddd-eeeeeeeeeeee");
    assert!(policy(&case, &[]).contains(r#""audiences":["99999999-bbbb-cccc-dddd-eeeeeeeeeeee"]"#));
}

#[test]
fn an_empty_option_is_refused() {
    for option in ["--issuer", "--subject", "--audience"] {
        for empty in ["", "  "] {
            let refused = run(&case("way_workload_without_jwt").config, None, &[option, empty]);
            assert_eq!(refused.code, Some(1), "{refused:#?}");
            assert!(refused.stderr.contains(&format!("{option} is empty")), "{refused:#?}");
        }
    }
    let mut without_subject = case("way_workload");
    without_subject.environment[0].1 = cases::jwt_of("RS256", "");
    assert!(policy(&without_subject, &[]).contains(r#""subject":"<subject>""#));
}

#[test]
fn who_has_to_exist_for_a_policy_of_the_account_is_told() {
    let mut case = case("way_workload_of_all");
    let sentence = "rights are given to a user of exactly this name, who has to exist";
    for (subject, is_told) in [
        ("system:serviceaccount:lake:loader", true),
        ("repo:acme/lake:ref:refs/heads/main", true),
        ("me@example.com", false),
        ("6a1b2c3d-0000-4000-8000-000000000001", false),
    ] {
        case.environment[0].1 = cases::jwt_of("RS256", subject);
        assert_eq!(says(&case, sentence), is_told, "{subject}");
    }
    case.environment.clear();
    assert!(!says(&case, sentence));
}

#[test]
fn another_policy_has_another_id_and_the_same_one_the_same() {
    let id = |case: &Case, arguments: &[&str]| {
        let command = policy(case, arguments);
        command.split_once("--policy-id ").unwrap().1.split(' ').next().unwrap().to_owned()
    };
    for name in ["way_workload", "way_workload_of_all"] {
        let case = case(name);
        let ids = [id(&case, &[]), id(&case, &["--audience", "b"]), id(&case, &["--issuer", "https://b.example"])];
        let different: std::collections::BTreeSet<&String> = ids.iter().collect();
        assert_eq!(different.len(), ids.len(), "{ids:?}");
        assert_eq!(id(&case, &[]), ids[0]);
        let deleted = format!(" {} --profile", ids[0]);
        let text = printed(&case, &[]);
        assert!(
            text.lines().any(|line| line.contains("federation-policy delete") && line.contains(&deleted)),
            "{text}"
        );
    }
    let one = case("way_workload");
    assert_ne!(id(&one, &[]), id(&one, &["--subject", "another"]));
    // Two workloads whose JWTs are not at hand must not get the same one.
    assert_eq!(id(&case("way_workload_without_jwt"), &[]), "'<policy-id>'");
}
