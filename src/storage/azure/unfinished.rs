//! Uploads that were never ended: blobs that have blocks and no list of them, which no listing shows unless it is asked to.
//!
//! Azure has no request that drops such blocks, and keeps them for a week. A whole blob that is put in their place drops them, and is
//! deleted then. Source: <https://learn.microsoft.com/rest/api/storageservices/put-block#remarks>.

use futures::{StreamExt, TryStreamExt, stream};
use object_store::Result;
use object_store::path::Path;

use super::requests::{Asked, Requests};
use super::store::delete;
use crate::storage::bucket::Failure;

/// Uploads that are dropped at the same time.
const AT_ONCE: usize = 16;
/// As long as a name may be, a page of five thousand names is shorter; what is longer is no page of names.
const MOST_PAGES: u32 = 10_000;

/// Drops every upload below `folder`, in which nothing else must be kept.
pub(super) async fn remove(requests: &Requests, folder: &Path) -> Result<()> {
    let names = list(requests, folder).await?;
    stream::iter(names)
        .map(|path| async move {
            let headers = [("x-ms-blob-type", "BlockBlob")];
            requests.send(Asked { method: "PUT", path: Some(&path), query: &[], headers: &headers }).await?;
            match delete(requests, path).await {
                // Whoever removes the folder may have listed it in between.
                Ok(_) | Err(object_store::Error::NotFound { .. }) => Ok(()),
                Err(error) => Err(error),
            }
        })
        .buffer_unordered(AT_ONCE)
        .try_collect::<()>()
        .await
}

/// The names of the blobs below `folder` that may have blocks alone.
async fn list(requests: &Requests, folder: &Path) -> Result<Vec<Path>> {
    let prefix = format!("{folder}/");
    let (mut names, mut marker) = (Vec::new(), String::new());
    for _ in 0..MOST_PAGES {
        let query = [
            ("restype", "container"),
            ("comp", "list"),
            ("include", "uncommittedblobs"),
            ("prefix", prefix.as_str()),
            ("marker", marker.as_str()),
        ];
        let query = if marker.is_empty() { query.get(..4).unwrap_or_default() } else { &query };
        let answer = match requests.send(Asked { method: "GET", path: None, query, headers: &[] }).await {
            Ok(answer) => answer,
            // An account that does not list them has nothing to remove here.
            Err(error) if matches!(Failure::of(&error).status, Some(400 | 501)) => {
                tracing::debug!("Unfinished uploads cannot be listed: {error}");
                return Ok(names);
            }
            Err(error) => return Err(error),
        };
        let page = answer.into_body().bytes().await;
        let page = page.map_err(|error| object_store::Error::Generic { store: "MicrosoftAzure", source: error.into() });
        let page = String::from_utf8_lossy(&page?).into_owned();
        names.extend(
            unfinished(&page).filter(|name| name.starts_with(&prefix)).filter_map(|name| Path::parse(name).ok()),
        );
        match element(&page, "NextMarker").filter(|next| *next != marker) {
            Some(next) if !next.is_empty() => marker = next,
            _ => break,
        }
    }
    Ok(names)
}

/// The names in `page` of blobs without bytes, which are no folders.
fn unfinished(page: &str) -> impl Iterator<Item = String> {
    page.split("<Blob>").skip(1).filter_map(|blob| {
        let is_empty = element(blob, "Content-Length").is_some_and(|length| length == "0");
        let is_folder = element(blob, "ResourceType").is_some_and(|kind| kind == "directory");
        element(blob, "Name").filter(|_| is_empty && !is_folder)
    })
}

/// The text of the first element `name` in `xml`.
fn element(xml: &str, name: &str) -> Option<String> {
    let (_, rest) = xml.split_once(&format!("<{name}>"))?;
    let (text, _) = rest.split_once("</")?;
    let escapes = [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&apos;", "'"), ("&#39;", "'"), ("&amp;", "&")];
    Some(escapes.iter().fold(text.to_owned(), |text, (escape, sign)| text.replace(escape, sign)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_blobs_without_bytes_are_unfinished_and_no_folders() {
        let blob = |name: &str, rest: &str| format!("<Blob><Name>{name}</Name><Properties>{rest}</Properties></Blob>");
        let page = [
            blob("a/x&amp;&lt;y", "<Content-Length>0</Content-Length><BlobType>BlockBlob</BlobType>"),
            blob("a/committed", "<Content-Length>7</Content-Length>"),
            blob("a/folder", "<ResourceType>directory</ResourceType><Content-Length>0</Content-Length>"),
            blob("a/unknown", "<BlobType>BlockBlob</BlobType>"),
        ];
        assert_eq!(unfinished(&page.concat()).collect::<Vec<_>>(), ["a/x&<y"]);
        assert_eq!(element("<NextMarker />", "NextMarker"), None);
    }
}
