//! The retry layer on HTTP: what is sent, when, and what the caller is told in the end.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body::Frame;
use http_body_util::{BodyExt as _, StreamBody};
use resilience::attempt_timeout::AttemptTimeoutLayer;
use resilience::circuit_breaker::{CircuitBreakerLayer, Config, OpenTime};
use resilience::deadline::DeadlineLayer;
use resilience::idempotency::{IDEMPOTENCY_KEY, Level, Methods};
use resilience::retry::{
    Attempts, Backoff, BudgetConfig, CodeName, Jitter, RetryConfig, RetryLayer, RetryPolicy, Stop,
    Stopped, Switch,
};
use resilience::status::{Local, WireStatus};
use tonic::Code;
use tonic::body::Body;
use tower::{Layer as _, ServiceBuilder, ServiceExt as _};

use crate::support::{Peer, Step, channel, go_away, ms, request, serve, status, told, unary};

fn config() -> RetryConfig {
    RetryConfig {
        max_attempts: 4,
        backoff: Backoff::Fixed { delay: ms(100) },
        jitter: Jitter::None,
        throttle: Switch::OFF,
        ..RetryConfig::default()
    }
}

fn layer(config: &RetryConfig) -> RetryLayer {
    let methods = Methods::default()
        .with("/order.v1.Order/Create", Level::Idempotent)
        .with("/order.v1.Order/Get", Level::NoSideEffects);
    RetryLayer::new(
        RetryPolicy::new(config).expect("a policy"),
        Arc::new(methods),
    )
}

async fn call(
    peer: &Arc<Peer>,
    config: &RetryConfig,
    request: Request<Body>,
) -> http::Response<Body> {
    let response = layer(config).layer(peer.service()).oneshot(request).await;
    response.expect("a response")
}

fn unavailable() -> Step {
    Step::Status(status(Code::Unavailable))
}

fn stop_of(response: &http::Response<Body>) -> Option<Stop> {
    response
        .extensions()
        .get::<Stopped>()
        .map(|stopped| stopped.0)
}

#[tokio::test(start_paused = true)]
async fn listing_6_3_linear_backoff_on_unavailable_and_resource_exhausted_five_attempts() {
    let peer = Peer::new([
        unavailable(),
        Step::Status(status(Code::ResourceExhausted)),
        unavailable(),
        unavailable(),
        Step::Ok,
    ]);
    let config = RetryConfig {
        max_attempts: 5,
        backoff: Backoff::Linear {
            step: Duration::from_secs(1),
            max: Duration::from_secs(10),
        },
        codes: [CodeName::Unavailable, CodeName::ResourceExhausted].into(),
        ..config()
    };
    let response = call(&peer, &config, request("user 23, order 2344")).await;
    assert_eq!(response.extensions().get::<Attempts>(), Some(&Attempts(5)));
    assert_eq!(told(response).await.code(), Code::Ok);
    let seconds: Vec<_> = peer.times().iter().map(Duration::as_secs).collect();
    assert_eq!(seconds, [0, 1, 3, 6, 10]);
}

#[tokio::test(start_paused = true)]
async fn r11_every_attempt_sends_the_same_bytes_and_says_how_many_came_before() {
    let peer = Peer::new([unavailable(), unavailable(), unavailable(), Step::Ok]);
    let mut keyed = request("the message");
    keyed
        .headers_mut()
        .insert(IDEMPOTENCY_KEY, "k-7".parse().expect("a value"));
    let response = call(&peer, &config(), keyed).await;
    assert_eq!(told(response).await.code(), Code::Ok);
    assert_eq!(
        peer.each(|seen| seen.body.clone()),
        vec![Bytes::from("the message"); 4]
    );
    let count = |n: &str| Some(n.to_owned());
    assert_eq!(
        peer.header("grpc-previous-rpc-attempts"),
        [None, count("1"), count("2"), count("3")]
    );
    // R7: the key is the same each time.
    assert_eq!(peer.header("idempotency-key"), vec![count("k-7"); 4]);
}

