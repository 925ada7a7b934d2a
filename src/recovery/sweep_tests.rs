//! What becomes of a dead sync that was loaded by SQL.

use std::sync::Mutex;

use tokio::runtime::Handle;
use uuid::Uuid;

use super::*;
use crate::config::Config;
use crate::delta::actions::{Commit, TableMetadata};
use crate::schema::columns::TableSchema;

/// Answers as it is told to, and notes what it was asked to drop.
struct Catalog {
    answer: fn() -> Result<bool>,
    asked: Mutex<Vec<CatalogTable>>,
}

#[async_trait]
impl StagingTables for Catalog {
    async fn clear(&self, _sync: Uuid, left: &LeftInCatalog) -> Result<bool> {
        self.asked.lock().unwrap().extend(left.staging_tables.iter().cloned());
        (self.answer)()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn files_of_a_staging_table_go_only_when_the_table_is_dropped() {
    // The first is where versions up to 0.1 staged streams without a namespace.
    for folder in ["users", "shop/users", "shop/x-_users"] {
        files_go_only_when_the_table_is_dropped(folder).await;
    }
}

async fn files_go_only_when_the_table_is_dropped(staged: &str) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().display();
    let text = format!(r#"{{"data_source": {{"data_source_type": "LOCAL_STORAGE", "local_path": "{path}"}}}}"#);
    let config = Config::from_json(&text).unwrap();
    let storage = Storage::open(&config.storage, &config.tuning).await.unwrap();
    let tables = TableLog::new(&storage, &Handle::current(), 1);

    let dead = Lease::begin(&storage, Uuid::now_v7).await.unwrap();
    let staging = format!("{}/{staged}", dead.sync());
    let id = dead.sync().simple().to_string();
    let staging_table = format!("`c`.`s`.`_airbyte_tmp_{}_users`", &id[20..]);
    let configuration = BTreeMap::from([(STAGING_TABLE.to_owned(), staging_table.clone())]);
    let create = TableMetadata { id: Uuid::nil(), description: String::new(), configuration };
    let schema = TableSchema::raw();
    let transactions = vec![(application_id(dead.sync()), 1)];
    let commit = Commit { schema: &schema, create: Some(create), transactions, add: &[] };
    let log = storage.put_new(&format!("{staging}/{DELTA_LOG}/00000000000000000000.json"), commit.to_bytes(0)).await;
    log.unwrap();
    drop(dead);

    let alive = Lease::begin(&storage, Uuid::now_v7).await.unwrap();
    let answers: [fn() -> Result<bool>; 3] =
        [|| Ok(false), || Err(Error::transient("The server is away.")), || Ok(true)];
    for (answer, swept) in answers.into_iter().zip([0, 0, 1]) {
        let catalog = Catalog { answer, asked: Mutex::default() };
        assert_eq!(sweep(&storage, &tables, &catalog).await.unwrap().cleared, swept);
        assert_eq!(*catalog.asked.lock().unwrap(), [CatalogTable::parse(&staging_table).unwrap()]);
        assert_eq!(storage.has_any(&staging).await.unwrap(), swept == 0);
    }
    alive.remove().await.unwrap();
}

#[test]
fn only_files_with_names_of_the_dead_sync_are_its_own() {
    let sync = Uuid::now_v7();
    let id = sync.simple().to_string();
    assert!(is_file_of(&format!("2026_01_01_1_0_{id}.parquet"), sync));
    for name in [
        format!("../{id}.parquet"),
        format!("/abs/{id}"),
        "part-0.parquet".to_owned(),
        format!(".{id}"),
        format!("_delta_log/{id}"),
    ] {
        assert!(!is_file_of(&name, sync), "{name}");
    }
}
