//! Keys that take long to make, made on all cores before anybody waits for them.

use std::{
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    thread,
};

use pki::key::{KeyAlgorithm, KeyError, PrivateKey};

use crate::bulk::{cores, lock, takes_long};

/// So many keys are made before there is a CA that could use them.
const MOST_READY_KEYS: usize = 64;

/// Keys that were made before they were needed.
#[derive(Default)]
pub(crate) struct ReadyKeys(Mutex<Vec<(KeyAlgorithm, PrivateKey)>>);

impl ReadyKeys {
    /// Makes keys on all cores, as far as they are of a kind that takes long to make.
    pub(crate) fn make(wanted: impl IntoIterator<Item = KeyAlgorithm>) -> Result<Self, KeyError> {
        let wanted: Vec<_> = wanted
            .into_iter()
            .filter(|algorithm| takes_long(*algorithm))
            .take(MOST_READY_KEYS)
            .collect();
        let ready = Self::default();
        if wanted.len() < 2 {
            return Ok(ready);
        }
        let next = AtomicUsize::new(0);
        let work = || {
            while let Some(algorithm) = wanted.get(next.fetch_add(1, Relaxed)) {
                let key = PrivateKey::generate(*algorithm)?;
                lock(&ready.0).push((*algorithm, key));
            }
            Ok(())
        };
        thread::scope(|scope| {
            let others: Vec<_> = (1..cores().min(wanted.len()))
                .map(|_| scope.spawn(work))
                .collect();
            let own = work();
            others
                .into_iter()
                .map(|other| other.join().unwrap_or(Err(KeyError::Generate)))
                .fold(own, Result::and)
        })?;
        Ok(ready)
    }

    /// One of those that are ready, or a new one.
    pub(crate) fn take(&self, algorithm: KeyAlgorithm) -> Result<PrivateKey, KeyError> {
        let found = {
            let mut ready = lock(&self.0);
            let at = ready.iter().position(|(kind, _)| *kind == algorithm);
            at.map(|at| ready.swap_remove(at).1)
        };
        found.map_or_else(|| PrivateKey::generate(algorithm), Ok)
    }
}
