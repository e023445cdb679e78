//! The certificate profile of RFC 5280 section 4: what a single certificate must be, wherever it stands in a path.
//!
//! Strict: what “conforming CAs MUST” is asked of every certificate. What is let go, because refusing would protect
//! nobody, is told in a notice ([`notices`]): constraints that are not marked critical (sections 4.2.1.10, 4.2.1.11 and
//! 4.2.1.14) are enforced all the same; an intermediate's basicConstraints count also when they are not critical, since
//! section 6.1.4 (k) asks only what they say, while a trust anchor, which is chosen by whoever asks, is held to section
//! 4.2.1.9; and a time is read in either of its two forms, as section 4.1.2.5 asks of applications.

use super::{FailureKind, build::Work, candidate::Candidate, error::Finding, names, signature};
use crate::parse::{
    extensions::{Extension, Qualifier, key_usage},
    general_name::{GeneralName, ip_address},
    oid::{Oid, known},
};

/// Where a certificate stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Leaf,
    Issuer,
    TrustAnchor,
}

pub(super) fn check(candidate: &Candidate<'_>, role: Role, work: &mut Work) -> Result<(), Finding> {
    check_form(candidate, role)?;
    check_extensions_are_understood(candidate)?;
    if let Some(reason) = &candidate.broken {
        return Err(Finding::profile("RFC 5280 section 4.2", reason.clone()));
    }
    check_criticality(candidate)?;
    check_key_identifiers(candidate, role, work)?;
    check_ca_and_usage(candidate, role)?;
    check_alternative_names(candidate)?;
    check_policies(candidate)?;
    if let Some(constraints) = &candidate.extensions.name_constraints {
        super::name_constraints::check_form(constraints)?;
    }
    signature::check_key(&candidate.certificate.public_key)
}

/// RFC 5280 section 4.1: the fields outside of the extensions.
fn check_form(candidate: &Candidate<'_>, role: Role) -> Result<(), Finding> {
    let certificate = &candidate.certificate;
    if let Some((clause, fault)) = certificate.faults.first() {
        return Err(Finding::profile(clause, *fault));
    }
    if candidate
        .extensions
        .basic_constraints
        .is_some_and(|constraints| constraints.default_is_written)
    {
        return Err(Finding::profile(
            "X.690 section 11.5",
            "its basicConstraints write out cA FALSE, which is the default",
        ));
    }
    if certificate.signature_algorithm != certificate.tbs_signature_algorithm {
        return Err(Finding::profile(
            "RFC 5280 section 4.1.1.2",
            "the signature algorithm that is signed and the one outside differ",
        ));
    }
    if !certificate.extensions.is_empty() && certificate.version != 2 {
        return Err(Finding::profile(
            "RFC 5280 section 4.1.2.1",
            format!(
                "it has extensions and says it is version {}, not 3",
                certificate.version.saturating_add(1)
            ),
        ));
    }
    if certificate.serial.len() > 20 {
        return Err(Finding::profile(
            "RFC 5280 section 4.1.2.2",
            "its serial number is longer than 20 octets",
        ));
    }
    // Old roots with serial number 0 are in use, and nobody looks a root up by its number.
    let positive =
        certificate.serial[0] < 0x80 && certificate.serial.iter().any(|octet| *octet != 0);
    if !positive && role != Role::TrustAnchor {
        return Err(Finding::profile(
            "RFC 5280 section 4.1.2.2",
            "its serial number is zero or negative",
        ));
    }
    if certificate.issuer.is_empty() {
        return Err(Finding::profile(
            "RFC 5280 section 4.1.2.4",
            "its issuer has no name",
        ));
    }
    if certificate.subject.is_empty() && (role != Role::Leaf || candidate.is_ca()) {
        return Err(Finding::profile(
            "RFC 5280 section 4.1.2.6",
            "it is a CA and has no subject name",
        ));
    }
    if role != Role::TrustAnchor
        && !(certificate.not_before.has_seconds && certificate.not_after.has_seconds)
    {
        return Err(Finding::profile(
            "RFC 5280 section 4.1.2.5.1",
            "its validity is written without seconds",
        ));
    }
    Ok(())
}

