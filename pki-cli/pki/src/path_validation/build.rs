//! Path building: from the certificate to a trust anchor, through whatever intermediates were given, in any order.
//!
//! Depth first, with the most likely issuer first: the one whose key identifier matches (RFC 4158 section 3.5.12), and
//! among these the one from which fewest names lead to a trust anchor, so that CAs that certified each other in rings or
//! through a bridge do not lead astray. No CA, a name with a key, stands twice in a path (RFC 4158 section 2.4.2). A path
//! that breaks a rule is dropped and the next one is tried; the failure that came nearest to an accepted path is the one
//! that is told. All work is counted, so that no bundle can hang the validator.

use std::{
    cell::{OnceCell, RefCell},
    collections::{BTreeSet, HashMap, VecDeque},
    hash::{BuildHasher, RandomState},
};

use super::{
    FailureKind, Rejected,
    candidate::Candidate,
    check,
    error::{Finding, Position},
    profile::{self, Role},
    request::Request,
    signature,
};
use crate::parse::{certificate::Certificate, name::Canonical};

/// More certificates than this are no path. The longest that is known from practice has seven.
const LONGEST_PATH: usize = 20;

/// What may still be spent on one request. Generous for any honest bundle: the system's whole bundle given as
/// intermediates takes a handful of signatures and one path.
///
/// Everything whose amount is decided by whoever wrote the files is taken from one of these.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Work {
    pub(super) signatures: usize,
    pub(super) steps: usize,
    pub(super) paths: usize,
    pub(super) names: usize,
    pub(super) policies: usize,
    pub(super) points: usize,
}

impl Work {
    pub(super) fn new() -> Self {
        Self {
            signatures: 256,
            steps: 10_000,
            paths: 256,
            names: 1_000_000,
            policies: 100_000,
            points: 100_000,
        }
    }

    pub(super) fn verify_signature(&mut self) -> Result<(), Finding> {
        spend(&mut self.signatures, 1, "256 signatures")
    }

    fn take_step(&mut self) -> Result<(), Finding> {
        spend(&mut self.steps, 1, "10,000 steps of path building")
    }

    /// A path that reaches a trust anchor is looked at as a whole.
    fn judge_path(&mut self) -> Result<(), Finding> {
        spend(&mut self.paths, 1, "256 complete paths")
    }

    /// So many names are made ready for comparison, or compared with a name constraint.
    pub(super) fn compare_names(&mut self, count: usize) -> Result<(), Finding> {
        spend(
            &mut self.names,
            count,
            "1,000,000 comparisons of names with name constraints",
        )
    }

    pub(super) fn process_policies(&mut self, count: usize) -> Result<(), Finding> {
        spend(&mut self.policies, count, "100,000 certificate policies")
    }

    /// A certificate's distribution point, or a name of one, is held against a CRL.
    pub(super) fn compare_points(&mut self, count: usize) -> Result<(), Finding> {
        spend(
            &mut self.points,
            count,
            "100,000 comparisons of distribution points with CRLs",
        )
    }
}

fn spend(budget: &mut usize, amount: usize, what: &str) -> Result<(), Finding> {
    match budget.checked_sub(amount) {
        Some(left) => {
            *budget = left;
            Ok(())
        }
        None => Err(Finding::new(
            FailureKind::WorkLimit,
            "RFC 4158 section 8",
            format!("{what} were spent without finding a path"),
            "give fewer certificates: only those that stand between the leaf and its trust anchor",
        )),
    }
}

/// Whether (certificate, issuer) fit together, since paths share edges.
pub(super) type Signatures = HashMap<(Option<usize>, Option<usize>), Result<(), Finding>>;

/// Everything a path may be built from.
pub(super) struct Pool<'a> {
    certificates: Vec<Pooled<'a>>,
    /// The hash of each certificate's subject with its place, in order.
    by_subject: Vec<(u64, usize)>,
    /// With a key of its own, so that nobody can make names that meet.
    hasher: RandomState,
    /// Whether one of them signed another, once somebody wanted to know.
    signatures: RefCell<Signatures>,
    /// How many of the certificates given could not be read; they are left out, as any other unused certificate.
    pub(super) unreadable: usize,
}

