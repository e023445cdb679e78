//! `pki ca`: what is done to the CA itself after it was made.

mod report;
mod rotate;

use crate::{Global, command_error::CommandError, output::Output};

/// Look after the CA itself
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: pki ca rotate status")]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    Rotate(rotate::Args),
}

pub(crate) fn run(global: &Global, args: &Args, output: &mut Output) -> Result<(), CommandError> {
    match &args.command {
        Command::Rotate(args) => rotate::run(global, args, output),
    }
}
