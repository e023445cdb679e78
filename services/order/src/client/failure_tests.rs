//! What a person and a program are told about each kind of failure. The statuses are made by the service's own errors,
//! so that both sides agree.

use std::time::Duration;

use rpc::status::{FieldViolation, ToStatus as _, reason};

use super::*;
use crate::clock::Moment;
use crate::error::Error;
use crate::new_order::NewOrder;
use crate::order::{Order, OrderId};

fn order() -> Box<Order> {
    let content = NewOrder {
        idempotency_key: rpc::IdempotencyKey::parse("key", "key-1").expect("a key"),
        user_id: 23,
        product_id: 12,
        price: "3.20 EUR".parse().expect("an amount"),
        address: None,
    };
    Box::new(Order::new(
        OrderId::next(),
        content,
        "Book".into(),
        Moment(0),
    ))
}

fn refused(error: Error, key: Option<&str>) -> Failure {
    Failure::refused(&error.into_status(), key)
}

#[test]
fn every_violation_is_told_field_by_field() {
    let failure = refused(
        Error::InvalidArgument(vec![
            FieldViolation::new(
                "user_id",
                reason::TOO_SMALL,
                "user id cannot be less than 1",
            ),
            FieldViolation::new(
                "product_id",
                reason::TOO_SMALL,
                "product id cannot be negative",
            ),
        ]),
        Some("key-1"),
    );
    let told = failure.people();
    assert!(told.starts_with("error: INVALID_ARGUMENT: "), "{told}");
    assert!(
        told.contains("\n  user_id: user id cannot be less than 1\n"),
        "{told}"
    );
    assert!(
        told.contains("\n  product_id: product id cannot be negative\n"),
        "{told}"
    );
    assert!(
        told.ends_with("what to do: change these fields\n"),
        "{told}"
    );
    assert_eq!(failure.exit(), Exit::Fix);
    let object = failure.json();
    assert_eq!(object["fields"][0]["field"], "user_id");
    assert_eq!(object["fields"][1]["reason"], "TOO_SMALL");
    assert_eq!(object["advice"]["do"], "fix");
}

#[test]
fn the_only_violation_is_told_once() {
    let failure = refused(
        Error::InvalidArgument(vec![FieldViolation::new(
            "user_id",
            reason::TOO_SMALL,
            "user id cannot be less than 1",
        )]),
        Some("key-1"),
    );
    assert_eq!(
        failure.people(),
        "error: INVALID_ARGUMENT: user_id: user id cannot be less than 1\nwhat to do: change this field\n"
    );
}

#[test]
fn a_key_of_another_order_is_to_be_replaced() {
    let failure = refused(Error::KeyReused(order()), Some("key-1"));
    let told = failure.people();
    assert!(told.starts_with("error: ALREADY_EXISTS: "), "{told}");
    assert!(told.ends_with("what to do: use a new --key\n"), "{told}");
    assert!(!told.contains("a order"), "{told}");
    assert_eq!(failure.exit(), Exit::GiveUp);
}

#[test]
fn an_order_that_waits_for_payment_is_named_with_the_key_and_the_time_to_come_back() {
    let order = order();
    let id = order.id.to_string();
    let failure = refused(
        Error::Unpaid {
            order,
            trouble: None,
            retry_after: Duration::from_millis(1_500),
        },
        Some("key-1"),
    );
    let told = failure.people();
    assert!(
        told.contains(&format!("the order is kept as {id}\n")),
        "{told}"
    );
    assert!(
        told.ends_with("what to do: try the same command with --key key-1 again in 1.5 s\n"),
        "{told}"
    );
    assert_eq!(failure.exit(), Exit::Later);
    assert_eq!(failure.json()["order_id"], id);
    assert_eq!(failure.json()["advice"]["after_ms"], 1_500);
}

#[test]
fn another_price_is_told_and_is_not_to_be_repeated() {
    let failure = refused(
        Error::PriceChanged {
            product_id: 12,
            expected: "3.20 EUR".parse().expect("an amount"),
            price: "3.50 EUR".parse().expect("an amount"),
        },
        None,
    );
    let told = failure.people();
    assert!(told.starts_with("error: FAILED_PRECONDITION: "), "{told}");
    let price = "product 12 costs 3.50 EUR now";
    assert_eq!(told.matches(price).count(), 1, "said once: {told}");
    assert_eq!(failure.exit(), Exit::GiveUp);
    assert_eq!(failure.json()["reason"], "PRICE_CHANGED");
}

#[test]
fn an_order_that_is_not_there_exits_with_1() {
    let failure = refused(Error::NotFound(OrderId::next()), None);
    assert!(
        failure
            .people()
            .starts_with("error: NOT_FOUND: there is no order ")
    );
    assert_eq!(failure.exit(), Exit::GiveUp);
}

#[test]
fn time_that_was_up_is_explained_and_the_key_kept() {
    let status = rpc::status::Failure::DeadlineExceeded {
        message: "the time was up".into(),
        metadata: rpc::status::Metadata::new(),
    };
    let failure = Failure::refused(&status.into_status("order"), Some("key-1"));
    assert_eq!(failure.exit(), Exit::Deadline);
    let told = failure.people();
    assert!(
        told.contains("--key key-1 tells what became of the order"),
        "{told}"
    );
}

#[test]
fn it_is_told_hop_by_hop_where_the_time_went() {
    let hops = [
        ("hop.1", "order.v1.Order/Create own 0.250 s"),
        ("hop.2", "payment.v1.Payment/Create 2.750 s (unfinished)"),
    ];
    let status = rpc::status::Failure::DeadlineExceeded {
        message: "the time was up".into(),
        metadata: hops
            .into_iter()
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .collect(),
    };
    // The deadline layer signs its reports with its own name.
    let failure = Failure::refused(&status.into_status("resilience"), None);
    let told = failure.people();
    let lines: Vec<_> = told.lines().collect();
    assert_eq!(
        lines[1..4],
        [
            "where the time went:",
            "  order.v1.Order/Create               0.250 s  by itself",
            "  payment.v1.Payment/Create           2.750 s  in all, not finished",
        ]
    );
    assert_eq!(failure.json()["spent"][1]["ms"], 2_750);
}

#[test]
fn a_caller_who_may_not_is_told_so_by_its_own_exit_code() {
    for failure in [
        rpc::status::Failure::PermissionDenied {
            caller: None,
            method: "order.v1.Order/Create".into(),
        },
        rpc::status::Failure::Unauthenticated {
            message: "who are you".into(),
        },
    ] {
        let failure = Failure::refused(&failure.into_status("order"), None);
        assert_eq!(failure.exit(), Exit::Access);
    }
}

#[test]
fn a_service_cannot_write_to_the_terminal_through_its_message() {
    let failure = refused(
        Error::InvalidArgument(vec![FieldViolation::new(
            "user_id",
            reason::TOO_SMALL,
            "\u{1b}[31mred",
        )]),
        None,
    );
    assert!(!failure.people().contains('\u{1b}'));
}

#[test]
fn every_code_has_the_name_of_the_specification() {
    assert_eq!(name(Code::DeadlineExceeded), "DEADLINE_EXCEEDED");
    assert_eq!(name(Code::DataLoss), "DATA_LOSS");
    assert_eq!(name(Code::Ok), "OK");
}
