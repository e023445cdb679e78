//! `pki crl`: CRLs that are due are signed again, and carried to everybody who reads them.

use crate::{
    Global,
    command_error::CommandError,
    commands::revocation::{self, ListArgs},
    output::Output,
    passphrase::Remembered,
};

/// Sign the CRLs again, if they changed or are to end
///
/// A CRL is signed when a revocation is not in it yet, when there is none, or when less than half of its life is left;
/// otherwise nothing is done, so this can be run every day. Writes DIR/ca/crl.pem, with the CRLs of the issuing CA and
/// of the root, and the same crl.pem into the folder of every certificate. Once a folder has one, its service refuses
/// everybody when it ends: let this run from cron or a timer. The root's key is needed about twice a year, beginning
/// a year after init at the latest; until then it may lie elsewhere.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: pki crl --life 14d")]
pub(crate) struct Args {
    /// Sign although nothing is due
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    lists: ListArgs,
}

pub(crate) fn run(global: &Global, args: &Args, output: &mut Output) -> Result<(), CommandError> {
    let mut lists = args.lists.open(&global.dir)?;
    let wish = args.lists.wish(args.force);
    let mut passphrases = Remembered::new(&args.lists.passphrase);
    let refreshed = args.lists.refresh(&mut lists, &wish, &mut passphrases)?;
    revocation::notices(output, &refreshed);
    let failure = revocation::failure(&refreshed, output);
    if output.json() {
        let document = revocation::json(&refreshed, &lists, args.lists.dry_run);
        return revocation::document(document, failure, output);
    }
    revocation::lines(output, &refreshed, &lists, args.lists.dry_run)?;
    failure.map_or(Ok(()), Err)
}
