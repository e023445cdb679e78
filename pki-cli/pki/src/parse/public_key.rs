//! Public keys: SubjectPublicKeyInfo (RFC 5280 section 4.1.2.7, RFC 3279, RFC 5480, RFC 8410).

use super::{
    der::{self, Reader, Result, tag},
    oid::{Oid, known},
};

/// `AlgorithmIdentifier`: which algorithm, with which parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct AlgorithmIdentifier<'a> {
    pub(crate) oid: Oid<'a>,
    /// The parameters with tag and length, if there are any.
    pub(crate) parameters: Option<&'a [u8]>,
    /// Everything inside the SEQUENCE.
    pub(crate) content: &'a [u8],
}

impl<'a> AlgorithmIdentifier<'a> {
    pub(crate) fn read(reader: &mut Reader<'a>, what: &'static str) -> Result<Self> {
        let value = reader.value(tag::SEQUENCE, what)?;
        let mut inner = Reader::new(value.content);
        let oid = inner.oid(what)?;
        let parameters = match inner.is_empty() {
            true => None,
            false => Some(inner.any(what)?.raw),
        };
        inner.end(what)?;
        Ok(Self {
            oid,
            parameters,
            content: value.content,
        })
    }

    /// The parameters, when they are an object identifier (a named curve).
    pub(crate) fn parameter_oid(&self) -> Option<Oid<'a>> {
        let value = der::whole(self.parameters?, tag::OID, "the curve").ok()?;
        Oid::new(value.content, "the curve").ok()
    }
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct PublicKey<'a> {
    pub(crate) raw: &'a [u8],
    pub(crate) algorithm: AlgorithmIdentifier<'a>,
    /// The BIT STRING's octets.
    pub(crate) key: &'a [u8],
}

/// The key by its kind.
#[derive(Clone, Copy, Debug)]
pub(crate) enum KeyKind<'a> {
    Rsa {
        modulus: &'a [u8],
        exponent: &'a [u8],
    },
    /// A point on a named curve.
    Ec {
        curve: Oid<'a>,
        point: &'a [u8],
    },
    /// A point on a curve whose parameters are written out.
    EcExplicit {
        point: &'a [u8],
    },
    Dsa {
        public: &'a [u8],
    },
    /// An algorithm whose key is just octets: Ed25519, X25519, ML-DSA and their like.
    Octets(&'a [u8]),
    /// A key that does not fit its algorithm.
    Broken(&'a [u8]),
}

impl<'a> PublicKey<'a> {
    pub(crate) fn read(reader: &mut Reader<'a>) -> Result<Self> {
        let what = "the public key";
        let value = reader.value(tag::SEQUENCE, what)?;
        let mut inner = Reader::new(value.content);
        let algorithm = AlgorithmIdentifier::read(&mut inner, "the public key's algorithm")?;
        let key = inner.bit_string(what)?.whole_octets(what)?;
        inner.end(what)?;
        Ok(Self {
            raw: value.raw,
            algorithm,
            key,
        })
    }

    pub(crate) fn from_der(octets: &'a [u8]) -> Result<Self> {
        let mut reader = Reader::new(octets);
        let key = Self::read(&mut reader)?;
        reader.end("the public key")?;
        Ok(key)
    }

    pub(crate) fn kind(&self) -> KeyKind<'a> {
        match self.algorithm.oid {
            known::RSA_ENCRYPTION | known::RSASSA_PSS => match rsa(self.key) {
                Ok((modulus, exponent)) => KeyKind::Rsa { modulus, exponent },
                Err(_) => KeyKind::Broken(self.key),
            },
            known::EC_PUBLIC_KEY => match self.algorithm.parameter_oid() {
                Some(curve) => KeyKind::Ec {
                    curve,
                    point: self.key,
                },
                None => KeyKind::EcExplicit { point: self.key },
            },
            known::DSA => match der::whole(self.key, tag::INTEGER, "the public key") {
                Ok(value) => KeyKind::Dsa {
                    public: value.content,
                },
                Err(_) => KeyKind::Broken(self.key),
            },
            _ => KeyKind::Octets(self.key),
        }
    }

    /// The size of the key in bits, as people speak of it.
    pub(crate) fn bits(&self) -> Option<usize> {
        match self.kind() {
            KeyKind::Rsa { modulus, .. } => Some(bits(modulus)),
            KeyKind::Ec { curve, .. } => curve_bits(curve),
            KeyKind::EcExplicit { .. } | KeyKind::Broken(_) => None,
            KeyKind::Dsa { .. } => self.dsa_parameters().map(|(p, _, _)| bits(p)),
            KeyKind::Octets(key) => match self.algorithm.oid {
                known::ED25519 | known::X25519 => {
                    Some(253).filter(|_| key.len() == 32).map(|_| 256)
                }
                known::ED448 => Some(456),
                known::X448 => Some(448),
                _ => Some(key.len() * 8),
            },
        }
    }

    /// p, q and g of a DSA key.
    pub(crate) fn dsa_parameters(&self) -> Option<(&'a [u8], &'a [u8], &'a [u8])> {
        let what = "the DSA parameters";
        let mut reader = Reader::new(self.algorithm.parameters?)
            .sequence(what)
            .ok()?;
        Some((
            reader.integer(what).ok()?,
            reader.integer(what).ok()?,
            reader.integer(what).ok()?,
        ))
    }
}

/// `RSAPublicKey ::= SEQUENCE { modulus INTEGER, publicExponent INTEGER }`, both without the sign octet.
fn rsa(octets: &[u8]) -> Result<(&[u8], &[u8])> {
    let what = "the RSA key";
    let mut reader = Reader::new(der::whole(octets, tag::SEQUENCE, what)?.content);
    let (modulus, exponent) = (reader.integer(what)?, reader.integer(what)?);
    reader.end(what)?;
    Ok((without_sign(modulus), without_sign(exponent)))
}

/// A positive INTEGER without the 00 in front that marks it positive.
pub(crate) fn without_sign(integer: &[u8]) -> &[u8] {
    match integer {
        [0, rest @ ..] if !rest.is_empty() => rest,
        _ => integer,
    }
}

/// How many bits a positive number has.
pub(crate) fn bits(number: &[u8]) -> usize {
    let number = &number[number.iter().take_while(|octet| **octet == 0).count()..];
    number
        .first()
        .map_or(0, |first| number.len() * 8 - first.leading_zeros() as usize)
}

fn curve_bits(curve: Oid<'_>) -> Option<usize> {
    Some(match &*curve.name() {
        "P-192" => 192,
        "P-224" => 224,
        "P-256" | "secp256k1" | "brainpoolP256r1" | "SM2" => 256,
        "P-384" | "brainpoolP384r1" => 384,
        "P-521" => 521,
        "brainpoolP512r1" => 512,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leading_zeros_are_no_bits() {
        for (number, expected) in [
            (&[][..], 0),
            (&[0], 0),
            (&[1], 1),
            (&[0, 0x80], 8),
            (&[1, 0, 1], 17),
        ] {
            assert_eq!(bits(number), expected, "{number:02x?}");
        }
    }
}
