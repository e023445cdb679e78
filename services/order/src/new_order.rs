//! What a caller sends to have something ordered, parsed: a [`NewOrder`] that exists is a valid one.
//!
//! Everything that is wrong is said at once, field by field, in the order of the message's fields, so that a caller
//! fixes a request once and not once per mistake. Nothing is corrected or trimmed.

use proto::Money;
use proto::order::v1 as wire;
use rpc::idempotency_key::IdempotencyKey;
use rpc::status::{FieldViolation, Reason, Violations, reason};

/// The longest line of an address, in bytes.
const LONGEST_LINE: usize = 200;

/// An order that a caller wants. Two that are equal are the same order sent twice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewOrder {
    /// The caller's key, the same for every repetition of the order.
    pub idempotency_key: IdempotencyKey,
    /// Who orders.
    pub user_id: i64,
    /// What is ordered.
    pub product_id: i64,
    /// What the caller believes it costs.
    pub price: Money,
    /// Where it goes; nowhere when the user collects it.
    pub address: Option<Address>,
}

/// A place that a parcel can be sent to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// The name on the parcel.
    pub recipient: String,
    /// Street and number.
    pub street: String,
    /// City.
    pub city: String,
    /// Postal code.
    pub postal_code: String,
    /// Two-letter country code of ISO 3166-1.
    pub country_code: String,
}

impl NewOrder {
    /// Reads the wire message.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn parse(request: wire::CreateOrderRequest) -> Result<Self, Vec<FieldViolation>> {
        let mut violations = Violations::new();
        let key = violations.check(IdempotencyKey::parse(
            "idempotency_key",
            &request.idempotency_key,
        ));
        violations.require(
            request.user_id >= 1,
            "user_id",
            reason::TOO_SMALL,
            "user id cannot be less than 1",
        );
        violations.require(
            request.product_id >= 0,
            "product_id",
            reason::TOO_SMALL,
            "product id cannot be negative",
        );
        let price = parse_price(request.price.as_ref(), &mut violations);
        let address = request
            .address
            .map(|address| parse_address(address, &mut violations));
        match (key, price) {
            (Some(idempotency_key), Some(price)) if violations.is_empty() => Ok(Self {
                idempotency_key,
                user_id: request.user_id,
                product_id: request.product_id,
                price,
                address,
            }),
            _ => Err(violations.into_vec()),
        }
    }
}

/// The price, or `None` and at least one violation.
fn parse_price(
    price: Option<&proto::google::r#type::Money>,
    violations: &mut Violations,
) -> Option<Money> {
    let Some(price) = price else {
        violations.add(
            "price",
            reason::REQUIRED,
            "the price that the caller expects is missing",
        );
        return None;
    };
    let parsed = Money::parse(price);
    if let Err(errors) = &parsed {
        violations.extend(errors.iter().map(|error| {
            FieldViolation::new(
                format!("price.{}", error.field()),
                Reason::parse(error.reason()).unwrap_or(reason::MALFORMED),
                error.to_string(),
            )
        }));
    }
    // Said of the numbers alone, so that it is said beside an unknown currency as well.
    violations.require(
        price.units > 0 || (price.units == 0 && price.nanos > 0),
        "price",
        reason::TOO_SMALL,
        "a price must be greater than zero",
    );
    parsed.ok()
}

fn parse_address(address: wire::Address, violations: &mut Violations) -> Address {
    let wire::Address {
        recipient,
        street,
        city,
        postal_code,
        country_code,
    } = address;
    for (field, text) in [
        ("recipient", &recipient),
        ("street", &street),
        ("city", &city),
        ("postal_code", &postal_code),
    ] {
        check_line(field, text, violations);
    }
    violations.require(
        country_code.len() == 2 && country_code.bytes().all(|b| b.is_ascii_uppercase()),
        "address.country_code",
        reason::MALFORMED,
        "a country is a two-letter code of ISO 3166-1 in capitals, such as TR",
    );
    Address {
        recipient,
        street,
        city,
        postal_code,
        country_code,
    }
}

