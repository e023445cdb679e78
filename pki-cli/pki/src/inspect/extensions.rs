//! Extensions, shown: every one named, decoded where its meaning is known, and otherwise with all of its octets.

use super::{
    node::Node,
    public_key::{distinguished_name, number},
    time,
};
use crate::parse::{
    der::BitString,
    extensions::{
        Content, DistributionPoint, DistributionPointName, Extension, KEY_USAGES, NameConstraints,
        Policy, Qualifier, REASON_FLAGS, REASONS, SignedCertificateTimestamp, Subtree,
    },
    general_name::GeneralName,
    name::string,
    oid::Oid,
};

pub(super) fn list(extensions: &[Extension<'_>]) -> Node {
    Node::List(extensions.iter().map(extension).collect())
}

/// One extension in words.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct InWords {
    /// Its name, or its object identifier where it has none.
    pub name: String,
    /// Whether whoever does not understand it must refuse the certificate.
    pub critical: bool,
    /// What it says, in one line.
    pub text: String,
}

/// The extensions of a certificate (DER), in their order.
pub fn extensions_in_words(certificate: &[u8]) -> Vec<InWords> {
    let Ok(certificate) = crate::parse::certificate::Certificate::from_der(certificate) else {
        return Vec::new();
    };
    let in_words = |extension: &Extension<'_>| {
        let mut text = String::new();
        match extension.decode() {
            Ok(content) => content_node(&content).render(0, &mut text),
            Err(error) => text = format!("it cannot be decoded: {error}"),
        }
        // People read it in one line, without the columns of several.
        let lines: Vec<_> = text
            .lines()
            .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
            .collect();
        InWords {
            name: extension.oid.name().into_owned(),
            critical: extension.critical,
            text: lines.join(", "),
        }
    };
    certificate.extensions.iter().map(in_words).collect()
}

fn extension(extension: &Extension<'_>) -> Node {
    let critical = if extension.critical { ", critical" } else { "" };
    let mut title = extension.oid.name_and_numbers();
    title.push_str(critical);
    let mut fields = Vec::with_capacity(5);
    fields.extend([
        ("name", Node::safe(extension.oid.name())),
        ("oid", Node::oid(extension.oid)),
        ("critical", Node::Bool(extension.critical)),
    ]);
    let value = match extension.decode() {
        Ok(Content::Unknown) => Node::Octets(extension.value.to_vec()),
        Ok(content) => {
            let node = content_node(&content);
            fields.push(("der", Node::Octets(extension.value.to_vec())));
            node
        }
        Err(error) => Node::Map(vec![
            (
                "problem",
                Node::safe(format!("it cannot be decoded: {error}")),
            ),
            ("octets", Node::Octets(extension.value.to_vec())),
        ]),
    };
    fields.push(("value", value));
    Node::Titled {
        title: title.into(),
        fields,
        body: "value",
    }
}

