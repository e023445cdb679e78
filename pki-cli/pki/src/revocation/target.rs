//! Which certificate is meant when somebody says what to revoke, and whether it can be.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use time::OffsetDateTime;

use super::{CrlIssuer, RevocationLists};
use crate::{
    authority,
    certificate::Certificate,
    error::Error,
    folder::{self, Folder, FolderError, Wait},
    index::{Filter, Row, Status},
    manifest::check_name,
    profile::Profile,
    revocation_reason::RevocationReason,
    serial_number,
};

/// What is to be revoked.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Target {
    /// The certificate that a folder below `--dir` holds.
    Name(String),
    /// Every certificate of a name that is still valid.
    AllOf(String),
    /// The first certificate of a file.
    File(PathBuf),
    /// The certificate with this serial number, and, where two CAs used it, of this issuer.
    Serial(String, Option<String>),
}

/// Why a certificate is not revoked: one sentence with the reason and the fix.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum RevocationRefused {
    /// There is nothing of this name.
    #[error(
        "There is no certificate of {0:?}: neither a folder below --dir nor the index has the name; see \"pki list\", or give --serial or a file."
    )]
    UnknownName(String),
    /// All certificates of the name are over.
    #[error(
        "No certificate of {0:?} is left to revoke: all have expired; see \"pki list --name {0}\"."
    )]
    NoneLeft(String),
    /// The number was never used.
    #[error(
        "No certificate with the serial number {0} was issued here; see \"pki list\" for those that were."
    )]
    UnknownSerial(String),
    /// The text is no number.
    #[error(
        "{0:?} is not a serial number; write it in hexadecimal, as \"pki list\" and \"openssl x509 -serial\" show it."
    )]
    NoSerial(String),
    /// Two CAs used the number.
    #[error(
        "Several CAs used the serial number {serial}; say with --issuer which one is meant: {}.", issuers.join(" or ")
    )]
    Ambiguous {
        /// The number.
        serial: String,
        /// The issuers.
        issuers: Vec<String>,
    },
    /// The certificate is somebody else's.
    #[error(
        "The certificate {subject:?} was issued by {issuer:?} and is not in this CA's index, so it cannot be revoked here; revoke it with the CA that issued it, or name that CA's folder with --dir."
    )]
    Foreign {
        /// The certificate.
        subject: String,
        /// Who issued it.
        issuer: String,
    },
    /// Another certificate has this number.
    #[error(
        "The index has another certificate under the serial number {serial} than the file {path:?}; the file is not one that this CA issued."
    )]
    OtherCertificate {
        /// The number.
        serial: String,
        /// The file.
        path: PathBuf,
    },
    /// Something that may have been meant stands before a CA's certificate.
    #[error(
        "The file {path:?} has something else before its first certificate, and that is the CA {subject:?}; it is not guessed that the CA is meant: give a file with its certificate alone, or --serial."
    )]
    NotFirst {
        /// The file.
        path: PathBuf,
        /// The CA.
        subject: String,
    },
    /// The issuer is no CA of this folder.
    #[error(
        "The certificate was issued by {0:?}, whose certificate and key are not in this CA's folder, so its CRL cannot be signed here."
    )]
    NoIssuer(String),
    /// A root.
    #[error(
        "{0:?} is a root, and no CRL says that a root is revoked (RFC 5280 section 6.1.1 (d): a trust anchor is given, not checked). Take it out of every ca.crt, and make a new CA."
    )]
    Root(String),
    /// The folder of the CA as a name.
    #[error("A CA is not revoked by a name; say that it is meant with its file: pki revoke {0}.")]
    NamedAuthority(String),
    /// A reason for the other kind of certificate.
    #[error("{given} is a reason for {of}; this is {is}, so give {instead}.")]
    Reason {
        /// What was given.
        given: RevocationReason,
        /// For what it is.
        of: &'static str,
        /// What this is.
        is: &'static str,
        /// What to give.
        instead: RevocationReason,
    },
    /// A date of the future.
    #[error(
        "The invalidity date lies in the future; give the moment from which on the key is suspected (RFC 5280 section 5.3.2)."
    )]
    FutureInvalidity,
    /// A date that verifiers cannot read.
    #[error(
        "The invalidity date lies before 1970, which verifiers (rustls) cannot read: they would refuse the whole CRL, and with it everybody. Give the moment from which on the key is suspected (RFC 5280 section 5.3.2)."
    )]
    AncientInvalidity,
}

