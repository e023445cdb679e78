//! Makes reality match a manifest. First the plan, which is the difference between the two and changes nothing; then
//! each step, looked at once more under the folder's lock, so that two runs at once do not issue twice.

use std::{
    collections::HashSet,
    path::{Path, PathBuf},
};

use time::{Duration, OffsetDateTime};

use crate::{
    authority::{self, Authority, Generations, Issued, NewAuthority, Role, is_generation_of},
    certificate::Certificate,
    certificate_revocation_list::serials,
    distinguished_name::DistinguishedName,
    error::Error,
    folder::{self, Entry as File, Folder, FolderError, Wait},
    index::{self, Index},
    issuer::{self, BACKDATE, Issuer, date},
    key::{KeyError, PrivateKey},
    manifest::{Entry, Manifest, ManifestError},
    path_validation::{self, Series},
    subject_alt_name::GeneralName,
    validity::in_days,
};

/// What would be done.
#[derive(Clone, Debug)]
pub struct Plan {
    /// To the CA.
    pub authority: AuthorityStep,
    /// To each certificate, in the order of the manifest.
    pub steps: Vec<Step>,
}

/// What would be done to the CA.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum AuthorityStep {
    /// There is none.
    Create,
    /// It is there; these are differences, which are not acted upon: a CA is not replaced in passing.
    Keep(Vec<String>),
}

/// One certificate of the plan.
#[derive(Clone, Debug)]
pub struct Step {
    /// The entry of the manifest.
    pub entry: Entry,
    /// What would be done.
    pub action: Action,
    /// Whether the key that is there is encrypted: then a new one is encrypted as well.
    pub is_encrypted: bool,
}

/// What would be done to a certificate.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Action {
    /// It is missing.
    Issue,
    /// It is there and is to be replaced, for these reasons.
    Replace(Vec<String>),
    /// It is as it should be; `ca.crt` beside it is not, and is to be, for these reasons.
    Trust(Vec<String>),
    /// It is as it should be, and is valid until then.
    Keep(OffsetDateTime),
}

/// Reasons that the index knows.
const REVOKED: &str = "revoked";
const COMPROMISED: &str = "its key is in other hands";

impl Action {
    /// Whether the index has to be asked whether the reasons hold still.
    fn is_by_index(&self) -> bool {
        let is_known = |reason: &String| reason == REVOKED || reason == COMPROMISED;
        matches!(self, Self::Replace(reasons) if reasons.iter().any(is_known))
    }

    fn makes_key(&self) -> bool {
        matches!(self, Self::Issue | Self::Replace(_))
    }
}

