//! A table of the file, taken apart field by field. A field that nobody knows, and a value of another kind than it should
//! be, are refused in a sentence that names the table and the field, and says what would be right.

use std::ops::Range;

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::{
    ManifestError,
    message::{nearest, quoted},
};
use crate::text::escape;

pub(super) type Refuse<'a> = dyn Fn(usize, String) -> ManifestError + 'a;

type Result<T> = std::result::Result<T, ManifestError>;
type Key = Spanned<String>;
type Value<'a> = Spanned<DeValue<'a>>;

/// A number of days as it is written; whether there can be so many is asked later.
pub(super) type Days = std::result::Result<u32, String>;

/// A table whose fields are taken out one after the other.
pub(super) struct Table<'a> {
    /// As messages name it: `[certificate.order]`.
    name: String,
    /// Where it begins.
    start: usize,
    fields: DeTable<'a>,
    refuse: &'a Refuse<'a>,
}

impl<'a> Table<'a> {
    /// The whole file.
    pub(super) fn whole(
        fields: DeTable<'a>,
        known: &[&str],
        refuse: &'a Refuse<'a>,
    ) -> Result<Self> {
        let whole = Self {
            name: "The manifest".to_owned(),
            start: 0,
            fields,
            refuse,
        };
        whole.has_only(known)?;
        Ok(whole)
    }

    /// A table with these fields and no others. `key` is its name in the file.
    fn new(key: &[&str], known: &[&str], value: Value<'a>, refuse: &'a Refuse<'a>) -> Result<Self> {
        let Range { start, .. } = value.span();
        let table = Self {
            name: heading(key),
            start,
            fields: fields(key, value, refuse)?,
            refuse,
        };
        table.has_only(known)?;
        Ok(table)
    }

    /// A table of this one.
    pub(super) fn table(&mut self, field: &str, known: &[&str]) -> Result<Option<Self>> {
        self.fields
            .remove(field)
            .map(|value| Self::new(&[field], known, value, self.refuse))
            .transpose()
    }

    /// A table of tables, whose names are anybody's.
    pub(super) fn tables(&mut self, field: &str, known: &[&str]) -> Result<Vec<(Key, Self)>> {
        let Some(value) = self.fields.remove(field) else {
            return Ok(Vec::new());
        };
        let mut tables = Vec::new();
        for (key, value) in fields(&[field], value, self.refuse)? {
            let name = Spanned::new(key.span(), key.into_inner().into_owned());
            let table = Self::new(&[field, name.get_ref()], known, value, self.refuse)?;
            tables.push((name, table));
        }
        Ok(tables)
    }

    /// Text, as in `example`.
    pub(super) fn text(&mut self, field: &str, example: &str) -> Result<Option<Spanned<String>>> {
        let Some(value) = self.fields.remove(field) else {
            return Ok(None);
        };
        let span = value.span();
        match value.into_inner() {
            DeValue::String(text) => Ok(Some(Spanned::new(span, text.into_owned()))),
            other => {
                let right = format!("{field} = \"{example}\"");
                Err(self.is_other(field, span.start, &other, "text", &right))
            }
        }
    }

    /// A list of texts.
    pub(super) fn texts(&mut self, field: &str, example: &str) -> Result<Vec<Spanned<String>>> {
        let Some(value) = self.fields.remove(field) else {
            return Ok(Vec::new());
        };
        let right = format!("{field} = [\"{example}\"]");
        let Range { start, .. } = value.span();
        let all = match value.into_inner() {
            DeValue::Array(all) => all,
            other => return Err(self.is_other(field, start, &other, "a list of texts", &right)),
        };
        let mut texts = Vec::new();
        for element in all {
            let span = element.span();
            match element.into_inner() {
                DeValue::String(text) => texts.push(Spanned::new(span, text.into_owned())),
                other => {
                    return Err((self.refuse)(
                        span.start,
                        format!(
                            "The list {field} of {} holds {}, and each of its elements is text; write {right}.",
                            self.name,
                            kind(&other)
                        ),
                    ));
                }
            }
        }
        Ok(texts)
    }

