//! Links, pipes and files of others below a root; parts of it as root, who can give files away.

use std::os::unix::fs::{chown, symlink};

use super::*;

const NOBODY: u32 = 65534;

/// A root, and a folder beside it that nothing below it may reach.
fn root() -> (tempfile::TempDir, Root, std::path::PathBuf) {
    let folder = tempfile::tempdir().expect("a folder");
    let (lake, victim) = (folder.path().join("lake"), folder.path().join("victim"));
    std::fs::create_dir(&lake).expect("a folder");
    std::fs::create_dir_all(victim.join("inner")).expect("a folder");
    std::fs::write(victim.join("precious"), "rows").expect("a file");
    let root = Root::open(&lake).expect("a root");
    (folder, root, victim)
}

#[test]
fn a_link_of_our_own_is_followed_and_one_of_another_user_is_not() {
    let (folder, root, victim) = root();
    let link = folder.path().join("lake/schema");
    symlink(&victim, &link).expect("a link");
    assert!(root.folder("schema/inner").is_ok() && root.make_folder("schema/new").is_ok());
    assert!(folders(&root, "").contains(&"schema".to_owned()));
    if std::os::unix::fs::lchown(&link, Some(NOBODY), None).is_err() {
        // Only root can make a link of another user.
        return;
    }
    let refused = root.make_folder("schema/other").expect_err("a link of another user");
    assert!(refused.get_ref().is_some_and(|error| error.is::<ForeignLink>()), "{refused}");
    assert!(root.folder("schema").is_err() && root.files("schema").is_err() && root.read("schema/precious").is_err());
    assert!(root.remove("schema/precious").is_err() && !folders(&root, "").contains(&"schema".to_owned()));
    assert!(victim.join("precious").exists() && !victim.join("other").exists());
}

#[test]
fn no_path_leads_upwards_or_away() {
    let (_folder, root, victim) = root();
    let absolute = format!("{}/precious", victim.display());
    for path in ["../victim/precious", "a/../../victim/precious", "./../victim/precious", absolute.as_str()] {
        assert!(root.read(path).is_err(), "{path}");
        let _ = root.remove(path);
        assert!(root.make_folder(path).is_err() || path.starts_with('/'), "{path}");
    }
    assert!(victim.join("precious").is_file());
}

#[test]
fn only_regular_files_of_our_own_are_read_and_removed_and_nothing_waits() {
    let (folder, root, victim) = root();
    let lake = folder.path().join("lake");
    symlink(victim.join("precious"), lake.join("link")).expect("a link");
    let made = std::process::Command::new("mkfifo").arg(lake.join("pipe")).status();
    assert!(made.is_ok_and(|status| status.success()));
    std::fs::write(lake.join("file"), "ours").expect("a file");
    assert!(root.read("link").is_err() && root.read("pipe").is_err());
    assert_eq!(root.read("file").expect("a file"), b"ours");
    assert_eq!(root.files("").expect("files"), ["file"]);
    for name in ["link", "pipe", "file", "nothing"] {
        root.remove(name).expect("no error");
    }
    assert!(lake.join("pipe").exists() && std::fs::symlink_metadata(lake.join("link")).is_ok());
    assert!(!lake.join("file").exists());
    std::fs::write(lake.join("theirs"), "").expect("a file");
    if chown(lake.join("theirs"), Some(NOBODY), None).is_ok() {
        root.remove("theirs").expect("no error");
        assert!(lake.join("theirs").exists());
    }
}

#[test]
fn what_is_cleared_goes_with_its_links_and_not_with_what_they_lead_to() {
    let (folder, root, victim) = root();
    let dead = folder.path().join("lake/dead");
    std::fs::create_dir_all(dead.join("a/b/c")).expect("folders");
    std::fs::write(dead.join("a/b/file"), "").expect("a file");
    std::fs::write(dead.join("lock"), "").expect("a file");
    symlink(&victim, dead.join("a/link")).expect("a link");
    symlink(&victim, dead.join("link")).expect("a link");
    clear(root.folder("dead").expect("a folder").as_fd(), "lock").expect("cleared");
    assert_eq!(root.files("").expect("files"), ["dead/lock"]);
    assert_eq!(std::fs::read_dir(&dead).expect("a folder").count(), 1);
    assert!(victim.join("precious").exists() && victim.join("inner").exists());
}
