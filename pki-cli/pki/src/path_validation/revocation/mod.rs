//! Revocation by CRLs (RFC 5280 section 6.3), failing closed: a certificate that no valid CRL covers is not accepted.
//!
//! Complete CRLs, also divided by distribution point, by kind of certificate or by reason, and indirect ones, each with
//! the newest delta CRL that was given for it.
//!
//! A CRL is believed when the key of the path's own issuer signed it. Another key of the same name may sign only when it
//! belongs to the same CA and has not been revoked itself: any CA under the root could make a certificate with that
//! name, and the thief of an old key has one.

mod judge;
mod list;
mod scope;

use time::OffsetDateTime;

pub(crate) use judge::judge;
pub(super) use list::List;
use scope::{ALL_REASONS, reasons_covered};

use super::{
    FailureKind,
    build::{Node, Pool, Search, Work, is_same_ca},
    candidate::Candidate,
    check,
    error::Finding,
    profile::{self, Role},
    request::Request,
    signature,
};
use crate::parse::{
    crl::Revoked,
    extensions::{Content, REASONS, key_usage},
    general_name::GeneralName,
};

/// A CRL whose signer's status hangs on a CRL whose signer's status hangs on a CRL … ends here.
const LONGEST_DELEGATION: usize = 4;

/// Whether a list is of use to anybody at this time (section 6.3.3 (a) and (c)).
fn is_current(list: &List<'_>, now: OffsetDateTime) -> Result<(), Finding> {
    if let Some((clause, reason)) = &list.broken {
        return Err(unknown(
            clause,
            format!("the CRL of its issuer cannot be used: {reason}"),
        ));
    }
    if list.is_delta() {
        return Err(unknown(
            "RFC 5280 section 5.2.4",
            "a delta CRL was given, and no complete one",
        ));
    }
    if now < list.crl.this_update.at {
        return Err(unknown(
            "RFC 5280 section 5.1.2.4",
            "the CRL of its issuer was issued later than the time asked for",
        ));
    }
    if !list.is_current(now) {
        return Err(unknown(
            "RFC 5280 section 5.1.2.5",
            "the CRL of its issuer is out of date: its next update has passed",
        ));
    }
    Ok(())
}

/// Checks every certificate of the path but the trust anchor.
pub(super) fn check<'a, 'c: 'a>(
    path: &[Node<'_, 'a>],
    given: Given<'_, 'a, 'c>,
    work: &mut Work,
) -> Result<(), (usize, Finding)> {
    check_without(path, given, &[], work)
}

/// What revocation is judged by.
#[derive(Clone, Copy)]
pub(super) struct Given<'s, 'a, 'c> {
    pub(super) lists: &'s [List<'a>],
    pub(super) unreadable: &'s [String],
    pub(super) request: &'s Request<'a>,
    pub(super) pool: &'s Pool<'c>,
}

/// The same, without the lists whose signers are being judged: nobody vouches for himself, unless the CA says so.
fn check_without<'a, 'c: 'a>(
    path: &[Node<'_, 'a>],
    given: Given<'_, 'a, 'c>,
    under_judgement: &[usize],
    work: &mut Work,
) -> Result<(), (usize, Finding)> {
    for (at, pair) in path.windows(2).enumerate() {
        let mut status = Status {
            candidate: pair[0].candidate,
            issuers: &path[at + 1..],
            given,
            under_judgement,
            is_signer: at == 0 && !under_judgement.is_empty(),
            work,
        };
        status.check().map_err(|finding| (at, finding))?;
    }
    Ok(())
}

/// The question about one certificate.
struct Status<'s, 'p, 'a, 'c> {
    candidate: &'s Candidate<'a>,
    /// The rest of its path: its issuer first, the trust anchor last.
    issuers: &'s [Node<'p, 'a>],
    given: Given<'s, 'a, 'c>,
    under_judgement: &'s [usize],
    /// It is the signer of the last list under judgement.
    is_signer: bool,
    work: &'s mut Work,
}

