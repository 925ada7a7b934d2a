//! Fits a stream to an existing table with other columns. Pure, the same for both engines.
//!
//! The result is the schema of the stream's files, with the table's names and types, and the changes that the table needs before
//! they can be loaded. Columns that the stream does not have stay as they are. Tables of the raw layout never come here: their
//! three columns must match exactly.

mod kinds;
mod lacking;
mod names;
mod widening;

use self::kinds::{Difference, Fitting};
pub use self::lacking::lacks_only_vacant_fields;
use self::names::pairs;
use super::alter::Alter;
use super::columns::{Column, Layout, Source, TableSchema, layout_of};
use super::kind::Kind;
use super::table_type::{FoundColumn, TableType};
use crate::error::{Error, Result, StreamDescriptor};

/// What may be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Terms {
    /// The table may get new columns (`enable_schema_evolution`).
    pub evolution: bool,
    /// All rows are replaced: columns may get any type in the same commit.
    pub replaces: bool,
    /// The table reads older files as wider types.
    pub widens: bool,
}

/// The table, for messages.
#[derive(Debug, Clone, Copy)]
pub struct Shown<'a> {
    /// What the user calls it.
    pub table: &'a str,
    /// The stream that is loaded into it.
    pub stream: &'a StreamDescriptor,
}

/// How a stream is loaded into a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fit {
    /// The columns of the stream's files.
    pub files: TableSchema,
    /// What the table needs before.
    pub changes: Vec<Alter>,
    /// What users should know of columns whose type differs: a sentence each.
    pub warnings: Vec<String>,
}

/// Fits a stream whose layout gives it the columns `wanted` to a table that has the columns `found`.
///
/// # Errors
/// A config error that names every difference for which there is no way on these terms.
pub fn fit(wanted: &TableSchema, found: &[FoundColumn], terms: Terms, shown: Shown<'_>) -> Result<Fit> {
    let layout = layout_of(found.iter().map(|column| &*column.name));
    if !terms.replaces && layout.is_some_and(|layout| !wanted.may_be(layout)) {
        return Err(other_layout(wanted, found, shown));
    }
    let mut fitting = Fitting::new(terms);
    let mut columns = Vec::new();
    // What evolution mends, and what it does not.
    let (mut problems, mut others) = (Vec::new(), Vec::new());
    let all: Vec<&Column> = wanted.columns().collect();
    let pairs = pairs(&all, found);
    for ((column, pair), new_name) in all.iter().copied().zip(&pairs.found).zip(&pairs.new_names) {
        match pair.and_then(|at| found.get(at)) {
            Some(found) if is_own(column) => columns.push(own(column, found, &mut fitting, &mut others)),
            Some(found) => columns.extend(fitting.column(column, found)),
            None if terms.evolution || terms.replaces => {
                let kind = TableType::of(&column.kind);
                fitting.changes.push(Alter::Add { path: vec![new_name.clone()], kind });
                columns.push(Column { name: new_name.clone(), ..column.clone() });
            }
            None if is_own(column) => {
                problems.push(format!("it lacks column {} {}", column.name, TableType::of(&column.kind)));
            }
            // What the files do not have is undeclared.
            None => {}
        }
    }
    for (other, _) in found.iter().zip(&pairs.wanted).filter(|(_, pair)| pair.is_none()) {
        let path = vec![other.name.clone()];
        if terms.replaces && Layout::is_of_layout(&other.name) {
            fitting.changes.push(Alter::Drop { path });
        } else if !other.nullable {
            fitting.relax(path);
        }
    }
    let Fitting { changes, differences, required, .. } = fitting;
    problems.extend(required.iter().map(|path| format!("{path} is NOT NULL, and not every record has a value for it")));
    if !terms.evolution {
        problems.extend(differences.iter().map(|difference| difference.problem()));
    }
    if !problems.is_empty() || !others.is_empty() {
        let differs = !differences.is_empty() || !required.is_empty();
        let by_evolution = (!terms.evolution && others.is_empty()).then_some(differs);
        others.extend(problems);
        return Err(misfit(&others, layout, shown, by_evolution));
    }
    let warnings = differences.iter().map(|difference| difference.warning(shown, wanted.layout())).collect();
    let files = wanted.with_columns(columns).ok_or_else(|| Error::system("A stream's files have no id or no time."))?;
    Ok(Fit { files, changes, warnings })
}

