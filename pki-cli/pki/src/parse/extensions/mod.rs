//! The extensions of certificates and CRLs (RFC 5280 sections 4.2, 5.2 and 5.3, RFC 6962, RFC 7633), decoded.

mod distribution_points;
mod name_constraints;
mod policies;
mod timestamps;

pub(crate) use distribution_points::{
    DistributionPoint, DistributionPointName, IssuingDistributionPoint, REASON_FLAGS, REASONS,
};
pub(crate) use name_constraints::{NameConstraints, Subtree};
pub(crate) use policies::{Policy, Qualifier};
pub(crate) use timestamps::SignedCertificateTimestamp;

use super::{
    der::{self, BitString, DerError, Reader, Result, Value, tag},
    general_name::GeneralName,
    name::Name,
    oid::{Oid, known},
    time::{self, Timestamp},
};

/// One extension, as it stands in the certificate.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Extension<'a> {
    pub(crate) oid: Oid<'a>,
    pub(crate) critical: bool,
    /// X.690 section 11.5: a default (not critical) must not be written, and is.
    pub(crate) default_is_written: bool,
    pub(crate) value: &'a [u8],
}

/// What an extension says.
#[derive(Clone, Debug)]
pub(crate) enum Content<'a> {
    SubjectKeyIdentifier(&'a [u8]),
    AuthorityKeyIdentifier(AuthorityKeyIdentifier<'a>),
    KeyUsage(BitString<'a>),
    PrivateKeyUsagePeriod {
        not_before: Option<Timestamp>,
        not_after: Option<Timestamp>,
    },
    CertificatePolicies(Vec<Policy<'a>>),
    PolicyMappings(Vec<(Oid<'a>, Oid<'a>)>),
    SubjectAltName(Vec<GeneralName<'a>>),
    IssuerAltName(Vec<GeneralName<'a>>),
    SubjectDirectoryAttributes(Vec<(Oid<'a>, Vec<Value<'a>>)>),
    BasicConstraints(BasicConstraints),
    NameConstraints(NameConstraints<'a>),
    PolicyConstraints {
        require_explicit: Option<u64>,
        inhibit_mapping: Option<u64>,
    },
    ExtendedKeyUsage(Vec<Oid<'a>>),
    CrlDistributionPoints(Vec<DistributionPoint<'a>>),
    FreshestCrl(Vec<DistributionPoint<'a>>),
    InhibitAnyPolicy(u64),
    AuthorityInfoAccess(Vec<(Oid<'a>, GeneralName<'a>)>),
    SubjectInfoAccess(Vec<(Oid<'a>, GeneralName<'a>)>),
    TlsFeature(Vec<u64>),
    OcspNoCheck,
    SignedCertificateTimestamps(Vec<SignedCertificateTimestamp<'a>>),
    PrecertificatePoison,
    NetscapeCertType(BitString<'a>),
    NetscapeText(String),
    CrlNumber(&'a [u8]),
    DeltaCrlIndicator(&'a [u8]),
    IssuingDistributionPoint(IssuingDistributionPoint<'a>),
    ReasonCode(u8),
    InvalidityDate(Timestamp),
    CertificateIssuer(Vec<GeneralName<'a>>),
    Unknown,
}

#[derive(Clone, Debug)]
pub(crate) struct AuthorityKeyIdentifier<'a> {
    pub(crate) key_identifier: Option<&'a [u8]>,
    pub(crate) issuer: Option<Vec<GeneralName<'a>>>,
    pub(crate) serial: Option<&'a [u8]>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BasicConstraints {
    pub(crate) ca: bool,
    pub(crate) path_length: Option<u64>,
    /// X.690 section 11.5: a default (cA FALSE) must not be written, and is.
    pub(crate) default_is_written: bool,
}

impl<'a> Extension<'a> {
    /// `Extensions ::= SEQUENCE SIZE (1..MAX) OF Extension`; an empty one is for the caller to judge.
    pub(crate) fn read_all(octets: &'a [u8]) -> Result<Vec<Self>> {
        let what = "the list of extensions";
        let mut list = Reader::new(der::whole(octets, tag::SEQUENCE, what)?.content);
        let mut extensions = Vec::new();
        while !list.is_empty() {
            let what = "an extension";
            let mut extension = list.sequence(what)?;
            let oid = extension.oid(what)?;
            let critical = match extension.optional(tag::BOOLEAN, what)? {
                None => None,
                Some(value) => Some(der::boolean(value.content, "an extension's criticality")?),
            };
            let value = extension.octet_string("an extension's value")?;
            extension.end(what)?;
            let default_is_written = critical == Some(false);
            extensions.push(Self {
                oid,
                critical: critical.unwrap_or(false),
                default_is_written,
                value,
            });
        }
        Ok(extensions)
    }

    /// Decodes the content; [`Content::Unknown`] when this extension has no meaning for us.
    pub(crate) fn decode(&self) -> Result<Content<'a>> {
        let der = self.value;
        Ok(match self.oid {
            known::SUBJECT_KEY_IDENTIFIER => Content::SubjectKeyIdentifier(
                der::whole(der, tag::OCTET_STRING, "the subject key identifier")?.content,
            ),
            known::AUTHORITY_KEY_IDENTIFIER => {
                Content::AuthorityKeyIdentifier(authority_key_identifier(der)?)
            }
            known::KEY_USAGE => Content::KeyUsage(bits(der, "the key usage")?),
            known::PRIVATE_KEY_USAGE_PERIOD => private_key_usage_period(der)?,
            known::CERTIFICATE_POLICIES => {
                Content::CertificatePolicies(policies::certificate_policies(der)?)
            }
            known::POLICY_MAPPINGS => Content::PolicyMappings(policies::policy_mappings(der)?),
            known::SUBJECT_ALT_NAME => {
                Content::SubjectAltName(names(der, "the subject alternative name")?)
            }
            known::ISSUER_ALT_NAME => {
                Content::IssuerAltName(names(der, "the issuer alternative name")?)
            }
            known::SUBJECT_DIRECTORY_ATTRIBUTES => Content::SubjectDirectoryAttributes(attributes(
                der,
                "the subject directory attributes",
            )?),
            known::BASIC_CONSTRAINTS => Content::BasicConstraints(basic_constraints(der)?),
            known::NAME_CONSTRAINTS => {
                Content::NameConstraints(name_constraints::name_constraints(der)?)
            }
            known::POLICY_CONSTRAINTS => policies::policy_constraints(der)?,
            known::EXTENDED_KEY_USAGE => Content::ExtendedKeyUsage(extended_key_usage(der)?),
            known::CRL_DISTRIBUTION_POINTS => Content::CrlDistributionPoints(
                distribution_points::distribution_points(der, "the CRL distribution points")?,
            ),
            known::FRESHEST_CRL => Content::FreshestCrl(distribution_points::distribution_points(
                der,
                "the freshest CRL",
            )?),
            known::INHIBIT_ANY_POLICY => {
                let what = "the inhibit any-policy number";
                Content::InhibitAnyPolicy(der::unsigned(
                    der::whole(der, tag::INTEGER, what)?.content,
                    what,
                )?)
            }
            known::AUTHORITY_INFO_ACCESS => Content::AuthorityInfoAccess(access_descriptions(
                der,
                "the authority information access",
            )?),
            known::SUBJECT_INFO_ACCESS => Content::SubjectInfoAccess(access_descriptions(
                der,
                "the subject information access",
            )?),
            known::TLS_FEATURE => Content::TlsFeature(tls_feature(der)?),
            known::OCSP_NO_CHECK => {
                der::whole(der, tag::NULL, "the OCSP no-check mark")?;
                Content::OcspNoCheck
            }
            known::CT_PRECERT_SCTS => {
                Content::SignedCertificateTimestamps(timestamps::timestamps(der)?)
            }
            known::CT_POISON => {
                der::whole(der, tag::NULL, "the precertificate poison")?;
                Content::PrecertificatePoison
            }
            known::NETSCAPE_CERT_TYPE => {
                Content::NetscapeCertType(bits(der, "the Netscape certificate type")?)
            }
            known::NETSCAPE_BASE_URL
            | known::NETSCAPE_REVOCATION_URL
            | known::NETSCAPE_CA_REVOCATION_URL
            | known::NETSCAPE_RENEWAL_URL
            | known::NETSCAPE_CA_POLICY_URL
            | known::NETSCAPE_SSL_SERVER_NAME
            | known::NETSCAPE_COMMENT => {
                let what = "the Netscape text";
                let value = der::whole(der, tag::IA5_STRING, what)?;
                // The comment is known to hold anything.
                Content::NetscapeText(String::from_utf8_lossy(value.content).into_owned())
            }
            known::CRL_NUMBER => Content::CrlNumber(number(der, "the CRL number")?),
            known::DELTA_CRL_INDICATOR => {
                Content::DeltaCrlIndicator(number(der, "the base CRL number")?)
            }
            known::ISSUING_DISTRIBUTION_POINT => Content::IssuingDistributionPoint(
                distribution_points::issuing_distribution_point(der)?,
            ),
            known::REASON_CODE => {
                let what = "the reason code";
                let code = der::unsigned(der::whole(der, tag::ENUMERATED, what)?.content, what)?;
                Content::ReasonCode(
                    u8::try_from(code).map_err(|_| DerError::new(what, "is too large"))?,
                )
            }
            known::INVALIDITY_DATE => {
                let what = "the invalidity date";
                Content::InvalidityDate(time::from_value(
                    der::whole(der, tag::GENERALIZED_TIME, what)?,
                    what,
                )?)
            }
            known::CERTIFICATE_ISSUER => {
                Content::CertificateIssuer(names(der, "the certificate issuer")?)
            }
            _ => Content::Unknown,
        })
    }
}

fn bits<'a>(octets: &'a [u8], what: &'static str) -> Result<BitString<'a>> {
    BitString::new(der::whole(octets, tag::BIT_STRING, what)?.content, what)
}

fn number<'a>(octets: &'a [u8], what: &'static str) -> Result<&'a [u8]> {
    der::integer(der::whole(octets, tag::INTEGER, what)?.content, what)
}

fn names<'a>(octets: &'a [u8], what: &'static str) -> Result<Vec<GeneralName<'a>>> {
    GeneralName::read_all(der::whole(octets, tag::SEQUENCE, what)?.content, what)
}

/// The elements of a SEQUENCE OF SEQUENCE, at least one.
fn list<'a, T>(
    octets: &'a [u8],
    what: &'static str,
    each: impl Fn(Reader<'a>) -> Result<T>,
) -> Result<Vec<T>> {
    let mut reader = Reader::new(der::whole(octets, tag::SEQUENCE, what)?.content);
    let mut items = Vec::new();
    while !reader.is_empty() {
        items.push(each(reader.sequence(what)?)?);
    }
    if items.is_empty() {
        Err(DerError::new(what, "holds nothing"))
    } else {
        Ok(items)
    }
}

fn authority_key_identifier(octets: &[u8]) -> Result<AuthorityKeyIdentifier<'_>> {
    let what = "the authority key identifier";
    let mut reader = Reader::new(der::whole(octets, tag::SEQUENCE, what)?.content);
    let key_identifier = reader
        .optional(tag::context(0), what)?
        .map(|value| value.content);
    let issuer = match reader.optional(tag::context_constructed(1), what)? {
        Some(value) => Some(GeneralName::read_all(value.content, what)?),
        None => None,
    };
    let serial = match reader.optional(tag::context(2), what)? {
        Some(value) => Some(der::integer(value.content, what)?),
        None => None,
    };
    reader.end(what)?;
    // RFC 5280 section 4.2.1.1: issuer and serial number come together or not at all.
    if issuer.is_some() != serial.is_some() {
        return Err(DerError::new(
            what,
            "names an issuer without a serial number, or the reverse",
        ));
    }
    Ok(AuthorityKeyIdentifier {
        key_identifier,
        issuer,
        serial,
    })
}

fn private_key_usage_period(octets: &[u8]) -> Result<Content<'_>> {
    let what = "the private key usage period";
    let mut reader = Reader::new(der::whole(octets, tag::SEQUENCE, what)?.content);
    let mut time = |n| match reader.optional(tag::context(n), what)? {
        Some(value) => time::from_value(
            Value {
                tag: tag::GENERALIZED_TIME,
                ..value
            },
            what,
        )
        .map(Some),
        None => Ok(None),
    };
    let (not_before, not_after) = (time(0)?, time(1)?);
    reader.end(what)?;
    Ok(Content::PrivateKeyUsagePeriod {
        not_before,
        not_after,
    })
}

/// `SEQUENCE OF Attribute`, each a type and a SET of values; also in certificate requests.
pub(crate) fn attributes<'a>(
    octets: &'a [u8],
    what: &'static str,
) -> Result<Vec<(Oid<'a>, Vec<Value<'a>>)>> {
    list(octets, what, |attribute| read_attribute(attribute, what))
}

pub(crate) fn read_attribute<'a>(
    mut attribute: Reader<'a>,
    what: &'static str,
) -> Result<(Oid<'a>, Vec<Value<'a>>)> {
    let oid = attribute.oid(what)?;
    let mut set = attribute.constructed(tag::SET, what)?;
    attribute.end(what)?;
    let mut values = Vec::new();
    while !set.is_empty() {
        values.push(set.any(what)?);
    }
    Ok((oid, values))
}

fn basic_constraints(octets: &[u8]) -> Result<BasicConstraints> {
    let what = "the basic constraints";
    let mut reader = Reader::new(der::whole(octets, tag::SEQUENCE, what)?.content);
    let ca = match reader.optional(tag::BOOLEAN, what)? {
        None => None,
        Some(value) => Some(der::boolean(value.content, what)?),
    };
    let path_length = match reader.is_empty() {
        true => None,
        false => Some(reader.unsigned(what)?),
    };
    reader.end(what)?;
    Ok(BasicConstraints {
        ca: ca.unwrap_or(false),
        path_length,
        default_is_written: ca == Some(false),
    })
}

fn extended_key_usage(octets: &[u8]) -> Result<Vec<Oid<'_>>> {
    let what = "the extended key usage";
    let mut reader = Reader::new(der::whole(octets, tag::SEQUENCE, what)?.content);
    let mut usages = Vec::new();
    while !reader.is_empty() {
        usages.push(reader.oid(what)?);
    }
    if usages.is_empty() {
        Err(DerError::new(what, "names no usage"))
    } else {
        Ok(usages)
    }
}

fn access_descriptions<'a>(
    octets: &'a [u8],
    what: &'static str,
) -> Result<Vec<(Oid<'a>, GeneralName<'a>)>> {
    list(octets, what, |mut description| {
        let method = description.oid(what)?;
        let location = GeneralName::read(&mut description, what)?;
        description.end(what)?;
        Ok((method, location))
    })
}

fn tls_feature(octets: &[u8]) -> Result<Vec<u64>> {
    let what = "the TLS feature";
    let mut reader = Reader::new(der::whole(octets, tag::SEQUENCE, what)?.content);
    let mut features = Vec::new();
    while !reader.is_empty() {
        features.push(reader.unsigned(what)?);
    }
    Ok(features)
}

/// The names of the bits of keyUsage (RFC 5280 section 4.2.1.3), in order.
pub(crate) const KEY_USAGES: [&str; 9] = [
    "digitalSignature",
    "nonRepudiation",
    "keyEncipherment",
    "dataEncipherment",
    "keyAgreement",
    "keyCertSign",
    "cRLSign",
    "encipherOnly",
    "decipherOnly",
];

/// The bits of keyUsage that decisions hang on.
pub(crate) mod key_usage {
    pub(crate) const DIGITAL_SIGNATURE: usize = 0;
    pub(crate) const KEY_ENCIPHERMENT: usize = 2;
    pub(crate) const KEY_AGREEMENT: usize = 4;
    pub(crate) const KEY_CERT_SIGN: usize = 5;
    pub(crate) const CRL_SIGN: usize = 6;
}

/// The directory name among `names`, if there is one.
pub(crate) fn directory_name<'b, 'a>(names: &'b [GeneralName<'a>]) -> Option<&'b Name<'a>> {
    names.iter().find_map(|name| match name {
        GeneralName::Directory(name) => Some(name),
        _ => None,
    })
}
