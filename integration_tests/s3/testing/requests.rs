//! A lake in a bucket: every look and every change is a request to the server, past the program and the proxy.

use aws_credential_types::Credentials;
use aws_sdk_s3::Client;
use aws_sdk_s3::config::{BehaviorVersion, Region};
use aws_sdk_s3::error::SdkError;
use aws_sdk_s3::operation::get_object::GetObjectError;
use aws_sdk_s3::primitives::ByteStream;
use std::future::Future;
use std::sync::OnceLock;
use tokio::runtime::Runtime;

use super::server::{ROOT, Server};
use crate::lake::Lake;

/// A bucket whose objects are seen by the user who may do everything.
pub struct Bucket {
    client: Client,
    name: String,
}

impl Bucket {
    /// The bucket `name` of `server`.
    pub fn new(server: &Server, name: &str) -> Self {
        let config = aws_sdk_s3::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(server.region()))
            .credentials_provider(Credentials::new(ROOT.0, ROOT.1, None, None, "bed"))
            .endpoint_url(server.endpoint())
            .force_path_style(true)
            .build();
        Self { client: Client::from_conf(config), name: name.to_owned() }
    }

    /// The number of unfinished multipart uploads.
    pub fn unfinished_uploads(&self) -> usize {
        let listed = done(self.client.list_multipart_uploads().bucket(&self.name).send()).unwrap();
        assert_ne!(listed.is_truncated(), Some(true));
        listed.uploads().len()
    }
}

impl Lake for Bucket {
    fn list(&self, prefix: &str) -> Vec<String> {
        let mut pages = self.client.list_objects_v2().bucket(&self.name).prefix(prefix).into_paginator().send();
        let mut keys = Vec::new();
        while let Some(page) = done(pages.next()) {
            keys.extend(page.unwrap().contents().iter().map(|object| object.key().unwrap().to_owned()));
        }
        keys.sort();
        keys
    }

    fn get(&self, key: &str) -> Option<Vec<u8>> {
        let got = async { Ok(self.client.get_object().bucket(&self.name).key(key).send().await?.body.collect().await) };
        match done(got) {
            Ok(content) => Some(content.unwrap().to_vec()),
            Err(SdkError::ServiceError(refused)) if matches!(refused.err(), GetObjectError::NoSuchKey(_)) => None,
            Err(error) => panic!("{key}: {error:?}"),
        }
    }

    fn put(&self, key: &str, content: &[u8]) {
        let content = ByteStream::from(content.to_vec());
        done(self.client.put_object().bucket(&self.name).key(key).body(content).send()).unwrap();
    }

    fn delete(&self, key: &str) {
        done(self.client.delete_object().bucket(&self.name).key(key).send()).unwrap();
    }
}

/// Waits for what requests come to.
fn done<T>(requests: impl Future<Output = T>) -> T {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    let start = || tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    RUNTIME.get_or_init(start).block_on(requests)
}
