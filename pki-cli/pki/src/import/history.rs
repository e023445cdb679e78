//! What an openssl CA did: its table, the certificates beside it, its CRL number and its last CRL.
//!
//! The certificate decides what was issued, the table what was revoked. A certificate that is lost is told, and its
//! number stays taken; one that the table does not know is taken in, because the CA signed it; one that the last CRL
//! revokes is revoked. Whatever was signed by somebody else, or contradicts the table, ends the import.

use std::{
    collections::HashSet,
    fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
};

use super::{
    ImportRefused,
    index_txt::{self, Line, Problem},
};
use crate::{
    certificate::Certificate,
    distinguished_name::DistinguishedName,
    error::Error,
    folder::{self, FolderError},
    index::{Foreign, Revocation},
    inspect,
    parse::{self, crl::Crl, extensions::Content, oid::known, public_key::AlgorithmIdentifier},
    path_validation::{SignatureVerdict, verify_signature},
    revocation_reason::RevocationReason,
    serial_number,
};

/// Rows are handed on in pieces, so that a large history needs no large memory.
const PIECE: usize = 500;
/// A folder with more files than this is not one of certificates.
const MOST_FILES: usize = 2_000_000;
/// So much room must be left for CRLs to come.
const LARGEST_CRL_NUMBER: u64 = i64::MAX as u64 - (1 << 32);

/// Where the history of a CA lies.
#[derive(Clone, Debug, Default)]
pub struct History {
    /// `index.txt`.
    pub index: PathBuf,
    /// The folders with `SERIAL.pem` (openssl) or `SERIAL.pem` and `SERIAL.crt` (easy-rsa).
    pub certificates: Vec<PathBuf>,
    /// `crlnumber`, with the number of the next CRL.
    pub crl_number: Option<PathBuf>,
    /// The last CRL.
    pub crl: Option<PathBuf>,
}

/// What was found.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Report {
    /// The rows of the table.
    pub rows: usize,
    /// How many of them are revoked.
    pub revoked: usize,
    /// Serial numbers of rows whose certificate is lost.
    pub lost: Vec<String>,
    /// Serial numbers of certificates that the table does not know.
    pub unlisted: Vec<String>,
    /// Serial numbers of rows that were on hold.
    pub held: Vec<String>,
    /// Serial numbers that the last CRL revokes and the table does not.
    pub only_on_crl: Vec<String>,
    /// Certificates that were signed with an algorithm that is not relied on, so that the signature was not checked.
    pub unchecked: usize,
    /// Files in the folders of certificates that hold none.
    pub passed_over: usize,
    /// The last CRL number that was used.
    pub crl_number: Option<u64>,
}

/// One row to be imported, with its certificate.
pub(super) struct Entry {
    certificate: Option<Certificate>,
    line: Option<Line>,
    serial: String,
    issuer: String,
    revocation: Option<Revocation>,
}

impl Entry {
    pub(super) fn foreign(&self) -> Foreign<'_> {
        if let Some(certificate) = &self.certificate {
            return Foreign {
                revocation: self.revocation,
                ..Foreign::from_certificate(certificate)
            };
        }
        let subject = self.line.as_ref().map_or("", |line| line.subject.as_str());
        Foreign {
            serial: self.serial.clone(),
            issuer: self.issuer.clone(),
            name: None,
            profile: None,
            // The table writes slashes; what cannot be read so stays as it is written.
            subject: DistinguishedName::parse(subject)
                .map_or_else(|_| subject.to_owned(), |name| name.to_string()),
            names: Vec::new(),
            not_before: None,
            not_after: self.line.as_ref().map(|line| line.not_after),
            certificate: None,
            revocation: self.revocation,
        }
    }
}

/// Takes rows.
pub(super) type Sink<'a> = dyn FnMut(&[Entry]) -> Result<(), Error> + 'a;

impl History {
    /// How many lines the table has; none when it cannot be read, which is said elsewhere.
    pub(super) fn rows(&self) -> usize {
        let Ok(table) = folder::open(&self.index) else {
            return 0;
        };
        let mut table = BufReader::new(table);
        let mut rows = 0;
        while let Ok(piece) = table.fill_buf()
            && !piece.is_empty()
        {
            rows += piece.iter().filter(|octet| **octet == b'\n').count();
            let length = piece.len();
            table.consume(length);
        }
        rows
    }

