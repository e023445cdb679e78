//! Where the CAs of others keep their files: `openssl ca` with its own configuration, the folders of the many guides that
//! followed, and easy-rsa.

use std::{
    fs,
    path::{Path, PathBuf},
};

use super::{History, ImportRefused, Source};
use crate::{error::Error, folder::FolderError};

/// Where the certificate is, in the order of trying.
const CERTIFICATES: [&str; 8] = [
    "cacert.pem",
    "ca.crt",
    "ca.pem",
    "certs/ca.cert.pem",
    "certs/ca.crt",
    "certs/ca.pem",
    "certs/intermediate.cert.pem",
    "ca-cert.pem",
];
const KEYS: [&str; 8] = [
    "private/cakey.pem",
    "private/ca.key",
    "private/ca.key.pem",
    "private/ca.pem",
    "private/intermediate.key.pem",
    "cakey.pem",
    "ca.key",
    "private/ca-key.pem",
];
const INDEXES: [&str; 2] = ["index.txt", "db/index.txt"];
const FOLDERS: [&str; 4] = [
    "newcerts",
    "certs_by_serial",
    "revoked/certs_by_serial",
    "renewed/certs_by_serial",
];
const CRL_NUMBERS: [&str; 2] = ["crlnumber", "db/crlnumber"];
const CRLS: [&str; 5] = [
    "crl.pem",
    "crl/crl.pem",
    "crl/ca.crl.pem",
    "crl/intermediate.crl.pem",
    "ca.crl",
];

/// What was named instead of being looked for.
#[derive(Clone, Debug, Default)]
pub struct Named {
    /// The certificate.
    pub certificate: Option<PathBuf>,
    /// The key.
    pub key: Option<PathBuf>,
    /// The table.
    pub index: Option<PathBuf>,
    /// Folders with certificates.
    pub certificates: Vec<PathBuf>,
    /// The number of the next CRL.
    pub crl_number: Option<PathBuf>,
    /// The last CRL.
    pub crl: Option<PathBuf>,
}

/// The files of a CA in `folder`, as far as they are not named.
pub fn find(folder: &Path, named: Named) -> Result<Source, Error> {
    fs::metadata(folder.join(".")).map_err(FolderError::unreadable(folder))?;
    let there = |names: &[&str]| {
        let paths = names.iter().map(|name| folder.join(name));
        paths.into_iter().find(|path| path.is_file())
    };
    let missing = |what, names: &[&str], option| ImportRefused::NotFound {
        folder: folder.to_owned(),
        what,
        looked_for: names.join(", "),
        option,
    };
    let certificate = named
        .certificate
        .or_else(|| there(&CERTIFICATES))
        .ok_or_else(|| missing("certificate", &CERTIFICATES, "--cert"))?;
    let index = named
        .index
        .or_else(|| there(&INDEXES))
        .ok_or_else(|| missing("index", &INDEXES, "--index"))?;
    let mut certificates = named.certificates;
    if certificates.is_empty() {
        let folders = FOLDERS.iter().map(|name| folder.join(name));
        certificates.extend(folders.filter(|path| path.is_dir()));
    }
    Ok(Source {
        certificate,
        // A root's key may be offline; who needs it asks for it.
        key: named.key.or_else(|| there(&KEYS)),
        history: Some(History {
            index,
            certificates,
            crl_number: named.crl_number.or_else(|| there(&CRL_NUMBERS)),
            crl: named.crl.or_else(|| there(&CRLS)),
        }),
    })
}
