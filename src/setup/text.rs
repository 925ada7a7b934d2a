//! What has to be run, for people: everything but the statements and commands is a comment of the language that they are in, so that
//! whole blocks can be pasted. What is run only in some cases, and what takes rights back, stands behind the sign of a comment too.

use super::plan::{Plan, Step, Tool};

/// The widest line of prose, in characters.
const WIDTH: usize = 118;

/// The text of `plan`, without a line end.
pub fn print(plan: &Plan) -> String {
    let mut lines = Vec::new();
    let introduction = if plan.steps.len() > 1 {
        "What has to be run, in this order, so that syncs with this configuration work."
    } else {
        "Nothing has to be set up in Databricks, AWS or Azure so that syncs with this configuration work."
    };
    prose(&mut lines, "# ", "# ", introduction);
    if plan.steps.len() > 1 {
        let comments = "Lines that begin with # are comments of the shell (the commands are for bash or zsh), those with -- comments of SQL.";
        prose(&mut lines, "# ", "# ", comments);
    }
    for remark in &plan.remarks {
        lines.push("#".to_owned());
        prose(&mut lines, "# ", "# ", remark);
    }
    if !plan.places.is_empty() {
        lines.push("#".to_owned());
        prose(
            &mut lines,
            "# ",
            "# ",
            "Replace these places by their values wherever they stand, with the < and the >:",
        );
        for (name, whence) in &plan.places {
            prose(&mut lines, "#   ", "#     ", &format!("{name}: {whence}."));
        }
    }
    for (at, step) in plan.steps.iter().enumerate() {
        lines.push(String::new());
        add_step(&mut lines, at + 1, step);
    }
    add_revocations(&mut lines, plan);
    lines.join("\n")
}

fn add_step(lines: &mut Vec<String>, number: usize, step: &Step) {
    let sign = sign(step.tool);
    prose(lines, &format!("{sign} {number}. "), &format!("{sign}    "), &step.purpose);
    let rest = format!("{sign}    ");
    prose(lines, &rest, &rest, &format!("Who: {}. {}", step.who, place(step.tool)));
    if let Some(case) = &step.only_if {
        let case = format!("Only if {case}. Then run without the {sign} in front:");
        prose(lines, &rest, &rest, &case);
    }
    let is_comment = step.only_if.is_some();
    lines.extend(step.run.iter().flat_map(|statement| statement_lines(step.tool, statement, is_comment)));
}

fn add_revocations(lines: &mut Vec<String>, plan: &Plan) {
    let revoked: Vec<&Step> = plan.steps.iter().rev().filter(|step| !step.revoke.is_empty()).collect();
    if revoked.is_empty() {
        return;
    }
    lines.push(String::new());
    let introduction = "To take all of it back, run these, in this order, without the # or -- in front. Tables, files and schemas with \
                        anything in them stay.";
    prose(lines, "# ", "# ", introduction);
    for step in revoked {
        lines.extend(step.revoke.iter().flat_map(|statement| statement_lines(step.tool, statement, true)));
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

/// The lines of `statement` as they are pasted: a name in SQL may have a line end.
fn statement_lines(tool: Tool, statement: &str, is_comment: bool) -> Vec<String> {
    let end = if tool == Tool::Sql { ";" } else { "" };
    let before = if is_comment { format!("{} ", sign(tool)) } else { String::new() };
    format!("{statement}{end}").lines().map(|line| format!("{before}{line}")).collect()
}

/// Adds `text`, wrapped between words, with `first` before the first line and `rest` before the others.
fn prose(lines: &mut Vec<String>, first: &str, rest: &str, text: &str) {
    let mut line = first.to_owned();
    let mut is_empty = true;
    for word in text.split_whitespace() {
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
