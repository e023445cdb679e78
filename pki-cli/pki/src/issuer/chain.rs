//! What stands above an issuer, and whether it lets the issuer issue.

use time::OffsetDateTime;

use super::{Issuer, Refusal, check_count, date};
use crate::{
    certificate::Certificate,
    distinguished_name::DistinguishedName,
    lint, parse,
    path_validation::{self, FailureKind, Position, SignatureVerdict, verify_signature},
    profile::Profile,
    subject_alt_name::GeneralName,
};

/// What the CAs above are asked for: a request without its key.
pub(crate) struct Wanted<'a> {
    pub(crate) profile: Profile,
    pub(crate) subject: &'a DistinguishedName,
    pub(crate) names: &'a [GeneralName],
}

/// Whether a CA with those above it may issue this now: [`check_count`], [`check_above`], [`check_names`] and
/// [`check_common_name`] in one.
pub(crate) fn check_chain(
    chain: &[&Certificate],
    wanted: &Wanted<'_>,
    now: OffsetDateTime,
) -> Result<(), Refusal> {
    check_count(wanted.names)?;
    check_above(chain, wanted.profile, now)?;
    check_names(chain.iter().copied(), wanted.subject, wanted.names)?;
    if wanted.profile.is_ca() {
        return Ok(());
    }
    check_common_name(chain.iter().copied(), wanted.subject, wanted.names)
}

/// Whether openssl would accept the common name, which it takes for a DNS name when it looks like one and there is none
/// among the names. It asks this of the certificate that it is given to verify, not of the CAs above.
pub(crate) fn check_common_name<'a>(
    chain: impl IntoIterator<Item = &'a Certificate>,
    subject: &DistinguishedName,
    names: &[GeneralName],
) -> Result<(), Refusal> {
    if names.iter().any(|name| matches!(name, GeneralName::Dns(_))) {
        return Ok(());
    }
    for above in chain {
        if let Some(constraints) = &above.name_constraints {
            constraints
                .check_host_in_subject(subject)
                .map_err(|reason| Refusal::CommonName {
                    subject: above.subject().to_string(),
                    reason,
                })?;
        }
    }
    Ok(())
}

/// Whether a CA (first) with those above it (the trust anchor last) may issue under a profile now, without its key:
/// everything above must be valid, allow what is asked for, and be what verifiers accept.
pub(crate) fn check_above(
    chain: &[&Certificate],
    profile: Profile,
    now: OffsetDateTime,
) -> Result<(), Refusal> {
    // RFC 5280 §4.2.1.9: the path length counts the intermediates that are not self-issued between a CA and the end
    // entity; a new CA counts itself.
    let mut below = u32::from(profile.is_ca());
    for above in chain {
        let subject = || above.subject().to_string();
        if above.not_after() < now {
            return Err(Refusal::Expired {
                subject: subject(),
                not_after: date(above.not_after()),
            });
        }
        if above.not_before() > now {
            return Err(Refusal::NotYetValid {
                subject: subject(),
                not_before: date(above.not_before()),
            });
        }
        if let Some(allowed) = above
            .basic_constraints
            .and_then(|constraints| constraints.path_length)
            && allowed < below
        {
            return Err(Refusal::PathLength {
                subject: subject(),
                allowed,
                needed: below,
            });
        }
        if !above.is_self_issued() {
            if lint::is_weak_signature(above.signature_algorithm()) {
                return Err(Refusal::WeakChain(subject()));
            }
            below += 1;
        }
    }
    check_as_verifier(chain, profile, now)
}

/// Whether a CA (first) with those above it (the trust anchor last) issues anything at all that verifiers accept, whoever has
/// the key. One for clients alone is fit as well.
pub(crate) fn check_fit(chain: &[&Certificate], now: OffsetDateTime) -> Result<(), Refusal> {
    chain
        .iter()
        .try_for_each(|above| Issuer::may_issue(above))?;
    match [Profile::Server, Profile::Client].map(|profile| check_above(chain, profile, now)) {
        [Err(refusal), Err(_)] => Err(refusal),
        _ => Ok(()),
    }
}

