//! Where the environment says that certificate authorities are: `SSL_CERT_FILE` and `SSL_CERT_DIR`, as OpenSSL reads them.

use std::path::PathBuf;

/// What the variables name; a variable that is empty is as if it was not set.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CertificatePlaces {
    /// A file of certificates in PEM form: `SSL_CERT_FILE`.
    pub file: Option<PathBuf>,
    /// Folders of such files: `SSL_CERT_DIR`, with `:` between them.
    pub folders: Vec<PathBuf>,
}

impl CertificatePlaces {
    /// What the environment of this process names.
    pub fn from_environment() -> Self {
        let set = |name| std::env::var_os(name).filter(|value| !value.is_empty());
        let folders = set("SSL_CERT_DIR").map(|folders| std::env::split_paths(&folders).collect::<Vec<_>>());
        Self {
            file: set("SSL_CERT_FILE").map(PathBuf::from),
            folders: folders.unwrap_or_default().into_iter().filter(|folder| !folder.as_os_str().is_empty()).collect(),
        }
    }

    /// Whether neither variable is set.
    pub fn is_empty(&self) -> bool {
        self.file.is_none() && self.folders.is_empty()
    }
}
