//! The MAC of a PKCS#12 file: HMAC under the key derivation of RFC 7292 appendix B, and PBMAC1 (RFC 9879).

use std::num::NonZeroU32;

use aws_lc_rs::{digest, hmac, rand};
use zeroize::Zeroizing;

use super::{
    Budget, Mac, Pkcs12Error,
    encryption::{Derivation, SALT, no_iterations},
    hash,
};
use crate::{
    der,
    key::Passphrase,
    parse::{der::Reader, oid::known, public_key::AlgorithmIdentifier},
};

/// MacData (RFC 7292 section 4), checked when there is a passphrase.
pub(super) fn read(
    reader: &mut Reader<'_>,
    authenticated: &[u8],
    passphrase: Option<&Passphrase>,
    budget: &mut Budget,
) -> Result<Mac, Pkcs12Error> {
    let what = "the MAC";
    let mut data = reader.sequence(what)?;
    let mut info = data.sequence(what)?;
    let algorithm = AlgorithmIdentifier::read(&mut info, "the algorithm of the MAC")?;
    let expected = info.octet_string(what)?;
    info.end(what)?;
    let salt = data.octet_string("the salt of the MAC")?;
    // iterations INTEGER DEFAULT 1
    let iterations = match data.is_empty() {
        true => 1,
        false => data.unsigned("the iteration count of the MAC")?,
    };
    data.end(what)?;
    if algorithm.oid == known::PBMAC1 {
        return pbmac1(&algorithm, expected, authenticated, passphrase, budget);
    }
    let Some(hash) = hash(algorithm.oid) else {
        return Ok(Mac {
            algorithm: format!("HMAC with {}", algorithm.oid.name_and_numbers()),
            iterations,
            salt: salt.to_vec(),
            verdict: Some(Err(Pkcs12Error::Unsupported(format!(
                "a MAC with {}",
                algorithm.oid.name_and_numbers()
            )))),
        });
    };
    let verdict = passphrase.map(|passphrase| {
        if iterations == 0 {
            return Err(no_iterations());
        }
        budget.charge(iterations, 1)?;
        let key = derive(hash, &text(passphrase)?, salt, iterations);
        verify(hmac_of(hash), &key, authenticated, expected)
    });
    Ok(Mac {
        algorithm: format!("HMAC-{} (RFC 7292 appendix B)", algorithm.oid.name()),
        iterations,
        salt: salt.to_vec(),
        verdict,
    })
}

/// RFC 9879: the digest algorithm is PBMAC1 with its parameters (RFC 8018 appendix A.5); the salt and the iteration count
/// beside it do not count.
fn pbmac1(
    algorithm: &AlgorithmIdentifier<'_>,
    expected: &[u8],
    authenticated: &[u8],
    passphrase: Option<&Passphrase>,
    budget: &mut Budget,
) -> Result<Mac, Pkcs12Error> {
    let what = "the parameters of PBMAC1";
    let mut parameters = Reader::new(algorithm.parameters.unwrap_or_default()).sequence(what)?;
    let derivation = AlgorithmIdentifier::read(&mut parameters, what)?;
    let scheme = AlgorithmIdentifier::read(&mut parameters, what)?;
    parameters.end(what)?;
    let derivation = Derivation::read(&derivation)?;
    let mac = match scheme.oid {
        known::HMAC_SHA1 => Some(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY),
        known::HMAC_SHA256 => Some(hmac::HMAC_SHA256),
        known::HMAC_SHA384 => Some(hmac::HMAC_SHA384),
        known::HMAC_SHA512 => Some(hmac::HMAC_SHA512),
        _ => None,
    };
    let name = format!("PBMAC1 with {}", scheme.oid.name_and_numbers());
    let verdict = match mac {
        None => Some(Err(Pkcs12Error::Unsupported(name.clone()))),
        Some(mac) => passphrase.map(|passphrase| {
            // RFC 9879 section 4: the key length must be there, and reading a short one would let a MAC be guessed.
            let length = derivation
                .key_length
                .and_then(|length| usize::try_from(length).ok())
                .filter(|length| (20..=128).contains(length))
                .ok_or_else(|| {
                    Pkcs12Error::Malformed(
                        "its PBMAC1 names no key length from 20 to 128 octets (RFC 9879)"
                            .to_owned(),
                    )
                })?;
            let key = derivation.derive(passphrase, length, budget)?;
            verify(mac, &key, authenticated, expected)
        }),
    };
    Ok(Mac {
        algorithm: name,
        iterations: derivation.iterations.get().into(),
        salt: derivation.salt.to_vec(),
        verdict,
    })
}

