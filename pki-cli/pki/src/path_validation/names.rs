//! The syntax of names in certificates, and comparing them with the names that people ask for (RFC 9525, RFC 5280
//! sections 4.2.1.6 and 7).

use super::{
    FailureKind,
    candidate::Candidate,
    error::Finding,
    request::{Expected, ExpectedName},
};
use crate::parse::general_name::{GeneralName, ip_address};

/// Checks that the certificate is for every one of `expected`. The subject's common name never counts
/// (RFC 9525 section 2).
pub(super) fn check(candidate: &Candidate<'_>, expected: &[ExpectedName]) -> Result<(), Finding> {
    let presented = candidate
        .extensions
        .subject_alt_name
        .as_deref()
        .unwrap_or_default();
    for name in expected {
        if presented
            .iter()
            .any(|presented| matches(presented, &name.0))
        {
            continue;
        }
        let same_kind: Vec<_> = presented
            .iter()
            .filter(|presented| {
                matches!(
                    (presented, &name.0),
                    (GeneralName::Dns(_), Expected::Host(_))
                        | (GeneralName::Ip(_), Expected::Ip(_))
                        | (GeneralName::Uri(_), Expected::Uri(_))
                        | (GeneralName::Email(_), Expected::Email(_))
                )
            })
            .take(8)
            .map(ToString::to_string)
            .collect();
        let reason = match same_kind.is_empty() {
            true => format!("it is not for the {name}: it has no alternative name of that kind"),
            false => format!("it is not for the {name}, but for {}", same_kind.join(", ")),
        };
        return Err(Finding::new(
            FailureKind::WrongName,
            "RFC 9525 section 6",
            reason,
            "reach the peer by a name that the certificate has, or have that name added to the certificate",
        ));
    }
    Ok(())
}

fn matches(presented: &GeneralName<'_>, expected: &Expected) -> bool {
    match (presented, expected) {
        (GeneralName::Dns(presented), Expected::Host(host)) => dns_matches(presented, host),
        (GeneralName::Ip(octets), Expected::Ip(ip)) => ip_address(octets) == Some(*ip),
        (GeneralName::Uri(presented), Expected::Uri(uri)) => normalise_uri(presented) == *uri,
        (GeneralName::Email(presented), Expected::Email(email)) => {
            normalise_email(presented) == *email
        }
        _ => false,
    }
}

/// RFC 9525 section 6.3: label by label without regard to case; a wildcard stands for exactly one label, the leftmost,
/// and for the whole of it. A wildcard right under a top-level domain is not believed.
fn dns_matches(presented: &str, host: &str) -> bool {
    match presented.strip_prefix("*.") {
        None => presented.eq_ignore_ascii_case(host),
        Some(parent) => {
            parent.contains('.')
                && host.split_once('.').is_some_and(|(label, rest)| {
                    !label.is_empty() && rest.eq_ignore_ascii_case(parent)
                })
        }
    }
}

/// Whether `name` is a host name in the preferred syntax of RFC 1034 section 3.5, as RFC 5280 section 4.2.1.6 asks for:
/// letters, digits and inner hyphens, labels of 1 to 63, at most 253 characters in all.
///
/// RFC 1123 section 2.1 lets a label start with a digit. The last label is not all digits: that would be an IP address.
pub(crate) fn is_host_name(name: &str) -> bool {
    let label_is_valid = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    let last_is_number = name
        .rsplit('.')
        .next()
        .is_some_and(|last| last.bytes().all(|b| b.is_ascii_digit()));
    name.len() <= 253 && !last_is_number && name.split('.').all(label_is_valid)
}

/// A host name, or one whose leftmost label is `*` (RFC 9525 section 6.3).
pub(super) fn is_presented_dns_name(name: &str) -> bool {
    is_host_name(name.strip_prefix("*.").unwrap_or(name))
}

/// `Mailbox` of RFC 5321 section 4.1.2, with a host name behind the `@` (RFC 5280 section 4.2.1.6).
pub(super) fn is_mailbox(email: &str) -> bool {
    let Some((local, host)) = email.rsplit_once('@') else {
        return false;
    };
    let atext = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~".contains(c);
    let dot_string = |local: &str| {
        local
            .split('.')
            .all(|atom| !atom.is_empty() && atom.chars().all(atext))
    };
    let quoted = |local: &str| {
        local
            .strip_prefix('"')
            .and_then(|local| local.strip_suffix('"'))
            .is_some_and(|inner| {
                !inner.contains(|c: char| c.is_ascii_control())
                    && !inner.replace("\\\\", "").replace("\\\"", "").contains('"')
            })
    };
    (dot_string(local) || quoted(local)) && is_host_name(host)
}

/// RFC 5280 section 4.2.1.6: “The name MUST NOT be a relative URI”, with a scheme, and what follows it not empty.
pub(super) fn is_absolute_uri(uri: &str) -> bool {
    let Some((scheme, rest)) = uri.split_once(':') else {
        return false;
    };
    let scheme_is_valid = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c));
    let rest_is_valid = !rest.is_empty()
        && rest
            .bytes()
            .all(|b| b.is_ascii_graphic() && !b"<>\"{}|\\^`".contains(&b));
    let authority_is_present = rest
        .strip_prefix("//")
        .is_none_or(|authority| !authority.is_empty());
    scheme_is_valid && rest_is_valid && authority_is_present
}

