//! The command line: argv -> command.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

/// Airbyte destination for the Databricks lakehouse: protocol messages in, Delta tables out.
#[derive(Debug, Parser)]
#[command(name = "destination-databricks", version, about)]
#[command(after_help = "Messages are read from standard input and written to standard output, one JSON object a line.")]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The three commands of an Airbyte destination.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Print the connection specification: which settings there are
    Spec,
    /// Try the configuration out: write, load, read back and remove one row
    Check(ConfigFile),
    /// Read messages from standard input and write their records to Delta tables
    Write(WriteFiles),
}

/// Where the configuration is.
#[derive(Debug, Args)]
pub struct ConfigFile {
    /// The configuration, a JSON file
    #[arg(long, value_name = "FILE", allow_hyphen_values = true)]
    pub config: PathBuf,
}

/// Where the configuration and the catalog are.
#[derive(Debug, Args)]
pub struct WriteFiles {
    /// The configuration, a JSON file
    #[arg(long, value_name = "FILE", allow_hyphen_values = true)]
    pub config: PathBuf,
    /// The configured catalog, a JSON file
    #[arg(long, value_name = "FILE", allow_hyphen_values = true)]
    pub catalog: PathBuf,
}
