//! Whether all is well with a CA and what it issued: what has ended or ends soon, what does not fit together, who could
//! read a key. Nothing is written, and no key is used.

mod authority;
mod folder;
mod kinds;

use std::path::{Path, PathBuf};

pub use kinds::{KINDS, Kind};
use time::{Duration, OffsetDateTime};

use crate::{
    error::{Error, ErrorKind},
    folder::{self as files, Wait},
    issuer::date,
    key::{KeyError, PrivateKey, PublicKey},
    revocation::is_carried,
    validity::in_days,
};

/// The longest time before an end at which it is told, unless somebody says otherwise.
pub const WARN: Duration = Duration::days(20);

/// How often it is asked whether somebody else is putting something right, before it is told.
const ROUNDS: usize = 100;

/// The kind of finding of a folder without the CRLs of its CA.
const NOT_CARRIED: &str = "crl-not-carried";

/// How bad it is.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Level {
    /// Good to know.
    Note,
    /// Something ends soon.
    Warning,
    /// Something is wrong now.
    Error,
}

/// One thing that was found.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Finding {
    /// How bad it is.
    pub level: Level,
    /// What it is about: a file, a folder, a name or a CA.
    pub subject: String,
    /// The kind, a word for machines that never changes: one of [`KINDS`].
    pub kind: &'static str,
    /// Half a sentence about the subject.
    pub message: String,
}

/// What is asked.
#[derive(Clone, Copy, Debug)]
pub struct Check {
    /// The time of day.
    pub now: OffsetDateTime,
    /// Tell what ends within this time; without it, a third of its life, and [`WARN`] at most.
    pub warn: Option<Duration>,
}

/// What was looked at, and found.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// How many CAs, folders, files and rows were looked at.
    pub checked: usize,
    /// What was found, in the order of looking.
    pub findings: Vec<Finding>,
}

impl Level {
    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

impl Report {
    /// The worst of what was found.
    pub fn worst(&self) -> Option<Level> {
        self.findings.iter().map(|finding| finding.level).max()
    }

    /// How many findings are this bad.
    pub fn count(&self, level: Level) -> usize {
        let of_level = |finding: &&Finding| finding.level == level;
        self.findings.iter().filter(of_level).count()
    }

    /// New CRLs are brought from folder to folder, and whoever looks meanwhile is ahead of them: asked once more at the end,
    /// and again until for a while no folder got them.
    fn settle(
        &mut self,
        dir: &Path,
        folders: &[PathBuf],
        wait: &mut Wait<'_>,
    ) -> Result<(), Error> {
        while self.forget_carried(dir, folders)? || self.is_at_work(dir, folders, wait)? {}
        Ok(())
    }

    /// Waits until somebody who brings CRLs gets on with it. They come by name, so the first and the last of the folders
    /// tell, however many there are.
    fn is_at_work(
        &self,
        dir: &Path,
        folders: &[PathBuf],
        wait: &mut Wait<'_>,
    ) -> Result<bool, Error> {
        let lack = |path: &&PathBuf| {
            let mut findings = self.findings.iter();
            findings.any(|one| one.kind == NOT_CARRIED && one.subject == shown(path))
        };
        let lacking: Vec<_> = folders.iter().filter(lack).collect();
        let (Some(first), Some(last)) = (lacking.first(), lacking.last()) else {
            return Ok(false);
        };
        let stamp = |folder: &Path| files::stamp_of(&folder.join(files::REVOCATION_LISTS));
        watch(
            wait,
            || Ok((stamp(first)?, stamp(last)?)),
            || Ok(is_carried(dir, first)? || is_carried(dir, last)?),
            |is_carried| !is_carried,
        )
    }

