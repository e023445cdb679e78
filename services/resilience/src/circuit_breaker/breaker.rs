//! A breaker that many tasks share: the machine behind a lock, permits that return themselves, and callbacks.

use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::{Duration, Instant};

use super::config::{Config, ConfigError};
use super::state::{Admission, Change, Counts, Machine, Mode, Outcome, Rejection, State, Totals};

/// A circuit breaker. Clones share it.
#[derive(Clone)]
pub struct CircuitBreaker {
    shared: Arc<Shared>,
}

/// Makes a [`CircuitBreaker`].
#[must_use]
pub struct Builder {
    name: Arc<str>,
    config: Config,
    callback: Option<Callback>,
    seed: Option<u64>,
}

/// A change of state, as a callback sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct StateChange {
    /// The name of the breaker.
    pub name: Arc<str>,
    /// Before.
    pub from: State,
    /// After.
    pub to: State,
}

/// The refusal of a call.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the circuit {name} is {state}: the call was refused and not made; try again in {:.3} s",
    retry_after.as_secs_f64()
)]
#[non_exhaustive]
pub struct Rejected {
    /// The name of the breaker.
    pub name: Arc<str>,
    /// Open, or half-open with as many probes as it takes.
    pub state: State,
    /// When to try again.
    pub retry_after: Duration,
}

/// Why a guarded function gave no value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CallError<E> {
    /// The breaker refused; the function did not run.
    #[error(transparent)]
    Rejected(#[from] Rejected),
    /// The function failed.
    #[error("{0}")]
    Failed(E),
}

/// A consistent view of a breaker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Snapshot {
    /// The state.
    pub state: State,
    /// Who decides.
    pub mode: Mode,
    /// What was counted since the last change of state, or interval.
    pub counts: Counts,
    /// What was counted ever.
    pub totals: Totals,
}

/// The right to make one call. Tell how it went with [`Permit::done`]; a permit that is dropped returns itself (B6).
#[derive(Debug)]
#[must_use = "a permit that is dropped at once counts nothing"]
pub struct Permit {
    breaker: CircuitBreaker,
    admission: Option<Admission>,
}

type Callback = Box<dyn Fn(&StateChange) + Send + Sync>;

struct Shared {
    name: Arc<str>,
    guarded: Mutex<Guarded>,
    callback: Option<Callback>,
}

struct Guarded {
    machine: Machine,
    // Changes whose callback has not run yet. One thread at a time works them off, outside the lock and in order (B22).
    changes: VecDeque<Change>,
    telling: bool,
}

// === impl Builder ===

impl Builder {
    /// The rules.
    pub fn config(mut self, config: Config) -> Self {
        self.config = config;
        self
    }

    /// Calls this once per change of state, in order, without any lock held: it may use the breaker itself (B22).
    pub fn on_state_change(
        mut self,
        callback: impl Fn(&StateChange) + Send + Sync + 'static,
    ) -> Self {
        self.callback = Some(Box::new(callback));
        self
    }

    /// Makes the jitter of the open times repeatable.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// The breaker.
    ///
    /// # Errors
    ///
    /// When the rules contradict themselves.
    pub fn build(self) -> Result<CircuitBreaker, ConfigError> {
        let random = self
            .seed
            .map_or_else(fastrand::Rng::new, fastrand::Rng::with_seed);
        let machine = Machine::new(self.config.rules()?, random, now());
        Ok(CircuitBreaker::from_machine(
            self.name,
            machine,
            self.callback,
        ))
    }
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("name", &self.name)
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}

// === impl CircuitBreaker ===

impl CircuitBreaker {
    /// A breaker with these rules.
    ///
    /// # Errors
    ///
    /// When they contradict themselves.
    pub fn new(name: impl Into<Arc<str>>, config: Config) -> Result<Self, ConfigError> {
        Self::builder(name).config(config).build()
    }

    /// A breaker with more than rules.
    pub fn builder(name: impl Into<Arc<str>>) -> Builder {
        Builder {
            name: name.into(),
            config: Config::default(),
            callback: None,
            seed: None,
        }
    }

    pub(super) fn from_machine(
        name: Arc<str>,
        machine: Machine,
        callback: Option<Callback>,
    ) -> Self {
        Self {
            shared: Arc::new(Shared {
                name,
                guarded: Mutex::new(Guarded {
                    machine,
                    changes: VecDeque::new(),
                    telling: false,
                }),
                callback,
            }),
        }
    }

    /// Runs a future if the circuit lets it: `Err` of it is a failure, `Ok` a success. When the circuit is open the
    /// future is not polled at all. A panic in it is a failure and goes on (B7).
    ///
    /// # Errors
    ///
    /// When the circuit refuses, or the future fails.
    pub async fn call<T, E>(
        &self,
        future: impl Future<Output = Result<T, E>>,
    ) -> Result<T, CallError<E>> {
        self.call_with(future, |result| match result {
            Ok(_) => Outcome::Success,
            Err(_) => Outcome::Failure,
        })
        .await
    }

