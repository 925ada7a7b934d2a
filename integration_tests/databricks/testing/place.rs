//! Where the tables of a test lie: in a bucket or container of its own, and in a schema of its own in the catalog that all tests share.
//! They are loaded by a warehouse or cluster of its own, over the transport of this thread's tests.

use std::cell::Cell;
use std::path::Path;
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::bucket;
use super::stand_in::stand_in;
use crate::lake::Location;

/// What the program is told through its environment: a request that cannot succeed is given up soon, and what a machine
/// in a cloud would say of itself is not asked for.
pub const ENVIRONMENT: [(&str, &str); bucket::ENVIRONMENT.len() + 2] = {
    let mut all = [("DESTINATION_DATABRICKS_DATABRICKS_RETRY_MS", "60000"); bucket::ENVIRONMENT.len() + 2];
    all[1] = ("DESTINATION_DATABRICKS_DATABRICKS_START_MS", "60000");
    let mut next = 2;
    while next < all.len() {
        all[next] = bucket::ENVIRONMENT[next - 2];
        next += 1;
    }
    all
};
/// A program that is silent for so long hangs: on two cores a statement of Spark takes seconds, and two tests run.
pub const HANGS: Duration = Duration::from_secs(240);
/// Whether the line of a complete stream says how many rows its table had.
pub const TELLS_ROWS_BEFORE: bool = false;

/// How the program reaches the SQL engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// The Statement Execution API of a warehouse.
    Statements,
    /// Thrift over HTTP of a cluster.
    Thrift,
}

thread_local! {
    static TRANSPORT: Cell<Transport> = const { Cell::new(Transport::Statements) };
}

/// Whether `statement` adds rows: with a staging table, or from files.
pub fn adds(statement: &str) -> bool {
    statement.starts_with("MERGE") || statement.starts_with("COPY INTO")
}

/// Runs `case` with places that are reached by the Statement Execution API.
pub fn over_statements(case: impl FnOnce()) {
    TRANSPORT.set(Transport::Statements);
    case();
}

/// Runs `case` with places that are reached by Thrift.
pub fn over_thrift(case: impl FnOnce()) {
    TRANSPORT.set(Transport::Thrift);
    case();
}

/// The transport of the places that this thread makes.
pub fn transport() -> Transport {
    TRANSPORT.get()
}

/// A bucket or container, a schema, and a warehouse or cluster.
pub struct Place {
    bucket: bucket::Place,
    transport: Transport,
    /// The id of the warehouse or cluster, and the name of the schema.
    id: String,
    token: String,
}

impl Place {
    /// How long a small sync takes, about.
    pub const SYNC: Duration = Duration::from_millis(3000);
    /// Whether a sync removes at once what a killed one has left: a lease in a bucket lives on for a time.
    pub const SWEEPS_AT_ONCE: bool = false;

    /// A new one.
    pub fn new(sandbox: &Path) -> Self {
        // They have nothing in common: what is like a part of the token is hidden in messages.
        let [name, secret] = [(); 2].map(|()| uuid::Uuid::new_v4().simple().to_string());
        let id = format!("b{}", name.get(..15).unwrap());
        let token = format!("dapi{secret}");
        let place = Self { bucket: bucket::Place::of_schema(sandbox, &id), transport: transport(), token, id };
        place.set(json!({}));
        place
    }

    /// All that is written.
    pub fn lake(&self) -> Location {
        self.bucket.lake()
    }

    /// `default/x` of the shared cases is `x` in the schema of this place.
    pub fn table(&self, schema_and_name: &str) -> Location {
        let own = schema_and_name.strip_prefix("default/").map(|name| format!("{}/{name}", self.schema()));
        self.lake().join(own.as_deref().unwrap_or(schema_and_name))
    }

    /// How readers find a table: its address, and what they have to know of its store.
    pub fn for_readers(&self, schema_and_name: &str) -> (String, Value) {
        self.bucket.for_readers_of(&self.table(schema_and_name))
    }

    /// The bucket.
    pub fn bucket(&self) -> &bucket::Place {
        &self.bucket
    }

    /// `data_source` of the configuration.
    pub fn source(&self) -> Value {
        self.bucket.source()
    }

