//! The protocol's own cases in every layout: each reader sees all rows.

use serde_json::{Value, json};

use super::cases::LAYOUTS;
use super::expected::sent;
use super::readers::{are_there, see};
use crate::program::Sandbox;
use crate::recorded::{configure, read, shared_data};
use crate::table;

#[test]
fn every_protocol_case_is_seen_alike_by_every_reader_in_every_layout() {
    let test = "every_protocol_case_is_seen_alike_by_every_reader_in_every_layout";
    let Some(folder) = shared_data(test).filter(|_| are_there(test)) else { return };
    let folder = folder.join("protocol");
    let mut cases = 0;
    for entry in std::fs::read_dir(&folder).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let Some(case) = name.strip_suffix("_catalog.json") else { continue };
        let messages = read(&folder, &format!("{case}_messages.txt"));
        let records = sent(&messages).values().map(Vec::len).sum::<usize>();
        let discovered: Value = serde_json::from_str(&read(&folder, &name)).unwrap();
        for layout in LAYOUTS {
            for (mode, times) in [("append", 2), ("overwrite", 1)] {
                let sandbox = Sandbox::with(json!({"table_layout": layout}));
                sandbox.load(&configure(&discovered, mode), &messages);
                sandbox.load(&configure(&discovered, mode), &messages);
                table::assert_tidy(&sandbox.lake());
                let tables = table::tables(&sandbox.lake());
                assert_eq!(tables.len(), discovered["streams"].as_array().unwrap().len(), "{case} {layout}");
                let rows: usize =
                    tables.iter().map(|table| see(test, &sandbox, table.below(&sandbox.lake())).rows.len()).sum();
                assert_eq!(rows, records * times, "{case} {layout} {mode}");
            }
        }
        cases += 1;
    }
    assert!(cases >= 8, "{cases} cases");
}