    /// The same, with a judgement of one's own: not every error is trouble of the peer.
    ///
    /// # Errors
    ///
    /// When the circuit refuses, or the future fails.
    pub async fn call_with<T, E>(
        &self,
        future: impl Future<Output = Result<T, E>>,
        judge: impl FnOnce(&Result<T, E>) -> Outcome,
    ) -> Result<T, CallError<E>> {
        let permit = self.acquire()?;
        let mut future = pin!(future);
        let ended = std::future::poll_fn(|cx| {
            match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx))) {
                Ok(Poll::Pending) => Poll::Pending,
                Ok(Poll::Ready(result)) => Poll::Ready(Ok(result)),
                Err(panic) => Poll::Ready(Err(panic)),
            }
        })
        .await;
        match ended {
            Ok(result) => {
                permit.done(judge(&result));
                result.map_err(CallError::Failed)
            }
            Err(panic) => {
                permit.done(Outcome::Failure);
                resume_unwind(panic)
            }
        }
    }

    /// Asks for the right to make one call: for a caller that learns the outcome elsewhere.
    ///
    /// # Errors
    ///
    /// When the circuit refuses.
    pub fn acquire(&self) -> Result<Permit, Rejected> {
        let asked = self.with(now(), |machine, now| machine.admit(now));
        match asked {
            Ok(admission) => Ok(Permit {
                breaker: self.clone(),
                admission: Some(admission),
            }),
            Err(Rejection { state, retry_after }) => Err(Rejected {
                name: Arc::clone(&self.shared.name),
                state,
                retry_after,
            }),
        }
    }

    /// The name.
    pub fn name(&self) -> &str {
        &self.shared.name
    }

    /// The state now.
    pub fn state(&self) -> State {
        self.with(now(), Machine::state)
    }

    /// State and counts at one moment.
    pub fn snapshot(&self) -> Snapshot {
        self.with(now(), |machine, now| {
            let (state, change) = machine.state(now);
            let snapshot = Snapshot {
                state,
                mode: machine.mode(),
                counts: machine.counts(),
                totals: machine.totals(),
            };
            (snapshot, change)
        })
    }

    /// Opens the circuit until [`reset`](Self::reset) (B23).
    pub fn force_open(&self) {
        self.with(now(), |machine, now| ((), machine.force_open(now)));
    }

    /// Closes the circuit until [`reset`](Self::reset) (B23).
    pub fn force_closed(&self) {
        self.with(now(), |machine, now| ((), machine.force_closed(now)));
    }

    /// Refuses nothing from now on, but goes on changing states and telling them (B23).
    pub fn metrics_only(&self) {
        self.with(now(), |machine, now| ((), machine.metrics_only(now)));
    }

    /// As new (B23).
    pub fn reset(&self) {
        self.with(now(), |machine, now| ((), machine.reset(now)));
    }

    fn with<R>(
        &self,
        now: Instant,
        event: impl FnOnce(&mut Machine, Instant) -> (R, Option<Change>),
    ) -> R {
        let mut guarded = self.shared.lock();
        let (result, change) = event(&mut guarded.machine, now);
        if let Some(change) = change {
            guarded.changes.push_back(change);
            if !guarded.telling {
                guarded.telling = true;
                self.shared.tell(guarded);
            }
        }
        result
    }
}

impl fmt::Debug for CircuitBreaker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CircuitBreaker")
            .field("name", &self.shared.name)
            .finish_non_exhaustive()
    }
}

// === impl Shared ===

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Guarded> {
        // The machine is whole between two events, and a callback does not run under the lock.
        self.guarded.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell<'s>(&'s self, mut guarded: MutexGuard<'s, Guarded>) {
        /// Lets another thread go on if a callback panics.
        struct Stop<'s>(&'s Shared);
        impl Drop for Stop<'_> {
            fn drop(&mut self) {
                if std::thread::panicking() {
                    self.0.lock().telling = false;
                }
            }
        }
        let _stop = Stop(self);
        loop {
            let Some(Change { from, to }) = guarded.changes.pop_front() else {
                guarded.telling = false;
                return;
            };
            drop(guarded);
            tracing::info!(circuit = &*self.name, %from, %to, "a circuit changed its state");
            if let Some(callback) = &self.callback {
                let name = Arc::clone(&self.name);
                callback(&StateChange { name, from, to });
            }
            guarded = self.lock();
        }
    }
}

// === impl Permit ===

impl Permit {
    /// Tells how the call went.
    pub fn done(mut self, outcome: Outcome) {
        self.end(outcome);
    }

    fn end(&mut self, outcome: Outcome) {
        if let Some(admission) = self.admission.take() {
            self.breaker.with(now(), |machine, now| {
                ((), machine.done(now, admission, outcome))
            });
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.end(Outcome::Dropped);
    }
}

/// Monotonic, and under a test's paused clock the paused one.
fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}
