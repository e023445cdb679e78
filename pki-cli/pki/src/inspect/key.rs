//! Keys, shown: kind, size and the public half. The private half never leaves this file in any form.

use super::{
    Held, Object, Problem, PublicHalf,
    node::Node,
    public_key::{self},
};
use crate::{
    key::{KeyError, Passphrase, PrivateKey},
    parse::{
        der::{Reader, Result, tag},
        oid::known,
        public_key::{AlgorithmIdentifier, PublicKey},
    },
};

/// How a private key is wrapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Container {
    Pkcs8,
    Pkcs1,
    Sec1,
    /// DSA keys of old openssl.
    Dsa,
}

/// A public key on its own.
pub(super) fn public(key: &PublicKey<'_>) -> Object {
    let fields = vec![
        ("kind", Node::safe("public_key")),
        ("public_key", public_key::node(key)),
    ];
    let short = public_key::short(key);
    Object {
        kind: "public_key",
        short: format!("public key   {short}"),
        title: format!("Public key {short}"),
        node: Node::Map(fields),
        problem: None,
        held: Held::Other,
    }
}

/// A private key that is not encrypted.
pub(super) fn private(octets: &[u8], container: Container) -> Result<Object> {
    let algorithm = algorithm(octets, container)?;
    Ok(show(octets, container, &algorithm, false))
}

/// A private key that is encrypted, opened with the passphrase if there is one.
pub(super) fn encrypted(octets: &[u8], passphrase: Option<&Passphrase>) -> Result<Object> {
    let what = "the encrypted key";
    let mut reader = Reader::new(octets).sequence(what)?;
    let scheme = AlgorithmIdentifier::read(&mut reader, what)?;
    reader.octet_string(what)?;
    reader.end(what)?;
    let scheme_node = encryption(&scheme);
    let Some(passphrase) = passphrase else {
        return Ok(closed(
            scheme_node,
            "give the passphrase to see which key it is",
        ));
    };
    match PrivateKey::decrypt(octets, Some(passphrase)) {
        Ok(key) => {
            let mut object = match PublicKey::from_der(key.public().spki()) {
                Ok(public_key) => opened(&public_key, "PKCS#8", true),
                Err(error) => return Err(error),
            };
            if let Node::Map(fields) = &mut object.node {
                fields.push(("encryption", scheme_node));
            }
            Ok(object)
        }
        Err(error) => {
            let mut object = closed(scheme_node, "");
            if let Node::Map(fields) = &mut object.node {
                fields.push(("problem", Node::safe(error.to_string())));
            }
            object.problem = Some(match error {
                KeyError::WrongPassphrase => Problem::WrongPassphrase,
                error => Problem::UnreadableKey(error.to_string()),
            });
            Ok(object)
        }
    }
}

/// A private key in the PEM encryption of old openssl, of which the headers tell the cipher.
pub(super) fn old_encryption(label: &str, headers: &[&str]) -> Object {
    let cipher = headers
        .iter()
        .find_map(|header| header.strip_prefix("DEK-Info:"));
    // Only what is known is repeated: in a damaged file the key itself may stand here.
    let cipher = cipher
        .and_then(|info| info.split(',').next())
        .and_then(|cipher| CIPHERS.into_iter().find(|known| *known == cipher.trim()))
        .unwrap_or("unknown");
    let encryption = Node::Map(vec![
        (
            "scheme",
            Node::safe("PEM encryption of old openssl (RFC 1421), with MD5: weak"),
        ),
        ("cipher", Node::safe(cipher)),
    ]);
    let mut object = closed(
        encryption,
        "convert it: openssl pkcs8 -topk8 -in FILE -out NEW",
    );
    object.short = format!(
        "private key  {} (encrypted)",
        label.replace(" PRIVATE KEY", "")
    );
    object
}

/// What `openssl rsa` and its siblings encrypt with.
const CIPHERS: [&str; 12] = [
    "AES-128-CBC",
    "AES-192-CBC",
    "AES-256-CBC",
    "ARIA-128-CBC",
    "ARIA-192-CBC",
    "ARIA-256-CBC",
    "CAMELLIA-128-CBC",
    "CAMELLIA-192-CBC",
    "CAMELLIA-256-CBC",
    "DES-CBC",
    "DES-EDE3-CBC",
    "IDEA-CBC",
];

fn closed(encryption: Node, advice: &'static str) -> Object {
    let mut fields = vec![
        ("kind", Node::safe("private_key")),
        ("encrypted", Node::Bool(true)),
        ("encryption", encryption),
    ];
    if !advice.is_empty() {
        fields.push(("advice", Node::safe(advice)));
    }
    Object {
        kind: "private_key",
        short: "private key  (encrypted)".to_owned(),
        title: "Private key, encrypted".to_owned(),
        node: Node::Map(fields),
        problem: None,
        held: Held::PrivateKey(PublicHalf::Encrypted),
    }
}

