//! Where fuzzing begins: a few objects of each kind, made here, none of them kept in a file.

use pki::{
    certificate_request::CertificateRequest,
    distinguished_name::DistinguishedName,
    key::{Passphrase, PrivateKey},
    pkcs12,
    profile::Profile,
    subject_alt_name::GeneralName,
};

use super::{resigned, targets::block};

/// PKCS#8 (RFC 8410 section 7) around a fixed and worthless Ed25519 key.
fn key() -> Vec<u8> {
    let head = [
        0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20,
    ];
    [&head[..], &[7; 32]].concat()
}

fn request() -> Vec<u8> {
    let key = PrivateKey::read(&key(), None).expect("a key");
    let subject = DistinguishedName::parse("/C=TR/O=Example/OU=a/OU=b/CN=order").expect("a name");
    let names = [
        GeneralName::dns("order.example.dev"),
        GeneralName::ip("10.0.0.1"),
        GeneralName::uri("spiffe://example.dev/order"),
        GeneralName::email("order@example.dev"),
    ]
    .map(|name| name.expect("a name"));
    let pem = CertificateRequest::create(&key, &subject, &names, Some(Profile::Peer));
    unblock(&pem.expect("a request"))
}

/// The octets of one PEM block.
fn unblock(pem: &str) -> Vec<u8> {
    let value = |c: u8| match c {
        b'A'..=b'Z' => Some(c - b'A'),
        b'a'..=b'z' => Some(c - b'a' + 26),
        b'0'..=b'9' => Some(c - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    };
    let body = pem.lines().filter(|line| !line.starts_with("-----"));
    let sextets: Vec<u8> = body
        .flat_map(|line| line.bytes())
        .filter_map(value)
        .collect();
    let mut octets = Vec::new();
    for four in sextets.chunks(4) {
        let bits = four
            .iter()
            .fold(0u32, |bits, sextet| bits << 6 | u32::from(*sextet))
            << (6 * (4 - four.len()));
        octets.extend_from_slice(&bits.to_be_bytes()[1..four.len()]);
    }
    octets
}

/// The seeds of a target.
pub fn of(target: &str) -> Vec<Vec<u8>> {
    let [root, issuing, leaf, of_root, of_issuing] = resigned::unchanged();
    let text = |text: &str| text.as_bytes().to_vec();
    match target {
        "certificate" => vec![root, issuing, leaf],
        "crl" => vec![of_root, of_issuing],
        "request" => vec![request()],
        "key" => vec![key()],
        "pem" => vec![
            [
                block(&root, "CERTIFICATE"),
                block(&of_root, "X509 CRL"),
                block(&request(), "CERTIFICATE REQUEST"),
            ]
            .concat()
            .into_bytes(),
        ],
        "pkcs12" => {
            let contents = pkcs12::Contents {
                friendly_name: "order",
                key: None,
                certificates: &[],
            };
            let passphrase = Passphrase::new(b"secret".to_vec().into()).expect("not empty");
            vec![pkcs12::write(&contents, &passphrase).expect("a file")]
        }
        "verify" => {
            let parts = [
                (0, leaf),
                (1, root),
                (2, issuing),
                (3, of_root),
                (3, of_issuing),
            ];
            let mut octets = vec![1 | 2 | 8];
            for (role, part) in parts {
                octets.push(role);
                octets.extend_from_slice(&(part.len() as u16).to_be_bytes());
                octets.extend_from_slice(&part);
            }
            vec![octets]
        }
        "resigned" => (0..12)
            .map(|what| {
                let change = |object, place: u8| [object, 0, place, 2, 0, 40, what, 5];
                [&[11][..], &change(2, 44), &change(1, 60), &change(4, 30)].concat()
            })
            .collect(),
        "manifest" => vec![text(
            "[ca]\nsubject = \"/CN=CA\"\npermit_dns = [\"example.dev\"]\n\n[certificate.order]\nprofile = \"peer\"\n\
             dns = [\"order.example.dev\"]\nip = [\"10.0.0.1\"]\nuri = [\"spiffe://example.dev/order\"]\ndays = 60\n",
        )],
        "distinguished_name" => vec![
            text("/C=TR/ST=Izmir/O=Example\\/B/OU=a/OU=b/CN=order/emailAddress=a@a.dev"),
            text("CN=order\\, the second+OU=a,O=\\20Example\\C4\\B1,C=TR"),
            text("1.3.6.1.4.1.1466.0=#04024869,2.5.4.45=#0303000161+CN=#0c03616263,O=\\#1"),
        ],
        "general_names" => vec![
            text("*.example.dev"),
            text("2001:db8::1"),
            text("spiffe://example.dev/order"),
            text("\"a b\"@example.dev"),
        ],
        "index_txt" => vec![
            text(
                "# openssl ca\nV\t271124110525Z\t\t1000\tunknown\t/O=Example/CN=order\n\
                 E\t201124110525Z\t\t0A\tnewcerts/0A.pem\t/CN=a\\\tb \\xC3\\xBC\r\n",
            ),
            text(
                "R\t20501124110525Z\t261124110525Z,keyCompromise\tF1BD\tunknown\t/CN=a\n\
                 R\t271124110525Z\t261124110525Z,keyTime,20261101000000Z\t01\tunknown\t/CN=b\n\
                 R\t271124110525Z\t261124110525Z,holdInstruction,holdInstructionReject\t02\tunknown\t/CN=c\n\
                 R\t271124110525Z\t261124110525Z\t4D3C2B1A00FF4D3C2B1A00FF4D3C2B1A00FF4D3C\tunknown\t/CN=d\n",
            ),
        ],
        _ => Vec::new(),
    }
}
