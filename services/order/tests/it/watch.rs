//! Following an order.

use std::time::Duration;

use order::order::State;
use proto::order::v1::{OrderState, WatchOrderRequest, WatchOrderResponse};
use rpc::status::reason;
use tonic::{Code, Status, Streaming};

use crate::support::peers::Fate;
use crate::support::{Process, World, refused, request};

async fn watch(process: &Process, order_id: &str) -> Result<Streaming<WatchOrderResponse>, Status> {
    let request = WatchOrderRequest {
        order_id: order_id.to_owned(),
    };
    Ok(process.client.clone().watch(request).await?.into_inner())
}

async fn next(stream: &mut Streaming<WatchOrderResponse>) -> Option<OrderState> {
    let message = stream.message().await.expect("no failure")?;
    Some(message.order.expect("an order").state())
}

#[tokio::test(start_paused = true)]
async fn a_follower_sees_the_order_as_it_stands_then_each_change_and_then_the_end() {
    let world = World::new();
    world.lines.payment.cut();
    world.lines.shipping.cut();
    let process = world.start();
    refused(process.create(request("k")).await);
    let mut stream = watch(&process, &world.only().id.to_string())
        .await
        .expect("followed");
    assert_eq!(next(&mut stream).await, Some(OrderState::Created));
    world.lines.payment.mend();
    assert_eq!(next(&mut stream).await, Some(OrderState::Paid));
    world.lines.shipping.mend();
    assert_eq!(next(&mut stream).await, Some(OrderState::Shipped));
    assert_eq!(next(&mut stream).await, None);
}

#[tokio::test(start_paused = true)]
async fn a_follower_of_a_refund_sees_it_through() {
    let world = World::new();
    world.lines.shipping.cut();
    let process = world.start();
    process.create(request("k")).await.expect("paid");
    let mut stream = watch(&process, &world.only().id.to_string())
        .await
        .expect("followed");
    assert_eq!(next(&mut stream).await, Some(OrderState::Paid));
    world.peers.next("shipping.create", &[Fate::Refused]);
    world.peers.next("payment.refund", &[Fate::Unavailable]);
    world.lines.shipping.mend();
    assert_eq!(next(&mut stream).await, Some(OrderState::Refunding));
    assert_eq!(next(&mut stream).await, Some(OrderState::Refunded));
    assert_eq!(next(&mut stream).await, None);
}

#[tokio::test(start_paused = true)]
async fn an_order_that_is_done_is_told_once() {
    let world = World::new();
    let process = world.start();
    let order = process.create(request("k")).await.expect("shipped");
    let mut stream = watch(&process, &order.order_id).await.expect("followed");
    assert_eq!(next(&mut stream).await, Some(OrderState::Shipped));
    assert_eq!(next(&mut stream).await, None);
}

#[tokio::test(start_paused = true)]
async fn a_follower_who_does_not_look_for_a_while_sees_the_newest_state() {
    let world = World::new();
    world.lines.payment.cut();
    let process = world.start();
    refused(process.create(request("k")).await);
    let mut stream = watch(&process, &world.only().id.to_string())
        .await
        .expect("followed");
    assert_eq!(next(&mut stream).await, Some(OrderState::Created));
    world.lines.payment.mend();
    world.settle().await;
    assert_eq!(next(&mut stream).await, Some(OrderState::Shipped));
    assert_eq!(next(&mut stream).await, None);
}

#[tokio::test(start_paused = true)]
async fn what_another_process_changes_is_seen_as_well() {
    let world = World::new();
    world.lines.shipping.cut();
    let one = world.start();
    one.create(request("k")).await.expect("paid");
    let mut stream = watch(&one, &world.only().id.to_string())
        .await
        .expect("followed");
    assert_eq!(next(&mut stream).await, Some(OrderState::Paid));
    // From here on only another process works on it.
    let other = world.start();
    one.ask_to_stop_working();
    world.lines.shipping.mend();
    assert_eq!(next(&mut stream).await, Some(OrderState::Shipped));
    drop(other);
}

#[tokio::test(start_paused = true)]
async fn an_order_that_is_not_there_cannot_be_followed() {
    let world = World::new();
    let process = world.start();
    let answer = watch(&process, "0194d5a2-7c3e-7b6f-8a51-3f0a5f1c2d4e").await;
    assert_eq!(refused(answer).code, Code::NotFound);
    assert_eq!(
        refused(watch(&process, "23").await).code,
        Code::InvalidArgument
    );
}

#[tokio::test(start_paused = true)]
async fn a_follower_is_sent_elsewhere_when_the_process_stops() {
    let world = World::new();
    world.lines.shipping.cut();
    let process = world.start();
    process.create(request("k")).await.expect("paid");
    let mut stream = watch(&process, &world.only().id.to_string())
        .await
        .expect("followed");
    assert_eq!(next(&mut stream).await, Some(OrderState::Paid));
    let (ended, ()) = tokio::join!(stream.message(), async {
        tokio::time::sleep(Duration::from_millis(10)).await;
        process.ask_to_stop();
    });
    let refusal = refused(ended);
    assert_eq!(refusal.code, Code::Unavailable);
    assert!(refusal.is("order", &reason::SHUTTING_DOWN));
    assert_eq!(world.only().state, State::Paid, "and the order is kept");
}
