//! The address that a redirection leads to, for messages, without user and query. No client here follows redirections: a request
//! is signed for one address.

use url::Url;

use crate::error::shortened;

/// The most characters of an address that are shown.
const SHOWN: usize = 300;

/// Whether an answer with this status sends the request on to somewhere else.
pub fn is_one(status: u16) -> bool {
    // 304 says that nothing has changed.
    (300..400).contains(&status) && status != 304
}

/// Scheme, host, port and path of the address in the header `location` of the answer to a request of `asked`: neither user
/// nor query, which may hold keys.
pub fn address(location: &str, asked: &str) -> String {
    let led = Url::parse(location).or_else(|_| Url::parse(asked).and_then(|asked| asked.join(location)));
    let Ok(mut url) = led else { return "an address that cannot be read".to_owned() };
    url.set_query(None);
    url.set_fragment(None);
    // An address without a host has no user.
    let _ = url.set_username("").and_then(|()| url.set_password(None));
    shortened(url.as_str(), SHOWN).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_told_without_user_and_query() {
        for (location, told) in [
            ("https://user:word@evil.example:8443/a/b?token=x#y", "https://evil.example:8443/a/b"),
            ("/login?next=%2F", "http://asked:9000/login"),
            ("//other/path", "http://other/path"),
            ("http://[", "an address that cannot be read"),
        ] {
            assert_eq!(address(location, "http://asked:9000/bucket?list-type=2"), told);
        }
        assert!(address(&format!("http://a/{}", "ä".repeat(9000)), "").chars().count() <= 301);
        assert!([300, 301, 302, 303, 307, 308].into_iter().all(is_one) && !is_one(304) && !is_one(200));
    }
}
