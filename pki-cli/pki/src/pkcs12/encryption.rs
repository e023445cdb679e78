//! PBES2 (RFC 8018 section 6.2): PBKDF2 with any of the usual hash functions, and AES-CBC.

use std::num::NonZeroU32;

use aws_lc_rs::{
    cipher::{
        self, AES_128, AES_192, AES_256, DecryptionContext, EncryptionContext,
        PaddedBlockDecryptingKey, PaddedBlockEncryptingKey, UnboundCipherKey,
    },
    iv::FixedLength,
    pbkdf2, rand,
};
use zeroize::Zeroizing;

use super::{Budget, Pkcs12Error};
use crate::{
    der,
    key::Passphrase,
    parse::{
        der::{Reader, tag},
        oid::{Oid, known},
        public_key::AlgorithmIdentifier,
    },
};

/// What we write with. Three derivations (the certificates, the key, the MAC) stay together below 600,000, where .NET
/// stops reading a file by default.
pub(super) const ITERATIONS: NonZeroU32 = NonZeroU32::new(150_000).expect("not zero");
pub(super) const SALT: usize = 16;

/// Longer than any honest salt.
const MAX_SALT: usize = 1024;

/// PBKDF2-params (RFC 8018 appendix A.2).
pub(super) struct Derivation<'a> {
    pub(super) salt: &'a [u8],
    pub(super) iterations: NonZeroU32,
    pub(super) key_length: Option<u64>,
    function: pbkdf2::Algorithm,
    /// The octets of one block.
    block: usize,
}

impl<'a> Derivation<'a> {
    pub(super) fn read(algorithm: &AlgorithmIdentifier<'a>) -> Result<Self, Pkcs12Error> {
        let what = "the key derivation";
        if algorithm.oid != known::PBKDF2 {
            return Err(Pkcs12Error::Unsupported(algorithm.oid.name_and_numbers()));
        }
        let mut parameters =
            Reader::new(algorithm.parameters.unwrap_or_default()).sequence(what)?;
        let salt = parameters.octet_string("the salt")?;
        let iterations = parameters.unsigned("the iteration count")?;
        let key_length = match parameters.peek() {
            Some(tag::INTEGER) => Some(parameters.unsigned("the key length")?),
            _ => None,
        };
        let function = match parameters.is_empty() {
            // prf AlgorithmIdentifier DEFAULT algid-hmacWithSHA1
            true => known::HMAC_SHA1,
            false => AlgorithmIdentifier::read(&mut parameters, what)?.oid,
        };
        parameters.end(what)?;
        if salt.len() > MAX_SALT {
            return Err(Pkcs12Error::Malformed(
                "its salt is absurdly long".to_owned(),
            ));
        }
        let iterations = u32::try_from(iterations)
            .map_err(|_| Pkcs12Error::TooExpensive)
            .and_then(|iterations| NonZeroU32::new(iterations).ok_or_else(no_iterations))?;
        let (function, block) = match function {
            known::HMAC_SHA1 => (pbkdf2::PBKDF2_HMAC_SHA1, 20),
            known::HMAC_SHA256 => (pbkdf2::PBKDF2_HMAC_SHA256, 32),
            known::HMAC_SHA384 => (pbkdf2::PBKDF2_HMAC_SHA384, 48),
            known::HMAC_SHA512 => (pbkdf2::PBKDF2_HMAC_SHA512, 64),
            other => {
                return Err(Pkcs12Error::Unsupported(format!(
                    "PBKDF2 with {}",
                    other.name_and_numbers()
                )));
            }
        };
        Ok(Self {
            salt,
            iterations,
            key_length,
            function,
            block,
        })
    }

    pub(super) fn derive(
        &self,
        passphrase: &Passphrase,
        length: usize,
        budget: &mut Budget,
    ) -> Result<Zeroizing<Vec<u8>>, Pkcs12Error> {
        if self.key_length.is_some_and(|named| named != length as u64) {
            return Err(Pkcs12Error::Malformed(
                "its key derivation gives a key of another length than its cipher takes".to_owned(),
            ));
        }
        let blocks = length.div_ceil(self.block) as u64;
        budget.charge(self.iterations.get().into(), blocks)?;
        let mut key = Zeroizing::new(vec![0; length]);
        pbkdf2::derive(
            self.function,
            self.iterations,
            self.salt,
            passphrase.octets(),
            &mut key,
        );
        Ok(key)
    }
}

