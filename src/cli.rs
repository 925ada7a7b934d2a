//! The command line: argv -> command.

use std::path::PathBuf;

use clap::{CommandFactory, Parser, ValueEnum};

use crate::{login, setup};

/// Airbyte destination for the Databricks lakehouse: protocol messages in, Delta tables out.
#[derive(Debug, Parser)]
#[command(name = "destination-databricks", version, about)]
#[command(after_help = "Messages are read from standard input and written to standard output, one JSON object a line.")]
struct Arguments {
    /// What to do
    #[arg(value_enum)]
    command: CommandName,
    /// The configuration, a JSON file (check, write, setup)
    #[arg(long, value_name = "FILE", allow_hyphen_values = true)]
    #[arg(required_if_eq_any([("command", "check"), ("command", "write"), ("command", "setup")]))]
    config: Option<PathBuf>,
    /// The configured catalog, a JSON file (write; setup: only the rights for its streams)
    #[arg(long, value_name = "FILE", allow_hyphen_values = true, required_if_eq("command", "write"))]
    catalog: Option<PathBuf>,
    #[command(flatten)]
    login: LoginArguments,
    #[command(flatten)]
    setup: SetupArguments,
}

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Options of login and logout")]
struct LoginArguments {
    /// The workspace's host name
    #[arg(long, value_name = "HOST")]
    host: Option<String>,
    /// A profile of ~/.databrickscfg that names the host; the login file is called like it
    #[arg(long, value_name = "NAME")]
    profile: Option<String>,
    /// The login file [default: below ~/.config/destination-databricks]
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// The application to sign in to [default: databricks-cli]
    #[arg(long, value_name = "ID")]
    client_id: Option<String>,
    /// A file with the application's secret, if it is a confidential one
    #[arg(long, value_name = "FILE")]
    client_secret_file: Option<PathBuf>,
    /// Signs in at the account with this id, in place of the workspace
    #[arg(long, value_name = "ID")]
    account_id: Option<String>,
    /// The host name of the account's console
    #[arg(long, value_name = "HOST")]
    account_host: Option<String>,
    /// The port to which the browser comes back [default: the first free one from 8020 on]
    #[arg(long, value_name = "PORT")]
    port: Option<u16>,
    /// Only prints the address, and opens no browser
    #[arg(long)]
    no_browser: bool,
}

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Options of setup")]
struct SetupArguments {
    /// Prints JSON
    #[arg(long)]
    json: bool,
    /// A file with a JWT of the workload, for its federation policy
    #[arg(long, value_name = "FILE")]
    jwt: Option<PathBuf>,
    /// The issuer of the JWT, if none is at hand
    #[arg(long, value_name = "URL")]
    issuer: Option<String>,
    /// The subject of the JWT
    #[arg(long, value_name = "TEXT")]
    subject: Option<String>,
    /// The audience of the JWT
    #[arg(long, value_name = "TEXT")]
    audience: Option<String>,
}

impl SetupArguments {
    fn is_given(&self) -> bool {
        let texts = [&self.issuer, &self.subject, &self.audience];
        self.json || self.jwt.is_some() || texts.iter().any(|text| text.is_some())
    }
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum CommandName {
    /// Print the connection specification: which settings there are
    Spec,
    /// Try the configuration out: write, load, read back and remove one row
    Check,
    /// Read messages from standard input and write their records to Delta tables
    Write,
    /// Sign in to Databricks as a user, with a browser
    Login,
    /// Remove the file of a user who has signed in
    Logout,
    /// Print what an administrator of Databricks has to run for a configuration
    Setup,
}

/// The three commands of an Airbyte destination, with the files that they need, and those for people.
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
    /// Sign in as a user.
    Login {
        /// Where.
        place: login::Place,
        /// How.
        options: login::Options,
    },
    /// Remove what that has left.
    Logout {
        /// Where.
        place: login::Place,
    },
    /// Print what an administrator has to run.
    Setup {
        /// For what.
        options: setup::Options,
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
    let LoginArguments {
        host,
        profile,
        file,
        client_id,
        client_secret_file,
        account_id,
        account_host,
        port,
        no_browser,
    } = arguments.login;
    let place = login::Place { host, profile, file };
    if arguments.setup.is_given() && !matches!(arguments.command, CommandName::Setup) {
        let what = "--json, --jwt, --issuer, --subject and --audience belong to setup";
        return Err(Arguments::command().error(clap::error::ErrorKind::ArgumentConflict, what));
    }
    match (arguments.command, arguments.config, arguments.catalog) {
        (CommandName::Login, _, _) => {
            let options = login::Options { client_id, client_secret_file, account_id, account_host, port, no_browser };
            Ok(Command::Login { place, options })
        }
        (CommandName::Logout, _, _) => Ok(Command::Logout { place }),
        (CommandName::Setup, Some(config), catalog) => {
            let SetupArguments { json, jwt, issuer, subject, audience } = arguments.setup;
            Ok(Command::Setup { options: setup::Options { config, catalog, json, jwt, issuer, subject, audience } })
        }
        (CommandName::Spec, _, _) => Ok(Command::Spec),
        (CommandName::Check, Some(config), _) => Ok(Command::Check { config }),
        (CommandName::Write, Some(config), Some(catalog)) => Ok(Command::Write { config, catalog }),
        (CommandName::Check | CommandName::Write | CommandName::Setup, _, _) => {
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
        for line in [
            "",
            "nope",
            "check",
            "write --config c",
            "spec --nope",
            "spec extra",
            "check --config",
            "setup",
            "login --port x",
            "check --config c --json",
            "write --config c --catalog c --jwt j",
        ] {
            assert_eq!(read(line).err().map(|error| error.exit_code()), Some(2), "{line:?}");
        }
        assert_eq!(read("--help").err().map(|error| error.exit_code()), Some(0));
    }
}
