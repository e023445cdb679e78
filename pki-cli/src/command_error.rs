//! What can go wrong, as the person at the terminal sees it: one sentence, a hint, and an exit code. The table of exit
//! codes stands here and nowhere else.

use std::{fmt, io};

use pki::path_validation::FailureKind;

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
    /// `pki check` found that something ends soon.
    EndsSoon,
    /// `pki check` found that something is wrong now.
    Unhealthy,
    /// The network has no way there: no such name, nobody listens, no route.
    Unreachable,
    /// The other side of a connection did not answer in time.
    TimedOut,
    /// A connection, and no TLS on it: something else is spoken there, or nothing is in common.
    Handshake,
    /// The other side of a connection refused our certificate, or demanded one.
    PeerRefused,
    /// Whoever reads our output went away. Not a failure.
    BrokenPipe,
}

impl Kind {
    /// Every kind with one exit code of its own, in their order.
    const ALL: [Self; 15] = [
        Self::Internal,
        Self::Usage,
        Self::Refused,
        Self::NotFound,
        Self::Exists,
        Self::Io,
        Self::Malformed,
        Self::Passphrase,
        Self::Busy,
        Self::EndsSoon,
        Self::Unhealthy,
        Self::Unreachable,
        Self::TimedOut,
        Self::Handshake,
        Self::PeerRefused,
    ];

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
            Self::EndsSoon => 101,
            Self::Unhealthy => 102,
            Self::Unreachable => 110,
            Self::TimedOut => 111,
            Self::Handshake => 112,
            Self::PeerRefused => 113,
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
            Self::EndsSoon => "ends-soon",
            Self::Unhealthy => "unhealthy",
            Self::Unreachable => "unreachable",
            Self::TimedOut => "timed-out",
            Self::Handshake => "handshake",
            Self::PeerRefused => "peer-refused",
        }
    }

    /// What the exit code says to whoever reads the table.
    fn meaning(self) -> &'static str {
        match self {
            Self::BrokenPipe => "whoever reads the output went away, which is no failure",
            Self::Internal => "a defect of this program, or something that no other code describes",
            Self::Usage => "the command line does not make sense",
            Self::Refused => "the request was understood and is against the rules",
            Self::NotFound => "a file, folder or CA that is needed is not there",
            Self::Exists => "what should be made exists already",
            Self::Io => "the operating system refused to read or write: no right, disk full",
            Self::Malformed => "a file is there, and is not what it should be",
            Self::Passphrase => "a passphrase is missing, empty or wrong",
            Self::Busy => {
                "another process holds what is needed and did not let go in time, or rotated the CA meanwhile"
            }
            Self::Rejected(_) => "path validation rejected a certificate",
            Self::EndsSoon => "pki check: nothing is wrong, and something ends soon",
            Self::Unhealthy => "pki check: something has ended, or does not fit together",
            Self::Unreachable => {
                "the network has no way there: no such name, nobody listens, no route"
            }
            Self::TimedOut => "the other side of a connection did not answer in time",
            Self::Handshake => {
                "a connection, and no TLS on it: something else is spoken, or nothing in common"
            }
            Self::PeerRefused => {
                "the other side of a connection refused our certificate, or demanded one"
            }
        }
    }
}

/// Each rule by which path validation rejects has an exit code of its own; they never change, since scripts hang on them.
impl From<FailureKind> for Kind {
    fn from(rule: FailureKind) -> Self {
        Self::Rejected(match rule {
            FailureKind::Malformed => 10,
            FailureKind::WeakAlgorithm => 11,
            FailureKind::BadSignature => 12,
            FailureKind::NoPath => 13,
            FailureKind::Expired => 14,
            FailureKind::NotYetValid => 15,
            FailureKind::NotACa => 16,
            FailureKind::PathTooLong => 17,
            FailureKind::WrongUsage => 18,
            FailureKind::NameConstraint => 19,
            FailureKind::WrongName => 20,
            FailureKind::UnknownCritical => 21,
            FailureKind::Policy => 22,
            FailureKind::Revoked => 23,
            FailureKind::RevocationUnknown => 24,
            FailureKind::WorkLimit => 25,
            // A kind that the library learns later gets a code of its own here.
            _ => 100,
        })
    }
}

