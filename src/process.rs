//! Settings of the process, made before its first thread starts.
//!
//! - Core dumps are off: they would hold keys.
//! - A file that grows beyond `ulimit -f` is a write error; without this, SIGXFSZ would end the process without a message.
//! - When memory is refused, Rust's library ends the process with SIGABRT; when its processor time is used up, the system does,
//!   with SIGXCPU. The handlers of these signals write the TRACE message.

use std::ffi::c_int;
use std::fs::File;
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::error::{Error, Result};

/// What comes before the time: one TRACE message, after the end of a line that another thread may be in the middle of.
const BEFORE: &[u8] = b"\n{\"type\":\"TRACE\",\"trace\":{\"type\":\"ERROR\",\"emitted_at\":";
const ABORTED: &[u8] =
    b",\"error\":{\"failure_type\":\"config_error\",\"message\":\"The program has ended itself; standard error has \
    its last words. ";
/// What stands behind it, by the limits of memory that this process has: none, [`ADDRESS_SPACE`], [`DATA`], both.
const OF_MEMORY: [&[u8]; 4] = [
    b"If they speak of memory: give the container or the process more, or lower `memory_limit_mb` and `max_line_mb`. ",
    b"Most likely it was refused memory, for which this process has a limit of its address space (RLIMIT_AS, `ulimit -v`): raise or remove it, or lower `memory_limit_mb` and `max_line_mb`. ",
    b"Most likely it was refused memory, for which this process has a limit of its data (RLIMIT_DATA, `ulimit -d`): raise or remove it, or lower `memory_limit_mb` and `max_line_mb`. ",
    b"Most likely it was refused memory, for which this process has limits of its address space (RLIMIT_AS, `ulimit -v`) and of \
      its data (RLIMIT_DATA, `ulimit -d`): raise or remove them, or lower `memory_limit_mb` and `max_line_mb`. ",
];
const OF_STACK: &[u8] =
    b"If they speak of the stack: raise its limit (`ulimit -s`).\",\"internal_message\":\"SIGABRT\"}}}\n";
/// Bits of [`LIMITS`].
const ADDRESS_SPACE: usize = 1;
const DATA: usize = 2;
/// The limits of memory that this process began with.
static LIMITS: AtomicUsize = AtomicUsize::new(0);
const OUT_OF_TIME: &[u8] =
    b",\"error\":{\"failure_type\":\"config_error\",\"message\":\"The program has used up the processor time \
    that the system gives it: raise the limit (`ulimit -t`), or take it away.\",\"internal_message\":\"SIGXCPU\"}}}\n";
/// Bytes of stack that the first thread needs, as systems give them: what runs on others has a stack of known size.
const STACK: usize = 8 << 20;
/// Files and connections without which nothing can be begun: what waits for them panics where it has none.
const LEAST_FILES: usize = 16;
/// Digits of the milliseconds since 1970, for a long time to come.
const DIGITS: usize = 13;

/// Makes these settings. What the system refuses is ignored: no setting is needed to move rows.
pub fn set_up() {
    // Where core dumps are piped to a program, their limit of 0 bytes does not count.
    let _ = rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable);
    remember_limits_of_memory();
    handle_signals();
    leave_time_for_last_words();
}

/// When memory has run out, little can be asked for any more.
fn remember_limits_of_memory() {
    use rustix::process::{Resource, getrlimit};
    let limits = [(Resource::As, ADDRESS_SPACE), (Resource::Data, DATA)];
    let set = limits.into_iter().filter(|(resource, _)| getrlimit(*resource).current.is_some());
    LIMITS.store(set.map(|(_, bit)| bit).sum(), Ordering::Relaxed);
}

/// What is said of a signal, behind the time.
fn last_words(signal: c_int, limits: usize) -> [&'static [u8]; 3] {
    match OF_MEMORY.get(limits) {
        Some(of_memory) if signal != libc::SIGXCPU => [ABORTED, of_memory, OF_STACK],
        _ => [OUT_OF_TIME, b"", b""],
    }
}

/// At the limit of processor time that cannot be raised, the system kills without a word; it warns at one that can. The shell's
/// `ulimit -t` sets both to the same second.
fn leave_time_for_last_words() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let Rlimit { current, maximum } = getrlimit(Resource::Cpu);
    if let Some(last) = maximum.filter(|maximum| *maximum > 1 && current.is_none_or(|current| current >= *maximum)) {
        let _ = setrlimit(Resource::Cpu, Rlimit { current: Some(last - 1), maximum });
    }
}

