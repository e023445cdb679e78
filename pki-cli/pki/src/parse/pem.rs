//! PEM (RFC 7468): finding the blocks in a text, whatever stands between them.
//!
//! A label is never repeated from the file: it is one of [`LABELS`], or “of an unknown kind”. Where the line breaks of
//! a private key were lost, the key itself stands where the label would be.

use std::fmt;

use base64::{Engine as _, engine::general_purpose};
use memchr::{memchr, memmem};
use zeroize::Zeroizing;

use super::der::{Reader, tag};

/// One block: its label and its octets, or why they cannot be had.
#[derive(Clone)]
pub(crate) struct Block<'a> {
    pub(crate) label: Label,
    /// The line of the BEGIN mark, counted from 1.
    pub(crate) line: usize,
    /// May be a private key, so it is wiped from memory.
    pub(crate) content: Result<Zeroizing<Vec<u8>>, &'static str>,
    /// Whether the block has headers of its own (RFC 1421), as old encrypted keys have.
    pub(crate) headers: Vec<&'a str>,
}

/// What stands behind BEGIN, if it is known.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Label(Option<&'static str>);

/// The labels of RFC 7468, of openssl, and of their neighbours.
const LABELS: [&str; 30] = [
    "ANY PRIVATE KEY",
    "ATTRIBUTE CERTIFICATE",
    "CERTIFICATE",
    "CERTIFICATE REQUEST",
    "CMS",
    "DH PARAMETERS",
    "DSA PARAMETERS",
    "DSA PRIVATE KEY",
    "DSA PUBLIC KEY",
    "EC PARAMETERS",
    "EC PRIVATE KEY",
    "ENCRYPTED PRIVATE KEY",
    "NEW CERTIFICATE REQUEST",
    "OPENSSH PRIVATE KEY",
    "PARAMETERS",
    "PGP MESSAGE",
    "PGP PRIVATE KEY BLOCK",
    "PGP PUBLIC KEY BLOCK",
    "PKCS #7 SIGNED DATA",
    "PKCS7",
    "PRIVATE KEY",
    "PUBLIC KEY",
    "RSA PRIVATE KEY",
    "RSA PUBLIC KEY",
    "SSH2 ENCRYPTED PRIVATE KEY",
    "SSH2 PUBLIC KEY",
    "TRUSTED CERTIFICATE",
    "X509 CERTIFICATE",
    "X509 CRL",
    "X9.42 DH PARAMETERS",
];

const NO_END: &str = "its END line is missing";
const NO_BEGIN: &str = "an END line stands there without a BEGIN line before it";
const SPOILT_BEGIN: &str =
    "its BEGIN line is not “-----BEGIN”, label and “-----” alone, as RFC 7468 section 2 wants it";
const SMALL_LETTERS: &str =
    "its BEGIN or END line is not in capital letters, in which RFC 7468 section 2 writes it";
const NO_LINE_BREAKS: &str =
    "its line breaks are missing; RFC 7468 section 2 wants BEGIN and END on lines of their own";

impl Label {
    fn of(text: &str) -> Self {
        Self(LABELS.into_iter().find(|known| *known == text))
    }

    /// The label that this one would be in capital letters.
    fn in_capitals(text: &str) -> Self {
        let mut known = LABELS.into_iter();
        Self(known.find(|known| known.eq_ignore_ascii_case(text)))
    }

    /// Whether what it stands for is no secret.
    pub(crate) fn is_public(self) -> bool {
        matches!(
            self.as_str(),
            "CERTIFICATE" | "X509 CERTIFICATE" | "TRUSTED CERTIFICATE" | "X509 CRL"
        )
    }

    /// The label; empty when it is not a known one.
    pub(crate) fn as_str(self) -> &'static str {
        self.0.unwrap_or_default()
    }
}

/// `“PRIVATE KEY”`. Nothing of the file is in it.
impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(known) => write!(f, "“{known}”"),
            None => f.write_str("a PEM block of an unknown kind"),
        }
    }
}

/// Content and headers may be those of a private key.
impl fmt::Debug for Block<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            label,
            line,
            content,
            headers: _,
        } = self;
        let content = content.as_ref().map(|_| "[elided]");
        write!(f, "Block({label}, line {line}, {content:?})")
    }
}

/// Whether octets are a value in DER, which is no text whatever stands in it: a name or an extension of a certificate
/// may hold the PEM of another one, and what is read must be the certificate that everybody else reads.
///
/// Every value with a block in it has its length in the long form, of which no text begins with the octets.
pub(crate) fn is_der(octets: &[u8]) -> bool {
    matches!(octets, [tag::SEQUENCE, 0x81..=0x84, ..])
        && Reader::new(octets).any("the file").is_ok()
}

