//! Name constraints (RFC 5280 §4.2.1.10) of a CA that is to issue: looked at before its key is used, with the eyes of
//! `path_validation`, which would otherwise refuse what comes out.

use crate::{
    distinguished_name::DistinguishedName,
    parse::{
        der::Reader,
        extensions::{Content, Extension},
        general_name::GeneralName as Parsed,
        name::Name,
        oid::known,
    },
    path_validation::name_constraints::may_issue,
    subject_alt_name::GeneralName,
};

/// The constraints of one CA certificate.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct NameConstraints {
    /// The extension's value.
    der: Vec<u8>,
    permitted_dns: Vec<String>,
}

impl NameConstraints {
    /// Reads the extension's value. `None`: it is damaged.
    pub(crate) fn read(der: &[u8]) -> Option<Self> {
        let permitted_dns = with(der, |constraints| {
            let permitted = constraints.permitted.iter();
            let dns = permitted.filter_map(|subtree| match subtree.base {
                Parsed::Dns(name) => Some(name.to_ascii_lowercase()),
                _ => None,
            });
            dns.collect()
        })?;
        Some(Self {
            der: der.to_vec(),
            permitted_dns,
        })
    }

    /// Says why a name is outside, as half a sentence.
    pub(crate) fn check(&self, name: &GeneralName) -> Result<(), String> {
        let encoded = name
            .encode()
            .ok_or_else(|| format!("{:?} is never issued", name.to_string()))?;
        let name = Parsed::read(&mut Reader::new(&encoded), "the name")
            .map_err(|error| error.to_string())?;
        self.may_issue(DistinguishedName::empty().der(), &[name])
    }

    /// The subject of a certificate is bound as a directory name, and a mailbox in it as a mailbox.
    pub(crate) fn check_subject(&self, subject: &DistinguishedName) -> Result<(), String> {
        self.may_issue(subject.der(), &[])
    }

    /// Says why a common name is outside that verifiers take for a DNS name, as half a sentence.
    pub(crate) fn check_host_in_subject(&self, subject: &DistinguishedName) -> Result<(), String> {
        hosts_in(subject).try_for_each(|host| self.check(&host))
    }

    /// The DNS names that are permitted, for comparison with what a manifest asks.
    pub(crate) fn permitted_dns(&self) -> Vec<&str> {
        self.permitted_dns.iter().map(String::as_str).collect()
    }

    /// Whether they bind DNS names to domains and say nothing else, as ours do.
    pub(crate) fn are_permitted_dns_only(&self) -> bool {
        with(&self.der, |constraints| {
            let is_dns = |base: &Parsed<'_>| matches!(base, Parsed::Dns(_));
            constraints.excluded.is_empty()
                && constraints
                    .permitted
                    .iter()
                    .all(|subtree| is_dns(&subtree.base))
        })
        .unwrap_or(false)
    }

