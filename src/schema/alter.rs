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

/// The path of the column or the field of a structure that a server calls `name`: names with points between, in backticks or not.
pub fn path_of(columns: &[FoundColumn], name: &str) -> Option<Vec<String>> {
    columns.iter().find_map(|column| {
        let quoted = format!("`{}`", column.name.replace('`', "``"));
        let rest = name.strip_prefix(&quoted).or_else(|| name.strip_prefix(&*column.name))?;
        let below = match (rest.strip_prefix('.'), &column.kind) {
            _ if rest.is_empty() => Some(Vec::new()),
            (Some(rest), TableType::Struct(fields)) => path_of(fields, rest),
            _ => None,
        }?;
        Some(std::iter::once(column.name.clone()).chain(below).collect())
    })
}

/// What has to have a value where a server says so of `name`: the column or field of that name, or what a type says of columns that
/// have it.
pub fn required(columns: &[FoundColumn], name: &str) -> Vec<Vec<String>> {
    if let Some(path) = path_of(columns, name) {
        return vec![path];
    }
    let kind = TableType::parse(name);
    let mut paths = Vec::new();
    for column in columns.iter().filter(|column| column.kind.is_same(&kind)) {
        required_in(&kind, std::slice::from_ref(&column.name), &mut paths);
    }
    paths
}

fn required_in(kind: &TableType, path: &[String], paths: &mut Vec<Vec<String>>) {
    let TableType::Struct(fields) = kind else { return };
    for field in fields {
        let path = [path, std::slice::from_ref(&field.name)].concat();
        required_in(&field.kind, &path, paths);
        if !field.nullable {
            paths.push(path);
        }
    }
}

/// The type of what is at `path`, through structures alone.
pub fn type_at<'a>(columns: &'a [FoundColumn], path: &[String]) -> Option<&'a TableType> {
    let (name, rest) = path.split_first()?;
    let found = &columns.iter().find(|column| are_same_names(&column.name, name))?.kind;
    match found {
        found if rest.is_empty() => Some(found),
        TableType::Struct(fields) => type_at(fields, rest),
        _ => None,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_found_as_a_server_writes_it() {
        let kind = "struct<a:int,`b.c`:struct<d:int>>";
        let columns = [FoundColumn::new("n", "int"), FoundColumn::new("st", kind), FoundColumn::new("we`ird", "int")];
        for (name, expected) in [
            ("n", Some(vec!["n"])),
            ("st.a", Some(vec!["st", "a"])),
            ("`st`.`b.c`.d", Some(vec!["st", "b.c", "d"])),
            ("st.b.c.d", Some(vec!["st", "b.c", "d"])),
            ("`we``ird`", Some(vec!["we`ird"])),
            ("we`ird", Some(vec!["we`ird"])),
            ("st.x", None),
            ("n.a", None),
            ("", None),
        ] {
            let expected: Option<Vec<String>> = expected.map(|path| path.into_iter().map(str::to_owned).collect());
            assert_eq!(path_of(&columns, name), expected, "{name}");
        }
        assert_eq!(required(&columns, "we`ird"), [["we`ird"]]);
        let kind = "STRUCT<a: INT NOT NULL, `b.c`: STRUCT<d: INT NOT NULL> NOT NULL>";
        let expected: [&[&str]; 3] = [&["st", "a"], &["st", "b.c", "d"], &["st", "b.c"]];
        assert_eq!(required(&columns, kind), expected);
        assert_eq!(required(&columns, "STRUCT<x: INT NOT NULL>"), [[""; 0]; 0]);
        let path = path_of(&columns, "st.b.c.d").unwrap();
        assert_eq!(type_at(&columns, &path), Some(&TableType::parse("int")));
        assert_eq!(type_at(&columns, &["x".to_owned()]), None);
    }
}
