//! What `pki revoke` and `pki crl` have in common: how long CRLs live, signing and carrying them, and the report.

use std::path::{Path, PathBuf};

use pki::{
    authority::Unlock,
    index::timestamp,
    issuer::date,
    revocation::{Action, Due, Failure, Refreshed, RevocationLists, Wish},
    text::escape,
};
use serde_json::{Value, json};

use crate::{
    command_error::{CommandError, Kind},
    commands::{now, patience},
    output::{GOOD, NOTICE, Output},
    passphrase::{PassphraseArgs, Remembered},
    period::Period,
    show,
};

/// How CRLs are signed.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct ListArgs {
    /// How long the issuing CA's CRL lives, as in 30d or 36h [default: as long as the last one, 30d at first]
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    life: Option<Period>,
    /// How long the root's CRL lives, which says only which CAs are revoked [default: as the last one, 365d at first]
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    root_life: Option<Period>,
    /// Print what would be done, and do nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    #[command(flatten)]
    pub(crate) passphrase: PassphraseArgs,
}

impl ListArgs {
    pub(crate) fn wish(&self, force: bool) -> Wish {
        let length = |period: Option<Period>| period.map(|Period(length)| length);
        Wish {
            life: length(self.life),
            root_life: length(self.root_life),
            force,
        }
    }

    /// Reads the CA below `dir`.
    pub(crate) fn open(&self, dir: &Path) -> Result<RevocationLists, CommandError> {
        Ok(match self.dry_run {
            true => RevocationLists::open_to_rehearse(dir)?,
            false => RevocationLists::open(dir)?,
        })
    }

    /// Signs what is due, or says what would be.
    pub(crate) fn refresh(
        &self,
        lists: &mut RevocationLists,
        wish: &Wish,
        passphrases: &mut Remembered<'_>,
    ) -> Result<Refreshed, CommandError> {
        let mut unlock = |path: &Path| passphrases.unlock(path);
        if self.dry_run {
            return Ok(lists.rehearse(wish, &mut unlock, now())?);
        }
        Ok(lists.refresh(wish, &mut unlock, now(), &mut patience())?)
    }
}

/// What `pki apply` has to do about CRLs, once there are any, or something is revoked of which one has to tell.
pub(crate) struct Outstanding {
    lists: RevocationLists,
    /// Whether there is no `crl.pem` yet.
    is_missing: bool,
    /// The CRLs that are to be signed.
    pub(crate) due: Vec<Due>,
    /// The folders that are to get the present ones.
    pub(crate) folders: Vec<PathBuf>,
}

impl Outstanding {
    /// `None` when there is nothing to do: a CA that never revoked anything has no CRL, and needs none. What stands in the
    /// way of the first one, which nothing here can take away, is told.
    pub(crate) fn find(dir: &Path, output: &mut Output) -> Result<Option<Self>, CommandError> {
        let lists = RevocationLists::open_to_read(dir)?;
        if !lists.are_needed()? {
            return Ok(None);
        }
        let obstacles = lists.obstacles(now())?;
        if !obstacles.is_empty() {
            for obstacle in obstacles {
                output.notice(format_args!(
                    "Certificates are revoked, and no crl.pem tells of it. {obstacle}"
                ));
            }
            return Ok(None);
        }
        let mut due = lists.due(&Wish::default(), now())?;
        due.retain(|due| matches!(due.action, Action::Sign(_)));
        let folders = lists.lacking()?;
        let is_missing = !pki::folder::is_there(&lists.path()).map_err(pki::Error::from)?;
        let is_due = is_missing || !due.is_empty() || !folders.is_empty();
        Ok(is_due.then_some(Self {
            lists,
            is_missing,
            due,
            folders,
        }))
    }

    /// Does it.
    pub(crate) fn take(
        mut self,
        unlock: &mut Unlock<'_>,
        output: &mut Output,
    ) -> Result<Refreshed, CommandError> {
        let refreshed = self
            .lists
            .refresh(&Wish::default(), unlock, now(), &mut patience())?;
        notices(output, &refreshed);
        Ok(refreshed)
    }

    /// The lines of the plan.
    pub(crate) fn lines(&self, width: usize, output: &mut Output) -> std::io::Result<()> {
        for due in &self.due {
            if let Action::Sign(reasons) = &due.action {
                output.line(format_args!(
                    "{NOTICE}~{NOTICE:#} {:width$}  {}: {}",
                    "crl",
                    escape(&due.issuer),
                    reasons.join(", and ")
                ))?;
            }
        }
        if self.is_missing {
            output.line(format_args!(
                "{NOTICE}~{NOTICE:#} {:width$}  crl.pem is missing, and goes into every folder",
                "crl"
            ))?;
        }
        if !self.folders.is_empty() {
            output.line(format_args!(
                "{NOTICE}~{NOTICE:#} {:width$}  {} of the folders lack crl.pem, or have another one",
                "crl",
                self.folders.len()
            ))?;
        }
        Ok(())
    }