/// RFC 5280 section 4.2: no extension twice, and none critical that we do not process.
fn check_extensions_are_understood(candidate: &Candidate<'_>) -> Result<(), Finding> {
    let extensions = &candidate.certificate.extensions;
    let mut oids: Vec<_> = extensions.iter().map(|extension| extension.oid).collect();
    oids.sort_unstable();
    if let Some(pair) = oids.windows(2).find(|pair| pair[0] == pair[1]) {
        return Err(Finding::profile(
            "RFC 5280 section 4.2",
            format!("it has the extension {} twice", pair[0].name()),
        ));
    }
    match extensions
        .iter()
        .find(|extension| extension.critical && !is_processed(extension.oid))
    {
        None => Ok(()),
        Some(extension) => Err(Finding::new(
            FailureKind::UnknownCritical,
            "RFC 5280 section 4.2",
            format!(
                "it has the critical extension {}, which is not understood here",
                extension.oid.name_and_numbers()
            ),
            "have it issued without that extension, or with the extension not critical",
        )),
    }
}

/// The extensions whose meaning path validation takes into account. The others (information access, policies' texts, …)
/// are known and may not be critical, or are critical for a purpose that is not ours.
fn is_processed(oid: Oid<'_>) -> bool {
    MUST_NOT_BE_CRITICAL.iter().any(|(known, _)| *known == oid)
        || matches!(
            oid,
            known::KEY_USAGE
                | known::CERTIFICATE_POLICIES
                | known::POLICY_MAPPINGS
                | known::SUBJECT_ALT_NAME
                | known::ISSUER_ALT_NAME
                | known::BASIC_CONSTRAINTS
                | known::NAME_CONSTRAINTS
                | known::POLICY_CONSTRAINTS
                | known::EXTENDED_KEY_USAGE
                | known::CRL_DISTRIBUTION_POINTS
                | known::INHIBIT_ANY_POLICY
        )
}

