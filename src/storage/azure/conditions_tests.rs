//! The table of Azure's conditions: each has its kind and its cure.

use std::sync::Arc;

use object_store::path::Path;

use super::*;
use crate::error::Kind;
use crate::storage::azure::answers::Heard;
use crate::storage::azure::sas::Sas;
use crate::storage::bucket::explained;

fn azure(signed_in: SignedIn) -> Azure {
    let address = ContainerAddress {
        account: "lake".into(),
        container: "tables".into(),
        endpoint: "https://lake.blob.core.windows.net".into(),
        dfs_host: "lake.dfs.core.windows.net".into(),
    };
    Azure { address, signed_in, heard: Arc::new(Heard::default()) }
}

fn sas() -> SignedIn {
    SignedIn::Sas(Box::new(Sas::read("sp=rcwl&se=2026-12-01T00:00:00Z&sip=10.0.0.1")))
}

fn explanation(status: u16, code: &str, detail: &str, signed_in: SignedIn, action: Action) -> (Kind, String) {
    let text = format!(
        "Server returned non-2xx status code: {status} Something: \u{feff}<?xml version=\"1.0\"?><Error><Code>{code}</Code>\
         <Message>m</Message><AuthenticationErrorDetail>{detail}</AuthenticationErrorDetail></Error>"
    );
    let failure = Failure::of(&std::io::Error::other(text));
    let error = explained(&azure(signed_in), action, &Path::from("a/b"), &failure);
    (error.kind(), error.message().to_owned())
}

#[test]
fn each_condition_has_its_kind_and_its_cure() {
    for (status, code, signed_in, kind, said) in [
        (403, "AuthenticationFailed", sas(), Kind::Config, "signature of the SAS token is not right"),
        (403, "AuthenticationFailed", SignedIn::Key, Kind::Config, "account key is not one of the account lake"),
        (401, "InvalidAuthenticationInfo", SignedIn::Entra, Kind::Config, "azure_tenant_id"),
        (403, "AuthorizationPermissionMismatch", sas(), Kind::Config, "(sp=rcwl) does not allow delete (d)"),
        (403, "AuthorizationPermissionMismatch", SignedIn::Entra, Kind::Config, "Storage Blob Data Contributor"),
        (403, "AuthorizationSourceIPMismatch", sas(), Kind::Config, "(sip=10.0.0.1)"),
        (403, "AuthorizationProtocolMismatch", sas(), Kind::Config, "https alone"),
        (403, "AuthorizationServiceMismatch", sas(), Kind::Config, "ss=b"),
        (403, "AuthorizationResourceTypeMismatch", sas(), Kind::Config, "srt=co"),
        (403, "AuthorizationFailure", SignedIn::Key, Kind::Config, "Networking"),
        (403, "KeyBasedAuthenticationNotPermitted", SignedIn::Key, Kind::Config, "does not allow account keys"),
        (404, "ContainerNotFound", sas(), Kind::Config, "no container tables in the account lake"),
        (409, "ContainerBeingDeleted", sas(), Kind::Transient, "being deleted"),
        (409, "BlobImmutableDueToPolicy", sas(), Kind::Config, "immutability policy"),
        (412, "LeaseIdMissing", sas(), Kind::Config, "break the lease"),
        (503, "ServerBusy", sas(), Kind::Transient, "too busy"),
        (500, "InternalError", sas(), Kind::Transient, "status 500 (InternalError)"),
        (404, "BlobNotFound", sas(), Kind::Transient, "BlobNotFound"),
        (400, "NewlyInvented", sas(), Kind::Config, "(NewlyInvented, status 400)"),
        (403, "NewlyInvented", sas(), Kind::Config, "(NewlyInvented, status 403)"),
        (404, "ResourceNotFound", sas(), Kind::Config, "or no account lake, at https://lake.blob"),
        (403, "AuthorizationSourceIPMismatch", SignedIn::Key, Kind::Config, "Networking"),
        (400, "AccountRequiresHttps", SignedIn::Key, Kind::Config, "https alone"),
    ] {
        let (found, sentence) = explanation(status, code, "", signed_in, Action::Delete);
        assert_eq!(found, kind, "{code}");
        assert!(sentence.contains(said), "{code}: {sentence}");
        let begin = "Could not delete abfss://tables@lake.dfs.core.windows.net/a/b: ";
        assert!(sentence.starts_with(begin) && sentence.ends_with('.'), "{sentence}");
        assert!(!sentence.contains(['{', '}']), "{sentence}");
    }
}

#[test]
fn a_clock_that_is_wrong_is_told_from_a_wrong_key() {
    let detail = "Request date header too old: 'Fri, 27 Nov 2026 01:00:00 GMT'";
    let (_, sentence) = explanation(403, "AuthenticationFailed", detail, SignedIn::Key, Action::List);
    assert!(sentence.contains("set its clock"), "{sentence}");
}

#[test]
fn each_action_names_the_permission_that_it_needs() {
    for (action, permission) in [
        (Action::List, "list (l)"),
        (Action::Get, "read (r)"),
        (Action::Put, "write (w)"),
        (Action::Copy, "read (r) and write (w)"),
        (Action::Delete, "delete (d)"),
    ] {
        let by_policy = SignedIn::Sas(Box::new(Sas::read("si=airbyte&sr=c")));
        let (_, sentence) = explanation(403, "AuthorizationPermissionMismatch", "", by_policy, action);
        assert!(sentence.contains(&format!("(by its policy) does not allow {permission}")), "{sentence}");
        let allowed = SignedIn::Sas(Box::new(Sas::read("sp=racwdl&sr=c")));
        let (_, sentence) = explanation(403, "AuthorizationPermissionMismatch", "", allowed, action);
        assert!(sentence.contains("(sp=racwdl) has the letter for this"), "{sentence}");
    }
}

#[test]
fn the_documented_table_is_this_one_and_every_name_in_it_is_known() {
    conditions::assert_documented(include_str!("../../../docs/azure-errors.md"), "azure-errors.md", &markdown());
    let failed = Request { failure: &Failure::default(), action: Action::List, azure: &azure(SignedIn::Key) };
    assert_eq!(conditions::unknown_names(ROWS, &failed), Vec::<String>::new());
}
