//! What a shipment is and where one may go. Pure: no wire, no database.

use std::collections::BTreeSet;
use std::fmt;

use proto::shipping::v1::PostalAddress;
use rpc::IdempotencyKey;
use rpc::status::{FieldViolation, Violations, reason};

use crate::error::Error;

/// One shipment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shipment {
    /// Its number.
    pub id: i64,
    /// The order that it carries.
    pub order_id: String,
    /// Who receives it.
    pub user_id: i64,
    /// Where it goes; none when the user collects it.
    pub address: Option<Address>,
}

/// A place that a parcel can be sent to: every line of it is there.
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
    /// Country.
    pub country: CountryCode,
}

/// Two capital letters of ISO 3166-1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct CountryCode([u8; 2]);

/// A wish to ship that is in order: every field was checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dispatch {
    key: IdempotencyKey,
    order_id: String,
    user_id: i64,
    address: Option<Address>,
}

/// The countries that are shipped to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Countries(BTreeSet<CountryCode>);

const MAX_ORDER_ID: usize = 128;
/// A line of a label.
const MAX_LINE: usize = 200;

// === impl Dispatch ===

impl Dispatch {
    /// Reads the fields of `CreateShippingRequest`.
    ///
    /// # Errors
    /// Every problem, each under the path of its field.
    pub fn parse(
        idempotency_key: &str,
        user_id: i64,
        order_id: &str,
        address: Option<&PostalAddress>,
    ) -> Result<Self, Vec<FieldViolation>> {
        let mut violations = Violations::new();
        let key = violations.check(IdempotencyKey::parse("idempotency_key", idempotency_key));
        violations.require(
            user_id >= 1,
            "user_id",
            reason::TOO_SMALL,
            format!("a user id is 1 or greater, and {user_id} is not"),
        );
        check_order_id(&mut violations, order_id);
        let address = address.map(|address| Address::parse(&mut violations, address));
        match (key, address) {
            (Some(key), None) if violations.is_empty() => Ok(Self {
                key,
                order_id: order_id.to_owned(),
                user_id,
                address: None,
            }),
            (Some(key), Some(Some(address))) if violations.is_empty() => Ok(Self {
                key,
                order_id: order_id.to_owned(),
                user_id,
                address: Some(address),
            }),
            _ => Err(violations.into_vec()),
        }
    }

    /// The key by which a repetition is recognised.
    pub fn key(&self) -> &IdempotencyKey {
        &self.key
    }

    /// The order that is shipped.
    pub fn order_id(&self) -> &str {
        &self.order_id
    }

    /// Who receives it.
    pub fn user_id(&self) -> i64 {
        self.user_id
    }

    /// Where it goes.
    pub fn address(&self) -> Option<&Address> {
        self.address.as_ref()
    }

    /// Whether `shipment` is what this wish would have made: then it is a repetition, and the shipment is its answer.
    pub fn made(&self, shipment: &Shipment) -> bool {
        self.order_id == shipment.order_id
            && self.user_id == shipment.user_id
            && self.address == shipment.address
    }
}

