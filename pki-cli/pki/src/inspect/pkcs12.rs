//! PKCS#12 files, shown: the MAC, each safe with its encryption, and every bag. Of a key the public half alone.

use ::time::OffsetDateTime;

use super::{
    Held, InspectError, Object, Problem, certificate, crl,
    key::{self, Container},
    node::Node,
};
use crate::{
    key::Passphrase,
    parse::{
        certificate::Certificate,
        crl::Crl,
        der::{Reader, Result},
        public_key::AlgorithmIdentifier,
    },
    pkcs12::{Attribute, Bag, BagKind, Mac, Pkcs12, Pkcs12Error, Protection, Safe},
};

pub(super) fn object(
    octets: &[u8],
    place: String,
    passphrase: Option<&Passphrase>,
    now: OffsetDateTime,
) -> std::result::Result<Object, InspectError> {
    let file = Pkcs12::read(octets, passphrase).map_err(|error| InspectError::Broken {
        place,
        what: "PKCS#12 file",
        reason: match error {
            Pkcs12Error::Malformed(reason) => reason,
            other => other.to_string(),
        },
    })?;
    let mut seen = Seen::default();
    let safes = file.safes.iter().map(|one| safe(one, now, &mut seen));
    let safes: Vec<_> = safes.collect();
    let mut fields = vec![
        ("kind", Node::safe("pkcs12")),
        ("mac", mac(&file, &mut seen)),
    ];
    if seen.is_closed {
        fields.push((
            "advice",
            Node::safe("it is encrypted: give the passphrase (--unlock) to see the rest"),
        ));
    }
    fields.push(("safes", Node::List(safes)));
    let summary = seen.summary();
    Ok(Object {
        kind: "pkcs12",
        short: format!("PKCS#12      {summary}"),
        title: format!("PKCS#12 file with {summary}"),
        node: Node::Map(fields),
        problem: seen.problem.map(|error| match error {
            Pkcs12Error::WrongPassphrase => Problem::WrongPassphrase,
            other => Problem::UnreadableKey(other.to_string()),
        }),
        held: Held::Other,
    })
}

/// What was met on the way, for the line that sums it up.
#[derive(Default)]
struct Seen {
    keys: Vec<String>,
    certificates: Vec<String>,
    crls: usize,
    others: usize,
    closed_safes: usize,
    /// Something could not be opened for want of a passphrase.
    is_closed: bool,
    problem: Option<Pkcs12Error>,
}

/// More names than this are counted and not listed.
const MOST_NAMES: usize = 4;

impl Seen {
    fn failed(&mut self, error: &Pkcs12Error) {
        if *error == Pkcs12Error::Encrypted {
            self.is_closed = true;
        } else if self.problem.is_none() {
            self.problem = Some(error.clone());
        }
    }

    fn summary(&self) -> String {
        let named = |one: &str, many: &str, names: &[String]| match names {
            [] => None,
            [name] => Some(format!("{one} {name}")),
            names if names.len() <= MOST_NAMES => Some(format!("{many} {}", names.join(", "))),
            names => Some(format!("{} {many}", names.len())),
        };
        let counted = |one: &str, many: &str, count: usize| match count {
            0 => None,
            1 => Some(one.to_owned()),
            count => Some(format!("{count} {many}")),
        };
        let parts: Vec<_> = [
            named("private key", "private keys", &self.keys),
            named("certificate", "certificates", &self.certificates),
            counted("1 CRL", "CRLs", self.crls),
            counted("1 other bag", "other bags", self.others),
            counted("1 encrypted safe", "encrypted safes", self.closed_safes),
        ]
        .into_iter()
        .flatten()
        .collect();
        match parts.as_slice() {
            [] => "nothing in it".to_owned(),
            parts => parts.join("; "),
        }
    }
}

fn mac(file: &Pkcs12, seen: &mut Seen) -> Node {
    let Some(Mac {
        algorithm,
        iterations,
        salt,
        verdict,
    }) = &file.mac
    else {
        return Node::Map(vec![(
            "verdict",
            Node::safe("there is none: nobody would notice a change of this file"),
        )]);
    };
    let told = match verdict {
        None => {
            seen.is_closed = true;
            "not checked, for want of a passphrase".to_owned()
        }
        Some(Ok(())) => "right".to_owned(),
        Some(Err(error)) => {
            // What is wrong with the MAC is what is wrong with the file.
            seen.problem = Some(error.clone());
            error.to_string()
        }
    };
    Node::Map(vec![
        ("algorithm", Node::safe(algorithm.clone())),
        ("iterations", Node::Number(*iterations)),
        ("salt", Node::Octets(salt.clone())),
        ("verdict", Node::safe(told)),
    ])
}

