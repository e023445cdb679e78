//! A good chain of three with its CRLs, changed value by value and signed again, so that what lies behind the signature
//! is reached: the profile, the constraints, the policies, revocation.
//!
//! The octets are instructions, eight each: which object, which value in it, what to do to it, and with what. The keys
//! are fixed and worthless.

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};

use super::targets::judge;

const ED25519: &[u8] = &[0x30, 5, 6, 3, 0x2b, 0x65, 0x70];

/// One value in DER, and what is in it.
#[derive(Clone)]
enum Value {
    Of(u8, Vec<Self>),
    Octets(u8, Vec<u8>),
    /// An OCTET STRING with one value in it, as an extension has.
    Wrapped(Box<Self>),
}

use Value::{Octets, Of, Wrapped};

/// The fuzz target.
pub fn target(octets: &[u8]) {
    let Some((&flags, instructions)) = octets.split_first() else {
        return;
    };
    let mut objects = good();
    for instruction in instructions.chunks_exact(8).take(64) {
        let Ok(instruction) = <[u8; 8]>::try_from(instruction) else {
            return;
        };
        let object = usize::from(instruction[0]) % objects.len();
        let count = objects[object].count();
        let at = usize::from(u16::from_be_bytes([instruction[1], instruction[2]])) % count;
        let other = {
            let source = &objects[usize::from(instruction[3]) % objects.len()];
            let at = usize::from(u16::from_be_bytes([instruction[4], instruction[5]]));
            source.value(&mut (at % source.count())).cloned()
        };
        objects[object].change(&mut { at }, instruction[6], instruction[7], other);
    }
    let [root, issuing, leaf, of_root, of_issuing] = &objects;
    let keys = [key(1), key(2)];
    let [root, issuing, leaf, of_root, of_issuing] = [
        sign(root, &keys[0]),
        sign(issuing, &keys[0]),
        sign(leaf, &keys[1]),
        sign(of_root, &keys[0]),
        sign(of_issuing, &keys[1]),
    ];
    judge(
        &leaf,
        &[&root],
        &[&issuing],
        &[&of_root, &of_issuing],
        flags,
    );
    for object in [&root, &issuing, &leaf] {
        super::targets::certificate(object);
    }
    for list in [&of_root, &of_issuing] {
        super::targets::crl(list);
    }
}

/// The same chain without a change, as DER: root, issuing CA, leaf, the root's CRL and the issuing CA's.
pub fn unchanged() -> [Vec<u8>; 5] {
    let [root, issuing, leaf, of_root, of_issuing] = good();
    [
        sign(&root, &key(1)),
        sign(&issuing, &key(1)),
        sign(&leaf, &key(2)),
        sign(&of_root, &key(1)),
        sign(&of_issuing, &key(2)),
    ]
}

fn key(number: u8) -> Ed25519KeyPair {
    Ed25519KeyPair::from_seed_unchecked(&[number; 32]).expect("a seed")
}

fn sign(content: &Value, key: &Ed25519KeyPair) -> Vec<u8> {
    let content = content.encoded();
    let signature = [&[0], key.sign(&content).as_ref()].concat();
    tlv(
        0x30,
        &[content, ED25519.to_vec(), tlv(3, &signature)].concat(),
    )
}

fn tlv(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len();
    let header = match length {
        0..0x80 => vec![tag, length as u8],
        0x80..0x100 => vec![tag, 0x81, length as u8],
        _ => vec![tag, 0x82, (length >> 8) as u8, length as u8],
    };
    [&header, content].concat()
}

impl Value {
    fn encoded(&self) -> Vec<u8> {
        match self {
            Of(tag, parts) => {
                let content: Vec<u8> = parts.iter().flat_map(Self::encoded).collect();
                // Longer than any length that is written here: cut, as damage goes.
                tlv(*tag, &content[..content.len().min(0xffff)])
            }
            Octets(tag, octets) => tlv(*tag, octets),
            Wrapped(value) => tlv(4, &value.encoded()),
        }
    }

    fn count(&self) -> usize {
        match self {
            Of(_, parts) => 1 + parts.iter().map(Self::count).sum::<usize>(),
            Octets(..) => 1,
            Wrapped(value) => 1 + value.count(),
        }
    }

    /// The value at a place, counted from outside in.
    fn value(&self, at: &mut usize) -> Option<&Self> {
        if *at == 0 {
            return Some(self);
        }
        *at -= 1;
        match self {
            Of(_, parts) => parts.iter().find_map(|part| part.value_or_pass(at)),
            Octets(..) => None,
            Wrapped(value) => value.value_or_pass(at),
        }
    }

