//! `pki man`: the manual pages, one per command, made from the same text as `--help`.
//!
//! What only a manual has is added here: the table of exit codes, which stands in `command_error`, and the examples in
//! a section of their own.

use std::{
    io::{self, Write},
    path::PathBuf,
};

use clap::CommandFactory;
use clap_mangen::{
    Man,
    roff::{Roff, bold, roman},
};
use pki::{
    folder::{self, Access},
    text::escape,
};
use serde_json::json;

use crate::{
    Arguments, Global,
    command_error::{CommandError, EXIT_CODES_HELP, Kind, exit_codes},
    commands::patience,
    output::Output,
    show,
};

/// Print a manual page, or write all of them
///
/// Without --out, prints the page of the command that is named (or of pki itself) to stdout, for `man -l -` or a file.
/// With --out, writes every page: pki.1, pki-issue.1 and so on.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: pki man --out ~/.local/share/man/man1
Example: pki man issue | man -l -")]
pub(crate) struct Args {
    /// The command that the page is about
    #[arg(value_name = "COMMAND", conflicts_with = "out")]
    words: Vec<String>,
    /// Write every page into this folder; pages that are there are replaced
    #[arg(long, value_name = "FOLDER")]
    out: Option<PathBuf>,
    /// Tell which pages would be written, and write none
    #[arg(long, requires = "out")]
    dry_run: bool,
}

pub(crate) fn run(_: &Global, args: &Args, output: &mut Output) -> Result<(), CommandError> {
    let pages = match &args.out {
        Some(_) => pages(),
        None => vec![page_of(&args.words)?],
    };
    if let Some(out) = &args.out
        && args.dry_run
    {
        folder::check_writable(out).map_err(pki::Error::from)?;
    } else if let Some(out) = &args.out {
        folder::create_folder(out, 0o755).map_err(pki::Error::from)?;
        for page in &pages {
            let path = out.join(&page.name);
            folder::place_file(
                &path,
                Access::Public,
                page.roff.as_bytes(),
                true,
                &mut patience(),
            )
            .map_err(pki::Error::from)?;
        }
    }
    if output.json() {
        let pages: Vec<_> = pages
            .iter()
            .map(|page| json!({"name": page.name, "command": page.command, "roff": page.roff}))
            .collect();
        return Ok(output.document(&json!({
            "dry_run": args.dry_run,
            "folder": args.out.as_deref().map(show::path_json),
            "pages": pages,
        }))?);
    }
    let Some(out) = &args.out else {
        for page in &pages {
            output.write(&page.roff)?;
        }
        return Ok(());
    };
    let wrote = if args.dry_run { "Would write" } else { "Wrote" };
    output.line(format_args!(
        "{wrote} {} pages into {}",
        pages.len(),
        escape(&out.to_string_lossy())
    ))?;
    for page in &pages {
        output.line(format_args!("  {}", page.name))?;
    }
    Ok(())
}

/// One manual page.
struct Page {
    /// The file's name: pki-ca-rotate.1.
    name: String,
    /// What is typed: pki ca rotate.
    command: String,
    roff: String,
}

/// The command line as it is, with every name that clap gives on its first use.
fn built() -> clap::Command {
    let mut command = Arguments::command().disable_help_subcommand(true);
    command.build();
    command
}

/// Every page, the command's own first.
fn pages() -> Vec<Page> {
    let mut pages = Vec::new();
    collect(&built(), &mut pages);
    pages
}

fn collect(command: &clap::Command, pages: &mut Vec<Page>) {
    pages.push(page(command));
    for below in command
        .get_subcommands()
        .filter(|below| !below.is_hide_set())
    {
        collect(below, pages);
    }
}

fn page_of(words: &[String]) -> Result<Page, CommandError> {
    let root = built();
    let mut command = &root;
    for word in words {
        command = command.find_subcommand(word).ok_or_else(|| {
            CommandError::new(
                Kind::Usage,
                format_args!(
                    "There is no command \"{} {}\", so there is no page about it.",
                    command.get_bin_name().unwrap_or("pki"),
                    escape(word)
                ),
            )
            .hint("pki --help lists the commands")
        })?;
    }
    Ok(page(command))
}

fn page(command: &clap::Command) -> Page {
    let man = Man::new(command.clone());
    let mut roff = Vec::new();
    // A vector takes everything.
    let _ = render(&man, command, &mut roff);
    Page {
        name: man.get_filename(),
        command: command.get_bin_name().unwrap_or("pki").to_owned(),
        roff: tidied(&String::from_utf8_lossy(&roff)),
    }
}

