//! What must hold of a folder after whatever happened: no mixed pair, no key without its request or certificate, no file
//! cut off, an index that agrees with the folders, no CRL number given twice.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    hash::{DefaultHasher, Hash, Hasher},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use pki::{certificate::Certificate, certificate_request::CertificateRequest, key::PrivateKey};
use rusqlite::Connection;
use x509_parser::{pem::Pem, prelude::*};

use crate::{support::Home, writing::copy};

/// Lets an index be one of version 2, which knew no keys.
pub(crate) fn make_older(index: &Path) {
    let connection = Connection::open(index).expect("the index");
    connection
        .execute_batch("DROP TABLE compromised_key; PRAGMA user_version = 2;")
        .expect("as version 2 had it");
}

/// What was seen of one home over time.
#[derive(Default)]
pub(crate) struct Seen {
    /// The CRL under each issuer and number.
    crls: BTreeMap<(String, String), Vec<u8>>,
}

impl Seen {
    /// Fails unless what lies in `certs` is whole. A copy is looked at, so that looking changes nothing.
    pub(crate) fn assert_whole(&mut self, home: &Home, at: &str) {
        if !home.path("certs").exists() {
            return;
        }
        let scratch = Home::in_memory();
        copy(&home.path("certs"), &scratch.path(""));
        let mut fingerprints = BTreeSet::new();
        assert_nothing_is_cut_off(&scratch.path(""), at);
        for folder in folders(&scratch.path("")) {
            let at = format!("{at}, {}", folder.file_name().unwrap_or_default().display());
            if folder.ends_with("ca") {
                assert_authority(&folder, &at);
            } else {
                fingerprints.extend(assert_end_entity(&folder, &at));
            }
            assert_nothing_is_cut_off(&folder, &at);
            self.assert_no_number_is_used_twice(&folder.join("crl.pem"), &at);
        }
        if scratch.path("").join("ca/index.db").exists() {
            assert_index(&scratch.path("").join("ca/index.db"), &fingerprints, at);
        }
    }

    /// RFC 5280 §5.2.3: two CRLs of one issuer with one number are the same CRL.
    fn assert_no_number_is_used_twice(&mut self, path: &Path, at: &str) {
        for block in blocks(path, at) {
            let (_, crl) = CertificateRevocationList::from_der(&block).expect("a CRL");
            let number = crl
                .crl_number()
                .map(ToString::to_string)
                .unwrap_or_default();
            let before = self
                .crls
                .entry((crl.issuer().to_string(), number.clone()))
                .or_insert_with(|| block.clone());
            assert_eq!(
                *before, block,
                "{at}: the CRL number {number} was given twice"
            );
        }
    }
}

/// Fails when a process left something behind that the next one should have taken away.
pub(crate) fn assert_nothing_is_left_over(home: &Home, at: &str) {
    let mut open = vec![home.path("certs")];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let is_ours = name.starts_with("..")
                || name.contains("~new-")
                || name.starts_with(".pki-")
                || name.ends_with("-wal")
                || name.ends_with("-shm")
                || name.ends_with("-journal");
            assert!(!is_ours, "{at}: {} was left behind", entry.path().display());
            let kind = entry.file_type().expect("a kind");
            assert!(
                !kind.is_symlink(),
                "{at}: {} is still a link",
                entry.path().display()
            );
            if kind.is_dir() {
                open.push(entry.path());
            }
        }
    }
}

/// The folders of `certs` that readers look at; what begins with a dot is on its way.
fn folders(certs: &Path) -> Vec<PathBuf> {
    fs::read_dir(certs)
        .expect("certs")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.is_dir())
        .filter(|path| {
            path.file_name()
                .is_some_and(|name| !name.to_string_lossy().starts_with('.'))
        })
        .collect()
}

/// Each pair of the CA fits, and none is half there.
fn assert_authority(folder: &Path, at: &str) {
    assert!(
        folder.join("index.db").exists(),
        "{at}: the CA has no index"
    );
    for entry in fs::read_dir(folder).expect("the CA").flatten() {
        let path = entry.path();
        // A link to nothing is a name that is not there for any reader, and what begins with a dot is on its way.
        let is_hidden = entry.file_name().as_encoded_bytes().starts_with(b".");
        if is_hidden || !path.exists() || path.extension().is_none_or(|ending| ending != "key") {
            continue;
        }
        let certificate = path.with_extension("crt");
        assert!(
            certificate.exists(),
            "{at}: {} has no certificate",
            path.display()
        );
        assert_fits(&certificate, &path, at);
    }
    assert!(folder.join("root.crt").exists(), "{at}: the CA has no root");
}

/// The pair fits; a key without a certificate has its request beside it. Returns the certificate's fingerprint.
fn assert_end_entity(folder: &Path, at: &str) -> Option<String> {
    let (certificate, key, request) = (
        folder.join("tls.crt"),
        folder.join("tls.key"),
        folder.join("tls.csr"),
    );
    match (certificate.exists(), key.exists()) {
        (true, true) => assert_fits(&certificate, &key, at),
        (false, true) => {
            let key = PrivateKey::read(&read(&key, at), None).expect("a whole key");
            let request = CertificateRequest::read(&read(&request, at)).expect("a whole request");
            assert_eq!(
                request.public_key(),
                key.public(),
                "{at}: a key without its request"
            );
        }
        (true, false) => {}
        (false, false) => return None,
    }
    certificate
        .exists()
        .then(|| first(&certificate, at).fingerprint())
}