fn content_node(content: &Content<'_>) -> Node {
    match content {
        Content::SubjectKeyIdentifier(id) => Node::Octets(id.to_vec()),
        Content::AuthorityKeyIdentifier(id) => {
            let mut fields = Vec::new();
            if let Some(key) = id.key_identifier {
                fields.push(("key_identifier", Node::Octets(key.to_vec())));
            }
            if let Some(issuer) = &id.issuer {
                fields.push(("issuer", general_names(issuer)));
            }
            if let Some(serial) = id.serial {
                fields.push(("serial", Node::Octets(serial.to_vec())));
            }
            Node::Map(fields)
        }
        Content::KeyUsage(bits) => named_bits(*bits, &KEY_USAGES),
        Content::PrivateKeyUsagePeriod {
            not_before,
            not_after,
        } => {
            let mut fields = Vec::new();
            for (name, at) in [("not_before", not_before), ("not_after", not_after)] {
                if let Some(at) = at {
                    fields.push((name, Node::Time(at.at)));
                }
            }
            Node::Map(fields)
        }
        Content::CertificatePolicies(policies) => Node::List(policies.iter().map(policy).collect()),
        Content::PolicyMappings(mappings) => Node::List(
            mappings
                .iter()
                .map(|(issuer, subject)| {
                    Node::Map(vec![
                        ("issuer_domain", oid(*issuer)),
                        ("subject_domain", oid(*subject)),
                    ])
                })
                .collect(),
        ),
        Content::SubjectAltName(names)
        | Content::IssuerAltName(names)
        | Content::CertificateIssuer(names) => general_names(names),
        Content::SubjectDirectoryAttributes(attributes) => Node::List(
            attributes
                .iter()
                .map(|(kind, values)| {
                    let values = values.iter().map(|value| match string(*value) {
                        Some(text) => Node::text(text),
                        None => Node::Octets(value.raw.to_vec()),
                    });
                    Node::Map(vec![
                        ("type", oid(*kind)),
                        ("values", Node::List(values.collect())),
                    ])
                })
                .collect(),
        ),
        Content::BasicConstraints(constraints) => {
            let mut fields = vec![("ca", Node::Bool(constraints.ca))];
            if let Some(length) = constraints.path_length {
                fields.push(("path_length", Node::Number(length)));
            }
            Node::Map(fields)
        }
        Content::NameConstraints(constraints) => name_constraints(constraints),
        Content::PolicyConstraints {
            require_explicit,
            inhibit_mapping,
        } => {
            let mut fields = Vec::new();
            for (name, skip) in [
                ("require_explicit_policy", require_explicit),
                ("inhibit_policy_mapping", inhibit_mapping),
            ] {
                if let Some(skip) = skip {
                    fields.push((name, Node::Number(*skip)));
                }
            }
            Node::Map(fields)
        }
        Content::ExtendedKeyUsage(usages) => {
            Node::List(usages.iter().map(|usage| oid(*usage)).collect())
        }
        Content::CrlDistributionPoints(points) | Content::FreshestCrl(points) => {
            Node::List(points.iter().map(distribution_point).collect())
        }
        Content::InhibitAnyPolicy(skip) => {
            Node::Map(vec![("skip_certificates", Node::Number(*skip))])
        }
        Content::AuthorityInfoAccess(descriptions) | Content::SubjectInfoAccess(descriptions) => {
            Node::List(
                descriptions
                    .iter()
                    .map(|(method, location)| {
                        Node::Map(vec![
                            ("method", oid(*method)),
                            ("location", general_name(location)),
                        ])
                    })
                    .collect(),
            )
        }
        Content::TlsFeature(features) => Node::List(
            features
                .iter()
                .map(|feature| match feature {
                    5 => Node::safe("status_request (5)"),
                    17 => Node::safe("status_request_v2 (17)"),
                    other => Node::Number(*other),
                })
                .collect(),
        ),
        Content::OcspNoCheck => Node::safe("no revocation check for this responder"),
        Content::PrecertificatePoison => Node::safe("a precertificate: not valid for use"),
        Content::SignedCertificateTimestamps(timestamps) => Node::List(
            timestamps
                .iter()
                .map(signed_certificate_timestamp)
                .collect(),
        ),
        Content::NetscapeCertType(bits) => named_bits(
            *bits,
            &[
                "SSL Client",
                "SSL Server",
                "S/MIME",
                "Object Signing",
                "Unused",
                "SSL CA",
                "S/MIME CA",
                "Object Signing CA",
            ],
        ),
        Content::NetscapeText(text) => Node::text(text.clone()),
        Content::CrlNumber(octets) | Content::DeltaCrlIndicator(octets) => number(octets),
        Content::IssuingDistributionPoint(point) => {
            let mut fields = Vec::new();
            if let Some(name) = &point.name {
                fields.push(("name", distribution_point_name(name)));
            }
            for (name, flag) in [
                ("only_user_certificates", point.only_user),
                ("only_ca_certificates", point.only_ca),
                ("only_attribute_certificates", point.only_attribute),
                ("indirect_crl", point.indirect),
            ] {
                fields.push((name, Node::Bool(flag)));
            }
            if let Some(reasons) = point.reasons {
                fields.push(("only_reasons", named_bits(reasons, &REASON_FLAGS)));
            }
            Node::Map(fields)
        }
        Content::ReasonCode(code) => Node::safe(reason(*code)),
        Content::InvalidityDate(at) => Node::Time(at.at),
        Content::Unknown => Node::List(Vec::new()),
    }
}

pub(super) fn reason(code: u8) -> String {
    match REASONS.get(usize::from(code)) {
        Some(name) if !name.is_empty() => (*name).to_owned(),
        _ => format!("unknown reason {code}"),
    }
}

fn oid(oid: Oid<'_>) -> Node {
    Node::safe(oid.name_and_numbers())
}

/// The names of the bits that are set; a bit without a name is shown by its number.
fn named_bits(bits: BitString<'_>, names: &[&str]) -> Node {
    let set = (0..bits.octets.len() * 8).filter(|bit| bits.bit(*bit));
    Node::List(
        set.map(|bit| {
            Node::safe(
                names
                    .get(bit)
                    .map_or_else(|| format!("bit {bit}"), |name| (*name).to_owned()),
            )
        })
        .collect(),
    )
}

