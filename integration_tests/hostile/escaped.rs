//! Servers that repeat a secret escaped, broken up or cut: nothing that could be put together again is in any output.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value, json};

use super::bucket::{KEY, sandbox, store};
use super::secrets::{DAPI, workspace};
use super::server::{Reply, Server};
use crate::program::Run;

/// `secret` as a server, a proxy or a log may write it.
fn written(secret: &str) -> Vec<String> {
    let each = |form: fn(u8) -> String| secret.bytes().map(form).collect::<String>();
    let pairs: Vec<String> = secret.bytes().map(|byte| format!("{byte:02x}")).collect();
    let broken = |text: &str, length: usize, by: &str| {
        let signs: Vec<char> = text.chars().collect();
        signs.chunks(length).map(String::from_iter).collect::<Vec<_>>().join(by)
    };
    vec![
        each(|byte| format!("\\x{byte:02x}")),
        each(|byte| format!("\\{byte:03o}")),
        each(|byte| format!("\\u{{{byte:x}}}")),
        each(|byte| format!("%u{byte:04x}")),
        each(|byte| format!("={byte:02X}")),
        each(|byte| format!("&#{byte:07};")),
        each(|byte| format!("&#x{byte:012X};")),
        pairs.join(":"),
        pairs.join("-"),
        pairs.join("\0"),
        format!("0x{}", pairs.join(", 0x")),
        secret.bytes().map(|byte| byte.to_string()).collect::<Vec<_>>().join(", "),
        broken(secret, 12, " "),
        broken(secret, 1, "\u{200b}"),
        broken(secret, 1, "&#8203;"),
        broken(secret, 5, "<wbr>"),
        each(|byte| format!("%252525{byte:02x}")),
        each(|byte| format!("<span class=\"k\">{}</span>", char::from(byte))),
        each(|byte| format!("\\0{byte:03o}")),
        each(|byte| format!("\\{byte:06x}")),
        broken(secret, 1, "&#8203"),
        broken(secret, 4, "\\x1b[31m"),
        secret.bytes().map(|byte| format!("{byte:03o}")).collect::<Vec<_>>().join(" "),
        BASE64.encode(secret.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>()),
        BASE64.encode(BASE64.encode(secret)),
        broken(&BASE64.encode(secret), 20, "\n"),
        secret.to_uppercase(),
        secret[4..].to_owned(),
        secret[9..25].to_owned(),
    ]
}

/// The letters and digits of `text`, in lower case.
fn condensed(text: &str) -> String {
    text.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_lowercase()
}

/// No twelve letters and digits of `form` are told one behind the other, whatever stands between them.
fn assert_hidden(run: &Run, form: &str) {
    let texts = |value: Value| match value {
        Value::String(text) => vec![text],
        Value::Object(fields) => fields.into_iter().map(|(_, value)| value.to_string()).collect(),
        _ => Vec::new(),
    };
    let mut said = vec![condensed(&run.stderr)];
    let unescaped = |text: &str| condensed(&text.replace("\\n", "").replace("\\u0000", ""));
    said.extend(run.messages().into_iter().flat_map(texts).map(|text| unescaped(&text)));
    let form = condensed(form);
    for part in form.as_bytes().windows(12).map(|part| std::str::from_utf8(part).unwrap()) {
        assert!(said.iter().all(|text| !text.contains(part)), "{form}: {part} is told: {run:#?}");
    }
    assert!(run.says("***"), "{form}: {run:#?}");
}

#[test]
fn what_a_store_repeats_escaped_broken_up_or_cut_is_hidden() {
    for form in written(KEY) {
        let said = form.replace('<', "&lt;").replace('>', "&gt;");
        let store = Server::start(move |_| {
            let error = format!("<Error><Code>Odd</Code><Message>The key &lt;{said}&gt; is bad</Message></Error>");
            Reply::new(403, "application/xml", error)
        });
        let run = sandbox(&store.endpoint(), json!({})).check();
        assert!(run.says("FAILED"), "{run:#?}");
        assert_hidden(&run, &form);
    }
}

#[test]
fn what_databricks_repeats_escaped_broken_up_or_cut_is_hidden() {
    for (number, form) in written(DAPI).into_iter().enumerate() {
        let said = format!("The token <{form}> is bad");
        let server = Server::start(move |request| {
            let is_warehouse = request.path.contains("/warehouses/");
            let (status, answer) = match (number % 2, is_warehouse) {
                (0, _) => (401, json!({"error_code": "ODD", "message": said})),
                (_, true) => (200, json!({"state": "RUNNING"})),
                (_, false) => (
                    200,
                    json!({"statement_id": "s1", "status": {"state": "FAILED", "sql_state": "XX000",
                    "error": {"error_code": "ODD", "message": said}}}),
                ),
            };
            Reply::new(status, "application/json", answer.to_string())
        });
        let store = store(&[], |_| None);
        let run = workspace(&server, &store, "/sql/1.0/warehouses/abc").check();
        assert!(run.says("FAILED"), "{run:#?}");
        assert_hidden(&run, &form);
    }
}
