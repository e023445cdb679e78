//! Subject alternative names (RFC 5280 §4.2.1.6), each of its own type: an IP address is never taken for a DNS name.
//!
//! Only names that a verifier can match are let in. Kinds that nobody here uses (otherName, directoryName, …) are kept
//! as [`GeneralName::Other`] when they are read from a file, and are never issued.

#[cfg(test)]
mod tests;

use std::{
    collections::HashMap,
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use x509_parser::extensions::GeneralName as Parsed;

use crate::der;

/// How many names a certificate may have, and a request ask for. What a stranger sends must not cost more than it is
/// worth, and a certificate travels in every handshake.
pub const MOST_NAMES: usize = 1_000;

/// One name of a subject.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum GeneralName {
    /// A DNS name, in small letters; a wildcard only as the whole left-most label.
    Dns(String),
    /// An IP address.
    Ip(IpAddr),
    /// A URI, for example a SPIFFE ID.
    Uri(String),
    /// A mailbox.
    Email(String),
    /// A kind that is not issued here; what it is, for people.
    Other(String),
}

/// Why a name is refused.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
#[error("{kind} {name:?} is refused: {reason}.")]
pub struct NameRefused {
    /// The kind of name: "The DNS name", "The IP address", …
    pub kind: &'static str,
    /// What was asked for.
    pub name: String,
    /// Why, and what would be right.
    pub reason: String,
}

/// How a kind of name is read from text.
pub type Parse = fn(&str) -> Result<GeneralName, NameRefused>;

impl GeneralName {
    /// A DNS name, checked against RFC 1034 §3.5 and RFC 5890 §2.3.1.
    pub fn dns(text: &str) -> Result<Self, NameRefused> {
        check_dns(text).map_err(|reason| NameRefused {
            kind: "The DNS name",
            name: text.to_owned(),
            reason,
        })?;
        // Names compare without regard to case (RFC 5280 §7.2); one form makes duplicates visible.
        Ok(Self::Dns(text.to_ascii_lowercase()))
    }

    /// An IP address; a network such as `10.0.0.0/8` is none.
    pub fn ip(text: &str) -> Result<Self, NameRefused> {
        text.parse().map(Self::Ip).map_err(|_| NameRefused {
            kind: "The IP address",
            name: text.to_owned(),
            reason: match text.split_once('/') {
                Some((address, _)) if address.parse::<IpAddr>().is_ok() => {
                    format!("a certificate names single addresses, not networks; write {address:?}")
                }
                _ if check_dns(text).is_ok() => {
                    "it is a DNS name; ask for it with --dns".to_owned()
                }
                _ => "it is neither IPv4, such as 192.0.2.1, nor IPv6, such as 2001:db8::1"
                    .to_owned(),
            },
        })
    }

    /// An absolute URI with a scheme (RFC 5280 §4.2.1.6); SPIFFE IDs are held to their own specification.
    pub fn uri(text: &str) -> Result<Self, NameRefused> {
        check_uri(text)
            .map(|()| Self::Uri(text.to_owned()))
            .map_err(|reason| NameRefused {
                kind: "The URI",
                name: text.to_owned(),
                reason,
            })
    }

    /// A mailbox `local@domain` in ASCII (RFC 5280 §4.2.1.6, RFC 2821).
    pub fn email(text: &str) -> Result<Self, NameRefused> {
        check_email(text)
            .map(|()| Self::Email(text.to_owned()))
            .map_err(|reason| NameRefused {
                kind: "The email address",
                name: text.to_owned(),
                reason,
            })
    }

