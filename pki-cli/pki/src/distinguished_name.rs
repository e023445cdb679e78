//! A distinguished name (RFC 5280 §4.1.2.4, X.501): read from openssl's slash form (`/C=TR/O=Software/CN=a`) or from
//! the string form of RFC 4514 (`CN=a,O=Software,C=TR`), encoded once, compared by its encoding.
//!
//! A value of RFC 4514 that begins with `#` is an encoding in hexadecimal (§2.4), so a value need not be text; openssl's form
//! knows no such thing, and `#` stands for itself there.
//!
//! Attributes keep their order, may repeat and may be multi-valued. A name that came from a certificate or request
//! keeps the bytes that it came with: it is never encoded again.

use std::{
    borrow::Cow,
    fmt,
    hash::{Hash, Hasher},
};

use x509_parser::x509::X509Name;

use crate::{
    der,
    parse::{
        der::{BitString, DerError, Reader, Value, boolean, integer, tag},
        name::{Name, string},
        oid::Oid,
    },
    text,
};

/// A distinguished name. Two are equal when their encodings are.
#[derive(Clone)]
pub struct DistinguishedName {
    der: Vec<u8>,
    /// In the order of the encoding.
    parts: Vec<Vec<Attribute>>,
}

/// One attribute: a type and a value.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Attribute {
    /// The short name of the type, as in `CN`, or the object identifier with dots.
    pub name: String,
    /// The value as text; a value that is no text as `#` and its encoding in hexadecimal (RFC 4514 §2.4).
    pub value: String,
    /// Whether the value is text.
    pub is_text: bool,
}

/// Why a name cannot be used.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum DistinguishedNameError {
    /// Nothing is there.
    #[error("The subject is empty; write for example \"/O=Example/CN=service\".")]
    Empty,
    /// A part has no `=`.
    #[error(
        "The subject {name:?} has the part {part:?}, which is not TYPE=VALUE; write for example \"/O=Example/CN=service\", and a slash that belongs to a value as \\/."
    )]
    NotAPair {
        /// The whole name.
        name: String,
        /// The part.
        part: String,
    },
    /// The attribute type is not known.
    #[error(
        "The subject has the attribute type {0:?}, which is not known; known are C, ST, L, O, OU, CN, emailAddress, DC, UID, serialNumber, STREET, postalCode, title, GN, SN and object identifiers such as 2.5.4.3."
    )]
    UnknownType(String),
    /// The value does not fit its type.
    #[error("The subject's {name} {value:?} {problem}.")]
    Value {
        /// The attribute type.
        name: &'static str,
        /// The value.
        value: String,
        /// What is wrong with it, and what would be right.
        problem: String,
    },
    /// An escape sequence ends early or is no hexadecimal.
    #[error(
        "The subject {0:?} has a broken escape: after a backslash comes the escaped character, or two hexadecimal digits."
    )]
    Escape(String),
    /// The encoded name cannot be read.
    #[error("A distinguished name in the file is not valid DER.")]
    Malformed,
}

impl DistinguishedName {
    /// Reads either form; the slash form begins with a slash.
    pub fn parse(text: &str) -> Result<Self, DistinguishedNameError> {
        let parts = match text.strip_prefix('/') {
            Some(rest) => split_slashes(rest, text)?,
            None => {
                let mut parts = split_rfc4514(text)?;
                // RFC 4514 §2.1: the string starts with the last element of the sequence.
                parts.reverse();
                parts
            }
        };
        Self::from_pairs(parts)
    }

    /// The name `CN=…`.
    pub fn common_name(value: &str) -> Result<Self, DistinguishedNameError> {
        Self::from_pairs(vec![vec![("CN".to_owned(), Given::Text(value.to_owned()))]])
    }

    /// The empty name, for certificates that are known by their subject alternative names alone.
    pub fn empty() -> Self {
        Self {
            der: der::sequence::<&[u8]>([]),
            parts: Vec::new(),
        }
    }

    pub(crate) fn from_x509(name: &X509Name<'_>) -> Self {
        let parts = name
            .iter_rdn()
            .map(|rdn| rdn.iter().map(Attribute::from_x509).collect())
            .collect();
        Self {
            der: name.as_raw().to_vec(),
            parts,
        }
    }

