//! The chapter's listings, each asserted by what it shows: times, codes, attempts, states, violations.
//!
//! Where time matters the clock is tokio's paused one and the network is memory, so every time below is exact and none
//! is waited for. The command itself is run where its story takes no time.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use anyhow::{Context, Result};
use mtls::{CertificateProblem, ConnectFailure, HandshakeFailure};
use proto::order::v1::OrderState;
use resilience::circuit_breaker::State;
use resilience::deadline::reserve;
use resilience::decide::Advice;
use tests::listings::circuit::{Change, MINIMUM_CALLS, OPEN};
use tests::listings::toys::Ended;
use tests::listings::{
    LISTINGS, Options, World, breaker_client, breaker_function, breaker_layer, cancel, cascade,
    error_details, mutual_tls, propagation, retry, timeout,
};
use tonic::Code;

fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

/// A place for the story, without its colours.
type Page = anstream::StripStream<Vec<u8>>;

fn page() -> Page {
    anstream::StripStream::new(Vec::new())
}

#[track_caller]
fn tells(page: Page, lines: &[&str]) {
    let story = String::from_utf8_lossy(&page.into_inner()).into_owned();
    let mut rest = story.as_str();
    for line in lines {
        let at = rest.find(line);
        assert!(
            at.is_some(),
            "the story does not tell {line:?} where it should:
{story}"
        );
        rest = &rest[at.unwrap_or_default() + line.len()..];
    }
}

// === 6.1 and the listing without a number ===

