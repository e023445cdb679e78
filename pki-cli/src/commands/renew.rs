//! `pki renew`: a new certificate for the same key.

use crate::{
    Global,
    command_error::CommandError,
    commands::renewal::{self, RenewalArgs},
    output::Output,
};

/// Renew certificates: the same key, subject, names and role, a new validity
///
/// What stands in the certificate is carried over exactly; what cannot be carried over is refused. The key may be
/// elsewhere. The old certificate stays until the new one has been accepted by path validation, and a revoked one is not
/// renewed: make a new key with `pki rekey`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: pki renew --all --expiring 20d")]
pub(crate) struct Args {
    #[command(flatten)]
    renewal: RenewalArgs,
}

pub(crate) fn run(global: &Global, args: &Args, output: &mut Output) -> Result<(), CommandError> {
    let terms = args.renewal.terms();
    renewal::run(global, &args.renewal, (&terms, None), "renewed", output)
}