/// The page as every formatter takes it: the preamble once and not before each section, no paragraph that begins twice,
/// and each character beyond ASCII by its name, for those that take their input for Latin-1.
fn tidied(page: &str) -> String {
    let mut tidy = String::with_capacity(page.len());
    let mut last = "";
    for line in page.lines() {
        let is_preamble = line.starts_with(".ie ") || line.starts_with(".el ");
        let begins_twice = line == ".PP" && last.starts_with(".SH ");
        if (is_preamble && tidy.contains(line)) || begins_twice {
            continue;
        }
        last = line;
        for c in line.chars() {
            match c.is_ascii() {
                true => tidy.push(c),
                false => tidy.push_str(&format!("\\[u{:04X}]", u32::from(c))),
            }
        }
        tidy.push('\n');
    }
    tidy
}

fn render(man: &Man, command: &clap::Command, page: &mut Vec<u8>) -> io::Result<()> {
    let name = command.get_display_name().unwrap_or("pki");
    // An empty date must be seen, or what follows is taken for it.
    let title = [
        name,
        "1",
        "\"\"",
        concat!("\"pki ", env!("CARGO_PKG_VERSION"), "\""),
        "\"Private PKI\"",
    ];
    writeln!(page, ".TH {}", title.join(" "))?;
    man.render_name_section(page)?;
    man.render_synopsis_section(page)?;
    man.render_description_section(page)?;
    man.render_options_section(page)?;
    if command.has_subcommands() {
        man.render_subcommands_section(page)?;
    }
    let after = command
        .get_after_help()
        .map(ToString::to_string)
        .unwrap_or_default();
    let mut roff = Roff::new();
    notes(&after, &mut roff);
    exit_status(&after, &mut roff);
    examples(&after, &mut roff);
    see_also(command, &mut roff);
    roff.to_writer(page)
}

/// What stands below the options of `--help`, without the examples and the exit codes, which have sections of their own.
fn notes(after: &str, roff: &mut Roff) {
    let notes: Vec<_> = after
        .split("\n\n")
        .filter(|paragraph| !paragraph.is_empty())
        .filter(|paragraph| !paragraph.starts_with(EXIT_CODES) && !paragraph.starts_with(EXAMPLE))
        .collect();
    if notes.is_empty() {
        return;
    }
    roff.control("SH", ["NOTES"]);
    for paragraph in notes {
        as_it_is(paragraph.lines(), roff);
    }
}

const EXIT_CODES: &str = "Exit codes";
const EXAMPLE: &str = "Example";

fn exit_status(after: &str, roff: &mut Roff) {
    roff.control("SH", ["EXIT STATUS"]);
    // A paragraph that says more than the table, which has the lines of those that repeat it.
    let repeats = |paragraph: &str| {
        paragraph == EXIT_CODES_HELP || paragraph.lines().any(|line| line.starts_with("  1"))
    };
    let more = after
        .split("\n\n")
        .filter(|paragraph| paragraph.starts_with(EXIT_CODES) && !repeats(paragraph));
    for paragraph in more {
        roff.text([roman(paragraph.replace('\n', " "))]);
        roff.control("PP", []);
    }
    roff.text([roman(
        "Every command of pki uses this one table. The names stand in JSON output as well.",
    )]);
    for row in exit_codes() {
        roff.control("TP", []);
        roff.text([bold(row.code.to_string()), roman(format!(" {}", row.name))]);
        roff.text([roman(row.meaning)]);
    }
}

/// The examples, written as "Example: pki …" or as lines below "Examples:".
fn examples(after: &str, roff: &mut Roff) {
    let lines = after
        .split("\n\n")
        .filter(|paragraph| paragraph.starts_with(EXAMPLE))
        .flat_map(str::lines)
        .map(|line| line.strip_prefix("Example: ").unwrap_or(line).trim_start())
        .filter(|line| *line != "Examples:");
    let lines: Vec<_> = lines.collect();
    if lines.is_empty() {
        return;
    }
    roff.control("SH", ["EXAMPLES"]);
    as_it_is(lines.iter().map(|line| format!("    {line}")), roff);
}

/// Text whose lines and columns stay.
fn as_it_is(lines: impl Iterator<Item = impl Into<String>>, roff: &mut Roff) {
    roff.control("PP", []);
    roff.control("nf", []);
    for line in lines {
        roff.text([roman(line)]);
    }
    roff.control("fi", []);
}

fn see_also(command: &clap::Command, roff: &mut Roff) {
    let name = command.get_display_name().unwrap_or("pki");
    let Some((above, _)) = name.rsplit_once('-') else {
        return;
    };
    roff.control("SH", ["SEE ALSO"]);
    roff.text([bold(above), roman("(1)")]);
}
