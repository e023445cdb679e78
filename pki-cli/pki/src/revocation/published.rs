//! What the `crl.pem` that was given to everybody says and the index does not: somebody brought an older index back.
//!
//! Whoever was told that a certificate is revoked must not be told otherwise (RFC 5280 §5.3.1: only a hold ends), nor find
//! a smaller CRL number than before (§5.2.3). A list that the CA signed is as good a witness as its index.

use std::path::Path;

use super::{CrlIssuer, RevocationLists};
use crate::{
    authority,
    certificate::Certificate,
    error::Error,
    folder,
    import::{crl_number, revocation_of},
    index::{CrlRow, Foreign, Index, Revocation},
    inspect,
    parse::{self, crl::Crl},
    path_validation::{SignatureVerdict, verify_signature},
    serial_number,
};

/// A CRL of one of the CAs that knows more than the index.
#[derive(Debug)]
pub(super) struct Published {
    pub(super) crl: CrlRow,
    /// Whether its number is greater than that of the last one that the index has.
    is_newer: bool,
    /// What it lists and the index has not as revoked.
    missing: Vec<(String, Revocation)>,
}

impl Published {
    /// Half sentences.
    pub(super) fn reasons(&self) -> Vec<String> {
        let mut reasons = Vec::new();
        match self.missing.len() {
            0 => {}
            1 => reasons.push("1 revocation of crl.pem is not in the index".to_owned()),
            many => reasons.push(format!(
                "{many} revocations of crl.pem are not in the index"
            )),
        }
        if self.is_newer {
            reasons.push(format!(
                "the index does not know CRL {} in crl.pem, and may be an older copy",
                self.crl.number
            ));
        }
        reasons
    }
}

impl Published {
    /// Takes it over into the index.
    fn take_over(&self, index: &Index) -> Result<(), Error> {
        let issuer = &self.crl.issuer;
        let rows = self.missing.iter().map(|(serial, revocation)| Foreign {
            serial: serial.clone(),
            issuer: issuer.clone(),
            name: None,
            profile: None,
            subject: String::new(),
            names: Vec::new(),
            not_before: None,
            not_after: None,
            certificate: None,
            revocation: Some(*revocation),
        });
        // Known at the latest when the list was issued that tells of it.
        index.import(rows, self.crl.this_update)?;
        if self.is_newer {
            index.adopt_crl(&self.crl)?;
        }
        Ok(())
    }

    fn told(&self) -> String {
        format!(
            "The index was behind crl.pem ({}: {}), as an older copy is that was brought back; what it lacks counts as crl.pem has it. What was issued since then and is not revoked it does not know: bring a newer copy back if there is one.",
            self.crl.issuer,
            self.reasons().join(", and ")
        )
    }
}

/// Takes over into the index of a CA what the `crl.pem` beside it knows beyond it. What was taken over, a sentence for each CA.
fn take_over(index: &Index, published: &[Published]) -> Result<Vec<String>, Error> {
    for one in published {
        one.take_over(index)?;
    }
    Ok(published.iter().map(Published::told).collect())
}

/// Lets it count while the index is asked, which stays as it is. What would be taken over, in the same sentences.
fn suppose(index: &mut Index, published: &[Published]) -> Result<Vec<String>, Error> {
    for one in published {
        index.suppose(&one.crl, &one.missing)?;
    }
    Ok(published.iter().map(Published::told).collect())
}

/// Takes over into the index of CAs what the `crl.pem` in their folder knows beyond it, before anything is issued. What was
/// taken over, a sentence for each CA.
pub(crate) fn catch_up<'c>(
    index: &Index,
    folder: &Path,
    issuers: impl Iterator<Item = &'c Certificate> + Clone,
) -> Result<Vec<String>, Error> {
    take_over(index, &read_sound(index, folder, issuers)?)
}

/// The same for whoever asks what could be issued: it counts, and the index stays as it is.
pub(crate) fn catch_up_supposedly<'c>(
    index: &mut Index,
    folder: &Path,
    issuers: impl Iterator<Item = &'c Certificate> + Clone,
) -> Result<Vec<String>, Error> {
    let published = read_sound(index, folder, issuers)?;
    suppose(index, &published)
}

/// [`catch_up`] for whoever issues nothing to end entities: a damaged `crl.pem` is passed over as far as it cannot be read.
pub(crate) fn catch_up_readable<'c>(
    index: &Index,
    folder: &Path,
    issuers: impl Iterator<Item = &'c Certificate> + Clone,
) -> Result<Vec<String>, Error> {
    take_over(index, &read(index, folder, issuers)?.ahead)
}

/// [`catch_up_supposedly`] for whoever issues nothing to end entities.
pub(crate) fn catch_up_readable_supposedly<'c>(
    index: &mut Index,
    folder: &Path,
    issuers: impl Iterator<Item = &'c Certificate> + Clone,
) -> Result<Vec<String>, Error> {
    let found = read(index, folder, issuers)?;
    suppose(index, &found.ahead)
}