    pub(crate) fn from_x509(parsed: &Parsed<'_>) -> Self {
        match parsed {
            Parsed::DNSName(name) => Self::Dns((*name).to_owned()),
            Parsed::URI(uri) => Self::Uri((*uri).to_owned()),
            Parsed::RFC822Name(mailbox) => Self::Email((*mailbox).to_owned()),
            Parsed::IPAddress(octets) => {
                if let Ok(v4) = <[u8; 4]>::try_from(*octets) {
                    Self::Ip(v4.into())
                } else if let Ok(v6) = <[u8; 16]>::try_from(*octets) {
                    Self::Ip(v6.into())
                } else {
                    Self::Other(format!("an IP address of {} octets", octets.len()))
                }
            }
            Parsed::DirectoryName(_) => Self::Other("a directory name".to_owned()),
            Parsed::OtherName(oid, _) => Self::Other(format!("an other name {oid}")),
            Parsed::RegisteredID(oid) => Self::Other(format!("a registered ID {oid}")),
            Parsed::X400Address(_) => Self::Other("an X.400 address".to_owned()),
            Parsed::EDIPartyName(_) => Self::Other("an EDI party name".to_owned()),
            Parsed::Invalid(..) => Self::Other("a malformed name".to_owned()),
        }
    }

    /// Checks a name that came from a request by the rules that hold for names from the command line.
    pub(crate) fn checked(&self) -> Result<Self, NameRefused> {
        match self {
            Self::Dns(name) => Self::dns(name),
            Self::Uri(uri) => Self::uri(uri),
            Self::Email(mailbox) => Self::email(mailbox),
            Self::Ip(address) => Ok(Self::Ip(*address)),
            Self::Other(what) => Err(NameRefused {
                kind: "The name",
                name: what.clone(),
                reason: "only DNS names, IP addresses, URIs and email addresses are issued"
                    .to_owned(),
            }),
        }
    }

    /// The encoding, or `None` for [`GeneralName::Other`], which is never issued.
    pub(crate) fn encode(&self) -> Option<Vec<u8>> {
        Some(match self {
            Self::Email(mailbox) => der::implicit(1, mailbox.as_bytes()),
            Self::Dns(name) => der::implicit(2, name.as_bytes()),
            Self::Uri(uri) => der::implicit(6, uri.as_bytes()),
            Self::Ip(IpAddr::V4(address)) => der::implicit(7, &address.octets()),
            Self::Ip(IpAddr::V6(address)) => der::implicit(7, &address.octets()),
            Self::Other(_) => return None,
        })
    }
}

/// `DNS:a.example`, as openssl writes it.
impl fmt::Display for GeneralName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dns(name) => write!(f, "DNS:{name}"),
            Self::Ip(address) => write!(f, "IP:{address}"),
            Self::Uri(uri) => write!(f, "URI:{uri}"),
            Self::Email(mailbox) => write!(f, "email:{mailbox}"),
            Self::Other(what) => f.write_str(what),
        }
    }
}

/// Takes repetitions out; the second value says which names were repeated.
pub fn deduplicate(
    names: impl IntoIterator<Item = GeneralName>,
) -> (Vec<GeneralName>, Vec<GeneralName>) {
    // How often each was seen: a request by a stranger may hold many.
    let mut seen: HashMap<GeneralName, usize> = HashMap::new();
    let mut kept = Vec::new();
    let mut repeated = Vec::new();
    for name in names {
        let times = seen.entry(name.clone()).or_default();
        *times += 1;
        match *times {
            1 => kept.push(name),
            2 => repeated.push(name),
            _ => {}
        }
    }
    (kept, repeated)
}

