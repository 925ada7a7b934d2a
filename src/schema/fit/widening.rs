//! Which types Delta widens without rewriting a file.
//!
//! Source: the Delta protocol, section "Type Widening", <https://github.com/delta-io/delta/blob/master/PROTOCOL.md#type-widening>.

use crate::schema::table_type::TableType;

/// Whether Delta can widen `from` to `to`.
pub fn can_widen(from: &TableType, to: &TableType) -> bool {
    let (TableType::Simple(from), TableType::Simple(to)) = (from, to) else { return false };
    let integer = |name: &str| ["tinyint", "smallint", "int", "bigint"].iter().position(|known| *known == name);
    match (from.as_str(), to.as_str()) {
        ("float", "double") | ("date", "timestamp_ntz") | ("tinyint" | "smallint" | "int", "double") => true,
        (from, to) => match (integer(from), integer(to), decimal(from), decimal(to)) {
            (Some(from), Some(to), _, _) => from < to,
            (Some(from), None, _, Some((precision, scale))) => precision - scale >= if from < 3 { 10 } else { 20 },
            (None, None, Some((precision, scale)), Some((wider, finer))) => {
                (wider, finer) != (precision, scale) && finer >= scale && wider - finer >= precision - scale
            }
            _ => false,
        },
    }
}

fn decimal(name: &str) -> Option<(i32, i32)> {
    let (precision, scale) = name.strip_prefix("decimal(")?.strip_suffix(')')?.split_once(',')?;
    Some((precision.parse().ok()?, scale.parse().ok()?))
}