    /// The same name with another common name, made from the one that it has, if any.
    pub(crate) fn with_common_name(
        &self,
        make: impl FnOnce(Option<&str>) -> String,
    ) -> Result<Self, DistinguishedNameError> {
        let mut pairs: Vec<Pairs> = self
            .parts
            .iter()
            .map(|part| {
                part.iter()
                    .map(|attribute| (attribute.name.clone(), Given::from(attribute)))
                    .collect()
            })
            .collect();
        match pairs.iter_mut().flatten().find(|(name, _)| name == "CN") {
            Some((_, value)) => *value = Given::Text(make(value.text())),
            None => pairs.push(vec![("CN".to_owned(), Given::Text(make(None)))]),
        }
        Self::from_pairs(pairs)
    }

    /// The encoding.
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// Whether there is no attribute at all.
    pub fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    /// Every attribute, in the order of the encoding.
    pub fn attributes(&self) -> impl Iterator<Item = &Attribute> {
        self.parts.iter().flatten()
    }

    /// Holds a name to the rules for the names that we give: whoever made a request does not get a longer one, nor one with
    /// characters that hide or turn round what stands beside them. A value that is no text is one that openssl reads: its
    /// names have no types but strings, BIT STRING and SEQUENCE, and it reads no certificate with any other.
    pub fn check(&self) -> Result<(), DistinguishedNameError> {
        let malformed = |_| DistinguishedNameError::Malformed;
        let name = Name::read(&mut Reader::new(&self.der), "the name").map_err(malformed)?;
        if name.has_an_empty_part() {
            return Err(DistinguishedNameError::Malformed);
        }
        for attribute in name.attributes() {
            let kind = Kind::of(attribute.oid.0);
            kind.check_value(attribute.value)?;
            if attribute.string().is_none()
                && ![tag::BIT_STRING, tag::SEQUENCE].contains(&attribute.value.tag)
            {
                return Err(kind.refuse(
                    &format!("#{}", text::hex(attribute.value.raw)),
                    "is of a type that openssl reads in no name; a value that is no text can be a BIT STRING or a SEQUENCE".to_owned(),
                ));
            }
        }
        Ok(())
    }

    /// openssl's slash form, in the order of the encoding.
    pub fn to_slashes(&self) -> String {
        let mut out = String::new();
        for part in &self.parts {
            out.push('/');
            for (index, attribute) in part.iter().enumerate() {
                if index > 0 {
                    out.push('+');
                }
                out.push_str(&attribute.name);
                out.push('=');
                for character in attribute.value.chars() {
                    if matches!(character, '/' | '\\' | '+') {
                        out.push('\\');
                    }
                    out.push(character);
                }
            }
        }
        out
    }

    fn from_pairs(parts: Vec<Pairs>) -> Result<Self, DistinguishedNameError> {
        if parts.is_empty() {
            return Err(DistinguishedNameError::Empty);
        }
        let mut encoded = Vec::new();
        let mut kept = Vec::new();
        for part in parts {
            let mut members = Vec::new();
            for (name, value) in part {
                let kind = Kind::find(&name).ok_or(DistinguishedNameError::UnknownType(name))?;
                members.push(kind.encode(value)?);
            }
            // In the order in which SET OF will put them, whatever order was typed.
            members.sort_by(|(one, _), (other, _)| one.cmp(other));
            let (members, attributes): (Vec<_>, Vec<_>) = members.into_iter().unzip();
            encoded.push(der::set_of(members));
            kept.push(attributes);
        }
        Ok(Self {
            der: der::sequence(encoded),
            parts: kept,
        })
    }
}

impl PartialEq for DistinguishedName {
    fn eq(&self, other: &Self) -> bool {
        self.der == other.der
    }
}

impl Eq for DistinguishedName {}

impl Hash for DistinguishedName {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.der.hash(state);
    }
}

/// The string form of RFC 4514: the last element of the sequence comes first.
impl fmt::Display for DistinguishedName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, part) in self.parts.iter().rev().enumerate() {
            if index > 0 {
                f.write_str(",")?;
            }
            for (index, attribute) in part.iter().enumerate() {
                if index > 0 {
                    f.write_str("+")?;
                }
                let value = match attribute.is_text {
                    true => escape_rfc4514(&attribute.value),
                    false => attribute.value.clone(),
                };
                write!(f, "{}={value}", attribute.name)?;
            }
        }
        Ok(())
    }
}

