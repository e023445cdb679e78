//! What path validation is given besides the certificate: trust anchors, intermediates and CRLs, from the files that
//! were named, or else from the CA in `--dir`.

use std::path::{Path, PathBuf};

use pki::{
    authority::Role,
    folder,
    inspect::{self, BundleError},
    text::escape,
};

use crate::{
    command_error::{CommandError, Kind},
    input,
};

/// In place of a file of trust anchors: those of the operating system.
const SYSTEM: &str = "system";

/// Where systems keep the trust anchors of TLS as one file, the most common first: Debian and its relatives, Fedora and
/// its relatives, openSUSE, the BSDs and macOS.
const SYSTEM_FILES: [&str; 5] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// The variable by which OpenSSL, and what is built on it, finds another file.
const SYSTEM_VARIABLE: &str = "SSL_CERT_FILE";

/// A file, and how it is read.
#[derive(Clone, Debug)]
enum Source {
    /// Somebody named it.
    Given(PathBuf),
    /// It lies in a folder of ours.
    Own(PathBuf),
}

/// Certificates and CRLs, in DER.
#[derive(Debug, Default)]
pub(crate) struct Trust {
    /// The trust anchors.
    pub(crate) anchors: Vec<Vec<u8>>,
    /// Certificates from which a path may be built.
    pub(crate) intermediates: Vec<Vec<u8>>,
    /// The CRLs; absent when revocation is not asked for.
    pub(crate) crls: Option<Vec<Vec<u8>>>,
}

impl Trust {
    /// Reads the files that were named. Where no trust anchor was, the CA in `dir` is taken: its root, its issuing CA
    /// (of every generation) and, if there are any, its CRLs.
    pub(crate) fn read(
        dir: &Path,
        trust: &[PathBuf],
        intermediates: &[PathBuf],
        crl: &[PathBuf],
    ) -> Result<Self, CommandError> {
        let ca = dir.join(pki::authority::FOLDER);
        let given_or = |given: &[PathBuf], own: &[&str]| -> Vec<Source> {
            match given.is_empty() && trust.is_empty() {
                true => own
                    .iter()
                    .map(|name| ca.join(name))
                    // What this user may not look at is read, which says why it cannot be.
                    .filter(|own| !matches!(own.try_exists(), Ok(false)))
                    .map(Source::Own)
                    .collect(),
                false => Source::all_given(given),
            }
        };
        // While a CA is being replaced there are two of each, and certificates of both are good.
        let files = |roles: &[Role]| -> Vec<&str> {
            roles.iter().map(|role| role.certificate_file()).collect()
        };
        let roots = files(&[Role::Root, Role::NextRoot, Role::PreviousRoot]);
        let others = files(&[Role::Issuing, Role::Next, Role::Previous, Role::Retired]);
        let anchors = given_or(trust, &roots);
        if anchors.is_empty() {
            return Err(CommandError::new(
                Kind::NotFound,
                format_args!(
                    "There is nothing to trust: no --trust was given, and there is no CA in {}.",
                    escape(&ca.to_string_lossy())
                ),
            )
            .hint("Give the root's certificate with --trust FILE, or the folder of your CA with --dir; --trust system takes what the operating system trusts."));
        }
        Self::of_files(
            &anchors,
            &given_or(intermediates, &others),
            &given_or(crl, &[folder::REVOCATION_LISTS]),
        )
    }

    /// Reads what an end entity's folder holds for judging its peers: `ca.crt`, the intermediates behind its own
    /// certificate and, if it is there, `crl.pem`. CRLs that were named are taken in its place.
    pub(crate) fn of_folder(path: &Path, crl: &[PathBuf]) -> Result<Self, CommandError> {
        let own = path.join(folder::REVOCATION_LISTS);
        let crl = match crl.is_empty() && !matches!(own.try_exists(), Ok(false)) {
            true => vec![Source::Own(own)],
            false => Source::all_given(crl),
        };
        let mut found = Self::of_files(&[Source::Own(path.join(folder::ANCHOR))], &[], &crl)?;
        let own = Source::Own(path.join(folder::CERTIFICATE)).certificates()?;
        found.intermediates = own.into_iter().skip(1).collect();
        Ok(found)
    }

    fn of_files(
        anchors: &[Source],
        intermediates: &[Source],
        crl: &[Source],
    ) -> Result<Self, CommandError> {
        let anchors: Vec<_> = anchors
            .iter()
            .map(|source| match source {
                Source::Given(path) if path == Path::new(SYSTEM) => system().map(Source::Given),
                source => Ok(source.clone()),
            })
            .collect::<Result<_, _>>()?;
        Ok(Self {
            anchors: all(&anchors, Source::certificates)?,
            intermediates: all(intermediates, Source::certificates)?,
            crls: if crl.is_empty() {
                None
            } else {
                Some(all(crl, Source::crls)?)
            },
        })
    }
}

/// The certificates (DER) of a file, in its order.
pub(crate) fn certificates(path: &Path) -> Result<Vec<Vec<u8>>, CommandError> {
    Source::Given(path.to_owned()).certificates()
}

/// A file, as a sentence about it begins.
pub(crate) fn named(path: &Path) -> String {
    match path.to_str() {
        Some("-") => "The standard input".to_owned(),
        _ => escape(&path.display().to_string()),
    }
}

fn system() -> Result<PathBuf, CommandError> {
    if let Some(file) = std::env::var_os(SYSTEM_VARIABLE).filter(|file| !file.is_empty()) {
        return Ok(file.into());
    }
    let found = SYSTEM_FILES
        .iter()
        .map(Path::new)
        .find(|file| file.exists());
    found.map(Path::to_owned).ok_or_else(|| {
        CommandError::new(
            Kind::NotFound,
            "The operating system's trust anchors are in none of the usual files.",
        )
        .hint(format_args!(
            "Install them (ca-certificates), name their file in {SYSTEM_VARIABLE}, or give one with --trust."
        ))
    })
}

fn all(
    sources: &[Source],
    read: fn(&Source) -> Result<Vec<Vec<u8>>, CommandError>,
) -> Result<Vec<Vec<u8>>, CommandError> {
    sources
        .iter()
        .map(read)
        .collect::<Result<Vec<_>, _>>()
        .map(|lists| lists.into_iter().flatten().collect())
}

impl Source {
    fn all_given(paths: &[PathBuf]) -> Vec<Self> {
        paths.iter().cloned().map(Self::Given).collect()
    }

    fn certificates(&self) -> Result<Vec<Vec<u8>>, CommandError> {
        let (path, octets) = self.read()?;
        inspect::certificates(&octets).map_err(|error| not_a_bundle(path, &error))
    }

    fn crls(&self) -> Result<Vec<Vec<u8>>, CommandError> {
        let (path, octets) = match self {
            // What was given as CRLs may be as large as they may be, whatever its name.
            Self::Given(path) => (path.as_path(), input::read_lists(path)?),
            Self::Own(_) => self.read()?,
        };
        inspect::crls(&octets).map_err(|error| not_a_bundle(path, &error))
    }

    fn read(&self) -> Result<(&Path, Vec<u8>), CommandError> {
        Ok(match self {
            Self::Given(path) => (path, input::read(path)?),
            Self::Own(path) => (path, input::read_own(path)?),
        })
    }
}

fn not_a_bundle(path: &Path, error: &BundleError) -> CommandError {
    CommandError::new(Kind::Malformed, format_args!("{}: {error}.", named(path)))
}
