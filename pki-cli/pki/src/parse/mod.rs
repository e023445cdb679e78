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
