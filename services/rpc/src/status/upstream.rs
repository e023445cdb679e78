//! The status of a service that was called, read into typed values, and what of it may be passed on.

use std::fmt;
use std::time::Duration;

use prost::Message as _;
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
        let mut upstream = Self {
            code: status.code(),
            message: status.message().to_owned(),
            info: None,
            fields: Vec::new(),
            preconditions: Vec::new(),
            quotas: Vec::new(),
            resource: None,
            retry_after: None,
        };
        // Each detail is decoded for itself, so that a malformed one does not take the others with it. The code is
        // that of `grpc-status`, also when the details claim another.
        let details = pb::Status::decode(status.details())
            .unwrap_or_default()
            .details;
        for detail in details {
            let bytes = detail.value.as_slice();
            match detail.type_url.rsplit('/').next().unwrap_or_default() {
                "google.rpc.ErrorInfo" => {
                    let read = pb::ErrorInfo::decode(bytes).ok();
                    upstream.info = read.and_then(UpstreamInfo::read);
                }
                "google.rpc.BadRequest" => {
                    let read = pb::BadRequest::decode(bytes).unwrap_or_default();
                    upstream.fields = read.field_violations.into_iter().map(field).collect();
                }
                "google.rpc.PreconditionFailure" => {
                    let read = pb::PreconditionFailure::decode(bytes).unwrap_or_default();
                    upstream.preconditions =
                        read.violations.into_iter().map(precondition).collect();
                }
                "google.rpc.QuotaFailure" => {
                    let read = pb::QuotaFailure::decode(bytes).unwrap_or_default();
                    upstream.quotas = read.violations.into_iter().map(quota).collect();
                }
                "google.rpc.ResourceInfo" => {
                    let read = pb::ResourceInfo::decode(bytes).ok();
                    upstream.resource = read.map(|read| Resource {
                        kind: read.resource_type,
                        id: read.resource_name,
                    });
                }
                "google.rpc.RetryInfo" => {
                    let read = pb::RetryInfo::decode(bytes).ok();
                    upstream.retry_after = read
                        .and_then(|info| info.retry_delay)
                        .and_then(|delay| Duration::try_from(delay).ok());
                }
                _ => {}
            }
        }
        upstream
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
    /// Kept are what a caller can act upon: whether and when to try again, where the time went, which precondition
    /// failed. `reroot` gives the path, in this service's request, of a field of the other one's (`amount.units` is
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
                metadata: self.info.map(|info| info.metadata).unwrap_or_default(),
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
