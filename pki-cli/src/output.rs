//! The only place that prints. Results go to stdout, notices and errors to stderr, so that a pipe gets results only;
//! colour appears on a terminal only (it is taken out elsewhere).

use std::io::{self, IsTerminal, Write};

use anstyle::{AnsiColor, Style};
use serde::Serialize;

use crate::command_error::CommandError;

/// Bold red, for the word `error`.
pub const ERROR: Style = AnsiColor::Red.on_default().bold();
/// Bold yellow, for the word `notice`.
pub const NOTICE: Style = AnsiColor::Yellow.on_default().bold();
/// Bold green, for what is new or well.
pub const GOOD: Style = AnsiColor::Green.on_default().bold();
/// Bold cyan, for the word `hint`.
pub const HINT: Style = AnsiColor::Cyan.on_default().bold();

/// `inspect` of a large bundle writes thousands of lines: few calls, and few pages for what waits.
const BUFFER: usize = 32 << 10;

/// Where a command writes.
pub struct Output {
    stdout: Box<dyn Write>,
    /// Whether styles stay in what goes to stdout.
    is_coloured: bool,
    stderr: Box<dyn Write>,
    json: bool,
    progress: Progress,
}

/// A line on stderr that is written over again and again.
#[derive(Default)]
struct Progress {
    /// Whether somebody is there to see it.
    is_wanted: bool,
    /// How many columns are to be cleared before anything else is written.
    columns: usize,
    percent: Option<usize>,
}

impl Output {
    /// The stdout and stderr of this process.
    pub fn from_process() -> Self {
        Self {
            stdout: Box::new(io::BufWriter::with_capacity(BUFFER, io::stdout())),
            is_coloured: anstream::AutoStream::choice(&io::stdout())
                != anstream::ColorChoice::Never,
            stderr: Box::new(anstream::stderr()),
            json: false,
            progress: Progress {
                is_wanted: io::stderr().is_terminal(),
                ..Progress::default()
            },
        }
    }

    /// Whether the caller asked for JSON; a command then prints one document with [`Output::document`] and no text.
    pub fn json(&self) -> bool {
        self.json
    }

    pub(crate) fn set_json(&mut self, json: bool) {
        self.json = json;
    }

    /// Prints one line for people. Escape what comes from a file with `pki::text` first.
    pub fn line(&mut self, line: impl std::fmt::Display) -> io::Result<()> {
        self.write(format!("{line}\n"))
    }

    /// Prints text for people, or bytes for machines, as they are; only styles go where nobody would see them.
    pub fn write(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        let bytes = bytes.as_ref();
        // Styles begin with ESC, and most of what is printed has none: it need not be read twice.
        if self.is_coloured || !bytes.contains(&0x1b) {
            return self.stdout.write_all(bytes);
        }
        let plain = anstream::adapter::strip_bytes(bytes);
        plain
            .into_iter()
            .try_for_each(|piece| self.stdout.write_all(piece))
    }

    /// Writes octets for another program: what looks like a style in them is none.
    pub(crate) fn octets(&mut self, octets: &[u8]) -> io::Result<()> {
        self.stdout.write_all(octets)
    }

    /// Prints one JSON document, indented, with a line end. Characters in it that could harm a terminal are escaped as
    /// JSON escapes them, so nothing is lost.
    pub fn document(&mut self, document: &impl Serialize) -> io::Result<()> {
        serde_json::to_writer_pretty(Escaping(&mut self.stdout), document)?;
        writeln!(self.stdout)
    }

    /// Tells the person something that they did not ask for and should know. Never fails: a closed stderr must not stop
    /// a certificate from being written.
    pub fn notice(&mut self, notice: impl std::fmt::Display) {
        self.end_progress();
        let _ = writeln!(self.stderr, "{NOTICE}notice{NOTICE:#}: {notice}");
    }

    /// Several of them.
    pub(crate) fn notices(&mut self, notices: impl IntoIterator<Item = impl std::fmt::Display>) {
        for notice in notices {
            self.notice(notice);
        }
    }

    /// Shows how far the work is: a bar on a terminal, nothing elsewhere and nothing with `--json`.
    pub(crate) fn progress(&mut self, what: &str, done: usize, of: usize) {
        const WIDTH: usize = 30;
        // What is done in a moment needs no bar.
        const WORTH_SHOWING: usize = 16;
        if !self.progress.is_wanted || self.json || of < WORTH_SHOWING {
            return;
        }
        let percent = (done * 100).checked_div(of).unwrap_or(100).min(100);
        if self.progress.percent == Some(percent) {
            return;
        }
        // What was printed before the work stands above the bar.
        let _ = self.stdout.flush();
        let full = percent * WIDTH / 100;
        let bar = format!(
            "[{}{}] {done} of {of} {what}",
            "#".repeat(full),
            ".".repeat(WIDTH - full)
        );
        self.clear_progress();
        let _ = write!(self.stderr, "{bar}");
        let _ = self.stderr.flush();
        self.progress.columns = bar.len();
        self.progress.percent = Some(percent);
    }

    /// Takes the bar away.
    pub(crate) fn end_progress(&mut self) {
        self.clear_progress();
        self.progress.percent = None;
    }

    fn clear_progress(&mut self) {
        if self.progress.columns > 0 {
            let blank = " ".repeat(self.progress.columns);
            let _ = write!(self.stderr, "\r{blank}\r");
            self.progress.columns = 0;
        }
    }

    pub(crate) fn error(&mut self, error: &CommandError) {
        // What was printed before the failure comes first.
        let _ = self.stdout.flush();
        if self.json && !error.is_told_in_json() {
            let _ = self.document(&serde_json::json!({ "error": error.to_json() }));
            let _ = self.stdout.flush();
        }
        let _ = writeln!(self.stderr, "{ERROR}error{ERROR:#}: {error}");
        for hint in error.hints() {
            let _ = writeln!(self.stderr, "{HINT}hint{HINT:#}: {hint}");
        }
    }

    /// What is wrong with the command line, for a program that reads stdout; people get clap's text on stderr.
    pub(crate) fn usage_document(&mut self, error: &CommandError) {
        let _ = self.document(&serde_json::json!({ "error": error.to_json() }));
        let _ = self.stdout.flush();
    }

    pub(crate) fn finish(&mut self) -> io::Result<()> {
        self.stdout.flush()
    }
}

/// A line of this command itself, before there is an [`Output`].
pub(crate) fn plain(text: &str) -> io::Result<()> {
    let mut stdout = io::stdout();
    stdout.write_all(text.as_bytes())?;
    stdout.flush()
}

/// A usage error as text alone, before there is an [`Output`].
pub(crate) fn plain_error(text: &str) -> io::Result<()> {
    write!(anstream::stderr(), "{text}")
}

/// Escapes what a JSON writer writes; it always writes whole characters.
struct Escaping<'w>(&'w mut dyn Write);

impl Write for Escaping<'_> {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        match std::str::from_utf8(octets) {
            // Most of JSON is plain ASCII in pieces of a few characters.
            Ok(text)
                if !text
                    .bytes()
                    .all(|octet| octet == b'\n' || (b' '..=b'~').contains(&octet)) =>
            {
                self.0.write_all(pki::text::escape_json(text).as_bytes())?;
            }
            _ => self.0.write_all(octets)?,
        }
        Ok(octets.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}
