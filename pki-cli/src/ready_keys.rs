//! Keys that take long to make, made on all cores before anybody waits for them.
//!
//! How long an RSA key takes is a lottery: primes are drawn until two are found, and nothing is learned from what was
//! drawn in vain. Two cores that draw for the same key are twice as fast as one, so a core that has nothing else to do
//! joins in, and the first key that is found is taken. What the other one was at is thrown away when it is found, or ends
//! with the process.

use std::{
    sync::{Arc, Mutex, mpsc},
    thread,
};

use pki::key::{KeyAlgorithm, KeyError, PrivateKey};

use crate::bulk::{cores, lock, takes_long};

/// So many keys are made before there is a CA that could use them.
const MOST_READY_KEYS: usize = 64;
/// So many threads draw for one key at most.
const MOST_AT_ONE: usize = 2;

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
        let threads = cores().min(MOST_AT_ONE * wanted.len());
        if threads < 2 {
            // Whoever needs one makes it.
            return Ok(Self::default());
        }
        let mut missing = wanted.len();
        let race = Arc::new(Mutex::new(Race::new(wanted)));
        let (sender, receiver) = mpsc::channel();
        for _ in 0..threads {
            let (race, sender) = (Arc::clone(&race), sender.clone());
            // Not waited for: the last of them may draw for a key that somebody else has found.
            thread::spawn(move || {
                loop {
                    // Not in the head of a loop, where it would be held while the key is made.
                    let next = lock(&race).join();
                    let Some(algorithm) = next else {
                        break;
                    };
                    let key = PrivateKey::generate(algorithm);
                    let is_first = lock(&race).finish(algorithm);
                    // Nobody listens when another key could not be made.
                    if is_first && sender.send(key.map(|key| (algorithm, key))).is_err() {
                        break;
                    }
                }
            });
        }
        drop(sender);
        let mut ready = Vec::with_capacity(missing);
        while missing > 0 {
            // All are gone without a key only when they died.
            ready.push(receiver.recv().unwrap_or(Err(KeyError::Generate))?);
            missing -= 1;
        }
        Ok(Self(Mutex::new(ready)))
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

/// Which keys are missing, and how many threads draw for each.
struct Race(Vec<(KeyAlgorithm, usize)>);

impl Race {
    fn new(wanted: Vec<KeyAlgorithm>) -> Self {
        Self(wanted.into_iter().map(|algorithm| (algorithm, 0)).collect())
    }

    /// What a thread without work should draw for: what nobody else does, then what fewest do. `None` when there is
    /// nothing in which it would help.
    fn join(&mut self) -> Option<KeyAlgorithm> {
        let (algorithm, at_it) = self.0.iter_mut().min_by_key(|(_, at_it)| *at_it)?;
        if *at_it >= MOST_AT_ONE {
            return None;
        }
        *at_it += 1;
        Some(*algorithm)
    }

    /// Whether a key of this kind is missing still; from now on one less is. Keys of one kind are alike, so it stands for
    /// the one for which most threads draw.
    fn finish(&mut self, algorithm: KeyAlgorithm) -> bool {
        let most = (0..self.0.len())
            .filter(|at| self.0[*at].0 == algorithm)
            .max_by_key(|at| self.0[*at].1);
        match most {
            Some(at) => {
                self.0.swap_remove(at);
                true
            }
            None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: KeyAlgorithm = KeyAlgorithm::Rsa2048;
    const LARGE: KeyAlgorithm = KeyAlgorithm::Rsa4096;

    #[test]
    fn every_key_is_begun_before_anybody_joins_in() {
        let mut race = Race::new(vec![LARGE, SMALL, SMALL]);
        let begun: Vec<_> = (0..3).filter_map(|_| race.join()).collect();
        assert_eq!(begun, [LARGE, SMALL, SMALL]);
        assert!(race.0.iter().all(|(_, at_it)| *at_it == 1));
    }

    #[test]
    fn a_thread_without_work_joins_in_until_two_draw_for_each() {
        let mut race = Race::new(vec![LARGE]);
        assert_eq!(race.join(), Some(LARGE));
        assert_eq!(race.join(), Some(LARGE));
        assert_eq!(race.join(), None);
    }

    #[test]
    fn of_two_that_drew_for_one_key_the_second_comes_too_late() {
        let mut race = Race::new(vec![LARGE, SMALL]);
        while race.join().is_some() {}
        assert!(race.finish(LARGE));
        assert!(!race.finish(LARGE));
        assert!(race.finish(SMALL));
        assert_eq!(race.join(), None);
    }

    #[test]
    fn what_was_joined_in_last_goes_on_for_the_next_key_of_its_kind() {
        let mut race = Race::new(vec![SMALL, SMALL]);
        // Three threads: two at one key, one at the other.
        let joined: Vec<_> = (0..3).filter_map(|_| race.join()).collect();
        assert_eq!(joined, [SMALL; 3]);
        assert!(race.finish(SMALL));
        // The two that are left draw for the one that is missing, whichever it was.
        assert!(race.finish(SMALL));
        assert!(!race.finish(SMALL));
    }

    #[test]
    fn as_many_keys_are_ready_as_were_wanted_and_no_more() {
        let ready = ReadyKeys::make([SMALL, KeyAlgorithm::P256, SMALL]).expect("keys");
        let kept = lock(&ready.0).len();
        // A machine of one core makes them when they are needed.
        assert_eq!(kept, if cores() < 2 { 0 } else { 2 });
        let taken: Vec<_> = (0..2)
            .map(|_| ready.take(SMALL).expect("a key"))
            .map(|key| key.public().fingerprint())
            .collect();
        assert_ne!(taken[0], taken[1]);
        assert!(lock(&ready.0).is_empty());
    }
}