impl Plan {
    /// Compares a manifest with what is below `dir`.
    pub fn make(manifest: &Manifest, dir: &Path, now: OffsetDateTime) -> Result<Self, Error> {
        let present = if Authority::exists(dir) {
            Some(Generations::read(dir)?)
        } else {
            None
        };
        let chain = match &present {
            Some(generations) => Some(Chain {
                previous: generations.previous_issuer(),
                ..Chain::new(
                    generations.root()?,
                    generations.get(Role::Issuing),
                    generations.anchors(),
                    now,
                )
                .with_revoked(dir)?
                .with_index(dir)?
            }),
            None => None,
        };
        let authority = match &chain {
            None => AuthorityStep::Create,
            Some(chain) => AuthorityStep::Keep(chain.differences(&manifest.authority)),
        };
        // What does not hang on the entry is asked once for each profile.
        let mut fit = Vec::new();
        let mut check = |chain: &Chain<'_>, entry: &Entry| {
            if fit.is_empty() {
                let index = Index::open_to_read(&dir.join(authority::FOLDER).join(index::FILE))?;
                index.refuse_revoked(chain.certificates())?;
                index.still_stands()?;
            }
            if !fit.contains(&entry.profile) {
                issuer::check_above(&chain.certificates(), entry.profile, now)?;
                fit.push(entry.profile);
            }
            chain.check(entry, &manifest.path)
        };
        let steps = manifest
            .certificates
            .iter()
            .map(|entry| {
                let path = dir.join(&entry.name);
                let action = action(entry, &path, chain.as_ref(), now)?;
                if let Some(chain) = &chain
                    && action.makes_key()
                {
                    check(chain, entry)?;
                }
                Ok(Step {
                    entry: entry.clone(),
                    is_encrypted: action != Action::Issue && has_encrypted_key(&path)?,
                    action,
                })
            })
            .collect::<Result<_, Error>>()?;
        Ok(Self { authority, steps })
    }

    /// Whether reality matches already.
    pub fn is_empty(&self) -> bool {
        matches!(self.authority, AuthorityStep::Keep(_))
            && self
                .steps
                .iter()
                .all(|step| matches!(step.action, Action::Keep(_)))
    }

    /// Finishes what a process that died left in folders whose pair is kept. What somebody else is writing to is left to
    /// them.
    pub fn settle(&self, dir: &Path) -> Result<(), Error> {
        let kept = self.steps.iter().filter(|step| !step.makes_key());
        for path in kept.map(|step| dir.join(&step.entry.name)) {
            if folder::is_unsettled(&path) {
                match Folder::lock(&path, &mut || false) {
                    Ok(_) | Err(FolderError::Busy(_)) => {}
                    Err(error) => return Err(error.into()),
                }
            }
        }
        Ok(())
    }

    /// How many certificates would be issued, replaced and kept. One that is kept stays as it is, also when others are to
    /// be trusted beside it.
    pub fn counts(&self) -> (usize, usize, usize) {
        self.steps
            .iter()
            .fold((0, 0, 0), |(issue, replace, keep), step| {
                match step.action {
                    Action::Issue => (issue + 1, replace, keep),
                    Action::Replace(_) => (issue, replace + 1, keep),
                    Action::Trust(_) | Action::Keep(_) => (issue, replace, keep + 1),
                }
            })
    }

    /// In how many folders the trust would be renewed, and nothing else.
    pub fn trusts(&self) -> usize {
        let is_trust = |step: &&Step| matches!(step.action, Action::Trust(_));
        self.steps.iter().filter(is_trust).count()
    }
}

impl Step {
    /// Whether it is taken for a reason that the index knows.
    pub(crate) fn is_by_index(&self) -> bool {
        self.action.is_by_index()
    }

    /// Whether taking the step makes a key.
    pub fn makes_key(&self) -> bool {
        self.action.makes_key()
    }

    /// Renews the trust beside a certificate that stays: the roots of the CA below `dir`, and no others. `false` when
    /// there is nothing (left) to do.
    pub fn trust(
        &self,
        dir: &Path,
        now: OffsetDateTime,
        wait: &mut Wait<'_>,
    ) -> Result<bool, Error> {
        if !matches!(self.action, Action::Trust(_)) {
            return Ok(false);
        }
        let folder = Folder::lock(&dir.join(&self.entry.name), wait)?;
        let generations = Generations::read(dir)?;
        let chain = Chain::new(
            generations.root()?,
            generations.get(Role::Issuing),
            generations.anchors(),
            now,
        )
        .with_revoked(dir)?;
        // Whoever replaced the pair in the meantime renewed the trust, too.
        let action = action(&self.entry, folder.path(), Some(&chain), now)?;
        if !matches!(action, Action::Trust(_)) {
            return Ok(false);
        }
        let pem: String = chain.anchors.iter().map(|one| one.to_pem()).collect();
        folder.put(&File::public(folder::ANCHOR, pem))?;
        Ok(true)
    }

    /// Looks once more, now that nobody else writes to the folder: somebody may have taken the step in the meantime.
    pub(crate) fn is_still_due(
        &self,
        folder: &Folder,
        chain: &Chain<'_>,
        is_encrypted: bool,
        now: OffsetDateTime,
    ) -> Result<bool, Error> {
        if folder.is_vacant() {
            return Ok(true);
        }
        if !action(&self.entry, folder.path(), Some(chain), now)?.makes_key() {
            return Ok(false);
        }
        if !is_encrypted && has_encrypted_key(folder.path())? {
            return Err(Error::ClearKey(folder.path().join(folder::KEY)));
        }
        Ok(true)
    }
}

