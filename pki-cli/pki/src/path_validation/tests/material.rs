//! Certificates and CRLs made by hand, in which a test changes what it likes.

use super::*;

pub(super) const NOW: OffsetDateTime = datetime!(2026-11-24 12:00 UTC);

/// One value in DER.
pub(super) fn tlv(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len();
    let header = match length {
        0..0x80 => vec![tag, length as u8],
        0x80..0x100 => vec![tag, 0x81, length as u8],
        _ => vec![tag, 0x82, (length >> 8) as u8, length as u8],
    };
    [header, content.to_vec()].concat()
}

pub(super) fn sequence(parts: &[&[u8]]) -> Vec<u8> {
    tlv(0x30, &parts.concat())
}

pub(super) fn cn(name: &str) -> Vec<u8> {
    match name {
        "" => tlv(0x30, &[]),
        name => tlv(
            0x30,
            &tlv(
                0x31,
                &sequence(&[&tlv(6, known::COMMON_NAME.0), &tlv(0x0c, name.as_bytes())]),
            ),
        ),
    }
}

pub(super) fn bits(octets: &[u8], unused: u8) -> Vec<u8> {
    tlv(3, &[&[unused], octets].concat())
}

/// A UTCTime, or a GeneralizedTime when the year has four digits.
pub(super) fn time_value(time: &str) -> Vec<u8> {
    let tag = if time.len() == 15 { 0x18 } else { 0x17 };
    tlv(tag, time.as_bytes())
}

pub(super) const ECDSA_SHA256: &[u8] = &[0x30, 0x0a, 6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2];
pub(super) const ECDSA_SHA384: &[u8] = &[0x30, 0x0a, 6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 3];
pub(super) const ECDSA_SHA1: &[u8] = &[0x30, 0x09, 6, 7, 0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 1];

/// Everything about a certificate that a test may change.
pub(super) struct Spec {
    pub(super) subject: String,
    pub(super) issuer: String,
    pub(super) serial: Vec<u8>,
    pub(super) version: u8,
    pub(super) not_before: &'static str,
    pub(super) not_after: &'static str,
    pub(super) algorithm: &'static [u8],
    pub(super) inner_algorithm: Option<&'static [u8]>,
    pub(super) extensions: Vec<(Oid<'static>, bool, Vec<u8>)>,
    pub(super) damage_signature: bool,
    pub(super) key: EcdsaKeyPair,
}

impl Spec {
    pub(super) fn new(subject: &str, issuer: &str) -> Self {
        Self {
            subject: subject.to_owned(),
            issuer: issuer.to_owned(),
            serial: vec![subject.len() as u8 + 1, 0x17],
            version: 2,
            not_before: "260101000000Z",
            not_after: "270101000000Z",
            algorithm: ECDSA_SHA256,
            inner_algorithm: None,
            extensions: Vec::new(),
            damage_signature: false,
            key: EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).expect("a key"),
        }
    }

    pub(super) fn set(&mut self, oid: Oid<'static>, critical: bool, value: Vec<u8>) {
        self.remove(oid);
        self.extensions.push((oid, critical, value));
    }

    pub(super) fn remove(&mut self, oid: Oid<'_>) {
        self.extensions.retain(|(other, _, _)| *other != oid);
    }

    pub(super) fn key_id(&self) -> Vec<u8> {
        aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, self.key.public_key().as_ref())
            .as_ref()[..20]
            .to_vec()
    }

    pub(super) fn signed_by(&self, signer: &EcdsaKeyPair) -> Vec<u8> {
        let extensions = encoded(&self.extensions);
        let version = if self.version == 0 {
            Vec::new()
        } else {
            tlv(0xa0, &tlv(2, &[self.version]))
        };
        let p256 = sequence(&[&tlv(6, known::EC_PUBLIC_KEY.0), &tlv(6, known::P256.0)]);
        let tbs = sequence(&[
            &version,
            &tlv(2, &self.serial),
            self.inner_algorithm.unwrap_or(self.algorithm),
            &cn(&self.issuer),
            &sequence(&[&time_value(self.not_before), &time_value(self.not_after)]),
            &cn(&self.subject),
            &sequence(&[&p256, &bits(self.key.public_key().as_ref(), 0)]),
            &if extensions.is_empty() {
                Vec::new()
            } else {
                tlv(0xa3, &tlv(0x30, &extensions))
            },
        ]);
        let mut signature = sign(signer, &tbs);
        if self.damage_signature {
            signature[12] ^= 1;
        }
        sequence(&[&tbs, self.algorithm, &bits(&signature, 0)])
    }
}

