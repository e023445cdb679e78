//! Revocation by CRLs (RFC 5280 section 6.3), failing closed: a certificate that no valid CRL covers is not accepted.
//!
//! Complete CRLs, also divided by distribution point, by kind of certificate or by reason, and indirect ones. Delta CRLs
//! are not combined with their base; one that is given is left out, and says so if nothing else covers the certificate.

use std::collections::BTreeSet;

use super::{
    FailureKind,
    build::{Node, Pool, Search, Work},
    candidate::Candidate,
    check,
    error::Finding,
    profile::{self, Role},
    request::Request,
    signature,
};
use crate::parse::{
    crl::{Crl, Revoked},
    der::BitString,
    extensions::{
        Content, DistributionPoint, DistributionPointName, IssuingDistributionPoint, REASONS,
        directory_name, key_usage,
    },
    general_name::GeneralName,
    name::Attribute,
    oid::known,
};

/// Bits 1 to 8 of ReasonFlags: every reason there is.
const ALL_REASONS: u16 = 0b1_1111_1110;

/// A CRL, read once.
pub(super) struct List<'a> {
    crl: Crl<'a>,
    issuer: Vec<Vec<u8>>,
    scope: Option<IssuingDistributionPoint<'a>>,
    is_delta: bool,
    /// Why it can be used for nothing.
    broken: Option<(&'static str, String)>,
}