impl fmt::Debug for DistinguishedName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DistinguishedName({:?})", self.to_string())
    }
}

impl Attribute {
    fn from_x509(attribute: &x509_parser::x509::AttributeTypeAndValue<'_>) -> Self {
        let content = attribute.attr_type().as_bytes();
        let name = KINDS
            .iter()
            .find(|kind| kind.oid == content)
            .map_or_else(|| der::dotted(content), |kind| kind.name.to_owned());
        let value = attribute.attr_value();
        let tag = u8::try_from(value.tag().0).unwrap_or(0x1f)
            | (value.class() as u8) << 6
            | u8::from(value.header.is_constructed()) << 5;
        Self::of(name, tag, value.data)
    }

    fn of(name: String, tag: u8, content: &[u8]) -> Self {
        let raw = der::value(tag, content);
        let value = Value {
            tag,
            content,
            raw: &raw,
        };
        let text = string(value);
        Self {
            name,
            is_text: text.is_some(),
            value: text.map_or_else(|| format!("#{}", text::hex(&raw)), Cow::into_owned),
        }
    }
}

/// A value as it is given: as text, or as its encoding.
enum Given {
    Text(String),
    /// The hexadecimal digits behind `#`.
    Encoded(String),
}

impl Given {
    fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Encoded(_) => None,
        }
    }
}

impl From<&Attribute> for Given {
    fn from(attribute: &Attribute) -> Self {
        match attribute.value.strip_prefix('#') {
            Some(digits) if !attribute.is_text => Self::Encoded(digits.to_owned()),
            _ => Self::Text(attribute.value.clone()),
        }
    }
}

/// An attribute type: its names, its encoding, its upper bound (RFC 5280 appendix A.1).
struct KnownKind {
    name: &'static str,
    aliases: &'static [&'static str],
    oid: &'static [u8],
    tag: u8,
    upper_bound: usize,
}

