//! `google.type.Money`, parsed: an amount that cannot be malformed, with arithmetic that cannot overflow unnoticed.
//!
//! The wire type allows a currency of any length, nanos beyond a whole unit and two signs that contradict each other;
//! this type allows none of them. It is never a floating-point number and never converts between currencies: adding
//! two currencies is an error, and comparing them gives no answer.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use crate::google::r#type::Money as Wire;

/// Billionths in one unit.
const NANOS_PER_UNIT: i128 = 1_000_000_000;

/// An amount of money in one currency, exact to a billionth of a unit.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Money {
    currency: [u8; 3],
    units: i64,
    nanos: i32,
}

/// What is wrong with an amount, or why two amounts do not add up.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MoneyError {
    /// No ISO 4217 code.
    #[error("the currency must be a three-letter code of ISO 4217 in capitals, such as EUR")]
    Currency,
    /// A whole unit or more in the nanos.
    #[error("nanos must lie between -999,999,999 and 999,999,999, and {nanos} does not")]
    NanosOutOfRange {
        /// What was given.
        nanos: i32,
    },
    /// 3 units less something, written with both signs.
    #[error("units and nanos must carry the same sign unless one of them is zero")]
    SignsDiffer,
    /// More than 2⁶³ units.
    #[error("the amount is too large to be kept")]
    Overflow,
    /// Apples and pears.
    #[error("{left} and {right} are two currencies; an amount cannot hold both")]
    CurrenciesDiffer {
        /// The currency of the one.
        left: String,
        /// The currency of the other.
        right: String,
    },
    /// Text that is no amount.
    #[error(
        "an amount is written like 3.20 EUR: a number with at most nine decimals, a space, a currency"
    )]
    Text,
}

impl Money {
    /// An amount of `units` and `nanos` in `currency_code`.
    ///
    /// # Errors
    /// Says the first thing that is wrong; [`Money::parse`] says all.
    pub fn new(currency_code: &str, units: i64, nanos: i32) -> Result<Self, MoneyError> {
        let wire = Wire {
            currency_code: currency_code.to_owned(),
            units,
            nanos,
        };
        Self::parse(&wire).map_err(|errors| errors.into_iter().next().unwrap_or(MoneyError::Text))
    }

    /// Reads the wire type.
    ///
    /// # Errors
    /// Everything that is wrong with it, not the first thing only, so that a caller can fix all of it at once.
    pub fn parse(wire: &Wire) -> Result<Self, Vec<MoneyError>> {
        let mut errors = Vec::new();
        let currency = match <[u8; 3]>::try_from(wire.currency_code.as_bytes()) {
            Ok(code) if code.iter().all(u8::is_ascii_uppercase) => code,
            _ => {
                errors.push(MoneyError::Currency);
                [0; 3]
            }
        };
        if i128::from(wire.nanos).abs() >= NANOS_PER_UNIT {
            errors.push(MoneyError::NanosOutOfRange { nanos: wire.nanos });
        }
        if wire.units.signum() * i64::from(wire.nanos.signum()) < 0 {
            errors.push(MoneyError::SignsDiffer);
        }
        if errors.is_empty() {
            Ok(Self {
                currency,
                units: wire.units,
                nanos: wire.nanos,
            })
        } else {
            Err(errors)
        }
    }

    /// The currency, three letters of ISO 4217.
    pub fn currency_code(&self) -> &str {
        // The constructor let only ASCII capitals in.
        str::from_utf8(&self.currency).unwrap_or_default()
    }

    /// Whole units: 3 of "3.20 EUR".
    pub fn units(&self) -> i64 {
        self.units
    }

    /// Billionths of a unit, with the sign of the amount: 200,000,000 of "3.20 EUR".
    pub fn nanos(&self) -> i32 {
        self.nanos
    }

    /// Whether it is more than nothing.
    pub fn is_positive(&self) -> bool {
        self.total() > 0
    }

    /// Whether it is nothing at all.
    pub fn is_zero(&self) -> bool {
        self.total() == 0
    }

