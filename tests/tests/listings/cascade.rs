//! A failure that does not cascade: figure 6.1.

use anyhow::Result;
use proto::order::v1::OrderState;
use resilience::circuit_breaker::State;
use tests::listings::{Options, World, cascade};

use crate::page;

#[tokio::test(start_paused = true)]
async fn without_a_pattern_order_goes_down_with_shipping() -> Result<()> {
    let outcome = cascade::run(&mut page(), World::Memory, Options::default()).await?;
    let without = &outcome.without;
    // Two orders and three questions were answered before both workers waited for shipping; after that, nothing was.
    assert_eq!(without.creates.len(), 2);
    assert_eq!(without.gets.len(), 3);
    assert_eq!(without.creates_waiting, 6);
    assert_eq!(without.gets_waiting, 5);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn with_the_patterns_order_answers_everything_and_ships_later() -> Result<()> {
    use State::{Closed, HalfOpen, Open};
    let outcome = cascade::run(&mut page(), World::Memory, Options::default()).await?;
    let with = &outcome.with;
    assert_eq!((with.creates_waiting, with.gets_waiting), (0, 0));
    assert_eq!((with.creates.len(), with.gets.len()), (24, 24));
    for took in &with.gets {
        assert!(*took <= cascade::AGREED, "a question took {took:?}");
    }
    // Two attempts at most: its own, and one of what waited before it, on a worker.
    for (took, _) in &with.creates {
        assert!(*took <= 2 * cascade::AGREED, "an order took {took:?}");
    }
    let waited = with
        .creates
        .iter()
        .filter(|(_, state)| *state == OrderState::Paid)
        .count();
    assert!(waited > 0, "no order had to wait, so nothing was shown");
    // All are shipped in the end, each once.
    assert_eq!(outcome.shipped, (24, 24));

    // Shipping was left alone while it was down, found again when it was back, and the same once it was slow.
    let ways: Vec<_> = outcome
        .changes
        .iter()
        .map(|change| (change.from, change.to))
        .collect();
    assert_eq!(ways.first(), Some(&(Closed, Open)));
    let closings = ways
        .iter()
        .filter(|way| **way == (HalfOpen, Closed))
        .count();
    assert_eq!(closings, 2);
    assert_eq!(ways.last(), Some(&(HalfOpen, Closed)));
    Ok(())
}
