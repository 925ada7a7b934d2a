//! Append + dedup in folders: what other readers see, tables that others have written, kills at every step, disks that are full, and what a
//! sync takes of its machine.

mod bounds;
mod kills;
mod readers;
mod space;
mod strangers;
