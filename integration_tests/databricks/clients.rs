//! Whether the stand-in behaves like Databricks: Databricks' own clients use it. The cases are in `clients.py`.

use std::process::Command;

use super::stand_in::stand_in;

#[test]
fn the_official_sdk_and_impyla_take_the_stand_in_for_what_it_stands_for() {
    let stand_in = stand_in();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/integration_tests/databricks/clients.py");
    let address = format!("http://127.0.0.1:{}", stand_in.port());
    let output = Command::new(stand_in.python()).arg(script).arg(address).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}\n{}", stand_in.log());
    // Not one of them was passed over.
    assert!(said.contains("Ran 29 tests") && said.trim_end().ends_with("OK"), "{said}");
}
