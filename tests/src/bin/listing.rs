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
    /// Where random numbers begin: the same seed tells the same story
    #[arg(long, default_value_t = SEED)]
    seed: u64,
    /// How long a story goes on that has no end of its own (6.4, 6.5 and 6.6)
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..))]
    seconds: Option<u64>,
}

fn main() -> ExitCode {
    // Listing 6.8 makes its certificates with `pki`: the same function as the binary of that name.
    let mut arguments = env::args_os().skip(1);
    if arguments.next().is_some_and(|first| first == PKI) {
        return pki_cli::main(std::iter::once(PKI.into()).chain(arguments));
    }
    let arguments = Arguments::parse();
    let listings = match arguments.number.as_deref() {
        None => return finish(list(&mut anstream::stdout())),
        Some("all") => LISTINGS,
        Some(number) => match find(number) {
            Ok(listing) => std::slice::from_ref(listing),
            Err(unknown) => return complain(&unknown.to_string(), 2),
        },
    };
    let options = Options {
        seed: arguments.seed,
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
    // Nothing is left to tell it to when stderr is closed.
    let _ = writeln!(anstream::stderr(), "error: {sentence}");
    ExitCode::from(code)
}