fn meaning_of(rule: FailureKind) -> &'static str {
    match rule {
        FailureKind::Malformed => "a certificate breaks the profile of RFC 5280 section 4",
        FailureKind::WeakAlgorithm => "a key or signature algorithm is unknown or too weak",
        FailureKind::BadSignature => "a signature does not fit the issuer's key",
        FailureKind::NoPath => "no path leads to a trust anchor",
        FailureKind::Expired => "a validity is over (also the root's)",
        FailureKind::NotYetValid => "a validity has not begun",
        FailureKind::NotACa => "an issuer is not a CA",
        FailureKind::PathTooLong => "a path length or --max-depth is exceeded",
        FailureKind::WrongUsage => "key usage or extended key usage do not allow it",
        FailureKind::NameConstraint => "a name is outside of what a CA may issue for",
        FailureKind::WrongName => "the certificate is not for --host, --ip, --uri or --email",
        FailureKind::UnknownCritical => "a critical extension is not understood",
        FailureKind::Policy => "a demanded certificate policy is missing",
        FailureKind::Revoked => "a certificate is revoked",
        FailureKind::RevocationUnknown => "--crl was given and does not cover a certificate",
        FailureKind::WorkLimit => "the bundle asks for more work than any honest one",
        _ => "a rule that has no code of its own",
    }
}

/// One row of the table of exit codes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ExitCode {
    /// The exit code of the process.
    pub code: u8,
    /// The `kind` of JSON output, or the `rule` of a rejection.
    pub name: &'static str,
    /// What happened, half a sentence.
    pub meaning: &'static str,
}

/// The table of exit codes, which every command uses; manual pages and docs/COMMANDS.md show it.
pub fn exit_codes() -> Vec<ExitCode> {
    let done = ExitCode {
        code: 0,
        name: "done",
        meaning: "done, or accepted; also when whoever reads the output went away",
    };
    let row = |kind: Kind| ExitCode {
        code: kind.exit_code(),
        name: kind.name(),
        meaning: kind.meaning(),
    };
    let rejections = FailureKind::ALL.into_iter().map(|rule| ExitCode {
        code: Kind::from(rule).exit_code(),
        name: rule.as_str(),
        meaning: meaning_of(rule),
    });
    let mut all: Vec<_> = std::iter::once(done)
        .chain(Kind::ALL.map(row))
        .chain(rejections)
        .collect();
    all.sort_by_key(|row| row.code);
    all
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
7 malformed file, 8 passphrase, 9 busy, 10 to 100 the rule by which `pki verify` rejects, \
101 and 102 what `pki check` found, \
110 unreachable, 111 timed out, 112 no TLS handshake, 113 refused by the other side";

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

impl From<pki::index::IndexError> for CommandError {
    fn from(error: pki::index::IndexError) -> Self {
        pki::Error::from(error).into()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_exit_code_stands_once_in_the_table_and_in_the_help() {
        let codes: Vec<_> = exit_codes().iter().map(|row| row.code).collect();
        assert_eq!(
            codes,
            (0..26)
                .chain([101, 102])
                .chain(110..114)
                .collect::<Vec<u8>>(),
            "no code twice, none left out, in order"
        );
        let named = EXIT_CODES_HELP
            .split(|c: char| !c.is_ascii_digit())
            .filter_map(|word| word.parse().ok())
            .collect::<Vec<u8>>();
        let mut expected = Kind::ALL.map(Kind::exit_code).to_vec();
        expected.extend([0, 10, 100]);
        expected.sort_unstable();
        assert_eq!(named, expected);
    }
}
