//! What can go wrong anywhere in the issuing side, as one type whose sentences name the file, the reason and the fix.

use std::path::{Path, PathBuf};

use crate::{
    certificate_request::RequestError, distinguished_name::DistinguishedNameError,
    export::ExportRefused, folder::FolderError, import::ImportRefused, index::IndexError,
    issuer::Refusal, key::KeyError, manifest::ManifestError, pkcs12::Pkcs12Error,
    renewal::RenewalRefused, revocation::RevocationRefused, rotation::RotationRefused,
    subject_alt_name::NameRefused,
};

/// A failure of the issuing side.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A subject is no distinguished name.
    #[error(transparent)]
    Subject(#[from] DistinguishedNameError),
    /// A subject alternative name is refused.
    #[error(transparent)]
    Name(#[from] NameRefused),
    /// A key could not be made, or is too weak.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// A key file cannot be used.
    #[error("The key {path:?} cannot be used: {reason}.")]
    KeyFile {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: KeyError,
    },
    /// A certificate file cannot be used.
    #[error("The certificate {path:?} cannot be used: {reason}.")]
    CertificateFile {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// A certificate request is damaged, or not to be trusted.
    #[error("The certificate request {path:?} is refused: {reason}.")]
    Request {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: RequestError,
    },
    /// A pair cannot be handed out in this form.
    #[error(transparent)]
    Export(#[from] ExportRefused),
    /// What others made cannot be taken over.
    #[error(transparent)]
    Import(#[from] ImportRefused),
    /// A PKCS#12 file cannot be used.
    #[error("The PKCS#12 file {path:?} cannot be used: {reason}.")]
    Pkcs12File {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: Pkcs12Error,
    },
    /// The rules do not allow this certificate.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The certificate is not renewed.
    #[error(transparent)]
    Renewal(#[from] RenewalRefused),
    /// The CA is not rotated.
    #[error(transparent)]
    Rotation(#[from] RotationRefused),
    /// The folder, or a file in it.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// The index of the CA.
    #[error(transparent)]
    Index(#[from] IndexError),
    /// The manifest.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// There is no CA in the folder.
    #[error(
        "There is no CA in {0:?}; create one with \"pki init\", or name its folder with --dir."
    )]
    NoAuthority(PathBuf),
    /// A part of a CA is lost, without which it must not go on.
    #[error(
        "{0:?} is missing, and this CA issues with nothing else; restore it from a backup, or make a new CA in another folder."
    )]
    AuthorityIncomplete(PathBuf),
    /// The key that signs CAs is kept elsewhere.
    #[error(
        "The root's key {0:?} is not here, and a CA below the root needs its signature. Bring it there for this one command, and take it away again afterwards; or sign where it is, with --ca and --ca-key."
    )]
    RootKeyElsewhere(PathBuf),
    /// There is a CA already.
    #[error(
        "There is a CA in {0:?} already, and it is never overwritten; choose another folder with --dir."
    )]
    AuthorityExists(PathBuf),
    /// There is a pair already.
    #[error("{0:?} holds a certificate or key already; replace the pair with --force.")]
    PairExists(PathBuf),
    /// A name that cannot be a folder.
    #[error(
        "The name {0:?} cannot be used: a name is a folder below --dir, of at most 64 letters, digits, dots, hyphens and underscores, begins with a letter or digit, does not end in \".toml\", and is not \"ca\"."
    )]
    FolderName(String),
    /// An encrypted key would be replaced by one in clear.
    #[error(
        "The key {0:?} is encrypted, and the one in its place would not be; give the passphrase of the new key."
    )]
    ClearKey(PathBuf),
    /// A passphrase is needed and cannot be had.
    #[error("{0}")]
    Passphrase(String),
    /// The system's randomness failed.
    #[error("The operating system gave no randomness; without it no serial number can be drawn.")]
    Randomness,
    /// A certificate is not revoked.
    #[error(transparent)]
    Revocation(#[from] RevocationRefused),
    /// A CRL without which nothing can be verified was never signed, and its key is not here.
    #[error(
        "The CRL of {issuer:?} is missing, and its key {key:?} is not here to sign it. Verifiers would refuse everything without it, so no crl.pem was written; bring the key there and run \"pki crl\"."
    )]
    CrlKeyMissing {
        /// The CA.
        issuer: String,
        /// The key.
        key: PathBuf,
    },
    /// A CRL that nobody was given has ended, and its key is not here.
    #[error(
        "The CRL of {issuer:?}, which lay in the index, has ended on {end}, and its key {key:?} is not here to sign another. Verifiers would refuse everything with it, so no crl.pem was written; bring the key there and run \"pki crl\"."
    )]
    CrlEnded {
        /// The CA.
        issuer: String,
        /// When it ended.
        end: String,
        /// The key.
        key: PathBuf,
    },
    /// A CRL should be signed again, and its key is not here.
    #[error(
        "The CRL of {issuer:?} should be signed again ({reason}), and its key {key:?} is not here; bring the key there and run \"pki crl\"."
    )]
    CrlOutdated {
        /// The CA.
        issuer: String,
        /// The key.
        key: PathBuf,
        /// Why.
        reason: String,
    },
    /// The CRLs of the CA are damaged.
    #[error(
        "{0:?} holds no CRL that can be read, or a damaged one, and would go beside what is issued, where services would refuse everybody with it; run \"pki crl\", which writes it again, and then this command."
    )]
    ListsUnreadable(PathBuf),
    /// Another CA took the place of the one with which a command had begun.
    #[error(
        "The CA in {0:?} was rotated by another command meanwhile, so nothing more was written with what was known of it before; run this command again."
    )]
    Rotated(PathBuf),
    /// The path validator refused what was just signed: nothing was written.
    #[error("What was just signed was refused by our own validation, so it was thrown away: {0}")]
    OwnOutputRefused(String),
}

