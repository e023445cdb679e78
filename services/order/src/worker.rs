//! Finishes what was left behind: orders whose caller went away, whose process was killed, or whose next step did not
//! work before.
//!
//! It looks when it starts, when an order is given up or has to wait, and when the next one is due. It holds no queue
//! of its own: what is to be done is in the database, so a restart forgets nothing and a second instance takes its
//! share.

use std::time::Duration;

use tokio::task::JoinSet;

use crate::fulfilment::{Claim, Fulfilment};

/// How long to leave a database alone that did not answer.
const AFTER_AN_ERROR: Duration = Duration::from_secs(1);
/// Orders may be due that another instance is just claiming; asking for them again and again helps nobody.
const SHORTEST_SLEEP: Duration = Duration::from_millis(10);

/// Works until `shutdown`, then ends what it has begun and takes nothing new. At most `at_once` orders are worked on at
/// the same time.
pub async fn run(fulfilment: Fulfilment, at_once: usize, shutdown: impl Future<Output = ()>) {
    let mut shutdown = std::pin::pin!(shutdown);
    let mut working = JoinSet::new();
    loop {
        let room = at_once.saturating_sub(working.len());
        let sleep = match u32::try_from(room).unwrap_or(u32::MAX) {
            0 => None,
            room => Some(take_on(&fulfilment, room, &mut working).await),
        };
        tokio::select! {
            () = &mut shutdown => break,
            () = fulfilment.rung() => {}
            Some(ended) = working.join_next() => report(ended),
            () = tokio::time::sleep(sleep.unwrap_or_default()), if sleep.is_some() => {}
        }
    }
    while let Some(ended) = working.join_next().await {
        report(ended);
    }
}

/// Begins with what is due and says how long nothing else will be.
async fn take_on(fulfilment: &Fulfilment, room: u32, working: &mut JoinSet<()>) -> Duration {
    let claims = match fulfilment.claim_due(room).await {
        Ok(claims) => claims,
        Err(error) => {
            tracing::warn!(%error, "the worker cannot look for orders that wait");
            return AFTER_AN_ERROR;
        }
    };
    for claim in claims {
        working.spawn(work(fulfilment.clone(), claim));
    }
    // Whatever another instance stores, it claims first; so nothing of it can be due before a claim ends.
    let longest = fulfilment.pace().claim;
    match fulfilment.store().next_due().await {
        Ok(Some(due)) => fulfilment
            .clock()
            .now()
            .until(due)
            .clamp(SHORTEST_SLEEP, longest.max(SHORTEST_SLEEP)),
        Ok(None) => longest,
        Err(error) => {
            tracing::warn!(%error, "the worker cannot tell when the next order is due");
            AFTER_AN_ERROR
        }
    }
}

async fn work(fulfilment: Fulfilment, claim: Claim) {
    let id = claim.order().id;
    // The worker has no caller and no deadline but that of each call.
    if let Err(error) = fulfilment.carry_on(claim, |_| None).await {
        tracing::warn!(order = %id, %error, "work on an order was broken off; it goes on when the claim ends");
    }
}

fn report(ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended {
        tracing::error!(%error, "work on an order ended in a panic; it goes on when the claim ends");
    }
}
