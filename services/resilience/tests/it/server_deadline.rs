//! The server's deadline: what it lets in, when it stops, and what it answers.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use http::{Request, Response};
use http_body::Frame;
use http_body_util::{BodyExt as _, StreamBody};
use resilience::deadline::{
    self, RESERVE, ServerDeadlineConfig, ServerDeadlineError, ServerDeadlineLayer, Spent, reserve,
};
use resilience::status::WireStatus;
use tokio::time::Instant;
use tonic::Code;
use tonic::body::Body;
use tower::{Layer as _, Service, ServiceExt as _};

use crate::support::{Peer, Step, ms, request, status, told};

fn layer(text: &str) -> ServerDeadlineLayer {
    let config: ServerDeadlineConfig = toml::from_str(text).expect("a configuration");
    ServerDeadlineLayer::new(&config).expect("limits that hold together")
}

fn timed(timeout: &'static str) -> Request<Body> {
    let mut request = request("m");
    request
        .headers_mut()
        .insert("grpc-timeout", timeout.parse().expect("a value"));
    request
}

/// A handler that reports the time it has, in milliseconds, as its message.
fn remaining()
-> impl Service<Request<Body>, Response = Response<Body>, Error = Infallible, Future: Send> + Clone
{
    tower::service_fn(|_: Request<Body>| async {
        let left = deadline::current().expect("always one").remaining();
        Ok(WireStatus::new(Code::Ok, left.as_millis().to_string()).into_response())
    })
}

#[tokio::test(start_paused = true)]
async fn d12_the_clients_timeout_is_clamped_and_without_one_the_default_holds() {
    let layer = layer(
        r#"
        default = "5s"
        max = "30s"
        [methods."order.v1.Order/Create"]
        max = "10s"
        "#,
    );
    for (request, millis) in [
        (request("m"), "5000"),
        (timed("2S"), "1980"),
        (timed("100m"), "95"),
        (timed("1H"), "9980"),
        (timed("99999999H"), "9980"),
    ] {
        let called = layer.layer(remaining()).oneshot(request).await;
        assert_eq!(told(called.expect("an answer")).await.message(), millis);
    }
    let mut other = timed("1H");
    *other.uri_mut() = "/order.v1.Order/Get".parse().expect("a path");
    let called = layer.layer(remaining()).oneshot(other).await;
    assert_eq!(told(called.expect("an answer")).await.message(), "29980");
}

