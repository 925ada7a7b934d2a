//! The HTTP clients of AWS's own code, for S3, STS and what else gives credentials: their answers are bounded in bytes, as
//! those of the object store's client are in `answers`; in time they are bounded where each is used. They follow nobody.

use aws_sdk_s3::config::SharedHttpClient;
use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::Provider;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::{Builder, ConnectorBuilder};
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use http_body_util::Limited;

/// A page of a thousand unfinished uploads is the longest answer that is asked for.
const LONGEST: usize = 16 << 20;

/// A client; one that asks no proxy of the environment where the store is on this machine: none leads there.
pub(super) fn sdk_client(is_here: bool) -> SharedHttpClient {
    let inner = if is_here {
        Builder::new().build_with_connector_fn(|settings, components| {
            let mut connector = ConnectorBuilder::default().tls_provider(Provider::Rustls(CryptoMode::AwsLc));
            connector.set_connector_settings(settings.cloned());
            connector.set_sleep_impl(components.and_then(|components| components.sleep_impl()));
            connector.set_proxy_config(Some(ProxyConfig::disabled()));
            connector.build()
        })
    } else {
        Builder::new().tls_provider(Provider::Rustls(CryptoMode::AwsLc)).build_https()
    };
    SharedHttpClient::new(Bounded(inner))
}

/// A client, or a connection of one, whose answers come to an end.
#[derive(Debug)]
struct Bounded<T>(T);

impl HttpClient for Bounded<SharedHttpClient> {
    fn http_connector(&self, settings: &HttpConnectorSettings, components: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(Bounded(self.0.http_connector(settings, components)))
    }
}

impl HttpConnector for Bounded<SharedHttpConnector> {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let answered = self.0.call(request);
        HttpConnectorFuture::new(async {
            let mut answer = answered.await?;
            let body = std::mem::replace(answer.body_mut(), SdkBody::empty());
            *answer.body_mut() = SdkBody::from_body_1_x(Limited::new(body, LONGEST));
            Ok(answer)
        })
    }
}
