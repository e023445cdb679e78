//! Many certificates at once, on all cores. The library knows the steps of a batch and no threads; here are the threads:
//! each takes batch after batch, and only the index is for one at a time.

use std::{
    num::NonZero,
    ops::Range,
    path::Path,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
        mpsc,
    },
    thread,
};

use pki::{
    Error,
    apply::{Compare, Step},
    authority::Authority,
    batch::{Batch, Made, Outcome, Place, Tools},
    certificate::Certificate,
    index::Index,
    issuer::Issuer,
    key::{KeyAlgorithm, Passphrase},
    manifest::Entry,
};

use crate::{
    commands::{now, patience},
    ready_keys::ReadyKeys,
};

/// So many certificates are reserved, made durable and recorded together at most: a batch keeps a folder open for each.
const LARGEST_BATCH: usize = 128;
/// Below this the syncs of a batch would cost more than another core saves.
const SMALLEST_BATCH: usize = 32;
/// So many files may be open besides the folders of the batches: the index, what is written just now, what was inherited.
const OTHER_FILES: usize = 64;

/// Into so many parts for each core a manifest is cut, since some entries take longer than others.
const PARTS: usize = 4;
/// Fewer entries are not worth a thread.
const SMALLEST_PART: usize = 16;

/// Under which passphrase the key of a step is encrypted.
pub(crate) type PassphraseOf<'a> = dyn Fn(&Step) -> Option<&'a Passphrase> + Sync + 'a;

/// Compares the entries of a manifest on all cores, in parts; the failure that is told is the one that comes first in
/// their order.
pub(crate) fn compare(entries: &[Entry], compare: &Compare<'_>) -> Result<Vec<Step>, Error> {
    let size = entries.len().div_ceil(PARTS * cores()).max(SMALLEST_PART);
    let parts: Vec<_> = entries.chunks(size).collect();
    let threads = cores().min(parts.len());
    if threads < 2 {
        return compare(entries);
    }
    let (next, is_over) = (AtomicUsize::new(0), AtomicBool::new(false));
    // Parts are taken in their order: when one fails, those before it are done or under way.
    let work = || {
        let mut compared = Vec::new();
        while !is_over.load(Relaxed) {
            let at = next.fetch_add(1, Relaxed);
            let Some(part) = parts.get(at) else {
                break;
            };
            let steps = compare(part);
            if steps.is_err() {
                is_over.store(true, Relaxed);
            }
            compared.push((at, steps));
        }
        compared
    };
    let mut compared = thread::scope(|scope| {
        let others: Vec<_> = (1..threads).map(|_| scope.spawn(work)).collect();
        let mut compared = work();
        for other in others {
            match other.join() {
                Ok(more) => compared.extend(more),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        compared
    });
    compared.sort_by_key(|(at, _)| *at);
    let mut steps = Vec::with_capacity(entries.len());
    for (_, part) in compared {
        steps.extend(part?);
    }
    Ok(steps)
}

/// What every thread sees.
struct Shared<'a> {
    issuer: &'a Issuer,
    anchors: &'a [Certificate],
    index: Mutex<&'a mut Index>,
    dir: &'a Path,
    steps: &'a [Step],
    batches: Vec<Range<usize>>,
    next: AtomicUsize,
    /// One batch failed: nothing new is begun.
    is_over: AtomicBool,
    keys: &'a ReadyKeys,
    passphrase: &'a PassphraseOf<'a>,
}

/// What a batch brought, and why it ended early.
type Brought<T> = (usize, Vec<T>, Option<Error>);

/// What is to be told of a certificate. It is asked on the thread that made it, where the certificate itself ends.
pub(crate) type Telling<'a, T> = dyn Fn(&Made<'a>) -> T + Sync + 'a;

/// Takes the steps, and tells `made` of each certificate, by what `telling` made of it, in the order of the steps. After a
/// failure what was begun is finished and nothing else is begun; the failure that is told is the one that comes first in
/// the order of the steps.
pub(crate) fn take<'a, T: Send>(
    steps: &'a [Step],
    authority: &'a mut Authority,
    dir: &'a Path,
    keys: &'a ReadyKeys,
    passphrase: &'a PassphraseOf<'a>,
    telling: &Telling<'a, T>,
    made: &mut dyn FnMut(T),
) -> Result<(), Error> {
    let (issuer, anchors, index) = authority.parts();
    let Some(index) = index else {
        return Err(Error::NoAuthority(dir.join(pki::authority::FOLDER)));
    };
    let batches = batches(
        steps,
        |step| passphrase(step).is_some(),
        cores(),
        open_files(),
    );
    let threads = cores().min(batches.len());
    let shared = Shared {
        issuer,
        anchors,
        index: Mutex::new(index),
        dir,
        steps,
        batches,
        next: AtomicUsize::new(0),
        is_over: AtomicBool::new(false),
        keys,
        passphrase,
    };
    let mut results = Results::default();
    if threads < 2 {
        work(&shared, telling, &mut |brought| results.add(brought, made));
    } else {
        thread::scope(|scope| {
            let (sender, receiver) = mpsc::channel();
            for _ in 0..threads {
                let (shared, sender) = (&shared, sender.clone());
                scope.spawn(move || {
                    work(shared, telling, &mut |brought| {
                        // Nobody listens only when this process is on its way out.
                        let _ = sender.send(brought);
                    });
                });
            }
            drop(sender);
            for brought in receiver {
                results.add(brought, made);
            }
        });
    }
    results.failure.map_or(Ok(()), |(_, error)| Err(error))
}