impl<'a> List<'a> {
    /// Reads every CRL that was given; the second value says what is wrong with those that cannot be read.
    pub(super) fn read_all(octets: &[&'a [u8]]) -> (Vec<Self>, Vec<String>) {
        let mut unreadable = Vec::new();
        let lists = octets
            .iter()
            .filter_map(|octets| match Crl::from_der(octets) {
                Ok(crl) => Some(Self::new(crl)),
                Err(error) => {
                    unreadable.push(error.to_string());
                    None
                }
            });
        (lists.collect(), unreadable)
    }

    fn new(crl: Crl<'a>) -> Self {
        let mut scope = None;
        let mut is_delta = false;
        let mut broken = check_form(&crl).err();
        for extension in &crl.extensions {
            match extension.decode() {
                Ok(Content::IssuingDistributionPoint(point)) => scope = Some(point),
                Ok(Content::DeltaCrlIndicator(_)) => is_delta = true,
                Ok(_) => {}
                Err(error) => {
                    broken.get_or_insert_with(|| ("RFC 5280 section 5.2", error.to_string()));
                }
            }
        }
        Self {
            issuer: crl.issuer.canonical(),
            crl,
            scope,
            is_delta,
            broken,
        }
    }

    fn is_indirect(&self) -> bool {
        self.scope.as_ref().is_some_and(|scope| scope.indirect)
    }

    /// The entry for a certificate, by serial number and issuer (sections 5.3.3 and 6.3.3 (i)).
    fn entry(&self, candidate: &Candidate<'_>) -> Option<&Revoked<'a>> {
        let mut issuer_of_entry = self.issuer.clone();
        self.crl.revoked.iter().find(|entry| {
            if self.is_indirect()
                && let Some(extension) = entry
                    .extensions
                    .iter()
                    .find(|e| e.oid == known::CERTIFICATE_ISSUER)
                && let Ok(Content::CertificateIssuer(names)) = extension.decode()
                && let Some(name) = directory_name(&names)
            {
                // It holds for the entries that follow, too.
                issuer_of_entry = name.canonical();
            }
            entry.serial == candidate.certificate.serial && issuer_of_entry == candidate.issuer
        })
    }
}

/// What makes a CRL useless for everybody (sections 5.1 to 5.3).
fn check_form(crl: &Crl<'_>) -> Result<(), (&'static str, String)> {
    let wrong = |clause, text: &str| Err((clause, text.to_owned()));
    if crl.signature_algorithm != crl.tbs_signature_algorithm {
        return wrong(
            "RFC 5280 section 5.1.1.2",
            "the signature algorithm that is signed and the one outside differ",
        );
    }
    if crl.version != Some(1) {
        return wrong("RFC 5280 section 5.1.2.1", "it is not of version 2");
    }
    if crl.next_update.is_none() {
        return wrong(
            "RFC 5280 section 5.1.2.5",
            "it does not say when the next one comes",
        );
    }
    if !crl.this_update.form_is_right || crl.next_update.is_some_and(|next| !next.form_is_right) {
        return wrong(
            "RFC 5280 section 5.1.2.4",
            "its times are not UTCTime through 2049 and GeneralizedTime from 2050 on",
        );
    }
    match crl.extension(known::CRL_NUMBER) {
        None => return wrong("RFC 5280 section 5.2.3", "it has no CRL number"),
        Some(extension) if extension.critical => {
            return wrong(
                "RFC 5280 section 5.2.3",
                "its CRL number is critical and must not be",
            );
        }
        Some(_) => {}
    }
    if crl.extension(known::AUTHORITY_KEY_IDENTIFIER).is_none() {
        return wrong("RFC 5280 section 5.2.1", "it has no authorityKeyIdentifier");
    }
    if crl
        .extension(known::ISSUING_DISTRIBUTION_POINT)
        .is_some_and(|extension| !extension.critical)
    {
        return wrong(
            "RFC 5280 section 5.2.5",
            "its issuingDistributionPoint is not critical",
        );
    }
    let mut seen = BTreeSet::new();
    for extension in &crl.extensions {
        if !seen.insert(extension.oid) {
            return Err((
                "RFC 5280 section 5.2",
                format!("it has the extension {} twice", extension.oid.name()),
            ));
        }
        let understood = matches!(
            extension.oid,
            known::ISSUING_DISTRIBUTION_POINT
                | known::DELTA_CRL_INDICATOR
                | known::AUTHORITY_KEY_IDENTIFIER
        );
        if extension.critical && !understood {
            return Err((
                "RFC 5280 section 5.2",
                format!(
                    "it has the critical extension {}, which is not understood",
                    extension.oid.name_and_numbers()
                ),
            ));
        }
    }
    for extension in crl.revoked.iter().flat_map(|entry| &entry.extensions) {
        let understood = matches!(
            extension.oid,
            known::CERTIFICATE_ISSUER | known::REASON_CODE
        );
        if extension.critical && !understood {
            return Err((
                "RFC 5280 section 5.3",
                format!(
                    "an entry has the critical extension {}, which is not understood",
                    extension.oid.name_and_numbers()
                ),
            ));
        }
    }
    Ok(())
}

/// Checks every certificate of the path but the trust anchor.
pub(super) fn check(
    path: &[Node<'_, '_>],
    lists: &[List<'_>],
    unreadable: &[String],
    request: &Request<'_>,
    pool: &Pool<'_>,
    work: &mut Work,
) -> Result<(), (usize, Finding)> {
    for (at, pair) in path.windows(2).enumerate() {
        let mut status = Status {
            path,
            lists,
            unreadable,
            request,
            pool,
            work,
        };
        status
            .check(pair[0].candidate, pair[1])
            .map_err(|finding| (at, finding))?;
    }
    Ok(())
}

struct Status<'s, 'p, 'a> {
    path: &'s [Node<'p, 'a>],
    lists: &'s [List<'a>],
    unreadable: &'s [String],
    request: &'s Request<'a>,
    pool: &'s Pool<'a>,
    work: &'s mut Work,
}

impl<'a> Status<'_, '_, 'a> {
    fn check(&mut self, candidate: &Candidate<'a>, issuer: Node<'_, 'a>) -> Result<(), Finding> {
        let mut covered = 0;
        let mut problem = None;
        for list in self.lists {
            let Some(reasons) = reasons_covered(candidate, list) else {
                continue;
            };
            if let Err(finding) = self.usable(list, issuer) {
                if finding.kind == FailureKind::WorkLimit {
                    return Err(finding);
                }
                problem.get_or_insert(finding);
                continue;
            }
            if let Some(entry) = list.entry(candidate) {
                return Err(revoked(entry));
            }
            covered |= reasons;
        }
        if covered & ALL_REASONS == ALL_REASONS {
            return Ok(());
        }
        Err(problem.unwrap_or_else(|| self.not_covered(candidate, covered)))
    }

