//! Certificate requests, shown, with their proof of possession checked.

use std::borrow::Cow;

use super::{
    Held, Object, Problem, extensions, fingerprints,
    node::Node,
    public_key::{self, distinguished_name, signature_algorithm},
};
use crate::parse::{name::string, oid::known, request::Request};

pub(super) fn object(request: &Request<'_>) -> Object {
    let (proof, problem) = proof_of_possession(request);
    let mut fields = vec![
        ("kind", Node::safe("certificate_request")),
        ("version", Node::Number(request.version.saturating_add(1))),
        ("subject", distinguished_name(&request.subject)),
        ("public_key", public_key::node(&request.public_key)),
    ];
    let others = request
        .attributes
        .iter()
        .filter(|(oid, _)| *oid != known::EXTENSION_REQUEST)
        .map(|(oid, values)| {
            let values = values.iter().map(|value| match string(*value) {
                // RFC 2985 section 5.4.1: it is a password for revocation, in the clear.
                Some(_) if *oid == known::CHALLENGE_PASSWORD => Node::safe("(not shown)"),
                Some(text) => Node::text(text),
                None => Node::Octets(value.raw.to_vec()),
            });
            Node::Map(vec![
                ("type", Node::safe(oid.name_and_numbers())),
                ("values", Node::List(values.collect())),
            ])
        });
    fields.push(("attributes", Node::List(others.collect())));
    fields.push((
        "requested_extensions",
        match request.extensions() {
            Ok(list) => extensions::list(&list),
            Err(error) => Node::safe(format!("they cannot be read: {error}")),
        },
    ));
    fields.push((
        "signature_algorithm",
        signature_algorithm(&request.signature_algorithm),
    ));
    fields.push(("signature", Node::Octets(request.signature.octets.to_vec())));
    fields.push(("proof_of_possession", Node::safe(proof.clone())));
    fields.push(("fingerprints", fingerprints(request.raw)));
    let name = request.subject.short().map_or_else(
        || "without a name".to_owned(),
        |name| crate::text::escape(&name),
    );
    Object {
        kind: "certificate_request",
        short: format!(
            "request      {name}  ({}, {proof})",
            public_key::short(&request.public_key)
        ),
        title: format!("Certificate request {name}"),
        node: Node::Map(fields),
        problem,
        held: Held::Other,
    }
}

fn proof_of_possession(request: &Request<'_>) -> (Cow<'static, str>, Option<Problem>) {
    use crate::path_validation::{SignatureVerdict, unfit, verify_signature};
    match verify_signature(
        &request.public_key,
        &request.signature_algorithm,
        request.info,
        request.signature,
    ) {
        SignatureVerdict::Right => ("the signature is right".into(), None),
        SignatureVerdict::Wrong => (
            "THE SIGNATURE IS WRONG: the request was altered, or its key is not the requester's"
                .into(),
            Some(Problem::WrongProofOfPossession),
        ),
        SignatureVerdict::UnknownAlgorithm => {
            let why = unfit(&request.public_key, &request.signature_algorithm);
            (format!("not checked: {}", why.join(", and ")).into(), None)
        }
    }
}
