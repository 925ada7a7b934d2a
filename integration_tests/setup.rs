//! `setup`: what it prints for each kind of configuration, as golden files; everything that it prints is pasted into a recorder that
//! accepts only what the documentation of Databricks, AWS and Azure has.

mod cases;
mod cli;
mod command;
mod hostile;
mod pasted;
mod principals;
mod recorder;
mod refusals;
mod rights;
mod sql;
mod undone;
mod workloads;
mod world;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use self::cases::{Case, cases};
use self::recorder::Recorder;
use crate::program::{Living, Run, Sandbox, program};
use crate::signing_in::secrets::forms;

/// What a token in a configuration looks like: in no output.
const SECRETS: [&str; 4] = [cases::TOKEN, cases::KEY, cases::SIGNATURE, cases::CLIENT_SECRET];

/// The case with this name.
fn case(name: &str) -> Case {
    cases().into_iter().find(|case| case.name == name).unwrap()
}

/// Runs `setup` on `config` in a folder of its own.
fn run(config: &Value, catalog: Option<&Value>, arguments: &[&str]) -> Run {
    run_in(&[], config, catalog, arguments)
}

fn run_in(environment: &[(&str, String)], config: &Value, catalog: Option<&Value>, arguments: &[&str]) -> Run {
    let sandbox = Sandbox::new();
    sandbox.file("config.json", config.to_string());
    let mut command = program();
    command.envs(environment.iter().map(|(name, value)| (name, value)));
    command.current_dir(sandbox.folder()).args(["setup", "--config", "config.json"]).args(arguments);
    if let Some(catalog) = catalog {
        sandbox.file("catalog.json", catalog.to_string());
        command.args(["--catalog", "catalog.json"]);
    }
    Living::start(&mut command).end()
}

fn printed(case: &Case, arguments: &[&str]) -> String {
    let run = run_in(&case.environment, &case.config, case.catalog.as_ref(), arguments);
    assert_eq!((run.code, run.stderr.as_str()), (Some(0), ""), "{}: {run:#?}", case.name);
    for form in SECRETS.iter().flat_map(|secret| forms(secret)) {
        assert!(!run.says(&form), "{}: {form} is told", case.name);
    }
    assert!(!run.says("eyJ"), "{}: a JWT is told", case.name);
    run.lines.join("\n")
}

fn as_json(case: &Case) -> Value {
    serde_json::from_str(&printed(case, &["--json"])).unwrap()
}

/// Compares `text` with the golden file `name`; what is right is written to a folder of its own.
fn differs(name: &str, text: &str) -> Option<String> {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("integration_tests/setup/golden").join(name);
    let found = std::fs::read_to_string(&golden).unwrap_or_default();
    if found.trim_end() == text {
        return None;
    }
    let right: PathBuf = std::env::temp_dir().join("destination-databricks-golden-setup");
    std::fs::create_dir_all(&right).unwrap();
    std::fs::write(right.join(name), format!("{text}\n")).unwrap();
    Some(format!("{} is another text; the right one is in {}", golden.display(), right.display()))
}

