//! Name constraints (RFC 5280 §4.2.1.10): which names a CA may issue for. Looked at before the CA's key is used;
//! `path_validation` looks again at what came out.

use std::net::IpAddr;

use x509_parser::extensions::{GeneralName as ParsedName, NameConstraints as Parsed};

use crate::{
    certificate::hexadecimal, distinguished_name::DistinguishedName, subject_alt_name::GeneralName,
};

/// The constraints of one CA certificate.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct NameConstraints {
    permitted: Vec<Subtree>,
    excluded: Vec<Subtree>,
}

#[derive(Clone, Debug, Eq, PartialEq)]
enum Subtree {
    Dns(String),
    Email(String),
    Uri(String),
    Ip {
        network: Vec<u8>,
        mask: Vec<u8>,
    },
    Directory(DistinguishedName),
    /// A kind that we never issue, so it cannot be violated.
    Other,
    Malformed(String),
}

impl NameConstraints {
    pub(crate) fn from_x509(parsed: &Parsed<'_>) -> Self {
        let read = |subtrees: &Option<Vec<x509_parser::extensions::GeneralSubtree<'_>>>| {
            subtrees
                .iter()
                .flatten()
                .map(|subtree| Subtree::from_x509(&subtree.base))
                .collect()
        };
        Self {
            permitted: read(&parsed.permitted_subtrees),
            excluded: read(&parsed.excluded_subtrees),
        }
    }

    /// Says why a name is outside, as half a sentence.
    pub(crate) fn check(&self, name: &GeneralName) -> Result<(), String> {
        self.check_with(&name.to_string(), |subtree| subtree.contains(name))
    }

    /// The subject of a certificate is bound by directory name constraints.
    pub(crate) fn check_subject(&self, subject: &DistinguishedName) -> Result<(), String> {
        if subject.is_empty() {
            return Ok(());
        }
        self.check_with(&subject.to_string(), |subtree| match subtree {
            Subtree::Directory(base) => Some(subject.starts_with(base)),
            Subtree::Malformed(_) => Some(false),
            _ => None,
        })
    }

    /// The DNS names that are permitted, for comparison with what a manifest asks.
    pub(crate) fn permitted_dns(&self) -> Vec<&str> {
        self.permitted
            .iter()
            .filter_map(|subtree| match subtree {
                Subtree::Dns(name) => Some(name.as_str()),
                _ => None,
            })
            .collect()
    }

    /// `contains` answers `None` where subtree and name are of different kinds, which never bind each other.
    fn check_with(
        &self,
        name: &str,
        contains: impl Fn(&Subtree) -> Option<bool>,
    ) -> Result<(), String> {
        if let Some(excluded) = self
            .excluded
            .iter()
            .find(|subtree| contains(subtree) == Some(true))
        {
            return Err(format!(
                "{name:?} is below {}, which is excluded",
                excluded.describe()
            ));
        }
        let of_this_kind: Vec<_> = self
            .permitted
            .iter()
            .filter(|subtree| contains(subtree).is_some())
            .collect();
        if !of_this_kind.is_empty()
            && !of_this_kind
                .iter()
                .any(|subtree| contains(subtree) == Some(true))
        {
            let permitted: Vec<_> = of_this_kind
                .iter()
                .map(|subtree| subtree.describe())
                .collect();
            return Err(format!("{name:?} is not below {}", permitted.join(" or ")));
        }
        Ok(())
    }
}

impl Subtree {
    fn from_x509(base: &ParsedName<'_>) -> Self {
        match base {
            ParsedName::DNSName(name) => Self::Dns(name.to_ascii_lowercase()),
            ParsedName::RFC822Name(name) => Self::Email((*name).to_owned()),
            ParsedName::URI(name) => Self::Uri(name.to_ascii_lowercase()),
            ParsedName::IPAddress(octets) if matches!(octets.len(), 8 | 32) => {
                let (network, mask) = octets.split_at(octets.len() / 2);
                Self::Ip {
                    network: network.to_vec(),
                    mask: mask.to_vec(),
                }
            }
            ParsedName::DirectoryName(name) => Self::Directory(DistinguishedName::from_x509(name)),
            ParsedName::IPAddress(octets) => Self::Malformed(hexadecimal(octets)),
            ParsedName::Invalid(_, octets) => Self::Malformed(hexadecimal(octets)),
            _ => Self::Other,
        }
    }

    fn contains(&self, name: &GeneralName) -> Option<bool> {
        Some(match (self, name) {
            (Self::Dns(base), GeneralName::Dns(name)) => dns_is_below(name, base),
            (Self::Email(base), GeneralName::Email(mailbox)) => email_is_below(mailbox, base),
            (Self::Uri(base), GeneralName::Uri(uri)) => {
                uri_host(uri).is_some_and(|host| host_is_below(host, base))
            }
            (Self::Ip { network, mask }, GeneralName::Ip(address)) => {
                let octets = match address {
                    IpAddr::V4(address) => address.octets().to_vec(),
                    IpAddr::V6(address) => address.octets().to_vec(),
                };
                octets.len() == network.len()
                    && octets
                        .iter()
                        .zip(network)
                        .zip(mask)
                        .all(|((octet, net), mask)| octet & mask == net & mask)
            }
            // What cannot be understood permits nothing.
            (Self::Malformed(_), _) => false,
            _ => return None,
        })
    }