fn assert_fits(certificate: &Path, key: &Path, at: &str) {
    let own = first(certificate, at);
    let key = PrivateKey::read(&read(key, at), None)
        .unwrap_or_else(|error| panic!("{at}: {}: {error}", key.display()));
    assert_eq!(own.public_key(), key.public(), "{at}: a mixed pair");
}

/// Every PEM file of the folder holds whole blocks and nothing else.
fn assert_nothing_is_cut_off(folder: &Path, at: &str) {
    for entry in fs::read_dir(folder).expect("a folder").flatten() {
        let path = entry.path();
        let is_pem = path
            .extension()
            .and_then(|ending| ending.to_str())
            .is_some_and(|ending| matches!(ending, "crt" | "key" | "csr" | "pem"));
        // A link to nothing is a name that is not there for any reader.
        if is_pem && path.exists() {
            blocks(&path, at);
        }
    }
}

/// The contents of the PEM blocks of a file, which has at least one when it is there.
fn blocks(path: &Path, at: &str) -> Vec<Vec<u8>> {
    if !path.exists() {
        return Vec::new();
    }
    let text = read(path, at);
    let blocks: Result<Vec<_>, _> = Pem::iter_from_buffer(&text).collect();
    let blocks = blocks.unwrap_or_else(|error| panic!("{at}: {}: {error}", path.display()));
    assert!(
        !blocks.is_empty() && text.ends_with(b"-----\n"),
        "{at}: {} is cut off",
        path.display()
    );
    blocks.into_iter().map(|block| block.contents).collect()
}

/// The database is sound, and every certificate that lies in a folder is known to it.
fn assert_index(path: &Path, fingerprints: &BTreeSet<String>, at: &str) {
    let index = Connection::open(path).expect("the index");
    let sound: String = index
        .query_row("PRAGMA integrity_check", [], |row| row.get(0))
        .unwrap_or_else(|error| panic!("{at}: {error}"));
    assert_eq!(sound, "ok", "{at}");
    let mut statement = index
        .prepare(
            "SELECT serial, issuer, fingerprint FROM certificate WHERE fingerprint IS NOT NULL",
        )
        .expect("a table");
    let rows = statement
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .expect("rows");
    let rows: Vec<(String, String, String)> = rows.map(|row| row.expect("a row")).collect();
    let numbers: BTreeSet<_> = rows
        .iter()
        .map(|(serial, issuer, _)| (issuer, serial))
        .collect();
    assert_eq!(numbers.len(), rows.len(), "{at}: a serial number twice");
    let known: BTreeSet<_> = rows
        .iter()
        .map(|(_, _, fingerprint)| fingerprint.clone())
        .collect();
    let unknown: Vec<_> = fingerprints.difference(&known).collect();
    assert!(
        unknown.is_empty(),
        "{at}: certificates that the index does not know: {unknown:?}"
    );
}

fn first(path: &Path, at: &str) -> Certificate {
    let all = Certificate::read_all(&read(path, at))
        .unwrap_or_else(|error| panic!("{at}: {}: {error}", path.display()));
    all.into_iter().next().expect("at least one")
}

fn read(path: &Path, at: &str) -> Vec<u8> {
    fs::read(path).unwrap_or_else(|error| panic!("{at}: {}: {error}", path.display()))
}

/// Everything below a folder: of each path its rights, and of a file when it was last changed and what is in it. Of a
/// folder only the names count, which stand here themselves.
pub(crate) fn tree(folder: &Path) -> BTreeMap<PathBuf, String> {
    let mut found = BTreeMap::new();
    let mut open = vec![folder.to_owned()];
    while let Some(path) = open.pop() {
        let metadata = fs::symlink_metadata(&path).expect("metadata");
        let mut content = DefaultHasher::new();
        let mut changed = (0, 0);
        if metadata.is_dir() {
            let entries = fs::read_dir(&path).expect("a folder");
            open.extend(entries.map(|entry| entry.expect("an entry").path()));
        } else {
            changed = (metadata.mtime(), metadata.mtime_nsec());
            if metadata.is_symlink() {
                fs::read_link(&path).expect("a link").hash(&mut content);
            } else {
                fs::read(&path).expect("a file").hash(&mut content);
            }
        }
        let mode = metadata.mode();
        found.insert(path, format!("{mode:o} {changed:?} {:x}", content.finish()));
    }
    found
}

/// Fails, and says which paths differ, unless two trees are the same.
pub(crate) fn assert_same(
    before: &BTreeMap<PathBuf, String>,
    after: &BTreeMap<PathBuf, String>,
    at: &str,
) {
    let names: BTreeSet<_> = before.keys().chain(after.keys()).collect();
    let different: Vec<_> = names
        .into_iter()
        .filter(|name| before.get(*name) != after.get(*name))
        .map(|name| {
            format!(
                "{}: {:?} → {:?}",
                name.display(),
                before.get(name),
                after.get(name)
            )
        })
        .collect();
    assert!(
        different.is_empty(),
        "{at}: changed all the same: {different:#?}"
    );
}
