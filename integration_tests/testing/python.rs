//! Runs scripts in the Python that `TEST_PYTHON` names (default `python3`), which has other readers of Delta tables. Without a package
//! its tests are skipped and say so; under CI the Python that was named must have it.

use std::path::PathBuf;
use std::process::{Command, Output};

use crate::program::skipped;

/// Runs `script` with `arguments`.
pub fn python(script: &str, arguments: &[PathBuf]) -> std::io::Result<Output> {
    let python = std::env::var("TEST_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    Command::new(python).arg("-c").arg(script).args(arguments).output()
}

/// Whether `package` can be imported; if not, says why `test` does nothing, or fails where it must be there.
pub fn has(test: &str, package: &str) -> bool {
    let why = match python(&format!("import {package}, pyarrow"), &[]) {
        Ok(output) if output.status.success() => return true,
        Ok(output) => String::from_utf8_lossy(&output.stderr).lines().last().unwrap_or_default().to_owned(),
        Err(error) => error.to_string(),
    };
    let named_in_ci = std::env::var_os("CI").is_some() && std::env::var_os("TEST_PYTHON").is_some();
    assert!(!named_in_ci, "the Python of TEST_PYTHON has no {package}: {why}");
    skipped(test, &format!("no Python with {package}: {why}"));
    false
}
