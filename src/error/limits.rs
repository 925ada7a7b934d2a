//! Limits that the system sets for a process: which one an I/O error has met, and how to raise it.

use std::io::ErrorKind;

/// Which limit of the system `error` or one of its causes has met, and what to do, as a sentence.
pub(super) fn met(error: &(dyn std::error::Error + 'static)) -> Option<&'static str> {
    let mut cause = Some(error);
    while let Some(error) = cause {
        let io = error.downcast_ref::<std::io::Error>();
        // An error of the system inside of another one is left out of the chain.
        let inner = || io?.get_ref()?.downcast_ref::<std::io::Error>().and_then(limit_met_by);
        if let Some(sentence) = io.and_then(limit_met_by).or_else(inner) {
            return Some(sentence);
        }
        cause = error.source();
    }
    None
}

fn limit_met_by(error: &std::io::Error) -> Option<&'static str> {
    let code = error.raw_os_error().unwrap_or_default();
    Some(match (code, error.kind()) {
        (libc::EMFILE, _) => {
            "This process may have no more files and connections open: raise its limit (`ulimit -n`, `nofile` of a \
             container) to 256 or more."
        }
        (libc::ENFILE, _) => "This machine has too many files open: raise `fs.file-max`, or end what holds them.",
        (libc::EFBIG, _) => {
            "A file may grow no further: raise or remove the limit of this process (`ulimit -f`), 256 MiB are enough; or \
             use a file system that takes larger files."
        }
        (libc::EDQUOT, _) => "The quota of this user is used up: free some space, or raise it.",
        (libc::ENOSPC, _) => "The disk is full, or has no room for more files: free some space (`df`, `df -i`).",
        (libc::ENOMEM, _) | (_, ErrorKind::OutOfMemory) => {
            "The system gave no more memory: give the container or the process more (`ulimit -v`, `ulimit -d`), or lower \
             `memory_limit_mb`."
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_found_behind_what_libraries_say_and_told_with_its_remedy() {
        let limits = [
            (libc::EMFILE, "ulimit -n"),
            (libc::ENFILE, "fs.file-max"),
            (libc::EFBIG, "ulimit -f"),
            (libc::EDQUOT, "quota"),
            (libc::ENOSPC, "df -i"),
            (libc::ENOMEM, "ulimit -v"),
        ];
        for (code, remedy) in limits {
            let inner = std::io::Error::from_raw_os_error(code);
            let through = object_store::Error::Generic { store: "LocalFileSystem", source: Box::new(inner) };
            assert!(met(&through).is_some_and(|sentence| sentence.contains(remedy)), "{remedy}");
            let wrapped = std::io::Error::other(std::io::Error::from_raw_os_error(code));
            assert!(met(&wrapped).is_some_and(|sentence| sentence.contains(remedy)), "{remedy}");
        }
        assert_eq!(met(&std::io::Error::from_raw_os_error(libc::ENOENT)), None);
        assert_eq!(met(&std::io::Error::other("Too many open files")), None);
    }
}
