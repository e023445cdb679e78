//! What the listings of circuit breakers (6.4, 6.5, 6.6 and figure 6.1) have in common: the chapter's settings, and a
//! record of every change of state.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use resilience::circuit_breaker::{
    Config, FailureRatio, HalfOpen, OpenTime, State, StateChange, Window,
};
use tokio::time::Instant;

use super::Teller;

/// How long the circuit stays open. The chapter writes `Timeout: 4`, which in Go is four nanoseconds.
pub const OPEN: Duration = Duration::from_secs(4);

/// The fewest calls that are a ratio. The chapter has none, so its circuit opens at the very first failure.
pub const MINIMUM_CALLS: u32 = 5;

/// One change of state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// When, since the scene began.
    pub at: Duration,
    /// Which breaker.
    pub name: String,
    /// From this state.
    pub from: State,
    /// To this one.
    pub to: State,
}

/// Every change of state of a scene.
#[derive(Clone, Debug)]
pub struct Changes {
    began: Instant,
    seen: Arc<Mutex<Vec<Change>>>,
}

/// The chapter's settings: three probes, four seconds, and this ratio of failures.
pub fn settings(ratio: f64) -> Config {
    Config {
        failure_ratio: Some(FailureRatio {
            ratio,
            minimum_calls: MINIMUM_CALLS,
            window: Window::Interval(Duration::from_secs(60)),
        }),
        // Always the same four seconds, so that the story can be followed; services let them grow and vary.
        open: OpenTime {
            initial: OPEN,
            multiplier: 1.0,
            max: OPEN,
            jitter: 0.0,
        },
        half_open: HalfOpen {
            max_in_flight: 3,
            successes: 3,
            ..HalfOpen::default()
        },
        ..Config::default()
    }
}

// === impl Changes ===

impl Changes {
    /// None yet; the scene begins now.
    pub fn begin() -> Self {
        Self {
            began: Instant::now(),
            seen: Arc::default(),
        }
    }

    /// For a breaker: writes each change down and tells it.
    pub fn recorder(
        &self,
        teller: &Teller,
    ) -> impl Fn(&StateChange) + Send + Sync + 'static + use<> {
        let (changes, teller) = (self.clone(), teller.clone());
        move |change| {
            let StateChange { name, from, to, .. } = change;
            teller.change("breaker", format!("{name} changed from {from} to {to}"));
            changes.lock().push(Change {
                at: changes.began.elapsed(),
                name: name.to_string(),
                from: *from,
                to: *to,
            });
        }
    }

    /// What was written down.
    pub fn seen(&self) -> Vec<Change> {
        self.lock().clone()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Change>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
