//! Public keys, shown: algorithm, size, curve, and every octet.

use std::borrow::Cow;

use super::node::Node;
use crate::parse::{
    der::{Reader, tag},
    name,
    oid::Oid,
    public_key::{AlgorithmIdentifier, KeyKind, PublicKey, without_sign},
};

pub(super) fn node(key: &PublicKey<'_>) -> Node {
    let mut fields = vec![
        ("algorithm", Node::safe(key.algorithm.oid.name())),
        ("oid", Node::oid(key.algorithm.oid)),
    ];
    if let Some(bits) = key.bits() {
        fields.push((
            "bits",
            Node::Number(u64::try_from(bits).unwrap_or(u64::MAX)),
        ));
    }
    match key.kind() {
        KeyKind::Rsa { modulus, exponent } => {
            fields.push(("modulus", Node::Octets(modulus.to_vec())));
            fields.push(("exponent", number(exponent)));
        }
        KeyKind::Ec { curve, point } => {
            fields.push(("curve", Node::safe(curve_name(curve))));
            fields.push(("curve_oid", Node::oid(curve)));
            fields.push(("point", Node::Octets(point.to_vec())));
        }
        KeyKind::EcExplicit { point } => {
            fields.push(("curve", Node::safe("written out, not named")));
            fields.push(("point", Node::Octets(point.to_vec())));
        }
        KeyKind::Dsa { public } => {
            fields.push(("public", Node::Octets(public.to_vec())));
            if let Some((p, q, g)) = key.dsa_parameters() {
                fields.push(("p", Node::Octets(p.to_vec())));
                fields.push(("q", Node::Octets(q.to_vec())));
                fields.push(("g", Node::Octets(g.to_vec())));
            }
        }
        KeyKind::Octets(octets) => fields.push(("key", Node::Octets(octets.to_vec()))),
        KeyKind::Broken(octets) => {
            fields.push(("problem", Node::safe("it does not fit its algorithm")));
            fields.push(("key", Node::Octets(octets.to_vec())));
        }
    }
    if let Some(parameters) = key.algorithm.parameters
        && !matches!(key.kind(), KeyKind::Ec { .. } | KeyKind::Dsa { .. })
        && parameters != [5, 0]
    {
        fields.push(("parameters", Node::Octets(parameters.to_vec())));
    }
    fields.push(("sha256", Node::Octets(super::sha256(key.raw))));
    Node::Map(fields)
}

/// “P-256”, “RSA 4096”: as people speak of keys.
pub(super) fn short(key: &PublicKey<'_>) -> String {
    match (key.kind(), key.bits()) {
        (KeyKind::Rsa { .. }, Some(bits)) => sized("RSA ", bits),
        (KeyKind::Dsa { .. }, Some(bits)) => sized("DSA ", bits),
        (KeyKind::Ec { curve, .. }, _) => curve.name().into_owned(),
        (KeyKind::EcExplicit { .. }, _) => "EC on a curve that is written out".to_owned(),
        _ => key.algorithm.oid.name().into_owned(),
    }
}

fn sized(kind: &str, bits: usize) -> String {
    let mut out = kind.to_owned();
    crate::text::push_number(bits.try_into().unwrap_or(u64::MAX), &mut out);
    out
}

