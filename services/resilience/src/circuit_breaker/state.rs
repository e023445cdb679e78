//! The state machine: a pure function of (now, event), without a clock, a lock or a task.
//!
//! It starts closed (B1). [`Machine::admit`] asks for a call, [`Machine::done`] tells how it went; both return the change
//! of state that they caused, at most one. Time passes only in the `now` of an event; the boundaries belong to the later
//! side: at exactly the end of its open time a circuit is half-open (B3), so that a caller who waits as long as it was
//! told gets in.
//!
//! Every change of state, and every clearing of the counts, begins a new *generation* (B2). An admission remembers its
//! generation; how a call of an older one went changes nothing.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::config::{Rules, Window};

/// Whether calls flow.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum State {
    /// Calls flow and are counted.
    #[default]
    Closed,
    /// A few calls probe whether the peer is back.
    HalfOpen,
    /// Calls are refused.
    Open,
}

/// How an admitted call went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Outcome {
    /// The peer answered, be it by a refusal of the request.
    Success,
    /// The peer is in trouble.
    Failure,
    /// The peer has too much to do: it counts for the ratio and fails a probe, but is no failure in a row (B12).
    Overloaded,
    /// It says nothing about the peer.
    Neutral,
    /// Nobody waited for the end (B6).
    Dropped,
}

/// The right to make one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub struct Admission {
    generation: u64,
}

/// The refusal of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rejection {
    /// Open, or half-open with as many probes as it takes.
    pub state: State,
    /// When to try again.
    pub retry_after: Duration,
}

/// A change of state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change {
    /// Before.
    pub from: State,
    /// After.
    pub to: State,
}

/// What was counted in this generation.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Calls admitted.
    pub requests: u64,
    /// Of those, ended well.
    pub successes: u64,
    /// Of those, failed.
    pub failures: u64,
    /// Of those, ended without saying anything.
    pub excluded: u64,
    /// Successes since the last failure.
    pub consecutive_successes: u64,
    /// Failures since the last success.
    pub consecutive_failures: u64,
}

/// What was counted ever. `admitted` is the sum of the four outcomes and the calls still under way (B24).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Totals {
    /// Calls admitted.
    pub admitted: u64,
    /// Calls refused.
    pub rejected: u64,
    /// Calls that ended well.
    pub successes: u64,
    /// Calls that failed, or met an overloaded peer.
    pub failures: u64,
    /// Calls that said nothing.
    pub neutral: u64,
    /// Calls that nobody waited for.
    pub dropped: u64,
}

/// Whether the machine decides, or somebody else has (B23).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Mode {
    /// By its rules.
    #[default]
    Automatic,
    /// Open until told otherwise.
    ForcedOpen,
    /// Closed until told otherwise.
    ForcedClosed,
    /// The states change by the rules, but no call is refused: for trying rules out.
    MetricsOnly,
}

/// The machine.
#[derive(Debug, Clone)]
pub struct Machine {
    rules: Rules,
    random: fastrand::Rng,
    mode: Mode,
    state: State,
    generation: u64,
    counts: Counts,
    // The end of the interval when closed with one, of the open time when open.
    expiry: Option<Instant>,
    // Failures in a row for the rule: unlike the counts, not cleared by an interval.
    failure_run: u32,
    recent: Recent,
    // How often in a row it has opened without closing in between.
    openings: u32,
    probes: u32,
    probing_since: Option<Instant>,
    totals: Totals,
}

/// The last outcomes, for a window by count.
#[derive(Debug, Clone, Default)]
struct Recent {
    failed: VecDeque<bool>,
    failures: u64,
}

/// A rejection in half-open says this: when a probe ends is not known.
const HALF_OPEN_RETRY_AFTER: Duration = Duration::from_secs(1);

// === impl State ===

impl std::fmt::Display for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Closed => "closed",
            Self::HalfOpen => "half-open",
            Self::Open => "open",
        })
    }
}

// === impl Machine ===

impl Machine {
    /// A closed machine. Chance makes open times differ; the source is given, so that a test can seed it.
    pub fn new(rules: Rules, random: fastrand::Rng, now: Instant) -> Self {
        let mut machine = Self {
            rules,
            random,
            mode: Mode::Automatic,
            state: State::Closed,
            generation: 0,
            counts: Counts::default(),
            expiry: None,
            failure_run: 0,
            recent: Recent::default(),
            openings: 0,
            probes: 0,
            probing_since: None,
            totals: Totals::default(),
        };
        machine.begin_generation(now);
        machine
    }