/// Every block in `octets`, in order. Text outside of blocks is skipped, as RFC 7468 section 2 allows.
///
/// Lazily, because whoever sees that a file is nonsense wants to stop reading it.
pub(crate) fn blocks(octets: &[u8]) -> impl Iterator<Item = Block<'_>> {
    let octets = if is_der(octets) { &[] } else { octets };
    // The mark that some editors put in front of UTF-8 is no part of the text (RFC 3629 section 6).
    let octets = octets.strip_prefix(b"\xef\xbb\xbf").unwrap_or(octets);
    Blocks {
        is_end_due: false,
        lines: Lines {
            rest: octets,
            // RFC 7468 section 3: eol = CRLF / CR / LF.
            end: match memchr(b'\n', octets) {
                Some(_) => b'\n',
                None => b'\r',
            },
            number: 0,
        },
    }
}

struct Blocks<'a> {
    lines: Lines<'a>,
    /// Whether the END line of a block is ahead that was told as broken already.
    is_end_due: bool,
}

impl<'a> Iterator for Blocks<'a> {
    type Item = Block<'a>;

    fn next(&mut self) -> Option<Block<'a>> {
        loop {
            let octets = self.lines.next()?;
            // Few lines of the text between blocks have one.
            if memchr(b'-', octets).is_none() {
                continue;
            }
            let line = text(octets);
            let Some(Mark { text, is_alone }) = line.and_then(|line| mark(line, "-----BEGIN "))
            else {
                match self.spoilt(octets, line) {
                    Some(block) => return Some(block),
                    None => continue,
                }
            };
            let mut block = Block {
                label: Label::of(text),
                line: self.lines.number,
                content: Err(NO_LINE_BREAKS),
                headers: Vec::new(),
            };
            self.is_end_due = !is_alone;
            if is_alone {
                match self.plain_content(block.label) {
                    Some(content) => block.content = Ok(Zeroizing::new(content)),
                    None => self.any_content(text, &mut block),
                }
                if let (Label(None), known @ Label(Some(_))) =
                    (block.label, Label::in_capitals(text))
                {
                    (block.label, block.content) = (known, Err(SMALL_LETTERS));
                }
            }
            return Some(block);
        }
    }
}

impl<'a> Blocks<'a> {
    /// What a line between the blocks tells of one that cannot be read. To pass over it would be to take the block behind
    /// it for the one that is meant.
    fn spoilt(&mut self, octets: &[u8], line: Option<&str>) -> Option<Block<'a>> {
        let has = |mark: &[u8]| memmem::find(octets, mark).is_some();
        if let Some(block) = line.and_then(|line| self.in_small_letters(line)) {
            return Some(block);
        }
        let (begin, reason) = if has(b"----BEGIN") {
            self.is_end_due = true;
            ("-----BEGIN ", SPOILT_BEGIN)
        } else if has(b"----END ") && !std::mem::take(&mut self.is_end_due) {
            ("-----END ", NO_BEGIN)
        } else {
            return None;
        };
        let mark = line
            .and_then(|line| line.find(begin).map(|at| &line[at..]))
            .and_then(|line| mark(line, begin));
        Some(Block {
            label: Label::of(mark.map_or("", |mark| mark.text)),
            line: self.lines.number,
            content: Err(reason),
            headers: Vec::new(),
        })
    }

    /// A line that would begin a block of a known kind if it were written in capital letters.
    fn in_small_letters(&mut self, line: &str) -> Option<Block<'a>> {
        let line = line.strip_prefix("-----")?.strip_suffix("-----")?;
        let (begin, label) = line.split_once(' ')?;
        let label @ Label(Some(_)) = Label::in_capitals(label) else {
            return None;
        };
        // An END line says nothing that its BEGIN line has not said already.
        let is_end = begin.eq_ignore_ascii_case("END") && begin != "END";
        let is_begin = begin.eq_ignore_ascii_case("BEGIN");
        self.is_end_due = is_begin || (self.is_end_due && !is_end);
        if !is_begin {
            return None;
        }
        Some(Block {
            label,
            line: self.lines.number,
            content: Err(SMALL_LETTERS),
            headers: Vec::new(),
        })
    }

    /// The content of a block that is no secret and has nothing but lines of base64 in it, as nearly every one in a
    /// bundle. Where that is not so nothing is read.
    fn plain_content(&mut self, label: Label) -> Option<Vec<u8>> {
        if !label.is_public() {
            return None;
        }
        let (body, behind) = self.lines.rest.split_at(memchr(b'-', self.lines.rest)?);
        let mut lines = Lines {
            rest: body,
            ..self.lines
        };
        // One call for the whole block: a call for each line would take most of the time.
        let mut dense = Vec::with_capacity(body.len());
        while let Some(line) = lines.next() {
            dense.extend_from_slice(line.strip_suffix(b"\r").unwrap_or(line));
        }
        let content = general_purpose::STANDARD.decode(dense).ok()?;
        if content.is_empty() {
            return None;
        }
        lines.rest = behind;
        let end = mark(text(lines.next()?)?, "-----END ")?;
        if body.last() != Some(&lines.end) || !end.is_alone || end.text != label.as_str() {
            return None;
        }
        self.lines = lines;
        Some(content)
    }

    /// The content of any other block, or what is wrong with it.
    fn any_content(&mut self, label: &str, block: &mut Block<'a>) {
        block.content = Err(NO_END);
        let mut body = Zeroizing::new(String::new());
        loop {
            let here = self.lines;
            let Some(line) = self.lines.next() else {
                return;
            };
            match text(line) {
                // Nothing in base64 looks like this: decoding will fail and say so.
                None => body.push('?'),
                // It is for the next block.
                Some(line) if mark(line, "-----BEGIN ").is_some() => {
                    self.lines = here;
                    return;
                }
                Some(line) if line.contains("-----") => {
                    block.content = match mark(line, "-----END ") {
                        Some(end) if end.is_alone && end.text == label => decode(&body),
                        Some(end) if end.is_alone && end.text.eq_ignore_ascii_case(label) => {
                            Err(SMALL_LETTERS)
                        }
                        Some(end) if end.is_alone => Err("its END line has another label"),
                        None if line
                            .get(..9)
                            .is_some_and(|start| start.eq_ignore_ascii_case("-----END ")) =>
                        {
                            Err(SMALL_LETTERS)
                        }
                        _ => Err(NO_LINE_BREAKS),
                    };
                    return;
                }
                Some(line) if body.is_empty() && line.contains(':') => block.headers.push(line),
                Some(line) => body.push_str(line),
            }
        }
    }
}