    /// Reads everything, hands the rows to `sink`, and says what was found.
    pub(super) fn read(&self, ca: &Certificate, sink: &mut Sink<'_>) -> Result<Report, Error> {
        let mut reading = Reading {
            history: self,
            ca,
            issuer: ca.subject().to_string(),
            report: Report::default(),
            used: HashSet::new(),
            serials: HashSet::new(),
            revoked: HashSet::new(),
        };
        reading.table(sink)?;
        reading.unlisted(sink)?;
        reading.crl(sink)?;
        reading.crl_number()?;
        Ok(reading.report)
    }
}

struct Reading<'a> {
    history: &'a History,
    ca: &'a Certificate,
    issuer: String,
    report: Report,
    /// The files that belong to rows.
    used: HashSet<PathBuf>,
    serials: HashSet<String>,
    revoked: HashSet<String>,
}

impl Reading<'_> {
    fn table(&mut self, sink: &mut Sink<'_>) -> Result<(), Error> {
        let path = &self.history.index;
        let table = folder::open(path)?;
        let mut piece = Vec::new();
        for line in index_txt::lines(BufReader::new(table)) {
            let line = line.map_err(|problem| match problem {
                Problem::Line(line, problem) => Error::from(refused_line(path, line, problem)),
                Problem::Unreadable(reason) => FolderError::unreadable(path)(reason).into(),
            })?;
            if !self.serials.insert(line.serial.clone()) {
                let problem = format!("the serial number {} is there twice", line.serial);
                return Err(refused_line(path, line.number, problem).into());
            }
            self.report.rows += 1;
            if line.revocation.is_some() {
                self.report.revoked += 1;
                self.revoked.insert(line.serial.clone());
            }
            if line.was_on_hold {
                self.report.held.push(line.serial.clone());
            }
            piece.push(self.row(line)?);
            if piece.len() == PIECE {
                sink(&piece)?;
                piece.clear();
            }
        }
        sink(&piece)
    }

    fn row(&mut self, line: Line) -> Result<Entry, Error> {
        let mut found = None;
        for path in self.places(&line) {
            let Some(bytes) = folder::read_if_there(&path)? else {
                continue;
            };
            let certificate = first(&path, &bytes)?;
            self.agree(&line, &path, &certificate)?;
            self.used.insert(path);
            found.get_or_insert(certificate);
        }
        if found.is_none() {
            self.report.lost.push(line.serial.clone());
        }
        Ok(Entry {
            certificate: found,
            serial: line.serial.clone(),
            issuer: self.issuer.clone(),
            revocation: line.revocation,
            line: Some(line),
        })
    }

    /// Where the certificate of a row may be.
    fn places(&self, line: &Line) -> Vec<PathBuf> {
        let mut names = vec![line.serial_as_written.clone()];
        for other in [line.serial.to_ascii_uppercase(), line.serial.clone()] {
            if !names.contains(&other) {
                names.push(other);
            }
        }
        let mut places = Vec::new();
        for folder in &self.history.certificates {
            for name in &names {
                places.push(folder.join(format!("{name}.pem")));
                places.push(folder.join(format!("{name}.crt")));
            }
            // The column is openssl's to fill, and only a name in the same folder is followed.
            if let Some(file) = line
                .file
                .as_deref()
                .and_then(|file| Path::new(file).file_name())
            {
                places.push(folder.join(file));
            }
        }
        places
    }

    fn agree(&mut self, line: &Line, path: &Path, certificate: &Certificate) -> Result<(), Error> {
        let contradiction = |problem: String| ImportRefused::Contradiction {
            path: self.history.index.clone(),
            line: line.number,
            certificate: path.to_owned(),
            problem,
        };
        if certificate.serial() != line.serial {
            return Err(contradiction(format!(
                "its serial number is {} and not {}",
                certificate.serial(),
                line.serial
            ))
            .into());
        }
        if certificate.not_after() != line.not_after {
            return Err(contradiction(format!(
                "it ends on {} and not on {}",
                crate::index::timestamp(certificate.not_after()),
                crate::index::timestamp(line.not_after)
            ))
            .into());
        }
        match self.signed(certificate) {
            Ok(()) => Ok(()),
            Err(problem) => Err(self.of_another_ca(path, problem).into()),
        }
    }

    fn of_another_ca(&self, path: &Path, problem: &str) -> ImportRefused {
        ImportRefused::OfAnotherCa {
            path: path.to_owned(),
            ca: self.issuer.clone(),
            problem: problem.to_owned(),
        }
    }

    /// Whether the CA signed it.
    fn signed(&mut self, certificate: &Certificate) -> Result<(), &'static str> {
        if certificate.issuer().der() != self.ca.subject().der() {
            return Err("it names another issuer");
        }
        let parsed = parse::certificate::Certificate::from_der(certificate.der());
        let verdict = parsed.map(|parsed| {
            let algorithm = &parsed.signature_algorithm;
            self.verdict(algorithm, parsed.tbs, parsed.signature)
        });
        match verdict {
            Ok(SignatureVerdict::Right) => Ok(()),
            Ok(SignatureVerdict::UnknownAlgorithm) => {
                self.report.unchecked += 1;
                Ok(())
            }
            Ok(SignatureVerdict::Wrong) => Err("its signature was made with another key"),
            Err(_) => Err("it is not well-formed"),
        }
    }

    fn verdict(
        &self,
        algorithm: &AlgorithmIdentifier<'_>,
        signed: &[u8],
        signature: parse::der::BitString<'_>,
    ) -> SignatureVerdict {
        parse::public_key::PublicKey::from_der(self.ca.public_key().spki())
            .map_or(SignatureVerdict::Wrong, |key| {
                verify_signature(&key, algorithm, signed, signature)
            })
    }

    /// Certificates of the folders that no row names: whatever the CA signed has to be known, so that it can be revoked.
    fn unlisted(&mut self, sink: &mut Sink<'_>) -> Result<(), Error> {
        let mut piece = Vec::new();
        for folder in &self.history.certificates {
            for path in files(folder)? {
                if self.used.contains(&path) {
                    continue;
                }
                let bytes = folder::read(&path)?;
                let Ok(certificate) = first(&path, &bytes) else {
                    self.report.passed_over += 1;
                    continue;
                };
                let is_new = !self.serials.contains(&certificate.serial());
                if self.signed(&certificate).is_err() || !is_new {
                    self.report.passed_over += 1;
                    continue;
                }
                self.serials.insert(certificate.serial());
                self.report.unlisted.push(certificate.serial());
                piece.push(Entry {
                    serial: certificate.serial(),
                    issuer: self.issuer.clone(),
                    certificate: Some(certificate),
                    line: None,
                    revocation: None,
                });
                if piece.len() == PIECE {
                    sink(&piece)?;
                    piece.clear();
                }
            }
        }
        sink(&piece)
    }

    fn crl(&mut self, sink: &mut Sink<'_>) -> Result<(), Error> {
        let Some(path) = &self.history.crl else {
            return Ok(());
        };
        let octets = folder::read_given(path)?;
        let problem = |problem: String| ImportRefused::File {
            path: path.clone(),
            problem,
        };
        let all = inspect::crls(&octets).map_err(|error| problem(error.to_string()))?;
        let mut piece = Vec::new();
        for der in &all {
            let crl = Crl::from_der(der).map_err(|error| problem(error.to_string()))?;
            if crl.issuer.raw != self.ca.subject().der() {
                return Err(self.of_another_ca(path, "it names another issuer").into());
            }
            if self.verdict(&crl.signature_algorithm, crl.tbs, crl.signature)
                == SignatureVerdict::Wrong
            {
                let told = "its signature was made with another key";
                return Err(self.of_another_ca(path, told).into());
            }
            if let Some(number) = number_of(&crl) {
                let number = as_number(number).ok_or_else(|| {
                    problem("its CRL number is too large to go on from".to_owned())
                })?;
                self.report.crl_number = self.report.crl_number.max(Some(number));
            }
            for entry in &crl.revoked {
                let serial = serial_number::text(entry.serial);
                if self.revoked.insert(serial.clone()) {
                    self.report.only_on_crl.push(serial.clone());
                    piece.push(Entry {
                        certificate: None,
                        line: None,
                        serial,
                        issuer: self.issuer.clone(),
                        revocation: Some(revocation(entry)),
                    });
                }
            }
        }
        sink(&piece)
    }

    /// The file holds the number of the next CRL.
    fn crl_number(&mut self) -> Result<(), Error> {
        let Some(path) = &self.history.crl_number else {
            return Ok(());
        };
        let text = folder::read_given(path)?;
        let next = std::str::from_utf8(&text)
            .ok()
            .and_then(serial_number::parse)
            .and_then(|octets| as_number(&octets))
            .ok_or_else(|| ImportRefused::File {
                path: path.clone(),
                problem: "it holds no CRL number to go on from, which is one hexadecimal number"
                    .to_owned(),
            })?;
        if let Some(used) = next.checked_sub(1) {
            self.report.crl_number = self.report.crl_number.max(Some(used));
        }
        Ok(())
    }
}

