//! The line that a stream gets when it is complete: how many rows were added, or replaced how many others.

use indicatif::HumanCount;

use crate::counted::counted;
use crate::load::{COUNTED_TABLES, RowsBefore, TableState};

/// Counts the lines that streams have got, and adds up the streams that come after the last of them.
#[derive(Default)]
pub struct Closings {
    lines: usize,
    /// Streams without a line; all that follows is about these.
    streams: u64,
    new_tables: u64,
    rows_in_new_tables: u64,
    rows_added: u64,
    merged_tables: u64,
    rows_merged: u64,
    replaced_tables: u64,
    /// Replaced tables of which it is not known how many rows they had.
    of_unknown_size: u64,
    rows_replacing: u64,
    rows_replaced: u64,
}

impl Closings {
    /// The line of a stream that got `loaded` rows and whose table was as `table_state` says. `None` if so many streams have a
    /// line already that nobody would read more: the stream is then part of [`Closings::others`].
    pub fn line(&mut self, loaded: u64, table_state: TableState) -> Option<String> {
        if self.lines < COUNTED_TABLES {
            self.lines += 1;
            return Some(line(loaded, table_state));
        }
        self.streams += 1;
        if !table_state.existed {
            self.new_tables += 1;
            self.rows_in_new_tables += loaded;
        } else if table_state.replaces {
            self.replaced_tables += 1;
            self.rows_replacing += loaded;
            match table_state.rows {
                RowsBefore::Counted(rows) => self.rows_replaced += rows,
                RowsBefore::Unknown | RowsBefore::NotAsked => self.of_unknown_size += 1,
            }
        } else if table_state.is_dedup {
            self.merged_tables += 1;
            self.rows_merged += loaded;
        } else {
            self.rows_added += loaded;
        }
        None
    }

    /// One sentence about all streams without a line, if there are any.
    pub fn others(&self) -> Option<String> {
        let mut parts = Vec::new();
        if self.new_tables > 0 {
            let (rows, tables) = (counted(self.rows_in_new_tables, "row"), counted(self.new_tables, "new table"));
            parts.push(format!("{rows} in {tables}"));
        }
        if self.merged_tables > 0 {
            parts.push(format!("{} merged by key", counted(self.rows_merged, "row")));
        }
        if self.streams > self.new_tables + self.replaced_tables + self.merged_tables {
            parts.push(format!("{} added", counted(self.rows_added, "row")));
        }
        if self.replaced_tables > 0 {
            let unknown = match self.of_unknown_size {
                0 => String::new(),
                tables => format!(" and an unknown number in {}", counted(tables, "table")),
            };
            let (rows, replaced) = (counted(self.rows_replacing, "row"), HumanCount(self.rows_replaced));
            parts.push(format!("{rows} replaced {replaced}{unknown}"));
        }
        let (streams, are) = (counted(self.streams, "more stream"), if self.streams == 1 { "is" } else { "are" });
        (self.streams > 0).then(|| format!("And {streams} {are} complete: {}.", parts.join(", ")))
    }
}

/// How many rows a stream has got, `loaded` of them, and how many its table had before, as `table_state` says: a part of a
/// sentence.
pub fn line(loaded: u64, table_state: TableState) -> String {
    let rows = rows(loaded);
    if !table_state.existed {
        let merged = if table_state.is_dedup { " merged by key" } else { "" };
        return format!("{rows}{merged} in a new table");
    }
    let verb = match (table_state.replaces, table_state.is_dedup) {
        (true, _) => "replaced",
        (false, true) => "merged by key into",
        (false, false) => "added to",
    };
    let mut line = match table_state.rows {
        RowsBefore::Counted(before) => format!("{rows} {verb} {before}"),
        RowsBefore::Unknown => format!("{rows} {verb} an unknown number of rows"),
        RowsBefore::NotAsked if table_state.replaces => format!("{rows} replaced those that were there"),
        RowsBefore::NotAsked if table_state.is_dedup => format!("{rows} merged by key"),
        RowsBefore::NotAsked => format!("{rows} added"),
    };
    if let Some(generation) = table_state.own_generation {
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
    use crate::protocol::catalog::WriteMode;

    fn table_state(replaces: bool, rows: RowsBefore) -> TableState {
        let write_mode = if replaces { WriteMode::Replace } else { WriteMode::Append };
        TableState { existed: true, replaces, write_mode, own_generation: None, rows, is_dedup: false }
    }

    #[test]
    fn streams_without_a_line_are_summed_up() {
        let mut closings = Closings::default();
        let adds = table_state(false, RowsBefore::NotAsked);
        assert!((0..COUNTED_TABLES).all(|_| closings.line(7, adds).is_some()));
        assert_eq!(closings.others(), None);
        assert_eq!(closings.line(1_234, adds), None);
        assert_eq!(closings.others().as_deref(), Some("And 1 more stream is complete: 1,234 rows added."));
        for (loaded, table_state) in [
            (300, table_state(true, RowsBefore::Counted(250))),
            (1, table_state(true, RowsBefore::Unknown)),
            (2, TableState { existed: false, ..adds }),
        ] {
            assert_eq!(closings.line(loaded, table_state), None);
        }
        let all = "And 4 more streams are complete: 2 rows in 1 new table, 1,234 rows added, \
                   301 rows replaced 250 and an unknown number in 1 table.";
        assert_eq!(closings.others().as_deref(), Some(all));
    }

    #[test]
    fn a_closing_line_says_whether_rows_were_added_or_replaced_and_how_many() {
        for (loaded, replaces, rows, expected) in [
            (50, true, RowsBefore::Counted(150), "50 rows replaced 150"),
            (1, true, RowsBefore::Unknown, "1 row replaced an unknown number of rows"),
            (0, true, RowsBefore::NotAsked, "0 rows replaced those that were there"),
            (50, false, RowsBefore::Counted(1), "50 rows added to 1"),
            (50, false, RowsBefore::Unknown, "50 rows added to an unknown number of rows"),
            (1, false, RowsBefore::NotAsked, "1 row added"),
        ] {
            assert_eq!(line(loaded, table_state(replaces, rows)), expected);
        }
        for (rows, expected) in [
            (RowsBefore::Counted(150), "50 rows merged by key into 150"),
            (RowsBefore::NotAsked, "50 rows merged by key"),
        ] {
            let merges = TableState { is_dedup: true, ..table_state(false, rows) };
            assert_eq!(line(50, merges), expected);
        }
        let again = TableState { own_generation: Some(7), ..table_state(false, RowsBefore::Counted(150)) };
        assert_eq!(line(50, again), "50 rows added to 150; the table is of generation 7 already");
        let new = TableState { existed: false, ..table_state(true, RowsBefore::NotAsked) };
        assert_eq!(line(2, new), "2 rows in a new table");
        assert_eq!(line(2, TableState { is_dedup: true, ..new }), "2 rows merged by key in a new table");
    }
}
