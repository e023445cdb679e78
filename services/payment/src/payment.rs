//! What a payment is and what may be charged. Pure: no wire, no database.

use std::collections::BTreeMap;

use proto::Money;
use proto::google::r#type::Money as WireMoney;
use rpc::IdempotencyKey;
use rpc::status::{FieldViolation, Reason, Violations, reason};

use crate::error::Error;

/// One payment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payment {
    /// Its number.
    pub id: i64,
    /// The order that it pays for.
    pub order_id: String,
    /// Who pays.
    pub user_id: i64,
    /// What was charged.
    pub amount: Money,
    /// Where it stands.
    pub state: State,
}

/// Where a payment stands. A refund is of the whole amount, and final.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Charged.
    Charged,
    /// Charged and given back.
    Refunded,
}

/// A wish to charge that is in order: every field was checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Charge {
    key: IdempotencyKey,
    order_id: String,
    user_id: i64,
    amount: Money,
}

/// A wish to give money back that is in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refund {
    payment_id: i64,
    order_id: String,
    reason: String,
}

/// The most that is charged at once, by currency.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Limits(BTreeMap<String, Money>);

/// An order's number is a text of the order service; this much of it is kept.
const MAX_ORDER_ID: usize = 128;
const MAX_REFUND_REASON: usize = 1024;

// === impl Charge ===

impl Charge {
    /// Reads the fields of `CreatePaymentRequest`.
    ///
    /// # Errors
    /// Every problem, each under the path of its field.
    pub fn parse(
        idempotency_key: &str,
        order_id: &str,
        user_id: i64,
        amount: Option<&WireMoney>,
    ) -> Result<Self, Vec<FieldViolation>> {
        let mut violations = Violations::new();
        let key = violations.check(IdempotencyKey::parse("idempotency_key", idempotency_key));
        check_order_id(&mut violations, order_id);
        violations.require(
            user_id >= 1,
            "user_id",
            reason::TOO_SMALL,
            format!("a user id is 1 or greater, and {user_id} is not"),
        );
        let amount = check_amount(&mut violations, amount);
        match (key, amount) {
            (Some(key), Some(amount)) if violations.is_empty() => Ok(Self {
                key,
                order_id: order_id.to_owned(),
                user_id,
                amount,
            }),
            _ => Err(violations.into_vec()),
        }
    }

    /// The key by which a repetition is recognised.
    pub fn key(&self) -> &IdempotencyKey {
        &self.key
    }

    /// The order that is paid for.
    pub fn order_id(&self) -> &str {
        &self.order_id
    }

    /// Who pays.
    pub fn user_id(&self) -> i64 {
        self.user_id
    }

    /// How much.
    pub fn amount(&self) -> Money {
        self.amount
    }

    /// Whether `payment` is what this wish would have made: then it is a repetition, and the payment is its answer.
    pub fn made(&self, payment: &Payment) -> bool {
        self.order_id == payment.order_id
            && self.user_id == payment.user_id
            && self.amount == payment.amount
    }
}

fn check_order_id(violations: &mut Violations, order_id: &str) {
    if order_id.is_empty() {
        violations.add(
            "order_id",
            reason::REQUIRED,
            "the order that is paid for must be named",
        );
    } else if order_id.len() > MAX_ORDER_ID {
        violations.add(
            "order_id",
            reason::TOO_LONG,
            format!("an order id has at most {MAX_ORDER_ID} bytes"),
        );
    } else if !order_id.bytes().all(|byte| byte.is_ascii_graphic()) {
        violations.add(
            "order_id",
            reason::MALFORMED,
            "an order id has visible ASCII characters only",
        );
    }
}

