//! PEM (RFC 7468), as the issuing side reads and writes it: blocks of base64 between `-----BEGIN …-----` and
//! `-----END …-----`, with anything around them.
//!
//! The blocks are found by `parse::pem`. Here one that is damaged is an error, because what is signed, and with which
//! key, is not guessed.

use base64::{Engine, engine::general_purpose::STANDARD};
use zeroize::Zeroizing;

use crate::parse::{
    der::Reader,
    pem::{self, Label},
};

/// One block.
pub(crate) struct Block {
    /// Empty when it is not a known one.
    pub(crate) label: &'static str,
    /// May be a private key, so it is wiped.
    pub(crate) content: Zeroizing<Vec<u8>>,
    /// Whether the block has RFC 1421 headers, as the encrypted keys of old openssl have.
    pub(crate) has_headers: bool,
}

impl Block {
    /// The certificate in it, if it is the block of one.
    pub(crate) fn certificate(&self) -> Option<&[u8]> {
        match self.label {
            "CERTIFICATE" | "X509 CERTIFICATE" => Some(&self.content),
            // openssl's form has settings of its own behind the certificate.
            "TRUSTED CERTIFICATE" => Some(
                Reader::new(&self.content)
                    .any("the certificate")
                    .map_or(&self.content[..], |value| value.raw),
            ),
            _ => None,
        }
    }
}

/// Why text is not PEM: half a sentence, with nothing of the file in it.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("its PEM block in line {line} ({label}) cannot be read: {reason}")]
pub(crate) struct PemError {
    line: usize,
    label: Label,
    reason: &'static str,
}

/// Every block, in order. No block at all is not an error: the bytes may be DER.
pub(crate) fn read(text: &[u8]) -> Result<Vec<Block>, PemError> {
    pem::blocks(text)
        .map(|block| {
            let has_headers = !block.headers.is_empty();
            let content = match block.content {
                // The cipher text behind headers is nothing that anybody here can read.
                _ if has_headers => Zeroizing::default(),
                Ok(content) => content,
                Err(reason) => {
                    return Err(PemError {
                        line: block.line,
                        label: block.label,
                        reason,
                    });
                }
            };
            Ok(Block {
                label: block.label.as_str(),
                content,
                has_headers,
            })
        })
        .collect()
}

/// One block with lines of 64 characters (RFC 7468 §2).
pub(crate) fn write(label: &str, content: &[u8]) -> Zeroizing<String> {
    let base64 = Zeroizing::new(STANDARD.encode(content));
    let mut out = Zeroizing::new(String::with_capacity(
        base64.len() + base64.len() / 64 + 64 + 2 * label.len(),
    ));
    out.push_str("-----BEGIN ");
    out.push_str(label);
    out.push_str("-----\n");
    let mut rest = base64.as_str();
    while !rest.is_empty() {
        // Base64 is ASCII, so any index is a character boundary.
        let (line, after) = rest.split_at(rest.len().min(64));
        out.push_str(line);
        out.push('\n');
        rest = after;
    }
    out.push_str("-----END ");
    out.push_str(label);
    out.push_str("-----\n");
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn failure(text: &str) -> String {
        read(text.as_bytes())
            .err()
            .map(|error| error.to_string())
            .unwrap_or_default()
    }

    #[test]
    fn text_around_the_blocks_is_passed_over() {
        let text = format!(
            "Certificate:\r\n  Data\r\n{}\nmore\n{}",
            *write("CERTIFICATE", b"x"),
            *write("CMS", b"yy")
        );
        let blocks = read(text.as_bytes()).expect("two blocks");
        let seen: Vec<_> = blocks
            .iter()
            .map(|block| (block.label, &block.content[..]))
            .collect();
        assert_eq!(seen, [("CERTIFICATE", &b"x"[..]), ("CMS", &b"yy"[..])]);
    }

    #[test]
    fn a_block_must_end_and_be_base64() {
        assert!(failure("-----BEGIN A-----\nAAAA\n").contains("END line"));
        assert!(failure("-----BEGIN A-----\nAAAA\n-----END B-----\n").contains("another label"));
        assert!(failure("-----BEGIN A-----\n!!!!\n-----END A-----\n").contains("not base64"));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(content in prop::collection::vec(any::<u8>(), 1..300)) {
            let blocks = read(write("X509 CRL", &content).as_bytes()).expect("our own output");
            prop_assert_eq!(blocks.len(), 1);
            prop_assert_eq!(&*blocks[0].content, &content);
            prop_assert!(write("X509 CRL", &content).lines().all(|line| line.len() <= 64));
        }

        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>) {
            let _ = read(&bytes);
            let _ = read(&[b"-----BEGIN A-----\n", &bytes[..]].concat());
        }
    }
}
