//! Limits the length of the store's answers, by what was asked.
//!
//! The length in the header is checked before any memory is reserved, and the bytes are counted while they arrive. The object
//! store would reserve whatever length a header names.

use std::borrow::Cow;

use bytes::Bytes;
use futures::TryStreamExt;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use object_store::client::{HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpResponseBody};

use super::Dialect;
use super::pages::Listings;
use crate::error::Error;

const MIB: u64 = 1 << 20;
/// A whole object that holds rows, or a table's checkpoint.
const PARQUET: u64 = 1024 * MIB;
/// One commit of a table's log: some hundred bytes a file.
const COMMIT: u64 = 256 * MIB;
/// What names the newest checkpoint of a table, and what sums up a version of one: they only save readers work.
const HINT: u64 = MIB;
const SUM: u64 = 64 * MIB;
/// Every other object that is read whole: a lease, a claim.
const OBJECT: u64 = 16 * MIB;
/// A page of names: a thousand of them, each at most 1 kB, escaped.
const PAGE: u64 = 16 * MIB;
/// An answer that is not about bytes: the end of an upload, a thousand names that were deleted.
const WORDS: u64 = 16 * MIB;
/// Of an answer that is an error, this much is read.
const ERROR: usize = 1 << 20;

/// What was asked, as far as it limits the answer.
pub(super) struct Asked {
    address: String,
    query: Option<String>,
    kind: Kind,
    /// Whether the object only saves work: one that is too long is as good as missing.
    is_needless: bool,
    dialect: Dialect,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// An answer without a body, whatever length its header names.
    Head,
    /// A page of names.
    Page,
    /// Everything else, which has at most so many bytes.
    Bytes(u64),
}

impl Asked {
    pub(super) fn of(request: &HttpRequest, dialect: Dialect) -> Self {
        let uri = request.uri();
        let header = |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok());
        let kind = match request.method().as_str() {
            "HEAD" => Kind::Head,
            "GET" if uri.query().is_some_and(|query| query.contains(dialect.list_query)) => Kind::Page,
            "GET" => Kind::Bytes(header("range").and_then(length_of_range).unwrap_or_else(|| whole_of(uri.path()))),
            _ => Kind::Bytes(WORDS),
        };
        let (query, all) = (uri.query().map(ToOwned::to_owned), uri.to_string());
        let address = all.split('?').next().unwrap_or_default().to_owned();
        let is_needless = matches!(kind, Kind::Bytes(HINT | SUM));
        Self { address, query, kind, is_needless, dialect }
    }

    /// Where the request went, without its query.
    pub(super) fn address(&self) -> &str {
        &self.address
    }

    /// `answer` with its body limited; an error if its header or its body is too long.
    pub(super) async fn bounded(self, answer: HttpResponse, listings: &Listings) -> Result<HttpResponse, HttpError> {
        let most = match self.kind {
            Kind::Head => return Ok(answer),
            Kind::Page => PAGE,
            Kind::Bytes(most) => most,
        };
        if !answer.status().is_success() {
            let (head, body) = answer.into_parts();
            return Ok(HttpResponse::from_parts(head, beginning(body).await?.into()));
        }
        let header = |name: &str| answer.headers().get(name).and_then(|value| value.to_str().ok());
        let named = header("content-length").and_then(|length| length.parse().ok());
        let in_range = header("content-range").and_then(|range| length_of_range(range.split('/').next()?));
        if named.into_iter().chain(in_range).any(|length: u64| length > most) {
            let status = 404_u16.try_into().ok().filter(|_| self.is_needless);
            if let Some(status) = status {
                let (mut head, _) = answer.into_parts();
                head.status = status;
                return Ok(HttpResponse::from_parts(head, Bytes::new().into()));
            }
            return Err(too_long(&self.address, most, self.dialect));
        }
        let (head, body) = answer.into_parts();
        let limited = Limited::new(body, usize::try_from(most).unwrap_or(usize::MAX));
        let (address, dialect) = (self.address.clone(), self.dialect);
        let body = limited.map_err(move |error| match error.downcast::<HttpError>() {
            Ok(error) => *error,
            Err(error) if error.is::<LengthLimitError>() => too_long(&address, most, dialect),
            Err(error) => HttpError::new_boxed(HttpErrorKind::Unknown, error),
        });
        let body = HttpResponseBody::new(body);
        if self.kind != Kind::Page {
            return Ok(HttpResponse::from_parts(head, body));
        }
        let page = body.bytes().await?;
        if listings.goes_on(&self.address, self.query.as_deref().unwrap_or_default(), &page, self.dialect) {
            Ok(HttpResponse::from_parts(head, page.into()))
        } else {
            Err(HttpError::new(HttpErrorKind::Unknown, endless(&self.address, self.dialect)))
        }
    }
}

fn endless(address: &str, Dialect { name, endpoint, .. }: Dialect) -> Error {
    Error::config(format!(
        "{address} does not answer like {name}: a listing repeats itself or does not end. Check that `{endpoint}` is the address \
         of an {name} store; of one table's log, no more than a million files are listed."
    ))
}

