//! What there is to show, as a tree: written once, shown as text for people and as JSON for machines, so that neither
//! can say what the other does not.

use std::borrow::Cow;

use ::time::{OffsetDateTime, UtcOffset};
use serde::{
    Serialize, Serializer,
    ser::{SerializeMap, SerializeSeq},
};

use crate::{parse::oid::Oid, text::push_two_digits};

/// One entry of a CRL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RevokedEntry {
    pub(super) serial: Box<[u8]>,
    pub(super) date: OffsetDateTime,
    pub(super) extensions: Option<Box<Node>>,
}

impl RevokedEntry {
    fn node(&self) -> Node {
        let mut fields = vec![
            ("serial", super::serial(&self.serial)),
            ("date", Node::Time(self.date)),
        ];
        if let Some(extensions) = &self.extensions {
            fields.push(("extensions", (**extensions).clone()));
        }
        Node::Map(fields)
    }
}

/// A value to show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Node {
    /// Text from the file, as it is; escaped when it is shown.
    Text(String),
    /// Text that is already safe to show: ours, or with escapes of its own.
    Safe(Cow<'static, str>),
    Number(u64),
    /// A number of days, which may have passed.
    Days(i64),
    /// `2026-11-24 12:00:00 UTC` for people, RFC 3339 for machines.
    Time(OffsetDateTime),
    Bool(bool),
    Octets(Vec<u8>),
    /// An object identifier by its octets, shown by its numbers.
    Oid(Vec<u8>),
    List(Vec<Self>),
    Map(Vec<(&'static str, Self)>),
    /// The entries of a CRL, of which there may be hundreds of thousands: kept small, and made a map one by one.
    Revoked(Vec<RevokedEntry>),
    /// A distinguished name: people see the text, machines also its parts, which are read from the DER only then.
    Name {
        text: String,
        der: Vec<u8>,
    },
    /// An item with a heading of its own for people; machines get the map `fields`, in which `body` is one of the
    /// values.
    Titled {
        title: Cow<'static, str>,
        fields: Vec<(&'static str, Self)>,
        body: &'static str,
    },
}

impl Node {
    pub(super) fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    pub(super) fn safe(text: impl Into<Cow<'static, str>>) -> Self {
        Self::Safe(text.into())
    }

    pub(super) fn oid(oid: Oid<'_>) -> Self {
        Self::Oid(oid.0.to_vec())
    }

    /// Text for people, each line indented by `indent` spaces.
    pub(super) fn render(&self, indent: usize, out: &mut String) {
        match self {
            Self::Map(fields) => {
                for (name, node) in fields {
                    render_field(name, node, indent, out);
                }
            }
            Self::Titled {
                title,
                fields,
                body,
            } => {
                indented(indent, out);
                push_trimmed(out, |out| out.push_str(title));
                if let Some((_, node)) = fields.iter().find(|(name, _)| name == body) {
                    node.render(indent + 2, out);
                }
            }
            // A short list of words reads better as one line.
            Self::List(items) if self.fits_on_a_line() && !items.is_empty() => {
                self.line(indent, out)
            }
            Self::List(items) => {
                for item in items {
                    match item {
                        Self::Map(_) => item.render_item(indent, out),
                        other => other.render(indent, out),
                    }
                }
            }
            Self::Revoked(entries) => entries
                .iter()
                .for_each(|entry| entry.node().render_item(indent, out)),
            Self::Octets(octets) => {
                for chunk in octets.chunks(OCTETS_A_LINE) {
                    indented(indent, out);
                    crate::text::push_hex_colons(chunk, out);
                    out.push('\n');
                }
            }
            scalar => scalar.line(indent, out),
        }
    }

    /// A map in a list: its first field stands behind a dash, the others below it.
    fn render_item(&self, indent: usize, out: &mut String) {
        let start = out.len();
        self.render(indent + 2, out);
        if out.len() > start + indent {
            out.replace_range(start + indent..=start + indent, "-");
        }
    }

    /// The value on a line of its own.
    fn line(&self, indent: usize, out: &mut String) {
        indented(indent, out);
        push_trimmed(out, |out| self.push_inline(out));
    }

    /// The value on one line, behind what is there.
    fn push_inline(&self, out: &mut String) {
        match self {
            Self::Text(text) => crate::text::push_escaped(text, out),
            Self::Safe(text) => out.push_str(text),
            Self::Number(number) => crate::text::push_number(*number, out),
            Self::Days(days) => out.push_str(&days.to_string()),
            Self::Time(at) => push_time(*at, ' ', " UTC", out),
            Self::Bool(yes) => out.push_str(if *yes { "yes" } else { "no" }),
            Self::Octets(octets) => crate::text::push_hex_colons(octets, out),
            Self::Oid(octets) => Oid(octets).push_numbers(out),
            Self::List(items) => {
                for (at, item) in items.iter().enumerate() {
                    if at > 0 {
                        out.push_str(", ");
                    }
                    item.push_inline(out);
                }
            }
            Self::Name { text, .. } if text.is_empty() => out.push_str("(empty)"),
            Self::Name { text, .. } => out.push_str(text),
            Self::Titled { title, .. } => out.push_str(title),
            Self::Map(_) | Self::Revoked(_) => {}
        }
    }

    /// How long the value is on one line.
    fn inline_length(&self) -> usize {
        match self {
            Self::Safe(text) => text.len(),
            Self::Titled { title, .. } => title.len(),
            Self::Octets(octets) => (3 * octets.len()).saturating_sub(1),
            other => {
                let mut shown = String::new();
                other.push_inline(&mut shown);
                shown.len()
            }
        }
    }

    fn fits_on_a_line(&self) -> bool {
        match self {
            Self::Map(_) => false,
            Self::Revoked(entries) => entries.is_empty(),
            // Without a body the heading is all there is to read.
            Self::Titled { body, .. } => body.is_empty(),
            Self::List(items) => {
                items
                    .iter()
                    .all(|item| !matches!(item, Self::List(_)) && item.fits_on_a_line())
                    && items
                        .iter()
                        .map(|item| item.inline_length() + 2)
                        .sum::<usize>()
                        <= 90
            }
            Self::Octets(octets) => octets.len() <= OCTETS_A_LINE,
            _ => true,
        }
    }
}

const OCTETS_A_LINE: usize = 32;

fn render_field(name: &str, node: &Node, indent: usize, out: &mut String) {
    let is_empty = match node {
        Node::List(items) => items.is_empty(),
        Node::Revoked(entries) => entries.is_empty(),
        _ => false,
    };
    // The heading says what it is; the field is for machines.
    if is_empty || name == "kind" {
        return;
    }
    if node.fits_on_a_line() {
        indented(indent, out);
        push_trimmed(out, |out| {
            // The names of fields are ASCII.
            push_label(name, out);
            indented(20_usize.saturating_sub(name.len()) + 1, out);
            node.push_inline(out);
        });
    } else {
        indented(indent, out);
        push_label(name, out);
        out.push('\n');
        node.render(indent + 2, out);
    }
}

/// The name of a field, as people read it.
fn push_label(name: &str, out: &mut String) {
    out.extend(name.chars().map(|c| if c == '_' { ' ' } else { c }));
}

fn indented(indent: usize, out: &mut String) {
    const SPACES: &str = "                                ";
    let mut left = indent;
    while left > 0 {
        let some = left.min(SPACES.len());
        out.push_str(&SPACES[..some]);
        left -= some;
    }
}

/// Ends the line with what `push` writes, without the white space behind it.
fn push_trimmed(out: &mut String, push: impl FnOnce(&mut String)) {
    let start = out.len();
    push(out);
    let end = start + out[start..].trim_end().len();
    out.truncate(end);
    out.push('\n');
}

pub(super) fn push_time(at: OffsetDateTime, between: char, end: &str, out: &mut String) {
    let at = at.to_offset(UtcOffset::UTC);
    let (year, month, day) = at.to_calendar_date();
    let (hour, minute, second) = at.to_hms();
    match u8::try_from(year / 100) {
        Ok(century @ 0..100) if year >= 0 => {
            push_two_digits(century, out);
            push_two_digits((year % 100) as u8, out);
        }
        _ => out.push_str(&year.to_string()),
    }
    for (before, number) in [('-', u8::from(month)), ('-', day), (between, hour)] {
        out.push(before);
        push_two_digits(number, out);
    }
    for number in [minute, second] {
        out.push(':');
        push_two_digits(number, out);
    }
    out.push_str(end);
}

impl Serialize for Node {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Text(text) => serializer.serialize_str(text),
            Self::Safe(text) => serializer.serialize_str(text),
            Self::Number(number) => serializer.serialize_u64(*number),
            Self::Days(days) => serializer.serialize_i64(*days),
            Self::Time(at) => {
                let mut text = String::new();
                push_time(*at, 'T', "Z", &mut text);
                serializer.serialize_str(&text)
            }
            Self::Bool(yes) => serializer.serialize_bool(*yes),
            Self::Octets(octets) => serializer.serialize_str(&crate::text::hex(octets)),
            Self::Oid(octets) => serializer.serialize_str(&Oid(octets).numbers()),
            Self::List(items) => {
                let mut list = serializer.serialize_seq(Some(items.len()))?;
                for item in items {
                    list.serialize_element(item)?;
                }
                list.end()
            }
            Self::Revoked(entries) => {
                serializer.collect_seq(entries.iter().map(RevokedEntry::node))
            }
            Self::Name { text, der } => {
                super::public_key::name_fields(text, der).serialize(serializer)
            }
            Self::Map(fields) | Self::Titled { fields, .. } => {
                let mut map = serializer.serialize_map(Some(fields.len()))?;
                for (name, node) in fields {
                    map.serialize_entry(name, node)?;
                }
                map.end()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_is_shown_with_labels_and_hostile_text_is_escaped() {
        let node = Node::Map(vec![
            ("not_before", Node::safe("today")),
            (
                "names",
                Node::List(vec![Node::text("a\u{1b}[31m"), Node::text("b")]),
            ),
            ("none", Node::List(vec![])),
            ("signature", Node::Octets(vec![0xab; 33])),
            (
                "points",
                Node::List(vec![Node::Map(vec![
                    ("name", Node::text("x")),
                    ("indirect", Node::Bool(true)),
                ])]),
            ),
        ]);
        let mut out = String::new();
        node.render(2, &mut out);
        let long = vec!["AB"; 32].join(":");
        assert_eq!(
            out,
            format!(
                "  not before           today\n  names                a\\u{{1b}}[31m, b\n  signature\n    {long}\n    AB\n  \
                 points\n    - name                 x\n      indirect             yes\n"
            )
        );
    }
}