/// Writes a certificate and its key, both at once. A request that waited for its certificate is settled by this.
pub fn write_pair(folder: Folder, issued: &Issued, key_pem: &[u8]) -> Result<(), Error> {
    let mut files = vec![
        File::public(folder::CERTIFICATE, issued.chain_pem()),
        File::private(folder::KEY, key_pem),
        File::public(folder::ANCHOR, issued.anchor_pem()),
    ];
    files.extend(lists_file(issued)?);
    Ok(folder.replace(&files, &[folder::REQUEST])?)
}

/// Writes a certificate beside the key that is there, or that is kept elsewhere.
pub fn write_certificate(folder: Folder, issued: &Issued) -> Result<(), Error> {
    let mut files = vec![
        File::public(folder::CERTIFICATE, issued.chain_pem()),
        File::public(folder::ANCHOR, issued.anchor_pem()),
    ];
    files.extend(lists_file(issued)?);
    Ok(folder.replace(&files, &[])?)
}

/// The CA's CRLs, once there are any: they change together with the certificate that they may be about.
fn lists_file(issued: &Issued) -> Result<Option<File>, Error> {
    let lists = issued.revocation_lists()?;
    Ok(lists.map(|lists| File::public(folder::REVOCATION_LISTS, lists)))
}

/// The CA that is there.
pub(crate) struct Chain<'a> {
    root: &'a Certificate,
    issuing: Option<&'a Certificate>,
    /// What `ca.crt` holds.
    anchors: Vec<&'a Certificate>,
    /// The CA whose place the issuing one took.
    previous: Option<&'a Certificate>,
    /// The serial numbers of what the CA revoked.
    revoked: HashSet<String>,
    /// The keys that are in other hands.
    compromised: HashSet<String>,
    /// The question whether verifiers would accept a certificate.
    series: Series<'a>,
}

impl<'a> Chain<'a> {
    fn new(
        root: &'a Certificate,
        issuing: Option<&'a Certificate>,
        anchors: Vec<&'a Certificate>,
        now: OffsetDateTime,
    ) -> Self {
        let question = path_validation::Request::new(&[], now)
            .trust([root.der()])
            .intermediates(issuing.map(Certificate::der));
        Self {
            root,
            issuing,
            anchors,
            previous: None,
            revoked: HashSet::new(),
            compromised: HashSet::new(),
            series: Series::new(question),
        }
    }

    /// The CA that issues, and what is trusted beside it.
    pub(crate) fn of(issuer: &'a Issuer, anchors: &'a [Certificate], now: OffsetDateTime) -> Self {
        let issuing = (!issuer.parents().is_empty()).then_some(issuer.certificate());
        Self::new(issuer.anchor(), issuing, anchors.iter().collect(), now)
    }

    /// The same, which knows what the CRLs of the CA below `dir` say.
    pub(crate) fn with_revoked(mut self, dir: &Path) -> Result<Self, Error> {
        let lists = dir.join(authority::FOLDER).join(folder::REVOCATION_LISTS);
        if let Some(lists) = folder::read_if_there(&lists)? {
            self.revoked = serials(&lists, self.issuer().subject());
        }
        Ok(self)
    }

    /// The same, which knows what the index below `dir` says: revocations of which no CRL tells yet, and keys.
    pub(crate) fn with_index(mut self, dir: &Path) -> Result<Self, Error> {
        let index = Index::open_to_read(&dir.join(authority::FOLDER).join(index::FILE))?;
        let revoked = index.revoked(&self.issuer().subject().to_string())?;
        self.revoked
            .extend(revoked.into_iter().map(|row| row.serial));
        self.compromised = index.compromised_keys()?;
        index.still_stands()?;
        Ok(self)
    }
}

