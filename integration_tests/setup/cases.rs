//! Configurations of every kind, and the rights that a sync with each needs, written down from docs/databricks.md, docs/managed.md,
//! docs/s3.md and docs/azure.md.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

pub const TOKEN: &str = "dapi0123456789abcdefghij0123456789AB";
pub const KEY: &str = "wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEY";
pub const SIGNATURE: &str = "c2VjcmV0LXNpZ25hdHVyZS1vZi1hLXRva2Vu";
pub const CLIENT_SECRET: &str = "EXAMPLE8Q~SECRETofANapplication01";
const WAREHOUSE: &str = "/sql/1.0/warehouses/0123456789abcdef";
const CLUSTER: &str = "sql/protocolv1/o/1234567890123456/0101-000000-abcd90";

/// One configuration.
pub struct Case {
    pub name: String,
    pub config: Value,
    pub catalog: Option<Value>,
    /// Whether the JSON is a golden file too.
    pub has_json: bool,
    /// Variables in which the program runs.
    pub environment: Vec<(&'static str, String)>,
    /// The rights that a sync needs.
    needs: Vec<String>,
    /// Tables that exist where they do, with the catalog file.
    pub tables: Vec<&'static str>,
}

impl Case {
    /// The rights that a sync needs, as `Recorder::rights` has them.
    pub fn rights(&self) -> Vec<String> {
        self.needs.iter().cloned().collect::<BTreeSet<_>>().into_iter().collect()
    }
}

/// Streams without a namespace, with one, and with a layout of its own.
fn catalog() -> Value {
    let stream = |name: &str, namespace: Option<&str>| {
        json!({
            "stream": {
                "name": name, "namespace": namespace,
                "json_schema": {"type": "object", "properties": {"id": {"type": "integer"}}},
            },
            "sync_mode": "full_refresh", "destination_sync_mode": "append",
        })
    };
    json!({"streams": [stream("Orders", None), stream("Customers", Some("CRM")), stream("events", Some("crm"))]})
}

fn s3() -> Value {
    json!({
        "data_source_type": "S3_STORAGE", "s3_bucket_name": "my-lakehouse", "s3_bucket_path": "airbyte/production",
        "s3_bucket_region": "eu-central-1", "s3_access_key_id": "AKIAIOSFODNN7EXAMPLE", "s3_secret_access_key": KEY,
    })
}

fn azure(identity: Value, format: &str) -> Value {
    let mut settings = json!({
        "data_source_type": "AZURE_BLOB_STORAGE", "azure_blob_storage_account_name": "mylakehouse",
        "azure_blob_storage_container_name": "tables", "azure_base_path": "airbyte", "azure_staging_format": format,
    });
    settings.as_object_mut().unwrap().extend(identity.as_object().unwrap().clone());
    settings
}

fn principal() -> Value {
    let id = "11111111-2222-3333-4444-555555555555";
    json!({"azure_tenant_id": id, "azure_client_id": id, "azure_client_secret": CLIENT_SECRET})
}

fn sas() -> Value {
    json!({"azure_blob_storage_sas_token": format!("sv=2024-11-04&sp=racwdl&sr=c&se=2030-01-01T00:00:00Z&sig={SIGNATURE}")})
}

fn databricks(data_source: Value, http_path: &str, more: Value) -> Value {
    let host = if data_source["data_source_type"] == "AZURE_BLOB_STORAGE" {
        "adb-1234567890123456.7.azuredatabricks.net"
    } else {
        "abc-12345678-wxyz.cloud.databricks.com"
    };
    let mut config = json!({
        "databricks_server_hostname": host, "databricks_http_path": http_path, "databricks_personal_access_token": TOKEN,
        "database": "main", "schema": "shop", "data_source": data_source,
    });
    config.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    config
}

const BUCKET: [&str; 6] = [
    "aws user my-user s3:ListBucket on arn:aws:s3:::my-lakehouse",
    "aws user my-user s3:ListBucketMultipartUploads on arn:aws:s3:::my-lakehouse",
    "aws user my-user s3:GetObject on arn:aws:s3:::my-lakehouse/airbyte/production/*",
    "aws user my-user s3:PutObject on arn:aws:s3:::my-lakehouse/airbyte/production/*",
    "aws user my-user s3:DeleteObject on arn:aws:s3:::my-lakehouse/airbyte/production/*",
    "aws user my-user s3:AbortMultipartUpload on arn:aws:s3:::my-lakehouse/airbyte/production/*",
];
const LOCATION: [&str; 3] = [
    "me@example.com CREATE EXTERNAL TABLE on EXTERNAL LOCATION my_location",
    "me@example.com READ FILES on EXTERNAL LOCATION my_location",
    "me@example.com WRITE FILES on EXTERNAL LOCATION my_location",
];
const CONTAINER: &str =
    "azure 11111111-2222-3333-4444-555555555555 Storage Blob Data Contributor on mylakehouse/tables";
const USES_WAREHOUSE: &str = "me@example.com CAN_USE on warehouses 0123456789abcdef";
const USES_CLUSTER: &str = "me@example.com CAN_RESTART on clusters 0101-000000-abcd90";
const MAIN: [&str; 3] = [
    "me@example.com USE CATALOG on CATALOG main",
    "me@example.com USE SCHEMA on SCHEMA main.shop",
    "me@example.com CREATE TABLE on SCHEMA main.shop",
];
const CRM: [&str; 2] =
    ["me@example.com USE SCHEMA on SCHEMA main.crm", "me@example.com CREATE TABLE on SCHEMA main.crm"];
const VOLUME: [&str; 2] = [
    "me@example.com READ VOLUME on VOLUME main.shop.airbyte_staging",
    "me@example.com WRITE VOLUME on VOLUME main.shop.airbyte_staging",
];
const VOLUME_OF_CRM: [&str; 2] = [
    "me@example.com READ VOLUME on VOLUME main.crm.airbyte_staging",
    "me@example.com WRITE VOLUME on VOLUME main.crm.airbyte_staging",
];
const HIVE: [&str; 6] = [
    "me@example.com USAGE on CATALOG hive_metastore",
    "me@example.com SELECT on ANY FILE",
    "me@example.com MODIFY on ANY FILE",
    "me@example.com USAGE on SCHEMA hive_metastore.shop",
    "me@example.com CREATE on SCHEMA hive_metastore.shop",
    "instance profile arn:aws:iam::123456789012:instance-profile/my-profile",
];
const HIVE_CRM: [&str; 2] =
    ["me@example.com USAGE on SCHEMA hive_metastore.crm", "me@example.com CREATE on SCHEMA hive_metastore.crm"];
const CONNECTOR: &str = "credential my_credential";
const PLACE: &str = "external location my_location";

fn all(parts: &[&[&'static str]]) -> Vec<&'static str> {
    parts.concat()
}

/// Each configuration without a catalog file and with one.
pub fn cases() -> Vec<Case> {
    let made = [CONNECTOR, PLACE];
    let tables = vec!["main.shop.orders", "main.crm.customers", "main.crm.events"];
    let mut cases = Vec::new();
    let mut add = |name: &str,
                   config: Value,
                   needs: Vec<&'static str>,
                   more: Option<&[&'static str]>,
                   tables: &[&'static str]| {
        for with_catalog in [false, true] {
            cases.push(Case {
                name: if with_catalog { format!("{name}_with_catalog") } else { name.to_owned() },
                config: config.clone(),
                catalog: with_catalog.then(catalog),
                has_json: name == "managed" || name == "s3_warehouse",
                environment: Vec::new(),
                needs: needs
                    .iter()
                    .chain(more.filter(|_| with_catalog).unwrap_or_default())
                    .map(|right| (*right).to_owned())
                    .collect(),
                tables: tables.to_vec(),
            });
        }
    };
    add(
        "local",
        json!({"data_source": {"data_source_type": "LOCAL_STORAGE", "local_path": "/local/lakehouse"}}),
        vec![],
        None,
        &[],
    );
    add("s3_direct", json!({"data_source": s3()}), BUCKET.to_vec(), None, &[]);
    let mut role = s3();
    role["s3_role_arn"] = json!("arn:aws:iam::123456789012:role/team/airbyte");
    role["s3_external_id"] = json!("an-external-id");
    role["s3_sse"] = json!("aws:kms");
    role["s3_sse_kms_key_id"] = json!("arn:aws:kms:eu-central-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab");
    let of_role = [
        "aws role airbyte s3:ListBucket on arn:aws:s3:::my-lakehouse",
        "aws role airbyte s3:ListBucketMultipartUploads on arn:aws:s3:::my-lakehouse",
        "aws role airbyte s3:GetObject on arn:aws:s3:::my-lakehouse/airbyte/production/*",
        "aws role airbyte s3:PutObject on arn:aws:s3:::my-lakehouse/airbyte/production/*",
        "aws role airbyte s3:DeleteObject on arn:aws:s3:::my-lakehouse/airbyte/production/*",
        "aws role airbyte s3:AbortMultipartUpload on arn:aws:s3:::my-lakehouse/airbyte/production/*",
        "aws role airbyte kms:Decrypt on arn:aws:kms:eu-central-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab",
        "aws role airbyte kms:GenerateDataKey on arn:aws:kms:eu-central-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab",
        "aws user my-user sts:AssumeRole on arn:aws:iam::123456789012:role/team/airbyte",
    ];
    add("s3_direct_role", json!({"data_source": role}), of_role.to_vec(), None, &[]);
    let mut elsewhere = s3();
    elsewhere["s3_endpoint"] = json!("https://minio.example.com:9000");
    add("s3_direct_other_store", json!({"data_source": elsewhere}), vec![], None, &[]);
    let needs = all(&[&BUCKET, &made, &LOCATION, &MAIN, &[USES_WAREHOUSE]]);
    add("s3_warehouse", databricks(s3(), WAREHOUSE, json!({})), needs, Some(&CRM), &tables);
    let staging = [
        "me@example.com USE SCHEMA on SCHEMA main.staging_area",
        "me@example.com CREATE TABLE on SCHEMA main.staging_area",
    ];
    let needs = all(&[&BUCKET, &made, &LOCATION, &MAIN, &staging, &[USES_CLUSTER]]);
    let more = json!({
        "staging_schema": "Staging Area", "enable_schema_evolution": true,
        "streams": [{"name": "events", "namespace": "crm", "table_layout": "columns"}],
    });
    add("s3_cluster", databricks(s3(), CLUSTER, more), needs, Some(&CRM), &tables);
    add("azure_direct", json!({"data_source": azure(principal(), "csv")}), vec![CONTAINER], None, &[]);
    add("azure_direct_sas", json!({"data_source": azure(sas(), "csv")}), vec![], None, &[]);
    let needs = all(&[&made, &LOCATION, &MAIN, &[USES_WAREHOUSE]]);
    add(
        "azure_warehouse_csv",
        databricks(azure(sas(), "csv"), WAREHOUSE, json!({})),
        needs.clone(),
        Some(&CRM),
        &tables,
    );
    let needs = [needs, vec![CONTAINER]].concat();
    add(
        "azure_warehouse_delta",
        databricks(azure(principal(), "delta"), WAREHOUSE, json!({})),
        needs,
        Some(&CRM),
        &tables,
    );
    let managed =
        |volume: Option<&str>| json!({"data_source_type": "MANAGED_TABLES_STORAGE", "staging_volume": volume});
    let needs = all(&[&MAIN, &VOLUME, &[USES_WAREHOUSE]]);
    let more = [CRM, VOLUME_OF_CRM].concat();
    let with_raw: Vec<&str> = [
        &tables[..],
        &["main.shop._airbyte_raw_orders", "main.crm._airbyte_raw_customers", "main.crm._airbyte_raw_events"],
    ]
    .concat();
    add("managed", databricks(managed(None), WAREHOUSE, json!({})), needs, Some(&more), &with_raw);
    let elsewhere = [
        "me@example.com USE CATALOG on CATALOG files",
        "me@example.com USE SCHEMA on SCHEMA files.staged",
        "me@example.com READ VOLUME on VOLUME files.staged.airbyte",
        "me@example.com WRITE VOLUME on VOLUME files.staged.airbyte",
    ];
    let needs = all(&[&MAIN, &elsewhere, &[USES_CLUSTER]]);
    add(
        "managed_volume",
        databricks(managed(Some("files.staged.airbyte")), CLUSTER, json!({})),
        needs,
        Some(&CRM),
        &with_raw,
    );
    let hive = json!({"database": "hive_metastore"});
    let of_hive = ["hive_metastore.shop.orders", "hive_metastore.crm.customers", "hive_metastore.crm.events"];
    let needs = all(&[&BUCKET, &HIVE, &[USES_WAREHOUSE]]);
    add("hive_metastore", databricks(s3(), WAREHOUSE, hive.clone()), needs, Some(&HIVE_CRM), &of_hive);
    let needs = all(&[&HIVE[..5], &[USES_CLUSTER]]);
    let mut more = hive;
    more["enable_schema_evolution"] = json!(true);
    more["table_layout"] = json!("columns");
    add("hive_metastore_azure", databricks(azure(sas(), "csv"), CLUSTER, more), needs, Some(&HIVE_CRM), &of_hive);
    add("spark_server", databricks(s3(), "cliservice", json!({})), BUCKET.to_vec(), None, &[]);
    cases.extend(ways());
    cases
}

/// A JWT as a workload has it. Nobody looks at its signature.
pub fn jwt() -> String {
    jwt_of("RS256", "system:serviceaccount:lake:loader")
}

/// The same with another algorithm and subject.
pub fn jwt_of(algorithm: &str, subject: &str) -> String {
    let part = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let claims = json!({"iss": "https://issuer.example", "sub": subject, "aud": ["acme", "other"]});
    format!("{}.{}.c2lnbmF0dXJl", part(json!({"alg": algorithm, "typ": "JWT"})), part(claims))
}

/// A name, `authentication`, the host if it is another one, whether a JWT is at hand, the principal, and what it needs beside other rights.
type Way<'a> = (&'a str, Value, &'a str, bool, &'a str, Vec<&'a str>);

/// Managed tables, with each way to sign in.
fn ways() -> Vec<Case> {
    let id = "6a1b2c3d-0000-4000-8000-000000000001";
    let in_azure = "adb-1234567890123456.7.azuredatabricks.net";
    let resource = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Databricks/workspaces/w";
    let workload = |more: Value| {
        let mut way = json!({"auth_type": "WORKLOAD_IDENTITY", "jwt_source": "ENVIRONMENT", "jwt_variable": "THE_JWT"});
        way.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        way
    };
    let entra = json!({
        "auth_type": "AZURE_SERVICE_PRINCIPAL", "tenant_id": id, "client_id": id, "client_secret": CLIENT_SECRET,
        "workspace_resource_id": resource,
    });
    let of_principal = ["principal 1234567890 is entitled to databricks-sql-access"];
    let of_jwt = "policy destination-databricks-8363589b5a605f8a of 1234567890: https://issuer.example [\"acme\",\"other\"] system:serviceaccount:lake:loader";
    let of_places = "policy destination-databricks-1 of 1234567890: https://issuer.example [\"acme\"] system:serviceaccount:lake:loader";
    let of_all =
        "policy destination-databricks-84299008947eeb62 of all: https://issuer.example [\"acme\",\"other\"] by sub";
    let m2m = json!({"auth_type": "OAUTH_M2M", "client_id": id, "client_secret": CLIENT_SECRET});
    let mut known = m2m.clone();
    known["account_id"] = json!("99999999-bbbb-cccc-dddd-eeeeeeeeeeee");
    let user = json!({"auth_type": "OAUTH_U2M", "login_file": "/home/airbyte/login.json"});
    let mut user_of_account = user.clone();
    user_of_account["account_id"] = json!("99999999-bbbb-cccc-dddd-eeeeeeeeeeee");
    let ways: [Way<'_>; 9] = [
        ("way_m2m", m2m, "", false, id, of_principal.to_vec()),
        ("way_m2m_of_account", known, "", false, id, of_principal.to_vec()),
        ("way_workload", workload(json!({"client_id": id})), "", true, id, [&of_principal[..], &[of_jwt]].concat()),
        (
            "way_workload_without_jwt",
            workload(json!({"client_id": id})),
            "",
            false,
            id,
            [&of_principal[..], &[of_places]].concat(),
        ),
        ("way_workload_of_all", workload(json!({})), "", true, "system:serviceaccount:lake:loader", vec![of_all]),
        ("way_azure_application", entra, in_azure, false, id, of_principal.to_vec()),
        (
            "way_azure_machine",
            json!({"auth_type": "AZURE_MANAGED_IDENTITY"}),
            in_azure,
            false,
            "44444444-2222-3333-4444-555555555555",
            of_principal.to_vec(),
        ),
        ("way_user", user, "", false, "me@example.com", vec!["signed in"]),
        ("way_user_of_account", user_of_account, "", false, "me@example.com", vec!["signed in"]),
    ];
    let case = |(name, way, host, has_jwt, principal, more): Way<'_>| {
        let mut config = databricks(
            json!({"data_source_type": "MANAGED_TABLES_STORAGE"}),
            WAREHOUSE,
            json!({"authentication": way}),
        );
        let object = config.as_object_mut().unwrap();
        object.remove("databricks_personal_access_token");
        if !host.is_empty() {
            object.insert("databricks_server_hostname".to_owned(), json!(host));
        }
        let needs = all(&[&MAIN, &VOLUME, &[USES_WAREHOUSE]]);
        let needs = needs.iter().map(|right| right.replace("me@example.com", principal));
        Case {
            name: name.to_owned(),
            config,
            catalog: None,
            has_json: false,
            environment: has_jwt.then(|| ("THE_JWT", jwt())).into_iter().collect(),
            needs: needs.chain(more.iter().map(|right| (*right).to_owned())).collect(),
            tables: Vec::new(),
        }
    };
    ways.into_iter().map(case).collect()
}
