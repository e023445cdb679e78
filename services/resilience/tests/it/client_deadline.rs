//! The client's deadline: what it covers, what it sends, and what the caller is told.

use std::time::Duration;

use bytes::Bytes;
use http_body::Frame;
use http_body_util::{BodyExt as _, StreamBody};
use resilience::attempt_timeout::AttemptTimeoutLayer;
use resilience::deadline::{self, Deadline, DeadlineLayer, Spent};
use resilience::per_method::PerMethod;
use resilience::status::{Local, WireStatus};
use tokio::time::Instant;
use tonic::Code;
use tonic::body::Body;
use tonic_types::pb::ErrorInfo;
use tower::{BoxError, Layer as _, ServiceBuilder, ServiceExt as _};

use crate::support::{Peer, Step, call, channel, ms, request, status, told};

fn layer(default: Duration) -> DeadlineLayer {
    DeadlineLayer::new(default)
}

#[tokio::test(start_paused = true)]
async fn d9_a_call_without_an_answer_ends_at_its_deadline_and_says_where_the_time_went() {
    let peer = Peer::new([Step::Hang]);
    let start = Instant::now();
    let called = layer(ms(1000)).layer(peer.service()).oneshot(request("m"));
    let response = called.await.expect("never fails");
    assert_eq!(start.elapsed(), ms(1000));
    assert_eq!(
        response.extensions().get::<Local>(),
        Some(&Local::DeadlineExceeded)
    );
    let status = told(response).await;
    assert_eq!(status.code(), Code::DeadlineExceeded);
    assert_eq!(
        status.message(),
        "order.v1.Order/Create did not end within its deadline of 1.000 s"
    );
    let info = status.details().get::<ErrorInfo>().expect("an ErrorInfo");
    assert_eq!(
        (info.reason.as_str(), info.domain.as_str()),
        ("DEADLINE_EXCEEDED", "resilience")
    );
    let spent = Spent::from_details(status.details()).expect("a report");
    assert_eq!(
        spent.to_string(),
        "order.v1.Order/Create 1.000 s (unfinished)"
    );
}

#[tokio::test(start_paused = true)]
async fn d6_it_covers_the_body_as_well() {
    let peer = Peer::new([Step::After(ms(600), Box::new(Step::HangAfterHead))]);
    let start = Instant::now();
    let called = layer(ms(1000)).layer(peer.service()).oneshot(request("m"));
    let status = told(called.await.expect("never fails")).await;
    assert_eq!(status.code(), Code::DeadlineExceeded);
    assert_eq!(start.elapsed(), ms(1000));
}

