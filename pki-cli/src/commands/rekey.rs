//! `pki rekey`: a new key, and a certificate for it that says what the present one says.

use pki::{
    key::KeyAlgorithm,
    renewal::{NewKey, Terms},
};

use crate::{
    Global,
    command_error::CommandError,
    commands::renewal::{self, RenewalArgs},
    output::Output,
    passphrase::NewKeysArgs,
};

/// Renew certificates with new keys: the same subject, names and role, a new key, a new validity
///
/// Key and certificate change together, or not at all. The new key is of the same kind unless --key says otherwise, and
/// is encrypted if the present one is. This is also the way on after a key was compromised and its certificate revoked.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: pki rekey payment --key p256")]
pub(crate) struct Args {
    #[command(flatten)]
    renewal: RenewalArgs,
    /// The key: p256, p384, ed25519, rsa-2048, rsa-3072 or rsa-4096 [default: as the present one]
    #[arg(long, value_name = "TYPE", value_parser = crate::words::key(), hide_possible_values = true)]
    key: Option<KeyAlgorithm>,
    #[command(flatten)]
    new_keys: NewKeysArgs,
}

pub(crate) fn run(global: &Global, args: &Args, output: &mut Output) -> Result<(), CommandError> {
    let terms = Terms {
        new_key: Some(args.key.map_or(NewKey::SameKind, NewKey::Kind)),
        ..args.renewal.terms()
    };
    let new_keys = Some(&args.new_keys);
    renewal::run(global, &args.renewal, (&terms, new_keys), "rekeyed", output)
}