fn too_long(address: &str, most: u64, Dialect { name, endpoint, .. }: Dialect) -> HttpError {
    let error = Error::config(format!(
        "{address} sent a response of more than the {} MiB that such an object or response can have: check that \
         `{endpoint}` is the address of an {name} store, and who else writes to the bucket.",
        most.div_ceil(MIB)
    ));
    HttpError::new(HttpErrorKind::Unknown, error)
}

/// The most bytes of the object at `path` that are read whole.
fn whole_of(path: &str) -> u64 {
    let name = path.to_ascii_lowercase();
    match () {
        () if name.ends_with(".parquet") => PARQUET,
        () if name.ends_with("/_delta_log/_last_checkpoint") => HINT,
        () if name.contains("/_delta_log/") && name.ends_with(".crc") => SUM,
        () if name.contains("/_delta_log/") => COMMIT,
        () => OBJECT,
    }
}

/// How many bytes `bytes=<first>-<last>`, or the same with a space, names.
fn length_of_range(range: &str) -> Option<u64> {
    let (first, last) = range.trim().strip_prefix("bytes")?.trim_start_matches(['=', ' ']).split_once('-')?;
    let (first, last) = (first.parse::<u64>().ok()?, last.parse::<u64>().ok()?);
    last.checked_sub(first)?.checked_add(1)
}

/// The first bytes of an error's body.
async fn beginning(body: HttpResponseBody) -> Result<Bytes, HttpError> {
    let (mut pieces, mut bytes) = (body.bytes_stream(), Vec::new());
    while let Some(piece) = pieces.try_next().await? {
        let room = ERROR - bytes.len();
        bytes.extend_from_slice(piece.get(..room).unwrap_or(&piece));
        if bytes.len() == ERROR {
            break;
        }
    }
    Ok(readable(bytes))
}

/// `bytes` as UTF-8: the object store takes an error in another encoding for a broken connection.
fn readable(bytes: Vec<u8>) -> Bytes {
    let units = |pair: fn([u8; 2]) -> u16| -> Vec<u16> {
        bytes.as_chunks::<2>().0.iter().skip(1).map(|unit| pair(*unit)).collect()
    };
    match bytes.as_slice() {
        [0xff, 0xfe, ..] => String::from_utf16_lossy(&units(u16::from_le_bytes)).into(),
        [0xfe, 0xff, ..] => String::from_utf16_lossy(&units(u16::from_be_bytes)).into(),
        _ => match String::from_utf8_lossy(&bytes) {
            Cow::Borrowed(_) => bytes.into(),
            Cow::Owned(text) => text.into(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::testing::DIALECT;

    #[test]
    fn an_error_in_any_encoding_becomes_a_text() {
        let text = "<Error><Code>AccessDenied</Code></Error>";
        let units = |pair: fn(u16) -> [u8; 2]| -> Vec<u8> {
            std::iter::once(0xfeff).chain(text.encode_utf16()).flat_map(pair).collect()
        };
        for bytes in [units(u16::to_le_bytes), units(u16::to_be_bytes), text.into()] {
            assert_eq!(readable(bytes), text);
        }
        assert_eq!(readable(b"a \xff b".to_vec()), "a \u{fffd} b");
        assert_eq!(readable(vec![0xff, 0xfe, 0x41]), "");
    }

    #[tokio::test]
    async fn a_hint_or_sum_that_is_too_long_is_missing_and_a_commit_an_error() {
        for (name, length, status) in [
            ("_last_checkpoint", "2097152", Some(404)),
            ("_last_checkpoint", "1000", Some(200)),
            ("00000000000000000001.crc", "68000000", Some(404)),
            ("00000000000000000001.json", "300000000", None),
        ] {
            let mut request = HttpRequest::new(Bytes::new().into());
            *request.uri_mut() =
                format!("https://store/lake/default/users/_delta_log/{name}").parse().expect("an address");
            let mut answer = HttpResponse::new(Bytes::new().into());
            answer.headers_mut().insert("content-length", length.parse().expect("a header"));
            let bounded = Asked::of(&request, DIALECT).bounded(answer, &Listings::default()).await;
            assert_eq!(bounded.ok().map(|answer| answer.status().as_u16()), status, "{name}");
        }
    }

    #[test]
    fn what_is_read_whole_is_bounded_by_what_it_is() {
        assert_eq!(whole_of("/lake/default/users/2026_1.parquet"), PARQUET);
        assert_eq!(whole_of("/lake/default/users/_delta_log/00000000000000000001.json"), COMMIT);
        assert_eq!(whole_of("/lake/0189-0/sync.lease"), OBJECT);
        assert_eq!(length_of_range("bytes=8-15"), Some(8));
        assert_eq!(length_of_range("bytes 0-0"), Some(1));
        assert!(
            ["bytes=5-", "bytes=-8", "bytes=9-3", "x", "bytes=0-18446744073709551615"]
                .iter()
                .all(|range| length_of_range(range).is_none())
        );
    }
}
