//! What would be issued: everything that can be refused is asked, and nothing is signed with a CA's key, nothing is
//! written, and no serial number is taken.

use std::path::Path;

use time::OffsetDateTime;

use super::{Authority, Created, FOLDER, NewAuthority, Order, Unlock, create::certify, key_of};
use crate::{
    certificate::Certificate,
    distinguished_name::DistinguishedName,
    error::Error,
    folder,
    index::Index,
    issuer::{Issuer, Notice, Request},
    key::Passphrase,
    serial_number::{Reserved, SerialNumber},
};

/// A CA that is asked what it would issue, and that cannot issue.
#[derive(Debug)]
pub struct Rehearsal {
    pub(super) issuer: Issuer,
    pub(super) others: Vec<DistinguishedName>,
    pub(super) index: Option<Index>,
    pub(super) taken_over: Vec<String>,
}

/// What a certificate would be. Its serial number and its signature are placeholders.
#[derive(Clone, Debug)]
pub struct Draft {
    /// The certificate.
    pub certificate: Certificate,
    /// What the person should know.
    pub notices: Vec<Notice>,
}

impl Rehearsal {
    /// The CA below `dir`: its key is opened and its index looked at, as when it issues.
    pub fn open(dir: &Path, unlock: &mut Unlock<'_>) -> Result<Self, Error> {
        let (issuer, generations) = key_of(dir, unlock)?;
        let (index, taken_over) = generations.index_to_rehearse_issuing(issuer.certificate())?;
        index.refuse_revoked(issuer.chain())?;
        Ok(Self {
            issuer,
            others: Vec::new(),
            index: Some(index),
            taken_over,
        })
    }

    /// A CA that lives elsewhere.
    pub fn elsewhere(
        certificate: &Path,
        key: &Path,
        unlock: &mut Unlock<'_>,
    ) -> Result<Self, Error> {
        let Authority { issuer, .. } = Authority::elsewhere(certificate, key, unlock)?;
        Ok(Self {
            issuer,
            others: Vec::new(),
            index: None,
            taken_over: Vec::new(),
        })
    }

    /// What the index lacks and would be taken over from `crl.pem`, in the sentences of [`Authority::taken_over`].
    pub fn taken_over(&self) -> &[String] {
        &self.taken_over
    }

    /// What [`Authority::issue`] would issue.
    pub fn issue(&self, order: &Order<'_>, now: OffsetDateTime) -> Result<Draft, Error> {
        self.issue_request(&order.request(), now)
    }

    pub(super) fn issue_request(
        &self,
        request: &Request<'_>,
        now: OffsetDateTime,
    ) -> Result<Draft, Error> {
        let prepared = self.issuer.prepare(request, now)?;
        // What reserving a serial number would refuse, in its order.
        if let Some(index) = &self.index {
            index.refuse_revoked(self.issuer.chain())?;
            index.refuse_compromised(request.public_key)?;
        }
        let mut notices = prepared.notices().to_vec();
        notices.extend(self.issuer.notices());
        Ok(Draft {
            certificate: prepared.draft().clone(),
            notices,
        })
    }

    /// What [`Authority::create`] would make. The keys are thrown away.
    pub fn create(
        dir: &Path,
        new: &NewAuthority,
        passphrase: Option<&Passphrase>,
        now: OffsetDateTime,
    ) -> Result<Created, Error> {
        let folder = dir.join(FOLDER);
        Authority::refuse_another(dir)?;
        if !folder::check_new(&folder)? {
            return Err(Authority::is_in_the_way(dir));
        }
        let made = certify(new, passphrase, now, &mut |prepared, _| {
            prepared.issue(Reserved::without_index(SerialNumber::random()?))
        })?;
        Ok(Created {
            folder,
            root: made.root,
            issuing: made.issuing,
            notices: made.notices,
        })
    }
}
