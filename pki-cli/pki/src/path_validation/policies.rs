//! Certificate policies (RFC 5280 sections 6.1.3 (d) to (f), 6.1.4 (a), (b), (h) to (j), and 6.1.5).
//!
//! The constraints of the trust anchor hold for everything below it, as do its path length and its names (RFC 5937).
//!
//! The caller accepts any policy, so the question is only whether a path that demands an explicit policy has one. For
//! that it is enough to keep the policies that are expected of the next certificate: the leaves of the valid policy
//! tree, without the branches. This also takes away the exponential growth that RFC 9618 describes.

use std::collections::BTreeSet;

use super::{
    FailureKind,
    build::{Node, Work},
    candidate::Candidate,
    error::Finding,
};
use crate::parse::oid::{Oid, known};

pub(super) fn check(path: &[Node<'_, '_>], work: &mut Work) -> Result<(), (usize, Finding)> {
    let certificates = &path[..path.len().saturating_sub(1)];
    let n = u64::try_from(certificates.len()).unwrap_or(u64::MAX);
    let mut state = State {
        expected: BTreeSet::from([known::ANY_POLICY]),
        explicit: n + 1,
        inhibit_any: n + 1,
        mapping: n + 1,
    };
    if let Some(anchor) = path.last() {
        state.limit(anchor.candidate);
    }
    for (at, node) in certificates.iter().enumerate().rev() {
        let is_last = at == 0;
        // What the certificate says is looked at once, and what is expected may be copied.
        let extensions = &node.candidate.extensions;
        let policies = extensions.policies.as_ref().map_or(0, Vec::len);
        let mappings = extensions.policy_mappings.as_ref().map_or(0, Vec::len);
        work.process_policies(policies + mappings + state.expected.len())
            .map_err(|finding| (at, finding))?;
        state.process(node.candidate, is_last);
        if is_last {
            state.wrap_up(node.candidate);
        }
        if state.explicit == 0 && state.expected.is_empty() {
            return Err((
                at,
                Finding::new(
                    FailureKind::Policy,
                    "RFC 5280 section 6.1.3 (f)",
                    "a CA above it demands a certificate policy, and none is valid on this path",
                    "use a certificate that was issued under a policy of that CA",
                ),
            ));
        }
        if !is_last {
            state
                .prepare(node.candidate)
                .map_err(|finding| (at, finding))?;
        }
    }
    Ok(())
}

struct State<'a> {
    /// The valid policies that the next certificate may assert; empty is the NULL tree.
    expected: BTreeSet<Oid<'a>>,
    explicit: u64,
    inhibit_any: u64,
    mapping: u64,
}

impl<'a> State<'a> {
    /// Section 6.1.3 (d) and (e).
    fn process(&mut self, candidate: &Candidate<'a>, is_last: bool) {
        let any_is_expected = self.expected.contains(&known::ANY_POLICY);
        let mut valid = BTreeSet::new();
        for policy in candidate.extensions.policies.iter().flatten() {
            if policy.oid != known::ANY_POLICY {
                if any_is_expected || self.expected.contains(&policy.oid) {
                    valid.insert(policy.oid);
                }
            } else if self.inhibit_any > 0 || (!is_last && candidate.is_self_issued()) {
                valid.extend(self.expected.iter().copied());
            }
        }
        self.expected = valid;
    }

    /// Section 6.1.4 (a), (b) and (h) to (j).
    fn prepare(&mut self, candidate: &Candidate<'a>) -> Result<(), Finding> {
        let mappings = candidate
            .extensions
            .policy_mappings
            .as_deref()
            .unwrap_or_default();
        if mappings
            .iter()
            .any(|(from, to)| *from == known::ANY_POLICY || *to == known::ANY_POLICY)
        {
            return Err(Finding::profile(
                "RFC 5280 section 6.1.4 (a)",
                "it maps anyPolicy to or from another policy",
            ));
        }
        let valid = self.expected.clone();
        for (from, _) in mappings {
            self.expected.remove(from);
        }
        if self.mapping > 0 {
            let any = valid.contains(&known::ANY_POLICY);
            self.expected.extend(
                mappings
                    .iter()
                    .filter(|(from, _)| any || valid.contains(from))
                    .map(|(_, to)| *to),
            );
        }
        if !candidate.is_self_issued() {
            for counter in [&mut self.explicit, &mut self.inhibit_any, &mut self.mapping] {
                *counter = counter.saturating_sub(1);
            }
        }
        self.limit(candidate);
        Ok(())
    }

    /// Section 6.1.4 (i) and (j).
    fn limit(&mut self, candidate: &Candidate<'a>) {
        let extensions = &candidate.extensions;
        for (counter, limit) in [
            (&mut self.explicit, extensions.require_explicit_policy),
            (&mut self.mapping, extensions.inhibit_policy_mapping),
            (&mut self.inhibit_any, extensions.inhibit_any_policy),
        ] {
            *counter = limit.map_or(*counter, |limit| limit.min(*counter));
        }
    }

    /// Section 6.1.5 (a) and (b).
    fn wrap_up(&mut self, candidate: &Candidate<'a>) {
        self.explicit = self.explicit.saturating_sub(1);
        if candidate.extensions.require_explicit_policy == Some(0) {
            self.explicit = 0;
        }
    }
}
