//! PEM (RFC 7468): blocks of base64 between `-----BEGIN …-----` and `-----END …-----`, with anything around them.
//!
//! Used by the issuing side. Whatever stands between the blocks is passed over (openssl writes the text form there);
//! a block that begins must end and must be base64.

use base64::{Engine, engine::general_purpose::STANDARD};
use zeroize::Zeroizing;

/// One block.
pub(crate) struct Block {
    pub(crate) label: String,
    /// May be a private key, so it is wiped.
    pub(crate) content: Zeroizing<Vec<u8>>,
    /// Whether the block has RFC 1421 headers, as the encrypted keys of old openssl have.
    pub(crate) has_headers: bool,
}

/// Why text is not PEM: half a sentence.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum PemError {
    #[error("the block {0:?} has no end line")]
    NoEnd(String),
    #[error("the block {0:?} is not base64")]
    NotBase64(String),
}

/// Every block, in order. No block at all is not an error: the bytes may be DER.
pub(crate) fn read(text: &[u8]) -> Result<Vec<Block>, PemError> {
    let mut blocks = Vec::new();
    let mut lines = text.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
    while let Some(line) = lines.next() {
        let Some(label) = between(line, b"-----BEGIN ") else {
            continue;
        };
        let label = String::from_utf8_lossy(label).into_owned();
        let mut base64 = Zeroizing::new(Vec::new());
        let mut has_headers = false;
        loop {
            match lines.next() {
                None => return Err(PemError::NoEnd(label)),
                Some(line) if line.starts_with(b"-----") => {
                    if between(line, b"-----END ").is_some_and(|end| end == label.as_bytes()) {
                        break;
                    }
                    return Err(PemError::NoEnd(label));
                }
                Some(line) if line.contains(&b':') => has_headers = true,
                Some(line) => base64.extend_from_slice(line),
            }
        }
        // The cipher text behind headers is nothing that anybody here can read.
        let content = if has_headers {
            Ok(Vec::new())
        } else {
            STANDARD.decode(&*base64)
        };
        let content = Zeroizing::new(content.map_err(|_| PemError::NotBase64(label.clone()))?);
        blocks.push(Block {
            label,
            content,
            has_headers,
        });
    }
    Ok(blocks)
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

fn between<'a>(line: &'a [u8], prefix: &[u8]) -> Option<&'a [u8]> {
    line.strip_prefix(prefix)?.strip_suffix(b"-----")
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
            *write("A", b"x"),
            *write("B", b"yy")
        );
        let blocks = read(text.as_bytes()).expect("two blocks");
        let seen: Vec<_> = blocks
            .iter()
            .map(|block| (block.label.as_str(), &block.content[..]))
            .collect();
        assert_eq!(seen, [("A", &b"x"[..]), ("B", &b"yy"[..])]);
    }

    #[test]
    fn a_block_must_end_and_be_base64() {
        assert!(failure("-----BEGIN A-----\nAAAA\n").contains("no end line"));
        assert!(failure("-----BEGIN A-----\nAAAA\n-----END B-----\n").contains("no end line"));
        assert!(failure("-----BEGIN A-----\n!!!!\n-----END A-----\n").contains("not base64"));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(content: Vec<u8>) {
            let blocks = read(write("X Y", &content).as_bytes()).expect("our own output");
            prop_assert_eq!(blocks.len(), 1);
            prop_assert_eq!(&*blocks[0].content, &content);
            prop_assert!(write("X Y", &content).lines().all(|line| line.len() <= 64));
        }

        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>) {
            let _ = read(&bytes);
            let _ = read(&[b"-----BEGIN A-----\n", &bytes[..]].concat());
        }
    }
}
