//! Path validation by RFC 5280 section 6, with path building, strict by default.
//!
//! [`validate`] answers one [`Request`]: may this certificate be relied on, at this time, for this use, under these
//! trust anchors? It builds paths (`build`), asks of every certificate what the profile of section 4 asks (`profile`),
//! of the path what section 6.1 asks (`check`, `name_constraints`, `policies`), of the CRLs what section 6.3 asks
//! (`revocation`), and compares names by RFC 9525 (`names`). A refusal names the rule, the certificate, the clause and
//! the way out.
//!
//! The trust anchor is held to the same rules as every other certificate: an expired root, or one that says it is no
//! CA, ends the path. What it deliberately does not do: read files, the clock or the network. Nothing is fetched, and
//! what is unknown is refused.

mod build;
mod candidate;
mod check;
mod error;
pub(crate) mod name_constraints;
pub(crate) mod names;
mod policies;
mod profile;
mod request;
mod revocation;
mod rustls;
mod series;
mod signature;
#[cfg(test)]
pub(crate) mod tests;

pub use error::{FailureKind, Position, Rejected};
pub use request::{ExpectedName, ExpectedNameError, Purpose, Request};
pub(crate) use revocation::judge as judge_crl;
pub(crate) use rustls::read_crl;
pub use rustls::rustls_verdict;
pub(crate) use series::Series;
pub(crate) use signature::{SignatureVerdict, unfit, verify_signature};

use build::{Pool, Search, Signatures, Work};
use candidate::Candidate;
use profile::Role;

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
    validate_within(request, &mut Work::new())
}

fn validate_within(request: &Request<'_>, work: &mut Work) -> Result<Accepted, Rejected> {
    validate_in(
        request,
        &Pool::new(request),
        &mut Signatures::default(),
        work,
    )
}

/// `pool` was made of the same trust anchors and intermediates as `request`; `signatures` are the leaf's.
fn validate_in<'a, 'c: 'a>(
    request: &Request<'a>,
    pool: &Pool<'c>,
    signatures: &mut Signatures,
    work: &mut Work,
) -> Result<Accepted, Rejected> {
    let leaf = Candidate::read(request.leaf)
        .map_err(|finding| finding.at(Position::Leaf, String::new()))?;
    let leaf = match request.trust.contains(&request.leaf) {
        true => leaf.trusted(),
        false => leaf,
    };
    check::validity(&leaf, request.time)
        .and_then(|()| profile::check(&leaf, Role::Leaf, work))
        .and_then(|()| check::purpose_of_leaf(&leaf, request.purpose))
        .and_then(|()| names::check(&leaf, &request.names))
        .map_err(|finding| finding.at(Position::Leaf, leaf.label()))?;
    let (lists, unreadable) =
        revocation::List::read_all(request.crls.as_deref().unwrap_or_default());
    let mut search = Search::new(request, pool, work);
    search.signatures = std::mem::take(signatures);
    let path = search.path(&leaf, &mut |path, work| {
        check::path(path, request, work)?;
        match request.crls {
            Some(_) => {
                let given = revocation::Given {
                    lists: &lists,
                    unreadable: &unreadable,
                    request,
                    pool,
                };
                revocation::check(path, given, work)
            }
            None => Ok(()),
        }
    });
    *signatures = search.signatures;
    let path = path?;
    let mut notices = Vec::new();
    if pool.unreadable > 0 {
        notices.push(format!(
            "{} of the certificates given cannot be read and were left out.",
            pool.unreadable
        ));
    }
    for node in &path {
        notices.extend(profile::notices(node.candidate));
    }
    if request.purpose.is_some() && leaf.extensions.extended_key_usage.is_none() {
        notices.push("The leaf has no extendedKeyUsage: it may be used for anything (RFC 5280 section 4.2.1.12).".to_owned());
    }
    Ok(Accepted {
        path: path
            .iter()
            .map(|node| node.candidate.certificate.raw.to_vec())
            .collect(),
        subjects: path.iter().map(|node| node.candidate.label()).collect(),
        notices,
    })
}
