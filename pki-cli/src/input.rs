//! Reading files whose size somebody else decides.

use std::{io::Read, path::Path};

use pki::{Error, folder, text::escape};

use crate::command_error::{CommandError, Kind};

/// No certificate, bundle or key that makes sense is larger. The largest CRLs of the public web have a few megabytes.
pub(crate) const LARGEST_FILE: u64 = 16 * 1024 * 1024;

/// The content of a file, or of stdin for `-`, when it is not larger than [`LARGEST_FILE`] (a `crl.pem`: than what is read of CRLs).
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, CommandError> {
    match path.file_name() {
        Some(name) if name == folder::REVOCATION_LISTS => read_lists(path),
        _ => read_up_to(path, LARGEST_FILE),
    }
}

/// The content of a file that is to hold CRLs, which grow with every revocation.
pub(crate) fn read_lists(path: &Path) -> Result<Vec<u8>, CommandError> {
    read_up_to(path, folder::MAX_LISTS)
}

fn read_up_to(path: &Path, limit: u64) -> Result<Vec<u8>, CommandError> {
    let shown = escape(&path.to_string_lossy());
    let unreadable = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::NotFound => {
            CommandError::new(Kind::NotFound, format_args!("There is no file {shown}."))
                .hint("Check the path; it is taken from the current folder.")
        }
        _ => CommandError::new(
            Kind::Io,
            format_args!("The file {shown} cannot be read: {error}."),
        ),
    };
    // Read through a limit and not by the size in the file system: a device or pipe has none.
    let read = if path == Path::new("-") {
        let mut octets = Vec::new();
        let stdin = std::io::stdin().lock();
        stdin
            .take(limit + 1)
            .read_to_end(&mut octets)
            .map(|_| octets)
    } else {
        folder::open_given(path).and_then(|file| file.read_up_to(limit + 1))
    };
    let octets = read.map_err(unreadable)?;
    if octets.len() as u64 > limit {
        return Err(CommandError::new(
            Kind::Malformed,
            format_args!(
                "The file {shown} is larger than the {} MiB that are read.",
                limit / 1024 / 1024
            ),
        )
        .hint("Split the bundle, or take out what is not a certificate, request, CRL or key."));
    }
    Ok(octets)
}

/// The content of a file of a folder of ours. Nobody named it, so it is a regular file or refused.
pub(crate) fn read_own(path: &Path) -> Result<Vec<u8>, CommandError> {
    let octets = folder::read(path).map_err(Error::from)?;
    Ok(octets.to_vec())
}
