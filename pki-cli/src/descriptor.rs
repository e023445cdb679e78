//! A descriptor that this process was given, by its number (`--passphrase-fd 3`).
//!
//! It is duplicated and not opened anew by a name like `/dev/fd/3`: that would begin at the start of a file again, ask
//! for rights that a process may have given up since, fail for a socket, and read what was opened to be written to.

use std::{fs::File, io};

use rustix::{
    fs::{OFlags, fcntl_getfl},
    io::Errno,
};

use pki::folder::GivenFile;

/// The descriptor of this number, ready to be read from where it stands.
pub(crate) fn open(number: u32) -> io::Result<GivenFile> {
    let file = match duplicate(number) {
        // An old kernel, or one that is told not to.
        Err(Errno::NOSYS | Errno::PERM) => File::open(format!("/dev/fd/{number}"))?,
        other => other?,
    };
    let flags = fcntl_getfl(&file)?;
    if flags.contains(OFlags::PATH) || flags & OFlags::RWMODE == OFlags::WRONLY {
        return Err(io::Error::other("it is not open for reading"));
    }
    GivenFile::of(file)
}

#[cfg(target_os = "linux")]
fn duplicate(number: u32) -> rustix::io::Result<File> {
    use rustix::process::{PidfdFlags, PidfdGetfdFlags, getpid, pidfd_getfd, pidfd_open};

    let number = i32::try_from(number).map_err(|_| Errno::BADF)?;
    // Before anything else is opened, which could get the very number.
    let own = pidfd_open(getpid(), PidfdFlags::empty())?;
    if std::os::fd::AsRawFd::as_raw_fd(&own) == number {
        return Err(Errno::BADF);
    }
    pidfd_getfd(&own, number, PidfdGetfdFlags::empty()).map(File::from)
}

#[cfg(not(target_os = "linux"))]
fn duplicate(_: u32) -> rustix::io::Result<File> {
    // Elsewhere, opening /dev/fd/N is a duplication.
    Err(Errno::NOSYS)
}
