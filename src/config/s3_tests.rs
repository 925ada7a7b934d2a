//! Tests of reading the settings of a bucket: what follows from what, and what does not go together.

#![allow(clippy::expect_used, clippy::panic)]

use super::*;
use crate::secret::Secret;
use serde_json::json;

fn read(value: Value) -> Config {
    Config::from_json(&value.to_string()).expect("a valid configuration")
}

fn problems(value: Value) -> String {
    Config::from_json(&value.to_string()).expect_err("a wrong configuration").message().to_owned()
}

fn s3(more: Value) -> Value {
    let mut source = json!({"data_source_type": "S3_STORAGE", "s3_bucket_name": "lake"});
    for (name, value) in more.as_object().expect("an object") {
        source[name] = value.clone();
    }
    json!({"data_source": source})
}

fn bucket(more: Value) -> S3Settings {
    match read(s3(more)).storage {
        StorageSettings::S3(settings) => settings,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_bucket_is_all_that_has_to_be_given() {
    let settings = bucket(json!({}));
    assert_eq!((settings.bucket.as_str(), settings.path.as_str()), ("lake", ""));
    assert!(settings.credentials.is_none() && settings.role.is_none() && settings.region.is_none());
    assert!(settings.endpoint.is_none() && !settings.path_style);
    assert!(read(s3(json!({"s3_endpoint": "https://minio:9000"}))).unknown_fields.is_empty());
}

#[test]
fn a_folder_in_a_bucket_has_no_slashes_at_its_ends() {
    for (given, path) in [("", ""), ("/", ""), ("a", "a"), ("/a/b/", "a/b"), ("a//b", "a/b"), (" a b ", "a b")] {
        assert_eq!(bucket(json!({"s3_bucket_path": given})).path, path, "{given}");
    }
    for wrong in ["a/../b", "./a", "a%20b", "a\\b", "a\nb"] {
        assert!(
            problems(s3(json!({"s3_bucket_path": wrong}))).contains("`data_source.s3_bucket_path` has a"),
            "{wrong}"
        );
    }
}

#[test]
fn the_style_of_addresses_follows_from_endpoint_and_name_unless_it_is_given() {
    assert!(bucket(json!({"s3_endpoint": "https://minio:9000/"})).path_style);
    assert!(bucket(json!({"s3_bucket_name": "my.lake"})).path_style);
    assert!(!bucket(json!({"s3_endpoint": "https://minio:9000/", "s3_path_style": false})).path_style);
    assert_eq!(bucket(json!({"s3_endpoint": "https://minio:9000/"})).endpoint.as_deref(), Some("https://minio:9000"));
}

#[test]
fn an_endpoint_without_encryption_is_on_this_machine_or_meant() {
    for fine in ["http://127.0.0.1:9000", "http://localhost", "http://[::1]:9000", "https://minio.example.com"] {
        assert!(bucket(json!({"s3_endpoint": fine})).endpoint.is_some(), "{fine}");
    }
    let plain = json!({"s3_endpoint": "http://minio.example.com"});
    assert!(problems(s3(plain)).contains("`data_source.s3_endpoint` begins with http://"));
    bucket(json!({"s3_endpoint": "http://minio.example.com", "s3_allow_http": true}));
    for wrong in ["minio:9000", "minio", "ftp://minio", "https://user:hidden@minio", "https://minio?key=hidden"] {
        let text = problems(s3(json!({"s3_endpoint": wrong})));
        assert!(text.contains("`data_source.s3_endpoint` must be an address") && !text.contains("hidden"), "{text}");
    }
}

#[test]
fn keys_tokens_and_roles_belong_together() {
    const ARN: &str = "arn:aws:iam::123456789012:role/x";
    let keys = json!({"s3_access_key_id": "id", "s3_secret_access_key": "key", "s3_session_token": "token"});
    let token = bucket(keys).credentials.and_then(|keys| keys.session_token);
    assert_eq!(token, Some(Secret::new("token")));
    let role = bucket(json!({"s3_role_arn": ARN, "s3_external_id": "me"})).role;
    assert_eq!(role, Some(S3Role { arn: ARN.to_owned(), external_id: Some("me".to_owned()) }));
    for (given, said) in [
        (json!({"s3_session_token": "token"}), "`data_source.s3_session_token` is set without"),
        (json!({"s3_external_id": "me"}), "`data_source.s3_external_id` is set without"),
        (json!({"s3_role_arn": "admin"}), "`data_source.s3_role_arn` must be the ARN of a role"),
    ] {
        let text = problems(s3(given));
        assert!(text.contains(said), "{text}");
    }
}