/// What came in, in the order in which it is told.
struct Results<T> {
    told: usize,
    waiting: std::collections::BTreeMap<usize, Vec<T>>,
    failure: Option<(usize, Error)>,
}

impl<T> Default for Results<T> {
    fn default() -> Self {
        Self {
            told: 0,
            waiting: std::collections::BTreeMap::new(),
            failure: None,
        }
    }
}

impl<T> Results<T> {
    fn add(&mut self, (at, whole, failure): Brought<T>, made: &mut dyn FnMut(T)) {
        self.waiting.insert(at, whole);
        if let Some(error) = failure
            && self.failure.as_ref().is_none_or(|(first, _)| at < *first)
        {
            self.failure = Some((at, error));
        }
        while let Some(whole) = self.waiting.remove(&self.told) {
            whole.into_iter().for_each(&mut *made);
            self.told += 1;
        }
    }
}

/// Batch after batch, until none is left.
fn work<'a, T>(shared: &Shared<'a>, telling: &Telling<'a, T>, tell: &mut dyn FnMut(Brought<T>)) {
    while !shared.is_over.load(Relaxed) {
        let at = shared.next.fetch_add(1, Relaxed);
        let Some(range) = shared.batches.get(at) else {
            return;
        };
        let (made, failure) = match run(shared, &shared.steps[range.clone()]) {
            Ok(outcome) => (outcome.made.iter().map(telling).collect(), outcome.failure),
            Err(error) => (Vec::new(), Some(error)),
        };
        if failure.is_some() {
            shared.is_over.store(true, Relaxed);
        }
        tell((at, made, failure));
    }
}

/// One batch, in several rounds when somebody else holds folders of it.
fn run<'a>(shared: &Shared<'a>, steps: &'a [Step]) -> Result<Outcome<'a>, Error> {
    let mut outcome = round(shared, steps)?;
    while outcome.failure.is_none() && !outcome.left.is_empty() {
        match round(shared, outcome.left) {
            Ok(next) => {
                outcome.made.extend(next.made);
                outcome.left = next.left;
                outcome.failure = next.failure;
            }
            // What the rounds before it made is in place.
            Err(error) => outcome.failure = Some(error),
        }
    }
    Ok(outcome)
}

fn round<'a>(shared: &Shared<'a>, steps: &'a [Step]) -> Result<Outcome<'a>, Error> {
    let place = Place {
        issuer: shared.issuer,
        anchors: shared.anchors,
        dir: shared.dir,
        now: now(),
    };
    let tools = Tools {
        key: &mut |algorithm| shared.keys.take(algorithm),
        passphrase: &|step| (shared.passphrase)(step),
        wait: &mut patience(),
    };
    let prepared = Batch::prepare(place, steps, tools);
    let reserved = prepared.reserve(&lock(&shared.index))?;
    let signed = reserved.issue();
    signed.sync()?;
    let recorded = signed.record(&lock(&shared.index))?;
    Ok(recorded.publish())
}

/// Cuts the steps into batches: large enough that few syncs are needed, smaller towards the end, so that no core waits
/// long for the last one, and such that as many as there are cores keep no more folders open than may be. A key that
/// takes long to make has a batch of its own.
fn batches(
    steps: &[Step],
    is_encrypted: impl Fn(&Step) -> bool,
    cores: usize,
    open_files: usize,
) -> Vec<Range<usize>> {
    let mut due = steps.iter().filter(|step| step.makes_key()).count();
    let most = (open_files.saturating_sub(OTHER_FILES) / cores).clamp(1, LARGEST_BATCH);
    let size_of_next = |due: usize| {
        due.div_ceil(2 * cores)
            .clamp(SMALLEST_BATCH.min(most), most)
    };
    let mut size = size_of_next(due);
    let mut batches = Vec::new();
    let (mut start, mut held) = (0, 0);
    for (at, step) in steps.iter().enumerate() {
        if !step.makes_key() {
            continue;
        }
        let is_alone = takes_long(step.entry.key) || is_encrypted(step);
        held += if is_alone { size } else { 1 };
        due -= 1;
        if held >= size {
            batches.push(start..at + 1);
            (start, held) = (at + 1, 0);
            size = size_of_next(due);
        }
    }
    if held > 0 {
        batches.push(start..steps.len());
    }
    batches
}

/// Whether a key of this kind takes milliseconds or seconds to make.
pub(crate) fn takes_long(algorithm: KeyAlgorithm) -> bool {
    matches!(
        algorithm,
        KeyAlgorithm::Rsa2048 | KeyAlgorithm::Rsa3072 | KeyAlgorithm::Rsa4096
    )
}

/// How many files this process may have open.
fn open_files() -> usize {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    limit.map_or(usize::MAX, |limit| limit.try_into().unwrap_or(usize::MAX))
}

pub(crate) fn cores() -> usize {
    thread::available_parallelism().map_or(1, NonZero::get)
}

/// A thread that died left nothing half done in what is locked here.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
