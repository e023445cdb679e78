//! Serial numbers (RFC 5280 §4.1.2.2): positive, at most 20 octets, here 159 random bits.
//!
//! A serial number is never derived from the key, so the same key certified twice gets two, and never counted in a
//! file, so no crash and no second process can hand one out twice. [`Reserved`] is the proof that a number may be
//! signed: the index kept it, or there is no index.

use std::fmt;

use crate::{der, error::Error, text::hexadecimal};

/// A serial number.
#[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct SerialNumber([u8; 20]);

impl SerialNumber {
    /// A number from 20 random octets. The top bit is cleared, because a set one would make the number negative or
    /// 21 octets long, and the next one is left random: 159 bits.
    pub fn from_random(mut octets: [u8; 20]) -> Self {
        octets[0] &= 0x7f;
        // All zero has a probability of 2⁻¹⁵⁹; "positive" is a MUST all the same.
        if octets == [0; 20] {
            octets[19] = 1;
        }
        Self(octets)
    }

    /// Draws a number from the operating system's randomness.
    pub fn random() -> Result<Self, Error> {
        let mut octets = [0; 20];
        aws_lc_rs::rand::fill(&mut octets).map_err(|_| Error::Randomness)?;
        Ok(Self::from_random(octets))
    }

    /// The 20 octets, most significant first.
    pub fn octets(&self) -> &[u8; 20] {
        &self.0
    }
}

/// As [`text`] writes it.
impl fmt::Display for SerialNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&text(&self.0))
    }
}

/// The text of a serial number, from the octets of its encoding: hexadecimal in small letters, whole octets, without
/// leading zero octets. The form in the index and for people; it has 40 digits for nearly all that is drawn here.
pub fn text(octets: &[u8]) -> String {
    // RFC 5280 §4.1.2.2: "Non-conforming CAs may issue certificates with serial numbers that are negative or zero."
    let is_negative = octets.first().is_some_and(|first| first & 0x80 != 0);
    let zeros = octets.iter().take_while(|octet| **octet == 0).count();
    match &octets[zeros.min(octets.len().saturating_sub(1))..] {
        [] => "00".to_owned(),
        significant if is_negative => format!("-{}", hexadecimal(&negated(significant))),
        significant => hexadecimal(significant),
    }
}

/// The octets of the positive number, from two's complement.
fn negated(octets: &[u8]) -> Vec<u8> {
    let mut carry = true;
    let mut negated: Vec<u8> = octets
        .iter()
        .rev()
        .map(|octet| {
            let (sum, overflows) = (!octet).overflowing_add(carry.into());
            carry = overflows;
            sum
        })
        .collect();
    negated.reverse();
    negated
}

/// The DER encoding of a serial number, from its text: an integer, which in an imported CA may be negative.
pub(crate) fn encoded(text: &str) -> Option<Vec<u8>> {
    let Some(magnitude) = text.strip_prefix('-') else {
        return parse(text).map(|octets| der::unsigned(&octets));
    };
    let octets = negated(&[&[0], &parse(magnitude)?[..]].concat());
    // X.690 §8.3.2: the first nine bits are not all alike.
    let is_needless = |pair: &[u8]| pair[0] == 0xff && pair[1] & 0x80 != 0;
    let needless = octets
        .windows(2)
        .take_while(|pair| is_needless(pair))
        .count();
    Some(der::signed(&octets[needless..]))
}

/// The octets of a serial number written by a person: hexadecimal, also with colons, spaces, `0x` and capital letters.
/// `None` when it is none, or larger than 20 octets.
pub fn parse(text: &str) -> Option<Vec<u8>> {
    let text = text.trim();
    let text = text
        .strip_prefix("0x")
        .or_else(|| text.strip_prefix("0X"))
        .unwrap_or(text);
    let mut digits = Vec::new();
    for character in text
        .chars()
        .filter(|character| !matches!(character, ':' | ' '))
    {
        digits.push(u8::try_from(character.to_digit(16)?).ok()?);
    }
    if digits.is_empty() {
        return None;
    }
    let zeros = digits.iter().take_while(|digit| **digit == 0).count();
    digits.drain(..zeros.min(digits.len() - 1));
    if digits.len() % 2 == 1 {
        digits.insert(0, 0);
    }
    let octets: Vec<u8> = digits
        .chunks(2)
        .map(|pair| pair[0] << 4 | pair[1])
        .collect();
    (octets.len() <= 20).then_some(octets)
}

impl fmt::Debug for SerialNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SerialNumber({self})")
    }
}

/// A serial number that may be signed.
#[derive(Debug)]
pub struct Reserved(SerialNumber);

impl Reserved {
    /// For an issuer that keeps no index; randomness alone makes the number unique.
    pub fn without_index(serial: SerialNumber) -> Self {
        Self(serial)
    }

    /// Only `index` calls this, after the reservation is durable.
    pub(crate) fn kept_by_index(serial: SerialNumber) -> Self {
        Self(serial)
    }

    /// The number.
    pub fn serial(&self) -> SerialNumber {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn zero_is_no_serial_number() {
        assert_eq!(SerialNumber::from_random([0; 20]).octets()[19], 1);
        assert_eq!(SerialNumber::from_random([0x80; 20]).octets()[0], 0);
    }

    #[test]
    fn the_text_has_whole_octets_and_no_leading_zeros() {
        for (octets, expected) in [
            (&[0x00, 0x8a, 0x0b][..], "8a0b"),
            (&[0x01], "01"),
            (&[0x00], "00"),
            (&[0x00, 0x00], "00"),
            (&[], "00"),
            (&[0x80], "-80"),
            (&[0xff, 0x00], "-0100"),
        ] {
            assert_eq!(text(octets), expected);
            let again = encoded(expected).expect(expected);
            assert_eq!(text(&again[2..]), expected);
        }
        assert_eq!(encoded("-80"), Some(vec![0x02, 1, 0x80]));
        assert_eq!(encoded("8a0b"), Some(vec![0x02, 3, 0x00, 0x8a, 0x0b]));
        assert_eq!(encoded("-"), None);
    }

    #[test]
    fn what_people_write_is_read() {
        for (written, octets) in [
            ("0x1B", &[0x1b][..]),
            ("1:02:03", &[0x01, 0x02, 0x03]),
            ("00 0A", &[0x0a]),
            ("0", &[0x00]),
        ] {
            assert_eq!(parse(written).as_deref(), Some(octets), "{written}");
        }
        for written in ["", "0x", "xyz", "-1", "１", &"ab".repeat(21)] {
            assert_eq!(parse(written), None, "{written}");
        }
        let longest = format!("00{}", "ab".repeat(20));
        assert_eq!(parse(&longest), Some(vec![0xab; 20]));
    }

    proptest! {
        #[test]
        fn every_number_is_positive_and_fits_twenty_octets(octets: [u8; 20]) {
            let encoded = der::unsigned(SerialNumber::from_random(octets).octets());
            prop_assert!(encoded.len() <= 22);
            prop_assert_eq!(encoded[2] & 0x80, 0);
        }
    }
}