#[tokio::test(start_paused = true)]
async fn d6_it_covers_a_stream_that_would_run_longer() {
    let server = tower::service_fn(|_: http::Request<Body>| async {
        let messages =
            tokio_stream::StreamExt::throttle(
                tokio_stream::iter((0..10).map(|_| {
                    Ok::<_, tonic::Status>(Frame::data(Bytes::from_static(b"\0\0\0\0\0")))
                })),
                ms(100),
            );
        let response = http::Response::new(Body::new(StreamBody::new(Box::pin(messages))));
        Ok::<_, BoxError>(response)
    });
    let start = Instant::now();
    let called = layer(ms(250)).layer(server).oneshot(request("m"));
    let mut body = called.await.expect("never fails").into_body();
    let mut messages = 0;
    let trailers = loop {
        let frame = body.frame().await.expect("a frame").expect("no error");
        match frame.into_trailers() {
            Ok(trailers) => break trailers,
            Err(_) => messages += 1,
        }
    };
    assert_eq!((messages, start.elapsed()), (3, ms(250)));
    let status = WireStatus::from_headers(&trailers).expect("a status");
    assert_eq!(status.code(), Code::DeadlineExceeded);
    assert!(body.frame().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn d6_it_covers_an_endpoint_that_never_connects() {
    let channel = channel(std::future::pending);
    let start = Instant::now();
    let status = call(layer(ms(200)).layer(channel), "/order.v1.Order/Create")
        .await
        .expect_err("no answer");
    assert_eq!(status.code(), Code::DeadlineExceeded);
    assert_eq!(start.elapsed(), ms(200));
    assert!(Spent::from_status(&status).is_some());
}

#[tokio::test(start_paused = true)]
async fn d3_with_nothing_left_nothing_is_sent() {
    let peer = Peer::new([Step::Ok]);
    let mut explicit = request("m");
    explicit
        .headers_mut()
        .insert("grpc-timeout", "0n".parse().expect("a value"));
    let called = layer(ms(1000)).layer(peer.service()).oneshot(explicit);
    let status = told(called.await.expect("never fails")).await;
    assert_eq!(status.code(), Code::DeadlineExceeded);
    assert_eq!(
        status.message(),
        "order.v1.Order/Create was not sent: the deadline had passed before"
    );

    let passed = deadline::scope(Deadline::after(Duration::ZERO), async {
        let called = layer(ms(1000)).layer(peer.service()).oneshot(request("m"));
        called.await.expect("never fails")
    });
    assert_eq!(told(passed.await).await.code(), Code::DeadlineExceeded);
    // Alone, without the layer of the whole call, the attempt's layer does the same.
    let alone = deadline::scope(Deadline::after(Duration::ZERO), async {
        let attempt = AttemptTimeoutLayer::new(None).layer(peer.service());
        attempt.oneshot(request("m")).await.expect("a response")
    });
    assert_eq!(told(alone.await).await.code(), Code::DeadlineExceeded);
    assert_eq!(peer.requests(), 0);
}

#[tokio::test(start_paused = true)]
async fn d1_a_malformed_timeout_of_the_caller_is_refused_and_not_taken_as_none() {
    let peer = Peer::new([Step::Ok]);
    let mut malformed = request("m");
    malformed
        .headers_mut()
        .insert("grpc-timeout", "18f6n".parse().expect("a value"));
    let called = layer(ms(1000)).layer(peer.service()).oneshot(malformed);
    let status = told(called.await.expect("never fails")).await;
    assert_eq!(status.code(), Code::Internal);
    assert!(
        status
            .message()
            .contains("malformed grpc-timeout \"18f6n\"")
    );
    assert_eq!(peer.requests(), 0);
}

#[tokio::test(start_paused = true)]
async fn d4_what_is_sent_is_the_least_of_default_inherited_and_explicit() {
    let mut defaults = PerMethod::new(ms(5000));
    defaults.set("order.v1.Order/Get", ms(100)).expect("a name");
    let peer = Peer::new([Step::Ok, Step::Ok, Step::Ok, Step::Ok, Step::Ok]);
    let stack = ServiceBuilder::new()
        .layer(DeadlineLayer::per_method(defaults))
        .layer(AttemptTimeoutLayer::new(None))
        .service(peer.service());
    stack
        .clone()
        .oneshot(request("m"))
        .await
        .expect("an answer");

    let mut explicit = request("m");
    explicit
        .headers_mut()
        .insert("grpc-timeout", "3S".parse().expect("a value"));
    stack.clone().oneshot(explicit).await.expect("an answer");

    let mut longer = request("m");
    longer
        .headers_mut()
        .insert("grpc-timeout", "1H".parse().expect("a value"));
    stack.clone().oneshot(longer).await.expect("an answer");

    deadline::scope(Deadline::after(ms(2000)), async {
        // 2 s budget, 0.5 s spent: 1.5 s are passed on.
        tokio::time::sleep(ms(500)).await;
        stack
            .clone()
            .oneshot(request("m"))
            .await
            .expect("an answer");
    })
    .await;

    let mut get = request("m");
    *get.uri_mut() = "/order.v1.Order/Get".parse().expect("a path");
    stack.oneshot(get).await.expect("an answer");
    let sent: Vec<_> = peer.header("grpc-timeout").into_iter().flatten().collect();
    assert_eq!(
        sent,
        ["5000000u", "3000000u", "5000000u", "1500000u", "100000u"]
    );
}

#[tokio::test(start_paused = true)]
async fn d15_an_attempts_own_limit_is_sent_when_it_is_less() {
    let peer = Peer::new([Step::Ok, Step::Ok]);
    for (deadline, expected) in [(ms(5000), "300000u"), (ms(200), "200000u")] {
        let stack = ServiceBuilder::new()
            .layer(layer(deadline))
            .layer(AttemptTimeoutLayer::new(Some(ms(300))))
            .service(peer.service());
        stack.oneshot(request("m")).await.expect("an answer");
        let sent = peer.header("grpc-timeout").pop().flatten();
        assert_eq!(sent.as_deref(), Some(expected));
    }
}

#[tokio::test(start_paused = true)]
async fn d9_cancelled_after_the_own_deadline_is_told_as_deadline_exceeded_and_before_it_is_not() {
    for (after, code) in [
        (ms(1000), Code::DeadlineExceeded),
        (ms(999), Code::Cancelled),
    ] {
        for cancelled in [
            Step::Status(status(Code::Cancelled)),
            Step::Trailers(status(Code::Cancelled)),
        ] {
            let peer = Peer::new([Step::After(after, Box::new(cancelled))]);
            let called = layer(ms(1000)).layer(peer.service()).oneshot(request("m"));
            assert_eq!(told(called.await.expect("never fails")).await.code(), code);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_refused_connection_is_unavailable_with_its_cause_and_not_transport_error() {
    let channel = channel(|| async {
        let cause = "127.0.0.1:9 refused the connection";
        Err(std::io::Error::new(
            std::io::ErrorKind::ConnectionRefused,
            cause,
        ))
    });
    let status = call(layer(ms(200)).layer(channel), "/order.v1.Order/Create")
        .await
        .expect_err("no server");
    assert_eq!(status.code(), Code::Unavailable);
    assert_eq!(
        status.message(),
        "order.v1.Order/Create was not sent: 127.0.0.1:9 refused the connection"
    );
}

#[tokio::test(start_paused = true)]
async fn e2_a_hostile_peer_cannot_kill_the_clients_task_by_its_details() {
    for hostile in ["!not base64!", "CA4,CA4", "====", "A", "/+"] {
        for code in [Code::Ok, Code::NotFound] {
            let ended = status(code);
            let peer = Peer::new([Step::StatusWith(ended, "grpc-status-details-bin", hostile)]);
            let stack = layer(ms(200)).layer(peer.service());
            let told = call(stack, "/order.v1.Order/Create")
                .await
                .expect_err("hostile, or without a message");
            let expected = if code == Code::Ok {
                Code::Internal
            } else {
                code
            };
            assert_eq!(told.code(), expected, "{hostile} {told:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn b13_what_a_proxy_answers_is_told_as_a_status_that_says_so() {
    let peer = Peer::new([Step::Http(503)]);
    let stack = layer(ms(200)).layer(peer.service());
    let told = call(stack, "/order.v1.Order/Create")
        .await
        .expect_err("503");
    assert_eq!(told.code(), Code::Unavailable);
    assert!(told.message().contains("HTTP status 503"), "{told:?}");
}

#[tokio::test(start_paused = true)]
async fn what_the_server_answers_in_time_passes_unchanged() {
    let answer = status(Code::FailedPrecondition).with_reason("SOLD_OUT", [("product", "7")]);
    let peer = Peer::new([Step::Ok, Step::Status(answer.clone())]);
    let stack = layer(ms(200)).layer(peer.service());
    let first = stack
        .clone()
        .oneshot(request("m"))
        .await
        .expect("never fails");
    assert_eq!(told(first).await.code(), Code::Ok);
    let second = stack.oneshot(request("m")).await.expect("never fails");
    assert_eq!(told(second).await, answer);
}

/// tonic's channel arms a timer of its own for the `grpc-timeout` that was written, and may be first.
#[tokio::test(start_paused = true)]
async fn d9_d15_tonics_own_timer_means_the_same_as_ours() {
    for (attempt, local) in [
        (Some(ms(100)), Local::AttemptTimeout),
        (None, Local::DeadlineExceeded),
    ] {
        let timer = Step::Fail(Box::new(tonic::TimeoutExpired(())));
        let peer = Peer::new([Step::After(ms(99), Box::new(timer))]);
        let stack = ServiceBuilder::new()
            .layer(layer(ms(1000)))
            .layer(AttemptTimeoutLayer::new(attempt))
            .service(peer.service());
        let response = stack.oneshot(request("m")).await.expect("never fails");
        assert_eq!(response.extensions().get::<Local>(), Some(&local));
        assert_eq!(told(response).await.code(), Code::DeadlineExceeded);
    }
}
