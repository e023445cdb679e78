//! The one place where a [`tonic::Status`] is built and taken apart.
//!
//! A service says *which* failure it met ([`Failure`], through [`ToStatus`] in its `error.rs`); this file alone knows
//! *how* that becomes a status: which code, which `google.rpc` details (AIP-193), what a caller may read and what goes
//! to the log instead. In the other direction [`Upstream`] reads the status of a service that was called into typed
//! values, and [`Upstream::translate`] says what of it may be passed on.
//!
//! Every status carries `ErrorInfo`: a reason out of a closed list of constants, the service as its domain, and
//! metadata. Callers match on reason and domain and never on the message. What is never sent: the source of an
//! internal failure, the list of who would have been allowed, `DebugInfo`.
//!
//! What is not here: the wire form of a status in headers and trailers, which is `resilience::status`, and whether to
//! retry, which is `resilience::decide`.

pub mod reason;
mod upstream;
mod violations;

use std::collections::{BTreeMap, HashMap};
use std::error::Error;
use std::time::Duration;

use resilience::status::WireStatus;
use tonic::metadata::MetadataMap;
use tonic::{Code, Status};
use tonic_types::{
    BadRequest, ErrorDetail, ErrorInfo, PreconditionFailure, QuotaFailure, ResourceInfo, RetryInfo,
    StatusExt as _, pb,
};

pub use self::reason::Reason;
pub use self::upstream::{Resource, Upstream, UpstreamInfo};
pub use self::violations::{FieldViolation, PreconditionViolation, QuotaViolation, Violations};

/// What goes into `ErrorInfo.metadata`.
pub type Metadata = BTreeMap<String, String>;

/// A failure as the caller may see it. Each variant is one gRPC code, with the details that belong to it.
#[derive(Debug)]
#[non_exhaustive]
pub enum Failure {
    /// INVALID_ARGUMENT: the request is wrong whatever the state of the world. All that is wrong, not the first thing.
    InvalidArgument {
        /// One for each problem, in the order of the request's fields. [`Violations`] collects them.
        violations: Vec<FieldViolation>,
    },
    /// NOT_FOUND, with `ResourceInfo`.
    NotFound {
        /// What kind of thing, such as `payment`.
        kind: String,
        /// Which one.
        id: String,
    },
    /// ALREADY_EXISTS, with `ResourceInfo`.
    AlreadyExists {
        /// Why it clashes.
        reason: Reason,
        /// What kind of thing is there already.
        kind: String,
        /// Which one.
        id: String,
        /// A sentence for a person.
        message: String,
    },
    /// FAILED_PRECONDITION: the state of the world forbids it, and repeating the call alone does not help.
    FailedPrecondition {
        /// Which rule.
        reason: Reason,
        /// A sentence for a person.
        message: String,
        /// What would have to change.
        violations: Vec<PreconditionViolation>,
        /// More facts for a program.
        metadata: Metadata,
    },
    /// ABORTED: another caller was faster; read again and start over.
    Aborted {
        /// What clashed.
        reason: Reason,
        /// A sentence for a person.
        message: String,
    },
    /// PERMISSION_DENIED: the caller is known and may not. Who may is not told.
    PermissionDenied {
        /// The caller as its certificate names it, when it names it.
        caller: Option<String>,
        /// What it wanted, such as `order.v1.Order/Create`.
        method: String,
    },
    /// UNAUTHENTICATED: it is not known who calls.
    Unauthenticated {
        /// A sentence for a person.
        message: String,
    },
    /// UNAVAILABLE: not now; repeating the call may help.
    Unavailable {
        /// What is missing.
        reason: Reason,
        /// A sentence for a person.
        message: String,
        /// When to try again at the earliest, when that is known.
        retry_after: Option<Duration>,
        /// More facts for a program.
        metadata: Metadata,
    },
    /// RESOURCE_EXHAUSTED: too much was asked for.
    ResourceExhausted {
        /// Of what.
        reason: Reason,
        /// A sentence for a person.
        message: String,
        /// When there will be more, when that is known. Without it a caller does not repeat the call.
        retry_after: Option<Duration>,
        /// The quotas that ran out.
        violations: Vec<QuotaViolation>,
    },
    /// DEADLINE_EXCEEDED: the caller's time is up. The metadata says hop by hop where it went.
    DeadlineExceeded {
        /// A sentence for a person.
        message: String,
        /// Where the time went, as `resilience::deadline` writes it.
        metadata: Metadata,
    },
    /// CANCELLED: whoever asked no longer wants the answer.
    Cancelled {
        /// A sentence for a person.
        message: String,
    },
    /// INTERNAL: our fault. The source goes to the log, the caller gets a number by which it can be found there.
    Internal {
        /// What happened, with its causes.
        source: Box<dyn Error + Send + Sync>,
    },
}

/// What a service's error type implements: which [`Failure`] it is. How that becomes a status is decided here.
pub trait ToStatus: Sized {
    /// The `ErrorInfo.domain` of every status of the service: its name.
    const DOMAIN: &'static str;

    /// Which failure this is.
    fn into_failure(self) -> Failure;

