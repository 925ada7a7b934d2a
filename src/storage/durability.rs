//! Stable storage: one flush of the disk for all callers that wait for one.
//!
//! A written file is in the system's memory, and is lost if the machine loses power. Flushing file by file and folder by folder
//! takes ten flushes a stream. Here a caller asks for a flush of the whole file system, and all that have asked by the time it
//! begins share it.

use std::fs::File;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::Mutex;

/// Flushes one file system.
pub(super) struct Durability {
    folder: File,
    asked: AtomicU64,
    /// All requests up to this number are done.
    served: Mutex<u64>,
}

impl Durability {
    /// Flushes the file system that `folder` lies on.
    pub(super) fn of(folder: &Path) -> std::io::Result<Self> {
        Ok(Self { folder: File::open(folder)?, asked: AtomicU64::new(0), served: Mutex::new(0) })
    }

    /// Answers when everything that was written before the call is on the disk.
    pub(super) async fn flush(&self) -> std::io::Result<()> {
        let mine = self.asked.fetch_add(1, Ordering::AcqRel) + 1;
        let mut served = self.served.lock().await;
        if *served >= mine {
            return Ok(());
        }
        let all = self.asked.load(Ordering::Acquire);
        tokio::task::block_in_place(|| self.flush_now())?;
        *served = all;
        Ok(())
    }

    /// The same on a thread that may block.
    pub(super) fn flush_blocking(&self) -> std::io::Result<()> {
        let mine = self.asked.fetch_add(1, Ordering::AcqRel) + 1;
        let mut served = self.served.blocking_lock();
        if *served >= mine {
            return Ok(());
        }
        let all = self.asked.load(Ordering::Acquire);
        self.flush_now()?;
        *served = all;
        Ok(())
    }

    #[cfg(target_os = "linux")]
    fn flush_now(&self) -> std::io::Result<()> {
        Ok(rustix::fs::syncfs(&self.folder)?)
    }

    /// Other systems have no call for one file system; this one flushes them all.
    #[cfg(not(target_os = "linux"))]
    fn flush_now(&self) -> std::io::Result<()> {
        rustix::fs::sync();
        Ok(())
    }
}