    fn describe(&self) -> String {
        match self {
            Self::Dns(base) => format!("DNS:{base}"),
            Self::Email(base) => format!("email:{base}"),
            Self::Uri(base) => format!("URI:{base}"),
            Self::Ip { network, mask } => match (
                <[u8; 4]>::try_from(&network[..]),
                <[u8; 16]>::try_from(&network[..]),
            ) {
                (Ok(v4), _) => format!("IP:{}/{}", IpAddr::from(v4), prefix(mask)),
                (_, Ok(v6)) => format!("IP:{}/{}", IpAddr::from(v6), prefix(mask)),
                _ => "an IP network".to_owned(),
            },
            Self::Directory(base) => format!("the directory name {base}"),
            Self::Other => "another kind of name".to_owned(),
            Self::Malformed(octets) => format!("a malformed constraint ({octets:.16})"),
        }
    }
}

fn prefix(mask: &[u8]) -> u32 {
    mask.iter().map(|octet| octet.count_ones()).sum()
}

/// "Any DNS name that can be constructed by simply adding zero or more labels to the left-hand side of the name". The
/// leading dot is not in RFC 5280 but in use, and means at least one label.
fn dns_is_below(name: &str, base: &str) -> bool {
    let name = name.to_ascii_lowercase();
    if base.is_empty() {
        return true;
    }
    match base.strip_prefix('.') {
        Some(_) => name.ends_with(base),
        None => name == base || name.ends_with(&format!(".{base}")),
    }
}

/// A mailbox, a host, or with a leading dot any host below a domain.
fn email_is_below(mailbox: &str, base: &str) -> bool {
    match (mailbox.rsplit_once('@'), base.contains('@')) {
        (_, true) => mailbox == base,
        (Some((_, host)), false) => {
            host_is_below(&host.to_ascii_lowercase(), &base.to_ascii_lowercase())
        }
        (None, false) => false,
    }
}

/// "When the constraint begins with a period, it MAY be expanded with one or more labels", otherwise it is one host.
fn host_is_below(host: &str, base: &str) -> bool {
    if base.starts_with('.') {
        host.ends_with(base)
    } else {
        host == base
    }
}

fn uri_host(uri: &str) -> Option<&str> {
    let authority = uri.split_once("://")?.1.split(['/', '?', '#']).next()?;
    let host = authority
        .rsplit_once('@')
        .map_or(authority, |(_, host)| host);
    let host = host.split(':').next()?;
    (!host.is_empty()).then_some(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn constraints(permitted: Vec<Subtree>, excluded: Vec<Subtree>) -> NameConstraints {
        NameConstraints {
            permitted,
            excluded,
        }
    }

    fn dns(name: &str) -> GeneralName {
        GeneralName::dns(name).expect(name)
    }

    #[test]
    fn a_dns_constraint_covers_the_name_and_what_is_below_it() {
        let constraints = constraints(vec![Subtree::Dns("a.dev".to_owned())], vec![]);
        for name in ["a.dev", "b.a.dev", "*.a.dev", "A.DEV"] {
            assert_eq!(constraints.check(&dns(name)), Ok(()), "{name}");
        }
        for name in ["ba.dev", "dev", "a.dev.com"] {
            assert!(constraints.check(&dns(name)).is_err(), "{name}");
        }
    }

    #[test]
    fn a_constraint_binds_names_of_its_own_kind_only() {
        let constraints = constraints(vec![Subtree::Dns("a.dev".to_owned())], vec![]);
        assert_eq!(
            constraints.check(&GeneralName::ip("10.0.0.1").expect("an address")),
            Ok(())
        );
        assert_eq!(
            constraints.check(&GeneralName::uri("spiffe://b.dev/x").expect("an ID")),
            Ok(())
        );
    }

    #[test]
    fn exclusion_wins_over_permission() {
        let constraints = constraints(
            vec![Subtree::Dns("dev".to_owned())],
            vec![Subtree::Dns("x.dev".to_owned())],
        );
        assert_eq!(constraints.check(&dns("y.dev")), Ok(()));
        let reason = constraints.check(&dns("z.x.dev")).expect_err("excluded");
        assert_eq!(
            reason,
            "\"DNS:z.x.dev\" is below DNS:x.dev, which is excluded"
        );
    }

    #[test]
    fn networks_mailboxes_and_uris_are_compared_by_their_own_rules() {
        let network = Subtree::Ip {
            network: vec![10, 0, 0, 0],
            mask: vec![255, 0, 0, 0],
        };
        assert_eq!(
            network.contains(&GeneralName::ip("10.9.9.9").expect("an address")),
            Some(true)
        );
        assert_eq!(
            network.contains(&GeneralName::ip("11.0.0.1").expect("an address")),
            Some(false)
        );
        assert_eq!(
            network.contains(&GeneralName::ip("::1").expect("an address")),
            Some(false)
        );
        let mail = |base: &str| Subtree::Email(base.to_owned());
        let mailbox = GeneralName::email("me@x.a.dev").expect("a mailbox");
        assert_eq!(mail(".a.dev").contains(&mailbox), Some(true));
        assert_eq!(mail("a.dev").contains(&mailbox), Some(false));
        assert_eq!(mail("me@x.a.dev").contains(&mailbox), Some(true));
        let uri = GeneralName::uri("spiffe://a.dev/order").expect("an ID");
        assert_eq!(Subtree::Uri("a.dev".to_owned()).contains(&uri), Some(true));
        assert_eq!(
            Subtree::Uri(".a.dev".to_owned()).contains(&uri),
            Some(false)
        );
    }

    #[test]
    fn a_constraint_that_cannot_be_read_permits_nothing() {
        let constraints = constraints(vec![Subtree::Malformed("00".to_owned())], vec![]);
        assert!(constraints.check(&dns("a.dev")).is_err());
    }
}
