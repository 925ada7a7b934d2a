//! What a bucket demands of what is written into it, and what it keeps: encryption, checksums, retention.
//!
//! S3 says much of this only in the words of its answer: the code is the same for a key that may not be used and for an
//! object that may not be written.

use super::action::Action;
use super::errors::Answer;
use crate::error::Kind;

/// What is demanded and was not given, if `answer` says so: the kind of the error and the second half of a sentence.
pub(super) fn unmet(answer: &Answer, action: Action) -> Option<(Kind, String)> {
    let code = answer.code.as_deref().unwrap_or_default();
    let said = said(answer);
    let why = match code {
        "KMS.ThrottlingException" | "KMS.KMSInternalException" | "KMS.DependencyTimeoutException" => {
            let why = format!("AWS KMS is too busy just now ({code})");
            return Some((Kind::Transient, why));
        }
        "KMS.NotFoundException" => "there is no such key in AWS KMS in the bucket's region: correct \
                                    `data_source.s3_sse_kms_key_id`, or the key in the bucket's own settings"
            .to_owned(),
        _ if code.starts_with("KMS.") => {
            format!("the encryption key cannot be used ({code}): enable it for this identity in AWS KMS")
        }
        "AccessDenied" if said.contains("kms:") || said.contains("kms key") => {
            "the encryption key may not be used: allow kms:GenerateDataKey and kms:Decrypt for this identity, in its policy \
             and in the key's"
                .to_owned()
        }
        "KMSNotConfigured" | "InvalidEncryptionAlgorithmError" | "InvalidEncryptionMethod" => no_encryption(code),
        _ if said.contains("kms is not configured") => no_encryption(code),
        "NotImplemented" | "InvalidArgument" | "InvalidRequest"
            if said.contains("server side encryption") || said.contains("server-side-encryption") =>
        {
            no_encryption(code)
        }
        _ if is_retained(answer) && matches!(action, Action::Put | Action::Copy) => {
            "an object of this name is under retention, and the bucket has no versions that a new one could become: switch \
             versioning on, as object lock needs it"
                .to_owned()
        }
        _ => return None,
    };
    Some((Kind::Config, why))
}

/// What else may be the reason where writing is denied.
pub(super) fn hint(action: Action) -> &'static str {
    match action {
        Action::Put | Action::Copy => "; if that policy demands encryption of each request, set `data_source.s3_sse`",
        _ => "",
    }
}

/// Whether the store does not take the checksum of a request that had one. A body that does not have it is another thing.
pub(super) fn refuses_checksums(answer: &Answer) -> bool {
    let code = answer.code.as_deref().unwrap_or_default();
    let is_refusal = matches!(answer.status, Some(400 | 403 | 405 | 501)) && !code.contains("Digest");
    let said = said(answer);
    let is_other = said.contains("match") || said.contains("required") || said.contains("missing");
    is_refusal && !is_other && said.contains("checksum")
}

/// Whether an object stays because it is under retention or a legal hold.
pub(in crate::storage) fn is_retained(answer: &Answer) -> bool {
    let said = said(answer);
    let by_code = matches!(answer.code.as_deref(), Some("ObjectLocked" | "InvalidObjectState.Locked"));
    let in_words = ["object lock", "objectlock", "worm", "retention", "legal hold", "retained"];
    let is_denied = matches!(answer.code.as_deref(), Some("AccessDenied" | "InvalidRequest" | "MethodNotAllowed"));
    by_code || is_denied && in_words.iter().any(|word| said.contains(word)) && !said.contains("required")
}

fn no_encryption(code: &str) -> String {
    format!(
        "the store does not encrypt as `data_source.s3_sse` says ({code}): correct it, or remove it to leave encryption to \
         the bucket's own settings"
    )
}

fn said(answer: &Answer) -> String {
    answer.message.as_deref().unwrap_or_default().to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::s3::errors::Place;

    fn answer(status: u16, code: &str, message: &str) -> Answer {
        let body = format!("<Error><Code>{code}</Code><Message>{message}</Message></Error>");
        Answer::of(&std::io::Error::other(format!("Server returned non-2xx status code: {status} X: {body}")))
    }

    fn explained(status: u16, code: &str, message: &str) -> (Kind, String) {
        let place = Place { bucket: "lake".into(), region: "us-east-1".into(), endpoint: None };
        answer(status, code, message).explain(Action::Put, &place, "a/b")
    }

    #[test]
    fn what_keys_refuse_is_told_with_its_cure() {
        let no_right = "User: arn:aws:iam::1:user/u is not authorized to perform: kms:GenerateDataKey on this resource \
                        because no resource-based policy allows it";
        for (status, code, message, said) in [
            (403, "AccessDenied", no_right, "allow kms:GenerateDataKey and kms:Decrypt"),
            (400, "KMS.NotFoundException", "Invalid arn", "`data_source.s3_sse_kms_key_id`"),
            (400, "KMS.DisabledException", "k is disabled.", "enable it for this identity in AWS KMS"),
            (400, "KMS.KMSInvalidStateException", "k is pending deletion.", "enable it"),
            (
                501,
                "NotImplemented",
                "Server side encryption specified but KMS is not configured",
                "`data_source.s3_sse`",
            ),
            (400, "InvalidEncryptionAlgorithmError", "The valid value is AES256.", "`data_source.s3_sse`"),
            (403, "AccessDenied", "with an explicit deny in a resource-based policy", "set `data_source.s3_sse`"),
        ] {
            let (kind, sentence) = explained(status, code, message);
            assert!(kind == Kind::Config && sentence.contains(said), "{sentence}");
        }
        assert_eq!(explained(400, "KMS.ThrottlingException", "Rate exceeded").0, Kind::Transient);
    }

    #[test]
    fn a_checksum_that_is_not_known_is_told_from_one_that_is_wrong() {
        for (status, code, message, refused) in [
            (501, "NotImplemented", "Header 'x-amz-checksum-algorithm' with value 'SHA256' not implemented", true),
            (400, "InvalidArgument", "Unsupported header x-amz-checksum-sha256 received", true),
            (400, "InvalidRequest", "The value specified in the x-amz-checksum-sha256 header did not match", false),
            (400, "BadDigest", "The checksum is not the one of the data", false),
            (400, "InvalidRequest", "Content-MD5 OR x-amz-checksum- HTTP header is required", false),
            (501, "NotImplemented", "A header implies functionality that is not implemented", false),
            (503, "SlowDown", "checksum", false),
        ] {
            assert_eq!(refuses_checksums(&answer(status, code, message)), refused, "{message}");
        }
    }

    #[test]
    fn what_stays_under_retention_is_told_from_what_may_not_be_deleted() {
        for (code, message, retained) in [
            ("ObjectLocked", "Object is WORM protected and cannot be overwritten", true),
            ("AccessDenied", "Access Denied because object protected by object lock.", true),
            ("AccessDenied", "Access Denied", false),
            (
                "InvalidRequest",
                "x-amz-checksum- header is required for Put Object requests with Object Lock parameters",
                false,
            ),
        ] {
            assert_eq!(is_retained(&answer(403, code, message)), retained, "{message}");
        }
        let in_words = "Error performing bulk delete: DeleteObjects request failed for key k: Access Denied because object \
                        protected by object lock. (code: AccessDenied)";
        assert!(is_retained(&Answer::of(&std::io::Error::other(in_words))));
    }
}