pub(super) fn no_iterations() -> Pkcs12Error {
    Pkcs12Error::Malformed("its key derivation has no iterations".to_owned())
}

/// Opens what was encrypted with a passphrase.
pub(super) fn decrypt(
    algorithm: &AlgorithmIdentifier<'_>,
    encrypted: &[u8],
    passphrase: &Passphrase,
    budget: &mut Budget,
) -> Result<Zeroizing<Vec<u8>>, Pkcs12Error> {
    let what = "the encryption";
    if algorithm.oid != known::PBES2 {
        return Err(Pkcs12Error::Unsupported(algorithm.oid.name_and_numbers()));
    }
    let mut parameters = Reader::new(algorithm.parameters.unwrap_or_default()).sequence(what)?;
    let derivation = AlgorithmIdentifier::read(&mut parameters, "the key derivation")?;
    let scheme = AlgorithmIdentifier::read(&mut parameters, "the cipher")?;
    parameters.end(what)?;
    let derivation = Derivation::read(&derivation)?;
    let (cipher, length) = match scheme.oid {
        known::AES_128_CBC => (&AES_128, cipher::AES_128_KEY_LEN),
        known::AES_192_CBC => (&AES_192, cipher::AES_192_KEY_LEN),
        known::AES_256_CBC => (&AES_256, cipher::AES_256_KEY_LEN),
        other => return Err(Pkcs12Error::Unsupported(other.name_and_numbers())),
    };
    let vector = Reader::new(scheme.parameters.unwrap_or_default()).octet_string("the vector")?;
    let vector = <[u8; 16]>::try_from(vector)
        .map_err(|_| Pkcs12Error::Malformed("its vector is not 16 octets long".to_owned()))?;
    let key = derivation.derive(passphrase, length, budget)?;
    let key = UnboundCipherKey::new(cipher, &key)
        .and_then(PaddedBlockDecryptingKey::cbc_pkcs7)
        .map_err(|_| Pkcs12Error::Crypto)?;
    let mut octets = Zeroizing::new(encrypted.to_vec());
    let context = DecryptionContext::Iv128(FixedLength::from(vector));
    let length = key
        .decrypt(&mut octets, context)
        .map_err(|_| Pkcs12Error::WrongPassphrase)?
        .len();
    octets.truncate(length);
    Ok(octets)
}

/// Encrypts with AES-256-CBC under a key of PBKDF2 with HMAC-SHA-256: the AlgorithmIdentifier and the cipher text.
pub(super) fn encrypt(
    plain: &[u8],
    passphrase: &Passphrase,
    iterations: NonZeroU32,
) -> Result<(Vec<u8>, Vec<u8>), Pkcs12Error> {
    let failed = |_| Pkcs12Error::Crypto;
    let mut salt = [0; SALT];
    let mut vector = [0; 16];
    rand::fill(&mut salt).map_err(failed)?;
    rand::fill(&mut vector).map_err(failed)?;
    let mut key = Zeroizing::new([0; cipher::AES_256_KEY_LEN]);
    pbkdf2::derive(
        pbkdf2::PBKDF2_HMAC_SHA256,
        iterations,
        &salt,
        passphrase.octets(),
        &mut *key,
    );
    let key = UnboundCipherKey::new(&AES_256, &*key)
        .and_then(PaddedBlockEncryptingKey::cbc_pkcs7)
        .map_err(failed)?;
    // The plain text may be a key: room for the padding, so that nothing is left behind by growing.
    let mut octets = Zeroizing::new(Vec::with_capacity(plain.len() + 16));
    octets.extend_from_slice(plain);
    key.less_safe_encrypt(
        &mut *octets,
        EncryptionContext::Iv128(FixedLength::from(vector)),
    )
    .map_err(failed)?;
    let oid = |oid: Oid<'_>| der::object_identifier(oid.0);
    let function = der::sequence([oid(known::HMAC_SHA256), der::null()]);
    let derivation = der::sequence([
        oid(known::PBKDF2),
        der::sequence([
            der::octet_string(&salt),
            der::unsigned(&iterations.get().to_be_bytes()),
            function,
        ]),
    ]);
    let scheme = der::sequence([oid(known::AES_256_CBC), der::octet_string(&vector)]);
    let algorithm = der::sequence([oid(known::PBES2), der::sequence([derivation, scheme])]);
    Ok((algorithm, octets.to_vec()))
}
