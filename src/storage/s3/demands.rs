//! Answers of S3 that are told apart by their message alone: a checksum that is not supported, an object under retention.

use crate::storage::bucket::Failure;

/// Whether the store does not support the checksum of a request that had one. A body with another checksum is not that.
pub(super) fn refuses_checksums(failure: &Failure) -> bool {
    let code = failure.code.as_deref().unwrap_or_default();
    let is_refusal = matches!(failure.status, Some(400 | 403 | 405 | 501)) && !code.contains("Digest");
    let said = said(failure);
    let is_other = said.contains("match") || said.contains("required") || said.contains("missing");
    is_refusal && !is_other && said.contains("checksum")
}

/// Whether an object stays because it is under retention or a legal hold.
pub(super) fn is_retained(failure: &Failure) -> bool {
    let said = said(failure);
    let by_code = matches!(failure.code.as_deref(), Some("ObjectLocked" | "InvalidObjectState.Locked"));
    let in_words = ["object lock", "objectlock", "worm", "retention", "legal hold", "retained"];
    let is_denied = matches!(failure.code.as_deref(), Some("AccessDenied" | "InvalidRequest" | "MethodNotAllowed"));
    by_code || is_denied && in_words.iter().any(|word| said.contains(word)) && !said.contains("required")
}

fn said(failure: &Failure) -> String {
    failure.message.as_deref().unwrap_or_default().to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(status: u16, code: &str, message: &str) -> Failure {
        let body = format!("<Error><Code>{code}</Code><Message>{message}</Message></Error>");
        Failure::of(&std::io::Error::other(format!("Server returned non-2xx status code: {status} X: {body}")))
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
            assert_eq!(refuses_checksums(&failure(status, code, message)), refused, "{message}");
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
            assert_eq!(is_retained(&failure(403, code, message)), retained, "{message}");
        }
        let in_words = "Error performing bulk delete: DeleteObjects request failed for key k: Access Denied because object \
                        protected by object lock. (code: AccessDenied)";
        assert!(is_retained(&Failure::of(&std::io::Error::other(in_words))));
    }
}
