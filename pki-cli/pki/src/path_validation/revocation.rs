//! Revocation by CRLs (RFC 5280 section 6.3), failing closed: a certificate that no valid CRL covers is not accepted.
//!
//! Complete CRLs, also divided by distribution point, by kind of certificate or by reason, and indirect ones. Delta CRLs
//! are not combined with their base; one that is given is left out, and says so if nothing else covers the certificate.
//!
//! A CRL is believed when the key of the path's own issuer signed it. Another key of the same name may sign only when it
//! belongs to the same CA and has not been revoked itself: any CA under the root could make a certificate with that
//! name, and the thief of an old key has one.

use std::collections::{BTreeSet, HashMap};

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

/// A CRL whose signer's status hangs on a CRL whose signer's status hangs on a CRL … ends here.
const LONGEST_DELEGATION: usize = 4;

/// Bits 1 to 8 of ReasonFlags: every reason there is.
const ALL_REASONS: u16 = 0b1_1111_1110;

/// A CRL, read once.
pub(super) struct List<'a> {
    crl: Crl<'a>,
    issuer: Vec<Vec<u8>>,
    scope: Option<IssuingDistributionPoint<'a>>,
    is_delta: bool,
    /// The place of each entry, by the number of its issuer in `issuers`, and by serial number.
    entries: HashMap<(usize, &'a [u8]), usize>,
    /// Whose certificates are in it: the list's own issuer first.
    issuers: HashMap<Vec<Vec<u8>>, usize>,
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
        let issuer = crl.issuer.canonical();
        let is_indirect = scope.as_ref().is_some_and(|scope| scope.indirect);
        let mut issuers = HashMap::from([(issuer.clone(), 0)]);
        let mut entries = HashMap::new();
        let mut issuer_of_entry = 0;
        for (at, entry) in crl.revoked.iter().enumerate() {
            if is_indirect && let Some(name) = certificate_issuer(entry) {
                // It holds for the entries that follow, too (section 5.3.3).
                let next = issuers.len();
                issuer_of_entry = *issuers.entry(name).or_insert(next);
            }
            entries.entry((issuer_of_entry, entry.serial)).or_insert(at);
        }
        Self {
            issuer,
            crl,
            scope,
            is_delta,
            entries,
            issuers,
            broken,
        }
    }

    fn is_indirect(&self) -> bool {
        self.scope.as_ref().is_some_and(|scope| scope.indirect)
    }

    /// The entry for a certificate, by serial number and issuer (sections 5.3.3 and 6.3.3 (i)).
    fn entry(&self, candidate: &Candidate<'_>) -> Option<&Revoked<'a>> {
        let issuer = *self.issuers.get(&candidate.issuer)?;
        let at = *self.entries.get(&(issuer, candidate.certificate.serial))?;
        self.crl.revoked.get(at)
    }
}

fn certificate_issuer(entry: &Revoked<'_>) -> Option<Vec<Vec<u8>>> {
    let extension = entry
        .extensions
        .iter()
        .find(|extension| extension.oid == known::CERTIFICATE_ISSUER)?;
    match extension.decode() {
        Ok(Content::CertificateIssuer(names)) => {
            directory_name(&names).map(|name| name.canonical())
        }
        _ => None,
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
pub(super) fn check<'a>(
    path: &[Node<'_, 'a>],
    given: Given<'_, 'a>,
    work: &mut Work,
) -> Result<(), (usize, Finding)> {
    check_without(path, given, &[], work)
}

/// What revocation is judged by.
#[derive(Clone, Copy)]
pub(super) struct Given<'s, 'a> {
    pub(super) lists: &'s [List<'a>],
    pub(super) unreadable: &'s [String],
    pub(super) request: &'s Request<'a>,
    pub(super) pool: &'s Pool<'a>,
}

/// The same, without the lists whose signers are being judged: nobody vouches for himself.
fn check_without<'a>(
    path: &[Node<'_, 'a>],
    given: Given<'_, 'a>,
    under_judgement: &[usize],
    work: &mut Work,
) -> Result<(), (usize, Finding)> {
    for (at, pair) in path.windows(2).enumerate() {
        let mut status = Status {
            candidate: pair[0].candidate,
            issuers: &path[at + 1..],
            given,
            under_judgement,
            work,
        };
        status.check().map_err(|finding| (at, finding))?;
    }
    Ok(())
}

/// The question about one certificate.
struct Status<'s, 'p, 'a> {
    candidate: &'s Candidate<'a>,
    /// The rest of its path: its issuer first, the trust anchor last.
    issuers: &'s [Node<'p, 'a>],
    given: Given<'s, 'a>,
    under_judgement: &'s [usize],
    work: &'s mut Work,
}

