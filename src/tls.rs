//! The certificate authorities that encrypted connections trust: one set for all clients, read once.
//!
//! If `SSL_CERT_FILE` or `SSL_CERT_DIR` is set, only their certificates are trusted; if they lead to none, no connection is made.
//! Without them, the system's authorities are trusted. A system without any, such as a slim image, gets Mozilla's, which are
//! built into this program, and the user is warned.

use std::fs::Metadata;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;

use crate::config::CertificatePlaces;
use crate::error::{Error, Result};

/// The length of a line in a PEM file.
const LINE: usize = 64;

/// Certificate authorities, each of them one that the TLS library takes.
#[derive(Debug, Clone, Default)]
pub struct Trust(Arc<Vec<CertificateDer<'static>>>);

impl Trust {
    /// Those of this process. The first call reads them, and tells the user what is not as it should be.
    ///
    /// # Errors
    /// One of the configuration where the environment names places and no certificate is in any of them.
    pub fn found() -> Result<Self> {
        static FOUND: OnceLock<Result<Trust, String>> = OnceLock::new();
        let found = FOUND.get_or_init(|| {
            let (trust, remark) = find(&CertificatePlaces::from_environment(), of_system)?;
            if let Some(remark) = remark {
                tracing::warn!("{remark}");
            }
            Ok(trust)
        });
        found.clone().map_err(Error::config)
    }

    /// Nobody: for connections that are not encrypted.
    pub fn nobody() -> Self {
        Self::default()
    }

    /// Each certificate in DER form.
    pub fn certificates(&self) -> impl Iterator<Item = &[u8]> {
        self.0.iter().map(AsRef::as_ref)
    }

    /// All certificates in PEM form.
    pub fn pem(&self) -> String {
        let mut text = String::new();
        for certificate in self.certificates() {
            text.push_str("-----BEGIN CERTIFICATE-----\n");
            for (number, sign) in BASE64.encode(certificate).chars().enumerate() {
                if number > 0 && number % LINE == 0 {
                    text.push('\n');
                }
                text.push(sign);
            }
            text.push_str("\n-----END CERTIFICATE-----\n");
        }
        text
    }
}

/// What is trusted where the environment names `named` and the system's places are `system`, and what the user should
/// know; or the sentence for the user.
fn find(named: &CertificatePlaces, system: fn() -> CertificatePlaces) -> Result<(Trust, Option<String>), String> {
    let is_named = !named.is_empty();
    let places = if is_named { named.clone() } else { system() };
    let (found, problems) = read(&places, is_named);
    let remark = (!problems.is_empty()).then(|| problems.join("; "));
    if !found.0.is_empty() {
        let remark = remark.map(|remark| format!("Not all certificate authorities are trusted: {remark}."));
        return Ok((found, remark));
    }
    if is_named {
        return Err(format!(
            "No encrypted connection can be made, because there is no certificate authority to trust: {}. Let SSL_CERT_FILE \
             name a file with certificates in PEM form, or unset both variables to trust those of the system.",
            remark.unwrap_or_default()
        ));
    }
    let why = remark.map(|remark| format!(" ({remark})")).unwrap_or_default();
    let built_in = built_in();
    let remark = format!(
        "This machine has no certificate authorities{why}: the {} that Mozilla trusts and that are built into this \
         program are trusted instead. Install the package ca-certificates, or set SSL_CERT_FILE, to decide it yourself.",
        built_in.0.len()
    );
    Ok((built_in, Some(remark)))
}

/// The certificates at `places`, and what is wrong there.
fn read(places: &CertificatePlaces, is_named: bool) -> (Trust, Vec<String>) {
    let (mut all, mut problems, mut damaged, mut read) = (Vec::new(), Vec::new(), 0, Sizes::default());
    let file = places.file.iter().map(|file| (file, true));
    for (path, is_file) in file.chain(places.folders.iter().map(|folder| (folder, false))) {
        let name = match (is_named, is_file) {
            (true, true) => format!("SSL_CERT_FILE names {}, which", path.display()),
            (true, false) => format!("SSL_CERT_DIR names {}, which", path.display()),
            (false, _) => path.display().to_string(),
        };
        let found = match std::fs::metadata(path) {
            Err(error) => Err(missing(&error)),
            Ok(metadata) => certificates(path, &metadata, is_file, &mut read),
        };
        match found {
            Err(what) => problems.push(format!("{name} {what}")),
            Ok((certificates, broken)) => {
                damaged += broken;
                all.extend(certificates);
            }
        }
    }
    all.sort_unstable_by(|one, other| one.as_ref().cmp(other.as_ref()));
    all.dedup();
    let count = all.len();
    let usable = usable(all);
    damaged += count - usable.0.len();
    if damaged > 0 {
        let there = if usable.0.is_empty() { "none of them can be used" } else { "the others are trusted" };
        problems.push(format!("{damaged} of the certificates are damaged, and {there}"));
    }
    (usable, problems)
}

fn missing(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::NotFound => "does not exist".to_owned(),
        std::io::ErrorKind::PermissionDenied => "may not be read by this user".to_owned(),
        _ => format!("cannot be read ({error})"),
    }
}

