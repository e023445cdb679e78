//! The status of a service that was called, read into typed values, and what of it may be passed on.

use std::fmt;
use std::time::Duration;

use resilience::deadline::Spent;
use resilience::decide::{self, Advice};
use resilience::status::Details;
use tonic::{Code, Status};
use tonic_types::pb;

use super::{
    Failure, FieldViolation, Metadata, PreconditionViolation, QuotaViolation, Reason, reason,
};

/// What another service answered instead of a result.
///
/// Reading never fails: details that cannot be read are left out, and the code is always there.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Upstream {
    /// The code.
    pub code: Code,
    /// The message. For a log or a person, never for a program.
    pub message: String,
    /// Reason, domain and metadata (`ErrorInfo`).
    pub info: Option<UpstreamInfo>,
    /// Every field that is not acceptable (`BadRequest`).
    pub fields: Vec<FieldViolation>,
    /// What would have to be otherwise (`PreconditionFailure`).
    pub preconditions: Vec<PreconditionViolation>,
    /// The quotas that ran out (`QuotaFailure`).
    pub quotas: Vec<QuotaViolation>,
    /// Which thing it is about (`ResourceInfo`).
    pub resource: Option<Resource>,
    /// When to try again at the earliest (`RetryInfo`).
    pub retry_after: Option<Duration>,
    /// Where the time went, hop by hop, when it ran out.
    pub spent: Option<Spent>,
}

/// `ErrorInfo` of another service.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct UpstreamInfo {
    /// Why.
    pub reason: Reason,
    /// Whose reason that is.
    pub domain: String,
    /// More facts.
    pub metadata: Metadata,
}

/// `ResourceInfo` of another service.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Resource {
    /// What kind of thing.
    pub kind: String,
    /// Which one.
    pub id: String,
}

impl Upstream {
    /// Reads a status.
    pub fn read(status: &Status) -> Self {
        // Each detail is decoded for itself, so that a malformed one does not take the others with it. The code is
        // that of `grpc-status`, also when the details claim another.
        let details = Details::decode(status.details());
        let infos: Vec<_> = details
            .all::<pb::ErrorInfo>()
            .filter_map(UpstreamInfo::read)
            .collect();
        // A handler's own reason goes before what a layer added to it.
        let own = infos
            .iter()
            .position(|info| info.domain != resilience::status::DOMAIN);
        Self {
            code: status.code(),
            message: status.message().to_owned(),
            info: infos.into_iter().nth(own.unwrap_or(0)),
            fields: details
                .all::<pb::BadRequest>()
                .flat_map(|detail| detail.field_violations)
                .map(field)
                .collect(),
            preconditions: details
                .all::<pb::PreconditionFailure>()
                .flat_map(|detail| detail.violations)
                .map(precondition)
                .collect(),
            quotas: details
                .all::<pb::QuotaFailure>()
                .flat_map(|detail| detail.violations)
                .map(quota)
                .collect(),
            resource: details.get::<pb::ResourceInfo>().map(|detail| Resource {
                kind: detail.resource_type,
                id: detail.resource_name,
            }),
            retry_after: details.retry_delay(),
            spent: Spent::from_details(&details),
        }
    }

    /// What to do next.
    pub fn advice(status: &Status) -> Advice {
        decide::of_status(status)
    }

    /// Whether that service gave this reason. The domain is its name; the message is never asked.
    pub fn is(&self, domain: &str, reason: &Reason) -> bool {
        self.info
            .as_ref()
            .is_some_and(|info| info.domain == domain && info.reason == *reason)
    }

