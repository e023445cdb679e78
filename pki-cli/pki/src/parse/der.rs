//! The Distinguished Encoding Rules (X.690): one value after the other, strict, without recursion.

/// The tags that certificates use.
pub(crate) mod tag {
    pub(crate) const BOOLEAN: u8 = 0x01;
    pub(crate) const INTEGER: u8 = 0x02;
    pub(crate) const BIT_STRING: u8 = 0x03;
    pub(crate) const OCTET_STRING: u8 = 0x04;
    pub(crate) const NULL: u8 = 0x05;
    pub(crate) const OID: u8 = 0x06;
    pub(crate) const ENUMERATED: u8 = 0x0a;
    pub(crate) const UTF8_STRING: u8 = 0x0c;
    pub(crate) const NUMERIC_STRING: u8 = 0x12;
    pub(crate) const PRINTABLE_STRING: u8 = 0x13;
    pub(crate) const TELETEX_STRING: u8 = 0x14;
    pub(crate) const IA5_STRING: u8 = 0x16;
    pub(crate) const UTC_TIME: u8 = 0x17;
    pub(crate) const GENERALIZED_TIME: u8 = 0x18;
    pub(crate) const VISIBLE_STRING: u8 = 0x1a;
    pub(crate) const UNIVERSAL_STRING: u8 = 0x1c;
    pub(crate) const BMP_STRING: u8 = 0x1e;
    pub(crate) const SEQUENCE: u8 = 0x30;
    pub(crate) const SET: u8 = 0x31;

    /// `[n]` IMPLICIT over a primitive type.
    pub(crate) const fn context(n: u8) -> u8 {
        0x80 | n
    }

    /// `[n]` EXPLICIT, or IMPLICIT over a constructed type.
    pub(crate) const fn context_constructed(n: u8) -> u8 {
        0xa0 | n
    }
}

/// Why bytes are not the DER that was expected: half a sentence, "the serial number is missing".
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} {problem}")]
pub(crate) struct DerError {
    what: &'static str,
    problem: &'static str,
}

impl DerError {
    pub(crate) const fn new(what: &'static str, problem: &'static str) -> Self {
        Self { what, problem }
    }
}

pub(crate) type Result<T> = std::result::Result<T, DerError>;

/// One value: its tag, its content, and all its octets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Value<'a> {
    pub(crate) tag: u8,
    pub(crate) content: &'a [u8],
    pub(crate) raw: &'a [u8],
}