    /// The settings that lead here, where a test does not say otherwise.
    pub fn settings(&self) -> Map<String, Value> {
        let path = match self.transport {
            Transport::Statements => format!("/sql/1.0/warehouses/{}", self.id),
            Transport::Thrift => format!("sql/protocolv1/o/0/{}", self.id),
        };
        let settings = json!({
            "data_source": self.source(), "database": self.catalog(), "schema": self.schema(), "accept_terms": true,
            "databricks_server_hostname": "http://127.0.0.1", "databricks_port": stand_in().port().to_string(),
            "databricks_http_path": path, "databricks_personal_access_token": self.token,
        });
        settings.as_object().unwrap().clone()
    }

    /// The catalog: Spark's own has one name, and the Statement Execution API's stand-in knows Databricks' names for it.
    pub fn catalog(&self) -> &'static str {
        match self.transport {
            Transport::Statements => bucket::CATALOG,
            Transport::Thrift => "spark_catalog",
        }
    }

    /// The schema of streams without a namespace.
    pub fn schema(&self) -> &str {
        &self.id
    }

    /// The token.
    pub fn token(&self) -> &str {
        &self.token
    }

    /// The full quoted name of a table in the schema of this place, for [`Place::sql`].
    pub fn name(&self, table: &str) -> String {
        format!("`spark_catalog`.`{}`.`{table}`", self.schema())
    }

    /// What follows the columns of a table `default/x` that is made by hand: where it lies.
    pub fn lies_at(&self, schema_and_name: &str) -> String {
        if bucket::ARE_MANAGED { String::new() } else { format!("LOCATION '{}'", self.location(schema_and_name)) }
    }

    /// The location of `default/x`.
    pub fn location(&self, schema_and_name: &str) -> String {
        self.bucket.uri(self.table(schema_and_name).key())
    }

    /// Runs a statement past the program, and past everything that goes wrong for it.
    pub fn sql(&self, statement: &str) -> Vec<Vec<Option<String>>> {
        stand_in().sql(statement)
    }

    /// What is said of a statement that has to fail.
    pub fn refused(&self, statement: &str) -> String {
        stand_in().refused(statement)
    }

    /// Other settings of the warehouse or cluster: see `stand_in/compute.py`.
    pub fn set(&self, mut settings: Value) {
        settings.as_object_mut().unwrap().entry("token").or_insert_with(|| json!(self.token));
        stand_in().control("PUT", &format!("computes/{}", self.id), &settings);
    }

    /// What goes wrong from now on: a list of rules, see `stand_in/compute.py`.
    pub fn goes_wrong(&self, rules: Value) {
        self.set(json!({"rules": rules}));
    }

    /// A cluster loses its Thrift sessions, as one does that is restarted.
    pub fn restart(&self) {
        stand_in().control("POST", &format!("computes/{}/restart", self.id), &json!({}));
    }

    /// The same; it tells of them in the form `told`: see `stand_in/thrift_server.py`.
    pub fn loses_its_sessions(&self, told: &str) {
        stand_in().control("POST", &format!("computes/{}/restart", self.id), &json!({"told": told}));
    }

    /// The statements that the program has sent, in the order in which they came.
    pub fn statements(&self) -> Vec<String> {
        let asked = self.asked();
        let statements = asked["statements"].as_array().unwrap();
        statements.iter().map(|one| one["statement"].as_str().unwrap().to_owned()).collect()
    }

    /// All that the warehouse or cluster was asked: `state`, `starts`, `requests`, `turned_away`, `statements`.
    pub fn asked(&self) -> Value {
        stand_in().control("GET", &format!("computes/{}", self.id), &json!({}))
    }

    /// The tables in the catalog's schema of this place.
    pub fn tables(&self) -> Vec<String> {
        let schemas = self.sql(&format!("SHOW SCHEMAS IN `spark_catalog` LIKE '{}'", self.schema()));
        if schemas.is_empty() {
            return Vec::new();
        }
        let tables = self.sql(&format!("SHOW TABLES IN `spark_catalog`.`{}`", self.schema()));
        tables.into_iter().map(|row| row[1].clone().unwrap()).collect()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if std::thread::panicking() {
            // For whoever looks into a failed test; the catalog goes with the stand-in.
            return;
        }
        let folders = self.lake().folders();
        let mut schemas: Vec<&str> = folders.iter().map(Location::name).filter(|name| !name.contains('-')).collect();
        // Also one without tables, for its volumes.
        schemas.push(self.schema());
        let leave = json!({"schemas": schemas, "root": self.bucket.root()});
        stand_in().control("DELETE", &format!("computes/{}", self.id), &leave);
    }
}
