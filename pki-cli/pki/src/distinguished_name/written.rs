//! The two forms in which names are written: openssl's with slashes, and RFC 4514's.

use super::{DistinguishedNameError, attribute::Given, kind::Kind};

pub(super) type Pairs = Vec<(String, Given)>;

/// A character, and whether it was escaped.
type Marked = (char, bool);

/// Splits the slash form. A plus sign joins two attributes only when `TYPE=` follows, since it appears in values too.
pub(super) fn split_slashes(text: &str, whole: &str) -> Result<Vec<Pairs>, DistinguishedNameError> {
    let mut marked: Vec<Marked> = Vec::new();
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        marked.push(match character {
            '\\' => {
                let escaped = characters.next();
                (
                    escaped.ok_or_else(|| DistinguishedNameError::Escape(whole.to_owned()))?,
                    true,
                )
            }
            other => (other, false),
        });
    }
    marked
        .split(|character| *character == ('/', false))
        .map(|part| {
            let mut pairs = Pairs::new();
            let mut rest = part;
            loop {
                let (this, next) = match find_joining_plus(rest) {
                    Some(at) => (&rest[..at], Some(&rest[at + 1..])),
                    None => (rest, None),
                };
                let this: String = this.iter().map(|(character, _)| character).collect();
                let Some((name, value)) = this.split_once('=') else {
                    return Err(DistinguishedNameError::NotAPair {
                        name: whole.to_owned(),
                        part: this,
                    });
                };
                pairs.push((name.trim().to_owned(), Given::Text(value.to_owned())));
                match next {
                    Some(next) => rest = next,
                    None => return Ok(pairs),
                }
            }
        })
        .collect()
}

fn find_joining_plus(text: &[Marked]) -> Option<usize> {
    let pluses = text
        .iter()
        .enumerate()
        .filter(|(_, character)| **character == ('+', false));
    pluses.map(|(at, _)| at).find(|at| {
        let after = &text[at + 1..];
        let name: String = after
            .iter()
            .map(|(character, _)| character)
            .take_while(|character| **character != '=')
            .collect();
        name.chars().count() < after.len() && Kind::find(name.trim()).is_some()
    })
}

/// Splits the form of RFC 4514 §3, with `,` or (RFC 2253) `;` between the elements.
pub(super) fn split_rfc4514(text: &str) -> Result<Vec<Pairs>, DistinguishedNameError> {
    let broken = || DistinguishedNameError::Escape(text.to_owned());
    // Each attribute, and whether its value begins with a number sign that is not escaped.
    let mut elements = vec![vec![(Vec::<u8>::new(), false)]];
    // Spaces around a value are dropped unless they are escaped: this is the length up to the last that counts.
    let mut kept = 0;
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        let element = elements.last_mut().ok_or_else(broken)?;
        let (current, is_encoded) = element.last_mut().ok_or_else(broken)?;
        match character {
            '\\' => {
                let first = characters.next().ok_or_else(broken)?;
                match (
                    first.to_digit(16),
                    characters.peek().and_then(|next| next.to_digit(16)),
                ) {
                    (Some(high), Some(low)) => {
                        characters.next();
                        current.push((high * 16 + low) as u8);
                    }
                    _ => current.extend_from_slice(first.encode_utf8(&mut [0; 4]).as_bytes()),
                }
                kept = current.len();
            }
            ',' | ';' | '+' => {
                current.truncate(kept);
                kept = 0;
                if character == '+' {
                    element.push((Vec::new(), false));
                } else {
                    elements.push(vec![(Vec::new(), false)]);
                }
            }
            // Before the name, and between the equals sign and the value.
            ' ' if current
                .iter()
                .position(|byte| *byte == b'=')
                .is_none_or(|at| at + 1 == current.len()) => {}
            other => {
                let equals = current.iter().position(|byte| *byte == b'=');
                *is_encoded |= other == '#' && equals.is_some_and(|at| at + 1 == current.len());
                current.extend_from_slice(other.encode_utf8(&mut [0; 4]).as_bytes());
                if other != ' ' {
                    kept = current.len();
                }
            }
        }
    }
    if let Some((last, _)) = elements.last_mut().and_then(|element| element.last_mut()) {
        last.truncate(kept);
    }
    if text.is_empty() {
        return Err(DistinguishedNameError::Empty);
    }
    elements
        .into_iter()
        .map(|element| {
            element
                .into_iter()
                .map(|(pair, is_encoded)| {
                    let pair = String::from_utf8(pair).map_err(|_| broken())?;
                    let (name, value) =
                        pair.split_once('=')
                            .ok_or_else(|| DistinguishedNameError::NotAPair {
                                name: text.to_owned(),
                                part: pair.clone(),
                            })?;
                    let value = match value.strip_prefix('#').filter(|_| is_encoded) {
                        Some(digits) => Given::Encoded(digits.to_owned()),
                        None => Given::Text(value.to_owned()),
                    };
                    Ok((name.trim().to_owned(), value))
                })
                .collect()
        })
        .collect()
}

/// RFC 4514 §2.4.
pub(super) fn escape_rfc4514(value: &str) -> String {
    let mut out = String::new();
    let last = value.chars().count().saturating_sub(1);
    for (index, character) in value.chars().enumerate() {
        match character {
            '"' | '+' | ',' | ';' | '<' | '>' | '\\' => {
                out.push('\\');
                out.push(character);
            }
            ' ' if index == 0 || index == last => out.push_str("\\ "),
            '#' if index == 0 => out.push_str("\\#"),
            '\0' => out.push_str("\\00"),
            other => out.push(other),
        }
    }
    out
}
