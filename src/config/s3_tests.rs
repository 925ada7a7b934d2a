//! Tests of reading the settings of a bucket: what follows from what, and what does not go together.

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
    for wrong in ["a/../b", "./a", "a%20b", "what?", "a#b/c", "a\\b", "a\nb"] {
        assert!(
            problems(s3(json!({"s3_bucket_path": wrong}))).contains("`data_source.s3_bucket_path` has a"),
            "{wrong}"
        );
    }
    assert!(problems(s3(json!({"s3_bucket_path": "lake/users/_delta_log/"}))).contains("no table"));
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
    for wrong in
        ["minio:9000", "minio", "ftp://minio", "https://min io", "https://mi\nnio", "https://min{io}", "https://%"]
    {
        let text = problems(s3(json!({"s3_endpoint": wrong})));
        assert!(text.contains("`data_source.s3_endpoint` must be an address"), "{text}");
    }
}

#[test]
fn an_endpoint_with_more_than_an_address_is_told_what_is_too_much_and_given_without_it() {
    for (more, said) in [
        ("https://user:hidden@minio:9000", "a user or password"),
        ("https://hidden@minio:9000/", "a user or password"),
        ("https://minio:9000/hidden", "a path"),
        ("https://minio:9000?key=hidden", "a query"),
        ("https://minio:9000/#hidden", "a fragment"),
        (
            "https://minio:9000/hidden?hidden#hidden",
            "a path, but S3 is served only at the root of an address, and a query",
        ),
    ] {
        let text = problems(s3(json!({"s3_endpoint": more})));
        assert!(text.contains("`data_source.s3_endpoint` must be only an address: it has"), "{text}");
        assert!(text.contains(said) && text.ends_with("Give https://minio:9000."), "{text}");
        assert!(!text.contains("hidden"), "{text}");
    }
}

#[test]
fn a_host_without_a_name_takes_no_buckets_name_before_it() {
    for endpoint in ["http://127.0.0.1:9000", "https://[::1]:9000", "https://10.1"] {
        let text = problems(s3(json!({"s3_endpoint": endpoint, "s3_path_style": false})));
        assert!(text.contains("`data_source.s3_path_style` is false"), "{text}");
        assert!(bucket(json!({"s3_endpoint": endpoint})).path_style);
    }
    assert!(!bucket(json!({"s3_endpoint": "http://localhost:9000", "s3_path_style": false})).path_style);
}

#[test]
fn the_name_of_a_bucket_follows_the_rule_of_its_store() {
    let elsewhere = |name: &str| s3(json!({"s3_bucket_name": name, "s3_endpoint": "https://minio:9000"}));
    let longest = "a".repeat(63);
    for name in ["abc", "my-lake", "my.lake.2", &longest] {
        read(s3(json!({"s3_bucket_name": name})));
        read(elsewhere(name));
    }
    for name in ["My_Lake", "_abc", "LAKE"] {
        assert!(problems(s3(json!({"s3_bucket_name": name}))).contains("lower case letters"), "{name}");
        read(elsewhere(name));
    }
    let too_long = "a".repeat(64);
    for name in ["ab", &too_long, "-abc", "abc.", "a..b", "a b c", "läke", "a\nb", "lake?x", "lake:1", "a@b.c"] {
        for wrong in [s3(json!({"s3_bucket_name": name})), elsewhere(name)] {
            let text = problems(wrong);
            assert!(text.contains("`data_source.s3_bucket_name` must be a bucket's name, not"), "{text}");
        }
    }
    assert!(problems(s3(json!({"s3_bucket_name": "s3://lake/a"}))).contains("without s3:// and /"));
}

#[test]
fn a_region_is_a_plain_name() {
    for region in ["eu-central-1", "auto", "US-EAST-1", "us-gov-west-1"] {
        assert_eq!(bucket(json!({"s3_bucket_region": region})).region.as_deref(), Some(region));
    }
    for wrong in ["eu central", "eu-west-1.", "eu/west", "eu\nwest", "zürich", "a@b", "eu_west"] {
        let text = problems(s3(json!({"s3_bucket_region": wrong})));
        assert!(text.contains("`data_source.s3_bucket_region` must be the name of a region"), "{text}");
    }
}

#[test]
fn a_key_with_signs_that_no_header_takes_is_refused_and_not_shown() {
    let names = ["s3_access_key_id", "s3_secret_access_key", "s3_session_token"];
    for name in names {
        for wrong in ["hid\nden", "hid den", "hid\u{0}den", "hiddén", "hid\u{7f}den", "hidden\u{200b}"] {
            let mut keys =
                json!({"s3_access_key_id": "id", "s3_secret_access_key": "a/b+c=", "s3_session_token": "t=="});
            read(s3(keys.clone()));
            keys[name] = json!(wrong);
            let text = problems(s3(keys));
            assert!(text.contains(&format!("`data_source.{name}` has a space")) && !text.contains("hid"), "{text}");
        }
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
