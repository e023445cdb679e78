//! Distinguished names: shown as RFC 4514 writes them, compared as RFC 5280 section 7.1 asks for.

use std::fmt;

use super::{
    der::{Reader, Result, Value, tag},
    oid::{Oid, attribute_name},
};

/// A sequence of relative distinguished names.
#[derive(Clone, Debug)]
pub(crate) struct Name<'a> {
    pub(crate) raw: &'a [u8],
    pub(crate) rdns: Vec<Vec<Attribute<'a>>>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Attribute<'a> {
    pub(crate) oid: Oid<'a>,
    pub(crate) value: Value<'a>,
}

impl<'a> Name<'a> {
    pub(crate) fn read(reader: &mut Reader<'a>, what: &'static str) -> Result<Self> {
        let value = reader.value(tag::SEQUENCE, what)?;
        let mut sets = Reader::new(value.content);
        let mut rdns = Vec::new();
        while !sets.is_empty() {
            rdns.push(read_rdn(sets.value(tag::SET, what)?.content, what)?);
        }
        Ok(Self {
            raw: value.raw,
            rdns,
        })
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rdns.is_empty()
    }

    /// A relative name without an attribute, which X.501 forbids.
    pub(crate) fn has_an_empty_part(&self) -> bool {
        self.rdns.iter().any(Vec::is_empty)
    }

    pub(crate) fn attributes(&self) -> impl Iterator<Item = &Attribute<'a>> {
        self.rdns.iter().flatten()
    }

    /// The last common name, or the last attribute of any kind: what a person would call it.
    pub(crate) fn short(&self) -> Option<String> {
        let mut attributes: Vec<_> = self.attributes().collect();
        attributes.reverse();
        let common_name = attributes
            .iter()
            .find(|attribute| attribute.oid == super::oid::known::COMMON_NAME);
        common_name
            .or_else(|| attributes.first())
            .map(|attribute| attribute.text())
    }

    pub(crate) fn has_common_name(&self) -> bool {
        self.attributes()
            .any(|attribute| attribute.oid == super::oid::known::COMMON_NAME)
    }

    /// A form in which two names are the same octets exactly when they match by RFC 5280 section 7.1: without regard to
    /// string type, case and repeated spaces. Each relative name is a value of its own, so that a prefix of the name is
    /// a prefix here.
    pub(crate) fn canonical(&self) -> Vec<Vec<u8>> {
        self.rdns.iter().map(|rdn| canonical_rdn(rdn)).collect()
    }
}

pub(crate) fn read_rdn<'a>(set: &'a [u8], what: &'static str) -> Result<Vec<Attribute<'a>>> {
    let mut attributes = Reader::new(set);
    let mut rdn = Vec::new();
    while !attributes.is_empty() {
        let mut attribute = attributes.sequence(what)?;
        let oid = attribute.oid(what)?;
        let value = attribute.any(what)?;
        attribute.end(what)?;
        rdn.push(Attribute { oid, value });
    }
    Ok(rdn)
}

pub(crate) fn canonical_rdn(rdn: &[Attribute<'_>]) -> Vec<u8> {
    let canonical = |attribute: &Attribute<'_>| {
        let text = attribute.string().map(|text| prepare(&text));
        let parts = [
            attribute.oid.0,
            text.as_ref()
                .map_or(attribute.value.raw, |text| text.as_bytes()),
        ];
        let mut out = Vec::with_capacity(parts[0].len() + parts[1].len() + 2 * size_of::<u64>());
        for octets in parts {
            let length = u64::try_from(octets.len()).unwrap_or(u64::MAX);
            out.extend_from_slice(&length.to_be_bytes());
            out.extend_from_slice(octets);
        }
        out
    };
    // Nearly all have one.
    if let [attribute] = rdn {
        return canonical(attribute);
    }
    let mut attributes: Vec<Vec<u8>> = rdn.iter().map(canonical).collect();
    // A SET has no order.
    attributes.sort();
    attributes.concat()
}

