//! Pages of columns -> rows of texts.
//!
//! Texts follow what the Statement Execution API writes: `true`, `42`, `1.5`, binary as base64; dates, times, decimals
//! and nested values are texts already when they come.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use tcli_service as tcli;

use crate::databricks::Rows;

/// Adds the page `columns` to `rows`, and answers how many rows it had.
///
/// # Errors
/// What does not fit: another number of columns, columns of different lengths.
pub(super) fn append(rows: &mut Rows, columns: Vec<tcli::TColumn>) -> Result<usize, String> {
    if columns.len() != rows.columns.len() {
        return Err(format!("a page has {} columns where {} are expected", columns.len(), rows.columns.len()));
    }
    let mut columns: Vec<_> = columns.into_iter().map(|column| texts(column).into_iter()).collect();
    let length = columns.first().map_or(0, ExactSizeIterator::len);
    if columns.iter().any(|column| column.len() != length) {
        return Err("the columns of a page have different lengths".to_owned());
    }
    rows.rows.extend((0..length).map(|_| columns.iter_mut().map(|column| column.next().flatten()).collect()));
    Ok(length)
}

fn texts(column: tcli::TColumn) -> Vec<Option<String>> {
    match column {
        tcli::TColumn::BoolVal(column) => present(column.values, &column.nulls, |value| value.to_string()),
        tcli::TColumn::ByteVal(column) => present(column.values, &column.nulls, |value| value.to_string()),
        tcli::TColumn::I16Val(column) => present(column.values, &column.nulls, |value| value.to_string()),
        tcli::TColumn::I32Val(column) => present(column.values, &column.nulls, |value| value.to_string()),
        tcli::TColumn::I64Val(column) => present(column.values, &column.nulls, |value| value.to_string()),
        tcli::TColumn::DoubleVal(column) => present(column.values, &column.nulls, |value| format!("{:?}", value.0)),
        tcli::TColumn::StringVal(column) => present(column.values, &column.nulls, |value| value),
        tcli::TColumn::BinaryVal(column) => present(column.values, &column.nulls, |value| BASE64.encode(value)),
    }
}

/// Each value as text, or `None` where its bit in `nulls` is set: lowest bit first, bytes that are missing have none set.
fn present<T>(values: Vec<T>, nulls: &[u8], text: impl Fn(T) -> String) -> Vec<Option<String>> {
    let is_null = |at: usize| nulls.get(at / 8).is_some_and(|byte| byte >> (at % 8) & 1 == 1);
    values.into_iter().enumerate().map(|(at, value)| (!is_null(at)).then(|| text(value))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(names: &[&str]) -> Rows {
        Rows { columns: names.iter().map(|name| (*name).to_owned()).collect(), rows: Vec::new() }
    }

    #[test]
    fn every_type_becomes_its_text() {
        let nulls = Vec::new;
        let columns = vec![
            tcli::TColumn::BoolVal(tcli::TBoolColumn { values: vec![true], nulls: nulls() }),
            tcli::TColumn::ByteVal(tcli::TByteColumn { values: vec![-128], nulls: nulls() }),
            tcli::TColumn::I16Val(tcli::TI16Column { values: vec![i16::MIN], nulls: nulls() }),
            tcli::TColumn::I32Val(tcli::TI32Column { values: vec![7], nulls: nulls() }),
            tcli::TColumn::I64Val(tcli::TI64Column { values: vec![i64::MAX], nulls: nulls() }),
            tcli::TColumn::DoubleVal(tcli::TDoubleColumn { values: vec![1.5.into()], nulls: nulls() }),
            tcli::TColumn::StringVal(tcli::TStringColumn { values: vec!["2024-01-01".to_owned()], nulls: nulls() }),
            tcli::TColumn::BinaryVal(tcli::TBinaryColumn { values: vec![vec![0, 255]], nulls: nulls() }),
        ];
        let mut rows = rows(&["a", "b", "c", "d", "e", "f", "g", "h"]);
        assert_eq!(append(&mut rows, columns), Ok(1));
        let texts: Vec<_> = rows.rows[0].iter().map(|text| text.as_deref().expect("no NULL")).collect();
        assert_eq!(texts, ["true", "-128", "-32768", "7", "9223372036854775807", "1.5", "2024-01-01", "AP8="]);
    }

    #[test]
    fn a_set_bit_is_null_and_missing_bytes_have_none_set() {
        let values: Vec<i32> = (0..20).collect();
        let mut rows = rows(&["a"]);
        let column = tcli::TI32Column { values, nulls: vec![0b1000_0001, 0b10] };
        assert_eq!(append(&mut rows, vec![tcli::TColumn::I32Val(column)]), Ok(20));
        let missing: Vec<usize> = (0..20).filter(|at| rows.rows[*at][0].is_none()).collect();
        assert_eq!(missing, [0, 7, 9]);
    }

    #[test]
    fn pages_of_another_shape_are_refused() {
        let column = |length| tcli::TColumn::I32Val(tcli::TI32Column { values: vec![1; length], nulls: vec![] });
        assert!(append(&mut rows(&["a"]), vec![column(1), column(1)]).is_err());
        assert!(append(&mut rows(&["a", "b"]), vec![column(1), column(2)]).is_err());
        assert_eq!(append(&mut rows(&[]), vec![]), Ok(0));
    }
}
