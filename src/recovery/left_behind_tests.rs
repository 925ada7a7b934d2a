//! Claims and noted staging tables are read with the catalog that they were made in.

use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::recovery::claims::ClaimKind;
use crate::storage::testing::memory;

const SYNC: Uuid = Uuid::from_u128(0x01a1_fac5_0000_7000_8000_0000_0000_cafe);

#[tokio::test]
async fn names_are_of_the_catalog_in_which_they_were_made() {
    let storage = memory::process(&Arc::new(memory::Memory::new()), Duration::from_secs(60));
    let users = "`old`` catalog`.`shop`.`users`";
    claims::put(&storage, SYNC, "shop/users", users, ClaimKind::Adds).await.unwrap();
    let renamed = "_airbyte_tmp_00000000cafex1_users";
    note_staging_table(&storage, SYNC, &format!("tmp/{renamed}"), &format!("`old`` catalog`.`tmp`.`{renamed}`"))
        .await
        .unwrap();
    // Older versions, and whoever may write to the bucket, have put other texts there, and names of other tables.
    let others: [(&str, &[u8]); 9] = [
        ("_claims/adds/shop/orders", b"claimed\n"),
        ("_claims/adds/shop/pets", b"`old`.`shop`.`users`\n"),
        ("_claims/adds/shop/cats", b"`old`.`x`.`shop`.`cats`"),
        ("_claims/adds/shop/dogs", b"``.`shop`.`dogs`"),
        ("_claims/adds/shop/cows", b"old.`shop`.`cows`"),
        ("_claims/adds/shop/bats", &[0xff, 0xfe]),
        ("_staging_tables/shop/users", b"x"),
        ("_staging_tables/shop/_airbyte_tmp_00000000beef_users", b"x"),
        ("_staging_tables/shop/_airbyte_tmp_00000000cafe`.`x", b"x"),
    ];
    for (path, text) in others {
        storage.put_new(&format!("{SYNC}/{path}"), text.to_vec()).await.unwrap();
    }
    let paths = storage.list(&SYNC.to_string()).await.unwrap();
    let left = LeftInCatalog::read(&storage, &paths, SYNC).await.unwrap();
    let named = |tables: Vec<CatalogTable>| {
        let mut tables: Vec<_> =
            tables.into_iter().map(|it| (it.catalog.unwrap_or_default(), it.schema, it.table)).collect();
        tables.sort();
        tables
    };
    let of = |catalog: &str, schema: &str, table: &str| (catalog.to_owned(), schema.to_owned(), table.to_owned());
    let without_catalog = ["bats", "cats", "cows", "dogs", "orders", "pets"].map(|table| of("", "shop", table));
    let users = of("old` catalog", "shop", "users");
    assert_eq!(named(left.claimed), [&without_catalog[..], std::slice::from_ref(&users)].concat());
    assert_eq!(named(left.staging_tables), [of("old` catalog", "tmp", renamed)]);
}