impl Chain<'_> {
    /// Whether the CA may issue what an entry asks for: a plan promises nothing that could not be kept.
    fn check(&self, entry: &Entry, manifest: &Path) -> Result<(), Error> {
        // First without names: what is wrong then is not the manifest's fault.
        let ask =
            |names: &[GeneralName]| issuer::check_names(self.certificates(), &entry.subject, names);
        ask(&[])?;
        for name in &entry.names {
            ask(std::slice::from_ref(name)).map_err(|refusal| ManifestError {
                path: manifest.to_owned(),
                line: entry.line_of(name),
                problem: refusal.to_string(),
            })?;
        }
        issuer::check_common_name(self.certificates(), &entry.subject, &entry.names).map_err(
            |refusal| ManifestError {
                path: manifest.to_owned(),
                line: entry.line(),
                problem: refusal.to_string(),
            },
        )?;
        Ok(())
    }

    fn differences(&self, wanted: &NewAuthority) -> Vec<String> {
        let mut differences = Vec::new();
        // The manifest names the first generation; a later one is the same CA, rotated.
        let mut names =
            |what, present: Option<&DistinguishedName>, first: Option<&DistinguishedName>| {
                if let (Some(present), Some(first)) = (present, first)
                    && is_generation_of(present, first)
                {
                    return;
                }
                let text = |name: Option<&DistinguishedName>| {
                    name.map_or_else(
                        || "none (single tier)".to_owned(),
                        DistinguishedName::to_slashes,
                    )
                };
                compare(&mut differences, what, &text(present), &text(first));
            };
        names("subject", Some(self.root.subject()), Some(&wanted.subject));
        names(
            "issuing CA",
            self.issuing.map(Certificate::subject),
            wanted.issuing_subject.as_ref(),
        );
        if !wanted.key.makes(self.root.public_key()) {
            differences.push(format!("key: {} → {}", self.root.public_key(), wanted.key));
        }
        // The order of domains means nothing.
        let domains = |mut domains: Vec<&str>| {
            domains.sort_unstable();
            domains.dedup();
            match domains.is_empty() {
                true => "none".to_owned(),
                false => domains.join(", "),
            }
        };
        let bound = self
            .root
            .name_constraints
            .as_ref()
            .map(|constraints| constraints.permitted_dns())
            .unwrap_or_default();
        compare(
            &mut differences,
            "permit_dns",
            &domains(bound),
            &domains(wanted.permitted_dns.iter().map(String::as_str).collect()),
        );
        differences
    }

    fn issuer(&self) -> &Certificate {
        self.issuing.unwrap_or(self.root)
    }

    /// Why a certificate, with what stands behind it, is not of the CA that issues.
    fn foreign(&self, present: &[Certificate]) -> Option<String> {
        let (own, above) = present.split_first()?;
        if own.names_as_issuer(self.issuer()) && above.iter().eq(self.issuing) {
            return None;
        }
        let previous = self.previous.filter(|issuer| own.names_as_issuer(issuer));
        Some(match previous {
            Some(previous) => format!(
                "issued by {}, whose place {} took",
                previous.subject().to_slashes(),
                self.issuer().subject().to_slashes()
            ),
            None => "issued by another CA".to_owned(),
        })
    }

    /// `trust: +/CN=Root 2 -/CN=Root`; the order of roots means nothing.
    fn trust_difference(&self, present: &[Certificate]) -> Option<String> {
        let name = |one: &Certificate| one.subject().to_slashes();
        let added = self.anchors.iter().filter(|one| !present.contains(**one));
        let removed = present.iter().filter(|one| !self.anchors.contains(one));
        let changes: Vec<_> = added
            .map(|one| format!("+{}", name(one)))
            .chain(removed.map(|one| format!("-{}", name(one))))
            .collect();
        (!changes.is_empty()).then(|| format!("trust: {}", changes.join(" ")))
    }

    /// The issuer first, the trust anchor last.
    fn certificates(&self) -> Vec<&Certificate> {
        self.issuing.into_iter().chain([self.root]).collect()
    }

    /// When the first of them ends, and with it everything below.
    fn not_after(&self) -> OffsetDateTime {
        self.issuer().not_after().min(self.root.not_after())
    }

    fn has_given_up_key_of(&self, certificate: &Certificate) -> bool {
        // Most often there are none.
        !self.compromised.is_empty()
            && self
                .compromised
                .contains(&certificate.public_key().fingerprint())
    }

    fn has_revoked(&self, certificate: &Certificate) -> bool {
        certificate.names_as_issuer(self.issuer()) && self.revoked.contains(&certificate.serial())
    }

    /// Why verifiers would not accept a certificate, whose names and purposes were looked at already.
    fn fault(&self, certificate: &Certificate) -> Option<String> {
        let rejected = self.series.validate(certificate.der(), &[]).err()?;
        Some(format!(
            "not accepted by verifiers: {} ({})",
            rejected.reason, rejected.clause
        ))
    }
}

