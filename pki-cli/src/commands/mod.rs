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

use clap::Args as _;

use crate::{Global, command_error::CommandError, output::Output};

use shared::{AuthorityArgs, NamesArgs, end_entity_folder, tell_of_lists_elsewhere};
pub(crate) use shared::{now, patience};

/// Each command by its file, which has its name.
macro_rules! commands {
    ($($variant:ident $name:ident,)+) => {
        #[derive(Debug, clap::Subcommand)]
        pub(crate) enum Command {
            $($variant($name::Args),)+
        }

        pub(crate) fn run(
            global: &Global,
            command: Command,
            output: &mut Output,
        ) -> Result<(), CommandError> {
            match command {
                $(Command::$variant(args) => $name::run(global, &args, output),)+
            }
        }

        /// One command as clap is to know it; nothing when there is none of this name.
        pub(crate) fn described(name: &str) -> Option<clap::Command> {
            Some(match name {
                $(stringify!($name) => $name::Args::augment_args(clap::Command::new(stringify!($name))),)+
                _ => return None,
            })
        }
    };
}

commands! {
    Init init,
    Csr csr,
    Sign sign,
    Issue issue,
    Apply apply,
    Renew renew,
    Rekey rekey,
    Revoke revoke,
    Crl crl,
    List list,
    Check check,
    Ca ca,
    Inspect inspect,
    Export export,
    Import import,
    Verify verify,
    Connect connect,
    Completions completions,
    Man man,
}