/// The lines of a text.
#[derive(Clone, Copy)]
struct Lines<'a> {
    rest: &'a [u8],
    end: u8,
    /// The number of the line that was given last, counted from 1.
    number: usize,
}

impl<'a> Lines<'a> {
    fn next(&mut self) -> Option<&'a [u8]> {
        if self.rest.is_empty() {
            return None;
        }
        self.number += 1;
        let line;
        (line, self.rest) = match memchr(self.end, self.rest) {
            Some(at) => (&self.rest[..at], &self.rest[at + 1..]),
            None => (self.rest, &[][..]),
        };
        Some(line)
    }
}

/// A line without white space around it, if it is text.
fn text(line: &[u8]) -> Option<&str> {
    std::str::from_utf8(line).ok().map(str::trim)
}

/// A line that begins a block or ends one.
struct Mark<'a> {
    text: &'a str,
    /// Whether nothing stands behind it.
    is_alone: bool,
}

fn mark<'a>(line: &'a str, begin: &str) -> Option<Mark<'a>> {
    let (text, behind) = line.strip_prefix(begin)?.split_once("-----")?;
    Some(Mark {
        text,
        is_alone: behind.is_empty(),
    })
}

fn decode(body: &str) -> Result<Zeroizing<Vec<u8>>, &'static str> {
    let is_white = |octet: &u8| octet.is_ascii_whitespace();
    let decoded = if body.as_bytes().iter().any(is_white) {
        let dense: Zeroizing<Vec<u8>> =
            Zeroizing::new(body.bytes().filter(|octet| !is_white(octet)).collect());
        general_purpose::STANDARD.decode(&dense)
    } else {
        general_purpose::STANDARD.decode(body)
    };
    match decoded {
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
            .map(|b| (b.label.as_str(), b.line, b.content))
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
            ("-----BEGIN A-----AAEC-----END A-----\n", NO_LINE_BREAKS),
            (
                "-----BEGIN A-----\\nAAEC\\n-----END A-----\\n\n",
                NO_LINE_BREAKS,
            ),
            ("-----BEGIN A-----\nAAEC-----END A-----\n", NO_LINE_BREAKS),
            ("-----BEGIN A----- AAEC\n-----END A-----\n", NO_LINE_BREAKS),
        ] {
            let whole = format!("{text}-----BEGIN C-----\nAAEC\n-----END C-----\n");
            let found: Vec<_> = blocks(whole.as_bytes()).collect();
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
    fn a_block_with_a_spoilt_begin_line_is_told_once_and_never_passed_over() {
        let rest = "AAEC\n-----END CMS-----\n";
        let good = "-----BEGIN CMS-----\nAAEC\n-----END CMS-----\n";
        for (begin, reason) in [
            ("Hello -----BEGIN CMS-----\n", SPOILT_BEGIN),
            ("-----BEGIN CMS----\n", SPOILT_BEGIN),
            ("-----BEGINCMS-----\n", SPOILT_BEGIN),
            ("----BEGIN CMS-----\n", SPOILT_BEGIN),
            ("\u{feff}\u{feff}-----BEGIN CMS-----\n", SPOILT_BEGIN),
            ("-----BEGAN CMS-----\n", NO_BEGIN),
            ("", NO_BEGIN),
            ("-----BEGIN CMS----- x\n", NO_LINE_BREAKS),
        ] {
            let whole = format!("{begin}{rest}{good}");
            let found: Vec<_> = blocks(whole.as_bytes()).map(|b| b.content).collect();
            assert_eq!(
                found,
                [Err(reason), Ok(Zeroizing::new(vec![0, 1, 2]))],
                "{begin}"
            );
        }
        let not_text = [b"\xe9 -----BEGIN CMS-----\n", rest.as_bytes()].concat();
        let found: Vec<_> = blocks(&not_text).map(|block| block.content).collect();
        assert_eq!(found, [Err(SPOILT_BEGIN)]);
    }

    #[test]
    fn a_block_in_small_letters_is_told_and_remarks_in_them_are_not() {
        let good = "-----BEGIN CMS-----\nAAEC\n-----END CMS-----\n";
        for block in [
            "-----begin x509 crl-----\nAAEC\n-----end x509 crl-----\n",
            "-----begin x509 crl-----\nAAEC\n-----END X509 CRL-----\n",
            "-----Begin X509 CRL-----\nAAEC\n-----End X509 CRL-----\n",
            "-----BEGIN x509 crl-----\nAAEC\n-----END x509 crl-----\n",
            "-----BEGIN X509 CRL-----\nAAEC\n-----END x509 crl-----\n",
            "-----BEGIN X509 CRL-----\nAAEC\n-----end X509 CRL-----\n",
        ] {
            let whole = format!("{block}{good}");
            let found: Vec<_> = blocks(whole.as_bytes())
                .map(|block| (block.label.as_str(), block.content))
                .collect();
            assert_eq!(
                found,
                [
                    ("X509 CRL", Err(SMALL_LETTERS)),
                    ("CMS", Ok(Zeroizing::new(vec![0, 1, 2])))
                ],
                "{block}"
            );
        }
        for remark in [
            "-----begin of the bundle-----\n",
            "-----Begin forwarded message-----\n",
            "the certificate begins with -----begin certificate-----, which is wrong\n",
            "-----end certificate-----\n",
        ] {
            let whole = format!("{remark}{good}");
            let found: Vec<_> = blocks(whole.as_bytes())
                .map(|block| block.content)
                .collect();
            assert_eq!(found, [Ok(Zeroizing::new(vec![0, 1, 2]))], "{remark}");
        }
    }

    #[test]
    fn a_byte_order_mark_in_front_is_no_part_of_the_text() {
        let text = "\u{feff}-----BEGIN CMS-----\nAAEC\n-----END CMS-----\n";
        let found: Vec<_> = blocks(text.as_bytes()).map(|block| block.content).collect();
        assert_eq!(found, [Ok(Zeroizing::new(vec![0, 1, 2]))]);
    }

    #[test]
    fn the_headers_of_old_encrypted_keys_are_kept_apart() {
        let text = b"-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\nAAEC\n\
            -----END RSA PRIVATE KEY-----\n";
        let found: Vec<_> = blocks(text).collect();
        assert_eq!(
            found[0].headers,
            ["Proc-Type: 4,ENCRYPTED", "DEK-Info: AES-128-CBC,00"]
        );
        assert_eq!(found[0].content, Ok(Zeroizing::new(vec![0, 1, 2])));
    }

    #[test]
    fn lines_may_end_in_all_three_ways() {
        for end in ["\n", "\r\n", "\r"] {
            let text = "-----BEGIN CMS-----|AA|EC|-----END CMS-----|".replace('|', end);
            let found: Vec<_> = blocks(text.as_bytes()).map(|block| block.content).collect();
            assert_eq!(found, [Ok(Zeroizing::new(vec![0, 1, 2]))], "{end:?}");
        }
    }

    #[test]
    fn nothing_of_the_file_is_in_a_label_or_in_debug() {
        let secret = "MIGHAgEAMBMGByqGSM49AgEG";
        for text in [
            format!("-----BEGIN {secret}-----\nAAEC\n-----END {secret}-----"),
            format!("-----BEGIN PRIVATE KEY-----{secret}-----END PRIVATE KEY-----"),
            format!("-----BEGIN PRIVATE KEY-----\n{secret}:\n{secret}\n-----END PRIVATE KEY-----"),
            format!("-----BEGIN PRIVATE KEY {secret}-----END PRIVATE KEY-----"),
        ] {
            let block = blocks(text.as_bytes()).next().expect("one");
            assert!(
                !format!("{} {block:?}", block.label).contains(secret),
                "{block:?}"
            );
        }
    }
}
