//! A test bed: the engine on a temporary folder, with a [`FakeWarehouse`].

use std::sync::Arc;

use tempfile::TempDir;
use tokio::runtime::Handle;
use uuid::Uuid;

use super::super::{Sql, TablePlace};
use super::fake_warehouse::{FakeWarehouse, Fault, Table};
use crate::config::Config;
use crate::delta::actions::DataFile;
use crate::delta::table::TableLog;
use crate::error::{Error, StreamDescriptor};
use crate::load::{Loader, TableLoader};
use crate::protocol::catalog::{Catalog, Stream, WriteMode};
use crate::recovery::catalog_table::CatalogTable;
use crate::recovery::left_behind::LeftInCatalog;
use crate::recovery::sweep::StagingTables;
use crate::schema::columns::TableSchema;
use crate::schema::stats::{RowStats, Span};
use crate::stage::Batch;
use crate::stage::staged::Format;
use crate::storage::Storage;
use crate::target::{Target, targets};

pub const USERS: &str = "`main`.`shop`.`users`";
pub const SYNC: Uuid = Uuid::from_u128(0x01a1_fac5_0000_7000_8000_0000_0000_cafe);
pub const STAGING: &str = "`main`.`shop`.`_airbyte_tmp_00000000cafe_users`";

pub struct Bed {
    pub folder: TempDir,
    pub storage: Storage,
    pub warehouse: FakeWarehouse,
    pub staging_schema: Option<&'static str>,
    pub catalog: &'static str,
    pub evolution: bool,
    pub format: Format,
    /// Where tables lie, if not in the storage.
    pub managed: Option<TablePlace>,
}

impl Bed {
    pub async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().display();
        let text = format!(r#"{{"data_source": {{"data_source_type": "LOCAL_STORAGE", "local_path": "{path}"}}}}"#);
        let config = Config::from_json(&text).unwrap();
        let storage = Storage::open(&config.storage, &config.tuning).await.unwrap();
        Self {
            folder,
            storage,
            warehouse: FakeWarehouse::default(),
            staging_schema: None,
            catalog: "main",
            evolution: false,
            format: Format::Parquet,
            managed: None,
        }
    }

    pub fn stage(&self, stream: &str, ids: impl IntoIterator<Item = u64>) {
        let ids = ids.into_iter().map(id);
        self.warehouse.with(|state| state.staged.entry(format!("/{stream}")).or_default().extend(ids));
    }

    /// The files of `batches` in the staging folder of users, with the ids of their rows.
    pub async fn stage_files(&self, batches: &[Batch]) {
        for file in batches.iter().flat_map(|batch| &batch.files) {
            let number = |id: &str| id.rsplit_once('-').unwrap().1.parse::<u64>().unwrap();
            let rows = number(&file.stats.ids.first)..=number(&file.stats.ids.last);
            let text: String = rows.map(|row| id(row) + "\n").collect();
            self.storage.put_new(&format!("{SYNC}/shop/users/{}", file.name), text.into_bytes()).await.unwrap();
        }
    }

    /// The names of the files in the staging folder of users.
    pub async fn staged_files(&self) -> Vec<String> {
        let listed = self.storage.list(&format!("{SYNC}/shop/users")).await.unwrap();
        listed.iter().map(|path| path.rsplit_once('/').unwrap().1.to_owned()).collect()
    }

    pub fn has(&self, table: Table) {
        self.warehouse.with(|state| state.tables.insert(USERS.into(), table));
    }

    pub fn older(&self, ids: &[&str]) -> Table {
        Table::older(&format!("file://{}/shop/users", self.folder.path().display()), ids)
    }

    pub fn fault(&self, words: &'static str, fault: Fault) {
        self.warehouse.with(|state| state.faults.push((words, fault)));
    }

    pub fn engine(&self) -> Sql {
        let tables = TableLog::new(&self.storage, &Handle::current(), 1);
        Sql::new(
            Arc::new(self.warehouse.clone()),
            &self.storage,
            &tables,
            (self.catalog, self.staging_schema),
            (SYNC, self.evolution),
            self.managed.unwrap_or(TablePlace::InStorage(self.format)),
            8,
        )
    }

    /// Removes what the sync left in the catalog; `staging_tables` are those that a staging log would name.
    pub async fn clear(&self, engine: &Sql, staging_tables: &[&str]) -> Result<bool, Error> {
        let paths = self.storage.list(&SYNC.to_string()).await.unwrap();
        let mut left = LeftInCatalog::read(&self.storage, &paths, SYNC).await.unwrap();
        left.staging_tables.extend(staging_tables.iter().map(|name| CatalogTable::parse(name).unwrap()));
        engine.clear(SYNC, &left).await
    }

    pub async fn try_open(&self, target: Target) -> Result<(Sql, Box<dyn TableLoader>), Error> {
        let engine = self.engine();
        let opened = engine.open_all(&[Arc::new(target)]).await?.remove(0)?;
        Ok((engine, opened.table))
    }

    pub async fn open(&self, write_mode: WriteMode, generation_id: Option<i64>) -> (Sql, Box<dyn TableLoader>) {
        let opened = self.try_open(users(write_mode, generation_id)).await.unwrap();
        self.warehouse.sent();
        opened
    }
}

pub fn users(write_mode: WriteMode, generation_id: Option<i64>) -> Target {
    users_of(write_mode, generation_id, SYNC)
}

pub fn users_of(write_mode: WriteMode, generation_id: Option<i64>, sync: Uuid) -> Target {
    let descriptor = StreamDescriptor { name: "users".into(), namespace: None };
    let catalog = Catalog {
        streams: vec![Stream {
            descriptor,
            write_mode,
            generation_id,
            sync_id: 0,
            columns: TableSchema::raw(),
            dedup: None,
        }],
    };
    targets(&catalog, "shop", sync).unwrap().remove(0)
}

pub fn id(number: u64) -> String {
    format!("id-{number:06}")
}

pub fn ids(numbers: std::ops::Range<u64>) -> Vec<String> {
    numbers.map(id).collect()
}

pub fn batch(number: i64, rows: std::ops::Range<u64>) -> Batch {
    let stats = RowStats {
        rows: rows.end - rows.start,
        ids: Span { first: id(rows.start), last: id(rows.end - 1) },
        emitted_at: Span { first: 1_000_000, last: 2_000_000 },
    };
    Batch { number, files: vec![DataFile { name: format!("{number}.parquet"), size: 1, modified_ms: 0, stats }] }
}
