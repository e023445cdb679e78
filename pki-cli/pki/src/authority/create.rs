//! A new CA.

use std::path::{Path, PathBuf};

use time::OffsetDateTime;

use super::{
    Authority, FOLDER, ISSUING_CERTIFICATE, ISSUING_KEY, ROOT_CERTIFICATE, ROOT_KEY, have_one_name,
    issue_recorded, pem_of, validate,
};
use crate::{
    certificate::Certificate,
    distinguished_name::DistinguishedName,
    error::Error,
    folder::{self, Entry, Wait},
    index::{self, Index},
    issuer::{Issuer, Notice, Prepared, Refusal, Request},
    key::{KeyAlgorithm, KeyError, Passphrase, PrivateKey},
    profile::Profile,
};

/// What a new CA is to be.
#[derive(Clone, Debug)]
pub struct NewAuthority {
    /// The root's subject.
    pub subject: DistinguishedName,
    /// The issuing CA's subject; `None` for a root that issues itself.
    pub issuing_subject: Option<DistinguishedName>,
    /// The keys of both.
    pub key: KeyAlgorithm,
    /// The root's validity.
    pub days: u32,
    /// The issuing CA's validity, clamped to the root's.
    pub issuing_days: u32,
    /// The DNS domains that the CA is bound to.
    pub permitted_dns: Vec<String>,
}

/// The certificates of a CA that was just made.
#[derive(Clone, Debug)]
pub struct Created {
    /// Where it is.
    pub folder: PathBuf,
    /// The root.
    pub root: Certificate,
    /// The issuing CA, unless the root issues itself.
    pub issuing: Option<Certificate>,
    /// What the person should know.
    pub notices: Vec<Notice>,
}

impl Authority {
    /// Makes a new CA below `dir`. The folder appears complete or not at all, and an existing one is never touched.
    pub fn create(
        dir: &Path,
        new: &NewAuthority,
        passphrase: Option<&Passphrase>,
        now: OffsetDateTime,
        wait: &mut Wait<'_>,
    ) -> Result<Created, Error> {
        Self::create_with(dir, new, &mut PrivateKey::generate, passphrase, now, wait)
    }

    /// The same with keys that are made, or were made before, by `generate`.
    pub fn create_with(
        dir: &Path,
        new: &NewAuthority,
        generate: &mut dyn FnMut(KeyAlgorithm) -> Result<PrivateKey, KeyError>,
        passphrase: Option<&Passphrase>,
        now: OffsetDateTime,
        wait: &mut Wait<'_>,
    ) -> Result<Created, Error> {
        let folder = dir.join(FOLDER);
        if Self::exists(dir) {
            return Err(Error::AuthorityExists(folder));
        }
        if let Some(issuing) = &new.issuing_subject
            && have_one_name(issuing, &new.subject)
        {
            return Err(Refusal::SameName(new.subject.to_string()).into());
        }
        // Everything that takes long or can be refused comes before the first file.
        let root_key = generate(new.key)?;
        let root_public_key = root_key.public().clone();
        let root_request = Request {
            profile: Profile::Root,
            subject: &new.subject,
            names: &[],
            public_key: &root_public_key,
            days: new.days,
            path_length: new.issuing_subject.is_some().into(),
            permitted_dns: &new.permitted_dns,
        };
        let issuing_key = match new.issuing_subject {
            Some(_) => Some(generate(new.key)?),
            None => None,
        };
        let mut created = None;
        let is_new = folder::create(&folder, wait, |folder| {
            let index = Index::create(&folder.join(index::FILE))?;
            let prepared = Prepared::root(&root_key, &root_request, now)?;
            let root = issue_recorded(&index, prepared, &root_request, &new.subject, now)?;
            let mut notices = Vec::new();
            let mut entries = vec![
                Entry::public(ROOT_CERTIFICATE, root.to_pem()),
                Entry::private(ROOT_KEY, pem_of(&root_key, passphrase)?.as_bytes()),
            ];
            let mut issuing = None;
            if let (Some(subject), Some(key)) = (&new.issuing_subject, &issuing_key) {
                let issuer = Issuer::new(root.clone(), root_key, [])?;
                let request = Request {
                    profile: Profile::Intermediate,
                    subject,
                    names: &[],
                    public_key: key.public(),
                    days: new.issuing_days,
                    path_length: 0,
                    permitted_dns: &new.permitted_dns,
                };
                let prepared = issuer.prepare(&request, now)?;
                notices.extend_from_slice(prepared.notices());
                let certificate = issue_recorded(&index, prepared, &request, &new.subject, now)?;
                validate(&certificate, &[], &root, None, now)?;
                entries.push(Entry::public(ISSUING_CERTIFICATE, certificate.to_pem()));
                entries.push(Entry::private(
                    ISSUING_KEY,
                    pem_of(key, passphrase)?.as_bytes(),
                ));
                issuing = Some(certificate);
            }
            index.close()?;
            folder::write_entries(folder, &entries)?;
            created = Some((root, issuing, notices));
            Ok(())
        })?;
        match created {
            Some((root, issuing, notices)) if is_new => Ok(Created {
                folder,
                root,
                issuing,
                notices,
            }),
            _ => Err(Error::AuthorityExists(folder)),
        }
    }
}