    /// The status for the wire.
    fn into_status(self) -> Status {
        self.into_failure().into_status(Self::DOMAIN)
    }
}

/// A description or a value of metadata is cut here.
const MAX_TEXT: usize = 512;
/// `grpc-message` is cut here; it travels percent-encoded, so a letter may take nine bytes.
const MAX_MESSAGE: usize = 512;
/// All violations of one status together, in bytes of protobuf. Details travel as base64 in a header, and many peers
/// lose the whole status when their 8 KiB for headers are full, so what is left out is counted instead.
const MAX_VIOLATIONS: usize = 3 * 1024;

impl Failure {
    /// Our fault, with the cause for the log.
    pub fn internal(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Internal {
            source: source.into(),
        }
    }

    /// There is no such thing.
    pub fn not_found(kind: impl Into<String>, id: impl ToString) -> Self {
        Self::NotFound {
            kind: kind.into(),
            id: id.to_string(),
        }
    }

    /// One field is wrong. Where several can be, collect them with [`Violations`].
    pub fn invalid_argument(
        field: impl Into<String>,
        reason: Reason,
        description: impl Into<String>,
    ) -> Self {
        Self::InvalidArgument {
            violations: vec![FieldViolation::new(field, reason, description)],
        }
    }

    /// The code that it travels under.
    pub fn code(&self) -> Code {
        match self {
            Self::InvalidArgument { .. } => Code::InvalidArgument,
            Self::NotFound { .. } => Code::NotFound,
            Self::AlreadyExists { .. } => Code::AlreadyExists,
            Self::FailedPrecondition { .. } => Code::FailedPrecondition,
            Self::Aborted { .. } => Code::Aborted,
            Self::PermissionDenied { .. } => Code::PermissionDenied,
            Self::Unauthenticated { .. } => Code::Unauthenticated,
            Self::Unavailable { .. } => Code::Unavailable,
            Self::ResourceExhausted { .. } => Code::ResourceExhausted,
            Self::DeadlineExceeded { .. } => Code::DeadlineExceeded,
            Self::Cancelled { .. } => Code::Cancelled,
            Self::Internal { .. } => Code::Internal,
        }
    }

    /// The status for the wire; `domain` is the name of the service that says so.
    pub fn into_status(self, domain: &str) -> Status {
        let code = self.code();
        match self {
            Self::InvalidArgument { violations } => {
                let mut metadata = Metadata::new();
                let kept = fit(&violations, &mut metadata);
                let message = match violations.as_slice() {
                    [only] => format!("{}: {}", only.field, only.description),
                    all => format!("{} fields are not acceptable; see the details", all.len()),
                };
                let bad_request = BadRequest::new(kept);
                Draft::new(code, message, domain, reason::INVALID_FIELDS, metadata)
                    .with(bad_request)
                    .finish()
            }
            Self::NotFound { kind, id } => {
                let message = format!("there is no {kind} {id}");
                let metadata = facts([("kind", &kind), ("id", &id)]);
                Draft::new(code, message.clone(), domain, reason::NOT_FOUND, metadata)
                    .with(ResourceInfo::new(cut(&kind), cut(&id), "", cut(&message)))
                    .finish()
            }
            Self::AlreadyExists {
                reason,
                kind,
                id,
                message,
            } => {
                let metadata = facts([("kind", &kind), ("id", &id)]);
                Draft::new(code, message.clone(), domain, reason, metadata)
                    .with(ResourceInfo::new(cut(&kind), cut(&id), "", cut(&message)))
                    .finish()
            }
            Self::FailedPrecondition {
                reason,
                message,
                violations,
                mut metadata,
            } => {
                let kept = fit(&violations, &mut metadata);
                Draft::new(code, message, domain, reason, metadata)
                    .with(PreconditionFailure::new(kept))
                    .finish()
            }
            Self::Aborted { reason, message } => {
                Draft::new(code, message, domain, reason, Metadata::new()).finish()
            }
            Self::PermissionDenied { caller, method } => {
                let message = match &caller {
                    Some(caller) => format!("{caller} may not call {method}"),
                    None => {
                        format!("a caller whose certificate names no one may not call {method}")
                    }
                };
                let mut metadata = facts([("method", &method)]);
                metadata.extend(caller.map(|caller| ("caller".to_owned(), caller)));
                Draft::new(code, message, domain, reason::PEER_NOT_ALLOWED, metadata).finish()
            }
            Self::Unauthenticated { message } => {
                let reason = reason::PEER_NOT_KNOWN;
                Draft::new(code, message, domain, reason, Metadata::new()).finish()
            }
            Self::Unavailable {
                reason,
                message,
                retry_after,
                metadata,
            } => Draft::new(code, message, domain, reason, metadata)
                .retry_after(retry_after)
                .finish(),
            Self::ResourceExhausted {
                reason,
                message,
                retry_after,
                violations,
            } => {
                let mut metadata = Metadata::new();
                let kept = fit(&violations, &mut metadata);
                let draft = Draft::new(code, message, domain, reason, metadata);
                let draft = if kept.is_empty() {
                    draft
                } else {
                    draft.with(QuotaFailure::new(kept))
                };
                draft.retry_after(retry_after).finish()
            }
            Self::DeadlineExceeded { message, metadata } => {
                Draft::new(code, message, domain, reason::DEADLINE_EXCEEDED, metadata).finish()
            }
            Self::Cancelled { message } => {
                let reason = reason::CALL_CANCELLED;
                Draft::new(code, message, domain, reason, Metadata::new()).finish()
            }
            Self::Internal { source } => {
                let incident = format!("{:016x}", fastrand::u64(..));
                tracing::error!(
                    domain,
                    incident,
                    error = chain(source.as_ref()),
                    "an internal failure"
                );
                let message =
                    format!("an internal failure; {domain} logged it under incident {incident}");
                let metadata = facts([("incident", &incident)]);
                Draft::new(code, message, domain, reason::INTERNAL, metadata).finish()
            }
        }
    }
}