/// What is to be done for one entry.
fn action(
    entry: &Entry,
    path: &Path,
    chain: Option<&Chain<'_>>,
    now: OffsetDateTime,
) -> Result<Action, Error> {
    let Some(pair) = Pair::read(path)? else {
        return Ok(Action::Issue);
    };
    let mut trust = None;
    let (certificate, problem) = match pair {
        Pair::Broken(problem) => return Ok(Action::Replace(vec![problem])),
        Pair::Whole {
            chain: present,
            anchor,
            problem,
        } => {
            let Some(own) = present.first().cloned() else {
                return Ok(Action::Issue);
            };
            let foreign = match chain {
                Some(chain) => chain.foreign(&present),
                None => Some("issued by another CA".to_owned()),
            };
            if let Some(chain) = chain {
                trust = chain.trust_difference(&anchor);
            }
            (own, problem.or(foreign))
        }
    };
    let mut reasons: Vec<String> = problem.into_iter().collect();
    if chain.is_some_and(|chain| chain.has_revoked(&certificate)) {
        reasons.push(REVOKED.to_owned());
    } else if chain.is_some_and(|chain| chain.has_given_up_key_of(&certificate)) {
        reasons.push(COMPROMISED.to_owned());
    }
    // Whoever could read the key may have it: another mode alone would not help.
    if let Some(mode) = folder::mode_of(&path.join(folder::KEY))?
        && mode & 0o077 != 0
    {
        reasons.push(format!("others can get at tls.key (mode {mode:04o})"));
    }
    if certificate.profile() != Some(entry.profile) {
        let present = certificate
            .profile()
            .map_or("another", |profile| profile.name());
        reasons.push(format!("profile: {present} → {}", entry.profile));
    }
    compare(
        &mut reasons,
        "subject",
        &certificate.subject().to_slashes(),
        &entry.subject.to_slashes(),
    );
    if let Some(difference) = names_difference(certificate.names(), &entry.names) {
        reasons.push(difference);
    }
    if !entry.key.makes(certificate.public_key()) {
        reasons.push(format!("key: {} → {}", certificate.public_key(), entry.key));
    }
    let lifetime = certificate.not_after() - certificate.not_before();
    let days = (lifetime - BACKDATE).whole_days();
    // When it would end had it been issued by this entry, under the CA that is there.
    let asked = certificate.not_before() + BACKDATE + Duration::days(entry.days.into());
    let end = chain.map_or(asked, |chain| asked.min(chain.not_after()));
    let is_clamped = end < asked && end == certificate.not_after();
    // A certificate that is as old as its CA begins with it, a little later than it would.
    if (end - certificate.not_after()).abs() > BACKDATE {
        reasons.push(format!("days: {days} → {}", entry.days));
    }
    let left = certificate.not_after() - now;
    if left < Duration::ZERO {
        reasons.push(format!("expired on {}", date(certificate.not_after())));
    } else if left < lifetime / 3 && !is_clamped {
        // A third of the life is left for retries and for people to notice.
        reasons.push(format!(
            "expires on {}, {}",
            date(certificate.not_after()),
            in_days(certificate.not_after(), now)
        ));
    } else if let Some(chain) = chain
        && reasons.is_empty()
    {
        reasons.extend(chain.fault(&certificate));
    }
    Ok(match (reasons.is_empty(), trust) {
        (true, None) => Action::Keep(certificate.not_after()),
        (true, Some(difference)) => Action::Trust(vec![difference]),
        (false, _) => Action::Replace(reasons),
    })
}

