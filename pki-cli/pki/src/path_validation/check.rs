//! The rules of RFC 5280 section 6.1 that look at the path as a whole, and those about time and purpose.

use time::OffsetDateTime;

use super::{
    FailureKind,
    build::{Node, Work},
    candidate::Candidate,
    error::Finding,
    name_constraints, policies,
    request::{Purpose, Request},
};
use crate::parse::{
    extensions::key_usage,
    oid::{Oid, known},
};

/// Section 6.1.3 (a)(2). The last second of the validity belongs to it (section 4.1.2.5), to its end.
pub(super) fn validity(candidate: &Candidate<'_>, now: OffsetDateTime) -> Result<(), Finding> {
    let (not_before, not_after) = (
        candidate.certificate.not_before.at,
        candidate.certificate.not_after.at,
    );
    if now < not_before {
        return Err(Finding::new(
            FailureKind::NotYetValid,
            "RFC 5280 section 6.1.3 (a)(2)",
            format!(
                "it is valid only from {} on, and the time is {}",
                show(not_before),
                show(now)
            ),
            "set the clock right, or wait",
        ));
    }
    if now.unix_timestamp() > not_after.unix_timestamp() {
        return Err(Finding::new(
            FailureKind::Expired,
            "RFC 5280 section 6.1.3 (a)(2)",
            format!(
                "it was valid until {}, and the time is {}",
                show(not_after),
                show(now)
            ),
            "renew it, or set the clock right",
        ));
    }
    Ok(())
}

fn show(time: OffsetDateTime) -> String {
    let time = time.to_offset(time::UtcOffset::UTC);
    let (date, (hour, minute, second)) = (time.date(), time.to_hms());
    format!("{date} {hour:02}:{minute:02}:{second:02} UTC")
}

fn purpose_oid(purpose: Purpose) -> (Oid<'static>, &'static str) {
    match purpose {
        Purpose::Server => (known::SERVER_AUTH, "server"),
        Purpose::Client => (known::CLIENT_AUTH, "client"),
    }
}

/// Section 4.2.1.12. `anyExtendedKeyUsage` alone is not enough: an application that asks for a purpose may want it named.
pub(super) fn purpose_of_leaf(
    candidate: &Candidate<'_>,
    purpose: Option<Purpose>,
) -> Result<(), Finding> {
    let Some(purpose) = purpose else {
        return Ok(());
    };
    let (oid, word) = purpose_oid(purpose);
    let advice = format!("use a certificate that was issued for a TLS {word}");
    if let Some(usages) = &candidate.extensions.extended_key_usage
        && !usages.contains(&oid)
    {
        let allowed: Vec<_> = usages.iter().take(8).map(|usage| usage.name()).collect();
        return Err(Finding::new(
            FailureKind::WrongUsage,
            "RFC 5280 section 4.2.1.12",
            format!(
                "it may not be used by a TLS {word}, only for {}",
                allowed.join(", ")
            ),
            advice,
        ));
    }
    // A CA's own certificate in the place of the leaf signs no handshake by rights, but the clause is silent about it.
    if let Some(bits) = candidate.extensions.key_usage
        && !candidate.is_ca()
        && ![
            key_usage::DIGITAL_SIGNATURE,
            key_usage::KEY_ENCIPHERMENT,
            key_usage::KEY_AGREEMENT,
        ]
        .iter()
        .any(|bit| bits.bit(*bit))
    {
        return Err(Finding::new(
            FailureKind::WrongUsage,
            "RFC 5280 section 4.2.1.3",
            "its keyUsage has neither digitalSignature nor keyEncipherment nor keyAgreement, so its key can do no TLS handshake",
            advice,
        ));
    }
    Ok(())
}