    /// The state at a moment.
    pub fn state(&mut self, now: Instant) -> (State, Option<Change>) {
        let change = self.pass_time(now);
        (self.state, change)
    }

    /// What was counted in this generation.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// What was counted ever.
    pub fn totals(&self) -> Totals {
        self.totals
    }

    /// The mode.
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// The generation: it grows at each change of state and each clearing of the counts.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// Asks for a call.
    ///
    /// # Errors
    ///
    /// When the circuit is open, or half-open with as many probes as it takes (B4).
    pub fn admit(&mut self, now: Instant) -> (Result<Admission, Rejection>, Option<Change>) {
        let change = self.pass_time(now);
        let refused = match self.state {
            State::Closed => None,
            State::Open => Some(self.remaining_open(now)),
            State::HalfOpen => {
                let half_open = self.rules.half_open;
                let going_well = u64::from(self.probes) + self.counts.consecutive_successes;
                let full = self.probes >= half_open.max_in_flight
                    || going_well >= u64::from(half_open.successes);
                full.then_some(HALF_OPEN_RETRY_AFTER)
            }
        };
        if let Some(retry_after) = refused {
            if self.mode == Mode::MetricsOnly {
                // Let through, but of no generation: the states go on as if it had been refused.
                self.totals.admitted += 1;
                return (Ok(Admission { generation: 0 }), change);
            }
            self.totals.rejected += 1;
            let rejection = Rejection {
                state: self.state,
                retry_after,
            };
            return (Err(rejection), change);
        }
        self.totals.admitted += 1;
        self.counts.requests += 1;
        if self.state == State::HalfOpen {
            self.probes += 1;
            self.probing_since.get_or_insert(now);
        }
        (
            Ok(Admission {
                generation: self.generation,
            }),
            change,
        )
    }

    /// Tells how an admitted call went. Each admission is to be told exactly once (B24).
    pub fn done(&mut self, now: Instant, admission: Admission, outcome: Outcome) -> Option<Change> {
        match outcome {
            Outcome::Success => self.totals.successes += 1,
            Outcome::Failure | Outcome::Overloaded => self.totals.failures += 1,
            Outcome::Neutral => self.totals.neutral += 1,
            Outcome::Dropped => self.totals.dropped += 1,
        }
        let change = self.pass_time(now);
        if admission.generation != self.generation {
            // B2: it was admitted under circumstances that are over.
            return change;
        }
        if self.state == State::HalfOpen {
            self.probes = self.probes.saturating_sub(1);
            if self.probes == 0 {
                self.probing_since = None;
            }
        }
        match outcome {
            Outcome::Success => self.succeeded(now),
            Outcome::Failure => {
                self.failure_run = self.failure_run.saturating_add(1);
                self.failed(now)
            }
            Outcome::Overloaded => self.failed(now),
            Outcome::Neutral | Outcome::Dropped => {
                self.counts.excluded += 1;
                None
            }
        }
    }

    /// Opens the circuit until it is told otherwise (B23).
    pub fn force_open(&mut self, now: Instant) -> Option<Change> {
        self.mode = Mode::ForcedOpen;
        self.enter(State::Open, now)
    }

    /// Closes the circuit until it is told otherwise (B23).
    pub fn force_closed(&mut self, now: Instant) -> Option<Change> {
        self.mode = Mode::ForcedClosed;
        self.openings = 0;
        self.enter(State::Closed, now)
    }

    /// Lets every call through while the states go on changing (B23).
    pub fn metrics_only(&mut self, now: Instant) -> Option<Change> {
        self.reset(now);
        self.mode = Mode::MetricsOnly;
        None
    }

    /// As new: closed, by its rules, with nothing counted in this generation (B23).
    pub fn reset(&mut self, now: Instant) -> Option<Change> {
        self.mode = Mode::Automatic;
        self.openings = 0;
        self.enter(State::Closed, now)
    }

    fn succeeded(&mut self, now: Instant) -> Option<Change> {
        self.counts.successes += 1;
        self.counts.consecutive_successes += 1;
        self.counts.consecutive_failures = 0;
        self.failure_run = 0;
        match self.state {
            State::Closed => {
                self.remember(false);
                None
            }
            State::HalfOpen => {
                let enough = u64::from(self.rules.half_open.successes);
                if self.counts.consecutive_successes < enough {
                    return None;
                }
                self.openings = 0;
                self.enter(State::Closed, now)
            }
            State::Open => None,
        }
    }

