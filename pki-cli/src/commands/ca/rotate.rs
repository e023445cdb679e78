//! `pki ca rotate`: another CA takes the place of the one that issues, in stages, without an outage.

use std::path::{Path, PathBuf};

use pki::{
    Error,
    authority::{Role, Stage},
    index,
    key::KeyAlgorithm,
    revocation::{self, Failure, RevocationLists},
    rotation::{self, Made, Outlook, RotationRefused, Step, Wish},
    text::escape,
};
use time::OffsetDateTime;

use super::report;
use crate::{
    Global,
    command_error::CommandError,
    commands::{now, patience},
    output::Output,
    passphrase::{PassphraseArgs, Remembered},
};

/// Replace the CA that issues by the next generation, in stages, without an outage
///
/// prepare makes the next CA and has every folder below DIR trust it; it issues nothing yet. activate lets it issue, once
/// every folder trusts it; `pki apply` or `pki renew --all` then replaces what the previous one issued. retire ends the
/// trust in the previous CA, once nothing that it issued is valid any more. Between two stages every service must have
/// reloaded its folder. Without a stage the one that is due is done, and it is said when the next one is; so this can
/// run every day. It is safe to repeat, also after a crash.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: pki ca rotate prepare --now
Example: pki ca rotate status --json")]
pub(crate) struct Args {
    /// The stage; status only tells how things stand [default: the stage that is due]
    #[arg(value_enum, value_name = "STAGE")]
    stage: Option<StageArg>,
    /// Prepare before half of the CA's life is over, or activate before the services had a day to reload
    #[arg(long)]
    now: bool,
    /// Replace the root as well (without an issuing CA below it, it is the root that is replaced anyway)
    #[arg(long)]
    root: bool,
    /// Activate although not every folder trusts the next CA, or retire although the previous one is still needed
    #[arg(long)]
    force: bool,
    /// The validity of the next issuing CA [default: its forerunner's]
    #[arg(long, value_name = "DAYS", value_parser = crate::number::days, allow_hyphen_values = true)]
    days: Option<u32>,
    /// The keys of the next CA: p256, p384, ed25519, rsa-2048, rsa-3072 or rsa-4096 [default: as its forerunner's]
    #[arg(long, value_name = "TYPE", value_parser = crate::words::key(), hide_possible_values = true)]
    key: Option<KeyAlgorithm>,
    /// Prepare although the CA's certificate has extensions that are not given: the next one does without them
    #[arg(long)]
    allow_dropped: bool,
    /// Print what would be done, and do nothing
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    passphrase: PassphraseArgs,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, clap::ValueEnum)]
enum StageArg {
    /// Make the next CA, and have it trusted
    Prepare,
    /// Let it issue
    Activate,
    /// Trust the previous one no longer
    Retire,
    /// Tell how things stand
    Status,
}

/// What one run did.
#[derive(Default)]
pub(super) struct Done {
    /// The stage that was entered; none when nothing was due, or it had been entered before.
    pub(super) step: Option<Step>,
    /// Whether a stage was named.
    pub(super) was_asked_for: bool,
    pub(super) made: Vec<Made>,
    pub(super) notices: Vec<String>,
    /// Folders whose `ca.crt` or `crl.pem` changed.
    pub(super) folders: Vec<PathBuf>,
    pub(super) failures: Vec<Failure>,
}

pub(crate) fn run(global: &Global, args: &Args, output: &mut Output) -> Result<(), CommandError> {
    let dir = &global.dir;
    let moment = now();
    let outlook = match (args.stage, args.dry_run) {
        (Some(StageArg::Status), _) => Outlook::of(dir, moment)?,
        (_, true) => Outlook::to_rehearse(dir, moment)?,
        (_, false) => Outlook::to_change(dir, moment)?,
    };
    let step = match args.stage {
        Some(StageArg::Prepare) => Some(Step::Prepare),
        Some(StageArg::Activate) => Some(Step::Activate),
        Some(StageArg::Retire) => Some(Step::Retire),
        Some(StageArg::Status) => None,
        None => {
            let is_asked_for = outlook.step == Step::Prepare && args.now;
            (outlook.due <= moment || is_asked_for).then_some(outlook.step)
        }
    };
    if args.stage == Some(StageArg::Activate) && !args.now {
        refuse_too_soon(&outlook, moment)?;
    }
    if args.dry_run || args.stage == Some(StageArg::Status) {
        output.notices(&outlook.taken_over);
        let would = step.filter(|_| args.dry_run);
        return report::outlook(&outlook, would, args.dry_run, moment, output);
    }
    let mut unlock = Remembered::new(&args.passphrase);
    let mut unlock = |path: &Path| unlock.unlock(path);
    let mut done = match step {
        Some(Step::Prepare) => {
            let wish = Wish {
                root: args.root || args.stage.is_none() && outlook.is_root_due,
                early: args.now,
                days: args.days,
                key: args.key,
                allow_dropped: args.allow_dropped,
            };
            let prepared = rotation::prepare(dir, &wish, &mut unlock, moment, &mut patience())?;
            Done {
                step: (!prepared.made.is_empty()).then_some(Step::Prepare),
                made: prepared.made,
                notices: prepared.taken_over,
                ..Done::default()
            }
        }
        Some(Step::Activate) => activate(dir, args.force, moment)?,
        Some(Step::Retire) => retire(dir, args.force, moment)?,
        // What an earlier run left undone is made up for, and a CA that was retired before may be gone for good.
        _ if outlook.generations.stage() == Stage::Settled
            && outlook.generations.get(Role::Retired).is_some() =>
        {
            retire(dir, false, moment)?
        }
        _ => Done::default(),
    };
    done.notices.splice(0..0, outlook.taken_over);
    done.was_asked_for = args.stage.is_some();
    spread(dir, moment, &mut unlock, &mut done)?;
    let after = Outlook::of(dir, moment)?;
    report::done(&after, &done, moment, output)
}

