//! Why a certificate is not accepted: the rule, the certificate, the clause and the way out.

use std::fmt;

/// The kind of failure, one for each thing a person would do something different about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum FailureKind {
    /// A certificate or CRL is not what RFC 5280 defines: it cannot be read, or breaks the profile.
    Malformed,
    /// A key or signature algorithm is unknown or too weak.
    WeakAlgorithm,
    /// A signature does not belong to the content or the issuer's key.
    BadSignature,
    /// No path leads from the certificate to a trust anchor.
    NoPath,
    /// A certificate's validity is over.
    Expired,
    /// A certificate's validity has not begun.
    NotYetValid,
    /// An issuer is not a certification authority.
    NotACa,
    /// A path length or the maximum depth is exceeded.
    PathTooLong,
    /// A key usage or extended key usage does not allow this use.
    WrongUsage,
    /// A name is outside of what a CA above may issue for.
    NameConstraint,
    /// The certificate is not for the expected name.
    WrongName,
    /// An extension is critical and not understood.
    UnknownCritical,
    /// The certificate policies do not allow the path.
    Policy,
    /// A certificate is revoked.
    Revoked,
    /// Revocation was asked for and cannot be told.
    RevocationUnknown,
    /// The work limit was reached before an answer was found.
    WorkLimit,
}

impl FailureKind {
    /// All kinds, in the order of the exit codes.
    pub const ALL: [Self; 16] = [
        Self::Malformed,
        Self::WeakAlgorithm,
        Self::BadSignature,
        Self::NoPath,
        Self::Expired,
        Self::NotYetValid,
        Self::NotACa,
        Self::PathTooLong,
        Self::WrongUsage,
        Self::NameConstraint,
        Self::WrongName,
        Self::UnknownCritical,
        Self::Policy,
        Self::Revoked,
        Self::RevocationUnknown,
        Self::WorkLimit,
    ];

    /// A stable word for machines, as in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::WeakAlgorithm => "weak-algorithm",
            Self::BadSignature => "bad-signature",
            Self::NoPath => "no-path",
            Self::Expired => "expired",
            Self::NotYetValid => "not-yet-valid",
            Self::NotACa => "not-a-ca",
            Self::PathTooLong => "path-too-long",
            Self::WrongUsage => "wrong-usage",
            Self::NameConstraint => "name-constraint",
            Self::WrongName => "wrong-name",
            Self::UnknownCritical => "unknown-critical",
            Self::Policy => "policy",
            Self::Revoked => "revoked",
            Self::RevocationUnknown => "revocation-unknown",
            Self::WorkLimit => "work-limit",
        }
    }
}

/// Which certificate of the path a finding is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Position {
    /// The certificate that was asked for.
    Leaf,
    /// An issuer between leaf and trust anchor; 1 is the leaf's issuer.
    Intermediate(usize),
    /// The certificate at the top, which is trusted by configuration.
    TrustAnchor,
    /// No certificate in particular.
    Path,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Leaf => f.write_str("leaf"),
            Self::Intermediate(n) => write!(f, "intermediate {n}"),
            Self::TrustAnchor => f.write_str("trust anchor"),
            Self::Path => f.write_str("path"),
        }
    }
}

/// The answer no, with its reason.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Rejected {
    /// The kind of failure.
    pub kind: FailureKind,
    /// The certificate at which the rule failed.
    pub position: Position,
    /// That certificate's subject, escaped for a terminal; empty when there is none.
    pub subject: String,
    /// What is wrong, as the second half of a sentence about that certificate.
    pub reason: String,
    /// The clause that asks for it.
    pub clause: &'static str,
    /// What to do about it.
    pub advice: String,
}

impl fmt::Display for Rejected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.position)?;
        if !self.subject.is_empty() {
            write!(f, " “{}”", self.subject)?;
        }
        write!(f, ": {} ({}); {}", self.reason, self.clause, self.advice)
    }
}

impl std::error::Error for Rejected {}

/// A broken rule, before it is known at which place of the path.
#[derive(Clone, Debug)]
pub(super) struct Finding {
    pub(super) kind: FailureKind,
    reason: String,
    clause: &'static str,
    advice: String,
}

/// Half a sentence, for those who have no certificate yet.
impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.reason, self.clause)
    }
}

impl Finding {
    pub(super) fn new(
        kind: FailureKind,
        clause: &'static str,
        reason: impl Into<String>,
        advice: impl Into<String>,
    ) -> Self {
        Self {
            kind,
            reason: reason.into(),
            clause,
            advice: advice.into(),
        }
    }

    /// The certificate breaks the profile: only who issues it can repair that.
    pub(super) fn profile(clause: &'static str, reason: impl Into<String>) -> Self {
        Self::new(
            FailureKind::Malformed,
            clause,
            reason,
            "have it issued again as the clause asks",
        )
    }

    pub(super) fn at(self, position: Position, subject: String) -> Rejected {
        let Self {
            kind,
            reason,
            clause,
            advice,
        } = self;
        Rejected {
            kind,
            position,
            subject,
            reason,
            clause,
            advice,
        }
    }
}
