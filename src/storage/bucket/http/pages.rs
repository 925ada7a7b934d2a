//! Ends listings of something that is no store: a continuation token that comes twice, too many pages, too many empty pages, or
//! too long a time.
//!
//! The object store follows a listing as long as there is a next page. The progress of a listing is stored under the token of
//! its next page; a cycle of tokens of any length is found with one remembered token (Brent's algorithm).

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use memchr::memmem;

use super::Dialect;

/// A hundred million names.
const MOST_PAGES: u64 = 100_000;
/// A million names, of a log of a table: it is listed from its last checkpoint on, and all its names are held at once.
const MOST_PAGES_OF_LOG: u64 = 1000;
/// What the listing of a log has in its query, as it stands there or with its escapes.
const LOG: &str = "_delta_log";
/// Empty pages in a row: deleted versions can make a few.
const MOST_EMPTY: u32 = 1000;
/// How long one listing may take.
const LONGEST: Duration = Duration::from_secs(3600);
/// Listings that are remembered. A forgotten one is counted from its next page.
const REMEMBERED: usize = 4096;

/// The listings in progress.
#[derive(Debug, Default)]
pub(super) struct Listings(Mutex<HashMap<u64, Progress>>);

/// The progress of a listing.
#[derive(Debug, Clone, Copy)]
struct Progress {
    begun: Instant,
    pages: u64,
    empty: u32,
    /// A token that came before, and how many pages ago it is looked for.
    remembered: u64,
    since: u64,
    until: u64,
}

impl Listings {
    /// Records `page` as the answer to `query` at `address`; returns whether the listing may continue.
    pub(super) fn goes_on(&self, address: &str, query: &str, page: &[u8], dialect: Dialect) -> bool {
        let Some(next) = between(page, dialect.next_page.as_bytes()) else { return true };
        let is_token = |pair: &&str| pair.starts_with(dialect.page_query);
        let asked = query.split('&').find(is_token).and_then(|pair| pair.split_once('='));
        let rest: Vec<&str> = query.split('&').filter(|pair| !is_token(pair)).collect();
        let listing = hash((address, &rest));
        let most = if query.contains(LOG) { MOST_PAGES_OF_LOG } else { MOST_PAGES };
        let next = hash(unescaped(next).as_bytes());
        // Tokens stand encoded in a query.
        let asked = asked.map(|(_, token)| hash(decoded(token).as_slice()));
        let mut listings = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = asked.and_then(|asked| {
            // A page whose token is unknown continues from the last page of this listing.
            listings.get(&hash((listing, asked))).or_else(|| listings.get(&listing)).copied()
        });
        let is_same = asked == Some(next);
        let mut progress = known.unwrap_or_else(|| Progress {
            begun: Instant::now(),
            pages: 0,
            empty: 0,
            remembered: asked.unwrap_or(next),
            since: 0,
            until: 1,
        });
        let is_first = known.is_none() && asked.is_none();
        progress.pages += 1;
        progress.empty = if has_names(page, dialect) { 0 } else { progress.empty + 1 };
        let is_cycle = is_same || !is_first && next == progress.remembered;
        progress.since += 1;
        if progress.since == progress.until {
            (progress.remembered, progress.since, progress.until) = (next, 0, progress.until * 2);
        }
        if listings.len() >= REMEMBERED {
            listings.clear();
        }
        listings.insert(hash((listing, next)), progress);
        listings.insert(listing, progress);
        !is_cycle && progress.pages < most && progress.empty < MOST_EMPTY && progress.begun.elapsed() < LONGEST
    }
}

fn has_names(page: &[u8], dialect: Dialect) -> bool {
    dialect.names.iter().any(|tag| memmem::find(page, tag.as_bytes()).is_some())
}

/// What stands behind the tag `begin`, up to the next one.
fn between<'a>(page: &'a [u8], begin: &[u8]) -> Option<&'a [u8]> {
    let rest = page.get(memmem::find(page, begin)? + begin.len()..)?;
    let value = rest.get(..memchr::memchr(b'<', rest)?)?;
    Some(value).filter(|value| !value.is_empty())
}

