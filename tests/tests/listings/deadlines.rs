//! Time limits: 6.1, the cancellation without a number, 6.2.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context, Result};
use resilience::deadline::{RESERVE, reserve};
use tests::listings::toys::Ended;
use tests::listings::{Options, World, cancel, propagation, timeout};
use tonic::Code;

use crate::{ms, page, tells};

// === 6.1 and the listing without a number ===

#[tokio::test(start_paused = true)]
async fn a_call_that_may_take_a_second_fails_within_it_and_the_server_stops() -> Result<()> {
    let mut page = page();
    let outcome = timeout::run(&mut page, World::Memory, Options::default()).await?;

    // The server reports a little before the caller gives up by itself.
    let given = timeout::ALLOWED - reserve(timeout::ALLOWED, RESERVE);
    let timed_out = timeout::Call {
        code: Code::DeadlineExceeded,
        after: given,
        server: Ended::Stopped(given),
    };
    assert_eq!(outcome.timeout, timed_out);

    let left = timeout::ALLOWED - timeout::OWN_WORK;
    let given = left - reserve(left, RESERVE);
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
