//! argv -> command -> exit code: 0 done, 1 failed (a TRACE message says why), 2 wrong usage. If a signal stops the
//! process, it ends with that signal.

use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::sync::Arc;

use destination_databricks::cli::{self, Command};
use destination_databricks::clock::{self, ClockAndIds, SystemClock};
use destination_databricks::config::LogLevel;
use destination_databricks::databricks::sign_in::no_renewals;
use destination_databricks::error::{Error, Result};
use destination_databricks::plain::plain;
use destination_databricks::protocol::writer::ProtocolWriter;
use destination_databricks::secret;
use destination_databricks::sync::Context;
use destination_databricks::tasks::stop::{GRACE, Stop};
use destination_databricks::tasks::threads::Threads;
use destination_databricks::{allocator, check, login, process, setup, spec, telemetry, write};

fn main() -> ExitCode {
    process::with_stack(run)
}

fn run() -> ExitCode {
    allocator::set_up();
    process::set_up();
    // A panic's message may hold values and secrets.
    std::panic::set_hook(Box::new(|defect| tell(&secret::hide_in_answer(&format!("defect: {defect}")))));
    let command = match cli::parse() {
        Ok(command) => command,
        Err(error) => return explain(&error),
    };
    let writer = Arc::new(ProtocolWriter::stdout());
    if matches!(command, Command::Login { .. } | Command::Logout { .. } | Command::Setup { .. }) {
        return for_people(command, writer);
    }
    let level = LogLevel::of_environment();
    telemetry::start(&writer, level.most);
    if let Some(unknown) = &level.unknown {
        tracing::warn!("{unknown}");
    }
    let context = Context {
        writer,
        clock_and_ids: ClockAndIds { clock: Arc::new(SystemClock), new_id: clock::new_id },
        stop: Stop::default(),
        threads: Threads::plenty(),
    };
    let outcome = match command {
        Command::Spec => spec::message().and_then(|message| context.writer.deliver([message.as_str()])),
        Command::Check { config } => {
            let status = on_runtime(&context, async |context| check::run(&config, context).await).map_err(|error| {
                complain(&error);
                tracing::error!("{}", error.internal_message());
                error.to_string()
            });
            let has_failed = status.is_err();
            let delivered = context.writer.connection_status(status);
            match context.stop.reason().filter(|_| has_failed) {
                Some(reason) => reason.end_process(),
                None => delivered,
            }
        }
        Command::Write { config, catalog } => {
            on_runtime(&context, async |context| write::run(&config, &catalog, std::io::stdin(), context).await)
        }
        Command::Login { .. } | Command::Logout { .. } | Command::Setup { .. } => Ok(()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&error);
            context.writer.error(&error, context.clock_and_ids.clock.now_ms());
            context.stop.reason().map_or(ExitCode::FAILURE, |reason| reason.end_process())
        }
    }
}

/// Runs a command that people use, not an orchestrator: its result is text, and there are no messages.
fn for_people(command: Command, writer: Arc<ProtocolWriter>) -> ExitCode {
    let context = Context {
        writer,
        clock_and_ids: ClockAndIds { clock: Arc::new(SystemClock), new_id: clock::new_id },
        stop: Stop::default(),
        threads: Threads::plenty(),
    };
    let mut said = String::new();
    let run = async |_: &Context| {
        said = match &command {
            Command::Login { place, options } => login::login(place, options, &tell).await?,
            Command::Logout { place } => login::logout(place).await?,
            Command::Setup { options } => setup::run(options).await?,
            Command::Spec | Command::Check { .. } | Command::Write { .. } => String::new(),
        };
        Ok(())
    };
    let outcome = on_runtime(&context, run);
    // A plan has hidden its own: it may be longer than any message.
    let said = if matches!(command, Command::Setup { .. }) { said } else { secret::hide(&said).into_owned() };
    match outcome.and_then(|()| context.writer.deliver(said.lines())) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&error);
            ExitCode::FAILURE
        }
    }
}

/// Runs an asynchronous command. Background work that is left when it ends is not waited for, except for the renewal of a token. A
/// panic becomes an error, because the orchestrator has to get an answer.
fn on_runtime(context: &Context, command: impl AsyncFnOnce(&Context) -> Result<()>) -> Result<()> {
    clock::ensure_plausible()?;
    process::ensure_files()?;
    let threads = Threads::available()?;
    // Building the runtime panics if the system refuses a thread.
    let runtime = catching(|| {
        tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .worker_threads(threads.workers)
            .max_blocking_threads(threads.blocking)
            .build()
            .map_err(|error| Error::system("The asynchronous runtime could not be started.").with_source(error))
    })?;
    let outcome = catching(|| runtime.block_on(command(&Context { threads, ..context.clone() })));
    // Whatever the command has ended with: what is asked for now may bring the only refresh token that is good.
    let _none_begins = runtime.block_on(no_renewals(GRACE));
    runtime.shutdown_background();
    outcome
}

/// Runs `work`; a panic becomes an error. After a panic the caller must not use what `work` may have changed.
fn catching<T>(work: impl FnOnce() -> Result<T>) -> Result<T> {
    // A panic's message may hold values and secrets: the panic hook writes it to stderr, with secrets hidden.
    let defect = |_| Err(Error::system("The program has a defect and stopped; standard error says where."));
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(defect)
}

/// Prints help, version, or what is wrong with the command line together with the usage.
fn explain(error: &clap::Error) -> ExitCode {
    // If stderr is closed, nobody reads it.
    let _ = error.print();
    if error.exit_code() != 0 && !error.to_string().contains("Usage:") {
        let _ = writeln!(std::io::stderr(), "\n{}", cli::usage());
    }
    ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2))
}

/// Writes the error to stderr, for people; the orchestrator gets it on stdout.
fn complain(error: &Error) {
    // A server's words may be in it: the prefix keeps a line of them from looking like a protocol message.
    secret::hide(&error.to_string()).lines().for_each(|line| tell(&format!("error: {line}")));
}

/// Writes one line to stderr.
fn tell(text: &str) {
    // If stderr is closed, nobody reads it.
    let _ = writeln!(std::io::stderr(), "{}", plain(&secret::hide(text)));
}

#[cfg(test)]
mod tests {
    use super::*;
    use destination_databricks::error::Kind;

    #[test]
    fn a_command_that_panics_ends_with_an_error() {
        let context = Context {
            writer: Arc::new(ProtocolWriter::stdout()),
            clock_and_ids: ClockAndIds { clock: Arc::new(SystemClock), new_id: clock::new_id },
            stop: Stop::default(),
            threads: Threads::plenty(),
        };
        let panicking = async |_: &Context| if std::hint::black_box(true) { panic!("a defect") } else { Ok(()) };
        assert_eq!(on_runtime(&context, panicking).err().map(|error| error.kind()), Some(Kind::System));
    }
}
