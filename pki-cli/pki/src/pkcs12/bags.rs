//! SafeContents (RFC 7292 section 4.2): bags, and the attributes of each.

use zeroize::Zeroizing;

use super::{Budget, Pkcs12Error, encryption, too_many};
use crate::{
    der,
    key::Passphrase,
    parse::{
        der::{Reader, Value, tag, whole},
        oid::known,
        public_key::AlgorithmIdentifier,
    },
};

/// One bag.
#[derive(Clone)]
pub(crate) struct Bag {
    pub(crate) kind: BagKind,
    pub(crate) attributes: Vec<Attribute>,
}

/// What is in a bag.
#[derive(Clone)]
pub(crate) enum BagKind {
    /// A PKCS#8 key in clear.
    Key(Zeroizing<Vec<u8>>),
    /// A PKCS#8 key, encrypted: its AlgorithmIdentifier, and the key in clear or why it is not.
    ShroudedKey {
        algorithm: Vec<u8>,
        opened: Result<Zeroizing<Vec<u8>>, Pkcs12Error>,
    },
    Certificate(Vec<u8>),
    Crl(Vec<u8>),
    /// A bag that is not taken apart: what it is, and how many octets it has. It may hold a secret.
    Other {
        what: String,
        octets: usize,
    },
}

/// What a bag says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Attribute {
    /// The name for people (PKCS#9 friendlyName).
    FriendlyName(String),
    /// What a key and its certificate have in common.
    LocalKeyId(Vec<u8>),
    /// Another one: its name or number, and its values as encoded.
    Other(String, Vec<u8>),
}

/// A bag may be a key.
impl std::fmt::Debug for Bag {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let what = match &self.kind {
            BagKind::Key(_) => "key [elided]",
            BagKind::ShroudedKey { .. } => "encrypted key [elided]",
            BagKind::Certificate(_) => "certificate",
            BagKind::Crl(_) => "CRL",
            BagKind::Other { what, .. } => what,
        };
        write!(f, "Bag({what})")
    }
}

/// Reads the bags of a safe, up to `room` of them.
pub(super) fn read(
    octets: &[u8],
    passphrase: &Result<&Passphrase, Pkcs12Error>,
    budget: &mut Budget,
    room: &mut usize,
) -> Result<Vec<Bag>, Pkcs12Error> {
    let list = whole(octets, tag::SEQUENCE, "the list of bags")?;
    let mut list = Reader::new(list.content);
    let mut bags = Vec::new();
    while !list.is_empty() {
        *room = room.checked_sub(1).ok_or_else(too_many)?;
        let mut bag = list.sequence("a bag")?;
        let kind = bag.oid("the kind of a bag")?;
        let mut explicit = bag.constructed(tag::context_constructed(0), "a bag")?;
        let value = explicit.any("the content of a bag")?;
        explicit.end("the content of a bag")?;
        let attributes = match bag.is_empty() {
            true => Vec::new(),
            false => attributes(bag.constructed(tag::SET, "the attributes of a bag")?)?,
        };
        bag.end("a bag")?;
        let kind = match kind {
            known::KEY_BAG => BagKind::Key(Zeroizing::new(value.raw.to_vec())),
            known::SHROUDED_KEY_BAG => shrouded(value, passphrase, budget)?,
            known::CERT_BAG => typed(value, known::X509_CERTIFICATE.0, BagKind::Certificate)?,
            known::CRL_BAG => typed(value, known::X509_CRL.0, BagKind::Crl)?,
            // SafeContents within SafeContents (section 4.2.6) is written by nobody, and would invite recursion.
            other => BagKind::Other {
                what: other.name_and_numbers(),
                octets: value.raw.len(),
            },
        };
        bags.push(Bag { kind, attributes });
    }
    Ok(bags)
}

/// EncryptedPrivateKeyInfo (RFC 5958 section 3).
fn shrouded(
    value: Value<'_>,
    passphrase: &Result<&Passphrase, Pkcs12Error>,
    budget: &mut Budget,
) -> Result<BagKind, Pkcs12Error> {
    let what = "an encrypted key";
    let mut reader = Reader::new(value.raw).sequence(what)?;
    let algorithm = AlgorithmIdentifier::read(&mut reader, "the encryption of a key")?;
    let encrypted = reader.octet_string(what)?;
    reader.end(what)?;
    let opened = passphrase.clone().and_then(|passphrase| {
        let octets = encryption::decrypt(&algorithm, encrypted, passphrase, budget)?;
        // The padding of one wrong passphrase in 256 looks right, and what it yields is no DER.
        match whole(&octets, tag::SEQUENCE, what) {
            Ok(_) => Ok(octets),
            Err(_) => Err(Pkcs12Error::WrongPassphrase),
        }
    });
    Ok(BagKind::ShroudedKey {
        algorithm: der::sequence([algorithm.content]),
        opened,
    })
}

/// CertBag and CRLBag (sections 4.2.3 and 4.2.4): a type, and for X.509 the DER in an OCTET STRING.
fn typed(
    value: Value<'_>,
    x509: &[u8],
    kind: fn(Vec<u8>) -> BagKind,
) -> Result<BagKind, Pkcs12Error> {
    let what = "a certificate or CRL bag";
    let mut reader = Reader::new(value.raw).sequence(what)?;
    let oid = reader.oid(what)?;
    let mut explicit = reader.constructed(tag::context_constructed(0), what)?;
    reader.end(what)?;
    if oid.0 != x509 {
        return Ok(BagKind::Other {
            what: oid.name_and_numbers(),
            octets: value.raw.len(),
        });
    }
    let octets = explicit.octet_string(what)?;
    explicit.end(what)?;
    Ok(kind(octets.to_vec()))
}

fn attributes(mut set: Reader<'_>) -> Result<Vec<Attribute>, Pkcs12Error> {
    let what = "an attribute of a bag";
    let mut all = Vec::new();
    while !set.is_empty() {
        let mut attribute = set.sequence(what)?;
        let oid = attribute.oid(what)?;
        let values = attribute.value(tag::SET, what)?;
        attribute.end(what)?;
        let only = whole(values.content, tag::BMP_STRING, what)
            .ok()
            .and_then(|value| bmp(value.content));
        let octets = whole(values.content, tag::OCTET_STRING, what).ok();
        all.push(match (oid, only, octets) {
            (known::FRIENDLY_NAME, Some(name), _) => Attribute::FriendlyName(name),
            (known::LOCAL_KEY_ID, _, Some(id)) => Attribute::LocalKeyId(id.content.to_vec()),
            _ => Attribute::Other(oid.name_and_numbers(), values.content.to_vec()),
        });
    }
    Ok(all)
}

/// A BMPString, in which pairs of surrogates are read as UTF-16 does, because everybody writes them so.
fn bmp(octets: &[u8]) -> Option<String> {
    let (units, []) = octets.as_chunks::<2>() else {
        return None;
    };
    char::decode_utf16(units.iter().map(|unit| u16::from_be_bytes(*unit)))
        .collect::<Result<_, _>>()
        .ok()
}