/// Whether there is a key that only a passphrase opens.
pub fn has_encrypted_key(path: &Path) -> Result<bool, Error> {
    let key = folder::read_if_there(&path.join(folder::KEY))?;
    Ok(key.is_some_and(|key| {
        matches!(
            PrivateKey::read(&key, None),
            Err(KeyError::Encrypted | KeyError::UnsupportedEncryption(_))
        )
    }))
}

enum Pair {
    Broken(String),
    Whole {
        chain: Vec<Certificate>,
        anchor: Vec<Certificate>,
        problem: Option<String>,
    },
}

impl Pair {
    /// `None` when nothing is there.
    fn read(path: &Path) -> Result<Option<Self>, Error> {
        // Most often, of many.
        if !path.exists() {
            return Ok(None);
        }
        let file =
            |name: &str| -> Result<_, Error> { Ok(folder::read_if_there(&path.join(name))?) };
        let (certificate, key, anchor) = (
            file(folder::CERTIFICATE)?,
            file(folder::KEY)?,
            file(folder::ANCHOR)?,
        );
        let (certificate, key, anchor) = match (certificate, key, anchor) {
            (None, None, _) => return Ok(None),
            (Some(certificate), Some(key), Some(anchor)) => (certificate, key, anchor),
            (certificate, key, _) => {
                let missing = match (certificate, key) {
                    (None, _) => folder::CERTIFICATE,
                    (_, None) => folder::KEY,
                    _ => folder::ANCHOR,
                };
                return Ok(Some(Self::Broken(format!("{missing} is missing"))));
            }
        };
        let (Ok(chain), Ok(anchor)) = (
            Certificate::read_all(&certificate),
            Certificate::read_all(&anchor),
        ) else {
            return Ok(Some(Self::Broken("the certificate is damaged".to_owned())));
        };
        let problem = match PrivateKey::read(&key, None) {
            Ok(key)
                if chain
                    .first()
                    .is_some_and(|own| own.public_key() == key.public()) =>
            {
                None
            }
            Ok(_) => Some("the key is another certificate's".to_owned()),
            // Without the passphrase nothing can be said, and nothing is assumed.
            Err(KeyError::Encrypted) => None,
            Err(_) => Some("the key is damaged".to_owned()),
        };
        Ok(Some(Self::Whole {
            chain,
            anchor,
            problem,
        }))
    }
}

fn compare(differences: &mut Vec<String>, what: &str, present: &str, wanted: &str) {
    if present != wanted {
        differences.push(format!("{what}: {present} → {wanted}"));
    }
}

/// `names: +DNS:a.dev −IP:::1`; the order of names means nothing.
fn names_difference(present: &[GeneralName], wanted: &[GeneralName]) -> Option<String> {
    let added = wanted
        .iter()
        .filter(|name| !present.contains(name))
        .map(|name| format!("+{name}"));
    let removed = present
        .iter()
        .filter(|name| !wanted.contains(name))
        .map(|name| format!("-{name}"));
    let changes: Vec<_> = added.chain(removed).collect();
    (!changes.is_empty()).then(|| format!("names: {}", changes.join(" ")))
}

