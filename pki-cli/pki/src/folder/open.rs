//! Opening files to read them, such that nothing that has the name of a file can hold a command up for ever.
//!
//! To open a pipe (FIFO) waits for a writer, who may never come. What lies in our folders is a regular file, or it is
//! refused ([`open`]). What a person names may well be a pipe (`<(openssl …)`, `/dev/stdin`) or a device: that is read,
//! and the wait for it is bounded ([`open_given`]). How much is read is bounded by whoever reads.

use std::{
    fs::{File, OpenOptions},
    io::{self, Read},
    os::unix::fs::{FileTypeExt, OpenOptionsExt},
    path::Path,
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    fs::{OFlags, fcntl_getfl, fcntl_setfl},
    io::Errno,
};

use super::FolderError;

/// How long a pipe is looked at before something is done about it.
const ROUND: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 100_000_000,
};
/// Rounds in a second.
const SECOND: u32 = 10;
/// How many seconds a pipe may be without a writer.
const WITHOUT_WRITER: u32 = 10;
/// How many seconds a writer may be silent: it may be asking somebody for a passphrase.
const SILENT: u32 = 120;

/// A file that a person named: a regular file, a device, or a pipe, which is waited for within bounds.
#[derive(Debug)]
pub struct GivenFile {
    file: File,
    /// As far as it is known: a pipe says 0.
    size: u64,
    /// Whether it is looked at in rounds, so that nobody is waited for without bound.
    is_watched: bool,
    has_begun: bool,
}

/// Opens a regular file.
pub(crate) fn open(path: &Path) -> Result<File, FolderError> {
    let failed = |error: io::Error| match Errno::from_io_error(&error) {
        Some(Errno::NOENT) => FolderError::Missing(path.to_owned()),
        // A socket, or a device that is not there.
        Some(Errno::NXIO) => FolderError::NotRegular(path.to_owned()),
        _ => FolderError::io(path, "read")(error),
    };
    let file = without_waiting(path).map_err(failed)?;
    let kind = file.metadata().map_err(failed)?.file_type();
    // A folder is refused by the first reading, in the words of the operating system.
    match kind.is_file() || kind.is_dir() {
        true => Ok(file),
        false => Err(FolderError::NotRegular(path.to_owned())),
    }
}

/// Opens what a person named.
pub fn open_given(path: &Path) -> io::Result<GivenFile> {
    let file = without_waiting(path)?;
    // A terminal or another device is read like everywhere; a pipe is watched.
    if file.metadata()?.file_type().is_char_device() {
        fcntl_setfl(&file, fcntl_getfl(&file)? - OFlags::NONBLOCK)?;
    }
    GivenFile::of(file)
}

fn without_waiting(path: &Path) -> io::Result<File> {
    let flags = OFlags::NONBLOCK | OFlags::NOCTTY;
    OpenOptions::new()
        .read(true)
        .custom_flags(flags.bits().cast_signed())
        .open(path)
}

impl GivenFile {
    /// Reads an open file from where it stands.
    pub fn of(file: File) -> io::Result<Self> {
        let metadata = file.metadata()?;
        let kind = metadata.file_type();
        // What was inherited is shared with others, so its flags are left as they are.
        let is_watched = kind.is_fifo()
            || kind.is_socket()
            || (kind.is_char_device() && fcntl_getfl(&file)?.contains(OFlags::NONBLOCK));
        Ok(Self {
            file,
            size: metadata.len(),
            is_watched,
            has_begun: false,
        })
    }

    /// Reads what is left, up to `limit` octets.
    pub fn read_up_to(self, limit: u64) -> io::Result<Vec<u8>> {
        let mut octets = Vec::new();
        // Room at once, as far as the size is known, so that nothing is copied while it grows.
        octets.reserve_exact(self.size.min(limit) as usize + 1);
        match self.is_watched {
            true => self.take(limit).read_to_end(&mut octets)?,
            // The file itself needs no room that was made zero before.
            false => self.file.take(limit).read_to_end(&mut octets)?,
        };
        Ok(octets)
    }

    fn is_ready(&self) -> io::Result<bool> {
        let mut watched = [PollFd::new(&self.file, PollFlags::IN)];
        match poll(&mut watched, Some(&ROUND)) {
            Ok(ready) => Ok(ready > 0),
            Err(Errno::INTR) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}

impl Read for GivenFile {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if !self.is_watched {
            return self.file.read(buffer);
        }
        let (mut alone, mut silent) = (0, 0);
        loop {
            let is_ready = self.is_ready()?;
            // A descriptor that was inherited may be one that waits.
            let waits = !fcntl_getfl(&self.file)?.contains(OFlags::NONBLOCK);
            let outcome = match waits && !is_ready {
                true => Err(io::ErrorKind::WouldBlock.into()),
                false => self.file.read(buffer),
            };
            match outcome {
                // Nobody has opened the other end so far; poll(2) tells when the last writer has gone.
                Ok(0) if !is_ready && !self.has_begun => alone += 1,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => silent += 1,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Ok(count) => {
                    self.has_begun = true;
                    return Ok(count);
                }
                Err(error) => return Err(error),
            }
            let overdue = |told: String| Err(io::Error::new(io::ErrorKind::TimedOut, told));
            if alone >= WITHOUT_WRITER * SECOND {
                return overdue(format!(
                    "it is a pipe, and nobody began to write to it within {WITHOUT_WRITER} seconds"
                ));
            }
            if silent >= SILENT * SECOND {
                return overdue(format!("nothing came out of it for {SILENT} seconds"));
            }
        }
    }
}
