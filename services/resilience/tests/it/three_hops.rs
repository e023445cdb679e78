//! One budget over several servers, in memory, through tonic's own client and server.

use std::future::Future;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::Request;
use resilience::attempt_timeout::AttemptTimeoutLayer;
use resilience::deadline::{
    self, DeadlineLayer, ServerDeadlineConfig, ServerDeadlineLayer, Spent, grpc_timeout,
};
use tokio::time::{Instant, sleep};
use tonic::body::Body;
use tonic::transport::Channel;
use tonic::{Code, Status};
use tower::{Layer as _, Service, ServiceBuilder};

use crate::support::{call, ms, serve, unary};

/// What the servers of a test have seen and done.
#[derive(Default)]
struct Log(Mutex<Vec<(&'static str, Duration)>>);

impl Log {
    fn note(&self, what: &'static str, time: Duration) {
        self.0.lock().expect("no panic before").push((what, time));
    }

    fn of(&self, what: &str) -> Option<Duration> {
        let log = self.0.lock().expect("no panic before");
        log.iter().find(|(name, _)| *name == what).map(|(_, t)| *t)
    }
}

/// Notes how long a handler lived, however it ends.
struct Lived(&'static str, Arc<Log>, Instant);

impl Drop for Lived {
    fn drop(&mut self) {
        self.1.note(self.0, self.2.elapsed());
    }
}

/// A server with a deadline layer, which notes the budget that it is given as `name`.
fn server<F, R>(name: &'static str, log: &Arc<Log>, handler: F) -> Channel
where
    F: Fn(tonic::Request<String>) -> R + Clone + Send + 'static,
    R: Future<Output = Result<String, Status>> + Send + 'static,
{
    let log = Arc::clone(log);
    let inner = unary(handler);
    let noted = tower::service_fn(move |request: Request<Body>| {
        let given = grpc_timeout::from_headers(request.headers());
        log.note(name, given.expect("well formed").expect("always one"));
        inner.clone().call(request)
    });
    let layer = ServerDeadlineLayer::new(&ServerDeadlineConfig::default()).expect("limits");
    serve(layer.layer(noted))
}

async fn called(channel: Channel, default: Duration, path: &'static str) -> Result<String, Status> {
    let stack = ServiceBuilder::new()
        .layer(DeadlineLayer::new(default))
        .layer(AttemptTimeoutLayer::new(None))
        .service(channel);
    call(stack, path).await
}

const LONG: Duration = Duration::from_secs(10);

/// Listing 6.2: the client gives 3 s, Order works for 2 s, then Product takes 2 s.
#[tokio::test(start_paused = true)]
async fn listing_6_2_two_seconds_of_work_and_two_of_a_call_end_at_three() {
    let log = Arc::new(Log::default());
    let product = server("product", &log, {
        let log = Arc::clone(&log);
        move |_| {
            let lived = Lived("product lived", Arc::clone(&log), Instant::now());
            async move {
                sleep(ms(2000)).await;
                drop(lived);
                Ok("a title".to_owned())
            }
        }
    });
    let order = server("order", &log, move |_| {
        let product = product.clone();
        async move {
            sleep(ms(2000)).await;
            called(product, LONG, "/product.v1.Product/Get").await
        }
    });
    let start = Instant::now();
    let status = called(order, ms(3000), "/order.v1.Order/Create")
        .await
        .expect_err("too little time");
    let elapsed = start.elapsed();
    assert_eq!(status.code(), Code::DeadlineExceeded, "{status:?}");
    // Not at 3 s sharp: each of the two servers keeps 20 ms for its report to arrive.
    assert!((ms(2950)..=ms(3000)).contains(&elapsed), "{elapsed:?}");
    let spent = Spent::from_status(&status).expect("a report");
    assert_eq!(
        spent.to_string(),
        "order.v1.Order/Create own 2.000 s\nproduct.v1.Product/Get own 0.960 s (unfinished)"
    );
    // The work was cancelled, not left to run.
    sleep(LONG).await;
    let lived = log.of("product lived").expect("it was called");
    assert!(lived < ms(1000), "{lived:?}");
}

/// D16: 1 s for the client, 0.3 s spent by Order; then Payment, which calls Shipping.
#[tokio::test(start_paused = true)]
async fn d16_each_hop_sees_less_than_the_one_before_and_nobody_works_after_expiry() {
    let log = Arc::new(Log::default());
    let work = |name: &'static str, log: &Arc<Log>| Lived(name, Arc::clone(log), Instant::now());
    let shipping = server("shipping", &log, {
        let log = Arc::clone(&log);
        move |_| {
            let lived = work("shipping lived", &log);
            async move {
                sleep(LONG).await;
                drop(lived);
                Ok(String::new())
            }
        }
    });
    let payment = server("payment", &log, {
        let log = Arc::clone(&log);
        move |_| {
            let (shipping, lived) = (shipping.clone(), work("payment lived", &log));
            async move {
                sleep(ms(200)).await;
                let shipped = called(shipping, LONG, "/shipping.v1.Shipping/Create").await;
                drop(lived);
                shipped
            }
        }
    });
    let order = server("order", &log, {
        let log = Arc::clone(&log);
        move |_| {
            let (payment, lived) = (payment.clone(), work("order lived", &log));
            async move {
                sleep(ms(300)).await;
                let paid = called(payment, LONG, "/payment.v1.Payment/Create").await;
                drop(lived);
                paid
            }
        }
    });
    let start = Instant::now();
    let status = called(order, ms(1000), "/order.v1.Order/Create")
        .await
        .expect_err("too little time");
    let elapsed = start.elapsed();
    assert_eq!(status.code(), Code::DeadlineExceeded);
    assert!(elapsed <= ms(1000), "{elapsed:?}");
    let given = |name| log.of(name).expect("it was called");
    assert_eq!(given("order"), ms(1000));
    assert!(given("payment") <= ms(700), "{:?}", given("payment"));
    assert!(given("shipping") <= given("payment") - ms(200));
    sleep(LONG).await;
    assert!(given("order lived") <= ms(1000));
    assert!(given("payment lived") <= ms(700));
    assert!(given("shipping lived") <= given("shipping"));
    let spent = Spent::from_status(&status).expect("a report");
    let methods: Vec<_> = spent.hops().iter().map(|hop| hop.method.as_str()).collect();
    assert_eq!(
        methods,
        [
            "order.v1.Order/Create",
            "payment.v1.Payment/Create",
            "shipping.v1.Shipping/Create"
        ]
    );
    let sum: Duration = spent.hops().iter().map(|hop| hop.time).sum();
    assert!(
        sum <= elapsed && sum >= elapsed - ms(10),
        "{sum:?} {elapsed:?}"
    );
}

/// grpc-go's example of propagation: 1 s for the client.
#[tokio::test(start_paused = true)]
async fn propagation_vectors() {
    for (own, below, expected) in [
        (ms(1500), None, Code::DeadlineExceeded),
        (ms(800), Some(ms(0)), Code::Ok),
        (ms(800), Some(ms(800)), Code::DeadlineExceeded),
    ] {
        let log = Arc::new(Log::default());
        let last = server("last", &log, move |_| async move {
            sleep(below.unwrap_or_default()).await;
            Ok("done".to_owned())
        });
        let first = server("first", &log, move |_| {
            let last = last.clone();
            async move {
                sleep(own).await;
                match below {
                    Some(_) => called(last, LONG, "/last.Last/Call").await,
                    None => Ok("done".to_owned()),
                }
            }
        });
        let ended = called(first, ms(1000), "/first.First/Call").await;
        let code = ended.map_or_else(|status| status.code(), |_| Code::Ok);
        assert_eq!(code, expected, "{own:?} {below:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn d14_a_caller_that_goes_away_stops_the_last_hop() {
    let log = Arc::new(Log::default());
    let last = server("last", &log, {
        let log = Arc::clone(&log);
        move |_| {
            let lived = Lived("last lived", Arc::clone(&log), Instant::now());
            async move {
                sleep(LONG).await;
                drop(lived);
                Ok(String::new())
            }
        }
    });
    let middle = server("middle", &log, move |_| {
        called(last.clone(), LONG, "/last.Last/Call")
    });
    let first = server("first", &log, move |_| {
        called(middle.clone(), LONG, "/middle.Middle/Call")
    });
    let calling = called(first, Duration::from_secs(5), "/first.First/Call");
    assert!(tokio::time::timeout(ms(100), calling).await.is_err());
    sleep(ms(1)).await;
    let lived = log.of("last lived").expect("it was called and has ended");
    assert!(lived <= ms(101), "{lived:?}");
}

#[tokio::test(start_paused = true)]
async fn d13_a_detached_call_outlives_the_budget_and_only_by_asking_for_it() {
    let log = Arc::new(Log::default());
    let refund = server("refund", &log, |_| async {
        sleep(ms(1500)).await;
        Ok("refunded".to_owned())
    });
    let (done, wait) = tokio::sync::oneshot::channel();
    let done = Arc::new(Mutex::new(Some(done)));
    let order = server("order", &log, move |_| {
        let (refund, done) = (refund.clone(), Arc::clone(&done));
        async move {
            tokio::spawn(deadline::detached(async move {
                let refunded = called(refund, LONG, "/payment.v1.Payment/Refund").await;
                let done = done.lock().expect("no panic before").take();
                done.expect("called once").send(refunded).expect("awaited");
            }));
            sleep(LONG).await;
            Ok(String::new())
        }
    });
    let status = called(order, ms(1000), "/order.v1.Order/Create")
        .await
        .expect_err("too little time");
    assert_eq!(status.code(), Code::DeadlineExceeded);
    assert_eq!(wait.await.expect("sent").expect("an answer"), "refunded");
}

#[tokio::test(start_paused = true)]
async fn calls_that_ended_are_told_beside_the_one_that_did_not() {
    let log = Arc::new(Log::default());
    let fast = server("fast", &log, |_| async {
        sleep(ms(300)).await;
        Ok("a title".to_owned())
    });
    // A server that knows nothing of these layers tells nothing of its inside.
    let foreign = serve(unary(|_| async {
        sleep(LONG).await;
        Ok(String::new())
    }));
    let order = server("order", &log, move |_| {
        let (fast, foreign) = (fast.clone(), foreign.clone());
        async move {
            called(fast, LONG, "/product.v1.Product/Get").await?;
            called(foreign, LONG, "/payment.v1.Payment/Create").await
        }
    });
    let status = called(order, ms(1000), "/order.v1.Order/Create")
        .await
        .expect_err("too little time");
    let spent = Spent::from_status(&status).expect("a report");
    assert_eq!(
        spent.to_string(),
        "order.v1.Order/Create own 0.000 s\nproduct.v1.Product/Get 0.300 s\n\
         payment.v1.Payment/Create 0.680 s (unfinished)"
    );
}