struct Pooled<'a> {
    der: &'a [u8],
    /// Made ready once somebody looks for its name. Most certificates of a large bundle are nobody's issuer.
    candidate: OnceCell<Option<Box<Candidate<'a>>>>,
    trusted: bool,
    /// The hash of its subject.
    subject: u64,
    /// How many certificates stand between it and a trust anchor if names alone are followed; nothing when no names lead
    /// to one.
    distance: Option<usize>,
}

impl<'a> Pool<'a> {
    pub(super) fn new(request: &Request<'a>) -> Self {
        let count = request.trust.len() + request.intermediates.len();
        let mut pool = Self {
            certificates: Vec::with_capacity(count),
            by_subject: Vec::with_capacity(count),
            hasher: RandomState::new(),
            signatures: RefCell::default(),
            unreadable: 0,
        };
        let mut seen = BTreeSet::new();
        let mut name = Canonical::default();
        let mut issued_by: HashMap<u64, Vec<usize>> = HashMap::new();
        let anchors = request.trust.iter().map(|der| (*der, true));
        for (der, trusted) in anchors.chain(request.intermediates.iter().map(|der| (*der, false))) {
            // A certificate that is trusted needs no path of its own; one that came twice is one.
            if !seen.insert(der) {
                continue;
            }
            let Ok(certificate) = Certificate::from_der(der) else {
                pool.unreadable += 1;
                continue;
            };
            let id = pool.certificates.len();
            certificate.subject.write_canonical(&mut name);
            let subject = pool.hasher.hash_one(&name);
            pool.by_subject.push((subject, id));
            pool.certificates.push(Pooled {
                der,
                candidate: OnceCell::new(),
                trusted,
                subject,
                distance: trusted.then_some(0),
            });
            if !trusted {
                certificate.issuer.write_canonical(&mut name);
                let issuer = pool.hasher.hash_one(&name);
                issued_by.entry(issuer).or_default().push(id);
            }
        }
        pool.by_subject.sort_unstable();
        pool.measure(issued_by);
        pool
    }

    /// Finds the distances, breadth first from the trust anchors down. Each name is looked at once. Hashes will do for
    /// names here: what is wrongly preferred is tried first and no more.
    fn measure(&mut self, mut issued_by: HashMap<u64, Vec<usize>>) {
        if issued_by.is_empty() {
            return;
        }
        let anchors = self.certificates.iter().enumerate();
        let mut next: VecDeque<_> = anchors
            .filter_map(|(id, pooled)| pooled.trusted.then_some(id))
            .collect();
        while let Some(id) = next.pop_front() {
            let above = &self.certificates[id];
            let distance = above.distance.map(|distance| distance + 1);
            for below in issued_by.remove(&above.subject).unwrap_or_default() {
                self.certificates[below].distance = distance;
                next.push_back(below);
            }
        }
    }

    /// Those that bear the name `subject`.
    pub(super) fn named(&self, subject: &Canonical) -> impl Iterator<Item = Node<'_, 'a>> {
        let hash = self.hasher.hash_one(subject);
        let first = self.by_subject.partition_point(|(other, _)| *other < hash);
        self.by_subject[first..]
            .iter()
            .take_while(move |(other, _)| *other == hash)
            .filter_map(move |(_, id)| {
                let pooled = self.certificates.get(*id)?;
                let candidate = pooled
                    .candidate
                    .get_or_init(|| Candidate::read(pooled.der).ok().map(Box::new))
                    .as_ref()
                    .filter(|candidate| candidate.subject == *subject)?;
                Some(Node {
                    id: Some(*id),
                    candidate,
                    trusted: pooled.trusted,
                    distance: pooled.distance,
                })
            })
    }
}

/// A certificate in a path; the leaf has no place in the pool.
#[derive(Clone, Copy)]
pub(super) struct Node<'p, 'a> {
    id: Option<usize>,
    pub(super) candidate: &'p Candidate<'a>,
    pub(super) trusted: bool,
    distance: Option<usize>,
}

/// One search for a path. The certificates of the pool may live longer than the leaf.
pub(super) struct Search<'p, 'a, 'c> {
    pub(super) request: &'p Request<'a>,
    pub(super) pool: &'p Pool<'c>,
    pub(super) work: &'p mut Work,
    /// Of certificates that are not in the pool.
    pub(super) signatures: Signatures,
    /// Why a certificate may not issue, wherever it stands.
    issuers: HashMap<Option<usize>, Result<(), Finding>>,
    /// The failure that came nearest to an accepted path.
    nearest: Option<((Stage, usize), Rejected)>,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    NoIssuer,
    WrongKey,
    UnfitIssuer,
    WholePath,
}

