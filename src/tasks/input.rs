//! Lines of standard input for a command that a person uses: read on a thread of their own, because nothing can wake one that waits for
//! input.

use std::io::BufRead;
use std::sync::mpsc::{Receiver, channel};

use crate::error::{Error, Result};

/// Lines that have been read and not yet taken.
pub struct Lines(Receiver<String>);

impl Lines {
    /// The next line, if there is one.
    pub fn next(&self) -> Option<String> {
        self.0.try_recv().ok()
    }
}

/// Begins to read lines. Where standard input is closed, there are none.
///
/// # Errors
/// The system refuses the thread.
pub fn lines() -> Result<Lines> {
    let (sender, receiver) = channel();
    let read = move || {
        for line in std::io::stdin().lock().lines().map_while(std::result::Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    };
    let started = std::thread::Builder::new().name("input".to_owned()).spawn(read);
    started.map_err(|error| Error::system("The system refuses a thread that reads the input.").with_source(error))?;
    Ok(Lines(receiver))
}