/// The CRLs in the `crl.pem` of a CA's folder that know more than the index. A damaged one is refused: whoever issues would
/// put it into folders, and services that read it there would refuse everybody.
fn read_sound<'c>(
    index: &Index,
    folder: &Path,
    issuers: impl Iterator<Item = &'c Certificate> + Clone,
) -> Result<Vec<Published>, Error> {
    let found = read(index, folder, issuers)?;
    match found.is_damaged {
        true => Err(Error::ListsUnreadable(
            folder.join(folder::REVOCATION_LISTS),
        )),
        false => Ok(found.ahead),
    }
}

/// What there is in a `crl.pem`.
#[derive(Default)]
struct Found {
    /// The CRLs that know more than the index.
    ahead: Vec<Published>,
    /// Whether there is none, or one that cannot be read or that a CA of the folder has not signed in whose name it is.
    is_damaged: bool,
}

fn read<'c>(
    index: &Index,
    folder: &Path,
    issuers: impl Iterator<Item = &'c Certificate> + Clone,
) -> Result<Found, Error> {
    let path = folder.join(folder::REVOCATION_LISTS);
    // The file is read before the index, which is always written first: in this order it is never behind.
    let Some(bytes) = folder::read_if_there(&path)? else {
        return Ok(Found::default());
    };
    let lists = inspect::crls(&bytes).unwrap_or_default();
    let mut found = Found {
        is_damaged: lists.is_empty(),
        ..Found::default()
    };
    for der in lists {
        match compare(index, der, issuers.clone())? {
            Compared::Ahead(one) => found.ahead.push(one),
            Compared::NotAhead => {}
            Compared::Damaged => found.is_damaged = true,
        }
    }
    Ok(found)
}

/// What one CRL is beside the index.
enum Compared {
    /// It knows more.
    Ahead(Published),
    /// It does not, or is that of another CA.
    NotAhead,
    /// It says nothing.
    Damaged,
}

fn compare<'c>(
    index: &Index,
    der: Vec<u8>,
    mut issuers: impl Iterator<Item = &'c Certificate>,
) -> Result<Compared, Error> {
    let Ok(crl) = Crl::from_der(&der) else {
        return Ok(Compared::Damaged);
    };
    let Some(issuer) = issuers.find(|issuer| issuer.subject().der() == crl.issuer.raw) else {
        return Ok(Compared::NotAhead);
    };
    let name = issuer.subject().to_string();
    let current = index.crl(&name)?;
    // As a rule the file is a copy.
    if current.as_ref().is_some_and(|current| current.der == der) {
        return Ok(Compared::NotAhead);
    }
    if !is_signed_by(&crl, issuer) {
        return Ok(Compared::Damaged);
    }
    let Some(next_update) = crl.next_update else {
        return Ok(Compared::NotAhead);
    };
    let mut missing = Vec::new();
    for entry in &crl.revoked {
        let serial = serial_number::text(entry.serial);
        let row = index.find(&serial, &name)?;
        if row.is_none_or(|row| row.revocation.is_none()) {
            missing.push((serial, revocation_of(entry)));
        }
    }
    let number = crl_number(&crl).unwrap_or_default();
    let is_newer = current.is_none_or(|current| current.number < number);
    if missing.is_empty() && !is_newer {
        return Ok(Compared::NotAhead);
    }
    let this_update = crl.this_update.at;
    let crl = CrlRow {
        issuer: name,
        number,
        this_update,
        next_update: next_update.at,
        der,
    };
    Ok(Compared::Ahead(Published {
        crl,
        is_newer,
        missing,
    }))
}

impl RevocationLists {
    /// The CRLs in the `crl.pem` of the CA's folder that know more than the index. What cannot be read says nothing: it is
    /// written again.
    pub(super) fn published(&self) -> Result<Vec<Published>, Error> {
        Ok(self.found()?.ahead)
    }

    /// Whether the `crl.pem` of the CA's folder is damaged, so that nothing is issued beside it.
    pub(crate) fn are_damaged(&self) -> Result<bool, Error> {
        Ok(self.found()?.is_damaged)
    }

    fn found(&self) -> Result<Found, Error> {
        let issuers = self.issuers.iter().map(CrlIssuer::certificate);
        read(&self.index, &self.dir.join(authority::FOLDER), issuers)
    }

    /// Takes over into the index what the `crl.pem` of the CA's folder knows beyond it. What was taken over, a sentence for
    /// each CA.
    pub fn catch_up(&self) -> Result<Vec<String>, Error> {
        take_over(&self.index, &self.published()?)
    }

    /// The same for a rehearsal: it counts, and the index stays as it is.
    pub fn catch_up_supposedly(&mut self) -> Result<Vec<String>, Error> {
        let published = self.published()?;
        suppose(&mut self.index, &published)
    }
}

fn is_signed_by(crl: &Crl<'_>, issuer: &Certificate) -> bool {
    let spki = issuer.public_key().spki();
    parse::public_key::PublicKey::from_der(spki).is_ok_and(|key| {
        let algorithm = &crl.signature_algorithm;
        verify_signature(&key, algorithm, crl.tbs, crl.signature) == SignatureVerdict::Right
    })
}