/// The sentence that says which layout a table with the columns of these names fits; empty where none does.
pub fn fitting_layout<'a>(names: impl Iterator<Item = &'a str>) -> String {
    match layout_of(names) {
        Some(layout) => format!(
            "It has the columns of layout `{layout}`: set `table_layout` to that for the stream to go on with it. "
        ),
        None => String::new(),
    }
}

/// Whether the column is this program's and not a property.
fn is_own(column: &Column) -> bool {
    !matches!(column.source, Source::Property(_) | Source::Vacant)
}

/// A column of this program, which has to be what it is.
fn own(column: &Column, found: &FoundColumn, fitting: &mut Fitting, problems: &mut Vec<String>) -> Column {
    let kind = TableType::of(&column.kind);
    let path = vec![found.name.clone()];
    if column.source == Source::EmittedAt && found.kind.is_text() && !fitting.terms.replaces {
        return Column { name: found.name.clone(), kind: Kind::Text, ..column.clone() };
    }
    if !found.kind.is_same(&kind) {
        if fitting.terms.replaces {
            fitting.changes.push(Alter::Retype { path: path.clone(), kind });
        } else {
            problems.push(format!("its column {} is {}, and has to be {kind}", found.name, found.kind));
        }
    }
    if !found.nullable && !column.is_required() {
        fitting.relax(path);
    }
    Column { name: found.name.clone(), ..column.clone() }
}

fn other_layout(wanted: &TableSchema, found: &[FoundColumn], Shown { table, stream }: Shown<'_>) -> Error {
    Error::config(format!(
        "Table {table} has other columns than stream {stream} needs in layout `{}`. {}Or move the table away, or rename the \
         stream.",
        wanted.layout(),
        fitting_layout(found.iter().map(|column| &*column.name))
    ))
}

/// `by_evolution`: whether `enable_schema_evolution` helps, and then whether there are differences that it lets be.
fn misfit(
    problems: &[String],
    layout: Option<Layout>,
    Shown { table, stream }: Shown<'_>,
    by_evolution: Option<bool>,
) -> Error {
    let fitting = match layout {
        Some(layout) => format!("It has the columns of layout `{layout}`."),
        None => "It has the columns of no layout.".to_owned(),
    };
    let way = match by_evolution {
        Some(true) => {
            "Set `enable_schema_evolution` to go on with the table's types, or replace the rows (a refresh in mode overwrite), or move \
             the table away."
        }
        Some(false) => {
            "Set `enable_schema_evolution` to have them added, or move the table away, or rename the stream."
        }
        None => "Replace the rows (a refresh in mode overwrite), or move the table away, or rename the stream.",
    };
    Error::config(format!(
        "Stream {stream} cannot be loaded into table {table}: {}. {fitting} {way}",
        problems.join("; ")
    ))
}

impl Difference {
    fn problem(&self) -> String {
        format!("its column {} is {}, and the stream has {}", self.path, self.found, self.wanted)
    }

    fn warning(&self, Shown { table, stream }: Shown<'_>, layout: Layout) -> String {
        let what = match layout {
            _ if !self.is_filled => {
                "No value can be written into it: the values of the stream go with the undeclared properties."
            }
            Layout::Classic => "Values that do not fit are kept as text with the undeclared properties.",
            Layout::Raw | Layout::Columns => "Values that do not fit become NULL and are named in the row's changes.",
        };
        format!(
            "Column {} of table {table} is {}, and stream {stream} has {}. The table's type stays. {what} A refresh in mode \
             overwrite gives the column its new type.",
            self.path, self.found, self.wanted
        )
    }
}

#[cfg(test)]
#[path = "fit_tests.rs"]
mod tests;