fn check_amount(violations: &mut Violations, amount: Option<&WireMoney>) -> Option<Money> {
    let Some(wire) = amount else {
        violations.add(
            "amount",
            reason::REQUIRED,
            "the amount to charge must be given",
        );
        return None;
    };
    let parsed = Money::parse(wire);
    if let Err(errors) = &parsed {
        violations.extend(errors.iter().map(|error| {
            FieldViolation::new(
                format!("amount.{}", error.field()),
                Reason::parse(error.reason()).unwrap_or(reason::MALFORMED),
                error.to_string(),
            )
        }));
    }
    // Said of the numbers alone, so that it is said beside an unknown currency as well.
    violations.require(
        wire.units > 0 || (wire.units == 0 && wire.nanos > 0),
        "amount",
        reason::TOO_SMALL,
        "an amount to charge is greater than zero",
    );
    parsed.ok()
}

// === impl Refund ===

impl Refund {
    /// Reads the fields of `RefundPaymentRequest`.
    ///
    /// # Errors
    /// Every problem, each under the path of its field.
    pub fn parse(
        payment_id: i64,
        reason: &str,
        order_id: &str,
    ) -> Result<Self, Vec<FieldViolation>> {
        let mut violations = Violations::new();
        check_payment_id(&mut violations, payment_id);
        check_reason(&mut violations, reason);
        check_order_id(&mut violations, order_id);
        violations.finish()?;
        Ok(Self {
            payment_id,
            order_id: order_id.to_owned(),
            reason: reason.to_owned(),
        })
    }

    /// Which payment.
    pub fn payment_id(&self) -> i64 {
        self.payment_id
    }

    /// The order that it must pay for.
    pub fn order_id(&self) -> &str {
        &self.order_id
    }

    /// Whether `payment` is the one that is meant: its number alone would let a slip of a digit give another order's
    /// money back.
    pub fn means(&self, payment: &Payment) -> bool {
        self.payment_id == payment.id && self.order_id == payment.order_id
    }

    /// Why, for the books.
    pub fn reason(&self) -> &str {
        &self.reason
    }
}

/// A reason is free text for people. NUL, which is a control character, is none that every database can keep.
fn check_reason(violations: &mut Violations, reason: &str) {
    if reason.len() > MAX_REFUND_REASON {
        violations.add(
            "reason",
            reason::TOO_LONG,
            format!("a reason has at most {MAX_REFUND_REASON} bytes"),
        );
    } else if reason.chars().any(char::is_control) {
        violations.add(
            "reason",
            reason::MALFORMED,
            "a reason is one line, without control characters",
        );
    }
}

/// Checks the number of a payment in the field `payment_id`.
pub fn check_payment_id(violations: &mut Violations, payment_id: i64) {
    violations.require(
        payment_id >= 1,
        "payment_id",
        reason::TOO_SMALL,
        format!("a payment id is 1 or greater, and {payment_id} is not"),
    );
}

// === impl Limits ===

impl Limits {
    /// Whether this much is charged at once.
    ///
    /// # Errors
    /// [`Error::OverLimit`], or [`Error::CurrencyNotAccepted`] when there is no limit for the currency.
    pub fn check(&self, amount: Money) -> Result<(), Error> {
        match self.0.get(amount.currency_code()) {
            None => Err(Error::CurrencyNotAccepted { amount }),
            Some(limit) if amount > *limit => Err(Error::OverLimit {
                amount,
                limit: *limit,
            }),
            Some(_) => Ok(()),
        }
    }
}

impl FromIterator<Money> for Limits {
    fn from_iter<T: IntoIterator<Item = Money>>(limits: T) -> Self {
        let by_currency = |limit: Money| (limit.currency_code().to_owned(), limit);
        Self(limits.into_iter().map(by_currency).collect())
    }
}

// === impl State ===

