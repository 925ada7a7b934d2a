//! Dead syncs: how one is recognised, and how what it left is cleared away.
//!
//! - **Its lease** (`lease`) says whether a sync is alive. In its staging folder, `<sync id>/`, it holds a locked file, or
//!   in a bucket an object that it rewrites every minute. A sync that begins tries to take over the leases of all others: a lock
//!   that is free, or an object that has grown too old, is that of a dead sync. One sweeper takes it over, and the dead sync, should
//!   it come back, commits nothing more.
//! - **What it may have left elsewhere** stands in the staging folder (`left_behind`): `sync.left_behind.json`, written before
//!   anything is staged, lists for each stream the folder of the final table, or the staging table in the catalog. It does not
//!   matter in which format the stream is staged. Staging tables that got another name later are in `_staging_tables/`.
//! - **What is no whole object** (`unfinished`): temporary files and empty folders on a disk, unfinished uploads in a bucket.
//! - **Claims** (`claims`), `_claims/`, name the tables that Databricks may still change for it: its statements outlive it.
//! - **The sweep** (`sweep`) does, for each dead sync, in this order:
//!   1. It deletes files that were moved to a table's folder and not committed. The staging log says which files there were, batch
//!      by batch, and the table's log up to which batch they are loaded, and which files the table has.
//!   2. It lets the engine drop the staging tables, so that no statement of the sync can begin, and set a fence on each claimed
//!      table, so that none that has begun can commit ([`sweep::StagingTables`]). An engine that cannot do so leaves the folder.
//!   3. It deletes files that the sync was writing in the tables' folders, if no other sync lives whose they may be.
//!   4. It removes the staging folder, the lease last: a sweep that is killed is done again by the next one.
//! - **The living** are waited for (`contest`): a sync that finds another one's claim on its table waits until that one ends or is
//!   swept, or gives up.
//!
//! Names of files and tables that stand in a staging folder are believed only if the sync can have written them
//! (`catalog_table`, `target::is_table`). Where something cannot be read, everything stays, with a WARN.

pub mod catalog_table;
pub mod claims;
pub mod contest;
pub mod lease;
pub mod left_behind;
pub mod sweep;
pub mod unfinished;
