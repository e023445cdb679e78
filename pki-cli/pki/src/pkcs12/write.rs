//! A PKCS#12 file with one key and its certificates, or with certificates alone.

use std::num::NonZeroU32;

use zeroize::Zeroizing;

use super::{Pkcs12Error, encryption, mac};
use crate::{
    certificate::Certificate,
    der,
    key::{Passphrase, PrivateKey},
    parse::{
        der::tag,
        oid::{Oid, known},
    },
};

/// What is to be written.
#[derive(Debug)]
pub struct Contents<'a> {
    /// The name that people will see, in Java the alias.
    pub friendly_name: &'a str,
    /// The key of the first certificate; without one only certificates are written.
    pub key: Option<&'a PrivateKey>,
    /// The certificates, the end entity's first.
    pub certificates: &'a [Certificate],
}

/// Writes a file: the certificates in one encrypted safe, the key encrypted in a safe of its own, as openssl does.
pub fn write(contents: &Contents<'_>, passphrase: &Passphrase) -> Result<Vec<u8>, Pkcs12Error> {
    write_with(contents, passphrase, encryption::ITERATIONS)
}

/// The same, with another cost.
pub(super) fn write_with(
    contents: &Contents<'_>,
    passphrase: &Passphrase,
    iterations: NonZeroU32,
) -> Result<Vec<u8>, Pkcs12Error> {
    let own = contents
        .certificates
        .first()
        .map(|own| own.fingerprint_octets());
    let tied = |is_own: bool| {
        let mut attributes = Vec::new();
        if is_own {
            attributes.push(friendly_name(contents.friendly_name));
            if let (Some(own), Some(_)) = (&own, contents.key) {
                attributes.push(local_key_id(own));
            }
        }
        attributes
    };
    let bags = contents
        .certificates
        .iter()
        .enumerate()
        .map(|(at, certificate)| {
            let typed = der::sequence([
                oid(known::X509_CERTIFICATE),
                der::explicit(0, &der::octet_string(certificate.der())),
            ]);
            bag(known::CERT_BAG, &typed, tied(at == 0))
        });
    let (algorithm, encrypted) = encryption::encrypt(&der::sequence(bags), passphrase, iterations)?;
    let info = der::sequence([
        oid(known::PKCS7_DATA),
        algorithm,
        der::implicit(0, &encrypted),
    ]);
    let data = der::sequence([der::unsigned(&[0]), info]);
    let mut safes = vec![der::sequence([
        oid(known::PKCS7_ENCRYPTED_DATA),
        der::explicit(0, &data),
    ])];
    if let Some(key) = contents.key {
        let (algorithm, encrypted) = encryption::encrypt(key.pkcs8(), passphrase, iterations)?;
        let shrouded = der::sequence([algorithm, der::octet_string(&encrypted)]);
        let bags = der::sequence([bag(known::SHROUDED_KEY_BAG, &shrouded, tied(true))]);
        safes.push(data_content(&bags));
    }
    let authenticated = Zeroizing::new(der::sequence(safes));
    Ok(der::sequence([
        der::unsigned(&[3]),
        data_content(&authenticated),
        mac::write(&authenticated, passphrase, iterations)?,
    ]))
}

fn oid(oid: Oid<'_>) -> Vec<u8> {
    der::object_identifier(oid.0)
}

/// ContentInfo of the type data.
fn data_content(octets: &[u8]) -> Vec<u8> {
    der::sequence([
        oid(known::PKCS7_DATA),
        der::explicit(0, &der::octet_string(octets)),
    ])
}

fn bag(kind: Oid<'_>, value: &[u8], attributes: Vec<Vec<u8>>) -> Vec<u8> {
    let mut parts = vec![oid(kind), der::explicit(0, value)];
    // bagAttributes SET OF PKCS12Attribute OPTIONAL
    if !attributes.is_empty() {
        parts.push(der::set_of(attributes));
    }
    der::sequence(parts)
}

fn friendly_name(name: &str) -> Vec<u8> {
    let units: Vec<u8> = name.encode_utf16().flat_map(u16::to_be_bytes).collect();
    attribute(known::FRIENDLY_NAME, der::value(tag::BMP_STRING, &units))
}

fn local_key_id(id: &[u8]) -> Vec<u8> {
    attribute(known::LOCAL_KEY_ID, der::octet_string(id))
}

fn attribute(kind: Oid<'_>, value: Vec<u8>) -> Vec<u8> {
    der::sequence([oid(kind), der::set_of(vec![value])])
}
