//! A value as its encoding: hexadecimal digits, and the DER that they must be.

use crate::parse::{
    der::{BitString, DerError, Reader, boolean, integer, tag},
    oid::Oid,
};

/// What a value is called where it is no DER.
pub(super) const VALUE: &str = "the value";

/// The most octets of a value that is no text.
pub(super) const LARGEST_VALUE: usize = 1024;

/// Pairs of hexadecimal digits; at least one.
pub(super) fn octets(digits: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<_>> = digits.chars().map(|digit| digit.to_digit(16)).collect();
    let digits = digits.filter(|digits| !digits.is_empty() && digits.len().is_multiple_of(2))?;
    let pairs = digits.chunks_exact(2);
    Some(pairs.map(|pair| (pair[0] * 16 + pair[1]) as u8).collect())
}

/// Whether there is one value in DER, all the way down, and nothing behind it.
pub(super) fn check_der(octets: &[u8]) -> Result<(), DerError> {
    const CONSTRUCTED: u8 = 0x20;
    let mut whole = Reader::new(octets);
    let mut open = vec![whole.any(VALUE)?];
    whole.end(VALUE)?;
    while let Some(value) = open.pop() {
        let content = value.content;
        match value.tag {
            tag::BOOLEAN => drop(boolean(content, VALUE)?),
            tag::INTEGER | tag::ENUMERATED => drop(integer(content, VALUE)?),
            tag::BIT_STRING => drop(BitString::new(content, VALUE)?),
            tag::OID => drop(Oid::new(content, VALUE)?),
            tag::NULL if !content.is_empty() => {
                return Err(DerError::new(VALUE, "is a NULL with content"));
            }
            tag::SEQUENCE | tag::SET => {}
            // The universal types below 31 but these two are primitive in DER (X.690 §10.2); type 0 ends what has no length.
            0 | 0x10 | 0x11 | 0x21..0x30 | 0x32..0x40 => {
                return Err(DerError::new(VALUE, "has a form that DER does not have"));
            }
            _ => {}
        }
        if value.tag & CONSTRUCTED != 0 {
            let mut inner = Reader::new(content);
            while !inner.is_empty() {
                open.push(inner.any(VALUE)?);
            }
        }
    }
    Ok(())
}
