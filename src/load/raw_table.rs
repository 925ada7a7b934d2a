//! What every final table has to look like: the raw layout's columns, in any order. Pure, the same for both engines.

use crate::error::{Error, Result, StreamDescriptor};
use crate::schema::avro;

/// What the columns of a raw table are, in any order.
const RAW_COLUMNS: [(&str, &str); 3] =
    [(avro::AB_ID, "string"), (avro::DATA, "string"), (avro::EMITTED_AT, "timestamp")];

/// Refuses a table with other columns than `found`'s names and types. `shown` is what a user calls the table.
pub fn ensure_raw(shown: &str, stream: &StreamDescriptor, mut found: Vec<(String, String)>) -> Result<()> {
    found.sort();
    if found.iter().map(|(name, kind)| (name.as_str(), kind.as_str())).eq(RAW_COLUMNS) {
        return Ok(());
    }
    let found: Vec<_> = found.iter().map(|(name, kind)| format!("{name} {kind}")).collect();
    Err(Error::config(format!(
        "Table {shown} has other columns than the raw table of stream {stream}. It has: {}. Expected: {} string, {} \
         timestamp, {} string. Move the table away or rename the stream.",
        found.join(", "),
        avro::AB_ID,
        avro::EMITTED_AT,
        avro::DATA
    )))
}