/// The host of a URI's authority, when it has one that is a name and not an IP address.
pub(super) fn uri_host(uri: &str) -> Option<&str> {
    let (_, rest) = uri.split_once(':')?;
    let hierarchy = rest.strip_prefix("//")?;
    let authority = &hierarchy[..hierarchy.find(['/', '?', '#']).unwrap_or(hierarchy.len())];
    let host = authority
        .rsplit_once('@')
        .map_or(authority, |(_, host)| host);
    let host = host.split_once(':').map_or(host, |(host, _port)| host);
    is_host_name(host).then_some(host)
}

/// Scheme and host in lower case, the rest as it is (RFC 3986 section 6.2.2.1).
pub(crate) fn normalise_uri(uri: &str) -> String {
    let Some((scheme, rest)) = uri.split_once(':') else {
        return uri.to_owned();
    };
    let mut out = format!("{}:", scheme.to_ascii_lowercase());
    match rest.strip_prefix("//") {
        Some(hierarchy) => {
            let end = hierarchy.find(['/', '?', '#']).unwrap_or(hierarchy.len());
            let (authority, path) = hierarchy.split_at(end);
            let host_at = authority.rfind('@').map_or(0, |at| at + 1);
            out.push_str("//");
            out.push_str(&authority[..host_at]);
            out.push_str(&authority[host_at..].to_ascii_lowercase());
            out.push_str(path);
        }
        None => out.push_str(rest),
    }
    out
}

/// The host in lower case, the local part as it is (RFC 5280 section 7.5).
pub(crate) fn normalise_email(email: &str) -> String {
    match email.rsplit_once('@') {
        Some((local, host)) => format!("{local}@{}", host.to_ascii_lowercase()),
        None => email.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wildcard_stands_for_one_whole_leftmost_label() {
        for (presented, host, expected) in [
            ("order.example.dev", "order.example.dev", true),
            ("Order.Example.DEV", "order.example.dev", true),
            ("*.example.dev", "order.example.dev", true),
            ("*.example.dev", "a.order.example.dev", false),
            ("*.example.dev", "example.dev", false),
            ("*.dev", "example.dev", false),
            ("order.example.dev", "example.dev", false),
            ("example.dev", "order.example.dev", false),
        ] {
            assert_eq!(dns_matches(presented, host), expected, "{presented} {host}");
        }
    }

    #[test]
    fn host_names_follow_the_preferred_syntax() {
        let long_label = "a".repeat(64);
        for (name, valid) in [
            ("localhost", true),
            ("xn--bcher-kva.example", true),
            ("3com.com", true),
            ("a_b.example", false),
            ("-a.example", false),
            ("a-.example", false),
            ("a..example", false),
            (".example", false),
            ("example.", false),
            ("", false),
            ("*.example", false),
            ("192.0.2.1", false),
            ("a b.example", false),
            ("😜.example", false),
            (&long_label, false),
            (&["a."; 127].concat(), false),
        ] {
            assert_eq!(is_host_name(name), valid, "{name}");
        }
        assert!(is_presented_dns_name("*.example.dev"));
        for name in [
            "*",
            "*.*.dev",
            "a.*.dev",
            "b*.example.dev",
            "*b.example.dev",
        ] {
            assert!(!is_presented_dns_name(name), "{name}");
        }
    }

    #[test]
    fn mailboxes_have_one_host_and_a_local_part() {
        for (email, valid) in [
            ("a@example.dev", true),
            ("first.last+tag@example.dev", true),
            ("*@example.dev", true),
            ("\"a b\"@example.dev", true),
            ("a@b@example.dev", false),
            ("@example.dev", false),
            ("a@", false),
            ("a..b@example.dev", false),
            ("example.dev", false),
            ("a b@example.dev", false),
        ] {
            assert_eq!(is_mailbox(email), valid, "{email}");
        }
    }

    #[test]
    fn a_uri_has_a_scheme_and_its_host_is_found_behind_user_and_before_port() {
        for (uri, valid, host) in [
            (
                "spiffe://microservices.dev/order",
                true,
                Some("microservices.dev"),
            ),
            (
                "https://user:pw@example.dev:8443/x",
                true,
                Some("example.dev"),
            ),
            ("https://192.0.2.1/", true, None),
            ("https://[::1]/", true, None),
            ("urn:uuid:1", true, None),
            ("/relative", false, None),
            ("https://", false, None),
            ("a b:c", false, None),
        ] {
            assert_eq!(is_absolute_uri(uri), valid, "{uri}");
            assert_eq!(uri_host(uri), host, "{uri}");
        }
        assert_eq!(
            normalise_uri("SPIFFE://Example.DEV/Order"),
            "spiffe://example.dev/Order"
        );
    }

    #[test]
    fn names_that_no_certificate_could_match_cannot_be_asked_for() {
        for host in ["*.example.dev", "a b", "192.0.2.1", "::1", "", "-x.dev"] {
            assert!(ExpectedName::host(host).is_err(), "{host}");
        }
        assert_eq!(
            ExpectedName::host("Order.Dev."),
            ExpectedName::host("order.dev")
        );
        for ip in ["192.0.2.0/24", "localhost", ""] {
            assert!(ExpectedName::ip(ip).is_err(), "{ip}");
        }
        assert!(ExpectedName::uri("order").is_err());
        assert!(ExpectedName::email("order").is_err());
    }
}
