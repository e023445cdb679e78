//! What is a name of each kind, and what is refused for which reason.

use super::*;
use proptest::prelude::*;

fn reason(outcome: Result<GeneralName, NameRefused>) -> String {
    outcome.expect_err("refused").to_string()
}

#[test]
fn dns_names_that_a_verifier_can_match_are_accepted() {
    for name in [
        "a.dev",
        "localhost",
        "*.microservices.dev",
        "xn--bcher-kva.example",
        "1a.example",
        "a-b.c",
    ] {
        assert_eq!(
            GeneralName::dns(name),
            Ok(GeneralName::Dns(name.to_owned()))
        );
    }
    assert_eq!(
        GeneralName::dns("A.Dev"),
        Ok(GeneralName::Dns("a.dev".to_owned()))
    );
}

#[test]
fn each_bad_dns_name_is_refused_for_its_own_reason() {
    for (name, expected) in [
        ("", "is empty"),
        ("*", "two labels"),
        ("*.dev", "two labels"),
        ("*.*.dev", "left-most label"),
        ("a.*.dev", "left-most label"),
        ("w*.a.dev", "left-most label"),
        ("a..dev", "two dots"),
        (".a.dev", "two dots"),
        ("a.dev.", "write \"a.dev\""),
        ("-x.dev", "hyphen"),
        ("x-.dev", "hyphen"),
        ("a b.dev", "' ' cannot stand"),
        ("a_b.dev", "underscore"),
        ("a\u{202e}.dev", "outside ASCII"),
        ("a\n.dev", "'\\n' cannot stand"),
        ("127.0.0.1", "--ip"),
        ("::1", "--ip"),
        ("a.1", "last label is a number"),
        ("https://a.dev", "':' cannot stand"),
    ] {
        let reason = reason(GeneralName::dns(name));
        assert!(reason.contains(expected), "{name}: {reason}");
    }
    assert!(reason(GeneralName::dns(&"a".repeat(64))).contains("at most 63"));
    assert!(reason(GeneralName::dns(&"a.".repeat(127).repeat(2))).contains("no dot at its end"));
}

#[test]
fn an_address_and_a_name_are_never_confused() {
    assert!(reason(GeneralName::ip("a.dev")).contains("--dns"));
    assert!(reason(GeneralName::ip("10.0.0.0/8")).contains("write \"10.0.0.0\""));
    assert!(reason(GeneralName::ip("1.2.3.400")).contains("neither IPv4"));
    assert_eq!(
        GeneralName::ip("::1").map(|name| name.to_string()),
        Ok("IP:::1".to_owned())
    );
}

#[test]
fn uris_are_absolute_and_spiffe_ids_are_strict() {
    for uri in [
        "spiffe://microservices.dev/order",
        "urn:uuid:1",
        "https://a.dev/x",
        "https://[::1]:8443/",
        "https://me:pw@a.dev:443/a%20b?c=%C3%BC#d",
        "spiffe://a_b.dev",
        "spiffe://192.0.2.1/x",
    ] {
        assert_eq!(GeneralName::uri(uri), Ok(GeneralName::Uri(uri.to_owned())));
    }
    for (uri, expected) in [
        ("order", "no scheme"),
        ("spiffe:", "nothing follows"),
        ("1x:a", "no URI scheme"),
        ("https://a b", "%XX"),
        ("https://a..b/", "no host name"),
        ("spiffe://A.dev/x", "trust domain"),
        ("spiffe://a.dev:80/x", "trust domain"),
        ("http://a.dev/%zz", "hexadecimal digits"),
        ("http://a.dev/%4", "hexadecimal digits"),
        ("urn:x%", "hexadecimal digits"),
        ("http://a.dev:x/", "no port"),
        ("http://a.dev:/", "no port"),
        ("http://a.dev:65536/", "no port"),
        ("http://a.dev:080/", "no port"),
        ("http://[::1]x/", "no port"),
        ("http://[::1/", "not closed"),
        ("http://[a.dev]/", "no IPv6 address"),
        ("http://a@b@a.dev/", "no host name"),
        ("http://:80/", "no host name"),
        ("http://a.dev/[x]", "bracket"),
        ("http://a.dev/#a#b", "two fragments"),
        ("spiffe://-/x", "trust domain"),
        ("spiffe://a..b/x", "trust domain"),
        ("spiffe://.a/x", "trust domain"),
        ("spiffe://a-/x", "trust domain"),
        ("spiffe:///x", "trust domain"),
        ("spiffe://a.dev/", "path segment"),
        ("spiffe://a.dev/../x", "path segment"),
        ("SPIFFE://a.dev/x", "small letters"),
        ("spiffe://a.dev/x?y", "path segment"),
    ] {
        let reason = reason(GeneralName::uri(uri));
        assert!(reason.contains(expected), "{uri}: {reason}");
    }
}

#[test]
fn mailboxes_have_a_local_part_and_a_domain() {
    assert!(GeneralName::email("a.b+c@x.dev").is_ok());
    for mailbox in [
        "a",
        "@x.dev",
        "a@",
        "a..b@x.dev",
        "a@*.x.dev",
        "a b@x.dev",
        "ü@x.dev",
        "a@x..dev",
    ] {
        assert!(GeneralName::email(mailbox).is_err(), "{mailbox}");
    }
}

#[test]
fn repetitions_are_taken_out_and_named() {
    let name = |text| GeneralName::dns(text).expect(text);
    let (kept, repeated) =
        deduplicate([name("a.dev"), name("A.dev"), name("b.dev"), name("a.dev")]);
    assert_eq!(kept, [name("a.dev"), name("b.dev")]);
    assert_eq!(repeated, [name("a.dev")]);
}

proptest! {
    #[test]
    fn every_name_of_legal_labels_is_accepted(labels in prop::collection::vec("[a-z]([a-z0-9-]{0,20}[a-z0-9])?", 1..6)) {
        let name = labels.join(".");
        prop_assert_eq!(GeneralName::dns(&name), Ok(GeneralName::Dns(name.clone())));
    }

    #[test]
    fn what_is_accepted_stays_accepted_and_is_printable(text in "\\PC{0,40}|[a-z*.\\- ]{0,20}") {
        let kinds: [Parse; 4] = [GeneralName::dns, GeneralName::ip, GeneralName::uri, GeneralName::email];
        for name in kinds.into_iter().filter_map(|parse| parse(&text).ok()) {
            prop_assert_eq!(name.checked(), Ok(name.clone()));
            prop_assert!(name.to_string().chars().all(|character| character.is_ascii_graphic()));
        }
    }
}
