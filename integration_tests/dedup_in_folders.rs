//! Append + dedup in folders: what other readers see, tables that others have written, kills at every step, and disks that are full.

mod kills;
mod readers;
mod space;
mod strangers;
