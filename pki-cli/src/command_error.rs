//! What can go wrong, as the person at the terminal sees it: one sentence, a hint, and an exit code. The table of exit
//! codes stands here and nowhere else.

use std::{fmt, io};

/// The kinds of failure; each has an exit code of its own, so that scripts can tell them apart.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Kind {
    /// A defect of this program, or something that no other kind describes.
    Internal,
    /// The command line does not make sense.
    Usage,
    /// The request was understood and is against the rules.
    Refused,
    /// A file, folder or CA that is needed is not there.
    NotFound,
    /// What should be made exists already.
    Exists,
    /// The operating system refused to read or write.
    Io,
    /// A file is there, and is not what it should be.
    Malformed,
    /// A passphrase is missing, empty or wrong.
    Passphrase,
    /// Another process holds what we need, and did not let go in time.
    Busy,
    /// `pki verify` refused the certificate; the code, 10 to 100, names the rule that failed.
    Rejected(u8),
    /// Whoever reads our output went away. Not a failure.
    BrokenPipe,
}

impl Kind {
    /// The exit code of the process.
    pub fn exit_code(self) -> u8 {
        match self {
            Self::BrokenPipe => 0,
            Self::Internal => 1,
            Self::Usage => 2,
            Self::Refused => 3,
            Self::NotFound => 4,
            Self::Exists => 5,
            Self::Io => 6,
            Self::Malformed => 7,
            Self::Passphrase => 8,
            Self::Busy => 9,
            Self::Rejected(code) => code,
        }
    }

    /// The name of this kind in JSON output.
    pub fn name(self) -> &'static str {
        match self {
            Self::BrokenPipe => "broken-pipe",
            Self::Internal => "internal",
            Self::Usage => "usage",
            Self::Refused => "refused",
            Self::NotFound => "not-found",
            Self::Exists => "exists",
            Self::Io => "io",
            Self::Malformed => "malformed",
            Self::Passphrase => "passphrase",
            Self::Busy => "busy",
            Self::Rejected(_) => "rejected",
        }
    }
}

impl From<pki::ErrorKind> for Kind {
    fn from(kind: pki::ErrorKind) -> Self {
        match kind {
            pki::ErrorKind::Usage => Self::Usage,
            pki::ErrorKind::Refused => Self::Refused,
            pki::ErrorKind::NotFound => Self::NotFound,
            pki::ErrorKind::Exists => Self::Exists,
            pki::ErrorKind::Io => Self::Io,
            pki::ErrorKind::Malformed => Self::Malformed,
            pki::ErrorKind::Passphrase => Self::Passphrase,
            pki::ErrorKind::Busy => Self::Busy,
            _ => Self::Internal,
        }
    }
}

/// The same table for `pki --help`.
pub(crate) const EXIT_CODES_HELP: &str = "\
Exit codes: 0 done, 1 defect, 2 usage, 3 refused, 4 not found, 5 exists already, 6 input/output, \
7 malformed file, 8 passphrase, 9 busy, 10 to 100 the rule by which `pki verify` rejects";

/// One failure of one command.
#[derive(Debug)]
pub struct CommandError {
    kind: Kind,
    message: String,
    hints: Vec<String>,
    details: Option<serde_json::Value>,
    told_in_json: bool,
}

impl CommandError {
    /// A failure of this kind. `message` is a whole sentence: what, where, why and what to do next.
    pub fn new(kind: Kind, message: impl fmt::Display) -> Self {
        Self {
            kind,
            message: message.to_string(),
            hints: Vec::new(),
            details: None,
            told_in_json: false,
        }
    }

    /// Adds what the person can do next.
    #[must_use]
    pub fn hint(mut self, hint: impl fmt::Display) -> Self {
        self.hints.push(hint.to_string());
        self
    }

    /// Adds what machines want to know beyond the message; it appears in JSON output only.
    #[must_use]
    pub fn details(mut self, details: serde_json::Value) -> Self {
        self.details = Some(details);
        self
    }

    /// The command has printed its JSON document already, with this error in it: there is only ever one document.
    #[must_use]
    pub(crate) fn told_in_json(mut self) -> Self {
        self.told_in_json = true;
        self
    }

    pub(crate) fn is_told_in_json(&self) -> bool {
        self.told_in_json
    }

    /// The kind, and with it the exit code.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// What can be done next, one sentence each.
    pub fn hints(&self) -> &[String] {
        &self.hints
    }

    /// The failure as JSON shows it.
    pub(crate) fn to_json(&self) -> serde_json::Value {
        let mut json = serde_json::json!({
            "kind": self.kind.name(),
            "exit_code": self.kind.exit_code(),
            "message": self.message,
            "hints": self.hints,
        });
        if let (Some(details), Some(fields)) = (&self.details, json.as_object_mut()) {
            fields.insert("details".to_owned(), details.clone());
        }
        json
    }
}

impl fmt::Display for CommandError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for CommandError {}

/// The library's sentences are whole: only the exit code is chosen here.
impl From<pki::Error> for CommandError {
    fn from(error: pki::Error) -> Self {
        Self::new(Kind::from(error.kind()), error)
    }
}

/// Only our own output ends up here: what the library reads and writes has errors that name the file.
impl From<io::Error> for CommandError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::new(Kind::BrokenPipe, error),
            _ => Self::new(
                Kind::Io,
                format_args!("The output could not be written: {error}."),
            ),
        }
    }
}
