//! The certificate and key that this side shows when the server asks for them.

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
};

use pki::{
    authority::{Unlock, read_given_key, read_key},
    certificate::Certificate,
    folder::{CERTIFICATE, KEY},
    inspect,
    issuer::date,
    key::PrivateKey,
    text::escape,
};
use rustls::{
    pki_types::{CertificateDer, PrivatePkcs8KeyDer, pem::PemObject},
    sign::CertifiedKey,
};
use time::OffsetDateTime;

use crate::{
    command_error::{CommandError, Kind},
    input,
    passphrase::PassphraseArgs,
};

/// How a key is read, from a folder or as a file that was named.
type ReadKey = fn(&Path, &mut Unlock<'_>) -> Result<PrivateKey, pki::Error>;

/// A certificate, its intermediates and its key, proven to belong together.
#[derive(Clone, Debug)]
pub(crate) struct OwnPair {
    pair: Arc<CertifiedKey>,
    certificate: Certificate,
    now: OffsetDateTime,
}

impl OwnPair {
    /// Reads the pair in a folder. Certificate and key change together there, so the certificate is read first and once
    /// more at the end: when both readings agree, what lies between belongs to it.
    pub(crate) fn in_folder(
        folder: &Path,
        passphrase: &PassphraseArgs,
        now: OffsetDateTime,
    ) -> Result<Self, CommandError> {
        let (certificate, key) = (folder.join(CERTIFICATE), folder.join(KEY));
        let mut octets = input::read_own(&certificate)?;
        for _ in 0..READINGS {
            let pair = Self::of(&certificate, &octets, (&key, read_key), passphrase, now);
            let again = input::read_own(&certificate)?;
            if again == octets {
                return pair;
            }
            octets = again;
        }
        Err(CommandError::new(
            Kind::Busy,
            format_args!(
                "{} changed at every reading; try again when it has come to rest.",
                shown(&certificate)
            ),
        ))
    }

    /// Reads two files.
    pub(crate) fn in_files(
        certificate: &Path,
        key: &Path,
        passphrase: &PassphraseArgs,
        now: OffsetDateTime,
    ) -> Result<Self, CommandError> {
        let octets = input::read(certificate)?;
        Self::of(certificate, &octets, (key, read_given_key), passphrase, now)
    }

    fn of(
        file: &Path,
        octets: &[u8],
        (key_file, read): (&Path, ReadKey),
        passphrase: &PassphraseArgs,
        now: OffsetDateTime,
    ) -> Result<Self, CommandError> {
        let malformed = |reason: String| {
            CommandError::new(Kind::Malformed, format_args!("{}: {reason}.", shown(file)))
        };
        let chain = inspect::certificates(octets).map_err(|error| malformed(error.to_string()))?;
        let leaf = chain.first().map_or(&[][..], Vec::as_slice);
        let certificate =
            Certificate::from_der(leaf).map_err(|error| malformed(error.to_string()))?;
        let key = read(key_file, &mut |path| passphrase.unlock(path))?;
        if certificate.public_key() != key.public() {
            return Err(CommandError::new(
                Kind::Refused,
                format_args!(
                    "The key {} is not the key of the certificate in {}.",
                    shown(key_file),
                    shown(file)
                ),
            )
            .hint("Give the pair that was issued together."));
        }
        let unusable = |_| {
            CommandError::new(
                Kind::Refused,
                format_args!("The key {} cannot be used in TLS.", shown(key_file)),
            )
            .hint("Use a key of kind p256, p384, ed25519 or rsa-2048 and more.")
        };
        let der = PrivatePkcs8KeyDer::from_pem_slice(key.to_pem().as_bytes())
            .map_err(|_| malformed("its key cannot be written as PKCS#8".to_owned()))?;
        let signing_key = super::provider()
            .key_provider
            .load_private_key(der.into())
            .map_err(unusable)?;
        let chain = chain.into_iter().map(CertificateDer::from).collect();
        Ok(Self {
            pair: Arc::new(CertifiedKey::new(chain, signing_key)),
            certificate,
            now,
        })
    }

    /// What rustls shows.
    pub(super) fn key(&self) -> Arc<CertifiedKey> {
        self.pair.clone()
    }

    /// How many certificates are sent.
    pub(super) fn count(&self) -> usize {
        self.pair.cert.len()
    }

    /// The certificate.
    pub(crate) fn certificate(&self) -> &Certificate {
        &self.certificate
    }

    /// The issuer of the certificate.
    pub(super) fn issuer(&self) -> String {
        self.certificate.issuer().to_slashes()
    }

    /// What to do when the server says that its time is over.
    pub(super) fn validity_advice(&self) -> String {
        let (from, to) = (self.certificate.not_before(), self.certificate.not_after());
        if self.now > to {
            format!("It expired on {}: renew it.", date(to))
        } else if self.now < from {
            format!(
                "It is not valid before {}: check this machine's clock.",
                date(from)
            )
        } else {
            format!(
                "By this machine's clock it is valid until {}: check the server's clock, and the validity of the intermediates.",
                date(to)
            )
        }
    }
}

/// “CN=order”, safe for a terminal.
impl fmt::Display for OwnPair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.certificate.subject().shown())
    }
}

/// A folder is replaced in a moment: one that changes at each of so many readings never comes to rest.
const READINGS: usize = 5;

/// The folder of an identity: a path when it is written as one, or else a name below `dir`.
pub(crate) fn folder_of(dir: &Path, name: &Path) -> PathBuf {
    match name.components().count() {
        1 if !name.starts_with(".") && !name.starts_with("..") => dir.join(name),
        _ => name.to_owned(),
    }
}

fn shown(path: &Path) -> String {
    escape(&path.to_string_lossy())
}
