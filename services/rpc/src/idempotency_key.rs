//! The key by which a repeated request is recognised as a repetition.
//!
//! A caller chooses it and sends the same one with every repetition of one request: the same key with the same content
//! is answered with the first answer, the same key with other content is refused with ALREADY_EXISTS
//! ([`IdempotencyKey::reused`]).

use std::fmt;

use crate::status::{Failure, FieldViolation, reason};

/// 1 to 128 visible ASCII characters.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct IdempotencyKey(String);

const MAX: usize = 128;

impl IdempotencyKey {
    /// Reads the field of that name.
    ///
    /// # Errors
    /// What is wrong with it, for [`Violations::check`](crate::status::Violations::check).
    pub fn parse(field: &str, text: &str) -> Result<Self, FieldViolation> {
        let refuse = |reason, description: String| {
            Err(FieldViolation::new(field.to_owned(), reason, description))
        };
        if text.is_empty() {
            return refuse(
                reason::REQUIRED,
                "a request that changes something needs a key, the same for every repetition of it"
                    .to_owned(),
            );
        }
        if text.len() > MAX {
            return refuse(
                reason::TOO_LONG,
                format!(
                    "a key has at most {MAX} characters, this one has {}",
                    text.len()
                ),
            );
        }
        if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return refuse(
                reason::MALFORMED,
                "a key has visible ASCII characters only, no space and no letter beyond".to_owned(),
            );
        }
        Ok(Self(text.to_owned()))
    }

    /// As the caller wrote it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The failure of a second request of this kind with this key and another content.
    pub fn reused(&self, kind: &str) -> Failure {
        Failure::AlreadyExists {
            reason: reason::IDEMPOTENCY_KEY_REUSED,
            kind: kind.to_owned(),
            id: self.0.clone(),
            message: format!(
                "the idempotency key {self} was used before, with other content; use a new key for another {kind}"
            ),
        }
    }
}

impl fmt::Display for IdempotencyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_1_to_128_visible_ascii_characters() {
        let parse = |text: &str| IdempotencyKey::parse("idempotency_key", text);
        assert!(parse("order-17/charge").is_ok());
        assert!(parse(&"k".repeat(128)).is_ok());
        for (bad, reason) in [
            ("", reason::REQUIRED),
            (&"k".repeat(129), reason::TOO_LONG),
            ("a b", reason::MALFORMED),
            ("ключ", reason::MALFORMED),
            ("a\n", reason::MALFORMED),
        ] {
            let violation = parse(bad).expect_err("a violation");
            assert_eq!(
                (violation.field.as_str(), violation.reason),
                ("idempotency_key", reason)
            );
        }
    }
}
