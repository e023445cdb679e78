//! Reasons: what `ErrorInfo.reason` and a violation's `reason` may say (AIP-193).
//!
//! A reason is a constant of at most 63 characters matching `[A-Z][A-Z0-9_]+[A-Z0-9]`. Those that every service can
//! give are listed here, once; a service lists those of its own trade in its `error.rs`.

use std::borrow::Cow;
use std::fmt;

/// A reason in UPPER_SNAKE_CASE; it cannot be anything else.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Reason(Cow<'static, str>);

impl Reason {
    /// A constant. Use it in a `const`, so that a malformed one does not compile:
    ///
    /// ```
    /// const LIMIT_EXCEEDED: rpc::status::Reason = rpc::status::Reason::new("LIMIT_EXCEEDED");
    /// # assert_eq!(LIMIT_EXCEEDED.as_str(), "LIMIT_EXCEEDED");
    /// ```
    ///
    /// ```compile_fail
    /// const LIMIT_EXCEEDED: rpc::status::Reason = rpc::status::Reason::new("limit exceeded");
    /// # let _ = LIMIT_EXCEEDED;
    /// ```
    #[must_use]
    pub const fn new(text: &'static str) -> Self {
        assert!(
            well_formed(text.as_bytes()),
            "not an UPPER_SNAKE_CASE reason"
        );
        Self(Cow::Borrowed(text))
    }

    /// A reason that somebody else gave, if it is one.
    pub fn parse(text: &str) -> Option<Self> {
        well_formed(text.as_bytes()).then(|| Self(Cow::Owned(text.to_owned())))
    }

    /// As it stands on the wire.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

const fn well_formed(text: &[u8]) -> bool {
    if text.len() < 3 || text.len() > 63 || !text[0].is_ascii_uppercase() {
        return false;
    }
    let mut at = 0;
    while at < text.len() {
        let byte = text[at];
        if !(byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_') {
            return false;
        }
        at += 1;
    }
    text[text.len() - 1] != b'_'
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl PartialEq<&str> for Reason {
    fn eq(&self, other: &&str) -> bool {
        self.0 == *other
    }
}

// === of every service ===

/// One field or several are not acceptable; `BadRequest` lists them.
pub const INVALID_FIELDS: Reason = Reason::new("INVALID_FIELDS");
/// There is no such thing; `ResourceInfo` says which.
pub const NOT_FOUND: Reason = Reason::new("NOT_FOUND");
/// The idempotency key was used before, for another content.
pub const IDEMPOTENCY_KEY_REUSED: Reason = Reason::new("IDEMPOTENCY_KEY_REUSED");
/// The caller's certificate names nobody who may call this method.
pub const PEER_NOT_ALLOWED: Reason = Reason::new("PEER_NOT_ALLOWED");
/// It is not known who calls.
pub const PEER_NOT_KNOWN: Reason = Reason::new("PEER_NOT_KNOWN");
/// More calls are in flight than this service takes on.
pub const OVERLOADED: Reason = Reason::new("OVERLOADED");
/// The service is being shut down and takes no new calls.
pub const SHUTTING_DOWN: Reason = Reason::new("SHUTTING_DOWN");
/// A service that this one needs does not answer.
pub const DEPENDENCY_UNAVAILABLE: Reason = Reason::new("DEPENDENCY_UNAVAILABLE");
/// A service that this one needs is asked for too much.
pub const DEPENDENCY_EXHAUSTED: Reason = Reason::new("DEPENDENCY_EXHAUSTED");
/// The database does not answer.
pub const DATABASE_UNAVAILABLE: Reason = Reason::new("DATABASE_UNAVAILABLE");
/// Another caller changed the same thing at the same time.
pub const CONFLICT: Reason = Reason::new("CONFLICT");
/// The caller's time is up.
pub const DEADLINE_EXCEEDED: Reason = Reason::new("DEADLINE_EXCEEDED");
/// Whoever asked no longer wants the answer.
pub const CALL_CANCELLED: Reason = Reason::new("CALL_CANCELLED");
/// A precondition of the request does not hold; the other service gave no reason of its own.
pub const PRECONDITION_FAILED: Reason = Reason::new("PRECONDITION_FAILED");
/// The server has no such method.
pub const METHOD_NOT_SERVED: Reason = Reason::new("METHOD_NOT_SERVED");
/// The message is longer than the server reads.
pub const MESSAGE_TOO_LONG: Reason = Reason::new("MESSAGE_TOO_LONG");
/// The request is not what its method takes: no message, or none that can be read.
pub const REQUEST_UNREADABLE: Reason = Reason::new("REQUEST_UNREADABLE");
/// Our fault; the log knows more.
pub const INTERNAL: Reason = Reason::new("INTERNAL");

// === of a field ===

/// The field is required.
pub const REQUIRED: Reason = Reason::new("REQUIRED");
/// The number is too small.
pub const TOO_SMALL: Reason = Reason::new("TOO_SMALL");
/// The number is too large.
pub const TOO_LARGE: Reason = Reason::new("TOO_LARGE");
/// The text is too long.
pub const TOO_LONG: Reason = Reason::new("TOO_LONG");
/// The text is not of the form that the field has.
pub const MALFORMED: Reason = Reason::new("MALFORMED");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_upper_snake_case_of_at_most_63_characters() {
        for good in ["ABC", "A_1", "A__B", "X99", &"A".repeat(63)] {
            assert!(Reason::parse(good).is_some(), "{good}");
        }
        for bad in [
            "",
            "A",
            "AB",
            "_AB",
            "1AB",
            "aBC",
            "A-B",
            "A B",
            "ABC_",
            "Ä_B",
            &"A".repeat(64),
        ] {
            assert_eq!(Reason::parse(bad), None, "{bad}");
        }
    }
}
