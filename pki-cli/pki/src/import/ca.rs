//! A CA that was made elsewhere, taken over: its certificates, its keys, and its history.

use std::path::{Path, PathBuf};

use time::OffsetDateTime;

use super::{History, ImportRefused, Report};
use crate::{
    authority::{
        self, Authority, ISSUING_CERTIFICATE, ISSUING_KEY, ROOT_CERTIFICATE, ROOT_KEY, Unlock,
        pem_of, read_given_certificates,
    },
    certificate::Certificate,
    error::Error,
    folder::{self, Entry, Wait},
    index::{self, Foreign, Index},
    issuer::{Issuer, Notice, Refusal, check_fit},
    key::{KeyError, Passphrase, PrivateKey},
    path_validation,
    profile::Profile,
    revocation,
};

/// One CA's files.
#[derive(Clone, Debug)]
pub struct Source {
    /// Its certificate; those above it may follow in the file.
    pub certificate: PathBuf,
    /// Its key. Of a root that is above an issuing CA it may stay away.
    pub key: Option<PathBuf>,
    /// What it did.
    pub history: Option<History>,
}

/// What is to be taken over.
#[derive(Clone, Debug)]
pub struct Sources {
    /// The CA: a root, or an issuing CA whose root is in `chain`.
    pub ca: Source,
    /// The issuing CA below it.
    pub issuing: Option<Source>,
    /// Certificates above.
    pub chain: Option<PathBuf>,
    /// Take over also a CA that breaks a rule that its certificates will be refused for.
    pub allow_unfit: bool,
}

/// A CA that was checked and can be taken over.
#[derive(Debug)]
pub struct Takeover {
    root: Tier,
    issuing: Option<Tier>,
    notices: Vec<String>,
}

/// Called while rows are read, with their number.
pub type Told<'a> = dyn FnMut(usize) + 'a;

#[derive(Debug)]
struct Tier {
    certificate: Certificate,
    key: Option<(PrivateKey, Option<Passphrase>)>,
    history: Option<History>,
}

/// What was taken over, or would be.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ImportedAuthority {
    /// Where it is.
    pub folder: PathBuf,
    /// The root.
    pub root: Certificate,
    /// The issuing CA, unless the root issues itself.
    pub issuing: Option<Certificate>,
    /// What each CA did, by its name.
    pub histories: Vec<(String, Report)>,
    /// What the person should know.
    pub notices: Vec<String>,
}

impl Takeover {
    /// Reads certificates and keys, and checks that they are a CA that can go on.
    pub fn check(
        sources: Sources,
        unlock: &mut Unlock<'_>,
        now: OffsetDateTime,
    ) -> Result<Self, Error> {
        let (ca, mut others) = read_source(&sources.ca, unlock)?;
        Issuer::may_issue(&ca.certificate)?;
        if let Some(chain) = &sources.chain {
            others.extend(read_given_certificates(chain)?);
        }
        let (root, issuing) = match &sources.issuing {
            Some(issuing) => {
                if !ca.certificate.is_self_issued() {
                    return Err(no_root(&ca.certificate).into());
                }
                let (issuing, _) = read_source(issuing, unlock)?;
                (ca, Some(issuing))
            }
            None if ca.certificate.is_self_issued() => (ca, None),
            None => (root_above(&ca.certificate, others)?, Some(ca)),
        };
        let takeover = Self {
            root,
            issuing,
            notices: Vec::new(),
        };
        takeover.checked(sources.allow_unfit, now)
    }

    fn active(&self) -> &Tier {
        self.issuing.as_ref().unwrap_or(&self.root)
    }

    /// Every rule that issuing would ask for as well.
    fn checked(mut self, allow_unfit: bool, now: OffsetDateTime) -> Result<Self, Error> {
        let option = match &self.issuing {
            Some(_) => "--issuing-key",
            None => "--key",
        };
        let name = |tier: &Tier| tier.certificate.subject().to_string();
        if self.active().key.is_none() {
            return Err(ImportRefused::NoKey(name(self.active()), option).into());
        }
        for tier in self.tiers() {
            check_alone(tier, now)?;
        }
        if let Some(issuing) = &self.issuing {
            is_below(&issuing.certificate, &self.root.certificate)?;
        }
        let chain: Vec<&Certificate> = self
            .issuing
            .iter()
            .chain([&self.root])
            .map(|tier| &tier.certificate)
            .collect();
        match check_fit(&chain, now) {
            Ok(()) => {}
            // A CA whose time is over, or has not come, is of no use for anything.
            Err(refusal @ (Refusal::Expired { .. } | Refusal::NotYetValid { .. })) => {
                return Err(refusal.into());
            }
            Err(other) if allow_unfit => self.notices.push(format!(
                "It is taken over all the same, for its list and its CRLs; \"pki issue\" will refuse: {other}"
            )),
            Err(other) => return Err(ImportRefused::Unfit(other.to_string()).into()),
        }
        let unusual: Vec<_> = self
            .tiers()
            .filter_map(|tier| Notice::of_authority(&tier.certificate))
            .map(|notice| notice.to_string())
            .collect();
        self.notices.extend(unusual);
        let unfit: Vec<_> = self
            .tiers()
            .filter(|tier| Issuer::has_crl_sign(&tier.certificate).is_err())
            .map(|tier| {
                format!(
                    "The CA {:?} may not sign CRLs (its key usage lacks cRLSign), so what is revoked cannot be published by it.",
                    name(tier)
                )
            })
            .collect();
        self.notices.extend(unfit);
        if self.issuing.is_some() && self.root.key.is_none() {
            self.notices.push("The root's key was not given: it is needed for the root's own CRL and for another issuing CA, and may stay offline until then.".to_owned());
        }
        Ok(self)
    }