fn safe(safe: &Safe, now: OffsetDateTime, seen: &mut Seen) -> Node {
    let encryption = match &safe.protection {
        Protection::Encrypted(algorithm) => encryption(algorithm),
        other => Node::safe(other.to_string()),
    };
    let mut fields = vec![("encryption", encryption)];
    match &safe.bags {
        Ok(bags) => {
            let bags = bags.iter().map(|one| bag(one, now, seen)).collect();
            fields.push(("bags", Node::List(bags)));
        }
        Err(error) => {
            seen.closed_safes += 1;
            seen.failed(error);
            fields.push(("problem", Node::safe(error.to_string())));
        }
    }
    Node::Map(fields)
}

fn encryption(algorithm: &[u8]) -> Node {
    match AlgorithmIdentifier::read(&mut Reader::new(algorithm), "the encryption") {
        Ok(algorithm) => key::encryption(&algorithm),
        Err(error) => Node::safe(error.to_string()),
    }
}

fn bag(bag: &Bag, now: OffsetDateTime, seen: &mut Seen) -> Node {
    let (kind, content) = content(bag, now, seen);
    let mut fields = vec![("bag", Node::safe(kind))];
    let mut others = Vec::new();
    for attribute in &bag.attributes {
        match attribute {
            Attribute::FriendlyName(name) => fields.push(("friendly_name", Node::text(name))),
            Attribute::LocalKeyId(id) => fields.push(("local_key_id", Node::Octets(id.clone()))),
            Attribute::Other(name, values) => others.push(Node::Map(vec![
                ("type", Node::safe(name.clone())),
                ("values", Node::Octets(values.clone())),
            ])),
        }
    }
    fields.push(("attributes", Node::List(others)));
    fields.extend(content);
    Node::Map(fields)
}

fn content(bag: &Bag, now: OffsetDateTime, seen: &mut Seen) -> (String, Vec<(&'static str, Node)>) {
    match &bag.kind {
        BagKind::Key(octets) => {
            let key = shown(
                "private_key",
                key::private(octets, Container::Pkcs8),
                &mut seen.keys,
            );
            ("key, not encrypted".to_owned(), vec![key])
        }
        BagKind::ShroudedKey { algorithm, opened } => {
            let mut fields = vec![("encryption", encryption(algorithm))];
            match opened {
                Ok(octets) => fields.push(shown(
                    "private_key",
                    key::private(octets, Container::Pkcs8),
                    &mut seen.keys,
                )),
                Err(error) => {
                    seen.keys.push("(encrypted)".to_owned());
                    seen.failed(error);
                    fields.push(("problem", Node::safe(error.to_string())));
                }
            }
            ("key, encrypted".to_owned(), fields)
        }
        BagKind::Certificate(octets) => {
            let read = Certificate::from_der(octets).map(|read| {
                let mut object = certificate::object(&read, now);
                object.short = certificate::certificate_name(&read);
                object
            });
            let certificate = shown("certificate", read, &mut seen.certificates);
            ("certificate".to_owned(), vec![certificate])
        }
        BagKind::Crl(octets) => {
            seen.crls += 1;
            let read = Crl::from_der(octets).map(|read| crl::object(&read, now));
            ("CRL".to_owned(), vec![shown("crl", read, &mut Vec::new())])
        }
        BagKind::Other { what, octets } => {
            seen.others += 1;
            // It may be a secret, so its content is not shown.
            let octets = Node::Number(u64::try_from(*octets).unwrap_or(u64::MAX));
            (what.clone(), vec![("octets", octets)])
        }
    }
}

/// An object in a bag, as it is shown on its own; its short form goes to `names`.
fn shown(
    field: &'static str,
    read: Result<Object>,
    names: &mut Vec<String>,
) -> (&'static str, Node) {
    match read {
        Ok(object) => {
            let short = object.short.trim_start_matches("private key").trim_start();
            names.push(short.trim_end_matches(" (not encrypted)").to_owned());
            (field, object.node)
        }
        Err(error) => {
            names.push("(unreadable)".to_owned());
            ("problem", Node::safe(format!("it cannot be read: {error}")))
        }
    }
}
