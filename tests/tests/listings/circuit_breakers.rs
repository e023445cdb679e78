//! Circuit breakers: 6.4, 6.5, 6.6.

use std::time::Duration;

use anyhow::{Context, Result};
use resilience::circuit_breaker::State;
use resilience::decide::Advice;
use tests::listings::circuit::{Change, MINIMUM_CALLS, OPEN};
use tests::listings::{Options, World, breaker_client, breaker_function, breaker_layer};
use tonic::Code;

use crate::{ms, page, tells};

fn states(changes: &[Change]) -> Vec<(Duration, State, State)> {
    changes
        .iter()
        .map(|change| (change.at, change.from, change.to))
        .collect()
}

#[tokio::test(start_paused = true)]
async fn the_circuit_around_a_function_opens_probes_and_closes() -> Result<()> {
    use State::{Closed, HalfOpen, Open};
    let mut page = page();
    let outcome = breaker_function::run(&mut page, World::Memory, Options::default()).await?;
    assert_eq!(
        states(&outcome.changes),
        [
            // The fifth call: four of five have failed.
            (ms(2400), Closed, Open),
            // The first calls that are due after four seconds each; the first probe goes well and the second does not.
            (ms(6600), Open, HalfOpen),
            (ms(7200), HalfOpen, Open),
            (ms(11_400), Open, HalfOpen),
            (ms(11_400), HalfOpen, Open),
            // The function is mended: three probes in a row go well.
            (ms(15_600), Open, HalfOpen),
            (ms(16_800), HalfOpen, Closed),
        ]
    );
    tells(
        page,
        &[
            "2.400 s  function  draws 18, a failure",
            "2.400 s  breaker   demo changed from closed to open",
            "is not called, the circuit is open: again in 3.4 s",
            "6.600 s  breaker   demo changed from open to half-open",
            "The function is mended",
            "16.800 s  breaker   demo changed from half-open to closed",
        ],
    );
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn whatever_chance_draws_the_circuit_keeps_its_rules() -> Result<()> {
    for seed in 0..100 {
        let options = Options {
            seed,
            seconds: Some(30),
        };
        let outcome = breaker_function::run(&mut page(), World::Memory, options).await?;
        keeps_the_rules(&outcome).with_context(|| format!("seed {seed}"))?;
    }
    Ok(())
}

/// Judges a run of 6.4 by its rules alone.
fn keeps_the_rules(outcome: &breaker_function::Outcome) -> Result<()> {
    use breaker_function::End;
    let open = |at: Duration| {
        let last = outcome.changes.iter().rev().find(|change| change.at < at);
        last.is_some_and(|change| change.to == State::Open)
    };
    let first_open = outcome
        .changes
        .iter()
        .find(|change| change.to == State::Open);
    let first_open =
        first_open.context("a function that nearly always fails never opened the circuit")?;
    let (mut made, mut failed) = (0_u32, 0_u32);
    for (number, call) in outcome.calls.iter().enumerate() {
        match call.end {
            End::Refused { retry_after } => {
                anyhow::ensure!(
                    open(call.at),
                    "call {number} was refused by a circuit that is not open"
                );
                anyhow::ensure!(retry_after > Duration::ZERO && retry_after <= OPEN);
            }
            End::Succeeded(drawn) => anyhow::ensure!(
                drawn == breaker_function::WANTED || number >= outcome.before_mending,
                "{drawn} is a success"
            ),
            End::Failed(drawn) => anyhow::ensure!(
                (10..30).contains(&drawn) && drawn != breaker_function::WANTED,
                "{drawn} is a failure"
            ),
        }
        if call.at <= first_open.at {
            made += 1;
            failed += u32::from(matches!(call.end, End::Failed(_)));
            let trips = made >= MINIMUM_CALLS
                && matches!(call.end, End::Failed(_))
                && f64::from(failed) >= breaker_function::RATIO * f64::from(made);
            anyhow::ensure!(
                trips == (call.at == first_open.at),
                "after {failed} failures of {made} calls"
            );
        }
    }
    for pair in outcome.changes.windows(2) {
        anyhow::ensure!(pair[0].to == pair[1].from, "a change is missing");
        if pair[0].to == State::Open {
            anyhow::ensure!(
                pair[1].at - pair[0].at >= OPEN,
                "it was open for less than four seconds"
            );
        }
    }
    let last = outcome.changes.last().context("no change")?;
    anyhow::ensure!(last.to == State::Closed, "mended, and not closed");
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_server_that_fails_every_second_call_is_spared() -> Result<()> {
    use State::{Closed, HalfOpen, Open};
    use breaker_client::End::{Answered, Refused};
    let outcome = breaker_client::run(&mut page(), World::Memory, Options::default()).await?;
    let refused = |milliseconds| Refused {
        retry_after: ms(milliseconds),
    };
    let (well, failed) = (Answered(Code::Ok), Answered(Code::Unknown));
    assert_eq!(
        outcome.calls,
        [
            // Five calls are a ratio; the sixth is the next that fails, and 3 of 6 are more than a tenth.
            well,
            failed,
            well,
            failed,
            well,
            failed,
            refused(3050),
            refused(2050),
            refused(1050),
            refused(50),
            // A probe goes well, the next one fails.
            well,
            failed,
            refused(3050),
            refused(2050),
            refused(1050),
        ]
    );
    assert_eq!(outcome.reached, 8);
    assert_eq!(
        states(&outcome.changes),
        [
            (ms(5050), Closed, Open),
            (ms(10_000), Open, HalfOpen),
            (ms(11_050), HalfOpen, Open),
        ]
    );
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_clients_mistakes_never_open_the_circuit() -> Result<()> {
    let outcome = breaker_client::run(&mut page(), World::Memory, Options::default()).await?;
    assert_eq!(
        outcome.wrong_orders.len(),
        breaker_client::WRONG_ORDERS as usize
    );
    assert!(outcome.wrong_orders.len() > MINIMUM_CALLS as usize);
    for end in &outcome.wrong_orders {
        assert_eq!(*end, breaker_client::End::Answered(Code::InvalidArgument));
    }
    assert_eq!(outcome.wrong_changes, []);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn the_layer_cuts_off_one_method_and_the_other_keeps_flowing() -> Result<()> {
    use State::{Closed, HalfOpen, Open};
    let mut page = page();
    let outcome = breaker_layer::run(&mut page, World::Memory, Options::default()).await?;
    assert_eq!(outcome.gets, vec![Code::Ok; 15]);
    assert_eq!(outcome.creates_reached, 8);
    let codes: Vec<_> = outcome.creates.iter().map(|create| create.code).collect();
    use Code::{Ok as Well, Unavailable, Unknown};
    assert_eq!(
        codes,
        [
            Well,
            Unknown,
            Well,
            Unknown,
            Well,
            Unknown,
            Unavailable,
            Unavailable,
            Unavailable,
            Unavailable,
            Well,
            Unknown,
            Unavailable,
            Unavailable,
            Unavailable,
        ]
    );
    for create in &outcome.creates {
        match create.code {
            // What the breaker says can be told from what a server says, and tells when to come back.
            Unavailable => {
                assert_eq!(create.reason.as_deref(), Some("CIRCUIT_OPEN"));
                assert!(matches!(create.advice, Advice::RetryAfter(pause) if pause <= OPEN));
            }
            _ => assert_eq!(create.reason, None),
        }
    }
    assert_eq!(outcome.creates[6].advice, Advice::RetryAfter(ms(3050)));
    assert_eq!(
        states(&outcome.changes),
        [
            (ms(5050), Closed, Open),
            (ms(10_000), Open, HalfOpen),
            (ms(11_050), HalfOpen, Open),
        ]
    );
    for change in &outcome.changes {
        assert!(
            change.name.contains("order.v1.Order/Create"),
            "{}",
            change.name
        );
    }
    tells(
        page,
        &[
            "Create: UNAVAILABLE, CIRCUIT_OPEN: again in 3.05 s",
            "Get: here it is",
        ],
    );
    Ok(())
}
