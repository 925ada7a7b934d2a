//! The error of an answer that redirects a request, for both clients.

use object_store::client::HttpResponse;

use crate::error::{Error, code};
use crate::redirect;

/// The error of `answer` to a request to `address`, if it redirects it.
pub(super) fn redirected(answer: &HttpResponse, address: &str) -> Option<Error> {
    let header = |name: &str| answer.headers().get(name).and_then(|value| value.to_str().ok());
    led_away(answer.status().as_u16(), header("location"), header("x-amz-bucket-region"), address)
}

/// The error of an answer that redirects a request to `address`, with the region that the answer names; none if it does not.
pub(super) fn led_away(status: u16, location: Option<&str>, region: Option<&str>, address: &str) -> Option<Error> {
    let location = location.filter(|_| redirect::is_one(status))?;
    let region = region.and_then(code).map_or_else(
        || "`data_source.s3_bucket_region` to the bucket's region".to_owned(),
        |region| format!("`data_source.s3_bucket_region` to {region}, which it names"),
    );
    Some(Error::config(format!(
        "The S3 store at {} redirects requests to {} (status {status}), and this program follows no redirections: set \
         `data_source.s3_endpoint` to the address of the store itself, and {region}.",
        redirect::address(address, ""),
        redirect::address(location, address),
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_answer_with_an_address_leads_away_and_the_region_it_names_is_told() {
        let led = |status, region| led_away(status, Some("https://other/x?y=z"), region, "http://store:9000/lake?a=b");
        let message = led(307, Some("eu-west-3")).map(|error| error.message().to_owned()).unwrap_or_default();
        for part in [
            "http://store:9000/lake redirects",
            "https://other/x (status 307)",
            "`data_source.s3_bucket_region` to eu-west-3,",
        ] {
            assert!(message.contains(part), "{message}");
        }
        assert!(led(301, Some("no region!")).is_some_and(|error| !error.message().contains("no region")));
        assert!(led(200, None).is_none() && led(304, None).is_none() && led_away(301, None, None, "").is_none());
    }
}