impl RevocationLists {
    /// The rows that are meant; at least one.
    pub fn find(&self, target: &Target, now: OffsetDateTime) -> Result<Vec<Row>, Error> {
        match target {
            Target::Name(name) => Ok(vec![self.find_current(name)?]),
            Target::AllOf(name) => {
                refuse_authority(name, &self.dir)?;
                let rows = self.index.select(&Filter::named(name))?;
                if rows.is_empty() {
                    return Err(RevocationRefused::UnknownName(name.clone()).into());
                }
                // Revoked ones among them: a second time changes nothing, and is no failure.
                let is_over = |row: &Row| row.not_after.is_none_or(|end| end < now);
                let left: Vec<_> = rows.into_iter().filter(|row| !is_over(row)).collect();
                match left.is_empty() {
                    true => Err(RevocationRefused::NoneLeft(name.clone()).into()),
                    false => Ok(left),
                }
            }
            Target::File(path) => Ok(vec![self.find_file(path)?]),
            Target::Serial(text, issuer) => Ok(vec![self.find_serial(text, issuer.as_deref())?]),
        }
    }

    /// Keeps everybody from issuing for the names of these rows, as long as what is returned lives. Whoever renews holds the
    /// folder from before it looks at the certificate until its successor is in place: it is done before, and
    /// [`Self::find`] finds the successor, or it begins afterwards and finds the certificate revoked.
    ///
    /// A folder that this user may not lock is no reason not to revoke.
    pub fn hold(
        &self,
        target: &Target,
        rows: &[Row],
        wait: &mut Wait<'_>,
    ) -> Result<Vec<Folder>, Error> {
        let meant = match target {
            Target::Name(name) | Target::AllOf(name) => Some(name),
            Target::File(_) | Target::Serial(..) => None,
        };
        // In one order, whoever holds several.
        let names: BTreeSet<_> = rows
            .iter()
            .filter_map(|row| row.name.as_ref())
            .chain(meant)
            .filter(|name| check_name(name).is_ok())
            .collect();
        let mut held = Vec::new();
        for path in names.into_iter().map(|name| self.dir.join(name)) {
            if !folder::is_there(&path)? {
                continue;
            }
            match Folder::hold(&path, wait) {
                Ok(folder) => held.push(folder),
                Err(error @ FolderError::Busy(_)) => return Err(error.into()),
                Err(_) => {}
            }
        }
        Ok(held)
    }

    /// Other certificates of the same name that are still accepted.
    pub fn others_living(&self, row: &Row, now: OffsetDateTime) -> Result<usize, Error> {
        let Some(name) = row
            .name
            .as_deref()
            .filter(|name| *name != authority::FOLDER)
        else {
            return Ok(0);
        };
        let rows = self.index.select(&Filter::named(name))?;
        let is_other = |other: &&Row| other.is_living(now) && other.serial != row.serial;
        Ok(rows.iter().filter(is_other).count())
    }

    /// The certificate that the folder holds; without a folder the last one that was issued.
    fn find_current(&self, name: &str) -> Result<Row, Error> {
        refuse_authority(name, &self.dir)?;
        let path = self.dir.join(name).join(folder::CERTIFICATE);
        if folder::is_there(&path)? {
            return self.find_in(&path, authority::read_certificates(&path)?);
        }
        let rows = self.index.select(&Filter::named(name))?;
        rows.into_iter()
            .rfind(|row| row.status != Status::Reserved)
            .ok_or_else(|| RevocationRefused::UnknownName(name.to_owned()).into())
    }

    fn find_file(&self, path: &Path) -> Result<Row, Error> {
        let octets = folder::read_given(path)?;
        let certificates = authority::certificates_from(&octets, path)?;
        // Whoever revokes a CA revokes everything below it.
        let first = certificates.first().filter(|first| first.is_ca());
        if let Some(ca) = first
            && !Certificate::is_first_in(&octets)
        {
            return Err(RevocationRefused::NotFirst {
                path: path.to_owned(),
                subject: ca.subject().to_string(),
            }
            .into());
        }
        self.find_in(path, certificates)
    }

