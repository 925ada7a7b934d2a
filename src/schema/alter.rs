//! Changes to the columns of a table that exists.

use super::table_type::{FoundColumn, Item, TableType, are_same_names};

/// The name of a list's items in a path.
pub const ELEMENT: &str = "element";

/// A change. A path begins with a column's name; names of fields follow, and [`ELEMENT`] for the items of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Alter {
    /// A new column or field, which may have no value.
    Add {
        /// Where it will be.
        path: Vec<String>,
        /// Its type.
        kind: TableType,
    },
    /// What had to have a value need not have one any more.
    Relax {
        /// Where it is.
        path: Vec<String>,
    },
    /// A wider type, which Delta reads older files as.
    Widen {
        /// Where it is.
        path: Vec<String>,
        /// Its type.
        kind: TableType,
    },
    /// Another type, which only a table whose rows are all replaced can take.
    Retype {
        /// The column.
        path: Vec<String>,
        /// Its type.
        kind: TableType,
    },
    /// A column that goes, for which the same is true.
    Drop {
        /// The column.
        path: Vec<String>,
    },
}

impl Alter {
    /// Where it changes something.
    pub fn path(&self) -> &[String] {
        match self {
            Self::Add { path, .. }
            | Self::Relax { path }
            | Self::Widen { path, .. }
            | Self::Retype { path, .. }
            | Self::Drop { path } => path,
        }
    }
}

/// The columns that a table with the columns `found` has after `changes`.
pub fn columns_after(found: &[FoundColumn], changes: &[Alter]) -> Vec<FoundColumn> {
    let mut columns = found.to_vec();
    for change in changes {
        change_at(&mut columns, change.path(), change);
    }
    columns
}

fn change_at(fields: &mut Vec<FoundColumn>, path: &[String], change: &Alter) {
    let Some((name, rest)) = path.split_first() else { return };
    let at = fields.iter().position(|field| are_same_names(&field.name, name));
    match (at, change) {
        (None, Alter::Add { kind, .. }) if rest.is_empty() => {
            fields.push(FoundColumn { name: name.clone(), kind: kind.clone(), nullable: true });
        }
        (Some(at), Alter::Drop { .. }) if rest.is_empty() => drop(fields.remove(at)),
        (Some(at), _) => {
            let Some(field) = fields.get_mut(at) else { return };
            change_in(&mut field.kind, &mut field.nullable, rest, change);
        }
        (None, _) => {}
    }
}

/// Changes what `path` leads to from a type.
fn change_in(kind: &mut TableType, nullable: &mut bool, path: &[String], change: &Alter) {
    if path.is_empty() {
        match change {
            Alter::Relax { .. } => *nullable = true,
            Alter::Widen { kind: new, .. } | Alter::Retype { kind: new, .. } => *kind = new.clone(),
            Alter::Add { .. } | Alter::Drop { .. } => {}
        }
        return;
    }
    match kind {
        TableType::Struct(fields) => change_at(fields, path, change),
        TableType::List(item) => {
            let Item { kind, nullable } = item.as_mut();
            change_in(kind, nullable, path.get(1..).unwrap_or_default(), change);
        }
        TableType::Simple(_) | TableType::Map(..) => {}
    }
}
