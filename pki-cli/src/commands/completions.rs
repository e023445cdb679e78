//! `pki completions`: the script that lets a shell complete commands and options.

use clap::{Arg, Command, CommandFactory};
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
    let mut arguments = Arguments::command();
    generate(args.shell, &mut arguments, "pki", &mut script);
    let mut script = String::from_utf8_lossy(&script).into_owned();
    match args.shell {
        // Two colons take away what stands before the names, and with it the command whose options are completed.
        Shell::Zsh => script = script.replace("\n'*::", "\n'*:"),
        Shell::Fish => script.push_str(&words_for_fish(&arguments)),
        _ => {}
    }
    if output.json() {
        return Ok(output.document(&json!({
            "shell": args.shell.to_string(),
            "script": script,
        }))?);
    }
    Ok(output.write(script)?)
}

/// The words that stand without an option, as the stages of a rotation, which the generator for fish leaves out.
fn words_for_fish(arguments: &Command) -> String {
    let mut script = String::new();
    for above in arguments.get_subcommands() {
        let using = format!("__fish_pki_using_subcommand {}", above.get_name());
        push_words(above, &using, &mut script);
        for command in above.get_subcommands() {
            let seen = format!(
                "{using}; and __fish_seen_subcommand_from {}",
                command.get_name()
            );
            push_words(command, &seen, &mut script);
        }
    }
    script
}

fn push_words(command: &Command, condition: &str, script: &mut String) {
    let words = command.get_positionals().flat_map(Arg::get_possible_values);
    let words: Vec<_> = words.collect();
    let names: Vec<_> = words.iter().map(|word| word.get_name()).collect();
    let names = names.join(" ");
    for word in &words {
        let help = word.get_help().map(ToString::to_string).unwrap_or_default();
        script.push_str(&format!(
            "complete -c pki -n \"{condition}; and not __fish_seen_subcommand_from {names}\" -f -a \"{}\" -d '{}'\n",
            word.get_name(),
            help.replace('\\', "\\\\").replace('\'', "\\'")
        ));
    }
}
