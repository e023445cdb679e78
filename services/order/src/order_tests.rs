//! The rules of an order's life, each as a sentence.

use rpc::idempotency_key::IdempotencyKey;

use super::*;

const PACE: Pace = Pace {
    retry_min: Duration::from_millis(200),
    retry_max: Duration::from_secs(60),
    claim: Duration::from_secs(10),
};

fn order(state: State) -> Order {
    let content = NewOrder {
        idempotency_key: key("key-1"),
        user_id: 23,
        product_id: 12,
        price: "3.20 EUR".parse().expect("an amount"),
        address: None,
    };
    let mut order = Order::new(OrderId::next(), content, "Book".into(), Moment(1_000));
    order.state = state;
    order
}

fn key(text: &str) -> IdempotencyKey {
    IdempotencyKey::parse("key", text).expect("a key")
}

fn refusal(step: Step) -> Refusal {
    Refusal {
        step,
        reason: Reason::new("PEER_SAID_NO"),
        message: "the peer said no".into(),
        fields: Vec::new(),
        preconditions: Vec::new(),
    }
}

fn trouble() -> Trouble {
    Trouble {
        cause: "shipping cannot be reached".into(),
        retry_after: None,
    }
}

fn after(order: &Order, outcome: Outcome) -> Result<Progress, InvalidTransition> {
    order.after(outcome, &PACE, Moment(2_000), 0.5)
}

/// Every outcome there is.
fn outcomes() -> Vec<Outcome> {
    vec![
        Outcome::Charged { payment_id: 7 },
        Outcome::Shipped { shipping_id: 9 },
        Outcome::Refunded,
        Outcome::Refused(refusal(Step::Charge)),
        Outcome::Refused(refusal(Step::Ship)),
        Outcome::Refused(refusal(Step::Refund)),
        Outcome::Failed(trouble()),
    ]
}

#[test]
fn an_order_that_goes_well_is_charged_and_then_shipped() {
    let created = order(State::Created);
    let paid = after(&created, Outcome::Charged { payment_id: 7 }).expect("allowed");
    assert_eq!(paid.order.state, State::Paid);
    assert_eq!(paid.order.payment_id, Some(7));
    assert_eq!(paid.order.updated_at, Moment(2_000));
    assert_eq!(paid.next, Next::Now(Step::Ship));
    assert_eq!(
        paid.order.next_attempt_at,
        Some(Moment(12_000)),
        "claimed for the next step"
    );
    let shipped = after(&paid.order, Outcome::Shipped { shipping_id: 9 }).expect("allowed");
    assert_eq!(shipped.order.state, State::Shipped);
    assert_eq!(shipped.order.shipping_id, Some(9));
    assert_eq!(shipped.next, Next::Nothing);
    assert_eq!(shipped.order.next_attempt_at, None);
}

#[test]
fn a_refused_payment_ends_the_order_and_says_why() {
    let refused = after(
        &order(State::Created),
        Outcome::Refused(refusal(Step::Charge)),
    )
    .expect("allowed");
    assert_eq!(refused.order.state, State::Refused);
    assert_eq!(refused.order.note, "the peer said no");
    assert_eq!(refused.order.refusal, Some(refusal(Step::Charge)));
    assert_eq!(refused.next, Next::Nothing);
}

#[test]
fn an_order_that_shipping_refuses_for_good_is_refunded() {
    let refunding = after(&order(State::Paid), Outcome::Refused(refusal(Step::Ship))).expect("ok");
    assert_eq!(refunding.order.state, State::Refunding);
    assert_eq!(refunding.next, Next::Now(Step::Refund));
    let refunded = after(&refunding.order, Outcome::Refunded).expect("ok");
    assert_eq!(refunded.order.state, State::Refunded);
    assert_eq!(
        refunded.order.note,
        "the peer said no; the payment was given back"
    );
    assert_eq!(refunded.next, Next::Nothing);
}

#[test]
fn trouble_changes_the_note_and_the_next_try_and_nothing_else() {
    for (state, step) in [
        (State::Created, Step::Charge),
        (State::Paid, Step::Ship),
        (State::Refunding, Step::Refund),
    ] {
        let before = order(state);
        let waiting = after(&before, Outcome::Failed(trouble())).expect("ok");
        assert!(waiting.order.note.contains("shipping cannot be reached"));
        assert_eq!(
            waiting.next,
            Next::Later(step, Duration::from_millis(200)),
            "{state}"
        );
        let expected = Order {
            note: waiting.order.note.clone(),
            attempts: 1,
            next_attempt_at: Some(Moment(2_200)),
            ..before
        };
        assert_eq!(waiting.order, expected);
    }
}

