//! A workspace that gives tokens and runs nothing: what a sign-in needs, and no more.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::hostile::bucket::{source, store};
use crate::hostile::server::{Reply, Request, Server};
use crate::program::Sandbox;

/// An application id.
pub const ID: &str = "6a1b2c3d-0000-4000-8000-000000000001";
/// The secrets that tests give the program: made to be found again wherever they turn up.
pub const SECRET: &str = "doseCANARY0123456789abcdef0123456789";
pub const REFRESH: &str = "doauCANARY/9876543210+fedcba9876543210";
/// A refresh token that takes the place of the first.
pub const NEXT: &str = "doauCANARY-fedcba-0123456789-next/one";
/// A token that the workspace gives.
pub const TOKEN: &str = "eyTCANARY-access-0123456789-ABCDEFGHIJ";

/// An answer in JSON.
pub fn json_reply(status: u16, body: &Value) -> Reply {
    Reply::new(status, "application/json", body.to_string())
}

/// An error in the words of OAuth.
pub fn oauth(status: u16, code: &str, description: &str) -> Reply {
    json_reply(status, &json!({"error": code, "error_description": description}))
}

/// A token that is good for an hour.
pub fn token() -> Reply {
    json_reply(200, &json!({"access_token": TOKEN, "token_type": "Bearer", "expires_in": 3600}))
}

/// An error of the workspace itself.
pub fn refusal(status: u16, code: &str, message: &str) -> Reply {
    json_reply(status, &json!({"error_code": code, "message": message}))
}

/// Whether the request asks for a token.
pub fn is_for_token(request: &Request) -> bool {
    request.path.ends_with("token")
}

/// A field of the form in a request.
pub fn field(request: &Request, name: &str) -> Option<String> {
    let mut pairs = url::form_urlencoded::parse(&request.body);
    pairs.find(|(known, _)| known == name).map(|(_, value)| value.into_owned())
}

/// A JWT with these claims, which nobody has signed.
pub fn jwt(algorithm: &str, claims: &Value) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}.Q0FOQVJZc2lnbmF0dXJl", part(&json!({"alg": algorithm, "kid": "1"})), part(claims))
}

/// Claims that are good for a long time.
pub fn claims() -> Value {
    json!({"iss": "https://issuer.example", "sub": "system:serviceaccount:lake:loader", "aud": "acme", "exp": 4_000_000_000_u64})
}

/// A sandbox that loads through `server`, signed in by `authentication`, with its tables in a store in memory.
pub fn sandbox(server: &Server, authentication: &Value) -> Sandbox {
    let store = store(&[], |_| None);
    let mut sandbox = Sandbox::with(json!({
        "data_source": source(&store.endpoint()), "database": "main", "schema": "shop",
        "databricks_server_hostname": "http://127.0.0.1", "databricks_port": server.port().to_string(),
        "databricks_http_path": "/sql/1.0/warehouses/abc", "authentication": authentication,
    }));
    for name in ["RETRY_MS", "DATABRICKS_RETRY_MS", "DATABRICKS_START_MS"] {
        sandbox.set_environment(&format!("DESTINATION_DATABRICKS_{name}"), "900");
    }
    sandbox.set_environment("AZURE_AUTHORITY_HOST", &server.endpoint());
    sandbox.set_environment("IDENTITY_ENDPOINT", &format!("{}/machine/token", server.endpoint()));
    sandbox
}
