//! PEM (RFC 7468): finding the blocks in a text, whatever stands between them.

use base64::{Engine as _, engine::general_purpose};
use zeroize::Zeroizing;

/// One block: its label and its octets, or why they cannot be had.
#[derive(Clone, Debug)]
pub(crate) struct Block<'a> {
    pub(crate) label: &'a str,
    /// The line of the BEGIN mark, counted from 1.
    pub(crate) line: usize,
    /// May be a private key, so it is wiped from memory.
    pub(crate) content: Result<Zeroizing<Vec<u8>>, &'static str>,
    /// Whether the block has headers of its own (RFC 1421), as old encrypted keys have.
    pub(crate) headers: Vec<&'a str>,
}

/// Every block in `octets`, in order. Text outside of blocks is skipped, as RFC 7468 section 2 allows.
pub(crate) fn blocks(octets: &[u8]) -> Vec<Block<'_>> {
    let mut blocks = Vec::new();
    let mut open: Option<(&str, usize, Zeroizing<String>, Vec<&str>)> = None;
    for (number, line) in octets.split(|octet| *octet == b'\n').enumerate() {
        let Ok(line) = std::str::from_utf8(line) else {
            if let Some((_, _, body, _)) = &mut open {
                // Nothing in base64 looks like this: decoding will fail and say so.
                body.push('?');
            }
            continue;
        };
        let line = line.trim();
        if let Some(label) = mark(line, "-----BEGIN ") {
            if let Some((label, line, _, headers)) = open.take() {
                blocks.push(Block {
                    label,
                    line,
                    content: Err("its END line is missing"),
                    headers,
                });
            }
            open = Some((label, number + 1, Zeroizing::new(String::new()), Vec::new()));
        } else if let Some(end) = mark(line, "-----END ") {
            if let Some((label, line, body, headers)) = open.take() {
                let content = if end == label {
                    decode(&body)
                } else {
                    Err("its END line has another label")
                };
                blocks.push(Block {
                    label,
                    line,
                    content,
                    headers,
                });
            }
        } else if let Some((_, _, body, headers)) = &mut open {
            if line.contains(':') && body.is_empty() {
                headers.push(line);
            } else {
                body.push_str(line);
            }
        }
    }
    if let Some((label, line, _, headers)) = open {
        blocks.push(Block {
            label,
            line,
            content: Err("its END line is missing"),
            headers,
        });
    }
    blocks
}

fn mark<'a>(line: &'a str, begin: &str) -> Option<&'a str> {
    line.strip_prefix(begin)?.strip_suffix("-----")
}

fn decode(body: &str) -> Result<Zeroizing<Vec<u8>>, &'static str> {
    let body: Zeroizing<String> =
        Zeroizing::new(body.chars().filter(|c| !c.is_ascii_whitespace()).collect());
    match general_purpose::STANDARD.decode(body.as_bytes()) {
        Ok(octets) if octets.is_empty() => Err("it is empty"),
        Ok(octets) => Ok(Zeroizing::new(octets)),
        Err(_) => Err("its lines are not base64"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_found_between_other_text() {
        let text = b"subject=x\r\n-----BEGIN CERTIFICATE-----\r\nAAEC\r\n-----END CERTIFICATE-----\r\nnotes\n\
            -----BEGIN X509 CRL-----\nAwQF\n-----END X509 CRL-----";
        let found: Vec<_> = blocks(text)
            .into_iter()
            .map(|b| (b.label, b.line, b.content))
            .collect();
        assert_eq!(
            found,
            [
                ("CERTIFICATE", 2, Ok(Zeroizing::new(vec![0, 1, 2]))),
                ("X509 CRL", 6, Ok(Zeroizing::new(vec![3, 4, 5])))
            ]
        );
    }

    #[test]
    fn broken_blocks_are_told_and_do_not_hide_the_next() {
        for (text, reason) in [
            ("-----BEGIN A-----\nAAEC\n", "its END line is missing"),
            (
                "-----BEGIN A-----\nAAEC\n-----END B-----\n",
                "its END line has another label",
            ),
            (
                "-----BEGIN A-----\n!!!!\n-----END A-----\n",
                "its lines are not base64",
            ),
            ("-----BEGIN A-----\n-----END A-----\n", "it is empty"),
        ] {
            let whole = format!("{text}-----BEGIN C-----\nAAEC\n-----END C-----\n");
            let found = blocks(whole.as_bytes());
            assert_eq!(
                found.first().map(|block| block.content.clone()),
                Some(Err(reason)),
                "{text}"
            );
            assert_eq!(
                found.last().map(|block| block.content.clone()),
                Some(Ok(Zeroizing::new(vec![0, 1, 2]))),
                "{text}"
            );
        }
    }

    #[test]
    fn the_headers_of_old_encrypted_keys_are_kept_apart() {
        let text = b"-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\nAAEC\n\
            -----END RSA PRIVATE KEY-----\n";
        let found = blocks(text);
        assert_eq!(
            found[0].headers,
            ["Proc-Type: 4,ENCRYPTED", "DEK-Info: AES-128-CBC,00"]
        );
        assert_eq!(found[0].content, Ok(Zeroizing::new(vec![0, 1, 2])));
    }
}
