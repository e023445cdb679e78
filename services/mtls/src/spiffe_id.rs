//! A SPIFFE ID: the name of a workload as a URI, `spiffe://trust-domain/path` (SPIFFE-ID, section 2).
//!
//! Only the syntax lives here. Whether a certificate may carry the name is the matter of the CA that issued it; whether
//! the name may call a method is the matter of [`crate::authorization`].

use std::fmt;

/// SPIFFE-ID 2.3: implementations must support 2048 bytes and should not make longer ones.
const MAX_LENGTH: usize = 2048;
/// SPIFFE-ID 2.3: the trust domain has at most 255 bytes.
const MAX_TRUST_DOMAIN_LENGTH: usize = 255;

/// A URI that is proven to be a SPIFFE ID.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SpiffeId(String);

impl SpiffeId {
    /// Checks the syntax of `uri`.
    ///
    /// # Errors
    /// [`InvalidSpiffeId`] with the rule that `uri` breaks.
    pub fn parse(uri: &str) -> Result<Self, InvalidSpiffeId> {
        if uri.len() > MAX_LENGTH {
            return Err(InvalidSpiffeId("it is longer than 2048 bytes"));
        }
        let rest = uri
            .strip_prefix("spiffe://")
            .ok_or(InvalidSpiffeId("it does not begin with spiffe://"))?;
        let (trust_domain, path) = match rest.split_once('/') {
            Some((trust_domain, path)) => (trust_domain, Some(path)),
            None => (rest, None),
        };
        if trust_domain.is_empty() || trust_domain.len() > MAX_TRUST_DOMAIN_LENGTH {
            return Err(InvalidSpiffeId(
                "its trust domain is empty or longer than 255 bytes",
            ));
        }
        // The character set excludes `@` and `:` (user and port must be empty) and upper case: the comparison of two
        // IDs is a comparison of bytes.
        if !trust_domain.bytes().all(|b| {
            b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'.' | b'-' | b'_')
        }) {
            return Err(InvalidSpiffeId(
                "its trust domain has a character other than a-z, 0-9, '.', '-' and '_'",
            ));
        }
        for segment in path.into_iter().flat_map(|path| path.split('/')) {
            if matches!(segment, "" | "." | "..") {
                return Err(InvalidSpiffeId(
                    "its path has an empty, '.' or '..' segment",
                ));
            }
            // No percent-encoding, query or fragment (SPIFFE-ID 2.2).
            if !segment
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_'))
            {
                return Err(InvalidSpiffeId(
                    "its path has a character other than a letter, a digit, '.', '-' and '_'",
                ));
            }
        }
        Ok(Self(uri.to_owned()))
    }

    /// The whole URI.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The part that names who issued: everything between `spiffe://` and the path.
    #[must_use]
    pub fn trust_domain(&self) -> &str {
        let rest = &self.0["spiffe://".len()..];
        rest.split_once('/').map_or(rest, |(domain, _)| domain)
    }
}

impl SpiffeId {
    /// Whether it names a workload. Without a path it names the trust domain itself, that is its CAs, and the
    /// certificate of an end entity must not carry it (X509-SVID, 3.1).
    #[must_use]
    pub fn names_a_workload(&self) -> bool {
        self.0["spiffe://".len()..].contains('/')
    }

    /// A SPIFFE ID that a peer can have.
    pub(crate) fn parse_workload(uri: &str) -> Result<Self, InvalidSpiffeId> {
        let id = Self::parse(uri)?;
        match id.names_a_workload() {
            true => Ok(id),
            false => Err(InvalidSpiffeId(
                "it has no path, so it names a trust domain and no workload in it",
            )),
        }
    }
}

impl fmt::Display for SpiffeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The rule that a URI breaks; it follows the words "… is not a SPIFFE ID:".
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidSpiffeId(&'static str);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_workload_is_taken_apart() -> Result<(), InvalidSpiffeId> {
        let id = SpiffeId::parse("spiffe://microservices.dev/ns/Shop/order-1")?;
        assert_eq!(id.as_str(), "spiffe://microservices.dev/ns/Shop/order-1");
        assert_eq!(id.trust_domain(), "microservices.dev");
        assert_eq!(SpiffeId::parse("spiffe://dev")?.trust_domain(), "dev");
        Ok(())
    }

    #[test]
    fn a_trust_domain_is_a_spiffe_id_and_no_workload() -> Result<(), InvalidSpiffeId> {
        assert!(!SpiffeId::parse("spiffe://dev")?.names_a_workload());
        assert!(SpiffeId::parse("spiffe://dev/order")?.names_a_workload());
        let refusal = SpiffeId::parse_workload("spiffe://dev");
        assert_eq!(
            refusal.map_err(|error| error.to_string()),
            Err("it has no path, so it names a trust domain and no workload in it".to_owned())
        );
        Ok(())
    }

    #[test]
    fn what_the_standard_forbids_is_refused() {
        let long = format!("spiffe://a/{}", "x".repeat(2048));
        for (uri, rule) in [
            ("https://microservices.dev/order", "does not begin with"),
            ("SPIFFE://microservices.dev/order", "does not begin with"),
            ("spiffe:///order", "trust domain is empty"),
            (
                "spiffe://Microservices.dev/order",
                "trust domain has a character",
            ),
            ("spiffe://user@dev/order", "trust domain has a character"),
            ("spiffe://dev:443/order", "trust domain has a character"),
            ("spiffe://d%65v/order", "trust domain has a character"),
            ("spiffe://", "trust domain is empty"),
            ("spiffe:/dev/order", "does not begin with"),
            (" spiffe://dev/order", "does not begin with"),
            ("spiffe://dev/order\0", "path has a character"),
            ("spiffe://dev/\u{43e}rder", "path has a character"),
            ("spiffe://dev/", "empty, '.' or '..'"),
            ("spiffe://dev/order/", "empty, '.' or '..'"),
            ("spiffe://dev//order", "empty, '.' or '..'"),
            ("spiffe://dev/a/../order", "empty, '.' or '..'"),
            ("spiffe://dev/order?x=1", "path has a character"),
            ("spiffe://dev/order#x", "path has a character"),
            ("spiffe://dev/%6frder", "path has a character"),
            (long.as_str(), "longer than 2048"),
        ] {
            let refusal = SpiffeId::parse(uri).expect_err(uri).to_string();
            assert!(refusal.contains(rule), "{uri}: {refusal}");
        }
    }
}
