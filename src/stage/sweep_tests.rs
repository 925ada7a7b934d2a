//! What becomes of a dead sync that was loaded by SQL.

use std::sync::Mutex;

use futures::FutureExt;
use tokio::runtime::Handle;
use uuid::Uuid;

use super::*;
use crate::config::Config;
use crate::delta::actions::{Commit, NewTable};

/// Answers as it is told to, and notes what it was asked to drop.
struct Catalog {
    answer: fn() -> Result<bool>,
    asked: Mutex<Vec<String>>,
}

impl StagingTables for Catalog {
    fn clear<'a>(&'a self, _sync: Uuid, names: &'a [String]) -> BoxFuture<'a, Result<bool>> {
        self.asked.lock().unwrap().extend(names.iter().cloned());
        std::future::ready((self.answer)()).boxed()
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
    let tables = TableLog::new(&storage, &Handle::current());

    let dead = Lease::begin(&storage, Uuid::now_v7).await.unwrap();
    let staging = format!("{}/{staged}", dead.sync());
    let configuration = BTreeMap::from([(STAGING_TABLE.to_owned(), "`c`.`s`.`tmp`".to_owned())]);
    let create = NewTable { id: Uuid::nil(), schema: "{}", description: String::new(), configuration };
    let commit = Commit { create: Some(create), transactions: vec![(application_id(dead.sync()), 1)], add: &[] };
    let log = storage.put_new(&format!("{staging}/{DELTA_LOG}/00000000000000000000.json"), commit.to_bytes(0)).await;
    log.unwrap();
    drop(dead);

    let alive = Lease::begin(&storage, Uuid::now_v7).await.unwrap();
    let answers: [fn() -> Result<bool>; 3] =
        [|| Ok(false), || Err(Error::transient("The server is away.")), || Ok(true)];
    for (answer, swept) in answers.into_iter().zip([0, 0, 1]) {
        let catalog = Catalog { answer, asked: Mutex::default() };
        assert_eq!(sweep(&storage, &tables, &catalog).await.unwrap().cleared, swept);
        assert_eq!(*catalog.asked.lock().unwrap(), ["`c`.`s`.`tmp`"]);
        assert_eq!(storage.has_any(&staging).await.unwrap(), swept == 0);
    }
    alive.remove().await.unwrap();
}
