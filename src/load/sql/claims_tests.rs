//! Claims and renamed staging tables: they are found by their sync, and in the catalog that they were made in.

use super::super::bed_tests::{Bed, SYNC};
use super::*;

fn name(schema: &str, table: &str) -> TableName {
    SchemaName::new("old` catalog", schema).table(table)
}

fn shown(names: Vec<TableName>) -> Vec<String> {
    let mut names: Vec<String> = names.iter().map(ToString::to_string).collect();
    names.sort();
    names
}

#[tokio::test(flavor = "multi_thread")]
async fn claims_are_found_by_their_sync_until_they_are_withdrawn() {
    let bed = Bed::new().await;
    for (table, change) in [("users", Change::Replaces), ("orders", Change::Adds), ("pets", Change::Adds)] {
        // Also a second time, after an answer that was lost.
        for _ in 0..2 {
            put(&bed.storage, SYNC, &format!("shop/{table}"), &name("shop", table), change).await.unwrap();
        }
    }
    take_back(&bed.storage, SYNC, "shop/pets", Change::Adds).await.unwrap();
    let found = async |sync| {
        let claims = of(&bed.storage, sync).await.unwrap();
        let mut claims: Vec<_> = claims.into_iter().map(|it| (it.table, it.change)).collect();
        claims.sort_by(|one, other| one.0.cmp(&other.0));
        claims
    };
    let expected = [("shop/orders".to_owned(), Change::Adds), ("shop/users".to_owned(), Change::Replaces)];
    assert_eq!(found(SYNC).await, expected);
    assert!(found(Uuid::nil()).await.is_empty());
    withdraw(&bed.storage, SYNC).await.unwrap();
    assert!(found(SYNC).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn names_are_of_the_catalog_in_which_they_were_made() {
    let bed = Bed::new().await;
    put(&bed.storage, SYNC, "shop/users", &name("shop", "users"), Change::Adds).await.unwrap();
    rename(&bed.storage, SYNC, &name("tmp", "_airbyte_tmp_00000000cafex1_users")).await.unwrap();
    // Older versions, and whoever may write to the bucket, have put other texts there.
    for (table, text) in [
        ("orders", "claimed\n"),
        ("pets", "`old`.`shop`.`users`\n"),
        ("cats", "`old`.`x`.`shop`.`cats`"),
        ("dogs", "``.`shop`.`dogs`"),
        ("cows", "old.`shop`.`cows`"),
    ] {
        let claim = format!("{SYNC}/_claims/adds/shop/{table}");
        bed.storage.put_new(&claim, text.as_bytes().to_vec()).await.unwrap();
    }
    bed.storage.put_new(&format!("{SYNC}/_claims/adds/shop/bats"), vec![0xff, 0xfe]).await.unwrap();
    let claimed = shown(claimed(&bed.storage, SYNC, "new").await.unwrap());
    let of_new = ["bats", "cats", "cows", "dogs", "orders", "pets"].map(|table| format!("`new`.`shop`.`{table}`"));
    assert_eq!(claimed, [&of_new[..], &["`old`` catalog`.`shop`.`users`".to_owned()][..]].concat());
    let renamed = shown(renamed(&bed.storage, SYNC, "new").await.unwrap());
    assert_eq!(renamed, ["`old`` catalog`.`tmp`.`_airbyte_tmp_00000000cafex1_users`"]);
}
