//! One attribute of a name, and its value as it is given: text, or an encoding (RFC 4514 §2.4).

use std::borrow::Cow;

use super::kind::KINDS;
use crate::{
    der,
    parse::{der::Value, name::string},
    text,
};

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

impl Attribute {
    pub(super) fn from_x509(attribute: &x509_parser::x509::AttributeTypeAndValue<'_>) -> Self {
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

    pub(super) fn of(name: String, tag: u8, content: &[u8]) -> Self {
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
pub(super) enum Given {
    Text(String),
    /// The hexadecimal digits behind `#`.
    Encoded(String),
}

impl Given {
    pub(super) fn text(&self) -> Option<&str> {
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
