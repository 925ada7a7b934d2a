//! What takes everything back: in an order in which no refusal leaves a right, and never what somebody else has made.

use serde_json::Value;

use super::cases::cases;
use super::recorder::Recorder;
use super::{as_json, case, pasted, printed};

fn parts(plan: &Value) -> Vec<(Value, String)> {
    let all = plan["revoke"].as_array().unwrap();
    all.iter().flat_map(|part| pasted::texts(&part["run"]).into_iter().map(|run| (part.clone(), run))).collect()
}

#[test]
fn rights_are_taken_back_before_anything_is_removed() {
    let mut count = 0;
    for case in cases() {
        let plan = as_json(&case);
        let all = parts(&plan);
        let last_revoke = all.iter().rposition(|(_, run)| run.starts_with("REVOKE ")).unwrap_or(0);
        let first_removal = all.iter().position(|(part, _)| part["removes"] == true).unwrap_or(all.len());
        assert!(last_revoke <= first_removal, "{}", case.name);
        for (part, run) in &all {
            let is_object = run.starts_with("DROP ")
                || ["service-principals delete", "storage-credentials delete", "instance-profiles remove"]
                    .iter()
                    .any(|verb| run.contains(verb));
            assert_eq!(part["removes"], is_object, "{}: {run}", case.name);
            // It may have been there before, and somebody else may use it.
            if is_object {
                assert!(part["only_if"].is_string(), "{}: {run}", case.name);
                count += 1;
            }
        }
        // The text has the same order, with the removals in a block of their own.
        let text = printed(&case, &[]);
        let lines: Vec<&str> = text.lines().collect();
        let mut at =
            lines.len() - lines.iter().rev().take_while(|line| !line.contains("destination-databricks check")).count();
        for (part, run) in &all {
            let found = lines[at..].iter().position(|line| pasted::is_commented(line, run));
            at += found.unwrap_or_else(|| panic!("{}: {run} is not in its place", case.name));
            let before: Vec<&&str> = lines[..at].iter().rev().take_while(|line| !line.contains("Of step ")).collect();
            let head = lines[at - before.len() - 1];
            assert!(head.contains(&format!("Of step {}", part["step"])), "{}: {run} stands below {head}", case.name);
            assert_eq!(head.contains(" Only if "), part["only_if"].is_string(), "{}: {head}", case.name);
        }
    }
    assert!(count > 50, "only {count} removals");
}

#[test]
fn what_is_run_only_in_some_cases_is_taken_back_only_in_these() {
    let mut count = 0;
    for case in cases() {
        let plan = as_json(&case);
        for (part, run) in parts(&plan) {
            let step = &plan["steps"][part["step"].as_u64().unwrap() as usize - 1];
            if let Some(case_of_step) = step["only_if"].as_str() {
                let only_if = part["only_if"].as_str().unwrap_or_else(|| panic!("{}: {run}", case.name));
                assert!(only_if.contains(case_of_step), "{}: {run}: {only_if}", case.name);
                count += 1;
            }
        }
    }
    assert!(count > 20, "only {count} such statements");
}

#[test]
fn a_service_principal_that_is_an_administrator_of_the_workspace_stays_one() {
    for name in ["way_m2m", "way_workload", "way_azure_application"] {
        let case = case(name);
        let plan = as_json(&case);
        let mut recorder = Recorder::new(&case);
        recorder.make_administrator("1234567890", "1234567890123456");
        let text = pasted::filled(&printed(&case, &[]), &pasted::values(&plan));
        for line in pasted::statements(&text) {
            recorder.accept(&line).unwrap_or_else(|why| panic!("{name}: {line}\n{why}"));
        }
        let rights = recorder.rights();
        assert!(rights.iter().any(|right| right.contains("1234567890 ADMIN")), "{name}: {rights:#?}");
        // Whoever is not there yet is let in behind the sign of a comment, after a list of those who are.
        let at = |words: &str| text.lines().position(|line| line.contains(words)).unwrap_or_else(|| panic!("{text}"));
        assert!(at("workspace-assignment list") < at("# databricks account workspace-assignment update"));
    }
}

#[test]
fn a_service_principal_of_entra_that_was_there_before_stays() {
    let text = printed(&case("way_azure_application"), &[]);
    let lines: Vec<&str> = text.lines().collect();
    let delete =
        lines.iter().position(|line| line.starts_with("# databricks account service-principals delete")).unwrap();
    let before = lines[..delete].iter().rposition(|line| line.contains("Of step 2. Only if")).unwrap();
    let condition =
        lines[before..delete].iter().map(|line| line.trim_start_matches(['#', ' '])).collect::<Vec<_>>().join(" ");
    assert!(condition.contains("that it is not there yet"), "{condition}");
}
