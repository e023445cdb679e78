//! A distinguished name (RFC 5280 §4.1.2.4, X.501): read from openssl's slash form (`/C=TR/O=Software/CN=a`) or from
//! the string form of RFC 4514 (`CN=a,O=Software,C=TR`), encoded once, compared by its encoding.
//!
//! A value of RFC 4514 that begins with `#` is an encoding in hexadecimal (§2.4), so a value need not be text; openssl's form
//! knows no such thing, and `#` stands for itself there.
//!
//! Attributes keep their order, may repeat and may be multi-valued. A name that came from a certificate or request
//! keeps the bytes that it came with: it is never encoded again.

mod attribute;
mod encoding;
mod kind;
#[cfg(test)]
mod tests;
mod written;

use std::{
    fmt,
    hash::{Hash, Hasher},
};

pub use attribute::Attribute;
use attribute::Given;
use kind::Kind;
use written::{Pairs, escape_rfc4514, split_rfc4514, split_slashes};
use x509_parser::x509::X509Name;

use crate::{
    der,
    parse::{
        der::{Reader, tag},
        name::Name,
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

    /// The same for people: what could harm a terminal is visible. Without such characters it can be given back as it is.
    pub fn shown(&self) -> String {
        text::escape_escaped(&self.to_slashes())
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
