//! An attempt that runs out of its time (D15), mostly at a real server that knows the limit too and says so first.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body::Frame;
use http_body_util::StreamBody;
use resilience::attempt_timeout::AttemptTimeoutLayer;
use resilience::circuit_breaker::{CircuitBreakerLayer, Config, State};
use resilience::deadline::{DeadlineLayer, ServerDeadlineConfig, ServerDeadlineLayer, Spent};
use resilience::idempotency::{Level, Methods};
use resilience::retry::{ATTEMPTS, Backoff, Jitter, RetryConfig, RetryLayer, RetryPolicy};
use resilience::status::Local;
use tokio::time::{Instant, sleep};
use tonic::body::Body;
use tonic::transport::Channel;
use tonic::{Code, Status};
use tower::{BoxError, Layer as _, Service, ServiceBuilder, ServiceExt as _};

use crate::support::{Peer, Step, call, ms, request, serve, status, told, unary};

const CREATE: &str = "/order.v1.Order/Create";
const CHARGE: &str = "/payment.v1.Payment/Charge";
const ATTEMPT: Duration = ms(500);

/// The server's layer around a service.
fn keeping_deadlines<S>(config: &ServerDeadlineConfig, inner: S) -> Channel
where
    S: Service<Request<Body>, Response = Response<Body>> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Into<BoxError> + Send + 'static,
{
    serve(
        ServerDeadlineLayer::new(config)
            .expect("limits")
            .layer(inner),
    )
}

/// A server whose first `hanging` attempts hang, and how many it has seen.
fn hanging(hanging: usize) -> (Channel, Arc<AtomicUsize>) {
    let seen = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&seen);
    let service = unary(move |_| {
        let number = count.fetch_add(1, Ordering::Relaxed);
        async move {
            if number < hanging {
                sleep(Duration::from_secs(60)).await;
            }
            Ok("done".to_owned())
        }
    });
    let config = ServerDeadlineConfig::default();
    (keeping_deadlines(&config, service), seen)
}

fn retries() -> RetryLayer {
    let config = RetryConfig {
        max_attempts: 3,
        backoff: Backoff::Fixed { delay: ms(100) },
        jitter: Jitter::None,
        ..RetryConfig::default()
    };
    let methods = Methods::default().with(CREATE, Level::Idempotent);
    RetryLayer::new(
        RetryPolicy::new(&config).expect("a policy"),
        Arc::new(methods),
    )
}

async fn called<S>(channel: S, path: &'static str) -> Result<String, Status>
where
    S: Service<Request<Body>, Response = Response<Body>> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Into<BoxError>,
{
    let stack = ServiceBuilder::new()
        .layer(DeadlineLayer::new(Duration::from_secs(5)))
        .layer(retries())
        .layer(AttemptTimeoutLayer::new(Some(ATTEMPT)))
        .service(channel);
    call(stack, path).await
}

#[tokio::test(start_paused = true)]
async fn d15_an_attempt_that_the_server_gave_up_just_before_is_tried_again() {
    let (channel, seen) = hanging(1);
    let start = Instant::now();
    assert_eq!(called(channel, CREATE).await.expect("an answer"), "done");
    assert_eq!(seen.load(Ordering::Relaxed), 2);
    // The server answered at 480 ms, 20 ms before the timer here; then a pause of 100 ms.
    let elapsed = start.elapsed();
    assert!((ms(580)..ms(590)).contains(&elapsed), "{elapsed:?}");
}

#[tokio::test(start_paused = true)]
async fn d15_when_attempts_are_spent_the_caller_gets_the_servers_report() {
    let (channel, seen) = hanging(3);
    let status = called(channel, CREATE).await.expect_err("it hangs");
    assert_eq!(seen.load(Ordering::Relaxed), 3);
    assert_eq!(status.code(), Code::DeadlineExceeded);
    let attempts = status.metadata().get(ATTEMPTS).expect("a count");
    assert_eq!(attempts, "3");
    let spent = Spent::from_status(&status).expect("a report");
    assert_eq!(
        spent.to_string(),
        "order.v1.Order/Create own 0.480 s (unfinished)"
    );
}

#[tokio::test(start_paused = true)]
async fn r6_a_call_that_must_not_run_twice_is_not_tried_again_for_that() {
    let (channel, seen) = hanging(1);
    let status = called(channel, CHARGE).await.expect_err("it hangs");
    assert_eq!(status.code(), Code::DeadlineExceeded);
    assert_eq!(seen.load(Ordering::Relaxed), 1);
}

#[tokio::test(start_paused = true)]
async fn d15_an_answer_that_stops_after_its_head_is_an_attempt_that_ran_out_too() {
    let seen = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&seen);
    let fine = unary(|_| async { Ok("done".to_owned()) });
    let service = tower::service_fn(move |request: Request<Body>| {
        let number = count.fetch_add(1, Ordering::Relaxed);
        let mut fine = fine.clone();
        async move {
            if number > 0 {
                return fine.call(request).await;
            }
            let never = tokio_stream::pending::<Result<Frame<Bytes>, Status>>();
            let response = Response::builder()
                .header("content-type", "application/grpc")
                .body(Body::new(StreamBody::new(never)));
            Ok::<_, Infallible>(response.expect("a response"))
        }
    });
    let channel = keeping_deadlines(&ServerDeadlineConfig::default(), service);
    assert_eq!(called(channel, CREATE).await.expect("an answer"), "done");
    assert_eq!(seen.load(Ordering::Relaxed), 2);
}