impl State {
    /// As it stands in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Charged => "charged",
            Self::Refunded => "refunded",
        }
    }

    /// Reads what stands in the database.
    pub fn from_stored(text: &str) -> Option<Self> {
        [Self::Charged, Self::Refunded]
            .into_iter()
            .find(|state| state.as_str() == text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn eur(units: i64, nanos: i32) -> WireMoney {
        WireMoney {
            currency_code: "EUR".into(),
            units,
            nanos,
        }
    }

    fn fields(violations: &[FieldViolation]) -> Vec<(&str, &str)> {
        violations
            .iter()
            .map(|violation| (violation.field.as_str(), violation.reason.as_str()))
            .collect()
    }

    #[test]
    fn every_field_of_a_charge_is_judged_at_once() {
        let amount = WireMoney {
            currency_code: "euro".into(),
            units: 3,
            nanos: -200_000_000,
        };
        let violations = Charge::parse("", "order\n7", 0, Some(&amount)).expect_err("violations");
        assert_eq!(
            fields(&violations),
            [
                ("idempotency_key", "REQUIRED"),
                ("order_id", "MALFORMED"),
                ("user_id", "TOO_SMALL"),
                ("amount.currency_code", "CURRENCY_CODE_INVALID"),
                ("amount.nanos", "SIGNS_DIFFER"),
            ]
        );
    }

    #[test]
    fn an_amount_to_charge_is_there_and_greater_than_zero() {
        let missing = Charge::parse("k", "o", 1, None).expect_err("a violation");
        assert_eq!(fields(&missing), [("amount", "REQUIRED")]);
        for amount in [eur(0, 0), eur(-3, 0)] {
            let violations = Charge::parse("k", "o", 1, Some(&amount)).expect_err("a violation");
            assert_eq!(fields(&violations), [("amount", "TOO_SMALL")]);
        }
        assert!(Charge::parse("k", "o", 1, Some(&eur(0, 1))).is_ok());
    }

    #[test]
    fn a_payment_is_the_answer_to_the_same_wish_only() {
        let charge =
            |order, user, amount| Charge::parse("k", order, user, Some(&amount)).expect("in order");
        let wish = charge("o", 1, eur(3, 0));
        let payment = Payment {
            id: 9,
            order_id: "o".into(),
            user_id: 1,
            amount: wish.amount(),
            state: State::Refunded,
        };
        assert!(wish.made(&payment), "also after it was given back");
        assert!(!charge("p", 1, eur(3, 0)).made(&payment));
        assert!(!charge("o", 2, eur(3, 0)).made(&payment));
        assert!(!charge("o", 1, eur(3, 1)).made(&payment));
    }

    #[test]
    fn exactly_the_limit_is_charged_and_a_billionth_more_is_not() {
        let limit = Money::new("EUR", 100, 0).expect("an amount");
        let limits = Limits::from_iter([limit]);
        assert!(limits.check(limit).is_ok());
        let more = Money::new("EUR", 100, 1).expect("an amount");
        assert!(matches!(limits.check(more), Err(Error::OverLimit { .. })));
        let other = Money::new("USD", 1, 0).expect("an amount");
        assert!(matches!(
            limits.check(other),
            Err(Error::CurrencyNotAccepted { .. })
        ));
    }

    #[test]
    fn a_reason_is_one_line_of_any_script() {
        for reason in ["a\0b", "a\nb", "\u{1b}[31m", "\u{85}"] {
            let violations = Refund::parse(1, reason, "o").expect_err("a violation");
            assert_eq!(fields(&violations), [("reason", "MALFORMED")], "{reason:?}");
        }
        for reason in ["", "Ayşe'ye geri ödendi – 退款"] {
            assert!(Refund::parse(1, reason, "o").is_ok(), "{reason:?}");
        }
    }

    #[test]
    fn a_refund_names_a_payment_and_its_order() {
        let violations = Refund::parse(0, &"x".repeat(1025), "").expect_err("violations");
        assert_eq!(
            fields(&violations),
            [
                ("payment_id", "TOO_SMALL"),
                ("reason", "TOO_LONG"),
                ("order_id", "REQUIRED"),
            ]
        );
    }
}
