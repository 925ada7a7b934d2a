//! A bucket in memory, which several processes use.

use std::sync::Arc;
use std::time::Duration;

use object_store::memory::InMemory;
use object_store::path::Path;

use super::super::bucket::{self, Provider};
use super::super::{Storage, s3};
use crate::config::{Config, Tuning};

/// A process that uses `store`, with leases of `age`.
pub fn process(store: &Arc<InMemory>, age: Duration) -> Storage {
    let config =
        r#"{"data_source": {"data_source_type": "LOCAL_STORAGE", "local_path": "/tmp/x"}, "memory_limit_mb": 64}"#;
    let mut tuning: Tuning = Config::from_json(config).unwrap().tuning;
    tuning.timeouts.lease_age = age;
    tuning.timeouts.lease_renewal = age / 5;
    tuning.timeouts.request_retry = age * 3 / 10;
    bucket::open(Arc::clone(store), None, provider(), Path::from("root"), &tuning)
}

/// What the bucket and its failures are called: as those of the bucket `lake` in S3.
pub(in crate::storage) fn provider() -> Box<dyn Provider> {
    Box::new(s3::provider("lake"))
}
