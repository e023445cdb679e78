//! What a peer's answer means for an order and for its caller.

use rpc::status::{Metadata, PreconditionViolation, Reason};
use tonic::Code;

use super::*;
use crate::clock::Moment;
use crate::new_order::NewOrder;
use crate::order::OrderId;

fn order() -> Order {
    let content = NewOrder {
        idempotency_key: rpc::IdempotencyKey::parse("key", "key-1").expect("a key"),
        user_id: 23,
        product_id: 12,
        price: "3.20 EUR".parse().expect("an amount"),
        address: None,
    };
    Order::new(OrderId::next(), content, "Book".into(), Moment(0))
}

/// What is made of a failure that the peer answered with.
fn judged(step: Step, answered: Failure) -> Taken {
    let status = answered.into_status(peer(step));
    judge(step, Upstream::read(&status), &order())
}

fn refusal(taken: &Taken) -> Option<&Refusal> {
    match &taken.outcome {
        Outcome::Refused(refusal) => Some(refusal),
        _ => None,
    }
}

fn declined() -> Failure {
    Failure::FailedPrecondition {
        reason: Reason::new("CARD_DECLINED"),
        message: "the card was declined".into(),
        violations: vec![PreconditionViolation {
            kind: Reason::new("CARD_DECLINED"),
            subject: "amount".into(),
            description: "nothing was charged".into(),
        }],
        metadata: Metadata::from([("processor".into(), "10.0.0.7".into())]),
    }
}

#[test]
fn a_declined_card_is_a_refusal_for_good_with_payments_own_reason() {
    let taken = judged(Step::Charge, declined());
    let refusal = refusal(&taken).expect("a refusal");
    assert_eq!(refusal.reason, Reason::new("CARD_DECLINED"));
    assert_eq!(refusal.message, "the card was declined");
    assert_eq!(
        refusal.preconditions[0].subject, "price",
        "in the words of the caller's request"
    );
    let told = taken.failure.expect("told").into_status("order");
    let told = Upstream::read(&told);
    assert!(!told.info.expect("info").metadata.contains_key("processor"));
}

#[test]
fn a_field_that_the_caller_filled_in_is_named_by_the_callers_path() {
    for (step, theirs, ours) in [
        (Step::Charge, "amount.currency_code", "price.currency_code"),
        (Step::Charge, "amount", "price"),
        (Step::Charge, "user_id", "user_id"),
        (Step::Ship, "address.city", "address.city"),
        (Step::Ship, "user_id", "user_id"),
    ] {
        let answered = Failure::invalid_argument(theirs, reason::MALFORMED, "no such thing");
        let taken = judged(step, answered);
        let refusal = refusal(&taken).expect("a refusal");
        assert_eq!(refusal.fields[0].field, ours);
        assert_eq!(refusal.message, format!("{ours}: no such thing"));
    }
}

#[test]
fn a_field_that_we_filled_in_ourselves_is_our_mistake_and_no_refusal() {
    for (step, field) in [
        (Step::Charge, "idempotency_key"),
        (Step::Charge, "order_id"),
        (Step::Charge, "amounts"),
        (Step::Ship, "amount"),
        (Step::Ship, "order_id"),
    ] {
        let taken = judged(
            step,
            Failure::invalid_argument(field, reason::MALFORMED, "no such thing"),
        );
        assert!(matches!(taken.outcome, Outcome::Failed(_)), "{field}");
        let told = taken.failure.expect("told");
        assert_eq!(told.code(), Code::Internal, "{field}");
    }
}

#[test]
fn what_leaves_open_whether_it_was_done_is_tried_again() {
    let unavailable = || Failure::Unavailable {
        reason: reason::OVERLOADED,
        message: String::new(),
        retry_after: Some(Duration::from_secs(7)),
        metadata: Metadata::new(),
    };
    for answered in [
        unavailable(),
        Failure::ResourceExhausted {
            reason: reason::OVERLOADED,
            message: String::new(),
            retry_after: None,
            violations: Vec::new(),
        },
        Failure::DeadlineExceeded {
            message: String::new(),
            metadata: Metadata::new(),
        },
        Failure::Aborted {
            reason: reason::CONFLICT,
            message: String::new(),
        },
        Failure::Cancelled {
            message: String::new(),
        },
        Failure::internal("disk on fire"),
        // Our certificate is not on the list: that may be a slip of an hour ago, and the charge one of a day ago.
        Failure::PermissionDenied {
            caller: None,
            method: "payment.v1.Payment/Create".into(),
        },
        Failure::Unauthenticated {
            message: String::new(),
        },
        // A payment with our key and another content: nobody can say that nothing was charged.
        Failure::AlreadyExists {
            reason: reason::IDEMPOTENCY_KEY_REUSED,
            kind: "payment".into(),
            id: "7".into(),
            message: String::new(),
        },
    ] {
        let code = answered.code();
        let taken = judged(Step::Charge, answered);
        assert!(matches!(taken.outcome, Outcome::Failed(_)), "{code:?}");
    }
    let Outcome::Failed(trouble) = judged(Step::Ship, unavailable()).outcome else {
        unreachable!("it was tried again a moment ago");
    };
    assert_eq!(trouble.cause, "shipping does not answer at the moment");
    assert_eq!(trouble.retry_after, Some(Duration::from_secs(7)));
}

#[test]
fn a_refund_is_never_refused_for_good() {
    for answered in [declined(), Failure::not_found("payment", 7)] {
        let taken = judged(Step::Refund, answered);
        assert!(matches!(taken.outcome, Outcome::Failed(_)));
    }
}

#[test]
fn what_a_peer_does_not_know_is_a_refusal() {
    let taken = judged(Step::Ship, Failure::not_found("country", "XX"));
    let refusal = refusal(&taken).expect("a refusal");
    assert_eq!(refusal.message, "shipping knows no country XX");
}

#[test]
fn text_of_a_peer_is_kept_without_control_characters_and_within_bounds() {
    assert_eq!(printable("a\u{0}b\nc"), "a b c");
    assert_eq!(printable(&"ü".repeat(1_000)).len(), LONGEST_NOTE);
}
