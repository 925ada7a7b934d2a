//! Claims are found by their sync until they are withdrawn.

use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::storage::testing::memory;

const SYNC: Uuid = Uuid::from_u128(0x01a1_fac5_0000_7000_8000_0000_0000_cafe);

#[tokio::test]
async fn claims_are_found_by_their_sync_until_they_are_withdrawn() {
    let storage = memory::process(&Arc::new(memory::Memory::new()), Duration::from_secs(60));
    for (table, kind) in [("users", ClaimKind::Replaces), ("orders", ClaimKind::Adds), ("pets", ClaimKind::Adds)] {
        // A second time, too, as after an answer that was lost.
        for _ in 0..2 {
            put(&storage, SYNC, &format!("shop/{table}"), &format!("`c`.`shop`.`{table}`"), kind).await.unwrap();
        }
    }
    take_back(&storage, SYNC, "shop/pets", ClaimKind::Adds).await.unwrap();
    let found = async |sync| {
        let claims = claims_of(&storage, sync).await.unwrap();
        let mut claims: Vec<_> = claims.into_iter().map(|it| (it.table, it.kind)).collect();
        claims.sort_by(|one, other| one.0.cmp(&other.0));
        claims
    };
    let expected = [("shop/orders".to_owned(), ClaimKind::Adds), ("shop/users".to_owned(), ClaimKind::Replaces)];
    assert_eq!(found(SYNC).await, expected);
    assert!(found(Uuid::nil()).await.is_empty());
    withdraw(&storage, SYNC).await.unwrap();
    assert!(found(SYNC).await.is_empty());
}
