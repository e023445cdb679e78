//! `pki verify`.

use crate::{Global, command_error::CommandError, output::Output};

/// Validate a certificate to a trust anchor by RFC 5280 section 6
#[derive(Debug, clap::Args)]
pub(crate) struct Args {}

pub(crate) fn run(
    _global: &Global,
    _args: &Args,
    _output: &mut Output,
) -> Result<(), CommandError> {
    Ok(())
}
