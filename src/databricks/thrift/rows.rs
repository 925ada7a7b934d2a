//! Converts columnar pages to rows of texts.
//!
//! Values are written as the Statement Execution API writes them: `true`, `42`, `1.5`, binary as base64; dates, times, decimals and
//! nested values arrive as text.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use tcli_service as tcli;

use crate::databricks::{QueryResult, ResultLimits};

/// Appends the page `columns` to `rows`, within `limits`, and returns its number of rows.
///
/// # Errors
/// What is wrong with the page: another number of columns, columns of different lengths or of an unknown type.
pub(super) fn append(
    rows: &mut QueryResult,
    columns: Vec<tcli::TColumn>,
    limits: &mut ResultLimits,
) -> Result<usize, String> {
    // Spark's reply to a statement without a result: the name of a column in the schema, and no column in the page.
    if columns.is_empty() {
        return Ok(0);
    }
    if columns.len() != rows.columns.len() {
        return Err(format!("a page has {} columns where {} are expected", columns.len(), rows.columns.len()));
    }
    let columns: Option<Vec<_>> = columns.into_iter().map(|column| texts(column).map(Vec::into_iter)).collect();
    let mut columns = columns.ok_or("a column is of a type that does not exist")?;
    let length = columns.first().map_or(0, ExactSizeIterator::len);
    if columns.iter().any(|column| column.len() != length) {
        return Err("the columns of a page have different lengths".to_owned());
    }
    for _ in 0..length {
        let row: Vec<Option<String>> = columns.iter_mut().map(|column| column.next().flatten()).collect();
        limits.count(&row).map_err(|error| error.to_string())?;
        rows.rows.push(row);
    }
    Ok(length)
}

/// The values of the variant that is set.
fn texts(column: tcli::TColumn) -> Option<Vec<Option<String>>> {
    let booleans = column.bool_val.map(|column| present(column.values, &column.nulls, |value| value.to_string()));
    let bytes = column.byte_val.map(|column| present(column.values, &column.nulls, |value| value.to_string()));
    let shorts = column.i16_val.map(|column| present(column.values, &column.nulls, |value| value.to_string()));
    let integers = column.i32_val.map(|column| present(column.values, &column.nulls, |value| value.to_string()));
    let longs = column.i64_val.map(|column| present(column.values, &column.nulls, |value| value.to_string()));
    let doubles =
        column.double_val.map(|column| present(column.values, &column.nulls, |value| format!("{:?}", value.0)));
    let texts = column.string_val.map(|column| present(column.values, &column.nulls, |value| value));
    let binaries = column.binary_val.map(|column| present(column.values, &column.nulls, |value| BASE64.encode(value)));
    booleans.or(bytes).or(shorts).or(integers).or(longs).or(doubles).or(texts).or(binaries)
}

/// Each value as text, or `None` where its bit in `nulls` is set: lowest bit first; missing bytes count as 0.
fn present<T>(values: Vec<T>, nulls: &[u8], text: impl Fn(T) -> String) -> Vec<Option<String>> {
    let is_null = |at: usize| nulls.get(at / 8).is_some_and(|byte| byte >> (at % 8) & 1 == 1);
    values.into_iter().enumerate().map(|(at, value)| (!is_null(at)).then(|| text(value))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(names: &[&str]) -> QueryResult {
        QueryResult { columns: names.iter().map(|name| (*name).to_owned()).collect(), ..QueryResult::default() }
    }

    fn none() -> tcli::TColumn {
        tcli::TColumn::default()
    }

    #[test]
    fn every_type_becomes_its_text() {
        let nulls = Vec::new;
        let columns = vec![
            tcli::TColumn { bool_val: Some(tcli::TBoolColumn { values: vec![true], nulls: nulls() }), ..none() },
            tcli::TColumn { byte_val: Some(tcli::TByteColumn { values: vec![-128], nulls: nulls() }), ..none() },
            tcli::TColumn { i16_val: Some(tcli::TI16Column { values: vec![i16::MIN], nulls: nulls() }), ..none() },
            tcli::TColumn { i32_val: Some(tcli::TI32Column { values: vec![7], nulls: nulls() }), ..none() },
            tcli::TColumn { i64_val: Some(tcli::TI64Column { values: vec![i64::MAX], nulls: nulls() }), ..none() },
            tcli::TColumn {
                double_val: Some(tcli::TDoubleColumn { values: vec![1.5.into()], nulls: nulls() }),
                ..none()
            },
            tcli::TColumn {
                string_val: Some(tcli::TStringColumn { values: vec!["2024-01-01".to_owned()], nulls: nulls() }),
                ..none()
            },
            tcli::TColumn {
                binary_val: Some(tcli::TBinaryColumn { values: vec![vec![0, 255]], nulls: nulls() }),
                ..none()
            },
        ];
        let mut rows = rows(&["a", "b", "c", "d", "e", "f", "g", "h"]);
        assert_eq!(append(&mut rows, columns, &mut ResultLimits::new(None)), Ok(1));
        let texts: Vec<_> = rows.rows[0].iter().map(|text| text.as_deref().expect("no NULL")).collect();
        assert_eq!(texts, ["true", "-128", "-32768", "7", "9223372036854775807", "1.5", "2024-01-01", "AP8="]);
    }

    #[test]
    fn a_set_bit_is_null_and_missing_bytes_have_none_set() {
        let values: Vec<i32> = (0..20).collect();
        let mut rows = rows(&["a"]);
        let column = tcli::TI32Column { values, nulls: vec![0b1000_0001, 0b10] };
        assert_eq!(
            append(&mut rows, vec![tcli::TColumn { i32_val: Some(column), ..none() }], &mut ResultLimits::new(None)),
            Ok(20)
        );
        let missing: Vec<usize> = (0..20).filter(|at| rows.rows[*at][0].is_none()).collect();
        assert_eq!(missing, [0, 7, 9]);
    }

    #[test]
    fn pages_of_another_shape_are_refused() {
        let column = |length: usize| tcli::TColumn {
            i32_val: Some(tcli::TI32Column { values: vec![1; length], nulls: vec![] }),
            ..none()
        };
        assert!(append(&mut rows(&["a"]), vec![column(1), column(1)], &mut ResultLimits::new(None)).is_err());
        assert!(append(&mut rows(&["a", "b"]), vec![column(1), column(2)], &mut ResultLimits::new(None)).is_err());
        assert!(append(&mut rows(&["a"]), vec![none()], &mut ResultLimits::new(None)).is_err());
        assert!(append(&mut rows(&[]), vec![column(1)], &mut ResultLimits::new(None)).is_err());
        assert_eq!(append(&mut rows(&["Result"]), vec![], &mut ResultLimits::new(None)), Ok(0));
    }
}
