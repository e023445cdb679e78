//! `cargo listing`: runs the listings of the chapter, each by its number.

use std::env;
use std::io::{self, Write};
use std::process::ExitCode;

use anstyle::Style;
use anyhow::{Context, Result};
use clap::Parser;
use tests::listings::mutual_tls::PKI;
use tests::listings::{LISTINGS, Listing, Options, SEED, World, find};

/// Runs a listing of the chapter and tells its story.
///
/// Without a number it lists them. Each runs its own clients and servers on free ports of the loopback interface, in
/// real time, and leaves nothing behind.
#[derive(Debug, Parser)]
#[command(name = "listing", bin_name = "cargo listing")]
struct Arguments {
    /// 6.1 to 6.8, cancel, fig-6.1, or all
    number: Option<String>,
    /// Where random numbers begin (6.3 and 6.4): the same seed tells the same story [default: 44]
    #[arg(long, allow_hyphen_values = true, value_parser = seed)]
    seed: Option<u64>,
    /// How long a story goes on that has no end of its own (6.4, 6.5 and 6.6)
    #[arg(long, value_name = "SECONDS", allow_hyphen_values = true, value_parser = seconds)]
    seconds: Option<u64>,
}

/// The listings in which chance has a part.
const BY_CHANCE: &[&str] = &["6.3", "6.4"];
/// Those that have no end of their own.
const ENDLESS: &[&str] = &["6.4", "6.5", "6.6"];
/// Nobody reads longer than a day.
const LONGEST: u64 = 24 * 60 * 60;

fn seed(text: &str) -> Result<u64, String> {
    whole(text, 0, u64::MAX)
}

fn seconds(text: &str) -> Result<u64, String> {
    whole(text, 1, LONGEST)
}

fn whole(text: &str, least: u64, most: u64) -> Result<u64, String> {
    match text.parse() {
        Ok(number) if (least..=most).contains(&number) => Ok(number),
        _ => Err(format!("it is not a whole number from {least} to {most}")),
    }
}

impl Arguments {
    /// An option that changes nothing in what was asked for, and what it is for.
    fn idle_option(&self) -> Option<String> {
        let given = [
            ("--seed", self.seed, BY_CHANCE),
            ("--seconds", self.seconds, ENDLESS),
        ];
        given.into_iter().find_map(|(option, value, heeding)| {
            value?;
            let what = match self.number.as_deref() {
                None => "the list of listings".to_owned(),
                Some("all") => return None,
                Some(number) if heeding.contains(&number) => return None,
                Some(number) => format!("listing {number}"),
            };
            let heeding = heeding.join(", ");
            Some(format!(
                "{option} changes nothing in {what}: it is for {heeding} and all; leave it out"
            ))
        })
    }
}

fn main() -> ExitCode {
    // Listing 6.8 makes its certificates with `pki`: the same function as the binary of that name.
    let mut arguments = env::args_os().skip(1);
    if arguments.next().is_some_and(|first| first == PKI) {
        return pki_cli::main(std::iter::once(PKI.into()).chain(arguments));
    }
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => return ExitCode::from(rpc::complaint::usage(error)),
    };
    let listings = match arguments.number.as_deref() {
        None => match arguments.idle_option() {
            Some(idle) => return complain(&idle, 2),
            None => return finish(list(&mut anstream::stdout())),
        },
        Some("all") => LISTINGS,
        Some(number) => match find(number) {
            Ok(listing) => std::slice::from_ref(listing),
            Err(unknown) => return complain(&unknown.to_string(), 2),
        },
    };
    if let Some(idle) = arguments.idle_option() {
        return complain(&idle, 2);
    }
    let options = Options {
        seed: arguments.seed.unwrap_or(SEED),
        seconds: arguments.seconds,
    };
    finish(run(listings, options))
}

fn list(out: &mut dyn Write) -> Result<()> {
    let bold = Style::new().bold();
    for listing in LISTINGS {
        let Listing {
            number,
            title,
            shows,
            ..
        } = listing;
        writeln!(out, "{bold}{number:<8}{title}{bold:#}\n        {shows}")?;
    }
    writeln!(
        out,
        "\nRun one with `cargo listing 6.1`, all of them with `cargo listing all`."
    )?;
    Ok(())
}

fn run(listings: &[Listing], options: Options) -> Result<()> {
    let runtime = tokio::runtime::Runtime::new().context("cannot start the async runtime")?;
    runtime.block_on(async {
        let mut out = anstream::stdout();
        for (position, listing) in listings.iter().enumerate() {
            if position > 0 {
                writeln!(out)?;
            }
            (listing.run)(&mut out, World::Loopback, options)
                .await
                .with_context(|| format!("listing {} broke off", listing.number))?;
        }
        Ok(())
    })
}

fn finish(result: Result<()>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        // `cargo listing | head` is no failure.
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => complain(&format!("{error:#}"), 1),
    }
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let io = error.downcast_ref::<io::Error>();
    io.is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

fn complain(sentence: &str, code: u8) -> ExitCode {
    rpc::complaint::say(sentence);
    ExitCode::from(code)
}

#[cfg(test)]
mod the_help {
    use super::*;

    #[test]
    fn names_the_default_seed_and_those_that_heed_an_option() {
        let help = <Arguments as clap::CommandFactory>::command()
            .render_help()
            .to_string();
        // Wrapped as the terminal is wide.
        let help = help.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(help.contains(&format!("[default: {SEED}]")), "{help}");
        assert!(
            help.contains(&format!("({})", BY_CHANCE.join(" and "))),
            "{help}"
        );
        assert!(help.contains("(6.4, 6.5 and 6.6)"), "{help}");
        for number in BY_CHANCE.iter().chain(ENDLESS) {
            assert!(find(number).is_ok(), "{number}");
        }
    }
}
