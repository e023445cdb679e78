//! PKCS#12 (RFC 7292): one file with a key, its certificate and the chain, as Java, Windows and browsers take it.
//!
//! A file is an AuthenticatedSafe (section 4.1) with a MAC over it: a list of safes, each in clear or encrypted, each a
//! list of bags, each with attributes (a name for people, and an identifier that ties a certificate to its key).
//!
//! [`Pkcs12::read`] reads what the encryption allows and tells the rest: without a passphrase everything but the content
//! of encrypted safes, with one everything. Nothing is lost: a bag or an attribute of an unknown kind is kept with its
//! number. [`write()`] writes one form, the one that openssl 3, Java and Windows read: PBES2 with PBKDF2 and AES-256-CBC
//! (RFC 8018), and a MAC with HMAC-SHA-256.
//!
//! What it deliberately does not do:
//! - the encryptions of RFC 7292 appendix C (RC2, RC4 and triple DES under SHA-1): they are named, refused, and never
//!   written;
//! - public-key privacy and integrity modes (section 3.1), of which no file was ever seen here;
//! - BER: what is read is DER, by the strict reader of this library, without recursion;
//! - to run for as long as a file asks: all key derivations of a file together may take [`MAX_ITERATIONS`].

mod bags;
mod encryption;
mod mac;
#[cfg(test)]
pub(crate) mod tests;
mod write;

use std::fmt;

use aws_lc_rs::digest;
use zeroize::Zeroizing;

use crate::{
    certificate::Certificate,
    der,
    key::{KeyError, Passphrase, PrivateKey},
    parse::{
        der::{DerError, Reader, tag, whole},
        oid::{Oid, known},
        public_key::AlgorithmIdentifier,
    },
};

pub(crate) use bags::{Attribute, Bag, BagKind};
pub use write::{Contents, write};

/// How many iterations all key derivations of one file may take together, so that a hostile file costs seconds at most.
/// Java's limit for a single one is the same.
pub const MAX_ITERATIONS: u64 = 5_000_000;
/// No file has more bags.
const MAX_BAGS: usize = 10_000;

/// Why a PKCS#12 file cannot be used: half a sentence.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Pkcs12Error {
    /// The file is no PKCS#12, or damaged.
    #[error("it is no PKCS#12 in DER: {0}")]
    Malformed(String),
    /// It is a form that macOS and old browsers write.
    #[error(
        "it is in BER with indefinite lengths, and DER is read here; convert it with \"openssl pkcs12 -legacy -in FILE -nodes | openssl pkcs12 -export -out NEW\""
    )]
    Ber,
    /// It is encrypted, and no passphrase was given.
    #[error("it is encrypted, and no passphrase was given")]
    Encrypted,
    /// The passphrase does not open it.
    #[error("the passphrase is wrong, or the file was altered")]
    WrongPassphrase,
    /// The passphrase cannot be what the file asks for.
    #[error(
        "a PKCS#12 passphrase is text (RFC 7292 appendix B.1), and the one that was given is not UTF-8"
    )]
    NotText,
    /// An encryption or MAC that is not supported.
    #[error(
        "it is protected by {0}, which is not supported; convert it with \"openssl pkcs12 -legacy -in FILE -nodes | openssl pkcs12 -export -out NEW\""
    )]
    Unsupported(String),
    /// The key derivations would take too long.
    #[error(
        "its key derivations ask for more than {MAX_ITERATIONS} iterations in all, which no honest file does; convert it with \"openssl pkcs12 -in FILE -nodes | openssl pkcs12 -export -out NEW\""
    )]
    TooExpensive,
    /// A key in it is of no kind that is used here.
    #[error("a key in it cannot be used: {0}")]
    Key(KeyError),
    /// A certificate in it cannot be read.
    #[error("a certificate in it cannot be read: {0}")]
    Certificate(String),
    /// The crypto library failed.
    #[error("the crypto library reported a failure")]
    Crypto,
}

impl Pkcs12Error {
    /// Whether a passphrase is missing or wrong.
    pub fn is_about_passphrase(&self) -> bool {
        matches!(
            self,
            Self::Encrypted | Self::WrongPassphrase | Self::NotText
        )
    }
}

impl From<DerError> for Pkcs12Error {
    fn from(error: DerError) -> Self {
        Self::Malformed(error.to_string())
    }
}

/// A PKCS#12 file, read as far as its encryption allowed.
#[derive(Clone, Debug)]
pub struct Pkcs12 {
    pub(crate) mac: Option<Mac>,
    pub(crate) safes: Vec<Safe>,
}

/// The MAC over the safes (RFC 7292 section 4, MacData).
#[derive(Clone, Debug)]
pub(crate) struct Mac {
    /// In words.
    pub(crate) algorithm: String,
    pub(crate) iterations: u64,
    pub(crate) salt: Vec<u8>,
    /// `None` when it was not checked, for want of a passphrase.
    pub(crate) verdict: Option<Result<(), Pkcs12Error>>,
}

