//! Distinguished names: shown as RFC 4514 writes them, compared as RFC 5280 section 7.1 asks for.

use std::{borrow::Cow, fmt};

use super::{
    der::{Reader, Result, Value, tag},
    oid::{Oid, attribute_name},
};

/// A sequence of relative distinguished names. It is gone through once to see that it is well-formed, and again whenever
/// something of it is wanted; nothing is copied.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Name<'a> {
    pub(crate) raw: &'a [u8],
    sets: &'a [u8],
}

/// A relative distinguished name: the content of a SET of attributes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RelativeName<'a>(&'a [u8]);

#[derive(Clone, Copy, Debug)]
pub(crate) struct Attribute<'a> {
    pub(crate) oid: Oid<'a>,
    pub(crate) value: Value<'a>,
}

/// A form in which two names are the same octets exactly when they match by RFC 5280 section 7.1: without regard to
/// string type, case and repeated spaces.
///
/// In front of each relative name stands its length, so that a prefix of the name is a prefix here.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Canonical(Vec<u8>);

impl<'a> Name<'a> {
    pub(crate) fn read(reader: &mut Reader<'a>, what: &'static str) -> Result<Self> {
        let value = reader.value(tag::SEQUENCE, what)?;
        let mut sets = Reader::new(value.content);
        while !sets.is_empty() {
            RelativeName::read(sets.value(tag::SET, what)?.content, what)?;
        }
        Ok(Self {
            raw: value.raw,
            sets: value.content,
        })
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.sets.is_empty()
    }

    /// A relative name without an attribute, which X.501 forbids.
    pub(crate) fn has_an_empty_part(&self) -> bool {
        self.rdns().any(|rdn| rdn.0.is_empty())
    }

    pub(crate) fn rdns(&self) -> impl Iterator<Item = RelativeName<'a>> + use<'a> {
        let mut sets = Reader::new(self.sets);
        // Nothing but the end is an error here.
        std::iter::from_fn(move || sets.value(tag::SET, "a name").ok())
            .map(|set| RelativeName(set.content))
    }

    pub(crate) fn attributes(&self) -> impl Iterator<Item = Attribute<'a>> + use<'a> {
        self.rdns().flat_map(RelativeName::attributes)
    }

    /// The last common name, or the last attribute of any kind: what a person would call it.
    pub(crate) fn short(&self) -> Option<Cow<'a, str>> {
        let (mut common_name, mut last) = (None, None);
        for attribute in self.attributes() {
            if attribute.oid == super::oid::known::COMMON_NAME {
                common_name = Some(attribute);
            }
            last = Some(attribute);
        }
        common_name.or(last).map(|attribute| attribute.text())
    }

    pub(crate) fn has_common_name(&self) -> bool {
        self.attributes()
            .any(|attribute| attribute.oid == super::oid::known::COMMON_NAME)
    }

    pub(crate) fn canonical(&self) -> Canonical {
        // About twice as long as the name.
        let mut out = Canonical(Vec::with_capacity(2 * self.sets.len()));
        self.write_canonical(&mut out);
        out
    }

    /// The same in place of what is in `out`, so that many names need one buffer.
    pub(crate) fn write_canonical(&self, out: &mut Canonical) {
        out.0.clear();
        for rdn in self.rdns() {
            out.push(rdn);
        }
    }

    /// RFC 4514, in the order of the encoding (as openssl shows names, and as certificates are read aloud), with a space
    /// behind each comma. Nothing in it can harm a terminal.
    pub(crate) fn text(&self) -> String {
        let mut out = String::with_capacity(self.sets.len());
        for (at, rdn) in self.rdns().enumerate() {
            if at > 0 {
                out.push_str(", ");
            }
            rdn.show(&mut out);
        }
        out
    }
}

impl fmt::Display for Name<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text())
    }
}

impl<'a> RelativeName<'a> {
    pub(crate) fn read(set: &'a [u8], what: &'static str) -> Result<Self> {
        let mut attributes = Reader::new(set);
        while !attributes.is_empty() {
            Attribute::read(&mut attributes, what)?;
        }
        Ok(Self(set))
    }

    pub(crate) fn attributes(self) -> impl Iterator<Item = Attribute<'a>> {
        let mut attributes = Reader::new(self.0);
        // Nothing but the end is an error here.
        std::iter::from_fn(move || Attribute::read(&mut attributes, "a name").ok())
    }

    /// Writes it as RFC 4514 section 2.3 does.
    fn show(self, out: &mut String) {
        for (at, attribute) in self.attributes().enumerate() {
            if at > 0 {
                out.push('+');
            }
            out.push_str(&attribute.type_name());
            out.push('=');
            match attribute.string() {
                Some(text) => escape(&text, out),
                None => out.push_str(&attribute.text()),
            }
        }
    }

    pub(crate) fn text(self) -> String {
        let mut out = String::with_capacity(self.0.len());
        self.show(&mut out);
        out
    }
}

