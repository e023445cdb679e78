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
    folder::{self, Entry, FolderError, Wait},
    index::{self, Index},
    issuer::{Issuer, Notice, Prepared, Refusal, Request},
    key::{KeyAlgorithm, KeyError, Passphrase, PrivateKey},
    profile::Profile,
    revocation,
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
        generate: &mut Generate<'_>,
        passphrase: Option<&Passphrase>,
        now: OffsetDateTime,
        wait: &mut Wait<'_>,
    ) -> Result<Created, Error> {
        let folder = dir.join(FOLDER);
        Self::refuse_another(dir)?;
        let mut created = None;
        // The keys first: they may take seconds, and nobody should wait for the folder meanwhile.
        let keys = Keys::generate(new, generate)?;
        let is_new = folder::create(&folder, wait, |folder| {
            let index = Index::draft(&folder.join(index::FILE))?;
            let made = keys.certify(new, passphrase, now, &mut |prepared, request| {
                issue_recorded(&index, prepared, request, &new.subject, now)
            })?;
            if let Some(root) = &made.root_issuer {
                revocation::sign_first(&index, root, now)?;
            }
            index.close()?;
            folder::write_entries(folder, &made.entries)?;
            created = Some(made);
            Ok(())
        })?;
        match created {
            Some(made) if is_new => Ok(Created {
                folder,
                root: made.root,
                issuing: made.issuing,
                notices: made.notices,
            }),
            _ => Err(Self::is_in_the_way(dir)),
        }
    }

    /// What is where a CA should appear: another one, or something else.
    pub(crate) fn is_in_the_way(dir: &Path) -> Error {
        match Self::refuse_another(dir) {
            Err(error) => error,
            Ok(()) => FolderError::NotEmpty(dir.join(FOLDER)).into(),
        }
    }
}

/// The keys of a new CA.
struct Keys {
    root: PrivateKey,
    issuing: Option<PrivateKey>,
}

/// The certificates of a new CA, and the files that hold them and their keys.
pub(super) struct Made {
    pub(super) root: Certificate,
    pub(super) issuing: Option<Certificate>,
    pub(super) notices: Vec<Notice>,
    /// The root with its key, when it certifies CAs only.
    root_issuer: Option<Issuer>,
    entries: Vec<Entry>,
}

/// How a key is made.
type Generate<'a> = dyn FnMut(KeyAlgorithm) -> Result<PrivateKey, KeyError> + 'a;
/// How a certificate gets its serial number and its signature.
type Sign<'a> = dyn FnMut(Prepared<'_>, &Request<'_>) -> Result<Certificate, Error> + 'a;

/// Makes the keys of a new CA and their certificates.
pub(super) fn certify(
    new: &NewAuthority,
    passphrase: Option<&Passphrase>,
    now: OffsetDateTime,
    sign: &mut Sign<'_>,
) -> Result<Made, Error> {
    Keys::generate(new, &mut PrivateKey::generate)?.certify(new, passphrase, now, sign)
}

impl Keys {
    fn generate(new: &NewAuthority, generate: &mut Generate<'_>) -> Result<Self, Error> {
        if let Some(issuing) = &new.issuing_subject
            && have_one_name(issuing, &new.subject)
        {
            return Err(Refusal::SameName(new.subject.to_string()).into());
        }
        Ok(Self {
            root: generate(new.key)?,
            issuing: match new.issuing_subject {
                Some(_) => Some(generate(new.key)?),
                None => None,
            },
        })
    }

    fn certify(
        self,
        new: &NewAuthority,
        passphrase: Option<&Passphrase>,
        now: OffsetDateTime,
        sign: &mut Sign<'_>,
    ) -> Result<Made, Error> {
        let root_public_key = self.root.public().clone();
        let root_request = Request {
            profile: Profile::Root,
            subject: &new.subject,
            names: &[],
            public_key: &root_public_key,
            days: new.days,
            path_length: new.issuing_subject.is_some().into(),
            permitted_dns: &new.permitted_dns,
        };
        let prepared = Prepared::root(&self.root, &root_request, now)?;
        let root = sign(prepared, &root_request)?;
        let mut made = Made {
            entries: vec![
                Entry::public(ROOT_CERTIFICATE, root.to_pem()),
                Entry::private(ROOT_KEY, pem_of(&self.root, passphrase)?.as_bytes()),
            ],
            root,
            issuing: None,
            notices: Vec::new(),
            root_issuer: None,
        };
        let (Some(subject), Some(key)) = (&new.issuing_subject, &self.issuing) else {
            return Ok(made);
        };
        let issuer = Issuer::new(made.root.clone(), self.root, [])?;
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
        made.notices.extend_from_slice(prepared.notices());
        let certificate = sign(prepared, &request)?;
        validate(&certificate, &[], &made.root, None, now)?;
        made.entries
            .push(Entry::public(ISSUING_CERTIFICATE, certificate.to_pem()));
        made.entries.push(Entry::private(
            ISSUING_KEY,
            pem_of(key, passphrase)?.as_bytes(),
        ));
        made.issuing = Some(certificate);
        made.root_issuer = Some(issuer);
        Ok(made)
    }
}
