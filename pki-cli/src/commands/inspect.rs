//! `pki inspect`.

use crate::{Global, command_error::CommandError, output::Output};

/// Show what a certificate, certificate request, CRL or key holds
#[derive(Debug, clap::Args)]
pub(crate) struct Args {}

pub(crate) fn run(
    _global: &Global,
    _args: &Args,
    _output: &mut Output,
) -> Result<(), CommandError> {
    Ok(())
}