/// The most bytes of all certificates: those of a system have a quarter of one MiB.
const LONGEST: u64 = 64 << 20;
/// The most files with them: a system has some hundred.
const MOST_FILES: usize = 4096;

/// How much certificates are.
#[derive(Clone, Copy, Default)]
struct Sizes {
    bytes: u64,
    files: usize,
}

/// The certificates in a file, or in the files of a folder, and how many pieces of them were none; or what is wrong. `read`: how much
/// was read before.
fn certificates(
    path: &Path,
    metadata: &Metadata,
    is_file: bool,
    read: &mut Sizes,
) -> Result<(Vec<CertificateDer<'static>>, usize), String> {
    // What is no file may have no end.
    let is_right = if is_file { metadata.is_file() } else { metadata.is_dir() };
    if !is_right {
        return Err(if is_file { "is no file" } else { "is no folder" }.to_owned());
    }
    if is_file && metadata.len() == 0 {
        return Err("is empty".to_owned());
    }
    let here = Sizes { bytes: metadata.len(), files: 1 };
    let here = if is_file { here } else { sizes(path).map_err(|error| missing(&error))? };
    let all = Sizes { bytes: read.bytes.saturating_add(here.bytes), files: read.files + here.files };
    let others = if read.files > 0 { ", with what was read before," } else { "" };
    let what = if is_file { "has" } else { "holds files that have" };
    if all.bytes > LONGEST {
        return Err(format!("{what}{others} more than {} MiB, which no certificates have", LONGEST >> 20));
    }
    if all.files > MOST_FILES {
        return Err(format!("holds{others} more than {MOST_FILES} files, which no store of certificates does"));
    }
    *read = all;
    let (file, folder) = if is_file { (Some(path), None) } else { (None, Some(path)) };
    let found = rustls_native_certs::load_certs_from_paths(file, folder);
    let not_read = found.errors.iter().find_map(|error| match &error.kind {
        rustls_native_certs::ErrorKind::Io { inner, .. } => Some(missing(inner)),
        _ => None,
    });
    match (found.certs.is_empty(), not_read) {
        (true, Some(why)) => Err(why),
        (true, None) if is_file => Err("holds no certificate in PEM form".to_owned()),
        (true, None) => Err("holds no file with a certificate in PEM form".to_owned()),
        (false, _) => Ok((found.certs, found.errors.len())),
    }
}

/// How much is in a folder, as far as that may be read.
fn sizes(folder: &Path) -> std::io::Result<Sizes> {
    let mut sizes = Sizes::default();
    for entry in std::fs::read_dir(folder)?.take(MOST_FILES + 1) {
        let file = entry.and_then(|entry| std::fs::metadata(entry.path())).ok().filter(Metadata::is_file);
        sizes.files += 1;
        sizes.bytes = sizes.bytes.saturating_add(file.map_or(0, |file| file.len()));
    }
    Ok(sizes)
}

/// Those that the TLS library takes: a client refuses all of them for the sake of one.
fn usable(certificates: Vec<CertificateDer<'static>>) -> Trust {
    let mut store = RootCertStore::empty();
    Trust(Arc::new(certificates.into_iter().filter(|certificate| store.add(certificate.clone()).is_ok()).collect()))
}

fn built_in() -> Trust {
    usable(webpki_root_certs::TLS_SERVER_ROOT_CERTS.to_vec())
}

/// Where this system keeps them, as far as it has such places.
fn of_system() -> CertificatePlaces {
    let found = openssl_probe::probe();
    let (file, folders): (Option<PathBuf>, Vec<PathBuf>) = (found.cert_file, found.cert_dir);
    CertificatePlaces { file, folders }
}

#[cfg(test)]
#[path = "tls_tests.rs"]
mod tests;