#[tokio::test(start_paused = true)]
async fn r14_when_attempts_are_spent_the_last_status_comes_unchanged_with_the_count() {
    let last = status(Code::Unavailable).with_reason("DATABASE", [("table", "orders")]);
    let peer = Peer::new([
        unavailable(),
        unavailable(),
        unavailable(),
        Step::Status(last.clone()),
    ]);
    let response = call(&peer, &config(), request("m")).await;
    assert_eq!(stop_of(&response), Some(Stop::Exhausted));
    assert_eq!(response.headers()["resilience-attempts"], "4");
    assert_eq!(told(response).await, last);
}

#[tokio::test(start_paused = true)]
async fn r15_a_status_in_trailers_without_a_message_is_retried_too() {
    let peer = Peer::new([Step::Trailers(status(Code::Unavailable)), Step::Ok]);
    let response = call(&peer, &config(), request("m")).await;
    assert_eq!(told(response).await.code(), Code::Ok);
    assert_eq!(peer.requests(), 2);

    let final_status = status(Code::NotFound);
    let peer = Peer::new([Step::Trailers(final_status.clone())]);
    let response = call(&peer, &config(), request("m")).await;
    assert_eq!(told(response).await, final_status);
}

#[tokio::test(start_paused = true)]
async fn r8_after_a_message_nothing_is_retried_and_nothing_is_lost() {
    let peer = Peer::new([Step::MessageThen(status(Code::Unavailable))]);
    let response = call(&peer, &config(), request("m")).await;
    let body = response.into_body().collect().await.expect("a whole body");
    let trailers = body.trailers().and_then(WireStatus::from_headers);
    assert_eq!(trailers, Some(status(Code::Unavailable)));
    assert_eq!(body.to_bytes(), Bytes::from_static(b"\0\0\0\0\0"));
    assert_eq!(peer.requests(), 1);
}

#[tokio::test(start_paused = true)]
async fn b13_an_http_503_without_a_grpc_status_is_unavailable() {
    let peer = Peer::new([Step::Http(503), Step::Http(404)]);
    let response = call(&peer, &config(), request("m")).await;
    assert_eq!(response.status(), 404);
    assert_eq!(peer.requests(), 2);
}

#[tokio::test(start_paused = true)]
async fn r6_a_method_that_does_not_say_it_is_idempotent_is_sent_once() {
    let mut unknown = request("m");
    *unknown.uri_mut() = "/order.v1.Order/Charge".parse().expect("a path");
    let peer = Peer::new([unavailable()]);
    let response = call(&peer, &config(), unknown).await;
    assert_eq!(stop_of(&response), Some(Stop::NotIdempotent));
    assert_eq!(peer.requests(), 1);
}

#[tokio::test(start_paused = true)]
async fn r6_but_again_when_no_connection_came_about() {
    let refused = || {
        let error = std::io::Error::new(std::io::ErrorKind::ConnectionRefused, "refused");
        Step::Fail(tonic::ConnectError(error.into()).into())
    };
    let mut unknown = request("m");
    *unknown.uri_mut() = "/order.v1.Order/Charge".parse().expect("a path");
    let peer = Peer::new([refused(), refused(), Step::Ok]);
    let response = call(&peer, &config(), unknown).await;
    assert_eq!(told(response).await.code(), Code::Ok);
    assert_eq!(peer.times(), [ms(0), ms(100), ms(200)]);
}

#[tokio::test(start_paused = true)]
async fn an_error_of_the_transport_becomes_unavailable_with_its_cause() {
    let broken = || {
        let error = std::io::Error::new(std::io::ErrorKind::BrokenPipe, "broken pipe");
        Step::Fail(error.into())
    };
    let peer = Peer::new([broken(), broken(), broken(), broken()]);
    let status = told(call(&peer, &config(), request("m")).await).await;
    assert_eq!(status.code(), Code::Unavailable);
    assert_eq!(
        status.message(),
        "the connection failed during order.v1.Order/Create, which may have been carried out: broken pipe"
    );
}

#[tokio::test(start_paused = true)]
async fn p1_p2_the_servers_pushback_is_obeyed() {
    let pushed = |value| {
        let name = "grpc-retry-pushback-ms";
        Step::StatusWith(status(Code::Unavailable), name, value)
    };
    let peer = Peer::new([pushed("1000"), unavailable(), pushed("-1")]);
    let response = call(&peer, &config(), request("m")).await;
    assert_eq!(stop_of(&response), Some(Stop::Pushback));
    assert_eq!(peer.times(), [ms(0), ms(1000), ms(1100)]);
}

