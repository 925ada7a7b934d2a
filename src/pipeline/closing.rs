//! What is said of a stream when it is complete: whether its rows were added or took the place of others, and how many.

use indicatif::HumanCount;

use crate::counted::counted;
use crate::load::{COUNTED_TABLES, RowsBefore, Standing};

/// What was said of streams, and what is still to be said of those for which there was no line any more.
#[derive(Default)]
pub struct Closings {
    lines: usize,
    streams: u64,
    /// Rows, and new tables that have them.
    made: (u64, u64),
    added: u64,
    replacing: u64,
    /// Rows that were replaced, and tables of which nobody knows how many.
    replaced: (u64, u64),
    replaced_tables: u64,
}

impl Closings {
    /// What became of `loaded` rows, as [`line`] has it, for as many streams as anybody reads; the others are summed up.
    pub fn line(&mut self, loaded: u64, standing: Standing) -> Option<String> {
        if self.lines < COUNTED_TABLES {
            self.lines += 1;
            return Some(line(loaded, standing));
        }
        self.streams += 1;
        if !standing.existed {
            self.made = (self.made.0 + loaded, self.made.1 + 1);
        } else if standing.replaces {
            self.replacing += loaded;
            self.replaced_tables += 1;
            match standing.rows {
                RowsBefore::Counted(rows) => self.replaced.0 += rows,
                RowsBefore::Unknown | RowsBefore::NotAsked => self.replaced.1 += 1,
            }
        } else {
            self.added += loaded;
        }
        None
    }

    /// One sentence about all streams that had no line, if there are any.
    pub fn others(&self) -> Option<String> {
        let mut parts = Vec::new();
        if self.made.1 > 0 {
            parts.push(format!("{} in {}", counted(self.made.0, "row"), counted(self.made.1, "new table")));
        }
        let with_rows_before = self.streams - self.made.1 - self.replaced_tables;
        if with_rows_before > 0 {
            parts.push(format!("{} added", counted(self.added, "row")));
        }
        if self.replaced_tables > 0 {
            let (known, unknown) = self.replaced;
            let unknown = match unknown {
                0 => String::new(),
                _ => format!(" and an unknown number in {}", counted(unknown, "table")),
            };
            parts.push(format!("{} replaced {}{unknown}", counted(self.replacing, "row"), HumanCount(known)));
        }
        let (streams, are) = (counted(self.streams, "more stream"), if self.streams == 1 { "is" } else { "are" });
        (self.streams > 0).then(|| format!("And {streams} {are} complete: {}.", parts.join(", ")))
    }
}

/// What became of `loaded` rows, as a part of a sentence. The rows of `standing` are those that were there before.
pub fn line(loaded: u64, standing: Standing) -> String {
    let rows = rows(loaded);
    if !standing.existed {
        return format!("{rows} in a new table");
    }
    let verb = if standing.replaces { "replaced" } else { "added to" };
    let mut line = match standing.rows {
        RowsBefore::Counted(before) => format!("{rows} {verb} {before}"),
        RowsBefore::Unknown => format!("{rows} {verb} an unknown number of rows"),
        RowsBefore::NotAsked if standing.replaces => format!("{rows} replaced those that were there"),
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

    fn standing(replaces: bool, rows: RowsBefore) -> Standing {
        Standing { existed: true, replaces, needs_complete: false, own_generation: None, rows }
    }

    #[test]
    fn streams_without_a_line_are_summed_up() {
        let mut closings = Closings::default();
        let adds = standing(false, RowsBefore::NotAsked);
        assert!((0..COUNTED_TABLES).all(|_| closings.line(7, adds).is_some()));
        assert_eq!(closings.others(), None);
        assert_eq!(closings.line(1_234, adds), None);
        assert_eq!(closings.others().as_deref(), Some("And 1 more stream is complete: 1,234 rows added."));
        for (loaded, standing) in [
            (300, standing(true, RowsBefore::Counted(250))),
            (1, standing(true, RowsBefore::Unknown)),
            (2, Standing { existed: false, ..adds }),
        ] {
            assert_eq!(closings.line(loaded, standing), None);
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
            assert_eq!(line(loaded, standing(replaces, rows)), expected);
        }
        let again = Standing { own_generation: Some(7), ..standing(false, RowsBefore::Counted(150)) };
        assert_eq!(line(50, again), "50 rows added to 150; the table is of generation 7 already");
        let new = Standing { existed: false, ..standing(true, RowsBefore::NotAsked) };
        assert_eq!(line(2, new), "2 rows in a new table");
    }
}
