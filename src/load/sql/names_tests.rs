//! Tables under names of which little is left: whose they are, and that older ones go on being used.

use std::sync::Arc;

use serde_json::json;
use uuid::Uuid;

use super::testing::bed::{Bed, SYNC, batch, ids};
use super::testing::fake_warehouse::Table;
use crate::error::{Error, Kind, StreamDescriptor};
use crate::load::Loader;
use crate::protocol::catalog::{Catalog, Stream, WriteMode};
use crate::schema::columns::TableSchema;
use crate::target::{Target, targets};

const REPLACE: WriteMode = WriteMode::Replace;

fn target(name: &str, write_mode: WriteMode) -> Target {
    let descriptor = StreamDescriptor { name: name.into(), namespace: None };
    let catalog = Catalog {
        streams: vec![Stream {
            descriptor,
            write_mode,
            generation_id: None,
            sync_id: 0,
            columns: TableSchema::raw(),
            dedup: None,
        }],
    };
    targets(&catalog, "shop", SYNC).unwrap().remove(0)
}

fn older(bed: &Bed, comment: &str) -> Table {
    let location = format!("file://{}/shop/______", bed.folder.path().display());
    Table { comment: comment.into(), ..Table::older(&location, &["old"]) }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_of_the_older_name_goes_on_being_loaded_if_it_was_made_from_this_stream() {
    let bed = Bed::new().await;
    bed.warehouse.with(|state| {
        let table = older(&bed, "Created from stream заказы");
        state.tables.insert("`main`.`shop`.`______`".into(), table)
    });
    bed.stage("-______605db677b22bb463", 0..10);
    let (_, mut table) = bed.try_open(target("заказы", WriteMode::Append)).await.unwrap();
    assert!(table.table_state().existed);
    table.append(&[batch(1, 0..10)]).await.unwrap();
    let mut expected = ids(0..10);
    expected.push("old".into());
    assert_eq!(bed.warehouse.ids("`main`.`shop`.`______`"), expected);

    // Another stream of six letters has a table of its own.
    let other = target("клиент", REPLACE);
    let name = format!("`main`.`{}`", other.table.replace('/', "`.`"));
    bed.stage(other.staging.rsplit('/').next().unwrap(), 20..22);
    let (_, mut table) = bed.try_open(other).await.unwrap();
    assert!(!table.table_state().existed);
    table.replace(&[batch(1, 20..22)]).await.unwrap();
    assert_eq!(bed.warehouse.ids(&name).len(), 2);
    assert_eq!(bed.warehouse.ids("`main`.`shop`.`______`"), expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_comment_that_may_be_garbled_is_enough_to_add_rows_and_no_proof_to_replace_them() {
    for (name, comment) in [("заказы", "??????"), ("ж  ж ж", "ж ж ж")] {
        let bed = Bed::new().await;
        let stream = target(name, WriteMode::Append);
        assert_ne!(stream.older, None);
        let folder = stream.older.clone().unwrap();
        let table = Table {
            comment: format!("Created from stream {comment}"),
            ..Table::older(&format!("file://{}/{folder}", bed.folder.path().display()), &["old"])
        };
        let older = format!("`main`.`{}`", folder.replace('/', "`.`"));
        bed.warehouse.with(|state| state.tables.insert(older.clone(), table));
        let is_refused = |opened: Result<(), Error>| {
            let error = opened.unwrap_err();
            assert_eq!(error.kind(), Kind::Config);
            for part in [&format!("'Created from stream {name}'"), "COMMENT ON TABLE", &older] {
                assert!(error.message().contains(part), "{part}: {error}");
            }
        };
        is_refused(bed.try_open(target(name, REPLACE)).await.map(|_| ()));
        assert!(bed.try_open(stream.clone()).await.unwrap().1.table_state().existed);

        // Two streams that both may have made it would both load it.
        let other = Target { stream: StreamDescriptor { name: "another".into(), namespace: None }, ..stream.clone() };
        let engine = bed.engine();
        let opened = engine.open_all(&[Arc::new(stream), Arc::new(other)]).await.unwrap().remove(0);
        is_refused(opened.map(|_| ()));

        // As soon as the comment is right, nothing is unclear.
        bed.warehouse.with(|state| {
            state.tables.get_mut(&older).unwrap().comment = format!("Created from stream {name}");
        });
        assert!(bed.try_open(target(name, REPLACE)).await.unwrap().1.table_state().existed);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_kept_every_character_decides_what_a_comment_leaves_open() {
    for (in_log, is_own) in [("заказы", true), ("клиент", false)] {
        let bed = Bed::new().await;
        bed.warehouse.with(|state| {
            state.tables.insert("`main`.`shop`.`______`".into(), older(&bed, "Created from stream ??????"));
        });
        let log = bed.folder.path().join("shop/______/_delta_log");
        std::fs::create_dir_all(&log).unwrap();
        let schema = TableSchema::raw().delta();
        let made = json!({"metaData": {
            "id": Uuid::now_v7(), "format": {"provider": "parquet", "options": {}}, "schemaString": schema,
            "description": format!("Created from stream {in_log}"), "partitionColumns": [], "configuration": {},
        }});
        let protocol = json!({"protocol": {"minReaderVersion": 1, "minWriterVersion": 2}});
        std::fs::write(log.join("00000000000000000000.json"), format!("{protocol}\n{made}\n")).unwrap();
        let (_, table) = bed.try_open(target("заказы", REPLACE)).await.unwrap();
        assert_eq!(table.table_state().existed, is_own, "{in_log}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_table_of_another_stream_is_not_replaced() {
    let bed = Bed::new().await;
    bed.stage("center", 0..2);
    let (_, mut table) = bed.try_open(target("Center", WriteMode::Append)).await.unwrap();
    table.append(&[batch(1, 0..2)]).await.unwrap();
    let (_, table) = bed.try_open(target("Center", REPLACE)).await.unwrap();
    assert!(table.table_state().existed);
    let error = bed.try_open(target("center", REPLACE)).await.map(|_| ()).unwrap_err();
    assert_eq!(error.kind(), Kind::Config);
    assert!(error.message().contains("from stream Center, and stream center would replace"), "{error}");
    assert_eq!(error.stream().map(|stream| stream.name.as_str()), Some("center"));
    bed.try_open(target("center", WriteMode::Append)).await.map(|_| ()).unwrap();
}
