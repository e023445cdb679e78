//! A certificate that may stand in a path: parsed once, its extensions decoded, its names ready for comparison.

use std::cell::OnceCell;

use super::{build::Work, error::Finding, signature};
use crate::parse::{
    certificate::Certificate,
    der::BitString,
    extensions::{
        AuthorityKeyIdentifier, BasicConstraints, Content, DistributionPoint, NameConstraints,
        Policy,
    },
    general_name::GeneralName,
    name::Canonical,
    oid::Oid,
};

pub(super) struct Candidate<'a> {
    pub(super) certificate: Certificate<'a>,
    /// Names in the form in which equal means matching (RFC 5280 section 7.1).
    pub(super) subject: Canonical,
    pub(super) issuer: Canonical,
    pub(super) extensions: Extensions<'a>,
    /// The first extension that we should know and cannot read.
    pub(super) broken: Option<String>,
    /// Whether its own key signed it, once somebody wanted to know.
    self_signed: OnceCell<bool>,
}

/// The decoded extensions that decisions hang on.
#[derive(Default)]
pub(super) struct Extensions<'a> {
    pub(super) subject_key_identifier: Option<&'a [u8]>,
    pub(super) authority_key_identifier: Option<AuthorityKeyIdentifier<'a>>,
    pub(super) key_usage: Option<BitString<'a>>,
    pub(super) policies: Option<Vec<Policy<'a>>>,
    pub(super) policy_mappings: Option<Vec<(Oid<'a>, Oid<'a>)>>,
    pub(super) subject_alt_name: Option<Vec<GeneralName<'a>>>,
    pub(super) basic_constraints: Option<BasicConstraints>,
    pub(super) name_constraints: Option<NameConstraints<'a>>,
    pub(super) require_explicit_policy: Option<u64>,
    pub(super) inhibit_policy_mapping: Option<u64>,
    pub(super) extended_key_usage: Option<Vec<Oid<'a>>>,
    pub(super) distribution_points: Vec<DistributionPoint<'a>>,
    pub(super) inhibit_any_policy: Option<u64>,
}

impl<'a> Candidate<'a> {
    pub(super) fn read(der: &'a [u8]) -> Result<Self, Finding> {
        let certificate = Certificate::from_der(der).map_err(|error| {
            Finding::new(
                super::FailureKind::Malformed,
                "RFC 5280 section 4.1",
                format!("it cannot be read as a certificate: {error}"),
                "give a certificate in PEM or DER that is not damaged",
            )
        })?;
        let mut extensions = Extensions::default();
        let mut broken = None;
        for extension in &certificate.extensions {
            match extension.decode() {
                Ok(content) => extensions.keep(content),
                Err(error) => {
                    broken.get_or_insert_with(|| {
                        format!(
                            "the extension {} cannot be read: {error}",
                            extension.oid.name()
                        )
                    });
                }
            }
        }
        let subject = certificate.subject.canonical();
        // As every root has it.
        let issuer = match certificate.issuer.raw == certificate.subject.raw {
            true => subject.clone(),
            false => certificate.issuer.canonical(),
        };
        Ok(Self {
            subject,
            issuer,
            certificate,
            extensions,
            broken,
            self_signed: OnceCell::new(),
        })
    }

    /// Self-issued by RFC 5280 section 6.1: such certificates do not count in path lengths.
    pub(super) fn is_self_issued(&self) -> bool {
        self.subject == self.issuer
    }

    /// It was given as a trust anchor, of which nobody asks who signed it: see [`Self::is_self_signed`].
    pub(super) fn trusted(self) -> Self {
        Self {
            self_signed: OnceCell::from(true),
            ..self
        }
    }

    /// Whether its own key signed it. That costs a signature, once.
    pub(super) fn is_self_signed(&self, work: &mut Work) -> Result<bool, Finding> {
        if !self.is_self_issued() {
            return Ok(false);
        }
        if let Some(known) = self.self_signed.get() {
            return Ok(*known);
        }
        work.verify_signature()?;
        let certificate = &self.certificate;
        let verdict = signature::verify(
            &certificate.public_key,
            &certificate.signature_algorithm,
            certificate.tbs,
            certificate.signature,
        );
        Ok(*self.self_signed.get_or_init(|| verdict.is_ok()))
    }

    pub(super) fn is_ca(&self) -> bool {
        self.extensions
            .basic_constraints
            .is_some_and(|constraints| constraints.ca)
    }

    /// What a person would call it, safe for a terminal.
    pub(super) fn label(&self) -> String {
        if self.certificate.subject.is_empty() {
            match self.extensions.subject_alt_name.as_deref() {
                Some([first, ..]) => first.to_string(),
                _ => format!("serial {}", crate::text::hex(self.certificate.serial)),
            }
        } else {
            self.certificate.subject.to_string()
        }
    }
}

impl<'a> Extensions<'a> {
    fn keep(&mut self, content: Content<'a>) {
        match content {
            Content::SubjectKeyIdentifier(id) => self.subject_key_identifier = Some(id),
            Content::AuthorityKeyIdentifier(id) => self.authority_key_identifier = Some(id),
            Content::KeyUsage(bits) => self.key_usage = Some(bits),
            Content::CertificatePolicies(policies) => self.policies = Some(policies),
            Content::PolicyMappings(mappings) => self.policy_mappings = Some(mappings),
            Content::SubjectAltName(names) => self.subject_alt_name = Some(names),
            Content::BasicConstraints(constraints) => self.basic_constraints = Some(constraints),
            Content::NameConstraints(constraints) => self.name_constraints = Some(constraints),
            Content::PolicyConstraints {
                require_explicit,
                inhibit_mapping,
            } => {
                self.require_explicit_policy = require_explicit;
                self.inhibit_policy_mapping = inhibit_mapping;
            }
            Content::ExtendedKeyUsage(usages) => self.extended_key_usage = Some(usages),
            Content::CrlDistributionPoints(points) => self.distribution_points = points,
            Content::InhibitAnyPolicy(skip) => self.inhibit_any_policy = Some(skip),
            _ => {}
        }
    }
}
