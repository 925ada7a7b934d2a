//! Where the tables of a test lie: in a bucket of its own. Tests see what is in it by requests. Only the bucket itself and
//! the rights on it are set in the folder in which the server keeps it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::requests::Bucket;
use super::server::{ROOT, Server, server};
use crate::lake::{Lake, Location};

/// What the program is told through its environment: a request that cannot succeed is given up soon, and what a machine
/// in a cloud would say of itself is not asked for.
pub const ENVIRONMENT: [(&str, &str); 2] =
    [("DESTINATION_DATABRICKS_RETRY_MS", "20000"), ("AWS_EC2_METADATA_DISABLED", "true")];
/// Not a measurement: a program that is silent for so long hangs, and the test must end.
pub const HANGS: Duration = Duration::from_secs(60);
/// Whether the line of a complete stream says how many rows its table had.
pub const TELLS_ROWS_BEFORE: bool = true;
/// The setting that names the bucket, and the one that names a folder in it.
pub const NAME_SETTING: &str = "s3_bucket_name";
pub const PATH_SETTING: &str = "s3_bucket_path";
/// The catalog of tables that lie here, and whether the catalog keeps them.
pub const CATALOG: &str = "hive_metastore";
pub const ARE_MANAGED: bool = false;
/// The folder inside the bucket that holds everything.
const PATH: &str = "lakes/one";

/// A bucket for tables.
pub struct Place {
    server: &'static Server,
    requests: Arc<Bucket>,
    bucket: String,
    path: String,
}

impl Place {
    /// How long a small sync takes, about.
    pub const SYNC: Duration = Duration::from_millis(200);
    /// Whether a sync removes at once what a killed one has left: a lease in a bucket lives on for a time.
    pub const SWEEPS_AT_ONCE: bool = false;
    /// Whether uploads that were never ended can be removed.
    pub const REMOVES_UPLOADS: bool = true;

    /// How old the lease of a dead sync has to be; a third of it is how long one request may take.
    pub const LEASE_AGE: Duration = Duration::from_millis(3000);

    /// A new bucket.
    pub fn new(_sandbox: &Path) -> Self {
        Self::at(PATH)
    }

    /// A new bucket whose tables lie below `path`.
    pub fn at(path: &str) -> Self {
        let (server, bucket) = (server(), uuid::Uuid::now_v7().to_string());
        let requests = Arc::new(Bucket::new(server, &bucket));
        let place = Self { server, requests, bucket, path: path.to_owned() };
        std::fs::create_dir(place.folder()).unwrap();
        let owner = json!({"Owner": ROOT.0, "Grantees": [
            {"Permission": "FULL_CONTROL", "Access": ROOT.0, "Type": "CanonicalUser"},
        ]});
        place.attribute("user.acl", &owner.to_string());
        place.attribute("user.ownership", "BucketOwnerEnforced");
        place
    }

    /// A new one whose tables in Databricks are in `_schema`, which makes no difference here.
    pub fn of_schema(sandbox: &Path, _schema: &str) -> Self {
        Self::new(sandbox)
    }

    /// All that is written.
    pub fn lake(&self) -> Location {
        self.whole_bucket().join(&self.path)
    }

    /// All objects of the bucket.
    pub fn whole_bucket(&self) -> Location {
        Location::new(Arc::clone(&self.requests) as _, "")
    }

    /// The address by which Databricks knows what has this key in the bucket.
    pub fn uri(&self, key: &str) -> String {
        format!("s3://{}/{key}", self.bucket)
    }

    /// The address of all that Spark reads here.
    pub fn root(&self) -> Option<String> {
        Some(self.uri(""))
    }

    /// The bucket's name.
    pub fn bucket(&self) -> &str {
        &self.bucket
    }

    /// The folder of a table.
    pub fn table(&self, schema_and_name: &str) -> Location {
        self.lake().join(schema_and_name)
    }

    /// How readers find a table: its address, and what they have to know of its store.
    pub fn for_readers(&self, schema_and_name: &str) -> (String, Value) {
        self.for_readers_of(&self.table(schema_and_name))
    }

    /// The same for the table in `folder`.
    pub fn for_readers_of(&self, folder: &Location) -> (String, Value) {
        let store = json!({
            "endpoint": self.server.endpoint(), "region": self.server.region(), "key": ROOT.0, "secret": ROOT.1,
        });
        (format!("s3://{}/{}", self.bucket, folder.key()), store)
    }

    /// The settings that lead here, where a test does not say otherwise.
    pub fn settings(&self) -> Map<String, Value> {
        Map::from_iter([("data_source".to_owned(), self.source())])
    }

    /// `data_source` of the configuration.
    pub fn source(&self) -> Value {
        self.source_through(&self.server.endpoint())
    }

    /// `data_source` for the same bucket by the address `endpoint`.
    pub fn source_through(&self, endpoint: &str) -> Value {
        json!({
            "data_source_type": "S3_STORAGE", "s3_bucket_name": self.bucket, "s3_bucket_path": self.path,
            "s3_bucket_region": self.server.region(), "s3_endpoint": endpoint,
            "s3_access_key_id": ROOT.0, "s3_secret_access_key": ROOT.1,
        })
    }

    /// Makes a folder below the bucket's path as people do in a console: an empty object whose key ends with `/`.
    pub fn make_folder(&self, name: &str) {
        self.requests.put(&format!("{}/", self.table(name).key()), b"");
    }

    /// The number of unfinished multipart uploads.
    pub fn unfinished_uploads(&self) -> usize {
        self.requests.unfinished_uploads()
    }

    /// Lets the user [`super::server::LIMITED`] do `actions` in this bucket and nothing else.
    pub fn allow(&self, actions: &[&str]) {
        let resources = [format!("arn:aws:s3:::{}", self.bucket), format!("arn:aws:s3:::{}/*", self.bucket)];
        let policy = json!({"Version": "2012-10-17", "Statement": [{
            "Effect": "Allow", "Principal": {"AWS": [super::server::LIMITED.0]}, "Action": actions, "Resource": resources,
        }]});
        self.attribute("user.policy", &policy.to_string());
    }

    /// Puts every object of the bucket under retention for a long time; with `versions`, a deleted one stays as a version,
    /// as AWS has it.
    pub fn lock(&self, versions: bool) {
        let lock = json!({
            "Enabled": true, "CreatedAt": "2026-01-01T00:00:00Z",
            "DefaultRetention": {"Mode": "COMPLIANCE", "Years": 90},
        });
        self.attribute("user.bucket-lock", &lock.to_string());
        if versions {
            self.attribute("user.versioning", "\u{1}");
        }
    }

    /// The folder that is the bucket.
    fn folder(&self) -> PathBuf {
        self.server.root().join(&self.bucket)
    }

    /// The server keeps what it knows of a bucket in extended attributes of its folder.
    fn attribute(&self, name: &str, value: &str) {
        rustix::fs::setxattr(self.folder(), name, value.as_bytes(), rustix::fs::XattrFlags::empty()).unwrap();
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // A test's bucket may be large; what the server still does in it is nobody's any more.
        let _ = std::fs::remove_dir_all(self.folder());
    }
}
