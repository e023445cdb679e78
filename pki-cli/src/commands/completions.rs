//! `pki completions`: the script that lets a shell complete commands and options.

use clap::CommandFactory;
use clap_complete::aot::{Shell, generate};
use serde_json::json;

use crate::{Arguments, Global, command_error::CommandError, output::Output};

const WHERE: &str = "\
Where the script belongs:
  bash        ~/.local/share/bash-completion/completions/pki
  zsh         _pki in a folder of $fpath, for example ~/.zfunc/_pki with \"fpath+=~/.zfunc\" before compinit in ~/.zshrc
  fish        ~/.config/fish/completions/pki.fish
  elvish      ~/.config/elvish/lib/pki.elv, with \"use pki\" in ~/.config/elvish/rc.elv
  powershell  a file that $PROFILE reads, or $PROFILE itself

Example: pki completions bash > ~/.local/share/bash-completion/completions/pki";

/// Print the script with which a shell completes commands and options
///
/// It goes to stdout; put it where your shell looks for such scripts, and open a new shell.
#[derive(Debug, clap::Args)]
#[command(after_help = WHERE)]
pub(crate) struct Args {
    /// The shell
    shell: Shell,
}

pub(crate) fn run(_: &Global, args: &Args, output: &mut Output) -> Result<(), CommandError> {
    let mut script = Vec::new();
    generate(args.shell, &mut Arguments::command(), "pki", &mut script);
    if output.json() {
        return Ok(output.document(&json!({
            "shell": args.shell.to_string(),
            "script": String::from_utf8_lossy(&script),
        }))?);
    }
    Ok(output.write(script)?)
}
