//! A process that the proxy kills at a chosen request.

use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use super::proxy::Fault;
use crate::program::{Living, until};

/// The process to be killed, once it is known.
#[derive(Clone, Default)]
pub struct Victim(Arc<AtomicU32>);

impl Victim {
    /// It is `living`.
    pub fn is(&self, living: &Living) {
        self.0.store(living.process(), Ordering::SeqCst);
    }

    /// Kills it, and waits until it is gone: what the proxy does next happens after its death.
    fn kill(&self) {
        // It has sent its first request before the test knew its number.
        until("the process", || self.0.load(Ordering::SeqCst) != 0);
        let process = self.0.load(Ordering::SeqCst);
        drop(Command::new("sh").args(["-c", &format!("kill -9 {process}")]).status());
        until("its end", || has_ended(process));
    }
}

/// Whether no thread of a process runs any more; the test that started it may not have asked for its exit code yet.
fn has_ended(process: u32) -> bool {
    let Ok(status) = std::fs::read_to_string(format!("/proc/{process}/stat")) else { return true };
    // Behind the name, which is in parentheses and may have any sign in it.
    status.rsplit_once(')').is_none_or(|(_, rest)| rest.trim_start().starts_with(['Z', 'X']))
}

/// How a request and the death of its sender meet.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum When {
    /// It dies before the server hears of it.
    Before,
    /// It dies before it hears of the answer.
    After,
}

/// The fault that kills `victim`.
pub fn fault(when: When, victim: Victim) -> Fault {
    match when {
        When::Before => Fault::Instead(Arc::new(move || victim.kill())),
        When::After => Fault::Then(Arc::new(move || victim.kill())),
    }
}