impl<'s, 'p: 's, 'a, 'c: 'a> Status<'s, 'p, 'a, 'c> {
    fn check(&mut self) -> Result<(), Finding> {
        let candidate = self.candidate;
        let mut covered = 0;
        let mut problem = None;
        for (number, list) in self.given.lists.iter().enumerate() {
            if self.under_judgement.contains(&number) && !self.may_vouch(number, list) {
                continue;
            }
            let Some(reasons) = reasons_covered(candidate, list, self.work)? else {
                continue;
            };
            let signer = match self.usable(number, list) {
                Ok(signer) => signer,
                Err(finding) if finding.kind == FailureKind::WorkLimit => return Err(finding),
                Err(finding) => {
                    problem.get_or_insert(finding);
                    continue;
                }
            };
            // What has changed since comes first (section 6.3.3 (i) to (k)).
            if let Some(delta) = self.newest_delta(list, signer)?
                && let Some(entry) = delta.entry(candidate)
            {
                if !is_removal(entry) {
                    return Err(revoked(entry));
                }
                if delta.is_current(self.given.request.time) {
                    covered |= reasons;
                    continue;
                }
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

    /// A CA may say that a CRL signer's own status stands in the list that it signs: the signer's certificate then names
    /// itself as the CRL issuer of its distribution point (section 4.2.1.13). The key is the one that is asked about, as
    /// with any CA's own CRL, and the CA took that upon itself.
    fn may_vouch(&self, number: usize, list: &List<'a>) -> bool {
        self.is_signer
            && self.under_judgement.last() == Some(&number)
            && self.candidate.subject == list.issuer
            && self
                .candidate
                .extensions
                .distribution_points
                .iter()
                .flat_map(|point| point.crl_issuer.as_deref().unwrap_or_default())
                .any(|name| {
                    matches!(name, GeneralName::Directory(name) if name.canonical() == list.issuer)
                })
    }

    /// The latest delta CRL to `list`, signed by the same key. One that is out of date is still believed when it says
    /// that a certificate is revoked.
    fn newest_delta(
        &mut self,
        list: &List<'a>,
        signer: &Candidate<'a>,
    ) -> Result<Option<&'s List<'a>>, Finding> {
        let lists = self.given.lists;
        self.work.compare_points(lists.len())?;
        let now = self.given.request.time;
        let mut deltas: Vec<_> = lists
            .iter()
            .filter(|delta| list.is_updated_by(delta) && delta.crl.this_update.at <= now)
            .collect();
        deltas.sort_by_key(|delta| std::cmp::Reverse(delta.order()));
        for delta in deltas {
            match self.signed_by(delta, signer) {
                Ok(()) => return Ok(Some(delta)),
                Err(finding) if finding.kind == FailureKind::WorkLimit => return Err(finding),
                Err(_) => {}
            }
        }
        Ok(None)
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

    /// Section 6.3.3 (a), (f) and (g): who signed a complete list that may be used.
    fn usable(&mut self, number: usize, list: &List<'a>) -> Result<&'s Candidate<'a>, Finding> {
        is_current(list, self.given.request.time)?;
        let mut failure = unknown(
            "RFC 5280 section 6.3.3 (g)",
            "the CRL that bears its issuer's name was not signed by a key that may sign it",
        );
        if self.under_judgement.contains(&number) {
            return self
                .signed_by(list, self.candidate)
                .map(|()| self.candidate);
        }
        let issuer = self.issuers.first().map(|node| node.candidate);
        if let Some(issuer) = issuer
            && issuer.subject == list.issuer
        {
            match self.signed_by(list, issuer) {
                Ok(()) => return Ok(issuer),
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
                Ok(()) => return Ok(signer.candidate),
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
        let mut search = Search::new(&request, given.pool, self.work);
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

fn unknown(clause: &'static str, reason: impl Into<String>) -> Finding {
    Finding::new(
        FailureKind::RevocationUnknown,
        clause,
        reason,
        "give a current CRL of every CA in the path below the trust anchor and of the trust anchor itself",
    )
}

/// `removeFromCRL`, which only a delta CRL may say (section 5.3.1).
fn is_removal(entry: &Revoked<'_>) -> bool {
    reason_code(entry) == Some(8)
}

fn reason_code(entry: &Revoked<'_>) -> Option<u8> {
    entry
        .extensions
        .iter()
        .find_map(|extension| match extension.decode() {
            Ok(Content::ReasonCode(code)) => Some(code),
            _ => None,
        })
}

fn revoked(entry: &Revoked<'_>) -> Finding {
    let reason = reason_code(entry)
        .and_then(|code| REASONS.get(usize::from(code)).copied())
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
