//! argv -> command -> exit code: 0 done, 1 failed (a TRACE message says why), 2 wrong usage. Stopped by a signal, the
//! process dies of that signal.

use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::sync::Arc;

use destination_databricks::cli::{self, Command};
use destination_databricks::clock::{self, Givens, SystemClock};
use destination_databricks::config::LogLevel;
use destination_databricks::error::{Error, Result};
use destination_databricks::pipeline::stop::Stop;
use destination_databricks::pipeline::threads::Threads;
use destination_databricks::plain::plain;
use destination_databricks::protocol::writer::ProtocolWriter;
use destination_databricks::secret;
use destination_databricks::sync::Surroundings;
use destination_databricks::{allocator, check, process, spec, telemetry, write};

fn main() -> ExitCode {
    process::with_stack(run)
}

fn run() -> ExitCode {
    allocator::set_up();
    process::set_up();
    // What a defect says may hold anything that it met.
    std::panic::set_hook(Box::new(|defect| tell(&format!("defect: {defect}"))));
    let command = match cli::parse() {
        Ok(command) => command,
        Err(error) => return explain(&error),
    };
    let writer = Arc::new(ProtocolWriter::stdout());
    let level = LogLevel::of_environment();
    telemetry::start(&writer, level.most);
    if let Some(unknown) = &level.unknown {
        tracing::warn!("{unknown}");
    }
    let around = Surroundings {
        writer,
        givens: Givens { clock: Arc::new(SystemClock), new_id: clock::new_id },
        stop: Stop::default(),
        threads: Threads::plenty(),
    };
    let outcome = match command {
        Command::Spec => spec::message().and_then(|message| around.writer.deliver([message.as_str()])),
        Command::Check { config } => {
            let status = on_runtime(&around, async |around| check::run(&config, around).await).map_err(|error| {
                complain(&error);
                tracing::error!("{}", error.internal_message());
                error.message().to_owned()
            });
            around.writer.connection_status(status)
        }
        Command::Write { config, catalog } => on_runtime(&around, async |around| {
            let ended = write::run(&config, &catalog, std::io::stdin(), around).await;
            ended.result
        }),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&error);
            around.writer.error(&error, around.givens.clock.now_ms());
            around.stop.reason().map_or(ExitCode::FAILURE, |reason| reason.end_process())
        }
    }
}

/// Runs a command that waits for other things, and leaves behind whatever still runs when it has ended. A defect that
/// makes it panic becomes an error: the orchestrator has to get an answer. So does a machine that it cannot run on.
fn on_runtime(around: &Surroundings, command: impl AsyncFnOnce(&Surroundings) -> Result<()>) -> Result<()> {
    clock::ensure_plausible()?;
    process::ensure_files()?;
    let threads = Threads::available()?;
    // It panics where a thread is refused that could be started a moment ago.
    let runtime = catching(|| {
        tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .worker_threads(threads.workers)
            .max_blocking_threads(threads.blocking)
            .build()
            .map_err(|error| Error::system("The program could not be set up to wait.").with_source(error))
    })?;
    let outcome = catching(|| runtime.block_on(command(&Surroundings { threads, ..around.clone() })));
    runtime.shutdown_background();
    outcome
}

/// Runs `work`; nothing that it has changed is looked at after a panic.
fn catching<T>(work: impl FnOnce() -> Result<T>) -> Result<T> {
    // What the panic says may hold anything, so that it is told on stderr only.
    let defect = |_| Err(Error::system("The program has a defect and stopped; standard error says where."));
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(defect)
}

/// Prints help, version, or what is wrong with the command line together with the usage.
fn explain(error: &clap::Error) -> ExitCode {
    // Nobody is there to read it.
    let _ = error.print();
    if error.exit_code() != 0 && !error.to_string().contains("Usage:") {
        let _ = writeln!(std::io::stderr(), "\n{}", cli::usage());
    }
    ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2))
}

/// Tells people on stderr what the orchestrator is told on stdout.
fn complain(error: &Error) {
    // Others' words are in it, and a line that begins with them might pass for a message.
    secret::hide(error.message()).lines().for_each(|line| tell(&format!("error: {line}")));
}

/// Writes one line to stderr.
fn tell(text: &str) {
    // A closed stderr leaves nobody to tell.
    let _ = writeln!(std::io::stderr(), "{}", plain(&secret::hide(text)));
}

#[cfg(test)]
mod tests {
    use super::*;
    use destination_databricks::error::Kind;

    #[test]
    fn a_command_that_panics_ends_with_an_error() {
        let around = Surroundings {
            writer: Arc::new(ProtocolWriter::stdout()),
            givens: Givens { clock: Arc::new(SystemClock), new_id: clock::new_id },
            stop: Stop::default(),
            threads: Threads::plenty(),
        };
        let panicking = async |_: &Surroundings| if std::hint::black_box(true) { panic!("a defect") } else { Ok(()) };
        assert_eq!(on_runtime(&around, panicking).err().map(|error| error.kind()), Some(Kind::System));
    }
}
