//! The command `pki`: a private certificate authority without openssl scripts.
//!
//! This crate is the edge: it alone reads the command line, the environment, the clock and the terminal, and it alone
//! prints. What a certificate may hold and how it is made is the business of the library `pki`.
//!
//! One file per command stands in `commands`; [`command_error`] holds every exit code; [`output`] is the only place
//! that writes to stdout and stderr.

mod bulk;
pub mod command_error;
mod commands;
mod connection;
mod descriptor;
mod input;
mod number;
pub mod output;
mod passphrase;
mod period;
mod ready_keys;
mod show;
mod table;
mod trust;
mod verdict;
mod words;

use std::{
    ffi::OsString,
    io,
    path::PathBuf,
    process::ExitCode,
    sync::{Arc, atomic::AtomicBool},
};

use clap::{Args as _, CommandFactory, FromArgMatches, Parser};
use serde_json::json;

use crate::{
    command_error::{CommandError, Kind},
    commands::Command,
    output::Output,
};

/// A private certificate authority in one command: safe by default, crash-proof, without openssl scripts
///
/// Everything lives in one folder (--dir): the CA in DIR/ca, and one folder per certificate, DIR/NAME, with
/// tls.crt, tls.key and ca.crt, the layout that cert-manager mounts in Kubernetes.
#[derive(Debug, Parser)]
#[command(name = "pki", version, arg_required_else_help = true, after_help = command_error::EXIT_CODES_HELP)]
struct Arguments {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

/// What every command understands.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Global {
    /// The folder that holds everything: the CA in DIR/ca, certificates in DIR/NAME
    #[arg(
        long,
        global = true,
        env = "PKI_DIR",
        default_value = "certs",
        value_name = "DIR",
        hide_env_values = true
    )]
    pub(crate) dir: PathBuf,
    /// Print one JSON document on stdout instead of text for people
    #[arg(long, global = true)]
    pub(crate) json: bool,
}

/// Runs `pki` with these arguments (the first is the program's name) and returns the exit code of the process.
pub fn main(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    outlive_the_file_size_limit();
    let args: Vec<OsString> = args.into_iter().collect();
    if let [_, only] = args.as_slice()
        && (only == "--version" || only == "-V")
    {
        return version();
    }
    let mut output = Output::from_process();
    // Looked for by hand as well: what cannot be understood is told in JSON to whoever asked for it.
    let asks_for_json = args
        .iter()
        .take_while(|arg| *arg != "--")
        .any(|arg| arg == "--json");
    let arguments = match parse(args) {
        Ok(arguments) => arguments,
        Err(error) => return usage(&error, asks_for_json.then_some(&mut output)),
    };
    output.set_json(arguments.global.json);
    let outcome = commands::run(&arguments.global, arguments.command, &mut output)
        .and_then(|()| output.finish().map_err(CommandError::from));
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever reads us has seen enough (`pki list | head`): nothing failed.
        Err(error) if error.kind() == Kind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            output.error(&error);
            ExitCode::from(error.kind().exit_code())
        }
    }
}

/// Beyond the limit of `ulimit -f` the kernel sends a signal that ends a process without a word. With a handler the write
/// fails instead (EFBIG), which becomes a sentence and is cleaned up after like every other failure.
fn outlive_the_file_size_limit() {
    // Without it nothing is worse than before.
    let _ = signal_hook::flag::register(
        signal_hook::consts::SIGXFSZ,
        Arc::new(AtomicBool::new(false)),
    );
}

/// What clap would print, without the description of every command that it builds before: scripts and packagers ask for
/// the version alone, and often.
fn version() -> ExitCode {
    printed(output::plain(concat!(
        "pki ",
        env!("CARGO_PKG_VERSION"),
        "\n"
    )))
}

/// The end of a process that was to print something and do nothing else.
fn printed(outcome: io::Result<()>) -> ExitCode {
    let Err(error) = outcome else {
        return ExitCode::SUCCESS;
    };
    let error = CommandError::from(error);
    if error.kind() != Kind::BrokenPipe {
        Output::from_process().error(&error);
    }
    ExitCode::from(error.kind().exit_code())
}

fn parse(args: Vec<OsString>) -> Result<Arguments, clap::Error> {
    // To describe every command takes longer than to read a certificate. That is only done to tell what is wrong.
    let only = args.get(1).and_then(|name| name.to_str());
    if let Some(only) = only.and_then(commands::described) {
        let command = Global::augment_args(clap::Command::new("pki")).subcommand(only);
        if let Ok(matches) = command.try_get_matches_from(&args) {
            return Arguments::from_arg_matches(&matches);
        }
    }
    let matches = Arguments::command().try_get_matches_from(args)?;
    Arguments::from_arg_matches(&matches)
}

/// clap prints its own usage errors, help and version; only the exit code is ours. It repeats what was typed, though, and
/// a terminal would obey what is hidden in that.
fn usage(error: &clap::Error, json: Option<&mut Output>) -> ExitCode {
    let is_wanted = !error.use_stderr();
    match json {
        Some(output) if is_wanted => return printed(wanted_document(error, output)),
        Some(output) => output.usage_document(&CommandError::new(Kind::Usage, sentence(error))),
        None => {}
    }
    let text = error.render().to_string();
    // Line ends are the layout, and backslashes in a sentence of ours were doubled by it where they had to be.
    let shown: String = text
        .chars()
        .map(|c| match c {
            '\n' | '\\' => c.to_string(),
            c => pki::text::escape(c.encode_utf8(&mut [0; 4])),
        })
        .collect();
    let outcome = if text == shown {
        error.print()
    } else if is_wanted {
        output::plain(&shown)
    } else {
        output::plain_error(&shown)
    };
    match is_wanted {
        true => printed(outcome),
        false => ExitCode::from(Kind::Usage.exit_code()),
    }
}

/// The version, or the help, for a program.
fn wanted_document(error: &clap::Error, output: &mut Output) -> io::Result<()> {
    output.document(&match error.kind() {
        clap::error::ErrorKind::DisplayVersion => json!({ "version": env!("CARGO_PKG_VERSION") }),
        _ => json!({ "help": error.render().to_string() }),
    })?;
    output.finish()
}

/// What was wrong with the command line, without the usage and the tips that follow it.
fn sentence(error: &clap::Error) -> String {
    if error.kind() == clap::error::ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        return "A command or an argument is missing; see --help.".to_owned();
    }
    let text = error.render().to_string();
    let first = text.split("\n\n").next().unwrap_or_default();
    let words: Vec<_> = first.split_whitespace().collect();
    let sentence = words.join(" ");
    sentence
        .strip_prefix("error: ")
        .unwrap_or(&sentence)
        .to_owned()
}
