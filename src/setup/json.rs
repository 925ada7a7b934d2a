//! What has to be run, for programs: one JSON object.

use serde_json::{Value, json};

use super::plan::{Plan, Step};

/// The JSON of `plan`, indented.
pub fn print(plan: &Plan) -> String {
    let places: Vec<Value> = plan.places.iter().map(|(name, whence)| json!({"name": name, "where": whence})).collect();
    let steps: Vec<Value> = plan.steps.iter().enumerate().map(|(at, step)| step_of(at + 1, step)).collect();
    format!("{:#}", json!({"remarks": plan.remarks, "placeholders": places, "steps": steps}))
}

fn step_of(number: usize, step: &Step) -> Value {
    json!({
        "number": number,
        "purpose": step.purpose,
        "who": step.who,
        "tool": step.tool.name(),
        "only_if": step.only_if,
        "run": step.run,
        "revoke": step.revoke,
    })
}