#[tokio::test(start_paused = true)]
async fn a_call_that_may_take_a_second_fails_within_it_and_the_server_stops() -> Result<()> {
    let mut page = page();
    let outcome = timeout::run(&mut page, World::Memory, Options::default()).await?;

    // The server reports a little before the caller gives up by itself.
    let given = timeout::ALLOWED - reserve(timeout::ALLOWED);
    let timed_out = timeout::Call {
        code: Code::DeadlineExceeded,
        after: given,
        server: Ended::Stopped(given),
    };
    assert_eq!(outcome.timeout, timed_out);

    let left = timeout::ALLOWED - timeout::OWN_WORK;
    let given = left - reserve(left);
    let too_late = timeout::Call {
        code: Code::DeadlineExceeded,
        after: timeout::OWN_WORK + given,
        server: Ended::Stopped(given),
    };
    assert_eq!(outcome.deadline, too_late);
    assert!(outcome.deadline.after <= timeout::ALLOWED);

    let gave_up = timeout::Call {
        code: Code::DeadlineExceeded,
        after: timeout::ALLOWED,
        server: Ended::Stopped(timeout::ALLOWED),
    };
    assert_eq!(outcome.deaf_server, gave_up);
    tells(
        page,
        &[
            "0.000 s  client    calls Shipping.Create {user_id 23}, which may take 1 s",
            "0.980 s  shipping  is stopped after 980 ms",
            "DEADLINE_EXCEEDED after 980 ms",
            "1.000 s  client    DEADLINE_EXCEEDED after 1 s",
        ],
    );
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn the_first_of_three_answers_cancels_the_other_two() -> Result<()> {
    let mut page = page();
    let outcome = cancel::run(&mut page, World::Memory, Options::default()).await?;
    assert_eq!(outcome.winner, "london");
    assert_eq!(outcome.after, ms(500));
    let (first, others) = outcome.ends.split_first().context("no server worked")?;
    assert_eq!(*first, ("london", Ended::Finished(ms(500))));
    let others: BTreeSet<_> = others.iter().map(|(city, _)| *city).collect();
    assert_eq!(others, BTreeSet::from(["istanbul", "tokyo"]));
    // Both were stopped when the answer came, and not when they would have answered.
    for (_, end) in &outcome.ends[1..] {
        assert_eq!(*end, Ended::Stopped(ms(500)));
    }
    tells(
        page,
        &[
            "has the answer of london after 500 ms",
            "is stopped after 500 ms",
        ],
    );
    Ok(())
}

// === 6.2 ===

#[tokio::test(start_paused = true)]
async fn a_budget_travels_through_the_chain_and_the_error_says_where_it_went() -> Result<()> {
    let mut page = page();
    let outcome = propagation::run(&mut page, World::Memory, Options::default()).await?;

    let product = &outcome.product;
    assert_eq!(product.code, Code::DeadlineExceeded);
    // Three seconds, less what each of the two hops keeps to report in.
    assert_eq!(product.after, propagation::BUDGET - 2 * ms(20));
    assert_eq!(
        product.arrivals,
        [("order", ms(2980)), ("product", ms(960))]
    );
    let spent = product
        .spent
        .as_ref()
        .context("no word of where the time went")?;
    let hops: Vec<_> = spent
        .hops()
        .iter()
        .map(|hop| (hop.method.as_str(), hop.time))
        .collect();
    assert_eq!(
        hops,
        [
            ("order.v1.Order/Create", ms(2000)),
            ("product.v1.Product/Get", ms(960))
        ]
    );
    assert!(spent.hops()[1].unfinished);

    let shipping = &outcome.shipping;
    assert_eq!(shipping.code, Code::DeadlineExceeded);
    assert_eq!(shipping.after, propagation::BUDGET - 3 * ms(20));
    assert_eq!(
        shipping.arrivals,
        [
            ("order", ms(2980)),
            ("payment", ms(2460)),
            ("shipping", ms(1440))
        ]
    );
    let spent = shipping
        .spent
        .as_ref()
        .context("no word of where the time went")?;
    let hops: Vec<_> = spent
        .hops()
        .iter()
        .map(|hop| (hop.method.as_str(), hop.time))
        .collect();
    assert_eq!(
        hops,
        [
            ("order.v1.Order/Create", ms(500)),
            ("payment.v1.Payment/Create", ms(1000)),
            ("shipping.v1.Shipping/Create", ms(1440)),
        ]
    );

    for chain in [product, shipping] {
        let left: Vec<_> = chain.arrivals.iter().map(|(_, left)| *left).collect();
        assert!(
            left.is_sorted_by(|earlier, later| earlier > later),
            "{left:?}"
        );
        let spent = chain
            .spent
            .as_ref()
            .context("no word of where the time went")?;
        let sum: Duration = spent.hops().iter().map(|hop| hop.time).sum();
        assert!(sum <= propagation::BUDGET, "{spent}");
    }
    tells(
        page,
        &[
            "0.000 s  order     has 2.98 s left and works for 2 s",
            "2.000 s  product   has 960 ms left and works for 2 s",
            "2.960 s  client    DEADLINE_EXCEEDED after 2.96 s",
            "order.v1.Order/Create        own work  2 s",
            "product.v1.Product/Get",
        ],
    );
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_chain_with_time_enough_answers_with_the_title_of_the_product() -> Result<()> {
    let outcome = propagation::run(&mut page(), World::Memory, Options::default()).await?;
    assert_eq!(outcome.generous.code, Code::Ok);
    assert_eq!(outcome.generous.after, ms(4000));
    assert_eq!(
        outcome.generous.product_title.as_deref(),
        Some("Demo title")
    );
    Ok(())
}

// === 6.3 ===

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
    assert_eq!(times(call), [ms(0), retry::PER_ATTEMPT + retry::STEP]);
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

// === 6.4, 6.5 and 6.6 ===

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

// === 6.7 ===

#[tokio::test]
async fn a_wrong_order_is_refused_with_every_violation_in_typed_values() -> Result<()> {
    let mut page = page();
    let outcome = error_details::run(&mut page, World::Memory, Options::default()).await?;

    let chapter = &outcome.chapter;
    assert_eq!(chapter.code, Code::InvalidArgument);
    let said: Vec<_> = chapter
        .fields
        .iter()
        .map(|violation| (violation.field.as_str(), violation.description.as_str()))
        .collect();
    // Product 0 is not negative, so of the chapter's two rules the order breaks one.
    assert_eq!(said, [("user_id", "user id cannot be less than 1")]);
    let info = chapter.info.as_ref().context("no ErrorInfo")?;
    assert_eq!(info.domain, "order");
    assert_eq!(info.reason, "INVALID_FIELDS");

    let everything = &outcome.everything;
    assert_eq!(everything.code, Code::InvalidArgument);
    let fields: Vec<_> = everything
        .fields
        .iter()
        .map(|violation| violation.field.as_str())
        .collect();
    assert_eq!(
        fields,
        [
            "idempotency_key",
            "user_id",
            "product_id",
            "price",
            "address.recipient",
            "address.street",
            "address.city",
            "address.country_code",
        ]
    );
    let product = &everything.fields[2];
    assert_eq!(product.description, "product id cannot be negative");
    assert_eq!(product.reason, "TOO_SMALL");

    // What the violations said was all that was wrong.
    assert_eq!(outcome.mended.user_id, 23);
    tells(
        page,
        &[
            "INVALID_ARGUMENT (code 3)",
            "the field user_id has an invalid value: user id cannot be less than 1",
            "reason INVALID_FIELDS, says the service order",
            "the field product_id has an invalid value: product id cannot be negative",
            "order 1243 is created",
        ],
    );
    Ok(())
}

// === 6.8 ===

#[tokio::test]
async fn both_sides_prove_who_they_are_and_strangers_are_refused() -> Result<()> {
    let mut page = page();
    // The chapter's keys take seconds to be found; the story is the same with these.
    let outcome = mutual_tls::run_with(&mut page, Path::new(PROGRAM), "p256").await?;

    assert_eq!(outcome.payment_id, 1243);
    assert!(
        outcome.caller.contains(mutual_tls::CLIENT),
        "{}",
        outcome.caller
    );

    // The server verified the certificate that the chapter's server would only have collected, and the client heard it.
    assert!(
        matches!(outcome.stranger_to_server, HandshakeFailure::Certificate(_)),
        "{}",
        outcome.stranger_to_server
    );
    assert!(
        matches!(
            outcome.stranger,
            ConnectFailure::Handshake(HandshakeFailure::Alert(_))
        ),
        "{:?}",
        outcome.stranger
    );
    assert!(
        matches!(
            outcome.wrong_name,
            ConnectFailure::Handshake(HandshakeFailure::Certificate(
                CertificateProblem::WrongName { .. }
            ))
        ),
        "{:?}",
        outcome.wrong_name
    );

    let verbs: Vec<_> = outcome
        .commands
        .iter()
        .filter_map(|command| command.split_whitespace().nth(1))
        .collect();
    assert_eq!(verbs, ["init", "csr", "sign", "csr", "sign"]);
    Ok(())
}

// === figure 6.1 ===

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

// === the command ===

const PROGRAM: &str = env!("CARGO_BIN_EXE_listing");

fn listing(arguments: &[&str]) -> Result<Output> {
    Command::new(PROGRAM)
        .args(arguments)
        .output()
        .context("the command `listing` does not start")
}

#[test]
fn without_a_number_every_listing_is_listed() -> Result<()> {
    let output = listing(&[])?;
    assert!(output.status.success());
    let text = String::from_utf8(output.stdout)?;
    for number in [
        "6.1", "6.2", "6.3", "6.4", "6.5", "6.6", "6.7", "6.8", "cancel", "fig-6.1",
    ] {
        let line = text
            .lines()
            .find(|line| line.split_whitespace().next() == Some(number));
        assert!(line.is_some(), "{number} is not listed:\n{text}");
    }
    Ok(())
}

#[test]
fn an_unknown_number_is_one_sentence_with_the_closest() -> Result<()> {
    for (asked, closest) in [
        ("6,3", "6.3"),
        ("6.9", "6.8"),
        ("cancle", "cancel"),
        ("fig6.1", "fig-6.1"),
    ] {
        let output = listing(&[asked])?;
        assert_eq!(output.status.code(), Some(2), "{asked}");
        assert!(output.stdout.is_empty());
        let text = String::from_utf8(output.stderr)?;
        assert_eq!(text.lines().count(), 1, "{text}");
        assert!(
            text.contains(&format!("did you mean `cargo listing {closest}`")),
            "{text}"
        );
    }
    Ok(())
}

#[test]
fn the_command_tells_a_story_over_real_sockets_and_colours_it_on_a_terminal_only() -> Result<()> {
    let output = listing(&["6.7"])?;
    let text = String::from_utf8(output.stdout)?;
    assert!(output.status.success(), "{text}");
    assert!(
        text.contains("the field user_id has an invalid value: user id cannot be less than 1"),
        "{text}"
    );
    assert!(!text.contains('\u{1b}'), "{text}");
    Ok(())
}

#[test]
fn every_listing_has_its_section_in_the_documentation() -> Result<()> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/LISTINGS.md");
    let text = std::fs::read_to_string(&path).context("docs/LISTINGS.md cannot be read")?;
    for listing in LISTINGS {
        let heading = format!("## {}: {}", listing.number, listing.title);
        assert!(
            text.lines().any(|line| line == heading),
            "docs/LISTINGS.md lacks {heading:?}"
        );
        let command = format!("cargo listing {}", listing.number);
        assert!(
            text.contains(&command),
            "docs/LISTINGS.md lacks `{command}`"
        );
    }
    Ok(())
}
