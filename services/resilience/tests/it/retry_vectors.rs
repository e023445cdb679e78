//! The decision, pure: grpc-go's and grpc-java's vectors, and every reason to stop.

use std::time::{Duration, Instant};

use resilience::retry::budget::Limits;
use resilience::retry::{
    Backoff, CodeName, Decision, Failure, Jitter, Origin, Pushback, RetryConfig, RetryPolicy,
    Session, Stop, Switch, ThrottleConfig,
};
use resilience::status::transport::Reached;
use tonic::Code;

use crate::support::ms;

fn config() -> RetryConfig {
    RetryConfig {
        max_attempts: 4,
        jitter: Jitter::None,
        backoff: Backoff::Exponential {
            initial: ms(100),
            multiplier: 2.0,
            max: ms(700),
        },
        throttle: Switch::OFF,
        budget: Switch::OFF,
        ..RetryConfig::default()
    }
}

struct Call {
    policy: RetryPolicy,
    session: Session,
    limits: Limits,
    random: fastrand::Rng,
}

impl Call {
    fn new(config: &RetryConfig, idempotent: bool) -> Self {
        let policy = RetryPolicy::new(config).expect("a policy");
        Self {
            session: policy.session(idempotent),
            limits: policy.limits(Instant::now()).expect("limits"),
            random: fastrand::Rng::with_seed(1),
            policy,
        }
    }

    fn again(&mut self) {
        self.session = self.policy.session(true);
    }

    fn fail(&mut self, failure: &Failure, remaining: Option<Duration>) -> Decision {
        self.session.decide(
            &self.policy,
            failure,
            Instant::now(),
            remaining,
            &mut self.limits,
            &mut self.random,
        )
    }

    fn pause(&mut self, failure: &Failure) -> Option<u128> {
        match self.fail(failure, None) {
            Decision::Retry { after } => Some(after.as_millis()),
            _ => None,
        }
    }
}

fn unavailable() -> Failure {
    Failure::of_code(Code::Unavailable)
}

fn stopped(stop: Stop) -> Decision {
    Decision::Stop(stop)
}

/// Runs calls against a server that answers by the index of the request; returns each call's code and last index.
fn run(call: &mut Call, calls: usize, server: impl Fn(usize) -> Code) -> Vec<(Code, usize)> {
    let mut index = 0;
    (0..calls)
        .map(|_| {
            call.again();
            call.limits.call(Instant::now());
            loop {
                let (code, at) = (server(index), index);
                index += 1;
                if code == Code::Ok {
                    call.limits.success();
                    return (code, at);
                }
                if !matches!(
                    call.fail(&Failure::of_code(code), None),
                    Decision::Retry { .. }
                ) {
                    return (code, at);
                }
            }
        })
        .collect()
}

#[test]
fn q1_unary() {
    let config = RetryConfig {
        codes: [CodeName::AlreadyExists].into(),
        allow_unsafe_codes: true,
        ..config()
    };
    let ended = run(&mut Call::new(&config, true), 7, |index| match index {
        0 | 2 | 5 => Code::Ok,
        6 | 8 | 11 => Code::Internal,
        _ => Code::AlreadyExists,
    });
    assert_eq!(
        ended,
        [
            (Code::Ok, 0),
            (Code::Ok, 2),
            (Code::Ok, 5),
            (Code::Internal, 6),
            (Code::Internal, 8),
            (Code::Internal, 11),
            (Code::AlreadyExists, 15),
        ]
    );
}

#[test]
fn q2_throttle() {
    let config = RetryConfig {
        throttle: Switch::On(ThrottleConfig {
            max_tokens: 10.0,
            token_ratio: 0.5,
        }),
        ..config()
    };
    let ended = run(&mut Call::new(&config, true), 12, |index| match index {
        0 | 3 | 6 | 10..=14 | 16 | 18 => Code::Ok,
        _ => Code::Unavailable,
    });
    let (ok, unavailable) = (Code::Ok, Code::Unavailable);
    assert_eq!(
        ended,
        [
            (ok, 0),
            (ok, 3),
            (ok, 6),
            (unavailable, 8),
            (unavailable, 9),
            (ok, 10),
            (ok, 11),
            (ok, 12),
            (ok, 13),
            (ok, 14),
            (ok, 16),
            (unavailable, 17),
        ]
    );
}

