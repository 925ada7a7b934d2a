//! What has to be run, for programs: one JSON object.

use serde_json::{Value, json};

use super::plan::{Plan, Reversal, Step};

/// The JSON of `plan`, indented.
pub fn print(plan: &Plan) -> String {
    let places: Vec<Value> = plan.places.iter().map(|(name, whence)| json!({"name": name, "where": whence})).collect();
    let steps: Vec<Value> = plan.steps.iter().enumerate().map(|(at, step)| step_of(at + 1, step)).collect();
    let revoke: Vec<Value> = plan.reversals().iter().map(reversal_of).collect();
    format!("{:#}", json!({"remarks": plan.remarks, "placeholders": places, "steps": steps, "revoke": revoke}))
}

fn step_of(number: usize, step: &Step) -> Value {
    json!({
        "number": number,
        "purpose": step.purpose,
        "who": step.who,
        "tool": step.tool.name(),
        "only_if": step.only_if,
        "run": step.run,
        "document": step.document,
    })
}

fn reversal_of(reversal: &Reversal<'_>) -> Value {
    json!({
        "step": reversal.number,
        "who": reversal.step.who,
        "tool": reversal.step.tool.name(),
        "removes": reversal.removes,
        "only_if": reversal.only_if,
        "run": reversal.run,
    })
}
