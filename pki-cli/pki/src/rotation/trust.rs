//! Trust in every folder: `ca.crt` holds each root that a peer may present a certificate of, and `crl.pem` the CRL of each
//! CA. A new root is put there before anybody gets a certificate from it, and an old one is taken away after nobody has
//! one any more; so peers that have reloaded their folders and peers that have not yet accept each other all the while.

use std::{
    collections::HashSet,
    path::{Path, PathBuf},
};

use crate::{
    authority::{Generations, Role},
    certificate::Certificate,
    certificate_revocation_list::to_pem,
    error::Error,
    folder::{self, Entry, Wait},
    index::Index,
    revocation::{self, Failure},
};

/// A folder that does not trust what it should.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Lacking {
    /// The folder.
    pub folder: PathBuf,
    /// The names of the roots that are not in its `ca.crt`, and `crl.pem` when that is not the CA's.
    pub what: Vec<String>,
}

/// In what the trust anchors of one folder differ from what they should be, by their names.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Difference {
    /// Those that are not in `ca.crt` and should be.
    pub(crate) missing: Vec<String>,
    /// Those of this CA that are in `ca.crt` and should not be any more.
    pub(crate) left_over: Vec<String>,
}

/// What became of the folders.
#[derive(Debug, Default)]
pub struct Spread {
    /// The folders whose `ca.crt` changed.
    pub folders: Vec<PathBuf>,
    /// The folders that could not be written to.
    pub failures: Vec<Failure>,
}

/// What `ca.crt` of one folder holds and should hold.
struct Anchors {
    present: Vec<Certificate>,
    wanted: Vec<Certificate>,
}

impl Anchors {
    /// `None` for a folder without a certificate of this CA.
    fn of(path: &Path, generations: &Generations, index: &Index) -> Result<Option<Self>, Error> {
        let own = |certificate: &Certificate| -> Result<bool, Error> {
            let is_known = generations.members().any(|(_, one)| one == certificate)
                || generations.issuer_of(certificate).is_some();
            Ok(is_known
                || index
                    .with_fingerprint(&certificate.fingerprint())?
                    .is_some())
        };
        let certificates = |name: &str| -> Result<Vec<Certificate>, Error> {
            let bytes = folder::read_if_there(&path.join(name))?;
            // Somebody else's file is nothing that we could judge.
            let read = bytes.map(|bytes| Certificate::read_all(&bytes).unwrap_or_default());
            Ok(read.unwrap_or_default())
        };
        let chain = certificates(folder::CERTIFICATE)?;
        match chain.first() {
            Some(first) if own(first)? => {}
            _ => return Ok(None),
        }
        let present = certificates(folder::ANCHOR)?;
        let mut wanted: Vec<_> = generations.anchors().into_iter().cloned().collect();
        // A root of somebody else was put there by somebody, and is not ours to take away.
        for anchor in &present {
            if !wanted.contains(anchor) && !own(anchor)? {
                wanted.push(anchor.clone());
            }
        }
        Ok(Some(Self { present, wanted }))
    }

    fn is_right(&self) -> bool {
        fn set(of: &[Certificate]) -> HashSet<&[u8]> {
            of.iter().map(Certificate::der).collect()
        }
        set(&self.present) == set(&self.wanted)
    }

    /// The names of those that only the first of the two has.
    fn only_in(one: &[Certificate], other: &[Certificate]) -> Vec<String> {
        let only = one.iter().filter(|anchor| !other.contains(anchor));
        only.map(|anchor| anchor.subject().to_string()).collect()
    }

    fn missing(&self) -> Vec<String> {
        Self::only_in(&self.wanted, &self.present)
    }
}

/// In what `ca.crt` of a folder differs from what it should be; in nothing where another CA's certificate is.
pub(crate) fn difference(
    path: &Path,
    generations: &Generations,
    index: &Index,
) -> Result<Difference, Error> {
    let anchors = Anchors::of(path, generations, index)?;
    Ok(
        anchors.map_or_else(Difference::default, |anchors| Difference {
            missing: anchors.missing(),
            left_over: Anchors::only_in(&anchors.present, &anchors.wanted),
        }),
    )
}

/// The folders below `dir` that do not trust the CAs that are there, or are to come.
pub fn lacking(
    dir: &Path,
    generations: &Generations,
    index: &Index,
) -> Result<Vec<Lacking>, Error> {
    let mut all = missing_lists(generations, index)?;
    for path in revocation::folders(dir)? {
        let Some(anchors) = Anchors::of(&path, generations, index)? else {
            continue;
        };
        let mut what = anchors.missing();
        if !revocation::is_carried(dir, &path)? {
            what.push(folder::REVOCATION_LISTS.to_owned());
        }
        if !what.is_empty() {
            all.push(Lacking { folder: path, what });
        }
    }
    Ok(all)
}

/// Where CRLs are read, a CA without one is a CA whose certificates are refused. The next one has to be in the bundle that
/// everybody is compared with.
fn missing_lists(generations: &Generations, index: &Index) -> Result<Vec<Lacking>, Error> {
    let Some(bundle) = folder::read_if_there(&generations.folder().join(folder::REVOCATION_LISTS))?
    else {
        return Ok(Vec::new());
    };
    let bundle = String::from_utf8_lossy(&bundle);
    let mut what = Vec::new();
    for next in [Role::Next, Role::NextRoot] {
        let Some(certificate) = generations.get(next) else {
            continue;
        };
        let name = certificate.subject().to_string();
        let is_listed = index
            .crl(&name)?
            .is_some_and(|crl| bundle.contains(&to_pem(&crl.der)));
        if !is_listed {
            what.push(format!("the CRL of {name}"));
        }
    }
    let folder = generations.folder().to_owned();
    Ok(match what.is_empty() {
        true => Vec::new(),
        false => vec![Lacking { folder, what }],
    })
}

/// Makes `ca.crt` of every folder below `dir` hold what it should. One that cannot be written to does not keep the others
/// from it.
pub fn spread(dir: &Path, index: &Index, wait: &mut Wait<'_>) -> Result<Spread, Error> {
    let mut spread = Spread::default();
    let generations = Generations::read(dir)?;
    for path in revocation::folders(dir)? {
        match into(dir, &path, &generations, index, wait) {
            Ok(true) => spread.folders.push(path),
            Ok(false) => {}
            Err(error) => spread.failures.push(Failure {
                folder: Some(path),
                error,
            }),
        }
    }
    Ok(spread)
}

fn into(
    dir: &Path,
    path: &Path,
    generations: &Generations,
    index: &Index,
    wait: &mut Wait<'_>,
) -> Result<bool, Error> {
    let wrong = |path: &Path, generations: &Generations| {
        let anchors = Anchors::of(path, generations, index)?;
        Ok::<_, Error>(anchors.filter(|anchors| !anchors.is_right()))
    };
    let wanted = |path: &Path| match wrong(path, generations)? {
        None => Ok(None),
        // The CA may have been rotated once more since: what is in place now counts.
        Some(_) => wrong(path, &Generations::read(dir)?),
    };
    match revocation::hold_where(path, wait, wanted)? {
        None => Ok(false),
        Some((folder, anchors)) => {
            let pem: String = anchors.wanted.iter().map(Certificate::to_pem).collect();
            folder.put(&Entry::public(folder::ANCHOR, pem))?;
            Ok(true)
        }
    }
}