    /// The same in JSON.
    pub(crate) fn json(&self) -> Value {
        let due: Vec<_> = self.due.iter().map(due_json).collect();
        json!({ "sign": due, "missing": self.is_missing, "folders": show::paths_json(&self.folders) })
    }
}

/// The CRLs in JSON.
pub(crate) fn json(refreshed: &Refreshed, lists: &RevocationLists, dry_run: bool) -> Value {
    let crls: Vec<_> = refreshed.lists.iter().map(due_json).collect();
    let failures: Vec<_> = refreshed
        .failures
        .iter()
        .map(|failure| json!({ "folder": failure.folder.as_deref().map(show::path_json), "message": failure.error.to_string() }))
        .collect();
    json!({
        "dry_run": dry_run,
        "crls": crls,
        "file": show::path_json(&lists.path()),
        "written": refreshed.is_written,
        "folders": show::paths_json(&refreshed.folders),
        "failures": failures,
        "notices": refreshed.notices,
    })
}

fn due_json(due: &Due) -> Value {
    let (action, reasons) = match &due.action {
        Action::Sign(reasons) => ("sign", &reasons[..]),
        Action::Keep => ("keep", &[][..]),
        Action::KeyMissing(reasons) => ("key-missing", &reasons[..]),
        Action::Failed(reasons) => ("failed", &reasons[..]),
    };
    let current = due.current.as_ref();
    json!({
        "issuer": due.issuer,
        "action": action,
        "reasons": reasons,
        "number": current.map(|crl| crl.number),
        "this_update": current.map(|crl| timestamp(crl.this_update)),
        "next_update": current.map(|crl| timestamp(crl.next_update)),
        "revoked": due.entries,
    })
}

/// The CRLs for people, one a line, and where they were carried.
pub(crate) fn lines(
    output: &mut Output,
    refreshed: &Refreshed,
    lists: &RevocationLists,
    dry_run: bool,
) -> Result<(), CommandError> {
    for due in &refreshed.lists {
        let issuer = escape(&due.issuer);
        let entries = match due.entries {
            1 => "1 certificate".to_owned(),
            many => format!("{many} certificates"),
        };
        match (&due.action, &due.current) {
            (Action::Sign(reasons), _) if dry_run => output.line(format_args!(
                "{GOOD}~{GOOD:#} {issuer}  a new CRL of {entries} would be signed: {}",
                reasons.join(", and ")
            ))?,
            (Action::Sign(reasons), Some(crl)) => output.line(format_args!(
                "{GOOD}~{GOOD:#} {issuer}  CRL {} of {entries}, until {}: {}",
                crl.number,
                date(crl.next_update),
                reasons.join(", and ")
            ))?,
            (Action::Keep, Some(crl)) => output.line(format_args!(
                "= {issuer}  CRL {} of {entries}, until {}",
                crl.number,
                date(crl.next_update)
            ))?,
            (Action::Sign(reasons) | Action::KeyMissing(reasons) | Action::Failed(reasons), _) => {
                output.line(format_args!(
                    "! {issuer}  not signed: {}",
                    reasons.join(", and ")
                ))?;
            }
            (Action::Keep, None) => {}
        }
    }
    let is_due = refreshed
        .lists
        .iter()
        .any(|due| matches!(due.action, Action::Sign(_)));
    if dry_run {
        output.line("Nothing was done: this was a dry run.")?;
    } else if refreshed.is_written || !refreshed.folders.is_empty() {
        output.line(format_args!(
            "Written: {}, and crl.pem in {} of the folders of certificates.",
            escape(&lists.path().to_string_lossy()),
            refreshed.folders.len()
        ))?;
    } else if !is_due && refreshed.failures.is_empty() {
        output.line("Nothing to do.")?;
    }
    Ok(())
}

/// Notices go to stderr, whatever goes to stdout.
pub(crate) fn notices(output: &mut Output, refreshed: &Refreshed) {
    for notice in &refreshed.notices {
        output.notice(notice);
    }
}

/// One failure for all that could not be done, which was told in full before; the exit code is that of the first.
pub(crate) fn failure(refreshed: &Refreshed, output: &mut Output) -> Option<CommandError> {
    let (first, rest) = refreshed.failures.split_first()?;
    let told = |failure: &Failure| match &failure.folder {
        Some(folder) => format!(
            "The CRL could not be carried into {}: {}",
            escape(&folder.to_string_lossy()),
            failure.error
        ),
        None => failure.error.to_string(),
    };
    for failure in rest {
        output.notice(told(failure));
    }
    let error = CommandError::new(Kind::from(first.error.kind()), told(first));
    Some(error.hint(
        "What else could be done was done; put this right, and run \"pki crl\" to do what is left.",
    ))
}

/// Prints the one document of a command, with the failure in it that may have ended its work.
pub(crate) fn document(
    mut document: Value,
    failure: Option<CommandError>,
    output: &mut Output,
) -> Result<(), CommandError> {
    if let Some(error) = &failure {
        document["error"] = error.to_json();
    }
    output.document(&document)?;
    failure.map_or(Ok(()), |error| Err(error.told_in_json()))
}
