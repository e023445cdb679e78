//! The two stacks face to face: a real server, a real client, real certificates, one process.

#[path = "support/certificates.rs"]
mod certificates;
#[path = "support/house.rs"]
mod house;

use std::time::Duration;

use house::{House, Outcome, refused};
use rpc::status::reason;
use tonic::{Code, Request};
use tonic_health::pb::health_check_response::ServingStatus;

#[tokio::test]
async fn who_is_listed_may_call() -> Outcome {
    let house = House::open(|_| {}).await?;
    house.peer("order")?.call("/test.v1.Test/Say").await?;
    Ok(())
}

#[tokio::test]
async fn who_is_not_listed_is_refused_and_not_told_who_is() -> Outcome {
    let house = House::open(|_| {}).await?;
    let refusal = refused(house.peer("stranger")?.call("/test.v1.Test/Say").await);
    assert_eq!(refusal.code, Code::PermissionDenied);
    assert!(refusal.is("test", &reason::PEER_NOT_ALLOWED));
    let all = format!("{refusal:?}");
    assert!(all.contains("spiffe://microservices.dev/stranger"), "{all}");
    assert!(!all.contains("order"), "{all}");
    Ok(())
}

#[tokio::test]
async fn a_method_that_no_rule_names_is_for_nobody() -> Outcome {
    let house = House::open(|_| {}).await?;
    let refusal = refused(house.peer("order")?.call("/test.v1.Test/Secret").await);
    assert_eq!(refusal.code, Code::PermissionDenied);
    Ok(())
}

#[tokio::test]
async fn health_is_answered_to_every_peer_with_a_valid_certificate() -> Outcome {
    let house = House::open(|_| {}).await?;
    for service in ["", "test.v1.Test"] {
        assert_eq!(
            house.peer("stranger")?.health(service).await?,
            ServingStatus::Serving
        );
    }
    Ok(())
}

#[tokio::test]
async fn reflection_lists_what_is_served_and_nothing_else() -> Outcome {
    let house = House::open(|_| {}).await?;
    let mut services = house.peer("stranger")?.reflected().await?;
    services.sort();
    assert_eq!(
        services,
        [
            "grpc.health.v1.Health",
            "grpc.reflection.v1.ServerReflection",
            "test.v1.Test"
        ]
    );
    Ok(())
}

#[tokio::test]
async fn a_rule_of_ones_own_for_health_or_reflection_counts() -> Outcome {
    let order: &[&str] = &["spiffe://microservices.dev/order"];
    let rules: [(&str, &[&str]); 2] = [
        ("grpc.health.v1.Health/*", order),
        ("grpc.reflection.v1.ServerReflection/*", &[]),
    ];
    let house = House::open_allowing(&rules, |_| {}).await?;
    let (order, stranger) = (house.peer("order")?, house.peer("stranger")?);
    assert_eq!(order.health("").await?, ServingStatus::Serving);
    let refusal = refused(stranger.health("").await);
    assert_eq!(refusal.code, Code::PermissionDenied);
    for path in [
        "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
        // Tells the same, so the rule is for it as well.
        "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
    ] {
        let refusal = refused(order.call(path).await);
        assert_eq!(refusal.code, Code::PermissionDenied, "{path}");
    }
    Ok(())
}

#[tokio::test]
async fn a_rule_for_one_method_of_health_leaves_the_other_to_every_peer() -> Outcome {
    let rules: [(&str, &[&str]); 1] = [("grpc.health.v1.Health/Check", &[])];
    let house = House::open_allowing(&rules, |_| {}).await?;
    let stranger = house.peer("stranger")?;
    let refusal = refused(stranger.health("").await);
    assert_eq!(refusal.code, Code::PermissionDenied);
    let first = stranger
        .watch("")
        .await?
        .message()
        .await?
        .ok_or("a state")?;
    assert_eq!(first.status(), ServingStatus::Serving);
    Ok(())
}

#[tokio::test]
async fn a_rule_for_a_method_that_is_not_there_ends_the_start() -> Outcome {
    let rules: [(&str, &[&str]); 1] = [("test.v1.Test/Sya", &[])];
    let error = House::open_allowing(&rules, |_| {}).await.err();
    let said = error.ok_or("it started")?.to_string();
    assert!(
        said.ends_with("did you mean \"test.v1.Test/Say\"?"),
        "{said}"
    );
    Ok(())
}

#[tokio::test]
async fn a_panic_is_one_calls_internal_and_nobody_elses_trouble() -> Outcome {
    let house = House::open(|_| {}).await?;
    let order = house.peer("order")?;
    let refusal = refused(order.call("/test.v1.Test/Panic").await);
    assert_eq!(refusal.code, Code::Internal);
    assert!(refusal.is("test", &reason::INTERNAL));
    assert!(!refusal.message.contains("tea"), "{}", refusal.message);
    order.call("/test.v1.Test/Say").await?;
    Ok(())
}

