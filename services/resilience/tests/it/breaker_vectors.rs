//! The state machine under a virtual clock: gobreaker's vectors, and what it does beyond gobreaker.

use std::time::{Duration, Instant};

use proptest::prelude::*;
use resilience::circuit_breaker::state::{Admission, Change, Machine, Rejection};
use resilience::circuit_breaker::{
    Config, Counts, FailureRatio, HalfOpen, OpenTime, Outcome, State, Window,
};

use Outcome::{Dropped, Failure, Neutral, Overloaded, Success};
use State::{Closed, HalfOpen as Half, Open};

/// A machine, the time, and the changes it reported.
struct Bench {
    machine: Machine,
    now: Instant,
    changes: Vec<(State, State)>,
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

const INSTANT: Duration = Duration::from_nanos(1);

/// gobreaker's own defaults: one probe, no interval, 60 s open, trips at the sixth failure in a row.
fn gobreaker_defaults() -> Config {
    Config {
        consecutive_failures: Some(6),
        open: OpenTime::constant(seconds(60)),
        half_open: HalfOpen::requests(1),
        ..Config::default()
    }
}

/// gobreaker's "custom" breaker: three probes, 30 s interval, 90 s open, trips at 0.6 of at least three.
fn gobreaker_custom() -> Config {
    Config {
        failure_ratio: Some(FailureRatio {
            ratio: 0.6,
            minimum_calls: 3,
            window: Window::Interval(seconds(30)),
        }),
        open: OpenTime::constant(seconds(90)),
        half_open: HalfOpen {
            max_duration: seconds(3600),
            ..HalfOpen::requests(3)
        },
        ..Config::default()
    }
}

impl Bench {
    fn new(config: &Config) -> Self {
        let now = Instant::now();
        let rules = config.rules().expect("rules that hold together");
        Self {
            machine: Machine::new(rules, fastrand::Rng::with_seed(3), now),
            now,
            changes: Vec::new(),
        }
    }

    fn pass(&mut self, time: Duration) -> &mut Self {
        self.now += time;
        self
    }

    fn note(&mut self, change: Option<Change>) {
        self.changes
            .extend(change.map(|change| (change.from, change.to)));
    }

    fn admit(&mut self) -> Result<Admission, Rejection> {
        let (asked, change) = self.machine.admit(self.now);
        self.note(change);
        asked
    }

    fn start(&mut self) -> Admission {
        self.admit().expect("an admission")
    }

    fn end(&mut self, admission: Admission, outcome: Outcome) -> &mut Self {
        let change = self.machine.done(self.now, admission, outcome);
        self.note(change);
        self
    }

    /// Whole calls, one after the other.
    fn calls(&mut self, outcomes: &[Outcome]) -> &mut Self {
        for outcome in outcomes {
            let admission = self.start();
            self.end(admission, *outcome);
        }
        self
    }

    fn rejected(&mut self) -> Rejection {
        self.admit().expect_err("a rejection")
    }

    fn state(&mut self) -> State {
        let (state, change) = self.machine.state(self.now);
        self.note(change);
        state
    }

