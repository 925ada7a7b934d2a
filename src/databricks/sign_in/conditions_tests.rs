//! What services say, in their own words, and what becomes of it.

use serde_json::json;

use super::*;

const NOW: i64 = 1_700_000_000;

fn claims() -> Claims {
    Claims {
        algorithm: "RS256".to_owned(),
        issuer: Some("https://issuer.example".to_owned()),
        subject: Some("repo:acme/lake".to_owned()),
        audiences: vec!["acme".to_owned()],
        expires: Some(NOW + 600),
        begins: Some(NOW - 60),
    }
}

fn said(status: u16, code: &str, description: &str) -> Said {
    let body = json!({"error": code, "error_description": description}).to_string();
    Said { status, body: body.into(), now: Some(NOW), retry_after: None, led_to: None }
}

fn explained(said: &Said, asker: Asker, claims: Option<&Claims>) -> Error {
    let about =
        About { asker, host: "abc.example", who: "the service principal `x`", setting: "`setting`", claims, now: NOW };
    explain(said, &about)
}

#[test]
fn each_refusal_is_named_with_its_cure() {
    for (asker, status, code, description, words) in [
        (Asker::Secret, 401, "invalid_client", "Client authentication failed", "client id or client secret is wrong"),
        (Asker::Secret, 401, "invalid_client", "The client secret has expired", "the client secret has expired"),
        (
            Asker::Secret,
            401,
            "invalid_client",
            "Service principal not found",
            "there is no service principal with this",
        ),
        (Asker::Secret, 403, "access_denied", "x", "it may not use this workspace"),
        (Asker::Secret, 401, "invalid_client", "Service principal x is disabled", "is deactivated"),
        (Asker::Secret, 400, "invalid_scope", "x", "may not ask for the scope"),
        (Asker::Secret, 400, "unsupported_grant_type", "x", "may not sign in in this way"),
        (
            Asker::Secret,
            403,
            "x",
            "Source IP address: 1.2.3.4 is blocked by Databricks IP ACL",
            "does not admit the address",
        ),
        (Asker::Secret, 400, "invalid_request", "Account-level token at a workspace", "asked at the wrong level"),
        (Asker::Secret, 404, "x", "Account not found", "there is no such account"),
        (Asker::Secret, 404, "x", "", "there is nobody who gives tokens"),
        (
            Asker::Jwt,
            400,
            "invalid_grant",
            "No matching federation policy found",
            "no federation policy matches the JWT",
        ),
        (Asker::Jwt, 400, "invalid_grant", "Token audience is wrong", "expects another audience"),
        (Asker::Jwt, 400, "invalid_grant", "subject mismatch", "expects another subject"),
        (Asker::Jwt, 400, "invalid_grant", "unknown issuer", "trusts this issuer"),
        (Asker::Jwt, 400, "invalid_grant", "JWT signature verification failed", "does not fit the keys"),
        (Asker::Jwt, 400, "invalid_grant", "Token is expired", "the JWT has expired"),
        (Asker::Jwt, 400, "invalid_grant", "", "the JWT is not accepted"),
        (Asker::Jwt, 400, "invalid_request", "client_id is required", "without a client id only a policy"),
        (Asker::Jwt, 401, "invalid_client", "", "or it has no federation policy"),
        (Asker::Jwt, 400, "invalid_request", "Could not parse the subject_token", "it cannot read the JWT"),
        (Asker::Jwt, 403, "PERMISSION_DENIED", "no federation policy for it", "no federation policy matches the JWT"),
        (Asker::Jwt, 400, "invalid_grant", "Token used before issued", "a clock is wrong"),
        (Asker::Jwt, 400, "invalid_grant", "No matching kid", "does not fit the keys"),
        (Asker::Jwt, 400, "invalid_grant", "kid not found", "does not fit the keys"),
        (Asker::Secret, 400, "invalid_request", "Client ID is not valid", "there is no service principal with this"),
        (Asker::Secret, 403, "x", "IP address 1.2.3.4 is not in the allow list", "does not admit the address"),
        (Asker::Secret, 403, "x", "blocked by network policy", "does not admit the address"),
        (Asker::Refresh, 400, "invalid_grant", "User is not a member of workspace 1", "the user is not assigned"),
        (Asker::Code, 400, "invalid_grant", "User is not a member of workspace 1", "the user is not assigned"),
        (Asker::Refresh, 400, "invalid_grant", "User is deactivated", "the user is deactivated"),
        (Asker::Code, 400, "invalid_request", "Account-level user at a workspace", "remove --account-id to ask"),
        (Asker::Code, 401, "invalid_client", "client secret required", "To do: name a file with the application's"),
        (Asker::Code, 400, "unsupported_grant_type", "", "name another application by --client-id"),
        (Asker::Code, 400, "x", "", "correct the arguments"),
        // What only lists possibilities is no diagnosis.
        (
            Asker::Secret,
            401,
            "invalid_client",
            "The client secret is invalid or has expired",
            "client id or client secret is wrong",
        ),
        (Asker::Jwt, 400, "invalid_grant", "The token has expired or was revoked.", "the JWT is not accepted"),
        (Asker::Jwt, 400, "invalid_grant", "issuer, subject or audience is wrong", "the JWT is not accepted"),
        (
            Asker::Secret,
            401,
            "invalid_client",
            "Client authentication failed (e.g., unknown client, no client authentication included)",
            "client id or client secret is wrong",
        ),
        (
            Asker::Refresh,
            400,
            "invalid_grant",
            "The refresh token is invalid, expired or revoked.",
            "is wrong, has expired, was used before or was revoked",
        ),
        (Asker::Refresh, 400, "invalid_grant", "refresh token already used", "was used before"),
        (Asker::Refresh, 400, "invalid_grant", "user revoked consent", "the consent of the user was revoked"),
        (Asker::Refresh, 400, "invalid_grant", "expired", "the refresh token has expired"),
        (Asker::Refresh, 400, "invalid_grant", "", "is wrong, has expired, was used before or was revoked"),
        (Asker::Refresh, 401, "invalid_client", "client secret required", "is a confidential one"),
        (Asker::Code, 400, "invalid_request", "redirect_uri mismatch", "does not allow the address"),
        (
            Asker::Entra,
            401,
            "invalid_client",
            "AADSTS7000215: Invalid client secret. Trace ID: 1",
            "the client secret is wrong",
        ),
        (Asker::Entra, 401, "invalid_client", "AADSTS7000222: expired", "the client secret has expired"),
        (Asker::Entra, 400, "unauthorized_client", "AADSTS700016: not found", "the directory has no such application"),
        (Asker::Entra, 400, "invalid_grant", "AADSTS65001: not consented", "or the consent was revoked"),
        (Asker::Entra, 400, "invalid_request", "AADSTS90002: Tenant not found", "there is no such directory"),
        (
            Asker::Entra,
            400,
            "invalid_resource",
            "AADSTS500011: no principal",
            "Databricks is not known in this directory",
        ),
        (Asker::Machine, 400, "invalid_request", "Identity not found", "the machine has no such identity"),
        (Asker::Machine, 404, "", "", "nobody there gives tokens of an identity"),
        (Asker::GitHub, 403, "", "", "GitHub does not issue a JWT to this job"),
        (Asker::DevOps, 401, "", "", "Azure DevOps does not issue a JWT to this job"),
    ] {
        let claims = Some(claims()).filter(|_| asker == Asker::Jwt);
        let error = explained(&said(status, code, description), asker, claims.as_ref());
        assert_eq!(error.kind(), Kind::Config, "{description}: {error}");
        assert!(error.message().contains(words), "{description}: {error}");
        assert!(error.message().contains("abc.example gives no token for the service principal `x`: "), "{error}");
        assert!(error.message().contains(" To do: "), "{error}");
        assert_eq!(error.message().contains("subject \"repo:acme/lake\""), asker == Asker::Jwt, "{error}");
        assert!(!error.to_string().contains("Trace ID"), "{error}");
        assert!(asker != Asker::Code || !error.message().contains("`authentication"), "{error}");
    }
    for (asker, status) in [(Asker::Secret, 503), (Asker::Machine, 410), (Asker::Entra, 429), (Asker::Jwt, 500)] {
        assert_eq!(explained(&said(status, "x", "y"), asker, None).kind(), Kind::Transient, "{status}");
    }
}

