//! The health of a CA: its certificates and keys, its CRLs, and what its index knows of.

use std::path::Path;

use time::Duration;

use super::{Check, Level, Report, WARN, shown, watch};
use crate::{
    authority::{self, Generations, Role},
    certificate::Certificate,
    error::Error,
    folder::{self as files, Wait},
    index::{self, Compromised, Filter, Row, Status},
    issuer::{Issuer, Notice, Refusal, check_fit, date},
    revocation::{Action, RevocationLists, Wish},
    rotation::{Difference, difference},
    validity::in_days,
};

/// After this time a reserved number belongs to no process that is still at work.
const ABANDONED: Duration = Duration::hours(1);

/// The CA that was looked at.
pub(super) struct Own {
    generations: Generations,
    lists: RevocationLists,
    /// Whether the `crl.pem` of the CA's folder is damaged, for which no other folder is to blame.
    pub(super) is_spoilt: bool,
}

/// What there is to be told of CRLs.
#[derive(Default)]
struct Told {
    report: Report,
    /// Whether somebody may be about to put it right.
    may_pass: bool,
}

impl Own {
    /// The CA below `dir`, of which nothing is told itself.
    pub(super) fn read(dir: &Path) -> Result<Self, Error> {
        let lists = RevocationLists::open_to_read(dir)?;
        Ok(Self {
            generations: Generations::read(dir)?,
            is_spoilt: lists.are_damaged()?,
            lists,
        })
    }

    /// Whether what was read of its index was one state of it.
    pub(super) fn still_stands(&self) -> Result<(), Error> {
        Ok(self.lists.index().still_stands()?)
    }

    /// Whether one of the CAs issued it.
    pub(super) fn issued(&self, certificate: &Certificate) -> bool {
        let mut issuers = self.lists.issuers().iter();
        issuers.any(|issuer| certificate.names_as_issuer(issuer.certificate()))
    }

    /// In what `ca.crt` of a folder differs from what every folder should have.
    pub(super) fn trust(&self, path: &Path) -> Result<Difference, Error> {
        difference(path, &self.generations, self.lists.index())
    }

    /// The certificate that was revoked because this one's key is in other hands.
    pub(super) fn compromised(
        &self,
        certificate: &Certificate,
    ) -> Result<Option<Compromised>, Error> {
        Ok(self.lists.index().compromised(certificate.public_key())?)
    }

    /// Whether the index has it as revoked.
    pub(super) fn revoked(&self, certificate: &Certificate) -> Result<bool, Error> {
        Ok(self.lists.index().is_revoked(certificate)?)
    }
}

impl Check {
    pub(super) fn authority(
        &self,
        dir: &Path,
        report: &mut Report,
        wait: &mut Wait<'_>,
    ) -> Result<Own, Error> {
        let lists = RevocationLists::open_to_read(dir)?;
        let folder = dir.join(authority::FOLDER);
        self.rights(&folder, report)?;
        self.rights(&folder.join(index::FILE), report)?;
        for issuer in lists.issuers() {
            report.checked += 1;
            let certificate = issuer.certificate();
            let life = (certificate.not_before(), certificate.not_after());
            self.validity(&issuer.name(), life, report);
            self.key(issuer.key(), certificate.public_key(), report)?;
            // A root's key may lie elsewhere; that of the CA that issues may not.
            if issuer.issues() && !files::is_there(issuer.key())? {
                let message = "is missing: nothing can be issued and no CRL signed; bring it back from a backup, or replace the CA (pki ca rotate)";
                report.add(Level::Error, shown(issuer.key()), "key-missing", message);
            }
            if Notice::of_authority(certificate).is_some() {
                let message = "has no key usage, which RFC 5280 section 4.2.1.3 demands of a CA: strict verifiers (openssl verify -x509_strict) refuse what it signs, this program and rustls do not; replace it (pki ca rotate)";
                report.add(Level::Note, issuer.name(), "no-key-usage", message);
            }
            if Issuer::has_crl_sign(certificate).is_err() {
                let message = "may not sign CRLs (its key usage lacks cRLSign), so nobody can be told what it revokes; replace it (pki ca rotate)";
                report.add(Level::Note, issuer.name(), "no-crl-sign", message);
            }
            if issuer.is_needed() && !lists.index().knows(certificate)? {
                let message = "is not in the index, which is an older copy from before it was made; nothing is issued until a newer copy is brought back from a backup, or the CA is replaced (pki ca rotate)";
                report.add(Level::Error, issuer.name(), "unknown-ca", message);
            }
            if issuer.is_needed() && lists.index().is_revoked(certificate)? {
                let message = "is revoked, and issues nothing any more; replace it with \"pki ca rotate prepare --now\"";
                report.add(Level::Error, issuer.name(), "revoked", message);
            }
        }
        let generations = Generations::read(dir)?;
        self.fitness(&generations, report)?;
        // Whoever revokes marks first and signs then; what that leaves open is told only where it stays so.
        let told = watch(
            wait,
            || lists.version(),
            || self.crls(&lists),
            |told| told.may_pass,
        )?;
        report.checked += told.report.checked;
        report.findings.extend(told.report.findings);
        let is_spoilt = lists.are_damaged()?;
        if is_spoilt {
            let message = "holds no CRL that can be read, or a damaged one; run \"pki crl\", which writes it again";
            report.add(Level::Error, shown(&lists.path()), "unreadable", message);
        }
        Ok(Own {
            generations,
            lists,
            is_spoilt,
        })
    }

    /// Whoever writes to the folder exchanges the CA, and whoever writes to the index takes revocations back.
    fn rights(&self, path: &Path, report: &mut Report) -> Result<(), Error> {
        if let Some(mode) = files::mode_of(path)?
            && mode & 0o002 != 0
        {
            let message = format!(
                "can be written to by everybody (mode {mode:04o}), who can change what the CA is and what it revoked: take the right away (chmod o-w), and look for what was changed"
            );
            report.add(Level::Error, shown(path), "writable", message);
        }
        Ok(())
    }