fn check_dns(text: &str) -> Result<(), String> {
    if text.is_empty() {
        return Err("it is empty".to_owned());
    }
    if text.parse::<IpAddr>().is_ok() {
        return Err("it is an IP address; ask for it with --ip".to_owned());
    }
    if !text.is_ascii() {
        return Err(
            "it has characters outside ASCII; write international names in their xn-- form"
                .to_owned(),
        );
    }
    if let Some(without) = text.strip_suffix('.') {
        return Err(format!(
            "a name in a certificate has no dot at its end; write {without:?}"
        ));
    }
    if text.len() > 253 {
        return Err(format!(
            "it has {} characters, and a DNS name has at most 253",
            text.len()
        ));
    }
    let labels: Vec<&str> = text.split('.').collect();
    if labels.iter().any(|label| label.contains('*')) {
        if labels[1..].iter().any(|label| label.contains('*')) || labels[0] != "*" {
            return Err(
                "a wildcard is allowed only as the whole left-most label, as in *.example.org"
                    .to_owned(),
            );
        }
        // RFC 6125 §7.2 warns of wildcards that cover other people's domains, and rustls matches none of these.
        if labels.len() < 3 {
            return Err(
                "a wildcard needs at least two labels after it, as in *.example.org".to_owned(),
            );
        }
    }
    for label in labels.iter().filter(|label| **label != "*") {
        check_label(label)?;
    }
    if labels
        .last()
        .is_some_and(|last| last.bytes().all(|byte| byte.is_ascii_digit()))
    {
        return Err("its last label is a number, so it would be read as an IP address".to_owned());
    }
    Ok(())
}

fn check_label(label: &str) -> Result<(), String> {
    if label.is_empty() {
        return Err(
            "two dots stand together, or one at the start; a label has at least one character"
                .to_owned(),
        );
    }
    if label.len() > 63 {
        return Err(format!(
            "one label has {} characters, and a label has at most 63",
            label.len()
        ));
    }
    if label.starts_with('-') || label.ends_with('-') {
        return Err(format!("the label {label:?} begins or ends with a hyphen"));
    }
    match label
        .chars()
        .find(|character| !(character.is_ascii_alphanumeric() || *character == '-'))
    {
        Some('_') => Err("host names have no underscore; use a hyphen".to_owned()),
        Some(character) => Err(format!(
            "{character:?} cannot stand in a host name; use letters, digits and hyphens"
        )),
        None => Ok(()),
    }
}

fn check_uri(text: &str) -> Result<(), String> {
    let Some((scheme, rest)) = text.split_once(':') else {
        return Err("it has no scheme, as in spiffe://example.org/service".to_owned());
    };
    let mut letters = scheme.chars();
    if !letters
        .next()
        .is_some_and(|first| first.is_ascii_alphabetic())
        || !letters
            .all(|letter| letter.is_ascii_alphanumeric() || matches!(letter, '+' | '-' | '.'))
    {
        return Err(format!(
            "{scheme:?} is no URI scheme (RFC 3986 section 3.1)"
        ));
    }
    if rest.is_empty() {
        return Err("nothing follows its scheme".to_owned());
    }
    // RFC 3986 §2: unreserved, reserved, and the percent sign.
    let allowed =
        |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:/?#[]@!$&'()*+,;=%".contains(&byte);
    if let Some(character) = text
        .chars()
        .find(|character| !u8::try_from(*character).is_ok_and(allowed))
    {
        return Err(format!(
            "{character:?} cannot stand in a URI; write it as %XX"
        ));
    }
    // RFC 3986 §2.1.
    let escapes = text.split('%').skip(1);
    for escape in escapes {
        let digits = escape.as_bytes().get(..2).unwrap_or_default();
        if digits.len() < 2 || !digits.iter().all(u8::is_ascii_hexdigit) {
            return Err(
                "a % in it has no two hexadecimal digits behind it; a percent sign itself is %25"
                    .to_owned(),
            );
        }
    }
    if scheme.eq_ignore_ascii_case("spiffe") {
        return check_spiffe(text);
    }
    // RFC 5280 §4.2.1.6: where there is an authority, its host is a DNS name or an IP address.
    if let Some(rest) = rest.strip_prefix("//") {
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, rest) = rest.split_at(end);
        check_authority(authority)?;
        return check_delimiters(rest);
    }
    check_delimiters(rest)
}

