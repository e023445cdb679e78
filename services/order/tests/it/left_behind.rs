//! What becomes of an order whose caller, process or peer went away in the middle.

use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use order::order::State;
use proto::order::v1::CreateOrderRequest;
use proto::payment::v1::PaymentState;
use tokio::time::Instant;
use tonic::Code;

use crate::support::peers::Fate;
use crate::support::{PACE, World, refused, request};

/// Polls a future at most so often and then drops it; its output, if it got that far.
async fn drop_after<F: Future>(polls: usize, future: F) -> Option<F::Output> {
    let mut left = polls;
    let mut future = pin!(future);
    std::future::poll_fn(|context| {
        if left == 0 {
            return Poll::Ready(None);
        }
        left -= 1;
        let polled = future.as_mut().poll(context).map(Some);
        if polled.is_pending() && left == 0 {
            // Nobody else would wake this up for its end.
            context.waker().wake_by_ref();
        }
        polled
    })
    .await
}

#[tokio::test(start_paused = true)]
async fn a_caller_who_goes_away_at_any_point_leaves_no_order_half_done() {
    let (mut with_order, mut without) = (0, 0);
    for polls in 0.. {
        let world = World::new();
        let process = world.start();
        let began = Instant::now();
        let ended = drop_after(polls, process.create(request("k"))).await;
        world.settle().await;
        // Given up, not left until the claim ends.
        assert!(
            began.elapsed() < PACE.claim,
            "after {polls} polls: {:?}",
            began.elapsed()
        );
        match world.store.all().as_slice() {
            [] => without += 1,
            [order] => {
                assert_eq!(order.state, State::Shipped, "after {polls} polls");
                with_order += 1;
            }
            many => unreachable!("one call made {many:?}"),
        }
        world
            .audit()
            .unwrap_or_else(|wrong| unreachable!("after {polls} polls: {wrong}"));
        if ended.is_some() {
            break;
        }
    }
    assert!(
        without > 3 && with_order > 6,
        "{without} and {with_order} points"
    );
}

