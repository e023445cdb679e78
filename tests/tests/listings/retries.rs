//! Retries: 6.3.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::Result;
use resilience::deadline::{RESERVE, reserve};
use tests::listings::{Options, World, retry};
use tonic::Code;

use crate::{ms, page, tells};

fn times(call: &retry::Call) -> Vec<Duration> {
    call.attempts.iter().map(|attempt| attempt.at).collect()
}

#[tokio::test(start_paused = true)]
async fn a_create_is_tried_again_with_one_key_and_ships_once() -> Result<()> {
    let mut page = page();
    let outcome = retry::run(&mut page, World::Memory, Options::default()).await?;
    let call = &outcome.linear;
    assert_eq!(call.code, Code::Ok);
    assert_eq!(times(call), [ms(0), ms(1000), ms(3000), ms(6000)]);
    let keys: BTreeSet<_> = call
        .attempts
        .iter()
        .map(|attempt| attempt.key.as_str())
        .collect();
    assert_eq!(keys, BTreeSet::from(["order-2344"]));
    let previous: Vec<_> = call
        .attempts
        .iter()
        .map(|attempt| attempt.previous.as_deref())
        .collect();
    assert_eq!(previous, [None, Some("1"), Some("2"), Some("3")]);
    // The third attempt shipped it and the fourth did not ship it again.
    assert_eq!(call.shipped, 1);
    tells(
        page,
        &[
            "3.000 s  shipping  attempt 3: ships it as 1243, and the answer gets lost",
            "6.000 s  shipping  attempt 4: knows the key \"order-2344\", ships nothing",
            "6.000 s  client    shipment 1243 is on its way",
            "4.000 s  client    UNAVAILABLE after 4 s and 5 attempts",
        ],
    );
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn at_most_five_attempts_are_made_and_the_last_status_is_told_unchanged() -> Result<()> {
    let outcome = retry::run(&mut page(), World::Memory, Options::default()).await?;
    let call = &outcome.fixed;
    assert_eq!(call.code, Code::Unavailable);
    assert_eq!(times(call), [ms(0), ms(1000), ms(2000), ms(3000), ms(4000)]);
    assert_eq!(call.told, Some(5));
    assert_eq!(call.shipped, 0);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn exponential_pauses_are_jittered_by_a_fifth_and_repeat_with_their_seed() -> Result<()> {
    let mut seen = BTreeSet::new();
    for seed in 0..5 {
        let options = Options {
            seed,
            ..Options::default()
        };
        let outcome = retry::run(&mut page(), World::Memory, options).await?;
        let again = retry::run(&mut page(), World::Memory, options).await?;
        let attempts = times(&outcome.exponential);
        assert_eq!(attempts, times(&again.exponential));
        assert_eq!(attempts.len(), 5);
        for (retry, pair) in attempts.windows(2).enumerate() {
            let pause = pair[1] - pair[0];
            let nominal = ms(100) * (1 << retry);
            // Timers are rounded up to a millisecond.
            let range = nominal * 4 / 5..=nominal * 6 / 5 + ms(1);
            assert!(range.contains(&pause), "pause {retry} is {pause:?}");
        }
        seen.insert(attempts);
    }
    assert_eq!(seen.len(), 5, "chance has no part in the pauses");
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_pause_that_would_outlast_the_deadline_is_not_made() -> Result<()> {
    let outcome = retry::run(&mut page(), World::Memory, Options::default()).await?;
    let call = &outcome.short;
    // After the second attempt 1.5 s are left, and the pause would be 2 s.
    assert_eq!(times(call), [ms(0), ms(1000)]);
    assert_eq!(call.code, Code::Unavailable);
    assert_eq!(call.after, ms(1000));
    assert!(call.after < retry::SHORT);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_hangs_is_given_up_and_the_next_one_ships() -> Result<()> {
    let outcome = retry::run(&mut page(), World::Memory, Options::default()).await?;
    let call = &outcome.per_attempt;
    // The server gives up a little before the attempt does, and that is the attempt's end as well.
    let attempt = retry::PER_ATTEMPT - reserve(retry::PER_ATTEMPT, RESERVE);
    assert_eq!(times(call), [ms(0), attempt + retry::STEP]);
    assert_eq!(call.code, Code::Ok);
    assert_eq!(call.shipped, 1);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_call_that_no_one_declared_safe_to_repeat_is_made_once() -> Result<()> {
    let outcome = retry::run(&mut page(), World::Memory, Options::default()).await?;
    let call = &outcome.not_idempotent;
    assert_eq!(call.code, Code::Unavailable);
    assert_eq!(times(call), [ms(0)]);
    assert_eq!(call.told, None);
    Ok(())
}