/// By the same measure as shipping, which would refuse what passes here: then the order is charged already, and its
/// payment has to be given back.
fn check_line(field: &str, text: &str, violations: &mut Violations) {
    let path = format!("address.{field}");
    if text.trim().is_empty() {
        let name = field.replace('_', " ");
        violations.add(path, reason::REQUIRED, format!("a parcel needs a {name}"));
    } else if text.len() > LONGEST_LINE {
        violations.add(
            path,
            reason::TOO_LONG,
            format!(
                "a line of an address has at most {LONGEST_LINE} bytes, and this one has {}",
                text.len()
            ),
        );
    } else if text.chars().any(char::is_control) {
        violations.add(
            path,
            reason::MALFORMED,
            "control characters, line breaks among them, cannot be printed on a parcel",
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn valid() -> wire::CreateOrderRequest {
        wire::CreateOrderRequest {
            idempotency_key: "key-1".into(),
            user_id: 23,
            product_id: 12,
            price: Some(proto::google::r#type::Money {
                currency_code: "EUR".into(),
                units: 3,
                nanos: 200_000_000,
            }),
            address: Some(wire::Address {
                recipient: "Ada Lovelace".into(),
                street: "12 St James's Square".into(),
                city: "London".into(),
                postal_code: "SW1Y 4JH".into(),
                country_code: "GB".into(),
            }),
        }
    }

    /// The fields and reasons of all violations after `change` was made to a valid request.
    fn wrong(change: impl FnOnce(&mut wire::CreateOrderRequest)) -> Vec<(String, String)> {
        let mut request = valid();
        change(&mut request);
        let violations = NewOrder::parse(request).expect_err("the request was taken");
        violations
            .into_iter()
            .map(|v| (v.field, v.reason.to_string()))
            .collect()
    }

    fn is(field: &str, reason: &str) -> Vec<(String, String)> {
        vec![(field.into(), reason.into())]
    }

    #[test]
    fn a_valid_order_is_taken_with_and_without_an_address() {
        let order = NewOrder::parse(valid()).expect("a valid order");
        assert_eq!(order.price.to_string(), "3.20 EUR");
        let mut collected = valid();
        collected.address = None;
        collected.product_id = 0;
        assert!(NewOrder::parse(collected).is_ok());
    }

    #[test]
    fn the_two_sentences_of_the_chapter_come_back_at_once() {
        let mut request = valid();
        request.user_id = -1;
        request.product_id = -1;
        let violations = NewOrder::parse(request).expect_err("refused");
        let said: Vec<_> = violations
            .iter()
            .map(|v| (v.field.as_str(), v.description.as_str()))
            .collect();
        assert_eq!(
            said,
            [
                ("user_id", "user id cannot be less than 1"),
                ("product_id", "product id cannot be negative"),
            ]
        );
    }

    #[test]
    fn a_price_that_is_missing_zero_or_negative_is_refused() {
        assert_eq!(wrong(|r| r.price = None), is("price", "REQUIRED"));
        assert_eq!(wrong(|r| price(r, "EUR", 0, 0)), is("price", "TOO_SMALL"));
        assert_eq!(wrong(|r| price(r, "EUR", -3, -1)), is("price", "TOO_SMALL"));
    }

    #[test]
    fn a_malformed_price_is_refused_by_its_inner_fields() {
        assert_eq!(
            wrong(|r| price(r, "EUR", 3, -1)),
            is("price.nanos", "SIGNS_DIFFER")
        );
        assert_eq!(
            wrong(|r| price(r, "EUR", 3, 1_000_000_000)),
            is("price.nanos", "NANOS_OUT_OF_RANGE")
        );
        for code in ["", "eur", "EURO", "€", "E1R"] {
            assert_eq!(
                wrong(|r| price(r, code, 3, 0)),
                is("price.currency_code", "CURRENCY_CODE_INVALID"),
                "{code:?}"
            );
        }
    }

    #[test]
    fn a_key_that_is_missing_or_unreadable_is_refused() {
        assert_eq!(
            wrong(|r| r.idempotency_key.clear()),
            is("idempotency_key", "REQUIRED")
        );
        assert_eq!(
            wrong(|r| r.idempotency_key = "two words".into()),
            is("idempotency_key", "MALFORMED")
        );
        assert_eq!(
            wrong(|r| r.idempotency_key = "k".repeat(129)),
            is("idempotency_key", "TOO_LONG")
        );
    }

    #[test]
    fn each_part_of_an_address_is_named_by_its_path() {
        let address = |change: fn(&mut wire::Address)| {
            wrong(|r| change(r.address.as_mut().expect("an address")))
        };
        assert_eq!(
            address(|a| a.recipient = "  ".into()),
            is("address.recipient", "REQUIRED")
        );
        assert_eq!(
            address(|a| a.street = "x".repeat(201)),
            is("address.street", "TOO_LONG")
        );
        assert_eq!(
            address(|a| a.city = "Lon\ndon".into()),
            is("address.city", "MALFORMED")
        );
        assert_eq!(
            address(|a| a.postal_code = "9".repeat(201)),
            is("address.postal_code", "TOO_LONG")
        );
        assert_eq!(
            address(|a| a.country_code = "gb".into()),
            is("address.country_code", "MALFORMED")
        );
    }

    #[test]
    fn everything_wrong_is_said_at_once_and_in_the_order_of_the_fields() {
        let fields: Vec<_> = wrong(|r| {
            *r = wire::CreateOrderRequest {
                product_id: -2,
                address: Some(wire::Address::default()),
                ..Default::default()
            }
        })
        .into_iter()
        .map(|(field, _)| field)
        .collect();
        assert_eq!(
            fields,
            [
                "idempotency_key",
                "user_id",
                "product_id",
                "price",
                "address.recipient",
                "address.street",
                "address.city",
                "address.postal_code",
                "address.country_code",
            ]
        );
    }

    fn price(request: &mut wire::CreateOrderRequest, code: &str, units: i64, nanos: i32) {
        request.price = Some(proto::google::r#type::Money {
            currency_code: code.into(),
            units,
            nanos,
        });
    }
}
