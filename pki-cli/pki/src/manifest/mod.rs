//! The manifest, `pki.toml`: the hierarchy and one entry per certificate. Read whole, checked whole: a value that could
//! not be issued is refused with its line before anything is done.

mod message;
mod raw;
mod syntax;
mod table;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod wrong_tests;

use std::path::{Path, PathBuf};

use raw::Raw;
use toml::de::DeTable;

use crate::{
    authority::NewAuthority, distinguished_name::DistinguishedName, error::Error, folder,
    key::KeyAlgorithm, profile::Profile, subject_alt_name::GeneralName,
};

/// Validity of an end entity, unless said otherwise.
pub const DEFAULT_DAYS: u32 = 60;
/// Validity of a root.
pub const DEFAULT_ROOT_DAYS: u32 = 3650;
/// Validity of an issuing CA.
pub const DEFAULT_ISSUING_DAYS: u32 = 1826;

/// Why a manifest cannot be used.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{path:?}, line {line}: {problem}")]
pub struct ManifestError {
    /// The file.
    pub path: PathBuf,
    /// The line, counted from 1.
    pub line: usize,
    /// What is wrong, and what would be right: a whole sentence.
    pub problem: String,
}

/// A manifest in which every value can be used.
#[derive(Clone, Debug)]
pub struct Manifest {
    /// Where it was read, for messages.
    pub path: PathBuf,
    /// The CA.
    pub authority: NewAuthority,
    /// Whether the keys of a new CA are encrypted.
    pub encrypt_ca_keys: bool,
    /// The certificates, in the order of the file.
    pub certificates: Vec<Entry>,
}

/// One certificate that should be there.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Its folder below `--dir`.
    pub name: String,
    /// Its profile.
    pub profile: Profile,
    /// Its subject.
    pub subject: DistinguishedName,
    /// Its names, without repetitions.
    pub names: Vec<GeneralName>,
    /// Names that were written twice.
    pub repeated: Vec<GeneralName>,
    /// Its key.
    pub key: KeyAlgorithm,
    /// Its validity.
    pub days: u32,
    /// The line of the entry, and those of its names in their order, for messages.
    pub(crate) lines: (usize, Vec<usize>),
}

impl Entry {
    /// The line in which the entry begins.
    pub(crate) fn line(&self) -> usize {
        self.lines.0
    }

    /// The line in which a name stands.
    pub(crate) fn line_of(&self, name: &GeneralName) -> usize {
        let (own, lines) = &self.lines;
        let at = self.names.iter().position(|known| known == name);
        at.and_then(|at| lines.get(at)).copied().unwrap_or(*own)
    }
}

impl Manifest {
    /// Reads a manifest. `path` is for messages only.
    pub fn parse(path: &Path, text: &str) -> Result<Self, ManifestError> {
        let line_ends: Vec<usize> = text.match_indices('\n').map(|(at, _)| at).collect();
        let at = |offset: usize| 1 + line_ends.partition_point(|end| *end < offset);
        let refuse = |offset: usize, problem: String| ManifestError {
            path: path.to_owned(),
            line: at(offset),
            problem,
        };
        let file = DeTable::parse(text).map_err(|error| {
            // Of keys that are too deep the parser does not tell where they are.
            let span = error.span().unwrap_or_else(|| {
                let dots = |line: &&str| line.matches('.').count();
                let longest = text.lines().max_by_key(dots).unwrap_or_default();
                let start = text.find(longest).unwrap_or_default();
                start..start
            });
            let what = text.get(span.clone()).unwrap_or_default();
            refuse(span.start, syntax::sentence(error.message(), what))
        })?;
        let raw = Raw::read(file.into_inner(), &refuse)?;
        let encrypt_ca_keys = raw.ca.encrypt_key;
        let authority = raw.ca.check(&refuse)?;
        let mut certificates = Vec::new();
        for (name, entry) in raw.certificates {
            let start = name.span().start;
            let mut entry = entry.check(name, &raw.defaults, &authority.permitted_dns, &refuse)?;
            // So far these were offsets.
            let (own, names) = &mut entry.lines;
            names
                .iter_mut()
                .chain([own])
                .for_each(|line| *line = at(*line));
            certificates.push((start, entry));
        }
        certificates.sort_by_key(|(start, _)| *start);
        Ok(Self {
            path: path.to_owned(),
            authority,
            encrypt_ca_keys,
            certificates: certificates.into_iter().map(|(_, entry)| entry).collect(),
        })
    }

    /// Reads a manifest from a file.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let bytes = folder::read_given(path)?;
        let text = std::str::from_utf8(&bytes).map_err(|error| {
            let line = 1 + bytes[..error.valid_up_to()]
                .iter()
                .filter(|byte| **byte == b'\n')
                .count();
            let problem = "This is not UTF-8; save the manifest as UTF-8 text.".to_owned();
            ManifestError {
                path: path.to_owned(),
                line,
                problem,
            }
        })?;
        Ok(Self::parse(path, text)?)
    }
}

/// Refuses names that are no folder of their own below `--dir`.
pub fn check_name(name: &str) -> Result<(), Error> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b".-_".contains(&byte);
    let is_fine = name.len() <= 64
        && name.bytes().all(allowed)
        && name
            .bytes()
            .next()
            .is_some_and(|first| first.is_ascii_alphanumeric())
        && !name.eq_ignore_ascii_case(crate::authority::FOLDER)
        // Where the manifest is looked for.
        && !name.to_ascii_lowercase().ends_with(".toml");
    if is_fine {
        Ok(())
    } else {
        Err(Error::FolderName(name.to_owned()))
    }
}

/// The issuing CA's subject when none is given: the root's with "Issuing" in its common name, since two CAs of one
/// hierarchy must not have the same name.
pub fn issuing_subject(root: &DistinguishedName) -> Result<DistinguishedName, Error> {
    Ok(root.with_common_name(|name| issuing_name(name.unwrap_or_default()))?)
}

/// `Example Root CA`, `Example Root` and `Example CA` become `Example Issuing CA`.
fn issuing_name(root: &str) -> String {
    if root.ends_with("Issuing CA") {
        return format!("{root} 2");
    }
    let mut words: Vec<_> = root.split(' ').collect();
    words.pop_if(|last| *last == "CA");
    words.pop_if(|last| *last == "Root");
    words.retain(|word| !word.is_empty());
    words.extend(["Issuing", "CA"]);
    words.join(" ")
}