#[tokio::test(start_paused = true)]
async fn p5_retry_info_is_a_minimum() {
    let later = status(Code::ResourceExhausted).with_retry_after(ms(700));
    let peer = Peer::new([Step::Status(later), Step::Ok]);
    let response = call(&peer, &config(), request("m")).await;
    assert_eq!(told(response).await.code(), Code::Ok);
    assert_eq!(peer.times(), [ms(0), ms(700)]);
}

#[tokio::test(start_paused = true)]
async fn streaming_requests_are_never_kept_and_have_one_attempt() {
    let (sender, receiver) = tokio::sync::mpsc::channel(1);
    let frames = tokio_stream::wrappers::ReceiverStream::new(receiver);
    let mut streaming = request("");
    *streaming.body_mut() = Body::new(StreamBody::new(frames));
    let peer = Peer::new([unavailable()]);
    let calling = tokio::spawn({
        let stack = layer(&config()).layer(peer.service());
        stack.oneshot(streaming)
    });
    for text in ["one", "two"] {
        let frame = Ok::<_, tonic::Status>(Frame::data(Bytes::from_static(text.as_bytes())));
        sender.send(frame).await.expect("the peer reads");
    }
    drop(sender);
    let response = calling.await.expect("no panic").expect("a response");
    assert_eq!(told(response).await, status(Code::Unavailable));
    assert_eq!(peer.each(|seen| seen.body.clone()), ["onetwo"]);
}

#[tokio::test(start_paused = true)]
async fn the_head_of_an_answer_to_a_stream_is_not_held_back_until_its_first_message() {
    // The caller of a two-way stream may send only once it has the head: waiting for a message would be for ever.
    let answers_at_once = tower::service_fn(|_: Request<Body>| async {
        let never = tokio_stream::pending::<Result<Frame<Bytes>, tonic::Status>>();
        let response = http::Response::new(Body::new(StreamBody::new(never)));
        Ok::<_, tower::BoxError>(response)
    });
    let never = tokio_stream::pending::<Result<Frame<Bytes>, tonic::Status>>();
    let mut two_way = request("");
    *two_way.body_mut() = Body::new(StreamBody::new(never));

    // Nor that of a method which its .proto file says to answer with a stream.
    let mut watch = request("m");
    *watch.uri_mut() = "/order.v1.Order/Watch".parse().expect("a path");
    let descriptors = prost_types::FileDescriptorSet {
        file: vec![prost_types::FileDescriptorProto {
            package: Some("order.v1".into()),
            service: vec![prost_types::ServiceDescriptorProto {
                name: Some("Order".into()),
                method: vec![prost_types::MethodDescriptorProto {
                    name: Some("Watch".into()),
                    server_streaming: Some(true),
                    ..Default::default()
                }],
                ..Default::default()
            }],
            ..Default::default()
        }],
    };
    let descriptors = prost::Message::encode_to_vec(&descriptors);
    let methods = Methods::from_descriptor_set(&descriptors).expect("a set");
    let policy = RetryPolicy::new(&config()).expect("a policy");
    let stack = RetryLayer::new(policy, Arc::new(methods)).layer(answers_at_once);
    for request in [two_way, watch] {
        let head = tokio::time::timeout(ms(1), stack.clone().oneshot(request)).await;
        head.expect("at once").expect("a response");
    }
}

#[tokio::test(start_paused = true)]
async fn r9_a_request_over_the_limit_goes_out_whole_and_once() {
    let small = RetryConfig {
        max_replay: 4,
        ..config()
    };
    let peer = Peer::new([unavailable()]);
    let response = call(&peer, &small, request("12345")).await;
    assert_eq!(told(response).await.code(), Code::Unavailable);
    assert_eq!(peer.each(|seen| seen.body.clone()), ["12345"]);
}

