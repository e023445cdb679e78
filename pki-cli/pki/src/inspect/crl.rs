//! Certificate revocation lists, shown.

use ::time::OffsetDateTime;

use super::{
    Held, Object, days_left, extensions, fingerprints,
    node::{Node, RevokedEntry},
    public_key::{distinguished_name, signature_algorithm},
};
use crate::parse::crl::Crl;

pub(super) fn object(crl: &Crl<'_>, now: OffsetDateTime) -> Object {
    let mut fields = vec![
        ("kind", Node::safe("crl")),
        (
            "version",
            Node::Number(crl.version.map_or(1, |version| version.saturating_add(1))),
        ),
        (
            "signature_algorithm",
            signature_algorithm(&crl.signature_algorithm),
        ),
        ("issuer", distinguished_name(&crl.issuer)),
        ("last_update", Node::Time(crl.this_update.at)),
    ];
    let freshness = match crl.next_update {
        None => "does not say when the next one comes".to_owned(),
        Some(next) => {
            fields.push(("next_update", Node::Time(next.at)));
            match days_left(next.at, now) {
                days if days < 0 => "out of date".to_owned(),
                days => format!("next in {days} days"),
            }
        }
    };
    fields.push(("validity", Node::safe(freshness.clone())));
    if crl.signature_algorithm != crl.tbs_signature_algorithm {
        fields.push((
            "signed_signature_algorithm",
            signature_algorithm(&crl.tbs_signature_algorithm),
        ));
    }
    fields.push(("extensions", extensions::list(&crl.extensions)));
    let revoked = crl.revoked.iter().map(|entry| RevokedEntry {
        serial: entry.serial.into(),
        date: entry.date.at,
        extensions: match entry.extensions.is_empty() {
            true => None,
            false => Some(Box::new(extensions::list(&entry.extensions))),
        },
    });
    fields.push(("revoked", Node::Revoked(revoked.collect())));
    fields.push(("signature", Node::Octets(crl.signature.octets.to_vec())));
    fields.push(("fingerprints", fingerprints(crl.raw)));
    let issuer = crl.issuer.short().map_or_else(
        || "without a name".to_owned(),
        |name| crate::text::escape(&name),
    );
    Object {
        kind: "crl",
        short: format!(
            "CRL  of {issuer}  ({} revoked, {freshness})",
            crl.revoked.len()
        ),
        title: format!("CRL of {issuer}"),
        node: Node::Map(fields),
        problem: None,
        held: Held::Other,
    }
}