#[tokio::test]
async fn a_panic_in_a_stream_ends_it_with_internal_and_nobody_elses() -> Outcome {
    let house = House::open(|_| {}).await?;
    let order = house.peer("order")?;
    let mut other = order.follow("/test.v1.Test/Follow").await?;
    let mut follow = order.follow("/test.v1.Test/FollowAndPanic").await?;
    follow.message().await?.ok_or("a message before it")?;
    let end = refused(follow.message().await);
    assert_eq!(end.code, Code::Internal);
    assert!(end.is("test", &reason::INTERNAL));
    assert!(!end.message.contains("tea"), "{}", end.message);
    // On the same connection.
    other.message().await?.ok_or("a message")?;
    order.call("/test.v1.Test/Say").await?;
    Ok(())
}

#[tokio::test]
async fn a_worker_that_panicked_is_told_by_health_and_calls_are_answered() -> Outcome {
    let house = House::open(|_| {}).await?;
    let mut whole = house.peer("stranger")?.watch("").await?;
    let mut one = house.peer("stranger")?.watch("test.v1.Test").await?;
    for watch in [&mut whole, &mut one] {
        watch.message().await?.ok_or("a first state")?;
    }
    house.trip_the_worker();
    for watch in [&mut whole, &mut one] {
        let state = watch.message().await?.ok_or("a second state")?;
        assert_eq!(state.status(), ServingStatus::NotServing);
    }
    house.peer("order")?.call("/test.v1.Test/Say").await?;
    house.ask_to_stop();
    house.stopped().await
}

#[tokio::test]
async fn whoever_watches_keeps_no_call_out_and_has_a_limit_as_well() -> Outcome {
    let house = House::open(|bounds| {
        bounds.max_in_flight = 1;
        bounds.max_watchers = 1;
    })
    .await?;
    let order = house.peer("order")?;
    let mut watcher = order.follow("/test.v1.Test/Follow").await?;
    watcher.message().await?.ok_or("a message")?;
    order.call("/test.v1.Test/Say").await?;

    let impatient = house.impatient_peer("order")?;
    let refusal = refused(impatient.follow("/test.v1.Test/Follow").await);
    assert_eq!(refusal.code, Code::ResourceExhausted);
    assert!(refusal.is("test", &reason::OVERLOADED));
    assert!(refusal.retry_after.is_some(), "RetryInfo");

    // And a call keeps no watcher out.
    drop(watcher);
    let call = order.start("/test.v1.Test/Wait");
    house.entered().await;
    // Tried again until the server has seen that the first one is gone.
    let mut next = order.follow("/test.v1.Test/Follow").await?;
    next.message().await?.ok_or("a message")?;
    house.let_go();
    call.await??;
    Ok(())
}

#[tokio::test]
async fn more_than_the_limit_is_refused_at_once_with_a_time_to_come_back() -> Outcome {
    let house = House::open(|bounds| bounds.max_in_flight = 1).await?;
    let order = house.peer("order")?;
    let first = order.start("/test.v1.Test/Wait");
    house.entered().await;
    // Without retries, since a client that obeys the time to come back would do so.
    let refusal = refused(
        house
            .impatient_peer("order")?
            .call("/test.v1.Test/Say")
            .await,
    );
    assert_eq!(refusal.code, Code::ResourceExhausted);
    assert!(refusal.is("test", &reason::OVERLOADED));
    let pause = refusal.retry_after.ok_or("RetryInfo")?;
    assert!(
        (Duration::from_millis(50)..=Duration::from_millis(150)).contains(&pause),
        "{pause:?}"
    );
    // Whoever decides about a restart still gets an answer.
    assert_eq!(order.health("").await?, ServingStatus::Serving);
    house.let_go();
    first.await??;
    // The place is free again once the answer is out.
    order.call("/test.v1.Test/Say").await?;
    Ok(())
}

#[tokio::test]
async fn a_handler_whose_time_is_up_is_dropped_and_its_place_is_free() -> Outcome {
    let house = House::open(|bounds| bounds.max_in_flight = 1).await?;
    let order = house.peer("order")?;
    // Connected before the clock of the call runs: its time is to be spent in the handler.
    order.call("/test.v1.Test/Say").await?;
    let mut request = Request::new(());
    request.set_timeout(Duration::from_millis(300));
    let refusal = refused(order.send("/test.v1.Test/Wait", request).await);
    assert_eq!(refusal.code, Code::DeadlineExceeded);
    house.dropped().await;
    order.call("/test.v1.Test/Say").await?;
    Ok(())
}

