//! A CA below this one whose key is somebody else's: the request comes from where the key is, and only the certificate is
//! made here (RFC 5280 §3.2, "intermediate CA"). It keeps its own books; here it is one row of the index.

use std::path::Path;

use time::OffsetDateTime;

use super::{
    Authority, Draft, Generations, Issued, Order, Rehearsal, Role, Unlock, have_one_name, read_key,
};
use crate::{
    certificate::Certificate,
    distinguished_name::DistinguishedName,
    error::Error,
    folder,
    issuer::{Issuer, Refusal, Request, check_common_name, check_names},
    profile::Profile,
    subject_alt_name::GeneralName,
};

/// A CA that is to stand below another one.
#[derive(Clone, Debug)]
pub struct Subordinate<'a> {
    /// What a certificate of every kind needs. Its profile is [`Profile::Intermediate`], and it has no names.
    pub order: Order<'a>,
    /// How many CAs may stand below it.
    pub path_length: u8,
    /// The DNS domains that it is bound to; when there are none, those of the CA above.
    pub permitted_dns: &'a [String],
}

impl Authority {
    /// Opens the root below `dir`, which signs CAs also when it does not issue to end entities.
    pub fn open_root(dir: &Path, unlock: &mut Unlock<'_>) -> Result<Self, Error> {
        let (issuer, generations) = root_of(dir, unlock)?;
        let (index, taken_over) = generations.index_to_issue(issuer.certificate())?;
        Ok(Self {
            issuer,
            anchors: generations.anchors().into_iter().cloned().collect(),
            others: names_of(&generations),
            index: Some(index),
            dir: Some(dir.to_owned()),
            taken_over,
        })
    }

    /// Issues the certificate of a CA, as [`Authority::issue`] does that of an end entity.
    pub fn issue_subordinate(
        &self,
        wanted: &Subordinate<'_>,
        now: OffsetDateTime,
    ) -> Result<Issued, Error> {
        let domains = check(&self.issuer, &self.others, wanted)?;
        self.issue_request(wanted.order.name, &request(wanted, &domains), now)
    }
}

impl Rehearsal {
    /// The root below `dir`.
    pub fn open_root(dir: &Path, unlock: &mut Unlock<'_>) -> Result<Self, Error> {
        let (issuer, generations) = root_of(dir, unlock)?;
        let (index, taken_over) = generations.index_to_rehearse_issuing(issuer.certificate())?;
        Ok(Self {
            issuer,
            others: names_of(&generations),
            index: Some(index),
            taken_over,
        })
    }

    /// What [`Authority::issue_subordinate`] would issue.
    pub fn issue_subordinate(
        &self,
        wanted: &Subordinate<'_>,
        now: OffsetDateTime,
    ) -> Result<Draft, Error> {
        let domains = check(&self.issuer, &self.others, wanted)?;
        self.issue_request(&request(wanted, &domains), now)
    }
}

fn request<'a>(wanted: &Subordinate<'a>, domains: &'a [String]) -> Request<'a> {
    Request {
        path_length: wanted.path_length,
        permitted_dns: domains,
        ..wanted.order.request()
    }
}

/// The root with its key, and the CAs that are there beside it.
fn root_of(dir: &Path, unlock: &mut Unlock<'_>) -> Result<(Issuer, Generations), Error> {
    let mut generations = Generations::read(dir)?;
    let key = loop {
        let key = generations.folder().join(Role::Root.key_file());
        if !folder::is_there(&key)? {
            return Err(Error::RootKeyElsewhere(key));
        }
        let key = read_key(&key, unlock)?;
        // Another root may have taken over between the certificate and its key.
        let again = Generations::read(dir)?;
        if again == generations {
            break key;
        }
        generations = again;
    };
    let issuer = Issuer::new(generations.root()?.clone(), key, [])?;
    Ok((issuer, generations))
}

fn names_of(generations: &Generations) -> Vec<DistinguishedName> {
    let members = generations.members();
    members
        .map(|(_, certificate)| certificate.subject().clone())
        .collect()
}

/// What is asked of a CA beside what is asked of every certificate. Returns the domains that it is bound to.
fn check(
    issuer: &Issuer,
    others: &[DistinguishedName],
    wanted: &Subordinate<'_>,
) -> Result<Vec<String>, Refusal> {
    let order = &wanted.order;
    let chain = || std::iter::once(issuer.certificate()).chain(issuer.parents());
    if order.profile != Profile::Intermediate || !order.names.is_empty() {
        return Err(Refusal::NotASubordinate);
    }
    // Names are how certificates and CRLs find their CA (RFC 5280 §4.1.2.4): each has one of its own.
    let is_taken = chain()
        .map(Certificate::subject)
        .chain(others)
        .any(|taken| have_one_name(taken, order.subject));
    if is_taken {
        return Err(Refusal::NameTaken(order.subject.to_string()));
    }
    // §4.2.1.9: the CA itself is one below each CA above it, and so many may follow.
    let mut needed = 1 + u32::from(wanted.path_length);
    for above in chain() {
        let limit = above
            .basic_constraints
            .and_then(|constraints| constraints.path_length);
        if let Some(allowed) = limit.filter(|allowed| *allowed < needed) {
            return Err(Refusal::PathLength {
                subject: above.subject().to_string(),
                allowed,
                needed,
            });
        }
        needed += u32::from(!above.is_self_issued());
    }
    check_common_name(chain(), order.subject, order.names)?;
    let inherited = || {
        let nearest = chain().find_map(|above| {
            let domains = above.name_constraints.as_ref()?.permitted_dns();
            (!domains.is_empty()).then_some(domains)
        });
        nearest.into_iter().flatten().map(str::to_owned).collect()
    };
    if wanted.permitted_dns.is_empty() {
        return Ok(inherited());
    }
    let asked: Vec<_> = wanted
        .permitted_dns
        .iter()
        .map(|domain| domain.to_ascii_lowercase())
        .collect();
    let names: Vec<_> = asked.iter().cloned().map(GeneralName::Dns).collect();
    check_names(chain(), &DistinguishedName::empty(), &names)?;
    Ok(asked)
}
