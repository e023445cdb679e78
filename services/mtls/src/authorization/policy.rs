//! The rules themselves: a pure decision over the path of a request and the names of its peer.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::dns_name::DnsName;
use crate::peer_identity::PeerIdentity;
use crate::spiffe_id::SpiffeId;

/// Who may call which method.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// By path as it stands in a request, `/package.Service/Method`.
    methods: HashMap<String, Callers>,
    /// By service, `package.Service`.
    services: HashMap<String, Callers>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Callers {
    /// Every peer that showed a valid certificate.
    EveryPeer,
    /// Those who have one of these names.
    Named(BTreeSet<Caller>),
}

/// A name with its kind. What a certificate has as a DNS name is compared with DNS names only, and the SPIFFE ID with
/// SPIFFE IDs only: whoever may issue one kind must not be able to speak for the other.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Caller {
    SpiffeId(SpiffeId),
    DnsName(DnsName),
}

impl Caller {
    fn is(&self, peer: &PeerIdentity) -> bool {
        match self {
            Self::SpiffeId(id) => peer.spiffe_id() == Some(id),
            Self::DnsName(name) => peer.has_dns_name(name),
        }
    }
}

impl Policy {
    /// Reads rules: from `package.Service/Method` or `package.Service/*` to identities, each a SPIFFE ID or a DNS name.
    /// A SPIFFE ID allows whoever has it as the one URI of the certificate, a DNS name whoever has it as a DNS name, in
    /// whatever case; a wildcard in a certificate allows nothing.
    ///
    /// # Errors
    /// [`PolicyError`] for a rule that could never match: a typing error must not silently mean "nobody".
    pub fn try_from_rules(rules: &BTreeMap<String, Vec<String>>) -> Result<Self, PolicyError> {
        let mut policy = Self::default();
        for (rule, identities) in rules {
            let callers = identities
                .iter()
                .map(|identity| parse_caller(rule, identity))
                .collect::<Result<BTreeSet<_>, _>>()?;
            policy.insert(rule, Callers::Named(callers))?;
        }
        Ok(policy)
    }

    /// Opens `rule` (`package.Service/Method` or `package.Service/*`) to every peer with a valid certificate, as health
    /// checks are. It replaces a rule of the same name.
    ///
    /// # Errors
    /// [`PolicyError::Rule`] when `rule` is neither form.
    pub fn with_every_peer(mut self, rule: &str) -> Result<Self, PolicyError> {
        self.insert(rule, Callers::EveryPeer)?;
        Ok(self)
    }

    /// Whether `peer` may call the method at `path` (`/package.Service/Method`).
    #[must_use]
    pub fn allows(&self, path: &str, peer: Option<&PeerIdentity>) -> bool {
        let service = path
            .strip_prefix('/')
            .and_then(|path| path.split_once('/'))
            .map(|(s, _)| s);
        let callers = self
            .methods
            .get(path)
            .or_else(|| service.and_then(|service| self.services.get(service)));
        match (callers, peer) {
            (Some(Callers::EveryPeer), Some(_)) => true,
            (Some(Callers::Named(callers)), Some(peer)) => {
                callers.iter().any(|caller| caller.is(peer))
            }
            (None, _) | (_, None) => false,
        }
    }

    fn insert(&mut self, rule: &str, callers: Callers) -> Result<(), PolicyError> {
        let wrong = || PolicyError::Rule {
            rule: rule.to_owned(),
        };
        let (service, method) = rule.split_once('/').ok_or_else(wrong)?;
        let is_name = |text: &str| {
            !text.is_empty()
                && text
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.'))
        };
        if !is_name(service) {
            return Err(wrong());
        }
        if method == "*" {
            self.services.insert(service.to_owned(), callers);
        } else if is_name(method) && !method.contains('.') {
            self.methods.insert(format!("/{rule}"), callers);
        } else {
            return Err(wrong());
        }
        Ok(())
    }
}

/// A rule that could never match.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PolicyError {
    /// The left side is not a method.
    #[error(
        "the rule {rule:?} names no method: write \"package.Service/Method\" or \"package.Service/*\""
    )]
    Rule {
        /// The rule.
        rule: String,
    },
    /// The right side has something that no certificate can have as a name.
    #[error(
        "the rule {rule:?} allows {identity:?}, which is not an identity ({reason}): write a SPIFFE ID such as \
         \"spiffe://example.dev/order\" or a DNS name without wildcard"
    )]
    Identity {
        /// The rule.
        rule: String,
        /// The identity.
        identity: String,
        /// What is wrong with it.
        reason: String,
    },
}

fn parse_caller(rule: &str, identity: &str) -> Result<Caller, PolicyError> {
    let wrong = |reason: String| PolicyError::Identity {
        rule: rule.to_owned(),
        identity: identity.to_owned(),
        reason,
    };
    if identity.contains("://") {
        SpiffeId::parse_workload(identity)
            .map(Caller::SpiffeId)
            .map_err(|error| wrong(error.to_string()))
    } else {
        DnsName::parse(identity)
            .map(Caller::DnsName)
            .map_err(|error| wrong(error.to_string()))
    }
}

#[cfg(test)]
#[path = "policy_tests.rs"]
mod tests;
