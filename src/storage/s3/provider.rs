//! S3 as a [`Provider`]: URIs, what failures mean, and the policy that a sync needs.

use object_store::path::Path;

use super::conditions::{BucketAddress, explain};
use super::demands;
use crate::storage::bucket::{Action, Explanation, Failure, Provider};

/// A bucket in S3, or in a store with the same API.
#[derive(Debug, Clone)]
pub(crate) struct S3(pub(crate) BucketAddress);

impl Provider for S3 {
    fn noun(&self) -> &'static str {
        "bucket"
    }

    fn uri(&self, path: &Path) -> String {
        match path.as_ref() {
            "" => format!("s3://{}", self.0.bucket),
            path => format!("s3://{}/{path}", self.0.bucket),
        }
    }

    fn explain(&self, action: Action, failure: &Failure) -> Explanation {
        explain(failure, action, &self.0)
    }

    // Listing is allowed for the whole bucket: it is a permission on buckets, not on objects.
    fn permissions(&self, root: &Path) -> String {
        let bucket = &self.0.bucket;
        let objects = match root.as_ref() {
            "" => format!("arn:aws:s3:::{bucket}/*"),
            root => format!("arn:aws:s3:::{bucket}/{root}/*"),
        };
        // Quoted as JSON: a folder's name may contain quotes.
        let objects = serde_json::Value::from(objects);
        format!(
            r#"{{"Version": "2012-10-17", "Statement": [{{"Effect": "Allow", "Action": ["s3:ListBucket", "s3:ListBucketMultipartUploads"], "Resource": "arn:aws:s3:::{bucket}"}}, {{"Effect": "Allow", "Action": ["s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload"], "Resource": {objects}}}]}}"#
        )
    }

    fn is_retained(&self, failure: &Failure) -> bool {
        demands::is_retained(failure)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_policy_reaches_no_further_than_the_configured_folder() {
        let s3 = S3(BucketAddress { bucket: "lake".into(), region: "us-east-1".into(), endpoint: None });
        for (root, objects) in [
            ("", "arn:aws:s3:::lake/*"),
            ("airbyte/production", "arn:aws:s3:::lake/airbyte/production/*"),
            ("a \"b\"", "arn:aws:s3:::lake/a \"b\"/*"),
        ] {
            let text = s3.permissions(&Path::parse(root).unwrap());
            let policy: serde_json::Value = serde_json::from_str(&text).unwrap();
            assert_eq!(policy["Statement"][0]["Resource"], "arn:aws:s3:::lake");
            assert_eq!(policy["Statement"][1]["Resource"], objects);
        }
    }
}