/// The part of LDAP StringPrep (RFC 4518) that names in practice need: case folded, characters that are mapped to
/// nothing removed, any white space one space, none at the ends.
fn prepare(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    if text.is_ascii() {
        for word in text.split_ascii_whitespace() {
            // White space that only Unicode counts as such: the vertical tab.
            for word in word.split('\u{b}').filter(|word| !word.is_empty()) {
                if !out.is_empty() {
                    out.push(' ');
                }
                out.push_str(word);
            }
        }
        out.make_ascii_lowercase();
        return out;
    }
    let mapped_to_nothing = |c: &char| {
        matches!(
            *c,
            '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2060}' | '\u{feff}'
        )
    };
    let text: String = text
        .chars()
        .filter(|c| !mapped_to_nothing(c))
        .flat_map(char::to_lowercase)
        .collect();
    for word in text.split_whitespace() {
        if !out.is_empty() {
            out.push(' ');
        }
        out.push_str(word);
    }
    out
}

impl Attribute<'_> {
    /// The value as text, when it is a string.
    pub(crate) fn string(&self) -> Option<String> {
        string(self.value)
    }

    /// The value as text for people; RFC 4514 section 2.4 writes what is no string as `#` and its octets.
    pub(crate) fn text(&self) -> String {
        self.string()
            .unwrap_or_else(|| format!("#{}", crate::text::hex(self.value.raw)))
    }

    pub(crate) fn type_name(&self) -> String {
        attribute_name(self.oid).map_or_else(|| self.oid.to_string(), str::to_owned)
    }
}

/// Any ASN.1 string as text; nothing when the octets do not fit its type.
pub(crate) fn string(value: Value<'_>) -> Option<String> {
    let octets = value.content;
    match value.tag {
        tag::UTF8_STRING => std::str::from_utf8(octets).ok().map(str::to_owned),
        tag::PRINTABLE_STRING | tag::NUMERIC_STRING | tag::IA5_STRING | tag::VISIBLE_STRING => {
            let text = std::str::from_utf8(octets).ok();
            text.filter(|text| text.is_ascii()).map(str::to_owned)
        }
        // In practice T.61 strings hold Latin-1.
        tag::TELETEX_STRING => Some(octets.iter().copied().map(char::from).collect()),
        tag::BMP_STRING if octets.len().is_multiple_of(2) => {
            let units = octets
                .chunks_exact(2)
                .map(|pair| u16::from_be_bytes([pair[0], pair[1]]));
            char::decode_utf16(units)
                .collect::<std::result::Result<_, _>>()
                .ok()
        }
        tag::UNIVERSAL_STRING if octets.len().is_multiple_of(4) => octets
            .chunks_exact(4)
            .map(|four| char::from_u32(u32::from_be_bytes([four[0], four[1], four[2], four[3]])))
            .collect(),
        _ => None,
    }
}

/// RFC 4514, in the order of the encoding (as openssl shows names, and as certificates are read aloud), with a space
/// behind each comma. Nothing in it can harm a terminal.
impl fmt::Display for Name<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, rdn) in self.rdns.iter().enumerate() {
            if i > 0 {
                f.write_str(", ")?;
            }
            f.write_str(&show_rdn(rdn))?;
        }
        Ok(())
    }
}

