//! Why something is not taken over.

use std::path::PathBuf;

use crate::error::ErrorKind;

/// Why something is not imported: one sentence with the reason and the fix.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ImportRefused {
    /// None of the files that a CA of openssl has is in the folder.
    #[error(
        "{folder:?} holds no {what} of a CA (looked for {looked_for}); name the file with {option}."
    )]
    NotFound {
        /// The folder.
        folder: PathBuf,
        /// What is missing.
        what: &'static str,
        /// The names that were tried.
        looked_for: String,
        /// The option that names it.
        option: &'static str,
    },
    /// A CA without its key cannot go on.
    #[error("The key of the CA {0:?} is needed to issue and to sign CRLs; give its file with {1}.")]
    NoKey(String, &'static str),
    /// The certificate that should be a root is not.
    #[error(
        "The CA {subject:?} was issued by {issuer:?}, whose certificate was not given; give it with --chain."
    )]
    NoRoot {
        /// The CA.
        subject: String,
        /// The name above it.
        issuer: String,
    },
    /// A third tier.
    #[error(
        "Between the CA {0:?} and its root stands another CA, and a CA here has two tiers at most; make a new one with \"pki init\", and let this one end."
    )]
    TooDeep(String),
    /// The issuing CA is not below the root.
    #[error(
        "The CA {subject:?} was not issued by the root {root:?}: {reason}; give the certificates that belong together."
    )]
    NotBelow {
        /// The issuing CA.
        subject: String,
        /// The root.
        root: String,
        /// Why.
        reason: String,
    },
    /// The CA breaks a rule that certificates issued by it would be refused for.
    #[error(
        "{0} To take it over all the same, for its list and its CRLs, repeat this with --allow-unfit."
    )]
    Unfit(String),
    /// A line of an index.txt.
    #[error(
        "Line {line} of {path:?} cannot be imported: {problem}. Nothing was imported; mend the line, or restore the file from a backup."
    )]
    Line {
        /// The file.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
        /// What is wrong.
        problem: String,
    },
    /// A line that says something else than its certificate.
    #[error(
        "Line {line} of {path:?} contradicts the certificate {certificate:?}: {problem}. Nothing was imported; find out which of the two is right."
    )]
    Contradiction {
        /// The table.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
        /// The certificate's file.
        certificate: PathBuf,
        /// What differs.
        problem: String,
    },
    /// A certificate or CRL of another CA.
    #[error(
        "{path:?} was not signed by the CA {ca:?}: {problem}. Nothing was imported; give the files that belong to this CA."
    )]
    OfAnotherCa {
        /// The file.
        path: PathBuf,
        /// The CA.
        ca: String,
        /// Why.
        problem: String,
    },
    /// A file that cannot be read.
    #[error("{path:?} cannot be imported: {problem}.")]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// The key fits no certificate.
    #[error(
        "The key belongs to {}, so it would be of no use; give the certificate that was issued for this key.",
        none_of(*.0)
    )]
    KeyFitsNone(usize),
    /// Not one key.
    #[error(
        "{path:?} holds {}.",
        keys(*count)
    )]
    Keys {
        /// The file.
        path: PathBuf,
        /// How many.
        count: usize,
    },
    /// A CA where an end entity is meant.
    #[error(
        "The certificate {0:?} is a CA, which is no pair for a service; take it over with \"pki import ca\"."
    )]
    IsCa(String),
    /// It is revoked.
    #[error(
        "The certificate {0:?} is revoked, as the index of the CA below --dir says, so its peers would refuse it, and it is not imported; issue another one with \"pki issue\"."
    )]
    Revoked(String),
    /// Its key is known to be in other hands.
    #[error(
        "The key is in other hands: the certificate {serial} of {issuer:?} was revoked for that, as the index of the CA below --dir says, so the pair is not imported, whoever certified it; have a new key made and certified, and import that."
    )]
    CompromisedKey {
        /// The number of the certificate that was revoked.
        serial: String,
        /// Its issuer.
        issuer: String,
    },
    /// Path validation said no.
    #[error(
        "The certificate {subject:?} would be refused by its peers, so it is not imported: {reason}{}",
        of_own_root(*.is_by_own_root)
    )]
    Rejected {
        /// Whether the trust anchors were those of the CA below `--dir`, and others were not asked for.
        is_by_own_root: bool,
        /// The end entity.
        subject: String,
        /// What path validation said.
        reason: String,
    },
    /// No trust anchor.
    #[error(
        "No trust anchor for the certificate {0:?} is among the files, and the CA below --dir is none for it; give the root with --trust."
    )]
    NoAnchor(String),
}

fn none_of(certificates: usize) -> String {
    match certificates {
        0 => "no certificate, for none was given".to_owned(),
        1 => "another certificate than the one that was given".to_owned(),
        many => format!("none of the {many} certificates that were given"),
    }
}

fn keys(count: usize) -> String {
    match count {
        0 => "no private key, and a pair has one; give the file that was made with the key"
            .to_owned(),
        many => format!(
            "{many} private keys, and a pair has one; take the right one out of it with openssl pkcs12"
        ),
    }
}

impl ImportRefused {
    /// The kind of this failure.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::NotFound { .. } | Self::NoKey(..) => ErrorKind::NotFound,
            Self::Line { .. } | Self::Contradiction { .. } | Self::File { .. } => {
                ErrorKind::Malformed
            }
            _ => ErrorKind::Refused,
        }
    }
}

/// The way out for a certificate of another CA whose root has the name of ours.
fn of_own_root(is_by_own_root: bool) -> &'static str {
    match is_by_own_root {
        true => {
            " The root asked was that of the CA below --dir, which may only have the same name; if another one issued it, give its root with --trust."
        }
        false => "",
    }
}