    /// Leaves out the folders that have the CRLs by now. Whether there was one.
    fn forget_carried(&mut self, dir: &Path, folders: &[PathBuf]) -> Result<bool, Error> {
        let mut carried = Vec::new();
        for finding in self.findings.iter().filter(|one| one.kind == NOT_CARRIED) {
            let path = folders.iter().find(|path| shown(path) == finding.subject);
            if let Some(path) = path
                && is_carried(dir, path)?
            {
                carried.push(finding.subject.clone());
            }
        }
        self.findings
            .retain(|one| one.kind != NOT_CARRIED || !carried.contains(&one.subject));
        Ok(!carried.is_empty())
    }

    fn add(
        &mut self,
        level: Level,
        subject: impl Into<String>,
        kind: &'static str,
        message: impl Into<String>,
    ) {
        debug_assert!(
            KINDS
                .iter()
                .any(|known| known.name == kind && known.level == level),
            "the finding {kind} ({level:?}) belongs into the table of kinds"
        );
        self.findings.push(Finding {
            level,
            subject: subject.into(),
            kind,
            message: message.into(),
        });
    }
}

impl Check {
    /// The CA below `dir`, its CRLs and its index, and every folder of a certificate beside it. A CRL that is not signed or
    /// not carried yet may be about to be; so it is looked at again, after `wait`, before it is told.
    pub fn everything(&self, dir: &Path, wait: &mut Wait<'_>) -> Result<Report, Error> {
        let mut report = Report::default();
        let own = self.authority(dir, &mut report, wait)?;
        let mut present = Vec::new();
        let folders = folders(dir)?;
        for path in &folders {
            match self.folder(dir, path, &own, &mut report) {
                Ok(fingerprint) => present.extend(fingerprint),
                // One folder that holds something else keeps nobody from looking at the others.
                Err(error) if error.kind() == ErrorKind::Malformed => {
                    report.add(Level::Error, shown(path), "unreadable", error.to_string());
                }
                Err(error) => return Err(error),
            }
        }
        self.index(&own, &present, &mut report)?;
        report.settle(dir, &folders, wait)?;
        Ok(report)
    }

    /// A file with certificates, or a folder of a certificate; and what the CA below `dir`, if there is one, knows of them:
    /// of a folder beside it everything that [`Self::everything`] asks.
    pub fn path(
        &self,
        dir: &Path,
        path: &Path,
        report: &mut Report,
        wait: &mut Wait<'_>,
    ) -> Result<(), Error> {
        match path.is_dir() {
            true => self.lone_folder(dir, path, report, wait),
            false => self.file(dir, path, report),
        }
    }

    /// Tells of a validity that is over, has not begun, or ends soon. Whether it holds now.
    fn validity(
        &self,
        subject: &str,
        (not_before, not_after): (OffsetDateTime, OffsetDateTime),
        report: &mut Report,
    ) -> bool {
        let left = not_after - self.now;
        if left < Duration::ZERO {
            let message = format!("expired on {}", date(not_after));
            report.add(Level::Error, subject, "expired", message);
            return false;
        }
        if not_before > self.now {
            let message = format!("is not valid before {}", date(not_before));
            report.add(Level::Error, subject, "not-yet-valid", message);
            return false;
        }
        let life = not_after - not_before;
        let warn = self.warn.unwrap_or_else(|| WARN.min(life / 3));
        if left <= warn {
            report.add(
                Level::Warning,
                subject,
                "expiring",
                format!(
                    "expires on {}, {}",
                    date(not_after),
                    in_days(not_after, self.now)
                ),
            );
        }
        true
    }

