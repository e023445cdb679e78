//! Many steps of a plan at once. Each certificate takes the same way as a single one, reserve → sign → validate → record
//! → write; what makes it slow is shared by the batch: one transaction reserves every serial number, one records every
//! certificate, one call makes all files durable.
//!
//! A batch is a chain of types, each of which has what the next one needs: [`Batch`] holds the folders and what passed
//! every check, [`Reserved`] the serial numbers, [`Signed`] the certificates and their files where no reader looks,
//! [`Recorded`] what the index knows. A process that dies in between leaves reserved numbers and hidden folders, which
//! the next run takes over. No threads here: whoever has some gives each its own steps, and the index to one at a time.

#[cfg(test)]
mod tests;

use std::path::Path;

use time::OffsetDateTime;

use crate::{
    apply::{Chain, Step},
    authority::{self, Generations, pem_of, purposes},
    certificate::Certificate,
    error::Error,
    folder::{self, Change, Durable, Entry as File, FileSystems, Folder, FolderError, Wait},
    index::{Index, Reservation},
    issuer::{Fit, Issuer, Notice, Prepared, Request},
    key::{KeyAlgorithm, KeyError, Passphrase, PrivateKey},
    path_validation::{self, Series},
    profile::Profile,
    serial_number,
};

/// Where and when a batch is made.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// The CA that issues.
    pub issuer: &'a Issuer,
    /// What `ca.crt` holds: the trust anchors of everybody who may call.
    pub anchors: &'a [Certificate],
    /// The folder that holds everything.
    pub dir: &'a Path,
    /// The time.
    pub now: OffsetDateTime,
}

impl Place<'_> {
    /// Whether a rotation left the CA and the trust anchors as they were when this run began.
    fn check_current(&self) -> Result<(), Error> {
        Generations::check_current(self.dir, self.issuer.certificate(), self.anchors)
    }
}

/// What a batch needs from its surroundings.
pub struct Tools<'t> {
    /// Makes a key, or has one ready.
    pub key: &'t mut dyn FnMut(KeyAlgorithm) -> Result<PrivateKey, KeyError>,
    /// The passphrase under which the key of a step is encrypted.
    pub passphrase: &'t dyn Fn(&Step) -> Option<&'t Passphrase>,
    /// Waits for other processes.
    pub wait: &'t mut Wait<'t>,
}

/// One certificate on its way.
struct Item<'s, T> {
    step: &'s Step,
    folder: Folder,
    key_pem: zeroize::Zeroizing<String>,
    notices: Vec<Notice>,
    rest: T,
}

/// Steps whose folders are locked and whose certificates passed every check that can be made before they are signed.
pub struct Batch<'s> {
    place: Place<'s>,
    items: Vec<Item<'s, (Prepared<'s>, Reservation<'s>)>>,
    failure: Option<Error>,
    left: &'s [Step],
}

/// A batch whose serial numbers are on the disk.
pub struct Reserved<'s> {
    batch: Batch<'s>,
    serials: Vec<serial_number::Reserved>,
}

/// A batch whose certificates are signed, accepted by path validation, and written where no reader looks.
pub struct Signed<'s> {
    place: Place<'s>,
    items: Vec<(Made<'s>, Change)>,
    /// Where their files are: a folder may be a link to somewhere else, or mounted from there.
    written_to: FileSystems,
    failure: Option<Error>,
    left: &'s [Step],
}

/// A batch whose certificates stand in the index.
pub struct Recorded<'s>(Signed<'s>);

/// A certificate whose pair is in place.
#[derive(Debug)]
pub struct Made<'s> {
    /// What asked for it.
    pub step: &'s Step,
    /// The certificate.
    pub certificate: Certificate,
    /// What the person should know.
    pub notices: Vec<Notice>,
}

/// What became of a batch.
pub struct Outcome<'s> {
    /// What was issued, in the order of the steps.
    pub made: Vec<Made<'s>>,
    /// Steps that were not looked at, because somebody else holds the folder of the first of them.
    pub left: &'s [Step],
    /// Why the batch ended early; what stands after the step that failed was not done.
    pub failure: Option<Error>,
}