#[test]
fn the_reserve_is_a_twentieth_and_at_most_what_is_configured() {
    assert_eq!(reserve(Duration::from_secs(3), RESERVE), ms(20));
    assert_eq!(reserve(Duration::from_secs(3), ms(70)), ms(70));
    assert_eq!(reserve(ms(100), RESERVE), ms(5));
    assert_eq!(reserve(ms(100), Duration::MAX), ms(5));
    assert_eq!(reserve(ms(100), Duration::ZERO), Duration::ZERO);
    assert_eq!(reserve(Duration::ZERO, RESERVE), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn the_reserve_that_is_configured_is_kept_back_of_what_the_caller_gave() {
    for (text, millis) in [
        ("", "1980"),
        ("reserve = \"50ms\"", "1950"),
        ("reserve = \"1h\"", "1900"),
        ("reserve = \"0s\"", "2000"),
    ] {
        let called = layer(text).layer(remaining()).oneshot(timed("2S")).await;
        let status = told(called.expect("an answer")).await;
        assert_eq!(status.message(), millis, "{text}");
    }
    // Nobody waits for the report of a request without a timeout.
    let called = layer("reserve = \"50ms\"").layer(remaining());
    let called = called.oneshot(request("m")).await;
    assert_eq!(told(called.expect("an answer")).await.message(), "5000");
}

#[tokio::test(start_paused = true)]
async fn d1_a_malformed_timeout_is_refused_and_the_handler_not_run() {
    let peer = Peer::new([Step::Ok]);
    let mut twice = timed("1S");
    twice
        .headers_mut()
        .append("grpc-timeout", "2S".parse().expect("a value"));
    let requests = ["18f6n", "", "1", "-1S", "000000000S", "123456789S"]
        .map(timed)
        .into_iter()
        .chain([twice]);
    for request in requests {
        let called = layer("").layer(peer.service()).oneshot(request).await;
        let status = told(called.expect("an answer")).await;
        assert_eq!(status.code(), Code::Internal);
        assert!(status.message().contains("malformed grpc-timeout"));
    }
    assert_eq!(peer.requests(), 0);
}

#[tokio::test(start_paused = true)]
async fn d11_a_request_with_too_little_left_is_refused_before_the_handler() {
    let peer = Peer::new([Step::Ok]);
    let layer = layer("min = \"50ms\"");
    for (timeout, code) in [
        ("0n", Code::DeadlineExceeded),
        ("49999u", Code::DeadlineExceeded),
        ("50m", Code::Ok),
    ] {
        let called = layer.layer(peer.service()).oneshot(timed(timeout)).await;
        assert_eq!(
            told(called.expect("an answer")).await.code(),
            code,
            "{timeout}"
        );
    }
    assert_eq!(peer.requests(), 1);
}

/// Counts the handlers that were dropped before their end.
struct Dropped(Arc<AtomicU32>);

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[tokio::test(start_paused = true)]
async fn d10_at_its_deadline_the_handler_is_dropped_and_the_answer_says_where_the_time_went() {
    let dropped = Arc::new(AtomicU32::new(0));
    let count = Arc::clone(&dropped);
    let handler = tower::service_fn(move |_: Request<Body>| {
        let guard = Dropped(Arc::clone(&count));
        async move {
            tokio::time::sleep(Duration::from_secs(2)).await;
            std::mem::forget(guard);
            Ok::<_, Infallible>(status(Code::Ok).into_response())
        }
    });
    let start = Instant::now();
    let called = layer("").layer(handler).oneshot(timed("1S")).await;
    assert_eq!(start.elapsed(), ms(980));
    assert_eq!(dropped.load(Ordering::Relaxed), 1);
    let status = told(called.expect("an answer")).await;
    assert_eq!(status.code(), Code::DeadlineExceeded);
    assert_eq!(
        status.message(),
        "order.v1.Order/Create did not end within the 0.980 s that it had"
    );
    let spent = Spent::from_details(status.details()).expect("a report");
    assert_eq!(
        spent.to_string(),
        "order.v1.Order/Create own 0.980 s (unfinished)"
    );
}

#[tokio::test(start_paused = true)]
async fn d10_a_stream_ends_at_its_deadline_with_trailers_and_runs_in_its_scope() {
    let handler = tower::service_fn(|_: Request<Body>| async {
        let frames = tokio_stream::StreamExt::throttle(
            tokio_stream::iter(0..100).map(|_| {
                assert!(deadline::current().is_some(), "items are made in the scope");
                Ok::<_, tonic::Status>(Frame::data(bytes::Bytes::from_static(b"x")))
            }),
            ms(300),
        );
        let body = Body::new(StreamBody::new(Box::pin(frames)));
        Ok::<_, Infallible>(Response::new(body))
    });
    use tokio_stream::StreamExt as _;
    let start = Instant::now();
    let called = layer("").layer(handler).oneshot(timed("1S")).await;
    let body = called.expect("an answer").into_body();
    let whole = body.collect().await.expect("no error");
    assert_eq!(start.elapsed(), ms(980));
    let status = whole.trailers().and_then(WireStatus::from_headers);
    let status = status.expect("a status");
    assert_eq!(status.code(), Code::DeadlineExceeded);
    assert!(Spent::from_details(status.details()).is_some());
    assert_eq!(whole.to_bytes(), "xxxx");
}

#[tokio::test(start_paused = true)]
async fn a_handlers_own_deadline_exceeded_gets_the_hops_and_keeps_its_other_details() {
    let answer = status(Code::DeadlineExceeded)
        .with_reason("DEADLINE_EXCEEDED", [("hop.1", "someone/Else 9.000 s")])
        .with_retry_after(ms(5));
    for step in [Step::Status(answer.clone()), Step::Trailers(answer)] {
        let peer = Peer::new([Step::After(ms(100), Box::new(step))]);
        let called = layer("").layer(peer.service()).oneshot(timed("1S")).await;
        let status = told(called.expect("an answer")).await;
        assert_eq!(status.message(), "DeadlineExceeded");
        assert_eq!(status.details().retry_delay(), Some(ms(5)));
        let spent = Spent::from_details(status.details()).expect("a report");
        assert_eq!(spent.to_string(), "order.v1.Order/Create own 0.100 s");
    }
}

#[test]
fn limits_that_contradict_each_other_are_refused_in_words() {
    for (text, place) in [
        ("default = \"31s\"", "deadlines contradict"),
        ("min = \"6s\"", "deadlines contradict"),
        ("default = \"0s\"", "deadlines contradict"),
        (
            "methods = { \"a.A/B\" = { min = \"7s\" } }",
            "deadlines for a.A/B contradict",
        ),
        ("methods = { \"a.A\" = {} }", "names no method"),
    ] {
        let config: ServerDeadlineConfig = toml::from_str(text).expect(text);
        let error: ServerDeadlineError = ServerDeadlineLayer::new(&config).expect_err(text);
        assert!(error.to_string().contains(place), "{error}");
    }
    assert!(toml::from_str::<ServerDeadlineConfig>("maximum = \"1s\"").is_err());
}
