//! Names in both forms and in files: what is kept, shown, read again and refused.

use super::*;
use proptest::prelude::*;
use x509_parser::prelude::FromDer;

const CHAPTER: &str = "/C=TR/ST=EURASIA/L=ISTANBUL/O=Software/OU=Microservices/CN=*.microservices.dev/emailAddress=a@microservices.dev";

fn reread(name: &DistinguishedName) -> DistinguishedName {
    let (rest, parsed) = X509Name::from_der(name.der()).expect("our own encoding");
    assert!(rest.is_empty());
    DistinguishedName::from_x509(&parsed)
}

#[test]
fn the_slash_form_keeps_order_and_every_attribute() {
    let name = DistinguishedName::parse(CHAPTER).expect("the chapter's subject");
    assert_eq!(name.to_slashes(), CHAPTER);
    assert_eq!(reread(&name), name);
}

#[test]
fn rfc_4514_starts_with_the_last_element() {
    let name = DistinguishedName::parse(CHAPTER).expect("the chapter's subject");
    assert_eq!(
        name.to_string(),
        "emailAddress=a@microservices.dev,CN=*.microservices.dev,OU=Microservices,O=Software,L=ISTANBUL,ST=EURASIA,C=TR"
    );
    assert_eq!(DistinguishedName::parse(&name.to_string()), Ok(name));
}

#[test]
fn repeated_and_multi_valued_attributes_survive() {
    let text = "/DC=dev/DC=microservices/OU=a/OU=b+CN=c";
    let name = DistinguishedName::parse(text).expect("a legal name");
    let values: Vec<_> = name
        .attributes()
        .map(|attribute| attribute.value.as_str())
        .collect();
    // A SET OF is in the order of its encodings: CN is 2.5.4.3, OU is 2.5.4.11.
    assert_eq!(values, ["dev", "microservices", "a", "c", "b"]);
    assert_eq!(reread(&name).der(), name.der());
}

#[test]
fn a_set_has_no_order_however_it_is_typed() {
    let one = DistinguishedName::parse("/CN=bbbbbb+O=a").expect("a name");
    let other = DistinguishedName::parse("/O=a+CN=bbbbbb").expect("a name");
    assert_eq!(one, other);
    assert_eq!(one, reread(&one));
    assert_eq!(one.to_slashes(), reread(&one).to_slashes());
    assert_eq!(one.to_string(), other.to_string());
}

#[test]
fn a_name_from_a_file_is_held_to_the_rules_for_typed_ones() {
    let name = |tag: u8, oid: &[u8], value: &[u8]| {
        let pair = der::sequence([der::object_identifier(oid), der::value(tag, value)]);
        let encoded = der::sequence([der::set_of(vec![pair])]);
        let (_, parsed) = X509Name::from_der(&encoded).expect("DER");
        DistinguishedName::from_x509(&parsed)
    };
    let cn = [0x55, 4, 3];
    assert_eq!(name(0x0c, &cn, "Zürich".as_bytes()).check(), Ok(()));
    assert_eq!(name(0x13, &cn, &[b'a'; 64]).check(), Ok(()));
    assert_eq!(DistinguishedName::empty().check(), Ok(()));
    // x500UniqueIdentifier is a BIT STRING.
    assert_eq!(name(3, &[0x55, 4, 45], b"\0a").check(), Ok(()));
    for (name, expected) in [
        (
            name(0x0c, &cn, &[b'a'; 300]),
            "has 300 characters, and RFC 5280 allows 64",
        ),
        (name(0x0c, &cn, b"a\x1b[31m"), "control character"),
        (name(0x0c, &cn, b"a\nb"), "control character"),
        (
            name(0x0c, &cn, "a\u{202e}b".as_bytes()),
            "turns the text round",
        ),
        (name(0x1e, &cn, b"\0a"), "UTF8String or PrintableString"),
        (name(4, &cn, b"a"), "UTF8String or PrintableString"),
        (name(4, &[0x2a, 3], b"a"), "openssl reads in no name"),
        (name(3, &[0x2a, 3], b""), "BIT STRING without octets"),
        (name(0x13, &[0x55, 4, 6], b"Turkey"), "two capital letters"),
        (name(0x0c, &[0x2a, 3], &[b'a'; 1025]), "allows 1024"),
    ] {
        let told = name.check().expect_err(expected).to_string();
        assert!(told.contains(expected) && told.len() < 400, "{told}");
    }
}

