//! The rows of the table of [`conditions`](super::conditions), in the order in which they are compared.

use super::conditions::Own::{CodeAt, Codes, NotS3, Page, Retained};
use super::conditions::When::{Aws, BucketInHost, OtherRegion, Writing};
use super::conditions::{Condition, Key};
use crate::error::UNEXPLAINED;
use crate::storage::bucket::NoAnswer;
use crate::storage::bucket::conditions::Key::{Any, Bare, Code, Own, Status, Unanswered};
use crate::storage::bucket::conditions::{config, transient};

const DENIED: &str = "access is denied";

const NOT_S3: &str = "{host} does not answer like S3";
const ENDPOINT: &str = "correct `data_source.s3_endpoint`";
const KEY_MAY_NOT_BE_USED: &str = "the encryption key may not be used";
const NOT_ENCRYPTED: &str = "the store does not encrypt as `data_source.s3_sse` says ({code})";
const LEAVE_ENCRYPTION: &str = "correct it, or remove it to leave encryption to the bucket's own settings";
const REGION: &str = "the bucket is not in the region {region}";
const OTHER_REGION: &[Key] = &[
    Code("PermanentRedirect"),
    Code("AuthorizationHeaderMalformed"),
    Code("IllegalLocationConstraintException"),
    Code("TemporaryRedirect"),
    Bare(300, 303),
    Bare(305, 399),
];
const REFUSED: &[Key] =
    &[Code("AccessDenied"), Code("AllAccessDisabled"), Code("AccountProblem"), Bare(401, 401), Bare(403, 403)];

