//! Folders of certificates: the only place that writes files.
//!
//! A pair lives in a folder of its own, `NAME/{tls.crt,tls.key,ca.crt}`, as plain files, so that everything that reads
//! files reads them. Certificate and key change together or not at all, although POSIX renames one name at a time:
//!
//! 1. The new files are written to `..new-XXXX/` in the folder and made durable.
//! 2. The present files are copied to `..old-XXXX/`; a symbolic link `..data` leads there; each present file is
//!    replaced by a link to `..data/FILE`. Every reader sees what it saw before.
//! 3. `..data` is replaced by a link to `..new-XXXX` with one `rename`: the moment of change, for all files at once.
//! 4. Each link is replaced by the plain file that it leads to, and the helpers are removed.
//!
//! A process may die between any two of these calls: what a reader sees is the old pair or the new one, never a mixture,
//! and whoever writes to the folder next takes the last step first ([`Folder::lock`]). This is the trick by which
//! Kubernetes changes mounted secrets, with the links taken away again at the end. Exchanging whole folders
//! (`renameat2`) would be fewer calls, but a container that mounted the folder would keep looking at the old one, and
//! not every file system can do it. A first pair is made in `.NAME~new/` beside the place of its folder, which it then
//! takes by one `rename`; where an empty folder is, in `.NAME~new-XXXX/`.
//!
//! Two files cannot be opened in one call, so a reader reads `tls.crt`, `tls.key` and `tls.crt` again: when both
//! readings of `tls.crt` agree, the key belongs to it.
//!
//! Writers of one folder wait for each other at a lock that the kernel releases when its process ends.

mod create;
mod error;
mod exchange;
mod file;
mod file_systems;
mod lock;
mod open;
mod rehearsal;
mod single;
#[cfg(test)]
mod tests;

use zeroize::Zeroizing;

pub use create::{create, create_folder, name_of_staged, parent};
pub use error::FolderError;
pub use exchange::{Change, Durable, is_unsettled};
pub(crate) use file::stamp_of;
pub use file::{
    MAX_LISTS, holds_any, is_there, mode_of, place_file, read, read_given, read_if_there,
    sync_folder, write_entries,
};
pub use file_systems::FileSystems;
pub use lock::Folder;
pub(crate) use open::open;
pub use open::{GivenFile, open_given};
pub use rehearsal::{check, check_new, check_place, check_writable, is_of_authority};

/// The certificate, followed by the intermediates.
pub const CERTIFICATE: &str = "tls.crt";
/// The private key.
pub const KEY: &str = "tls.key";
/// The trust anchor.
pub const ANCHOR: &str = "ca.crt";
/// What `pki csr` leaves beside its key until the certificate comes.
pub const REQUEST: &str = "tls.csr";
/// The CRLs of every CA that a peer's certificate may come from, once there are any.
pub const REVOCATION_LISTS: &str = "crl.pem";

/// Called when another process holds a lock: lets a moment pass and says whether to try again. Patience and clock are
/// the caller's.
pub type Wait<'a> = dyn FnMut() -> bool + 'a;

/// Who may read a file.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Access {
    /// The owner alone, 0600.
    Private,
    /// Everybody, 0644.
    Public,
}

/// A file to be written.
#[derive(Clone)]
pub struct Entry {
    name: &'static str,
    access: Access,
    content: Zeroizing<Vec<u8>>,
}

impl Entry {
    /// A file that only its owner may read.
    pub fn private(name: &'static str, content: impl AsRef<[u8]>) -> Self {
        Self {
            name,
            access: Access::Private,
            content: Zeroizing::new(content.as_ref().to_vec()),
        }
    }

    /// The file's name.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// A file that everybody may read.
    pub fn public(name: &'static str, content: impl AsRef<[u8]>) -> Self {
        Self {
            name,
            access: Access::Public,
            content: Zeroizing::new(content.as_ref().to_vec()),
        }
    }
}

impl std::fmt::Debug for Entry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            name,
            access,
            content: _,
        } = self;
        write!(f, "Entry({name}, {access:?}, [elided])")
    }
}
