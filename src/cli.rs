//! The command line: argv -> command.

use std::path::PathBuf;

use clap::{CommandFactory, Parser, ValueEnum};

/// Airbyte destination for the Databricks lakehouse: protocol messages in, Delta tables out.
#[derive(Debug, Parser)]
#[command(name = "destination-databricks", version, about)]
#[command(after_help = "Messages are read from standard input and written to standard output, one JSON object a line.")]
struct Arguments {
    /// What to do
    #[arg(value_enum)]
    command: CommandName,
    /// The configuration, a JSON file (check, write)
    #[arg(long, value_name = "FILE", allow_hyphen_values = true)]
    #[arg(required_if_eq_any([("command", "check"), ("command", "write")]))]
    config: Option<PathBuf>,
    /// The configured catalog, a JSON file (write)
    #[arg(long, value_name = "FILE", allow_hyphen_values = true, required_if_eq("command", "write"))]
    catalog: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum CommandName {
    /// Print the connection specification: which settings there are
    Spec,
    /// Try the configuration out: write, load, read back and remove one row
    Check,
    /// Read messages from standard input and write their records to Delta tables
    Write,
}

/// The three commands of an Airbyte destination, with the files that they need.
#[derive(Debug, PartialEq, Eq)]
pub enum Command {
    /// Print the connection specification.
    Spec,
    /// Try a configuration out.
    Check {
        /// The configuration.
        config: PathBuf,
    },
    /// Move records into tables.
    Write {
        /// The configuration.
        config: PathBuf,
        /// The configured catalog.
        catalog: PathBuf,
    },
}

/// Reads the command line; options and command may come in any order.
///
/// # Errors
/// What to print instead, and the exit code: 0 for `--help` and `--version`, 2 for wrong usage, with the usage.
pub fn parse() -> Result<Command, clap::Error> {
    command(Arguments::try_parse()?)
}

fn command(arguments: Arguments) -> Result<Command, clap::Error> {
    match (arguments.command, arguments.config, arguments.catalog) {
        (CommandName::Spec, _, _) => Ok(Command::Spec),
        (CommandName::Check, Some(config), _) => Ok(Command::Check { config }),
        (CommandName::Write, Some(config), Some(catalog)) => Ok(Command::Write { config, catalog }),
        (CommandName::Check | CommandName::Write, _, _) => {
            Err(Arguments::command().error(clap::error::ErrorKind::MissingRequiredArgument, "a file is missing"))
        }
    }
}

/// How the program is used, in one line.
pub fn usage() -> String {
    Arguments::command().render_usage().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<Command, clap::Error> {
        command(Arguments::try_parse_from(std::iter::once("program").chain(line.split_whitespace()))?)
    }

    #[test]
    fn options_and_command_come_in_any_order_and_files_may_begin_with_a_dash() {
        let write = Command::Write { config: "-c.json".into(), catalog: "cat.json".into() };
        for line in [
            "write --config -c.json --catalog cat.json",
            "--catalog cat.json write --config=-c.json",
            "--config -c.json --catalog cat.json write",
        ] {
            assert_eq!(read(line).ok().as_ref(), Some(&write), "{line}");
        }
    }

    #[test]
    fn wrong_usage_exits_with_2() {
        for line in ["", "nope", "check", "write --config c", "spec --nope", "spec extra", "check --config"] {
            assert_eq!(read(line).err().map(|error| error.exit_code()), Some(2), "{line:?}");
        }
        assert_eq!(read("--help").err().map(|error| error.exit_code()), Some(0));
    }
}