fn opened(public_key: &PublicKey<'_>, container: &'static str, encrypted: bool) -> Object {
    let short = public_key::short(public_key);
    let fields = vec![
        ("kind", Node::safe("private_key")),
        ("encrypted", Node::Bool(encrypted)),
        ("format", Node::safe(container)),
        ("algorithm", Node::safe(short.clone())),
        ("public_key", public_key::node(public_key)),
    ];
    let how = if encrypted {
        "encrypted"
    } else {
        "not encrypted"
    };
    Object {
        kind: "private_key",
        short: format!("private key  {short} ({how})"),
        title: format!("Private key {short}, {how}"),
        node: Node::Map(fields),
        problem: None,
        held: Held::PrivateKey(PublicHalf::Known(public_key.raw.to_vec())),
    }
}

fn show(octets: &[u8], container: Container, algorithm: &str, encrypted: bool) -> Object {
    let format = match container {
        Container::Pkcs8 => "PKCS#8",
        Container::Pkcs1 => "PKCS#1",
        Container::Sec1 => "SEC 1",
        Container::Dsa => "openssl's own for DSA",
    };
    // aws-lc computes the public half and checks that the private one fits it.
    let read = PrivateKey::read(octets, None);
    if let Ok(key) = &read
        && let Ok(public_key) = PublicKey::from_der(key.public().spki())
    {
        return opened(&public_key, format, encrypted);
    }
    let mut fields = vec![
        ("kind", Node::safe("private_key")),
        ("encrypted", Node::Bool(encrypted)),
        ("format", Node::safe(format)),
        ("algorithm", Node::safe(algorithm.to_owned())),
    ];
    if let Err(error) = read {
        fields.push((
            "problem",
            Node::safe(format!("{error}; its public half is not shown")),
        ));
    }
    Object {
        kind: "private_key",
        short: format!("private key  {algorithm} (not usable here)"),
        title: format!("Private key {algorithm}"),
        node: Node::Map(fields),
        problem: None,
        held: Held::PrivateKey(PublicHalf::Unknown),
    }
}

/// The kind of key, read from the outside of its container; fails when the octets are not such a container.
fn algorithm(octets: &[u8], container: Container) -> Result<String> {
    let what = "the private key";
    let mut reader = Reader::new(octets).sequence(what)?;
    reader.unsigned(what)?;
    match container {
        Container::Pkcs8 => {
            let algorithm = AlgorithmIdentifier::read(&mut reader, what)?;
            reader.octet_string(what)?;
            Ok(match algorithm.parameter_oid() {
                Some(curve) if algorithm.oid == known::EC_PUBLIC_KEY => {
                    format!("EC on {}", curve.name())
                }
                _ => algorithm.oid.name().into_owned(),
            })
        }
        Container::Pkcs1 => {
            let modulus = reader.integer(what)?;
            for _ in 0..7 {
                reader.integer(what)?;
            }
            Ok(format!("RSA {}", crate::parse::public_key::bits(modulus)))
        }
        Container::Sec1 => {
            reader.octet_string(what)?;
            let curve = reader.optional(tag::context_constructed(0), what)?;
            let curve = curve.and_then(|value| Reader::new(value.content).oid(what).ok());
            Ok(curve.map_or_else(
                || "EC".to_owned(),
                |curve| format!("EC on {}", curve.name()),
            ))
        }
        Container::Dsa => {
            let modulus = reader.integer(what)?;
            for _ in 0..4 {
                reader.integer(what)?;
            }
            reader.end(what)?;
            Ok(format!("DSA {}", crate::parse::public_key::bits(modulus)))
        }
    }
}

/// The scheme of an encrypted PKCS#8 key (RFC 8018), as far as it can be told without the passphrase.
pub(super) fn encryption(scheme: &AlgorithmIdentifier<'_>) -> Node {
    let mut fields = vec![("scheme", Node::safe(scheme.oid.name_and_numbers()))];
    if scheme.oid == known::PBES2
        && let Some(parameters) = scheme.parameters
    {
        // What cannot be read is left out: it is a description, and the scheme is named already.
        let _ = describe_pbes2(parameters, &mut fields);
    }
    Node::Map(fields)
}

fn describe_pbes2(parameters: &[u8], fields: &mut Vec<(&'static str, Node)>) -> Result<()> {
    let what = "the encryption's parameters";
    let mut reader = Reader::new(parameters).sequence(what)?;
    let derivation = AlgorithmIdentifier::read(&mut reader, what)?;
    let cipher = AlgorithmIdentifier::read(&mut reader, what)?;
    fields.push(("cipher", Node::safe(cipher.oid.name_and_numbers())));
    fields.push((
        "key_derivation",
        Node::safe(derivation.oid.name_and_numbers()),
    ));
    let mut inner = Reader::new(derivation.parameters.unwrap_or_default()).sequence(what)?;
    inner.octet_string(what)?;
    fields.push(("cost", Node::Number(inner.unsigned(what)?)));
    // The length of the key may stand between.
    inner.optional(tag::INTEGER, what)?;
    if inner.peek() == Some(tag::SEQUENCE) {
        let hash = AlgorithmIdentifier::read(&mut inner, what)?;
        fields.push(("hash", Node::safe(hash.oid.name_and_numbers())));
    }
    Ok(())
}
