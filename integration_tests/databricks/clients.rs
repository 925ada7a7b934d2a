//! Whether the stand-in behaves like Databricks: Databricks' own clients use it. The cases are in `clients.py`, `sign_in_clients.py` and `volume_clients.py`.

use std::process::Command;

use super::stand_in::stand_in;

fn run(script: &str, tests: usize) {
    let stand_in = stand_in();
    let script = format!("{}/integration_tests/databricks/{script}", env!("CARGO_MANIFEST_DIR"));
    let address = format!("http://127.0.0.1:{}", stand_in.port());
    let mut python = Command::new(stand_in.python());
    // Its caches would lie in the checkout.
    let output = python.arg(script).arg(address).env("PYTHONDONTWRITEBYTECODE", "1").output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}\n{}", stand_in.log());
    // Not one of them was passed over.
    assert!(said.contains(&format!("Ran {tests} tests")) && said.trim_end().ends_with("OK"), "{said}");
}

#[test]
fn the_official_sdk_and_impyla_take_the_stand_in_for_what_it_stands_for() {
    run("clients.py", 29);
}

#[test]
fn the_official_sdk_signs_in_in_every_way() {
    run("sign_in_clients.py", 15);
}

#[test]
fn the_official_sdk_finds_volumes_and_their_files_as_in_databricks() {
    run("volume_clients.py", 10);
}
