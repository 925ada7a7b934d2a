//! Which rows are the newest of their keys, and Parquet files without the others: append + dedup for the engine `direct`.
//!
//! Of a row only a hash of its key (128 bits, with a secret), its place in the order and where it is are looked at: [`rows`] reads
//! them out of row groups, [`contest`] finds the rows that lose, in bounded memory, [`shared`], [`filter`] and [`known`] tell which rows need
//! not be looked at, and [`rewrite`] makes files without the rows that lose. What does not fit in memory goes to the [`scratch`] file. What the key
//! and the order are, `schema::dedup` says.

pub mod captured;
pub mod chunk;
pub mod contest;
pub mod filter;
pub mod known;
mod leaf;
pub mod lost;
pub mod rewrite;
mod rewrite_texts;
pub mod rows;
pub mod scratch;
pub mod shared;
mod spots;
mod value;

use parquet::errors::ParquetError;

use crate::error::Error;

/// A Parquet file, or a part of it, that cannot be read or made again.
fn unreadable(error: ParquetError) -> Error {
    Error::config(
        "A Parquet file of the table cannot be read: it is damaged, or has something that this version does not know.",
    )
    .with_source(error)
}