    fn not_covered(&self, candidate: &Candidate<'_>, covered: u16) -> Finding {
        let mut reason = match covered {
            0 => format!(
                "no CRL of its issuer “{}” that covers it was given",
                candidate.certificate.issuer
            ),
            _ => "the CRLs that were given cover it for some reasons of revocation only".to_owned(),
        };
        if let Some(error) = self.unreadable.first() {
            reason.push_str(&format!("; one of the CRLs cannot be read: {error}"));
        }
        unknown("RFC 5280 section 6.3.3", reason)
    }

    /// Section 6.3.3 (a), (c), (f) and (g).
    fn usable(&mut self, list: &List<'a>, issuer: Node<'_, 'a>) -> Result<(), Finding> {
        if let Some((clause, reason)) = &list.broken {
            return Err(unknown(
                clause,
                format!("the CRL of its issuer cannot be used: {reason}"),
            ));
        }
        if list.is_delta {
            return Err(unknown(
                "RFC 5280 section 5.2.4",
                "a delta CRL was given, and no complete one",
            ));
        }
        let now = self.request.time;
        if now < list.crl.this_update.at {
            return Err(unknown(
                "RFC 5280 section 5.1.2.4",
                "the CRL of its issuer was issued later than the time asked for",
            ));
        }
        if list
            .crl
            .next_update
            .is_none_or(|next| now.unix_timestamp() > next.at.unix_timestamp())
        {
            return Err(unknown(
                "RFC 5280 section 5.1.2.5",
                "the CRL of its issuer is out of date: its next update has passed",
            ));
        }
        let mut failure = unknown(
            "RFC 5280 section 6.3.3 (g)",
            "the CRL that bears its issuer's name was not signed by a key that may sign it",
        );
        if issuer.candidate.subject == list.issuer {
            match self.signed_by(list, issuer.candidate) {
                Ok(()) => return Ok(()),
                Err(finding) if finding.kind == FailureKind::WorkLimit => return Err(finding),
                Err(finding) => failure = finding,
            }
        }
        // Another key of the same name: after a change of keys, or one that signs CRLs only.
        let others: Vec<_> = self
            .pool
            .named(&list.issuer)
            .map(|node| (node.candidate, node.trusted))
            .collect();
        for (signer, trusted) in others {
            if signer.certificate.raw == issuer.candidate.certificate.raw
                || self.signed_by(list, signer).is_err()
            {
                continue;
            }
            if self.is_below_the_same_anchor(signer, trusted) {
                return Ok(());
            }
        }
        Err(failure)
    }

    fn signed_by(&mut self, list: &List<'a>, signer: &Candidate<'a>) -> Result<(), Finding> {
        self.work.verify_signature()?;
        let crl = &list.crl;
        signature::verify(
            &signer.certificate.public_key,
            &crl.signature_algorithm,
            crl.tbs,
            crl.signature,
        )
        .map_err(|_| {
            unknown(
                "RFC 5280 section 6.3.3 (g)",
                "the signature of its issuer's CRL is wrong",
            )
        })?;
        if signer
            .extensions
            .key_usage
            .is_some_and(|bits| !bits.bit(key_usage::CRL_SIGN))
        {
            return Err(unknown(
                "RFC 5280 section 6.3.3 (f)",
                "the key of its CRL's issuer may not sign CRLs (keyUsage lacks cRLSign)",
            ));
        }
        Ok(())
    }

