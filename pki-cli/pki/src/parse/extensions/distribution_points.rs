//! Where CRLs are found and what they are about (RFC 5280 sections 4.2.1.13 and 5.2.5), and the reasons of revocation.

use super::list;
use crate::parse::{
    der::{self, BitString, DerError, Reader, Result, tag},
    general_name::GeneralName,
    name::RelativeName,
};

#[derive(Clone, Debug)]
pub(crate) struct DistributionPoint<'a> {
    pub(crate) name: Option<DistributionPointName<'a>>,
    pub(crate) reasons: Option<BitString<'a>>,
    pub(crate) crl_issuer: Option<Vec<GeneralName<'a>>>,
}

#[derive(Clone, Debug)]
pub(crate) enum DistributionPointName<'a> {
    Full(Vec<GeneralName<'a>>),
    RelativeToIssuer(RelativeName<'a>),
}

#[derive(Clone, Debug)]
pub(crate) struct IssuingDistributionPoint<'a> {
    pub(crate) name: Option<DistributionPointName<'a>>,
    pub(crate) only_user: bool,
    pub(crate) only_ca: bool,
    pub(crate) only_attribute: bool,
    pub(crate) indirect: bool,
    pub(crate) reasons: Option<BitString<'a>>,
}

pub(super) fn distribution_points<'a>(
    octets: &'a [u8],
    what: &'static str,
) -> Result<Vec<DistributionPoint<'a>>> {
    list(octets, what, |mut point| {
        let name = match point.optional(tag::context_constructed(0), what)? {
            Some(value) => Some(distribution_point_name(value.content, what)?),
            None => None,
        };
        let reasons = match point.optional(tag::context(1), what)? {
            Some(value) => Some(BitString::new(value.content, what)?),
            None => None,
        };
        let crl_issuer = match point.optional(tag::context_constructed(2), what)? {
            Some(value) => Some(GeneralName::read_all(value.content, what)?),
            None => None,
        };
        point.end(what)?;
        // RFC 5280 section 4.2.1.13
        if name.is_none() && crl_issuer.is_none() {
            return Err(DerError::new(
                what,
                "hold a point with neither a name nor a CRL issuer",
            ));
        }
        Ok(DistributionPoint {
            name,
            reasons,
            crl_issuer,
        })
    })
}

fn distribution_point_name<'a>(
    content: &'a [u8],
    what: &'static str,
) -> Result<DistributionPointName<'a>> {
    let mut reader = Reader::new(content);
    let value = reader.any(what)?;
    reader.end(what)?;
    match value.tag {
        0xa0 => GeneralName::read_all(value.content, what).map(DistributionPointName::Full),
        0xa1 => {
            RelativeName::read(value.content, what).map(DistributionPointName::RelativeToIssuer)
        }
        _ => Err(DerError::new(
            what,
            "hold a name of a kind that does not exist",
        )),
    }
}

pub(super) fn issuing_distribution_point(octets: &[u8]) -> Result<IssuingDistributionPoint<'_>> {
    let what = "the issuing distribution point";
    let mut reader = Reader::new(der::whole(octets, tag::SEQUENCE, what)?.content);
    let name = match reader.optional(tag::context_constructed(0), what)? {
        Some(value) => Some(distribution_point_name(value.content, what)?),
        None => None,
    };
    let flag = |reader: &mut Reader<'_>, n| match reader.optional(tag::context(n), what)? {
        Some(value) => der::boolean(value.content, what),
        None => Ok(false),
    };
    let only_user = flag(&mut reader, 1)?;
    let only_ca = flag(&mut reader, 2)?;
    let reasons = match reader.optional(tag::context(3), what)? {
        Some(value) => Some(BitString::new(value.content, what)?),
        None => None,
    };
    let indirect = flag(&mut reader, 4)?;
    let only_attribute = flag(&mut reader, 5)?;
    reader.end(what)?;
    Ok(IssuingDistributionPoint {
        name,
        only_user,
        only_ca,
        only_attribute,
        indirect,
        reasons,
    })
}

/// The names of the reasons (RFC 5280 section 5.3.1), by number; 7 is not used.
pub(crate) const REASONS: [&str; 11] = [
    "unspecified",
    "keyCompromise",
    "cACompromise",
    "affiliationChanged",
    "superseded",
    "cessationOfOperation",
    "certificateHold",
    "",
    "removeFromCRL",
    "privilegeWithdrawn",
    "aACompromise",
];

/// The names of the bits of ReasonFlags (RFC 5280 section 4.2.1.13), which are numbered differently.
pub(crate) const REASON_FLAGS: [&str; 9] = [
    "unused",
    "keyCompromise",
    "cACompromise",
    "affiliationChanged",
    "superseded",
    "cessationOfOperation",
    "certificateHold",
    "privilegeWithdrawn",
    "aACompromise",
];
