//! The CA that is there, as a plan sees it: what it may issue, what it differs in from what is wanted, and what it would say
//! of a certificate.

use std::{
    borrow::Cow,
    collections::HashSet,
    path::{Path, PathBuf},
};

use time::OffsetDateTime;

use super::action::compare;
use crate::{
    authority::{self, Generations, NewAuthority, is_generation_of},
    certificate::Certificate,
    certificate_revocation_list::serials,
    distinguished_name::DistinguishedName,
    error::Error,
    folder::{self},
    index::{Index, IndexError},
    issuer::{self, Issuer, Refusal},
    manifest::{Entry, ManifestError},
    path_validation::{self, Series},
    revocation::catch_up_supposedly,
    subject_alt_name::GeneralName,
};

/// The CA that is there.
pub(crate) struct Chain<'a> {
    pub(super) root: &'a Certificate,
    pub(super) issuing: Option<&'a Certificate>,
    /// What `ca.crt` holds.
    pub(super) anchors: Vec<&'a Certificate>,
    /// The CA whose place the issuing one took.
    pub(super) previous: Option<&'a Certificate>,
    /// What the CA took back.
    pub(super) known: Cow<'a, Known>,
    /// The question whether verifiers would accept a certificate.
    pub(super) series: Series<'a>,
}

/// What a CA took back.
#[derive(Clone, Default)]
pub(super) struct Known {
    /// The serial numbers of what it revoked.
    revoked: HashSet<String>,
    /// The keys that are in other hands.
    compromised: HashSet<String>,
    /// The CA of the chain that is revoked.
    authority: Option<String>,
    /// An index that does not know the CA, because it is an older copy.
    older_index: Option<PathBuf>,
    /// A `crl.pem` that would go beside every certificate, and in which nothing can be read.
    unreadable_lists: Option<PathBuf>,
}

impl Known {
    /// What the CRLs of the CA below `dir` say of what `issuer` issued.
    pub(super) fn of_lists(dir: &Path, issuer: &DistinguishedName) -> Result<Self, Error> {
        let lists = dir.join(authority::FOLDER).join(folder::REVOCATION_LISTS);
        Ok(match folder::read_if_there(&lists)? {
            Some(lists) => Self {
                revoked: serials(&lists, issuer),
                ..Self::default()
            },
            None => Self::default(),
        })
    }

    /// What the index of these CAs says besides.
    pub(super) fn add_index(
        &mut self,
        generations: &Generations,
        issuing: Option<&Certificate>,
        root: &Certificate,
    ) -> Result<(), Error> {
        let mut index = generations.open_with(Index::open_to_read)?;
        let issuer = issuing.unwrap_or(root);
        match index.refuse_unknown(issuer) {
            Err(IndexError::Older { path, .. }) => self.older_index = Some(path),
            other => other?,
        }
        // An older copy that was brought back does not know all that crl.pem tells of.
        let all = generations.certificates();
        match catch_up_supposedly(&mut index, generations.folder(), all) {
            Err(Error::ListsUnreadable(path)) => self.unreadable_lists = Some(path),
            other => drop(other?),
        }
        let revoked = index.revoked(&issuer.subject().to_string())?;
        self.revoked
            .extend(revoked.into_iter().map(|row| row.serial));
        self.compromised = index.compromised_keys()?;
        self.authority = index.first_revoked(issuing.into_iter().chain([root]))?;
        index.still_stands()?;
        Ok(())
    }
}

impl<'a> Chain<'a> {
    pub(super) fn new(
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
            known: Cow::Owned(Known::default()),
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
        self.known = Cow::Owned(Known::of_lists(dir, self.issuer().subject())?);
        Ok(self)
    }

    /// The same, which knows what the index below `dir` says.
    pub(crate) fn with_index(mut self, dir: &Path) -> Result<Self, Error> {
        let (issuing, root) = (self.issuing, self.root);
        let generations = Generations::read(dir)?;
        self.known.to_mut().add_index(&generations, issuing, root)?;
        Ok(self)
    }

    /// The same, which knows what another one found out.
    pub(super) fn knowing(mut self, known: &'a Known) -> Self {
        self.known = Cow::Borrowed(known);
        self
    }
}

impl Chain<'_> {
    /// Whether the CA may issue what an entry asks for: a plan promises nothing that could not be kept.
    pub(super) fn check(&self, entry: &Entry, manifest: &Path) -> Result<(), Error> {
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

    pub(super) fn differences(&self, wanted: &NewAuthority) -> Vec<String> {
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

    pub(super) fn issuer(&self) -> &Certificate {
        self.issuing.unwrap_or(self.root)
    }

    /// Why a certificate, with what stands behind it, is not of the CA that issues.
    pub(super) fn foreign(&self, present: &[Certificate]) -> Option<String> {
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
    pub(super) fn trust_difference(&self, present: &[Certificate]) -> Option<String> {
        let name = |one: &Certificate| one.subject().to_slashes();
        let added = self.anchors.iter().filter(|one| !present.contains(**one));
        let removed = present.iter().filter(|one| !self.anchors.contains(one));
        let changes: Vec<_> = added
            .map(|one| format!("+{}", name(one)))
            .chain(removed.map(|one| format!("-{}", name(one))))
            .collect();
        (!changes.is_empty()).then(|| format!("trust: {}", changes.join(" ")))
    }

    /// Refuses to issue by a CA that the index does not know, or has as revoked, or one below such a one, and where what goes
    /// beside every certificate is damaged.
    pub(super) fn check_authority(&self) -> Result<(), Error> {
        if let Some(path) = &self.known.older_index {
            let (path, subject) = (path.clone(), self.issuer().subject().to_string());
            return Err(IndexError::Older { path, subject }.into());
        }
        match (&self.known.unreadable_lists, &self.known.authority) {
            (Some(path), _) => Err(Error::ListsUnreadable(path.clone())),
            (None, Some(subject)) => Err(Refusal::RevokedCa(subject.clone()).into()),
            (None, None) => Ok(()),
        }
    }

    /// The issuer first, the trust anchor last.
    pub(super) fn certificates(&self) -> Vec<&Certificate> {
        self.issuing.into_iter().chain([self.root]).collect()
    }

    /// When the first of them ends, and with it everything below.
    pub(super) fn not_after(&self) -> OffsetDateTime {
        self.issuer().not_after().min(self.root.not_after())
    }

    pub(super) fn has_given_up_key_of(&self, certificate: &Certificate) -> bool {
        // Most often there are none.
        !self.known.compromised.is_empty()
            && self
                .known
                .compromised
                .contains(&certificate.public_key().fingerprint())
    }

    pub(super) fn has_revoked(&self, certificate: &Certificate) -> bool {
        certificate.names_as_issuer(self.issuer())
            && self.known.revoked.contains(&certificate.serial())
    }

    /// Why verifiers would not accept a certificate, whose names and purposes were looked at already.
    pub(super) fn fault(&self, certificate: &Certificate) -> Option<String> {
        let rejected = self.series.validate(certificate.der(), &[]).err()?;
        Some(format!(
            "not accepted by verifiers: {} ({})",
            rejected.reason, rejected.clause
        ))
    }
}