enum Kind {
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

const KINDS: &[KnownKind] = &[
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
    fn find(name: &str) -> Option<Self> {
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

    fn of(content: &[u8]) -> Self {
        match KINDS.iter().find(|kind| kind.oid == content) {
            Some(known) => Self::Known(known),
            None => Self::Other {
                dotted: der::dotted(content),
                content: content.to_vec(),
            },
        }
    }

    fn refuse(&self, value: &str, problem: String) -> DistinguishedNameError {
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

    fn name(&self) -> String {
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
    fn check_value(&self, value: Value<'_>) -> Result<(), DistinguishedNameError> {
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

    fn encode(&self, value: Given) -> Result<(Vec<u8>, Attribute), DistinguishedNameError> {
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

/// What a value is called where it is no DER.
const VALUE: &str = "the value";

/// The most octets of a value that is no text.
const LARGEST_VALUE: usize = 1024;

/// Pairs of hexadecimal digits; at least one.
fn octets(digits: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<_>> = digits.chars().map(|digit| digit.to_digit(16)).collect();
    let digits = digits.filter(|digits| !digits.is_empty() && digits.len().is_multiple_of(2))?;
    let pairs = digits.chunks_exact(2);
    Some(pairs.map(|pair| (pair[0] * 16 + pair[1]) as u8).collect())
}

/// Whether there is one value in DER, all the way down, and nothing behind it.
fn check_der(octets: &[u8]) -> Result<(), DerError> {
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

/// The alphabet of PrintableString (X.680 §41.4).
fn is_printable(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b" '()+,-./:=?".contains(&byte)
}

type Pairs = Vec<(String, Given)>;

/// A character, and whether it was escaped.
type Marked = (char, bool);

/// Splits the slash form. A plus sign joins two attributes only when `TYPE=` follows, since it appears in values too.
fn split_slashes(text: &str, whole: &str) -> Result<Vec<Pairs>, DistinguishedNameError> {
    let mut marked: Vec<Marked> = Vec::new();
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        marked.push(match character {
            '\\' => {
                let escaped = characters.next();
                (
                    escaped.ok_or_else(|| DistinguishedNameError::Escape(whole.to_owned()))?,
                    true,
                )
            }
            other => (other, false),
        });
    }
    marked
        .split(|character| *character == ('/', false))
        .map(|part| {
            let mut pairs = Pairs::new();
            let mut rest = part;
            loop {
                let (this, next) = match find_joining_plus(rest) {
                    Some(at) => (&rest[..at], Some(&rest[at + 1..])),
                    None => (rest, None),
                };
                let this: String = this.iter().map(|(character, _)| character).collect();
                let Some((name, value)) = this.split_once('=') else {
                    return Err(DistinguishedNameError::NotAPair {
                        name: whole.to_owned(),
                        part: this,
                    });
                };
                pairs.push((name.trim().to_owned(), Given::Text(value.to_owned())));
                match next {
                    Some(next) => rest = next,
                    None => return Ok(pairs),
                }
            }
        })
        .collect()
}

fn find_joining_plus(text: &[Marked]) -> Option<usize> {
    let pluses = text
        .iter()
        .enumerate()
        .filter(|(_, character)| **character == ('+', false));
    pluses.map(|(at, _)| at).find(|at| {
        let after = &text[at + 1..];
        let name: String = after
            .iter()
            .map(|(character, _)| character)
            .take_while(|character| **character != '=')
            .collect();
        name.chars().count() < after.len() && Kind::find(name.trim()).is_some()
    })
}

/// Splits the form of RFC 4514 §3, with `,` or (RFC 2253) `;` between the elements.
fn split_rfc4514(text: &str) -> Result<Vec<Pairs>, DistinguishedNameError> {
    let broken = || DistinguishedNameError::Escape(text.to_owned());
    // Each attribute, and whether its value begins with a number sign that is not escaped.
    let mut elements = vec![vec![(Vec::<u8>::new(), false)]];
    // Spaces around a value are dropped unless they are escaped: this is the length up to the last that counts.
    let mut kept = 0;
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        let element = elements.last_mut().ok_or_else(broken)?;
        let (current, is_encoded) = element.last_mut().ok_or_else(broken)?;
        match character {
            '\\' => {
                let first = characters.next().ok_or_else(broken)?;
                match (
                    first.to_digit(16),
                    characters.peek().and_then(|next| next.to_digit(16)),
                ) {
                    (Some(high), Some(low)) => {
                        characters.next();
                        current.push((high * 16 + low) as u8);
                    }
                    _ => current.extend_from_slice(first.encode_utf8(&mut [0; 4]).as_bytes()),
                }
                kept = current.len();
            }
            ',' | ';' | '+' => {
                current.truncate(kept);
                kept = 0;
                if character == '+' {
                    element.push((Vec::new(), false));
                } else {
                    elements.push(vec![(Vec::new(), false)]);
                }
            }
            // Before the name, and between the equals sign and the value.
            ' ' if current
                .iter()
                .position(|byte| *byte == b'=')
                .is_none_or(|at| at + 1 == current.len()) => {}
            other => {
                let equals = current.iter().position(|byte| *byte == b'=');
                *is_encoded |= other == '#' && equals.is_some_and(|at| at + 1 == current.len());
                current.extend_from_slice(other.encode_utf8(&mut [0; 4]).as_bytes());
                if other != ' ' {
                    kept = current.len();
                }
            }
        }
    }
    if let Some((last, _)) = elements.last_mut().and_then(|element| element.last_mut()) {
        last.truncate(kept);
    }
    if text.is_empty() {
        return Err(DistinguishedNameError::Empty);
    }
    elements
        .into_iter()
        .map(|element| {
            element
                .into_iter()
                .map(|(pair, is_encoded)| {
                    let pair = String::from_utf8(pair).map_err(|_| broken())?;
                    let (name, value) =
                        pair.split_once('=')
                            .ok_or_else(|| DistinguishedNameError::NotAPair {
                                name: text.to_owned(),
                                part: pair.clone(),
                            })?;
                    let value = match value.strip_prefix('#').filter(|_| is_encoded) {
                        Some(digits) => Given::Encoded(digits.to_owned()),
                        None => Given::Text(value.to_owned()),
                    };
                    Ok((name.trim().to_owned(), value))
                })
                .collect()
        })
        .collect()
}

/// RFC 4514 §2.4.
fn escape_rfc4514(value: &str) -> String {
    let mut out = String::new();
    let last = value.chars().count().saturating_sub(1);
    for (index, character) in value.chars().enumerate() {
        match character {
            '"' | '+' | ',' | ';' | '<' | '>' | '\\' => {
                out.push('\\');
                out.push(character);
            }
            ' ' if index == 0 || index == last => out.push_str("\\ "),
            '#' if index == 0 => out.push_str("\\#"),
            '\0' => out.push_str("\\00"),
            other => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use x509_parser::prelude::FromDer;

    const CHAPTER: &str = "/C=TR/ST=EURASIA/L=ISTANBUL/O=Software/OU=Microservices/CN=*.microservices.dev/emailAddress=a@microservices.dev";

    fn reread(name: &DistinguishedName) -> DistinguishedName {
        let (rest, parsed) = X509Name::from_der(name.der()).expect("our own encoding");
        assert!(rest.is_empty());
        DistinguishedName::from_x509(&parsed)
    }

    #[test]
    fn the_slash_form_keeps_order_and_every_attribute() {
        let name = DistinguishedName::parse(CHAPTER).expect("the chapter's subject");
        assert_eq!(name.to_slashes(), CHAPTER);
        assert_eq!(reread(&name), name);
    }

    #[test]
    fn rfc_4514_starts_with_the_last_element() {
        let name = DistinguishedName::parse(CHAPTER).expect("the chapter's subject");
        assert_eq!(
            name.to_string(),
            "emailAddress=a@microservices.dev,CN=*.microservices.dev,OU=Microservices,O=Software,L=ISTANBUL,ST=EURASIA,C=TR"
        );
        assert_eq!(DistinguishedName::parse(&name.to_string()), Ok(name));
    }

    #[test]
    fn repeated_and_multi_valued_attributes_survive() {
        let text = "/DC=dev/DC=microservices/OU=a/OU=b+CN=c";
        let name = DistinguishedName::parse(text).expect("a legal name");
        let values: Vec<_> = name
            .attributes()
            .map(|attribute| attribute.value.as_str())
            .collect();
        // A SET OF is in the order of its encodings: CN is 2.5.4.3, OU is 2.5.4.11.
        assert_eq!(values, ["dev", "microservices", "a", "c", "b"]);
        assert_eq!(reread(&name).der(), name.der());
    }

    #[test]
    fn a_set_has_no_order_however_it_is_typed() {
        let one = DistinguishedName::parse("/CN=bbbbbb+O=a").expect("a name");
        let other = DistinguishedName::parse("/O=a+CN=bbbbbb").expect("a name");
        assert_eq!(one, other);
        assert_eq!(one, reread(&one));
        assert_eq!(one.to_slashes(), reread(&one).to_slashes());
        assert_eq!(one.to_string(), other.to_string());
    }

    #[test]
    fn a_name_from_a_file_is_held_to_the_rules_for_typed_ones() {
        let name = |tag: u8, oid: &[u8], value: &[u8]| {
            let pair = der::sequence([der::object_identifier(oid), der::value(tag, value)]);
            let encoded = der::sequence([der::set_of(vec![pair])]);
            let (_, parsed) = X509Name::from_der(&encoded).expect("DER");
            DistinguishedName::from_x509(&parsed)
        };
        let cn = [0x55, 4, 3];
        assert_eq!(name(0x0c, &cn, "Zürich".as_bytes()).check(), Ok(()));
        assert_eq!(name(0x13, &cn, &[b'a'; 64]).check(), Ok(()));
        assert_eq!(DistinguishedName::empty().check(), Ok(()));
        // x500UniqueIdentifier is a BIT STRING.
        assert_eq!(name(3, &[0x55, 4, 45], b"\0a").check(), Ok(()));
        for (name, expected) in [
            (
                name(0x0c, &cn, &[b'a'; 300]),
                "has 300 characters, and RFC 5280 allows 64",
            ),
            (name(0x0c, &cn, b"a\x1b[31m"), "control character"),
            (name(0x0c, &cn, b"a\nb"), "control character"),
            (
                name(0x0c, &cn, "a\u{202e}b".as_bytes()),
                "turns the text round",
            ),
            (name(0x1e, &cn, b"\0a"), "UTF8String or PrintableString"),
            (name(4, &cn, b"a"), "UTF8String or PrintableString"),
            (name(4, &[0x2a, 3], b"a"), "openssl reads in no name"),
            (name(3, &[0x2a, 3], b""), "BIT STRING without octets"),
            (name(0x13, &[0x55, 4, 6], b"Turkey"), "two capital letters"),
            (name(0x0c, &[0x2a, 3], &[b'a'; 1025]), "allows 1024"),
        ] {
            let told = name.check().expect_err(expected).to_string();
            assert!(told.contains(expected) && told.len() < 400, "{told}");
        }
    }

    #[test]
    fn escapes_are_understood_in_both_forms() {
        let slash = DistinguishedName::parse(r"/O=A\/B \+ C, Inc./CN=x").expect("slash form");
        let rfc = DistinguishedName::parse(r"CN=x, O=A/B \+ C\2C Inc.").expect("RFC 4514");
        assert_eq!(slash, rfc);
        let spaces = DistinguishedName::parse(r"CN=\ x\ ").expect("RFC 4514");
        assert_eq!(
            spaces
                .attributes()
                .next()
                .map(|attribute| attribute.value.as_str()),
            Some(" x ")
        );
    }

    #[test]
    fn a_value_may_be_given_as_its_encoding() {
        let name = |text: &str| DistinguishedName::parse(text).expect(text);
        // The examples of RFC 4514 §2.4 and §4.
        assert_eq!(name("CN=#0c03616263"), name("CN=abc"));
        let text = "1.3.6.1.4.1.1466.0=#04024869,O=Test,C=GB";
        assert_eq!(name(text).to_string(), text);
        assert_eq!(name(&text.replace('=', "= ")), name(text));
        // The type of string that was asked for is the one that is written, and the text is shown.
        let printable = name("CN=#1303616263");
        assert_eq!(printable.to_string(), "CN=abc");
        assert!(printable.der().ends_with(b"\x13\x03abc"));
        // An escaped number sign, and openssl's form, mean the character.
        for text in ["CN=\\#0c03616263", "CN=\\230c03616263", "/CN=#0c03616263"] {
            assert_eq!(name(text).to_string(), "CN=\\#0c03616263");
        }
    }

    #[test]
    fn what_is_no_encoding_is_refused_in_a_sentence() {
        let large = format!("1.2.3=#04820401{}", "00".repeat(1025));
        for (text, reason) in [
            ("CN=#", "pairs of hexadecimal digits"),
            ("CN=#0c0", "pairs of hexadecimal digits"),
            ("CN=#0c0x", "pairs of hexadecimal digits"),
            ("CN=#1 service", "write \\# where text begins with #"),
            ("CN=#0c04616263", "the value is cut off"),
            ("CN=#0c0361626300", "octets that do not belong there"),
            ("CN=#0c8103616263", "not in its shortest form"),
            ("CN=#2c800c016100000", "pairs of hexadecimal digits"),
            ("1.2.3=#30800c01610000", "indefinite length"),
            ("1.2.3=#300402030304", "the value is cut off"),
            ("1.2.3=#02020001", "not in its shortest form"),
            ("1.2.3=#010101", "neither 00 nor FF"),
            ("1.2.3=#240404026161", "form that DER does not have"),
            ("1.2.3=#0000", "form that DER does not have"),
            ("1.2.3=#0501ff", "NULL with content"),
            ("1.2.3=#0c01ff", "UTF8String"),
            ("1.2.3=#1e020061", "UTF8String or PrintableString"),
            ("1.2.3=#0c0461e280ae", "turns the text round"),
            ("1.2.3=#1301", "the value is cut off"),
            ("1.2.3=#130161+CN=#13015f", "its type of string has not"),
            (&large, "1024 are enough"),
            ("CN=#04024869", "UTF8String or PrintableString"),
            ("C=#0c025452", "RFC 5280 appendix A.1"),
            ("C=#130454525452", "two capital letters"),
            ("CN=#0c00", "has no value"),
        ] {
            let error = DistinguishedName::parse(text).expect_err(text).to_string();
            assert!(
                error.contains(reason) && error.len() < 400,
                "{text}: {error}"
            );
            assert_eq!(error.matches(". ").count(), 0, "one sentence: {error}");
        }
    }

    #[test]
    fn what_cannot_be_a_name_is_refused_with_the_reason() {
        for (text, reason) in [
            ("", "is empty"),
            ("/", "not TYPE=VALUE"),
            ("/CN", "not TYPE=VALUE"),
            ("CN=a,b", "not TYPE=VALUE"),
            ("/XX=1", "not known"),
            ("/C=Turkey", "two capital letters"),
            ("/CN=", "has no value"),
            ("/CN=a\u{7}b", "control character"),
            ("/CN=a\u{202e}b", "turns the text round"),
            ("/2.5.4.046=a", "not known"),
            ("/emailAddress=ü@x", "ASCII"),
            ("/serialNumber=a_b", "letters, digits"),
            ("CN=a\\", "broken escape"),
        ] {
            let error = DistinguishedName::parse(text).expect_err(text).to_string();
            assert!(error.contains(reason), "{text}: {error}");
        }
        let long = format!("/CN={}", "x".repeat(65));
        let error = DistinguishedName::parse(&long)
            .expect_err("65 characters")
            .to_string();
        assert!(error.contains("allows 64"), "{error}");
    }

    proptest! {
        #[test]
        fn any_value_comes_back_from_both_forms(values in prop::collection::vec("[^\\p{C}]{1,40}", 1..5)) {
            prop_assume!(values.iter().flat_map(|value| value.chars()).all(|c| !text::is_hostile(c)));
            let pairs = values.iter().map(|value| vec![("O".to_owned(), Given::Text(value.clone()))]).collect();
            let name = DistinguishedName::from_pairs(pairs).expect("no control characters, short enough");
            let read: Vec<_> = reread(&name).attributes().map(|attribute| attribute.value.clone()).collect();
            prop_assert_eq!(&read, &values);
            prop_assert_eq!(DistinguishedName::parse(&name.to_slashes()), Ok(name.clone()));
            prop_assert_eq!(DistinguishedName::parse(&name.to_string()), Ok(name.clone()));
        }

        #[test]
        fn any_value_that_is_no_text_comes_back_as_its_encoding(
            octets in prop::collection::vec(any::<u8>(), 0..300),
            tag in prop::sample::select(vec![0x04, 0x30, 0x80, 0x9e, 0x41]),
        ) {
            // What is constructed holds values.
            let value = match tag {
                0x30 => der::sequence([der::value(4, &octets), der::null()]),
                tag => der::value(tag, &octets),
            };
            let value = format!("#{}", text::hex(&value));
            let typed = format!("CN=a,1.3.6.1.4.1.1466.0={value}+O=\\#b");
            let name = DistinguishedName::parse(&typed).expect(&typed);
            let seen: Vec<_> = name.attributes().map(|one| (one.value.as_str(), one.is_text)).collect();
            // In the order of the encodings, the shorter first.
            prop_assert!(seen.contains(&(value.as_str(), false)) && seen.contains(&("#b", true)));
            prop_assert_eq!(DistinguishedName::parse(&name.to_string()), Ok(name.clone()));
            prop_assert_eq!(reread(&name), name.clone());
            prop_assert_eq!(reread(&name).to_string(), name.to_string());
            // What openssl does not read is read here, and not given to anybody.
            prop_assert_eq!(name.check().is_ok(), tag == 0x30);
            let renamed = name.with_common_name(|_| "b".to_owned()).expect("another");
            prop_assert_eq!(renamed.to_string(), name.to_string().replace("CN=a", "CN=b"));
        }

        #[test]
        fn any_text_may_be_given_as_its_encoding(text in "[^\\p{C}]{1,64}") {
            prop_assume!(!text.chars().any(text::is_hostile));
            let encoded = text::hex(&der::value(der::UTF8_STRING, text.as_bytes()));
            let name = DistinguishedName::parse(&format!("CN=#{encoded}"));
            prop_assert_eq!(name, DistinguishedName::common_name(&text));
        }

        #[test]
        fn no_encoding_makes_it_panic(digits in "[0-9a-fA-F]{0,80}") {
            for kind in ["CN", "C", "1.2.3"] {
                if let Ok(name) = DistinguishedName::parse(&format!("{kind}=#{digits}")) {
                    prop_assert_eq!(DistinguishedName::parse(&name.to_string()).map(drop), Ok(()));
                    prop_assert_eq!(reread(&name), name);
                }
            }
        }

        #[test]
        fn no_text_makes_it_panic(text in "\\PC*") {
            let _ = DistinguishedName::parse(&text);
        }
    }
}
