//! Dead syncs: how they are recognised, and how what they left is cleared away.

pub mod catalog_table;
pub mod claims;
pub mod contest;
pub mod left_behind;
pub mod sweep;