#[test]
fn escapes_are_understood_in_both_forms() {
    let slash = DistinguishedName::parse(r"/O=A\/B \+ C, Inc./CN=x").expect("slash form");
    let rfc = DistinguishedName::parse(r"CN=x, O=A/B \+ C\2C Inc.").expect("RFC 4514");
    assert_eq!(slash, rfc);
    let spaces = DistinguishedName::parse(r"CN=\ x\ ").expect("RFC 4514");
    assert_eq!(
        spaces
            .attributes()
            .next()
            .map(|attribute| attribute.value.as_str()),
        Some(" x ")
    );
}

#[test]
fn a_value_may_be_given_as_its_encoding() {
    let name = |text: &str| DistinguishedName::parse(text).expect(text);
    // The examples of RFC 4514 §2.4 and §4.
    assert_eq!(name("CN=#0c03616263"), name("CN=abc"));
    let text = "1.3.6.1.4.1.1466.0=#04024869,O=Test,C=GB";
    assert_eq!(name(text).to_string(), text);
    assert_eq!(name(&text.replace('=', "= ")), name(text));
    // The type of string that was asked for is the one that is written, and the text is shown.
    let printable = name("CN=#1303616263");
    assert_eq!(printable.to_string(), "CN=abc");
    assert!(printable.der().ends_with(b"\x13\x03abc"));
    // An escaped number sign, and openssl's form, mean the character.
    for text in ["CN=\\#0c03616263", "CN=\\230c03616263", "/CN=#0c03616263"] {
        assert_eq!(name(text).to_string(), "CN=\\#0c03616263");
    }
}

#[test]
fn what_is_no_encoding_is_refused_in_a_sentence() {
    let large = format!("1.2.3=#04820401{}", "00".repeat(1025));
    for (text, reason) in [
        ("CN=#", "pairs of hexadecimal digits"),
        ("CN=#0c0", "pairs of hexadecimal digits"),
        ("CN=#0c0x", "pairs of hexadecimal digits"),
        ("CN=#1 service", "write \\# where text begins with #"),
        ("CN=#0c04616263", "the value is cut off"),
        ("CN=#0c0361626300", "octets that do not belong there"),
        ("CN=#0c8103616263", "not in its shortest form"),
        ("CN=#2c800c016100000", "pairs of hexadecimal digits"),
        ("1.2.3=#30800c01610000", "indefinite length"),
        ("1.2.3=#300402030304", "the value is cut off"),
        ("1.2.3=#02020001", "not in its shortest form"),
        ("1.2.3=#010101", "neither 00 nor FF"),
        ("1.2.3=#240404026161", "form that DER does not have"),
        ("1.2.3=#0000", "form that DER does not have"),
        ("1.2.3=#0501ff", "NULL with content"),
        ("1.2.3=#0c01ff", "UTF8String"),
        ("1.2.3=#1e020061", "UTF8String or PrintableString"),
        ("1.2.3=#0c0461e280ae", "turns the text round"),
        ("1.2.3=#1301", "the value is cut off"),
        ("1.2.3=#130161+CN=#13015f", "its type of string has not"),
        (&large, "1024 are enough"),
        ("CN=#04024869", "UTF8String or PrintableString"),
        ("C=#0c025452", "RFC 5280 appendix A.1"),
        ("C=#130454525452", "two capital letters"),
        ("CN=#0c00", "has no value"),
    ] {
        let error = DistinguishedName::parse(text).expect_err(text).to_string();
        assert!(
            error.contains(reason) && error.len() < 400,
            "{text}: {error}"
        );
        assert_eq!(error.matches(". ").count(), 0, "one sentence: {error}");
    }
}

