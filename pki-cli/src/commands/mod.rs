//! The commands, one file each. Every file holds `Args`, whose doc comments are the help text, and `run`. What several
//! commands take stands in `shared`.

mod apply;
mod ca;
mod check;
mod completions;
mod connect;
mod crl;
mod csr;
mod export;
mod import;
mod import_ca;
mod init;
mod inspect;
mod issue;
mod list;
mod man;
mod rekey;
mod renew;
mod renewal;
mod revocation;
mod revoke;
mod shared;
mod sign;
mod verify;

use crate::{Global, command_error::CommandError, output::Output};

use shared::{AuthorityArgs, NamesArgs, end_entity_folder, tell_of_lists_elsewhere};
pub(crate) use shared::{now, patience};

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    Init(init::Args),
    Csr(csr::Args),
    Sign(sign::Args),
    Issue(issue::Args),
    Apply(apply::Args),
    Renew(renew::Args),
    Rekey(rekey::Args),
    Revoke(revoke::Args),
    Crl(crl::Args),
    List(list::Args),
    Check(check::Args),
    Ca(ca::Args),
    Inspect(inspect::Args),
    Export(export::Args),
    Import(import::Args),
    Verify(verify::Args),
    Connect(connect::Args),
    Completions(completions::Args),
    Man(man::Args),
}

pub(crate) fn run(
    global: &Global,
    command: Command,
    output: &mut Output,
) -> Result<(), CommandError> {
    match command {
        Command::Init(args) => init::run(global, &args, output),
        Command::Csr(args) => csr::run(global, &args, output),
        Command::Sign(args) => sign::run(global, &args, output),
        Command::Issue(args) => issue::run(global, &args, output),
        Command::Apply(args) => apply::run(global, &args, output),
        Command::Renew(args) => renew::run(global, &args, output),
        Command::Rekey(args) => rekey::run(global, &args, output),
        Command::Export(args) => export::run(global, &args, output),
        Command::Revoke(args) => revoke::run(global, &args, output),
        Command::Crl(args) => crl::run(global, &args, output),
        Command::List(args) => list::run(global, &args, output),
        Command::Check(args) => check::run(global, &args, output),
        Command::Import(args) => import::run(global, &args, output),
        Command::Ca(args) => ca::run(global, &args, output),
        Command::Inspect(args) => inspect::run(global, &args, output),
        Command::Verify(args) => verify::run(global, &args, output),
        Command::Connect(args) => connect::run(global, &args, output),
        Command::Completions(args) => completions::run(global, &args, output),
        Command::Man(args) => man::run(global, &args, output),
    }
}