#[tokio::test(start_paused = true)]
async fn r4_what_a_server_says_early_is_its_own_word_and_not_tried_again() {
    // A server that takes nothing with less than a second refuses at once.
    let seen = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&seen);
    let service = unary(move |_| {
        count.fetch_add(1, Ordering::Relaxed);
        async { Ok("done".to_owned()) }
    });
    let mut config = ServerDeadlineConfig::default();
    config.min = Duration::from_secs(1);
    let start = Instant::now();
    let refused = called(keeping_deadlines(&config, service), CREATE).await;
    let status = refused.expect_err("too little time");
    assert_eq!(status.code(), Code::DeadlineExceeded);
    assert!(status.message().contains("was not started"), "{status:?}");
    assert!(start.elapsed() < ms(100), "{:?}", start.elapsed());
    assert_eq!(seen.load(Ordering::Relaxed), 0);
}

#[tokio::test(start_paused = true)]
async fn d15_the_mark_begins_with_the_second_half_of_the_limit() {
    for (after, local) in [(249, None), (250, Some(Local::AttemptTimeout))] {
        let answer = Step::Status(status(Code::DeadlineExceeded));
        let peer = Peer::new([Step::After(ms(after), Box::new(answer))]);
        let stack = AttemptTimeoutLayer::new(Some(ATTEMPT)).layer(peer.service());
        let response = stack.oneshot(request("m")).await.expect("a response");
        assert_eq!(response.extensions().get::<Local>().copied(), local);
    }
}

#[tokio::test(start_paused = true)]
async fn d9_a_cancelled_at_the_end_of_the_attempt_is_its_expiry() {
    // tonic's own timer, in a server without the layer.
    for trailers in [false, true] {
        let cancelled = status(Code::Cancelled);
        let answer = if trailers {
            Step::Trailers(cancelled)
        } else {
            Step::Status(cancelled)
        };
        let peer = Peer::new([Step::After(ATTEMPT, Box::new(answer)), Step::Ok]);
        let stack = ServiceBuilder::new()
            .layer(retries())
            .layer(AttemptTimeoutLayer::new(Some(ATTEMPT)))
            .service(peer.service());
        let response = stack.oneshot(request("m")).await.expect("a response");
        assert_eq!(told(response).await.code(), Code::Ok);
        assert_eq!(peer.requests(), 2);
    }
}

#[tokio::test(start_paused = true)]
async fn d15_without_retries_the_report_in_the_trailers_reaches_the_caller() {
    let report = status(Code::DeadlineExceeded).with_retry_after(ms(5));
    let peer = Peer::new([Step::After(ms(490), Box::new(Step::MessageThen(report)))]);
    let stack = ServiceBuilder::new()
        .layer(DeadlineLayer::new(Duration::from_secs(5)))
        .layer(AttemptTimeoutLayer::new(Some(ATTEMPT)))
        .service(peer.service());
    let response = stack.oneshot(request("m")).await.expect("a response");
    let status = told(response).await;
    assert_eq!(status.code(), Code::DeadlineExceeded);
    assert_eq!(status.message(), "DeadlineExceeded");
    assert_eq!(status.details().retry_delay(), Some(ms(5)));
}

#[tokio::test(start_paused = true)]
async fn b12_a_server_that_gives_up_with_the_attempt_trips_the_breaker_however_short_it_was() {
    let (channel, _) = hanging(usize::MAX);
    let rules = Config {
        consecutive_failures: Some(2),
        ..Config::default()
    };
    let limit = rules.fair_time / 2;
    let breaker = CircuitBreakerLayer::new("order", &rules).expect("rules");
    for expected in [State::Closed, State::Open] {
        let stack = ServiceBuilder::new()
            .layer(DeadlineLayer::new(Duration::from_secs(5)))
            .layer(breaker.clone())
            .layer(AttemptTimeoutLayer::new(Some(limit)))
            .service(channel.clone());
        let status = call(stack, CREATE).await.expect_err("it hangs");
        assert_eq!(status.code(), Code::DeadlineExceeded);
        assert_eq!(breaker.breaker(CREATE).expect("one").state(), expected);
    }
}