#[test]
fn q4_r1_max_attempts_counts_the_first_try_and_is_capped() {
    for (max_attempts, attempts_cap, attempts) in [
        (9, 4, 4),
        (9, 7, 7),
        (3, 10, 3),
        (8, RetryConfig::default().attempts_cap, 5),
        (3, RetryConfig::default().attempts_cap, 3),
    ] {
        let mut call = Call::new(
            &RetryConfig {
                max_attempts,
                attempts_cap,
                ..config()
            },
            true,
        );
        while call.pause(&unavailable()).is_some() {}
        assert_eq!(call.session.attempts(), attempts);
        assert_eq!(call.fail(&unavailable(), None), stopped(Stop::Exhausted));
    }
}

#[test]
fn r4_r5_only_the_listed_codes_are_retried() {
    let listed: Vec<_> = (0..20)
        .map(Code::from)
        .filter(|code| {
            let mut call = Call::new(&config(), true);
            call.pause(&Failure::of_code(*code)).is_some()
        })
        .collect();
    assert_eq!(listed, [Code::Unavailable]);
}

#[test]
fn r4_resource_exhausted_is_retried_when_the_server_says_when_or_the_configuration_lists_it() {
    let full = Failure::of_code(Code::ResourceExhausted);
    let timed = Failure {
        retry_info: Some(ms(50)),
        ..full
    };
    assert_eq!(Call::new(&config(), true).pause(&full), None);
    assert_eq!(Call::new(&config(), true).pause(&timed), Some(100));
    let listing_6_3 = RetryConfig {
        codes: [CodeName::Unavailable, CodeName::ResourceExhausted].into(),
        ..config()
    };
    assert_eq!(Call::new(&listing_6_3, true).pause(&full), Some(100));
}

#[test]
fn r6_what_must_not_run_twice_is_sent_again_only_if_it_was_certainly_not_processed() {
    let mut call = Call::new(&config(), false);
    assert_eq!(
        call.fail(&unavailable(), None),
        stopped(Stop::NotIdempotent)
    );
    for (reached, decision) in [
        (Reached::NotConnected, Decision::Retry { after: ms(100) }),
        (Reached::NotSent, Decision::Transparent),
        (Reached::Refused, Decision::Transparent),
        (Reached::Unknown, stopped(Stop::NotIdempotent)),
    ] {
        let failure = Failure {
            reached,
            ..unavailable()
        };
        let mut call = Call::new(&config(), false);
        assert_eq!(call.fail(&failure, None), decision, "{reached:?}");
    }
    let expired = Failure {
        origin: Origin::AttemptTimeout,
        ..Failure::of_code(Code::DeadlineExceeded)
    };
    assert_eq!(
        Call::new(&config(), false).fail(&expired, None),
        stopped(Stop::NotIdempotent)
    );
    // D15: an attempt's own timeout may be tried again if the call may run twice.
    assert_eq!(Call::new(&config(), true).pause(&expired), Some(100));
}

#[test]
fn r10_transparent_retries_count_as_no_attempt_refused_once_unsent_a_few_times() {
    let refused = Failure {
        reached: Reached::Refused,
        ..unavailable()
    };
    let mut call = Call::new(&config(), true);
    assert_eq!(call.fail(&refused, None), Decision::Transparent);
    assert_eq!(call.session.attempts(), 1);
    assert_eq!(
        call.fail(&refused, None),
        Decision::Retry { after: ms(100) }
    );

    let unsent = Failure {
        reached: Reached::NotSent,
        ..unavailable()
    };
    let mut call = Call::new(&config(), true);
    let mut transparent = 0;
    while call.fail(&unsent, None) == Decision::Transparent {
        transparent += 1;
    }
    assert_eq!(transparent, 5);
    assert_eq!(call.session.attempts(), 2, "then by the policy");
}

#[test]
fn p1_pushback_is_exact_and_starts_the_backoff_anew() {
    let config = RetryConfig {
        max_attempts: 9,
        attempts_cap: 9,
        ..config()
    };
    let mut call = Call::new(&config, true);
    let pushed = |millis| Failure {
        pushback: Pushback::After(ms(millis)),
        retry_info: Some(ms(9_999)),
        ..unavailable()
    };
    assert_eq!(call.pause(&unavailable()), Some(100));
    assert_eq!(call.pause(&unavailable()), Some(200));
    assert_eq!(call.pause(&pushed(123)), Some(123));
    assert_eq!(call.pause(&pushed(4_567_000)), Some(4_567_000));
    for expected in [100, 200, 400] {
        assert_eq!(call.pause(&unavailable()), Some(expected));
    }
}

