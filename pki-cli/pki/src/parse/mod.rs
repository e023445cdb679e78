//! Reading DER and PEM into the objects of RFC 5280 and RFC 2986, without copying and without judging.
//!
//! Why not x509-parser, which the issuing side uses for requests: it passes over bytes that a validator must not miss
//! (data behind a value, `minimum` and `maximum` of a name constraint, a general name of the wrong type), and it knows
//! neither the freshest CRL nor the TLS feature nor policy qualifiers, which `inspect` must show. The reader here is
//! strict (X.690 section 10 and 11), never recurses, and allocates no more than the input is long.
//!
//! What it deliberately does not do: decide whether a well-formed object is acceptable. That is `path_validation`.

pub(crate) mod certificate;
pub(crate) mod crl;
pub(crate) mod der;
pub(crate) mod extensions;
pub(crate) mod general_name;
pub(crate) mod name;
pub(crate) mod oid;
pub(crate) mod pem;
pub(crate) mod public_key;
pub(crate) mod request;
pub(crate) mod time;

use der::{BitString, Reader, Value, tag};
use public_key::AlgorithmIdentifier;

/// What certificates, CRLs and requests have around them: `SIGNED {}` (X.509 section 6.2.1, RFC 5280 section 4.1.1).
struct Signed<'a> {
    raw: &'a [u8],
    /// What is signed.
    content: Value<'a>,
    algorithm: AlgorithmIdentifier<'a>,
    signature: BitString<'a>,
}

impl<'a> Signed<'a> {
    fn read(octets: &'a [u8], what: &'static str) -> der::Result<Self> {
        let outer = der::whole(octets, tag::SEQUENCE, what)?;
        let mut reader = Reader::new(outer.content);
        let signed = Self {
            raw: outer.raw,
            content: reader.value(tag::SEQUENCE, "the part that is signed")?,
            algorithm: AlgorithmIdentifier::read(&mut reader, "the signature algorithm")?,
            signature: reader.bit_string("the signature")?,
        };
        reader.end(what)?;
        Ok(signed)
    }
}
