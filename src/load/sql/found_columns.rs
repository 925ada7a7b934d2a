//! Reads the columns of a catalog table from the server's description, and fits a stream to them.

use super::SqlSession;
use super::answers::{Description, texts};
use super::statements::TableName;
use super::statements::columns::{is_cut, types};
use crate::error::{Result, ResultExt};
use crate::load::columns::{Fitted, FoundTable, fit_table};
use crate::schema::columns::Layout;
use crate::schema::fit::Terms;
use crate::schema::table_type::FoundColumn;
use crate::target::Target;

/// The columns of the table `name`, which was `described`. What a description does not say is asked for.
pub async fn columns(session: &SqlSession, name: &TableName, described: &Description) -> Result<Vec<FoundColumn>> {
    let mut columns: Vec<(String, String)> = described.columns.clone();
    let cut: Vec<usize> =
        (0..columns.len()).filter(|at| columns.get(*at).is_some_and(|(_, kind)| is_cut(kind))).collect();
    if !cut.is_empty() {
        let names: Vec<&str> = cut.iter().filter_map(|at| Some(columns.get(*at)?.0.as_str())).collect();
        let answer = session.execute(&types(name, &names)).await.context(|| "asking for its types".to_owned())?;
        for (at, kind) in cut.into_iter().zip(texts(&answer)) {
            if let Some(column) = columns.get_mut(at) {
                column.1 = kind;
            }
        }
    }
    Ok(columns.into_iter().map(|(name, kind)| FoundColumn::new(name, &kind)).collect())
}

/// How the stream of `target` goes into the table `name` with the columns `found`.
pub fn fit(
    target: &Target,
    name: &TableName,
    described: &Description,
    found: &[FoundColumn],
    terms: Terms,
) -> Result<Fitted> {
    let plain =
        |(name, kind): &(String, String)| (name.to_lowercase(), without_collation(&kind.to_lowercase()).to_owned());
    let named = described.columns.iter().map(plain).collect();
    fit_table(target, FoundTable { shown: &name.to_string(), named, columns: found }, terms)
}

/// Whether a type of the table has a collation.
pub fn is_collated(described: &Description) -> bool {
    described.columns.iter().any(|(_, kind)| {
        let kind = kind.to_lowercase();
        without_collation(&kind) != kind
    })
}

/// Whether the types of the columns count for more than their equality.
pub fn are_typed(target: &Target) -> bool {
    target.columns.layout() != Layout::Raw
}

/// A type of Databricks without the rules by which it is compared, such as those of `string collate utf8_lcase`.
fn without_collation(kind: &str) -> &str {
    kind.split_once(" collate ").map_or(kind, |(kind, _)| kind)
}