    /// The sum.
    ///
    /// # Errors
    /// When the currencies differ, or the sum is too large.
    pub fn checked_add(self, other: Self) -> Result<Self, MoneyError> {
        self.same_currency(other)?;
        self.with_total(self.total() + other.total())
    }

    /// The difference.
    ///
    /// # Errors
    /// When the currencies differ, or the difference is too large.
    pub fn checked_sub(self, other: Self) -> Result<Self, MoneyError> {
        self.same_currency(other)?;
        self.with_total(self.total() - other.total())
    }

    /// `count` times the amount.
    ///
    /// # Errors
    /// When the product is too large.
    pub fn checked_mul(self, count: u32) -> Result<Self, MoneyError> {
        self.with_total(self.total() * i128::from(count))
    }

    fn same_currency(self, other: Self) -> Result<(), MoneyError> {
        if self.currency == other.currency {
            Ok(())
        } else {
            Err(MoneyError::CurrenciesDiffer {
                left: self.currency_code().to_owned(),
                right: other.currency_code().to_owned(),
            })
        }
    }

    /// All of it in billionths. 2⁶³ units of 10⁹ are far below 2¹²⁷, also times a `u32`.
    fn total(self) -> i128 {
        i128::from(self.units) * NANOS_PER_UNIT + i128::from(self.nanos)
    }

    fn with_total(self, total: i128) -> Result<Self, MoneyError> {
        let units = i64::try_from(total / NANOS_PER_UNIT).map_err(|_| MoneyError::Overflow)?;
        let nanos = i32::try_from(total % NANOS_PER_UNIT).map_err(|_| MoneyError::Overflow)?;
        Ok(Self {
            currency: self.currency,
            units,
            nanos,
        })
    }
}

impl MoneyError {
    /// The field of `google.type.Money` that is to be changed, for the path of a violation such as `price.nanos`.
    pub fn field(&self) -> &'static str {
        match self {
            Self::Currency | Self::CurrenciesDiffer { .. } => "currency_code",
            Self::NanosOutOfRange { .. } | Self::SignsDiffer => "nanos",
            Self::Overflow | Self::Text => "units",
        }
    }

    /// The reason of that violation.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Currency => "CURRENCY_CODE_INVALID",
            Self::CurrenciesDiffer { .. } => "CURRENCIES_DIFFER",
            Self::NanosOutOfRange { .. } => "NANOS_OUT_OF_RANGE",
            Self::SignsDiffer => "SIGNS_DIFFER",
            Self::Overflow => "AMOUNT_TOO_LARGE",
            Self::Text => "AMOUNT_UNREADABLE",
        }
    }
}

/// Amounts of one currency are ordered; amounts of two are not.
impl PartialOrd for Money {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        (self.currency == other.currency).then(|| self.total().cmp(&other.total()))
    }
}

impl From<Money> for Wire {
    fn from(money: Money) -> Self {
        Self {
            currency_code: money.currency_code().to_owned(),
            units: money.units,
            nanos: money.nanos,
        }
    }
}

/// As a person writes it: at least two decimals, more only where they say something.
impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.total() < 0 { "-" } else { "" };
        let decimals = format!("{:09}", self.nanos.unsigned_abs());
        let kept = decimals.trim_end_matches('0').len().max(2);
        write!(
            f,
            "{sign}{}.{} {}",
            self.units.unsigned_abs(),
            &decimals[..kept],
            self.currency_code()
        )
    }
}

impl fmt::Debug for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Money({self})")
    }
}

/// Reads what [`Display`](fmt::Display) writes, and the same with fewer decimals: `3.20 EUR`, `3.2 EUR`, `-3 EUR`.
impl FromStr for Money {
    type Err = MoneyError;

