//! What becomes of a dead sync that was loaded by SQL.

use std::sync::Mutex;

use tokio::runtime::Handle;
use uuid::Uuid;

use super::*;
use crate::config::Config;
use crate::delta::actions::{Commit, Readers, TableMetadata};
use crate::recovery::left_behind::write_list;
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

/// How a killed sync says that it may have made a staging table.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Form {
    /// In a property of the staging log alone, as versions up to 0.1 do.
    Log,
    /// In the list alone: the staging has no log.
    List,
    Both,
}

struct Lake {
    _folder: tempfile::TempDir,
    storage: Storage,
    tables: TableLog,
}

impl Lake {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().display();
        let text = format!(r#"{{"data_source": {{"data_source_type": "LOCAL_STORAGE", "local_path": "{path}"}}}}"#);
        let config = Config::from_json(&text).unwrap();
        let storage = Storage::open(&config.storage, &config.tuning).await.unwrap();
        let tables = TableLog::new(&storage, &Handle::current(), 1);
        Self { _folder: folder, storage, tables }
    }

    async fn put(&self, path: &str, bytes: Vec<u8>) {
        self.storage.put_new(path, bytes).await.unwrap();
    }

    /// A sync that was killed when it had begun to stage in `staged`; the full name of its staging table.
    async fn killed(&self, staged: &str, form: Form) -> (Uuid, String) {
        let dead = Lease::begin(&self.storage, Uuid::now_v7).await.unwrap();
        let sync = dead.sync();
        let staging = format!("{sync}/{staged}");
        let name = |table: &str| format!("`c`.`s`.`_airbyte_tmp_{}_{table}`", &sync.simple().to_string()[20..]);
        if form == Form::List {
            self.put(&format!("{staging}/part.csv"), b"1\n".to_vec()).await;
        } else {
            let configuration = BTreeMap::from([("airbyte.stagingTable".to_owned(), name("users"))]);
            let create = TableMetadata { id: Uuid::nil(), description: String::new(), configuration };
            let (schema, transactions) = (TableSchema::raw(), vec![(application_id(sync), 1)]);
            let commit =
                Commit { schema: &schema, create: Some(create), transactions, add: &[], readers: Readers::Spark };
            self.put(&format!("{staging}/{DELTA_LOG}/00000000000000000000.json"), commit.to_bytes(0)).await;
        }
        if form != Form::Log {
            let idle = (format!("{staging}_idle"), LeftBehind::StagingTable(name("idle")));
            let left = [(staging, LeftBehind::StagingTable(name("users"))), idle];
            write_list(&self.storage, sync, left.iter().map(|(staging, left)| (staging.as_str(), left))).await.unwrap();
        }
        (sync, name("users"))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn files_of_a_staging_table_go_only_when_the_table_is_dropped() {
    // The first is where versions up to 0.1 staged streams without a namespace.
    for staged in ["users", "shop/users", "shop/x-_users"] {
        for form in [Form::Log, Form::List, Form::Both] {
            files_go_only_when_the_table_is_dropped(staged, form).await;
        }
    }
}

async fn files_go_only_when_the_table_is_dropped(staged: &str, form: Form) {
    let lake = Lake::new().await;
    let (sync, staging_table) = lake.killed(staged, form).await;
    let alive = Lease::begin(&lake.storage, Uuid::now_v7).await.unwrap();
    let answers: [fn() -> Result<bool>; 3] =
        [|| Ok(false), || Err(Error::transient("The server is away.")), || Ok(true)];
    for (answer, swept) in answers.into_iter().zip([0, 0, 1]) {
        let catalog = Catalog { answer, asked: Mutex::default() };
        assert_eq!(sweep(&lake.storage, &lake.tables, &catalog).await.unwrap().cleared, swept);
        // Nothing is asked of a stream that had not begun.
        let asked = [CatalogTable::parse(&staging_table).unwrap()];
        assert_eq!(*catalog.asked.lock().unwrap(), asked, "{staged} {form:?}");
        assert_eq!(lake.storage.has_any(&format!("{sync}/{staged}")).await.unwrap(), swept == 0);
    }
    alive.remove().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_list_that_cannot_be_read_everything_stays() {
    let lake = Lake::new().await;
    let (sync, _) = lake.killed("shop/users", Form::Log).await;
    let list = r#"[{"staging": "shop/users", "volume": "/Volumes/c/s/v"}]"#;
    lake.put(&format!("{sync}/sync.left_behind.json"), list.into()).await;
    let alive = Lease::begin(&lake.storage, Uuid::now_v7).await.unwrap();
    let catalog = Catalog { answer: || Ok(true), asked: Mutex::default() };
    let swept = sweep(&lake.storage, &lake.tables, &catalog).await.unwrap();
    let [(kept, why)] = swept.kept.as_slice() else { panic!("{swept:?}") };
    assert!(*kept == sync && why.message().contains("newer version"), "{why}");
    assert!(catalog.asked.lock().unwrap().is_empty());
    assert!(lake.storage.has_any(&format!("{sync}/shop/users")).await.unwrap());
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
