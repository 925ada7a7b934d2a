//! A web identity that a profile names, and one that is replaced while the program runs, with a service that repeats it.

use std::path::Path;

use serde_json::json;

use super::bucket::store;
use super::server::{Reply, Request, Server};
use crate::program::Sandbox;

/// Tokens as no other test has them; the second one has no shape by which it could be known.
const TOKENS: [&str; 2] =
    ["eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJjYW5hcnkifQ.SiGnAtUrE0123456789-_abc", "0paque/First+Token/0123456789abcdefghij"];
const LATER: &str = "0paque/Second+Token/9876543210zyxwvutsrq";

/// A sandbox without keys whose only profile is a role, with the token in the file `token`.
fn with_profile(sts: &Server, store: &Server, token: &Path) -> Sandbox {
    let mut sandbox = Sandbox::with(json!({"data_source": {
        "data_source_type": "S3_STORAGE", "s3_bucket_name": "lake", "s3_bucket_region": "eu-west-1",
        "s3_endpoint": store.endpoint(),
    }}));
    let profile = format!(
        "[default]\nrole_arn = arn:aws:iam::123456789012:role/lake\nweb_identity_token_file = {} # rotated\n",
        token.display()
    );
    let home = sandbox.folder().join("home");
    std::fs::create_dir_all(home.join(".aws")).unwrap();
    std::fs::write(home.join(".aws/config"), profile).unwrap();
    for (name, value) in [
        ("HOME", home.to_str().unwrap()),
        ("AWS_ENDPOINT_URL_STS", &sts.endpoint()),
        ("DESTINATION_DATABRICKS_RETRY_MS", "1500"),
    ] {
        sandbox.set_environment(name, value);
    }
    sandbox
}

fn refused(request: &Request) -> Reply {
    let heard = String::from_utf8_lossy(&request.body).replace('&', "&amp;");
    let error = format!("<Error><Type>Sender</Type><Code>AccessDenied</Code><Message>{heard}</Message></Error>");
    Reply::new(403, "text/xml", format!("<ErrorResponse>{error}</ErrorResponse>"))
}

/// Keys that have expired already: new ones are asked for with every request.
fn keys() -> Reply {
    let keys = "<AccessKeyId>ASIACANARY0123456789</AccessKeyId><SecretAccessKey>c4nary+Key/0123</SecretAccessKey>\
                <SessionToken>t0ken</SessionToken><Expiration>2023-11-24T10:00:00Z</Expiration>";
    let result =
        format!("<AssumeRoleWithWebIdentityResult><Credentials>{keys}</Credentials></AssumeRoleWithWebIdentityResult>");
    Reply::new(
        200,
        "text/xml",
        format!("<AssumeRoleWithWebIdentityResponse>{result}</AssumeRoleWithWebIdentityResponse>"),
    )
}

#[test]
fn a_web_identity_that_a_profile_names_is_hidden_whatever_repeats_it() {
    for (number, token) in TOKENS.into_iter().enumerate() {
        let store = store(&[], |_| None);
        let sts = Server::start(refused);
        let folder = Sandbox::new();
        let file = folder.file("token", token);
        let run = with_profile(&sts, &store, &file).check();
        assert!(run.says("AccessDenied") && run.says("WebIdentityToken=***"), "{run:#?}");
        let parts = [&token[..12], &token[token.len() - 12..]];
        assert!(parts.iter().all(|part| !run.says(part)), "{number}: {run:#?}");
    }
}

#[test]
fn a_web_identity_that_is_exchanged_while_the_program_runs_is_hidden_too() {
    let store = store(&[], |_| None);
    let folder = Sandbox::new();
    let file = folder.file("token", TOKENS[1]);
    let exchanged = file.clone();
    let sts = Server::start(move |request| {
        let is_first = request.number == 0;
        std::fs::write(&exchanged, LATER).unwrap();
        // Nothing beside the token says that it is one.
        let words = url::form_urlencoded::parse(&request.body).map(|(_, value)| value.into_owned()).collect::<Vec<_>>();
        let said = words.join(" ");
        if is_first { keys() } else { refused(&Request { body: said.into_bytes(), ..request.clone() }) }
    });
    let run = with_profile(&sts, &store, &file).check();
    assert!(sts.seen().len() > 1 && run.says("AccessDenied") && run.says("***"), "{run:#?}");
    for part in [&LATER[..12], &LATER[LATER.len() - 12..]] {
        assert!(!run.says(part), "{run:#?}");
    }
}
