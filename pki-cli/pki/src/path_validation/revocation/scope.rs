//! What a CRL is about: the reasons for which it tells of a certificate (RFC 5280 section 6.3.3 (b), (d) and (e)).

use std::collections::BTreeSet;

use super::{
    super::{build::Work, candidate::Candidate, error::Finding, names},
    list::List,
};
use crate::parse::{
    der::BitString,
    extensions::{DistributionPoint, DistributionPointName, directory_name},
    general_name::GeneralName,
    name::Canonical,
};

/// Bits 1 to 8 of ReasonFlags: every reason there is.
pub(super) const ALL_REASONS: u16 = 0b1_1111_1110;

/// For which reasons a list tells whether this certificate is revoked; nothing when the list is not about it
/// (section 6.3.3 (b), (d) and (e)).
pub(super) fn reasons_covered(
    candidate: &Candidate<'_>,
    list: &List<'_>,
    work: &mut Work,
) -> Result<Option<u16>, Finding> {
    work.compare_points(1)?;
    let own = list.issuer == candidate.issuer;
    // Only an indirect list is about the certificates of others.
    if !own && !list.is_indirect() {
        return Ok(None);
    }
    let scope = list.scope.as_ref();
    if let Some(scope) = scope {
        let other_kind =
            (scope.only_user && candidate.is_ca()) || (scope.only_ca && !candidate.is_ca());
        if other_kind || scope.only_attribute {
            return Ok(None);
        }
    }
    let by_scope = scope
        .and_then(|scope| scope.reasons)
        .map_or(ALL_REASONS, reason_mask);
    let points = &candidate.extensions.distribution_points;
    let names_of = |name: &Option<DistributionPointName<'_>>| match name {
        Some(DistributionPointName::Full(names)) => names.len(),
        _ => 1,
    };
    let of_scope = scope.map_or(0, |scope| names_of(&scope.name));
    work.compare_points(of_scope)?;
    for point in points {
        // The names of the list's scope are read anew for each point.
        let of_issuer = point.crl_issuer.as_ref().map_or(0, Vec::len);
        work.compare_points(names_of(&point.name) + of_issuer + of_scope)?;
    }
    let fits = |point: &DistributionPoint<'_>| {
        let issuer_fits = match &point.crl_issuer {
            Some(names) => names.iter().any(|name| match name {
                GeneralName::Directory(name) => {
                    name.canonical() == list.issuer && (own || list.is_indirect())
                }
                _ => false,
            }),
            None => own,
        };
        let scope_name = scope.and_then(|scope| scope.name.as_ref());
        issuer_fits
            && scope_name.is_none_or(|scope_name| names_meet(point, scope_name, candidate, list))
    };
    let by_points = points
        .iter()
        .filter(|point| fits(point))
        .fold(0, |mask, point| {
            mask | point.reasons.map_or(ALL_REASONS, reason_mask)
        });
    // A certificate without a matching point is still covered by its issuer's complete CRL.
    let default_point = match scope.and_then(|scope| scope.name.as_ref()) {
        None => own,
        Some(DistributionPointName::Full(names)) => {
            own && names.iter().any(|name| matches!(name, GeneralName::Directory(name) if name.canonical() == candidate.issuer))
        }
        Some(DistributionPointName::RelativeToIssuer(_)) => false,
    };
    let mask = if default_point {
        ALL_REASONS
    } else {
        by_points
    } & by_scope;
    Ok((mask != 0).then_some(mask))
}

fn reason_mask(bits: BitString<'_>) -> u16 {
    (1..=8)
        .filter(|bit| bits.bit(*bit))
        .fold(0, |mask, bit| mask | 1 << bit)
}

/// Section 6.3.3 (b)(2)(i): at least one name in common.
fn names_meet(
    point: &DistributionPoint<'_>,
    scope: &DistributionPointName<'_>,
    candidate: &Candidate<'_>,
    list: &List<'_>,
) -> bool {
    let wanted = match (&point.name, &point.crl_issuer) {
        (Some(name), Some(issuers)) => {
            let base = directory_name(issuers)
                .map_or_else(|| candidate.issuer.clone(), |name| name.canonical());
            comparable(name, &base)
        }
        (Some(name), None) => comparable(name, &candidate.issuer),
        (None, Some(issuers)) => issuers.iter().map(comparable_name).collect(),
        (None, None) => return false,
    };
    comparable(scope, &list.issuer)
        .iter()
        .any(|name| wanted.contains(name))
}

/// A name by its kind, in a form in which equal means matching.
type Comparable = (&'static str, Canonical);

fn comparable(name: &DistributionPointName<'_>, issuer: &Canonical) -> BTreeSet<Comparable> {
    match name {
        DistributionPointName::Full(names) => names.iter().map(comparable_name).collect(),
        DistributionPointName::RelativeToIssuer(rdn) => {
            let mut full = issuer.clone();
            full.push(*rdn);
            BTreeSet::from([("dirName", full)])
        }
    }
}

fn comparable_name(name: &GeneralName<'_>) -> Comparable {
    let canonical = match name {
        GeneralName::Directory(name) => name.canonical(),
        GeneralName::Uri(uri) => Canonical::of_octets(names::normalise_uri(uri).into_bytes()),
        other => Canonical::of_octets(other.value().to_ascii_lowercase().into_bytes()),
    };
    (name.kind(), canonical)
}
