//! What a request, a state or a quota violates, one value per problem.

use super::{Failure, Reason, cut};

/// One problem of one field of a request (`google.rpc.BadRequest.FieldViolation`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldViolation {
    /// The path to the field, in the names of the .proto file: `items[2].quantity`.
    pub field: String,
    /// Why, for a program.
    pub reason: Reason,
    /// Why, for a person.
    pub description: String,
}

/// One thing that would have to be otherwise (`google.rpc.PreconditionFailure.Violation`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PreconditionViolation {
    /// The rule, for a program; usually the same as the failure's reason.
    pub kind: Reason,
    /// What it is about, such as `payment/17`.
    pub subject: String,
    /// Why, for a person.
    pub description: String,
}

/// One quota that ran out (`google.rpc.QuotaFailure.Violation`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuotaViolation {
    /// Whose quota, such as `user/23`.
    pub subject: String,
    /// Why, for a person.
    pub description: String,
}

/// Collects every problem of a request, so that a caller can fix all of them at once.
///
/// ```
/// use rpc::status::{Violations, reason};
///
/// let mut violations = Violations::new();
/// violations.require(-1 >= 1, "user_id", reason::TOO_SMALL, "a user id is 1 or greater");
/// violations.require(2 >= 1, "product_id", reason::TOO_SMALL, "a product id is 1 or greater");
/// assert_eq!(violations.finish().unwrap_err()[0].field, "user_id");
/// ```
#[derive(Debug, Default)]
pub struct Violations(Vec<FieldViolation>);

// === impl Violations ===

impl Violations {
    /// None yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// One more problem.
    pub fn add(
        &mut self,
        field: impl Into<String>,
        reason: Reason,
        description: impl Into<String>,
    ) {
        self.0.push(FieldViolation::new(field, reason, description));
    }

    /// One more problem unless `holds`.
    pub fn require(
        &mut self,
        holds: bool,
        field: impl Into<String>,
        reason: Reason,
        description: impl Into<String>,
    ) {
        if !holds {
            self.add(field, reason, description);
        }
    }

    /// Keeps the value, or the problem that kept it from being one.
    pub fn check<T>(&mut self, result: Result<T, FieldViolation>) -> Option<T> {
        result.map_err(|violation| self.0.push(violation)).ok()
    }

    /// Whether there are any.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All problems, if there are any.
    ///
    /// # Errors
    /// The problems, in the order in which they were found.
    pub fn finish(self) -> Result<(), Vec<FieldViolation>> {
        if self.0.is_empty() {
            Ok(())
        } else {
            Err(self.0)
        }
    }

    /// All problems, for where the request is known to have some.
    pub fn into_vec(self) -> Vec<FieldViolation> {
        self.0
    }
}

impl Extend<FieldViolation> for Violations {
    fn extend<T: IntoIterator<Item = FieldViolation>>(&mut self, violations: T) {
        self.0.extend(violations);
    }
}

impl From<Violations> for Failure {
    fn from(violations: Violations) -> Self {
        Self::InvalidArgument {
            violations: violations.0,
        }
    }
}

// === impl FieldViolation ===

impl FieldViolation {
    /// A problem of the field at this path.
    pub fn new(field: impl Into<String>, reason: Reason, description: impl Into<String>) -> Self {
        Self {
            field: field.into(),
            reason,
            description: description.into(),
        }
    }
}

// === to the wire ===

/// How many bytes of protobuf a violation takes.
pub(super) trait Sized {
    fn encoded_size(&self) -> usize;
}

/// Tag and length of three fields and of the message around them, generously.
const FRAME: usize = 16;

impl Sized for FieldViolation {
    fn encoded_size(&self) -> usize {
        cut(&self.field).len() + self.reason.as_str().len() + cut(&self.description).len() + FRAME
    }
}

impl Sized for PreconditionViolation {
    fn encoded_size(&self) -> usize {
        cut(&self.subject).len() + self.kind.as_str().len() + cut(&self.description).len() + FRAME
    }
}

impl Sized for QuotaViolation {
    fn encoded_size(&self) -> usize {
        cut(&self.subject).len() + cut(&self.description).len() + FRAME
    }
}

impl From<&FieldViolation> for tonic_types::FieldViolation {
    fn from(violation: &FieldViolation) -> Self {
        let mut wire = Self::new(cut(&violation.field), cut(&violation.description));
        wire.reason = violation.reason.to_string();
        wire
    }
}

impl From<&PreconditionViolation> for tonic_types::PreconditionViolation {
    fn from(violation: &PreconditionViolation) -> Self {
        Self::new(
            violation.kind.as_str(),
            cut(&violation.subject),
            cut(&violation.description),
        )
    }
}

impl From<&QuotaViolation> for tonic_types::QuotaViolation {
    fn from(violation: &QuotaViolation) -> Self {
        Self::new(cut(&violation.subject), cut(&violation.description))
    }
}
