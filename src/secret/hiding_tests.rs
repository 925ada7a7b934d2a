//! What is hidden, in which forms, and what stays.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::*;

/// One that no other test has: what is known is known to the whole process.
const SECRET: &str = "s3cr/t+K\"y&9\\zQ==";

#[test]
fn a_secret_is_hidden_in_every_form_and_the_rest_stays() {
    know(SECRET);
    let percent = |text: &str, upper: bool| {
        text.bytes().map(|byte| if upper { format!("%{byte:02X}") } else { format!("%{byte:02x}") }).collect::<String>()
    };
    let xml = SECRET.replace('&', "&amp;").replace('"', "&quot;").replace('+', "&#43;").replace('/', "&#x2F;");
    let json = serde_json::Value::from(SECRET).to_string();
    for form in [
        SECRET.to_owned(),
        STANDARD.encode(format!("token:{SECRET}")),
        STANDARD.encode(SECRET),
        percent(SECRET, true),
        percent(SECRET, false),
        percent(&percent(SECRET, true), true),
        SECRET.replace('/', "%2F").replace('+', "%2b"),
        xml,
        json.trim_matches('"').to_owned(),
        json.trim_matches('"').replace('/', "\\/").replace('+', "\\u002b"),
        percent(&STANDARD.encode(SECRET), true),
    ] {
        for text in [form.clone(), format!("ä {form} ö"), format!("a={form}&b={form}")] {
            let shown = hide(&text);
            assert!(shown.contains("***"), "{text}: {shown}");
            assert!(!shown.contains(&form) && !shown.contains("s3cr"), "{text}: {shown}");
            assert_eq!(shown.starts_with("ä "), text.starts_with("ä "), "{shown}");
        }
    }
}

#[test]
fn what_is_cut_in_the_middle_of_a_secret_is_hidden_too() {
    know("dapi77665544332211ffee");
    for cut in ["bad key dapi776655443", "bad key dapi7766…", "bad (dapi77665...) there"] {
        let shown = hide(cut);
        assert!(!shown.contains("dapi77") && shown.contains("***"), "{shown}");
    }
    assert_eq!(hide("a key begins with dapi"), "a key begins with dapi");
}

#[test]
fn what_signs_a_request_is_hidden_whoever_made_it() {
    for (text, shown) in [
        ("got Authorization: Bearer eyJhbGciOi.J9.x1 here", "got Authorization: Bearer *** here"),
        ("Basic dG9rZW46eHh4eA==", "Basic ***"),
        ("SignedHeaders=host, Signature=0011223344556677aabb", "SignedHeaders=host, Signature=***"),
        ("x-amz-security-token: IQoJb3Jp//9", "x-amz-security-token: ***"),
    ] {
        assert_eq!(hide(text), shown);
    }
    let plain = "Bearer authentication and basic settings: the signature=missing";
    assert_eq!(hide(plain), plain);
}

#[test]
fn our_own_sentences_stay_whatever_somebody_took_for_a_secret() {
    for secret in ["", "a", "s3", "the", "warehouse", "databricks", "default"] {
        know(secret);
    }
    let sentence = "The SQL warehouse of Databricks has a default s3 bucket, the first.";
    assert_eq!(hide(sentence), sentence);
    let answer = hide_in_answer("no warehouse for Authorization: warehouse");
    assert!(!answer.contains("warehouse"), "{answer}");
    assert!(hide_in_answer("a s3 bucket: the one").contains("a s3 bucket: the one"));
}
