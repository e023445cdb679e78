//! Looks at a certificate as a stranger would, before the real key signs it: whether it is what RFC 5280 demands, and
//! whether it is what was asked for. Works on the encoded form, not on what we meant to encode.

use crate::{certificate::Certificate, der, issuer::Request};

/// The first rule that is broken, as half a sentence with its clause.
pub(crate) fn check(
    certificate: &Certificate,
    request: &Request<'_>,
    issuer: Option<&Certificate>,
) -> Result<(), String> {
    let must = |holds: bool, rule: &str| if holds { Ok(()) } else { Err(rule.to_owned()) };
    let profile = request.profile;

    must(
        certificate.serial_octets().len() <= 20
            && certificate
                .serial_octets()
                .first()
                .is_some_and(|top| top & 0x80 == 0),
        "the serial number must be positive and at most 20 octets (RFC 5280 section 4.1.2.2)",
    )?;
    must(
        certificate.not_before() < certificate.not_after(),
        "the validity must end after it begins (RFC 5280 section 4.1.2.5)",
    )?;
    must(
        certificate.subject() == request.subject,
        "the subject must be the one that was asked for",
    )?;
    must(
        certificate.public_key() == request.public_key,
        "the public key must be the one that was asked for",
    )?;
    must(
        certificate.names() == request.names,
        "the names must be the ones that were asked for",
    )?;
    must(
        certificate.is_ca() == profile.is_ca(),
        "basicConstraints must say whether it is a CA (RFC 5280 section 4.2.1.9)",
    )?;
    let path_length = certificate
        .basic_constraints
        .and_then(|constraints| constraints.path_length);
    must(
        path_length == profile.is_ca().then_some(request.path_length.into()),
        "the path length must be the one that was asked for (RFC 5280 section 4.2.1.9)",
    )?;
    let usage = profile
        .key_usage()
        .iter()
        .fold(0_u16, |usage, bit| usage | 1 << bit);
    must(
        certificate.key_usage == Some(usage),
        "the key usage must be the profile's (RFC 5280 section 4.2.1.3)",
    )?;
    must(
        certificate
            .extended_key_usage
            .as_deref()
            .unwrap_or_default()
            == profile.purposes(),
        "the extended key usage must be exactly the profile's (RFC 5280 section 4.2.1.12)",
    )?;
    must(
        certificate.subject_key_identifier.is_some()
            && certificate.authority_key_identifier.is_some(),
        "it must have a subject and an authority key identifier (RFC 5280 sections 4.2.1.1 and 4.2.1.2)",
    )?;
    let critical: &[(&str, bool)] = &[
        ("2.5.29.19", true),
        ("2.5.29.15", true),
        ("2.5.29.37", false),
        ("2.5.29.14", false),
        ("2.5.29.35", false),
        ("2.5.29.17", request.subject.is_empty()),
        ("2.5.29.30", true),
    ];
    for (oid, is_critical) in &certificate.extensions {
        must(
            critical.contains(&(oid, *is_critical)),
            "an extension must be known and critical as RFC 5280 section 4.2 says",
        )?;
    }
    let Some(issuer) = issuer else {
        return must(
            certificate.is_self_issued(),
            "a root must be its own issuer",
        );
    };
    // Names chain as they are encoded: an issuer's name that was built again could differ in its string types.
    must(
        certificate.issuer().der() == issuer.subject().der(),
        "the issuer's name must be encoded as in the issuer's certificate (RFC 5280 section 4.1.2.4)",
    )?;
    must(
        issuer.subject_key_identifier.is_none()
            || certificate.authority_key_identifier == issuer.subject_key_identifier,
        "the authority key identifier must be the issuer's subject key identifier (RFC 5280 section 4.2.1.1)",
    )?;
    must(
        certificate.not_after() <= issuer.not_after()
            && certificate.not_before() >= issuer.not_before(),
        "the validity must lie within the issuer's",
    )
}

/// Whether an (encoded) signature algorithm uses SHA-1 or MD5.
pub(crate) fn is_weak_signature(algorithm: &[u8]) -> bool {
    const WEAK: [&str; 5] = [
        "1.2.840.113549.1.1.4",
        "1.2.840.113549.1.1.5",
        "1.2.840.10045.4.1",
        "1.2.840.10040.4.3",
        "1.3.14.3.2.29",
    ];
    WEAK.contains(&der::dotted(algorithm).as_str())
}