#[tokio::test(start_paused = true)]
async fn a_process_that_is_killed_at_any_point_leaves_no_order_half_done() {
    let mut points = 0;
    for polls in 0.. {
        let world = World::new();
        let process = world.start();
        let ended = {
            let mut call = pin!(process.create(request("k")));
            let ended = drop_after(polls, &mut call).await;
            // Dead before the call is dropped, so that not even the claim is given up.
            process.store.set_down(true);
            ended
        };
        process.kill();
        let _next = world.start();
        world.settle().await;
        world
            .audit()
            .unwrap_or_else(|wrong| unreachable!("after {polls} polls: {wrong}"));
        if ended.is_some() {
            break;
        }
        points += world.store.all().len();
    }
    assert!(points > 6, "an order was left behind at {points} points");
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_is_killed_at_any_time_leaves_no_order_half_done() {
    // A step of the worker takes 10 ms here; it is killed every 7 ms, so in every part of every step at some time.
    let world = World::new();
    world.lines.payment.cut();
    let process = world.start();
    for number in 0..20 {
        let _ = process.create(request(&format!("k{number}"))).await;
    }
    process.kill();
    world.lines.payment.mend();
    world.peers.by_chance({
        let mut dice = fastrand::Rng::with_seed(1);
        move |_| {
            if dice.bool() {
                Fate::Well
            } else {
                Fate::AnswerLost
            }
        }
    });
    for _ in 0..300 {
        let process = world.start();
        tokio::time::sleep(Duration::from_millis(7)).await;
        process.kill();
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    let _last = world.start();
    world.settle().await;
    assert_eq!(world.store.all().len(), 20);
    world.audit().expect("each charged once and shipped once");
}

#[tokio::test(start_paused = true)]
async fn a_payment_that_was_given_back_by_hand_ends_an_order_that_did_not_know_of_it() {
    let world = World::new();
    let process = world.start();
    world.peers.next("payment.create", &[Fate::AnswerLost]);
    process.create(request("k")).await.expect_err("not known");
    for payment in world.peers.books().payments.values_mut() {
        payment.set_state(PaymentState::Refunded);
    }
    world.settle().await;
    let order = world.only();
    assert_eq!(order.state, State::Refused);
    assert_eq!(
        order.note,
        "payment 1 was given back before the order went on; order again with a new key"
    );
    assert_eq!(world.peers.called("payment.create"), 2, "asked once more");
    assert_eq!(world.peers.called("shipping.create"), 0);
    // Whoever repeats the order is told the same, and is charged nothing.
    let refusal = refused(process.create(request("k")).await);
    assert_eq!(refusal.code, Code::FailedPrecondition);
    assert!(refusal.is("order", &order::error::PAYMENT_REFUNDED));
    assert_eq!(world.peers.called("payment.create"), 2);
}

#[tokio::test(start_paused = true)]
async fn after_a_restart_the_worker_begins_by_itself() {
    let world = World::new();
    world.lines.shipping.cut();
    let process = world.start();
    process.create(request("k")).await.expect("paid");
    process.kill();
    tokio::time::sleep(Duration::from_secs(60)).await;
    world.lines.shipping.mend();
    let began = Instant::now();
    let _next = world.start();
    world.settle().await;
    assert!(
        began.elapsed() < Duration::from_secs(1),
        "{:?}",
        began.elapsed()
    );
    world.audit().expect("charged once and shipped once");
}

#[tokio::test(start_paused = true)]
async fn the_first_try_comes_soon_and_the_later_ones_ever_later() {
    let world = World::new();
    let process = world.start();
    world
        .peers
        .next("shipping.create", &[Fate::Unavailable; 400]);
    let began = Instant::now();
    process.create(request("k")).await.expect("paid");
    let mut tries = Vec::new();
    while began.elapsed() < Duration::from_secs(600) {
        if world.peers.called("shipping.create") > tries.len() {
            tries.push(began.elapsed().as_secs_f64());
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let waits: Vec<_> = tries.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(waits[0] < 1.0, "{waits:?}");
    // 0.5 s, 1 s, 2 s … 60 s, each ± 20 %.
    for (number, wait) in waits.iter().enumerate() {
        let expected = (0.5 * 2_f64.powi(i32::try_from(number).expect("few"))).min(60.0);
        assert!(
            (expected * 0.75..expected * 1.25 + 0.05).contains(wait),
            "wait {number} is {wait} and not about {expected}"
        );
    }
    assert!(
        (13..=17).contains(&tries.len()),
        "{} tries in ten minutes",
        tries.len()
    );
}

#[tokio::test(start_paused = true)]
async fn two_processes_share_the_work_and_do_nothing_twice() {
    let world = World::new();
    world.lines.shipping.cut();
    let process = world.start();
    for number in 0..30 {
        process
            .create(request(&format!("k{number}")))
            .await
            .expect("paid");
    }
    let _other = world.start();
    world.lines.shipping.mend();
    world.settle().await;
    assert_eq!(world.peers.called("shipping.create"), 30);
    assert_eq!(world.peers.called("payment.create"), 30);
    world.audit().expect("each charged once and shipped once");
}

#[tokio::test(start_paused = true)]
async fn orders_of_which_one_is_stuck_do_not_hold_up_the_others() {
    let world = World::new();
    world.lines.shipping.cut();
    let process = world.start();
    for number in 0..8 {
        process
            .create(request(&format!("k{number}")))
            .await
            .expect("paid");
    }
    world.peers.next("shipping.create", &[Fate::Stuck]);
    world.lines.shipping.mend();
    // Less than the stuck one takes.
    tokio::time::sleep(Duration::from_secs(5)).await;
    let waiting = world
        .store
        .all()
        .iter()
        .filter(|order| !order.state.is_last())
        .count();
    assert_eq!(waiting, 1);
    world.settle().await;
    world.audit().expect("each charged once and shipped once");
}

#[tokio::test(start_paused = true)]
async fn a_process_that_is_asked_to_stop_ends_its_step_and_begins_no_other_order() {
    let world = World::new();
    world.lines.shipping.cut();
    let process = world.start();
    for number in 0..10 {
        process
            .create(request(&format!("k{number}")))
            .await
            .expect("paid");
    }
    world.peers.next("shipping.create", &[Fate::Stuck; 4]);
    world.lines.shipping.mend();
    while world.peers.called("shipping.create") < 4 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let began = Instant::now();
    process.stop().await;
    assert!(
        began.elapsed() <= PACE.claim,
        "a stuck step is given up in time"
    );
    assert_eq!(
        world.peers.called("shipping.create"),
        4,
        "four at once, and no more"
    );
    let _next = world.start();
    world.settle().await;
    world.audit().expect("each charged once and shipped once");
}

#[tokio::test(start_paused = true)]
async fn a_database_that_comes_back_is_noticed() {
    let world = World::new();
    world.lines.shipping.cut();
    let process = world.start();
    process.create(request("k")).await.expect("paid");
    process.store.set_down(true);
    world.lines.shipping.mend();
    tokio::time::sleep(Duration::from_secs(120)).await;
    assert_eq!(world.only().state, State::Paid);
    process.store.set_down(false);
    let began = Instant::now();
    world.settle().await;
    assert!(
        began.elapsed() < Duration::from_secs(20),
        "{:?}",
        began.elapsed()
    );
    world.audit().expect("charged once and shipped once");
}

#[tokio::test(start_paused = true)]
async fn while_shipping_is_down_everything_else_is_answered() {
    let world = World::new();
    world.lines.shipping.cut();
    let process = world.start();
    for number in 0..50 {
        let began = Instant::now();
        let order = CreateOrderRequest {
            user_id: 1 + number,
            ..request(&format!("k{number}"))
        };
        process.create(order).await.expect("paid");
        assert!(began.elapsed() < Duration::from_secs(1));
    }
    let mut client = process.client.clone();
    let list = client.list(proto::order::v1::ListOrdersRequest::default());
    assert_eq!(list.await.expect("listed").into_inner().orders.len(), 20);
}
