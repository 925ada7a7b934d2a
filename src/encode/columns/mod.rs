//! Turns the JSON texts of records into typed columns.
//!
//! [`build`] reads each text once. `plan` is the table's schema in the form that this needs; `reader` finds the column of each
//! key and reads its value by the rules of `scalar` or `classic`; `column` holds the values; `notes` records changed values and
//! properties without a column; `guarded` says which of the changed values decide what rows stay, and `kept` whether a type keeps
//! all of a value. No tree of values is built, and nothing is allocated for a value.

mod changed;
mod classic;
mod column;
mod exact;
mod flat;
mod guarded;
mod json;
mod kept;
mod meta;
mod misfit;
mod moment;
mod notes;
mod number;
mod plan;
mod reader;
mod repeated;
mod scalar;
mod times;
mod zones;

use std::collections::BTreeMap;

use arrow_array::ArrayRef;

pub use guarded::{Guarded, Role};
pub use kept::is_kept;
pub use plan::Plan;

use super::changes::Changes;
use super::rows;
use crate::error::{Error, Result};
use column::{Column, Values};
use flat::Flat;
use json::Json;
use meta::MetaWriter;
use reader::Reader;

/// Rows as columns.
pub struct Built {
    /// The columns that are filled from the record, in their order.
    pub arrays: Vec<ArrayRef>,
    /// How many values did not fit.
    pub changes: Changes,
}

/// Makes columns of `texts`, each behind its length, by `plan`.
///
/// A text is a record, a JSON object; behind it there may be the record's `meta`, another one.
pub fn build(plan: &Plan, texts: &[u8]) -> Result<Built> {
    let mut columns: Vec<Column> = plan.root.all.iter().map(|field| Column::new(&field.kind)).collect();
    let mut reader = Reader::new(plan);
    let meta = MetaWriter::new(plan.sync_id);
    let (mut rows, mut guarded) = (0, BTreeMap::new());
    for text in rows::texts(texts) {
        let mut json = Json::new(text);
        let malformed = |_| Error::system("The text of a record that was read is no JSON object.");
        reader.record(&mut columns, rows, &mut json).map_err(malformed)?;
        for path in reader.notes.guarded() {
            *guarded.entry(path).or_default() += 1;
        }
        if let Some(column) = plan.meta.and_then(|at| columns.get_mut(at))
            && let Values::Bytes(bytes) = column.values()
        {
            bytes.push(|out| meta.append(json.rest(), &reader.notes, out));
            column.appended();
        }
        rows += 1;
    }
    let finish = |column: Column| {
        column.finish(rows).map_err(|error| Error::system("Rows could not be made into columns.").with_source(error))
    };
    let arrays = columns.into_iter().map(finish).collect::<Result<_>>()?;
    let names = plan.root.all.iter().map(|field| field.name.as_str());
    Ok(Built { arrays, changes: names.zip(reader.misfits).collect::<Changes>().with_guarded(guarded) })
}

/// The columns of `plan` for `texts`, each behind its length, whatever they are: of one that is no JSON object, every value is NULL.
pub fn build_values(plan: &Plan, texts: &[u8]) -> Result<Vec<ArrayRef>> {
    let mut columns: Vec<Column> = plan.root.all.iter().map(|field| Column::new(&field.kind)).collect();
    let (mut reader, flat, mut values) = (Reader::new(plan), Flat::new(plan), Vec::new());
    let mut rows = 0;
    for text in rows::texts(texts) {
        let is_flat = flat.as_ref().is_some_and(|flat| flat.find(text, &mut values));
        let read = if is_flat {
            reader.found(&mut columns, rows, &values)
        } else {
            reader.record(&mut columns, rows, &mut Json::new(text))
        };
        if read.is_err() {
            columns.iter_mut().filter(|column| column.len() > rows).for_each(|column| column.take_back(rows));
        }
        rows += 1;
    }
    let failed = |error| Error::system("Values could not be read out of the texts of records.").with_source(error);
    columns.into_iter().map(|column| column.finish(rows).map_err(failed)).collect()
}

#[cfg(test)]
mod classic_tests;
#[cfg(test)]
mod columns_tests;
#[cfg(test)]
mod exact_tests;
#[cfg(test)]
mod keys_tests;
#[cfg(test)]
pub mod property_tests;
#[cfg(test)]
mod public_cases_tests;
#[cfg(test)]
pub mod testing;