    fn find_in(&self, path: &Path, certificates: Vec<Certificate>) -> Result<Row, Error> {
        let Some(certificate) = certificates.into_iter().next() else {
            return Err(Error::NoAuthority(path.to_owned()));
        };
        let (serial, issuer) = (certificate.serial(), certificate.issuer().to_string());
        let Some(row) = self.index.find(&serial, &issuer)? else {
            return Err(RevocationRefused::Foreign {
                subject: certificate.subject().to_string(),
                issuer,
            }
            .into());
        };
        // A lost one, of an imported CA, is known by its number alone.
        match &row.fingerprint {
            Some(fingerprint) if *fingerprint != certificate.fingerprint() => {
                Err(RevocationRefused::OtherCertificate {
                    serial,
                    path: path.to_owned(),
                }
                .into())
            }
            _ => Ok(row),
        }
    }

    fn find_serial(&self, text: &str, issuer: Option<&str>) -> Result<Row, Error> {
        let octets = serial_number::parse(text)
            .ok_or_else(|| RevocationRefused::NoSerial(text.to_owned()))?;
        // An unsigned number: as the index has those that are positive.
        let zeros = octets.iter().take_while(|octet| **octet == 0).count();
        let positive = [&[0][..], &octets[zeros..]].concat();
        let serial = serial_number::text(&positive);
        let mut rows = self.index.with_serial(&serial)?;
        if let Some(issuer) = issuer {
            rows.retain(|row| row.issuer == issuer);
        }
        match (rows.len(), rows.pop()) {
            (1, Some(row)) => Ok(row),
            (0, _) | (_, None) => Err(RevocationRefused::UnknownSerial(serial).into()),
            (_, Some(last)) => {
                let issuers = rows.into_iter().chain([last]).map(|row| row.issuer);
                Err(RevocationRefused::Ambiguous {
                    serial,
                    issuers: issuers.map(|issuer| format!("{issuer:?}")).collect(),
                }
                .into())
            }
        }
    }

    /// Whether this row can be revoked for this reason, and who signs the CRL then.
    pub fn may_revoke(
        &self,
        row: &Row,
        reason: RevocationReason,
        invalid_since: Option<OffsetDateTime>,
        now: OffsetDateTime,
    ) -> Result<&CrlIssuer, Error> {
        let is_authority = match &row.profile {
            Some(profile) => {
                *profile == Profile::Root.name() || *profile == Profile::Intermediate.name()
            }
            None => self.is_certificate_of_ca(row)?,
        };
        if is_authority && row.subject == row.issuer {
            return Err(RevocationRefused::Root(row.subject.clone()).into());
        }
        check_reason(reason, is_authority)?;
        if invalid_since.is_some_and(|since| since > now) {
            return Err(RevocationRefused::FutureInvalidity.into());
        }
        // Before notBefore it may well lie: a renewed certificate has the key of the one before it.
        if invalid_since.is_some_and(|since| since < OffsetDateTime::UNIX_EPOCH) {
            return Err(RevocationRefused::AncientInvalidity.into());
        }
        self.issuer(&row.issuer)
            .ok_or_else(|| RevocationRefused::NoIssuer(row.issuer.clone()).into())
    }

    fn is_certificate_of_ca(&self, row: &Row) -> Result<bool, Error> {
        let der = self.index.certificate(&row.serial, &row.issuer)?;
        Ok(der.is_some_and(|der| {
            Certificate::from_der(&der).is_ok_and(|certificate| certificate.is_ca())
        }))
    }
}

fn refuse_authority(name: &str, dir: &Path) -> Result<(), RevocationRefused> {
    if name == authority::FOLDER {
        let path = dir.join(authority::FOLDER).join("issuing.crt");
        return Err(RevocationRefused::NamedAuthority(
            path.to_string_lossy().into_owned(),
        ));
    }
    Ok(())
}

/// X.509 has a word of its own for each: "keyCompromise is used in revoking an end-entity certificate", and cACompromise
/// in revoking a CA's.
fn check_reason(reason: RevocationReason, is_authority: bool) -> Result<(), RevocationRefused> {
    let refuse = |of, is, instead| {
        Err(RevocationRefused::Reason {
            given: reason,
            of,
            is,
            instead,
        })
    };
    match (reason, is_authority) {
        (RevocationReason::KeyCompromise, true) => {
            refuse("an end entity", "a CA", RevocationReason::CaCompromise)
        }
        (RevocationReason::CaCompromise, false) => {
            refuse("a CA", "an end entity", RevocationReason::KeyCompromise)
        }
        (RevocationReason::AaCompromise, _) => refuse(
            "an attribute authority, which issues no certificates of keys",
            "none",
            match is_authority {
                true => RevocationReason::CaCompromise,
                false => RevocationReason::KeyCompromise,
            },
        ),
        _ => Ok(()),
    }
}