/// Runs `program` on this first thread of the process, or, where `ulimit -s` leaves that one a small stack, on another.
pub fn with_stack(program: fn() -> ExitCode) -> ExitCode {
    use rustix::process::{Resource, getrlimit};
    let limit = getrlimit(Resource::Stack).current;
    if limit.is_none_or(|limit| usize::try_from(limit).is_ok_and(|limit| limit >= STACK)) {
        return program();
    }
    match std::thread::Builder::new().stack_size(STACK).spawn(program) {
        // The panic was told where it happened.
        Ok(thread) => thread.join().unwrap_or(ExitCode::FAILURE),
        // It may do all the same.
        Err(_) => program(),
    }
}

/// Whether this process may open as many files as it needs to begin.
///
/// # Errors
/// One that names the limit.
pub fn ensure_files() -> Result<()> {
    let opened: std::io::Result<Vec<File>> = (0..LEAST_FILES).map(|_| File::open("/dev/null")).collect();
    match opened.map_err(|error| (error.raw_os_error(), error)) {
        Err((Some(libc::EMFILE | libc::ENFILE), error)) => {
            Err(Error::system("The program cannot begin.").with_source(error))
        }
        // Where there is no such file, nothing is known.
        _ => Ok(()),
    }
}

#[allow(unsafe_code, reason = "there is no other way to ignore a signal, and to say something when memory has run out")]
fn handle_signals() {
    // SAFETY: these calls are made before the first thread is started and keep no pointer but that of a function that
    // lives as long as the program. `say_last_words` calls nothing that a signal handler may not call, see there.
    unsafe {
        libc::signal(libc::SIGXFSZ, libc::SIG_IGN);
        for signal in [libc::SIGABRT, libc::SIGXCPU] {
            libc::signal(signal, say_last_words as extern "C" fn(c_int) as libc::sighandler_t);
        }
    }
}

/// Runs inside `abort` or anything else, on whatever thread and in whatever state: it takes no lock and no memory.
#[allow(unsafe_code, reason = "there is no other way to say something when memory or time has run out")]
extern "C" fn say_last_words(signal: c_int) {
    let [what, of_memory, of_stack] = last_words(signal, LIMITS.load(Ordering::Relaxed));
    // SAFETY: `time`, `write` and `_exit` are among the functions that POSIX lets a signal handler call. The pointers are
    // those of arrays that live until the calls return, each with its own length.
    unsafe {
        let digits = digits(libc::time(std::ptr::null_mut()).saturating_mul(1000));
        for part in [BEFORE, &digits, what, of_memory, of_stack] {
            libc::write(libc::STDOUT_FILENO, part.as_ptr().cast(), part.len());
        }
        libc::_exit(1)
    }
}

/// A number in decimal digits, with zeros in front.
fn digits(mut number: i64) -> [u8; DIGITS] {
    let mut digits = [b'0'; DIGITS];
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + u8::try_from(number.rem_euclid(10)).unwrap_or(0);
        number /= 10;
    }
    digits
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_words_are_one_message() {
        let signals = (0..4).map(|limits| (libc::SIGABRT, limits)).chain([(libc::SIGXCPU, 0)]);
        for (signal, limits) in signals {
            let text = [BEFORE, &digits(1_767_225_600_123), &last_words(signal, limits).concat()].concat();
            let message: serde_json::Value = serde_json::from_slice(&text).expect("JSON");
            assert_eq!(message["trace"]["emitted_at"], 1_767_225_600_123_i64);
            assert_eq!(message["trace"]["error"]["failure_type"], "config_error");
            let said = message["trace"]["error"]["message"].as_str().expect("a text");
            assert_eq!(said.contains("`ulimit -v`"), limits & ADDRESS_SPACE > 0, "{said}");
            assert_eq!(said.contains("`ulimit -d`"), limits & DATA > 0, "{said}");
            assert_eq!(said.contains("`ulimit -t`"), signal == libc::SIGXCPU, "{said}");
            assert!(text.starts_with(b"\n") && text.iter().filter(|byte| **byte == b'\n').count() == 2);
        }
    }
}
