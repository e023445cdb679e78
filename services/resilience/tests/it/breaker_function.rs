//! A breaker around any async function: listing 6.4, panics, dropped futures, callbacks, threads.

use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use resilience::circuit_breaker::{
    CallError, CircuitBreaker, Config, FailureRatio, HalfOpen, OpenTime, Outcome, State, Window,
};

/// Trips at a ratio of 0.6, takes three probes, stays open for four seconds.
fn listing_6_4() -> Config {
    Config {
        failure_ratio: Some(FailureRatio {
            ratio: 0.6,
            minimum_calls: 3,
            window: Window::Interval(Duration::from_secs(60)),
        }),
        open: OpenTime::constant(Duration::from_secs(4)),
        half_open: HalfOpen::requests(3),
        ..Config::default()
    }
}

async fn number(value: u32) -> Result<u32, String> {
    if value == 20 {
        Ok(value)
    } else {
        Err(format!("{value} is not 20"))
    }
}

#[tokio::test(start_paused = true)]
async fn listing_6_4_tells_each_change_of_state_and_closes_again() {
    let told = Arc::new(Mutex::new(Vec::new()));
    let tell = Arc::clone(&told);
    let breaker = CircuitBreaker::builder("numbers")
        .config(listing_6_4())
        .on_state_change(move |change| {
            let line = format!("{}: {} to {}", change.name, change.from, change.to);
            tell.lock().expect("no panic before").push(line);
        })
        .build()
        .expect("rules that hold together");

    assert_eq!(breaker.call(number(20)).await, Ok(20));
    for _ in 0..2 {
        assert!(matches!(
            breaker.call(number(11)).await,
            Err(CallError::Failed(_))
        ));
    }
    let Err(CallError::Rejected(rejected)) = breaker.call(number(20)).await else {
        unreachable!("2 of 3 failed, so the circuit is open");
    };
    assert_eq!(rejected.retry_after, Duration::from_secs(4));
    assert_eq!(
        rejected.to_string(),
        "the circuit numbers is open: the call was refused and not made; try again in 4.000 s"
    );
    tokio::time::advance(Duration::from_secs(4)).await;
    for _ in 0..3 {
        assert_eq!(breaker.call(number(20)).await, Ok(20));
    }
    assert_eq!(breaker.state(), State::Closed);
    assert_eq!(
        *told.lock().expect("no panic before"),
        [
            "numbers: closed to open",
            "numbers: open to half-open",
            "numbers: half-open to closed"
        ]
    );
}

#[tokio::test]
async fn an_open_circuit_does_not_even_start_the_function() {
    let breaker = CircuitBreaker::new("numbers", listing_6_4()).expect("rules");
    breaker.force_open();
    let called: Result<(), _> = breaker
        .call(async { unreachable!("it must not run") as Result<(), ()> })
        .await;
    assert!(matches!(called, Err(CallError::Rejected(_))));
}

#[tokio::test]
async fn one_can_judge_oneself_what_a_failure_is() {
    let breaker = CircuitBreaker::new("numbers", listing_6_4()).expect("rules");
    for _ in 0..10 {
        let called = breaker.call_with(number(1), |_| Outcome::Neutral).await;
        assert!(matches!(called, Err(CallError::Failed(_))));
    }
    let snapshot = breaker.snapshot();
    assert_eq!(
        (snapshot.state, snapshot.counts.excluded),
        (State::Closed, 10)
    );
}

#[tokio::test]
async fn g5_b7_a_panic_counts_as_a_failure_and_goes_on() {
    let breaker = CircuitBreaker::new("numbers", listing_6_4()).expect("rules");
    let guarded = breaker.clone();
    let task = tokio::spawn(async move {
        let _: Result<(), CallError<()>> = guarded
            .call(async {
                tokio::task::yield_now().await;
                assert_eq!(1, 2, "on purpose");
                Ok(())
            })
            .await;
    });
    assert!(task.await.expect_err("a panic").is_panic());
    let counts = breaker.snapshot().counts;
    assert_eq!((counts.requests, counts.failures), (1, 1));
    assert_eq!(counts.consecutive_failures, 1);
}

#[tokio::test(start_paused = true)]
async fn b6_l4_a_future_that_is_dropped_returns_its_permit() {
    let breaker = CircuitBreaker::new("numbers", listing_6_4()).expect("rules");
    for _ in 0..3 {
        let _ = breaker.call(number(1)).await;
    }
    tokio::time::advance(Duration::from_secs(4)).await;
    assert_eq!(breaker.state(), State::HalfOpen);
    for _ in 0..20 {
        // More than the three probes that may be under way at once.
        let never = breaker.call(std::future::pending::<Result<(), ()>>());
        let waited = tokio::time::timeout(Duration::from_millis(1), never).await;
        assert!(waited.is_err());
    }
    let totals = breaker.snapshot().totals;
    assert_eq!((totals.dropped, totals.rejected), (20, 0));
    let permit = breaker.acquire().expect("a permit");
    drop(permit);
    assert_eq!(breaker.snapshot().totals.dropped, 21);
}

#[test]
fn b22_a_callback_may_use_the_breaker_and_sees_the_changes_in_order() {
    let itself: Arc<OnceLock<CircuitBreaker>> = Arc::default();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let (inside, tell) = (Arc::clone(&itself), Arc::clone(&seen));
    let breaker = CircuitBreaker::builder("numbers")
        .config(listing_6_4())
        .on_state_change(move |change| {
            let breaker = inside.get().expect("set below");
            let _ = breaker.snapshot();
            if change.to == State::Open {
                // A change from within: it is told after this one.
                breaker.reset();
            }
            tell.lock()
                .expect("no panic before")
                .push((change.from, change.to));
        })
        .build()
        .expect("rules");
    assert!(itself.set(breaker.clone()).is_ok());
    breaker.force_open();
    assert_eq!(
        *seen.lock().expect("no panic before"),
        [(State::Closed, State::Open), (State::Open, State::Closed)]
    );
}

#[test]
fn g9_b24_many_threads_lose_no_count() {
    let breaker = CircuitBreaker::new("numbers", listing_6_4()).expect("rules");
    std::thread::scope(|scope| {
        for _ in 0..10 {
            scope.spawn(|| {
                for round in 0..1_000 {
                    let permit = breaker.acquire().expect("a closed circuit");
                    permit.done(if round % 2 == 0 {
                        Outcome::Success
                    } else {
                        Outcome::Neutral
                    });
                }
            });
        }
    });
    let counts = breaker.snapshot().counts;
    assert_eq!(
        (counts.requests, counts.successes, counts.excluded),
        (10_000, 5_000, 5_000)
    );
    assert_eq!(counts.consecutive_successes, 5_000);
}

#[test]
fn b4_of_a_hundred_threads_that_rush_a_half_open_circuit_three_get_in() {
    let breaker = CircuitBreaker::builder("numbers")
        .config(Config {
            open: OpenTime::constant(Duration::from_nanos(1)),
            ..listing_6_4()
        })
        .build()
        .expect("rules");
    for _ in 0..3 {
        breaker.acquire().expect("a permit").done(Outcome::Failure);
    }
    let permits = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..100 {
            scope.spawn(|| {
                if let Ok(permit) = breaker.acquire() {
                    permits.lock().expect("no panic before").push(permit);
                }
            });
        }
    });
    assert_eq!(permits.lock().expect("no panic before").len(), 3);
    assert_eq!(breaker.snapshot().totals.rejected, 97);
}