/// A token as it stands in XML, with the escapes undone that such texts have.
fn unescaped(token: &[u8]) -> String {
    let escapes = [
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&quot;", "\""),
        ("&apos;", "'"),
        ("&#34;", "\""),
        ("&#39;", "'"),
        ("&amp;", "&"),
    ];
    let token = String::from_utf8_lossy(token).into_owned();
    escapes.iter().fold(token, |token, (escape, sign)| token.replace(escape, sign))
}

/// `text` of a query with its `%XX` undone.
fn decoded(text: &str) -> Vec<u8> {
    url::form_urlencoded::parse(text.as_bytes())
        .next()
        .map(|(token, _)| token.into_owned().into_bytes())
        .unwrap_or_default()
}

fn hash(what: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    what.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::testing::DIALECT;

    /// How many pages are taken of a listing whose pages name the tokens that `token` gives by their number.
    fn pages(token: impl Fn(u64) -> Option<String>, names: &str) -> u64 {
        pages_of("a", token, names)
    }

    fn pages_of(prefix: &str, token: impl Fn(u64) -> Option<String>, names: &str) -> u64 {
        let listings = Listings::default();
        let mut query = format!("list-type=2&prefix={prefix}");
        for number in 0.. {
            let token = token(number);
            let next = token.as_ref().map(|token| format!("<NextContinuationToken>{token}</NextContinuationToken>"));
            let page = format!("<ListBucketResult>{names}{}</ListBucketResult>", next.unwrap_or_default());
            // A page that is asked for twice, because its answer was lost, is the same one.
            let _ = number % 3 == 1 && listings.goes_on("http://a/b", &query, page.as_bytes(), DIALECT);
            if !listings.goes_on("http://a/b", &query, page.as_bytes(), DIALECT) {
                return number;
            }
            let Some(token) = token else { return number };
            let encoded: String = url::form_urlencoded::byte_serialize(token.as_bytes()).collect();
            query = format!("list-type=2&continuation-token={encoded}&prefix={prefix}");
        }
        0
    }

    const NAMES: &str = "<Contents><Key>a</Key></Contents>";

    #[test]
    fn tokens_that_come_again_end_a_listing_however_long_their_cycle_is() {
        for same in ["same", "a+b/c==", "a&amp;b", "a&#38;b", "ä%20"] {
            assert!(pages(|_| Some(same.into()), NAMES) <= 4, "{same}");
        }
        for length in [1, 2, 3, 7, 50] {
            let ended = pages(|number| Some(format!("t{}", number % length)), NAMES);
            assert!(ended <= 4 * length + 4, "{length}: {ended}");
            let later =
                pages(|number| Some(format!("t{}", if number < 20 { 1000 + number } else { number % length })), NAMES);
            assert!(later <= 100 + 4 * length, "{length}: {later}");
        }
    }

    #[test]
    fn an_honest_listing_goes_on_to_its_end_and_can_be_made_again() {
        assert_eq!(pages(|number| (number < 5000).then(|| format!("t{number}")), NAMES), 5000);
        let listings = Listings::default();
        for _ in 0..3 {
            let page = b"<Contents/><NextContinuationToken>t1</NextContinuationToken>";
            assert!(listings.goes_on("http://a/b", "list-type=2", page, DIALECT));
            let page = b"<Contents/><NextContinuationToken>t2</NextContinuationToken>";
            assert!(listings.goes_on("http://a/b", "list-type=2&continuation-token=t1", page, DIALECT));
        }
    }

    #[test]
    fn a_log_of_a_table_has_no_more_names_than_a_log_can_have() {
        let ended = pages_of("default%2Fusers%2F_delta_log%2F", |number| Some(format!("t{number}")), NAMES);
        assert!(ended < MOST_PAGES_OF_LOG, "{ended}");
    }

    #[test]
    fn pages_without_names_and_without_an_end_are_no_listing() {
        assert_eq!(pages(|number| Some(format!("t{number}")), ""), u64::from(MOST_EMPTY) - 1);
    }
}