/// RFC 3986 §3.2: `[ userinfo "@" ] host [ ":" port ]`.
fn check_authority(authority: &str) -> Result<(), String> {
    let host_and_port = match authority.split_once('@') {
        Some((user, _)) if user.contains(['[', ']']) => {
            return Err("its user has a bracket in it; write it as %5B or %5D".to_owned());
        }
        Some((_, host)) => host,
        None => authority,
    };
    let (host, port) = match host_and_port.strip_prefix('[') {
        Some(literal) => {
            let (address, port) = literal
                .split_once(']')
                .ok_or_else(|| "the bracket of its address is not closed".to_owned())?;
            if address.parse::<Ipv6Addr>().is_err() {
                return Err(format!("{address:?} in brackets is no IPv6 address"));
            }
            (None, port)
        }
        None => {
            let end = host_and_port.find(':').unwrap_or(host_and_port.len());
            let (host, port) = host_and_port.split_at(end);
            (Some(host), port)
        }
    };
    let is_port = match port.strip_prefix(':') {
        Some(digits) => digits
            .parse::<u16>()
            .is_ok_and(|port| port.to_string() == digits),
        None => port.is_empty(),
    };
    if !is_port {
        return Err(format!(
            "{port:?} behind its host is no port; write a colon and a number up to 65535"
        ));
    }
    match host {
        Some(host) if host.parse::<Ipv4Addr>().is_err() => {
            check_dns(host).map_err(|reason| format!("its host {host:?} is no host name: {reason}"))
        }
        _ => Ok(()),
    }
}

/// RFC 3986 §3.3 to §3.5: brackets stand in hosts only, and there is one fragment.
fn check_delimiters(rest: &str) -> Result<(), String> {
    if rest.contains(['[', ']']) {
        return Err("it has a bracket behind its host; write it as %5B or %5D".to_owned());
    }
    if rest.matches('#').count() > 1 {
        return Err("it has two fragments; write a # that is none as %23".to_owned());
    }
    Ok(())
}

/// The SPIFFE ID specification, §2.
fn check_spiffe(text: &str) -> Result<(), String> {
    let Some(rest) = text.strip_prefix("spiffe://") else {
        return Err("a SPIFFE ID begins with spiffe:// in small letters".to_owned());
    };
    if text.len() > 2048 {
        return Err(format!(
            "it has {} bytes, and a SPIFFE ID has at most 2048",
            text.len()
        ));
    }
    let (trust_domain, path) = rest
        .split_once('/')
        .map_or((rest, None), |(domain, path)| (domain, Some(path)));
    // §2.1: the trust domain is the host of the URI, so its labels are those of a host.
    let is_label = |label: &str| {
        let inner = |byte: u8| {
            byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'_'
        };
        (1..=63).contains(&label.len())
            && label.bytes().all(inner)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    if trust_domain.len() > 255 || !trust_domain.split('.').all(is_label) {
        return Err(format!(
            "{trust_domain:?} is no trust domain: labels of small letters, digits, underscores and inner hyphens, joined by single dots, no port, no user"
        ));
    }
    let segment_byte = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    for segment in path.into_iter().flat_map(|path| path.split('/')) {
        if segment.is_empty()
            || segment == "."
            || segment == ".."
            || !segment.bytes().all(segment_byte)
        {
            return Err(format!(
                "{segment:?} is no path segment of a SPIFFE ID: letters, digits, dots, hyphens and underscores"
            ));
        }
    }
    Ok(())
}

fn check_email(text: &str) -> Result<(), String> {
    if !text.is_ascii() {
        return Err("it has characters outside ASCII".to_owned());
    }
    let Some((local, domain)) = text.rsplit_once('@') else {
        return Err("it has no @, as in name@example.org".to_owned());
    };
    let local_byte =
        |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~.".contains(&byte);
    if local.is_empty()
        || local.len() > 64
        || local.starts_with('.')
        || local.ends_with('.')
        || local.contains("..")
        || !local.bytes().all(local_byte)
    {
        return Err(format!("{local:?} is no mailbox name"));
    }
    if domain.contains('*') {
        return Err("a mailbox has no wildcard".to_owned());
    }
    check_dns(domain).map_err(|reason| format!("its domain {domain:?} is no host name: {reason}"))
}
