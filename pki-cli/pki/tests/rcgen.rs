//! A second opinion: what two independent encoders can both express is the same, octet for octet.
//!
//! The other one is rcgen, on top of yasna. Certificates are compared whole but for the order of their extensions, which
//! means nothing (RFC 5280, 4.2), and for the signature, which is random. What rcgen cannot express (an attribute twice,
//! several attributes in one relative name, subjects byte for byte from a request) is no part of this.

use std::{collections::BTreeSet, error::Error, net::IpAddr};

use pki::{
    certificate::Certificate,
    certificate_request::CertificateRequest,
    distinguished_name::DistinguishedName,
    issuer::{Issuer, Prepared, Request},
    key::{KeyAlgorithm, PrivateKey},
    profile::Profile,
    serial_number::{Reserved, SerialNumber},
    subject_alt_name::GeneralName,
};
use proptest::{prelude::*, test_runner::TestCaseResult};
use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, DnType, DnValue,
    ExtendedKeyUsagePurpose, GeneralSubtree, IsCa, KeyIdMethod, KeyPair, KeyUsagePurpose,
    NameConstraints, SanType,
};
use time::{OffsetDateTime, macros::datetime};

const NOW: OffsetDateTime = datetime!(2026-11-24 12:00 UTC);

type Result<T = (), E = Box<dyn Error>> = std::result::Result<T, E>;

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn certificates_have_the_octets_that_rcgen_gives_them(house in house(), wanted in end_entity()) {
        agree(compare_chain(&house, &wanted))?;
    }

    #[test]
    fn each_reads_the_requests_of_the_other(house in house(), wanted in end_entity()) {
        agree(exchange_requests(&house, &wanted))?;
    }
}

