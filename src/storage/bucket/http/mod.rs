//! The HTTP client for any kind of bucket: `connector` makes connections and follows no redirection, `answers` limits the length
//! of responses, `pages` ends listings that would not end.
//!
//! What differs between kinds of buckets is a [`Dialect`].

mod answers;
mod connector;
mod pages;

use object_store::client::HttpResponse;

pub(in crate::storage) use self::connector::Connector;
use crate::error::Error;

/// How requests and responses of one kind of bucket look, and what the kind is called in messages.
#[derive(Debug, Clone, Copy)]
pub(in crate::storage) struct Dialect {
    /// Its name, such as `S3`.
    pub name: &'static str,
    /// The setting with the address of the store.
    pub endpoint: &'static str,
    /// What only the query of a request for a page of names contains.
    pub list_query: &'static str,
    /// The parameter of that query that names the page, with its `=`.
    pub page_query: &'static str,
    /// The opening tag of the next page's name in a page.
    pub next_page: &'static str,
    /// The opening tags of names in a page.
    pub names: &'static [&'static str],
    /// The error of a response that redirects the request to the given address; `None` if it does not.
    pub redirected: fn(&HttpResponse, &str) -> Option<Error>,
}