    /// Tells of a key that others could read, and of one that is another's.
    fn key(&self, path: &Path, expected: &PublicKey, report: &mut Report) -> Result<(), Error> {
        let subject = shown(path);
        let bytes = match files::read_if_there(path) {
            Ok(None) => return Ok(()),
            Ok(Some(bytes)) => Some(bytes),
            // A key is nobody's but its owner's.
            Err(files::FolderError::Io { reason, .. })
                if reason.kind() == std::io::ErrorKind::PermissionDenied =>
            {
                let message = "may not be read here, so whether it fits was not looked at";
                report.add(Level::Note, &subject, "key-unread", message);
                None
            }
            Err(error) => return Err(error.into()),
        };
        if let Some(mode) = files::mode_of(path)?
            && mode & 0o077 != 0
        {
            report.add(
                Level::Error,
                &subject,
                "key-rights",
                format!("others can get at it (mode {mode:04o}): make a new key, and keep it 0600"),
            );
        }
        let Some(bytes) = bytes else {
            return Ok(());
        };
        match PrivateKey::read(&bytes, None) {
            Ok(key) if key.public() == expected => {}
            Ok(_) => report.add(
                Level::Error,
                &subject,
                "mismatch",
                "is not the key of the certificate beside it",
            ),
            // Without the passphrase nothing can be said, and nothing is assumed.
            Err(KeyError::Encrypted | KeyError::UnsupportedEncryption(_)) => {}
            Err(error) => report.add(
                Level::Error,
                &subject,
                "unreadable",
                format!("cannot be read: {error}"),
            ),
        }
        Ok(())
    }
}

/// Looks at something that somebody else may be putting right, and waits for that. A look may take long, so it is taken
/// again only when `state`, which costs next to nothing, is another one.
fn watch<S: PartialEq, T>(
    wait: &mut Wait<'_>,
    state: impl Fn() -> Result<S, Error>,
    look: impl Fn() -> Result<T, Error>,
    may_pass: impl Fn(&T) -> bool,
) -> Result<T, Error> {
    // In this order nothing that changes meanwhile is missed.
    let mut seen = state()?;
    let mut found = look()?;
    for _ in 0..ROUNDS {
        if !may_pass(&found) || !wait() {
            break;
        }
        let now = state()?;
        if now != seen {
            seen = now;
            found = look()?;
        }
    }
    Ok(found)
}

fn shown(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

/// Every folder below `dir` but the CA's and hidden ones, by name.
fn folders(dir: &Path) -> Result<Vec<PathBuf>, Error> {
    crate::revocation::folders(dir)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_change_is_looked_at_once() {
        use std::cell::Cell;

        // (the changes of the state, by the round in which they come; the looks that are taken)
        for (changes, expected) in [(&[][..], 1), (&[3], 2), (&[3, 50], 3)] {
            let (rounds, looks) = (Cell::new(0), Cell::new(0));
            let found = watch(
                &mut || {
                    rounds.set(rounds.get() + 1);
                    true
                },
                || Ok(changes.iter().filter(|at| **at <= rounds.get()).count()),
                || {
                    looks.set(looks.get() + 1);
                    Ok(looks.get())
                },
                |_| true,
            );
            assert_eq!(found.expect("looked at"), expected);
            assert_eq!((rounds.get(), looks.get()), (ROUNDS, expected));
        }
    }

    #[test]
    fn a_folder_that_got_its_crl_meanwhile_is_not_told() {
        let home = tempfile::tempdir().expect("a folder");
        let path = |name: &str| home.path().join(name);
        for name in ["ca", "a", "b"] {
            std::fs::create_dir(path(name)).expect("made");
        }
        std::fs::write(path("ca/crl.pem"), "new").expect("written");
        std::fs::write(path("b/crl.pem"), "old").expect("written");
        let mut report = Report::default();
        for name in ["a", "b"] {
            report.add(Level::Error, shown(&path(name)), NOT_CARRIED, "lacks it");
            report.add(Level::Error, shown(&path(name)), "revoked", "is revoked");
        }
        std::fs::write(path("a/crl.pem"), "new").expect("written");
        let folders = [path("a"), path("b")];
        let is_better = report.forget_carried(home.path(), &folders);
        assert!(is_better.expect("looked at"));
        let left: Vec<_> = report.findings.iter().map(|one| one.kind).collect();
        assert_eq!(left, ["revoked", NOT_CARRIED, "revoked"]);
        let is_better = report.forget_carried(home.path(), &folders);
        assert!(!is_better.expect("looked at"));
    }
}
