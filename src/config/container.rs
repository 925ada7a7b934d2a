//! Whether a directory is lost with the container that this program runs in.
//!
//! Airbyte's platform, which sets `WORKER_JOB_ID`, runs a sync in a container and removes it afterwards: what was written to the
//! container's own file system is lost, although the states were returned. The kernel's list of mounts says what a directory
//! is on: the root of a container is a layer over its image, a volume is a mount of its own.

use std::path::{Path, PathBuf};

/// File systems that lay a container's changes over its image.
const LAYERS: [&str; 4] = ["overlay", "aufs", "fuse.fuse-overlayfs", "unionfs"];
/// File systems that are in memory.
const MEMORY: [&str; 2] = ["tmpfs", "ramfs"];
/// What the kubelet calls volumes that go with their pod.
const EMPTY_DIR: &str = "kubernetes.io~empty-dir";
/// Files that container engines make in containers.
const MARKS: [&str; 2] = ["/.dockerenv", "/run/.containerenv"];

/// Whether the platform started this process in a container and `path`, which need not exist yet, is lost with it.
pub(super) fn takes_along(path: &Path) -> bool {
    let is_set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    if !is_set("WORKER_JOB_ID") {
        return false;
    }
    let is_container = is_set("KUBERNETES_SERVICE_HOST") || MARKS.iter().any(|mark| Path::new(mark).exists());
    // A system without such a list has no containers.
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let there = path.ancestors().find_map(|folder| folder.canonicalize().ok());
    there.is_some_and(|there| lies_inside(&mounts, &there, is_container))
}

/// Whether `path` is on a mount that is lost with the container, by the lines of `mounts`.
fn lies_inside(mounts: &str, path: &Path, is_container: bool) -> bool {
    // Of mounts at the same place the last one is seen.
    let mount = mounts.lines().filter_map(Mount::parse).filter(|mount| path.starts_with(&mount.point));
    let Some(mount) = mount.max_by_key(|mount| mount.point.as_os_str().len()) else { return false };
    let is_root = mount.point == Path::new("/");
    let goes = is_root || MEMORY.contains(&mount.kind) || mount.root.contains(EMPTY_DIR);
    goes && (is_container || is_root && LAYERS.contains(&mount.kind))
}

/// One line of `/proc/self/mountinfo`, see proc_pid_mountinfo(5).
struct Mount<'a> {
    /// The folder of the file system that is mounted.
    root: &'a str,
    point: PathBuf,
    kind: &'a str,
}

impl<'a> Mount<'a> {
    fn parse(line: &'a str) -> Option<Self> {
        let (before, after) = line.split_once(" - ")?;
        let mut fields = before.split(' ').skip(3);
        let (root, point) = (fields.next()?, fields.next()?);
        Some(Self { root, point: unescaped(point).into(), kind: after.split(' ').next()? })
    }
}

/// A name in which blanks, tabs, line breaks and backslashes stand as octal numbers.
fn unescaped(name: &str) -> String {
    let signs = [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")];
    signs.iter().fold(name.to_owned(), |name, (escape, sign)| name.replace(escape, sign))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A pod: a layer, a volume, a volume that goes with it, memory.
    const POD: &str = "\
600 500 0:60 / / rw,relatime master:100 - overlay overlay rw,lowerdir=/a:/b,upperdir=/c,workdir=/d
601 600 0:61 / /proc rw - proc proc rw
602 600 8:1 /var/lib/kubelet/pods/1/volumes/kubernetes.io~csi/lake /local rw - ext4 /dev/sda1 rw
603 600 8:1 /var/lib/kubelet/pods/1/volumes/kubernetes.io~empty-dir/config /config rw - ext4 /dev/sda1 rw
604 600 0:62 / /dev/shm rw - tmpfs shm rw,size=65536k
605 600 8:2 / /mnt/my\\040lake rw - xfs /dev/sdb rw
";
    /// A machine, as a container engine with plain copies of images shows it too.
    const MACHINE: &str = "\
22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
23 22 0:21 / /tmp rw - tmpfs tmpfs rw
";

    #[test]
    fn the_layer_of_a_container_goes_with_it_and_a_volume_stays() {
        for (path, goes) in [
            ("/lake", true),
            ("/tmp/lake", true),
            ("/localhost", true),
            ("/config/lake", true),
            ("/dev/shm/lake", true),
            ("/local", false),
            ("/local/lake", false),
            ("/mnt/my lake/x", false),
            ("/mnt/my", true),
        ] {
            assert_eq!(lies_inside(POD, Path::new(path), true), goes, "{path}");
        }
        assert!(lies_inside(POD, Path::new("/tmp"), false), "a layer speaks for itself");
    }

    #[test]
    fn a_machine_keeps_what_is_on_its_disk_and_a_container_made_of_copies_does_not() {
        assert!(!lies_inside(MACHINE, Path::new("/home/lake"), false));
        assert!(!lies_inside(MACHINE, Path::new("/tmp/lake"), false), "its user knows that it is in memory");
        assert!(lies_inside(MACHINE, Path::new("/home/lake"), true));
        assert!(!lies_inside("", Path::new("/home/lake"), true));
        let covered = format!("{MACHINE}24 22 8:3 / / rw - overlay o rw\n");
        assert!(lies_inside(&covered, Path::new("/home"), false), "the last mount at a place is seen");
    }
}
