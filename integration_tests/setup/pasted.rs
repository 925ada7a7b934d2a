//! What a person does with the text: puts values in its places and pastes what is no comment.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::command::Command;

/// The values that an administrator knows.
const VALUES: [(&str, &str); 24] = [
    ("<access-connector-id>", "/subscriptions/s/resourceGroups/g/providers/Microsoft.Databricks/accessConnectors/c"),
    ("<account-id>", "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee"),
    ("<audience>", "acme"),
    ("<databricks-role-arn>", "arn:aws:iam::123456789012:role/unity"),
    ("<external-location>", "my_location"),
    ("<iam-role>", "my-role"),
    ("<iam-user>", "my-user"),
    ("<instance-profile-arn>", "arn:aws:iam::123456789012:instance-profile/my-profile"),
    ("<issuer>", "https://issuer.example"),
    ("<kms-key-arn>", "arn:aws:kms:eu-central-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"),
    ("<managed-identity>", "22222222-2222-3333-4444-555555555555"),
    ("<managed-identity-client-id>", "44444444-2222-3333-4444-555555555555"),
    ("<policy-id>", "destination-databricks-1"),
    ("<previous-owner>", "someone@example.com"),
    ("<principal>", "me@example.com"),
    ("<principal-kind>", "user_name"),
    ("<remaining-entries>", "[]"),
    ("<resource-group>", "my-group"),
    ("<service-principal-id>", "1234567890"),
    ("<storage-credential>", "my_credential"),
    ("<subject>", "system:serviceaccount:lake:loader"),
    ("<subscription-id>", "33333333-2222-3333-4444-555555555555"),
    ("<user>", "me@example.com"),
    ("<workspace-id>", "1234567890123456"),
];

/// The values of all places that `plan`, the JSON of a setup, has.
pub fn values(plan: &Value) -> BTreeMap<String, String> {
    let value = |place: &Value| {
        let name = place["name"].as_str().unwrap();
        let value = VALUES.iter().find(|(known, _)| *known == name);
        (name.to_owned(), value.unwrap_or_else(|| panic!("what is {name}?")).1.to_owned())
    };
    plan["placeholders"].as_array().unwrap().iter().map(value).collect()
}

/// `text` with `values` in its places.
pub fn filled(text: &str, values: &BTreeMap<String, String>) -> String {
    values.iter().fold(text.to_owned(), |text, (place, value)| text.replace(place, value))
}

/// The places in `text`.
pub fn places(text: &str) -> BTreeSet<String> {
    let is_name = |name: &&str| !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-');
    let inside = text.split('<').skip(1).filter_map(|rest| rest.split_once('>')).map(|(name, _)| name);
    inside.filter(is_name).map(|name| format!("<{name}>")).collect()
}

/// What lets zsh know comments.
pub const COMMENTS: &str = "setopt interactivecomments 2>/dev/null || true";

/// The statements and commands of `text` that run when all of it is pasted, those of SQL without their semicolon. Comments have to be
/// harmless, for a shell that knows none too.
pub fn statements(text: &str) -> Vec<String> {
    ensure_harmless(text);
    let runs =
        |line: &&str| !line.trim().is_empty() && !line.starts_with('#') && !line.starts_with("--") && *line != COMMENTS;
    text.lines().filter(runs).map(|line| line.strip_suffix(';').unwrap_or(line).to_owned()).collect()
}

/// Refuses a block for a shell that does not let zsh know comments first, and comments that mean something to a shell without them: each
/// is plain words, or a command whose values are in quotes.
pub fn ensure_harmless(text: &str) {
    for block in text.split("\n\n") {
        assert!(!block.starts_with('#'), "zsh knows no comments yet: {block}");
    }
    let is_plain = |text: &str| {
        let is_sign = |c: char| c.is_alphanumeric() || " .,:-_/@+%=’…–".contains(c);
        text.chars().all(is_sign) && !text.split(' ').any(|word| word.starts_with('='))
    };
    for line in text.lines() {
        if let Some(comment) = line.strip_prefix('#') {
            assert!(is_plain(comment) || Command::of(comment).is_ok(), "a shell takes this for its own: {line}");
        }
        if let Some(comment) = line.strip_prefix("--") {
            let verbs = [" GRANT ", " REVOKE ", " DROP ", " ALTER "];
            let is_statement = verbs.iter().any(|verb| comment.starts_with(verb)) && comment.ends_with(';');
            assert!(is_statement || is_plain(comment), "a shell takes this for its own: {line}");
        }
    }
}

/// The blocks of `text` for a shell, as one reads them that knows no comments: `#` is a command there.
pub fn without_comments(text: &str) -> String {
    let blocks = text.split("\n\n").filter(|block| !block.starts_with("--"));
    let lines = blocks.flat_map(str::lines).filter(|line| *line != COMMENTS);
    lines.map(|line| line.strip_prefix('#').map_or(line.to_owned(), |rest| format!("true {rest}")) + "\n").collect()
}

/// Whether `text` has `statement` behind the sign of a comment.
pub fn is_commented(text: &str, statement: &str) -> bool {
    text.lines().any(|line| {
        line.strip_prefix("# ") == Some(statement)
            || line.strip_prefix("-- ").and_then(|line| line.strip_suffix(';')) == Some(statement)
    })
}

/// The texts of a list.
pub fn texts(list: &Value) -> Vec<String> {
    list.as_array().unwrap().iter().map(|text| text.as_str().unwrap().to_owned()).collect()
}
