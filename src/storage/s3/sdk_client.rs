//! The HTTP clients of AWS's own code, for S3, STS and other services that give credentials.
//!
//! The length of their answers is limited, as that of the object store's client is in `bucket::http`; each caller limits the time.
//! They follow no redirections, and use no TLS only for addresses nearby.

use aws_sdk_s3::config::SharedHttpClient;
use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore};
use aws_smithy_http_client::{Builder, ConnectorBuilder};
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use http_body_util::Limited;
use url::Url;

use crate::config::is_near;
use crate::error::Error;
use crate::tls::Trust;

/// A page of a thousand unfinished uploads is the longest answer that is asked for.
const LONGEST: usize = 16 << 20;
/// Only what the environment or a profile says can lead there.
const IN_THE_OPEN: &str = "The service that gives AWS credentials has an address on another machine that does not begin with https://, so \
                           that tokens and keys would be readable on the way: correct AWS_ENDPOINT_URL_STS, AWS_ENDPOINT_URL or the \
                           profile, or set `data_source.s3_allow_http` to true if you want that.";

/// A client that trusts `trust` alone, and sends nothing over the network without TLS unless that is meant: `in_the_open`. It asks no
/// proxy of the environment for what is near: none leads there.
pub(super) fn sdk_client(trust: &Trust, in_the_open: bool) -> SharedHttpClient {
    let [proxied, direct] = [ProxyConfig::from_env, ProxyConfig::disabled].map(|proxy| client(trust, proxy));
    SharedHttpClient::new(Bounded { proxied, direct, in_the_open })
}

fn client(trust: &Trust, proxy: fn() -> ProxyConfig) -> SharedHttpClient {
    let store = TrustStore::empty().with_pem_certificate(trust.pem());
    Builder::new().build_with_connector_fn(move |settings, components| {
        let mut connector = ConnectorBuilder::default().tls_provider(Provider::Rustls(CryptoMode::AwsLc));
        // Building it never fails.
        if let Ok(context) = TlsContext::builder().with_trust_store(store.clone()).build() {
            connector = connector.tls_context(context);
        }
        connector.set_connector_settings(settings.cloned());
        connector.set_sleep_impl(components.and_then(|components| components.sleep_impl()));
        connector.set_proxy_config(Some(proxy()));
        connector.build()
    })
}

/// A client, or a connection of one, whose answers come to an end.
#[derive(Debug)]
struct Bounded<T> {
    proxied: T,
    direct: T,
    in_the_open: bool,
}

impl HttpClient for Bounded<SharedHttpClient> {
    fn http_connector(&self, settings: &HttpConnectorSettings, components: &RuntimeComponents) -> SharedHttpConnector {
        let [proxied, direct] = [&self.proxied, &self.direct].map(|client| client.http_connector(settings, components));
        SharedHttpConnector::new(Bounded { proxied, direct, in_the_open: self.in_the_open })
    }
}

impl HttpConnector for Bounded<SharedHttpConnector> {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let url = Url::parse(request.uri()).ok();
        let is_near = url.as_ref().is_some_and(is_near);
        if !is_near && !self.in_the_open && url.is_none_or(|url| url.scheme() != "https") {
            return HttpConnectorFuture::ready(Err(ConnectorError::user(Box::new(Error::config(IN_THE_OPEN)))));
        }
        let answered = if is_near { &self.direct } else { &self.proxied }.call(request);
        HttpConnectorFuture::new(async {
            let mut answer = answered.await?;
            let body = std::mem::replace(answer.body_mut(), SdkBody::empty());
            *answer.body_mut() = SdkBody::from_body_1_x(Limited::new(body, LONGEST));
            Ok(answer)
        })
    }
}