    /// Whether verifiers accept what the CA issues. What was imported for its list alone issues nothing, and files can be
    /// exchanged by hand.
    fn fitness(&self, generations: &Generations, report: &mut Report) -> Result<(), Error> {
        let chain: Vec<_> = [Role::Issuing, Role::Root]
            .into_iter()
            .filter_map(|role| generations.get(role))
            .collect();
        match check_fit(&chain, self.now) {
            // That was told.
            Ok(()) | Err(Refusal::Expired { .. } | Refusal::NotYetValid { .. }) => {}
            Err(refusal) => {
                let name = generations.issuer()?.subject().to_string();
                let message = format!("issues nothing that verifiers accept. {refusal}");
                report.add(Level::Error, name, "unfit-ca", message);
            }
        }
        Ok(())
    }

    fn crls(&self, lists: &RevocationLists) -> Result<Told, Error> {
        let mut told = Told::default();
        if lists.are_needed()? {
            self.lists(lists, &mut told)?;
        }
        if !files::is_there(&lists.path())? {
            self.missing_lists(lists, &mut told)?;
        }
        Ok(told)
    }

    fn lists(&self, lists: &RevocationLists, told: &mut Told) -> Result<(), Error> {
        let Told { report, may_pass } = told;
        for due in lists.due(&Wish::default(), self.now)? {
            report.checked += 1;
            let (Action::Sign(reasons) | Action::KeyMissing(reasons)) = &due.action else {
                continue;
            };
            let subject = format!("CRL of {}", due.issuer);
            if due.is_urgent {
                // Without the key nobody here is about to sign.
                *may_pass |= matches!(due.action, Action::Sign(_));
                let message = format!("is not as it should be: {}", reasons.join(", and "));
                report.add(Level::Error, subject, "crl", message);
                continue;
            }
            // "pki crl" signs at half of the life: whoever is told at a quarter has no timer that works.
            let Some(crl) = &due.current else { continue };
            let quarter = (crl.next_update - crl.this_update) / 4;
            let left = crl.next_update - self.now;
            if left <= self.warn.unwrap_or_else(|| WARN.min(quarter)) {
                let message = format!(
                    "ends on {}, {}; run \"pki crl\"",
                    date(crl.next_update),
                    in_days(crl.next_update, self.now)
                );
                report.add(Level::Warning, subject, "crl-expiring", message);
            }
        }
        Ok(())
    }

    /// Without `crl.pem` nobody can know what is revoked.
    fn missing_lists(&self, lists: &RevocationLists, told: &mut Told) -> Result<(), Error> {
        let message = match lists.revoked(self.now)? {
            0 if lists.are_there()? => "is missing; run \"pki crl\"".to_owned(),
            0 => return Ok(()),
            1 => "is missing, and 1 certificate is revoked, which nobody can know; run \"pki crl\""
                .to_owned(),
            many => format!(
                "is missing, and {many} certificates are revoked, which nobody can know; run \"pki crl\""
            ),
        };
        told.may_pass = true;
        let path = shown(&lists.path());
        told.report.add(Level::Error, path, "crl", message);
        Ok(())
    }

    /// What the index knows and no folder shows: certificates that went elsewhere, and numbers that led to nothing.
    pub(super) fn index(
        &self,
        own: &Own,
        present: &[String],
        report: &mut Report,
    ) -> Result<(), Error> {
        let index = own.lists.index();
        let soon = self.now + self.warn.unwrap_or(WARN);
        let mut elsewhere = Vec::new();
        index.each(&Filter::expiring(self.now, soon), |row| {
            let is_shown = row
                .fingerprint
                .as_ref()
                .is_none_or(|fingerprint| present.contains(fingerprint));
            if !is_shown && self.is_due(&row) {
                elsewhere.push(row);
            }
            Ok::<_, Error>(())
        })?;
        for row in elsewhere {
            report.checked += 1;
            if let (false, Some(end)) = (self.has_successor(own, &row)?, row.not_after) {
                let message = format!(
                    "expires on {}, {}, and has no successor (serial {})",
                    date(end),
                    in_days(end, self.now),
                    row.serial
                );
                let subject = row.name.clone().unwrap_or_else(|| row.subject.clone());
                report.add(Level::Warning, subject, "expiring-elsewhere", message);
            }
        }
        let mut abandoned = 0_usize;
        index.each(&Filter::status(Status::Reserved), |row| {
            abandoned += usize::from(row.reserved_at + ABANDONED < self.now);
            Ok::<_, Error>(())
        })?;
        if abandoned > 0 {
            let message = format!(
                "holds {abandoned} serial numbers that were reserved and never used, which is harmless; see \"pki list --reserved\""
            );
            report.add(Level::Note, "index", "reserved", message);
        }
        Ok(index.still_stands()?)
    }

    fn is_due(&self, row: &Row) -> bool {
        let (Some(begin), Some(end)) = (row.not_before, row.not_after) else {
            return true;
        };
        let warn = self.warn.unwrap_or_else(|| WARN.min((end - begin) / 3));
        end - self.now <= warn
    }

    /// Whether another certificate of the same name lives longer.
    fn has_successor(&self, own: &Own, row: &Row) -> Result<bool, Error> {
        let Some(name) = &row.name else {
            return Ok(false);
        };
        let rows = own.lists.index().select(&Filter::named(name))?;
        Ok(rows.iter().any(|other| {
            other.is_living(self.now)
                && other.subject == row.subject
                && other.not_after > row.not_after
        }))
    }
}
