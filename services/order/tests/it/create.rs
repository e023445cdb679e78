//! What a caller is answered who orders.

use std::time::Duration;

use order::error::PRICE_CHANGED;
use order::order::State;
use proto::order::v1::{CreateOrderRequest, GetOrderRequest, OrderState};
use rpc::status::{Reason, reason};
use tokio::time::Instant;
use tonic::Code;

use crate::support::peers::Fate;
use crate::support::{World, refused, request};

#[tokio::test(start_paused = true)]
async fn an_order_is_charged_and_shipped_and_carries_the_products_title() {
    let world = World::new();
    let process = world.start();
    let order = process.create(request("k")).await.expect("taken");
    assert_eq!(order.state(), OrderState::Shipped);
    assert_eq!(order.product_title, "Resilient communication");
    assert_eq!((order.payment_id, order.shipping_id), (1, 1));
    assert_eq!(order.note, "");
    assert_eq!(
        world.peers.books().calls,
        ["product.get", "payment.create", "shipping.create"]
    );
    world.audit().expect("in order");
}

#[tokio::test(start_paused = true)]
async fn everything_wrong_is_said_at_once_and_nothing_is_stored() {
    let world = World::new();
    let process = world.start();
    let answer = process.create(CreateOrderRequest {
        user_id: -1,
        product_id: -1,
        ..request("k")
    });
    let refusal = refused(answer.await);
    assert_eq!(refusal.code, Code::InvalidArgument);
    assert!(refusal.is("order", &reason::INVALID_FIELDS));
    let said: Vec<_> = refusal
        .fields
        .iter()
        .map(|violation| (violation.field.as_str(), violation.description.as_str()))
        .collect();
    assert_eq!(
        said,
        [
            ("user_id", "user id cannot be less than 1"),
            ("product_id", "product id cannot be negative"),
        ]
    );
    assert_eq!(world.store.all(), []);
    assert!(world.peers.books().calls.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_product_that_is_not_in_the_catalogue_is_named_and_nothing_is_stored() {
    let world = World::new();
    let process = world.start();
    let answer = process.create(CreateOrderRequest {
        product_id: 404,
        ..request("k")
    });
    let refusal = refused(answer.await);
    assert_eq!(refusal.code, Code::NotFound);
    let resource = refusal.resource.expect("which");
    assert_eq!(
        (resource.kind.as_str(), resource.id.as_str()),
        ("product", "404")
    );
    assert_eq!(world.store.all(), []);
}

#[tokio::test(start_paused = true)]
async fn another_price_than_the_catalogues_is_refused_with_the_price() {
    let world = World::new();
    world.peers.set_price("3.50 EUR");
    let refusal = refused(world.start().create(request("k")).await);
    assert_eq!(refusal.code, Code::FailedPrecondition);
    assert!(refusal.is("order", &PRICE_CHANGED));
    assert!(refusal.message.contains("3.50 EUR"), "{}", refusal.message);
    assert_eq!(refusal.info.expect("info").metadata["price"], "3.50 EUR");
    assert_eq!(refusal.preconditions[0].subject, "product/12");
    assert_eq!(world.store.all(), []);
}

#[tokio::test(start_paused = true)]
async fn a_catalogue_that_does_not_answer_leaves_nothing_behind() {
    let world = World::new();
    world.lines.product.cut();
    let refusal = refused(world.start().create(request("k")).await);
    assert_eq!(refusal.code, Code::Unavailable);
    assert!(refusal.is("order", &reason::DEPENDENCY_UNAVAILABLE));
    assert_eq!(world.store.all(), []);
}

#[tokio::test(start_paused = true)]
async fn the_same_order_sent_again_is_answered_with_the_order_that_is_there() {
    let world = World::new();
    let process = world.start();
    let first = process.create(request("k")).await.expect("taken");
    // Whatever became of the product since.
    world.peers.set_price("99 EUR");
    let again = process.create(request("k")).await.expect("taken");
    assert_eq!(again, first);
    assert_eq!(world.peers.called("payment.create"), 1);
    world.audit().expect("in order");
}

#[tokio::test(start_paused = true)]
async fn the_same_key_for_another_order_is_refused() {
    let world = World::new();
    let process = world.start();
    process.create(request("k")).await.expect("taken");
    let refusal = refused(
        process
            .create(CreateOrderRequest {
                user_id: 24,
                ..request("k")
            })
            .await,
    );
    assert_eq!(refusal.code, Code::AlreadyExists);
    assert!(refusal.is("order", &reason::IDEMPOTENCY_KEY_REUSED));
    assert_eq!(world.only().content.user_id, 23);
}

#[tokio::test(start_paused = true)]
async fn the_same_order_sent_many_times_at_once_is_one_order() {
    let world = World::new();
    let process = world.start();
    let answers =
        futures_util::future::join_all((0..8).map(|_| process.create(request("k")))).await;
    for answer in &answers {
        let order = answer.as_ref().expect("taken");
        assert_eq!(order.state(), OrderState::Shipped);
        assert_eq!(order.order_id, world.only().id.to_string());
    }
    assert_eq!(world.peers.called("payment.create"), 1);
    assert_eq!(world.peers.called("shipping.create"), 1);
}

#[tokio::test(start_paused = true)]
async fn a_refused_payment_is_stored_and_told_with_what_the_caller_may_know() {
    let world = World::new();
    world.peers.next("payment.create", &[Fate::Refused]);
    let process = world.start();
    let refusal = refused(process.create(request("k")).await);
    assert_eq!(refusal.code, Code::FailedPrecondition);
    assert!(refusal.is("order", &Reason::new("NOT_TODAY")));
    assert_eq!(refusal.message, "payment does not do that");
    let facts = &refusal.info.as_ref().expect("info").metadata;
    let order = world.only();
    assert_eq!(order.state, State::Refused);
    assert_eq!(facts["order_id"], order.id.to_string());
    assert_eq!(facts["order_state"], "REFUSED");
    assert!(!facts.contains_key("secret"), "{facts:?}");
    // It stays refused: a second try is answered as the first.
    assert_eq!(refused(process.create(request("k")).await), refusal);
    assert_eq!(world.peers.called("payment.create"), 1);
    world.audit().expect("in order");
}

#[tokio::test(start_paused = true)]
async fn a_field_that_payment_does_not_accept_is_named_by_the_callers_path() {
    let world = World::new();
    world.peers.next("payment.create", &[Fate::RefusedField]);
    let process = world.start();
    let refusal = refused(process.create(request("k")).await);
    assert_eq!(refusal.code, Code::InvalidArgument);
    assert_eq!(refusal.fields[0].field, "price.units");
    assert_eq!(refused(process.create(request("k")).await), refusal);
    assert_eq!(world.only().state, State::Refused);
}

#[tokio::test(start_paused = true)]
async fn payment_down_is_unavailable_and_the_order_goes_on_by_itself() {
    let world = World::new();
    world.lines.payment.cut();
    let process = world.start();
    let refusal = refused(process.create(request("k")).await);
    assert_eq!(refusal.code, Code::Unavailable);
    let wait = refusal.retry_after.expect("when to come back");
    assert!(
        wait > Duration::ZERO && wait <= Duration::from_secs(1),
        "{wait:?}"
    );
    let order = world.only();
    assert_eq!(order.state, State::Created);
    let facts = refusal.info.expect("info").metadata;
    assert_eq!(facts["order_id"], order.id.to_string());
    // Sent again it is still the same order, and it is answered at once.
    let again = refused(process.create(request("k")).await);
    assert_eq!(again.code, Code::Unavailable);
    assert_eq!(
        again.info.expect("info").metadata["order_id"],
        order.id.to_string()
    );

    world.lines.payment.mend();
    world.settle().await;
    assert_eq!(world.only().state, State::Shipped);
    let at_last = process.create(request("k")).await.expect("taken");
    assert_eq!(at_last.state(), OrderState::Shipped);
    world.audit().expect("in order");
}

#[tokio::test(start_paused = true)]
async fn a_payment_whose_answer_comes_too_late_is_charged_once() {
    let world = World::new();
    world.peers.next("payment.create", &[Fate::AnswerLate]);
    let process = world.start();
    let began = Instant::now();
    let refusal = refused(process.create(request("k")).await);
    assert_eq!(refusal.code, Code::DeadlineExceeded);
    assert_eq!(began.elapsed().as_secs(), 5);
    assert_eq!(world.peers.books().payments.len(), 1, "it was charged");
    assert_eq!(world.only().state, State::Created, "and nobody knew");
    world.settle().await;
    assert_eq!(world.peers.called("payment.create"), 2);
    world.audit().expect("charged once and shipped once");
}

#[tokio::test(start_paused = true)]
async fn a_payment_whose_answer_is_lost_is_charged_once() {
    let world = World::new();
    world
        .peers
        .next("payment.create", &[Fate::AnswerLost, Fate::AnswerLost]);
    let process = world.start();
    let refusal = refused(process.create(request("k")).await);
    assert_eq!(refusal.code, Code::Unavailable);
    world.settle().await;
    assert_eq!(world.peers.called("payment.create"), 3);
    world.audit().expect("charged once and shipped once");
}

#[tokio::test(start_paused = true)]
async fn shipping_down_is_a_paid_order_that_waits_and_ships_when_shipping_is_back() {
    let world = World::new();
    world.lines.shipping.cut();
    let process = world.start();
    let order = process.create(request("k")).await.expect("taken");
    assert_eq!(order.state(), OrderState::Paid);
    assert_ne!(order.payment_id, 0);
    assert_eq!(
        order.note,
        "paid and waiting: shipping does not answer at the moment; it ships later by itself"
    );
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert_eq!(
        world.only().state,
        State::Paid,
        "it waits as long as it takes"
    );

    world.lines.shipping.mend();
    world.settle().await;
    let shipped = process
        .client
        .clone()
        .get(GetOrderRequest {
            order_id: order.order_id,
        })
        .await
        .expect("read")
        .into_inner()
        .order
        .expect("an order");
    assert_eq!(shipped.state(), OrderState::Shipped);
    assert_eq!(shipped.note, "");
    world.audit().expect("charged once and shipped once");
}

#[tokio::test(start_paused = true)]
async fn shipping_silent_is_answered_as_paid_before_the_callers_time_is_up() {
    let world = World::new();
    world.peers.next("shipping.create", &[Fate::Stuck]);
    let process = world.start();
    for (key, time) in [("k", 5_000), ("l", 800)] {
        world.peers.next("shipping.create", &[Fate::Stuck]);
        let began = Instant::now();
        let time = Duration::from_millis(time);
        let order = process
            .create_within(time, request(key))
            .await
            .expect("taken");
        assert_eq!(order.state(), OrderState::Paid);
        assert!(
            began.elapsed() <= time * 3 / 4 + Duration::from_millis(10),
            "{:?}",
            began.elapsed()
        );
    }
    world.settle().await;
    world.audit().expect("charged once and shipped once");
}

#[tokio::test(start_paused = true)]
async fn an_order_that_shipping_refuses_is_refunded_and_says_why() {
    let world = World::new();
    world
        .peers
        .next("shipping.create", &[Fate::RefusedField, Fate::Refused]);
    let process = world.start();
    let refusal = refused(process.create(request("k")).await);
    assert_eq!(refusal.code, Code::InvalidArgument);
    assert_eq!(refusal.fields[0].field, "address.city");
    assert_eq!(world.only().state, State::Refunded);
    assert_eq!(
        world.only().note,
        "address.city: that cannot be; the payment was given back"
    );
    let refusal = refused(process.create(request("l")).await);
    assert_eq!(refusal.code, Code::FailedPrecondition);
    let facts = refusal.info.expect("info").metadata;
    assert_eq!(
        (facts["dependency"].as_str(), facts["order_state"].as_str()),
        ("shipping", "REFUNDED")
    );
    world.audit().expect("given back once");
}

#[tokio::test(start_paused = true)]
async fn a_refund_that_does_not_work_is_tried_until_it_does() {
    let world = World::new();
    world.peers.next("shipping.create", &[Fate::Refused]);
    world.peers.next(
        "payment.refund",
        &[
            Fate::Internal,
            Fate::Refused,
            Fate::AnswerLost,
            Fate::NotAllowed,
        ],
    );
    let refusal = refused(world.start().create(request("k")).await);
    assert_eq!(
        refusal.info.expect("info").metadata["order_state"],
        "REFUNDING"
    );
    // The process is gone with the last handle; another one finishes.
    let _process = world.start();
    world.settle().await;
    assert_eq!(world.only().state, State::Refunded);
    world.audit().expect("given back once");
}

#[tokio::test(start_paused = true)]
async fn what_a_peer_says_of_its_inside_stays_inside() {
    for fate in [
        Fate::Internal,
        Fate::Unavailable,
        Fate::NotAllowed,
        Fate::Senseless,
    ] {
        let world = World::new();
        world.peers.next("payment.create", &[fate]);
        let process = world.start();
        let refusal = refused(process.create(request("k")).await);
        assert!(!format!("{refusal:?}").contains("secret"), "{refusal:?}");
        let expected = match fate {
            Fate::Unavailable => Code::Unavailable,
            _ => Code::Internal,
        };
        assert_eq!(refusal.code, expected, "{fate:?}");
        world.settle().await;
        assert!(!world.only().note.contains("secret"));
        world.audit().expect("charged once and shipped once");
    }
}

#[tokio::test(start_paused = true)]
async fn a_database_that_does_not_answer_is_unavailable() {
    let world = World::new();
    let process = world.start();
    process.store.set_down(true);
    let refusal = refused(process.create(request("k")).await);
    assert_eq!(refusal.code, Code::Unavailable);
    assert!(refusal.is("order", &reason::DATABASE_UNAVAILABLE));
    process.store.set_down(false);
    process.create(request("k")).await.expect("taken");
    world.audit().expect("in order");
}

#[tokio::test(start_paused = true)]
async fn an_order_that_is_not_there_is_not_found_and_a_number_that_is_none_is_refused() {
    let world = World::new();
    let mut client = world.start().client.clone();
    let mut get = async |id: &str| {
        refused(
            client
                .get(GetOrderRequest {
                    order_id: id.to_owned(),
                })
                .await,
        )
    };
    let refusal = get("0194d5a2-7c3e-7b6f-8a51-3f0a5f1c2d4e").await;
    assert_eq!(refusal.code, Code::NotFound);
    assert_eq!(refusal.resource.expect("which").kind, "order");
    let refusal = get("23").await;
    assert_eq!(refusal.code, Code::InvalidArgument);
    assert_eq!(refusal.fields[0].field, "order_id");
}
