//! Certificate requests (RFC 2986), as far as they must be read to be shown. Issuing judges them elsewhere.

use super::{
    Signed,
    der::{BitString, Reader, Result, Value, tag},
    extensions::{Extension, read_attribute},
    name::Name,
    oid::{Oid, known},
    public_key::{AlgorithmIdentifier, PublicKey},
};

#[derive(Clone, Debug)]
pub(crate) struct Request<'a> {
    pub(crate) raw: &'a [u8],
    /// What is signed.
    pub(crate) info: &'a [u8],
    pub(crate) version: u64,
    pub(crate) subject: Name<'a>,
    pub(crate) public_key: PublicKey<'a>,
    pub(crate) attributes: Vec<(Oid<'a>, Vec<Value<'a>>)>,
    pub(crate) signature_algorithm: AlgorithmIdentifier<'a>,
    pub(crate) signature: BitString<'a>,
}

impl<'a> Request<'a> {
    pub(crate) fn from_der(octets: &'a [u8]) -> Result<Self> {
        let what = "the request";
        let Signed {
            raw,
            content: info,
            algorithm: signature_algorithm,
            signature,
        } = Signed::read(octets, what)?;

        let mut reader = Reader::new(info.content);
        let version = reader.unsigned("the version")?;
        let subject = Name::read(&mut reader, "the subject")?;
        let public_key = PublicKey::read(&mut reader)?;
        let mut attributes = Vec::new();
        // RFC 2986 makes the field mandatory; old requests without it are shown all the same.
        if let Some(list) = reader.optional(tag::context_constructed(0), "the attributes")? {
            let mut list = Reader::new(list.content);
            while !list.is_empty() {
                attributes.push(read_attribute(
                    list.sequence("an attribute")?,
                    "an attribute",
                )?);
            }
        }
        reader.end("the part that is signed")?;
        Ok(Self {
            raw,
            info: info.raw,
            version,
            subject,
            public_key,
            attributes,
            signature_algorithm,
            signature,
        })
    }

    /// The extensions that the request asks for (RFC 2985 section 5.4.2).
    pub(crate) fn extensions(&self) -> Result<Vec<Extension<'a>>> {
        let mut all = Vec::new();
        for (oid, values) in &self.attributes {
            if *oid == known::EXTENSION_REQUEST {
                for value in values {
                    all.extend(Extension::read_all(value.raw)?);
                }
            }
        }
        Ok(all)
    }
}
