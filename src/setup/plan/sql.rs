//! Statements to be pasted: names are quoted, texts escaped.

use super::step::Step;

/// A name in backticks. No name in Databricks has a control character, which a terminal might take for a key: with the sign in its place
/// the statement fails as well.
pub fn quoted(name: &str) -> String {
    format!("`{}`", name.replace('`', "``").replace(char::is_control, "\u{fffd}"))
}

/// The name of something in a catalog: its parts in backticks.
pub fn path(parts: &[&str]) -> String {
    parts.iter().map(|part| quoted(part)).collect::<Vec<_>>().join(".")
}

/// A text as a literal.
pub fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"))
}

/// `step` with the privileges `privileges` on `object` (as in ``SCHEMA `main`.`shop` ``) for `principal`.
pub fn grant(step: Step, privileges: &str, object: &str, principal: &str) -> Step {
    let principal = quoted(principal);
    step.run(
        format!("GRANT {privileges} ON {object} TO {principal}"),
        format!("REVOKE {privileges} ON {object} FROM {principal}"),
    )
}

/// `step` with the schema `path`, unless it exists. Removed where it is empty.
pub fn create_schema(step: Step, path: &str) -> Step {
    step.make(format!("CREATE SCHEMA IF NOT EXISTS {path}"), format!("DROP SCHEMA IF EXISTS {path} RESTRICT")).removed_if(
        "the step made the schema, and nobody else uses it. The statement is refused as long as anything is in the schema, such as a \
         table or a volume",
    )
}
