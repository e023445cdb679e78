//! Attribute types: their names, their encodings, their upper bounds (RFC 5280 appendix A.1), and what may stand in them.

use super::{
    DistinguishedNameError,
    attribute::{Attribute, Given},
    encoding::{LARGEST_VALUE, VALUE, check_der, octets},
};
use crate::{
    der,
    parse::{
        der::{Reader, Value, tag},
        name::string,
    },
    text,
};

/// An attribute type: its names, its encoding, its upper bound (RFC 5280 appendix A.1).
pub(super) struct KnownKind {
    pub(super) name: &'static str,
    aliases: &'static [&'static str],
    pub(super) oid: &'static [u8],
    tag: u8,
    upper_bound: usize,
}

pub(super) enum Kind {
    Known(&'static KnownKind),
    Other { dotted: String, content: Vec<u8> },
}

const fn kind(
    name: &'static str,
    aliases: &'static [&'static str],
    oid: &'static [u8],
    tag: u8,
    upper_bound: usize,
) -> KnownKind {
    KnownKind {
        name,
        aliases,
        oid,
        tag,
        upper_bound,
    }
}

pub(super) const KINDS: &[KnownKind] = &[
    kind(
        "C",
        &["countryName"],
        &[0x55, 4, 6],
        der::PRINTABLE_STRING,
        2,
    ),
    kind(
        "ST",
        &["S", "stateOrProvinceName"],
        &[0x55, 4, 8],
        der::UTF8_STRING,
        128,
    ),
    kind("L", &["localityName"], &[0x55, 4, 7], der::UTF8_STRING, 128),
    kind(
        "O",
        &["organizationName"],
        &[0x55, 4, 10],
        der::UTF8_STRING,
        64,
    ),
    kind(
        "OU",
        &["organizationalUnitName"],
        &[0x55, 4, 11],
        der::UTF8_STRING,
        64,
    ),
    kind("CN", &["commonName"], &[0x55, 4, 3], der::UTF8_STRING, 64),
    kind(
        "emailAddress",
        &["E", "email"],
        &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 1],
        der::IA5_STRING,
        255,
    ),
    kind(
        "DC",
        &["domainComponent"],
        &[0x09, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 0x64, 1, 25],
        der::IA5_STRING,
        63,
    ),
    kind(
        "UID",
        &["userId"],
        &[0x09, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 0x64, 1, 1],
        der::UTF8_STRING,
        256,
    ),
    kind(
        "serialNumber",
        &[],
        &[0x55, 4, 5],
        der::PRINTABLE_STRING,
        64,
    ),
    kind(
        "STREET",
        &["streetAddress"],
        &[0x55, 4, 9],
        der::UTF8_STRING,
        128,
    ),
    kind("postalCode", &[], &[0x55, 4, 17], der::UTF8_STRING, 40),
    kind("title", &[], &[0x55, 4, 12], der::UTF8_STRING, 64),
    kind("GN", &["givenName"], &[0x55, 4, 42], der::UTF8_STRING, 64),
    kind("SN", &["surname"], &[0x55, 4, 4], der::UTF8_STRING, 64),
];

impl Kind {
    pub(super) fn find(name: &str) -> Option<Self> {
        let known = KINDS.iter().find(|kind| {
            kind.name.eq_ignore_ascii_case(name)
                || kind
                    .aliases
                    .iter()
                    .any(|alias| alias.eq_ignore_ascii_case(name))
        });
        if let Some(known) = known {
            return Some(Self::Known(known));
        }
        let content = der::object_identifier_content(name)?;
        Some(Self::of(&content))
    }

    pub(super) fn of(content: &[u8]) -> Self {
        match KINDS.iter().find(|kind| kind.oid == content) {
            Some(known) => Self::Known(known),
            None => Self::Other {
                dotted: der::dotted(content),
                content: content.to_vec(),
            },
        }
    }

    pub(super) fn refuse(&self, value: &str, problem: String) -> DistinguishedNameError {
        let name = match self {
            Self::Known(known) => known.name,
            Self::Other { .. } => "attribute",
        };
        // The value may be a stranger's, and of any length.
        let value = match value.char_indices().nth(80) {
            Some((end, _)) => format!("{}…", &value[..end]),
            None => value.to_owned(),
        };
        DistinguishedNameError::Value {
            name,
            value,
            problem,
        }
    }

    pub(super) fn name(&self) -> String {
        match self {
            Self::Known(known) => known.name.to_owned(),
            Self::Other { dotted, .. } => dotted.clone(),
        }
    }