#[test]
fn p2_t2_a_stopping_pushback_stops_and_costs_a_token_whatever_the_code() {
    let config = RetryConfig {
        throttle: Switch::On(ThrottleConfig {
            max_tokens: 4.0,
            token_ratio: 0.5,
        }),
        ..config()
    };
    let mut call = Call::new(&config, true);
    let stop = Failure {
        pushback: Pushback::Stop,
        ..Failure::of_code(Code::NotFound)
    };
    for _ in 0..2 {
        assert_eq!(call.fail(&stop, None), stopped(Stop::Pushback));
    }
    assert_eq!(call.fail(&unavailable(), None), stopped(Stop::Throttled));
}

#[test]
fn t2_other_failures_cost_no_token() {
    let config = RetryConfig {
        throttle: Switch::On(ThrottleConfig {
            max_tokens: 2.0,
            token_ratio: 0.5,
        }),
        ..config()
    };
    let mut call = Call::new(&config, true);
    for _ in 0..10 {
        let failure = Failure::of_code(Code::NotFound);
        assert_eq!(call.fail(&failure, None), stopped(Stop::Code));
        let rejected = Failure {
            origin: Origin::Rejection,
            ..unavailable()
        };
        // B20, T7.
        assert_eq!(call.fail(&rejected, None), stopped(Stop::Rejected));
    }
    // 2 tokens less one for this failure leaves 1, which is not more than half.
    assert_eq!(call.fail(&unavailable(), None), stopped(Stop::Throttled));
}

#[test]
fn p3_pushback_neither_adds_attempts_nor_codes() {
    let pushed = |code| Failure {
        pushback: Pushback::After(ms(1)),
        ..Failure::of_code(code)
    };
    let mut call = Call::new(&config(), true);
    assert_eq!(
        call.fail(&pushed(Code::Internal), None),
        stopped(Stop::Code)
    );
    for _ in 0..3 {
        assert_eq!(call.pause(&pushed(Code::Unavailable)), Some(1));
    }
    assert_eq!(
        call.fail(&pushed(Code::Unavailable), None),
        stopped(Stop::Exhausted)
    );
}

#[test]
fn p5_retry_info_is_a_minimum_and_a_hostile_one_is_cut() {
    let informed = |millis| Failure {
        retry_info: Some(ms(millis)),
        ..unavailable()
    };
    let mut call = Call::new(&config(), true);
    assert_eq!(call.pause(&informed(40)), Some(100), "backoff is longer");
    assert_eq!(call.pause(&informed(5_000)), Some(5_000));
    assert_eq!(call.pause(&informed(86_400_000)), Some(30_000));
    let mut jittered = Call::new(
        &RetryConfig {
            jitter: Jitter::Ratio(0.2),
            ..config()
        },
        true,
    );
    let pause = jittered.pause(&informed(5_000)).expect("a retry");
    assert!((5_000..=6_000).contains(&pause), "{pause}");
}

#[test]
fn p6_details_that_say_it_is_pointless_stop() {
    let failure = Failure {
        forbidden: true,
        ..unavailable()
    };
    assert_eq!(
        Call::new(&config(), true).fail(&failure, None),
        stopped(Stop::Details)
    );
}

#[test]
fn d7_p4_a_pause_that_would_outlast_the_deadline_is_not_made() {
    let mut call = Call::new(&config(), true);
    assert_eq!(
        call.fail(&unavailable(), Some(ms(100))),
        stopped(Stop::DeadlineWouldPass)
    );
    let pushed = Failure {
        pushback: Pushback::After(ms(4_567_000)),
        ..unavailable()
    };
    let mut call = Call::new(&config(), true);
    assert_eq!(
        call.fail(&pushed, Some(ms(5_000))),
        stopped(Stop::DeadlineWouldPass)
    );
    assert_eq!(
        call.fail(&unavailable(), Some(Duration::ZERO)),
        stopped(Stop::Deadline)
    );
    let mut call = Call::new(&config(), true);
    assert_eq!(
        call.fail(&unavailable(), Some(ms(101))),
        Decision::Retry { after: ms(100) }
    );
}
