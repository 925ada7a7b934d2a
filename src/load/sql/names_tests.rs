//! Tables under names of which little is left: whose they are, and that older ones go on being used.

use super::bed_tests::{Bed, SYNC, batch, ids};
use super::warehouse_tests::Table;
use crate::error::{Kind, StreamDescriptor};
use crate::protocol::catalog::{Catalog, Disposition, Stream};
use crate::storage::layout::{Target, targets};

const REPLACE: Disposition = Disposition::Overwrite;

fn target(name: &str, disposition: Disposition) -> Target {
    let descriptor = StreamDescriptor { name: name.into(), namespace: None };
    let catalog = Catalog { streams: vec![Stream { descriptor, disposition, generation_id: None }] };
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
    bed.stage("x-_______605db677b22bb463", 0..10);
    let (_, mut table) = bed.try_open(target("заказы", Disposition::Append)).await.unwrap();
    assert!(table.standing().existed);
    table.append(&[batch(1, 0..10)]).await.unwrap();
    let mut expected = ids(0..10);
    expected.push("old".into());
    assert_eq!(bed.warehouse.ids("`main`.`shop`.`______`"), expected);

    // Another stream of six letters has a table of its own.
    let other = target("клиент", REPLACE);
    let name = format!("`main`.`{}`", other.table.replace('/', "`.`"));
    bed.stage(other.staging.rsplit('/').next().unwrap(), 20..22);
    let (_, mut table) = bed.try_open(other).await.unwrap();
    assert!(!table.standing().existed);
    table.replace(&[batch(1, 20..22)]).await.unwrap();
    assert_eq!(bed.warehouse.ids(&name).len(), 2);
    assert_eq!(bed.warehouse.ids("`main`.`shop`.`______`"), expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_table_of_another_stream_is_not_replaced() {
    let bed = Bed::new().await;
    bed.stage("center", 0..2);
    let (_, mut table) = bed.try_open(target("Center", Disposition::Append)).await.unwrap();
    table.append(&[batch(1, 0..2)]).await.unwrap();
    let (_, table) = bed.try_open(target("Center", REPLACE)).await.unwrap();
    assert!(table.standing().existed);
    let error = bed.try_open(target("center", REPLACE)).await.map(|_| ()).unwrap_err();
    assert_eq!(error.kind(), Kind::Config);
    assert!(error.message().contains("from stream Center, and stream center would replace"), "{error}");
    assert_eq!(error.stream().map(|stream| stream.name.as_str()), Some("center"));
    bed.try_open(target("center", Disposition::Append)).await.map(|_| ()).unwrap();
}