impl<'s> Batch<'s> {
    /// Makes keys, locks folders, and checks everything. Steps with which there is nothing to do (any more) are passed
    /// over.
    pub fn prepare(place: Place<'s>, steps: &'s [Step], tools: Tools<'_>) -> Self {
        let mut batch = Self {
            place,
            items: Vec::new(),
            failure: None,
            left: &[],
        };
        if let Err(error) = batch.fill(steps, tools) {
            batch.failure = Some(error);
        }
        batch
    }

    fn fill(&mut self, steps: &'s [Step], tools: Tools<'_>) -> Result<(), Error> {
        let Tools {
            key,
            passphrase,
            wait,
        } = tools;
        let Place {
            issuer,
            anchors,
            dir,
            now,
        } = self.place;
        let mut chain = Chain::of(issuer, anchors, now).with_revoked(dir)?;
        if steps.iter().any(Step::is_by_index) {
            chain = chain.with_index(dir)?;
        }
        let mut fit: Vec<(Profile, Fit<'s>)> = Vec::new();
        // The keys first: they may take seconds, and nobody should wait for a folder meanwhile.
        let mut keys = Vec::with_capacity(steps.len());
        for step in steps.iter().filter(|step| step.makes_key()) {
            let passphrase = passphrase(step);
            let key = key(step.entry.key)?;
            let pem = pem_of(&key, passphrase)?;
            keys.push((key, pem, passphrase.is_some()));
        }
        let mut keys = keys.into_iter();
        for (at, step) in steps.iter().enumerate() {
            if !step.makes_key() {
                continue;
            }
            let Some((key, key_pem, is_encrypted)) = keys.next() else {
                break;
            };
            // Who holds one folder does not wait for another, or two might wait for each other.
            let mut no_wait = || false;
            let folder = match self.items.is_empty() {
                true => Folder::lock(&dir.join(&step.entry.name), wait),
                false => Folder::lock(&dir.join(&step.entry.name), &mut no_wait),
            };
            let folder = match folder {
                Err(FolderError::Busy(_)) if !self.items.is_empty() => {
                    self.left = &steps[at..];
                    break;
                }
                folder => folder?,
            };
            if !step.is_still_due(&folder, &chain, is_encrypted, now)? {
                continue;
            }
            let request = Request {
                profile: step.entry.profile,
                subject: &step.entry.subject,
                names: &step.entry.names,
                public_key: key.public(),
                days: step.entry.days,
                path_length: 0,
                permitted_dns: &[],
            };
            let known = fit.iter().find(|(known, _)| *known == request.profile);
            let fit = match known {
                Some((_, fit)) => *fit,
                None => {
                    let one = issuer.fit(request.profile, now)?;
                    fit.push((request.profile, one));
                    one
                }
            };
            let prepared = fit.prepare(&request)?;
            self.items.push(Item {
                step,
                folder,
                key_pem,
                notices: prepared.notices().to_vec(),
                rest: (
                    prepared,
                    authority::reservation(
                        Some(&step.entry.name),
                        &request,
                        issuer.certificate().subject(),
                    ),
                ),
            });
        }
        Ok(())
    }

    /// Reserves a serial number for each certificate, durably.
    pub fn reserve(self, index: &Index) -> Result<Reserved<'s>, Error> {
        let reservations: Vec<_> = self.items.iter().map(|item| item.rest.1.clone()).collect();
        let serials = match reservations.is_empty() {
            true => Vec::new(),
            // The CA may have been revoked since it was opened, or since the last batch, which is asked there.
            false => {
                let chain = self.place.issuer.chain();
                index.reserve_all(chain, &reservations, self.place.now)?
            }
        };
        Ok(Reserved {
            batch: self,
            serials,
        })
    }
}