/// Attributes in their order; each at most once, because rcgen's names are maps.
type Subject = Vec<(&'static str, String)>;

#[derive(Clone, Debug)]
struct House {
    keys: [KeyAlgorithm; 2],
    root: Subject,
    issuing: Subject,
    path_length: u8,
    permitted: Vec<String>,
}

#[derive(Clone, Debug)]
struct EndEntity {
    key: KeyAlgorithm,
    profile: Profile,
    subject: Subject,
    names: Vec<Name>,
    days: u32,
}

#[derive(Clone, Debug)]
enum Name {
    Dns(String),
    Ip(IpAddr),
    Uri(String),
    Email(String),
}

// What both can express.

fn key() -> impl Strategy<Value = KeyAlgorithm> {
    prop::sample::select(vec![
        KeyAlgorithm::P256,
        KeyAlgorithm::P384,
        KeyAlgorithm::Ed25519,
    ])
}

fn attribute() -> impl Strategy<Value = (&'static str, String)> {
    prop_oneof![
        "[A-Z]{2}".prop_map(|value| ("C", value)),
        (
            prop::sample::select(vec!["ST", "L", "O", "OU", "CN"]),
            // What escape makes visible is refused.
            "[^\\p{C}\\p{Z}\\\\]{1,20}"
                .prop_filter("seen", |value| pki::text::escape(value) == *value)
        ),
        "[a-z]{1,9}@[a-z]{1,9}\\.dev".prop_map(|value| ("emailAddress", value)),
        "[a-z]{1,20}".prop_map(|value| ("DC", value)),
        "[A-Za-z0-9]{1,20}".prop_map(|value| ("serialNumber", value)),
    ]
}

fn subject() -> impl Strategy<Value = Subject> {
    prop::collection::vec(attribute(), 0..7).prop_map(|mut attributes| {
        let mut seen = BTreeSet::new();
        attributes.retain(|(name, _)| seen.insert(*name));
        attributes
    })
}

fn dns() -> impl Strategy<Value = String> {
    "([a-z][a-z0-9]{0,20}\\.){1,4}dev"
}

fn name() -> impl Strategy<Value = Name> {
    prop_oneof![
        dns().prop_map(Name::Dns),
        dns().prop_map(|name| Name::Dns(format!("*.example.{name}"))),
        any::<IpAddr>().prop_map(Name::Ip),
        "spiffe://[a-z]{1,20}\\.dev(/[a-zA-Z0-9]{1,20}){1,3}".prop_map(Name::Uri),
        "https://[a-z]{1,20}\\.dev/[a-z]{0,200}".prop_map(Name::Uri),
        "[a-z]{1,20}@[a-z]{1,20}\\.dev".prop_map(Name::Email),
    ]
}

fn house() -> impl Strategy<Value = House> {
    (
        [key(), key()],
        subject(),
        subject(),
        1..=9_u8,
        prop::collection::vec(dns(), 0..4),
    )
        .prop_map(|(keys, mut root, mut issuing, path_length, permitted)| {
            // A CA has a name, and another one than its issuer (RFC 5280, 4.1.2.6).
            root.retain(|(name, _)| *name != "CN");
            issuing.retain(|(name, _)| *name != "CN");
            root.push(("CN", "The root".to_owned()));
            issuing.push(("CN", "The issuing CA".to_owned()));
            House {
                keys,
                root,
                issuing,
                path_length,
                permitted,
            }
        })
}

fn end_entity() -> impl Strategy<Value = EndEntity> {
    let profile = prop::sample::select(vec![Profile::Server, Profile::Client, Profile::Peer]);
    let names = prop::collection::vec(name(), 1..6);
    (key(), profile, subject(), names, 1..800_u32).prop_map(
        |(key, profile, subject, names, days)| EndEntity {
            key,
            profile,
            subject,
            names,
            days,
        },
    )
}

// The comparison.

/// A hierarchy of ours, and the same of rcgen.
struct Chain {
    issuer: Issuer,
    root_params: CertificateParams,
    root_key: KeyPair,
    issuing_params: CertificateParams,
    issuing_key: KeyPair,
    root: Certificate,
}

impl Chain {
    fn new(house: &House) -> Result<Self> {
        let [root_key, issuing_key] = [house.keys[0], house.keys[1]].map(PrivateKey::generate);
        let (root_key, issuing_key) = (root_key?, issuing_key?);

        let (subject, mut root_params) = named(&house.root)?;
        let request = Request {
            profile: Profile::Root,
            subject: &subject,
            names: &[],
            public_key: root_key.public(),
            // Past 2050, from when on times are written in another way (RFC 5280, 4.1.2.5).
            days: 9_999,
            path_length: house.path_length,
            permitted_dns: &[],
        };
        let root = Prepared::root(&root_key, &request, NOW)?.issue(serial()?)?;
        authority(&mut root_params, &root_key, house.path_length);

        let above = Issuer::new(
            root.clone(),
            PrivateKey::read(root_key.to_pem().as_bytes(), None)?,
            [],
        )?;
        let (subject, mut issuing_params) = named(&house.issuing)?;
        let request = Request {
            profile: Profile::Intermediate,
            subject: &subject,
            public_key: issuing_key.public(),
            days: 1_826,
            path_length: house.path_length - 1,
            permitted_dns: &house.permitted,
            ..request
        };
        let issuing = above.prepare(&request, NOW)?.issue(serial()?)?;
        authority(&mut issuing_params, &issuing_key, house.path_length - 1);
        if !house.permitted.is_empty() {
            let permitted = house.permitted.iter().cloned();
            issuing_params.name_constraints = Some(NameConstraints {
                permitted_subtrees: permitted.map(GeneralSubtree::DnsName).collect(),
                excluded_subtrees: Vec::new(),
            });
        }
        Ok(Self {
            root_key: their(&root_key)?,
            issuing_key: their(&issuing_key)?,
            issuer: Issuer::new(issuing, issuing_key, [root.clone()])?,
            root_params,
            issuing_params,
            root,
        })
    }
}

fn compare_chain(house: &House, wanted: &EndEntity) -> Result {
    let mut chain = Chain::new(house)?;
    let issuing = chain.issuer.certificate().clone();
    for (params, certificate) in [
        (&mut chain.root_params, &chain.root),
        (&mut chain.issuing_params, &issuing),
    ] {
        take_what_is_random(params, certificate);
    }
    let root = chain.root_params.self_signed(&chain.root_key)?;
    same_certificate(chain.root.der(), root.der())?;
    let above = rcgen::Issuer::from_params(&chain.root_params, &chain.root_key);
    let theirs = chain.issuing_params.signed_by(&chain.issuing_key, &above)?;
    same_certificate(issuing.der(), theirs.der())?;

    let key = PrivateKey::generate(wanted.key)?;
    let (subject, mut params) = named(&wanted.subject)?;
    let (names, their_names) = names(&wanted.names, &house.permitted)?;
    let request = Request {
        profile: wanted.profile,
        subject: &subject,
        names: &names,
        public_key: key.public(),
        days: wanted.days,
        path_length: 0,
        permitted_dns: &[],
    };
    let ours = chain.issuer.prepare(&request, NOW)?.issue(serial()?)?;
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = purposes(wanted.profile);
    params.subject_alt_names = their_names;
    params.use_authority_key_identifier_extension = true;
    params.key_identifier_method = identifier(&key);
    take_what_is_random(&mut params, &ours);
    let above = rcgen::Issuer::from_params(&chain.issuing_params, &chain.issuing_key);
    same_certificate(ours.der(), params.signed_by(&their(&key)?, &above)?.der())
}

fn exchange_requests(house: &House, wanted: &EndEntity) -> Result {
    let chain = Chain::new(house)?;
    let key = PrivateKey::generate(wanted.key)?;
    let (subject, mut params) = named(&wanted.subject)?;
    let (names, their_names) = names(&wanted.names, &house.permitted)?;
    params.subject_alt_names = their_names;
    params.extended_key_usages = purposes(wanted.profile);

    let ours = CertificateRequest::create(&key, &subject, &names, Some(wanted.profile))?;
    let read = CertificateSigningRequestParams::from_pem(&ours)?;
    let theirs = params.serialize_request(&their(&key)?)?;
    same(
        "what is read from a request",
        &CertificateSigningRequestParams::from_der(theirs.der())?,
        &read,
    )?;
    same(
        "the subject",
        &params.distinguished_name,
        &read.params.distinguished_name,
    )?;
    same(
        "the names",
        &params.subject_alt_names,
        &read.params.subject_alt_names,
    )?;
    same(
        "the purposes",
        &params.extended_key_usages,
        &read.params.extended_key_usages,
    )?;

    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.is_ca = IsCa::ExplicitNoCa;
    let with_more = params.serialize_request(&their(&key)?)?;
    for request in [theirs, with_more] {
        let request = CertificateRequest::read(request.pem()?.as_bytes())?;
        same("the subject", subject.der(), request.subject().der())?;
        same("the names", &names[..], request.names())?;
        same("the key", key.public(), request.public_key())?;
        let decision = request.decide(wanted.profile, false)?;
        same("what is dropped", &Vec::new(), &decision.dropped)?;
        let order = Request {
            profile: wanted.profile,
            subject: request.subject(),
            names: request.names(),
            public_key: request.public_key(),
            days: wanted.days,
            path_length: 0,
            permitted_dns: &[],
        };
        let issued = chain.issuer.prepare(&order, NOW)?.issue(serial()?)?;
        same("the key", key.public(), issued.public_key())?;
    }
    Ok(())
}

fn same_certificate(ours: &[u8], theirs: &[u8]) -> Result {
    let [ours, theirs] = [parts(ours)?, parts(theirs)?];
    for (at, what) in FIELDS.into_iter().enumerate() {
        same(what, &ours.0.get(at), &theirs.0.get(at))?;
    }
    same("the number of fields", &ours.0.len(), &theirs.0.len())?;
    same("the extensions", &ours.1, &theirs.1)
}

const FIELDS: [&str; 7] = [
    "the version",
    "the serial number",
    "the signature algorithm",
    "the issuer",
    "the validity",
    "the subject",
    "the public key",
];

/// The fields of a certificate before its extensions, and each extension, sorted; encoded, as hexadecimal.
fn parts(certificate: &[u8]) -> Result<(Vec<String>, Vec<String>)> {
    let [whole] = values(certificate)?[..] else {
        return Err("something stands after the certificate".into());
    };
    let content = values(content(whole)?)?;
    let mut fields = values(self::content(content[0])?)?;
    let extensions = fields.pop().ok_or("an empty certificate")?;
    let extensions = values(self::content(self::content(extensions)?)?)?;
    let hex = |values: Vec<&[u8]>| -> Vec<String> {
        let octets = |value: &[u8]| value.iter().map(|octet| format!("{octet:02x}")).collect();
        values.into_iter().map(octets).collect()
    };
    let mut extensions = hex(extensions);
    extensions.sort();
    Ok((hex(fields), extensions))
}

/// The DER values that stand one after the other in `octets`.
fn values(mut octets: &[u8]) -> Result<Vec<&[u8]>> {
    let mut values = Vec::new();
    while !octets.is_empty() {
        let (header, length) = header(octets)?;
        let (value, rest) = octets
            .split_at_checked(header + length)
            .ok_or("a value is cut off")?;
        values.push(value);
        octets = rest;
    }
    Ok(values)
}

fn content(value: &[u8]) -> Result<&[u8]> {
    let (header, length) = header(value)?;
    Ok(value
        .get(header..header + length)
        .ok_or("a value is cut off")?)
}

/// How long the tag and the length are, and how long the content is.
fn header(value: &[u8]) -> Result<(usize, usize)> {
    match *value {
        [_, length @ 0..=0x7f, ..] => Ok((2, length.into())),
        [_, 0x81, length, ..] => Ok((3, length.into())),
        [_, 0x82, high, low, ..] => Ok((4, usize::from(high) << 8 | usize::from(low))),
        _ => Err("no DER value of a certificate".into()),
    }
}

// The same in the words of both.

fn named(subject: &Subject) -> Result<(DistinguishedName, CertificateParams)> {
    let mut theirs = rcgen::DistinguishedName::new();
    let mut ours = Vec::new();
    for (name, value) in subject {
        let (kind, text) = match *name {
            "C" => (
                DnType::CountryName,
                DnValue::PrintableString(value.as_str().try_into()?),
            ),
            "ST" => (DnType::StateOrProvinceName, value.as_str().into()),
            "L" => (DnType::LocalityName, value.as_str().into()),
            "O" => (DnType::OrganizationName, value.as_str().into()),
            "OU" => (DnType::OrganizationalUnitName, value.as_str().into()),
            "CN" => (DnType::CommonName, value.as_str().into()),
            "emailAddress" => (
                DnType::from_oid(&[1, 2, 840, 113_549, 1, 9, 1]),
                DnValue::Ia5String(value.as_str().try_into()?),
            ),
            "DC" => (
                DnType::from_oid(&[0, 9, 2342, 19_200_300, 100, 1, 25]),
                DnValue::Ia5String(value.as_str().try_into()?),
            ),
            _ => (
                DnType::from_oid(&[2, 5, 4, 5]),
                DnValue::PrintableString(value.as_str().try_into()?),
            ),
        };
        theirs.push(kind, text);
        let escaped: String = value
            .chars()
            .flat_map(|c| {
                if "/+\\=".contains(c) {
                    vec!['\\', c]
                } else {
                    vec![c]
                }
            })
            .collect();
        ours.push(format!("/{name}={escaped}"));
    }
    let mut params = CertificateParams::default();
    params.distinguished_name = theirs;
    let ours = match ours.is_empty() {
        true => DistinguishedName::empty(),
        false => DistinguishedName::parse(&ours.concat())?,
    };
    Ok((ours, params))
}

/// Names that the constraints permit.
fn names(wanted: &[Name], permitted: &[String]) -> Result<(Vec<GeneralName>, Vec<SanType>)> {
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for (at, name) in wanted.iter().enumerate() {
        let (our, their) = match name {
            Name::Dns(name) => {
                let below = permitted.get(at % permitted.len().max(1));
                let name = below.map_or_else(|| name.clone(), |below| format!("{name}.{below}"));
                (GeneralName::dns(&name)?, SanType::DnsName(name.try_into()?))
            }
            Name::Ip(ip) => (GeneralName::Ip(*ip), SanType::IpAddress(*ip)),
            Name::Uri(uri) => (
                GeneralName::uri(uri)?,
                SanType::URI(uri.as_str().try_into()?),
            ),
            Name::Email(mailbox) => (
                GeneralName::email(mailbox)?,
                SanType::Rfc822Name(mailbox.as_str().try_into()?),
            ),
        };
        if !ours.contains(&our) {
            ours.push(our);
            theirs.push(their);
        }
    }
    Ok((ours, theirs))
}

fn purposes(profile: Profile) -> Vec<ExtendedKeyUsagePurpose> {
    match profile {
        Profile::Server => vec![ExtendedKeyUsagePurpose::ServerAuth],
        Profile::Client => vec![ExtendedKeyUsagePurpose::ClientAuth],
        _ => vec![
            ExtendedKeyUsagePurpose::ServerAuth,
            ExtendedKeyUsagePurpose::ClientAuth,
        ],
    }
}

fn authority(params: &mut CertificateParams, key: &PrivateKey, path_length: u8) {
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(path_length));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.use_authority_key_identifier_extension = true;
    params.key_identifier_method = identifier(key);
}

