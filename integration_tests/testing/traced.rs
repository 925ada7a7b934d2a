//! Syncs that die before a chosen step on disk: `strace` kills at a system call of a thread, of all calls or of those about the table's
//! folder or its log.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;

use crate::program::{Living, Run, Sandbox, skipped, unique};

/// The calls that change what lies on disk, or say something to whoever reads the program.
const CALLS: &str = "openat,linkat,renameat2,unlinkat,mkdirat,syncfs,fsync,fdatasync,write";

/// Where a sync is killed: before the `nth` such call of one thread.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Step {
    /// Only calls about this folder of the table.
    about: Option<&'static str>,
    call: String,
    nth: u32,
}

/// A sync that runs under strace.
pub struct Traced<'a> {
    pub sandbox: &'a Sandbox,
    /// The table that steps are about: its schema and its name.
    pub table: &'static str,
    pub catalog: &'a Value,
    pub input: &'a str,
}

/// Whether there is a strace that may trace; if not, says why `test` does nothing, or fails where it must be there.
pub fn is_there(test: &str) -> bool {
    let works = Command::new("strace").args(["-f", "-o", "/dev/null", "true"]).output();
    let works = works.is_ok_and(|output| output.status.success());
    if !works {
        assert!(std::env::var_os("CI").is_none(), "{test}: strace is not there, or may not trace");
        skipped(test, "strace is not there, or may not trace");
    }
    works
}

impl Traced<'_> {
    /// Runs it, and kills it before `step`.
    pub fn killed_before(&self, step: &Step) -> Run {
        let inject = format!("-einject={}:signal=KILL:when={}", step.call, step.nth);
        let mut options = vec!["-o".to_owned(), "/dev/null".to_owned(), format!("-etrace={}", step.call), inject];
        options.extend(self.about(step.about));
        self.run(&options)
    }

    /// The folder for which strace looks at calls.
    fn about(&self, folder: Option<&str>) -> Vec<String> {
        let folder = folder.map(|folder| self.sandbox.path(self.table).join(folder));
        folder
            .map(|folder| vec!["-P".to_owned(), folder.to_str().unwrap().trim_end_matches('/').to_owned()])
            .unwrap_or_default()
    }

    fn run(&self, options: &[String]) -> Run {
        let (program, config) = (self.sandbox.program(), self.sandbox.config());
        let streams = self.sandbox.file(&unique("traced"), self.catalog.to_string());
        let mut command = Command::new("strace");
        command.args(["-f", "-qq"]).args(options).arg(program.get_program());
        command.arg("write").arg("--config").arg(config).arg("--catalog").arg(streams);
        for (name, value) in program.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        let mut living = Living::start(&mut command);
        living.send(self.input);
        living.end()
    }
}

/// Every step of a sync about `table`, as a first run shows them: those that a thread does most often of each call. `make` prepares
/// the sync: its sandbox, catalog and input.
pub fn steps(table: &'static str, make: impl Fn() -> (Sandbox, Value, String)) -> BTreeSet<Step> {
    let mut steps = BTreeSet::new();
    for folder in [None, Some(""), Some("_delta_log")] {
        let (sandbox, catalog, input) = make();
        let traced = Traced { sandbox: &sandbox, table, catalog: &catalog, input: &input };
        let told: PathBuf = sandbox.folder().join("told");
        let mut options = vec!["-o".to_owned(), told.to_str().unwrap().to_owned(), format!("-etrace={CALLS}")];
        options.extend(traced.about(folder));
        let run = traced.run(&options);
        assert_eq!(run.code, Some(0), "{run:#?}");
        let mut counts: BTreeMap<(String, String), u32> = BTreeMap::new();
        for line in std::fs::read_to_string(told).unwrap().lines() {
            let Some((before, _)) = line.split_once('(') else { continue };
            let Some((process, call)) = before.split_once(' ') else { continue };
            *counts.entry((call.trim().to_owned(), process.to_owned())).or_default() += 1;
        }
        for ((call, _), count) in counts {
            // Without a folder, what is opened is libraries and settings as well.
            if folder.is_some() || call != "openat" {
                steps.extend((1..=count).map(|nth| Step { about: folder, call: call.clone(), nth }));
            }
        }
    }
    steps
}