    fn value_or_pass(&self, at: &mut usize) -> Option<&Self> {
        let count = self.count();
        if *at < count {
            return self.value(at);
        }
        *at -= count;
        None
    }

    fn change(&mut self, at: &mut usize, what: u8, with: u8, other: Option<Self>) {
        if *at == 0 {
            return self.change_here(what, with, other);
        }
        *at -= 1;
        let parts: &mut [Self] = match self {
            Of(_, parts) => parts,
            Octets(..) => &mut [],
            Wrapped(value) => std::slice::from_mut(value),
        };
        for part in parts {
            let count = part.count();
            if *at < count {
                return part.change(at, what, with, other);
            }
            *at -= count;
        }
    }

    fn change_here(&mut self, what: u8, with: u8, other: Option<Self>) {
        match (what % 12, &mut *self) {
            (0, Of(tag, _) | Octets(tag, _)) => *tag = with,
            (1, Of(_, parts)) if !parts.is_empty() => {
                let at = usize::from(with) % parts.len();
                parts.remove(at);
            }
            (2, Of(_, parts)) if !parts.is_empty() && parts.len() < 64 => {
                let again = parts[usize::from(with) % parts.len()].clone();
                parts.push(again);
            }
            (3, Of(_, parts)) if parts.len() > 1 => parts.reverse(),
            (4, Of(_, parts)) if parts.len() < 64 => parts.extend(other),
            (5, _) => {
                if let Some(other) = other {
                    *self = other;
                }
            }
            (6, Octets(_, octets)) if octets.len() < 1024 => octets.push(with),
            (7, Octets(_, octets)) => {
                octets.pop();
            }
            (8, Octets(_, octets)) => {
                if let Some(octet) = octets.first_mut() {
                    *octet = with;
                }
            }
            (9, Octets(_, octets)) => {
                if let Some(octet) = octets.last_mut() {
                    *octet ^= with;
                }
            }
            (10, Octets(_, octets)) => *octets = vec![with],
            (11, _) => {
                let inner = std::mem::replace(self, Octets(5, Vec::new()));
                *self = Of(0x30, vec![inner]);
            }
            _ => {}
        }
    }
}

// The good chain.

fn oid(octets: &[u8]) -> Value {
    Octets(6, octets.to_vec())
}

fn name(text: &str) -> Value {
    Of(
        0x30,
        vec![Of(
            0x31,
            vec![Of(
                0x30,
                vec![oid(&[0x55, 4, 3]), Octets(0x0c, text.as_bytes().to_vec())],
            )],
        )],
    )
}

fn extension(id: &[u8], critical: bool, value: Value) -> Value {
    let mut parts = vec![oid(id)];
    if critical {
        parts.push(Octets(1, vec![0xff]));
    }
    parts.push(Wrapped(Box::new(value)));
    Of(0x30, parts)
}

fn algorithm() -> Value {
    Of(0x30, vec![oid(&ED25519[4..])])
}

fn time(text: &str) -> Value {
    Octets(0x17, text.as_bytes().to_vec())
}

fn certificate(serial: u8, issuer: &str, subject: &str, number: u8, more: Vec<Value>) -> Value {
    let public = [&[0], key(number).public_key().as_ref()].concat();
    Of(
        0x30,
        vec![
            Of(0xa0, vec![Octets(2, vec![2])]),
            Octets(2, vec![serial]),
            algorithm(),
            name(issuer),
            Of(0x30, vec![time("260101000000Z"), time("270101000000Z")]),
            name(subject),
            Of(0x30, vec![algorithm(), Octets(3, public)]),
            Of(0xa3, vec![Of(0x30, more)]),
        ],
    )
}

fn key_id(number: u8) -> Vec<u8> {
    vec![number; 20]
}

fn authority_key(number: u8) -> Value {
    extension(
        &[0x55, 0x1d, 35],
        false,
        Of(0x30, vec![Octets(0x80, key_id(number))]),
    )
}

