//! argv -> command -> exit code: 0 done, 1 failed (a TRACE message says why), 2 wrong usage, 130 and 143 stopped by a
//! signal.

use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::sync::Arc;

use uuid::Uuid;

use destination_databricks::cli::{self, Command};
use destination_databricks::clock::{Givens, SystemClock};
use destination_databricks::error::{Error, Result};
use destination_databricks::pipeline::stop::Stop;
use destination_databricks::protocol::writer::ProtocolWriter;
use destination_databricks::secret;
use destination_databricks::sync::Surroundings;
use destination_databricks::{allocator, check, spec, telemetry, write};

/// Threads for work that blocks: files, encoding, reading logs.
const BLOCKING_THREADS: usize = 64;

fn main() -> ExitCode {
    allocator::set_up();
    // What a defect says may hold anything that it met.
    std::panic::set_hook(Box::new(|defect| drop(writeln!(std::io::stderr(), "{}", secret::hide(&defect.to_string())))));
    let command = match cli::parse() {
        Ok(command) => command,
        Err(error) => return explain(&error),
    };
    let writer = Arc::new(ProtocolWriter::stdout());
    telemetry::start(&writer);
    let around = Surroundings {
        writer,
        givens: Givens { clock: Arc::new(SystemClock), new_id: Uuid::now_v7 },
        stop: Stop::default(),
    };
    let outcome = match command {
        Command::Spec => spec::message().and_then(|message| around.writer.deliver([message.as_str()])),
        Command::Check { config } => {
            let status = on_runtime(|| check::run(&config, &around)).map_err(|error| {
                complain(&error);
                tracing::error!("{}", error.internal_message());
                error.message().to_owned()
            });
            around.writer.connection_status(status)
        }
        Command::Write { config, catalog } => on_runtime(|| async {
            let ended = write::run(&config, &catalog, std::io::stdin(), &around).await;
            ended.result
        }),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&error);
            around.writer.error(&error, around.givens.clock.now_ms());
            around.stop.reason().map_or(ExitCode::FAILURE, |reason| ExitCode::from(reason.exit_code()))
        }
    }
}

/// Runs a command that waits for other things, and leaves behind whatever still runs when it has ended. A defect that
/// makes it panic becomes an error: the orchestrator has to get an answer.
fn on_runtime<F: Future<Output = Result<()>>>(command: impl FnOnce() -> F) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .max_blocking_threads(BLOCKING_THREADS)
        .build()
        .map_err(|error| Error::system("No threads could be started.").with_source(error))?;
    // Nothing that the command has changed is looked at afterwards.
    let outcome = catch_unwind(AssertUnwindSafe(|| runtime.block_on(command())));
    runtime.shutdown_background();
    // What the panic says may hold anything, so that it is told on stderr only.
    outcome.unwrap_or_else(|_| Err(Error::system("The program has a defect and stopped; standard error says where.")))
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
    // A closed stderr leaves nobody to tell.
    let _ = writeln!(std::io::stderr(), "error: {}", secret::hide(&error.to_string()));
}

#[cfg(test)]
mod tests {
    use super::*;
    use destination_databricks::error::Kind;

    #[test]
    fn a_command_that_panics_ends_with_an_error() {
        let panicking = async { if std::hint::black_box(true) { panic!("a defect") } else { Ok(()) } };
        assert_eq!(on_runtime(|| panicking).err().map(|error| error.kind()), Some(Kind::System));
    }
}