/// One safe: a list of bags, perhaps encrypted.
#[derive(Clone, Debug)]
pub(crate) struct Safe {
    pub(crate) protection: Protection,
    /// The bags, or why they cannot be seen.
    pub(crate) bags: Result<Vec<Bag>, Pkcs12Error>,
}

#[derive(Clone, Debug)]
pub(crate) enum Protection {
    Clear,
    /// The AlgorithmIdentifier, with tag and length.
    Encrypted(Vec<u8>),
    /// A content type that is not read here.
    Unknown(String),
}

/// What all key derivations of one file may still cost.
pub(super) struct Budget(u64);

impl Budget {
    fn new() -> Self {
        Self(MAX_ITERATIONS)
    }

    /// A derivation of `blocks` blocks is about to start.
    fn charge(&mut self, iterations: u64, blocks: u64) -> Result<(), Pkcs12Error> {
        self.0 = iterations
            .checked_mul(blocks)
            .and_then(|cost| self.0.checked_sub(cost))
            .ok_or(Pkcs12Error::TooExpensive)?;
        Ok(())
    }
}

impl Pkcs12 {
    /// Whether the octets begin as a PKCS#12 file does: a version, and then a ContentInfo.
    pub(crate) fn is_one(octets: &[u8]) -> bool {
        let begins = || {
            let mut reader = Reader::new(octets).sequence("it")?;
            reader.unsigned("it")?;
            reader.sequence("it")?.oid("it")
        };
        begins().is_ok_and(|oid: Oid<'_>| oid.name().starts_with("PKCS#7"))
    }

    /// Whether the octets begin as a PKCS#12 file in BER does, with lengths that are not told in advance.
    pub(crate) fn is_ber(octets: &[u8]) -> bool {
        octets.starts_with(&[0x30, 0x80, 0x02, 0x01, 0x03, 0x30])
    }

    /// Reads a file. What cannot be opened is told in its place; an error is a file whose outside is damaged.
    pub fn read(octets: &[u8], passphrase: Option<&Passphrase>) -> Result<Self, Pkcs12Error> {
        if octets.is_empty() {
            return Err(Pkcs12Error::Malformed("the file is empty".to_owned()));
        }
        if Self::is_ber(octets) {
            return Err(Pkcs12Error::Ber);
        }
        let mut budget = Budget::new();
        let outer = whole(octets, tag::SEQUENCE, "the file")?;
        let mut reader = Reader::new(outer.content);
        let version = reader.unsigned("the version")?;
        if version != 3 {
            return Err(Pkcs12Error::Malformed(format!(
                "its version is {version}, and only 3 is known (RFC 7292 section 4)"
            )));
        }
        let mut safe = reader.sequence("the authenticated safe")?;
        let kind = safe.oid("the kind of the authenticated safe")?;
        if kind != known::PKCS7_DATA {
            return Err(Pkcs12Error::Unsupported(format!(
                "a public key ({})",
                kind.name_and_numbers()
            )));
        }
        let authenticated = content(&mut safe, "the authenticated safe")?;
        let mac = match reader.is_empty() {
            true => None,
            false => Some(mac::read(
                &mut reader,
                authenticated,
                passphrase,
                &mut budget,
            )?),
        };
        reader.end("the file")?;
        // With a wrong passphrase nothing opens: one failure is enough, and costs one derivation.
        let opens = match &mac {
            Some(Mac {
                verdict: Some(Err(error)),
                ..
            }) if error.is_about_passphrase() => Err(error.clone()),
            _ => passphrase.ok_or(Pkcs12Error::Encrypted),
        };
        let mut safes = Vec::new();
        let mut room = MAX_BAGS;
        let list = whole(authenticated, tag::SEQUENCE, "the list of safes")?;
        let mut list = Reader::new(list.content);
        while !list.is_empty() {
            if safes.len() == MAX_BAGS {
                return Err(too_many());
            }
            safes.push(read_safe(&mut list, &opens, &mut budget, &mut room)?);
        }
        Ok(Self { mac, safes })
    }

    /// Takes out what a pair is made of. Everything in the file must be open, readable, and protected from changes by a
    /// MAC that was checked, where there is one.
    pub fn open(&self) -> Result<Opened, Pkcs12Error> {
        if let Some(mac) = &self.mac {
            match &mac.verdict {
                None => return Err(Pkcs12Error::Encrypted),
                Some(Err(error)) => return Err(error.clone()),
                Some(Ok(())) => {}
            }
        }
        let mut opened = Opened {
            keys: Vec::new(),
            certificates: Vec::new(),
            crls: Vec::new(),
            others: Vec::new(),
            has_mac: self.mac.is_some(),
        };
        for safe in &self.safes {
            if let Protection::Unknown(kind) = &safe.protection {
                opened.others.push(format!("a safe of the kind {kind}"));
                continue;
            }
            for bag in safe.bags.as_ref().map_err(Clone::clone)? {
                match &bag.kind {
                    BagKind::Key(octets) => opened.keys.push(key(octets)?),
                    BagKind::ShroudedKey { opened: octets, .. } => {
                        let octets = octets.as_ref().map_err(Clone::clone)?;
                        opened.keys.push(key(octets)?);
                    }
                    BagKind::Certificate(octets) => opened.certificates.push(
                        Certificate::from_der(octets)
                            .map_err(|error| Pkcs12Error::Certificate(error.to_string()))?,
                    ),
                    BagKind::Crl(octets) => opened.crls.push(octets.clone()),
                    BagKind::Other { what, .. } => opened.others.push(what.clone()),
                }
            }
        }
        Ok(opened)
    }
}

fn key(octets: &Zeroizing<Vec<u8>>) -> Result<PrivateKey, Pkcs12Error> {
    PrivateKey::read(octets, None).map_err(Pkcs12Error::Key)
}

/// What was in a file.
#[derive(Debug)]
#[non_exhaustive]
pub struct Opened {
    /// The private keys.
    pub keys: Vec<PrivateKey>,
    /// The certificates, in the order of the file.
    pub certificates: Vec<Certificate>,
    /// The CRLs, encoded.
    pub crls: Vec<Vec<u8>>,
    /// What is of no use here, in words that are safe for a terminal.
    pub others: Vec<String>,
    /// Whether a MAC was there, and right.
    pub has_mac: bool,
}

fn too_many() -> Pkcs12Error {
    Pkcs12Error::Malformed(format!(
        "it has more than {MAX_BAGS} bags, which no honest file has"
    ))
}

/// `[0] EXPLICIT OCTET STRING`: what a ContentInfo of the type data holds.
fn content<'a>(reader: &mut Reader<'a>, what: &'static str) -> Result<&'a [u8], Pkcs12Error> {
    let mut inner = reader.constructed(tag::context_constructed(0), what)?;
    reader.end(what)?;
    let octets = inner.octet_string(what)?;
    inner.end(what)?;
    Ok(octets)
}

/// One ContentInfo of the AuthenticatedSafe (RFC 7292 section 4.1).
fn read_safe(
    list: &mut Reader<'_>,
    passphrase: &Result<&Passphrase, Pkcs12Error>,
    budget: &mut Budget,
    room: &mut usize,
) -> Result<Safe, Pkcs12Error> {
    let mut reader = list.sequence("a safe")?;
    let kind = reader.oid("the kind of a safe")?;
    if kind == known::PKCS7_DATA {
        let octets = content(&mut reader, "a safe")?;
        return Ok(Safe {
            protection: Protection::Clear,
            bags: bags::read(octets, passphrase, budget, room),
        });
    }
    if kind != known::PKCS7_ENCRYPTED_DATA {
        return Ok(Safe {
            bags: Err(Pkcs12Error::Unsupported(kind.name_and_numbers())),
            protection: Protection::Unknown(kind.name_and_numbers()),
        });
    }
    // EncryptedData (RFC 2315 section 13): a version, and EncryptedContentInfo.
    let what = "an encrypted safe";
    let mut explicit = reader.constructed(tag::context_constructed(0), what)?;
    reader.end(what)?;
    let mut data = explicit.sequence(what)?;
    explicit.end(what)?;
    data.unsigned(what)?;
    let mut info = data.sequence(what)?;
    info.oid(what)?;
    let algorithm = AlgorithmIdentifier::read(&mut info, "the encryption of a safe")?;
    let encrypted = info.value(tag::context(0), what)?.content;
    info.end(what)?;
    let bags = passphrase.clone().and_then(|passphrase| {
        let octets = encryption::decrypt(&algorithm, encrypted, passphrase, budget)?;
        // What a wrong passphrase yields looks like padding once in 256 times, and is no list of bags.
        whole(&octets, tag::SEQUENCE, "it").map_err(|_| Pkcs12Error::WrongPassphrase)?;
        bags::read(&octets, &Ok(passphrase), budget, room)
    });
    Ok(Safe {
        protection: Protection::Encrypted(der::sequence([algorithm.content])),
        bags,
    })
}

/// The hash functions by their object identifiers.
fn hash(oid: Oid<'_>) -> Option<&'static digest::Algorithm> {
    Some(match oid {
        known::SHA1 => &digest::SHA1_FOR_LEGACY_USE_ONLY,
        known::SHA224 => &digest::SHA224,
        known::SHA256 => &digest::SHA256,
        known::SHA384 => &digest::SHA384,
        known::SHA512 => &digest::SHA512,
        _ => return None,
    })
}

impl fmt::Display for Protection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Clear => f.write_str("not encrypted"),
            Self::Encrypted(_) => f.write_str("encrypted"),
            Self::Unknown(kind) => f.write_str(kind),
        }
    }
}