/// What is still to be checked on a path that reaches a trust anchor: nothing, or the finding and its place.
pub(super) type Judge<'j, 'p, 'a> =
    &'j mut dyn FnMut(&[Node<'p, 'a>], &mut Work) -> Result<(), (usize, Finding)>;

impl<'p, 'a, 'c: 'a> Search<'p, 'a, 'c> {
    pub(super) fn new(request: &'p Request<'a>, pool: &'p Pool<'c>, work: &'p mut Work) -> Self {
        Self {
            request,
            pool,
            work,
            signatures: Signatures::new(),
            issuers: HashMap::new(),
            nearest: None,
        }
    }

    /// Finds a path from `leaf` that `judge` accepts.
    pub(super) fn path(
        &mut self,
        leaf: &'p Candidate<'a>,
        judge: Judge<'_, 'p, 'a>,
    ) -> Result<Vec<Node<'p, 'a>>, Rejected> {
        let mut path = vec![Node {
            id: None,
            candidate: leaf,
            trusted: false,
            distance: None,
        }];
        if self.extend(&mut path, judge)? {
            return Ok(path);
        }
        Err(self.nearest.take().map_or_else(
            || no_issuer(leaf).at(Position::Leaf, leaf.label()),
            |(_, rejected)| rejected,
        ))
    }

    /// Tries every issuer of the last certificate of `path`. True: `path` is complete and accepted.
    fn extend(
        &mut self,
        path: &mut Vec<Node<'p, 'a>>,
        judge: Judge<'_, 'p, 'a>,
    ) -> Result<bool, Rejected> {
        let Some(last) = path.last().copied() else {
            return Ok(false);
        };
        let depth = path.len();
        let mut issuers: Vec<_> = self
            .pool
            .named(&last.candidate.issuer)
            .filter(|issuer| {
                // No certificate twice in a path (RFC 5280 section 6.1), and no CA. A trust anchor is not part of the
                // path.
                issuer.trusted
                    || !path
                        .iter()
                        .any(|node| is_same_ca(node.candidate, issuer.candidate))
            })
            .collect();
        issuers.sort_by_key(|issuer| preference(last.candidate, issuer));
        // The name of the issuer that is missing may be long, and the dead ends many.
        if issuers.is_empty() && self.is_nearer(Stage::NoIssuer, path) {
            self.note(Stage::NoIssuer, path, depth - 1, no_issuer(last.candidate));
        }
        for issuer in issuers {
            self.work
                .take_step()
                .map_err(|finding| finding.at(Position::Path, String::new()))?;
            match self.signed_by(last, issuer) {
                Err(finding) if finding.kind == FailureKind::WorkLimit => {
                    return Err(finding.at(Position::Path, String::new()));
                }
                Err(finding) => {
                    self.note(Stage::WrongKey, path, depth - 1, finding);
                    continue;
                }
                Ok(()) => {}
            }
            path.push(issuer);
            if let Err(finding) = self.fit_to_issue(issuer) {
                if finding.kind == FailureKind::WorkLimit {
                    return Err(finding.at(Position::Path, String::new()));
                }
                self.note(Stage::UnfitIssuer, path, depth, finding);
            } else if issuer.trusted {
                let verdict = match self.work.judge_path() {
                    Ok(()) => judge(path, self.work),
                    Err(finding) => Err((0, finding)),
                };
                match verdict {
                    Ok(()) => return Ok(true),
                    Err((_, finding)) if finding.kind == FailureKind::WorkLimit => {
                        return Err(finding.at(Position::Path, String::new()));
                    }
                    Err((at, finding)) => self.note(Stage::WholePath, path, at, finding),
                }
            } else if path.len() >= LONGEST_PATH {
                self.note(Stage::UnfitIssuer, path, depth, too_long());
            } else if self.extend(path, judge)? {
                return Ok(true);
            }
            path.pop();
        }
        Ok(false)
    }

    fn signed_by(&mut self, child: Node<'p, 'a>, issuer: Node<'p, 'a>) -> Result<(), Finding> {
        // Section 6.1: a trust anchor in the form of a self-signed certificate "is not included as part of the prospective
        // certification path". Where it is what is to be validated, its signature of itself proves nothing, either: who
        // gave the anchor gave these very octets.
        if issuer.trusted && child.candidate.certificate.raw == issuer.candidate.certificate.raw {
            return Ok(());
        }
        let edge = (child.id, issuer.id);
        let is_within = child.id.is_some() && issuer.id.is_some();
        let known = match is_within {
            true => self.pool.signatures.borrow().get(&edge).cloned(),
            false => self.signatures.get(&edge).cloned(),
        };
        if let Some(known) = known {
            return known;
        }
        self.work.verify_signature()?;
        let certificate = &child.candidate.certificate;
        let verdict = signature::verify(
            &issuer.candidate.certificate.public_key,
            &certificate.signature_algorithm,
            certificate.tbs,
            certificate.signature,
        );
        if is_within {
            let mut signatures = self.pool.signatures.borrow_mut();
            signatures.insert(edge, verdict.clone());
        } else {
            self.signatures.insert(edge, verdict.clone());
        }
        verdict
    }

    /// What does not depend on the path: validity, profile, CA, purpose.
    fn fit_to_issue(&mut self, issuer: Node<'p, 'a>) -> Result<(), Finding> {
        if let Some(known) = self.issuers.get(&issuer.id) {
            return known.clone();
        }
        let role = if issuer.trusted {
            Role::TrustAnchor
        } else {
            Role::Issuer
        };
        let verdict = check::validity(issuer.candidate, self.request.time)
            .and_then(|()| profile::check(issuer.candidate, role, self.work))
            .and_then(|()| check::purpose_of_issuer(issuer.candidate, self.request.purpose));
        self.issuers.insert(issuer.id, verdict.clone());
        verdict
    }

    fn is_nearer(&self, stage: Stage, path: &[Node<'p, 'a>]) -> bool {
        self.nearest
            .as_ref()
            .is_none_or(|(nearest, _)| (stage, path.len()) > *nearest)
    }

    fn note(&mut self, stage: Stage, path: &[Node<'p, 'a>], at: usize, finding: Finding) {
        let progress = (stage, path.len());
        if self.is_nearer(stage, path) {
            let (position, subject) = match path.get(at) {
                Some(node) => (position(path, at), node.candidate.label()),
                None => (Position::Path, String::new()),
            };
            self.nearest = Some((progress, finding.at(position, subject)));
        }
    }
}

