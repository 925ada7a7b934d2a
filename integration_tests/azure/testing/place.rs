//! Where the tables of a test lie: in a container of its own. Tests see what is in it by requests.

use std::cell::Cell;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value, json};
use tempfile::TempDir;

use super::requests::Container;
use super::sas::Sas;
use super::server::{ACCOUNT, Server, server};
use crate::lake::{Lake, Location};

/// What the program is told through its environment: a request that cannot succeed is given up soon.
pub const ENVIRONMENT: [(&str, &str); 1] = [("DESTINATION_DATABRICKS_RETRY_MS", "20000")];
/// Not a measurement: a program that is silent for so long hangs, and the test must end.
pub const HANGS: Duration = Duration::from_secs(60);
/// Whether the line of a complete stream says how many rows its table had.
pub const TELLS_ROWS_BEFORE: bool = true;
/// The setting that names the container, and the one that names a folder in it.
pub const NAME_SETTING: &str = "azure_blob_storage_container_name";
pub const PATH_SETTING: &str = "azure_base_path";
/// The catalog of tables that lie here, and whether the catalog keeps them.
pub const CATALOG: &str = "hive_metastore";
pub const ARE_MANAGED: bool = false;
/// The folder inside the container that holds everything.
const PATH: &str = "lakes/one";
/// What the program needs of a token.
pub const PERMISSIONS: &str = "rwdlac";

/// A container for tables.
pub struct Place {
    server: &'static Server,
    requests: Arc<Container>,
    container: String,
    path: String,
    copies: TempDir,
    staging: Staging,
}

/// How rows are staged for Databricks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Staging {
    /// As CSV, which is the default.
    Csv,
    /// As CSV that is compressed.
    Gzip,
    /// In Delta tables.
    Delta,
}

thread_local! {
    static STAGING: Cell<Option<Staging>> = const { Cell::new(None) };
}

/// Runs `case` with places whose rows are staged so.
pub fn staged_as(staging: Staging, case: impl FnOnce()) {
    STAGING.set(Some(staging));
    case();
}

impl Staging {
    /// That of the places that this thread makes: what `TEST_STAGING` says, where a test does not say otherwise.
    fn of_thread() -> Self {
        STAGING.get().unwrap_or_else(|| match std::env::var("TEST_STAGING").as_deref() {
            Err(_) | Ok("csv") => Self::Csv,
            Ok("gzip") => Self::Gzip,
            Ok("delta") => Self::Delta,
            Ok(other) => panic!("TEST_STAGING is csv, gzip or delta, not {other}"),
        })
    }
}

impl Place {
    /// How long a small sync takes, about.
    pub const SYNC: Duration = Duration::from_millis(400);
    /// Whether a sync removes at once what a killed one has left: a lease in a container lives on for a time.
    pub const SWEEPS_AT_ONCE: bool = false;
    /// Whether uploads that were never ended can be removed.
    pub const REMOVES_UPLOADS: bool = true;

    /// How old the lease of a dead sync has to be; a third of it is how long one request may take.
    pub const LEASE_AGE: Duration = Duration::from_millis(15_000);

    /// A new container.
    pub fn new(_sandbox: &Path) -> Self {
        Self::at(PATH)
    }

    /// A new container whose tables lie below `path`.
    pub fn at(path: &str) -> Self {
        let place = Self::without_container(path);
        let (status, said) = place.requests.create();
        assert_eq!(status, 201, "{said}");
        place
    }

    /// A container that is not there.
    pub fn without_container(path: &str) -> Self {
        // Not an id by itself: a folder with an id for a name is a staging folder.
        let (server, container) = (server(), format!("lake-{}", uuid::Uuid::now_v7()));
        let requests = Arc::new(Container::new(server, &container));
        Self {
            server,
            requests,
            container,
            path: path.to_owned(),
            copies: TempDir::new().unwrap(),
            staging: Staging::of_thread(),
        }
    }