/// What every certificate of a CA has, and a good deal that it may have.
fn of_ca(number: u8, above: u8) -> Vec<Value> {
    let policy = |arc| oid(&[0x2a, 3, arc]);
    let subtree = |tag, text: &[u8]| Of(0x30, vec![Octets(tag, text.to_vec())]);
    vec![
        extension(
            &[0x55, 0x1d, 19],
            true,
            Of(0x30, vec![Octets(1, vec![0xff]), Octets(2, vec![2])]),
        ),
        extension(&[0x55, 0x1d, 15], true, Octets(3, vec![1, 6])),
        extension(&[0x55, 0x1d, 14], false, Octets(4, key_id(number))),
        authority_key(above),
        extension(
            &[0x55, 0x1d, 30],
            true,
            Of(
                0x30,
                vec![
                    Of(
                        0xa0,
                        vec![
                            subtree(0x82, b"example.dev"),
                            subtree(0x81, b"example.dev"),
                            subtree(0x86, b".example.dev"),
                            subtree(0x86, b"example.dev"),
                            subtree(0x87, &[10, 0, 0, 0, 255, 0, 0, 0]),
                            Of(0x30, vec![Of(0xa4, vec![Of(0x30, vec![])])]),
                        ],
                    ),
                    Of(0xa1, vec![subtree(0x82, b"not.example.dev")]),
                ],
            ),
        ),
        extension(
            &[0x55, 0x1d, 32],
            false,
            Of(
                0x30,
                vec![Of(0x30, vec![policy(1)]), Of(0x30, vec![policy(2)])],
            ),
        ),
        extension(
            &[0x55, 0x1d, 33],
            true,
            Of(0x30, vec![Of(0x30, vec![policy(2), policy(3)])]),
        ),
        extension(
            &[0x55, 0x1d, 36],
            true,
            Of(0x30, vec![Octets(0x80, vec![1])]),
        ),
        extension(&[0x55, 0x1d, 54], true, Octets(2, vec![1])),
    ]
}

/// Root, issuing CA, leaf, the root's CRL and the issuing CA's: what is signed of each.
fn good() -> [Value; 5] {
    let point = || {
        Of(
            0xa0,
            vec![Of(0xa0, vec![Octets(0x86, b"http://a.dev/x".to_vec())])],
        )
    };
    let root = certificate(1, "root", "root", 1, of_ca(1, 1));
    let issuing = certificate(2, "root", "issuing", 2, of_ca(2, 1));
    let leaf = certificate(
        3,
        "issuing",
        "order",
        3,
        vec![
            extension(&[0x55, 0x1d, 15], true, Octets(3, vec![7, 0x80])),
            extension(
                &[0x55, 0x1d, 37],
                false,
                Of(
                    0x30,
                    vec![
                        oid(&[0x2b, 6, 1, 5, 5, 7, 3, 1]),
                        oid(&[0x2b, 6, 1, 5, 5, 7, 3, 2]),
                    ],
                ),
            ),
            extension(
                &[0x55, 0x1d, 17],
                false,
                Of(
                    0x30,
                    vec![
                        Octets(0x82, b"order.example.dev".to_vec()),
                        Octets(0x87, vec![10, 0, 0, 1]),
                        Octets(0x86, b"spiffe://example.dev/order".to_vec()),
                        Octets(0x81, b"order@example.dev".to_vec()),
                    ],
                ),
            ),
            authority_key(2),
            extension(
                &[0x55, 0x1d, 32],
                false,
                Of(
                    0x30,
                    vec![
                        Of(0x30, vec![oid(&[0x2a, 3, 1])]),
                        Of(0x30, vec![oid(&[0x2a, 3, 3])]),
                    ],
                ),
            ),
            extension(
                &[0x55, 0x1d, 31],
                false,
                Of(0x30, vec![Of(0x30, vec![point()])]),
            ),
        ],
    );
    let list = |issuer: &str, number: u8| {
        Of(
            0x30,
            vec![
                Octets(2, vec![1]),
                algorithm(),
                name(issuer),
                time("261101000000Z"),
                time("261201000000Z"),
                Of(
                    0x30,
                    vec![Of(
                        0x30,
                        vec![
                            Octets(2, vec![9]),
                            time("261110000000Z"),
                            Of(
                                0x30,
                                vec![extension(&[0x55, 0x1d, 21], false, Octets(10, vec![1]))],
                            ),
                        ],
                    )],
                ),
                Of(
                    0xa0,
                    vec![Of(
                        0x30,
                        vec![
                            authority_key(number),
                            extension(&[0x55, 0x1d, 20], false, Octets(2, vec![7])),
                            extension(&[0x55, 0x1d, 28], true, Of(0x30, vec![])),
                        ],
                    )],
                ),
            ],
        )
    };
    [root, issuing, leaf, list("root", 1), list("issuing", 2)]
}
