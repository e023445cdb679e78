//! The rules, as sentences.

use rcgen::KeyPair;

use super::*;
use crate::test_ca::{TestCa, TestResult, days};

const CREATE: &str = "/order.v1.Order/Create";

fn rules(rules: &[(&str, &[&str])]) -> BTreeMap<String, Vec<String>> {
    rules
        .iter()
        .map(|(rule, identities)| {
            let identities = identities
                .iter()
                .map(|identity| (*identity).to_owned())
                .collect();
            ((*rule).to_owned(), identities)
        })
        .collect()
}

fn policy(entries: &[(&str, &[&str])]) -> TestResult<Policy> {
    Ok(Policy::try_from_rules(&rules(entries))?)
}

/// `spiffe://microservices.dev/order` and `order.microservices.dev`.
fn order() -> TestResult<PeerIdentity> {
    identity(|_| {})
}

fn identity(change: impl FnOnce(&mut rcgen::CertificateParams)) -> TestResult<PeerIdentity> {
    use rustls_pki_types::pem::PemObject;
    let pem = TestCa::new(days(-2), days(2))?.issue(&KeyPair::generate()?, change)?;
    let der = rustls_pki_types::CertificateDer::from_pem_slice(pem.as_bytes())?;
    Ok(PeerIdentity::from_der(&der)?)
}

#[test]
fn a_peer_is_known_by_its_spiffe_id_or_by_its_dns_name() -> TestResult {
    let order = order()?;
    for name in [
        "spiffe://microservices.dev/order",
        "order.microservices.dev",
        "Order.Microservices.DEV",
    ] {
        assert!(
            policy(&[("order.v1.Order/Create", &[name])])?.allows(CREATE, Some(&order)),
            "{name}"
        );
    }
    for name in [
        "spiffe://microservices.dev/order/x",
        "spiffe://microservices.dev/orde",
        "spiffe://elsewhere.dev/order",
        "microservices.dev",
    ] {
        assert!(
            !policy(&[("order.v1.Order/Create", &[name])])?.allows(CREATE, Some(&order)),
            "{name}"
        );
    }
    Ok(())
}

#[test]
fn an_empty_list_and_a_missing_rule_mean_nobody() -> TestResult {
    let order = order()?;
    assert!(!policy(&[("order.v1.Order/Create", &[])])?.allows(CREATE, Some(&order)));
    assert!(!policy(&[])?.allows(CREATE, Some(&order)));
    assert!(!Policy::default().allows(CREATE, Some(&order)));
    Ok(())
}

#[test]
fn a_rule_for_a_service_counts_for_its_methods_and_for_no_other_service() -> TestResult {
    let order = order()?;
    let policy = policy(&[("order.v1.Order/*", &["order.microservices.dev"])])?;
    assert!(policy.allows(CREATE, Some(&order)));
    assert!(policy.allows("/order.v1.Order/Get", Some(&order)));
    assert!(!policy.allows("/order.v1.OrderAdmin/Get", Some(&order)));
    assert!(!policy.allows("/order.v1/Get", Some(&order)));
    Ok(())
}

#[test]
fn a_rule_for_one_method_outweighs_the_rule_for_its_service() -> TestResult {
    let order = order()?;
    let policy = policy(&[
        ("order.v1.Order/*", &["order.microservices.dev"]),
        ("order.v1.Order/Create", &[]),
    ])?;
    assert!(!policy.allows(CREATE, Some(&order)));
    assert!(policy.allows("/order.v1.Order/Get", Some(&order)));
    Ok(())
}

#[test]
fn a_path_that_is_not_exactly_a_method_is_for_nobody() -> TestResult {
    let order = order()?;
    let policy = policy(&[("order.v1.Order/Create", &["order.microservices.dev"])])?;
    for path in [
        "order.v1.Order/Create",
        "//order.v1.Order/Create",
        "/order.v1.Order/Create/",
        "/order.v1.Order/create",
        "/order.v1.Order%2FCreate",
        "/order.v1.Order/*",
        "/",
        "",
    ] {
        assert!(!policy.allows(path, Some(&order)), "{path}");
    }
    Ok(())
}

#[test]
fn every_peer_means_every_peer_with_a_certificate() -> TestResult {
    let policy = Policy::default().with_every_peer("grpc.health.v1.Health/*")?;
    assert!(policy.allows("/grpc.health.v1.Health/Check", Some(&order()?)));
    assert!(!policy.allows("/grpc.health.v1.Health/Check", None));
    Ok(())
}

/// A certificate with exactly these URIs and DNS names.
fn named(uris: &[&str], dns_names: &[&str]) -> TestResult<PeerIdentity> {
    use rcgen::SanType;
    use rcgen::string::Ia5String;
    let mut names = Vec::new();
    for uri in uris {
        names.push(SanType::URI(Ia5String::try_from(*uri)?));
    }
    for name in dns_names {
        names.push(SanType::DnsName(Ia5String::try_from(*name)?));
    }
    identity(|params| params.subject_alt_names = names)
}