pub(super) fn position(path: &[Node<'_, '_>], at: usize) -> Position {
    match (at, path.get(at)) {
        (0, _) => Position::Leaf,
        (_, Some(node)) if node.trusted => Position::TrustAnchor,
        _ => Position::Intermediate(at),
    }
}

/// A CA is a name and a key; its certificates may be several.
pub(super) fn is_same_ca(one: &Candidate<'_>, other: &Candidate<'_>) -> bool {
    one.certificate.public_key.raw == other.certificate.public_key.raw
        && one.subject == other.subject
}

/// Matching key identifiers before none before others, then the shortest way to a trust anchor.
fn preference(child: &Candidate<'_>, issuer: &Node<'_, '_>) -> (u8, usize) {
    let wanted = child
        .extensions
        .authority_key_identifier
        .as_ref()
        .and_then(|id| id.key_identifier);
    let rank = match (wanted, issuer.candidate.extensions.subject_key_identifier) {
        (Some(wanted), Some(found)) if wanted == found => 0,
        (Some(_), Some(_)) => 2,
        _ => 1,
    };
    (rank, issuer.distance.unwrap_or(usize::MAX))
}

fn no_issuer(candidate: &Candidate<'_>) -> Finding {
    let issuer = match candidate.certificate.issuer.is_empty() {
        true => "without a name".to_owned(),
        false => format!("“{}”", candidate.certificate.issuer),
    };
    Finding::new(
        FailureKind::NoPath,
        "RFC 5280 section 6.1",
        format!("its issuer {issuer} is neither a trust anchor nor among the intermediates"),
        "give the issuer's certificate as an intermediate, or trust the CA at the end of the chain",
    )
}

fn too_long() -> Finding {
    Finding::new(
        FailureKind::PathTooLong,
        "RFC 5280 section 6.1",
        format!("more than {LONGEST_PATH} certificates stand between the leaf and a trust anchor"),
        "use a hierarchy with fewer levels",
    )
}
