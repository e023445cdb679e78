//! A timer that is registered only once something keeps us waiting: most calls on a fast network need none.

use std::future::Future;
use std::pin::Pin;
use std::task::Context;

use tokio::time::{Instant, Sleep};

/// Whether the moment has come; if not, the task is woken when it does.
pub(crate) fn poll_until(
    mut sleep: Pin<&mut Option<Sleep>>,
    until: Instant,
    cx: &mut Context<'_>,
) -> bool {
    if sleep.is_none() {
        sleep.set(Some(tokio::time::sleep_until(until)));
    }
    sleep
        .as_pin_mut()
        .is_some_and(|sleep| sleep.poll(cx).is_ready())
}
