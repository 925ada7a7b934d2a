//! What a JWT says of itself: read to explain why it was refused, and for federation policies. Nothing here trusts it.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

use crate::error::shortened;

/// The most characters of a claim in a message.
const SHOWN: usize = 200;
/// The algorithms that Databricks accepts. Source: databricks documentation, OAuth token federation.
const ACCEPTED: [&str; 2] = ["RS256", "ES256"];

/// The claims that federation policies are about.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Claims {
    /// `alg` of the header.
    pub algorithm: String,
    /// `iss`
    pub issuer: Option<String>,
    /// `sub`
    pub subject: Option<String>,
    /// `aud`
    pub audiences: Vec<String>,
    /// `exp`, in seconds since the epoch.
    pub expires: Option<i64>,
    /// The later one of `nbf` and `iat`.
    pub begins: Option<i64>,
}

impl Claims {
    /// The claims of `jwt`; `None` if it is none.
    pub fn of(jwt: &str) -> Option<Self> {
        let mut parts = jwt.split('.');
        let (header, payload) = (part(parts.next()?)?, part(parts.next()?)?);
        if parts.next().is_none_or(str::is_empty) || parts.next().is_some() {
            return None;
        }
        let text = |name: &str| payload.get(name).and_then(Value::as_str).map(str::to_owned);
        let time =
            |name: &str| payload.get(name).and_then(|time| time.as_i64().or_else(|| Some(time.as_f64()? as i64)));
        let audiences = match payload.get("aud") {
            Some(Value::String(one)) => vec![one.clone()],
            Some(Value::Array(many)) => many.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
            _ => Vec::new(),
        };
        Some(Self {
            algorithm: header.get("alg")?.as_str()?.to_owned(),
            issuer: text("iss"),
            subject: text("sub"),
            audiences,
            expires: time("exp"),
            begins: time("nbf").max(time("iat")),
        })
    }

    /// Whether Databricks accepts its algorithm.
    pub fn is_accepted(&self) -> bool {
        ACCEPTED.contains(&self.algorithm.as_str())
    }

    /// What a federation policy has to match, for messages.
    pub fn shown(&self) -> String {
        let one = |text: &Option<String>| text.as_deref().map_or_else(|| "none".to_owned(), shown);
        let audiences: Vec<String> = self.audiences.iter().take(5).map(|audience| shown(audience)).collect();
        let audiences = if audiences.is_empty() { "none".to_owned() } else { audiences.join(", ") };
        format!("issuer {}, subject {}, audience {audiences}", one(&self.issuer), one(&self.subject))
    }
}

fn shown(text: &str) -> String {
    format!("{:?}", shortened(text, SHOWN))
}

fn part(text: &str) -> Option<Value> {
    let bytes = URL_SAFE_NO_PAD.decode(text.trim_end_matches('=')).ok()?;
    serde_json::from_slice(&bytes).ok().filter(Value::is_object)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn jwt(header: &Value, payload: &Value) -> String {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        format!("{}.{}.c2lnbmF0dXJl", part(header), part(payload))
    }

    #[test]
    fn the_claims_of_a_policy_are_read_and_shown() {
        let payload = json!({"iss": "https://i.example", "sub": "repo:a/b", "aud": ["x", "y"], "exp": 1_700_000_600,
            "nbf": 1_700_000_000, "iat": 1_699_999_999.5});
        let claims = Claims::of(&jwt(&json!({"alg": "ES256"}), &payload)).expect("a JWT");
        assert!(claims.is_accepted());
        assert_eq!((claims.expires, claims.begins), (Some(1_700_000_600), Some(1_700_000_000)));
        assert_eq!(claims.shown(), "issuer \"https://i.example\", subject \"repo:a/b\", audience \"x\", \"y\"");
        let bare = Claims::of(&jwt(&json!({"alg": "HS256"}), &json!({}))).expect("a JWT");
        assert!(!bare.is_accepted());
        assert_eq!(bare.shown(), "issuer none, subject none, audience none");
    }

    #[test]
    fn what_is_no_jwt_is_none() {
        let whole = jwt(&json!({"alg": "RS256"}), &json!({}));
        let unsigned = whole.rsplit_once('.').expect("three parts").0.to_owned();
        for text in ["", "dapi0123", "a.b.c", "e30.e30.x", &unsigned, &format!("{unsigned}."), &format!("{whole}.x")] {
            assert_eq!(Claims::of(text), None, "{text}");
        }
    }
}