fn verify(
    algorithm: hmac::Algorithm,
    key: &[u8],
    authenticated: &[u8],
    expected: &[u8],
) -> Result<(), Pkcs12Error> {
    let key = hmac::Key::new(algorithm, key);
    hmac::verify(&key, authenticated, expected).map_err(|_| Pkcs12Error::WrongPassphrase)
}

/// MacData over an AuthenticatedSafe, with HMAC-SHA-256.
pub(super) fn write(
    authenticated: &[u8],
    passphrase: &Passphrase,
    iterations: NonZeroU32,
) -> Result<Vec<u8>, Pkcs12Error> {
    let mut salt = [0; SALT];
    rand::fill(&mut salt).map_err(|_| Pkcs12Error::Crypto)?;
    let key = derive(
        &digest::SHA256,
        &text(passphrase)?,
        &salt,
        iterations.get().into(),
    );
    let mac = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &key), authenticated);
    let algorithm = der::sequence([der::object_identifier(known::SHA256.0), der::null()]);
    Ok(der::sequence([
        der::sequence([algorithm, der::octet_string(mac.as_ref())]),
        der::octet_string(&salt),
        der::unsigned(&iterations.get().to_be_bytes()),
    ]))
}

fn hmac_of(hash: &'static digest::Algorithm) -> hmac::Algorithm {
    if hash == &digest::SHA256 {
        hmac::HMAC_SHA256
    } else if hash == &digest::SHA384 {
        hmac::HMAC_SHA384
    } else if hash == &digest::SHA512 {
        hmac::HMAC_SHA512
    } else if hash == &digest::SHA224 {
        hmac::HMAC_SHA224
    } else {
        hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY
    }
}

/// A passphrase as appendix B.1 wants it: a BMPString with two zero octets at its end.
pub(super) fn text(passphrase: &Passphrase) -> Result<Zeroizing<Vec<u8>>, Pkcs12Error> {
    let text = std::str::from_utf8(passphrase.octets()).map_err(|_| Pkcs12Error::NotText)?;
    // Room for all at once: what a growing vector leaves behind is not wiped.
    let mut octets = Zeroizing::new(Vec::with_capacity(text.len() * 2 + 2));
    for unit in text.encode_utf16() {
        octets.extend_from_slice(&unit.to_be_bytes());
    }
    octets.extend_from_slice(&[0, 0]);
    Ok(octets)
}

/// The key derivation of appendix B.2, for the MAC (ID 3), whose key is as long as the hash: one round of the outer loop,
/// so that its step 6 (C) is never needed.
pub(super) fn derive(
    hash: &'static digest::Algorithm,
    passphrase: &[u8],
    salt: &[u8],
    iterations: u64,
) -> Zeroizing<Vec<u8>> {
    const FOR_MAC: u8 = 3;
    let block = hash.block_len();
    let stretched = |octets: &[u8]| octets.len().div_ceil(block) * block;
    let (salt_length, passphrase_length) = (stretched(salt), stretched(passphrase));
    let mut input = Zeroizing::new(Vec::with_capacity(block + salt_length + passphrase_length));
    input.resize(block, FOR_MAC);
    input.extend(salt.iter().cycle().take(salt_length));
    input.extend(passphrase.iter().cycle().take(passphrase_length));
    let mut key = Zeroizing::new(digest::digest(hash, &input).as_ref().to_vec());
    for _ in 1..iterations {
        let next = digest::digest(hash, &key);
        key.copy_from_slice(next.as_ref());
    }
    key
}
