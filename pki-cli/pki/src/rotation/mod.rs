//! Rotation: another CA takes the place of the one that issues, and no service notices.
//!
//! 1. *Prepare*: the next CA is made, under the next generation's name and signed by the root, and everybody is made to
//!    trust it: its root, if that is a new one, stands in every `ca.crt`, its CRL in every `crl.pem`. It issues nothing.
//! 2. *Activate*: from now on it issues. Whoever is issued to anew presents its certificates; the others go on with those
//!    of the previous CA, which everybody trusts as before.
//! 3. *Retire*: once no certificate of the previous CA is valid any more, it is trusted no longer.
//!
//! Each stage changes the CA's folder by one exchange of its files, under the folder's lock. Which files are there is the
//! stage ([`Generations`]), so a process that dies leaves the stage before or the one after, and the plain retry goes on
//! from there. What lies in other folders follows, one folder after the other, and is made up for by the next run.
//!
//! RFC 4210 §4.4 replaces a root by certificates that the old and the new key give each other. Here both roots are given to
//! everybody who trusts them, which needs nothing from verifiers, and leaves nothing that the old key vouches for.

mod activate;
mod prepare;
mod refused;
mod retire;
#[cfg(test)]
mod tests;
mod trust;

use std::{collections::HashSet, path::Path};

use time::{Duration, OffsetDateTime};

pub use activate::{Activated, activate};
pub use prepare::{Made, Prepared, Wish, prepare};
pub use refused::RotationRefused;
pub use retire::{Retired, retire};
pub(crate) use trust::{Difference, difference};
pub use trust::{Lacking, Spread, lacking, spread};

use crate::{
    authority::{FOLDER, Generations, Role, Stage},
    certificate::Certificate,
    error::Error,
    folder::{Folder, Wait},
    index::{Filter, Index, Row, Status},
    issuer::BACKDATE,
    profile::Profile,
};

/// How long everybody has to reload what a stage changed, before the next one is due by itself.
pub const SETTLING: Duration = Duration::days(1);

/// What is to be done next.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Step {
    /// Make the next CA.
    Prepare,
    /// Let it issue.
    Activate,
    /// Trust the previous one no longer.
    Retire,
}

/// How long a reserved serial number is taken for one under which a certificate is about to appear. Runs take minutes; the
/// reserved numbers of those that died are passed over after this.
const UNDER_WAY: Duration = Duration::HOUR;

impl Step {
    /// The step in a word, for people and JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Prepare => "prepare",
            Self::Activate => "activate",
            Self::Retire => "retire",
        }
    }
}

/// The certificates that are still valid of CAs that retire.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Living {
    /// How many.
    pub count: u64,
    /// How many of them have a successor of the same name.
    pub replaced: u64,
    /// How many of them are CAs of others.
    pub authorities: u64,
    /// The CAs that issued them.
    pub issuers: Vec<String>,
    /// When the last one ends.
    pub until: Option<OffsetDateTime>,
    /// The names of the first few, CAs before end entities.
    pub names: Vec<String>,
}

/// How a rotation stands, and what comes next.
#[derive(Clone, Debug)]
pub struct Outlook {
    /// The CAs.
    pub generations: Generations,
    /// What comes next.
    pub step: Step,
    /// When it is due.
    pub due: OffsetDateTime,
    /// Whether the next preparation replaces the root as well.
    pub is_root_due: bool,
    /// What the previous CA issued and is still valid.
    pub living: Living,
    /// The folders that do not trust what they should.
    pub lacking: Vec<Lacking>,
    /// What the index lacks and `crl.pem` tells of, in sentences: an older copy of it was brought back.
    pub taken_over: Vec<String>,
}

/// Opens the index of these CAs, with what it lacks and `crl.pem` tells of, in sentences.
type Open = fn(&Generations) -> Result<(Index, Vec<String>), Error>;

impl Outlook {
    /// Looks at the CA below `dir`, and changes nothing.
    pub fn of(dir: &Path, now: OffsetDateTime) -> Result<Self, Error> {
        Self::with(dir, now, |all| all.index_supposing(Index::open_to_read))
    }

    /// The same for whoever asks what a change would do: what would keep it from being done is refused.
    pub fn to_rehearse(dir: &Path, now: OffsetDateTime) -> Result<Self, Error> {
        Self::with(dir, now, |all| all.index_supposing(Index::open_to_rehearse))
    }

    /// The same for whoever is about to change something: where that is not possible it is said now.
    pub fn to_change(dir: &Path, now: OffsetDateTime) -> Result<Self, Error> {
        Self::with(dir, now, Generations::index_to_rotate)
    }

    fn with(dir: &Path, now: OffsetDateTime, open: Open) -> Result<Self, Error> {
        let generations = Generations::read(dir)?;
        let (index, taken_over) = open(&generations)?;
        let lacking = lacking(dir, &generations, &index)?;
        let living = living(&index, &generations, now)?;
        let is_root_due = half_life(generations.root()?) <= now;
        let (step, mut due) = next_step(&generations, &living, now)?;
        // What a revoked CA issues is accepted by nobody: its successor is needed now.
        if step != Step::Retire && index.is_revoked(generations.issuer()?)? {
            due = due.min(now);
        }
        index.still_stands()?;
        Ok(Self {
            generations,
            step,
            due,
            is_root_due,
            living,
            lacking,
            taken_over,
        })
    }
}