pub(super) fn encoded(extensions: &[(Oid<'static>, bool, Vec<u8>)]) -> Vec<u8> {
    extensions
        .iter()
        .flat_map(|(oid, critical, value)| {
            let critical = if *critical {
                tlv(1, &[0xff])
            } else {
                Vec::new()
            };
            sequence(&[&tlv(6, oid.0), &critical, &tlv(4, value)])
        })
        .collect()
}

pub(super) fn sign(signer: &EcdsaKeyPair, message: &[u8]) -> Vec<u8> {
    signer
        .sign(&SystemRandom::new(), message)
        .expect("a signature")
        .as_ref()
        .to_vec()
}

pub(super) fn ca_constraints(path_length: Option<u8>) -> Vec<u8> {
    let length = path_length.map_or(Vec::new(), |length| tlv(2, &[length]));
    sequence(&[&tlv(1, &[0xff]), &length])
}

pub(super) fn eku(oids: &[Oid<'_>]) -> Vec<u8> {
    tlv(
        0x30,
        &oids
            .iter()
            .flat_map(|oid| tlv(6, oid.0))
            .collect::<Vec<_>>(),
    )
}

pub(super) fn dns(names: &[&str]) -> Vec<u8> {
    tlv(
        0x30,
        &names
            .iter()
            .flat_map(|name| tlv(0x82, name.as_bytes()))
            .collect::<Vec<_>>(),
    )
}

pub(super) fn permitted_dns(name: &str) -> Vec<u8> {
    sequence(&[&tlv(0xa0, &sequence(&[&tlv(0x82, name.as_bytes())]))])
}

/// root → issuing → leaf, as they should be.
pub(super) struct House {
    pub(super) root: Spec,
    pub(super) issuing: Spec,
    pub(super) leaf: Spec,
    /// Extra intermediates between issuing and leaf are not wanted by most tests.
    pub(super) max_depth: Option<usize>,
    pub(super) purpose: Option<Purpose>,
    pub(super) names: Vec<ExpectedName>,
    pub(super) time: OffsetDateTime,
}

impl House {
    pub(super) fn good() -> Self {
        let mut root = Spec::new("root", "root");
        root.set(known::BASIC_CONSTRAINTS, true, ca_constraints(Some(1)));
        root.set(known::KEY_USAGE, true, bits(&[0x06], 1));
        root.set(known::SUBJECT_KEY_IDENTIFIER, false, tlv(4, &root.key_id()));
        let mut issuing = Spec::new("issuing", "root");
        issuing.set(known::BASIC_CONSTRAINTS, true, ca_constraints(Some(0)));
        issuing.set(known::KEY_USAGE, true, bits(&[0x06], 1));
        issuing.set(
            known::SUBJECT_KEY_IDENTIFIER,
            false,
            tlv(4, &issuing.key_id()),
        );
        issuing.set(
            known::AUTHORITY_KEY_IDENTIFIER,
            false,
            sequence(&[&tlv(0x80, &root.key_id())]),
        );
        let mut leaf = Spec::new("order", "issuing");
        leaf.set(known::KEY_USAGE, true, bits(&[0x80], 7));
        leaf.set(known::EXTENDED_KEY_USAGE, false, eku(&[known::SERVER_AUTH]));
        leaf.set(known::SUBJECT_ALT_NAME, false, dns(&["order.example.dev"]));
        leaf.set(
            known::AUTHORITY_KEY_IDENTIFIER,
            false,
            sequence(&[&tlv(0x80, &issuing.key_id())]),
        );
        Self {
            root,
            issuing,
            leaf,
            max_depth: None,
            purpose: Some(Purpose::Server),
            names: vec![ExpectedName::host("order.example.dev").expect("a host")],
            time: NOW,
        }
    }

    pub(super) fn certificates(&self) -> [Vec<u8>; 3] {
        [
            self.root.signed_by(&self.root.key),
            self.issuing.signed_by(&self.root.key),
            self.leaf.signed_by(&self.issuing.key),
        ]
    }

    pub(super) fn validate(&self) -> Result<Accepted, Rejected> {
        self.validate_with(&[], None)
    }

    pub(super) fn validate_with(
        &self,
        more: &[Vec<u8>],
        crls: Option<&[Vec<u8>]>,
    ) -> Result<Accepted, Rejected> {
        let [root, issuing, leaf] = self.certificates();
        let mut request = Request::new(&leaf, self.time)
            .trust([&root])
            .intermediates(more)
            .intermediates([&issuing]);
        request.purpose = self.purpose;
        request.names.clone_from(&self.names);
        request.max_depth = self.max_depth;
        if let Some(crls) = crls {
            request = request.crls(crls);
        }
        validate(&request)
    }
}

/// A root, an issuing CA, a leaf and a CRL for tests elsewhere that need octets of each.
pub(crate) fn sample() -> [Vec<u8>; 4] {
    let house = House::good();
    let [root, issuing, leaf] = house.certificates();
    let mut crl = CrlSpec::of("issuing");
    crl.revoked.push((vec![1, 2, 3], 1));
    [root, issuing, leaf, crl.signed_by(&house.issuing.key)]
}

/// A CRL, as it should be, with changes.
pub(super) struct CrlSpec {
    pub(super) issuer: &'static str,
    /// Version 1 has no extensions, neither its own nor its entries'.
    pub(super) is_v1: bool,
    /// Extensions of every entry behind the reason.
    pub(super) of_entries: Vec<(Oid<'static>, bool, Vec<u8>)>,
    pub(super) this_update: &'static str,
    pub(super) next_update: &'static str,
    pub(super) revoked: Vec<(Vec<u8>, u8)>,
    pub(super) extensions: Vec<(Oid<'static>, bool, Vec<u8>)>,
}

impl CrlSpec {
    pub(super) fn of(issuer: &'static str) -> Self {
        let number = (known::CRL_NUMBER, false, tlv(2, &[7]));
        let key = (
            known::AUTHORITY_KEY_IDENTIFIER,
            false,
            sequence(&[&tlv(0x80, &[1; 20])]),
        );
        Self {
            issuer,
            is_v1: false,
            of_entries: Vec::new(),
            this_update: "261101000000Z",
            next_update: "261201000000Z",
            revoked: Vec::new(),
            extensions: vec![number, key],
        }
    }

    pub(super) fn signed_by(&self, signer: &EcdsaKeyPair) -> Vec<u8> {
        let entries: Vec<u8> = self
            .revoked
            .iter()
            .flat_map(|(serial, reason)| {
                let reason =
                    sequence(&[&tlv(6, known::REASON_CODE.0), &tlv(4, &[0x0a, 1, *reason])]);
                let extensions = match self.is_v1 {
                    true => Vec::new(),
                    false => sequence(&[&reason, &encoded(&self.of_entries)]),
                };
                sequence(&[&tlv(2, serial), &tlv(0x17, b"261110000000Z"), &extensions])
            })
            .collect();
        let next = if self.next_update.is_empty() {
            Vec::new()
        } else {
            time_value(self.next_update)
        };
        let (version, extensions) = match self.is_v1 {
            true => (Vec::new(), Vec::new()),
            false => (
                tlv(2, &[1]),
                tlv(0xa0, &tlv(0x30, &encoded(&self.extensions))),
            ),
        };
        let tbs = sequence(&[
            &version,
            ECDSA_SHA256,
            &cn(self.issuer),
            &time_value(self.this_update),
            &next,
            &if entries.is_empty() {
                Vec::new()
            } else {
                tlv(0x30, &entries)
            },
            &extensions,
        ]);
        sequence(&[&tbs, ECDSA_SHA256, &bits(&sign(signer, &tbs), 0)])
    }
}

/// What `work` has less than at the beginning.
pub(super) fn spent(work: &Work) -> Work {
    let all = Work::new();
    Work {
        signatures: all.signatures - work.signatures,
        steps: all.steps - work.steps,
        paths: all.paths - work.paths,
        names: all.names - work.names,
        policies: all.policies - work.policies,
        points: all.points - work.points,
    }
}

/// A certificate below `ca` with the name of the issuing CA and a key that signs CRLs.
pub(super) fn second_key(serial: u8, ca: &Spec) -> Spec {
    let mut signer = Spec::new("issuing", &ca.subject);
    signer.serial = vec![serial, serial];
    signer.set(known::KEY_USAGE, true, bits(&[0x02], 1));
    let key_id = ca.key_id();
    signer.set(
        known::AUTHORITY_KEY_IDENTIFIER,
        false,
        sequence(&[&tlv(0x80, &key_id)]),
    );
    signer
}

pub(super) fn with_crls(
    house: &House,
    more: &[Vec<u8>],
    crls: &[Vec<u8>],
) -> Result<Accepted, (FailureKind, String)> {
    house
        .validate_with(more, Some(crls))
        .map_err(|rejected| (rejected.kind, rejected.to_string()))
}