#[test]
fn what_is_printed_reads_as_its_golden_file() {
    let mut wrong: Vec<String> = Vec::new();
    for case in cases() {
        wrong.extend(differs(&format!("{}.txt", case.name), &printed(&case, &[])));
        if case.has_json {
            wrong.extend(differs(&format!("{}.json", case.name), &printed(&case, &["--json"])));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn all_that_is_printed_can_be_pasted_and_taken_back() {
    for case in cases() {
        let plan = as_json(&case);
        let values = pasted::values(&plan);
        let mut recorder = Recorder::new(&case);
        // As a person does who pastes everything and reads no comment.
        let text = pasted::filled(&printed(&case, &[]), &values);
        for line in pasted::statements(&text) {
            recorder.accept(&line).unwrap_or_else(|why| panic!("{}: {line}\n{why}", case.name));
        }
        assert_eq!(recorder.rights(), case.rights(), "{}: other rights are given than a sync needs", case.name);
        assert!(recorder.has_checked(), "{}: nothing is tried out", case.name);

        // The same is in the JSON, and all that it takes back is behind the sign of a comment in the text.
        let steps = plan["steps"].as_array().unwrap();
        let always = steps.iter().filter(|step| step["only_if"].is_null());
        let run: Vec<String> = always.flat_map(|step| pasted::texts(&step["run"])).collect();
        let run: Vec<String> = run.iter().map(|statement| pasted::filled(statement, &values)).collect();
        assert_eq!(pasted::statements(&text), run, "{}", case.name);
        for part in plan["revoke"].as_array().unwrap() {
            let step = &steps[part["step"].as_u64().unwrap() as usize - 1];
            for statement in pasted::texts(&part["run"]) {
                let statement = pasted::filled(&statement, &values);
                assert!(pasted::is_commented(&text, &statement), "{}: {statement} is not in the text", case.name);
                if step["only_if"].is_null() {
                    recorder.accept(&statement).unwrap_or_else(|why| panic!("{}: {statement}\n{why}", case.name));
                }
            }
        }
        assert_eq!(recorder.rights(), Vec::<String>::new(), "{}: rights stay", case.name);
    }
}

#[test]
fn what_is_run_only_in_some_cases_can_be_pasted_where_the_tables_exist() {
    let mut count = 0;
    for case in cases() {
        let plan = as_json(&case);
        let values = pasted::values(&plan);
        let text = pasted::filled(&printed(&case, &[]), &values);
        let mut recorder = Recorder::new(&case);
        recorder.make_tables(&case);
        let steps = plan["steps"].as_array().unwrap();
        for statement in steps.iter().flat_map(|step| pasted::texts(&step["run"])) {
            let statement = pasted::filled(&statement, &values);
            recorder.accept(&statement).unwrap_or_else(|why| panic!("{}: {statement}\n{why}", case.name));
        }
        for step in steps.iter().filter(|step| !step["only_if"].is_null()) {
            for statement in pasted::texts(&step["run"]) {
                assert!(
                    pasted::is_commented(&text, &pasted::filled(&statement, &values)),
                    "{}: {statement}",
                    case.name
                );
                count += 1;
            }
        }
        for statement in plan["revoke"].as_array().unwrap().iter().flat_map(|part| pasted::texts(&part["run"])) {
            let statement = pasted::filled(&statement, &values);
            recorder.accept(&statement).unwrap_or_else(|why| panic!("{}: {statement}\n{why}", case.name));
        }
        assert_eq!(recorder.rights(), Vec::<String>::new(), "{}: rights stay", case.name);
    }
    assert!(count > 10, "only {count} such statements");
}

#[test]
fn every_place_is_explained_and_every_explained_place_is_used() {
    for case in cases() {
        let plan = as_json(&case);
        let used = pasted::places(&format!("{}{}", plan["steps"], plan["revoke"]));
        let explained: BTreeSet<String> = plan["placeholders"]
            .as_array()
            .unwrap()
            .iter()
            .map(|place| place["name"].as_str().unwrap().to_owned())
            .collect();
        assert_eq!(used, explained, "{}", case.name);
    }
}

#[test]
fn a_configuration_or_catalog_that_is_wrong_is_refused_as_for_a_sync() {
    let local = json!({"data_source": {"data_source_type": "LOCAL_STORAGE", "local_path": ""}});
    let refused = run(&local, None, &[]);
    assert_eq!(refused.code, Some(1), "{refused:#?}");
    assert!(refused.stderr.contains("data_source.local_path"), "{refused:#?}");
    let case = cases().into_iter().next().unwrap();
    let refused = run(&case.config, Some(&json!({"streams": []})), &[]);
    assert_eq!(refused.code, Some(1), "{refused:#?}");
    assert!(refused.stderr.contains("The catalog has no streams"), "{refused:#?}");
}

#[test]
fn an_unknown_field_is_told_in_a_comment() {
    let mut case = cases().into_iter().next().unwrap();
    case.config["shema"] = json!("x");
    assert!(printed(&case, &[]).contains("unknown field shema"));
    assert!(as_json(&case)["remarks"].to_string().contains("unknown field shema"));
}
