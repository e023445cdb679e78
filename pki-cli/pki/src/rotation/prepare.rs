//! The first stage: the next CA is made, and is put beside the one that issues.

use std::path::Path;

use time::OffsetDateTime;

use super::{RotationRefused, days_of, half_life, lock};
use crate::{
    authority::{
        Generations, Role, Stage, Unlock, issue_recorded, pem_of, read_key, successor, validate,
    },
    certificate::Certificate,
    distinguished_name::DistinguishedName,
    error::Error,
    folder::{Entry, Wait, is_there, read_if_there},
    issuer::{Issuer, Notice, Prepared as ReadyToSign, Request, date},
    key::{KeyAlgorithm, KeyError, Passphrase, PrivateKey},
    profile::Profile,
    revocation,
};

/// How the next CA is to be.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wish {
    /// Replace the root as well.
    pub root: bool,
    /// Do not wait for half of the life.
    pub early: bool,
    /// The validity of the CA that is to issue, in days; that of its forerunner when nothing is said.
    pub days: Option<u32>,
    /// The keys; of the kind of their forerunners when nothing is said.
    pub key: Option<KeyAlgorithm>,
    /// Do without extensions that no CA is given here.
    pub allow_dropped: bool,
}

/// What was prepared.
#[derive(Clone, Debug)]
pub struct Prepared {
    /// The CAs that were made; none when they were there.
    pub made: Vec<Made>,
    /// What the index lacked and was taken over from `crl.pem`, in sentences.
    pub taken_over: Vec<String>,
}

/// A CA that was made.
#[derive(Clone, Debug)]
pub struct Made {
    /// What it is to be.
    pub role: Role,
    /// Its certificate.
    pub certificate: Certificate,
    /// What the person should know.
    pub notices: Vec<Notice>,
}

/// What a CA hands on to its successor.
struct Blueprint {
    subject: DistinguishedName,
    key: PrivateKey,
    days: u32,
    path_length: u8,
    permitted_dns: Vec<String>,
}

/// Makes the next CA below `dir`, unless it is there. Nothing is issued by it yet.
pub fn prepare(
    dir: &Path,
    wish: &Wish,
    unlock: &mut Unlock<'_>,
    now: OffsetDateTime,
    wait: &mut Wait<'_>,
) -> Result<Prepared, Error> {
    let before = Generations::read(dir)?;
    let (index, taken_over) = before.index_to_rotate()?;
    let done = Prepared {
        made: Vec::new(),
        taken_over,
    };
    // One that is revoked issues nothing any more, so nothing is waited for.
    let is_revoked = index.is_revoked(before.issuer()?)?;
    let begin = Wish {
        early: wish.early || is_revoked,
        ..*wish
    };
    if !may_begin(&before, &begin, now)? {
        return Ok(done);
    }
    let is_single = before.get(Role::Issuing).is_none();
    let replaces_root = is_single || wish.root;
    // Everything that takes long, asks a person or can be refused comes before the lock.
    let passphrase = passphrase(&before, unlock)?;
    let signer = match replaces_root {
        true => None,
        false => Some(root_key(&before, unlock)?),
    };
    let mut taken: Vec<_> = before
        .members()
        .map(|(_, certificate)| certificate.subject().clone())
        .collect();
    // Whoever once signed anything keeps its name: the index knows issuers by it.
    let issuers = index.issuers()?;
    taken.extend(
        issuers
            .iter()
            .filter_map(|name| DistinguishedName::parse(name).ok()),
    );
    let mut blueprint = |forerunner: &Certificate, days: Option<u32>| {
        let made = Blueprint::of(forerunner, days, wish, &taken)?;
        taken.push(made.subject.clone());
        Ok::<_, Error>(made)
    };
    let root = match replaces_root {
        true => {
            let days = wish.days.filter(|_| is_single);
            Some(blueprint(before.root()?, days)?)
        }
        false => None,
    };
    let issuing = match before.get(Role::Issuing) {
        Some(forerunner) => Some(blueprint(forerunner, wish.days)?),
        None => None,
    };

    let folder = lock(dir, wait)?;
    let present = Generations::read(dir)?;
    if present != before {
        // Another run did it in the meantime, or a stage of it.
        may_begin(
            &present,
            &Wish {
                early: true,
                ..*wish
            },
            now,
        )?;
        return Ok(done);
    }
    let mut made = Vec::new();
    let mut entries = Vec::new();
    let (root_certificate, signer) = match (root, signer) {
        (Some(plan), _) => {
            let request = plan.request(Profile::Root);
            let ready = ReadyToSign::root(&plan.key, &request, now)?;
            let notices = ready.notices().to_vec();
            let certificate = issue_recorded(&index, ready, &request, &plan.subject, now)?;
            validate(&certificate, &[], &certificate, None, now)?;
            entries.extend(plan.entries(Role::NextRoot, &certificate, passphrase.as_ref())?);
            made.push(Made {
                role: Role::NextRoot,
                certificate: certificate.clone(),
                notices,
            });
            (certificate, plan.key)
        }
        (None, Some(key)) => (present.root()?.clone(), key),
        (None, None) => return Ok(done),
    };
    if let Some(plan) = issuing {
        let issuer = Issuer::new(root_certificate.clone(), signer, [])?;
        let request = plan.request(Profile::Intermediate);
        let ready = issuer.prepare(&request, now)?;
        let notices = ready.notices().to_vec();
        let by = root_certificate.subject();
        let certificate = issue_recorded(&index, ready, &request, by, now)?;
        validate(&certificate, &[], &root_certificate, None, now)?;
        revocation::sign_first(&index, &issuer, now)?;
        entries.extend(plan.entries(Role::Next, &certificate, passphrase.as_ref())?);
        made.push(Made {
            role: Role::Next,
            certificate,
            notices,
        });
    }
    folder.replace(&entries, &[])?;
    Ok(Prepared { made, ..done })
}

