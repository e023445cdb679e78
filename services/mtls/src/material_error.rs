//! Why a folder of certificates is not used. Every sentence names the file, what is wrong, and what to do.

use std::io;
use std::path::PathBuf;

use crate::certificate_problem::CertificateProblem;
use crate::text::Escaped;

/// Why a folder of certificates is not used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MaterialError {
    /// A file is missing or cannot be read.
    #[error(
        "cannot read {}: {source}; a TLS folder holds tls.crt, tls.key and ca.crt, readable by this process",
        file.display()
    )]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file is not PEM.
    #[error("{} is not PEM (RFC 7468), or is cut off: write it again", file.display())]
    NotPem {
        /// The file.
        file: PathBuf,
    },
    /// A file is PEM, and holds nothing of what it is for.
    #[error("{} holds no {what}: put one there, in PEM (RFC 7468)", file.display())]
    Empty {
        /// The file.
        file: PathBuf,
        /// What it should hold.
        what: &'static str,
    },
    /// What a file holds cannot be read as what it should be.
    #[error("{} cannot be used: {reason}; issue or fetch it again", file.display())]
    Malformed {
        /// The file.
        file: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// A certificate among the trust anchors could never vouch for anybody.
    #[error(
        "{} trusts certificate number {number} in it ({}), which {reason}: put the certificate of the CA there that issues \
         to the peers",
        file.display(),
        Escaped(subject)
    )]
    NotTrustworthy {
        /// The file.
        file: PathBuf,
        /// The certificate's place in the file, from 1.
        number: usize,
        /// Its subject.
        subject: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The key is encrypted.
    #[error(
        "the private key in {} is encrypted, and no passphrase was given: decrypt it to a file that only this service can \
         read, for example with `openssl pkey`",
        file.display()
    )]
    EncryptedKey {
        /// The file.
        file: PathBuf,
    },
    /// More than one key, and nothing that says which.
    #[error("{} holds {count} private keys: leave the one that belongs to tls.crt", file.display())]
    SeveralKeys {
        /// The file.
        file: PathBuf,
        /// How many.
        count: usize,
    },
    /// The key is damaged or of a kind that TLS does not use here.
    #[error(
        "the private key in {} cannot be used: it must be an undamaged RSA (2048 bits or more), ECDSA (P-256, P-384 or \
         P-521) or Ed25519 key",
        file.display()
    )]
    UnsupportedKey {
        /// The file.
        file: PathBuf,
    },
    /// The key is another certificate's.
    #[error(
        "the private key in {} does not belong to the certificate in {}: put the two that were issued together there, or \
         issue a new pair",
        key.display(),
        certificate.display()
    )]
    KeyMismatch {
        /// The file with the key.
        key: PathBuf,
        /// The file with the certificate.
        certificate: PathBuf,
    },
    /// The certificate is for neither servers nor clients.
    #[error(
        "the certificate in {} is for neither servers nor clients: its extended key usage must have serverAuth, \
         clientAuth or both; issue it again under a profile that sets them",
        file.display()
    )]
    NoPurpose {
        /// The file.
        file: PathBuf,
    },
    /// The certificate would be refused by anyone who trusts the folder's own anchors.
    #[error(
        "the certificate in {} would be refused by every peer that trusts {}: {problem}; {}",
        certificate.display(),
        anchors.display(),
        remedy(problem)
    )]
    NotAcceptable {
        /// The file with the certificate.
        certificate: PathBuf,
        /// The file with the trust anchors.
        anchors: PathBuf,
        /// What is wrong.
        problem: CertificateProblem,
    },
}

fn remedy(problem: &CertificateProblem) -> &'static str {
    match problem {
        CertificateProblem::UnknownIssuer => {
            "add the intermediates that are missing to tls.crt, or the CA that issued it to ca.crt"
        }
        CertificateProblem::NotValidYet { .. } => "check the clock of this machine, or wait",
        CertificateProblem::Expired { .. } => "renew it, or check the clock of this machine",
        CertificateProblem::TrustAnchorNotValid => {
            "renew the CA and put its new certificate into ca.crt"
        }
        CertificateProblem::BadSignature => {
            "put the CA that issued it into ca.crt: the one there has its name and another key"
        }
        CertificateProblem::CaAsEndEntity => {
            "put the end entity's certificate first in tls.crt, its issuers after it"
        }
        CertificateProblem::RevocationUnknown
        | CertificateProblem::RevocationListExpired { .. }
        | CertificateProblem::RevocationListUntrusted => {
            "put current revocation lists of every CA of the chain, the root's among them, into crl.pem"
        }
        _ => "issue it again",
    }
}
