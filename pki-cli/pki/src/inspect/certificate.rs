//! Certificates, shown.

use std::borrow::Cow;

use ::time::OffsetDateTime;

use super::{
    Held, Object, counted, days_left, extensions, fingerprints,
    node::Node,
    public_key::{self, distinguished_name, signature_algorithm},
    serial,
};
use crate::parse::{
    certificate::Certificate,
    extensions::Content,
    oid::{Oid, known},
};

pub(super) fn object(certificate: &Certificate<'_>, now: OffsetDateTime) -> Object {
    let (not_before, not_after) = (certificate.not_before.at, certificate.not_after.at);
    let days = days_left(not_after, now);
    let used_for = used_for(certificate);
    let validity = validity(not_before, not_after, now);
    let subject = distinguished_name(&certificate.subject);
    // As every root has it.
    let issuer = match certificate.issuer.raw == certificate.subject.raw {
        true => subject.clone(),
        false => distinguished_name(&certificate.issuer),
    };
    let mut fields = Vec::with_capacity(20);
    fields.extend([
        ("kind", Node::safe("certificate")),
        ("used_for", Node::safe(used_for.clone())),
        (
            "version",
            Node::Number(certificate.version.saturating_add(1)),
        ),
        ("serial", serial(certificate.serial)),
        (
            "signature_algorithm",
            signature_algorithm(&certificate.signature_algorithm),
        ),
        ("issuer", issuer),
        ("not_before", Node::Time(not_before)),
        ("not_after", Node::Time(not_after)),
        (
            "validity",
            Node::Titled {
                title: validity.clone().into(),
                fields: vec![
                    ("text", Node::safe(validity)),
                    ("days_left", Node::Days(days)),
                ],
                body: "",
            },
        ),
        ("subject", subject),
        ("public_key", public_key::node(&certificate.public_key)),
    ]);
    if certificate.signature_algorithm != certificate.tbs_signature_algorithm {
        fields.push((
            "signed_signature_algorithm",
            signature_algorithm(&certificate.tbs_signature_algorithm),
        ));
    }
    for (name, id) in [
        ("issuer_unique_id", certificate.issuer_unique_id),
        ("subject_unique_id", certificate.subject_unique_id),
    ] {
        if let Some(id) = id {
            fields.push((name, Node::Octets(id.octets.to_vec())));
        }
    }
    fields.push(("extensions", extensions::list(&certificate.extensions)));
    let faults = certificate
        .faults
        .iter()
        .map(|(clause, fault)| Node::safe(format!("{fault} ({clause})")));
    fields.push(("faults", Node::List(faults.collect())));
    fields.push((
        "signature",
        Node::Octets(certificate.signature.octets.to_vec()),
    ));
    fields.push(("fingerprints", fingerprints(certificate.raw)));

    let name = certificate_name(certificate);
    let (key, left) = (public_key::short(&certificate.public_key), left(days));
    let issuer = match certificate.issuer.short() {
        Some(name) => crate::text::escape(&name),
        None => "without a name".to_owned(),
    };
    Object {
        kind: "certificate",
        short: [
            "certificate  ",
            &name,
            "  (",
            &used_for,
            ", ",
            &key,
            ", ",
            &left,
            ", issuer ",
            &issuer,
            ")",
        ]
        .concat(),
        title: ["Certificate ", &name].concat(),
        node: Node::Map(fields),
        problem: None,
        held: Held::Certificate(certificate.raw.to_vec()),
    }
}

pub(super) fn certificate_name(certificate: &Certificate<'_>) -> String {
    match certificate.subject.short() {
        Some(name) => crate::text::escape(&name),
        None => match certificate
            .extension(known::SUBJECT_ALT_NAME)
            .map(|extension| extension.decode())
        {
            Some(Ok(Content::SubjectAltName(names))) => {
                names.first().map(ToString::to_string).unwrap_or_default()
            }
            _ => format!("serial {}", crate::text::hex(certificate.serial)),
        },
    }
}

fn left(days: i64) -> String {
    match days {
        i64::MIN..0 => "expired".to_owned(),
        0 => "expires today".to_owned(),
        days => {
            let mut out = counted(days);
            out.push_str(" left");
            out
        }
    }
}

pub(super) fn validity(
    not_before: OffsetDateTime,
    not_after: OffsetDateTime,
    now: OffsetDateTime,
) -> String {
    if now < not_before {
        let days = (not_before - now).whole_days() + 1;
        format!("not yet: begins in {}", counted(days))
    } else if days_left(not_after, now) < 0 {
        match (now - not_after).whole_days() {
            0 => "expired today".to_owned(),
            days => format!("expired {} ago", counted(days)),
        }
    } else {
        left(days_left(not_after, now))
    }
}

/// In plain words, what this certificate can be used for.
pub(super) fn used_for(certificate: &Certificate<'_>) -> String {
    match role(certificate) {
        (role, detail) if detail.is_empty() => role.into_owned(),
        (role, detail) => [&*role, ", ", &detail].concat(),
    }
}

/// The same in two parts: a few words for a list, and what can be left out there.
pub(super) fn role(certificate: &Certificate<'_>) -> (Cow<'static, str>, Cow<'static, str>) {
    let content = |oid: Oid<'_>| {
        certificate
            .extension(oid)
            .and_then(|extension| extension.decode().ok())
    };
    let self_issued = certificate.is_self_issued();
    if certificate.extension(known::CT_POISON).is_some() {
        return ("precertificate".into(), "not for use".into());
    }
    if let Some(Content::BasicConstraints(constraints)) = content(known::BASIC_CONSTRAINTS)
        && constraints.ca
    {
        let kind = if self_issued {
            "root CA"
        } else {
            "intermediate CA"
        };
        let detail = match constraints.path_length {
            None => "issues CAs without limit".into(),
            Some(0) => "issues end entities only".into(),
            Some(1) => "one level of CAs below it".into(),
            Some(levels) => format!("{levels} levels of CAs below it").into(),
        };
        return (kind.into(), detail);
    }
    let own = if self_issued { "issued by itself" } else { "" }.into();
    let Some(Content::ExtendedKeyUsage(usages)) = content(known::EXTENDED_KEY_USAGE) else {
        return ("any use (no extendedKeyUsage)".into(), own);
    };
    let has = |oid| usages.contains(&oid);
    let words = match (has(known::SERVER_AUTH), has(known::CLIENT_AUTH)) {
        _ if has(known::ANY_EXTENDED_KEY_USAGE) => "any use".into(),
        (true, true) => "TLS server and client".into(),
        (true, false) => "TLS server".into(),
        (false, true) => "TLS client".into(),
        (false, false) => usages
            .iter()
            .map(|usage| usage.name())
            .collect::<Vec<_>>()
            .join(", ")
            .into(),
    };
    (words, own)
}