#[tokio::test]
async fn a_call_in_flight_ends_although_the_server_is_asked_to_stop() -> Outcome {
    let house = House::open(|_| {}).await?;
    let order = house.peer("order")?;
    let call = order.start("/test.v1.Test/Wait");
    house.entered().await;
    house.ask_to_stop();
    house.let_go();
    call.await??;
    house.stopped().await
}

#[tokio::test]
async fn a_watcher_of_health_is_told_and_does_not_hold_up_the_stop() -> Outcome {
    let house = House::open(|_| {}).await?;
    let mut watch = house.peer("stranger")?.watch("test.v1.Test").await?;
    let serving = watch.message().await?.ok_or("a first state")?;
    assert_eq!(serving.status(), ServingStatus::Serving);
    house.ask_to_stop();
    let leaving = watch.message().await?.ok_or("a second state")?;
    assert_eq!(leaving.status(), ServingStatus::NotServing);
    let end = refused(watch.message().await);
    assert_eq!(end.code, Code::Unavailable);
    assert!(end.is("test", &reason::SHUTTING_DOWN));
    house.stopped().await
}

#[tokio::test]
async fn a_call_that_does_not_end_holds_up_the_stop_no_longer_than_the_grace() -> Outcome {
    let house = House::open(|bounds| bounds.drain = Duration::from_millis(50)).await?;
    let order = house.peer("order")?;
    let call = order.start("/test.v1.Test/Wait");
    house.entered().await;
    house.ask_to_stop();
    let end = house
        .stopped()
        .await
        .expect_err("a call is cut")
        .to_string();
    assert!(
        end.contains("within the grace of 50ms after the signal are cut: 1;"),
        "{end}"
    );
    call.abort();
    Ok(())
}

#[tokio::test]
async fn a_worker_is_told_and_awaited() -> Outcome {
    let house = House::open(|_| {}).await?;
    house.ask_to_stop();
    house
        .stopped_keeping(|house| assert!(house.worker_ended()))
        .await
}

#[tokio::test]
async fn a_peer_that_is_not_there_is_unavailable_with_the_reason() -> Outcome {
    let house = House::open(|_| {}).await?;
    let nowhere = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?;
    let refusal = refused(
        house
            .impatient_peer_at("order", nowhere)?
            .call("/test.v1.Test/Say")
            .await,
    );
    assert_eq!(refusal.code, Code::Unavailable);
    assert!(
        refusal.message.contains(&nowhere.to_string()),
        "{}",
        refusal.message
    );
    Ok(())
}

#[tokio::test]
async fn a_call_that_may_run_twice_is_tried_again() -> Outcome {
    let house = House::open(|_| {}).await?;
    house.peer("order")?.call("/test.v1.Test/Flaky").await?;
    assert_eq!(house.attempts(), 2);
    Ok(())
}

#[tokio::test]
async fn a_call_of_which_nothing_is_known_is_sent_once() -> Outcome {
    let house = House::open(|_| {}).await?;
    let refusal = refused(house.peer("order")?.call("/test.v1.Test/FlakyOnce").await);
    assert_eq!(refusal.code, Code::Unavailable);
    assert!(refusal.is("test", &reason::DATABASE_UNAVAILABLE));
    assert_eq!(house.attempts(), 1);
    Ok(())
}

#[tokio::test]
async fn a_thousand_violations_arrive_as_many_as_fit_and_the_rest_counted() -> Outcome {
    let house = House::open(|_| {}).await?;
    let refusal = refused(house.peer("order")?.call("/test.v1.Test/Wrong").await);
    assert_eq!(refusal.code, Code::InvalidArgument);
    let info = refusal.info.ok_or("ErrorInfo")?;
    let omitted: usize = info.metadata["violations_omitted"].parse()?;
    assert!(!refusal.fields.is_empty());
    assert_eq!(refusal.fields.len() + omitted, 1_000);
    Ok(())
}

#[tokio::test]
async fn a_bare_refusal_of_the_transport_gets_its_reason() -> Outcome {
    let house = House::open(|_| {}).await?;
    let refusal = refused(house.peer("order")?.call("/test.v1.Test/Missing").await);
    assert_eq!(refusal.code, Code::Unimplemented);
    assert!(refusal.is("test", &reason::METHOD_NOT_SERVED));
    // And one that tonic really gives: a method of a standard service that is not there.
    let refusal = refused(
        house
            .peer("order")?
            .call("/grpc.health.v1.Health/Cure")
            .await,
    );
    assert!(refusal.is("test", &reason::METHOD_NOT_SERVED));
    Ok(())
}