/// What comes next, and when.
fn next_step(
    generations: &Generations,
    living: &Living,
    now: OffsetDateTime,
) -> Result<(Step, OffsetDateTime), Error> {
    Ok(match (generations.stage(), generations.next_issuer()) {
        (Stage::Prepared, Some(next)) => (Step::Activate, made_at(next) + SETTLING),
        // Valid to the last second of the last one.
        (Stage::Active, _) => {
            let after = living.until.map(|until| until + Duration::SECOND);
            (Step::Retire, after.unwrap_or(now))
        }
        _ => {
            let issuer = half_life(generations.issuer()?);
            (Step::Prepare, issuer.min(half_life(generations.root()?)))
        }
    })
}

/// When half of the life of a CA is over: what it issues must have ended before it does, and so must what is issued until
/// its successor is trusted everywhere.
pub fn half_life(certificate: &Certificate) -> OffsetDateTime {
    let (begin, end) = (certificate.not_before(), certificate.not_after());
    begin + (end - begin) / 2
}

/// When a certificate was made; one that is as old as its CA was made a little earlier than this says.
fn made_at(certificate: &Certificate) -> OffsetDateTime {
    certificate.not_before() + BACKDATE
}

/// A lifetime in whole days, the nearest.
pub(crate) fn days_of(certificate: &Certificate) -> u32 {
    crate::renewal::days(certificate.not_after() - certificate.not_before())
}

pub(super) fn lock(dir: &Path, wait: &mut Wait<'_>) -> Result<Folder, Error> {
    Ok(Folder::lock_authority(&dir.join(FOLDER), wait)?)
}

fn is_authority(row: &Row) -> bool {
    [Profile::Root, Profile::Intermediate]
        .iter()
        .any(|profile| row.profile.as_deref() == Some(profile.name()))
}

/// Whether a row is that of a CA of this folder, whose generations replace each other. Another CA is somebody else's, signed
/// by the root here, and falls with it.
fn is_own_authority(row: &Row) -> bool {
    is_authority(row) && row.name.as_deref() == Some(FOLDER)
}

/// Hands every serial number to `take` that was reserved lately by a CA for somebody else, with the moment after which
/// nothing is expected of it any more.
fn under_way(
    index: &Index,
    issuer: &str,
    now: OffsetDateTime,
    mut take: impl FnMut(OffsetDateTime, Row),
) -> Result<(), Error> {
    index.each(&Filter::status(Status::Reserved), |row| {
        let until = row.reserved_at + UNDER_WAY;
        if row.issuer == issuer && until >= now && !is_own_authority(&row) {
            take(until, row);
        }
        Ok(())
    })
}

fn valid(issuer: &str, now: OffsetDateTime) -> Filter<'_> {
    Filter {
        status: Some(Status::Issued),
        issuer: Some(issuer),
        valid_at: Some(now),
        ..Filter::default()
    }
}

/// The certificates of the CAs that retire which are neither revoked nor over, and those that are just being made: what
/// the previous one issued to end entities, and, when a root goes as well, whatever that signed, the CAs of others among
/// it. What the present CAs issued replaces what has the same name.
fn living(index: &Index, generations: &Generations, now: OffsetDateTime) -> Result<Living, Error> {
    const EXAMPLES: usize = 3;
    let names_of = |roles: [Role; 2]| {
        let members = roles.into_iter().filter_map(|role| generations.get(role));
        let names: Vec<_> = members.map(|one| one.subject().to_string()).collect();
        names
    };
    let mut successors = HashSet::new();
    for name in names_of([Role::Issuing, Role::Root]) {
        index.each(&valid(&name, now), |row| {
            if !is_own_authority(&row) {
                successors.insert(row.name.unwrap_or(row.subject));
            }
            Ok::<_, Error>(())
        })?;
    }
    let mut living = Living::default();
    let mut end_entities = Vec::new();
    for issuer in names_of([Role::Previous, Role::PreviousRoot]) {
        let mut count = |until: Option<OffsetDateTime>, row: Row| {
            living.count += 1;
            living.until = living.until.max(until);
            if !living.issuers.contains(&row.issuer) {
                living.issuers.push(row.issuer.clone());
            }
            let is_authority = is_authority(&row);
            living.authorities += u64::from(is_authority);
            let name = row.name.unwrap_or(row.subject);
            living.replaced += u64::from(successors.contains(&name));
            let (examples, name) = match is_authority {
                true => (&mut living.names, format!("{name} (a CA)")),
                false => (&mut end_entities, name),
            };
            if examples.len() < EXAMPLES && !examples.contains(&name) {
                examples.push(name);
            }
        };
        index.each(&valid(&issuer, now), |row| {
            if !is_own_authority(&row) {
                count(row.not_after, row);
            }
            Ok::<_, Error>(())
        })?;
        under_way(index, &issuer, now, |until, row| count(Some(until), row))?;
    }
    // A CA stands for many.
    living.names.extend(end_entities);
    living.names.truncate(EXAMPLES);
    Ok(living)
}