    /// Section 6.3.3 (f): the signer's own path ends at the trust anchor of the certificate's path.
    fn is_below_the_same_anchor(&mut self, signer: &Candidate<'a>, trusted: bool) -> bool {
        let Some(anchor) = self.path.last() else {
            return false;
        };
        let anchor = anchor.candidate.certificate.raw;
        if trusted && signer.certificate.raw == anchor {
            return true;
        }
        let fit = check::validity(signer, self.request.time)
            .and_then(|()| profile::check(signer, Role::Leaf));
        if fit.is_err() {
            return false;
        }
        let request = Request {
            purpose: None,
            max_depth: None,
            ..self.request.clone()
        };
        let search = Search::new(&request, self.pool, self.work);
        let judged = search.path(signer, &mut |path, work| {
            if path
                .last()
                .is_none_or(|node| node.candidate.certificate.raw != anchor)
            {
                return Err((
                    0,
                    unknown(
                        "RFC 5280 section 6.3.3 (f)",
                        "the CRL's signer has another trust anchor",
                    ),
                ));
            }
            check::path(path, &request, work)
        });
        judged.is_ok()
    }
}

fn unknown(clause: &'static str, reason: impl Into<String>) -> Finding {
    Finding::new(
        FailureKind::RevocationUnknown,
        clause,
        reason,
        "give a current CRL of every CA in the path below the trust anchor and of the trust anchor itself",
    )
}

fn revoked(entry: &Revoked<'_>) -> Finding {
    let reason = entry
        .extensions
        .iter()
        .find_map(|extension| match extension.decode() {
            Ok(Content::ReasonCode(code)) => REASONS.get(usize::from(code)).copied(),
            _ => None,
        })
        .unwrap_or("unspecified");
    Finding::new(
        FailureKind::Revoked,
        "RFC 5280 section 6.3.3 (i)",
        format!(
            "it was revoked on {} (reason: {reason})",
            entry.date.at.date()
        ),
        "do not rely on it; have a new certificate issued with a new key",
    )
}

/// For which reasons a list tells whether this certificate is revoked; nothing when the list is not about it
/// (section 6.3.3 (b), (d) and (e)).
fn reasons_covered(candidate: &Candidate<'_>, list: &List<'_>) -> Option<u16> {
    let scope = list.scope.as_ref();
    if let Some(scope) = scope {
        let other_kind =
            (scope.only_user && candidate.is_ca()) || (scope.only_ca && !candidate.is_ca());
        if other_kind || scope.only_attribute {
            return None;
        }
    }
    let by_scope = scope
        .and_then(|scope| scope.reasons)
        .map_or(ALL_REASONS, reason_mask);
    let own = list.issuer == candidate.issuer;
    let points = &candidate.extensions.distribution_points;
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
    (mask != 0).then_some(mask)
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

/// Names in a form in which equal means matching.
fn comparable(name: &DistributionPointName<'_>, issuer: &[Vec<u8>]) -> BTreeSet<Vec<Vec<u8>>> {
    match name {
        DistributionPointName::Full(names) => names.iter().map(comparable_name).collect(),
        DistributionPointName::RelativeToIssuer(rdn) => {
            let mut full = vec![b"dirName".to_vec()];
            full.extend_from_slice(issuer);
            full.push(canonical(rdn));
            BTreeSet::from([full])
        }
    }
}

fn comparable_name(name: &GeneralName<'_>) -> Vec<Vec<u8>> {
    let mut out = vec![name.kind().as_bytes().to_vec()];
    match name {
        GeneralName::Directory(name) => out.extend(name.canonical()),
        GeneralName::Uri(uri) => out.push(super::names::normalise_uri(uri).into_bytes()),
        other => out.push(other.value().to_ascii_lowercase().into_bytes()),
    }
    out
}

fn canonical(rdn: &[Attribute<'_>]) -> Vec<u8> {
    crate::parse::name::canonical_rdn(rdn)
}