#[test]
fn the_next_step_starts_with_a_clean_slate() {
    let mut paid = order(State::Paid);
    paid.attempts = 8;
    paid.note = "paid and waiting".into();
    let shipped = after(&paid, Outcome::Shipped { shipping_id: 9 }).expect("ok");
    assert_eq!(
        (shipped.order.attempts, shipped.order.note.as_str()),
        (0, "")
    );
}

#[test]
fn only_the_transitions_in_the_picture_are_possible() {
    // The whole table: from each state, what each outcome of `outcomes()` leads to.
    use State::{Created, Paid, Refunded, Refunding, Refused, Shipped};
    let table = [
        (
            Created,
            [
                Some(Paid),
                None,
                None,
                Some(Refused),
                None,
                None,
                Some(Created),
            ],
        ),
        (
            Paid,
            [
                None,
                Some(Shipped),
                None,
                None,
                Some(Refunding),
                None,
                Some(Paid),
            ],
        ),
        (Shipped, [None; 7]),
        (Refused, [None; 7]),
        (
            Refunding,
            [
                None,
                None,
                Some(Refunded),
                None,
                None,
                None,
                Some(Refunding),
            ],
        ),
        (Refunded, [None; 7]),
    ];
    for (from, row) in table {
        for (outcome, to) in outcomes().into_iter().zip(row) {
            let reached = after(&order(from), outcome.clone()).map(|p| p.order.state);
            match to {
                Some(to) => assert_eq!(reached, Ok(to), "{from} and {outcome:?}"),
                None => assert!(
                    reached.is_err(),
                    "{from} and {outcome:?} led to {reached:?}"
                ),
            }
        }
    }
}

#[test]
fn what_follows_agrees_with_the_state_that_is_stored() {
    for state in State::ALL {
        for outcome in outcomes() {
            let Ok(progress) = after(&order(state), outcome) else {
                continue;
            };
            let step = match progress.next {
                Next::Now(step) | Next::Later(step, _) => Some(step),
                Next::Nothing => None,
            };
            assert_eq!(progress.order.state.step(), step);
        }
    }
}

#[test]
fn the_wait_doubles_with_each_failure_up_to_the_longest() {
    let waits: Vec<_> = (1..=11)
        .map(|attempts| PACE.wait(attempts, None, 0.5).as_millis())
        .collect();
    assert_eq!(
        waits,
        [
            200, 400, 800, 1_600, 3_200, 6_400, 12_800, 25_600, 51_200, 60_000, 60_000
        ]
    );
    assert_eq!(PACE.wait(u32::MAX, None, 0.5), Duration::from_secs(60));
}

#[test]
fn the_jitter_spreads_a_wait_by_a_fifth_to_both_sides() {
    assert_eq!(PACE.wait(1, None, 0.0), Duration::from_millis(160));
    assert_eq!(PACE.wait(1, None, 1.0), Duration::from_millis(240));
}

#[test]
fn a_peer_that_names_a_wait_is_obeyed_within_reason() {
    let hint = |seconds| PACE.wait(1, Some(Duration::from_secs(seconds)), 0.5);
    assert_eq!(hint(5), Duration::from_secs(5));
    assert_eq!(hint(0), Duration::from_millis(200));
    assert_eq!(hint(86_400), LONGEST_HINT);
}

#[test]
fn the_key_of_a_step_depends_on_the_order_alone() {
    let before = order(State::Paid);
    let later = after(&before, Outcome::Failed(trouble()))
        .expect("ok")
        .order;
    assert_eq!(before.key(Step::Ship), later.key(Step::Ship));
    assert_ne!(before.key(Step::Ship), before.key(Step::Charge));
    assert_ne!(before.key(Step::Ship), order(State::Paid).key(Step::Ship));
    for step in [Step::Charge, Step::Ship, Step::Refund] {
        assert!(IdempotencyKey::parse("key", &before.key(step)).is_ok());
    }
}

#[test]
fn numbers_sort_by_the_time_they_were_given() {
    let given: Vec<_> = (0..1_000).map(|_| OrderId::next()).collect();
    assert!(given.is_sorted());
    let texts: Vec<_> = given.iter().map(ToString::to_string).collect();
    assert!(
        texts.is_sorted(),
        "as text too, which is how they are stored"
    );
    assert_eq!(texts[0].parse(), Ok(given[0]));
}

#[test]
fn every_state_has_a_name_of_its_own() {
    for state in State::ALL {
        assert_eq!(State::named(state.name()), Some(state));
    }
    assert_eq!(State::named("paid"), None);
}