/// RFC 7093, 2, method 1: of the key's bits. rcgen calls its own so and hashes the whole SubjectPublicKeyInfo, which
/// is allowed as well (RFC 5280, 4.2.1.2) and gives another value; so it is told ours, computed here anew.
fn identifier(key: &PrivateKey) -> KeyIdMethod {
    let bits = values(key.public().spki())
        .and_then(|whole| values(content(whole[0])?))
        .and_then(|parts| content(parts[1]))
        .unwrap_or_default();
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &bits[1..]);
    KeyIdMethod::PreSpecified(digest.as_ref()[..20].to_vec())
}

fn take_what_is_random(params: &mut CertificateParams, ours: &Certificate) {
    let digits: Vec<u8> = ours
        .serial()
        .bytes()
        .filter(u8::is_ascii_hexdigit)
        .collect();
    let octets = digits.chunks(2).filter_map(|pair| {
        let text = std::str::from_utf8(pair).ok()?;
        u8::from_str_radix(text, 16).ok()
    });
    params.serial_number = Some(octets.collect::<Vec<_>>().into());
    params.not_before = ours.not_before();
    params.not_after = ours.not_after();
}

fn their(key: &PrivateKey) -> Result<KeyPair> {
    Ok(KeyPair::from_pem(&key.to_pem())?)
}

fn serial() -> Result<Reserved> {
    Ok(Reserved::without_index(SerialNumber::random()?))
}

fn same<T: PartialEq + std::fmt::Debug + ?Sized>(what: &str, one: &T, other: &T) -> Result {
    if one == other {
        return Ok(());
    }
    Err(format!("{what} differs:\n{one:?}\n{other:?}").into())
}

fn agree(result: Result) -> TestCaseResult {
    result.map_err(|error| TestCaseError::fail(error.to_string()))
}
