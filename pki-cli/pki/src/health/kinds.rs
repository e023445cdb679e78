//! The kinds of findings: words for machines that never change, and what each means. docs/COMMANDS.md shows the table.

use super::Level;

/// A kind of finding.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Kind {
    /// The word.
    pub name: &'static str,
    /// How bad it is.
    pub level: Level,
    /// What was found, and what its subject is.
    pub meaning: &'static str,
}

/// Every kind there is.
pub const KINDS: [Kind; 25] = [
    error(
        "expired",
        "the validity of a CA, or of a certificate, is over",
    ),
    error("not-yet-valid", "a validity has not begun"),
    warning("expiring", "a validity ends soon"),
    warning(
        "expiring-elsewhere",
        "the same for a certificate that is in the index and in no folder here, without a successor",
    ),
    error(
        "revoked",
        "a CA, or a certificate that is in use here, is revoked",
    ),
    error(
        "key-compromised",
        "a certificate is for a key for which another one was revoked as compromised",
    ),
    error("rejected", "path validation refuses a certificate"),
    error(
        "unreadable",
        "a certificate, key or crl.pem is damaged, or is something else",
    ),
    error(
        "incomplete",
        "a folder lacks tls.crt, or the trust anchor beside it",
    ),
    error(
        "mismatch",
        "a key is not the one of the certificate beside it",
    ),
    error("key-missing", "the key of the CA that issues is not there"),
    error(
        "key-rights",
        "others than its owner can get at a key: it is to be replaced",
    ),
    note(
        "key-unread",
        "a key may not be read here, so it was not looked at",
    ),
    note(
        "no-key",
        "a folder holds no key; whoever made the request has it",
    ),
    error(
        "writable",
        "everybody may write to the folder of the CA, or to its index: the CA can be exchanged, and revocations taken back",
    ),
    error(
        "unknown-ca",
        "the index does not know a CA that issues: it is an older copy that was brought back",
    ),
    error("unfit-ca", "the CA issues nothing that verifiers accept"),
    note(
        "no-key-usage",
        "a CA has no key usage, which strict verifiers refuse",
    ),
    note(
        "no-crl-sign",
        "a CA may not sign CRLs, so nothing can be revoked",
    ),
    error("crl", "a CRL is missing, is over, or lacks a revocation"),
    warning("crl-expiring", "a CRL ends soon"),
    error("crl-not-carried", "a folder has not the crl.pem of its CA"),
    error(
        "trust-missing",
        "a folder does not trust a root of the CA, while it is being rotated",
    ),
    error(
        "trust-left-over",
        "a folder still trusts a root that was retired",
    ),
    note(
        "reserved",
        "serial numbers were reserved and never used, which is harmless",
    ),
];

const fn error(name: &'static str, meaning: &'static str) -> Kind {
    of(Level::Error, name, meaning)
}

const fn warning(name: &'static str, meaning: &'static str) -> Kind {
    of(Level::Warning, name, meaning)
}

const fn note(name: &'static str, meaning: &'static str) -> Kind {
    of(Level::Note, name, meaning)
}

const fn of(level: Level, name: &'static str, meaning: &'static str) -> Kind {
    Kind {
        name,
        level,
        meaning,
    }
}
