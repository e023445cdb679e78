//! The time of day, as the database keeps it: what says when an order is due and how long it is claimed.
//!
//! Durations inside the process are measured by tokio's monotonic clock; what must outlive the process can only be
//! kept as time of day. Nothing here decides anything: a test gives a [`Clock`] that follows tokio's paused time.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A moment, in milliseconds since 1970-01-01T00:00:00Z.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Moment(pub i64);

impl Moment {
    /// That long after this one; the end of time when it would be later than that.
    #[must_use]
    pub fn after(self, duration: Duration) -> Self {
        let millis = i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
        Self(self.0.saturating_add(millis))
    }

    /// How long it is from this moment to a `later` one; nothing when that is past.
    pub fn until(self, later: Self) -> Duration {
        let millis = later.0.saturating_sub(self.0);
        Duration::from_millis(u64::try_from(millis).unwrap_or(0))
    }
}

impl From<SystemTime> for Moment {
    fn from(time: SystemTime) -> Self {
        // A machine whose clock stands before 1970 is at 1970.
        let millis = time
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default()
            .as_millis();
        Self(i64::try_from(millis).unwrap_or(i64::MAX))
    }
}

/// Tells what time it is.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> Moment + Send + Sync>);

impl Clock {
    /// The clock of this machine.
    pub fn system() -> Self {
        Self::new(|| SystemTime::now().into())
    }

    /// Any other.
    pub fn new(now: impl Fn() -> Moment + Send + Sync + 'static) -> Self {
        Self(Arc::new(now))
    }

    /// What time it is.
    pub fn now(&self) -> Moment {
        (self.0)()
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Clock({:?})", self.now())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_neither_wraps_nor_runs_backwards() {
        let now = Moment(1_000);
        assert_eq!(now.after(Duration::from_millis(250)), Moment(1_250));
        assert_eq!(now.after(Duration::MAX), Moment(i64::MAX));
        assert_eq!(now.until(Moment(1_250)), Duration::from_millis(250));
        assert_eq!(now.until(Moment(900)), Duration::ZERO);
        assert_eq!(
            Moment(i64::MIN).until(Moment(i64::MAX)),
            Duration::from_millis(i64::MAX as u64)
        );
    }
}