/// What a service has in memory nobody sees here, so it is given time to reload.
fn refuse_too_soon(outlook: &Outlook, now: OffsetDateTime) -> Result<(), Error> {
    match outlook.generations.next_issuer() {
        Some(next) if outlook.step == Step::Activate && now < outlook.due => {
            Err(RotationRefused::TooSoon {
                name: next.subject().to_string(),
                due: index::timestamp(outlook.due),
            }
            .into())
        }
        _ => Ok(()),
    }
}

fn activate(dir: &Path, force: bool, now: OffsetDateTime) -> Result<Done, Error> {
    let activated = rotation::activate(dir, force, now, &mut patience())?;
    let lacking = activated.lacking.iter().map(|one| {
        format!(
            "{} does not trust the CA that issues from now on ({} is missing); its service refuses who has a certificate of it.",
            escape(&one.folder.to_string_lossy()),
            escape(&one.what.join(", "))
        )
    });
    Ok(Done {
        step: activated.issuer.is_some().then_some(Step::Activate),
        notices: activated
            .taken_over
            .iter()
            .cloned()
            .chain(lacking)
            .collect(),
        ..Done::default()
    })
}

fn retire(dir: &Path, force: bool, now: OffsetDateTime) -> Result<Done, Error> {
    let retired = rotation::retire(dir, force, now, &mut patience())?;
    let mut notices = retired.taken_over;
    if let (Some(authority), 1..) = (&retired.authority, retired.living.count) {
        let fate = match retired.with_root {
            true => "nobody accepts them any more who has read the new ca.crt",
            false => "who trusts the root accepts them until they end or are revoked",
        };
        notices.push(format!(
            "{} of {} {} not over ({}): {fate}.",
            match retired.living.count {
                1 => "1 certificate".to_owned(),
                more => format!("{more} certificates"),
            },
            authority.subject().shown(),
            if retired.living.count == 1 {
                "is"
            } else {
                "are"
            },
            escape(&retired.living.names.join(", "))
        ));
    }
    if let Some(until) = retired.crl_until {
        notices.push(format!(
            "The CRL of the retired CA may be needed until {}, when the last of its certificates is over; until then its key and certificate stay, as retired.*.",
            pki::issuer::date(until)
        ));
    }
    if let Some(gone) = &retired.gone {
        notices.push(format!(
            "The CRL of {} is not needed any more; its key and certificate were removed.",
            gone.subject().shown()
        ));
    }
    Ok(Done {
        step: retired.authority.is_some().then_some(Step::Retire),
        notices,
        ..Done::default()
    })
}

/// Brings every folder up to the stage: roots first, and, once there are CRLs, those of every CA.
fn spread(
    dir: &Path,
    now: OffsetDateTime,
    unlock: &mut pki::authority::Unlock<'_>,
    done: &mut Done,
) -> Result<(), Error> {
    let mut lists = RevocationLists::open(dir)?;
    let spread = rotation::spread(dir, lists.index(), &mut patience())?;
    done.folders.extend(spread.folders);
    done.failures.extend(spread.failures);
    if lists.are_there()? {
        let refreshed =
            lists.refresh(&revocation::Wish::default(), unlock, now, &mut patience())?;
        done.folders.extend(refreshed.folders);
        done.failures.extend(refreshed.failures);
        done.notices.extend(refreshed.notices);
    }
    done.folders.sort();
    done.folders.dedup();
    Ok(())
}
