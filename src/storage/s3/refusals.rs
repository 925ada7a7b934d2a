//! Why AWS gives no credentials, as a message with what to do.
//!
//! These are not rows of the table in `conditions`, which starts from the status and code of the store's answer for a bucket. Here
//! no bucket is involved: the errors are those of AWS's client for credentials. Its types are private, so an error is recognized by
//! its chain of causes: the code of a refusal, or a text if there was no answer. And the message depends on whose credentials were
//! refused: with `data_source.s3_role_arn` the same code can mean the role or the keys that assume it.

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_s3::error::ErrorMetadata;

use crate::error::{self, Error, Kind};
use crate::storage::bucket::{Failure, NoAnswer, causes};

const NO_KEYS: &str = "No AWS credentials were found in the environment, a profile, a web identity, the container or the \
                       instance. Set `data_source.s3_access_key_id` and `data_source.s3_secret_access_key`, or give this \
                       machine a role.";
const BAD_KEYS: &str = "the keys sent to it are not valid: correct `data_source.s3_access_key_id`, \
                        `data_source.s3_secret_access_key` and `data_source.s3_session_token`, or where they are not set, those \
                        of this machine's environment";

/// Texts of the client's errors when there was no answer, or a gateway's instead of the service's.
const SILENT: [&str; 4] = ["dispatch failure", "request has timed out", "response error", "unhandled error"];

/// The error for the user if there are no credentials; `role` is the one to assume, if one is set.
pub(super) fn explain(role: Option<&str>, error: CredentialsError) -> Error {
    let own = causes(&error).find_map(|error| error.downcast_ref::<Error>());
    if let Some((kind, message)) = own.map(|own| (own.kind(), own.to_string())) {
        return Error::new(kind, message).with_source(error);
    }
    let (kind, sentence) = match Cause::of(&error) {
        Cause::NoKeys => (Kind::Config, NO_KEYS.to_owned()),
        Cause::Other(kind, why) => {
            let what = role.map_or_else(
                || "The AWS credentials of this machine could not be obtained".to_owned(),
                |role| format!("The role {role} could not be assumed"),
            );
            (kind, format!("{what}: {why}."))
        }
        Cause::Refused(code) => (Kind::Config, refused(role, &code)),
    };
    Error::new(kind, sentence).with_source(error)
}

enum Cause {
    NoKeys,
    Refused(String),
    Other(Kind, String),
}

impl Cause {
    fn of(error: &CredentialsError) -> Self {
        let chain = || causes(error);
        let is_not_loaded = |error: &(dyn std::error::Error + 'static)| {
            matches!(error.downcast_ref(), Some(CredentialsError::CredentialsNotLoaded(_)))
        };
        if chain().any(is_not_loaded) {
            return Self::NoKeys;
        }
        let code = chain().find_map(|error| error.downcast_ref::<ErrorMetadata>()?.code().map(ToOwned::to_owned));
        // A refusal for which the client has a private type is recognized by its text, which begins with the code.
        let refusal = chain().skip_while(|error| error.to_string() != "service error").nth(1);
        let word = |text: String| text.split(|sign: char| !sign.is_alphanumeric()).next().map(ToOwned::to_owned);
        let code = code.or_else(|| word(refusal?.to_string()).filter(|word| word != "unhandled"));
        let code = code.filter(|code| error::code(code).is_some());
        let is_silent = |error: &(dyn std::error::Error + 'static)| {
            matches!(error.downcast_ref(), Some(CredentialsError::ProviderTimedOut(_)))
                || SILENT.contains(&error.to_string().as_str())
        };
        match (code, Failure::of(error).no_answer) {
            (Some(code), _) if is_busy(&code) => {
                Self::Other(Kind::Transient, format!("the service that gives credentials is too busy and answered {code}"))
            }
            (Some(code), _) => Self::Refused(code),
            (None, Some(NoAnswer::Tls)) => Self::Other(
                Kind::Config,
                "no encrypted connection to the service that gives credentials could be made: its certificate must be valid for \
                 its name and known to this machine"
                    .to_owned(),
            ),
            (None, _) if chain().any(is_silent) => Self::Other(
                Kind::Transient,
                "the service that gives credentials does not answer: let this machine reach AWS STS in \
                 `data_source.s3_bucket_region`, or correct AWS_ENDPOINT_URL_STS and the other variables of AWS in the environment"
                    .to_owned(),
            ),
            (None, _) => Self::Other(
                Kind::Config,
                "what AWS's default chain found cannot be used: correct this machine's profile, web identity, container or \
                 instance role; the internal message has the cause"
                    .to_owned(),
            ),
        }
    }
}

fn is_busy(code: &str) -> bool {
    const BUSY: [&str; 6] =
        ["Throttl", "ServiceUnavailable", "Internal", "RequestLimitExceeded", "SlowDown", "IDPCommunicationError"];
    BUSY.iter().any(|busy| code.contains(busy))
}

fn refused(role: Option<&str>, code: &str) -> String {
    let are_keys_bad = matches!(
        code,
        "InvalidClientTokenId" | "SignatureDoesNotMatch" | "UnrecognizedClientException" | "ExpiredToken"
    ) || code == "ExpiredTokenException" && role.is_some();
    match role {
        Some(role) if are_keys_bad => format!("The role {role} could not be assumed ({code}): {BAD_KEYS}."),
        Some(role) => format!(
            "The role {role} could not be assumed ({code}). Check `data_source.s3_role_arn` and \
             `data_source.s3_external_id`, that its trust policy names this identity, and that this identity may call \
             sts:AssumeRole."
        ),
        None => format!(
            "AWS refused credentials to this machine ({code}): check the role, its trust policy and the token that AWS's \
             variables in the environment, or the profile, name."
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn explained(role: Option<&str>, error: CredentialsError) -> (Kind, String) {
        let error = explain(role, error);
        (error.kind(), error.message().to_owned())
    }

    #[test]
    fn a_refusal_is_reported_with_its_code_and_what_to_do() {
        let answered = |code: &str| CredentialsError::provider_error(ErrorMetadata::builder().code(code).build());
        let cases = [
            ("AccessDenied", Kind::Config, "trust policy"),
            ("InvalidClientTokenId", Kind::Config, "s3_access_key_id"),
            ("Throttling", Kind::Transient, "too busy"),
        ];
        for (code, kind, hint) in cases {
            let (found, sentence) = explained(Some("a-role"), answered(code));
            assert_eq!(found, kind, "{code}");
            assert!([code, hint, "a-role"].iter().all(|part| sentence.contains(part)), "{sentence}");
        }
        assert!(explained(None, answered("InvalidIdentityToken")).1.contains("(InvalidIdentityToken)"));
    }

    #[test]
    fn credentials_that_are_not_found_and_a_service_that_does_not_answer_are_different_errors() {
        let nothing = CredentialsError::provider_error(CredentialsError::not_loaded_no_source());
        assert_eq!(explained(Some("a-role"), nothing), (Kind::Config, NO_KEYS.to_owned()));
        let late = CredentialsError::provider_timed_out(std::time::Duration::from_secs(1));
        assert_eq!(explained(None, late).0, Kind::Transient);
        assert_eq!(explained(None, CredentialsError::invalid_configuration("a loop")).0, Kind::Config);
    }
}