/// A CA that names purposes issues for these only. RFC 5280 is silent; every verifier of TLS reads it so.
pub(super) fn purpose_of_issuer(
    candidate: &Candidate<'_>,
    purpose: Option<Purpose>,
) -> Result<(), Finding> {
    let (Some(purpose), Some(usages)) = (purpose, &candidate.extensions.extended_key_usage) else {
        return Ok(());
    };
    let (oid, word) = purpose_oid(purpose);
    if usages.contains(&oid) || usages.contains(&known::ANY_EXTENDED_KEY_USAGE) {
        return Ok(());
    }
    Err(Finding::new(
        FailureKind::WrongUsage,
        "RFC 5280 section 4.2.1.12",
        format!("it is a CA that may not issue for a TLS {word}"),
        "use a CA without extendedKeyUsage, or with this one",
    ))
}

/// Everything about a whole path: the leaf first, the trust anchor last.
pub(super) fn path(
    path: &[Node<'_, '_>],
    request: &Request<'_>,
    work: &mut Work,
) -> Result<(), (usize, Finding)> {
    path_length(path, request.max_depth)?;
    key_identifiers(path, work)?;
    let mut above = Vec::new();
    for (at, node) in path.iter().enumerate().rev() {
        // Section 6.1.3 (b) and (c): a self-issued certificate is exempt, unless it is the last.
        if !node.trusted && (at == 0 || !node.candidate.is_self_issued()) {
            name_constraints::check(node.candidate, &above, work)
                .map_err(|finding| (at, finding))?;
        }
        above.extend(&node.candidate.extensions.name_constraints);
    }
    policies::check(path, work)
}

/// Sections 6.1.4 (l) and (m), and the depth that the caller allows, which counts as they do.
fn path_length(path: &[Node<'_, '_>], max_depth: Option<usize>) -> Result<(), (usize, Finding)> {
    let mut left: Option<u64> = None;
    let mut depth = 0;
    for (at, node) in path.iter().enumerate().skip(1).rev() {
        if !node.trusted && !node.candidate.is_self_issued() {
            depth += 1;
            if left == Some(0) {
                return Err((
                    at,
                    Finding::new(
                        FailureKind::PathTooLong,
                        "RFC 5280 section 6.1.4 (l)",
                        "a CA above it has a path length that leaves no room for it",
                        "have the leaf issued by the CA above, or that CA's path length raised",
                    ),
                ));
            }
            left = left.map(|left| left - 1);
        }
        if let Some(constraint) = node
            .candidate
            .extensions
            .basic_constraints
            .and_then(|basic| basic.path_length)
        {
            left = Some(left.map_or(constraint, |left| left.min(constraint)));
        }
    }
    match max_depth {
        Some(max) if depth > max => Err((
            path.len(),
            Finding::new(
                FailureKind::PathTooLong,
                "RFC 5280 section 6.1.1",
                format!(
                    "{depth} {} between leaf and trust anchor, and at most {max} {} allowed",
                    if depth == 1 {
                        "intermediate stands"
                    } else {
                        "intermediates stand"
                    },
                    if max == 1 { "is" } else { "are" },
                ),
                "raise the maximum depth, or use a hierarchy with fewer levels",
            ),
        )),
        _ => Ok(()),
    }
}

/// Section 4.2.1.2: a CA's subjectKeyIdentifier “MUST be the value placed in the key identifier field” of what it issues.
fn key_identifiers(path: &[Node<'_, '_>], work: &mut Work) -> Result<(), (usize, Finding)> {
    // What stands above the trust anchor is itself, or unknown.
    let top = path.last().map(|top| (path.len() - 1, *top, *top));
    let pairs = path
        .windows(2)
        .enumerate()
        .map(|(at, pair)| (at, pair[0], pair[1]));
    for (at, child, issuer) in pairs.chain(top) {
        let wanted = child
            .candidate
            .extensions
            .authority_key_identifier
            .as_ref()
            .and_then(|id| id.key_identifier);
        let found = issuer.candidate.extensions.subject_key_identifier;
        if let (Some(wanted), Some(found)) = (wanted, found)
            && wanted != found
            && (at + 1 < path.len()
                || issuer
                    .candidate
                    .is_self_signed(work)
                    .map_err(|finding| (at, finding))?)
        {
            return Err((
                at,
                Finding::profile(
                    "RFC 5280 section 4.2.1.2",
                    "its authorityKeyIdentifier is not the subjectKeyIdentifier of its issuer",
                ),
            ));
        }
    }
    Ok(())
}