fn refused_line(path: &Path, line: usize, problem: String) -> ImportRefused {
    ImportRefused::Line {
        path: path.to_owned(),
        line,
        problem,
    }
}

fn number_of<'a>(crl: &'a Crl<'_>) -> Option<&'a [u8]> {
    match crl.extension(known::CRL_NUMBER)?.decode() {
        Ok(Content::CrlNumber(number)) => Some(number),
        _ => None,
    }
}

/// The number of a CRL, as far as one can go on from it.
pub(crate) fn crl_number(crl: &Crl<'_>) -> Option<u64> {
    number_of(crl).and_then(as_number)
}

/// A number of whole octets, as far as CRLs can be counted on from it.
fn as_number(octets: &[u8]) -> Option<u64> {
    let mut significant = octets.iter().skip_while(|octet| **octet == 0);
    significant
        .try_fold(0_u64, |number, octet| {
            number.checked_mul(256)?.checked_add(u64::from(*octet))
        })
        .filter(|number| *number <= LARGEST_CRL_NUMBER)
}

/// What an entry of a CRL says.
pub(crate) fn revocation(entry: &parse::crl::Revoked<'_>) -> Revocation {
    let mut revocation = Revocation {
        at: entry.date.at,
        reason: RevocationReason::Unspecified,
        invalid_since: None,
    };
    for extension in &entry.extensions {
        match extension.decode() {
            Ok(Content::ReasonCode(code)) => {
                let known = RevocationReason::ALL
                    .into_iter()
                    .find(|one| one.code() == code);
                revocation.reason = known.unwrap_or_default();
            }
            Ok(Content::InvalidityDate(since)) => revocation.invalid_since = Some(since.at),
            _ => {}
        }
    }
    revocation
}

/// The first certificate of a file; openssl writes it as text in front of the PEM.
fn first(path: &Path, bytes: &[u8]) -> Result<Certificate, ImportRefused> {
    let failed = |problem: String| ImportRefused::File {
        path: path.to_owned(),
        problem,
    };
    let all = Certificate::read_all(bytes).map_err(|error| failed(error.to_string()))?;
    let first = all.into_iter().next();
    first.ok_or_else(|| failed("it holds no certificate".to_owned()))
}

/// The plain files of a folder, in the order of their names.
fn files(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let failed = FolderError::unreadable(folder);
    let mut all = Vec::new();
    for entry in fs::read_dir(folder).map_err(&failed)? {
        let entry = entry.map_err(&failed)?;
        if entry.file_type().is_ok_and(|kind| kind.is_file()) {
            all.push(entry.path());
        }
        if all.len() > MOST_FILES {
            return Err(ImportRefused::File {
                path: folder.to_owned(),
                problem: format!("it holds more than {MOST_FILES} files"),
            }
            .into());
        }
    }
    all.sort();
    Ok(all)
}