/// Whether the next CA is to be made; it is there already when not.
fn may_begin(generations: &Generations, wish: &Wish, now: OffsetDateTime) -> Result<bool, Error> {
    match (generations.stage(), generations.previous_issuer()) {
        (Stage::Prepared, _) => return Ok(false),
        (_, Some(previous)) => {
            let name = previous.subject().to_string();
            return Err(RotationRefused::Unfinished(name).into());
        }
        _ => {}
    }
    let replaced = match wish.root {
        true => generations.root()?,
        false => generations.issuer()?,
    };
    let due = half_life(replaced);
    if now < due && !wish.early {
        return Err(RotationRefused::TooEarly {
            name: replaced.subject().to_string(),
            due: date(due),
        }
        .into());
    }
    Ok(true)
}

/// New keys are encrypted as the present ones are, under the same passphrase: the issuing CA's, or else the root's.
fn passphrase(
    generations: &Generations,
    unlock: &mut Unlock<'_>,
) -> Result<Option<Passphrase>, Error> {
    for role in [generations.issuing_role(), Role::Root] {
        let path = generations.folder().join(role.key_file());
        let Some(bytes) = read_if_there(&path)? else {
            continue;
        };
        let Err(KeyError::Encrypted) = PrivateKey::read(&bytes, None) else {
            continue;
        };
        let passphrase = unlock(&path)?;
        // One that does not open the present key is a slip of the finger, and would lock the next one for ever.
        PrivateKey::read(&bytes, Some(&passphrase))
            .map_err(|reason| Error::KeyFile { path, reason })?;
        return Ok(Some(passphrase));
    }
    Ok(None)
}

fn root_key(generations: &Generations, unlock: &mut Unlock<'_>) -> Result<PrivateKey, Error> {
    let path = generations.folder().join(Role::Root.key_file());
    if !is_there(&path)? {
        return Err(RotationRefused::RootKeyElsewhere(path).into());
    }
    read_key(&path, unlock)
}

impl Blueprint {
    fn of(
        forerunner: &Certificate,
        days: Option<u32>,
        wish: &Wish,
        taken: &[DistinguishedName],
    ) -> Result<Self, Error> {
        let refuse = |what: String| RotationRefused::NotCarriedOver {
            name: forerunner.subject().to_string(),
            what,
        };
        let constraints = forerunner.name_constraints.as_ref();
        let dropped = forerunner
            .extensions
            .iter()
            .map(|(oid, _)| oid)
            .find(|oid| !Profile::Root.gives(oid));
        if !wish.allow_dropped {
            if let Some(oid) = dropped {
                return Err(refuse(format!("the extension {oid}")).into());
            }
            if constraints.is_some_and(|constraints| !constraints.are_permitted_dns_only()) {
                let what = "name constraints on other names than permitted DNS names";
                return Err(refuse(what.to_owned()).into());
            }
        }
        let present = forerunner.public_key();
        let same = KeyAlgorithm::ALL
            .into_iter()
            .find(|kind| kind.makes(present));
        let Some(kind) = wish.key.or(same) else {
            return Err(refuse(format!("a key of a kind that is not made here ({present}), unless another kind is asked for with --key")).into());
        };
        let needed = u8::from(forerunner.is_self_issued());
        let path_length = forerunner
            .basic_constraints
            .and_then(|constraints| constraints.path_length)
            .and_then(|length| u8::try_from(length).ok());
        Ok(Self {
            subject: successor(forerunner.subject(), taken)?,
            key: PrivateKey::generate(kind)?,
            days: days.unwrap_or_else(|| days_of(forerunner)),
            // One without a limit gets the one that it needs.
            path_length: path_length.unwrap_or(needed),
            permitted_dns: constraints
                .map(|constraints| constraints.permitted_dns())
                .unwrap_or_default()
                .into_iter()
                .map(str::to_owned)
                .collect(),
        })
    }

    fn request(&self, profile: Profile) -> Request<'_> {
        Request {
            profile,
            subject: &self.subject,
            names: &[],
            public_key: self.key.public(),
            days: self.days,
            path_length: self.path_length,
            permitted_dns: &self.permitted_dns,
        }
    }

    fn entries(
        &self,
        role: Role,
        certificate: &Certificate,
        passphrase: Option<&Passphrase>,
    ) -> Result<[Entry; 2], Error> {
        let key = pem_of(&self.key, passphrase)?;
        Ok([
            Entry::public(role.certificate_file(), certificate.to_pem()),
            Entry::private(role.key_file(), key.as_bytes()),
        ])
    }
}
