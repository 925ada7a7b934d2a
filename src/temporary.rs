//! The temporary folder, and whether a file in it may grow: part of its disk's space is left to other programs.

use std::fs::File;

/// Bytes that are left to other programs; of a small disk at most one part in `SPARED_SHARE`.
const SPARED: u64 = 256 << 20;
const SPARED_SHARE: u64 = 8;

/// Whether `bytes` more can be written to `file` without using the space of other programs.
pub fn has_room(file: &File, bytes: u64) -> bool {
    // Some file systems do not say how much is free; then writing is tried.
    let Ok(disk) = rustix::fs::fstatvfs(file) else { return true };
    if disk.f_blocks == 0 {
        return true;
    }
    leaves_enough(disk.f_bavail.saturating_mul(disk.f_frsize), disk.f_blocks.saturating_mul(disk.f_frsize), bytes)
}

fn leaves_enough(free: u64, all: u64, bytes: u64) -> bool {
    free >= bytes.saturating_add(SPARED.min(all / SPARED_SHARE))
}

/// The temporary folder, for messages.
pub fn folder() -> String {
    std::env::temp_dir().display().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_about_to_be_written_counts_as_written() {
        const MB: u64 = 1 << 20;
        assert!(leaves_enough(100 * MB, 100 * MB, 87 * MB) && !leaves_enough(100 * MB, 100 * MB, 88 * MB));
        assert!(leaves_enough(300 * MB, 9000 * MB, 44 * MB) && !leaves_enough(300 * MB, 9000 * MB, 45 * MB));
        assert!(!leaves_enough(0, MB, 0) && !leaves_enough(u64::MAX - 1, u64::MAX, u64::MAX));
    }
}
