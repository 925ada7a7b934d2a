//! When a staging can be read from, and what its log has then.

use std::sync::atomic::AtomicU64;

use parquet::file::reader::{FileReader, SerializedFileReader};
use serde_json::Value;

use super::staged::{Format, Staged};
use super::*;
use crate::clock::{Clock, new_id, random};
use crate::config::{Compression, Config};
use crate::encode::ids::IdGenerator;
use crate::encode::rows::Rows;
use crate::error::StreamDescriptor;
use crate::protocol::catalog::{Catalog, Stream};
use crate::schema::columns::TableSchema;
use crate::target::targets;

struct Noon;

impl Clock for Noon {
    fn now_us(&self) -> i64 {
        43_200_000_000
    }
}

struct Bed {
    _folder: tempfile::TempDir,
    stage: Stage,
    stream: StagedStream,
}

impl Bed {
    async fn new(begins: Begins) -> Self {
        Self::in_format(begins, Format::Parquet).await
    }

    async fn in_format(begins: Begins, format: Format) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().display();
        let text = format!(r#"{{"data_source": {{"data_source_type": "LOCAL_STORAGE", "local_path": "{path}"}}}}"#);
        let config = Config::from_json(&text).unwrap();
        let sync = new_id();
        let stage = Stage {
            storage: Storage::open(&config.storage, &config.tuning).await.unwrap(),
            clock_and_ids: ClockAndIds { clock: Arc::new(Noon), new_id },
            sync,
            file_size: 1 << 20,
            names: FileNames::new(&config.storage.file_name_pattern(), sync),
            parts: AtomicU64::new(0),
        };
        let descriptor = StreamDescriptor { name: "users".into(), namespace: None };
        let stream = Stream::append(descriptor);
        let target = targets(&Catalog { streams: vec![stream] }, "shop", sync).unwrap().remove(0);
        let staging = Staging {
            staged: Staged::new(format, &target.staging),
            begins,
            left_behind: Some(LeftBehind::Files(target.table.clone())),
        };
        let encoder = Arc::new(Encoder::new(TableSchema::raw(), Compression::Snappy).in_format(format));
        let stream = StagedStream::new(Arc::new(target), staging, encoder);
        Self { _folder: folder, stage, stream }
    }

    /// Says that rows come, and stages one; whether the engine was to prepare its load.
    async fn stage_row(&mut self) -> bool {
        let is_begun = self.stream.expect_rows(&self.stage).await.unwrap();
        let mut rows = Rows::default();
        rows.push(b"{}", 0, 1);
        let group = self.stream.encoder().encode(rows, IdGenerator::new(random).range(1, 1)).unwrap().group;
        self.stream.append(&self.stage, group).await.unwrap();
        is_begun
    }

    /// How many files each commit of the log adds.
    async fn log(&self) -> Vec<usize> {
        let storage = &self.stage.storage;
        let mut commits = storage.list(&format!("{}/_delta_log", self.stream.left_behind().unwrap().0)).await.unwrap();
        commits.sort();
        let mut log = Vec::new();
        for commit in commits {
            let text = storage.get(&commit).await.unwrap();
            let actions = std::str::from_utf8(&text).unwrap().lines().map(|line| serde_json::from_str(line).unwrap());
            log.push(actions.filter(|action: &Value| action.get("add").is_some()).count());
        }
        log
    }
}

const EACH: [Begins; 3] = [Begins::AtFirstBatch, Begins::AtFirstRows, Begins::Always];

#[tokio::test]
async fn a_staging_begins_when_its_engine_wants_it_and_once() {
    for begins in EACH {
        let mut bed = Bed::new(begins).await;
        assert_eq!(bed.log().await, [0; 0], "{begins:?}");
        let is_early = begins != Begins::AtFirstBatch;
        assert_eq!(bed.stage_row().await, is_early, "{begins:?}");
        let empty: &[usize] = if is_early { &[0] } else { &[] };
        assert_eq!(bed.log().await, empty, "{begins:?}");
        assert!(!bed.stage_row().await, "only the first rows begin it: {begins:?}");
        let batch = bed.stream.close_batch(&bed.stage).await.unwrap().unwrap();
        assert_eq!((batch.number, batch.rows(), batch.files.len()), (1, 2, 1));
        assert_eq!(bed.log().await, [empty, &[1]].concat(), "{begins:?}");
        bed.stream.end(&bed.stage).await.unwrap();
        assert!(bed.stream.close_batch(&bed.stage).await.unwrap().is_none());
        assert_eq!(bed.log().await, [empty, &[1]].concat(), "{begins:?}");
    }
}

#[tokio::test]
async fn of_a_stream_without_rows_only_a_staging_that_is_read_all_the_same_begins() {
    for begins in EACH {
        let mut bed = Bed::new(begins).await;
        bed.stream.end(&bed.stage).await.unwrap();
        let begun: &[usize] = if begins == Begins::Always { &[0] } else { &[] };
        assert_eq!(bed.log().await, begun, "{begins:?}");
    }
}

#[tokio::test]
async fn csv_files_have_no_log_and_the_first_one_has_no_rows_where_it_is_read_early() {
    for begins in EACH {
        let mut bed = Bed::in_format(begins, Format::Csv { gzip: false }).await;
        let folder = bed.stream.left_behind().unwrap().0.to_owned();
        assert_eq!(bed.stage_row().await, begins != Begins::AtFirstBatch);
        let batch = bed.stream.close_batch(&bed.stage).await.unwrap().unwrap();
        bed.stage_row().await;
        let other = bed.stream.close_batch(&bed.stage).await.unwrap().unwrap();
        let mut expected =
            vec![format!("{folder}/{}", batch.files[0].name), format!("{folder}/{}", other.files[0].name)];
        if begins != Begins::AtFirstBatch {
            let header = format!("{folder}/columns.csv");
            let text = bed.stage.storage.get(&header).await.unwrap();
            assert_eq!(text, b"\"_airbyte_ab_id\",\"_airbyte_emitted_at\",\"_airbyte_data\"\n".as_slice());
            expected.push(header);
        }
        expected.sort();
        let mut found = bed.stage.storage.list(&folder).await.unwrap();
        found.sort();
        assert_eq!(found, expected, "{begins:?}");
    }
}

#[tokio::test]
async fn files_that_are_read_by_their_names_have_one_without_rows_only_where_there_is_no_other() {
    for (has_rows, expected) in [(true, 1), (false, 1)] {
        let mut bed = Bed::new(Begins::AtFirstBatchOrEnd).await;
        let folder = bed.stream.staging.staged.folder().to_owned();
        bed.stream.staging.staged = Staged::Files { folder: folder.clone() };
        if has_rows {
            assert!(!bed.stage_row().await);
            bed.stream.close_batch(&bed.stage).await.unwrap().unwrap();
        }
        bed.stream.end(&bed.stage).await.unwrap();
        let found = bed.stage.storage.list(&folder).await.unwrap();
        assert_eq!(found.len(), expected, "{found:?}");
        let bytes = bed.stage.storage.get(&found[0]).await.unwrap();
        let read = SerializedFileReader::new(bytes).unwrap();
        assert_eq!(read.metadata().file_metadata().num_rows(), i64::from(has_rows));
        let columns = read.metadata().file_metadata().schema_descr().num_columns();
        assert_eq!((columns, found[0].ends_with("/columns.parquet")), (3, !has_rows));
    }
}