/// Folders below `dir` that hold a pair and are not in the manifest: they are left alone.
pub fn strangers(manifest: &Manifest, dir: &Path) -> Vec<PathBuf> {
    let known: HashSet<_> = manifest
        .certificates
        .iter()
        .map(|entry| entry.name.as_str())
        .collect();
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    let mut strangers: Vec<_> = entries
        .filter(|entry| {
            !entry
                .file_name()
                .to_str()
                .is_some_and(|name| known.contains(name) || name.starts_with('.'))
        })
        .map(|entry| entry.path())
        .filter(|path| path.join(folder::CERTIFICATE).exists())
        .collect();
    strangers.sort();
    strangers
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::{Batch, Place, Tools};
    use time::macros::datetime;

    const NOW: OffsetDateTime = datetime!(2026-11-24 12:00 UTC);

    fn manifest(days: u32) -> Manifest {
        let text = format!(
            "[ca]\nsubject = \"/CN=Root\"\ndays = 100\n[certificate.order]\nprofile = \"peer\"\ndns = [\"a.dev\"]\ndays = {days}\n"
        );
        Manifest::parse(Path::new("pki.toml"), &text).expect("a good manifest")
    }

    /// A folder to which the manifest was applied at `NOW`.
    fn applied(manifest: &Manifest) -> tempfile::TempDir {
        let home = tempfile::tempdir().expect("a temporary folder");
        Authority::create(home.path(), &manifest.authority, None, NOW, &mut || false)
            .expect("a CA");
        let mut locked = |_: &Path| Err(Error::Passphrase("no key is encrypted".to_owned()));
        let mut authority = Authority::open(home.path(), &mut locked).expect("opened");
        let (issuer, anchors, index) = authority.parts();
        let index = index.expect("an index");
        let place = Place {
            issuer,
            anchors,
            dir: home.path(),
            now: NOW,
        };
        let plan = Plan::make(manifest, home.path(), NOW).expect("a plan");
        // Somebody who planned at the same moment finds nothing left to do.
        for made in [plan.steps.len(), 0] {
            let tools = Tools {
                key: &mut PrivateKey::generate,
                passphrase: &|_| None,
                wait: &mut || false,
            };
            let batch = Batch::prepare(place, &plan.steps, tools);
            let signed = batch.reserve(index).expect("reserved").issue();
            signed.sync().expect("durable");
            let outcome = signed.record(index).expect("recorded").publish();
            assert!(outcome.failure.is_none());
            assert_eq!(outcome.made.len(), made);
        }
        home
    }

    fn action_after(home: &tempfile::TempDir, manifest: &Manifest, days: i64) -> Action {
        let plan = Plan::make(manifest, home.path(), NOW + Duration::days(days)).expect("a plan");
        plan.steps.into_iter().next().expect("one step").action
    }

    #[test]
    fn a_certificate_is_replaced_when_a_third_of_its_life_is_left() {
        let manifest = manifest(60);
        let home = applied(&manifest);
        for days in [0, 39] {
            assert!(
                matches!(action_after(&home, &manifest, days), Action::Keep(_)),
                "{days}"
            );
        }
        for (days, reason) in [
            (41, "expires on 2027-01-23, in 19 days"),
            (61, "expired on 2027-01-23"),
        ] {
            assert_eq!(
                action_after(&home, &manifest, days),
                Action::Replace(vec![reason.to_owned()])
            );
        }
    }

    #[test]
    fn a_certificate_that_ends_with_its_ca_is_not_replaced_again_and_again() {
        let manifest = manifest(400);
        let home = applied(&manifest);
        for days in [0, 80, 99] {
            assert!(
                matches!(action_after(&home, &manifest, days), Action::Keep(_)),
                "{days}"
            );
        }
        // Neither when the manifest asks for another end that it cannot have.
        assert!(matches!(
            action_after(&home, &self::manifest(500), 0),
            Action::Keep(_)
        ));
        assert_eq!(
            action_after(&home, &self::manifest(30), 0),
            Action::Replace(vec!["days: 100 → 30".to_owned()])
        );
    }

    #[test]
    fn another_validity_is_a_difference() {
        let home = applied(&manifest(60));
        assert_eq!(
            action_after(&home, &manifest(30), 0),
            Action::Replace(vec!["days: 60 → 30".to_owned()])
        );
    }

    #[test]
    fn the_order_of_names_means_nothing() {
        let dns = |name| GeneralName::dns(name).expect("a name");
        assert_eq!(
            names_difference(&[dns("a.dev"), dns("b.dev")], &[dns("b.dev"), dns("a.dev")]),
            None
        );
        assert_eq!(
            names_difference(&[dns("a.dev")], &[dns("b.dev")]).as_deref(),
            Some("names: +DNS:b.dev -DNS:a.dev")
        );
    }
}
