//! The log line of a completed stream: how many rows were added or replaced.

use serde_json::Value;

use crate::messages::{append, catalog, configured, overwrite, record, records, status};
use crate::program::{Run, Sandbox};
use crate::table;

#[test]
fn the_closing_line_tells_rows_that_were_added_from_rows_that_took_the_place_of_others() {
    let closing = |run: &Run| {
        let lines = run.logs("INFO");
        let closing: Vec<String> = lines.into_iter().filter(|line| line.contains(" is complete: ")).collect();
        assert_eq!(closing.len(), 2, "one of the stream, one of the sync: {closing:?}");
        closing[0].clone()
    };
    let sandbox = Sandbox::new();
    let streams = |mode: &str| catalog([configured("users", mode)]);
    let run = sandbox.load(&streams("append"), records("users", 0..150));
    assert_eq!(closing(&run), "Stream users is complete: 150 rows in a new table.");
    let run = sandbox.load(&streams("append"), records("users", 0..1));
    assert_eq!(closing(&run), "Stream users is complete: 1 row added to 150.");
    let run = sandbox.load(&streams("append"), "{\"type\":\"LOG\",\"log\":{\"level\":\"INFO\",\"message\":\"-\"}}\n");
    assert_eq!(closing(&run), "Stream users is complete: 0 rows added to 151.");
    let run = sandbox.load(&streams("overwrite"), records("users", 0..50));
    assert_eq!(closing(&run), "Stream users is complete: 50 rows replaced 151.");
    let run = sandbox.load(&streams("overwrite"), status("users", "COMPLETE"));
    assert_eq!(closing(&run), "Stream users is complete: 0 rows replaced 50.");
    // Enough commits for a checkpoint, from which the numbers are read too.
    for round in 0..12 {
        let run = sandbox.load(&streams("append"), record("users", "{}"));
        assert_eq!(closing(&run), format!("Stream users is complete: 1 row added to {round}."));
    }
    let run = sandbox.load(&streams("overwrite"), record("users", "{}"));
    assert_eq!(closing(&run), "Stream users is complete: 1 row replaced 12.");
    // Files of other writers need not say how many rows they have.
    let commit = table::commit(&sandbox.table("default/users"), 16);
    let text = commit.text();
    let actions = text.lines().map(|line| {
        let mut action: Value = serde_json::from_str(line).unwrap();
        action["add"].as_object_mut().map(|add| add.remove("stats"));
        format!("{action}\n")
    });
    commit.put(actions.collect::<String>());
    let run = sandbox.load(&streams("append"), record("users", "{}"));
    assert_eq!(closing(&run), "Stream users is complete: 1 row added to an unknown number of rows.");
    let run = sandbox.load(&streams("overwrite"), record("users", "{}"));
    assert_eq!(closing(&run), "Stream users is complete: 1 row replaced an unknown number of rows.");
}

#[test]
fn of_more_streams_than_anybody_reads_the_first_hundred_have_a_line_and_the_others_a_sum() {
    let names: Vec<String> = (0..123).map(|n| format!("s{n:03}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let input = |rows: u64| names.iter().map(|name| records(name, 0..rows)).collect::<String>();
    let closing = |run: &Run| -> (Vec<String>, Vec<String>) {
        let lines = run.logs("INFO");
        let said = |what: &'static str| lines.iter().filter(move |line| line.contains(what)).cloned().collect();
        (said(" is complete: "), said(" more streams are complete: "))
    };
    let sandbox = Sandbox::new();
    for (streams, rows, each, sum) in [
        (append(&names), 2, "2 rows in a new table.", "46 rows in 23 new tables."),
        (append(&names), 1, "1 row added.", "23 rows added."),
        (overwrite(&names), 5, "5 rows replaced 3.", "115 rows replaced 69."),
    ] {
        let (lines, sums) = closing(&sandbox.load(&streams, input(rows)));
        // One more is that of the sync.
        assert_eq!(lines.len(), 101, "{lines:#?}");
        assert_eq!(lines.iter().filter(|line| line.ends_with(each)).count(), 100, "{lines:#?}");
        assert_eq!(sums, [format!("And 23 more streams are complete: {sum}")]);
    }
}
