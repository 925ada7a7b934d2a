//! What is said of a stream when it is complete: whether its rows were added or took the place of others, and how many.

use crate::load::{RowsBefore, Standing};

/// What became of `loaded` rows, as a part of a sentence. The rows of `standing` are those that were there before.
pub fn line(loaded: u64, standing: Standing) -> String {
    let rows = rows(loaded);
    if !standing.existed {
        return format!("{rows} in a new table");
    }
    let verb = if standing.truncates { "replaced" } else { "added to" };
    let mut line = match standing.rows {
        RowsBefore::Counted(before) => format!("{rows} {verb} {before}"),
        RowsBefore::Unknown => format!("{rows} {verb} an unknown number of rows"),
        RowsBefore::NotAsked if standing.truncates => format!("{rows} replaced those that were there"),
        RowsBefore::NotAsked => format!("{rows} added"),
    };
    if let Some(generation) = standing.own_generation {
        line.push_str(&format!("; the table is of generation {generation} already"));
    }
    line
}

fn rows(count: u64) -> String {
    if count == 1 { "1 row".to_owned() } else { format!("{count} rows") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn standing(truncates: bool, rows: RowsBefore) -> Standing {
        Standing { existed: true, truncates, needs_complete: false, own_generation: None, rows }
    }

    #[test]
    fn a_closing_line_says_whether_rows_were_added_or_replaced_and_how_many() {
        for (loaded, truncates, rows, expected) in [
            (50, true, RowsBefore::Counted(150), "50 rows replaced 150"),
            (1, true, RowsBefore::Unknown, "1 row replaced an unknown number of rows"),
            (0, true, RowsBefore::NotAsked, "0 rows replaced those that were there"),
            (50, false, RowsBefore::Counted(1), "50 rows added to 1"),
            (50, false, RowsBefore::Unknown, "50 rows added to an unknown number of rows"),
            (1, false, RowsBefore::NotAsked, "1 row added"),
        ] {
            assert_eq!(line(loaded, standing(truncates, rows)), expected);
        }
        let again = Standing { own_generation: Some(7), ..standing(false, RowsBefore::Counted(150)) };
        assert_eq!(line(50, again), "50 rows added to 150; the table is of generation 7 already");
        let new = Standing { existed: false, ..standing(true, RowsBefore::NotAsked) };
        assert_eq!(line(2, new), "2 rows in a new table");
    }
}
