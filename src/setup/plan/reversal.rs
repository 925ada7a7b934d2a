//! What takes everything back, in the order in which it has to be run: first rights, by SQL before commands, because the workspace has
//! to be there for them; last the objects that the steps made. A removal may be refused, and a right must not stay because of that.

use super::step::{Plan, Step, Tool, Undo};

/// What takes a part of a step back.
#[derive(Debug)]
pub struct Reversal<'a> {
    /// The number of the step, from 1.
    pub number: usize,
    pub step: &'a Step,
    /// Whether objects are removed, not rights taken back.
    pub removes: bool,
    /// When it may be run, where that is not always: the rest of a sentence that begins with "Only if".
    pub only_if: Option<String>,
    /// Statements without a semicolon, or commands, in their order.
    pub run: &'a [String],
}

impl Plan {
    /// What takes this plan back, in its order.
    pub fn reversals(&self) -> Vec<Reversal<'_>> {
        let steps = || self.steps.iter().enumerate().rev().map(|(at, step)| (at + 1, step));
        let sql = steps().filter(|(_, step)| step.tool == Tool::Sql);
        let commands = steps().filter(|(_, step)| step.tool != Tool::Sql);
        let rights = sql.chain(commands).map(|(number, step)| reversal(number, step, &step.rights, false));
        let objects = steps().map(|(number, step)| reversal(number, step, &step.objects, true));
        rights.chain(objects).filter(|reversal| !reversal.run.is_empty()).collect()
    }
}

fn reversal<'a>(number: usize, step: &'a Step, undo: &'a Undo, removes: bool) -> Reversal<'a> {
    let of_step = step.only_if.as_ref().map(|case| format!("the step was run, whose condition is that {case}"));
    let cases: Vec<String> = of_step.into_iter().chain(undo.only_if.clone()).collect();
    let only_if = (!cases.is_empty()).then(|| cases.join(", and "));
    Reversal { number, step, removes, only_if, run: &undo.run }
}
