//! For tests: a bucket in memory, which several processes use.

use std::sync::Arc;
use std::time::Duration;

use object_store::memory::InMemory;
use object_store::path::Path;

use super::s3::errors::Place;
use super::{Storage, bucket};
use crate::config::{Config, Tuning};

/// A process that uses `store`, with leases of `age`.
pub fn process(store: &Arc<InMemory>, age: Duration) -> Storage {
    let config =
        r#"{"data_source": {"data_source_type": "LOCAL_STORAGE", "local_path": "/tmp/x"}, "memory_limit_mb": 64}"#;
    let mut tuning: Tuning = Config::from_json(config).unwrap().tuning;
    tuning.patience.lease_age = age;
    tuning.patience.lease_renewal = age / 5;
    tuning.patience.retry = age * 3 / 10;
    let place = Place { bucket: "lake".into(), region: "us-east-1".into(), endpoint: None };
    bucket::open(Arc::clone(store), None, place, Path::from("root"), &tuning)
}
