//! How much memory the buffers get when the user does not say: 256 MB, or less in a small container.
//!
//! The limit of the container is the smallest limit of this process's control group and those above it, in version 2
//! (`memory.max`) or version 1 (`memory.limit_in_bytes`). Only a part of it goes to the buffers: the program itself,
//! what it encodes and the page cache of what it writes count against the same limit.

use std::path::{Path, PathBuf};

use super::{MEGABYTE, in_memory};

const MOST: u64 = 256 * MEGABYTE;
const PERCENT_OF_CONTAINER: u64 = 60;

/// The default of `memory_limit_mb`, in bytes. `root` is `/` except in tests.
pub(super) fn default_limit(root: &Path) -> usize {
    let limit = container_limit(root).map_or(MOST, |limit| limit / 100 * PERCENT_OF_CONTAINER);
    in_memory(limit.min(MOST))
}

fn container_limit(root: &Path) -> Option<u64> {
    // A machine without control groups has no such file and no limit.
    let groups = std::fs::read_to_string(root.join("proc/self/cgroup")).unwrap_or_default();
    groups.lines().filter_map(|line| limit_of_group(root, line)).min()
}

/// The limit that one line `hierarchy:controllers:path` of `/proc/self/cgroup` leads to.
fn limit_of_group(root: &Path, line: &str) -> Option<u64> {
    let mut parts = line.splitn(3, ':');
    let (hierarchy, controllers, path) = (parts.next()?, parts.next()?, parts.next()?);
    let (mount, file) = match hierarchy {
        "0" => ("sys/fs/cgroup", "memory.max"),
        _ if controllers.split(',').any(|name| name == "memory") => ("sys/fs/cgroup/memory", "memory.limit_in_bytes"),
        _ => return None,
    };
    let mount = root.join(mount);
    let group: PathBuf = mount.join(path.trim_start_matches('/'));
    // Inside a container the path may be the host's, which is not mounted here: then only the mount itself counts.
    group
        .ancestors()
        .take_while(|directory| directory.starts_with(&mount))
        .filter_map(|directory| std::fs::read_to_string(directory.join(file)).ok())
        // Without a limit version 2 says "max", which is no number; version 1 a number near 2^63.
        .filter_map(|text| text.trim().parse().ok())
        .min()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_memory_of_a_container_bounds_the_default() {
        const MB: usize = 1024 * 1024;
        let machine = |files: &[(&str, &str)]| {
            let root = tempfile::tempdir().expect("a directory");
            for (name, content) in files {
                let path = root.path().join(name);
                std::fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
                std::fs::write(path, content).expect("written");
            }
            default_limit(root.path())
        };
        let container = (100 * MB).to_string();
        assert_eq!(machine(&[]), 256 * MB);
        let second = ("proc/self/cgroup", "0::/\n");
        assert_eq!(machine(&[second, ("sys/fs/cgroup/memory.max", &container)]), 60 * MB);
        assert_eq!(machine(&[second, ("sys/fs/cgroup/memory.max", "max\n")]), 256 * MB);
        assert_eq!(machine(&[second, ("sys/fs/cgroup/memory.max", "8589934592")]), 256 * MB);
        let nested = ("proc/self/cgroup", "0::/pod/inner\n");
        assert_eq!(
            machine(&[
                nested,
                ("sys/fs/cgroup/pod/memory.max", &container),
                ("sys/fs/cgroup/pod/inner/memory.max", "max")
            ]),
            60 * MB
        );
        let first = ("proc/self/cgroup", "5:cpu,cpuacct:/x\n4:memory:/docker/0123\n");
        assert_eq!(machine(&[first, ("sys/fs/cgroup/memory/memory.limit_in_bytes", &container)]), 60 * MB);
        assert_eq!(machine(&[first, ("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712")]), 256 * MB);
    }
}