    /// What the caller of *this* service may be told about a failure of the service `dependency`.
    ///
    /// A status is never forwarded as it is: its metadata, its domain and its inner texts belong to the other service.
    /// Kept is what a caller can act upon: whether and when to try again, which precondition failed. Where the time went
    /// is added to a DEADLINE_EXCEEDED by the layer around the handler, which knows of this hop as well. `reroot` gives the path, in this service's request, of a field of the other one's (`amount.units` is
    /// our `price.units`); a field for which it gives none is one that we filled in ourselves, and then the failure is
    /// ours.
    pub fn translate(self, dependency: &str, reroot: impl Fn(&str) -> Option<String>) -> Failure {
        let named = || Metadata::from([("dependency".to_owned(), dependency.to_owned())]);
        match self.code {
            Code::InvalidArgument => {
                let rerooted: Option<Vec<_>> = self
                    .fields
                    .iter()
                    .map(|violation| {
                        Some(FieldViolation {
                            field: reroot(&violation.field)?,
                            ..violation.clone()
                        })
                    })
                    .collect();
                match rerooted {
                    Some(violations) if !violations.is_empty() => {
                        Failure::InvalidArgument { violations }
                    }
                    _ => Failure::internal(self.of(dependency)),
                }
            }
            Code::NotFound => match self.resource {
                Some(resource) => Failure::NotFound {
                    kind: resource.kind,
                    id: resource.id,
                },
                None => Failure::internal(self.of(dependency)),
            },
            Code::FailedPrecondition => Failure::FailedPrecondition {
                reason: match self.info {
                    Some(info) => info.reason,
                    None => reason::PRECONDITION_FAILED,
                },
                message: self.message,
                violations: self.preconditions,
                metadata: named(),
            },
            Code::Aborted => Failure::Aborted {
                reason: reason::CONFLICT,
                message: format!("{dependency} met a conflict; start over"),
            },
            Code::Unavailable | Code::Cancelled => Failure::Unavailable {
                reason: reason::DEPENDENCY_UNAVAILABLE,
                message: format!("{dependency} does not answer at the moment; try again later"),
                retry_after: self.retry_after,
                metadata: named(),
            },
            Code::ResourceExhausted => Failure::ResourceExhausted {
                reason: reason::DEPENDENCY_EXHAUSTED,
                message: format!("{dependency} has more to do than it takes on; try again later"),
                retry_after: self.retry_after,
                violations: self.quotas,
            },
            Code::DeadlineExceeded => Failure::DeadlineExceeded {
                message: format!("the time was up before {dependency} had answered"),
                // Where it went is in the ledger of the deadline around this handler, and its layer adds it.
                metadata: named(),
            },
            // What remains is either our own mistake in calling (a certificate that may not call, a key used twice, a
            // method that is not there) or the other service's failure. A caller can act on neither.
            _ => Failure::internal(self.of(dependency)),
        }
    }

    fn of(self, dependency: &str) -> UpstreamFailed {
        UpstreamFailed {
            dependency: dependency.to_owned(),
            upstream: self,
        }
    }
}

impl From<&Status> for Upstream {
    fn from(status: &Status) -> Self {
        Self::read(status)
    }
}

/// For the log: code, reason and message.
impl fmt::Display for Upstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.code)?;
        if let Some(info) = &self.info {
            write!(f, " {} ({})", info.reason, info.domain)?;
        }
        write!(f, ": {}", self.message)
    }
}

impl std::error::Error for Upstream {}

/// For the log: which service answered what.
#[derive(Debug, thiserror::Error)]
#[error("{dependency} answered {upstream}")]
struct UpstreamFailed {
    dependency: String,
    upstream: Upstream,
}

impl UpstreamInfo {
    fn read(info: pb::ErrorInfo) -> Option<Self> {
        Some(Self {
            reason: Reason::parse(&info.reason)?,
            domain: info.domain,
            metadata: info.metadata.into_iter().collect(),
        })
    }
}

fn field(violation: pb::bad_request::FieldViolation) -> FieldViolation {
    let reason = Reason::parse(&violation.reason).unwrap_or(reason::MALFORMED);
    FieldViolation::new(violation.field, reason, violation.description)
}

fn precondition(violation: pb::precondition_failure::Violation) -> PreconditionViolation {
    PreconditionViolation {
        kind: Reason::parse(&violation.r#type).unwrap_or(reason::PRECONDITION_FAILED),
        subject: violation.subject,
        description: violation.description,
    }
}

fn quota(violation: pb::quota_failure::Violation) -> QuotaViolation {
    QuotaViolation {
        subject: violation.subject,
        description: violation.description,
    }
}