#[tokio::test(start_paused = true)]
async fn r13_nothing_survives_a_caller_that_drops_the_call() {
    let peer = Peer::new([unavailable(), Step::Ok]);
    let calling = layer(&config()).layer(peer.service()).oneshot(request("m"));
    assert!(tokio::time::timeout(ms(50), calling).await.is_err());
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(peer.requests(), 1);
}

/// The whole stack of a client over the peer.
fn stack(
    peer: &Arc<Peer>,
    retry: &RetryConfig,
    breaker: &Config,
    deadline: Duration,
    attempt: Option<Duration>,
) -> impl tower::Service<
    Request<Body>,
    Response = http::Response<Body>,
    Error = std::convert::Infallible,
    Future: Send,
> + Clone
+ use<> {
    ServiceBuilder::new()
        .layer(DeadlineLayer::new(deadline))
        .layer(layer(retry))
        .layer(CircuitBreakerLayer::new("order", breaker).expect("rules"))
        .layer(AttemptTimeoutLayer::new(attempt))
        .service(peer.service())
}

/// gax 1.15 ends this one at 1.9 s: it computes what is left before the pause.
#[tokio::test(start_paused = true)]
async fn d8_overshoot_the_last_attempt_gets_what_is_left_after_the_pause() {
    let slow = RetryConfig {
        backoff: Backoff::Fixed { delay: ms(900) },
        ..config()
    };
    let peer = Peer::new([unavailable(), Step::Hang]);
    let start = tokio::time::Instant::now();
    let calling = stack(&peer, &slow, &Config::default(), ms(1000), None);
    let response = calling.oneshot(request("m")).await.expect("a response");
    assert_eq!(told(response).await.code(), Code::DeadlineExceeded);
    let elapsed = start.elapsed();
    assert!(elapsed <= ms(1001), "{elapsed:?}");
    assert_eq!(
        peer.header("grpc-timeout"),
        [Some("1000000u".to_owned()), Some("100000u".to_owned())]
    );
}

#[tokio::test(start_paused = true)]
async fn d8_without_a_layer_for_attempts_the_timeout_that_is_sent_shrinks_all_the_same() {
    let peer = Peer::new([unavailable(), unavailable(), Step::Ok]);
    let stack = ServiceBuilder::new()
        .layer(DeadlineLayer::new(ms(1000)))
        .layer(layer(&config()))
        .service(peer.service());
    stack.oneshot(request("m")).await.expect("a response");
    let sent: Vec<_> = peer.header("grpc-timeout").into_iter().flatten().collect();
    assert_eq!(sent, ["1000000u", "900000u", "800000u"]);
}

#[tokio::test(start_paused = true)]
async fn t3_t6_with_nothing_but_failures_the_budget_bounds_what_all_callers_send() {
    let peer = Peer::new((0..1000).map(|_| unavailable()));
    let budgeted = RetryConfig {
        backoff: Backoff::Fixed { delay: ms(1) },
        budget: Switch::On(BudgetConfig {
            ratio: 0.2,
            per_second: 0,
            window: Duration::from_secs(10),
        }),
        ..config()
    };
    let stack = layer(&budgeted).layer(peer.service());
    let mut callers = tokio::task::JoinSet::new();
    for _ in 0..100 {
        callers.spawn(stack.clone().oneshot(request("m")));
    }
    let mut throttled = 0;
    while let Some(response) = callers.join_next().await {
        let response = response.expect("no panic").expect("a response");
        throttled += u32::from(stop_of(&response) == Some(Stop::Throttled));
        assert_eq!(told(response).await, status(Code::Unavailable));
    }
    assert_eq!(peer.requests(), 120);
    assert!(throttled >= 90, "{throttled}");
}

#[tokio::test(start_paused = true)]
async fn t7_calls_that_were_refused_on_this_side_give_the_budget_nothing() {
    let budgeted = RetryConfig {
        budget: Switch::On(BudgetConfig {
            ratio: 0.5,
            per_second: 0,
            window: Duration::from_secs(10),
        }),
        ..config()
    };
    for (refused, attempts) in [(0, 1), (50, 1)] {
        let peer = Peer::new((0..9).map(|_| unavailable()));
        let seen = Arc::new(std::sync::atomic::AtomicUsize::new(0));
        let behind = peer.service();
        let stack = layer(&budgeted).layer(tower::service_fn(move |request| {
            let number = seen.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            let behind = behind.clone();
            async move {
                if number < refused {
                    let retry_after = ms(10);
                    let open = Local::CircuitOpen { retry_after };
                    return Ok(status(Code::Unavailable).into_local_response(open));
                }
                behind.oneshot(request).await
            }
        }));
        for _ in 0..=refused {
            let response = stack.clone().oneshot(request("m")).await;
            response.expect("a response");
        }
        assert_eq!(peer.requests(), attempts, "{refused}");
    }
}