/// What a caller may want to tell apart.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// What was asked for makes no sense.
    Usage,
    /// What was asked for is against the rules.
    Refused,
    /// Something needed is not there.
    NotFound,
    /// Something to be made is there already.
    Exists,
    /// The operating system refused.
    Io,
    /// A file is not what it should be.
    Malformed,
    /// A passphrase is missing or wrong.
    Passphrase,
    /// Somebody else holds a lock.
    Busy,
    /// A defect.
    Internal,
}

impl Error {
    /// What failed was to be at `place` and is still at `made`, a name of ours that says nothing to a person.
    pub(crate) fn named_after(self, made: &Path, place: &Path) -> Self {
        match self {
            Self::Folder(error) => Self::Folder(error.named_after(made, place)),
            Self::Index(error) => Self::Index(error.named_after(made, place)),
            other => other,
        }
    }

    /// The kind of this failure.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Subject(DistinguishedNameError::Malformed) => ErrorKind::Malformed,
            Self::Subject(_) | Self::FolderName(_) => ErrorKind::Usage,
            Self::Key(KeyError::UnknownAlgorithm(_)) => ErrorKind::Usage,
            Self::Name(_) | Self::Refused(_) | Self::Key(KeyError::Weak(_)) => ErrorKind::Refused,
            Self::KeyFile { reason, .. } => match reason {
                KeyError::Encrypted | KeyError::WrongPassphrase => ErrorKind::Passphrase,
                KeyError::Weak(_) => ErrorKind::Refused,
                _ => ErrorKind::Malformed,
            },
            Self::Request { reason, .. } if !reason.is_malformed() => ErrorKind::Refused,
            Self::ListsUnreadable(_)
            | Self::CertificateFile { .. }
            | Self::Request { .. }
            | Self::Manifest(_) => ErrorKind::Malformed,
            Self::Renewal(error) => error.kind(),
            Self::Export(error) => error.kind(),
            Self::Import(error) => error.kind(),
            Self::Pkcs12File { reason, .. } if reason.is_about_passphrase() => {
                ErrorKind::Passphrase
            }
            Self::Pkcs12File { .. } => ErrorKind::Malformed,
            Self::Rotation(error) => error.kind(),
            Self::Folder(error) => error.kind(),
            Self::Index(error) => error.kind(),
            Self::NoAuthority(_)
            | Self::AuthorityIncomplete(_)
            | Self::RootKeyElsewhere(_)
            | Self::CrlKeyMissing { .. }
            | Self::CrlEnded { .. }
            | Self::CrlOutdated { .. } => ErrorKind::NotFound,
            Self::Revocation(refused) => match refused {
                RevocationRefused::UnknownName(_) | RevocationRefused::UnknownSerial(_) => {
                    ErrorKind::NotFound
                }
                RevocationRefused::NoSerial(_) => ErrorKind::Usage,
                _ => ErrorKind::Refused,
            },
            Self::AuthorityExists(_) | Self::PairExists(_) => ErrorKind::Exists,
            Self::Rotated(_) => ErrorKind::Busy,
            Self::Passphrase(_) | Self::ClearKey(_) => ErrorKind::Passphrase,
            Self::Key(_) | Self::Randomness | Self::OwnOutputRefused(_) => ErrorKind::Internal,
        }
    }
}
