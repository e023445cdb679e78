//! General names: what subjectAltName and its many siblings are made of (RFC 5280 section 4.2.1.6).

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use super::{
    der::{DerError, Reader, Result, Value, tag},
    name::{Name, string},
    oid::Oid,
};

#[derive(Clone, Debug)]
pub(crate) enum GeneralName<'a> {
    Other {
        oid: Oid<'a>,
        value: Value<'a>,
    },
    Email(&'a str),
    Dns(&'a str),
    X400(&'a [u8]),
    Directory(Name<'a>),
    EdiParty(&'a [u8]),
    Uri(&'a str),
    /// 4 or 16 octets in an alternative name, 8 or 32 (address and mask) in a name constraint; not checked here.
    Ip(&'a [u8]),
    RegisteredId(Oid<'a>),
}

impl<'a> GeneralName<'a> {
    pub(crate) fn read(reader: &mut Reader<'a>, what: &'static str) -> Result<Self> {
        let value = reader.any(what)?;
        Self::from_value(value, what)
    }

    fn from_value(value: Value<'a>, what: &'static str) -> Result<Self> {
        let text = || {
            ia5(value.content).ok_or_else(|| DerError::new(what, "holds a text that is not ASCII"))
        };
        Ok(match value.tag {
            0xa0 => {
                let mut other = Reader::new(value.content);
                let oid = other.oid(what)?;
                let mut explicit = other.constructed(tag::context_constructed(0), what)?;
                other.end(what)?;
                let value = explicit.any(what)?;
                explicit.end(what)?;
                Self::Other { oid, value }
            }
            0x81 => Self::Email(text()?),
            0x82 => Self::Dns(text()?),
            0xa3 => Self::X400(value.content),
            0xa4 => {
                let mut explicit = Reader::new(value.content);
                let name = Name::read(&mut explicit, what)?;
                explicit.end(what)?;
                Self::Directory(name)
            }
            0xa5 => Self::EdiParty(value.content),
            0x86 => Self::Uri(text()?),
            0x87 => Self::Ip(value.content),
            0x88 => Self::RegisteredId(Oid::new(value.content, what)?),
            _ => {
                return Err(DerError::new(
                    what,
                    "holds a kind of name that does not exist",
                ));
            }
        })
    }

    /// Every name up to the end; RFC 5280 asks for at least one.
    pub(crate) fn read_all(content: &'a [u8], what: &'static str) -> Result<Vec<Self>> {
        let mut reader = Reader::new(content);
        let mut names = Vec::new();
        while !reader.is_empty() {
            names.push(Self::read(&mut reader, what)?);
        }
        if names.is_empty() {
            Err(DerError::new(what, "holds no name"))
        } else {
            Ok(names)
        }
    }

    /// A stable word for the kind, as in JSON and in openssl's configuration.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Other { .. } => "otherName",
            Self::Email(_) => "email",
            Self::Dns(_) => "DNS",
            Self::X400(_) => "X400Name",
            Self::Directory(_) => "dirName",
            Self::EdiParty(_) => "EdiPartyName",
            Self::Uri(_) => "URI",
            Self::Ip(_) => "IP",
            Self::RegisteredId(_) => "RID",
        }
    }

    /// The value without its kind, not escaped.
    pub(crate) fn value(&self) -> String {
        match self {
            Self::Email(text) | Self::Dns(text) | Self::Uri(text) => (*text).to_owned(),
            Self::Directory(name) => name.to_string(),
            Self::Ip(octets) => ip(octets),
            Self::RegisteredId(oid) => oid.to_string(),
            Self::X400(octets) | Self::EdiParty(octets) => crate::text::hex(octets),
            Self::Other { oid, value } => match string(*value) {
                Some(text) => format!("{};{text}", oid.name_and_numbers()),
                None => format!("{};{}", oid.name_and_numbers(), crate::text::hex(value.raw)),
            },
        }
    }
}

impl fmt::Display for GeneralName<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // A distinguished name brings its own escapes.
            Self::Directory(name) => write!(f, "{}:{name}", self.kind()),
            _ => write!(f, "{}:{}", self.kind(), crate::text::escape(&self.value())),
        }
    }
}

/// The octets of an iPAddress as an address, when there are 4 or 16.
pub(crate) fn ip_address(octets: &[u8]) -> Option<IpAddr> {
    if let Ok(v4) = <[u8; 4]>::try_from(octets) {
        return Some(IpAddr::V4(Ipv4Addr::from(v4)));
    }
    <[u8; 16]>::try_from(octets)
        .ok()
        .map(|v6| IpAddr::V6(Ipv6Addr::from(v6)))
}

fn ip(octets: &[u8]) -> String {
    if let Some(address) = ip_address(octets) {
        return address.to_string();
    }
    let (address, mask) = octets.split_at(octets.len() / 2);
    match (ip_address(address), ip_address(mask)) {
        (Some(address), Some(mask)) if address.is_ipv4() == mask.is_ipv4() => {
            format!("{address}/{mask}")
        }
        _ => format!("invalid:{}", crate::text::hex(octets)),
    }
}

fn ia5(octets: &[u8]) -> Option<&str> {
    if octets.is_ascii() {
        std::str::from_utf8(octets).ok()
    } else {
        None
    }
}