impl<'s> Reserved<'s> {
    /// Signs and validates each certificate, and writes its files where no reader looks.
    pub fn issue(self) -> Signed<'s> {
        let Batch {
            place,
            items,
            failure,
            left,
        } = self.batch;
        let mut signed = Signed {
            place,
            items: Vec::with_capacity(items.len()),
            written_to: FileSystems::default(),
            failure,
            left,
        };
        let issuer = place.issuer;
        if !items.is_empty()
            && let Err(error) = place.check_current()
        {
            signed.failure = Some(error);
            return signed;
        }
        let above = issuer.intermediates();
        let series = Series::new(
            path_validation::Request::new(&[], place.now)
                .trust([issuer.anchor().der()])
                .intermediates(above.iter().map(|certificate| certificate.der())),
        );
        let crls = place
            .dir
            .join(authority::FOLDER)
            .join(folder::REVOCATION_LISTS);
        let crls = match folder::read_if_there(&crls) {
            Ok(crls) => crls,
            Err(error) => {
                signed.failure = Some(error.into());
                return signed;
            }
        };
        let files = Files {
            above: above.iter().map(|above| above.to_pem()).collect(),
            anchors: place.anchors.iter().map(Certificate::to_pem).collect(),
            crls: crls.map(|crls| File::public(folder::REVOCATION_LISTS, &*crls)),
        };
        for (item, serial) in items.into_iter().zip(self.serials) {
            match item.issue(serial, &series, &files) {
                Ok(made) => signed.items.push(made),
                Err(error) => {
                    signed.failure = Some(error);
                    break;
                }
            }
        }
        let places = signed.items.iter().flat_map(|(_, change)| change.places());
        match FileSystems::of(places) {
            Ok(written_to) => signed.written_to = written_to,
            Err(error) => {
                // Nobody has seen anything of it.
                signed.items.clear();
                signed.failure = Some(error.into());
            }
        }
        signed
    }
}

/// What is the same in every folder.
struct Files {
    above: String,
    anchors: String,
    /// The CRLs that are there. Whoever signs new ones in the meantime waits for the folders and brings them.
    crls: Option<File>,
}

impl<'s> Item<'s, (Prepared<'s>, Reservation<'s>)> {
    fn issue(
        self,
        serial: serial_number::Reserved,
        series: &Series<'_>,
        files: &Files,
    ) -> Result<(Made<'s>, Change), Error> {
        let (prepared, _) = self.rest;
        let certificate = prepared.issue(serial)?;
        let profile = self.step.entry.profile;
        series
            .validate(certificate.der(), &purposes(Some(profile)))
            .map_err(|rejected| Error::OwnOutputRefused(rejected.to_string()))?;
        let files: Vec<_> = [
            File::public(folder::CERTIFICATE, certificate.to_pem() + &files.above),
            File::private(folder::KEY, self.key_pem.as_bytes()),
            File::public(folder::ANCHOR, &files.anchors),
        ]
        .into_iter()
        .chain(files.crls.clone())
        .collect();
        let change = self
            .folder
            .begin(&files, &[folder::REQUEST], Durable::ByCaller)?;
        let made = Made {
            step: self.step,
            certificate,
            notices: self.notices,
        };
        Ok((made, change))
    }
}

impl<'s> Signed<'s> {
    /// Makes the files durable, of which nobody knows yet. On its own, because it waits for the disk and the index does
    /// not have to.
    pub fn sync(&self) -> Result<(), Error> {
        if self.items.is_empty() {
            return Ok(());
        }
        Ok(self.written_to.sync()?)
    }

    /// Records the certificates, durably.
    pub fn record(self, index: &Index) -> Result<Recorded<'s>, Error> {
        if !self.items.is_empty() {
            self.place.check_current()?;
            index.record_all(self.items.iter().map(|(made, _)| &made.certificate))?;
        }
        Ok(Recorded(self))
    }
}

impl<'s> Recorded<'s> {
    /// Lets each pair appear, key and certificate together, and makes that durable.
    pub fn publish(self) -> Outcome<'s> {
        let Signed {
            place,
            items,
            written_to,
            mut failure,
            left,
        } = self.0;
        let mut outcome = Vec::with_capacity(items.len());
        let mut moving = items;
        while !moving.is_empty() {
            // One step of each change, then everything durable, then the next. Where pairs only appear, what changes is the
            // one folder that they appear in.
            let appear = moving.iter().all(|(_, change)| change.takes_place());
            let mut next = Vec::new();
            for (made, mut change) in moving {
                match change.advance() {
                    Ok(true) => next.push((made, change)),
                    Ok(false) => outcome.push((made, change)),
                    Err(error) => {
                        failure.get_or_insert_with(|| error.into());
                    }
                }
            }
            let synced = match appear {
                true => folder::sync_folder(place.dir),
                false => written_to.sync(),
            };
            if let Err(error) = synced {
                failure.get_or_insert_with(|| error.into());
                break;
            }
            moving = next;
        }
        outcome.sort_by_key(|(made, _)| std::ptr::from_ref(made.step) as usize);
        Outcome {
            made: outcome.into_iter().map(|(made, _)| made).collect(),
            left,
            failure,
        }
    }
}
