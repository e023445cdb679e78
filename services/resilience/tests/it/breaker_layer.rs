//! The breaker as a layer: which answers count, what a refusal says, and that no permit is lost.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use http_body_util::BodyExt as _;
use resilience::attempt_timeout::AttemptTimeoutLayer;
use resilience::circuit_breaker::{
    CircuitBreakerLayer, Config, FailureRatio, HalfOpen, Key, OpenTime, State, Window,
};
use resilience::deadline::DeadlineLayer;
use resilience::idempotency::{Level, Methods};
use resilience::retry::{Backoff, Jitter, RetryConfig, RetryLayer, RetryPolicy};
use resilience::status::Local;
use resilience::status::transport::Reached;
use tonic::Code;
use tonic_types::pb::ErrorInfo;
use tower::{Layer as _, ServiceBuilder, ServiceExt as _};

use crate::support::{Peer, Step, channel, go_away, ms, request, status, told};

fn config() -> Config {
    Config {
        consecutive_failures: Some(2),
        open: OpenTime::constant(Duration::from_secs(4)),
        half_open: HalfOpen::requests(1),
        ..Config::default()
    }
}

fn layer(config: &Config) -> CircuitBreakerLayer {
    CircuitBreakerLayer::new("order", config).expect("rules")
}

async fn call(layer: &CircuitBreakerLayer, peer: &Arc<Peer>) -> http::Response<tonic::body::Body> {
    let response = layer.layer(peer.service()).oneshot(request("m")).await;
    response.expect("a response")
}

fn state(layer: &CircuitBreakerLayer) -> State {
    let breaker = layer.breaker("/order.v1.Order/Create");
    breaker.expect("it was called").state()
}

fn unavailable() -> Step {
    Step::Status(status(Code::Unavailable))
}

#[tokio::test(start_paused = true)]
async fn b12_b13_trouble_counts_wherever_it_is_said() {
    let broken = || std::io::Error::new(std::io::ErrorKind::BrokenPipe, "broken pipe");
    for trouble in [
        [unavailable(), unavailable()],
        [
            Step::Trailers(status(Code::Internal)),
            Step::MessageThen(status(Code::DataLoss)),
        ],
        [Step::Http(503), Step::Http(404)],
    ] {
        let (layer, peer) = (layer(&config()), Peer::new(trouble));
        for _ in 0..2 {
            let _ = told(call(&layer, &peer).await).await;
        }
        assert_eq!(state(&layer), State::Open);
    }
    let layer = layer(&config());
    let peer = Peer::new([Step::Fail(broken().into()), Step::Fail(broken().into())]);
    for _ in 0..2 {
        let called = layer.layer(peer.service()).oneshot(request("m")).await;
        assert!(called.is_err());
    }
    assert_eq!(state(&layer), State::Open);
}

#[tokio::test(start_paused = true)]
async fn b12_a_clients_mistake_never_trips_it() {
    let mistakes = [3, 5, 6, 7, 9, 10, 11, 12, 16].map(Code::from);
    let peer = Peer::new(
        mistakes
            .into_iter()
            .flat_map(|code| [Step::Status(status(code)), Step::Trailers(status(code))]),
    );
    let layer = layer(&config());
    for _ in 0..2 * mistakes.len() {
        let _ = told(call(&layer, &peer).await).await;
    }
    let breaker = layer.breaker("/order.v1.Order/Create").expect("called");
    let counts = breaker.snapshot().counts;
    assert_eq!((counts.successes, counts.failures), (18, 0));
}

