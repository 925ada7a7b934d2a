//! What this program's own identity needs in a bucket: the policy of docs/s3.md, as commands of the AWS CLI.

use serde_json::{Value, json};

use super::shell;
use super::step::{Plan, Step, Tool};
use crate::config::{S3Encryption, S3Settings};
use crate::schema::naming::with_hash;

const ADMIN: &str = "whoever may change users and roles in the AWS account of the bucket";
/// How the names of policies begin.
const POLICY: &str = "destination-databricks";
/// The most characters of such a name.
const LONGEST: usize = 128;
/// The ends of AWS's own host names.
const AWS: [&str; 2] = [".amazonaws.com", ".amazonaws.com.cn"];

/// The bucket and the folder in it, as Databricks names them.
pub fn url(settings: &S3Settings) -> String {
    format!("s3://{}/{}", settings.bucket, settings.path).trim_end_matches('/').to_owned()
}

/// Adds the steps that give the identity of `settings` its rights in the bucket.
pub fn add(plan: &mut Plan, settings: &S3Settings) {
    let purpose = format!("Let the sync read and write {}: staged files, tables and their logs.", url(settings));
    if !is_aws(settings) {
        let key = Place::of(plan, settings).policy(settings);
        let rights = format!(
            "{purpose} The bucket is not in AWS: give the owner of the access key these rights, as the store has them."
        );
        let mut step = Step::new(Tool::Hand, "whoever manages the store", rights);
        step.document = Some(key.to_string());
        plan.steps.push(step);
        return;
    }
    let place = Place::of(plan, settings);
    let policy = place.policy(settings);
    let Some(role) = &settings.role else {
        let (kind, name) = holder(plan, settings);
        plan.steps.push(inline(kind, &name, &[&settings.bucket, &settings.path], &policy, &purpose));
        return;
    };
    let name = role.arn.rsplit('/').next().unwrap_or_default();
    plan.steps.push(inline("role", name, &[&settings.bucket, &settings.path], &policy, &purpose));
    let (kind, holder) = holder(plan, settings);
    let assume = statement(&["sts:AssumeRole"], &json!(role.arn));
    let id = role.external_id.as_ref().map(|_| " and the external id `data_source.s3_external_id`").unwrap_or_default();
    let purpose = format!(
        "Assume the role {}. The role's trust policy has to name this identity too{id}: `aws iam update-assume-role-policy` sets it.",
        role.arn
    );
    plan.steps.push(inline(
        kind,
        &holder,
        &["role", name],
        &json!({"Version": "2012-10-17", "Statement": [assume]}),
        &purpose,
    ));
}

/// Puts a policy for the place `place` into the user or role `name`.
fn inline(kind: &str, name: &str, place: &[&str], document: &Value, purpose: &str) -> Step {
    let policy = policy_name(place);
    let named = format!("--{kind}-name {} --policy-name {}", shell::quoted(name), shell::quoted(&policy));
    Step::new(Tool::Aws, ADMIN, purpose).run(
        format!("aws iam put-{kind}-policy {named} --policy-document {}", shell::json(document)),
        format!("aws iam delete-{kind}-policy {named}"),
    )
}

/// The name of a policy for the place `place`. Another name for another place: a policy of the same name would be replaced, and with it
/// the rights of another connection.
fn policy_name(place: &[&str]) -> String {
    let is_sign = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '=' | ',' | '@');
    let parts = [POLICY].iter().chain(place).flat_map(|part| part.split('/')).filter(|part| !part.is_empty());
    let whole = parts.collect::<Vec<_>>().join("+");
    let mut name: String = whole.chars().map(|c| if is_sign(c) || c == '+' { c } else { '_' }).collect();
    if name != whole || name.len() > LONGEST {
        name.truncate(LONGEST - 20);
        name.push_str(&with_hash(String::new(), &whole));
    }
    name
}

/// Whether a user or a role has the credentials of `settings`, and its name.
fn holder(plan: &mut Plan, settings: &S3Settings) -> (&'static str, String) {
    match &settings.credentials {
        Some(keys) if keys.session_token.is_none() => {
            let whence = "whose access key `data_source.s3_access_key_id` is: `aws sts get-caller-identity`, with that key, shows it \
                          behind user/ in Arn";
            ("user", plan.place("iam-user", whence))
        }
        keys => {
            let whence = match keys {
                Some(_) => "whose temporary key `data_source.s3_access_key_id` is",
                None => {
                    "which role AWS's default chain finds where the sync runs, because the configuration has no key"
                }
            };
            let whence = format!("{whence}: `aws sts get-caller-identity` there shows it behind assumed-role/ in Arn");
            ("role", plan.place("iam-role", whence))
        }
    }
}

/// Where the bucket is, in ARNs.
struct Place {
    partition: &'static str,
    key: Option<String>,
}

impl Place {
    fn of(plan: &mut Plan, settings: &S3Settings) -> Self {
        let region = settings.region.as_deref().unwrap_or_default();
        let partition = match region {
            region if region.starts_with("cn-") => "aws-cn",
            region if region.starts_with("us-gov-") => "aws-us-gov",
            _ => "aws",
        };
        let key = match &settings.encryption {
            Some(S3Encryption::Kms { key_id: Some(id) }) if id.starts_with("arn:") && id.contains(":key/") => {
                Some(id.clone())
            }
            // An alias is no resource, and the ARN of an id has the account's number.
            Some(S3Encryption::Kms { key_id: Some(id) }) => Some(plan.place(
                "kms-key-arn",
                format!("the ARN of the KMS key {id}: `aws kms describe-key --key-id {id}` shows it"),
            )),
            _ => None,
        };
        Self { partition, key }
    }

    fn policy(&self, settings: &S3Settings) -> Value {
        let bucket = format!("arn:{}:s3:::{}", self.partition, settings.bucket);
        let objects = match settings.path.as_str() {
            "" => format!("{bucket}/*"),
            path => format!("{bucket}/{path}/*"),
        };
        let mut statements = vec![
            statement(&["s3:ListBucket", "s3:ListBucketMultipartUploads"], &json!(bucket)),
            statement(&["s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload"], &json!(objects)),
        ];
        statements.extend(self.key.as_ref().map(|key| statement(&["kms:GenerateDataKey", "kms:Decrypt"], &json!(key))));
        json!({"Version": "2012-10-17", "Statement": statements})
    }
}

fn statement(actions: &[&str], resource: &Value) -> Value {
    json!({"Effect": "Allow", "Action": actions, "Resource": resource})
}

fn is_aws(settings: &S3Settings) -> bool {
    let Some(endpoint) = &settings.endpoint else { return true };
    let host = endpoint.split_once("://").map_or(endpoint.as_str(), |(_, rest)| rest);
    let host = host.split(['/', ':']).next().unwrap_or_default();
    AWS.iter().any(|end| host.ends_with(end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_place_has_a_policy_of_its_own_with_a_name_that_aws_takes() {
        let long = "x".repeat(300);
        let places = [["b", ""], ["b", "a/b"], ["b", "a-b"], ["b", "a_b"], ["b", "a b"], ["b", "a'b"], ["b", &long]];
        let names: std::collections::BTreeSet<String> = places.iter().map(|place| policy_name(place)).collect();
        assert_eq!(names.len(), places.len(), "{names:?}");
        let is_sign = |byte: u8| byte.is_ascii_alphanumeric() || b"+=,.@_-".contains(&byte);
        assert!(names.iter().all(|name| name.len() <= LONGEST && name.bytes().all(is_sign)), "{names:?}");
    }
}