    /// `true` or `false`; `false` when it is not there.
    pub(super) fn flag(&mut self, field: &str) -> Result<bool> {
        let Some(value) = self.fields.remove(field) else {
            return Ok(false);
        };
        let Range { start, .. } = value.span();
        match value.into_inner() {
            DeValue::Boolean(is_set) => Ok(is_set),
            other => {
                let right = format!("{field} = true, or leave it out");
                Err(self.is_other(field, start, &other, "true or false", &right))
            }
        }
    }

    /// A number of days.
    pub(super) fn days(&mut self, field: &str) -> Result<Option<Spanned<Days>>> {
        let Some(value) = self.fields.remove(field) else {
            return Ok(None);
        };
        let span = value.span();
        match value.into_inner() {
            DeValue::Integer(number) => {
                let days = u32::from_str_radix(number.as_str(), number.radix());
                // Written with a thousand digits it is still one number; the parser has not looked at them.
                let days = days.map_err(|_| match number.as_str().len() {
                    ..=20 => escape(&number.to_string()),
                    _ => "so many".to_owned(),
                });
                Ok(Some(Spanned::new(span, days)))
            }
            other => {
                let right = format!("{field} = 60");
                let expected = "a whole number of days";
                Err(self.is_other(field, span.start, &other, expected, &right))
            }
        }
    }

    /// What must be there.
    pub(super) fn missing(&self, what: &str, right: &str) -> ManifestError {
        (self.refuse)(
            self.start,
            format!("{} has no {what}; add {right}.", self.name),
        )
    }

    fn is_other(
        &self,
        field: &str,
        at: usize,
        value: &DeValue<'_>,
        expected: &str,
        right: &str,
    ) -> ManifestError {
        let table = &self.name;
        (self.refuse)(
            at,
            format!(
                "The field {field} of {table} is {}, and {expected} is expected; write {right}.",
                kind(value)
            ),
        )
    }

    /// Refuses the first field that is not known.
    fn has_only(&self, known: &[&str]) -> Result<()> {
        let unknown = self
            .fields
            .iter()
            .filter(|(key, _)| !known.contains(&key.get_ref().as_ref()))
            .min_by_key(|(key, _)| key.span().start);
        let Some((key, value)) = unknown else {
            return Ok(());
        };
        let name = key.get_ref();
        let (last, others) = known.split_last().unwrap_or((&"", &[]));
        let all = format!("{} and {last}", others.join(", "));
        let is_entry = self.name.starts_with("[certificate.");
        let advice = match nearest(name, known) {
            _ if is_entry && matches!(value.get_ref(), DeValue::Table(_)) => {
                "a name with dots is written in quotes, as in [certificate.\"a.example.org\"]."
                    .to_owned()
            }
            Some(known) => format!("did you mean \"{known}\"?"),
            None => "take it out, or put # in front of it.".to_owned(),
        };
        Err((self.refuse)(
            key.span().start,
            format!(
                "{} has no field {}, only {all}; {advice}",
                self.name,
                quoted(name)
            ),
        ))
    }
}

/// What is in a table.
fn fields<'a>(key: &[&str], value: Value<'a>, refuse: &Refuse<'_>) -> Result<DeTable<'a>> {
    let Range { start, .. } = value.span();
    let other = match value.into_inner() {
        DeValue::Table(fields) => return Ok(fields),
        other => kind(&other),
    };
    let name = heading(key);
    let right = match key {
        ["certificate"] | ["certificate", _] => "[certificate.NAME]",
        _ => &name,
    };
    Err(refuse(
        start,
        format!(
            "{name} is {other}, and a table is expected; write {right} on a line of its own, and the fields below it."
        ),
    ))
}

/// `[certificate.order]`, and `[certificate."a.b"]`.
pub(super) fn heading(key: &[&str]) -> String {
    let is_bare = |part: &str| {
        let allowed = |octet: u8| octet.is_ascii_alphanumeric() || b"-_".contains(&octet);
        !part.is_empty() && part.len() <= 64 && part.bytes().all(allowed)
    };
    let parts: Vec<_> = key
        .iter()
        .map(|part| match is_bare(part) {
            true => (*part).to_owned(),
            false => quoted(part),
        })
        .collect();
    format!("[{}]", parts.join("."))
}

fn kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "text",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a number with a fraction",
        DeValue::Boolean(true) => "true",
        DeValue::Boolean(false) => "false",
        DeValue::Datetime(_) => "a date or time",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}
