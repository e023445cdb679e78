//! Certificates (RFC 5280 section 4.1).

use super::{
    Signed,
    der::{BitString, Reader, Result, tag},
    extensions::Extension,
    name::Name,
    oid::Oid,
    public_key::{AlgorithmIdentifier, PublicKey},
    time::{self, Timestamp},
};

#[derive(Clone, Debug)]
pub(crate) struct Certificate<'a> {
    pub(crate) raw: &'a [u8],
    /// What is signed.
    pub(crate) tbs: &'a [u8],
    /// As encoded: 0 is v1.
    pub(crate) version: u64,
    /// The INTEGER's octets.
    pub(crate) serial: &'a [u8],
    /// The algorithm inside what is signed.
    pub(crate) tbs_signature_algorithm: AlgorithmIdentifier<'a>,
    pub(crate) issuer: Name<'a>,
    pub(crate) not_before: Timestamp,
    pub(crate) not_after: Timestamp,
    pub(crate) subject: Name<'a>,
    pub(crate) public_key: PublicKey<'a>,
    pub(crate) issuer_unique_id: Option<BitString<'a>>,
    pub(crate) subject_unique_id: Option<BitString<'a>>,
    pub(crate) extensions: Vec<Extension<'a>>,
    /// The algorithm outside of what is signed.
    pub(crate) signature_algorithm: AlgorithmIdentifier<'a>,
    pub(crate) signature: BitString<'a>,
    /// What breaks the encoding rules and can be read all the same; half sentences with their clause.
    pub(crate) faults: Vec<(&'static str, &'static str)>,
}

impl<'a> Certificate<'a> {
    pub(crate) fn from_der(octets: &'a [u8]) -> Result<Self> {
        let what = "the certificate";
        let Signed {
            raw,
            content: tbs,
            algorithm: signature_algorithm,
            signature,
        } = Signed::read(octets, what)?;

        let mut reader = Reader::new(tbs.content);
        let mut faults = Vec::new();
        let version = match reader.optional(tag::context_constructed(0), "the version")? {
            Some(value) => {
                let mut explicit = Reader::new(value.content);
                let version = explicit.unsigned("the version")?;
                explicit.end("the version")?;
                if version == 0 {
                    faults.push((
                        "X.690 section 11.5",
                        "its version 1 is the default and written out",
                    ));
                }
                version
            }
            None => 0,
        };
        let serial = reader.integer("the serial number")?;
        let tbs_signature_algorithm =
            AlgorithmIdentifier::read(&mut reader, "the signed signature algorithm")?;
        let issuer = Name::read(&mut reader, "the issuer")?;
        let mut validity = reader.sequence("the validity")?;
        let not_before = time::read(&mut validity, "notBefore")?;
        let not_after = time::read(&mut validity, "notAfter")?;
        validity.end("the validity")?;
        let subject = Name::read(&mut reader, "the subject")?;
        let public_key = PublicKey::read(&mut reader)?;
        let mut unique_id = |n, what| match reader.optional(tag::context(n), what)? {
            Some(value) => BitString::new(value.content, what).map(Some),
            None => Ok(None),
        };
        let issuer_unique_id = unique_id(1, "the issuer's unique identifier")?;
        let subject_unique_id = unique_id(2, "the subject's unique identifier")?;
        let extensions = match reader.optional(tag::context_constructed(3), "the extensions")? {
            Some(value) => Extension::read_all(value.content).map(Some)?,
            None => None,
        };
        if extensions.as_ref().is_some_and(Vec::is_empty) {
            faults.push((
                "RFC 5280 section 4.1.2.9",
                "its list of extensions is empty and must then be absent",
            ));
        }
        let extensions = extensions.unwrap_or_default();
        if extensions
            .iter()
            .any(|extension| extension.default_is_written)
        {
            faults.push((
                "X.690 section 11.5",
                "an extension writes out that it is not critical, which is the default",
            ));
        }
        if issuer.has_an_empty_part() || subject.has_an_empty_part() {
            faults.push((
                "RFC 5280 section 4.1.2.4",
                "a name in it has a part without an attribute",
            ));
        }
        reader.end("the part that is signed")?;
        Ok(Self {
            raw,
            tbs: tbs.raw,
            version,
            serial,
            tbs_signature_algorithm,
            issuer,
            not_before,
            not_after,
            subject,
            public_key,
            issuer_unique_id,
            subject_unique_id,
            extensions,
            signature_algorithm,
            signature,
            faults,
        })
    }

    /// Issuer and subject of a certificate, whole, without a look at anything else: a certificate that cannot be read
    /// may have them all the same.
    pub(crate) fn names(octets: &'a [u8]) -> Option<(&'a [u8], &'a [u8])> {
        let what = "a name";
        let mut outer = Reader::new(octets).sequence(what).ok()?;
        let mut reader = outer.sequence(what).ok()?;
        reader.optional(tag::context_constructed(0), what).ok()?;
        reader.value(tag::INTEGER, what).ok()?;
        reader.sequence(what).ok()?;
        let issuer = reader.value(tag::SEQUENCE, what).ok()?;
        reader.sequence(what).ok()?;
        let subject = reader.value(tag::SEQUENCE, what).ok()?;
        Some((issuer.raw, subject.raw))
    }

    pub(crate) fn extension(&self, oid: Oid<'_>) -> Option<&Extension<'a>> {
        self.extensions
            .iter()
            .find(|extension| extension.oid == oid)
    }

    /// Whether subject and issuer are the same name (RFC 5280 section 6.1: "self-issued").
    pub(crate) fn is_self_issued(&self) -> bool {
        self.issuer.raw == self.subject.raw || self.issuer.canonical() == self.subject.canonical()
    }
}
