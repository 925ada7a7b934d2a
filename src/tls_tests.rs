//! Stores of certificates that are missing, empty, damaged, or what they should be.

use super::*;

const CERTIFICATE: &[u8] = include_bytes!("../integration_tests/s3/tls/certificate.pem");

fn nothing() -> CertificatePlaces {
    CertificatePlaces::default()
}

fn named(file: &Path) -> CertificatePlaces {
    CertificatePlaces { file: Some(file.to_owned()), folders: Vec::new() }
}

/// What a folder with the file `certificates` of this content leads to when `SSL_CERT_FILE`, and when `SSL_CERT_DIR`, names it.
fn found(content: &[u8]) -> [Result<(usize, Option<String>), String>; 2] {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("certificates");
    std::fs::write(&file, content).expect("written");
    let in_folder = CertificatePlaces { file: None, folders: vec![folder.path().to_owned()] };
    [named(&file), in_folder]
        .map(|places| find(&places, nothing).map(|(trust, remark)| (trust.certificates().count(), remark)))
}

#[test]
fn a_store_that_is_named_and_holds_no_certificate_is_told_as_what_it_is() {
    let damaged = b"-----BEGIN CERTIFICATE-----\nbm8gY2VydGlmaWNhdGU=\n-----END CERTIFICATE-----\n";
    let half = CERTIFICATE.get(..CERTIFICATE.len() / 2).unwrap_or_default();
    let cases: [(&[u8], &str); 5] = [
        (b"", "is empty"),
        (b"garbage \xff\x00\n", "holds no certificate"),
        (b"-----BEGIN CERTIFICATE-----\n????\n-----END CERTIFICATE-----\n", "holds no certificate"),
        (half, "holds no certificate"),
        (damaged, "1 of the certificates are damaged, and none of them can be used"),
    ];
    for (content, what) in cases {
        let [file, folder] = found(content);
        let (file, folder) = (file.expect_err("nothing is trusted"), folder.expect_err("nothing is trusted"));
        assert!(file.contains(what) && file.contains("SSL_CERT_FILE"), "{content:?}: {file}");
        assert!(folder.contains("certificate in PEM form") || folder.contains(what), "{content:?}: {folder}");
    }
    for (place, what) in [("/nonexistent/x", "does not exist"), ("/dev/null", "is no file"), ("/", "is no file")] {
        let error = find(&named(Path::new(place)), nothing).expect_err("nothing is trusted");
        assert!(error.contains(&format!("SSL_CERT_FILE names {place}, which {what}")), "{error}");
    }
    let folders = CertificatePlaces { file: None, folders: vec!["/nonexistent/y".into(), "/dev/null".into()] };
    let error = find(&folders, nothing).expect_err("nothing is trusted");
    assert!(error.contains("/nonexistent/y, which does not exist") && error.contains("/dev/null, which is no folder"));
}

#[test]
fn what_is_named_and_good_is_trusted_alone_and_what_is_bad_beside_it_is_told() {
    assert_eq!(found(CERTIFICATE), [Ok((1, None)), Ok((1, None))]);
    let damaged = [CERTIFICATE, b"\n-----BEGIN CERTIFICATE-----\nbm8gY2VydGlmaWNhdGU=\n-----END CERTIFICATE-----\n"];
    for one in found(&damaged.concat()) {
        let (count, remark) = one.expect("one is good");
        assert_eq!(count, 1);
        assert!(remark.is_some_and(|remark| remark.contains("1 of the certificates are damaged, and the others")));
    }
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("one.pem"), CERTIFICATE).expect("written");
    let places = CertificatePlaces { file: Some("/nonexistent/x".into()), folders: vec![folder.path().to_owned()] };
    let (trust, remark) = find(&places, nothing).expect("one is good");
    assert_eq!(trust.certificates().count(), 1);
    assert!(remark.is_some_and(|remark| remark.contains("/nonexistent/x, which does not exist")));
}

#[test]
fn a_system_without_authorities_gets_those_of_mozilla_and_the_user_is_told() {
    let damaged = || named(Path::new("/dev/null"));
    for (system, why) in [(nothing as fn() -> CertificatePlaces, "authorities:"), (damaged, "(/dev/null is no file)")] {
        let (trust, remark) = find(&nothing(), system).expect("some are trusted");
        assert!(trust.certificates().count() > 100);
        let remark = remark.expect("the user is told");
        assert!(remark.contains("Mozilla") && remark.contains(why), "{remark}");
    }
}

#[test]
fn the_pem_form_reads_back_as_what_it_was_made_of() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("all.pem");
    std::fs::write(&file, built_in().pem()).expect("written");
    let (again, remark) = find(&named(&file), nothing).expect("all are good");
    assert_eq!((again.certificates().count(), remark), (built_in().certificates().count(), None));
}

#[test]
fn files_that_are_too_long_to_be_certificates_are_refused_unread() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("certificates");
    std::fs::write(&file, CERTIFICATE).expect("written");
    std::fs::File::options().write(true).open(&file).expect("a file").set_len(65 << 20).expect("a longer file");
    let in_folder = CertificatePlaces { file: None, folders: vec![folder.path().to_owned()] };
    for places in [named(&file), in_folder] {
        let error = find(&places, nothing).map(drop).expect_err("nothing is trusted");
        assert!(error.contains("more than 64 MiB"), "{error}");
    }
}

#[test]
fn folders_that_hold_too_much_are_refused_unread() {
    let large = tempfile::tempdir().expect("a folder");
    for number in 0..5 {
        let file = std::fs::File::create(large.path().join(number.to_string())).expect("a file");
        file.set_len(20 << 20).expect("a longer file");
    }
    let many = tempfile::tempdir().expect("a folder");
    for number in 0..=MOST_FILES {
        std::fs::File::create(many.path().join(number.to_string())).expect("a file");
    }
    let good = tempfile::tempdir().expect("a folder");
    std::fs::write(good.path().join("one.pem"), CERTIFICATE).expect("written");
    for (folder, what) in [(&large, "more than 64 MiB"), (&many, "more than 4096 files")] {
        let in_folders = |folders: &[&Path]| {
            let folders = folders.iter().map(|folder| folder.to_path_buf()).collect();
            find(&CertificatePlaces { file: None, folders }, nothing)
        };
        let error = in_folders(&[folder.path()]).map(drop).expect_err("nothing is trusted");
        assert!(error.contains(what), "{error}");
        let (trust, remark) = in_folders(&[folder.path(), good.path()]).expect("one is good");
        assert_eq!(trust.certificates().count(), 1);
        assert!(remark.is_some_and(|remark| remark.contains(what)));
    }
}

#[test]
fn folders_that_hold_too_much_together_are_refused_from_the_first_that_is_too_much() {
    let folders: Vec<_> = (0..3).map(|_| tempfile::tempdir().expect("a folder")).collect();
    for folder in &folders {
        std::fs::write(folder.path().join("one.pem"), CERTIFICATE).expect("written");
        let file = std::fs::File::create(folder.path().join("two.pem")).expect("a file");
        file.set_len(30 << 20).expect("a longer file");
    }
    let folders: Vec<PathBuf> = folders.iter().map(|folder| folder.path().to_path_buf()).collect();
    let (trust, remark) = find(&CertificatePlaces { file: None, folders }, nothing).expect("one is good");
    assert_eq!(trust.certificates().count(), 1);
    assert!(remark.is_some_and(|remark| remark.matches("more than 64 MiB").count() == 1));
}
