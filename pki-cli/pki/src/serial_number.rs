//! Serial numbers (RFC 5280 §4.1.2.2): positive, at most 20 octets, here 159 random bits.
//!
//! A serial number is never derived from the key, so the same key certified twice gets two, and never counted in a
//! file, so no crash and no second process can hand one out twice. [`Reserved`] is the proof that a number may be
//! signed: the index kept it, or there is no index.

use std::fmt;

use crate::error::Error;

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

/// Hexadecimal in small letters, 40 digits: the form in the index.
impl fmt::Display for SerialNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|octet| write!(f, "{octet:02x}"))
    }
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

    proptest! {
        #[test]
        fn every_number_is_positive_and_fits_twenty_octets(octets: [u8; 20]) {
            let encoded = crate::der::unsigned(SerialNumber::from_random(octets).octets());
            prop_assert!(encoded.len() <= 22);
            prop_assert_eq!(encoded[2] & 0x80, 0);
        }
    }
}