pub(crate) fn show_rdn(rdn: &[Attribute<'_>]) -> String {
    let shown: Vec<_> = rdn
        .iter()
        .map(|attribute| match attribute.string() {
            Some(text) => format!("{}={}", attribute.type_name(), escape(&text)),
            None => format!("{}={}", attribute.type_name(), attribute.text()),
        })
        .collect();
    shown.join("+")
}

/// RFC 4514 section 2.4: special characters behind a backslash, and what a terminal must not see as `\` with the
/// hexadecimal digits of its UTF-8 octets.
fn escape(text: &str) -> String {
    let is_plain = |octet| matches!(octet, b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'-' | b'\'' | b'(' | b')' | b'/' | b':');
    if text
        .split(' ')
        .all(|word| !word.is_empty() && word.bytes().all(is_plain))
    {
        return text.to_owned();
    }
    let mut out = String::with_capacity(text.len());
    let last = text.chars().count().saturating_sub(1);
    for (i, c) in text.chars().enumerate() {
        if crate::text::is_hostile(c) {
            for octet in c.encode_utf8(&mut [0; 4]).bytes() {
                out.push_str(&format!("\\{octet:02X}"));
            }
            continue;
        }
        let special = matches!(c, '"' | '+' | ',' | ';' | '<' | '>' | '\\')
            || (i == 0 && matches!(c, ' ' | '#'))
            || (i == last && c == ' ');
        if special {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A name from (type octets, string tag, value), one relative name each.
    pub(crate) fn encode(attributes: &[(&[u8], u8, &[u8])]) -> Vec<u8> {
        let tlv = |tag: u8, content: &[u8]| {
            [&[tag, u8::try_from(content.len()).expect("short")], content].concat()
        };
        let rdns: Vec<u8> = attributes
            .iter()
            .flat_map(|(oid, tag, value)| {
                tlv(
                    tag::SET,
                    &tlv(
                        tag::SEQUENCE,
                        &[tlv(tag::OID, oid), tlv(*tag, value)].concat(),
                    ),
                )
            })
            .collect();
        tlv(tag::SEQUENCE, &rdns)
    }

    const CN: &[u8] = &[0x55, 4, 3];
    const O: &[u8] = &[0x55, 4, 10];

    fn name(der: &[u8]) -> Name<'_> {
        Name::read(&mut Reader::new(der), "the name").expect("valid")
    }

    #[test]
    fn names_are_written_in_the_order_of_the_encoding_with_escapes() {
        for (value, shown) in [
            (&b"plain"[..], "O=Software, CN=plain"),
            (b"a,b+c", "O=Software, CN=a\\,b\\+c"),
            (b" lead and trail ", "O=Software, CN=\\ lead and trail\\ "),
            (
                b"#hash \"quoted\" <x>;",
                "O=Software, CN=\\#hash \\\"quoted\\\" \\<x\\>\\;",
            ),
            (b"esc\x1b[31m\n", "O=Software, CN=esc\\1B[31m\\0A"),
            ("rtl\u{202e}".as_bytes(), "O=Software, CN=rtl\\E2\\80\\AE"),
            ("Zürich".as_bytes(), "O=Software, CN=Zürich"),
            (b"broken \xff", "O=Software, CN=#0c0862726f6b656e20ff"),
        ] {
            let der = encode(&[
                (O, tag::UTF8_STRING, b"Software"),
                (CN, tag::UTF8_STRING, value),
            ]);
            assert_eq!(name(&der).to_string(), shown);
        }
    }

    #[test]
    fn names_match_without_regard_to_case_spaces_and_string_type() {
        let ours = encode(&[
            (CN, tag::UTF8_STRING, b"Root  CA "),
            (O, tag::PRINTABLE_STRING, b"X"),
        ]);
        for (other, same) in [
            (
                encode(&[
                    (CN, tag::PRINTABLE_STRING, b" root ca"),
                    (O, tag::UTF8_STRING, b"x"),
                ]),
                true,
            ),
            (
                encode(&[
                    (CN, tag::BMP_STRING, b"\0r\0o\0o\0t\0 \0c\0a"),
                    (O, tag::UTF8_STRING, b"x"),
                ]),
                true,
            ),
            (
                encode(&[
                    (CN, tag::UTF8_STRING, b"rootca"),
                    (O, tag::UTF8_STRING, b"x"),
                ]),
                false,
            ),
            (
                encode(&[
                    (O, tag::UTF8_STRING, b"x"),
                    (CN, tag::UTF8_STRING, b"root ca"),
                ]),
                false,
            ),
            (encode(&[(CN, tag::UTF8_STRING, b"root ca")]), false),
        ] {
            assert_eq!(
                name(&ours).canonical() == name(&other).canonical(),
                same,
                "{}",
                name(&other)
            );
        }
    }

    #[test]
    fn a_value_that_fakes_a_second_attribute_does_not_match_two_attributes() {
        let two = encode(&[(CN, tag::UTF8_STRING, b"a"), (O, tag::UTF8_STRING, b"b")]);
        let fake = encode(&[(CN, tag::UTF8_STRING, b"a, O=b")]);
        assert_ne!(name(&two).canonical(), name(&fake).canonical());
        assert_eq!(name(&fake).to_string(), "CN=a\\, O=b");
    }
}