impl<'a> Status<'_, '_, 'a> {
    fn check(&mut self) -> Result<(), Finding> {
        let candidate = self.candidate;
        let mut covered = 0;
        let mut problem = None;
        for (number, list) in self.given.lists.iter().enumerate() {
            if self.under_judgement.contains(&number) {
                continue;
            }
            let Some(reasons) = reasons_covered(candidate, list, self.work)? else {
                continue;
            };
            if let Err(finding) = self.usable(number, list) {
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
        Err(problem.unwrap_or_else(|| self.not_covered(covered)))
    }

    fn not_covered(&self, covered: u16) -> Finding {
        let mut reason = match covered {
            0 => format!(
                "no CRL of its issuer “{}” that covers it was given",
                self.candidate.certificate.issuer
            ),
            _ => "the CRLs that were given cover it for some reasons of revocation only".to_owned(),
        };
        if let Some(error) = self.given.unreadable.first() {
            reason.push_str(&format!("; one of the CRLs cannot be read: {error}"));
        }
        unknown("RFC 5280 section 6.3.3", reason)
    }

    /// Section 6.3.3 (a), (c), (f) and (g).
    fn usable(&mut self, number: usize, list: &List<'a>) -> Result<(), Finding> {
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
        let now = self.given.request.time;
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
        let issuer = self.issuers.first().map(|node| node.candidate);
        if let Some(issuer) = issuer
            && issuer.subject == list.issuer
        {
            match self.signed_by(list, issuer) {
                Ok(()) => return Ok(()),
                Err(finding) if finding.kind == FailureKind::WorkLimit => return Err(finding),
                Err(finding) => failure = finding,
            }
        }
        // Another key of the same name: after a change of keys, or one that signs CRLs only.
        for signer in self.given.pool.named(&list.issuer) {
            if issuer.is_some_and(|issuer| is_same(issuer, signer.candidate)) {
                continue;
            }
            let verdict = self
                .signed_by(list, signer.candidate)
                .and_then(|()| self.may_sign(number, list, signer));
            match verdict {
                Ok(()) => return Ok(()),
                Err(finding) if finding.kind == FailureKind::WorkLimit => return Err(finding),
                Err(finding) => failure = finding,
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

    /// Whether somebody else than the path's own issuer may sign this list (section 6.3.3 (f)).
    fn may_sign(
        &mut self,
        number: usize,
        list: &List<'a>,
        signer: Node<'_, 'a>,
    ) -> Result<(), Finding> {
        let refuse = |reason: &str| Err(unknown("RFC 5280 section 6.3.3 (f)", reason));
        let Some(anchor) = self.issuers.last().map(|node| node.candidate) else {
            return refuse("the path has no trust anchor");
        };
        // A list in the name of the certificate's own issuer is that CA's, also when it calls itself indirect.
        let is_own = list.issuer == self.candidate.issuer;
        let same_name = self
            .issuers
            .iter()
            .take_while(|node| node.candidate.subject == list.issuer)
            .count();
        if signer.trusted {
            // The anchor's path is empty; it may sign for others (an indirect CRL), or for itself.
            let its_own_name = self.issuers.len() == same_name;
            return if is_same(signer.candidate, anchor) && (!is_own || its_own_name) {
                Ok(())
            } else {
                refuse("the CRL's signer has another trust anchor")
            };
        }
        // Section 4.2.1.3: a certificate without keyUsage was not made for this. Only the path's own issuer is given
        // the benefit of the doubt.
        if signer.candidate.extensions.key_usage.is_none() {
            return refuse(
                "the CRL's signer is not the issuer and its keyUsage does not say cRLSign",
            );
        }
        if self.under_judgement.len() >= LONGEST_DELEGATION {
            return refuse("the status of the CRL's signer hangs on too many others");
        }
        check::validity(signer.candidate, self.given.request.time)
            .and_then(|()| profile::check(signer.candidate, Role::Leaf, self.work))
            .map_err(|finding| match finding.kind {
                FailureKind::WorkLimit => finding,
                _ => unknown("RFC 5280 section 6.3.3 (f)", UNFIT),
            })?;
        // The CA that issued the issuer, and the issuer's keys of this path (the old one, the new one).
        let same_ca = &self.issuers[..self.issuers.len().min(same_name + 1)];
        let request = Request {
            purpose: None,
            max_depth: None,
            ..self.given.request.clone()
        };
        let given = Given {
            request: &request,
            ..self.given
        };
        let under_judgement = [self.under_judgement, &[number]].concat();
        let search = Search::new(&request, given.pool, self.work);
        let judged = search.path(signer.candidate, &mut |path, work| {
            if path
                .last()
                .is_none_or(|node| !is_same(node.candidate, anchor))
            {
                return Err((
                    0,
                    unknown(
                        "RFC 5280 section 6.3.3 (f)",
                        "the CRL's signer has another trust anchor",
                    ),
                ));
            }
            let issued_by_same_ca = path.get(1).is_some_and(|above| {
                same_ca
                    .iter()
                    .any(|node| is_same_ca(node.candidate, above.candidate))
            });
            if is_own && !issued_by_same_ca {
                return Err((
                    0,
                    unknown(
                        "RFC 5280 section 6.3.3 (f)",
                        "the CRL was signed in the issuer's name by a key that another CA certified",
                    ),
                ));
            }
            check::path(path, &request, work)?;
            check_without(path, given, &under_judgement, work)
        });
        match judged {
            Ok(_) => Ok(()),
            Err(rejected) if rejected.kind == FailureKind::WorkLimit => Err(Finding::new(
                rejected.kind,
                rejected.clause,
                rejected.reason,
                rejected.advice,
            )),
            Err(rejected) => Err(unknown(
                "RFC 5280 section 6.3.3 (f)",
                format!(
                    "the certificate of the CRL's signer is not accepted ({})",
                    rejected.reason
                ),
            )),
        }
    }
}

const UNFIT: &str = "the certificate of the CRL's signer is out of date or breaks the profile";

fn is_same(one: &Candidate<'_>, other: &Candidate<'_>) -> bool {
    one.certificate.raw == other.certificate.raw
}

/// A CA is a name and a key; its certificates may be several.
fn is_same_ca(one: &Candidate<'_>, other: &Candidate<'_>) -> bool {
    one.subject == other.subject
        && one.certificate.public_key.raw == other.certificate.public_key.raw
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
fn reasons_covered(
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