/// Reads values from the front of a slice.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) fn new(octets: &'a [u8]) -> Self {
        Self { rest: octets }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    pub(crate) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    pub(crate) fn peek(&self) -> Option<u8> {
        self.rest.first().copied()
    }

    /// The next value, whatever it is.
    pub(crate) fn any(&mut self, what: &'static str) -> Result<Value<'a>> {
        let input = self.rest;
        let (&tag, rest) = input
            .split_first()
            .ok_or_else(|| DerError::new(what, "is missing"))?;
        if tag & 0x1f == 0x1f {
            return Err(DerError::new(
                what,
                "has a tag number above 30, which no certificate uses",
            ));
        }
        let (&first, rest) = rest
            .split_first()
            .ok_or_else(|| DerError::new(what, "is cut off"))?;
        let (length, rest) = match first {
            0..0x80 => (usize::from(first), rest),
            0x80 => {
                return Err(DerError::new(
                    what,
                    "has an indefinite length, which DER forbids",
                ));
            }
            _ => {
                let octets = usize::from(first & 0x7f);
                let (octets, rest) = rest
                    .split_at_checked(octets)
                    .ok_or_else(|| DerError::new(what, "is cut off"))?;
                if octets.len() > 4 {
                    return Err(DerError::new(
                        what,
                        "claims a length of more than four gigabytes",
                    ));
                }
                let length = octets
                    .iter()
                    .fold(0usize, |length, octet| (length << 8) | usize::from(*octet));
                if octets.first() == Some(&0) || length < 0x80 {
                    return Err(DerError::new(
                        what,
                        "has a length that is not in its shortest form",
                    ));
                }
                (length, rest)
            }
        };
        let (content, after) = rest
            .split_at_checked(length)
            .ok_or_else(|| DerError::new(what, "is cut off"))?;
        self.rest = after;
        let raw = &input[..input.len() - after.len()];
        Ok(Value { tag, content, raw })
    }

    /// The next value, which must have this tag.
    pub(crate) fn value(&mut self, tag: u8, what: &'static str) -> Result<Value<'a>> {
        match self.peek() {
            None => Err(DerError::new(what, "is missing")),
            Some(found) if found == tag => self.any(what),
            Some(_) => Err(DerError::new(what, "has another type than it should")),
        }
    }

    /// The next value, if it has this tag.
    pub(crate) fn optional(&mut self, tag: u8, what: &'static str) -> Result<Option<Value<'a>>> {
        if self.peek() == Some(tag) {
            self.any(what).map(Some)
        } else {
            Ok(None)
        }
    }

    /// A reader over the content of the next value, which must have this tag.
    pub(crate) fn constructed(&mut self, tag: u8, what: &'static str) -> Result<Self> {
        self.value(tag, what).map(|value| Self::new(value.content))
    }

    pub(crate) fn sequence(&mut self, what: &'static str) -> Result<Self> {
        self.constructed(tag::SEQUENCE, what)
    }

    /// The octets of an INTEGER, in the shortest form (X.690 section 8.3.2).
    pub(crate) fn integer(&mut self, what: &'static str) -> Result<&'a [u8]> {
        integer(self.value(tag::INTEGER, what)?.content, what)
    }

    /// A small INTEGER that is not negative.
    pub(crate) fn unsigned(&mut self, what: &'static str) -> Result<u64> {
        unsigned(self.value(tag::INTEGER, what)?.content, what)
    }

    pub(crate) fn oid(&mut self, what: &'static str) -> Result<super::oid::Oid<'a>> {
        super::oid::Oid::new(self.value(tag::OID, what)?.content, what)
    }

    pub(crate) fn bit_string(&mut self, what: &'static str) -> Result<BitString<'a>> {
        BitString::new(self.value(tag::BIT_STRING, what)?.content, what)
    }

    pub(crate) fn octet_string(&mut self, what: &'static str) -> Result<&'a [u8]> {
        self.value(tag::OCTET_STRING, what)
            .map(|value| value.content)
    }

    /// Fails when something is left: no value may stand behind the last one.
    pub(crate) fn end(&self, what: &'static str) -> Result<()> {
        if self.is_empty() {
            Ok(())
        } else {
            Err(DerError::new(
                what,
                "is followed by octets that do not belong there",
            ))
        }
    }
}

/// A BOOLEAN, which DER writes as 00 or FF (X.690 section 11.1).
pub(crate) fn boolean(content: &[u8], what: &'static str) -> Result<bool> {
    match content {
        [0] => Ok(false),
        [0xff] => Ok(true),
        _ => Err(DerError::new(
            what,
            "is a BOOLEAN that is neither 00 nor FF",
        )),
    }
}

pub(crate) fn integer<'a>(content: &'a [u8], what: &'static str) -> Result<&'a [u8]> {
    match content {
        [] => Err(DerError::new(what, "is an INTEGER without octets")),
        [0, second, ..] if *second < 0x80 => Err(DerError::new(
            what,
            "is an INTEGER that is not in its shortest form",
        )),
        [0xff, second, ..] if *second >= 0x80 => Err(DerError::new(
            what,
            "is an INTEGER that is not in its shortest form",
        )),
        _ => Ok(content),
    }
}

pub(crate) fn unsigned(content: &[u8], what: &'static str) -> Result<u64> {
    let octets = integer(content, what)?;
    if octets[0] >= 0x80 {
        return Err(DerError::new(what, "is negative"));
    }
    let octets = if octets[0] == 0 { &octets[1..] } else { octets };
    if octets.len() > 8 {
        return Err(DerError::new(what, "is too large"));
    }
    Ok(octets
        .iter()
        .fold(0, |number, octet| (number << 8) | u64::from(*octet)))
}

/// Everything that `octets` hold as one value with this tag, and nothing behind it.
pub(crate) fn whole<'a>(octets: &'a [u8], tag: u8, what: &'static str) -> Result<Value<'a>> {
    let mut reader = Reader::new(octets);
    let value = reader.value(tag, what)?;
    reader.end(what)?;
    Ok(value)
}

/// A BIT STRING: its octets, and how many bits of the last one do not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BitString<'a> {
    pub(crate) octets: &'a [u8],
    pub(crate) unused: u8,
}

impl<'a> BitString<'a> {
    pub(crate) fn new(content: &'a [u8], what: &'static str) -> Result<Self> {
        let (&unused, octets) = content
            .split_first()
            .ok_or_else(|| DerError::new(what, "is a BIT STRING without octets"))?;
        let last = octets.last().copied().unwrap_or(0);
        if unused > 7 || (octets.is_empty() && unused > 0) {
            return Err(DerError::new(
                what,
                "is a BIT STRING with an impossible number of unused bits",
            ));
        }
        // X.690 section 11.2.1
        if last & ((1u8 << unused) - 1) != 0 {
            return Err(DerError::new(
                what,
                "is a BIT STRING whose unused bits are not zero",
            ));
        }
        Ok(Self { octets, unused })
    }

    /// The octets, when all of their bits count.
    pub(crate) fn whole_octets(self, what: &'static str) -> Result<&'a [u8]> {
        if self.unused == 0 {
            Ok(self.octets)
        } else {
            Err(DerError::new(what, "does not end with a whole octet"))
        }
    }

    /// Bit `n`, counted as ASN.1 does: 0 is the highest bit of the first octet.
    pub(crate) fn bit(self, n: usize) -> bool {
        self.octets
            .get(n / 8)
            .is_some_and(|octet| octet & (0x80 >> (n % 8)) != 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_shortest_definite_lengths_are_read() {
        let long = [&[0x04, 0x81, 0x80][..], &[0; 0x80]].concat();
        for (octets, expected) in [
            (&[0x04, 0x01, 0x61][..], true),
            (&long, true),
            (&[0x04, 0x81, 0x01, 0x61], false),
            (&[0x04, 0x82, 0x00, 0x01, 0x61], false),
            (&[0x04, 0x80, 0x61, 0x00, 0x00], false),
            (&[0x04, 0x85, 1, 1, 1, 1, 1], false),
            (&[0x04, 0x02, 0x61], false),
            (&[0x04, 0x84, 0xff, 0xff, 0xff, 0xff], false),
            (&[0x04], false),
            (&[], false),
            (&[0x1f, 0x01, 0x61], false),
        ] {
            assert_eq!(
                Reader::new(octets).any("it").is_ok(),
                expected,
                "{octets:02x?}"
            );
        }
    }

    #[test]
    fn booleans_and_integers_have_one_form_only() {
        for (octets, expected) in [
            (&[0xff][..], Some(true)),
            (&[0], Some(false)),
            (&[1], None),
            (&[], None),
        ] {
            assert_eq!(boolean(octets, "it").ok(), expected);
        }
        for (octets, expected) in [
            (&[0x7f][..], Some(127)),
            (&[0x00, 0x80], Some(128)),
            (&[0x00, 0x7f], None),
            (&[0x80], None),
            (&[], None),
            (&[0xff, 0xff], None),
            (
                &[0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
                Some(u64::MAX),
            ),
            (&[0x01, 0, 0, 0, 0, 0, 0, 0, 0], None),
        ] {
            assert_eq!(unsigned(octets, "it").ok(), expected, "{octets:02x?}");
        }
    }

    #[test]
    fn bits_are_counted_from_the_highest() {
        let bits = BitString::new(&[7, 0x06, 0x80], "it").expect("valid");
        assert_eq!(
            (0..10).filter(|n| bits.bit(*n)).collect::<Vec<_>>(),
            [5, 6, 8]
        );
        assert!(
            BitString::new(&[7, 0x81], "it").is_err(),
            "an unused bit is set"
        );
        assert!(BitString::new(&[8, 0x80], "it").is_err());
        assert!(BitString::new(&[1], "it").is_err());
        assert!(BitString::new(&[], "it").is_err());
    }

    #[test]
    fn nothing_may_stand_behind_the_value() {
        assert!(whole(&[0x05, 0x00], tag::NULL, "it").is_ok());
        assert!(whole(&[0x05, 0x00, 0x05, 0x00], tag::NULL, "it").is_err());
    }
}
