//! The commands, one file each. Every file holds `Args`, whose doc comments are the help text, and `run`.

mod inspect;
mod verify;

use crate::{Global, command_error::CommandError, output::Output};

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    Inspect(inspect::Args),
    Verify(verify::Args),
}

pub(crate) fn run(
    global: &Global,
    command: Command,
    output: &mut Output,
) -> Result<(), CommandError> {
    match command {
        Command::Inspect(args) => inspect::run(global, &args, output),
        Command::Verify(args) => verify::run(global, &args, output),
    }
}