/// The curve by NIST's name and by the one that openssl's users know.
fn curve_name(curve: Oid<'_>) -> Cow<'static, str> {
    let name = curve.name();
    match &*name {
        "P-192" => "P-192 (prime192v1)".into(),
        "P-224" => "P-224 (secp224r1)".into(),
        "P-256" => "P-256 (prime256v1)".into(),
        "P-384" => "P-384 (secp384r1)".into(),
        "P-521" => "P-521 (secp521r1)".into(),
        _ => name,
    }
}

/// A positive number: as such when it is small, or else its octets.
pub(super) fn number(integer: &[u8]) -> Node {
    let octets = without_sign(integer);
    match <[u8; 8]>::try_from(
        [
            &[0; 8][octets.len().min(8)..],
            &octets[..octets.len().min(8)],
        ]
        .concat(),
    ) {
        Ok(eight) if octets.len() <= 8 => Node::Number(u64::from_be_bytes(eight)),
        _ => Node::Octets(octets.to_vec()),
    }
}

/// The algorithm of a signature, with the parameters that say more than its name.
pub(super) fn signature_algorithm(algorithm: &AlgorithmIdentifier<'_>) -> Node {
    let mut title = algorithm.oid.name();
    let mut fields = vec![
        ("name", Node::safe(title.clone())),
        ("oid", Node::oid(algorithm.oid)),
    ];
    if let Some(parameters) = algorithm
        .parameters
        .filter(|parameters| *parameters != [5, 0])
    {
        if algorithm.oid == crate::parse::oid::known::RSASSA_PSS
            && let Some(pss) = pss(parameters)
        {
            let Pss {
                hash,
                mask,
                salt_length,
                trailer_field,
            } = pss;
            title = format!(
                "{title} (hash {hash}, mask {mask}, salt length {salt_length}, trailer field {trailer_field})"
            )
            .into();
            fields.push(("hash", Node::safe(hash)));
            fields.push(("mask", Node::safe(mask)));
            fields.push(("salt_length", Node::Number(salt_length)));
            fields.push(("trailer_field", Node::Number(trailer_field)));
        }
        fields.push(("parameters", Node::Octets(parameters.to_vec())));
    }
    Node::Titled {
        title,
        fields,
        body: "",
    }
}

/// RSASSA-PSS-params (RFC 4055 section 3.1).
struct Pss {
    hash: String,
    mask: String,
    salt_length: u64,
    trailer_field: u64,
}

fn pss(parameters: &[u8]) -> Option<Pss> {
    let what = "the parameters";
    let mut reader = Reader::new(parameters).sequence(what).ok()?;
    let mut explicit = |n| {
        reader
            .optional(tag::context_constructed(n), what)
            .map(|found| found.map(|it| it.content))
    };
    let (hash, mask, salt, trailer) = (
        explicit(0).ok()?,
        explicit(1).ok()?,
        explicit(2).ok()?,
        explicit(3).ok()?,
    );
    let algorithm = |octets| AlgorithmIdentifier::read(&mut Reader::new(octets), what).ok();
    let number = |octets: Option<&[u8]>, default| match octets {
        Some(octets) => Reader::new(octets).unsigned(what).ok(),
        None => Some(default),
    };
    Some(Pss {
        hash: hash.map_or_else(
            || Some("SHA-1".to_owned()),
            |hash| Some(algorithm(hash)?.oid.name().into_owned()),
        )?,
        mask: match mask {
            None => "MGF1 with SHA-1".to_owned(),
            Some(mask) => {
                let mask = algorithm(mask)?;
                format!(
                    "{} with {}",
                    mask.oid.name(),
                    algorithm(mask.parameters?)?.oid.name()
                )
            }
        },
        salt_length: number(salt, 20)?,
        trailer_field: number(trailer, 1)?,
    })
}

/// A distinguished name: as one text, and taken apart.
pub(super) fn distinguished_name(name: &name::Name<'_>) -> Node {
    Node::Name {
        text: name.text(),
        der: name.raw.to_vec(),
    }
}

/// The parts of a name that was read before.
pub(super) fn name_fields(text: &str, der: &[u8]) -> Node {
    let name = name::Name::read(&mut Reader::new(der), "the name");
    let attributes = name
        .iter()
        .flat_map(name::Name::rdns)
        .map(|rdn| {
            let attributes = rdn.attributes().map(|attribute| {
                Node::Map(vec![
                    ("type", Node::safe(attribute.type_name())),
                    ("oid", Node::oid(attribute.oid)),
                    ("value", Node::text(attribute.text())),
                ])
            });
            Node::List(attributes.collect())
        })
        .collect();
    Node::Map(vec![
        ("text", Node::safe(text.to_owned())),
        ("rdns", Node::List(attributes)),
    ])
}