/// Whether the name constraints of a CA and of those above it allow a subject and these names.
pub(crate) fn check_names<'a>(
    chain: impl IntoIterator<Item = &'a Certificate>,
    subject: &DistinguishedName,
    names: &[GeneralName],
) -> Result<(), Refusal> {
    for above in chain {
        let Some(constraints) = &above.name_constraints else {
            continue;
        };
        let outside = |reason| Refusal::NameConstraint {
            subject: above.subject().to_string(),
            reason,
        };
        names
            .iter()
            .try_for_each(|name| constraints.check(name))
            .map_err(outside)?;
        constraints.check_subject(subject).map_err(outside)?;
    }
    Ok(())
}

/// The rules of the validator that will judge what comes out, asked of the CAs before their key signs.
fn check_as_verifier(
    chain: &[&Certificate],
    profile: Profile,
    now: OffsetDateTime,
) -> Result<(), Refusal> {
    let ([own, parents @ ..], Some(anchor)) = (chain, chain.last()) else {
        return Ok(());
    };
    for above in chain {
        let subject = above.subject().to_string();
        let allows = |usages: &[String], purpose: &String| {
            usages.contains(purpose) || usages.iter().any(|usage| usage == ANY_EXTENDED_KEY_USAGE)
        };
        if let Some(usages) = &above.extended_key_usage
            && !profile
                .purposes()
                .iter()
                .all(|purpose| allows(usages, purpose))
        {
            return Err(Refusal::CaPurpose { subject, profile });
        }
        // The validator asks this of issuers only, and is asked about the first one as if it were a leaf.
        if !above
            .extensions
            .iter()
            .any(|(oid, is_critical)| oid == "2.5.29.19" && *is_critical)
        {
            let reason = "its basicConstraints are not critical (RFC 5280 section 4.2.1.9)";
            return Err(Refusal::UnfitCa {
                subject,
                reason: reason.to_owned(),
            });
        }
    }
    let question = path_validation::Request::new(own.der(), now)
        .trust([anchor.der()])
        .intermediates(parents.iter().map(|parent| parent.der()));
    let Err(rejected) = path_validation::validate(&question) else {
        return Ok(());
    };
    match rejected.kind {
        // Above a trust anchor that is no root nobody looks.
        FailureKind::NoPath if parents.is_empty() => Ok(()),
        // A CA's own name may lie outside of what it issues for.
        FailureKind::NameConstraint => Ok(()),
        _ => {
            let at = match rejected.position {
                Position::Leaf => own,
                Position::Intermediate(at) => chain.get(at).unwrap_or(own),
                _ => anchor,
            };
            Err(Refusal::UnfitCa {
                subject: at.subject().to_string(),
                reason: format!("{} ({})", rejected.reason, rejected.clause),
            })
        }
    }
}

const ANY_EXTENDED_KEY_USAGE: &str = "2.5.29.37.0";

/// Walks from a CA to the trust anchor.
pub(super) fn parents_of(
    certificate: &Certificate,
    mut others: Vec<Certificate>,
) -> Result<Vec<Certificate>, Refusal> {
    let mut parents: Vec<Certificate> = Vec::new();
    loop {
        let last = parents.last().unwrap_or(certificate);
        if is_self_signed(last) {
            return Ok(parents);
        }
        // Each turn takes one out, so a circle of certificates ends as well.
        let is_above =
            |other: &Certificate| other.der() != last.der() && last.names_as_issuer(other);
        match others.iter().position(is_above) {
            Some(at) => parents.push(others.swap_remove(at)),
            None if parents.is_empty() && others.is_empty() => return Ok(parents),
            None => {
                return Err(Refusal::ChainBroken {
                    subject: last.subject().to_string(),
                    issuer: last.issuer().to_string(),
                });
            }
        }
    }
}

/// Whether a certificate ends its chain. A name that is its own issuer's is not enough: a CA may have a new key certified
/// under its name by the old one (RFC 5280 §6.1, "self-issued").
fn is_self_signed(certificate: &Certificate) -> bool {
    certificate.is_self_issued()
        && parse::certificate::Certificate::from_der(certificate.der()).is_ok_and(|parsed| {
            let verdict = verify_signature(
                &parsed.public_key,
                &parsed.signature_algorithm,
                parsed.tbs,
                parsed.signature,
            );
            // What a root signed itself with is not relied on, so it may be an algorithm that is not.
            verdict != SignatureVerdict::Wrong
        })
}