/// The table.
pub(super) const ROWS: &[Condition] = &[
    transient(
        &[Unanswered(NoAnswer::Refused)],
        "{host} accepts no connection",
        "check that it runs, and that address and network are right",
    ),
    config(
        &[Unanswered(NoAnswer::UnknownHost)],
        "the host name of {host} cannot be resolved",
        "correct `data_source.s3_bucket_region`, or let this machine reach AWS",
    )
    .when(Aws),
    config(
        &[Unanswered(NoAnswer::UnknownHost)],
        "the host name in {host} cannot be resolved",
        "set `data_source.s3_path_style` to true, so that the bucket's name is not put before the host's, or correct \
         `data_source.s3_endpoint`",
    )
    .when(BucketInHost),
    config(
        &[Unanswered(NoAnswer::UnknownHost)],
        "the host name in {host} cannot be resolved",
        "correct `data_source.s3_endpoint` or the region",
    ),
    transient(
        &[Unanswered(NoAnswer::LostHost)],
        "the host name of {host} cannot be resolved any more",
        "check this machine's network and name service",
    ),
    config(
        &[Unanswered(NoAnswer::Tls)],
        "no encrypted connection to {host} could be made",
        "its certificate must be valid for this name and known to this machine, or be in the file that the variable \
         SSL_CERT_FILE names, and the address must be one that speaks TLS",
    ),
    transient(&[Unanswered(NoAnswer::TimedOut)], "{host} did not answer in time", ""),
    transient(&[Unanswered(NoAnswer::Cut)], "the connection to {host} broke repeatedly", ""),
    transient(
        &[Code("KMS.ThrottlingException"), Code("KMS.KMSInternalException"), Code("KMS.DependencyTimeoutException")],
        "AWS KMS is too busy just now ({code})",
        "",
    ),
    config(
        &[Code("KMS.NotFoundException")],
        "there is no such key in AWS KMS in the bucket's region",
        "correct `data_source.s3_sse_kms_key_id`, or the key in the bucket's own settings",
    ),
    config(
        &[Own(Codes("KMS."))],
        "the encryption key cannot be used ({code})",
        "enable it for this identity in AWS KMS",
    ),
    config(
        &[Code("AccessDenied")],
        KEY_MAY_NOT_BE_USED,
        "allow kms:GenerateDataKey and kms:Decrypt for this identity, in its policy and in the key's",
    )
    .contains(&["kms:", "kms key"]),
    config(
        &[Code("KMSNotConfigured"), Code("InvalidEncryptionAlgorithmError"), Code("InvalidEncryptionMethod")],
        NOT_ENCRYPTED,
        LEAVE_ENCRYPTION,
    ),
    config(&[Any], NOT_ENCRYPTED, LEAVE_ENCRYPTION).contains(&["kms is not configured"]),
    config(&[Code("NotImplemented"), Code("InvalidArgument"), Code("InvalidRequest")], NOT_ENCRYPTED, LEAVE_ENCRYPTION)
        .contains(&["server side encryption", "server-side-encryption"]),
    config(
        &[Own(Retained)],
        "an object of this name is under retention and versioning is off",
        "switch versioning on for the bucket",
    )
    .when(Writing),
    config(&[Own(NotS3)], NOT_S3, ENDPOINT),
    config(
        // The second one is versitygw's.
        &[Code("InvalidAccessKeyId"), Code("XAdminUserNotFound")],
        "the store does not know this access key id",
        "correct `data_source.s3_access_key_id`",
    ),
    config(
        &[Code("SignatureDoesNotMatch")],
        "the secret key does not belong to the access key id",
        "correct `data_source.s3_access_key_id` and `data_source.s3_secret_access_key`",
    ),
    config(
        &[Code("ExpiredToken"), Code("TokenRefreshRequired")],
        "the temporary key has expired",
        "give a new key with its session token, or a role that is assumed anew",
    ),
    config(
        &[Code("InvalidToken"), Code("InvalidTokenId")],
        "the session token is not valid",
        "correct `data_source.s3_session_token`, or remove it if `data_source.s3_access_key_id` and \
         `data_source.s3_secret_access_key` are permanent",
    ),
    config(
        &[Code("RequestTimeTooSkewed")],
        "this machine's clock differs from the store's by more than 15 minutes",
        "set it right",
    ),
    config(&[Code("NoSuchBucket")], "there is no bucket {bucket}", "create it or correct `data_source.s3_bucket_name`"),
    config(&[Code("InvalidBucketName")], "the bucket's name is not valid", "correct `data_source.s3_bucket_name`"),
    config(OTHER_REGION, REGION, "it is in {named region}; set `data_source.s3_bucket_region` to {named region}")
        .when(OtherRegion),
    config(OTHER_REGION, REGION, "correct `data_source.s3_bucket_region`, or remove it to have it found"),
    config(
        &[Code("NotImplemented"), Code("MethodNotAllowed"), Status(405, 405), Status(501, 501)],
        "this store does not know the request ({code}), so it cannot hold Delta tables safely",
        "use another store",
    ),
    config(
        &[Own(CodeAt("InvalidArgument", 400)), Own(CodeAt("InvalidRequest", 400)), Own(CodeAt("InvalidURI", 400))],
        "{host} does not accept the request ({code})",
        "check that `data_source.s3_endpoint` is the address of its S3 interface, and region and path",
    ),
    config(
        &[Code("KeyTooLongError")],
        "the name is longer than the 1,024 bytes that a store accepts",
        "shorten `data_source.s3_bucket_path`, or the names of stream and namespace",
    ),
    config(
        &[Code("QuotaExceeded"), Code("InsufficientStorage"), Code("XMinioStorageFull"), Status(507, 507)],
        "the store has no space left, or the bucket's quota is used up",
        "free space there, or raise the quota",
    ),
    config(&[Own(Page)], NOT_S3, ENDPOINT),
    config(
        REFUSED,
        DENIED,
        "allow {permission} for this identity in its policy or the bucket's; if that policy demands encryption of each \
         request, set `data_source.s3_sse`",
    )
    .when(Writing)
    .denied(),
    config(REFUSED, DENIED, "allow {permission} for this identity in its policy or the bucket's").denied(),
    transient(
        &[
            Code("SlowDown"),
            Code("ServiceUnavailable"),
            Code("ThrottlingException"),
            Code("TooManyRequests"),
            Status(429, 429),
            Status(503, 503),
        ],
        "the store is too busy and refused requests until the deadline",
        "",
    ),
    // About what happened on the way, not about what was asked. What is not there may have been removed by another sync's
    // sweep, and a conflict is with a request that ends.
    transient(
        &[
            Code("BadDigest"),
            Code("IncompleteBody"),
            Code("RequestTimeout"),
            Code("XAmzContentSHA256Mismatch"),
            Status(404, 404),
            Status(408, 409),
            Status(425, 425),
        ],
        "the store answered with status {status} ({code})",
        "",
    ),
    config(
        &[Status(400, 499)],
        "the store refuses the request ({code}, status {status})",
        "another try would be refused too; the internal message has what the store says; ask who runs the store",
    ),
    transient(&[Status(100, 599)], "the store answered with status {status} ({code})", ""),
    transient(&[Any], UNEXPLAINED, "").unexplained(),
];