    fn from_str(text: &str) -> Result<Self, MoneyError> {
        let (number, currency) = text.trim().split_once(' ').ok_or(MoneyError::Text)?;
        let (negative, number) = match number.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, number),
        };
        let (whole, decimals) = number.split_once('.').unwrap_or((number, "0"));
        let digits = |s: &str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_digit());
        if !digits(whole) || !digits(decimals) || decimals.len() > 9 {
            return Err(MoneyError::Text);
        }
        let units: i64 = whole.parse().map_err(|_| MoneyError::Overflow)?;
        let nanos: i32 = format!("{decimals:0<9}")
            .parse()
            .map_err(|_| MoneyError::Text)?;
        let sign = if negative { -1 } else { 1 };
        Self::new(currency.trim(), units * sign, nanos * sign as i32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn eur(text: &str) -> Money {
        format!("{text} EUR").parse().expect("an amount")
    }

    #[test]
    fn every_fault_of_an_amount_is_named_at_once() {
        let wire = Wire {
            currency_code: "euro".into(),
            units: 1,
            nanos: -1_000_000_000,
        };
        assert_eq!(
            Money::parse(&wire),
            Err(vec![
                MoneyError::Currency,
                MoneyError::NanosOutOfRange {
                    nanos: -1_000_000_000
                },
                MoneyError::SignsDiffer
            ])
        );
    }

    #[test]
    fn an_amount_is_written_as_a_person_writes_it_and_read_back() {
        for (units, nanos, text) in [
            (3, 200_000_000, "3.20 EUR"),
            (0, 5, "0.000000005 EUR"),
            (0, -10_000_000, "-0.01 EUR"),
            (-7, 0, "-7.00 EUR"),
            (1_234, 567_000_000, "1234.567 EUR"),
        ] {
            let money = Money::new("EUR", units, nanos).expect("an amount");
            assert_eq!(money.to_string(), text);
            assert_eq!(text.parse(), Ok(money));
            assert_eq!(Money::parse(&Wire::from(money)), Ok(money));
        }
    }

    #[test]
    fn ten_times_ten_cents_are_exactly_one_euro() {
        let mut sum = eur("0");
        for _ in 0..10 {
            sum = sum.checked_add(eur("0.1")).expect("a sum");
        }
        assert_eq!(sum, eur("1"));
        assert_eq!(eur("0.1").checked_mul(10), Ok(eur("1")));
    }

    #[test]
    fn a_difference_carries_one_sign() {
        let difference = eur("1").checked_sub(eur("1.50")).expect("a difference");
        assert_eq!((difference.units(), difference.nanos()), (0, -500_000_000));
        let difference = eur("-1").checked_sub(eur("0.25")).expect("a difference");
        assert_eq!((difference.units(), difference.nanos()), (-1, -250_000_000));
    }

    #[test]
    fn what_does_not_fit_is_refused_and_does_not_wrap() {
        let most = Money::new("EUR", i64::MAX, 999_999_999).expect("an amount");
        assert_eq!(
            most.checked_add(eur("0.000000001")),
            Err(MoneyError::Overflow)
        );
        assert_eq!(most.checked_mul(u32::MAX), Err(MoneyError::Overflow));
        let least = Money::new("EUR", i64::MIN, -999_999_999).expect("an amount");
        assert_eq!(
            least.checked_sub(eur("0.000000001")),
            Err(MoneyError::Overflow)
        );
        assert_eq!(least.to_string(), "-9223372036854775808.999999999 EUR");
    }

    #[test]
    fn two_currencies_neither_add_nor_compare() {
        let usd: Money = "1 USD".parse().expect("an amount");
        assert!(matches!(
            eur("1").checked_add(usd),
            Err(MoneyError::CurrenciesDiffer { .. })
        ));
        assert_eq!(eur("1").partial_cmp(&usd), None);
        assert!(eur("0.99") < eur("1"));
    }

    #[test]
    fn text_that_is_no_amount_is_refused() {
        for text in [
            "",
            "3.20",
            "3,20 EUR",
            "3. EUR",
            ".5 EUR",
            "+3 EUR",
            "3 eur",
            "0.0000000001 EUR",
            "1e3 EUR",
        ] {
            assert!(text.parse::<Money>().is_err(), "{text:?} was read");
        }
    }
}
