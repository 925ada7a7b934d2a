//! The folder in which `login` keeps its files, if no file is named.

use std::path::PathBuf;

use super::environment::set;

/// `destination-databricks` in `XDG_CONFIG_HOME`, or in `.config` of the user's folder; `None` without either.
pub fn login_folder() -> Option<PathBuf> {
    let base = set("XDG_CONFIG_HOME").map(PathBuf::from).filter(|folder| folder.is_absolute());
    let base = base.or_else(|| Some(PathBuf::from(set("HOME")?).join(".config")))?;
    Some(base.join("destination-databricks"))
}