    /// Whether a key is in clear.
    pub fn has_clear_key(&self) -> bool {
        self.keys().any(|(_, passphrase)| passphrase.is_none())
    }

    /// Whether a key is encrypted.
    pub fn has_encrypted_key(&self) -> bool {
        self.keys().any(|(_, passphrase)| passphrase.is_some())
    }

    fn keys(&self) -> impl Iterator<Item = &(PrivateKey, Option<Passphrase>)> {
        self.tiers().filter_map(|tier| tier.key.as_ref())
    }

    /// The root, and the issuing CA below it.
    fn tiers(&self) -> impl Iterator<Item = &Tier> {
        std::iter::once(&self.root).chain(&self.issuing)
    }

    /// About how many rows there are to be read.
    pub fn rows(&self) -> usize {
        self.tiers()
            .filter_map(|tier| tier.history.as_ref())
            .map(History::rows)
            .sum()
    }

    /// Reads the histories and writes nothing. `told` is told how many rows were read.
    pub fn rehearse(&self, dir: &Path, told: &mut Told<'_>) -> Result<ImportedAuthority, Error> {
        let folder = dir.join(authority::FOLDER);
        if !folder::check_new(&folder)? {
            return Err(Authority::is_in_the_way(dir));
        }
        let mut read = 0;
        let mut count = |rows: &[super::history::Entry]| {
            read += rows.len();
            told(read);
            Ok(())
        };
        self.histories(&mut count, &mut |_, _| Ok(()))
            .map(|histories| self.imported(folder, histories))
    }

    /// Writes the CA below `dir`, whole or not at all. Keys that were encrypted stay so, under their passphrase; the
    /// others are encrypted when there is one in `passphrase`. `told` is told how many rows were read.
    pub fn write(
        &self,
        dir: &Path,
        passphrase: Option<&Passphrase>,
        now: OffsetDateTime,
        wait: &mut Wait<'_>,
        told: &mut Told<'_>,
    ) -> Result<ImportedAuthority, Error> {
        let folder = dir.join(authority::FOLDER);
        Authority::refuse_another(dir)?;
        let mut entries = Vec::new();
        let tiers = [
            (Some(&self.root), ROOT_CERTIFICATE, ROOT_KEY),
            (self.issuing.as_ref(), ISSUING_CERTIFICATE, ISSUING_KEY),
        ];
        for (tier, certificate, key) in tiers {
            let Some(tier) = tier else { continue };
            entries.push(Entry::public(certificate, tier.certificate.to_pem()));
            if let Some((private, own)) = &tier.key {
                let pem = pem_of(private, own.as_ref().or(passphrase))?;
                entries.push(Entry::private(key, pem.as_bytes()));
            }
        }
        let mut histories = None;
        let is_new = folder::create(&folder, wait, |folder| {
            let index = Index::draft(&folder.join(index::FILE))?;
            index.import(self.own_rows(), now)?;
            let mut count = 0;
            let read = self.histories(
                &mut |rows| {
                    index.import(rows.iter().map(super::history::Entry::foreign), now)?;
                    count += rows.len();
                    told(count);
                    Ok(())
                },
                &mut |issuer, used| Ok(index.raise_crl_number(issuer, used)?),
            )?;
            if let (Some(_), Some((key, _))) = (&self.issuing, &self.root.key) {
                let key = PrivateKey::read(pem_of(key, None)?.as_bytes(), None)?;
                let root = Issuer::new(self.root.certificate.clone(), key, [])?;
                // Whether somebody else's root is fit to sign one is asked when it is needed.
                let _ = revocation::sign_first(&index, &root, now);
            }
            index.close()?;
            folder::write_entries(folder, &entries)?;
            histories = Some(read);
            Ok(())
        })?;
        match histories {
            Some(histories) if is_new => Ok(self.imported(folder, histories)),
            _ => Err(Authority::is_in_the_way(dir)),
        }
    }

