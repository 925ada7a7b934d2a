//! What a person does with the text: puts values in its places and pastes what is no comment.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

/// The values that an administrator knows.
const VALUES: [(&str, &str); 23] = [
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

/// The statements and commands of `text` that run when all of it is pasted, those of SQL without their semicolon.
pub fn statements(text: &str) -> Vec<String> {
    let runs = |line: &&str| !line.trim().is_empty() && !line.starts_with('#') && !line.starts_with("--");
    text.lines().filter(runs).map(|line| line.strip_suffix(';').unwrap_or(line).to_owned()).collect()
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
