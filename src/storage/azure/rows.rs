//! The rows of the table of Azure's conditions.

use super::conditions::When::{AccountKey, Entra, Sas, SasAllows, SasEarly, SasEnded};
use super::conditions::{Condition, NotAzure};
use crate::error::UNEXPLAINED;
use crate::storage::bucket::NoAnswer;
use crate::storage::bucket::conditions::Key::{Any, Bare, Code, Own, Status, Unanswered};
use crate::storage::bucket::conditions::{config, transient};

const ACCOUNT: &str =
    "correct `data_source.azure_blob_storage_account_name` or `data_source.azure_blob_storage_endpoint_domain_name`";
const ENDPOINT: &str =
    "set `data_source.azure_blob_storage_endpoint_domain_name` to the domain of the account's blob endpoint";
const NEW_SAS: &str = "create a new one for the container with sp=racwdl";
const WRONG_SIGNATURE: &str = "the signature of the SAS token is not right: the token was changed, was cut, is for another account, container or \
                               folder, or was made with a key or a policy that is no longer there";
const COPY_AGAIN: &str = "copy it again, or create a new one for the container {container} of the account {account}";
const WRONG_KEY: &str = "the account key is not one of the account {account}";
const COPY_KEY: &str =
    "copy a key from \"Access keys\" of the account into `data_source.azure_blob_storage_account_key`";

