//! The generations of a CA, as they lie in its folder: the CA that issues, the one that is to take its place, and the one
//! whose place it took. Which files are there says in which stage a rotation is; nothing else keeps it.
//!
//! | stage | files beside `root.*` and `issuing.*` |
//! |---|---|
//! | settled | none |
//! | prepared | `next.*`, `next-root.*`: trusted by everybody, issuing nothing yet |
//! | active | `previous.*`, `previous-root.*`: issuing nothing any more, and still trusted |
//!
//! `retired.*` is a CA of which only the CRL is still needed. With a single tier there is no `next.*` and `previous.*`.
//!
//! The certificate of a CA is never made again under its name: each generation has a name of its own, the first one's with
//! a number behind it, so that names tell generations apart in an index, in a CRL and to a verifier (RFC 5280 §4.1.2.4:
//! issuer names are what paths are built by).

use std::path::{Path, PathBuf};

use super::{
    Authority, FOLDER, files::read_certificates, has_lost_its_issuing_authority, have_one_name,
};
use crate::{
    certificate::Certificate, distinguished_name::DistinguishedName, error::Error,
    folder::FolderError,
};

/// What a CA is in its folder.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Role {
    /// The CA below the root that issues.
    Issuing,
    /// The one that is to take its place.
    Next,
    /// The one whose place it took.
    Previous,
    /// One that is trusted no more than its CRL allows.
    Retired,
    /// The trust anchor.
    Root,
    /// The one that is to take its place.
    NextRoot,
    /// The one whose place it took.
    PreviousRoot,
}

/// How far a rotation is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Stage {
    /// There is one generation.
    Settled,
    /// The next generation is there and does not issue.
    Prepared,
    /// The next generation issues, and the previous one is trusted.
    Active,
}

/// The CAs of a folder.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Generations {
    folder: PathBuf,
    members: Vec<(Role, Certificate)>,
}

impl Role {
    /// Every role, in the order in which CRLs are listed.
    pub const ALL: [Self; 7] = [
        Self::Issuing,
        Self::Next,
        Self::Previous,
        Self::Retired,
        Self::Root,
        Self::NextRoot,
        Self::PreviousRoot,
    ];

    /// The file with the certificate.
    pub fn certificate_file(self) -> &'static str {
        self.files().0
    }

    /// The file with the key.
    pub fn key_file(self) -> &'static str {
        self.files().1
    }

    fn files(self) -> (&'static str, &'static str) {
        match self {
            Self::Issuing => (super::ISSUING_CERTIFICATE, super::ISSUING_KEY),
            Self::Next => ("next.crt", "next.key"),
            Self::Previous => ("previous.crt", "previous.key"),
            Self::Retired => ("retired.crt", "retired.key"),
            Self::Root => (super::ROOT_CERTIFICATE, super::ROOT_KEY),
            Self::NextRoot => ("next-root.crt", "next-root.key"),
            Self::PreviousRoot => ("previous-root.crt", "previous-root.key"),
        }
    }

    /// The role in words, for people and JSON.
    pub fn name(self) -> &'static str {
        self.files().0.trim_end_matches(".crt")
    }
}

impl Stage {
    /// The stage in a word, for people and JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Settled => "settled",
            Self::Prepared => "prepared",
            Self::Active => "active",
        }
    }
}

impl Generations {
    /// Reads the certificates of the CA below `dir`. What is returned was there at one moment, also while another process
    /// exchanges the files.
    pub fn read(dir: &Path) -> Result<Self, Error> {
        let folder = dir.join(FOLDER);
        if !Authority::exists(dir) {
            return Err(Error::NoAuthority(folder));
        }
        let mut last = Self::read_once(&folder)?;
        // All files change at one moment, and that once in years: two readings that agree lie on one side of it.
        for _ in 0..100 {
            let again = Self::read_once(&folder)?;
            if again == last {
                break;
            }
            last = again;
        }
        let root = last.root()?;
        if last.get(Role::Issuing).is_none() && has_lost_its_issuing_authority(&folder, root)? {
            let issuing = folder.join(super::ISSUING_CERTIFICATE);
            return Err(Error::AuthorityIncomplete(issuing));
        }
        Ok(last)
    }

