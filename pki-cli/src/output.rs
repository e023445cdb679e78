//! The only place that prints. Results go to stdout, notices and errors to stderr, so that a pipe gets results only;
//! colour appears on a terminal only (`anstream` takes it out elsewhere).

use std::io::{self, Write};

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

/// Where a command writes.
pub struct Output {
    stdout: Box<dyn Write>,
    stderr: Box<dyn Write>,
    json: bool,
}

impl Output {
    /// The stdout and stderr of this process.
    pub fn from_process() -> Self {
        Self {
            // Buffered: `inspect` of a large bundle writes thousands of lines.
            stdout: Box::new(io::BufWriter::new(anstream::stdout())),
            stderr: Box::new(anstream::stderr()),
            json: false,
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
        writeln!(self.stdout, "{line}")
    }

    /// Prints text for people, or bytes for machines, as they are.
    pub fn write(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        self.stdout.write_all(bytes.as_ref())
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
        let _ = writeln!(self.stderr, "{NOTICE}notice{NOTICE:#}: {notice}");
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

    pub(crate) fn finish(&mut self) -> io::Result<()> {
        self.stdout.flush()
    }
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
