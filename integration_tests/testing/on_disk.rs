//! A lake in a folder, and paths in it for tests of what only a folder has.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::lake::{Lake, Location};
use crate::table;

/// A folder whose files are the objects.
pub struct Folder {
    root: PathBuf,
}

impl Folder {
    /// The lake in `root`.
    pub fn new(root: &Path) -> Self {
        Self { root: root.to_owned() }
    }
}

impl Lake for Folder {
    fn list(&self, prefix: &str) -> Vec<String> {
        let folder = prefix.rsplit_once('/').map_or("", |(folder, _)| folder);
        let key = |path: &PathBuf| {
            let key = path.strip_prefix(&self.root).unwrap().to_str().unwrap().to_owned();
            if !path.is_dir() {
                return Some(key);
            }
            let is_empty = std::fs::read_dir(path).into_iter().flatten().next().is_none();
            is_empty.then(|| key + "/")
        };
        let mut keys: Vec<String> = tree(&self.root.join(folder)).iter().filter_map(key).collect();
        keys.retain(|key| key.starts_with(prefix));
        keys.sort();
        keys
    }

    fn get(&self, key: &str) -> Option<Vec<u8>> {
        match std::fs::read(self.root.join(key)) {
            Ok(content) => Some(content),
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => None,
            Err(error) => panic!("{key}: {error}"),
        }
    }

    fn put(&self, key: &str, content: &[u8]) {
        let path = self.root.join(key);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }

    fn delete(&self, key: &str) {
        let remove = if key.ends_with('/') { std::fs::remove_dir } else { std::fs::remove_file };
        remove(self.root.join(key)).unwrap();
        // A store of objects has no empty folders; remove_dir removes no others.
        let folders = Path::new(key).ancestors().skip(1).filter(|folder| *folder != Path::new(""));
        folders.map_while(|folder| std::fs::remove_dir(self.root.join(folder)).ok()).for_each(drop);
    }
}

/// The folder at `path` as a lake of its own, for a look by what is there for lakes of all kinds.
pub fn at(path: &Path) -> Location {
    Location::new(Arc::new(Folder::new(path)), "")
}

/// The file of version `version` of the log of the table in `folder`.
pub fn commit(folder: &Path, version: usize) -> PathBuf {
    folder.join(table::commit(&at(folder), version).key())
}

/// The staging folders in the lake `root`.
pub fn staging(root: &Path) -> Vec<PathBuf> {
    table::staging(&at(root)).iter().map(|folder| root.join(folder.key())).collect()
}

/// Every file below `folder`, sorted.
pub fn files(folder: &Path) -> Vec<PathBuf> {
    tree(folder).into_iter().filter(|path| !path.is_dir()).collect()
}

/// Every file and folder below `folder`, sorted.
pub fn tree(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        found.push(entry.path());
        found.extend(tree(&entry.path()));
    }
    found.sort();
    found
}