#[tokio::test(start_paused = true)]
async fn d7_a_pause_that_would_outlast_the_deadline_is_not_slept_and_the_real_status_is_told() {
    let slow = RetryConfig {
        backoff: Backoff::Fixed { delay: ms(900) },
        ..config()
    };
    let peer = Peer::new([unavailable()]);
    let start = tokio::time::Instant::now();
    let calling = stack(&peer, &slow, &Config::default(), ms(500), None);
    let response = calling.oneshot(request("m")).await.expect("a response");
    assert_eq!(stop_of(&response), Some(Stop::DeadlineWouldPass));
    assert_eq!(told(response).await, status(Code::Unavailable));
    assert_eq!(start.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn d15_an_attempt_that_hangs_is_cut_and_tried_again() {
    let peer = Peer::new([Step::Hang, Step::HangAfterHead, Step::Ok]);
    let calling = stack(
        &peer,
        &config(),
        &Config::default(),
        ms(5000),
        Some(ms(300)),
    );
    let response = calling.oneshot(request("m")).await.expect("a response");
    assert_eq!(told(response).await.code(), Code::Ok);
    assert_eq!(peer.times(), [ms(0), ms(400), ms(800)]);
}

#[tokio::test(start_paused = true)]
async fn d15_only_when_no_attempt_is_left_the_caller_is_told_of_an_attempts_timeout() {
    let peer = Peer::new([Step::Hang, Step::Hang]);
    let two = RetryConfig {
        max_attempts: 2,
        ..config()
    };
    let calling = stack(&peer, &two, &Config::default(), ms(5000), Some(ms(300)));
    let response = calling.oneshot(request("m")).await.expect("a response");
    let status = told(response).await;
    assert_eq!(status.code(), Code::DeadlineExceeded);
    let info = status
        .details()
        .get::<tonic_types::pb::ErrorInfo>()
        .expect("an ErrorInfo");
    assert_eq!(info.reason, "ATTEMPT_TIMEOUT");
}

#[tokio::test(start_paused = true)]
async fn b20_an_open_circuit_is_not_knocked_at_and_does_not_hide_what_the_server_said() {
    let breaker = Config {
        consecutive_failures: Some(2),
        open: OpenTime::constant(Duration::from_secs(4)),
        ..Config::default()
    };
    let peer = Peer::new([unavailable(), unavailable()]);
    let stack = stack(&peer, &config(), &breaker, ms(5000), None);
    let first = stack
        .clone()
        .oneshot(request("m"))
        .await
        .expect("a response");
    assert_eq!(stop_of(&first), Some(Stop::Rejected));
    assert_eq!(told(first).await, status(Code::Unavailable));
    assert_eq!(peer.requests(), 2);

    let start = tokio::time::Instant::now();
    let second = stack.oneshot(request("m")).await.expect("a response");
    let status = told(second).await;
    assert_eq!(status.code(), Code::Unavailable);
    assert_eq!(
        status.details().retry_delay(),
        Some(Duration::from_millis(3900))
    );
    assert_eq!((peer.requests(), start.elapsed()), (2, Duration::ZERO));
}

// === over real connections, in memory ===

/// What a hand-made HTTP/2 server does with its first requests.
#[derive(Clone, Copy)]
enum Trouble {
    /// RST_STREAM with REFUSED_STREAM.
    RefuseStream,
    /// GOAWAY with NO_ERROR, below the number of the request's stream.
    GoAway,
    /// The connection breaks while the request is handled.
    Break,
}

async fn trouble(io: tokio::io::DuplexStream, trouble: Trouble) {
    if let Trouble::GoAway = trouble {
        let _ = go_away(io).await;
        return;
    }
    let Ok(mut connection) = h2::server::handshake(io).await else {
        return;
    };
    while let Some(Ok((_request, mut respond))) = connection.accept().await {
        match trouble {
            Trouble::RefuseStream => respond.send_reset(h2::Reason::REFUSED_STREAM),
            Trouble::GoAway | Trouble::Break => return,
        }
    }
}

/// A channel whose first connection is in trouble and whose others are served well.
fn first_in(kind: Trouble) -> tonic::transport::Channel {
    let (accept, incoming) = tokio::sync::mpsc::channel(8);
    tokio::spawn(tonic::transport::Server::builder().serve_with_incoming(
        unary(|_| async { Ok("done".to_owned()) }),
        tokio_stream::wrappers::ReceiverStream::new(incoming),
    ));
    let connections = std::sync::atomic::AtomicU32::new(0);
    channel(move || {
        let first = connections.fetch_add(1, std::sync::atomic::Ordering::Relaxed) == 0;
        let accept = accept.clone();
        async move {
            let (near, far) = tokio::io::duplex(64 * 1024);
            if first {
                tokio::spawn(async move {
                    let served = trouble(far, kind);
                    // Whatever it does, it closes after a while, so that the next connection comes about.
                    let _ = tokio::time::timeout(ms(1), served).await;
                });
            } else {
                let far = Ok::<_, std::io::Error>(far);
                accept.send(far).await.map_err(std::io::Error::other)?;
            }
            Ok(near)
        }
    })
}

#[tokio::test(start_paused = true)]
async fn r6_r10_what_the_server_says_it_did_not_process_is_sent_again_even_if_it_must_not_run_twice()
 {
    // A refused stream leaves its connection open, on which it is refused again: hence the pause of the policy.
    for kind in [Trouble::RefuseStream, Trouble::GoAway] {
        let stack = layer(&config()).layer(first_in(kind));
        let called = crate::support::call(stack, "/order.v1.Order/Charge").await;
        assert_eq!(called.expect("an answer"), "done");
    }
}

#[tokio::test(start_paused = true)]
async fn r6_a_connection_that_breaks_under_way_is_tried_again_only_if_the_call_may_run_twice() {
    let stack = layer(&config()).layer(first_in(Trouble::Break));
    let called = crate::support::call(stack, "/order.v1.Order/Create").await;
    assert_eq!(called.expect("an answer"), "done");

    let stack = layer(&config()).layer(first_in(Trouble::Break));
    let status = crate::support::call(stack, "/order.v1.Order/Charge")
        .await
        .expect_err("once");
    assert_eq!(status.code(), Code::Unavailable, "{status:?}");
    assert!(
        status.message().contains("may have been carried out"),
        "{status:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn r10_a_server_that_always_refuses_is_tried_once_more_and_then_by_the_policy() {
    let channel = channel(|| async {
        let (near, far) = tokio::io::duplex(64 * 1024);
        tokio::spawn(trouble(far, Trouble::RefuseStream));
        Ok(near)
    });
    let stack = ServiceBuilder::new()
        .layer(DeadlineLayer::new(Duration::from_secs(5)))
        .layer(layer(&config()))
        .service(channel);
    let status = crate::support::call(stack, "/order.v1.Order/Create")
        .await
        .expect_err("refused for ever");
    assert_eq!(status.code(), Code::Unavailable, "{status:?}");
    assert!(
        status
            .message()
            .starts_with("the server did not take order.v1.Order/Create"),
        "{status:?}"
    );
    let attempts = status.metadata().get("resilience-attempts");
    assert_eq!(attempts.and_then(|n| n.to_str().ok()), Some("4"));
}

#[tokio::test(start_paused = true)]
async fn a_caller_without_retries_gets_its_answer_through_the_layer_unchanged() {
    let channel = serve(unary(|request| async move {
        Err(tonic::Status::not_found(request.into_inner()))
    }));
    let off = layer(&RetryConfig::off());
    let status = crate::support::call(off.layer(channel), "/order.v1.Order/Get")
        .await
        .expect_err("not found");
    assert_eq!(
        (status.code(), status.message()),
        (Code::NotFound, "a message")
    );
}
