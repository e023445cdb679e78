//! Writing DER (X.690 §10), as far as certificates and requests need it: definite lengths, minimal integers, sorted
//! sets. Reading is left to `x509-parser`.
//!
//! The objects of this crate are encoded here and not by a generator library, because names must come out exactly as
//! they went in (repeated and multi-valued attributes included) and the issuer's name and a requester's public key
//! must be copied byte for byte: a path is only valid when names chain as they are encoded (RFC 5280 §6.1.3 (a)(4)).

use time::OffsetDateTime;

const BOOLEAN: u8 = 0x01;
const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const OCTET_STRING: u8 = 0x04;
const NULL: u8 = 0x05;
const OBJECT_IDENTIFIER: u8 = 0x06;
const ENUMERATED: u8 = 0x0a;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const CONTEXT: u8 = 0x80;
const CONSTRUCTED: u8 = 0x20;

/// UTF8String.
pub(crate) const UTF8_STRING: u8 = 0x0c;
/// PrintableString.
pub(crate) const PRINTABLE_STRING: u8 = 0x13;
/// IA5String: ASCII.
pub(crate) const IA5_STRING: u8 = 0x16;

/// One value: tag, length, content.
pub(crate) fn value(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(content.len() + 6);
    out.push(tag);
    if content.len() < 0x80 {
        out.push(content.len() as u8);
    } else {
        let length = content.len().to_be_bytes();
        let significant = &length[length.iter().take_while(|byte| **byte == 0).count()..];
        out.push(0x80 | significant.len() as u8);
        out.extend_from_slice(significant);
    }
    out.extend_from_slice(content);
    out
}

pub(crate) fn sequence<T: AsRef<[u8]>>(parts: impl IntoIterator<Item = T>) -> Vec<u8> {
    value(SEQUENCE, &concat(parts))
}

/// SET OF: the encodings of the members in ascending order (X.690 §11.6).
pub(crate) fn set_of(mut members: Vec<Vec<u8>>) -> Vec<u8> {
    members.sort();
    value(SET, &concat(members))
}

/// An explicitly tagged value, `[number] EXPLICIT`.
pub(crate) fn explicit(number: u8, inner: &[u8]) -> Vec<u8> {
    value(CONTEXT | CONSTRUCTED | number, inner)
}

/// `[number] IMPLICIT` of a primitive type.
pub(crate) fn implicit(number: u8, content: &[u8]) -> Vec<u8> {
    value(CONTEXT | number, content)
}

/// A non-negative integer from its big-endian bytes.
pub(crate) fn unsigned(bytes: &[u8]) -> Vec<u8> {
    let leading_zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    let mut content = Vec::with_capacity(bytes.len() + 1);
    match bytes.get(leading_zeros) {
        // Zero is one zero byte; a set top bit would make the number negative.
        None => content.push(0),
        Some(first) if first & 0x80 != 0 => content.push(0),
        Some(_) => {}
    }
    content.extend_from_slice(&bytes[leading_zeros..]);
    value(INTEGER, &content)
}

/// An integer from its content, two's complement without needless octets.
pub(crate) fn signed(content: &[u8]) -> Vec<u8> {
    value(INTEGER, content)
}

pub(crate) fn boolean(truth: bool) -> Vec<u8> {
    value(BOOLEAN, &[if truth { 0xff } else { 0x00 }])
}

/// An enumerated value; below 128, so one octet.
pub(crate) fn enumerated(number: u8) -> Vec<u8> {
    value(ENUMERATED, &[number & 0x7f])
}

pub(crate) fn null() -> Vec<u8> {
    value(NULL, &[])
}

pub(crate) fn octet_string(content: &[u8]) -> Vec<u8> {
    value(OCTET_STRING, content)
}

/// A bit string of whole octets.
pub(crate) fn bit_string(octets: &[u8]) -> Vec<u8> {
    value(BIT_STRING, &concat([&[0][..], octets]))
}

/// A named bit list: trailing zero bits are left out (X.690 §11.2.2). Bit 0 is the first.
pub(crate) fn named_bits(bits: &[u8]) -> Vec<u8> {
    let Some(highest) = bits.iter().max() else {
        return value(BIT_STRING, &[0]);
    };
    let mut octets = vec![0_u8; usize::from(highest / 8) + 1];
    for bit in bits {
        octets[usize::from(bit / 8)] |= 0x80 >> (bit % 8);
    }
    value(BIT_STRING, &concat([&[7 - highest % 8][..], &octets]))
}

/// An object identifier from its encoded content.
pub(crate) fn object_identifier(content: &[u8]) -> Vec<u8> {
    value(OBJECT_IDENTIFIER, content)
}

