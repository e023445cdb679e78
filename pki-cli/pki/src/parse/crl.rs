//! Certificate revocation lists (RFC 5280 section 5.1).

use super::{
    Signed,
    der::{self, BitString, DerError, Reader, Result, tag},
    extensions::Extension,
    name::Name,
    oid::Oid,
    public_key::AlgorithmIdentifier,
    time::{self, Timestamp},
};

#[derive(Clone, Debug)]
pub(crate) struct Crl<'a> {
    pub(crate) raw: &'a [u8],
    /// What is signed.
    pub(crate) tbs: &'a [u8],
    /// As encoded: absent is v1, 1 is v2.
    pub(crate) version: Option<u64>,
    pub(crate) tbs_signature_algorithm: AlgorithmIdentifier<'a>,
    pub(crate) issuer: Name<'a>,
    pub(crate) this_update: Timestamp,
    pub(crate) next_update: Option<Timestamp>,
    pub(crate) revoked: Vec<Revoked<'a>>,
    pub(crate) extensions: Vec<Extension<'a>>,
    pub(crate) signature_algorithm: AlgorithmIdentifier<'a>,
    pub(crate) signature: BitString<'a>,
}

#[derive(Clone, Debug)]
pub(crate) struct Revoked<'a> {
    pub(crate) serial: &'a [u8],
    pub(crate) date: Timestamp,
    pub(crate) extensions: Vec<Extension<'a>>,
}

impl<'a> Crl<'a> {
    pub(crate) fn from_der(octets: &'a [u8]) -> Result<Self> {
        let what = "the CRL";
        let Signed {
            raw,
            content: tbs,
            algorithm: signature_algorithm,
            signature,
        } = Signed::read(octets, what)?;

        let mut reader = Reader::new(tbs.content);
        let version = match reader.optional(tag::INTEGER, "the version")? {
            Some(value) => Some(der::unsigned(value.content, "the version")?),
            None => None,
        };
        let tbs_signature_algorithm =
            AlgorithmIdentifier::read(&mut reader, "the signed signature algorithm")?;
        let issuer = Name::read(&mut reader, "the issuer")?;
        let this_update = time::read(&mut reader, "thisUpdate")?;
        let next_update = match reader.peek() {
            Some(tag::UTC_TIME | tag::GENERALIZED_TIME) => {
                Some(time::read(&mut reader, "nextUpdate")?)
            }
            _ => None,
        };
        let mut revoked = Vec::new();
        if let Some(list) = reader.optional(tag::SEQUENCE, "the list of revoked certificates")? {
            let mut list = Reader::new(list.content);
            while !list.is_empty() {
                revoked.push(Revoked::read(list.sequence("a revoked certificate")?)?);
            }
            // RFC 5280 section 5.1.2.6
            if revoked.is_empty() {
                return Err(DerError::new(
                    "the list of revoked certificates",
                    "is empty and must then be absent",
                ));
            }
        }
        let extensions = match reader.optional(tag::context_constructed(0), "the extensions")? {
            Some(value) => Extension::read_all(value.content)?,
            None => Vec::new(),
        };
        reader.end("the part that is signed")?;
        Ok(Self {
            raw,
            tbs: tbs.raw,
            version,
            tbs_signature_algorithm,
            issuer,
            this_update,
            next_update,
            revoked,
            extensions,
            signature_algorithm,
            signature,
        })
    }

    pub(crate) fn extension(&self, oid: Oid<'_>) -> Option<&Extension<'a>> {
        self.extensions
            .iter()
            .find(|extension| extension.oid == oid)
    }
}

impl<'a> Revoked<'a> {
    fn read(mut reader: Reader<'a>) -> Result<Self> {
        let what = "a revoked certificate";
        let serial = reader.integer(what)?;
        let date = time::read(&mut reader, "a revocation date")?;
        let extensions = match reader.is_empty() {
            true => Vec::new(),
            false => {
                let value = reader.any(what)?;
                reader.end(what)?;
                Extension::read_all(value.raw)?
            }
        };
        Ok(Self {
            serial,
            date,
            extensions,
        })
    }
}
