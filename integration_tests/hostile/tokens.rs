//! Files and addresses outside the configuration that lead to AWS credentials: files that are not regular, addresses
//! without TLS.

use std::fs::File;
use std::process::Command;

use serde_json::json;

use super::bucket::{sandbox, source, store};
use super::server::{Reply, Server};
use crate::program::Sandbox;

/// A sandbox without keys, in whose environment only the test's variables say who it is.
fn without_keys(store: &Server) -> Sandbox {
    let mut sandbox = sandbox(&store.endpoint(), json!({}));
    let mut source = source(&store.endpoint());
    for key in ["s3_access_key_id", "s3_secret_access_key", "s3_session_token"] {
        source.as_object_mut().unwrap().remove(key);
    }
    sandbox.set(json!({"data_source": source}));
    let folder = sandbox.folder().to_str().unwrap().to_owned();
    for (name, value) in [
        ("HOME", folder.as_str()),
        ("AWS_ACCESS_KEY_ID", ""),
        ("AWS_SECRET_ACCESS_KEY", ""),
        ("AWS_EC2_METADATA_DISABLED", "true"),
    ] {
        sandbox.set_environment(name, value);
    }
    sandbox
}

fn with_web_identity(store: &Server) -> Sandbox {
    let mut sandbox = without_keys(store);
    let token = sandbox.file("token", "a-token-of-the-platform");
    sandbox.set_environment("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/airbyte");
    sandbox.set_environment("AWS_WEB_IDENTITY_TOKEN_FILE", token.to_str().unwrap());
    sandbox
}

/// A service that gives keys to whoever asks, in the manner of STS.
fn sts() -> Server {
    Server::start(|request| {
        let action = "AssumeRoleWithWebIdentity";
        assert!(String::from_utf8_lossy(&request.body).contains(action));
        let keys = "<AccessKeyId>AKIACANARY0123456789</AccessKeyId><SecretAccessKey>c4n-rySecretKey</SecretAccessKey>\
                    <SessionToken>FwoGZXIv</SessionToken><Expiration>2100-01-01T00:00:00Z</Expiration>";
        let answer = format!(
            "<{action}Response xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><{action}Result><Credentials>{keys}\
             </Credentials></{action}Result></{action}Response>"
        );
        Reply::new(200, "text/xml", answer)
    })
}

#[test]
fn files_of_aws_that_are_none_are_named_and_not_waited_for() {
    let store = store(&[], |_| None);
    for name in [
        "AWS_WEB_IDENTITY_TOKEN_FILE",
        "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
        "AWS_CONFIG_FILE",
        "AWS_SHARED_CREDENTIALS_FILE",
        "HOME",
        "~",
    ] {
        for what in ["pipe", "device", "huge", "folder"] {
            let mut sandbox = with_web_identity(&store);
            let home = sandbox.folder().join("home/.aws");
            std::fs::create_dir_all(&home).unwrap();
            let file = home.join("config");
            match what {
                "pipe" => assert!(Command::new("mkfifo").arg(&file).status().unwrap().success()),
                "device" => std::os::unix::fs::symlink("/dev/zero", &file).unwrap(),
                "huge" => File::create(&file).unwrap().set_len(3 << 30).unwrap(),
                _ => std::fs::create_dir(&file).unwrap(),
            }
            let name = if name == "~" {
                sandbox.set_environment("HOME", sandbox.folder().join("home").to_str().unwrap());
                sandbox.set_environment("AWS_SHARED_CREDENTIALS_FILE", "/dev/null");
                sandbox.set_environment("AWS_CONFIG_FILE", "~/.aws/config");
                "AWS_CONFIG_FILE"
            } else {
                let value = if name == "HOME" { sandbox.folder().join("home") } else { file };
                sandbox.set_environment(name, value.to_str().unwrap());
                name
            };
            sandbox.set_environment("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://127.0.0.1:1/");
            let run = sandbox.check();
            assert!(run.says("FAILED") && run.says(name) && run.says("not a regular file"), "{name}, {what}: {run:#?}");
        }
    }
}

#[test]
fn a_machine_without_a_profile_may_say_so_by_the_empty_device() {
    let (store, sts) = (store(&[], |_| None), sts());
    let mut sandbox = with_web_identity(&store);
    sandbox.set_environment("AWS_ENDPOINT_URL_STS", &sts.endpoint());
    for name in ["AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"] {
        sandbox.set_environment(name, "/dev/null");
    }
    let run = sandbox.check();
    assert!(run.says("SUCCEEDED"), "{run:#?}");
}

#[test]
fn no_token_leaves_the_machine_without_tls() {
    let (store, proxy) = (store(&[], |_| None), sts());
    for way in ["AWS_ENDPOINT_URL_STS", "AWS_ENDPOINT_URL", "a profile"] {
        let mut sandbox = with_web_identity(&store);
        if way == "a profile" {
            let mut source = source(&store.endpoint());
            source["s3_role_arn"] = json!("arn:aws:iam::123456789012:role/airbyte");
            sandbox.set(json!({"data_source": source}));
            let profile = "[default]\nservices = all\n[services all]\nsts =\n  endpoint_url = http://sts.example.com\n";
            let profile = sandbox.file("profile", profile);
            sandbox.set_environment("AWS_CONFIG_FILE", profile.to_str().unwrap());
        } else {
            sandbox.set_environment(way, "http://sts.example.com");
        }
        sandbox.set_environment("HTTP_PROXY", &proxy.endpoint());
        let run = sandbox.check();
        assert!(run.says("FAILED") && run.says("https://") && run.says("AWS_ENDPOINT_URL_STS"), "{way}: {run:#?}");
        let run = sandbox.write(&crate::messages::append(&["users"]), "");
        run.failed_with("config_error");
        assert_eq!(proxy.seen().len(), 0, "{way}");
    }
    // Where it is meant, it goes.
    let mut sandbox = with_web_identity(&store);
    let mut source = sandbox.settings()["data_source"].clone();
    source["s3_allow_http"] = json!(true);
    sandbox.set(json!({"data_source": source}));
    sandbox.set_environment("AWS_ENDPOINT_URL_STS", "http://sts.example.com");
    sandbox.set_environment("HTTP_PROXY", &proxy.endpoint());
    let run = sandbox.check();
    assert!(run.says("SUCCEEDED") && !proxy.seen().is_empty(), "{run:#?}");
}

#[test]
fn what_is_on_this_machine_is_asked_past_the_proxy() {
    let (store, sts, proxy) = (store(&[], |_| None), sts(), sts());
    let mut sandbox = with_web_identity(&store);
    sandbox.set_environment("AWS_ENDPOINT_URL_STS", &sts.endpoint());
    sandbox.set_environment("HTTP_PROXY", &proxy.endpoint());
    let run = sandbox.check();
    assert!(run.says("SUCCEEDED"), "{run:#?}");
    assert!(!sts.seen().is_empty() && proxy.seen().is_empty());
}
