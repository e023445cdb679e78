//! What a command says on standard error before it ends, for services and for commands alike: lines that a terminal
//! shows and does not obey, whatever an argument or a file had in it. What cannot be written is lost: nobody is left to
//! be told.

use std::fmt;
use std::io::{self, Write as _};

use clap::error::ContextValue;

use crate::text::{escaped, escaped_lines};

/// Says in one line why the command ends.
pub fn say(why: impl fmt::Display) {
    let _ = writeln!(io::stderr(), "error: {}", escaped(&why.to_string()));
}

/// Says what clap has to say, and gives back the exit code. Help and version go to standard output, and in colours where
/// those are shown; a command line that is not understood is repeated in the sentence and so is told without.
pub fn usage(error: clap::Error) -> u8 {
    let code = u8::try_from(error.exit_code()).unwrap_or(2);
    // Nobody is left to be told when either cannot be written.
    let _ = if error.use_stderr() {
        io::stderr().write_all(refusal(error).as_bytes())
    } else {
        error.print()
    };
    code
}

fn refusal(mut error: clap::Error) -> String {
    // Rendering takes escape sequences for colours and leaves them out, so what was typed is written out before.
    let typed: Vec<_> = error
        .context()
        .filter_map(|(kind, value)| match value {
            ContextValue::String(text) => Some((kind, ContextValue::String(escaped(text)))),
            ContextValue::Strings(texts) => {
                let texts = texts.iter().map(|text| escaped(text)).collect();
                Some((kind, ContextValue::Strings(texts)))
            }
            _ => None,
        })
        .collect();
    for (kind, value) in typed {
        error.insert(kind, value);
    }
    escaped_lines(&error.render().to_string())
}

#[cfg(test)]
mod tests {
    use clap::{Arg, Command};

    use super::*;

    #[test]
    fn a_terminal_obeys_nothing_of_a_command_line_that_is_repeated() {
        let command = || {
            Command::new("tea")
                .arg(Arg::new("cups").long("cups").value_parser(["1", "2"]))
                .arg(Arg::new("kind").long("kind"))
        };
        for line in [
            &["tea", "--cups", "\u{1b}[31mRED\u{9b}"][..],
            &["tea", "\u{1b}[31mRED\u{9b}"],
            &["tea", "--\u{1b}[31mRED\u{9b}"],
            &[
                "tea",
                "--kind=a",
                "--kind",
                "\u{1b}[31mRED\u{9b}",
                "x\u{1b}[31mRED\u{9b}",
            ],
        ] {
            let error = command().try_get_matches_from(line).expect_err("refused");
            let said = refusal(error);
            assert!(
                !said.replace('\n', "").contains(char::is_control),
                "{said:?}"
            );
            assert!(said.lines().count() > 1, "{said}");
        }
        let error = command()
            .try_get_matches_from(["tea", "--cups", "\u{1b}[31mRED"])
            .expect_err("refused");
        let said = refusal(error);
        assert!(said.contains("'\\u{1b}[31mRED'"), "{said}");
    }
}