/// The content of an object identifier written with dots, or `None` when it is none.
pub(crate) fn object_identifier_content(dotted: &str) -> Option<Vec<u8>> {
    let arcs = dotted
        .split('.')
        // One identifier has one spelling: neither 046 nor +46 is 46.
        .map(|arc| {
            arc.parse::<u32>()
                .ok()
                .filter(|number| number.to_string() == arc)
        })
        .collect::<Option<Vec<_>>>()?;
    let (&[root, second], rest) = arcs.split_first_chunk::<2>()?;
    if root > 2 || (root < 2 && second > 39) {
        return None;
    }
    let mut content = Vec::new();
    let first = u64::from(root) * 40 + u64::from(second);
    for arc in std::iter::once(first).chain(rest.iter().map(|arc| u64::from(*arc))) {
        let groups = (arc.max(1).ilog2() / 7) as u8;
        for group in (0..=groups).rev() {
            let more = if group == 0 { 0 } else { 0x80 };
            content.push(more | ((arc >> (7 * group)) & 0x7f) as u8);
        }
    }
    Some(content)
}

/// An object identifier with dots, from its encoded content.
pub(crate) fn dotted(content: &[u8]) -> String {
    let mut arcs = Vec::new();
    let mut arc = 0_u64;
    for byte in content {
        arc = (arc << 7) | u64::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            if arcs.is_empty() {
                let root = (arc / 40).min(2);
                arcs.push(root.to_string());
                arc -= root * 40;
            }
            arcs.push(arc.to_string());
            arc = 0;
        }
    }
    arcs.join(".")
}

/// Time as RFC 5280 §4.1.2.5 demands it: UTCTime through the year 2049, GeneralizedTime from 2050 on, in whole seconds
/// of UTC.
pub(crate) fn time(moment: OffsetDateTime) -> Vec<u8> {
    let utc = moment.to_offset(time::UtcOffset::UTC);
    if (1950..2050).contains(&utc.year()) {
        let text = format!("{:02}{}", utc.year() % 100, after_the_year(utc));
        value(UTC_TIME, text.as_bytes())
    } else {
        generalized_time(utc)
    }
}

/// GeneralizedTime in whole seconds of UTC, where a standard wants no other form.
pub(crate) fn generalized_time(moment: OffsetDateTime) -> Vec<u8> {
    let utc = moment.to_offset(time::UtcOffset::UTC);
    let text = format!("{:04}{}", utc.year(), after_the_year(utc));
    value(GENERALIZED_TIME, text.as_bytes())
}

fn after_the_year(utc: OffsetDateTime) -> String {
    format!(
        "{:02}{:02}{:02}{:02}{:02}Z",
        u8::from(utc.month()),
        utc.day(),
        utc.hour(),
        utc.minute(),
        utc.second()
    )
}

pub(crate) fn concat<T: AsRef<[u8]>>(parts: impl IntoIterator<Item = T>) -> Vec<u8> {
    parts.into_iter().fold(Vec::new(), |mut out, part| {
        out.extend_from_slice(part.as_ref());
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::datetime;

    #[test]
    fn lengths_are_minimal() {
        assert_eq!(value(0x04, &[0; 127])[..2], [0x04, 0x7f]);
        assert_eq!(value(0x04, &[0; 128])[..3], [0x04, 0x81, 0x80]);
        assert_eq!(value(0x04, &[0; 256])[..4], [0x04, 0x82, 0x01, 0x00]);
    }

    #[test]
    fn integers_are_minimal_and_positive() {
        assert_eq!(unsigned(&[]), [0x02, 1, 0]);
        assert_eq!(unsigned(&[0, 0, 0x7f]), [0x02, 1, 0x7f]);
        assert_eq!(unsigned(&[0x80]), [0x02, 2, 0, 0x80]);
    }

    #[test]
    fn named_bits_end_with_the_last_one() {
        assert_eq!(named_bits(&[0]), [0x03, 2, 7, 0x80]);
        assert_eq!(named_bits(&[5, 6]), [0x03, 2, 1, 0x06]);
        assert_eq!(named_bits(&[8]), [0x03, 3, 7, 0x00, 0x80]);
    }

    #[test]
    fn object_identifiers_go_there_and_back() {
        for text in [
            "2.5.4.3",
            "1.2.840.113549.1.9.1",
            "0.9.2342.19200300.100.1.25",
            "2.999.1",
        ] {
            let content = object_identifier_content(text).expect(text);
            assert_eq!(dotted(&content), text);
        }
        assert_eq!(object_identifier_content("2.5.4.3"), Some(vec![0x55, 4, 3]));
        for text in [
            "",
            "1",
            "3.1",
            "1.40",
            "1.2.x",
            "1..2",
            "2.5.4.046",
            "2.5.4.+46",
            "2.5.4.00",
        ] {
            assert_eq!(object_identifier_content(text), None, "{text}");
        }
    }

    #[test]
    fn time_changes_its_form_with_the_year_2050() {
        assert_eq!(
            time(datetime!(2049-12-31 23:59:59 UTC))[2..],
            *b"491231235959Z"
        );
        assert_eq!(
            time(datetime!(2050-01-01 0:00 UTC))[2..],
            *b"20500101000000Z"
        );
    }
}