/// The same for the trailers of a stream that ends before its time.
pub(crate) fn into_trailers(failure: Failure, domain: &str) -> http::HeaderMap {
    let mut trailers = http::HeaderMap::new();
    let status = failure.into_status(domain);
    if let Err(unwritable) = status.add_header(&mut trailers) {
        // The message was not fit for a header; the code always is.
        trailers.insert("grpc-status", i32::from(unwritable.code()).into());
    }
    trailers
}

/// Gives the status in these headers an `ErrorInfo` if it is a failure that has none: tonic itself refuses methods that
/// are not there, messages that are too long and messages that it cannot read, and tells nothing but a code.
pub(crate) fn complete(headers: &mut http::HeaderMap, domain: &str) {
    let Some(status) = WireStatus::from_headers(headers) else {
        return;
    };
    if status.code() == Code::Ok || status.details().get::<pb::ErrorInfo>().is_some() {
        return;
    }
    let reason = match status.code() {
        Code::Unimplemented => reason::METHOD_NOT_SERVED,
        Code::OutOfRange => reason::MESSAGE_TOO_LONG,
        _ => reason::REQUEST_UNREADABLE,
    };
    let info = pb::ErrorInfo {
        reason: reason.to_string(),
        domain: domain.to_owned(),
        metadata: HashMap::new(),
    };
    status.with(&info).write(headers);
}

/// A status in the making: `ErrorInfo` first, then what else belongs to it.
struct Draft {
    code: Code,
    message: String,
    details: Vec<ErrorDetail>,
    metadata: MetadataMap,
}

impl Draft {
    fn new(code: Code, message: String, domain: &str, reason: Reason, facts: Metadata) -> Self {
        let facts: HashMap<String, String> = facts
            .into_iter()
            .map(|(key, value)| (key, cut(&value).to_owned()))
            .collect();
        Self {
            code,
            message,
            details: vec![ErrorInfo::new(reason.as_str(), domain, facts).into()],
            metadata: MetadataMap::new(),
        }
    }

    fn with(mut self, detail: impl Into<ErrorDetail>) -> Self {
        self.details.push(detail.into());
        self
    }

    /// `RetryInfo` for those who read details and `grpc-retry-pushback-ms` (gRFC A6) for those who do not.
    fn retry_after(mut self, delay: Option<Duration>) -> Self {
        let Some(delay) = delay else { return self };
        let milliseconds = i32::try_from(delay.as_millis()).unwrap_or(i32::MAX);
        self.metadata
            .insert("grpc-retry-pushback-ms", milliseconds.into());
        self.with(RetryInfo::new(Some(delay)))
    }

    fn finish(self) -> Status {
        let message = cut_at(&self.message, MAX_MESSAGE);
        Status::with_error_details_vec_and_metadata(self.code, message, self.details, self.metadata)
    }
}

/// The violations that fit, in the order in which they were found. How many do not is told in the metadata.
fn fit<'a, V, W>(violations: &'a [V], metadata: &mut Metadata) -> Vec<W>
where
    W: From<&'a V>,
    V: violations::Sized,
{
    let mut left = MAX_VIOLATIONS;
    let kept: Vec<W> = violations
        .iter()
        .take_while(|violation| {
            let size = violation.encoded_size();
            let fits = size <= left;
            left = left.saturating_sub(size);
            fits
        })
        .map(W::from)
        .collect();
    if kept.len() < violations.len() {
        let omitted = violations.len() - kept.len();
        metadata.insert("violations_omitted".to_owned(), omitted.to_string());
    }
    kept
}

fn facts<const N: usize>(facts: [(&str, &str); N]) -> Metadata {
    facts
        .into_iter()
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect()
}

pub(crate) fn cut(text: &str) -> &str {
    cut_at(text, MAX_TEXT)
}

/// The first `limit` bytes, less what would split a letter.
fn cut_at(text: &str, limit: usize) -> &str {
    let mut end = text.len().min(limit);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// The error and its causes, on one line.
pub(crate) fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let sentence = error.to_string();
        // Many errors repeat their cause in their own sentence.
        if !text.contains(&sentence) {
            text.push_str(": ");
            text.push_str(&sentence);
        }
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests;