#[test]
fn a_uri_is_no_dns_name_even_with_the_same_text() -> TestResult {
    let policy = policy(&[("order.v1.Order/Create", &["order.microservices.dev"])])?;
    let uri = named(&["order.microservices.dev"], &[])?;
    assert!(!policy.allows(CREATE, Some(&uri)));
    let dns_name = named(&[], &["ORDER.microservices.dev"])?;
    assert!(policy.allows(CREATE, Some(&dns_name)));
    Ok(())
}

#[test]
fn a_dns_name_is_no_spiffe_id_even_with_the_same_text() -> TestResult {
    let id = "spiffe://microservices.dev/order";
    // Neither does such a certificate have an identity, nor would the comparison take one kind for the other.
    assert!(named(&[], &[id]).is_err());
    let caller = parse_caller("a.B/C", id)?;
    assert!(matches!(caller, Caller::SpiffeId(_)));
    assert!(!caller.is(&named(&[], &["order.microservices.dev"])?));
    Ok(())
}

#[test]
fn a_spiffe_id_counts_as_the_only_uri_and_in_its_one_spelling() -> TestResult {
    let id = "spiffe://microservices.dev/order";
    let policy = policy(&[("order.v1.Order/Create", &[id])])?;
    assert!(policy.allows(CREATE, Some(&named(&[id], &[])?)));
    for uris in [
        &[id, id][..],
        &[id, "spiffe://microservices.dev/payment"],
        &[id, "https://microservices.dev/order"],
        &["SPIFFE://microservices.dev/order"],
        &["spiffe://Microservices.dev/order"],
        &["spiffe://microservices.dev/Order"],
        &["spiffe://microservices.dev./order"],
        &["spiffe://microservices.dev:443/order"],
        &["spiffe://microservices.dev/%6frder"],
        &["spiffe://microservices.dev/order/"],
        &["spiffe://microservices.dev/order?x"],
        &["spiffe://microservices.dev/order#x"],
        &["spiffe://microservices.dev/x/../order"],
        &["spiffe://microservices.dev"],
    ] {
        assert!(!policy.allows(CREATE, Some(&named(uris, &[])?)), "{uris:?}");
    }
    Ok(())
}

#[test]
fn a_wildcard_in_a_certificate_is_nobody_in_particular() -> TestResult {
    let wildcard = named(&[], &["*.microservices.dev"])?;
    let policy = policy(&[("order.v1.Order/Create", &["order.microservices.dev"])])?;
    assert!(!policy.allows(CREATE, Some(&wildcard)));
    Ok(())
}

#[test]
fn a_rule_that_names_no_method_is_refused() {
    for rule in [
        "",
        "Create",
        "/order.v1.Order/Create",
        "order.v1.Order/",
        "*/Create",
        "order.v1.Order/Cre*",
        "a/b/c",
    ] {
        let error = Policy::try_from_rules(&rules(&[(rule, &[])])).expect_err(rule);
        assert_eq!(
            error.to_string(),
            format!(
                "the rule {rule:?} names no method: write \"package.Service/Method\" or \"package.Service/*\""
            )
        );
    }
}

#[test]
fn an_identity_that_no_certificate_can_prove_is_refused() {
    for (identity, reason) in [
        ("*", "it is not a DNS name"),
        ("*.microservices.dev", "it is not a DNS name"),
        ("order client", "it is not a DNS name"),
        ("", "it is not a DNS name"),
        ("spiffe:order", "it is not a DNS name"),
        ("order.microservices.dev:443", "it is not a DNS name"),
        (
            "order.microservices.dev.",
            "it ends with a dot, and a name in a certificate does not",
        ),
        (
            "127.0.0.1",
            "it is an IP address, which says where a host is and not who it is",
        ),
        (
            "::1",
            "it is an IP address, which says where a host is and not who it is",
        ),
        (
            "SPIFFE://microservices.dev/order",
            "it does not begin with spiffe://",
        ),
        (
            "spiffe://Microservices.dev/order",
            "its trust domain has a character other than a-z, 0-9, '.', '-' and '_'",
        ),
        (
            "spiffe://microservices.dev/%6frder",
            "its path has a character other than a letter, a digit, '.', '-' and '_'",
        ),
        (
            "spiffe://microservices.dev",
            "it has no path, so it names a trust domain and no workload in it",
        ),
        (
            "https://microservices.dev/order",
            "it does not begin with spiffe://",
        ),
        (
            "spiffe://microservices.dev/order/",
            "its path has an empty, '.' or '..' segment",
        ),
    ] {
        let error = Policy::try_from_rules(&rules(&[("a.B/C", &[identity])])).expect_err(identity);
        assert_eq!(
            error.to_string(),
            format!(
                "the rule \"a.B/C\" allows {identity:?}, which is not an identity ({reason}): write a SPIFFE ID such as \
                 \"spiffe://example.dev/order\" or a DNS name without wildcard"
            )
        );
    }
}
