//! An allocator that counts: bytes that are allocated now, and the most that were since a peak was asked for.
//!
//! It sees what Rust code allocates. Memory that C code takes for itself (zstd's tables, a few megabytes for each
//! thread that compresses), stacks, and what the allocator keeps of freed memory are not in the figures; `write` tells
//! the resident peak of a whole process, and `benches/end_to_end` measures that.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

/// The system's allocator, with a count.
pub struct Counting;

/// Bytes that are allocated now.
static NOW: AtomicUsize = AtomicUsize::new(0);
/// The most that `NOW` was since it was last reset.
static PEAK: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call goes to `System` with the arguments that came in, and its answer goes back unchanged, so `System`'s
// own promises hold here. What is done beside that adds to two atomic integers, which neither allocates nor panics.
#[allow(unsafe_code)]
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        grown(layout.size());
        // SAFETY: the caller's promise about `layout` is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        grown(layout.size());
        // SAFETY: as in `alloc`.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: `memory` came from `System`, with this `layout`: all of the above gave out nothing else.
        unsafe { System.dealloc(memory, layout) }
        NOW.fetch_sub(layout.size(), Ordering::Relaxed);
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // As if old and new were there together for a moment: whether they are is the system's business.
        grown(size);
        // SAFETY: as in `dealloc`; the caller's promise about `size` is passed on.
        let moved = unsafe { System.realloc(memory, layout, size) };
        NOW.fetch_sub(layout.size(), Ordering::Relaxed);
        moved
    }
}

fn grown(bytes: usize) {
    let now = NOW.fetch_add(bytes, Ordering::Relaxed) + bytes;
    PEAK.fetch_max(now, Ordering::Relaxed);
}

/// Runs `work`: the most bytes that were allocated at one moment of it, above what was allocated before.
pub fn peak_of(work: impl FnOnce()) -> usize {
    let before = NOW.load(Ordering::Relaxed);
    PEAK.store(before, Ordering::Relaxed);
    work();
    PEAK.load(Ordering::Relaxed).saturating_sub(before)
}
