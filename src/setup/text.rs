//! What has to be run, for people: everything but the statements and commands is a comment of the language that they are in, so that
//! whole blocks can be pasted. What is run only in some cases, and what takes rights back, stands behind the sign of a comment too.
//!
//! A comment is harmless where it is none too: `comment` says why.

use super::comment::plain;
use super::plan::{Plan, Reversal, Step, Tool, quoted};

/// The widest line of prose, in characters.
const WIDTH: usize = 118;

/// What lets zsh take what follows a `#` for a comment, as bash does; an interactive zsh does not from the start. Harmless in bash.
const COMMENTS: &str = "setopt interactivecomments 2>/dev/null || true";

/// The text of `plan`, without a line end.
pub fn print(plan: &Plan) -> String {
    let mut lines = vec![COMMENTS.to_owned()];
    let mut say = |text: &str| prose(&mut lines, "# ", "# ", text);
    if plan.steps.len() > 1 {
        say("What has to be run, in this order, so that syncs with this configuration work.");
        say(
            "Paste each block where it says: those for a terminal are for bash or zsh, and their comments begin with a number sign; those \
             for the SQL editor have comments that begin with two dashes. Comments have no quotes, and _ in place of other signs.",
        );
    } else {
        say("Nothing has to be set up in Databricks, AWS or Azure so that syncs with this configuration work.");
    }
    for remark in &plan.remarks {
        lines.push("#".to_owned());
        prose(&mut lines, "# ", "# ", remark);
    }
    if !plan.places.is_empty() {
        lines.push("#".to_owned());
        let replace =
            "Replace these places by their values wherever they stand in angle brackets, and the brackets with them:";
        prose(&mut lines, "# ", "# ", replace);
        for (name, whence) in &plan.places {
            prose(&mut lines, "#   ", "#     ", &format!("{name}: {whence}."));
        }
    }
    for (at, step) in plan.steps.iter().enumerate() {
        begin(&mut lines, step.tool);
        add_step(&mut lines, at + 1, step);
    }
    let (objects, rights): (Vec<_>, Vec<_>) = plan.reversals().into_iter().partition(|reversal| reversal.removes);
    add_reversals(
        &mut lines,
        &rights,
        "To take all rights back, run these, in this order, without the sign of a comment in front, each where its step was run. What else \
         is loaded with the same rights stops too: other connections of the same user or service principal. Tables and files stay.",
    );
    add_reversals(
        &mut lines,
        &objects,
        "What the steps made can be removed then, one by one, where nobody else uses it. What is refused stays: something is in it.",
    );
    lines.join("\n")
}

/// Begins a block.
fn begin(lines: &mut Vec<String>, tool: Tool) {
    lines.push(String::new());
    if tool != Tool::Sql {
        lines.push(COMMENTS.to_owned());
    }
}

fn add_step(lines: &mut Vec<String>, number: usize, step: &Step) {
    let sign = sign(step.tool);
    prose(lines, &format!("{sign} {number}. "), &format!("{sign}    "), &step.purpose);
    let rest = format!("{sign}    ");
    prose(lines, &rest, &rest, &format!("Who: {}. {}", step.who, place(step.tool)));
    if let Some(case) = &step.only_if {
        let case = format!("Only if {case}. Then run without the sign of a comment in front:");
        prose(lines, &rest, &rest, &case);
    }
    let is_comment = step.only_if.is_some();
    lines.extend(step.run.iter().map(|statement| statement_line(step.tool, statement, is_comment)));
    // In quotes, so that no shell runs what is in it.
    lines.extend(step.document.iter().map(|document| format!("{sign} {}", quoted(document))));
}

fn add_reversals(lines: &mut Vec<String>, reversals: &[Reversal<'_>], introduction: &str) {
    let mut before = None;
    for reversal in reversals {
        let tool = reversal.step.tool;
        let sign = sign(tool);
        if before != Some(sign) {
            begin(lines, tool);
        }
        if before.is_none() {
            prose(lines, &format!("{sign} "), &format!("{sign} "), introduction);
        }
        before = Some(sign);
        let case = reversal.only_if.as_ref().map(|case| format!(" Only if {case}:"));
        let of_step = format!("Of step {}{}", reversal.number, case.map_or(":".to_owned(), |case| format!(".{case}")));
        prose(lines, &format!("{sign} "), &format!("{sign}    "), &of_step);
        lines.extend(reversal.run.iter().map(|statement| statement_line(tool, statement, true)));
    }
}

/// Where the statements of a step are pasted.
fn place(tool: Tool) -> &'static str {
    match tool {
        Tool::Databricks => "In a terminal with the Databricks CLI:",
        Tool::Sql => "In the SQL editor of the workspace:",
        Tool::Aws => "In a terminal where the AWS CLI is signed in:",
        Tool::Azure => "In a terminal where the Azure CLI is signed in:",
        Tool::Program => "Where syncs run:",
        Tool::Hand => "By hand.",
    }
}

/// The sign of a comment.
fn sign(tool: Tool) -> &'static str {
    if tool == Tool::Sql { "--" } else { "#" }
}

/// `statement` as it is pasted: neither names in SQL nor words of a shell have line ends.
fn statement_line(tool: Tool, statement: &str, is_comment: bool) -> String {
    let before = if is_comment { format!("{} ", sign(tool)) } else { String::new() };
    let end = if tool == Tool::Sql { ";" } else { "" };
    format!("{before}{statement}{end}")
}

/// Adds `text` as a comment, wrapped between words, with `first` before the first line and `rest` before the others.
fn prose(lines: &mut Vec<String>, first: &str, rest: &str, text: &str) {
    let mut line = first.to_owned();
    let mut is_empty = true;
    for word in plain(text).split_whitespace() {
        if !is_empty && line.chars().count() + 1 + word.chars().count() > WIDTH {
            lines.push(std::mem::replace(&mut line, rest.to_owned()));
            is_empty = true;
        }
        if !is_empty {
            line.push(' ');
        }
        line.push_str(word);
        is_empty = false;
    }
    lines.push(line);
}
