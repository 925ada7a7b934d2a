//! Tables that Databricks, or somebody in it, has made otherwise than this program would: they are loaded all the same.

use serde_json::{Value, json};
use tokio::runtime::Handle;
use uuid::Uuid;

use super::testing::bed::{Bed, STAGING, USERS, batch, ids, users};
use super::testing::fake_warehouse::{Fault, Table};
use crate::delta::table::{Change, Logs, Removes, TableLog};
use crate::error::Kind;
use crate::load::{Ending, Loader};
use crate::protocol::catalog::WriteMode;
use crate::schema::columns::TableSchema;

const NOT_OWNER: (&str, &str) = ("destination-databricks.generation' =", "The token's user does not own the table.");

fn collated(bed: &Bed) -> Table {
    let mut table = bed.older(&["old"]);
    table
        .columns
        .iter_mut()
        .filter(|(_, kind)| kind == "string")
        .for_each(|(_, kind)| kind.push_str(" collate UTF8_LCASE"));
    table
}

#[tokio::test(flavor = "multi_thread")]
async fn columns_with_a_collation_are_strings_that_are_compared_byte_by_byte() {
    let bed = Bed::new().await;
    bed.has(collated(&bed));
    bed.stage("users", 0..10);
    let (_, mut table) = bed.open(WriteMode::Append, None).await;
    bed.fault("MERGE", Fault::NoCounts);
    table.append(&[batch(1, 0..10)]).await.unwrap();
    let compared = bed.warehouse.with(|state| state.statements[1..].to_vec());
    assert_eq!(compared.len(), 2);
    assert!(
        compared.iter().all(|text| text.contains("target.`_airbyte_ab_id` COLLATE UTF8_BINARY = ")),
        "{compared:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_table_that_takes_the_collation_of_its_schema_is_loaded() {
    let refused =
        ("target.`_airbyte_ab_id` = staged", "[INDETERMINATE_COLLATION_IN_EXPRESSION] Use the COLLATE clause.");
    for write_mode in [WriteMode::Append, WriteMode::Replace] {
        let bed = Bed::new().await;
        bed.warehouse.with(|state| state.refusals.push(refused));
        bed.stage("users", 0..20);
        let (engine, mut table) = bed.open(write_mode, None).await;
        for round in 0..2 {
            let batches = [batch(round, 0..10 + 10 * round as u64)];
            let loaded = match write_mode {
                WriteMode::Append => table.append(&batches[..]).await,
                _ => table.replace(&batches).await.map(|_| ()),
            };
            loaded.unwrap();
        }
        assert_eq!(bed.warehouse.ids(USERS), ids(0..20));
        let said = bed.warehouse.sent();
        engine.end(Ending::Kept).await.unwrap();
        assert!(bed.warehouse.sent().is_empty(), "nothing is unclear after {said:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_table_with_a_feature_that_only_databricks_can_write_gets_its_name_again() {
    for (properties, partitions, refused) in [
        (json!({"delta.constraints.short": "length(_airbyte_data) < 9"}), json!([]), None),
        (json!({"delta.appendOnly": "true"}), json!([]), Some("delta.appendOnly")),
        (json!({}), json!(["_airbyte_data"]), Some("is partitioned")),
    ] {
        let bed = Bed::new().await;
        let log = bed.folder.path().join("shop/users/_delta_log");
        std::fs::create_dir_all(&log).unwrap();
        let schema = TableSchema::raw().delta();
        let create = json!({"metaData": {
            "id": Uuid::now_v7(), "format": {"provider": "parquet", "options": {}}, "schemaString": schema,
            "partitionColumns": partitions, "configuration": properties,
        }});
        let features = json!(["checkConstraints", "appendOnly", "invariants", "generatedColumns", "identityColumns"]);
        let protocol = json!({"protocol": {"minReaderVersion": 1, "minWriterVersion": 7, "writerFeatures": features}});
        std::fs::write(log.join("00000000000000000000.json"), format!("{protocol}\n{create}\n")).unwrap();
        bed.stage("users", 0..10);
        let opened = bed.try_open(users(WriteMode::Replace, None)).await;
        if let Some(words) = refused {
            let message = opened.err().map(|error| error.message().to_owned()).unwrap_or_default();
            assert!(message.contains(words), "{message}");
            continue;
        }
        let (_, mut table) = opened.unwrap();
        bed.warehouse.sent();
        table.replace(&[batch(1, 0..10)]).await.unwrap();
        let said = bed.warehouse.sent();
        assert_eq!(said, ["CREATE SCHEMA", "CREATE TABLE", "CREATE TABLE", "INSERT OVERWRITE", "SELECT count(*)"]);
        assert_eq!(bed.warehouse.ids(USERS), ids(0..10));
    }
}

/// The log of a table that has got a reader feature of which this program has never heard. What else the table says of itself is in
/// its first commit, or only in a checkpoint, of JSON or of Parquet.
async fn unknown_log(bed: &Bed, properties: &Value, partitions: &Value, checkpoint: Option<&str>) {
    let log = bed.folder.path().join("shop/users/_delta_log");
    std::fs::create_dir_all(&log).unwrap();
    let file = |version: u64, end: &str| log.join(format!("{version:020}.{end}"));
    let schema = TableSchema::raw().delta();
    let create = json!({"metaData": {
        "id": Uuid::now_v7(), "format": {"provider": "parquet", "options": {}}, "schemaString": schema,
        "partitionColumns": partitions, "configuration": properties,
    }});
    let known = json!({"protocol": {"minReaderVersion": 1, "minWriterVersion": 2}});
    let features = ["tomorrow", "appendOnly"];
    let unknown = json!({"protocol": {
        "minReaderVersion": 3, "minWriterVersion": 7, "readerFeatures": ["tomorrow"], "writerFeatures": features,
    }});
    std::fs::write(file(0, "json"), format!("{known}\n{create}\n")).unwrap();
    let mut version = 0;
    if checkpoint == Some("parquet") {
        let tables = TableLog::new(&bed.storage, &Handle::current(), 1);
        for number in 1..=10 {
            let load = |logs: &Logs| {
                logs.read("shop/users").unwrap().commit(&Change {
                    schema: &TableSchema::raw(),
                    files: &[],
                    transactions: &[("other".into(), number)],
                    changes: &[],
                    property: None,
                    removes: Removes::Nothing,
                })
            };
            tables.run(load).await.unwrap();
        }
        version = 10;
        assert!(file(10, "checkpoint.parquet").exists());
        (0..=10).for_each(|version| std::fs::remove_file(file(version, "json")).unwrap());
    } else if checkpoint == Some("json") {
        std::fs::rename(file(0, "json"), file(0, &format!("checkpoint.{}.json", Uuid::now_v7()))).unwrap();
    }
    std::fs::write(file(version + 1, "json"), format!("{unknown}\n")).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_table_with_a_reader_feature_that_only_databricks_knows_gets_its_name_again() {
    for (properties, partitions, refused) in [
        (json!({"destination-databricks.generation": "3"}), json!([]), None),
        (json!({"delta.appendOnly": "true"}), json!([]), Some("delta.appendOnly")),
        (json!({}), json!(["_airbyte_data"]), Some("is partitioned")),
    ] {
        for checkpoint in [None, Some("json"), Some("parquet")] {
            let bed = Bed::new().await;
            if checkpoint == Some("parquet") && partitions != json!([]) {
                // This program adds no commit to a partitioned table.
                continue;
            }
            unknown_log(&bed, &properties, &partitions, checkpoint).await;
            bed.stage("users", 0..10);
            let opened = bed.try_open(users(WriteMode::Replace, Some(3))).await;
            if let Some(words) = refused {
                let message = opened.err().map(|error| error.message().to_owned()).unwrap_or_default();
                assert!(message.contains(words), "{message}");
                continue;
            }
            let (_, mut table) = opened.unwrap();
            bed.warehouse.sent();
            table.replace(&[batch(1, 0..10)]).await.unwrap();
            let said = bed.warehouse.sent();
            assert_eq!(said[..4], ["CREATE SCHEMA", "CREATE TABLE", "CREATE TABLE", "INSERT OVERWRITE"]);
            assert_eq!(bed.warehouse.ids(USERS), ids(0..10));
            // The rows of its own generation stay.
            bed.warehouse.with(|state| state.tables.clear());
            let (_, table) = bed.try_open(users(WriteMode::ReplaceOtherGenerations, Some(3))).await.unwrap();
            assert!(!table.table_state().replaces);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_table_that_only_databricks_can_describe_gets_its_name_by_hand() {
    let bed = Bed::new().await;
    unknown_log(&bed, &json!({}), &json!([]), None).await;
    let first = bed.folder.path().join("shop/users/_delta_log/00000000000000000000.json");
    let text = std::fs::read_to_string(&first).unwrap().replace(r#"\"timestamp\""#, r#"\"tomorrow\""#);
    std::fs::write(&first, text).unwrap();
    let message = bed.try_open(users(WriteMode::Append, None)).await.err().unwrap().message().to_owned();
    assert!(
        message.contains("'tomorrow'") && message.contains(&format!("CREATE TABLE {USERS} USING delta LOCATION")),
        "{message}"
    );
}

/// The second attempt of a refresh sends what the first did not: to replace the table by that would lose the rest.
#[tokio::test(flavor = "multi_thread")]
async fn a_generation_that_may_not_be_written_down_is_known_to_the_next_attempt_all_the_same() {
    let bed = Bed::new().await;
    bed.has(bed.older(&["old"]));
    bed.stage("users", 0..40);
    bed.warehouse.with(|state| state.refusals.push(NOT_OWNER));
    let (_, mut table) = bed.open(WriteMode::ReplaceOtherGenerations, Some(2)).await;
    table.replace(&[batch(1, 0..10)]).await.unwrap();
    assert!(bed.warehouse.with(|state| state.tables[USERS].properties.is_empty()));
    let (_, mut table) = bed.open(WriteMode::ReplaceOtherGenerations, Some(2)).await;
    assert!(!table.table_state().replaces);
    table.append(&[batch(1, 10..20)]).await.unwrap();
    assert_eq!(bed.warehouse.ids(USERS), ids(0..20));
    assert!(!bed.warehouse.sent().contains(&"ALTER TABLE".to_owned()), "it is refused once, and told once");
    // Nothing comes, because all is loaded.
    let (_, mut table) = bed.open(WriteMode::ReplaceOtherGenerations, Some(2)).await;
    table.append(&[]).await.unwrap();
    assert_eq!(bed.warehouse.ids(USERS), ids(0..20));
    // The next generation begins anew, and is known too.
    let (_, mut table) = bed.open(WriteMode::ReplaceOtherGenerations, Some(3)).await;
    assert!(table.table_state().replaces);
    table.replace(&[batch(1, 20..30)]).await.unwrap();
    assert!(!bed.open(WriteMode::ReplaceOtherGenerations, Some(3)).await.1.table_state().replaces);
    // As soon as the table itself says it, the note is gone: a new connection begins with 1 again.
    bed.warehouse.with(|state| state.refusals.clear());
    let (_, mut table) = bed.open(WriteMode::ReplaceOtherGenerations, Some(4)).await;
    table.replace(&[batch(1, 30..40)]).await.unwrap();
    bed.warehouse.with(|state| state.tables.get_mut(USERS).unwrap().properties.clear());
    assert!(bed.open(WriteMode::ReplaceOtherGenerations, Some(3)).await.1.table_state().replaces);
}

#[tokio::test(flavor = "multi_thread")]
async fn staging_tables_are_in_the_schema_that_is_set_for_them() {
    let bed = Bed { staging_schema: Some("Tmp"), ..Bed::new().await };
    let (engine, mut table) = bed.open(WriteMode::Append, None).await;
    bed.stage("users", 0..10);
    table.append(&[batch(1, 0..10)]).await.unwrap();
    let said = bed.warehouse.with(|state| state.statements.clone());
    assert!(said.contains(&"CREATE SCHEMA IF NOT EXISTS `main`.`tmp`".to_owned()), "{said:?}");
    let staging = "`main`.`tmp`.`_airbyte_tmp_00000000cafe_4_shop_users`";
    assert_eq!(bed.warehouse.with(|state| state.tables.keys().cloned().collect::<Vec<_>>()), [USERS, staging]);
    engine.end(Ending::Purged).await.unwrap();
    assert_eq!(bed.warehouse.with(|state| state.tables.len()), 1);
    // It is looked for together with the others, and not made where it is.
    bed.warehouse.with(|state| {
        state.closed = false;
        state.tables.insert("`main`.`tmp`.`other`".into(), Table::default());
        state.tables.remove(USERS);
    });
    let bed = Bed { folder: tempfile::tempdir().unwrap(), ..bed };
    let (engine, mut table) = bed.try_open(users(WriteMode::Append, None)).await.unwrap();
    table.append(&[batch(1, 0..10)]).await.unwrap();
    let said = bed.warehouse.with(|state| state.statements.clone());
    assert!(said.contains(&"SHOW SCHEMAS IN `main` LIKE 'shop|tmp'".to_owned()), "{said:?}");
    assert_eq!(said.iter().filter(|text| text.contains("CREATE SCHEMA IF NOT EXISTS `main`.`tmp`")).count(), 1);
    // What a killed sync left there is dropped by its full name.
    assert!(bed.clear(&engine, &[staging, STAGING]).await.unwrap());
    assert!(!bed.warehouse.with(|state| state.tables.contains_key(staging)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_schema_of_staging_tables_that_may_not_be_made_is_named_with_its_setting() {
    for write_mode in [WriteMode::Append, WriteMode::Replace] {
        let bed = Bed { staging_schema: Some("Tmp"), ..Bed::new().await };
        bed.has(bed.older(&["old"]));
        let (engine, mut table) = bed.open(write_mode, None).await;
        let refused = "PERMISSION_DENIED: User does not have CREATE SCHEMA on Catalog 'main'.";
        bed.warehouse.with(|state| state.refusals.push(("CREATE SCHEMA", refused)));
        let batches = [batch(1, 0..10)];
        let loaded = match write_mode {
            WriteMode::Append => table.append(&batches).await,
            _ => table.replace(&batches).await.map(|_| ()),
        };
        let error = loaded.expect_err("refused");
        assert!(error.message().contains("schema `main`.`tmp`, the `staging_schema`"), "{error}");
        assert!(error.kind() == Kind::Config && error.message().contains("lacks CREATE SCHEMA"), "{error}");
        // No table was made there, and none is dropped.
        bed.warehouse.sent();
        engine.end(Ending::Purged).await.unwrap();
        assert!(bed.warehouse.sent().is_empty());
    }
}