    /// The CA's own certificates, as the index has those of a CA that was made here.
    fn own_rows(&self) -> Vec<Foreign<'_>> {
        let mut rows = vec![own_row(&self.root, Profile::Root)];
        rows.extend(
            self.issuing
                .as_ref()
                .map(|issuing| own_row(issuing, Profile::Intermediate)),
        );
        rows
    }

    fn histories(
        &self,
        sink: &mut super::history::Sink<'_>,
        crl_number: &mut dyn FnMut(&str, u64) -> Result<(), Error>,
    ) -> Result<Vec<(String, Report)>, Error> {
        let mut histories = Vec::new();
        for tier in self.tiers() {
            let Some(history) = &tier.history else {
                continue;
            };
            let name = tier.certificate.subject().to_string();
            let report = history.read(&tier.certificate, sink)?;
            if let Some(used) = report.crl_number {
                crl_number(&name, used)?;
            }
            histories.push((name, report));
        }
        Ok(histories)
    }

    fn imported(&self, folder: PathBuf, histories: Vec<(String, Report)>) -> ImportedAuthority {
        ImportedAuthority {
            folder,
            root: self.root.certificate.clone(),
            issuing: self
                .issuing
                .as_ref()
                .map(|issuing| issuing.certificate.clone()),
            histories,
            notices: self.notices.clone(),
        }
    }
}

fn own_row(tier: &Tier, profile: Profile) -> Foreign<'_> {
    Foreign {
        name: Some(authority::FOLDER.to_owned()),
        profile: Some(profile),
        ..Foreign::from_certificate(&tier.certificate)
    }
}

fn read_source(
    source: &Source,
    unlock: &mut Unlock<'_>,
) -> Result<(Tier, Vec<Certificate>), Error> {
    let mut certificates = read_given_certificates(&source.certificate)?.into_iter();
    let Some(certificate) = certificates.next() else {
        return Err(Error::NoAuthority(source.certificate.clone()));
    };
    let key = match &source.key {
        Some(path) => Some(read_key(path, unlock)?),
        None => None,
    };
    let tier = Tier {
        certificate,
        key,
        history: source.history.clone(),
    };
    Ok((tier, certificates.collect()))
}

/// The key, and the passphrase under which it was, so that it stays so.
fn read_key(
    path: &Path,
    unlock: &mut Unlock<'_>,
) -> Result<(PrivateKey, Option<Passphrase>), Error> {
    let bytes = folder::read_given(path)?;
    let failed = |reason| Error::KeyFile {
        path: path.to_owned(),
        reason,
    };
    match PrivateKey::read(&bytes, None) {
        Err(KeyError::Encrypted) => {
            let passphrase = unlock(path)?;
            let key = PrivateKey::read(&bytes, Some(&passphrase)).map_err(failed)?;
            Ok((key, Some(passphrase)))
        }
        other => Ok((other.map_err(failed)?, None)),
    }
}

fn no_root(certificate: &Certificate) -> ImportRefused {
    ImportRefused::NoRoot {
        subject: certificate.subject().to_string(),
        issuer: certificate.issuer().to_string(),
    }
}

/// The root of an issuing CA, among other certificates.
fn root_above(certificate: &Certificate, others: Vec<Certificate>) -> Result<Tier, Error> {
    let above = others
        .into_iter()
        .find(|other| certificate.names_as_issuer(other))
        .ok_or_else(|| no_root(certificate))?;
    if !above.is_self_issued() {
        return Err(ImportRefused::TooDeep(certificate.subject().to_string()).into());
    }
    Ok(Tier {
        certificate: above,
        key: None,
        history: None,
    })
}

/// What makes a certificate a CA, whatever stands above it.
fn check_alone(tier: &Tier, now: OffsetDateTime) -> Result<(), Error> {
    let certificate = &tier.certificate;
    let subject = || certificate.subject().to_string();
    if let Some((key, _)) = &tier.key
        && key.public() != certificate.public_key()
    {
        return Err(Refusal::KeyMismatch(subject()).into());
    }
    certificate.public_key().check_strength()?;
    Issuer::may_issue(certificate)?;
    if certificate.not_after() < now {
        return Err(Refusal::Expired {
            subject: subject(),
            not_after: crate::issuer::date(certificate.not_after()),
        }
        .into());
    }
    Ok(())
}

/// Whether the root signed the issuing CA.
fn is_below(issuing: &Certificate, root: &Certificate) -> Result<(), ImportRefused> {
    let refused = |reason: &str| ImportRefused::NotBelow {
        subject: issuing.subject().to_string(),
        root: root.subject().to_string(),
        reason: reason.to_owned(),
    };
    if !issuing.names_as_issuer(root) {
        return Err(refused("it names another issuer"));
    }
    let parsed = crate::parse::certificate::Certificate::from_der(issuing.der());
    let key = crate::parse::public_key::PublicKey::from_der(root.public_key().spki());
    let verdict = match (&parsed, &key) {
        (Ok(parsed), Ok(key)) => path_validation::verify_signature(
            key,
            &parsed.signature_algorithm,
            parsed.tbs,
            parsed.signature,
        ),
        _ => return Err(refused("it is not well-formed")),
    };
    match verdict {
        path_validation::SignatureVerdict::Wrong => {
            Err(refused("its signature was made with another key"))
        }
        _ => Ok(()),
    }
}