#[test]
fn what_cannot_be_a_name_is_refused_with_the_reason() {
    for (text, reason) in [
        ("", "is empty"),
        ("/", "not TYPE=VALUE"),
        ("/CN", "not TYPE=VALUE"),
        ("CN=a,b", "not TYPE=VALUE"),
        ("/XX=1", "not known"),
        ("/C=Turkey", "two capital letters"),
        ("/CN=", "has no value"),
        ("/CN=a\u{7}b", "control character"),
        ("/CN=a\u{202e}b", "turns the text round"),
        ("/2.5.4.046=a", "not known"),
        ("/emailAddress=ü@x", "ASCII"),
        ("/serialNumber=a_b", "letters, digits"),
        ("CN=a\\", "broken escape"),
    ] {
        let error = DistinguishedName::parse(text).expect_err(text).to_string();
        assert!(error.contains(reason), "{text}: {error}");
    }
    let long = format!("/CN={}", "x".repeat(65));
    let error = DistinguishedName::parse(&long)
        .expect_err("65 characters")
        .to_string();
    assert!(error.contains("allows 64"), "{error}");
}

proptest! {
    #[test]
    fn any_value_comes_back_from_both_forms(values in prop::collection::vec("[^\\p{C}]{1,40}", 1..5)) {
        prop_assume!(values.iter().flat_map(|value| value.chars()).all(|c| !text::is_hostile(c)));
        let pairs = values.iter().map(|value| vec![("O".to_owned(), Given::Text(value.clone()))]).collect();
        let name = DistinguishedName::from_pairs(pairs).expect("no control characters, short enough");
        let read: Vec<_> = reread(&name).attributes().map(|attribute| attribute.value.clone()).collect();
        prop_assert_eq!(&read, &values);
        prop_assert_eq!(DistinguishedName::parse(&name.to_slashes()), Ok(name.clone()));
        prop_assert_eq!(DistinguishedName::parse(&name.to_string()), Ok(name.clone()));
    }

    #[test]
    fn any_value_that_is_no_text_comes_back_as_its_encoding(
        octets in prop::collection::vec(any::<u8>(), 0..300),
        tag in prop::sample::select(vec![0x04, 0x30, 0x80, 0x9e, 0x41]),
    ) {
        // What is constructed holds values.
        let value = match tag {
            0x30 => der::sequence([der::value(4, &octets), der::null()]),
            tag => der::value(tag, &octets),
        };
        let value = format!("#{}", text::hex(&value));
        let typed = format!("CN=a,1.3.6.1.4.1.1466.0={value}+O=\\#b");
        let name = DistinguishedName::parse(&typed).expect(&typed);
        let seen: Vec<_> = name.attributes().map(|one| (one.value.as_str(), one.is_text)).collect();
        // In the order of the encodings, the shorter first.
        prop_assert!(seen.contains(&(value.as_str(), false)) && seen.contains(&("#b", true)));
        prop_assert_eq!(DistinguishedName::parse(&name.to_string()), Ok(name.clone()));
        prop_assert_eq!(reread(&name), name.clone());
        prop_assert_eq!(reread(&name).to_string(), name.to_string());
        // What openssl does not read is read here, and not given to anybody.
        prop_assert_eq!(name.check().is_ok(), tag == 0x30);
        let renamed = name.with_common_name(|_| "b".to_owned()).expect("another");
        prop_assert_eq!(renamed.to_string(), name.to_string().replace("CN=a", "CN=b"));
    }

    #[test]
    fn any_text_may_be_given_as_its_encoding(text in "[^\\p{C}]{1,64}") {
        prop_assume!(!text.chars().any(text::is_hostile));
        let encoded = text::hex(&der::value(der::UTF8_STRING, text.as_bytes()));
        let name = DistinguishedName::parse(&format!("CN=#{encoded}"));
        prop_assert_eq!(name, DistinguishedName::common_name(&text));
    }

    #[test]
    fn no_encoding_makes_it_panic(digits in "[0-9a-fA-F]{0,80}") {
        for kind in ["CN", "C", "1.2.3"] {
            if let Ok(name) = DistinguishedName::parse(&format!("{kind}=#{digits}")) {
                prop_assert_eq!(DistinguishedName::parse(&name.to_string()).map(drop), Ok(()));
                prop_assert_eq!(reread(&name), name);
            }
        }
    }

    #[test]
    fn no_text_makes_it_panic(text in "\\PC*") {
        let _ = DistinguishedName::parse(&text);
    }
}