    /// A new one whose tables in Databricks are in `_schema`, which makes no difference here.
    pub fn of_schema(sandbox: &Path, _schema: &str) -> Self {
        Self::new(sandbox)
    }

    /// All that is written.
    pub fn lake(&self) -> Location {
        self.whole_container().join(&self.path)
    }

    /// All blobs of the container.
    pub fn whole_container(&self) -> Location {
        Location::new(Arc::clone(&self.requests) as Arc<dyn Lake>, "")
    }

    /// How readers find a table: a copy of it in a folder, since DuckDB has no extension for Azure. `readers` has those that read the
    /// container itself.
    pub fn for_readers(&self, schema_and_name: &str) -> (String, Value) {
        self.for_readers_of(&self.table(schema_and_name))
    }

    /// The same for the table in `folder`.
    pub fn for_readers_of(&self, folder: &Location) -> (String, Value) {
        let copy = self.copies.path().join(uuid::Uuid::now_v7().to_string());
        for object in folder.objects() {
            let file = copy.join(object.below(folder));
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(file, object.get().unwrap()).unwrap();
        }
        (copy.to_str().unwrap().to_owned(), Value::Null)
    }

    /// The same, as the cases that buckets have too call it.
    pub fn whole_bucket(&self) -> Location {
        self.whole_container()
    }

    /// The address by which Databricks knows what has this key in the container.
    pub fn uri(&self, key: &str) -> String {
        format!("abfss://{}@{}.dfs.core.windows.net/{key}", self.container, ACCOUNT.0)
    }

    /// The address of all that Spark reads here.
    pub fn root(&self) -> Option<String> {
        Some(self.uri(""))
    }

    /// The container's name.
    pub fn container(&self) -> &str {
        &self.container
    }

    /// The container, for requests that are no look at a lake.
    pub fn requests(&self) -> &Container {
        &self.requests
    }

    /// The folder of a table.
    pub fn table(&self, schema_and_name: &str) -> Location {
        self.lake().join(schema_and_name)
    }

    /// The settings that lead here, where a test does not say otherwise.
    pub fn settings(&self) -> Map<String, Value> {
        Map::from_iter([("data_source".to_owned(), self.source())])
    }

    /// `data_source` of the configuration.
    pub fn source(&self) -> Value {
        self.source_through(&self.server.endpoint())
    }

    /// `data_source` for the same container by the address `endpoint`, of the server or of a proxy.
    pub fn source_through(&self, endpoint: &str) -> Value {
        self.source_with(endpoint, &Sas::new(PERMISSIONS).of_account())
    }

    /// `data_source` for the same container with the SAS token `token`.
    pub fn source_with(&self, endpoint: &str, token: &str) -> Value {
        let mut source = json!({
            "data_source_type": "AZURE_BLOB_STORAGE", "azure_blob_storage_account_name": ACCOUNT.0,
            "azure_blob_storage_container_name": self.container, "azure_blob_storage_sas_token": token,
            "azure_blob_storage_endpoint_domain_name": format!("{endpoint}/{}", ACCOUNT.0),
        });
        if !self.path.is_empty() {
            source["azure_base_path"] = json!(self.path);
        }
        match self.staging {
            Staging::Csv => {}
            Staging::Gzip => source["azure_csv_compression"] = json!("gzip"),
            Staging::Delta => source["azure_staging_format"] = json!("delta"),
        }
        source
    }

    /// Makes a folder below the container's path as Hadoop and Azure's own tools do: an empty blob with a mark.
    pub fn make_folder(&self, name: &str) {
        let (status, said) = self.requests.put_with(
            self.table(name).key(),
            b"",
            &[("x-ms-meta-hdi_isfolder", "true"), ("content-length", "0")],
        );
        assert_eq!(status, 201, "{said}");
    }

    /// The number of uploads that were never ended: blobs that have blocks and nothing else.
    pub fn unfinished_uploads(&self) -> usize {
        self.requests.unfinished_uploads().len()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // A test's container may be large; one that is gone already is as good.
        let _ = self.requests.remove();
    }
}