#[test]
fn what_can_be_seen_in_a_jwt_counts_more_than_what_a_service_says() {
    let vague = said(400, "invalid_grant", "issuer, subject or audience");
    for (claims, words) in [
        (
            Claims { algorithm: "HS256".to_owned(), ..claims() },
            "signed by an algorithm that Databricks does not accept",
        ),
        (Claims { expires: Some(NOW - 1), ..claims() }, "the JWT has expired"),
        (Claims { begins: Some(NOW + 300), ..claims() }, "the JWT is from the future"),
    ] {
        let error = explained(&vague, Asker::Jwt, Some(&claims));
        assert!(error.message().contains(words), "{error}");
    }
}

#[test]
fn a_clock_that_is_wrong_is_told() {
    let vague = Said { now: Some(NOW - 900), ..said(400, "invalid_grant", "") };
    let error = explained(&vague, Asker::Jwt, Some(&claims()));
    assert!(error.message().contains("The clock of this machine is 900 s ahead of that of abc.example"), "{error}");
    let error = explained(&Said { now: Some(NOW + 30), ..vague }, Asker::Jwt, Some(&claims()));
    assert!(!error.message().contains("clock of this machine is"), "{error}");
}

#[test]
fn words_are_shown_without_secrets_and_not_pages_of_them() {
    let secret = "dose-9876543210abcdef";
    crate::secret::know(secret);
    let echo = said(400, "invalid_client", &format!("bad {secret} {}", "x ".repeat(900)));
    let shown = explained(&echo, Asker::Secret, None).to_string();
    assert!(!shown.contains(secret) && shown.contains("bad ***") && shown.len() < 1200, "{shown}");
    let page =
        Said { status: 403, body: "<html><body>no</body></html>".into(), now: None, retry_after: None, led_to: None };
    assert!(!explained(&page, Asker::Secret, None).to_string().contains("<html>"));
}

#[test]
fn the_documentation_shows_the_table() {
    let shown = include_str!("../../../docs/sign-in-errors.md");
    let right = std::env::temp_dir().join("sign-in-errors.md");
    if !shown.contains(&markdown()) {
        std::fs::write(&right, markdown()).expect("a file for the right table");
        panic!("docs/sign-in-errors.md has another table; the right one is in {}", right.display());
    }
}
