//! Runs the program as a user whom file permissions bind; root becomes `nobody` for that.

use std::ffi::OsString;
use std::io::ErrorKind;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::program::{Living, Run, Sandbox, program};

/// User and group `nobody`, on every Linux.
const NOBODY: u32 = 65534;

/// How to start the program without privileges.
pub struct Unprivileged {
    command: Vec<OsString>,
    owner: Option<u32>,
}

impl Unprivileged {
    /// For runs in `sandbox`; `None` if this is root and the system has no `setpriv`.
    pub fn for_runs_in(sandbox: &Sandbox) -> Option<Self> {
        let own = program().get_program().to_owned();
        if !may_write_everywhere(sandbox) {
            return Some(Self { command: vec![own], owner: None });
        }
        let setpriv = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--"].map(OsString::from);
        let can = |what: &[OsString]| match Command::new(&setpriv[0]).args(&setpriv[1..]).args(what).output() {
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            output => Some(output.unwrap().status.success()),
        };
        let program = if can(&["test".into(), "-x".into(), own.clone()])? {
            own
        } else {
            let copy = sandbox.folder().join("program").into_os_string();
            // Not copied by this process: a file that is open for writing, also in a child that another test has just
            // forked, cannot be run.
            assert!(Command::new("cp").arg(own).arg(&copy).status().unwrap().success());
            copy
        };
        let command = setpriv.into_iter().chain([program]).collect();
        Some(Self { command, owner: Some(NOBODY) })
    }

    /// `check` with the sandbox's configuration.
    pub fn check(&self, sandbox: &Sandbox) -> Run {
        self.run(sandbox, &["check".into(), "--config".into(), sandbox.config().into()], "")
    }

    /// `write` with the sandbox's configuration, to the end.
    pub fn write(&self, sandbox: &Sandbox, catalog: &Value, input: impl AsRef<[u8]>) -> Run {
        let catalog = sandbox.file("catalog.json", catalog.to_string());
        let arguments =
            ["write".into(), "--config".into(), sandbox.config().into(), "--catalog".into(), catalog.into()];
        self.run(sandbox, &arguments, input)
    }

    fn run(&self, sandbox: &Sandbox, arguments: &[OsString], input: impl AsRef<[u8]>) -> Run {
        if let Some(owner) = self.owner {
            give(sandbox.folder(), owner);
        }
        let mut living = Living::start(Command::new(&self.command[0]).args(&self.command[1..]).args(arguments));
        living.send(input);
        living.end()
    }
}

/// Tried out, not guessed from the user's number: it is a capability that decides.
fn may_write_everywhere(sandbox: &Sandbox) -> bool {
    let closed = sandbox.folder().join("closed");
    std::fs::create_dir(&closed).unwrap();
    std::fs::set_permissions(&closed, std::fs::Permissions::from_mode(0o555)).unwrap();
    let may = std::fs::write(closed.join("probe"), "").is_ok();
    std::fs::remove_dir_all(closed).unwrap();
    may
}

/// Makes `owner` the owner of all that is in `path`; the modes stay.
fn give(path: &Path, owner: u32) {
    chown(path, Some(owner), Some(owner)).unwrap();
    if path.is_dir() {
        std::fs::read_dir(path).unwrap().for_each(|entry| give(&entry.unwrap().path(), owner));
    }
}