fn check_order_id(violations: &mut Violations, order_id: &str) {
    if order_id.is_empty() {
        violations.add(
            "order_id",
            reason::REQUIRED,
            "the order to ship must be named",
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

/// Checks the number of a shipment in the field `shipping_id`.
pub fn check_shipping_id(violations: &mut Violations, shipping_id: i64) {
    violations.require(
        shipping_id >= 1,
        "shipping_id",
        reason::TOO_SMALL,
        format!("a shipping id is 1 or greater, and {shipping_id} is not"),
    );
}

// === impl Address ===

impl Address {
    fn parse(violations: &mut Violations, wire: &PostalAddress) -> Option<Self> {
        for (field, line) in [
            ("address.recipient", &wire.recipient),
            ("address.street", &wire.street),
            ("address.city", &wire.city),
            ("address.postal_code", &wire.postal_code),
        ] {
            check_line(violations, field, line);
        }
        let country = CountryCode::parse(&wire.country_code);
        violations.require(
            country.is_some(),
            "address.country_code",
            reason::MALFORMED,
            "a country is two capital letters of ISO 3166-1, such as TR",
        );
        Some(Self {
            recipient: wire.recipient.clone(),
            street: wire.street.clone(),
            city: wire.city.clone(),
            postal_code: wire.postal_code.clone(),
            country: country?,
        })
    }
}

fn check_line(violations: &mut Violations, field: &str, line: &str) {
    if line.trim().is_empty() {
        violations.add(
            field,
            reason::REQUIRED,
            "an address has every line, or there is none",
        );
    } else if line.len() > MAX_LINE {
        violations.add(
            field,
            reason::TOO_LONG,
            format!("a line of an address has at most {MAX_LINE} bytes"),
        );
    } else if line.chars().any(char::is_control) {
        violations.add(field, reason::MALFORMED, "a line of an address is one line");
    }
}

// === impl CountryCode ===

impl CountryCode {
    /// Reads two capital letters.
    pub fn parse(text: &str) -> Option<Self> {
        let code = <[u8; 2]>::try_from(text.as_bytes()).ok()?;
        code.iter()
            .all(u8::is_ascii_uppercase)
            .then_some(Self(code))
    }

    /// The two letters.
    pub fn as_str(&self) -> &str {
        // Only ASCII capitals were let in.
        str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl fmt::Display for CountryCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

// === impl Countries ===

impl Countries {
    /// Whether parcels go there.
    ///
    /// # Errors
    /// [`Error::CountryNotServed`].
    pub fn check(&self, country: CountryCode) -> Result<(), Error> {
        if self.0.contains(&country) {
            Ok(())
        } else {
            Err(Error::CountryNotServed(country))
        }
    }
}

impl FromIterator<CountryCode> for Countries {
    fn from_iter<T: IntoIterator<Item = CountryCode>>(countries: T) -> Self {
        Self(countries.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn istanbul() -> PostalAddress {
        PostalAddress {
            recipient: "Ayşe Yılmaz".into(),
            street: "İstiklal Caddesi 12".into(),
            city: "İstanbul".into(),
            postal_code: "34430".into(),
            country_code: "TR".into(),
        }
    }

    fn fields(violations: &[FieldViolation]) -> Vec<(&str, &str)> {
        violations
            .iter()
            .map(|violation| (violation.field.as_str(), violation.reason.as_str()))
            .collect()
    }

    #[test]
    fn every_field_of_a_dispatch_is_judged_at_once() {
        let address = PostalAddress {
            recipient: " ".into(),
            street: "x".repeat(201),
            city: "Ankara\nBCC".into(),
            postal_code: String::new(),
            country_code: "Turkey".into(),
        };
        let violations = Dispatch::parse("ключ", -1, "", Some(&address)).expect_err("violations");
        assert_eq!(
            fields(&violations),
            [
                ("idempotency_key", "MALFORMED"),
                ("user_id", "TOO_SMALL"),
                ("order_id", "REQUIRED"),
                ("address.recipient", "REQUIRED"),
                ("address.street", "TOO_LONG"),
                ("address.city", "MALFORMED"),
                ("address.postal_code", "REQUIRED"),
                ("address.country_code", "MALFORMED"),
            ]
        );
    }

    #[test]
    fn a_parcel_without_an_address_is_collected() {
        let dispatch = Dispatch::parse("k", 23, "2344", None).expect("in order");
        assert_eq!(dispatch.address(), None);
        let dispatch = Dispatch::parse("k", 23, "2344", Some(&istanbul())).expect("in order");
        assert_eq!(dispatch.address().map(|a| a.country.as_str()), Some("TR"));
    }

    #[test]
    fn a_shipment_is_the_answer_to_the_same_wish_only() {
        let dispatch = |user, order, address: Option<&PostalAddress>| {
            Dispatch::parse("k", user, order, address).expect("in order")
        };
        let wish = dispatch(1, "o", Some(&istanbul()));
        let shipment = Shipment {
            id: 4,
            order_id: "o".into(),
            user_id: 1,
            address: wish.address().cloned(),
        };
        assert!(wish.made(&shipment));
        assert!(!dispatch(2, "o", Some(&istanbul())).made(&shipment));
        assert!(!dispatch(1, "p", Some(&istanbul())).made(&shipment));
        assert!(!dispatch(1, "o", None).made(&shipment));
    }

    #[test]
    fn a_country_that_is_not_listed_is_not_served() {
        let [turkey, germany] =
            ["TR", "DE"].map(|code| CountryCode::parse(code).expect("a country"));
        let countries = Countries::from_iter([turkey]);
        assert!(countries.check(turkey).is_ok());
        assert!(
            matches!(countries.check(germany), Err(Error::CountryNotServed(c)) if c == germany)
        );
    }
}