/// Listings 6.5 and 6.6: a server that fails every second call, and a ratio of 0.1 with a volume.
#[tokio::test(start_paused = true)]
async fn listing_6_6_every_second_call_fails_and_the_changes_are_told() {
    let told_changes = Arc::new(Mutex::new(Vec::new()));
    let tell = Arc::clone(&told_changes);
    let layer = layer(&Config {
        consecutive_failures: None,
        failure_ratio: Some(FailureRatio {
            ratio: 0.1,
            minimum_calls: 4,
            window: Window::Interval(Duration::from_secs(60)),
        }),
        ..config()
    })
    .on_state_change(move |change| {
        let line = format!("{}: {} to {}", change.name, change.from, change.to);
        tell.lock().expect("no panic before").push(line);
    });
    let peer = Peer::new((0..100).map(|call| {
        if call % 2 == 0 {
            Step::Ok
        } else {
            Step::Status(status(Code::Internal))
        }
    }));
    let mut codes = Vec::new();
    for _ in 0..9 {
        codes.push(told(call(&layer, &peer).await).await.code());
        tokio::time::advance(Duration::from_secs(1)).await;
    }
    let (ok, internal, refused) = (Code::Ok, Code::Internal, Code::Unavailable);
    let (before, open) = ([ok, internal, ok, internal], [refused; 3]);
    assert_eq!(codes, [&before[..], &open, &[ok, internal]].concat());
    assert_eq!(
        *told_changes.lock().expect("no panic before"),
        [
            "order order.v1.Order/Create: closed to open",
            "order order.v1.Order/Create: open to half-open",
            "order order.v1.Order/Create: half-open to closed"
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn b19_b20_a_refusal_is_unavailable_with_reason_and_the_time_left_and_is_marked() {
    let (layer, peer) = (layer(&config()), Peer::new([unavailable(), unavailable()]));
    for _ in 0..2 {
        call(&layer, &peer).await;
    }
    tokio::time::advance(ms(1500)).await;
    let refused = call(&layer, &peer).await;
    assert_eq!(
        refused.extensions().get::<Local>(),
        Some(&Local::CircuitOpen {
            retry_after: ms(2500)
        })
    );
    let status = told(refused).await;
    assert_eq!(status.code(), Code::Unavailable);
    assert_eq!(
        status.message(),
        "the circuit order order.v1.Order/Create is open: the call was refused and not made; try again in 2.500 s"
    );
    let info = status.details().get::<ErrorInfo>().expect("an ErrorInfo");
    assert_eq!(
        (info.reason.as_str(), info.domain.as_str()),
        ("CIRCUIT_OPEN", "resilience")
    );
    assert_eq!(info.metadata["target"], "order");
    assert_eq!(info.metadata["method"], "order.v1.Order/Create");
    assert_eq!(info.metadata["state"], "open");
    assert_eq!(status.details().retry_delay(), Some(ms(2500)));
    assert_eq!(peer.requests(), 2);
}

#[tokio::test(start_paused = true)]
async fn b4_a_second_probe_is_refused_as_half_open_while_the_first_is_under_way() {
    let peer = Peer::new([unavailable(), unavailable(), Step::Hang]);
    let layer = layer(&config());
    for _ in 0..2 {
        call(&layer, &peer).await;
    }
    tokio::time::advance(Duration::from_secs(4)).await;
    let probe = layer.layer(peer.service()).oneshot(request("m"));
    let mut probe = tokio_test_task(probe);
    assert!(probe.poll_once().await);
    let status = told(call(&layer, &peer).await).await;
    let info = status.details().get::<ErrorInfo>().expect("an ErrorInfo");
    assert_eq!(info.reason, "CIRCUIT_HALF_OPEN");
    drop(probe);
    // L4: the dropped probe has given its slot back.
    let breaker = layer.breaker("/order.v1.Order/Create").expect("called");
    assert_eq!(breaker.snapshot().totals.dropped, 1);
    assert!(breaker.acquire().is_ok());
}

/// A future polled by hand.
struct Polled<F>(std::pin::Pin<Box<F>>);

fn tokio_test_task<F: Future>(future: F) -> Polled<F> {
    Polled(Box::pin(future))
}

impl<F: Future> Polled<F> {
    /// Whether it is still under way after one poll.
    async fn poll_once(&mut self) -> bool {
        std::future::poll_fn(|cx| std::task::Poll::Ready(self.0.as_mut().poll(cx).is_pending()))
            .await
    }
}

#[tokio::test(start_paused = true)]
async fn l3_a_stream_is_under_way_until_its_end_or_until_nobody_reads_it() {
    let layer = layer(&config());
    let peer = Peer::new([
        Step::Ok,
        Step::HangAfterHead,
        Step::MessageThen(status(Code::Internal)),
    ]);
    let totals = || {
        let breaker = layer.breaker("/order.v1.Order/Create").expect("called");
        breaker.snapshot().totals
    };
    let whole = call(&layer, &peer).await;
    assert_eq!((totals().admitted, totals().successes), (1, 0), "the head");
    whole.into_body().collect().await.expect("a whole body");
    assert_eq!(totals().successes, 1, "the end");

    drop(call(&layer, &peer).await);
    assert_eq!(totals().dropped, 1);

    let failing = call(&layer, &peer).await;
    failing.into_body().collect().await.expect("a whole body");
    assert_eq!(totals().failures, 1);
}

#[tokio::test(start_paused = true)]
async fn b17_each_method_has_its_own_breaker_unless_configured_coarser() {
    let other = || {
        let mut request = request("m");
        *request.uri_mut() = "/order.v1.Order/Get".parse().expect("a path");
        request
    };
    for (key, code) in [
        (Key::Method, Code::Ok),
        (Key::Service, Code::Unavailable),
        (Key::Endpoint, Code::Unavailable),
    ] {
        let layer = layer(&Config { key, ..config() });
        let peer = Peer::new([unavailable(), unavailable(), Step::Ok]);
        for _ in 0..2 {
            call(&layer, &peer).await;
        }
        let called = layer.layer(peer.service()).oneshot(other()).await;
        assert_eq!(
            told(called.expect("a response")).await.code(),
            code,
            "{key:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn b17_of_too_many_breakers_the_one_used_longest_ago_is_forgotten() {
    let layer = layer(&Config {
        max_breakers: 2,
        ..config()
    });
    let paths = ["/a.A/One", "/a.A/Two", "/a.A/One", "/a.A/Three"];
    let peer = Peer::new(paths.map(|_| Step::Ok));
    for path in paths {
        let mut request = request("m");
        *request.uri_mut() = path.parse().expect("a path");
        let called = layer.layer(peer.service()).oneshot(request).await;
        called.expect("a response");
    }
    let kept = ["/a.A/One", "/a.A/Two", "/a.A/Three"].map(|path| layer.breaker(path).is_some());
    assert_eq!(kept, [true, false, true]);
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_that_hangs_trips_it_by_attempt_timeouts() {
    let peer = Peer::new([Step::Hang, Step::HangAfterHead]);
    let layer = layer(&config());
    let stack = ServiceBuilder::new()
        .layer(layer.clone())
        .layer(AttemptTimeoutLayer::new(Some(ms(50))))
        .service(peer.service());
    for _ in 0..2 {
        let response = stack
            .clone()
            .oneshot(request("m"))
            .await
            .expect("a response");
        let _ = response.into_body().collect().await;
    }
    assert_eq!(state(&layer), State::Open);
}

#[tokio::test(start_paused = true)]
async fn b12_an_endpoint_that_hangs_until_the_deadline_had_a_fair_time_or_not() {
    for (deadline, expected) in [(ms(200), State::Open), (ms(50), State::Closed)] {
        let peer = Peer::new([Step::Hang, Step::HangAfterHead]);
        let layer = layer(&config());
        let stack = ServiceBuilder::new()
            .layer(DeadlineLayer::new(deadline))
            .layer(layer.clone())
            .layer(AttemptTimeoutLayer::new(None))
            .service(peer.service());
        for _ in 0..2 {
            let response = stack
                .clone()
                .oneshot(request("m"))
                .await
                .expect("a response");
            assert_eq!(told(response).await.code(), Code::DeadlineExceeded);
        }
        assert_eq!(state(&layer), expected, "{deadline:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn switched_off_it_counts_and_refuses_nothing() {
    let layer = layer(&Config {
        enabled: false,
        ..config()
    });
    let peer = Peer::new((0..10).map(|_| unavailable()));
    for _ in 0..10 {
        call(&layer, &peer).await;
    }
    assert_eq!(peer.requests(), 10);
    assert!(layer.breaker("/order.v1.Order/Create").is_none());
}

#[tokio::test(start_paused = true)]
async fn a_server_that_replaces_its_connections_trips_no_breaker() {
    let channel = channel(|| async {
        let (near, far) = tokio::io::duplex(64 * 1024);
        tokio::spawn(go_away(far));
        Ok(near)
    });
    let layer = layer(&config());
    for _ in 0..10 {
        let error = layer
            .layer(channel.clone())
            .oneshot(request("m"))
            .await
            .expect_err("gone away");
        assert_eq!(Reached::of(&*error), Reached::GoneAway, "{error:?}");
        // Until the channel has noticed.
        tokio::time::sleep(ms(1)).await;
    }
    let totals = layer.breaker("/order.v1.Order/Create").expect("called");
    assert_eq!(totals.snapshot().totals.neutral, 10);
}

/// L4: dropped at any moment of its life, a call through the whole stack leaves nothing behind.
#[tokio::test(start_paused = true)]
async fn l4_a_call_that_is_dropped_at_any_moment_leaves_no_permit_behind() {
    let life = || {
        let slow = |step| Step::After(ms(10), Box::new(step));
        [
            slow(unavailable()),
            slow(Step::HangAfterHead),
            slow(Step::Trailers(status(Code::Unavailable))),
            slow(Step::MessageThen(status(Code::Ok))),
        ]
    };
    let retries = RetryConfig {
        max_attempts: 4,
        backoff: Backoff::Fixed { delay: ms(10) },
        jitter: Jitter::None,
        ..RetryConfig::default()
    };
    for moment in 0..100 {
        let peer = Peer::new(life());
        let methods = Methods::default().with("/order.v1.Order/Create", Level::Idempotent);
        let layer = layer(&Config {
            consecutive_failures: Some(100),
            ..config()
        });
        let stack = ServiceBuilder::new()
            .layer(DeadlineLayer::new(Duration::from_secs(1)))
            .layer(RetryLayer::new(
                RetryPolicy::new(&retries).expect("a policy"),
                Arc::new(methods),
            ))
            .layer(layer.clone())
            .layer(AttemptTimeoutLayer::new(Some(ms(30))))
            .service(peer.service());
        let calling = async { told(stack.oneshot(request("m")).await.expect("an answer")).await };
        let ended = tokio::time::timeout(ms(moment), calling).await;
        let breaker = layer.breaker("/order.v1.Order/Create").expect("called");
        let totals = breaker.snapshot().totals;
        assert_eq!(
            totals.admitted,
            totals.successes + totals.failures + totals.neutral + totals.dropped,
            "after {moment} ms"
        );
        // 10, +10 pause, 30 cut, +10 pause, 10, +10 pause, 10 = 90 ms.
        assert_eq!(ended.is_ok(), moment >= 90, "after {moment} ms");
    }
}