    fn failed(&mut self, now: Instant) -> Option<Change> {
        self.counts.failures += 1;
        self.counts.consecutive_failures += 1;
        self.counts.consecutive_successes = 0;
        match self.state {
            State::Closed => {
                self.remember(true);
                // B8: looked at after failures only.
                (self.mode != Mode::ForcedClosed && self.trips())
                    .then(|| self.enter(State::Open, now))
                    .flatten()
            }
            State::HalfOpen => self.enter(State::Open, now),
            State::Open => None,
        }
    }

    fn remember(&mut self, failed: bool) {
        if let Some(rule) = self.rules.ratio
            && let Window::Calls(size) = rule.window
        {
            self.recent.push(failed, size);
        }
    }

    fn trips(&self) -> bool {
        if let Some(limit) = self.rules.consecutive_failures
            && self.failure_run >= limit
        {
            return true;
        }
        let Some(rule) = self.rules.ratio else {
            return false;
        };
        let (failures, volume) = match rule.window {
            Window::Calls(_) => (self.recent.failures, self.recent.failed.len() as u64),
            Window::Interval(_) => (
                self.counts.failures,
                self.counts.failures + self.counts.successes,
            ),
        };
        volume >= u64::from(rule.minimum_calls) && failures * 1_000_000 >= rule.millionths * volume
    }

    fn pass_time(&mut self, now: Instant) -> Option<Change> {
        match self.state {
            State::Closed => {
                if self.expiry.is_some_and(|expiry| now >= expiry) {
                    self.begin_generation(now);
                }
                None
            }
            State::Open => self
                .expiry
                .is_some_and(|expiry| now >= expiry)
                .then(|| self.enter(State::HalfOpen, now))
                .flatten(),
            State::HalfOpen => {
                // B6: a probe that never ends must not hold the circuit for ever.
                let lost = self.probing_since.is_some_and(|since| {
                    now.saturating_duration_since(since) >= self.rules.half_open.max_duration
                });
                lost.then(|| self.enter(State::Open, now)).flatten()
            }
        }
    }

    fn enter(&mut self, to: State, now: Instant) -> Option<Change> {
        let from = std::mem::replace(&mut self.state, to);
        self.failure_run = 0;
        self.recent = Recent::default();
        self.begin_generation(now);
        (from != to).then_some(Change { from, to })
    }

    fn begin_generation(&mut self, now: Instant) {
        self.generation += 1;
        self.counts = Counts::default();
        self.probes = 0;
        self.probing_since = None;
        self.expiry = match self.state {
            State::Closed => match self.rules.ratio.map(|rule| rule.window) {
                Some(Window::Interval(interval)) => now.checked_add(interval),
                Some(Window::Calls(_)) | None => None,
            },
            State::HalfOpen => None,
            State::Open if self.mode == Mode::ForcedOpen => None,
            State::Open => now.checked_add(self.open_time()),
        };
    }

    /// B15: it grows at each opening that follows a failed probe.
    fn open_time(&mut self) -> Duration {
        let open = self.rules.open;
        let exponent = i32::try_from(self.openings).unwrap_or(i32::MAX);
        self.openings = self.openings.saturating_add(1);
        let grown = open.initial.as_secs_f64() * open.multiplier.powi(exponent);
        // `min` also turns an overflow to infinity into the maximum.
        let capped = grown.min(open.max.as_secs_f64());
        let swing = 1.0 + open.jitter * (2.0 * self.random.f64() - 1.0);
        Duration::try_from_secs_f64(capped * swing).unwrap_or(open.max)
    }

    fn remaining_open(&self, now: Instant) -> Duration {
        self.expiry.map_or(self.rules.open.initial, |expiry| {
            expiry.saturating_duration_since(now)
        })
    }
}

// === impl Recent ===

impl Recent {
    fn push(&mut self, failed: bool, size: u32) {
        if self.failed.len() >= usize::try_from(size).unwrap_or(usize::MAX)
            && self.failed.pop_front() == Some(true)
        {
            self.failures -= 1;
        }
        self.failed.push_back(failed);
        self.failures += u64::from(failed);
    }
}