    fn read_once(folder: &Path) -> Result<Self, Error> {
        let mut members = Vec::new();
        for role in Role::ALL {
            match read_certificates(&folder.join(role.certificate_file())) {
                Ok(certificates) => {
                    members.extend(certificates.into_iter().next().map(|one| (role, one)));
                }
                Err(Error::Folder(FolderError::Missing(_))) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(Self {
            folder: folder.to_owned(),
            members,
        })
    }

    /// The CA's folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The CA in this role.
    pub fn get(&self, role: Role) -> Option<&Certificate> {
        let found = self.members.iter().find(|(known, _)| *known == role);
        found.map(|(_, certificate)| certificate)
    }

    /// Every CA with its role.
    pub fn members(&self) -> impl Iterator<Item = (Role, &Certificate)> + Clone {
        self.members
            .iter()
            .map(|(role, certificate)| (*role, certificate))
    }

    /// The root.
    pub fn root(&self) -> Result<&Certificate, Error> {
        self.get(Role::Root)
            .ok_or_else(|| Error::AuthorityIncomplete(self.folder.join(super::ROOT_CERTIFICATE)))
    }

    /// The role of the CA that issues to end entities.
    pub fn issuing_role(&self) -> Role {
        match self.get(Role::Issuing) {
            Some(_) => Role::Issuing,
            None => Role::Root,
        }
    }

    /// The CA that issues to end entities.
    pub fn issuer(&self) -> Result<&Certificate, Error> {
        match self.get(Role::Issuing) {
            Some(issuing) => Ok(issuing),
            None => self.root(),
        }
    }

    /// The CA that will issue to end entities once it is activated.
    pub fn next_issuer(&self) -> Option<&Certificate> {
        self.get(Role::Next).or_else(|| self.get(Role::NextRoot))
    }

    /// The CA that issued to end entities before.
    pub fn previous_issuer(&self) -> Option<&Certificate> {
        self.get(Role::Previous)
            .or_else(|| self.get(Role::PreviousRoot))
    }

    /// Whether a CA that was opened before is the one that issues still, and these are the trust anchors still. Whoever
    /// reserved a serial number asks this before anything becomes visible: a rotation sees the number or is seen here.
    pub(crate) fn check_current(
        dir: &Path,
        issuer: &Certificate,
        anchors: &[Certificate],
    ) -> Result<(), Error> {
        let present = Self::read(dir)?;
        // The root signs CAs of others, also while another CA issues to end entities.
        let signs = present.issuer()? == issuer || present.root()? == issuer;
        match signs && present.anchors().into_iter().eq(anchors) {
            true => Ok(()),
            false => Err(Error::Rotated(present.folder)),
        }
    }

    /// What `ca.crt` holds: the root, and those that peers may present a certificate of, while a root is being replaced.
    pub fn anchors(&self) -> Vec<&Certificate> {
        [Role::Root, Role::NextRoot, Role::PreviousRoot]
            .into_iter()
            .filter_map(|role| self.get(role))
            .collect()
    }

    /// The CAs that stand between a trust anchor and an end entity.
    pub fn intermediates(&self) -> Vec<&Certificate> {
        [Role::Issuing, Role::Next, Role::Previous, Role::Retired]
            .into_iter()
            .filter_map(|role| self.get(role))
            .collect()
    }

    /// How far a rotation is.
    pub fn stage(&self) -> Stage {
        if self.next_issuer().is_some() {
            Stage::Prepared
        } else if self.previous_issuer().is_some() {
            Stage::Active
        } else {
            Stage::Settled
        }
    }

    /// The CA of this folder that a certificate names as its issuer.
    pub fn issuer_of(&self, certificate: &Certificate) -> Option<(Role, &Certificate)> {
        self.members()
            .find(|(_, issuer)| certificate.names_as_issuer(issuer))
    }
}

/// The name of the next generation: the same with the next number behind the common name, and none that is taken.
pub fn successor(
    name: &DistinguishedName,
    taken: &[DistinguishedName],
) -> Result<DistinguishedName, Error> {
    let present = common_name(name).unwrap_or_default();
    let (base, number) = split(present);
    let mut number = number;
    loop {
        number += 1;
        let next = name.with_common_name(|_| numbered(base, number))?;
        if !taken.iter().any(|other| have_one_name(other, &next)) {
            return Ok(next);
        }
    }
}

/// Whether a CA is called as a later generation of the one with the other name is.
pub fn is_generation_of(name: &DistinguishedName, first: &DistinguishedName) -> bool {
    let Some(present) = common_name(name) else {
        return false;
    };
    let (base, number) = split(present);
    let (first_base, first_number) = split(common_name(first).unwrap_or_default());
    base == first_base
        && number > first_number
        && first
            .with_common_name(|_| present.to_owned())
            .is_ok_and(|other| other == *name)
}

fn common_name(name: &DistinguishedName) -> Option<&str> {
    name.attributes()
        .find(|attribute| attribute.name == "CN")
        .map(|attribute| attribute.value.as_str())
}

fn numbered(base: &str, number: u32) -> String {
    format!("{base} {number}").trim_start().to_owned()
}

/// `Example CA 3` is the third generation of `Example CA`; a name without a number is the first.
fn split(common_name: &str) -> (&str, u32) {
    let (base, last) = common_name.rsplit_once(' ').unwrap_or(("", common_name));
    let is_number = !last.starts_with('0') && last.bytes().all(|byte| byte.is_ascii_digit());
    match last.parse::<u32>() {
        // A year behind a name is a part of it, and so is any number that no generation reaches.
        Ok(number) if is_number && (2..1000).contains(&number) => (base, number),
        _ => (common_name, 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> DistinguishedName {
        DistinguishedName::parse(text).expect(text)
    }

    fn next(text: &str, taken: &[&str]) -> String {
        let taken: Vec<_> = taken.iter().map(|text| name(text)).collect();
        successor(&name(text), &taken).expect(text).to_slashes()
    }

    #[test]
    fn each_generation_has_the_next_number_behind_its_common_name() {
        assert_eq!(next("/O=X/CN=X CA", &[]), "/O=X/CN=X CA 2");
        assert_eq!(next("/O=X/CN=X CA 2", &[]), "/O=X/CN=X CA 3");
        assert_eq!(next("/O=X/CN=X CA 9", &[]), "/O=X/CN=X CA 10");
        assert_eq!(next("/CN=Root 2026", &[]), "/CN=Root 2026 2");
        assert_eq!(next("/CN=X 07", &[]), "/CN=X 07 2");
        assert_eq!(next("/CN=5", &[]), "/CN=6");
        assert_eq!(next("/O=X", &[]), "/O=X/CN=2");
    }

    #[test]
    fn a_name_that_is_taken_is_passed_over() {
        // What verifiers take for the same name is the same (RFC 5280 §7.1).
        assert_eq!(next("/CN=X", &["/CN=x 2", "/CN=X  3"]), "/CN=X 4");
    }

    #[test]
    fn a_name_that_is_too_long_for_a_number_is_refused() {
        let long = format!("/CN={}", "x".repeat(63));
        assert!(successor(&name(&long), &[]).is_err());
    }

    #[test]
    fn a_later_generation_is_known_by_its_name() {
        let is = |later: &str, first: &str| is_generation_of(&name(later), &name(first));
        assert!(is("/O=X/CN=X CA 2", "/O=X/CN=X CA"));
        assert!(is("/O=X/CN=X CA 12", "/O=X/CN=X CA 2"));
        for (other, first) in [
            ("/O=X/CN=X CA", "/O=X/CN=X CA"),
            ("/O=X/CN=X CA", "/O=X/CN=X CA 2"),
            ("/O=Y/CN=X CA 2", "/O=X/CN=X CA"),
            ("/O=X/CN=Y CA 2", "/O=X/CN=X CA"),
            ("/O=X/CN=X CA2", "/O=X/CN=X CA"),
            ("/O=X/CN=X CA 02", "/O=X/CN=X CA"),
            ("/O=X", "/O=X/CN=X CA"),
        ] {
            assert!(!is(other, first), "{other} of {first}");
        }
    }

    #[test]
    fn the_files_of_a_role_are_called_alike() {
        for role in Role::ALL {
            assert_eq!(role.certificate_file(), format!("{}.crt", role.name()));
            assert_eq!(role.key_file(), format!("{}.key", role.name()));
        }
    }
}
