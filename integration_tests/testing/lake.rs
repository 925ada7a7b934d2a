//! How a test sees a lake: objects by their keys, listed, read, put and deleted. Each kind of storage implements [`Lake`];
//! the cases that run on all of them know nothing else.

use std::fmt;
use std::sync::Arc;

/// A store of objects, past the program. Keys have `/` between their parts and none at their beginning.
pub trait Lake: Send + Sync {
    /// The keys that begin with `prefix`, sorted. Where the store has folders of its own, an empty one is listed with a
    /// `/` at its end.
    fn list(&self, prefix: &str) -> Vec<String>;

    /// The content of an object, `None` if there is none.
    fn get(&self, key: &str) -> Option<Vec<u8>>;

    /// Makes or replaces an object.
    fn put(&self, key: &str, content: &[u8]);

    /// Deletes an object, which must be there.
    fn delete(&self, key: &str);
}

/// A key in a lake: of an object, or of a folder, which is what keys have before one of their `/`. The empty key is the
/// whole lake.
#[derive(Clone)]
pub struct Location {
    lake: Arc<dyn Lake>,
    key: String,
}

impl Location {
    /// The location `key` in `lake`.
    pub fn new(lake: Arc<dyn Lake>, key: &str) -> Self {
        Self { lake, key: key.trim_matches('/').to_owned() }
    }

    /// The location `name` below this one.
    pub fn join(&self, name: &str) -> Self {
        Self::new(Arc::clone(&self.lake), &format!("{}{name}", self.prefix()))
    }

    /// The key in the lake.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// The last part of the key.
    pub fn name(&self) -> &str {
        self.key.rsplit('/').next().unwrap_or_default()
    }

    /// The key as it is seen from `folder`, in which this lies.
    pub fn below(&self, folder: &Self) -> &str {
        self.key.strip_prefix(&folder.prefix()).unwrap_or_else(|| panic!("{self} is not in {folder}"))
    }

    /// The content of the object, `None` if there is none.
    pub fn get(&self) -> Option<Vec<u8>> {
        self.lake.get(&self.key)
    }

    /// The content of the object, which must be there, as text.
    pub fn text(&self) -> String {
        String::from_utf8(self.get().unwrap_or_else(|| panic!("there is no {self}"))).unwrap()
    }

    /// Whether there is such an object.
    pub fn exists(&self) -> bool {
        self.get().is_some()
    }

    /// Makes or replaces the object.
    pub fn put(&self, content: impl AsRef<[u8]>) {
        self.lake.put(&self.key, content.as_ref());
    }

    /// Deletes the object.
    pub fn delete(&self) {
        self.lake.delete(&self.key);
    }

    /// Deletes everything below this folder, also the objects that Spark creates for folders.
    pub fn delete_all(&self) {
        self.objects().iter().for_each(Self::delete);
        self.lake.list(&self.prefix()).iter().rev().for_each(|folder| self.lake.delete(folder));
    }

    /// Every object below this folder, sorted.
    pub fn objects(&self) -> Vec<Self> {
        let keys = self.lake.list(&self.prefix());
        keys.iter().filter(|key| !key.ends_with('/')).map(|key| Self::new(Arc::clone(&self.lake), key)).collect()
    }

    /// Whether nothing is below this folder, not even an empty folder.
    pub fn is_empty(&self) -> bool {
        self.lake.list(&self.prefix()).is_empty()
    }

    /// The folders in this one, sorted.
    pub fn folders(&self) -> Vec<Self> {
        let prefix = self.prefix();
        let keys = self.lake.list(&prefix);
        let mut names: Vec<&str> =
            keys.iter().filter_map(|key| key[prefix.len()..].split_once('/')).map(|(name, _)| name).collect();
        names.sort_unstable();
        names.dedup();
        names.into_iter().map(|name| self.join(name)).collect()
    }

    /// What the keys of everything in this folder begin with.
    fn prefix(&self) -> String {
        if self.key.is_empty() { String::new() } else { format!("{}/", self.key) }
    }
}

/// Equal keys; no test compares locations of two lakes.
impl PartialEq for Location {
    fn eq(&self, other: &Self) -> bool {
        self.key == other.key
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.key)
    }
}

impl fmt::Debug for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.key, f)
    }
}
