//! Tells the C library's allocator how this program uses memory; every number was measured, see docs/performance.md.
//!
//! Blocks of megabytes are made on one thread and freed on another. Left alone, the allocator keeps an arena for each of
//! dozens of threads, and freed megabytes stay in all of them.

/// Arenas for all threads together.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const ARENAS: libc::c_int = 4;
/// Allocations of this many bytes go back to the system the moment they are freed.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const MAPPED: libc::c_int = 4 << 20;
/// So many free bytes at the end of an arena stay for the next block; by default they are given back and asked for again.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const KEPT: libc::c_int = 4 << 20;

/// Sets the allocator up; before the first thread is started.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[allow(unsafe_code, reason = "the C library has no other way to be told; the call keeps no pointer")]
pub fn set_up() {
    // SAFETY: `mallopt` takes two integers and changes settings inside the C library, under its own lock; it keeps no
    // pointer and frees nothing. A setting that it does not know it refuses with 0, which changes nothing, and nothing
    // here depends on it.
    unsafe {
        libc::mallopt(libc::M_ARENA_MAX, ARENAS);
        libc::mallopt(libc::M_MMAP_THRESHOLD, MAPPED);
        libc::mallopt(libc::M_TRIM_THRESHOLD, KEPT);
    }
}

/// Other C libraries have other allocators, which are left as they are.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub fn set_up() {}