const MUST_NOT_BE_CRITICAL: [(Oid<'static>, &str); 6] = [
    (known::AUTHORITY_KEY_IDENTIFIER, "RFC 5280 section 4.2.1.1"),
    (known::SUBJECT_KEY_IDENTIFIER, "RFC 5280 section 4.2.1.2"),
    (
        known::SUBJECT_DIRECTORY_ATTRIBUTES,
        "RFC 5280 section 4.2.1.8",
    ),
    (known::FRESHEST_CRL, "RFC 5280 section 4.2.1.15"),
    (known::AUTHORITY_INFO_ACCESS, "RFC 5280 section 4.2.2.1"),
    (known::SUBJECT_INFO_ACCESS, "RFC 5280 section 4.2.2.2"),
];

/// Constraints that are enforced, critical or not.
const OUGHT_TO_BE_CRITICAL: [(Oid<'static>, &str, &str); 3] = [
    (
        known::NAME_CONSTRAINTS,
        "name constraints",
        "RFC 5280 section 4.2.1.10",
    ),
    (
        known::POLICY_CONSTRAINTS,
        "policy constraints",
        "RFC 5280 section 4.2.1.11",
    ),
    (
        known::INHIBIT_ANY_POLICY,
        "limits on anyPolicy",
        "RFC 5280 section 4.2.1.14",
    ),
];

/// What is wrong with a certificate that was accepted, as sentences.
pub(super) fn notices(candidate: &Candidate<'_>) -> Vec<String> {
    let label = candidate.label();
    let not_critical = |oid| {
        let extension = candidate.certificate.extension(oid);
        extension.is_some_and(|extension| !extension.critical)
    };
    let mut notices = Vec::new();
    for (oid, words, clause) in OUGHT_TO_BE_CRITICAL {
        if not_critical(oid) {
            notices.push(format!(
                "The {words} of “{label}” are not critical, as {clause} asks; they were enforced here, and a verifier \
                 that does not know them would overlook them."
            ));
        }
    }
    if candidate.is_ca() && not_critical(known::BASIC_CONSTRAINTS) {
        notices.push(format!(
            "The basicConstraints of “{label}” are not critical, as RFC 5280 section 4.2.1.9 asks of a CA; they were \
             heeded here."
        ));
    }
    let validity = [
        candidate.certificate.not_before,
        candidate.certificate.not_after,
    ];
    if validity.iter().any(|time| !time.form_is_right) {
        notices.push(format!(
            "The validity of “{label}” is not written as UTCTime through 2049 and GeneralizedTime from 2050 on, as RFC \
             5280 section 4.1.2.5 asks of CAs."
        ));
    }
    notices
}

fn check_criticality(candidate: &Candidate<'_>) -> Result<(), Finding> {
    let find = |oid| candidate.certificate.extension(oid);
    for (oid, clause) in MUST_NOT_BE_CRITICAL {
        if find(oid).is_some_and(|extension: &Extension<'_>| extension.critical) {
            return Err(Finding::profile(
                clause,
                format!("its extension {} is critical and must not be", oid.name()),
            ));
        }
    }
    // Without a subject the alternative name is the only name (section 4.2.1.6).
    if candidate.certificate.subject.is_empty() {
        match find(known::SUBJECT_ALT_NAME) {
            Some(extension) if extension.critical => {}
            Some(_) => {
                return Err(Finding::profile(
                    "RFC 5280 section 4.2.1.6",
                    "it has no subject, and its subjectAltName is not critical",
                ));
            }
            None => {
                return Err(Finding::profile(
                    "RFC 5280 section 4.1.2.6",
                    "it has no name at all",
                ));
            }
        }
    }
    Ok(())
}

fn check_key_identifiers(
    candidate: &Candidate<'_>,
    role: Role,
    work: &mut Work,
) -> Result<(), Finding> {
    let extensions = &candidate.extensions;
    if extensions.subject_key_identifier.is_none() && (role != Role::Leaf || candidate.is_ca()) {
        return Err(Finding::profile(
            "RFC 5280 section 4.2.1.2",
            "it is a CA and has no subjectKeyIdentifier",
        ));
    }
    let key_identifier = extensions
        .authority_key_identifier
        .as_ref()
        .and_then(|id| id.key_identifier);
    // It helps to find the issuer, and above a trust anchor nobody looks for one. The clause's own exception is a CA's
    // certificate signed with its own key.
    if key_identifier.is_none() && role != Role::TrustAnchor && !candidate.is_self_signed(work)? {
        if candidate.is_self_issued() {
            // What cannot be checked is not said to be wrong.
            signature::check_algorithm(&candidate.certificate.signature_algorithm)?;
        }
        return Err(Finding::profile(
            "RFC 5280 section 4.2.1.1",
            "it has no authorityKeyIdentifier with a key identifier, and no signature that shows it to be signed with its own key",
        ));
    }
    Ok(())
}

/// RFC 5280 sections 4.2.1.3, 4.2.1.9, 4.2.1.10, and 6.1.4 (k) and (n) for issuers.
fn check_ca_and_usage(candidate: &Candidate<'_>, role: Role) -> Result<(), Finding> {
    let extensions = &candidate.extensions;
    let key_cert_sign = extensions
        .key_usage
        .map(|bits| bits.bit(key_usage::KEY_CERT_SIGN));
    if extensions
        .key_usage
        .is_some_and(|bits| bits.octets.iter().all(|octet| *octet == 0))
    {
        return Err(Finding::profile(
            "RFC 5280 section 4.2.1.3",
            "its keyUsage allows nothing",
        ));
    }
    if role != Role::Leaf {
        let not_a_ca = |clause, reason| {
            Err(Finding::new(
                FailureKind::NotACa,
                clause,
                reason,
                "use a certificate that a CA issued, not one that a server's or client's key signed",
            ))
        };
        match extensions.basic_constraints {
            None => {
                return not_a_ca(
                    "RFC 5280 section 6.1.4 (k)",
                    "it issues and has no basicConstraints",
                );
            }
            Some(constraints) if !constraints.ca => {
                return not_a_ca(
                    "RFC 5280 section 6.1.4 (k)",
                    "it issues and its basicConstraints do not say CA",
                );
            }
            Some(_) => {}
        }
        if role == Role::TrustAnchor
            && candidate
                .certificate
                .extension(known::BASIC_CONSTRAINTS)
                .is_some_and(|extension| !extension.critical)
        {
            return Err(Finding::profile(
                "RFC 5280 section 4.2.1.9",
                "it is a CA and its basicConstraints are not critical",
            ));
        }
        if key_cert_sign == Some(false) {
            return not_a_ca(
                "RFC 5280 section 6.1.4 (n)",
                "it issues and its keyUsage lacks keyCertSign",
            );
        }
    }
    let contradiction = |clause, reason| Err(Finding::profile(clause, reason));
    // The reverse is allowed: a CA's key may sign CRLs only (section 4.2.1.9).
    if !candidate.is_ca() {
        if key_cert_sign == Some(true) {
            return contradiction(
                "RFC 5280 section 4.2.1.9",
                "its keyUsage has keyCertSign and it is not a CA",
            );
        }
        if extensions
            .basic_constraints
            .is_some_and(|constraints| constraints.path_length.is_some())
        {
            return contradiction(
                "RFC 5280 section 4.2.1.9",
                "it has a path length and is not a CA",
            );
        }
        if extensions.name_constraints.is_some() {
            return contradiction(
                "RFC 5280 section 4.2.1.10",
                "it has name constraints and is not a CA",
            );
        }
    }
    Ok(())
}

/// RFC 5280 section 4.2.1.4: no policy twice; and who reads a critical extension must know its qualifiers, too.
fn check_policies(candidate: &Candidate<'_>) -> Result<(), Finding> {
    let clause = "RFC 5280 section 4.2.1.4";
    let policies = candidate.extensions.policies.as_deref().unwrap_or_default();
    let mut oids: Vec<_> = policies.iter().map(|policy| policy.oid).collect();
    oids.sort_unstable();
    if let Some(pair) = oids.windows(2).find(|pair| pair[0] == pair[1]) {
        return Err(Finding::profile(
            clause,
            format!(
                "it has the policy {} twice",
                crate::text::escape(&pair[0].name())
            ),
        ));
    }
    let critical = candidate
        .certificate
        .extension(known::CERTIFICATE_POLICIES)
        .is_some_and(|extension| extension.critical);
    let qualifiers = policies.iter().flat_map(|policy| &policy.qualifiers);
    let unknown = qualifiers
        .filter_map(|qualifier| match qualifier {
            Qualifier::Other { oid, .. } => Some(oid),
            _ => None,
        })
        .next();
    match unknown {
        Some(oid) if critical => Err(Finding::new(
            FailureKind::UnknownCritical,
            clause,
            format!(
                "its certificate policies are critical and have the qualifier {}, which is not understood here",
                oid.name_and_numbers()
            ),
            "have it issued without that qualifier, or with the extension not critical",
        )),
        _ => Ok(()),
    }
}

/// RFC 5280 section 4.2.1.6: each name in the syntax of its kind.
fn check_alternative_names(candidate: &Candidate<'_>) -> Result<(), Finding> {
    let clause = "RFC 5280 section 4.2.1.6";
    for name in candidate.extensions.subject_alt_name.iter().flatten() {
        let problem = match name {
            GeneralName::Dns(dns) if dns.parse::<std::net::IpAddr>().is_ok() => {
                "is an IP address in a DNS name"
            }
            GeneralName::Dns(dns) if !names::is_presented_dns_name(dns) => {
                "is not a valid DNS name"
            }
            GeneralName::Ip(octets) if ip_address(octets).is_none() => {
                "is neither an IPv4 nor an IPv6 address"
            }
            GeneralName::Email(email) if !names::is_mailbox(email) => {
                "is not a valid e-mail address"
            }
            GeneralName::Uri(uri) if !names::is_absolute_uri(uri) => "is not an absolute URI",
            _ => continue,
        };
        return Err(Finding::profile(
            clause,
            format!("its alternative name {name} {problem}"),
        ));
    }
    Ok(())
}
