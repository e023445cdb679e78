//! Manifests that are read, and those that are refused with their line.

use super::{message::distance, raw::is_permitted, *};

const GOOD: &str = r#"
[ca]
subject = "/O=Example/CN=Example Root"
permit_dns = ["example.org"]

[defaults]
days = 30

[certificate.zebra]
profile = "server"
dns = ["zebra.example.org", "ZEBRA.example.org"]
ip = ["127.0.0.1"]

[certificate.ant]
profile = "client"
subject = "/O=Example/CN=ant"
key = "ed25519"
days = 7
"#;

fn parse(text: &str) -> Result<Manifest, ManifestError> {
    Manifest::parse(Path::new("pki.toml"), text)
}

fn refused(from: &str, to: &str) -> String {
    let text = GOOD.replace(from, to);
    assert_ne!(text, GOOD, "nothing was replaced");
    parse(&text).expect_err("refused").to_string()
}

#[test]
fn entries_keep_the_order_of_the_file_and_inherit_the_defaults() {
    let manifest = parse(GOOD).expect("a good manifest");
    let seen: Vec<_> = manifest
        .certificates
        .iter()
        .map(|entry| {
            (
                entry.name.as_str(),
                entry.days,
                entry.key,
                entry.names.len(),
                entry.repeated.len(),
            )
        })
        .collect();
    assert_eq!(
        seen,
        [
            ("zebra", 30, KeyAlgorithm::P256, 2, 1),
            ("ant", 7, KeyAlgorithm::Ed25519, 0, 0)
        ]
    );
    assert_eq!(
        manifest
            .authority
            .issuing_subject
            .map(|name| name.to_slashes())
            .as_deref(),
        Some("/O=Example/CN=Example Issuing CA")
    );
}

#[test]
fn a_misspelt_field_is_refused_with_its_line_and_the_likely_meaning() {
    assert_eq!(
        refused("ip = [", "pi = ["),
        "\"pki.toml\", line 12: [certificate.zebra] has no field \"pi\", only profile, subject, dns, ip, uri, email, key and days; did you mean \"ip\"?"
    );
    assert!(refused("[defaults]", "[default]").contains("did you mean \"defaults\"?"));
    assert!(
        refused("ip = [", "\"i\\u001b[2J\\n\\u202ep\" = [")
            .contains("has no field \"i\\u{1b}[2J\\u{a}\\u{202e}p\", only")
    );
}

#[test]
fn a_value_that_could_not_be_issued_is_refused_with_its_line() {
    for (from, to, expected) in [
        (
            "zebra.example.org",
            "*",
            "line 11: The DNS name \"*\" is refused",
        ),
        (
            "127.0.0.1",
            "a.b",
            "line 12: The IP address \"a.b\" is refused: it is a DNS name; write it as dns = [\"a.b\"].",
        ),
        (
            "\"ZEBRA.example.org\"",
            "\"10.0.0.1\"",
            "line 11: The DNS name \"10.0.0.1\" is refused: it is an IP address; write it as ip = [\"10.0.0.1\"].",
        ),
        (
            "certificate.ant",
            "certificate.\"PKI.toml\"",
            "line 14: The name \"PKI.toml\" cannot be used",
        ),
        ("\"server\"", "\"root\"", "line 10: A root signs itself"),
        (
            "ed25519",
            "dsa",
            "line 17: The key type \"dsa\" is not known",
        ),
        ("days = 7", "days = 0", "line 18: A validity of 0 days"),
        (
            "/O=Example/CN=ant",
            "ant",
            "line 16: The subject \"ant\" has the part",
        ),
        (
            "certificate.ant",
            "certificate.CA",
            "line 14: The name \"CA\" cannot be used",
        ),
        (
            "certificate.ant",
            "certificate.\"../x\"",
            "line 14: The name \"../x\" cannot be used",
        ),
        (
            "[\"example.org\"]",
            "[\"*.org\"]",
            "line 4: The CA cannot be bound to \"*.org\": a constraint covers all that is below it already, so write \"org\".",
        ),
        (
            "[\"example.org\"]",
            "[\"a..org\"]",
            "line 4: The DNS name \"a..org\" is refused",
        ),
        (
            "[\"example.org\"]",
            "[\"Ample.org\"]",
            "line 11: The name DNS:zebra.example.org is not below ample.org, to which permit_dns binds the CA",
        ),
        (
            "permit_dns",
            "issuing_subject = \"/O=Example/CN=EXAMPLE  root\"\npermit_dns",
            "line 4: The issuing CA would have the root's name",
        ),
        ("[defaults]", "[certificate.zebra]", "line 9"),
    ] {
        let error = refused(from, to);
        assert!(error.contains(expected), "{to}: {error}");
    }
}

#[test]
fn the_domains_of_a_ca_are_written_in_small_letters() {
    let manifest = parse(&GOOD.replace("[\"example.org\"]", "[\"Example.ORG\", \"a.dev\"]"));
    let domains = manifest.expect("a good manifest").authority.permitted_dns;
    assert_eq!(domains, ["example.org", "a.dev"]);
    let dns = |name| GeneralName::dns(name).expect(name);
    for (name, inside) in [
        (dns("example.org"), true),
        (dns("*.Example.org"), true),
        (dns("badexample.org"), false),
        (dns("org"), false),
        (GeneralName::ip("::1").expect("an address"), true),
    ] {
        assert_eq!(is_permitted(&name, &domains), inside, "{name}");
        assert!(is_permitted(&name, &[]), "{name}");
    }
}

#[test]
fn an_issuing_ca_is_called_so() {
    for (root, issuing) in [
        ("Example Root CA", "Example Issuing CA"),
        ("Example Root", "Example Issuing CA"),
        ("Example CA", "Example Issuing CA"),
        ("Example", "Example Issuing CA"),
        ("*.example.org", "*.example.org Issuing CA"),
        ("Root", "Issuing CA"),
        ("", "Issuing CA"),
        ("Issuing CA", "Issuing CA 2"),
    ] {
        assert_eq!(issuing_name(root), issuing, "{root}");
    }
}

#[test]
fn distances_count_letters() {
    assert_eq!(distance("dsn", "dns"), 1);
    assert_eq!(distance("kitten", "sitting"), 3);
    assert_eq!(distance("", "abc"), 3);
    assert_eq!(distance("abc", "abc"), 0);
}