pub(super) const ROWS: &[Condition] = &[
    config(&[Unanswered(NoAnswer::UnknownHost)], "the host name of {host} cannot be resolved, so there is no account {account} there", ACCOUNT),
    transient(&[Unanswered(NoAnswer::LostHost)], "the host name of {host} cannot be resolved any more", ""),
    config(
        &[Unanswered(NoAnswer::Tls)],
        "no encrypted connection to {host} could be made",
        "correct the endpoint, or add the authority of its certificate to SSL_CERT_FILE",
    ),
    transient(
        &[Unanswered(NoAnswer::Refused)],
        "{host} accepts no connection, or the proxy in HTTPS_PROXY does not",
        "check the endpoint, and the proxy where one is set, if this goes on",
    ),
    transient(&[Unanswered(NoAnswer::TimedOut)], "{host} did not answer in time", "check the endpoint and firewalls if this goes on"),
    transient(&[Unanswered(NoAnswer::Cut)], "the connection to {host} broke", ""),
    config(&[Code("AuthenticationFailed"), Code("AuthorizationFailure")], "the SAS token ended at {end}", NEW_SAS).when(SasEnded),
    config(
        &[Code("AuthenticationFailed"), Code("AuthorizationFailure")],
        "the SAS token is not valid before {start}",
        "wait, or create one that begins earlier",
    )
    .when(SasEarly),
    config(
        &[Code("AuthenticationFailed")],
        "the time of this machine is too far from Azure's",
        "set its clock",
    )
    .contains(&["request date header", "the date header in the request is incorrect", "request is too old"])
    .when(AccountKey),
    // Azurite says the second code where Azure says the first; Azure, by the second, that a firewall refuses.
    config(
        &[Code("AuthorizationFailure")],
        WRONG_SIGNATURE,
        COPY_AGAIN,
    )
    .contains(&["including the signature", "signature did not match"])
    .when(Sas),
    config(
        &[Code("AuthorizationFailure")],
        WRONG_KEY,
        COPY_KEY,
    )
    .contains(&["including the signature", "signature did not match"])
    .when(AccountKey),
    config(
        &[Code("AuthenticationFailed")],
        WRONG_SIGNATURE,
        COPY_AGAIN,
    )
    .when(Sas),
    config(
        &[Code("AuthenticationFailed")],
        WRONG_KEY,
        COPY_KEY,
    )
    .when(AccountKey),
    config(
        &[Code("AuthenticationFailed"), Code("InvalidAuthenticationInfo"), Status(401, 401)],
        "the account {account} does not accept the identity",
        "check that the application is in the directory of the account, and `data_source.azure_tenant_id`",
    )
    .when(Entra),
    config(
        &[Code("InvalidAuthenticationInfo"), Code("NoAuthenticationInformation"), Status(401, 401)],
        "the account does not understand how the request is signed",
        "check the SAS token or the account key, without anything around it",
    ),
    config(
        &[Code("AuthorizationPermissionMismatch")],
        "the SAS token ({sp}) has the letter for this, and yet it is refused",
        "it allows no more than whoever signed it, and only in its folder: give the user or application of a user delegation SAS the role Storage \
         Blob Data Contributor, or create a SAS for the whole container",
    )
    .when(SasAllows)
    .denied(),
    config(
        &[Code("AuthorizationPermissionMismatch")],
        "the SAS token ({sp}) does not allow {permission}",
        NEW_SAS,
    )
    .when(Sas)
    .denied(),
    config(
        &[Code("AuthorizationPermissionMismatch"), Code("InsufficientAccountPermissions")],
        "the identity may not do this",
        "give it the role Storage Blob Data Contributor on the container (roles such as Owner or Contributor do not contain it; a new role takes \
         up to ten minutes)",
    )
    .denied(),
    config(
        &[Code("AuthorizationSourceIPMismatch")],
        "the SAS token is for other IP addresses ({sip})",
        "create one without a range, or with the address that this machine has on the internet",
    )
    .when(Sas),
    config(
        &[Code("AuthorizationProtocolMismatch"), Code("AccountRequiresHttps")],
        "the SAS token (spr=https) or the account is for https alone",
        "use an endpoint that begins with https://",
    ),
    config(&[Code("AuthorizationServiceMismatch")], "the SAS token is for another service", "create one for Blob (ss=b)"),
    config(
        &[Code("AuthorizationResourceTypeMismatch")],
        "the SAS token is not for containers and blobs",
        "create one with srt=co, or one for the container (sr=c)",
    ),
    config(
        &[Code("KeyBasedAuthenticationNotPermitted")],
        "the account {account} does not allow account keys, nor a SAS made with one",
        "sign in with Microsoft Entra (`data_source.azure_client_secret`, a workload or a managed identity) or a user delegation SAS, or allow \
         \"storage account key access\" for the account",
    ),
    config(
        &[Code("AuthorizationFailure"), Code("AuthorizationSourceIPMismatch")],
        "the account {account} refuses requests from this network, or its firewall does",
        "add this machine's address or network to \"Networking\" of the account, or use its private endpoint",
    ),
    config(
        &[Code("PublicAccessNotPermitted"), Code("ResourceNotFoundOrNotPermitted")],
        "the account allows no request without a signature",
        "check the SAS token",
    ),
    config(
        &[Code("ContainerNotFound")],
        "there is no container {container} in the account {account}",
        "create it or correct `data_source.azure_blob_storage_container_name`",
    ),
    config(
        &[Code("ResourceNotFound")],
        "there is no container {container}, or no account {account}, at {host}",
        ACCOUNT,
    ),
    transient(&[Code("ContainerBeingDeleted")], "the container {container} is being deleted", "wait half a minute, or use another one"),
    config(
        &[Code("ContainerDisabled")],
        "the container {container} was disabled by an administrator",
        "ask who administers the account",
    ),
    config(&[Code("AccountIsDisabled")], "the account {account} is disabled", "check the subscription's state and payment"),
    transient(&[Code("AccountBeingCreated")], "the account {account} is just being created", ""),
    config(
        &[Code("BlobImmutableDueToPolicy"), Code("BlobImmutableDueToLegalHold")],
        "the blob is under an immutability policy or a legal hold, and a sync replaces and deletes blobs",
        "remove it from the container {container}, or use another one",
    ),
    config(
        &[Code("LeaseIdMissing"), Code("LeaseIdMismatchWithBlobOperation")],
        "somebody else has an Azure lease on the blob",
        "break the lease, and let nothing else lease blobs of the container {container}",
    ),
    config(
        &[Code("BlobArchived"), Code("BlobBeingRehydrated")],
        "the blob is in the archive tier, where it cannot be read",
        "rehydrate it, and exclude the tables' folders from lifecycle rules that archive",
    ),
    config(
        &[Code("InvalidBlobType"), Code("BlobTypeNotSupported")],
        "the blob there, or this kind of account, is not of block blobs",
        "use an account of the kind StorageV2 or BlockBlobStorage, and remove the blob if it is of another type",
    ),
    config(
        &[Code("FeatureNotSupportedForAccount"), Code("UnsupportedHttpVerb"), Code("EndpointNotSupported")],
        "the account {account} does not support the request ({code})",
        "use an account of the kind StorageV2 or BlockBlobStorage",
    ),
    config(
        &[Code("InvalidResourceName"), Code("InvalidUri"), Code("OutOfRangeInput")],
        "the account accepts no such name",
        "correct the container's name or `data_source.azure_base_path`, or the names of stream and namespace",
    ),
    config(
        &[Code("PathAlreadyExists"), Code("ResourceTypeMismatch"), Code("DirectoryIsNotEmpty")],
        "a folder has the name of the blob, or a blob that of its folder",
        "remove or rename what is there",
    ),
    config(
        &[Code("AccountCapacityExceeded"), Code("AccountQuotaExceeded"), Status(507, 507)],
        "the account {account} has no space left",
        "free space there, or raise its limit",
    ),
    config(
        &[Code("EncryptionScopeNotFound"), Code("EncryptionScopeDisabled"), Code("RequestForbiddenByContainerEncryptionPolicy")],
        "the container's encryption scope cannot be used ({code})",
        "enable it, or use another container",
    ),
    config(
        &[Code("KeyVaultEncryptionKeyNotFound"), Code("KeyVaultAccessTokenCannotBeAcquired"), Code("KeyVaultVaultNotFound")],
        "the key that encrypts the account {account} cannot be reached",
        "restore the key in the key vault, or the account's access to it",
    ),
    config(&[Own(NotAzure), Bare(300, 399)], "{host} does not answer like Azure Blob Storage", ENDPOINT),
    config(&[Bare(403, 403)], "the identity may not do this: {permission} is not allowed, or a firewall refuses it", NEW_SAS).when(Sas).denied(),
    config(
        &[Bare(403, 403)],
        "the identity may not do this, or a firewall or a proxy on the way refuses it",
        "check \"Networking\" of the account, HTTPS_PROXY, and the role Storage Blob Data Contributor where Microsoft Entra signs in",
    )
    .denied(),
    transient(
        &[Code("ServerBusy"), Code("OperationTimedOut"), Status(429, 429), Status(503, 503)],
        "the account is too busy and refused requests until the deadline",
        "",
    ),
    transient(&[Code("CopyFailed")], "the copy ended in an error", ""),
    transient(&[Code("CopyPending")], "the copy did not end in half an hour", ""),
    // About what happened on the way, or another sync's sweep.
    transient(&[Status(404, 404), Status(408, 409), Status(412, 412)], "the account answered with status {status} ({code})", ""),
    config(
        &[Status(400, 499)],
        "the account refuses the request ({code}, status {status})",
        "another try would be refused too; the internal message has what Azure says",
    ),
    transient(&[Status(100, 599)], "the account answered with status {status} ({code})", ""),
    transient(&[Any], UNEXPLAINED, "").unexplained(),
];