    fn may_issue(&self, subject: &[u8], names: &[Parsed<'_>]) -> Result<(), String> {
        let subject = Name::read(&mut Reader::new(subject), "the subject")
            .map_err(|error| error.to_string())?;
        with(&self.der, |constraints| {
            may_issue(constraints, &subject, names)
        })
        // It was read once already.
        .unwrap_or_else(|| Err("its name constraints cannot be read".to_owned()))
    }
}

/// The common names that openssl takes for DNS names.
pub(crate) fn hosts_in(subject: &DistinguishedName) -> impl Iterator<Item = GeneralName> {
    subject
        .attributes()
        .filter(|attribute| attribute.name == "CN" && looks_like_a_host(&attribute.value))
        .map(|attribute| GeneralName::Dns(attribute.value.to_ascii_lowercase()))
}

/// Whether openssl takes a common name for a DNS name: at least two labels of letters, digits, hyphens and underscores,
/// without a dot or hyphen at either end, two dots together, or a hyphen beside a dot (`cn2dnsid` in its
/// crypto/x509/v3_ncons.c). It does so in the certificate that is verified itself, when no subjectAltName holds a DNS name
/// (`check_name_constraints` in crypto/x509/x509_vfy.c). RFC 5280 §6.1.4 knows nothing of it, and path validation here
/// does not do it.
fn looks_like_a_host(name: &str) -> bool {
    let labels: Vec<_> = name.split('.').collect();
    let is_label = |label: &&str| {
        let inner = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
        !label.is_empty()
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(inner)
    };
    labels.len() > 1 && labels.iter().all(is_label)
}

fn with<T>(
    der: &[u8],
    then: impl FnOnce(&crate::parse::extensions::NameConstraints<'_>) -> T,
) -> Option<T> {
    let extension = Extension {
        oid: known::NAME_CONSTRAINTS,
        critical: true,
        default_is_written: false,
        value: der,
    };
    match extension.decode() {
        Ok(Content::NameConstraints(constraints)) => Some(then(&constraints)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::der;

    const DNS: u8 = 2;
    const EMAIL: u8 = 1;
    const URI: u8 = 6;
    const IP: u8 = 7;

    fn constraints(permitted: &[(u8, &[u8])], excluded: &[(u8, &[u8])]) -> NameConstraints {
        let subtrees = |number: u8, list: &[(u8, &[u8])]| match list {
            [] => Vec::new(),
            list => der::value(
                0xa0 | number,
                &der::concat(
                    list.iter()
                        .map(|(kind, base)| der::sequence([der::implicit(*kind, base)])),
                ),
            ),
        };
        let der = der::sequence([subtrees(0, permitted), subtrees(1, excluded)]);
        NameConstraints::read(&der).expect("readable")
    }

    fn dns(name: &str) -> GeneralName {
        GeneralName::dns(name).expect(name)
    }

    #[test]
    fn a_dns_constraint_covers_the_name_and_what_is_below_it() {
        let constraints = constraints(&[(DNS, b"A.dev")], &[]);
        for name in ["a.dev", "b.a.dev", "*.a.dev", "A.DEV"] {
            assert_eq!(constraints.check(&dns(name)), Ok(()), "{name}");
        }
        for name in ["ba.dev", "dev", "a.dev.com"] {
            assert!(constraints.check(&dns(name)).is_err(), "{name}");
        }
        assert_eq!(constraints.permitted_dns(), ["a.dev"]);
    }

    #[test]
    fn a_constraint_binds_names_of_its_own_kind_only() {
        let constraints = constraints(&[(DNS, b"a.dev")], &[]);
        for name in [
            GeneralName::ip("10.0.0.1").expect("an address"),
            GeneralName::uri("spiffe://b.dev/x").expect("an ID"),
        ] {
            assert_eq!(constraints.check(&name), Ok(()));
        }
    }

    #[test]
    fn exclusion_wins_over_permission_also_below_a_wildcard() {
        let constraints = constraints(&[(DNS, b"dev")], &[(DNS, b"x.dev"), (DNS, b"bad.a.dev")]);
        assert_eq!(constraints.check(&dns("y.dev")), Ok(()));
        assert_eq!(
            constraints.check(&dns("z.x.dev")),
            Err("\"DNS:z.x.dev\" is below DNS:x.dev, which is excluded".to_owned())
        );
        assert_eq!(
            constraints.check(&dns("*.a.dev")),
            Err(
                "\"DNS:*.a.dev\" also covers names below DNS:bad.a.dev, which is excluded"
                    .to_owned()
            )
        );
    }

    #[test]
    fn networks_mailboxes_and_uris_are_compared_by_their_own_rules() {
        let ip = |text| GeneralName::ip(text).expect(text);
        let uri = |text| GeneralName::uri(text).expect(text);
        let mail = |text| GeneralName::email(text).expect(text);
        let network: &[u8] = &[10, 0, 0, 0, 255, 0, 0, 0];
        for (kind, base, name, inside) in [
            (IP, network, ip("10.9.9.9"), true),
            (IP, network, ip("11.0.0.1"), false),
            (IP, network, ip("::1"), false),
            (EMAIL, b".a.dev", mail("me@x.a.dev"), true),
            (EMAIL, b"a.dev", mail("me@x.a.dev"), false),
            (EMAIL, b"me@x.a.dev", mail("me@x.A.dev"), true),
            (URI, b"a.dev", uri("spiffe://a.dev/order"), true),
            (URI, b"a.dev", uri("https://A.DEV/order"), true),
            (URI, b".a.dev", uri("spiffe://a.dev/order"), false),
            (URI, b"a.dev", uri("urn:uuid:1"), false),
        ] {
            let permitted = constraints(&[(kind, base)], &[]);
            assert_eq!(permitted.check(&name).is_ok(), inside, "{name}");
            let excluded = constraints(&[], &[(kind, base)]);
            if inside {
                assert!(excluded.check(&name).is_err(), "{name}");
            }
        }
    }

    #[test]
    fn a_mailbox_in_the_subject_is_bound_as_one_among_the_names() {
        let constraints = constraints(&[(EMAIL, b"a.dev")], &[]);
        let subject = |text| DistinguishedName::parse(text).expect(text);
        assert_eq!(constraints.check_subject(&subject("/CN=x")), Ok(()));
        assert_eq!(
            constraints.check_subject(&subject("/emailAddress=u@a.dev")),
            Ok(())
        );
        assert!(
            constraints
                .check_subject(&subject("/emailAddress=u@b.dev"))
                .is_err()
        );
    }

    #[test]
    fn a_common_name_that_openssl_takes_for_a_host_is_bound_as_one() {
        let constraints = constraints(&[(DNS, b"a.dev")], &[]);
        let check = |name: &str| {
            let subject = DistinguishedName::common_name(name).expect(name);
            constraints.check_host_in_subject(&subject).is_ok()
        };
        for inside in ["x.a.dev", "a.dev", "x_y.A.dev"] {
            assert!(check(inside), "{inside}");
        }
        // One label, or not the form of a host name.
        for other in [
            "billing",
            "a b.dev",
            "*.b.dev",
            ".b.dev",
            "b.dev.",
            "b..dev",
            "b-.dev",
            "b.-dev",
            "-b.dev",
            "b.dev-",
            "\u{fc}.dev",
            "b/c.dev",
        ] {
            assert!(check(other), "{other}");
        }
        for outside in ["billing.svc", "1.2", "b_c.dev", "b-c.dev", "ba.dev"] {
            assert!(!check(outside), "{outside}");
        }
    }

    #[test]
    fn a_constraint_that_cannot_be_understood_permits_nothing() {
        let not_a_mask = constraints(&[(IP, &[10, 0, 0, 0, 255, 0, 255, 0])], &[]);
        assert!(not_a_mask.check(&dns("a.dev")).is_err());
        assert_eq!(NameConstraints::read(&[0x30, 0]), None);
        assert_eq!(NameConstraints::read(b"nothing"), None);
    }
}