impl Canonical {
    /// Something else than a distinguished name, which is compared octet by octet.
    pub(crate) fn of_octets(octets: Vec<u8>) -> Self {
        Self(octets)
    }

    /// Adds a relative name at the end.
    pub(crate) fn push(&mut self, rdn: RelativeName<'_>) {
        with_length(&mut self.0, |out| {
            let mut attributes = rdn.attributes();
            let (first, second) = (attributes.next(), attributes.next());
            // Nearly all have one.
            let (Some(_), Some(_)) = (first, second) else {
                first.into_iter().for_each(|one| one.canonical(out));
                return;
            };
            let canonical = |attribute: Attribute<'_>| {
                let mut out = Vec::new();
                attribute.canonical(&mut out);
                out
            };
            let mut attributes: Vec<Vec<u8>> = rdn.attributes().map(canonical).collect();
            // A SET has no order.
            attributes.sort();
            out.extend(attributes.into_iter().flatten());
        });
    }

    /// Whether `other` is the same name or one that this one stands below.
    pub(crate) fn starts_with(&self, other: &Self) -> bool {
        self.0.starts_with(&other.0)
    }
}

/// Writes what `content` writes, and its length in front of it.
fn with_length(out: &mut Vec<u8>, content: impl FnOnce(&mut Vec<u8>)) {
    let at = out.len();
    out.extend_from_slice(&[0; size_of::<u64>()]);
    let start = out.len();
    content(out);
    let length = u64::try_from(out.len() - start).unwrap_or(u64::MAX);
    out[at..start].copy_from_slice(&length.to_be_bytes());
}

/// The part of LDAP StringPrep (RFC 4518) that names in practice need: case folded, characters that are mapped to
/// nothing removed, any white space one space, none at the ends.
fn prepare(text: &str, out: &mut Vec<u8>) {
    let start = out.len();
    if text.is_ascii() {
        let mut is_behind_space = false;
        for octet in text.bytes() {
            // The vertical tab, too, is white space.
            if matches!(octet, b' ' | b'\t'..=b'\r') {
                is_behind_space = out.len() > start;
                continue;
            }
            if is_behind_space {
                out.push(b' ');
                is_behind_space = false;
            }
            out.push(octet.to_ascii_lowercase());
        }
        return;
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
        if out.len() > start {
            out.push(b' ');
        }
        out.extend_from_slice(word.as_bytes());
    }
}

impl<'a> Attribute<'a> {
    fn read(reader: &mut Reader<'a>, what: &'static str) -> Result<Self> {
        let mut attribute = reader.sequence(what)?;
        let oid = attribute.oid(what)?;
        let value = attribute.any(what)?;
        attribute.end(what)?;
        Ok(Self { oid, value })
    }

    /// The value as text, when it is a string.
    pub(crate) fn string(&self) -> Option<Cow<'a, str>> {
        string(self.value)
    }

    /// The value as text for people; RFC 4514 section 2.4 writes what is no string as `#` and its octets.
    pub(crate) fn text(&self) -> Cow<'a, str> {
        self.string()
            .unwrap_or_else(|| format!("#{}", crate::text::hex(self.value.raw)).into())
    }

    pub(crate) fn type_name(&self) -> Cow<'static, str> {
        match attribute_name(self.oid) {
            Some(name) => name.into(),
            None => self.oid.numbers().into(),
        }
    }

    fn canonical(&self, out: &mut Vec<u8>) {
        with_length(out, |out| out.extend_from_slice(self.oid.0));
        with_length(out, |out| match self.string() {
            Some(text) => prepare(&text, out),
            None => out.extend_from_slice(self.value.raw),
        });
    }
}

/// Any ASN.1 string as text; nothing when the octets do not fit its type.
pub(crate) fn string(value: Value<'_>) -> Option<Cow<'_, str>> {
    let octets = value.content;
    match value.tag {
        tag::UTF8_STRING => std::str::from_utf8(octets).ok().map(Cow::Borrowed),
        tag::PRINTABLE_STRING | tag::NUMERIC_STRING | tag::IA5_STRING | tag::VISIBLE_STRING => {
            let text = std::str::from_utf8(octets).ok();
            text.filter(|text| text.is_ascii()).map(Cow::Borrowed)
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

/// RFC 4514 section 2.4: special characters behind a backslash, and what a terminal must not see as `\` with the
/// hexadecimal digits of its UTF-8 octets.
fn escape(text: &str, out: &mut String) {
    let is_plain = |octet| matches!(octet, b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'-' | b'\'' | b'(' | b')' | b'/' | b':' | b' ');
    // Nearly all text is like this.
    if text.bytes().all(is_plain) && !text.starts_with(' ') && !text.ends_with(' ') {
        return out.push_str(text);
    }
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