fn general_names(names: &[GeneralName<'_>]) -> Node {
    Node::List(names.iter().map(general_name).collect())
}

fn general_name(name: &GeneralName<'_>) -> Node {
    let mut fields = vec![("type", Node::safe(name.kind()))];
    match name {
        GeneralName::Directory(directory) => fields.push(("value", distinguished_name(directory))),
        other => fields.push(("value", Node::text(other.value()))),
    }
    Node::Titled {
        title: name.to_string().into(),
        fields,
        body: "",
    }
}

fn policy(policy: &Policy<'_>) -> Node {
    let mut fields = vec![("policy", oid(policy.oid))];
    if !policy.qualifiers.is_empty() {
        let qualifiers = policy.qualifiers.iter().map(|qualifier| match qualifier {
            Qualifier::Cps(uri) => {
                Node::Map(vec![("cps", Node::text(String::from_utf8_lossy(uri)))])
            }
            Qualifier::UserNotice {
                organization,
                numbers,
                text,
            } => {
                let mut fields =
                    vec![("user_notice", Node::text(text.clone().unwrap_or_default()))];
                if let Some(organization) = organization {
                    fields.push(("organization", Node::text(organization.clone())));
                    let numbers = numbers.iter().map(|number| Node::Number(*number));
                    fields.push(("notice_numbers", Node::List(numbers.collect())));
                }
                Node::Map(fields)
            }
            Qualifier::Other { oid: kind, value } => Node::Map(vec![
                ("qualifier", oid(*kind)),
                ("octets", Node::Octets(value.to_vec())),
            ]),
        });
        fields.push(("qualifiers", Node::List(qualifiers.collect())));
    }
    Node::Map(fields)
}

fn name_constraints(constraints: &NameConstraints<'_>) -> Node {
    let subtrees = |subtrees: &[Subtree<'_>]| {
        Node::List(
            subtrees
                .iter()
                .map(|subtree| match subtree.has_minimum_or_maximum {
                    false => general_name(&subtree.base),
                    true => Node::Map(vec![
                        ("base", general_name(&subtree.base)),
                        (
                            "problem",
                            Node::safe("has a minimum or maximum, which RFC 5280 forbids"),
                        ),
                    ]),
                })
                .collect(),
        )
    };
    Node::Map(vec![
        ("permitted", subtrees(&constraints.permitted)),
        ("excluded", subtrees(&constraints.excluded)),
    ])
}

fn distribution_point(point: &DistributionPoint<'_>) -> Node {
    let mut fields = Vec::new();
    if let Some(name) = &point.name {
        fields.push(("name", distribution_point_name(name)));
    }
    if let Some(reasons) = point.reasons {
        fields.push(("reasons", named_bits(reasons, &REASON_FLAGS)));
    }
    if let Some(issuer) = &point.crl_issuer {
        fields.push(("crl_issuer", general_names(issuer)));
    }
    Node::Map(fields)
}

fn distribution_point_name(name: &DistributionPointName<'_>) -> Node {
    match name {
        DistributionPointName::Full(names) => general_names(names),
        DistributionPointName::RelativeToIssuer(rdn) => {
            Node::Map(vec![("relative_to_crl_issuer", Node::safe(rdn.text()))])
        }
    }
}

fn signed_certificate_timestamp(timestamp: &SignedCertificateTimestamp<'_>) -> Node {
    let nanoseconds = i128::from(timestamp.milliseconds) * 1_000_000;
    let at = ::time::OffsetDateTime::from_unix_timestamp_nanos(nanoseconds).map_or_else(
        |_| format!("{} ms after 1970", timestamp.milliseconds),
        |at| format!("{}, {} ms", time(at), timestamp.milliseconds % 1000),
    );
    let algorithm = match (timestamp.hash, timestamp.algorithm) {
        (4, 3) => "ecdsa-with-SHA256".to_owned(),
        (4, 1) => "sha256WithRSAEncryption".to_owned(),
        (hash, algorithm) => format!("hash {hash}, signature {algorithm}"),
    };
    let mut fields = vec![
        (
            "version",
            Node::safe(format!("v{}", u16::from(timestamp.version) + 1)),
        ),
        ("log", Node::Octets(timestamp.log.to_vec())),
        ("timestamp", Node::safe(at)),
        ("signature_algorithm", Node::safe(algorithm)),
        ("signature", Node::Octets(timestamp.signature.to_vec())),
    ];
    if !timestamp.extensions.is_empty() {
        fields.push(("extensions", Node::Octets(timestamp.extensions.to_vec())));
    }
    Node::Map(fields)
}