    fn check(&self, value: &str) -> Result<(), DistinguishedNameError> {
        let (name, tag, upper_bound) = match self {
            Self::Known(known) => (known.name, known.tag, known.upper_bound),
            Self::Other { .. } => ("attribute", der::UTF8_STRING, 1024),
        };
        let refuse = |problem: String| Err(self.refuse(value, problem));
        if value.is_empty() {
            return refuse("has no value; leave the whole attribute out".to_owned());
        }
        if value.chars().any(char::is_control) {
            return refuse("has a control character in it; take it out".to_owned());
        }
        if value.chars().any(text::is_hostile) {
            return refuse(
                "has a character in it that is not seen or turns the text round; take it out"
                    .to_owned(),
            );
        }
        if name == "C" && !(value.len() == 2 && value.bytes().all(|byte| byte.is_ascii_uppercase()))
        {
            return refuse("is not a country code of two capital letters, such as TR".to_owned());
        }
        let length = value.chars().count();
        if length > upper_bound {
            return refuse(format!(
                "has {length} characters, and RFC 5280 allows {upper_bound}; shorten it"
            ));
        }
        if tag == der::IA5_STRING && !value.is_ascii() {
            return refuse(
                "has a character outside ASCII, which this attribute cannot hold".to_owned(),
            );
        }
        if tag == der::PRINTABLE_STRING && !value.bytes().all(is_printable) {
            return refuse("may hold letters, digits, spaces and '()+,-./:=? only".to_owned());
        }
        Ok(())
    }

    /// Holds a value that came encoded to the same rules.
    pub(super) fn check_value(&self, value: Value<'_>) -> Result<(), DistinguishedNameError> {
        // RFC 5280 §4.1.2.4: the other types of string are not for new names.
        let is_text = matches!(
            value.tag,
            tag::UTF8_STRING | tag::PRINTABLE_STRING | tag::IA5_STRING | tag::NUMERIC_STRING
        );
        let text = string(value);
        match (self, text) {
            (_, Some(text)) if is_text => self.check(&text),
            // What no one here knows may be of any type.
            (Self::Other { .. }, None) if !is_text => {
                let shown = text::hex(value.raw);
                let refuse = |problem| Err(self.refuse(&shown, problem));
                if value.raw.len() > LARGEST_VALUE {
                    return refuse(format!(
                        "has {} octets, and {LARGEST_VALUE} are enough for a name; shorten it",
                        value.raw.len()
                    ));
                }
                check_der(value.raw)
                    .or_else(|error| refuse(format!("is not the DER of one value, for {error}")))
            }
            _ => Err(self.refuse(
                &text::hex(value.raw),
                "is not written as UTF8String or PrintableString, as RFC 5280 section 4.1.2.4 asks"
                    .to_owned(),
            )),
        }
    }

    pub(super) fn encode(
        &self,
        value: Given,
    ) -> Result<(Vec<u8>, Attribute), DistinguishedNameError> {
        let (oid, own) = match self {
            Self::Known(known) => (known.oid, known.tag),
            Self::Other { content, .. } => (&content[..], der::UTF8_STRING),
        };
        let (encoded, attribute) = match value {
            Given::Text(value) => {
                self.check(&value)?;
                let encoded = der::value(own, value.as_bytes());
                let (name, is_text) = (self.name(), true);
                (
                    encoded,
                    Attribute {
                        name,
                        value,
                        is_text,
                    },
                )
            }
            Given::Encoded(digits) => self.decode(&digits, own)?,
        };
        let encoded = der::sequence([der::object_identifier(oid), encoded]);
        Ok((encoded, attribute))
    }

    /// RFC 4514 §2.4: the encoding of a value, in hexadecimal.
    fn decode(
        &self,
        digits: &str,
        own: u8,
    ) -> Result<(Vec<u8>, Attribute), DistinguishedNameError> {
        let refuse = |problem: String| Err(self.refuse(&format!("#{digits}"), problem));
        let Some(octets) = octets(digits) else {
            return refuse(
                "is not pairs of hexadecimal digits behind the #, as RFC 4514 section 2.4 writes an encoding; write \\# where text begins with #".to_owned(),
            );
        };
        if let Err(error) = check_der(&octets) {
            return refuse(format!("is not the DER of one value, for {error}"));
        }
        let value = Reader::new(&octets)
            .any(VALUE)
            .map_err(|_| DistinguishedNameError::Malformed)?;
        self.check_value(value)?;
        // RFC 5280 appendix A.1 gives each of the known attributes its types of string.
        let is_its_own = match self {
            Self::Known(_) if own == der::UTF8_STRING => {
                [tag::UTF8_STRING, tag::PRINTABLE_STRING].contains(&value.tag)
            }
            Self::Known(_) => value.tag == own,
            Self::Other { .. } => true,
        };
        let fits = match value.tag {
            tag::PRINTABLE_STRING => value.content.iter().copied().all(is_printable),
            tag::NUMERIC_STRING => value
                .content
                .iter()
                .all(|octet| octet.is_ascii_digit() || *octet == b' '),
            _ => true,
        };
        if !is_its_own {
            return refuse(
                "is not encoded as the type of string that RFC 5280 appendix A.1 gives this attribute; write it as text".to_owned(),
            );
        }
        if !fits {
            return refuse("has a character that its type of string has not".to_owned());
        }
        let attribute = Attribute::of(self.name(), value.tag, value.content);
        Ok((octets, attribute))
    }
}

/// The alphabet of PrintableString (X.680 §41.4).
fn is_printable(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b" '()+,-./:=?".contains(&byte)
}