    /// The state, and {requests, successes, failures, excluded, consecutive successes, consecutive failures}.
    fn expect(&mut self, state: State, counts: [u64; 6]) -> &mut Self {
        assert_eq!(self.state(), state);
        let [requests, successes, failures, excluded, cs, cf] = counts;
        assert_eq!(
            self.machine.counts(),
            Counts {
                requests,
                successes,
                failures,
                excluded,
                consecutive_successes: cs,
                consecutive_failures: cf,
            }
        );
        self
    }
}

#[test]
fn g1_defaults() {
    let mut bench = Bench::new(&gobreaker_defaults());
    bench
        .calls(&[Failure; 5])
        .expect(Closed, [5, 0, 5, 0, 0, 5]);
    bench.calls(&[Success]).expect(Closed, [6, 1, 5, 0, 1, 0]);
    bench.calls(&[Failure]).expect(Closed, [7, 1, 6, 0, 0, 1]);
    bench.calls(&[Failure; 5]).expect(Open, [0; 6]);
    assert_eq!(bench.rejected().state, Open);
    assert_eq!(bench.rejected().retry_after, seconds(60));
    bench.expect(Open, [0; 6]);
    bench
        .pass(Duration::from_millis(59_999))
        .expect(Open, [0; 6]);
    bench.pass(seconds(1)).expect(Half, [0; 6]);
    bench.calls(&[Failure]).expect(Open, [0; 6]);
    bench.pass(seconds(60) + INSTANT).expect(Half, [0; 6]);
    bench.calls(&[Success]).expect(Closed, [0; 6]);
    assert_eq!(
        bench.changes,
        [
            (Closed, Open),
            (Open, Half),
            (Half, Open),
            (Open, Half),
            (Half, Closed)
        ]
    );
}

#[test]
fn g2_a_ratio_in_an_interval_and_three_probes() {
    let mut bench = Bench::new(&gobreaker_custom());
    for _ in 0..5 {
        bench.calls(&[Success, Failure, Neutral]);
    }
    bench.expect(Closed, [15, 5, 5, 5, 0, 1]);
    bench.pass(Duration::from_millis(29_999)).calls(&[Success]);
    bench.expect(Closed, [16, 6, 5, 5, 1, 0]);
    bench.pass(seconds(1)).calls(&[Failure]);
    bench.expect(Closed, [1, 0, 1, 0, 0, 1]);
    bench.calls(&[Success, Failure]).expect(Open, [0; 6]);
    assert_eq!(bench.changes, [(Closed, Open)]);
    bench.pass(seconds(90) + INSTANT).expect(Half, [0; 6]);
    assert_eq!(bench.changes[1..], [(Open, Half)]);
    bench.calls(&[Neutral; 4]).expect(Half, [4, 0, 0, 4, 0, 0]);
    bench.calls(&[Failure]).expect(Open, [0; 6]);
    assert_eq!(bench.changes[2..], [(Half, Open)]);
    bench.pass(seconds(90) + INSTANT).expect(Half, [0; 6]);
    bench.calls(&[Success; 2]).expect(Half, [2, 2, 0, 0, 2, 0]);
    let under_way = bench.start();
    bench.expect(Half, [3, 2, 0, 0, 2, 0]);
    assert_eq!(bench.rejected().state, Half);
    bench.end(under_way, Success).expect(Closed, [0; 6]);
    assert_eq!(bench.changes[4..], [(Half, Closed)]);
}

#[test]
fn g4_b2_a_result_of_an_older_generation_changes_nothing() {
    let mut bench = Bench::new(&gobreaker_custom());
    bench.pass(seconds(29)).calls(&[Success]);
    let slow = bench.start();
    bench.expect(Closed, [2, 1, 0, 0, 1, 0]);
    bench.pass(seconds(1)).expect(Closed, [0; 6]);
    bench.end(slow, Success).expect(Closed, [0; 6]);
}

#[test]
fn b2_a_late_success_from_before_the_trip_does_not_close_a_half_open_circuit() {
    let mut bench = Bench::new(&gobreaker_defaults());
    let late = bench.start();
    bench.calls(&[Failure; 6]);
    bench.pass(seconds(60)).expect(Half, [0; 6]);
    bench.end(late, Success).expect(Half, [0; 6]);
}

#[test]
fn g6_what_is_judged_a_success_never_trips() {
    let mut bench = Bench::new(&gobreaker_defaults());
    bench
        .calls(&[Success; 5])
        .expect(Closed, [5, 5, 0, 0, 5, 0]);
    bench.calls(&[Failure; 6]).expect(Open, [0; 6]);
}

#[test]
fn g7_excluded_calls_are_counted_apart_and_break_no_run() {
    let mut bench = Bench::new(&gobreaker_defaults());
    bench
        .calls(&[Neutral; 3])
        .expect(Closed, [3, 0, 0, 3, 0, 0]);
    bench
        .calls(&[Success; 3])
        .expect(Closed, [6, 3, 0, 3, 3, 0]);
    bench
        .calls(&[Failure; 2])
        .expect(Closed, [8, 3, 2, 3, 0, 2]);
}

#[test]
fn g8_b6_a_probe_without_meaning_gives_its_slot_back() {
    let config = Config {
        half_open: HalfOpen::requests(2),
        ..gobreaker_defaults()
    };
    for ending in [Neutral, Dropped] {
        let mut bench = Bench::new(&config);
        bench.calls(&[Failure; 6]).pass(seconds(60));
        let (first, second) = (bench.start(), bench.start());
        assert_eq!(bench.rejected().state, Half);
        bench.end(first, ending);
        let third = bench.start();
        assert_eq!(bench.rejected().state, Half);
        bench.end(third, Success).expect(Half, [3, 1, 0, 1, 1, 0]);
        bench.end(second, Failure).expect(Open, [0; 6]);
    }
}

#[test]
fn g10_a_time_that_is_none_cannot_be_a_rule() {
    let config = Config {
        open: OpenTime::constant(Duration::ZERO),
        ..Config::default()
    };
    assert!(config.rules().is_err());
}

#[test]
fn b3_the_circuit_is_open_for_exactly_its_time_and_says_what_is_left() {
    let mut bench = Bench::new(&gobreaker_defaults());
    bench.calls(&[Failure; 6]).pass(seconds(60) - INSTANT);
    assert_eq!(bench.rejected().retry_after, INSTANT);
    bench.pass(INSTANT);
    bench.calls(&[Success]).expect(Closed, [0; 6]);
}

#[test]
fn b6_a_probe_that_never_ends_does_not_hold_the_circuit_for_ever() {
    let mut bench = Bench::new(&gobreaker_defaults());
    bench.calls(&[Failure; 6]).pass(seconds(60));
    let lost = bench.start();
    bench
        .pass(seconds(10) - INSTANT)
        .expect(Half, [1, 0, 0, 0, 0, 0]);
    bench.pass(INSTANT).expect(Open, [0; 6]);
    bench.pass(seconds(60)).expect(Half, [0; 6]);
    bench.end(lost, Success).expect(Half, [0; 6]);
    bench.calls(&[Success]).expect(Closed, [0; 6]);
}

#[test]
fn b6_half_open_without_calls_waits_for_one_however_long() {
    let mut bench = Bench::new(&gobreaker_defaults());
    bench.calls(&[Failure; 6]).pass(seconds(60));
    assert_eq!(bench.state(), Half);
    bench.pass(seconds(100_000));
    bench.calls(&[Success]).expect(Closed, [0; 6]);
}

fn ratio(ratio: f64, minimum_calls: u32, window: Window) -> Config {
    Config {
        failure_ratio: Some(FailureRatio {
            ratio,
            minimum_calls,
            window,
        }),
        ..gobreaker_custom()
    }
}

/// Listings 6.5 and 6.6: 0.1 with a volume, against a server that fails every second call.
#[test]
fn b8_a_ratio_needs_a_volume_so_the_first_failure_does_not_trip() {
    let mut bench = Bench::new(&ratio(0.1, 6, Window::Interval(seconds(60))));
    bench.calls(&[Failure, Success, Failure, Success, Failure]);
    assert_eq!(bench.state(), Closed, "five calls are no volume");
    bench.calls(&[Success]);
    assert_eq!(bench.state(), Closed, "looked at after failures only");
    bench.calls(&[Failure]);
    assert_eq!(bench.state(), Open);
}

#[test]
fn b9_at_the_threshold_it_trips_and_just_below_it_does_not() {
    for window in [Window::Calls(10), Window::Interval(seconds(60))] {
        let mut below = Bench::new(&ratio(0.5, 9, window));
        below.calls(&[Success; 5]).calls(&[Failure; 4]);
        assert_eq!(below.state(), Closed, "4 of 9");
        below.calls(&[Failure]);
        assert_eq!(below.state(), Open, "5 of 10");
    }
    let mut exact = Bench::new(&ratio(0.6, 3, Window::Calls(100)));
    exact.calls(&[Success; 40]).calls(&[Failure; 59]);
    assert_eq!(exact.state(), Closed, "59 of 99 is below 0.6");
    exact.calls(&[Failure]);
    assert_eq!(exact.state(), Open, "60 of 100");
}

#[test]
fn b10_a_window_by_count_holds_exactly_the_last_outcomes() {
    let mut bench = Bench::new(&ratio(0.5, 10, Window::Calls(10)));
    bench.calls(&[Success; 1000]).calls(&[Failure; 4]);
    assert_eq!(bench.state(), Closed);
    bench.calls(&[Failure]);
    assert_eq!(bench.state(), Open, "five of the last ten, not of 1005");

    let mut bench = Bench::new(&ratio(0.5, 10, Window::Calls(10)));
    for _ in 0..100 {
        bench.calls(&[
            Failure, Failure, Failure, Failure, Success, Success, Success,
        ]);
        bench.calls(&[Success, Success, Success]);
    }
    assert_eq!(bench.state(), Closed, "four of any ten");
}

#[test]
fn b12_overload_counts_for_the_ratio_and_fails_a_probe_but_is_no_failure_in_a_row() {
    let mut bench = Bench::new(&gobreaker_defaults());
    bench.calls(&[Failure; 5]).calls(&[Overloaded; 10]);
    assert_eq!(bench.state(), Closed);
    bench.calls(&[Failure]);
    assert_eq!(bench.state(), Open, "nor does it end a row");
    bench.pass(seconds(60)).calls(&[Overloaded]);
    assert_eq!(bench.state(), Open);

    let mut bench = Bench::new(&ratio(0.5, 4, Window::Calls(10)));
    bench.calls(&[Success, Success, Overloaded, Overloaded]);
    assert_eq!(bench.state(), Open);
}

#[test]
fn the_row_of_failures_survives_an_interval_that_clears_the_counts() {
    let mut bench = Bench::new(&Config {
        consecutive_failures: Some(3),
        ..gobreaker_custom()
    });
    for _ in 0..2 {
        bench.calls(&[Failure]).pass(seconds(30));
    }
    bench.calls(&[Failure]);
    assert_eq!(bench.state(), Open);
}

#[test]
fn b15_the_open_time_doubles_with_each_failed_probe_and_starts_anew_after_a_close() {
    let mut bench = Bench::new(&Config {
        open: OpenTime {
            initial: seconds(5),
            multiplier: 2.0,
            max: seconds(60),
            jitter: 0.0,
        },
        ..gobreaker_defaults()
    });
    bench.calls(&[Failure; 6]);
    for expected in [5, 10, 20, 40, 60, 60] {
        assert_eq!(bench.rejected().retry_after, seconds(expected));
        bench.pass(seconds(expected)).calls(&[Failure]);
    }
    bench.pass(seconds(60)).calls(&[Success]);
    assert_eq!(bench.state(), Closed);
    bench.calls(&[Failure; 6]);
    assert_eq!(bench.rejected().retry_after, seconds(5));
}

#[test]
fn b15_jitter_keeps_the_open_time_within_its_share() {
    let config = Config {
        open: OpenTime {
            initial: seconds(10),
            multiplier: 1.0,
            max: seconds(10),
            jitter: 0.5,
        },
        ..gobreaker_defaults()
    };
    let mut bench = Bench::new(&config);
    bench.calls(&[Failure; 6]);
    let mut times = Vec::new();
    for _ in 0..200 {
        let left = bench.rejected().retry_after;
        times.push(left);
        bench.pass(left).calls(&[Failure]);
    }
    assert!(times.iter().all(|t| (seconds(5)..=seconds(15)).contains(t)));
    assert!(times.iter().any(|t| *t < seconds(6)) && times.iter().any(|t| *t > seconds(14)));
}

#[test]
fn b23_what_is_forced_stays_until_it_is_reset() {
    let mut bench = Bench::new(&gobreaker_defaults());
    let change = bench.machine.force_open(bench.now);
    bench.note(change);
    bench.pass(seconds(100_000));
    assert_eq!(bench.rejected().state, Open);
    let change = bench.machine.force_closed(bench.now);
    bench.note(change);
    bench.calls(&[Failure; 100]);
    assert_eq!(bench.state(), Closed);
    let change = bench.machine.reset(bench.now);
    bench.note(change);
    bench.calls(&[Failure; 6]);
    assert_eq!(bench.state(), Open);
    assert_eq!(
        bench.changes,
        [(Closed, Open), (Open, Closed), (Closed, Open)]
    );
}

#[test]
fn b23_metrics_only_changes_states_and_refuses_nothing() {
    let mut bench = Bench::new(&gobreaker_defaults());
    bench.machine.metrics_only(bench.now);
    bench.calls(&[Failure; 20]);
    assert_eq!(bench.state(), Open);
    bench.pass(seconds(60));
    let probe = bench.start();
    let beyond = bench.start();
    bench.end(beyond, Failure);
    assert_eq!(bench.state(), Half, "only the probe decides");
    bench.end(probe, Success);
    assert_eq!(bench.state(), Closed);
    let totals = bench.machine.totals();
    assert_eq!((totals.admitted, totals.rejected), (22, 0));
}

#[derive(Debug, Clone)]
enum Step {
    Start,
    End(usize, Outcome),
    Pass(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let outcome = prop::sample::select(vec![Success, Failure, Overloaded, Neutral, Dropped]);
    prop_oneof![
        3 => Just(Step::Start),
        3 => (any::<usize>(), outcome).prop_map(|(which, outcome)| Step::End(which, outcome)),
        1 => (0u64..8_000).prop_map(Step::Pass),
    ]
}

proptest! {
    /// B24, B4: for any order of events, every admission is accounted for once, and half-open never has more under way
    /// than it may.
    #[test]
    fn b24_b4_for_any_order_of_events_the_books_balance_and_the_bound_holds(
        steps in prop::collection::vec(step(), 0..300),
        probes in 1u32..4,
        successes in 1u32..4,
    ) {
        let config = Config {
            consecutive_failures: Some(3),
            failure_ratio: Some(FailureRatio { ratio: 0.5, minimum_calls: 4, window: Window::Calls(8) }),
            open: OpenTime { initial: seconds(2), multiplier: 2.0, max: seconds(8), jitter: 0.5 },
            half_open: HalfOpen { max_in_flight: probes, successes, max_duration: seconds(5) },
            ..Config::default()
        };
        let mut bench = Bench::new(&config);
        let mut under_way: Vec<(Admission, u64)> = Vec::new();
        let (mut admitted, mut rejected) = (0, 0);
        for step in steps {
            match step {
                Step::Start => match bench.admit() {
                    Ok(admission) => {
                        admitted += 1;
                        under_way.push((admission, bench.machine.generation()));
                    }
                    Err(rejection) => {
                        rejected += 1;
                        prop_assert_ne!(rejection.state, Closed);
                    }
                },
                Step::End(which, outcome) if !under_way.is_empty() => {
                    let (admission, _) = under_way.swap_remove(which % under_way.len());
                    bench.end(admission, outcome);
                }
                Step::End(..) => {}
                Step::Pass(millis) => { bench.pass(Duration::from_millis(millis)); }
            }
            if bench.state() == Half {
                let generation = bench.machine.generation();
                let now = under_way.iter().filter(|(_, of)| *of == generation).count();
                prop_assert!(now <= usize::try_from(probes.min(successes)).expect("small"));
            }
            let totals = bench.machine.totals();
            let ended = totals.successes + totals.failures + totals.neutral + totals.dropped;
            prop_assert_eq!(totals.admitted, admitted);
            prop_assert_eq!(totals.rejected, rejected);
            prop_assert_eq!(ended + under_way.len() as u64, admitted);
        }
        for pair in bench.changes.windows(2) {
            prop_assert_eq!(pair[0].1, pair[1].0, "each change begins where the last ended");
        }
    }
}
